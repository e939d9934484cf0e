//! Medians, minima and geometric means.

use std::time::Duration;

/// The measured times of one contender in one case.
#[derive(Clone, Debug, Default)]
pub struct Samples(Vec<Duration>);

impl Samples {
    /// Adds a sample.
    pub fn push(&mut self, sample: Duration) {
        self.0.push(sample);
    }

    /// The number of samples.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no samples.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The sum of all samples.
    pub fn total(&self) -> Duration {
        self.0.iter().sum()
    }

    /// The median and the minimum, if there are any samples.
    pub fn figure(&self) -> Option<Figure> {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let minimum = *sorted.first()?;
        let upper = sorted[sorted.len() / 2];
        let lower = sorted[(sorted.len() - 1) / 2];
        Some(Figure {
            median: (upper + lower).as_secs_f64() / 2.0,
            minimum: minimum.as_secs_f64(),
        })
    }
}

/// What is reported of the samples: in seconds, unless it was scaled.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figure {
    /// The median.
    pub median: f64,
    /// The minimum.
    pub minimum: f64,
}

impl Figure {
    /// Multiplies both.
    pub fn scaled(self, factor: f64) -> Figure {
        Figure {
            median: self.median * factor,
            minimum: self.minimum * factor,
        }
    }

    /// Divides both by those of `other`.
    pub fn relative_to(self, other: Figure) -> Figure {
        Figure {
            median: self.median / other.median,
            minimum: self.minimum / other.minimum,
        }
    }
}

/// The geometric mean of the medians, and that of the minima; `None` if a figure is missing.
pub fn geometric_mean(figures: &[Option<Figure>]) -> Option<Figure> {
    let (mut median, mut minimum) = (0.0, 0.0);
    for figure in figures {
        let figure = figure.as_ref()?;
        median += figure.median.ln();
        minimum += figure.minimum.ln();
    }
    let count = figures.len() as f64;
    (count > 0.0).then(|| Figure {
        median: (median / count).exp(),
        minimum: (minimum / count).exp(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn median_of_even_and_odd() {
        let mut samples = Samples::default();
        assert!(samples.figure().is_none());
        for seconds in [5, 1, 3] {
            samples.push(Duration::from_secs(seconds));
        }
        let figure = samples.figure().unwrap();
        assert_eq!((figure.median, figure.minimum), (3.0, 1.0));
        samples.push(Duration::from_secs(4));
        assert_eq!(samples.figure().unwrap().median, 3.5);
    }

    #[test]
    fn geometric_mean_needs_all() {
        let figure = |x| {
            Some(Figure {
                median: x,
                minimum: x,
            })
        };
        let mean = geometric_mean(&[figure(2.0), figure(8.0)]).unwrap();
        assert!((mean.median - 4.0).abs() < 1e-9);
        assert!(geometric_mean(&[figure(2.0), None]).is_none());
    }
}
