//! Ports on loopback that no other test takes, though every test is a process of its own and a daemon may be down for a
//! while.

use std::net::{Ipv4Addr, TcpListener, UdpSocket};

use anyhow::Context as _;
use rand_core::{OsRng, RngCore as _};

/// Below the ports that Linux, macOS and Windows give out to whoever asks for any (32768 and up, or 49152), and above the
/// well-known ones.
const RANGE: std::ops::Range<u16> = 20_000..32_000;

/// A UDP port of 127.0.0.1 that is one home's while this lives.
///
/// The TCP port of the same number is held as the mark of it: all who reserve here have to get that first, and a daemon
/// needs the UDP port only. A port that was merely found free and given back was taken by another test in CI, before the
/// daemon had it.
#[derive(Debug)]
pub struct ReservedPort {
    mark: TcpListener,
    number: u16,
}

impl ReservedPort {
    /// # Errors
    /// When none of many is free.
    pub fn reserve() -> anyhow::Result<Self> {
        (0..1_000).find_map(|_| Self::try_random()).context("no port of loopback is free")
    }

    fn try_random() -> Option<Self> {
        let number = RANGE.start + u16::try_from(OsRng.next_u32() % u32::from(RANGE.end - RANGE.start)).ok()?;
        let mark = TcpListener::bind((Ipv4Addr::LOCALHOST, number)).ok()?;
        UdpSocket::bind((Ipv4Addr::LOCALHOST, number)).ok()?;
        Some(Self { mark, number })
    }

    /// Which one.
    pub fn number(&self) -> u16 {
        debug_assert_eq!(self.mark.local_addr().ok().map(|address| address.port()), Some(self.number));
        self.number
    }
}
