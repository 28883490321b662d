//! The documents' streams: taking in what the peer says, and saying what there is to be said.

use std::collections::BTreeSet;

use automerge::sync::{ChunkList, Have, Message, MessageVersion, State, SyncDoc};
use automerge::{Change, ChangeHash};
use betwixt_model::document::Document;

use super::exchange::{Arrived, Exchange, Kind, Persisting, heads_of, in_causal_order};
use super::{CloseReason, Event, Output, PersistId, Phase, ProtocolViolation, Session};
use crate::wire::chunk::{ChunkError, change_hash, decode_document, measure_document};
use crate::wire::{
    DocumentName, Frame, PACKED_SINCE, StreamKey, caps, decode_packed_message, decode_sync_message, pack,
};

impl Session {
    /// Gives turns to documents that differ, earliest year first: what is said builds on what was said before, and counts only when
    /// that is there.
    pub(super) fn start_catching_up(&mut self) {
        let running = self.exchanges.values().filter(|exchange| exchange.catching_up).count();
        let room = caps::CATCHING_UP.saturating_sub(running);
        let mut started = Vec::new();
        let queued = self.exchanges.iter_mut().filter(|(_, exchange)| exchange.queued);
        for (id, exchange) in queued.take(room) {
            exchange.queued = false;
            exchange.catching_up = true;
            started.push(*id);
        }
        for id in started {
            self.ask(id);
        }
    }

    /// Asks the caller for a document, if there is something to say about it and nothing has to come first.
    pub(super) fn ask(&mut self, id: DocumentName) {
        if !matches!(self.phase, Phase::Exchanging { .. }) {
            return;
        }
        if let Some(exchange) = self.exchanges.get_mut(&id).filter(|exchange| exchange.wants_to_speak()) {
            exchange.asked = true;
            self.outputs.push_back(Output::Generate(id));
        }
    }

    pub(super) fn receive_part(
        &mut self,
        id: DocumentName,
        kind: Kind,
        last: bool,
        bytes: &[u8],
    ) -> Result<(), ProtocolViolation> {
        if self.is_superseded(id) {
            return Ok(());
        }
        self.waiting_bytes += bytes.len();
        if self.waiting_bytes > caps::WAITING_BYTES {
            return Err(ProtocolViolation::TooMuchAhead);
        }
        let exchange = self.exchanges.entry(id).or_default();
        let mut arrived = exchange.partial.take().unwrap_or(Arrived { kind, bytes: Vec::new() });
        // A part that is empty and not the last would let a peer speak for ever without saying anything.
        if arrived.kind != kind || (bytes.is_empty() && !last) {
            return Err(ProtocolViolation::OutOfOrder("part"));
        }
        arrived.bytes.extend_from_slice(bytes);
        let cap = match kind {
            Kind::Message | Kind::Packed => caps::MESSAGE,
            Kind::Whole => caps::WHOLE,
        };
        if arrived.bytes.len() > cap {
            return Err(ProtocolViolation::TooLong(id));
        }
        // The peer has something to say, perhaps something new.
        exchange.synced = false;
        if !last {
            exchange.partial = Some(arrived);
            return Ok(());
        }
        if exchange.waiting.len() == caps::WAITING_FRAMES {
            return Err(ProtocolViolation::TooMuchAhead);
        }
        exchange.waiting.push_back(arrived);
        self.take_next(id)
    }

    /// Hands the next thing that came to the caller, unless the one before it is still being stored.
    pub(super) fn take_next(&mut self, id: DocumentName) -> Result<(), ProtocolViolation> {
        if !matches!(self.phase, Phase::Exchanging { .. }) {
            return Ok(());
        }
        let Some(exchange) = self.exchanges.get_mut(&id).filter(|exchange| exchange.persisting.is_none()) else {
            return Ok(());
        };
        let Some(arrived) = exchange.waiting.pop_front() else { return Ok(()) };
        self.waiting_bytes = self.waiting_bytes.saturating_sub(arrived.bytes.len());
        let decoded = match arrived.kind {
            Kind::Message => decode_sync_message(&arrived.bytes),
            Kind::Packed => decode_packed_message(&arrived.bytes),
            Kind::Whole => decode_document(&arrived.bytes).map(whole_as_message),
        };
        let (message, mut changes) =
            decoded.map_err(|reason| ProtocolViolation::SyncMessage { document: id, reason })?;
        let brought_changes = !changes.is_empty();
        if brought_changes {
            changes.append(&mut exchange.parked);
            changes = in_causal_order(changes);
        }
        let persist = PersistId(self.next_persist);
        self.next_persist += 1;
        // The peer speaks of it, so it has its turn.
        exchange.catching_up |= std::mem::take(&mut exchange.queued);
        exchange.synced = false;
        exchange.persisting = Some(Persisting { message, changes: changes.clone(), brought_changes });
        self.persisting.insert(persist, id);
        self.outputs.push_back(Output::Persist { id: persist, document: id, changes });
        Ok(())
    }

    /// The caller has stored what it was handed.
    pub(super) fn persisted(&mut self, id: DocumentName, document: &mut Document) -> Result<(), ProtocolViolation> {
        let Some(exchange) = self.exchanges.get_mut(&id) else { return Ok(()) };
        let Some(Persisting { message, changes, brought_changes, .. }) = exchange.persisting.take() else {
            return Ok(());
        };
        if brought_changes {
            exchange.park(changes, document);
            if exchange.parked.len() > caps::PARKED {
                return Err(ProtocolViolation::TooManyParked(id));
            }
        }
        exchange
            .hear(message, brought_changes, document)
            .map_err(|reason| ProtocolViolation::SyncMessage { document: id, reason })?;
        exchange.unanswered = false;
        let state = exchange.state(document).encode();
        if state != exchange.stored {
            exchange.stored.clone_from(&state);
            self.outputs.push_back(Output::SyncState { document: id, state });
        }
        self.speak(id, document);
        self.take_next(id)
    }

    /// Says what there is to be said about a document that is on disk entirely.
    pub(super) fn speak(&mut self, id: DocumentName, document: &Document) {
        let (packs, most) = (self.version >= PACKED_SINCE, self.config.changes_cut);
        let Some(exchange) = self.exchanges.get_mut(&id) else { return };
        exchange.asked = false;
        if !exchange.unanswered {
            exchange.dirty = false;
            let frames = match exchange.whole_to_send(document) {
                Some(saved) => Ok(parts(&saved, |last, bytes| Frame::Whole { last, bytes })),
                None => exchange.message_to_send(document, packs, most),
            };
            match frames {
                Ok(frames) => {
                    for frame in frames {
                        self.send(StreamKey::Document(id), &frame);
                    }
                }
                Err(reason) => return self.end(None, reason),
            }
        }
        self.settle(id, document);
    }

    /// Notes whether both sides have the same now.
    fn settle(&mut self, id: DocumentName, document: &Document) {
        let Some(exchange) = self.exchanges.get_mut(&id) else { return };
        let heads = exchange.state.as_ref().and_then(|state| state.their_heads.as_ref());
        let synced = heads.is_some_and(|theirs| *theirs == document.heads())
            && !exchange.dirty
            && !exchange.unanswered
            && exchange.parked.is_empty()
            && exchange.persisting.is_none()
            && exchange.partial.is_none()
            && exchange.waiting.is_empty();
        if synced && !exchange.synced {
            exchange.synced = true;
            exchange.catching_up = false;
            self.event(Event::Synced { document: id });
            self.start_catching_up();
        }
        self.ask(id);
    }
}

impl Exchange {
    /// Keeps what the document does not hold after it was offered, and what it waits for.
    fn park(&mut self, offered: Vec<Change>, document: &Document) {
        let mut seen = BTreeSet::new();
        self.parked = offered;
        self.parked.retain(|change| !document.holds(&change.hash()) && seen.insert(change.hash()));
        // The room that all of them took would stay with each of a life's documents for as long as the session goes on.
        self.parked.shrink_to_fit();
        let dependencies = self.parked.iter().flat_map(Change::deps).copied();
        self.missing = dependencies.filter(|hash| !seen.contains(hash) && !document.holds(hash)).collect();
    }

    /// Takes in what the peer says of itself. The document holds the message's changes already and is not changed.
    fn hear(&mut self, message: Message, brought_changes: bool, document: &mut Document) -> Result<(), ChunkError> {
        self.owes_answer |= brought_changes;
        let resets = is_reset(&message) && !brought_changes;
        let state = self.state(document);
        if resets {
            // The peer does not have what this side remembers as shared: its document was restored. What it has is its
            // heads, and what it says next.
            state.shared_heads.clear();
            state.sent_hashes.clear();
        }
        if !message.heads.is_empty() && message.heads == document.heads() {
            hear_the_same(state, message, document);
        } else {
            document.automerge_mut().receive_sync_message(state, message).map_err(|_| ChunkError::Refused)?;
        }
        if resets {
            state.their_have = None;
        }
        if brought_changes {
            // They were applied before, so Automerge saw none and need not answer. The peer says nothing more until it is answered.
            state.have_responded = false;
        }
        Ok(())
    }

    /// The saved document, for a peer that has nothing of it. `None` when it has something, or when the document is too
    /// large to go at once.
    fn whole_to_send(&mut self, document: &Document) -> Option<Vec<u8>> {
        if self.state.is_some() || !self.theirs.is_empty() {
            return None;
        }
        let saved = document.save();
        if saved.len() > caps::WHOLE || measure_document(&saved).is_err() {
            return None;
        }
        let sent_hashes: BTreeSet<ChangeHash> =
            document.automerge().get_changes_meta(&[]).into_iter().map(|change| change.hash).collect();
        if sent_hashes.len() > caps::WHOLE_CHANGES {
            return None;
        }
        self.state =
            Some(State { last_sent_heads: document.heads(), have_responded: true, sent_hashes, ..State::default() });
        self.unanswered = true;
        Some(saved)
    }

    /// What Automerge has to say, within the caps. Not what was said last: while the two differ, Automerge answers every message, and two
    /// of which one waits for what the other takes for sent would do so for ever, as fast as they can. Silent, they part when
    /// nothing else has come for [`caps::STORED_WITHIN`], and the next session compares them anew.
    fn message_to_send(&mut self, document: &Document, packs: bool, most: usize) -> Result<Vec<Frame>, CloseReason> {
        // Once only: to a peer that claims a last meeting that this side does not know, it would answer for ever.
        let missing = std::mem::take(&mut self.missing);
        let state = self.state(document);
        let Some(mut message) = document.automerge().generate_sync_message(state) else { return Ok(Vec::new()) };
        message.flags = None;
        message.version = MessageVersion::V1;
        if is_reset(&message) {
            // It has to be known as one; what is missing is asked for with the next message.
            self.missing = missing;
        } else {
            let needed: BTreeSet<_> = message.need.iter().copied().chain(missing).take(caps::HEADS).collect();
            message.need = needed.into_iter().collect();
        }
        let state = self.state(document);
        cut(&mut message, state, most)?;
        let (brings, differs) = (!message.changes.is_empty(), state.their_heads.as_ref() != Some(&message.heads));
        let owes_answer = std::mem::take(&mut self.owes_answer);
        self.unanswered = brings || differs;
        if packs && let Some(packed) = packed(&mut message) {
            self.said_last = None;
            return Ok(parts(&packed, |last, bytes| Frame::Packed { last, bytes }));
        }
        let bytes = message.encode();
        let said = (!brings).then(|| blake3::hash(&bytes));
        if said.is_some() && said == self.said_last && !owes_answer {
            self.unanswered = false;
            return Ok(Vec::new());
        }
        self.said_last = said;
        if bytes.len() > caps::MESSAGE {
            return Err(CloseReason::TooLarge("a sync message"));
        }
        Ok(parts(&bytes, |last, bytes| Frame::Sync { last, bytes }))
    }
}

/// Whether a message says, as Automerge does it, that its sender does not know the last meeting of which it was told.
fn is_reset(message: &Message) -> bool {
    message.need.is_empty() && matches!(message.have.as_slice(), [have] if *have == Have::default())
}

/// What `receive_sync_message` does with a message that brings nothing, from a peer that has exactly what the document has:
/// the usual one. Automerge walks the whole history to find that nothing of it is unseen. And it takes the peer's heads for said to it,
/// as though the peer knew that they are this side's, too: who has them from a third device would never tell, and the peer wait for it.
fn hear_the_same(state: &mut State, message: Message, document: &Document) {
    state.in_flight = false;
    state.sent_hashes.retain(|sent| !document.holds(sent));
    state.shared_heads.clone_from(&message.heads);
    state.their_have = Some(message.have);
    state.their_heads = Some(message.heads);
    state.their_need = Some(message.need);
}

/// Leaves to the next message what would make this one too long, or more than so many changes.
fn cut(message: &mut Message, state: &mut State, most: usize) -> Result<(), CloseReason> {
    let mut bytes = 0;
    let fits = message.changes.iter().take(most.max(1)).take_while(|change| {
        let first = bytes == 0;
        bytes += change.len();
        first || bytes <= caps::MESSAGE_CUT
    });
    let kept = fits.count();
    if kept == message.changes.len() {
        return Ok(());
    }
    for change in message.changes.iter().skip(kept) {
        let hash = change_hash(change).map_err(|_| CloseReason::TooLarge("a change"))?;
        state.sent_hashes.remove(&hash);
    }
    message.changes = message.changes.iter().take(kept).map(<[u8]>::to_vec).collect::<Vec<_>>().into();
    Ok(())
}

/// The message packed; `None`, and the message as it was, where it brings no changes or does not pack.
fn packed(message: &mut Message) -> Option<Vec<u8>> {
    let changes = std::mem::replace(&mut message.changes, ChunkList::empty());
    let packed = match changes.len() {
        0 => None,
        _ => pack(&message.clone().encode(), changes.iter()).filter(|packed| packed.len() <= caps::MESSAGE),
    };
    message.changes = changes;
    packed
}

/// A whole document says of its sender what a message with its heads would.
fn whole_as_message(changes: Vec<Change>) -> (Message, Vec<Change>) {
    let heads = heads_of(&changes);
    let message = Message {
        have: vec![Have { last_sync: heads.clone(), ..Have::default() }],
        heads,
        need: Vec::new(),
        changes: ChunkList::empty(),
        flags: None,
        version: MessageVersion::V1,
    };
    (message, changes)
}

pub(super) fn parts(bytes: &[u8], frame: impl Fn(bool, Vec<u8>) -> Frame) -> Vec<Frame> {
    let count = bytes.len().div_ceil(caps::PART);
    let chunks = bytes.chunks(caps::PART).enumerate();
    chunks.map(|(index, chunk)| frame(index + 1 == count, chunk.to_vec())).collect()
}

#[cfg(test)]
mod tests {
    use automerge::transaction::Transactable;
    use betwixt_model::document::{DocumentId, Scope};

    use super::*;

    /// A new device of thirty years kept 71 MB for as long as it was connected: in each document's exchange the room of the changes that had
    /// come, of which none waited any more.
    #[test]
    fn changes_that_came_leave_no_room_behind() {
        let mut document = Document::genesis(DocumentId { scope: Scope::Ours, year: 2026, generation: 0 });
        let mut theirs = document.automerge().fork();
        for number in 0..500_i64 {
            theirs.set_actor(automerge::ActorId::from([7; 16]));
            let mut transaction = theirs.transaction();
            transaction.put(automerge::ROOT, "number", number).unwrap();
            transaction.commit();
        }
        let changes = theirs.get_changes(&document.heads());
        let (come, last) = changes.split_at(499);
        document.apply(come).unwrap();
        let mut exchange = Exchange::default();
        exchange.park(come.to_vec(), &document);
        assert_eq!((exchange.parked.len(), exchange.parked.capacity()), (0, 0));
        // One that is not held yet waits, and takes the room of one.
        exchange.park(changes.clone(), &document);
        assert_eq!(exchange.parked, last);
        assert!(exchange.parked.capacity() < 10, "room for {}", exchange.parked.capacity());
    }

    #[test]
    fn a_message_of_a_peer_with_the_same_does_to_the_state_what_automerge_does_but_is_no_word_of_ours() {
        let mut document = Document::genesis(DocumentId { scope: Scope::Ours, year: 2026, generation: 0 });
        let message = Message {
            heads: document.heads(),
            have: vec![Have { last_sync: document.heads(), ..Have::default() }],
            need: vec![ChangeHash([3; 32])],
            changes: ChunkList::empty(),
            flags: None,
            version: MessageVersion::V1,
        };
        let before = State {
            in_flight: true,
            have_responded: true,
            sent_hashes: document.heads().into_iter().chain([ChangeHash([7; 32])]).collect(),
            last_sent_heads: vec![ChangeHash([1; 32])],
            shared_heads: vec![ChangeHash([2; 32])],
            ..State::default()
        };
        let (mut ours, mut automerges) = (before.clone(), before);
        hear_the_same(&mut ours, message.clone(), &document);
        let said = automerges.last_sent_heads.clone();
        document.automerge_mut().receive_sync_message(&mut automerges, message).unwrap();
        automerges.last_sent_heads = said;
        assert_eq!(ours, automerges);
    }
}
