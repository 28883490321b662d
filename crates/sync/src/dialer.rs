//! Whom to dial, when and where, and which of two connections to a peer stays.
//!
//! The dialer opens nothing itself: it says [`Output::Dial`] and is told what came of it. It dials only peers that it was
//! given, at addresses that it was given (NothingOutbound).
//!
//! A peer that is not connected is dialled in rounds: its addresses one after the other a quarter of a second apart (as in
//! RFC 8305), those on the link first, until one answers. After a round without an answer the next one waits, twice as long
//! each time, with jitter; news (an address, another network, waking up) begin a round at once. The waits grow to five
//! minutes for a peer with an address by hand, and to fifteen for others: a peer that comes back dials by itself, and one that is
//! away for good costs some packets an hour. An address at which another peer is connected is passed over.
//!
//! When both devices dial each other, both connections may come to stand; with several addresses, more. Within [`WINDOW`] the one that the lesser device
//! dialled is used, the same on both sides; otherwise the newest one is, since it may replace one that is dead without
//! anybody having noticed. The other is kept for [`WINDOW`] as a spare, because the peer may see it the other way round.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use betwixt_model::ids::DeviceId;
use rand_chacha::ChaCha20Rng;
use rand_core::RngCore;

mod peer;
#[cfg(test)]
mod tests;

use peer::{Attempt, Connected, Peer};

/// The most addresses by hand that a peer may have.
pub const MAX_BY_HAND: usize = 8;

/// The most addresses that are remembered for a peer; the oldest gives way.
pub const MAX_REMEMBERED: usize = 4;

/// The most addresses from adverts that a peer has; the oldest gives way.
pub const MAX_DISCOVERED: usize = 8;

/// How many addresses of one advert count.
pub const MAX_IN_ADVERT: usize = 4;

/// How many addresses of a peer are tried at the same time.
pub const MAX_PARALLEL: usize = 4;

/// How far apart the addresses of a round are tried.
pub const STAGGER: Duration = Duration::from_millis(250);

/// How long a try may take, up to the application's answer.
pub const DIAL_TIME: Duration = Duration::from_secs(3);

/// How long two connections count as crossing, and how long the one that is not used is kept.
pub const WINDOW: Duration = Duration::from_secs(2);

/// How many connections to a peer are kept that are not used.
pub const MAX_SPARES: usize = 4;

/// How long the greater device lets the lesser one go first, so that they seldom cross: a few times what meeting takes at home (10 ms on
/// one machine). Whoever comes back waits for it in half of all meetings, and crossing costs one connection.
pub const HEAD_START: Duration = Duration::from_millis(50);

/// The longest wait before the second round; it doubles from there.
pub const FIRST_WAIT: Duration = Duration::from_secs(1);

/// The longest wait between rounds over a peer's addresses, if none was set by hand.
pub const LONGEST_WAIT: Duration = Duration::from_secs(900);

/// The longest wait between rounds if an address was set by hand: perhaps only this device knows where the other one is.
pub const LONGEST_WAIT_BY_HAND: Duration = Duration::from_secs(300);

/// A connection that was lost before it lived so long counts as a failed round.
pub const SETTLED: Duration = Duration::from_secs(10);

/// How far apart adverts may begin rounds at once.
pub const ADVERT_INTERVAL: Duration = Duration::from_secs(5);

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
#[derive(Clone, Copy, PartialEq, Eq)]
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
    /// From now on this connection is the peer's [`Dialer::current`]: local changes go there.
    Use {
        /// Whose.
        peer: DeviceId,
        /// Which.
        connection: ConnectionId,
    },
    /// Close a connection: another one to the same peer takes its place, or the peer may no longer connect.
    Close(ConnectionId),
    /// This address worked: remember it beyond this run.
    Remember {
        /// Whose address.
        peer: DeviceId,
        /// The address.
        address: SocketAddr,
    },
    /// Ask discovery whether an advertised address that did not answer is still there.
    Verify {
        /// Whose address.
        peer: DeviceId,
        /// The address.
        address: SocketAddr,
    },
}

impl fmt::Debug for Output {
    /// Without addresses: outputs are logged.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dial { attempt, peer, .. } => write!(formatter, "Dial({attempt:?}, {peer:?}, ..)"),
            Self::Cancel(attempt) => write!(formatter, "Cancel({attempt:?})"),
            Self::Use { peer, connection } => write!(formatter, "Use({peer:?}, {connection:?})"),
            Self::Close(connection) => write!(formatter, "Close({connection:?})"),
            Self::Remember { peer, .. } => write!(formatter, "Remember({peer:?}, ..)"),
            Self::Verify { peer, .. } => write!(formatter, "Verify({peer:?}, ..)"),
        }
    }
}

/// An address that was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CandidateError {
    /// No such peer.
    #[error("{0:?} is not a device that may be dialled")]
    UnknownPeer(DeviceId),
    /// The list of addresses by hand is full.
    #[error("there are already {MAX_BY_HAND} addresses by hand for that device; remove one first")]
    TooMany,
    /// Nobody can be there.
    #[error("no device can be at that address: it needs a port, and may not stand for all or many")]
    NotDialable,
}

/// How dialling a peer goes that is not connected, for people who wonder why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reach {
    /// Whether there is an address at which it can be dialled.
    pub has_address: bool,
    /// How many rounds over its addresses brought no connection since there was one, or since the networks of this machine
    /// changed.
    pub unanswered: u32,
}

/// The state machine.
pub struct Dialer {
    own: DeviceId,
    rng: ChaCha20Rng,
    enabled: bool,
    peers: BTreeMap<DeviceId, Peer>,
    next_attempt: u64,
    outputs: std::collections::VecDeque<Output>,
}

impl Dialer {
    /// A dialer of this device, without peers. The generator draws jitter only.
    pub fn new(own: DeviceId, rng: ChaCha20Rng) -> Self {
        let (peers, outputs) = (BTreeMap::new(), std::collections::VecDeque::new());
        Self { own, rng, enabled: true, peers, next_attempt: 0, outputs }
    }

    /// Devices that may be dialled, in place of those before: after every change of the roster. Connections to others are
    /// closed.
    pub fn set_peers(&mut self, peers: impl IntoIterator<Item = DeviceId>, now: Instant) {
        let mut before = std::mem::take(&mut self.peers);
        for id in peers.into_iter().filter(|id| *id != self.own) {
            self.peers.insert(id, before.remove(&id).unwrap_or_default());
        }
        for mut gone in before.into_values() {
            gone.cancel_attempts(&mut self.outputs, |_| true);
            let open = gone.current.take().map(|current| current.connection);
            let spares = gone.spares.drain(..).map(|(spare, _)| spare.connection);
            self.outputs.extend(open.into_iter().chain(spares).map(Output::Close));
        }
        self.handle_timeout(now);
    }

    /// Whether to dial at all: `false` while syncing is paused. Connections stay as they are.
    pub fn set_enabled(&mut self, enabled: bool, now: Instant) {
        self.enabled = enabled;
        for peer in self.peers.values_mut() {
            peer.end_round(&mut self.outputs, |_| true);
            peer.failures = 0;
            peer.next_round = (enabled && peer.current.is_none()).then_some(now);
        }
        self.handle_timeout(now);
    }

    /// An address by hand, or one that is remembered. Tried at once if the peer is not connected.
    ///
    /// # Errors
    /// [`CandidateError`]; nothing was changed.
    pub fn handle_candidate(
        &mut self,
        peer: DeviceId,
        address: SocketAddr,
        source: Source,
        on_link: bool,
        now: Instant,
    ) -> Result<(), CandidateError> {
        let entry = self.peers.get_mut(&peer).ok_or(CandidateError::UnknownPeer(peer))?;
        if !is_dialable(&address) {
            return Err(CandidateError::NotDialable);
        }
        if source == Source::ByHand && !entry.has_room_by_hand(&address) {
            return Err(CandidateError::TooMany);
        }
        if entry.add_candidate(address, source, on_link) {
            self.news(peer, &[address], now);
        }
        self.handle_timeout(now);
        Ok(())
    }

    /// Forgets an address, however it became known.
    pub fn remove_candidate(&mut self, peer: DeviceId, address: SocketAddr, now: Instant) {
        if let Some(peer) = self.peers.get_mut(&peer) {
            peer.candidates.retain(|candidate| candidate.address != address);
            peer.queue.retain(|queued| *queued != address);
            peer.cancel_attempts(&mut self.outputs, |attempt| attempt.address == address);
        }
        self.handle_timeout(now);
    }

    /// The addresses of an advert, only those on the link of the interface that received it; the first
    /// [`MAX_IN_ADVERT`] count.
    pub fn handle_advert(&mut self, peer: DeviceId, addresses: &[SocketAddr], now: Instant) {
        let Some(entry) = self.peers.get_mut(&peer) else { return };
        let addresses = addresses.iter().filter(|address| is_dialable(address)).take(MAX_IN_ADVERT);
        let fresh: Vec<SocketAddr> =
            addresses.copied().filter(|address| entry.add_candidate(*address, Source::Discovered, true)).collect();
        // A flood of adverts costs a round every few seconds, no more.
        let rested = entry.last_advert.is_none_or(|last| now >= last + ADVERT_INTERVAL);
        if !fresh.is_empty() && rested {
            entry.last_advert = Some(now);
            self.news(peer, &fresh, now);
        }
        self.handle_timeout(now);
    }

    /// There are new addresses: joins the round that runs, or begins one.
    fn news(&mut self, peer: DeviceId, addresses: &[SocketAddr], now: Instant) {
        let head_start = self.head_start(&peer);
        let Some(entry) = self.peers.get_mut(&peer) else { return };
        if entry.current.is_some() {
            return;
        }
        if entry.is_in_round() {
            entry.queue.extend(addresses);
        } else {
            entry.failures = 0;
            entry.next_round = Some(now + head_start);
        }
    }

    fn head_start(&self, peer: &DeviceId) -> Duration {
        if self.own < *peer { Duration::ZERO } else { HEAD_START }
    }

    /// A connection whose peer, which is at `remote`, has answered on the level of the application.
    pub fn handle_connected(
        &mut self,
        peer: DeviceId,
        connection: ConnectionId,
        direction: Direction,
        remote: SocketAddr,
        now: Instant,
    ) {
        let is_lesser = self.own < peer;
        let Some(entry) = self.peers.get_mut(&peer) else {
            self.outputs.push_back(Output::Close(connection));
            return;
        };
        let dialled = match direction {
            Direction::Incoming => None,
            Direction::Outgoing(attempt) => {
                let Some(attempt) = entry.attempts.remove(&attempt) else {
                    // It was given up.
                    self.outputs.push_back(Output::Close(connection));
                    return;
                };
                entry.add_candidate(attempt.address, Source::Remembered, attempt.on_link);
                self.outputs.push_back(Output::Remember { peer, address: attempt.address });
                Some(attempt.round)
            }
        };
        let fresh = Connected { connection, remote, dialled, at: now };
        let current = entry.current.take();
        let (used, spare) = match current {
            None => (fresh, None),
            Some(current) => current.settle(fresh, is_lesser),
        };
        let changed = used.connection == connection;
        entry.current = Some(used);
        entry.unanswered = 0;
        if let Some((spare, keep)) = spare {
            let closed = if keep { entry.keep_spare(spare, now + WINDOW) } else { Some(spare) };
            self.outputs.extend(closed.map(|closed| Output::Close(closed.connection)));
        }
        if changed {
            self.outputs.push_back(Output::Use { peer, connection });
        }
        // What the lesser device has just dialled may already stand on the other side, where it will be the one in use.
        let is_incoming = direction == Direction::Incoming;
        entry.end_round(&mut self.outputs, |attempt: &Attempt| {
            !(is_incoming && is_lesser && now < attempt.started + WINDOW)
        });
        entry.next_round = None;
        self.handle_timeout(now);
    }

    /// A connection is gone, whoever closed it.
    pub fn handle_lost(&mut self, connection: ConnectionId, now: Instant) {
        let is_it = |other: &Connected| other.connection == connection;
        let found = self.peers.iter_mut().find(|(_, entry)| {
            entry.current.as_ref().is_some_and(is_it) || entry.spares.iter().any(|(spare, _)| is_it(spare))
        });
        let Some((id, entry)) = found else { return };
        let id = *id;
        entry.spares.retain(|(spare, _)| !is_it(spare));
        let Some(lost) = entry.current.take_if(|current| is_it(current)) else { return };
        if let Some(spare) = entry.take_spare(self.own < id) {
            self.outputs.push_back(Output::Use { peer: id, connection: spare.connection });
            entry.current = Some(spare);
            return;
        }
        // A peer that accepts and closes at once is not dialled in a tight loop.
        let wait = if now < lost.at + SETTLED {
            self.wait(&id)
        } else {
            entry.failures = 0;
            self.head_start(&id)
        };
        if let Some(entry) = self.peers.get_mut(&id)
            && !entry.is_in_round()
        {
            entry.next_round = Some(now + wait);
        }
        self.handle_timeout(now);
    }

    /// A dial came to nothing.
    pub fn handle_dial_failed(&mut self, attempt: AttemptId, now: Instant) {
        self.failed(attempt, now);
        self.handle_timeout(now);
    }

    fn failed(&mut self, attempt: AttemptId, now: Instant) {
        let found = self.peers.iter_mut().find(|(_, entry)| entry.attempts.contains_key(&attempt));
        let Some((id, entry)) = found else { return };
        let id = *id;
        let Some(attempt) = entry.attempts.remove(&attempt) else { return };
        if attempt.source == Source::Discovered {
            self.outputs.push_back(Output::Verify { peer: id, address: attempt.address });
        }
        if !entry.is_in_round() {
            entry.refreshing = false;
            if entry.current.is_none() {
                let wait = self.wait(&id);
                if let Some(entry) = self.peers.get_mut(&id) {
                    entry.unanswered = entry.unanswered.saturating_add(1);
                    entry.next_round = Some(now + wait);
                }
            }
        }
    }

    /// How long to wait after one more failed round: half of it certain, half of it drawn.
    fn wait(&mut self, peer: &DeviceId) -> Duration {
        let Some(entry) = self.peers.get_mut(peer) else { return LONGEST_WAIT };
        let longest = if entry.has_by_hand() { LONGEST_WAIT_BY_HAND } else { LONGEST_WAIT };
        let doubled = FIRST_WAIT.saturating_mul(1 << entry.failures.min(10));
        entry.failures = entry.failures.saturating_add(1);
        let half = doubled.min(longest) / 2;
        let steps = u32::try_from(self.rng.next_u64() % 1025).expect("at most 1024");
        half + half * steps / 1024
    }

    /// How dialling a peer goes; `None` for one that is connected, or that may not be dialled.
    pub fn reach(&self, peer: &DeviceId) -> Option<Reach> {
        let entry = self.peers.get(peer).filter(|entry| entry.current.is_none())?;
        Some(Reach { has_address: !entry.candidates.is_empty(), unanswered: entry.unanswered })
    }

    /// Forgets every address that was not set by hand: it belonged to networks in which the machine may no longer be. Those
    /// that are remembered of its present networks are given again by the caller, adverts come again by themselves.
    pub fn forget_networks(&mut self) {
        for peer in self.peers.values_mut() {
            peer.candidates.retain(|candidate| candidate.source == Source::ByHand);
        }
    }

    /// The machine's addresses changed, or it woke from a suspend: every peer is dialled again, now, connected or not. A new
    /// connection takes the place of the old one, which may be dead.
    pub fn handle_network_changed(&mut self, now: Instant) {
        let own = self.own;
        for (id, peer) in &mut self.peers {
            peer.end_round(&mut self.outputs, |_| true);
            for candidate in &mut peer.candidates {
                candidate.on_link = false;
            }
            peer.failures = 0;
            peer.unanswered = 0;
            peer.last_advert = None;
            peer.refreshing = peer.current.is_some();
            peer.next_round = self.enabled.then(|| now + if own < *id { Duration::ZERO } else { HEAD_START });
        }
        self.handle_timeout(now);
    }

    /// A time that [`Dialer::poll_timeout`] named has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        let late = self.peers.values().flat_map(|peer| &peer.attempts);
        let late: Vec<AttemptId> =
            late.filter(|(_, attempt)| now >= attempt.started + DIAL_TIME).map(|(id, _)| *id).collect();
        for attempt in late {
            self.outputs.push_back(Output::Cancel(attempt));
            self.failed(attempt, now);
        }
        // Where one peer is connected, no other one can be.
        let taken: Vec<(DeviceId, SocketAddr)> =
            self.peers.iter().filter_map(|(id, peer)| Some((*id, peer.current.as_ref()?.remote))).collect();
        let mut idle = Vec::new();
        for (id, peer) in &mut self.peers {
            let kept = peer.spares.iter().position(|(_, until)| now < *until).unwrap_or(peer.spares.len());
            self.outputs.extend(peer.spares.drain(..kept).map(|(spare, _)| Output::Close(spare.connection)));
            if !self.enabled {
                continue;
            }
            peer.begin_round_if_due(now);
            let is_taken = |address: &SocketAddr| taken.iter().any(|(other, at)| other != id && at == address);
            while let Some((address, source, on_link)) = peer.next_dial(now, is_taken) {
                let attempt = AttemptId(self.next_attempt);
                self.next_attempt += 1;
                let round = peer.round_began;
                peer.attempts.insert(attempt, Attempt { address, source, on_link, started: now, round });
                self.outputs.push_back(Output::Dial { attempt, peer: *id, address });
            }
            if peer.is_idle() {
                idle.push(*id);
            }
        }
        // However a round ended, another one follows.
        for id in idle {
            let wait = self.wait(&id);
            if let Some(peer) = self.peers.get_mut(&id) {
                peer.next_round = Some(now + wait);
            }
        }
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Dialer::handle_timeout`] is to be called next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.peers.values().filter_map(|peer| peer.timeout(self.enabled)).min()
    }

    /// The connection to a peer that counts: local changes go there.
    pub fn current(&self, peer: &DeviceId) -> Option<ConnectionId> {
        self.peers.get(peer)?.current.as_ref().map(|current| current.connection)
    }

    /// The addresses known of a peer, in the order in which they are tried, and how each became known.
    pub fn candidates(&self, peer: &DeviceId) -> Vec<(SocketAddr, Source)> {
        let candidates = self.peers.get(peer).map(Peer::in_order).unwrap_or_default();
        candidates.into_iter().map(|candidate| (candidate.address, candidate.source)).collect()
    }
}

impl fmt::Debug for Dialer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let connected = self.peers.values().filter(|peer| peer.current.is_some()).count();
        write!(formatter, "Dialer({} peers, {connected} connected)", self.peers.len())
    }
}

fn is_dialable(address: &SocketAddr) -> bool {
    address.port() != 0 && !address.ip().is_unspecified() && !address.ip().is_multicast()
}
