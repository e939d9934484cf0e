//! A bar chart, as SVG: a group of bars for each case. Legible on light and dark pages, as [`chart`] is.
//!
//! [`chart`]: crate::chart

use crate::chart::{COLOURS, escape, write_to};
use crate::table::readable;

const WIDTH: f64 = 960.0;
const LEFT: f64 = 170.0;
const RIGHT: f64 = 80.0;
const TOP: f64 = 76.0;
const BAR: f64 = 18.0;
const GAP: f64 = 5.0;
/// The line with the title of a group, and the space before it.
const TITLE: f64 = 26.0;

/// The chart. The longest bar of each group is as long as the chart is wide, so bars compare within a group.
#[derive(Clone, Debug)]
pub struct Bars {
    /// The title.
    pub title: String,
    /// The smaller text below the title.
    pub subtitle: String,
    /// What the figures are in.
    pub unit: String,
    /// The groups.
    pub groups: Vec<BarGroup>,
}

/// What is compared.
#[derive(Clone, Debug)]
pub struct BarGroup {
    /// The case; may be empty.
    pub title: String,
    /// A name and a figure for each bar. The first is drawn in a colour of its own.
    pub bars: Vec<(String, f64)>,
}

impl Bars {
    /// The chart as an SVG document.
    pub fn to_svg(&self) -> String {
        let (title, subtitle) = (escape(&self.title), escape(&self.subtitle));
        let mut body = String::new();
        let mut y = TOP;
        for group in &self.groups {
            if !group.title.is_empty() {
                let baseline = y + 14.0;
                let case = escape(&group.title);
                write_to(
                    &mut body,
                    format_args!("<text x=\"{LEFT}\" y=\"{baseline}\">{case}</text>\n"),
                );
                y += TITLE - GAP;
            }
            let figures = group.bars.iter().map(|bar| bar.1);
            let most = figures.fold(f64::MIN_POSITIVE, f64::max);
            for (number, (name, figure)) in group.bars.iter().enumerate() {
                let length = ((WIDTH - LEFT - RIGHT) * figure / most).max(1.5);
                let colour = COLOURS[if number == 0 { 0 } else { COLOURS.len() - 1 }];
                let weight = if number == 0 { 600 } else { 400 };
                let (beside, behind, baseline) = (LEFT - 8.0, LEFT + length + 6.0, y + BAR - 4.5);
                let (name, figure, unit) = (escape(name), readable(*figure), escape(&self.unit));
                write_to(
                    &mut body,
                    format_args!(
                        "<text x=\"{beside}\" y=\"{baseline}\" text-anchor=\"end\" \
                         font-weight=\"{weight}\">{name}</text>\n\
                         <rect x=\"{LEFT}\" y=\"{y}\" width=\"{length:.1}\" height=\"{BAR}\" rx=\"2\" \
                         fill=\"{colour}\"/>\n\
                         <text x=\"{behind:.1}\" y=\"{baseline}\">{figure} {unit}</text>\n"
                    ),
                );
                y += BAR + GAP;
            }
            y += TITLE - GAP;
        }
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {y}\" role=\"img\" \
             aria-label=\"{title}: {subtitle}\" font-family=\"system-ui, sans-serif\" font-size=\"13\">\n\
             <style>\n\
             text {{ fill: #333c47; }}\n\
             @media (prefers-color-scheme: dark) {{ text {{ fill: #d5dbe3; }} }}\n\
             </style>\n\
             <text x=\"20\" y=\"30\" font-size=\"19\" font-weight=\"600\">{title}</text>\n\
             <text x=\"20\" y=\"52\">{subtitle}</text>\n{body}</svg>\n"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_bar_of_each_group_is_as_long_as_the_chart_is_wide() {
        let group = |figures: [f64; 2]| BarGroup {
            title: "<case>".to_owned(),
            bars: figures.map(|figure| ("name".to_owned(), figure)).into(),
        };
        let bars = Bars {
            title: String::new(),
            subtitle: String::new(),
            unit: "µs".to_owned(),
            groups: vec![group([1.0, 2.0]), group([300.0, 30.0])],
        };
        let svg = bars.to_svg();
        let width = |length: f64| format!("width=\"{length:.1}\"");
        let whole = WIDTH - LEFT - RIGHT;
        assert_eq!(svg.matches(&width(whole)).count(), 2);
        assert_eq!(svg.matches(&width(whole / 2.0)).count(), 1);
        assert_eq!(svg.matches(&width(whole / 10.0)).count(), 1);
        assert_eq!(svg.matches("&lt;case&gt;").count(), 2);
    }
}
