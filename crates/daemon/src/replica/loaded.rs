//! Which documents are in memory: those that were used last. The disk is the truth, so any may go whenever what it holds is
//! durable, and is read again when it is needed.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use betwixt_model::document::{Document, DocumentId, GENESIS, Scope};
use betwixt_store::Reader;

use super::StageError;

/// How many documents stay in memory: this year's of both scopes, and around a new year's day those of the year before. A
/// full year takes 25 MB or so, which is why it is not all of them (see docs/performance.md).
const KEPT: usize = 4;

#[derive(Debug)]
struct InMemory {
    document: Document,
    /// What [`Loaded::uses`] was when it was last asked for.
    used: u64,
}

/// The documents in memory.
#[derive(Debug, Default)]
pub(super) struct Loaded {
    documents: BTreeMap<DocumentId, InMemory>,
    /// How often any was asked for.
    uses: u64,
}

impl Loaded {
    /// A document from memory, or from what `reader` reads, or from genesis.
    pub(super) fn load(&mut self, reader: &Reader<'_>, id: DocumentId) -> Result<&mut Document, StageError> {
        self.uses += 1;
        let loaded = match self.documents.entry(id) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => entry.insert(InMemory { document: read(reader, id)?, used: 0 }),
        };
        loaded.used = self.uses;
        Ok(&mut loaded.document)
    }

    /// Drops a document: what memory holds of it may be wrong.
    pub(super) fn drop(&mut self, id: DocumentId) {
        self.documents.remove(&id);
    }

    /// Drops all of them.
    pub(super) fn clear(&mut self) {
        self.documents.clear();
    }

    /// Drops those of a scope.
    pub(super) fn drop_scope(&mut self, scope: Scope) {
        self.documents.retain(|document, _| document.scope != scope);
    }

    /// Lets go of those that were not used for longest, beyond [`KEPT`]. Only while all that they hold is durable.
    pub(super) fn let_go(&mut self) {
        while self.documents.len() > KEPT {
            let oldest = self.documents.iter().min_by_key(|(_, loaded)| loaded.used).map(|(id, _)| *id);
            let Some(oldest) = oldest else { break };
            self.documents.remove(&oldest);
        }
    }
}

/// A document from what is on disk, or from genesis.
pub(super) fn read(reader: &Reader<'_>, id: DocumentId) -> Result<Document, StageError> {
    let Some(stored) = reader.document(id)? else { return Ok(Document::genesis(id)) };
    if !stored.damaged.is_empty() {
        return Err(StageError::DamagedDocument { document: id, places: stored.damaged.len() });
    }
    Ok(Document::load(id, &stored.bytes(GENESIS))?)
}
