//! Which documents are in memory: those that were used last. The disk is the truth, so any may go whenever what it holds is
//! durable, and is read again when it is needed.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use betwixt_model::document::{Document, DocumentId, GENESIS, Scope};
use betwixt_store::Reader;

use super::StageError;

/// How many documents stay in memory while they are used: this year's of both scopes, and around a new year's day those of the year before. A
/// full year takes 25 MB or so, which is why it is not all of them (see docs/performance.md).
const KEPT: usize = 4;

#[derive(Debug)]
struct InMemory {
    document: Document,
    /// What [`Loaded::uses`] was when it was last asked for.
    used: u64,
}

/// How many stay once none was used for a while: those of this year.
const AT_REST: usize = 2;

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
        self.keep(KEPT);
    }

    /// How often documents were used so far, while there are more of them than stay at rest; `None` when there are not.
    pub(super) fn unrest(&self) -> Option<u64> {
        (self.documents.len() > AT_REST).then_some(self.uses)
    }

    /// Lets go of those that are not needed at rest. Only while all that they hold is durable.
    pub(super) fn rest(&mut self) {
        self.keep(AT_REST);
    }

    fn keep(&mut self, count: usize) {
        while self.documents.len() > count {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn with(years: impl IntoIterator<Item = i16>) -> Loaded {
        let mut loaded = Loaded::default();
        for year in years {
            let id = DocumentId { scope: Scope::Ours, year, generation: 0 };
            loaded.uses += 1;
            loaded.documents.insert(id, InMemory { document: Document::genesis(id), used: loaded.uses });
        }
        loaded
    }

    fn years(loaded: &Loaded) -> Vec<i16> {
        loaded.documents.keys().map(|id| id.year).collect()
    }

    #[test]
    fn those_that_were_used_last_stay_and_fewer_at_rest() {
        let mut loaded = with([2020, 2027, 2021, 2026, 2022, 2023]);
        loaded.let_go();
        assert_eq!(years(&loaded), [2021, 2022, 2023, 2026]);
        assert_eq!(loaded.unrest(), Some(6));
        loaded.rest();
        assert_eq!((years(&loaded), loaded.unrest()), (vec![2022, 2023], None));
    }
}
