//! What the dialer knows of one peer.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Instant;

use super::{
    AttemptId, ConnectionId, DIAL_TIME, MAX_BY_HAND, MAX_DISCOVERED, MAX_PARALLEL, MAX_REMEMBERED, MAX_SPARES, Output,
    STAGGER, Source, WINDOW,
};

#[derive(Default)]
pub(super) struct Peer {
    /// Oldest first.
    pub(super) candidates: Vec<Candidate>,
    pub(super) current: Option<Connected>,
    /// Connections that are not used, and until when they are kept; the first to go first.
    pub(super) spares: VecDeque<(Connected, Instant)>,
    pub(super) attempts: BTreeMap<AttemptId, Attempt>,
    /// What this round has yet to try.
    pub(super) queue: VecDeque<SocketAddr>,
    next_dial: Option<Instant>,
    pub(super) round_began: Option<Instant>,
    pub(super) next_round: Option<Instant>,
    pub(super) failures: u32,
    /// Rounds that brought no connection since there was one, or since the machine's networks changed.
    pub(super) unanswered: u32,
    /// A round runs although a connection stands, which may be dead.
    pub(super) refreshing: bool,
    pub(super) last_advert: Option<Instant>,
}

#[derive(Clone, Copy)]
pub(super) struct Candidate {
    pub(super) address: SocketAddr,
    pub(super) source: Source,
    pub(super) on_link: bool,
}

pub(super) struct Attempt {
    pub(super) address: SocketAddr,
    pub(super) source: Source,
    pub(super) on_link: bool,
    pub(super) started: Instant,
    /// When its round began.
    pub(super) round: Option<Instant>,
}

pub(super) struct Connected {
    pub(super) connection: ConnectionId,
    /// Where the peer was when it began.
    pub(super) remote: SocketAddr,
    /// When the round began that dialled it; `None` when the peer did.
    pub(super) dialled: Option<Option<Instant>>,
    pub(super) at: Instant,
}

impl Connected {
    /// Which of two is used; and the other, with whether to keep it for a while.
    pub(super) fn settle(self, fresh: Self, is_lesser: bool) -> (Self, Option<(Self, bool)>) {
        let is_recent = fresh.at < self.at + WINDOW;
        // Dialled knowing of the other: meant to replace it.
        let replaces = matches!(fresh.dialled, Some(Some(began)) if began > self.at);
        let use_fresh = match (self.dialled.is_some(), fresh.dialled.is_some()) {
            _ if !is_recent || replaces => true,
            // Two addresses of one round: the first to answer. The other side follows when this one closes the other.
            (true, true) => return (self, Some((fresh, false))),
            (false, false) => true,
            (_, fresh_is_ours) => fresh_is_ours == is_lesser,
        };
        let keep = is_recent && !replaces;
        if use_fresh { (fresh, Some((self, keep))) } else { (self, Some((fresh, keep))) }
    }
}

impl Peer {
    /// Keeps a connection for a while; answers the one that has to go for it.
    pub(super) fn keep_spare(&mut self, spare: Connected, until: Instant) -> Option<Connected> {
        self.spares.push_back((spare, until));
        let excess = self.spares.len() > MAX_SPARES;
        if excess { self.spares.pop_front().map(|(oldest, _)| oldest) } else { None }
    }

    /// The spare that the other side is likeliest to use: dialled by the lesser device, newest.
    pub(super) fn take_spare(&mut self, is_lesser: bool) -> Option<Connected> {
        let rank = |(spare, _): &&(Connected, Instant)| (spare.dialled.is_some() == is_lesser, spare.at);
        let best = self.spares.iter().max_by_key(rank)?.0.connection;
        let place = self.spares.iter().position(|(spare, _)| spare.connection == best)?;
        self.spares.remove(place).map(|(spare, _)| spare)
    }

    pub(super) fn is_in_round(&self) -> bool {
        !self.attempts.is_empty() || !self.queue.is_empty()
    }

    pub(super) fn has_room_by_hand(&self, address: &SocketAddr) -> bool {
        let by_hand = self.candidates.iter().filter(|candidate| candidate.source == Source::ByHand);
        by_hand.filter(|candidate| candidate.address != *address).count() < MAX_BY_HAND
    }

    pub(super) fn has_by_hand(&self) -> bool {
        self.candidates.iter().any(|candidate| candidate.source == Source::ByHand)
    }

    /// Whether the address is new. One known from a better source keeps it.
    pub(super) fn add_candidate(&mut self, address: SocketAddr, source: Source, on_link: bool) -> bool {
        let known = self.candidates.iter().position(|candidate| candidate.address == address);
        let known = known.map(|place| self.candidates.remove(place));
        let candidate = match known {
            Some(known) => Candidate { address, source: known.source.min(source), on_link: known.on_link || on_link },
            None => Candidate { address, source, on_link },
        };
        self.candidates.push(candidate);
        let most = match candidate.source {
            Source::ByHand => MAX_BY_HAND,
            Source::Remembered => MAX_REMEMBERED,
            Source::Discovered => MAX_DISCOVERED,
        };
        let alike = |other: &Candidate| other.source == candidate.source;
        if self.candidates.iter().filter(|other| alike(other)).count() > most
            && let Some(oldest) = self.candidates.iter().position(alike)
        {
            self.candidates.remove(oldest);
        }
        known.is_none()
    }

    /// On-link ones first, then by source; newer ones before older ones.
    pub(super) fn in_order(&self) -> Vec<Candidate> {
        let mut candidates: Vec<Candidate> = self.candidates.iter().rev().copied().collect();
        candidates.sort_by_key(|candidate| (!candidate.on_link, candidate.source));
        candidates
    }

    pub(super) fn cancel_attempts(&mut self, outputs: &mut VecDeque<Output>, which: impl Fn(&Attempt) -> bool) {
        let cancelled: Vec<AttemptId> =
            self.attempts.iter().filter(|(_, attempt)| which(attempt)).map(|(id, _)| *id).collect();
        for attempt in cancelled {
            self.attempts.remove(&attempt);
            outputs.push_back(Output::Cancel(attempt));
        }
    }

    pub(super) fn end_round(&mut self, outputs: &mut VecDeque<Output>, which: impl Fn(&Attempt) -> bool) {
        self.cancel_attempts(outputs, which);
        self.queue.clear();
        self.next_dial = None;
        self.refreshing = false;
    }

    fn wants_round(&self) -> bool {
        (self.current.is_none() || self.refreshing) && !self.is_in_round() && !self.candidates.is_empty()
    }

    /// Not connected, not dialled, and nothing planned although there are addresses.
    pub(super) fn is_idle(&self) -> bool {
        self.current.is_none() && self.next_round.is_none() && !self.is_in_round() && !self.candidates.is_empty()
    }

    pub(super) fn begin_round_if_due(&mut self, now: Instant) {
        if self.wants_round() && self.next_round.is_some_and(|next| now >= next) {
            self.queue = self.in_order().into_iter().map(|candidate| candidate.address).collect();
            self.round_began = Some(now);
            self.next_dial = Some(now);
            self.next_round = None;
        }
    }

    fn may_dial(&self) -> bool {
        !self.queue.is_empty() && self.attempts.len() < MAX_PARALLEL
    }

    /// The next address of the round, if its time has come. Those that are taken by others are passed over.
    pub(super) fn next_dial(
        &mut self,
        now: Instant,
        is_taken: impl Fn(&SocketAddr) -> bool,
    ) -> Option<(SocketAddr, Source, bool)> {
        if !self.may_dial() || self.next_dial.is_some_and(|next| now < next) {
            return None;
        }
        while let Some(address) = self.queue.pop_front() {
            // It may have been forgotten meanwhile.
            let candidate = self.candidates.iter().find(|candidate| candidate.address == address);
            if let Some(candidate) = candidate.filter(|_| !is_taken(&address)) {
                self.next_dial = Some(now + STAGGER);
                return Some((address, candidate.source, candidate.on_link));
            }
        }
        None
    }

    pub(super) fn timeout(&self, enabled: bool) -> Option<Instant> {
        let spare = self.spares.front().map(|(_, until)| *until);
        let attempts = self.attempts.values().map(|attempt| attempt.started + DIAL_TIME).min();
        let dial = self.next_dial.filter(|_| enabled && self.may_dial());
        let round = self.next_round.filter(|_| enabled && self.wants_round());
        [spare, attempts, dial, round].into_iter().flatten().min()
    }
}
