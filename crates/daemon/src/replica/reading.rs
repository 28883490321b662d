//! Reading ahead: the facts of changes that came are read and their signatures verified before the changes have their turn, on other
//! processors than the loop's. Of what a new device takes for the years of a life it is a quarter.
//!
//! What is read says nothing of whether it counts: the gate, the roster and the index decide that when the changes have their turn,
//! and only what they admit is taken from here. Nothing depends on who reads, or whether anybody did: what nobody has read is read
//! then, with the same result.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use automerge::{Change, ChangeHash};
use betwixt_model::document::{Arrival, Document, DocumentError, DocumentId, arrivals_of_each, read_changes};

/// Changes that came together and can be read ahead, in pieces.
#[derive(Debug, Clone)]
pub struct Reading {
    pieces: Arc<[Arc<Piece>]>,
}

/// Some of them, which are read by one thread.
#[derive(Debug)]
pub struct Piece {
    document: DocumentId,
    hashes: BTreeSet<ChangeHash>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    unread: Vec<Change>,
    /// What each of the others brings that was not taken yet.
    read: BTreeMap<ChangeHash, Vec<Arrival>>,
}

impl Reading {
    /// To read these, in pieces of so many.
    pub fn new(document: DocumentId, changes: &[Change], piece: usize) -> Self {
        let pieces = changes.chunks(piece.max(1)).map(|changes| {
            let hashes = changes.iter().map(Change::hash).collect();
            let state = State { unread: changes.to_vec(), read: BTreeMap::new() };
            Arc::new(Piece { document, hashes, state: Mutex::new(state) })
        });
        Self { pieces: pieces.collect() }
    }

    /// The pieces, in the order in which they are needed.
    pub fn pieces(&self) -> impl Iterator<Item = Arc<Piece>> {
        self.pieces.iter().cloned()
    }

    /// What was read of a change, once; `None` for one that is not among these, or that cannot be read.
    fn take(&self, change: &ChangeHash) -> Option<Vec<Arrival>> {
        self.pieces.iter().filter(|piece| piece.hashes.contains(change)).find_map(|piece| piece.take(change))
    }
}

impl Piece {
    /// Reads it, unless somebody has. Takes some ten milliseconds for a hundred facts.
    pub fn read(&self) {
        drop(self.been_read());
    }

    fn take(&self, change: &ChangeHash) -> Option<Vec<Arrival>> {
        self.been_read().read.remove(change)
    }

    /// Read by now: by this thread, or by another that is waited for.
    fn been_read(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let unread = std::mem::take(&mut state.unread);
        if !unread.is_empty() {
            // Where Automerge panics on one, nothing of the piece counts as read: each is read when it has its turn, and the one that
            // it is fails then, if it has any.
            let arrivals = arrivals_of_each(self.document, &unread).unwrap_or_default();
            state.read = unread.iter().map(Change::hash).zip(arrivals).collect();
        }
        state
    }
}

/// [`Document::apply`], with what was read ahead.
///
/// # Errors
/// [`DocumentError`], after which the document must be dropped and loaded again: Automerge may have taken what does not read.
pub(super) fn apply(
    document: &mut Document,
    changes: &[Change],
    reading: Option<&Reading>,
) -> Result<Vec<Arrival>, DocumentError> {
    let Some(reading) = reading else { return document.apply(changes) };
    document.apply_unread(changes)?;
    let mut arrivals = Vec::new();
    for change in changes {
        arrivals.extend(match reading.take(&change.hash()) {
            Some(read) => read,
            None => read_changes(document.id(), std::slice::from_ref(change))?,
        });
    }
    Ok(arrivals)
}

#[cfg(test)]
mod tests {
    use betwixt_model::document::{Scope, actor_id};
    use betwixt_model::fact::{Draft, Fact, Nonce};
    use betwixt_model::ids::{DeviceId, EpochId, HouseholdId, PartnerId};
    use ed25519_dalek::SigningKey;
    use jiff::civil::date;
    use serde_json::json;

    use super::*;

    const OURS: DocumentId = DocumentId { scope: Scope::Ours, year: 2026, generation: 0 };

    /// So many changes of one device, a fact each. Every fifth is signed by another than it names.
    fn changes(count: u16) -> Vec<Change> {
        let (key, other) = (SigningKey::from_bytes(&[1; 32]), SigningKey::from_bytes(&[2; 32]));
        let device = DeviceId::from_bytes(key.verifying_key().to_bytes());
        let actor = actor_id(&device, &OURS, &EpochId::from_bytes([1; 32]));
        let mut document = Document::genesis(OURS);
        let say = |number: u16| {
            let mut nonce = [0; 16];
            nonce[..2].copy_from_slice(&number.to_be_bytes());
            let draft = Draft {
                household: HouseholdId::from_bytes([3; 32]),
                item: None,
                kind: "thanks".into(),
                field: "text".into(),
                seen: Vec::new(),
                previous: None,
                partner: PartnerId::founded_by(&device),
                device,
                date: date(2026, 1, 1),
                nonce: Nonce::from_bytes(nonce),
                value: json!(format!("For the {number}th time.")),
            };
            let by = if number.is_multiple_of(5) { &other } else { &key };
            Fact::write(draft).expect("within the limits").sign(by)
        };
        (0..count).map(|number| document.append(&actor, &[say(number)]).expect("appends")).collect()
    }

    fn told(arrivals: &[Arrival]) -> Vec<String> {
        arrivals.iter().map(|arrival| format!("{arrival:?}")).collect()
    }

    #[test]
    fn what_was_read_ahead_is_what_the_changes_bring_whoever_read_it() {
        let changes = changes(103);
        let mut alone = Document::genesis(OURS);
        let expected = alone.apply(&changes).expect("applies");
        let refused = expected.iter().filter(|arrival| matches!(arrival, Arrival::Refused { .. })).count();
        assert_eq!((expected.len(), refused), (103, 21));
        for (piece, read_before) in [(1, 103), (10, 0), (10, 3), (10, 11), (200, 1)] {
            let reading = Reading::new(OURS, &changes, piece);
            reading.pieces().take(read_before).for_each(|piece| piece.read());
            let mut document = Document::genesis(OURS);
            let mut arrivals = Vec::new();
            // In two stages, as a long message comes.
            for stage in changes.chunks(60) {
                arrivals.extend(apply(&mut document, stage, Some(&reading)).expect("applies"));
            }
            assert_eq!(told(&arrivals), told(&expected), "pieces of {piece}, {read_before} read");
            assert_eq!(document.heads(), alone.heads());
        }
    }

    #[test]
    fn what_was_not_read_ahead_is_read_when_it_has_its_turn() {
        let changes = changes(20);
        let reading = Reading::new(OURS, &changes[5..10], 2);
        reading.pieces().for_each(|piece| piece.read());
        let (mut document, mut alone) = (Document::genesis(OURS), Document::genesis(OURS));
        let arrivals = apply(&mut document, &changes, Some(&reading)).expect("applies");
        assert_eq!(told(&arrivals), told(&alone.apply(&changes).expect("applies")));
        // Once more, as after a stage that was lost: what was taken is read again.
        let mut again = Document::genesis(OURS);
        assert_eq!(told(&apply(&mut again, &changes, Some(&reading)).expect("applies")), told(&arrivals));
    }

    #[test]
    fn one_reads_and_the_other_waits_for_it() {
        let changes = changes(64);
        let reading = Reading::new(OURS, &changes, 8);
        std::thread::scope(|scope| {
            for piece in reading.pieces() {
                scope.spawn(move || piece.read());
            }
            let mut document = Document::genesis(OURS);
            let arrivals = apply(&mut document, &changes, Some(&reading)).expect("applies");
            assert_eq!(arrivals.len(), 64);
        });
    }
}
