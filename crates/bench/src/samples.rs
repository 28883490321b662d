//! What was measured, many times.

use std::time::Duration;

/// Durations of the same thing.
#[derive(Debug, Clone, Default)]
pub(crate) struct Samples(Vec<Duration>);

impl Samples {
    pub(crate) fn push(&mut self, taken: Duration) {
        self.0.push(taken);
    }

    pub(crate) fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The middle one; of an even number, the greater of the two in the middle.
    pub(crate) fn median(&self) -> Duration {
        self.at(50)
    }

    /// What one of a hundred passes; with fewer than a hundred samples, the greatest.
    pub(crate) fn p99(&self) -> Duration {
        self.at(99)
    }

    fn at(&self, hundredths: usize) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        sorted.get(sorted.len() * hundredths / 100).copied().unwrap_or_default()
    }
}

impl FromIterator<Duration> for Samples {
    fn from_iter<I: IntoIterator<Item = Duration>>(durations: I) -> Self {
        Self(durations.into_iter().collect())
    }
}

/// In milliseconds, to a thousandth.
pub(crate) fn milliseconds(duration: Duration) -> String {
    format!("{:.3} ms", duration.as_secs_f64() * 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle_and_one_of_a_hundred_passes_the_p99() {
        let samples: Samples = (1..=200).rev().map(Duration::from_millis).collect();
        assert_eq!(samples.median(), Duration::from_millis(101));
        assert_eq!(samples.p99(), Duration::from_millis(199));
        let few: Samples = [3, 1, 2].into_iter().map(Duration::from_millis).collect();
        assert_eq!((few.median(), few.p99()), (Duration::from_millis(2), Duration::from_millis(3)));
    }
}
