//! How many connections strangers may begin where anybody may: a code that shows is guarded by one try a second, but the first packet
//! of every connection costs a key exchange before that is known. What is beyond the limits is dropped before QUIC sees it, and
//! whoever sent it in good faith sends it again.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::limits::{PAIRING_BEGINNINGS, PAIRING_BEGINNINGS_EACH};

const SECOND: Duration = Duration::from_secs(1);

/// Counts what began within a second, by address and in all. Holds [`PAIRING_BEGINNINGS`] addresses at most.
#[derive(Debug, Default)]
pub(crate) struct Beginnings {
    counted: Mutex<Counted>,
}

#[derive(Debug, Default)]
struct Counted {
    since: Option<Instant>,
    all: u32,
    by_address: HashMap<IpAddr, u32>,
}

impl Beginnings {
    /// Whether one more may begin, from this address.
    pub(crate) fn admits(&self, from: IpAddr, now: Instant) -> bool {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        if counted.since.is_none_or(|since| now.saturating_duration_since(since) >= SECOND) {
            *counted = Counted { since: Some(now), ..Counted::default() };
        }
        if counted.all >= PAIRING_BEGINNINGS {
            return false;
        }
        let from_here = counted.by_address.entry(from.to_canonical()).or_default();
        if *from_here >= PAIRING_BEGINNINGS_EACH {
            return false;
        }
        *from_here += 1;
        counted.all += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn address(number: u32) -> IpAddr {
        Ipv4Addr::from(number).into()
    }

    #[test]
    fn one_address_does_not_use_up_what_all_may_begin() {
        let (beginnings, now) = (Beginnings::default(), Instant::now());
        let admitted = |from, now| (0..1000).filter(|_| beginnings.admits(address(from), now)).count();
        assert_eq!(admitted(1, now), PAIRING_BEGINNINGS_EACH as usize);
        assert_eq!(admitted(2, now), PAIRING_BEGINNINGS_EACH as usize);
        let mapped = Ipv4Addr::from(1).to_ipv6_mapped().into();
        assert!(!beginnings.admits(mapped, now), "the same address, spelt otherwise");
        // A second later there is room again.
        assert_eq!(admitted(1, now + SECOND), PAIRING_BEGINNINGS_EACH as usize);
    }

    #[test]
    fn all_addresses_together_have_an_end_and_so_has_the_memory_of_them() {
        let (beginnings, now) = (Beginnings::default(), Instant::now());
        let admitted = (0..10_000).filter(|from| beginnings.admits(address(*from), now)).count();
        assert_eq!(admitted, PAIRING_BEGINNINGS as usize);
        assert!(beginnings.counted.lock().unwrap().by_address.len() <= PAIRING_BEGINNINGS as usize);
        assert!(beginnings.admits(address(1), now + SECOND));
    }
}
