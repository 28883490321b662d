//! What the database's file is made of.

use betwixt_model::document::Scope;
use redb::ReadableTableMetadata;

use crate::error::StoreError;
use crate::source::Transaction;
use crate::store::Store;
use crate::tables::{Area, SCOPES, guarded};

/// How much a table takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableSize {
    /// Its name in the file.
    pub table: &'static str,
    /// How many rows it has.
    pub rows: u64,
    /// The bytes of their names and sealed values.
    pub stored: u64,
    /// The bytes of the tree that finds them.
    pub tree: u64,
    /// The bytes of its pages that nothing is in.
    pub unused: u64,
}

impl TableSize {
    /// All of it, in bytes.
    pub fn total(&self) -> u64 {
        self.stored + self.tree + self.unused
    }
}

impl Store {
    /// What every table takes, in both scopes, locked or not: it is read from the tree alone. Reads the whole file.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn sizes(&self) -> Result<Vec<TableSize>, StoreError> {
        let view = self.read()?;
        let size = |scope: Scope, area: Area| {
            view.held().watch(guarded(|| {
                view.with_table(scope, area, |table| {
                    let stats = table.stats()?;
                    Ok(TableSize {
                        table: area.table(scope),
                        rows: table.len()?,
                        stored: stats.stored_bytes(),
                        tree: stats.metadata_bytes(),
                        unused: stats.fragmented_bytes(),
                    })
                })
            }))
        };
        SCOPES.into_iter().flat_map(|scope| Area::ALL.iter().map(move |area| size(scope, *area))).collect()
    }
}
