//! How often something may be tried.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A bucket of tries that fills again with time (a token bucket). One for everybody: whoever comes over loopback comes from
/// the same address.
#[derive(Debug)]
pub(crate) struct Rate {
    most: u32,
    every: Duration,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    left: u32,
    /// When the last one was put back.
    since: Instant,
}

impl Rate {
    /// At most this many at once, and one more each time this has passed.
    pub(crate) fn new(most: u32, every: Duration, now: Instant) -> Self {
        Self { most, every, state: Mutex::new(State { left: most, since: now }) }
    }

    /// Takes one try.
    ///
    /// # Errors
    /// How long to wait for the next one.
    pub(crate) fn take(&self, now: Instant) -> Result<(), Duration> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = now.saturating_duration_since(state.since);
        let back = u32::try_from(passed.as_nanos() / self.every.as_nanos().max(1)).unwrap_or(u32::MAX);
        if back >= self.most - state.left {
            *state = State { left: self.most, since: now };
        } else {
            state.left += back;
            state.since += self.every * back;
        }
        if state.left == 0 {
            return Err(self.every.saturating_sub(now.saturating_duration_since(state.since)));
        }
        state.left -= 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_at_once_and_one_more_each_time() {
        let begun = Instant::now();
        let second = Duration::from_secs(1);
        let rate = Rate::new(3, second, begun);
        for _ in 0..3 {
            rate.take(begun).expect("has one left");
        }
        assert_eq!(rate.take(begun), Err(second));
        assert_eq!(rate.take(begun + second / 2), Err(second / 2));
        rate.take(begun + second).expect("has one again");
        assert!(rate.take(begun + second).is_err());
        let later = begun + second * 100;
        for _ in 0..3 {
            rate.take(later).expect("is full again, and no fuller");
        }
        assert!(rate.take(later).is_err());
    }
}
