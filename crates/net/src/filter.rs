//! What may reach QUIC at all, and what may leave it. Strangers get no answer, whatever they send.
//!
//! quinn answers more than handshakes: unknown versions with a version negotiation, unknown short packets with a stateless
//! reset, malformed attempts with a close. So datagrams are looked at before quinn sees them (the fields named here are
//! those that every version of QUIC keeps readable, RFC 8999), and only these pass:
//!
//! - packets to a connection id that this process gave out, recognised by a keyed hash in it;
//! - on the sync endpoint, a version 1 Initial whose connection id is a rostered device's knock;
//! - on the pairing endpoint, which is open only while a code shows, any version 1 Initial, as many as the limits let.
//!
//! A connection id that this process gave out may be of a connection that is over: then quinn would answer with a stateless reset,
//! which is not sent ([`crate::resets`]).

use std::fmt;
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Instant;

use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, ConnectionId, ConnectionIdGenerator, UdpPoller};
use rand_core::{OsRng, RngCore as _};

use crate::beginnings::Beginnings;
use crate::peers::Peers;
use crate::resets::ResetTokens;

/// Bytes of the connection ids that this side gives out: half random, half a keyed hash of that.
const OWN_ID: usize = 8;
const OWN_ID_RANDOM: usize = 4;
const QUIC_VERSION_1: u32 = 1;
/// Datagrams that begin a connection have at least this size (RFC 9000, section 14.1).
const SMALLEST_INITIAL: usize = 1200;

/// Makes connection ids and recognises its own. One key a process: ids mean nothing after a restart.
#[derive(Clone)]
pub(crate) struct OwnIds {
    key: Arc<[u8; 32]>,
}

impl fmt::Debug for OwnIds {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("OwnIds(..)")
    }
}

impl OwnIds {
    pub(crate) fn new() -> Self {
        let mut key = [0; 32];
        OsRng.fill_bytes(&mut key);
        Self { key: Arc::new(key) }
    }

    fn seal(&self, random: &[u8]) -> [u8; OWN_ID - OWN_ID_RANDOM] {
        let mut seal = [0; OWN_ID - OWN_ID_RANDOM];
        seal.copy_from_slice(&blake3::keyed_hash(&self.key, random).as_bytes()[..OWN_ID - OWN_ID_RANDOM]);
        seal
    }

    fn is_own(&self, id: &[u8]) -> bool {
        id.len() == OWN_ID && self.seal(&id[..OWN_ID_RANDOM]) == id[OWN_ID_RANDOM..]
    }
}

impl ConnectionIdGenerator for OwnIds {
    fn generate_cid(&mut self) -> ConnectionId {
        let mut id = [0; OWN_ID];
        OsRng.fill_bytes(&mut id[..OWN_ID_RANDOM]);
        let seal = self.seal(&id[..OWN_ID_RANDOM]);
        id[OWN_ID_RANDOM..].copy_from_slice(&seal);
        ConnectionId::new(&id)
    }

    fn cid_len(&self) -> usize {
        OWN_ID
    }

    fn cid_lifetime(&self) -> Option<std::time::Duration> {
        None
    }
}

/// Who may begin a connection.
#[derive(Debug, Clone)]
pub(crate) enum Door {
    /// Rostered devices that knock.
    Knock(Arc<Peers>),
    /// Anybody, but not without end.
    Open(Arc<Beginnings>),
    /// Nobody: an endpoint that only dials.
    Closed,
}

/// Decides for each datagram.
#[derive(Debug)]
pub(crate) struct Filter {
    pub(crate) ids: OwnIds,
    pub(crate) door: Door,
    pub(crate) resets: ResetTokens,
    shut: AtomicBool,
    dropped: AtomicU64,
}

impl Filter {
    pub(crate) fn new(ids: OwnIds, door: Door) -> Self {
        Self { ids, door, resets: ResetTokens::new(), shut: AtomicBool::new(false), dropped: AtomicU64::new(0) }
    }

    /// From now on nobody begins a connection; those that stand go on.
    pub(crate) fn shut(&self) {
        self.shut.store(true, Ordering::Relaxed);
    }

    /// How many datagrams were dropped since the start.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    fn passes(&self, datagram: &[u8], from: IpAddr) -> bool {
        let Some((&first, rest)) = datagram.split_first() else { return false };
        let long_header = first & 0x80 != 0;
        if !long_header {
            return rest.get(..OWN_ID).is_some_and(|id| self.ids.is_own(id));
        }
        let Some((version, rest)) = rest.split_first_chunk::<4>() else { return false };
        // Version 0 is a version negotiation, which we, who speak one version, have no use for.
        if u32::from_be_bytes(*version) != QUIC_VERSION_1 {
            return false;
        }
        let Some((&length, rest)) = rest.split_first() else { return false };
        let Some(id) = rest.get(..usize::from(length)) else { return false };
        if self.ids.is_own(id) {
            return true;
        }
        let initial = first & 0x30 == 0;
        initial
            && !self.shut.load(Ordering::Relaxed)
            && datagram.len() >= SMALLEST_INITIAL
            && match &self.door {
                Door::Knock(peers) => peers.knocker(id).is_some(),
                Door::Open(beginnings) => beginnings.admits(from, Instant::now()),
                Door::Closed => false,
            }
    }

    /// Moves the datagrams that pass to the front of a buffer that holds several of `stride` bytes (the last may be
    /// shorter), all from one address, and says how many bytes they are.
    pub(crate) fn keep(&self, buffer: &mut [u8], length: usize, stride: usize, from: IpAddr) -> usize {
        let stride = stride.max(1);
        let length = length.min(buffer.len());
        let (mut kept, mut start) = (0, 0);
        while start < length {
            let end = (start + stride).min(length);
            if self.passes(&buffer[start..end], from) {
                buffer.copy_within(start..end, kept);
                kept += end - start;
            } else {
                self.dropped.fetch_add(1, Ordering::Relaxed);
            }
            start = end;
        }
        kept
    }
}

/// A UDP socket behind a [`Filter`].
#[derive(Debug)]
pub(crate) struct FilteredSocket {
    inner: Arc<dyn AsyncUdpSocket>,
    filter: Arc<Filter>,
}

impl FilteredSocket {
    pub(crate) fn new(inner: Arc<dyn AsyncUdpSocket>, filter: Arc<Filter>) -> Self {
        Self { inner, filter }
    }
}

impl AsyncUdpSocket for FilteredSocket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        self.inner.clone().create_io_poller()
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        if self.filter.resets.is_reset(transmit.contents) {
            return Ok(());
        }
        self.inner.try_send(transmit)
    }

    fn poll_recv(
        &self,
        context: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        metas: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let received = match self.inner.poll_recv(context, buffers, metas) {
            Poll::Ready(Ok(received)) => received,
            other => return other,
        };
        // What was emptied is still reported, so that quinn counts it as work and yields to others under a flood.
        for (buffer, meta) in buffers.iter_mut().zip(metas.iter_mut()).take(received) {
            meta.len = self.filter.keep(buffer, meta.len, meta.stride, meta.addr.ip());
        }
        Poll::Ready(Ok(received))
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    fn max_transmit_segments(&self) -> usize {
        self.inner.max_transmit_segments()
    }

    fn max_receive_segments(&self) -> usize {
        self.inner.max_receive_segments()
    }

    fn may_fragment(&self) -> bool {
        self.inner.may_fragment()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANYBODY: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn filter(door: Door) -> Filter {
        Filter::new(OwnIds::new(), door)
    }

    fn long(first: u8, version: u32, id: &[u8], length: usize) -> Vec<u8> {
        let mut datagram = vec![first];
        datagram.extend_from_slice(&version.to_be_bytes());
        datagram.push(u8::try_from(id.len()).unwrap());
        datagram.extend_from_slice(id);
        datagram.resize(length.max(datagram.len()), 0);
        datagram
    }

    #[test]
    fn own_ids_are_recognised_and_no_others() {
        let mut filter = filter(Door::Closed);
        let id = filter.ids.generate_cid();
        let short = [&[0x40], &id[..], &[0; 30]].concat();
        assert!(filter.passes(&short, ANYBODY));
        let mut other = short.clone();
        other[8] ^= 1;
        assert!(!filter.passes(&other, ANYBODY));
        assert!(!filter.passes(&short[..8], ANYBODY));
        assert!(filter.passes(&long(0xe0, 1, &id, 60), ANYBODY));
        assert!(!filter.passes(&long(0xe0, 2, &id, 60), ANYBODY));
    }

    #[test]
    fn strangers_do_not_pass_the_door_that_wants_a_knock() {
        let filter = filter(Door::Knock(Arc::new(Peers::default())));
        assert!(!filter.passes(&long(0xc0, 1, &[7; 20], 1200), ANYBODY));
        assert!(!filter.passes(&long(0xc0, 1, &[7; 8], 1200), ANYBODY));
        assert!(!filter.passes(&long(0xc0, 0x1a2a_3a4a, &[7; 20], 1200), ANYBODY));
        assert!(!filter.passes(&long(0xc0, 0, &[7; 20], 1200), ANYBODY));
    }

    #[test]
    fn the_open_door_admits_whole_initials_of_version_1_only() {
        let filter = filter(Door::Open(Arc::default()));
        assert!(filter.passes(&long(0xc0, 1, &[7; 20], 1200), ANYBODY));
        assert!(!filter.passes(&long(0xc0, 1, &[7; 20], 1199), ANYBODY));
        assert!(!filter.passes(&long(0xc0, 0x1a2a_3a4a, &[7; 20], 1200), ANYBODY));
        assert!(!filter.passes(&long(0xe0, 1, &[7; 20], 1200), ANYBODY));
        assert!(!filter.passes(&[0x40; 1200], ANYBODY));
    }

    #[test]
    fn what_is_dropped_closes_up_and_nothing_panics() {
        let mut filter = filter(Door::Closed);
        let good = [&[0x40], &filter.ids.generate_cid()[..], &[1; 11]].concat();
        let bad = [0x40; 20];
        let mut buffer = [&good[..], &bad, &good, &bad[..3]].concat();
        let length = buffer.len();
        assert_eq!(filter.keep(&mut buffer, length, 20, ANYBODY), 40);
        assert_eq!(buffer[..40], [&good[..], &good].concat());
        assert_eq!(filter.dropped(), 2);
        assert_eq!(filter.keep(&mut buffer, length, 0, ANYBODY), 0);
        for length in 0..40 {
            filter.passes(&vec![0xff; length], ANYBODY);
        }
    }
}
