//! Automerge's sync protocol with one client about one copy.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use automerge::sync::{Message, MessageVersion, State, SyncDoc};
use automerge::{Change, ChangeHash};
use betwixt_model::document::Document;
use betwixt_sync::wire::caps;

/// That Automerge refuses or panicked: the copy is not to be used any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("Automerge refuses to sync")]
pub(super) struct Refused;

/// One client's part of a copy.
#[derive(Debug, Default)]
pub(super) struct Exchange {
    state: State,
    /// Changes that wait for others, to be offered to the gate again with the next ones.
    pub(super) parked: Vec<Change>,
    /// There may be something to say.
    pub(super) dirty: bool,
}

impl Exchange {
    /// Takes in what the client says of itself. The copy holds the changes that came with it already.
    pub(super) fn hear(&mut self, message: Message, brought: bool, document: &mut Document) -> Result<(), Refused> {
        let Self { state, .. } = self;
        let last_sent_heads = state.last_sent_heads.clone();
        let heard = catch_unwind(AssertUnwindSafe(|| document.automerge_mut().receive_sync_message(state, message)));
        if brought {
            // Automerge takes a message without changes for an acknowledgement, which it need not answer. This one did
            // bring changes; they were applied before.
            state.last_sent_heads = last_sent_heads;
        }
        self.dirty = true;
        match heard {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Refused),
        }
    }

    /// What there is to say, once: to a client that claims a last meeting which nobody here remembers, Automerge would answer
    /// for ever.
    pub(super) fn speak(&mut self, document: &Document) -> Result<Option<Vec<u8>>, Refused> {
        self.dirty = false;
        let Self { state, parked, .. } = self;
        let spoken = catch_unwind(AssertUnwindSafe(|| document.automerge().generate_sync_message(state)));
        let Some(mut message) = spoken.map_err(|_| Refused)? else { return Ok(None) };
        // Without flags the client sends changes one by one, and never a whole document in their place.
        message.flags = None;
        message.version = MessageVersion::V1;
        let own: BTreeSet<ChangeHash> = parked.iter().map(Change::hash).collect();
        let missing = parked.iter().flat_map(|change| change.deps().iter().copied());
        let missing = missing.filter(|hash| !own.contains(hash) && !document.holds(hash));
        let need: BTreeSet<ChangeHash> = message.need.iter().copied().chain(missing).take(caps::HEADS).collect();
        message.need = need.into_iter().collect();
        cut(&mut message, state);
        Ok(Some(message.encode()))
    }
}

/// Leaves to the next message what would make this one long. The client answers what it was given, and gets the rest then.
fn cut(message: &mut Message, state: &mut State) {
    let mut bytes = 0;
    let fits = message.changes.iter().take(caps::CHANGES_CUT).take_while(|change| {
        let first = bytes == 0;
        bytes += change.len();
        first || bytes <= caps::MESSAGE_CUT
    });
    let kept = fits.count();
    if kept == message.changes.len() {
        return;
    }
    let left = message.changes.iter().skip(kept).filter_map(|change| Change::try_from(change).ok());
    for change in left {
        state.sent_hashes.remove(&change.hash());
    }
    message.changes = message.changes.iter().take(kept).map(<[u8]>::to_vec).collect::<Vec<_>>().into();
}
