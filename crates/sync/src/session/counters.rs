//! Which of a peer's counters were seen: a window of the last 64, as IPsec keeps it against replays (RFC 4303, 3.4.3).
//!
//! Every session of a home has a counter greater than all before it. Two that begin at the same moment may be seen in
//! either order, so that a lower one alone means nothing; the same one twice, or one far below the greatest, means that
//! two homes count from the same past: one is a copy, or was restored.

/// How far below the greatest a counter may be.
const REACH: u64 = 64;

/// The counters that a peer has used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CounterWindow {
    /// The greatest seen; 0 when none was.
    greatest: u64,
    /// Bit `n`: `greatest - n` was seen.
    seen: u64,
}

impl CounterWindow {
    /// Whether a counter is one that this peer has not used.
    pub fn admits(&self, counter: u64) -> bool {
        if counter == 0 {
            return false;
        }
        match self.greatest.checked_sub(counter) {
            None => true,
            Some(below) => below < REACH && self.seen & (1 << below) == 0,
        }
    }

    /// Notes a counter; answers the same as [`CounterWindow::admits`] did before.
    pub fn note(&mut self, counter: u64) -> bool {
        if !self.admits(counter) {
            return false;
        }
        if counter > self.greatest {
            let ahead = counter - self.greatest;
            self.seen = if ahead < REACH { self.seen << ahead } else { 0 } | 1;
            self.greatest = counter;
        } else {
            self.seen |= 1 << (self.greatest - counter);
        }
        true
    }

    /// The window as 16 bytes, to be stored.
    pub fn to_bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.greatest.to_le_bytes());
        bytes[8..].copy_from_slice(&self.seen.to_le_bytes());
        bytes
    }

    /// The reverse of [`CounterWindow::to_bytes`].
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        let value = u128::from_le_bytes(bytes);
        let low = u64::try_from(value & u128::from(u64::MAX)).expect("the upper half is masked away");
        let high = u64::try_from(value >> 64).expect("the lower half is shifted away");
        Self { greatest: low, seen: high }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crossing_sessions_are_admitted_and_repeated_counters_are_not() {
        let mut window = CounterWindow::default();
        assert!(!window.admits(0), "a home's first counter is 1");
        assert!(window.note(6));
        assert!(window.note(5), "two sessions that began at once came in the other order");
        assert!(!window.note(5));
        assert!(!window.note(6));
        assert!(window.note(7));
        assert!(window.note(200));
        assert!(!window.admits(200 - 64), "a restored home counts from far below");
        assert!(window.note(200 - 63));
        assert!(!window.note(200 - 63));
        assert_eq!(CounterWindow::from_bytes(window.to_bytes()), window);
        assert!(window.note(u64::MAX));
        assert!(!window.note(u64::MAX));
    }
}
