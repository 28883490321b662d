//! Whom to dial, when and where, and which of two connections to a peer stays.
//!
//! The dialer opens nothing itself: it says [`Output::Dial`] and is told what came of it.

use std::net::SocketAddr;
use std::time::Instant;

use betwixt_model::ids::DeviceId;
use rand_chacha::ChaCha20Rng;

/// A connection, numbered by whoever opens and accepts them. Never used again for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// One try to reach one address of a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttemptId(pub u64);

/// How an address became known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// Set by a person: tried for ever, never pushed out by others.
    ByHand,
    /// It worked before.
    Remembered,
    /// From an advert.
    Discovered,
}

/// Who opened a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// The peer did.
    Incoming,
    /// This device did, by this attempt.
    Outgoing(AttemptId),
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Open a connection; answer with [`Dialer::handle_connected`] or [`Dialer::handle_dial_failed`].
    Dial {
        /// The try's number.
        attempt: AttemptId,
        /// Whom to expect there.
        peer: DeviceId,
        /// Where.
        address: SocketAddr,
    },
    /// Give up a try; no answer is needed, and a late one is harmless.
    Cancel(AttemptId),
    /// Close a connection: another one to the same peer takes its place, or the peer is no longer known.
    Close(ConnectionId),
    /// Ask discovery whether an advertised address that did not answer is still there.
    Verify {
        /// Whose address.
        peer: DeviceId,
        /// The address.
        address: SocketAddr,
    },
}

/// A peer has as many addresses by hand as it may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CandidateError {
    /// No such peer.
    #[error("{0:?} is not a device that may be dialled")]
    UnknownPeer(DeviceId),
    /// The list of addresses by hand is full.
    #[error("there are already {MAX_BY_HAND} addresses by hand for that device; remove one first")]
    TooMany,
}

/// The most addresses by hand that a peer may have.
pub const MAX_BY_HAND: usize = 8;

/// The state machine.
#[derive(Debug)]
#[expect(dead_code, reason = "the bodies follow")]
pub struct Dialer {
    own: DeviceId,
    rng: ChaCha20Rng,
}

#[expect(unused_variables, clippy::todo, missing_docs, reason = "the bodies follow")]
impl Dialer {
    pub fn new(own: DeviceId, rng: ChaCha20Rng) -> Self {
        Self { own, rng }
    }

    /// Devices that may be dialled, in place of those before: after every change of the roster.
    pub fn set_peers(&mut self, peers: impl IntoIterator<Item = DeviceId>, now: Instant) {
        todo!()
    }

    /// Whether to dial at all: false while syncing is paused. Connections stay as they are.
    pub fn set_enabled(&mut self, enabled: bool, now: Instant) {
        todo!()
    }

    /// An address by hand or remembered.
    pub fn handle_candidate(
        &mut self,
        peer: DeviceId,
        address: SocketAddr,
        source: Source,
        on_link: bool,
        now: Instant,
    ) -> Result<(), CandidateError> {
        todo!()
    }

    /// Forgets an address.
    pub fn remove_candidate(&mut self, peer: DeviceId, address: SocketAddr, now: Instant) {
        todo!()
    }

    /// The addresses of an advert, on-link ones of the receiving interface only; the first four count.
    pub fn handle_advert(&mut self, peer: DeviceId, addresses: &[SocketAddr], now: Instant) {
        todo!()
    }

    /// A connection whose peer answered on the level of the application.
    pub fn handle_connected(&mut self, peer: DeviceId, connection: ConnectionId, direction: Direction, now: Instant) {
        todo!()
    }

    /// A connection is gone, whoever closed it.
    pub fn handle_lost(&mut self, connection: ConnectionId, now: Instant) {
        todo!()
    }

    /// A dial came to nothing.
    pub fn handle_dial_failed(&mut self, attempt: AttemptId, now: Instant) {
        todo!()
    }

    /// The machine's addresses changed, or it woke from a suspend: dial everybody again, now.
    pub fn handle_network_changed(&mut self, now: Instant) {
        todo!()
    }

    /// A time that [`Dialer::poll_timeout`] named has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        todo!()
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        todo!()
    }

    /// When [`Dialer::handle_timeout`] is to be called next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        todo!()
    }

    /// The connection to a peer that counts: local changes go there.
    pub fn current(&self, peer: &DeviceId) -> Option<ConnectionId> {
        todo!()
    }
}
