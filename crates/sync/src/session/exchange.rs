//! One document's part of a session: what was said about it, what waits, and Automerge's sync state.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use automerge::sync::{Have, Message, State};
use automerge::{Change, ChangeHash};
use betwixt_model::document::{Document, genesis_hash};

use super::SharedDocument;

/// What a document's stream carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A sync message.
    Message,
    /// A sync message with its changes packed.
    Packed,
    /// A saved document.
    Whole,
}

/// Something whole that came and is not looked at yet.
#[derive(Debug)]
pub(super) struct Arrived {
    pub(super) kind: Kind,
    pub(super) bytes: Vec<u8>,
}

/// A message whose changes the caller is storing.
#[derive(Debug)]
pub(super) struct Persisting {
    /// What the peer says of itself.
    pub(super) message: Message,
    /// The changes that it brought, with those that waited for them.
    pub(super) changes: Vec<Change>,
    /// Whether the message brought any.
    pub(super) brought_changes: bool,
}

#[derive(Debug, Default)]
pub(super) struct Exchange {
    /// This side's heads when they were compared; none when it did not have the document.
    pub(super) claimed: Vec<ChangeHash>,
    /// The peer's, then.
    pub(super) theirs: Vec<ChangeHash>,
    /// What an earlier session left, until `state` takes its place; then what was last handed out to be stored.
    pub(super) stored: Vec<u8>,
    pub(super) state: Option<State>,
    /// Waits for its turn to catch up.
    pub(super) queued: bool,
    /// Has its turn.
    pub(super) catching_up: bool,
    /// A message or document whose last part has not come.
    pub(super) partial: Option<Arrived>,
    pub(super) waiting: VecDeque<Arrived>,
    pub(super) persisting: Option<Persisting>,
    /// Changes that wait for others, to be offered to the gate again with the next ones.
    pub(super) parked: Vec<Change>,
    /// What the parked ones wait for.
    pub(super) missing: BTreeSet<ChangeHash>,
    /// There may be something to say.
    pub(super) dirty: bool,
    /// The caller was asked for the document.
    pub(super) asked: bool,
    /// Changes are under way, or heads that are not the peer's, and the peer has said nothing since. What is new waits until it does, so
    /// that what is ahead of the peer's disk is bounded, and many small changes go as one message.
    pub(super) unanswered: bool,
    /// The peer's last message brought changes, and waits to be answered, whatever there is to say.
    pub(super) owes_answer: bool,
    /// The hash of the last message sent, where it brought no changes.
    pub(super) said_last: Option<blake3::Hash>,
    /// Both sides are known to have the same.
    pub(super) synced: bool,
}

impl Exchange {
    pub(super) fn new(document: SharedDocument) -> Self {
        let mut claimed = document.heads;
        claimed.sort_unstable();
        claimed.dedup();
        Self { claimed, stored: document.sync_state, ..Self::default() }
    }

    pub(super) fn changed(&mut self) {
        self.dirty = true;
        self.synced = false;
    }

    /// The peer's heads are known: what differs has to catch up, if there is anything here to do it with.
    pub(super) fn begin(&mut self, theirs: Vec<ChangeHash>) {
        let equal = self.claimed == theirs;
        self.theirs = theirs;
        self.synced = equal && !self.dirty && !self.claimed.is_empty();
        if !equal && !self.claimed.is_empty() {
            self.dirty = true;
            self.queued = true;
        }
    }

    pub(super) fn is_synced(&self) -> bool {
        self.synced
    }

    /// Whether the two sides had not the same when they compared.
    pub(super) fn differed(&self) -> bool {
        self.claimed != self.theirs
    }

    pub(super) fn is_asked(&self) -> bool {
        self.asked
    }

    /// Whether the caller should be asked for the document now.
    pub(super) fn wants_to_speak(&self) -> bool {
        let busy = self.asked || self.queued || self.unanswered || self.persisting.is_some();
        self.dirty && !busy && self.waiting.is_empty()
    }

    /// Automerge's sync state, made from what is known when it is first needed.
    pub(super) fn state(&mut self, document: &Document) -> &mut State {
        if self.state.is_none() {
            self.state = Some(self.first_state(document));
        }
        self.state.get_or_insert_default()
    }

    fn first_state(&self, document: &Document) -> State {
        let holds = |heads: &[ChangeHash]| heads.iter().all(|head| document.holds(head));
        // A side without the document is treated as one that has its beginning, which everybody has.
        let theirs = if self.theirs.is_empty() { vec![genesis_hash()] } else { self.theirs.clone() };
        if holds(&theirs) {
            // What the peer lacks is known exactly, so the first message can bring it. When it lacked nothing at the
            // comparison, there is nothing to say either until something changes.
            let told = self.theirs == self.claimed;
            return State {
                shared_heads: theirs.clone(),
                last_sent_heads: if told { self.claimed.clone() } else { Vec::new() },
                have_responded: told,
                their_have: Some(vec![Have { last_sync: theirs.clone(), ..Have::default() }]),
                their_need: Some(Vec::new()),
                their_heads: Some(theirs),
                ..State::default()
            };
        }
        // A fresh decoding for each connection: what was in flight in the last one is not any more. A state that cannot
        // be read, or that says more than this document has (a restored one), costs bytes only.
        let mut state = State::decode(&self.stored).unwrap_or_default();
        state.shared_heads.retain(|head| document.holds(head));
        state
    }
}

/// What a peer has of a document for sure, as its sync state ([`super::Output::SyncState`]) tells: the heads that both had when
/// it was stored. Nothing, where the state cannot be read.
pub fn shared_heads(state: &[u8]) -> Vec<ChangeHash> {
    State::decode(state).map(|state| state.shared_heads).unwrap_or_default()
}

/// The sync state that tells just that.
pub fn state_of(shared_heads: Vec<ChangeHash>) -> Vec<u8> {
    State { shared_heads, ..State::default() }.encode()
}

/// The hashes in `changes` on which no other of them builds, sorted.
pub(super) fn heads_of(changes: &[Change]) -> Vec<ChangeHash> {
    let mut heads: BTreeSet<_> = changes.iter().map(Change::hash).collect();
    for dependency in changes.iter().flat_map(Change::deps) {
        heads.remove(dependency);
    }
    heads.into_iter().collect()
}

/// The changes, each once and after those among them on which it builds; otherwise in the order in which they came.
pub(super) fn in_causal_order(changes: Vec<Change>) -> Vec<Change> {
    let mut places = BTreeMap::new();
    let mut once = Vec::with_capacity(changes.len());
    for change in changes {
        if let Entry::Vacant(entry) = places.entry(change.hash()) {
            entry.insert(once.len());
            once.push(Some(change));
        }
    }
    let mut waits_for = vec![0_usize; once.len()];
    let mut dependents = vec![Vec::new(); once.len()];
    for (place, change) in once.iter().enumerate() {
        let dependencies = change.iter().flat_map(|change| change.deps()).filter_map(|hash| places.get(hash));
        for before in dependencies.collect::<BTreeSet<_>>() {
            waits_for[place] += 1;
            dependents[*before].push(place);
        }
    }
    let mut ready: BTreeSet<usize> = (0..once.len()).filter(|place| waits_for[*place] == 0).collect();
    let mut ordered = Vec::with_capacity(once.len());
    // None is left over: a change is named by a hash over those that it builds on, so they are in no circle.
    while let Some(place) = ready.pop_first() {
        ordered.extend(once[place].take());
        for dependent in &dependents[place] {
            waits_for[*dependent] -= 1;
            if waits_for[*dependent] == 0 {
                ready.insert(*dependent);
            }
        }
    }
    ordered
}
