//! Where rows are read: a transaction of either kind.

use betwixt_model::document::Scope;
use redb::ReadableTable;

use crate::error::StoreError;
use crate::seal::ScopeKey;
use crate::store::{Held, Keys};
use crate::tables::{Area, Sealed, Span, Visit, guarded, last_of, scan_table};

/// Reading sealed rows.
pub(crate) trait Source {
    /// The scope's key.
    fn key(&self, scope: Scope) -> Result<&ScopeKey, StoreError>;

    /// A row's sealed value.
    fn raw(&self, scope: Scope, area: Area, row: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// The last row whose name is not behind this one, with its sealed value.
    fn last_upto(&self, scope: Scope, area: Area, name: &[u8]) -> Result<Option<Sealed>, StoreError>;

    /// The rows from `from` on (inclusive) whose keys begin with `prefix`, until `each` says stop by answering false.
    fn scan(&self, scope: Scope, area: Area, range: Span<'_>, each: Visit<'_>) -> Result<(), StoreError>;
}

/// A transaction of redb's, with what it keeps of its store. Whatever is one is a [`Source`].
pub(crate) trait Transaction {
    /// An open table.
    type Table<'a>: ReadableTable<&'static [u8], &'static [u8]>
    where
        Self: 'a;

    /// What it keeps of its store.
    fn held(&self) -> &Held;

    /// The keys that it began with.
    fn keys(&self) -> &Keys;

    /// Does something with an open table.
    fn with_table<T>(
        &self,
        scope: Scope,
        area: Area,
        run: impl FnOnce(&Self::Table<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError>;
}

impl<T: Transaction> Source for T {
    fn key(&self, scope: Scope) -> Result<&ScopeKey, StoreError> {
        self.keys().of(scope)
    }

    fn raw(&self, scope: Scope, area: Area, row: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.held().watch(guarded(|| {
            self.with_table(scope, area, |table| Ok(table.get(row)?.map(|value| value.value().to_vec())))
        }))
    }

    fn last_upto(&self, scope: Scope, area: Area, name: &[u8]) -> Result<Option<Sealed>, StoreError> {
        self.held().watch(guarded(|| self.with_table(scope, area, |table| last_of(table, name))))
    }

    fn scan(&self, scope: Scope, area: Area, span: Span<'_>, each: Visit<'_>) -> Result<(), StoreError> {
        self.held().watch(guarded(|| self.with_table(scope, area, |table| scan_table(table, span, each))))
    }
}
