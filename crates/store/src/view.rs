//! Reading: one consistent state of the store.

use std::sync::OnceLock;

use betwixt_model::document::Scope;
use redb::ReadTransaction;

use crate::error::{Damage, StoreError};
use crate::open::{Plain, read_plain_of};
use crate::reader::Reader;
use crate::source::Transaction;
use crate::store::{Held, Keys};
use crate::tables::{Area, SCOPES, guarded};

/// One state of the store, unchanged by what is committed meanwhile. May be sent to another thread. While it lives, the
/// database file cannot reuse the room of what was replaced since: drop it soon.
pub struct View {
    inner: Held,
    keys: Keys,
    transaction: ReadTransaction,
    /// Opened when first needed, and kept: opening one costs as much as reading a row.
    tables: [[OnceLock<ReadOnlyTable>; Area::ALL.len()]; SCOPES.len()],
}

type ReadOnlyTable = redb::ReadOnlyTable<&'static [u8], &'static [u8]>;

impl std::fmt::Debug for View {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("View").finish_non_exhaustive()
    }
}

impl View {
    pub(crate) fn new(inner: Held, keys: Keys, transaction: ReadTransaction) -> Self {
        Self { inner, keys, transaction, tables: Default::default() }
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

impl Transaction for View {
    type Table<'a> = ReadOnlyTable;

    fn held(&self) -> &Held {
        &self.inner
    }

    fn keys(&self) -> &Keys {
        &self.keys
    }

    fn with_table<T>(
        &self,
        scope: Scope,
        area: Area,
        run: impl FnOnce(&Self::Table<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let place = &self.tables[scope as usize][area as usize];
        if let Some(table) = place.get() {
            return run(table);
        }
        let table = self.transaction.open_table(area.definition(scope))?;
        run(place.get_or_init(|| table))
    }
}
