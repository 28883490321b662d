//! What the database's file is made of.

use betwixt_model::document::Scope;
use betwixt_model::index::rows::Table;
use redb::ReadableTableMetadata;

use crate::error::StoreError;
use crate::leaves::{named, opened_leaf};
use crate::source::{Source, Transaction};
use crate::squeeze::{Fresh, opened_fresh};
use crate::store::Store;
use crate::tables::{Area, Row, SCOPES, Span, guarded};

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

/// How much a part of the fact index takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexSize {
    /// Which part.
    pub table: Table,
    /// How many rows it has.
    pub rows: u64,
    /// The bytes of what is sealed in them: group, key and value.
    pub held: u64,
    /// The bytes of their names and sealed values.
    pub stored: u64,
}

fn held(row: &Row) -> u64 {
    (row.group.len() + row.key.len() + row.value.len()) as u64
}

impl Store {
    /// What every part of a scope's fact index takes; of what is packed with others, its share. Decrypts all of it.
    ///
    /// # Errors
    /// [`StoreError`]; [`StoreError::Locked`] for `mine` without its key.
    pub fn index_sizes(&self, scope: Scope) -> Result<Vec<IndexSize>, StoreError> {
        let view = self.read()?;
        let key = view.key(scope)?;
        let mut sizes = Table::ALL.map(|table| IndexSize { table, rows: 0, held: 0, stored: 0 });
        let mut add = |row: &Row, stored: u64, counts: bool| -> Result<(), StoreError> {
            let part = row.group.first().and_then(|table| sizes.get_mut(usize::from(*table)));
            let part = part.ok_or_else(|| StoreError::row(Area::Rows.table(scope)))?;
            part.stored += stored;
            if counts {
                part.rows += 1;
                part.held += held(row);
            }
            Ok(())
        };
        view.scan(scope, Area::Rows, Span::ALL, &mut |at, sealed| {
            let stored = (at.len() + sealed.len()) as u64;
            match opened_fresh(&view, key, scope, at, sealed)? {
                Fresh::There(row) => add(&row, stored, true)?,
                Fresh::Gone(row) => add(&row, stored, false)?,
            }
            Ok(true)
        })?;
        view.scan(scope, Area::Packed, Span::ALL, &mut |at, sealed| {
            let rows = named(key, scope, at, opened_leaf(&view, key, scope, at, sealed)?)?;
            let (mut before, mut taken) = (0, 0);
            let (stored, all) = ((at.len() + sealed.len()) as u64, rows.iter().map(|(_, row)| held(row)).sum::<u64>());
            for (name, row) in &rows {
                before += held(row);
                // Each its share of the leaf.
                let upto = stored * before / all.max(1);
                add(row, upto - taken, view.raw(scope, Area::Rows, name)?.is_none())?;
                taken = upto;
            }
            Ok(true)
        })?;
        Ok(sizes.into_iter().filter(|size| size.rows > 0).collect())
    }

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
