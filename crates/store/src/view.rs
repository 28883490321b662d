//! Reading: one consistent state of the store.

use betwixt_model::document::Scope;
use redb::ReadTransaction;

use crate::error::{Damage, StoreError};
use crate::open::{Plain, read_plain_of};
use crate::reader::Reader;
use crate::seal::ScopeKey;
use crate::store::{Held, Keys};
use crate::tables::{Area, Source, Span, Visit, guarded, scan_table};

/// One state of the store, unchanged by what is committed meanwhile. May be sent to another thread. While it lives, the
/// database file cannot reuse the room of what was replaced since: drop it soon.
pub struct View {
    inner: Held,
    keys: Keys,
    transaction: ReadTransaction,
}

impl std::fmt::Debug for View {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("View").finish_non_exhaustive()
    }
}

impl View {
    pub(crate) fn new(inner: Held, keys: Keys, transaction: ReadTransaction) -> Self {
        Self { inner, keys, transaction }
    }

    pub(crate) fn plain(&self) -> Result<Plain, StoreError> {
        let read = self.inner.watch(guarded(|| read_plain_of(&self.transaction)))?;
        read.1.ok_or_else(|| StoreError::Damaged(Damage::File("its format changed while it was open".into())))
    }

    /// What can be read.
    pub fn reader(&self) -> Reader<'_> {
        Reader::new(self, &self.inner)
    }
}

impl Source for View {
    fn key(&self, scope: Scope) -> Result<&ScopeKey, StoreError> {
        self.keys.of(scope)
    }

    fn raw(&self, scope: Scope, area: Area, row: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.inner.watch(guarded(|| {
            let table = self.transaction.open_table(area.definition(scope))?;
            Ok(table.get(row)?.map(|value| value.value().to_vec()))
        }))
    }

    fn scan(&self, scope: Scope, area: Area, span: Span<'_>, each: Visit<'_>) -> Result<(), StoreError> {
        self.inner.watch(guarded(|| {
            let table = self.transaction.open_table(area.definition(scope))?;
            scan_table(&table, span, each)
        }))
    }
}
