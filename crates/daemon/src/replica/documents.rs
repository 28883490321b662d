//! The documents that are on disk: their heads, what sessions and compaction make of them.

use std::collections::BTreeMap;

use automerge::ChangeHash;
use betwixt_model::document::{Document, DocumentId, Scope, genesis_hash};
use betwixt_store::{Reader, StoreError};

use super::{COMPACT_AFTER, Replica, StageError};

impl Replica {
    /// A document as it is on disk, for a session; made from genesis when there is none. `None` while a stage is open
    /// (DurableBeforeTold).
    ///
    /// # Errors
    /// [`StageError`] when it cannot be read.
    pub fn durable_document(&mut self, id: DocumentId) -> Result<Option<&mut Document>, StageError> {
        if self.staged {
            return Ok(None);
        }
        self.documents.let_go();
        let view = self.store.read()?;
        Ok(Some(self.documents.load(&view.reader(), id)?))
    }

    /// How often documents were used so far, while more of them are in memory than a device at rest needs; `None` while there are
    /// not. When it has not changed for a while, [`Replica::rest`] is due.
    pub fn unrest(&self) -> Option<u64> {
        self.documents.unrest()
    }

    /// Lets go of documents that are not needed at rest: other years', after a merge. Not while a stage is open.
    pub fn rest(&mut self) {
        if !self.staged {
            self.documents.rest();
        }
    }

    /// The durable heads of a scope's documents, of each year's newest generation, without loading any: what sessions
    /// speak of.
    ///
    /// # Errors
    /// [`StageError::Store`].
    pub fn newest_heads(&self, scope: Scope) -> Result<Vec<(DocumentId, Vec<ChangeHash>)>, StageError> {
        Ok(newest_heads(&self.store.read()?.reader(), scope)?)
    }

    /// The newest generation of every year's document of a scope, with its durable heads, and this year's, where nothing was
    /// said yet. None is loaded.
    ///
    /// # Errors
    /// [`StageError::Store`].
    pub fn year_documents(
        &self,
        scope: Scope,
        this_year: i16,
    ) -> Result<BTreeMap<DocumentId, Vec<ChangeHash>>, StageError> {
        let states = self.store.read()?.reader().documents(scope)?;
        // In order: what comes last of a year is its newest generation.
        let mut years: BTreeMap<i16, (DocumentId, Vec<ChangeHash>)> =
            states.into_iter().map(|(document, state)| (document.year, (document, state.heads))).collect();
        let begun = DocumentId { scope, year: this_year, generation: 0 };
        years.entry(this_year).or_insert_with(|| (begun, vec![genesis_hash()]));
        Ok(years.into_values().collect())
    }

    /// Replaces what was appended to documents by checked snapshots, where much was, and removes private documents that
    /// newer generations stand for. One that cannot be read is left as it is, for the next generation. Blocks; not while a
    /// stage is open.
    ///
    /// # Errors
    /// [`StageError`]; nothing is lost by it.
    pub fn compact(&mut self) -> Result<(), StageError> {
        self.compact_beyond(COMPACT_AFTER)
    }

    /// The same, for documents to which at least so many changes were appended.
    ///
    /// # Errors
    /// [`StageError`]; nothing is lost by it.
    pub fn compact_beyond(&mut self, appended: u64) -> Result<(), StageError> {
        if self.staged {
            return Ok(());
        }
        for scope in [Scope::Ours, Scope::Mine] {
            if scope == Scope::Mine && !self.store.mine_is_open() {
                continue;
            }
            let states = self.store.read()?.reader().documents(scope)?;
            let superseded = self.superseded(scope)?;
            for (id, _) in states.into_iter().filter(|(_, state)| state.appended >= appended) {
                if superseded.contains(&id) {
                    continue;
                }
                match self.snapshot(id) {
                    Err(error) if error.damaged_document().is_some() => {
                        tracing::warn!(%error, "a document was not compacted");
                    }
                    other => other?,
                }
            }
            if scope == Scope::Mine && !superseded.is_empty() {
                self.retire_private()?;
            }
        }
        Ok(())
    }

    fn retire_private(&mut self) -> Result<(), StageError> {
        let mut stage = self.begin()?;
        let retired = self.retire_own(&mut stage).and_then(|()| Ok(stage.commit()?));
        self.staged = false;
        if retired.is_err() {
            self.documents.clear();
        }
        retired.map(drop)
    }

    fn snapshot(&mut self, id: DocumentId) -> Result<(), StageError> {
        self.documents.let_go();
        let saved = {
            let view = self.store.read()?;
            self.documents.load(&view.reader(), id)?.save()
        };
        self.store.compact(id, &saved, |read_back| {
            let document = Document::load(id, read_back).map_err(|error| error.to_string())?;
            Ok(document.heads())
        })?;
        Ok(())
    }
}

/// The heads of each year's newest generation.
pub(super) fn newest_heads(
    reader: &Reader<'_>,
    scope: Scope,
) -> Result<Vec<(DocumentId, Vec<ChangeHash>)>, StoreError> {
    let states = reader.documents(scope)?;
    // In order: what comes last of a year is its newest generation.
    let newest: BTreeMap<i16, DocumentId> = states.keys().map(|document| (document.year, *document)).collect();
    let spoken_of = states.into_iter().filter(|(document, _)| newest.get(&document.year) == Some(document));
    Ok(spoken_of.map(|(document, state)| (document, state.heads)).collect())
}
