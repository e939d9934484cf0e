//! A line chart with logarithmic axes, as SVG.
//!
//! It is legible on light and on dark pages: its background is transparent, its lines have a medium
//! brightness, and its text follows the reader's colour scheme.

use std::fmt::Write;

use crate::table::readable;

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 560.0;
const LEFT: f64 = 84.0;
const RIGHT: f64 = 190.0;
const TOP: f64 = 76.0;
const BOTTOM: f64 = 64.0;
/// The height of a line's label, and the least distance between two labels.
const LABEL: f64 = 17.0;

/// Distinct hues, each with a contrast of at least 3 to 1 to white and to black.
pub(crate) const COLOURS: [&str; 8] = [
    "#2f7ed8", "#d9534f", "#2e9e5b", "#a463d0", "#c27c0e", "#0f9aa5", "#d1498b", "#7d8590",
];
/// If there are more lines than colours, the colours repeat with the next pattern.
const DASHES: [&str; 3] = ["none", "7 4", "2 4"];

/// A line.
#[derive(Clone, Debug)]
pub struct Series {
    /// What it shows.
    pub name: String,
    /// Its points, from left to right. Both coordinates are above 0.
    pub points: Vec<(f64, f64)>,
}

/// The chart.
#[derive(Clone, Debug)]
pub struct Chart {
    /// The title.
    pub title: String,
    /// The smaller text below the title.
    pub subtitle: String,
    /// What the horizontal axis shows.
    pub x: String,
    /// What the vertical axis shows.
    pub y: String,
    /// The lines.
    pub series: Vec<Series>,
}

/// A logarithmic axis.
struct Axis {
    /// Its ends, as powers of ten.
    low: f64,
    high: f64,
    /// Where its ends are drawn.
    from: f64,
    to: f64,
}

impl Axis {
    /// An axis for `values` that begins and ends at 1, 2 or 5 times a power of ten.
    fn around(values: impl Iterator<Item = f64>, from: f64, to: f64) -> Axis {
        let (mut low, mut high) = (f64::INFINITY, 0.0_f64);
        for value in values {
            low = low.min(value);
            high = high.max(value);
        }
        if low > high {
            (low, high) = (1.0, 10.0);
        }
        let below = steps(
            low.log10().floor() as i32 - 1,
            high.log10().ceil() as i32 + 1,
        );
        let low = below.iter().rev().find(|&&step| step <= low * 1.001);
        let high = below.iter().find(|&&step| step >= high * 0.999);
        Axis {
            low: low.copied().unwrap_or(1.0).log10(),
            high: high.copied().unwrap_or(10.0).log10(),
            from,
            to,
        }
    }

    fn place(&self, value: f64) -> f64 {
        let share = (value.log10() - self.low) / (self.high - self.low).max(0.01);
        self.from + share * (self.to - self.from)
    }

    /// The values at which lines are drawn, and whether each is a power of ten.
    fn marks(&self) -> Vec<(f64, bool)> {
        let all = steps(self.low.floor() as i32, self.high.ceil() as i32);
        let inside = all
            .into_iter()
            .filter(|step| step.log10() >= self.low - 1e-9 && step.log10() <= self.high + 1e-9);
        let mark = |step: f64| (step, (step.log10() - step.log10().round()).abs() < 1e-9);
        inside.map(mark).collect()
    }
}

/// 1, 2 and 5 times the powers of ten between two exponents.
fn steps(low: i32, high: i32) -> Vec<f64> {
    let decade = |exponent: i32| [1.0, 2.0, 5.0].map(|step| step * 10f64.powi(exponent));
    (low..=high).flat_map(decade).collect()
}

impl Chart {
    /// The chart as an SVG document.
    pub fn to_svg(&self) -> String {
        let points = || self.series.iter().flat_map(|series| &series.points);
        let x = Axis::around(points().map(|point| point.0), LEFT, WIDTH - RIGHT);
        let y = Axis::around(points().map(|point| point.1), HEIGHT - BOTTOM, TOP);
        let mut svg = String::new();
        self.head(&mut svg);
        self.axes(&mut svg, &x, &y);
        let labels = self.labels(&y);
        for (index, (series, label)) in self.series.iter().zip(labels).enumerate() {
            line(&mut svg, index, series, label, &x, &y);
        }
        svg.push_str("</svg>\n");
        svg
    }

    fn head(&self, svg: &mut String) {
        let (title, subtitle) = (escape(&self.title), escape(&self.subtitle));
        write_to(
            svg,
            format_args!(
                "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
                 role=\"img\" aria-label=\"{title}: {subtitle}\" \
                 font-family=\"system-ui, sans-serif\" font-size=\"13\">\n\
                 <style>\n\
                 text {{ fill: #333c47; }}\n\
                 .minor {{ stroke: #8b949e; stroke-opacity: .18; }}\n\
                 .major {{ stroke: #8b949e; stroke-opacity: .45; }}\n\
                 @media (prefers-color-scheme: dark) {{ text {{ fill: #d5dbe3; }} }}\n\
                 </style>\n\
                 <text x=\"{LEFT}\" y=\"30\" font-size=\"19\" font-weight=\"600\">{title}</text>\n\
                 <text x=\"{LEFT}\" y=\"52\">{subtitle}</text>\n"
            ),
        );
    }

    fn axes(&self, svg: &mut String, x: &Axis, y: &Axis) {
        let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
        for (value, major) in x.marks() {
            let (at, class) = (x.place(value), if major { "major" } else { "minor" });
            write_to(
                svg,
                format_args!(
                    "<line class=\"{class}\" x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{TOP}\" \
                     y2=\"{bottom}\"/>\n"
                ),
            );
            if major {
                let (value, below) = (readable_mark(value), bottom + 20.0);
                write_to(
                    svg,
                    format_args!(
                        "<text x=\"{at:.1}\" y=\"{below}\" text-anchor=\"middle\">{value}</text>\n"
                    ),
                );
            }
        }
        for (value, major) in y.marks() {
            let (at, class) = (y.place(value), if major { "major" } else { "minor" });
            let (beside, baseline, value) = (LEFT - 8.0, at + 4.5, readable_mark(value));
            write_to(
                svg,
                format_args!(
                    "<line class=\"{class}\" x1=\"{LEFT}\" x2=\"{right}\" y1=\"{at:.1}\" \
                     y2=\"{at:.1}\"/>\n\
                     <text x=\"{beside}\" y=\"{baseline:.1}\" text-anchor=\"end\">{value}</text>\n"
                ),
            );
        }
        let (middle_x, middle_y) = ((LEFT + right) / 2.0, (TOP + bottom) / 2.0);
        let (x_name, y_name, foot) = (escape(&self.x), escape(&self.y), HEIGHT - 18.0);
        write_to(
            svg,
            format_args!(
                "<text x=\"{middle_x}\" y=\"{foot}\" text-anchor=\"middle\">{x_name}</text>\n\
                 <text transform=\"translate(20 {middle_y}) rotate(-90)\" \
                 text-anchor=\"middle\">{y_name}</text>\n"
            ),
        );
    }

    /// The height of each line's label: near the end of the line, without overlapping other labels.
    fn labels(&self, y: &Axis) -> Vec<f64> {
        let ends = self.series.iter().map(|series| {
            let last = series.points.last();
            last.map_or(TOP, |point| y.place(point.1))
        });
        let mut order: Vec<(usize, f64)> = ends.enumerate().collect();
        order.sort_by(|a, b| a.1.total_cmp(&b.1));
        let mut above = TOP - LABEL;
        for (_, place) in &mut order {
            *place = place.max(above + LABEL);
            above = *place;
        }
        // Labels that were pushed below the chart move back up.
        let mut below = HEIGHT - BOTTOM + LABEL;
        for (_, place) in order.iter_mut().rev() {
            *place = place.min(below - LABEL);
            below = *place;
        }
        order.sort_by_key(|&(index, _)| index);
        order.into_iter().map(|(_, place)| place).collect()
    }
}

fn line(svg: &mut String, index: usize, series: &Series, label: f64, x: &Axis, y: &Axis) {
    let colour = COLOURS[index % COLOURS.len()];
    let dash = DASHES[index / COLOURS.len() % DASHES.len()];
    let places: Vec<(f64, f64)> = series
        .points
        .iter()
        .map(|&(a, b)| (x.place(a), y.place(b)))
        .collect();
    let path: Vec<String> = places
        .iter()
        .map(|(a, b)| format!("{a:.1},{b:.1}"))
        .collect();
    let path = path.join(" ");
    write_to(
        svg,
        format_args!(
            "<polyline points=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2.2\" \
             stroke-linejoin=\"round\" stroke-dasharray=\"{dash}\"/>\n"
        ),
    );
    for (a, b) in &places {
        write_to(
            svg,
            format_args!("<circle cx=\"{a:.1}\" cy=\"{b:.1}\" r=\"3.2\" fill=\"{colour}\"/>\n"),
        );
    }
    let Some((end_x, end_y)) = places.last() else {
        return;
    };
    let (from, to, text) = (
        WIDTH - RIGHT + 8.0,
        WIDTH - RIGHT + 22.0,
        WIDTH - RIGHT + 27.0,
    );
    let (baseline, name) = (label + 4.5, escape(&series.name));
    write_to(
        svg,
        format_args!(
            "<polyline points=\"{end_x:.1},{end_y:.1} {from},{label:.1} {to},{label:.1}\" \
             fill=\"none\" stroke=\"{colour}\" stroke-opacity=\".55\" stroke-dasharray=\"2 3\"/>\n\
             <text x=\"{text}\" y=\"{baseline:.1}\" style=\"fill:{colour}\" \
             font-weight=\"600\">{name}</text>\n"
        ),
    );
}

pub(crate) fn write_to(svg: &mut String, arguments: std::fmt::Arguments<'_>) {
    svg.write_fmt(arguments)
        .expect("writing to a `String` does not fail");
}

fn readable_mark(value: f64) -> String {
    if value >= 100.0 || value.fract() > 1e-9 {
        return readable(value);
    }
    format!("{value:.0}")
}

pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(series: Vec<Series>) -> Chart {
        Chart {
            title: "a <b> & \"c\"".to_owned(),
            subtitle: String::new(),
            x: "x".to_owned(),
            y: "y".to_owned(),
            series,
        }
    }

    #[test]
    fn text_is_escaped() {
        let svg = chart(Vec::new()).to_svg();
        assert!(svg.contains("a &lt;b&gt; &amp; &quot;c&quot;"));
    }

    #[test]
    fn labels_keep_their_distance() {
        let series = |name: &str| Series {
            name: name.to_owned(),
            points: vec![(1.0, 10.0), (10.0, 10.0)],
        };
        let chart = chart(["a", "b", "c"].map(series).into());
        let y = Axis::around([10.0].into_iter(), HEIGHT - BOTTOM, TOP);
        let mut labels = chart.labels(&y);
        labels.sort_by(f64::total_cmp);
        assert!(
            labels
                .windows(2)
                .all(|pair| pair[1] - pair[0] >= LABEL - 1e-9)
        );
    }

    #[test]
    fn marks_are_one_two_five() {
        let axis = Axis::around([12.0, 480.0].into_iter(), 0.0, 1.0);
        let marks: Vec<f64> = axis.marks().into_iter().map(|mark| mark.0).collect();
        assert_eq!(marks, [10.0, 20.0, 50.0, 100.0, 200.0, 500.0]);
    }
}
