//! The fact index's rows, encrypted: `ReadRows` and `WriteRows` of the model over a transaction.
//!
//! A row is named by a keyed hash of its table and group, and another of its key; the key itself is sealed with the
//! value. A group is therefore read whole, decrypted, and sorted by the keys found inside.

use std::sync::{Arc, OnceLock};

use betwixt_model::document::Scope;
use betwixt_model::index::rows::{ReadRows, Table, WriteRows};
use redb::ReadableTable;

use crate::batch::Batch;
use crate::dictionaries::{Dictionary, newest};
use crate::error::StoreError;
use crate::seal::ScopeKey;
use crate::source::{Source, Transaction};
use crate::squeeze::{opened_of, squeeze};
use crate::tables::{Area, Row, Span, group, guarded, member, scan_table};

/// One scope's index, for reading.
#[derive(Clone, Copy)]
pub struct Rows<'a> {
    source: &'a dyn Source,
    scope: Scope,
}

impl std::fmt::Debug for Rows<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Rows").field("scope", &self.scope).finish_non_exhaustive()
    }
}

impl<'a> Rows<'a> {
    pub(crate) fn new(source: &'a dyn Source, scope: Scope) -> Self {
        Self { source, scope }
    }
}

/// The group's name before hashing: the table cannot be confused with a group of another.
fn qualified(table: Table, of: &[u8]) -> Vec<u8> {
    let mut name = vec![table as u8];
    name.extend_from_slice(of);
    name
}

const AREA: Area = Area::Rows;

impl ReadRows for Rows<'_> {
    type Error = StoreError;

    fn get(&self, table: Table, of: &[u8], key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let sealing = self.source.key(self.scope)?;
        let row = member(sealing, AREA, &qualified(table, of), key);
        let sealed = self.source.raw(self.scope, AREA, &row)?;
        sealed.map(|sealed| value(self.source, self.scope, &row, key, &sealed)).transpose()
    }

    fn group(&self, table: Table, of: &[u8]) -> Result<Vec<(Vec<u8>, Vec<u8>)>, StoreError> {
        let sealing = self.source.key(self.scope)?;
        let prefix = group(sealing, AREA, &qualified(table, of));
        let mut rows = Vec::new();
        self.source.scan(self.scope, AREA, Span::of(&prefix), &mut |at, sealed| {
            rows.push(opened_of(self.source, sealing, self.scope, AREA, at, sealed)?);
            Ok(true)
        })?;
        Ok(sorted(rows))
    }
}

/// One scope's index, for reading and writing within a batch.
pub struct BatchRows<'a> {
    table: redb::Table<'a, &'static [u8], &'static [u8]>,
    batch: &'a Batch,
    key: &'a ScopeKey,
    scope: Scope,
    /// What is written is compressed by it; looked for with the first row that is.
    dictionary: OnceLock<Option<Arc<Dictionary>>>,
}

impl<'a> BatchRows<'a> {
    pub(crate) fn new(
        table: redb::Table<'a, &'static [u8], &'static [u8]>,
        batch: &'a Batch,
        key: &'a ScopeKey,
        scope: Scope,
    ) -> Self {
        Self { table, batch, key, scope, dictionary: OnceLock::new() }
    }

    fn dictionary(&self) -> Result<Option<&Dictionary>, StoreError> {
        if let Some(known) = self.dictionary.get() {
            return Ok(known.as_deref());
        }
        let newest = newest(&self.batch.reader(), self.scope)?;
        Ok(self.dictionary.get_or_init(|| newest).as_deref())
    }
}

impl std::fmt::Debug for BatchRows<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("BatchRows").field("scope", &self.scope).finish_non_exhaustive()
    }
}

impl ReadRows for BatchRows<'_> {
    type Error = StoreError;

    fn get(&self, table: Table, of: &[u8], key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let row = member(self.key, AREA, &qualified(table, of), key);
        let read = guarded(|| Ok(self.table.get(row.as_slice())?.map(|sealed| sealed.value().to_vec())));
        let sealed = self.batch.held().watch(read)?;
        sealed.map(|sealed| value(self.batch, self.scope, &row, key, &sealed)).transpose()
    }

    fn group(&self, table: Table, of: &[u8]) -> Result<Vec<(Vec<u8>, Vec<u8>)>, StoreError> {
        let prefix = group(self.key, AREA, &qualified(table, of));
        let mut rows = Vec::new();
        self.batch.held().watch(scan_table(&self.table, Span::of(&prefix), &mut |at, sealed| {
            rows.push(opened_of(self.batch, self.key, self.scope, AREA, at, sealed)?);
            Ok(true)
        }))?;
        Ok(sorted(rows))
    }
}

impl WriteRows for BatchRows<'_> {
    fn put(&mut self, table: Table, of: &[u8], key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        let of = qualified(table, of);
        let row = member(self.key, AREA, &of, key);
        let packed = squeeze(self.dictionary()?, &of, key, value);
        let sealed = self.key.seal(AREA.table(self.scope), &row, &packed);
        let rows = &mut self.table;
        self.batch.held().watch(guarded(|| {
            rows.insert(row.as_slice(), sealed.as_slice())?;
            Ok(())
        }))
    }

    fn remove(&mut self, table: Table, of: &[u8], key: &[u8]) -> Result<(), StoreError> {
        let row = member(self.key, AREA, &qualified(table, of), key);
        let rows = &mut self.table;
        self.batch.held().watch(guarded(|| {
            rows.remove(row.as_slice())?;
            Ok(())
        }))
    }
}

fn value(source: &dyn Source, scope: Scope, row: &[u8], name: &[u8], sealed: &[u8]) -> Result<Vec<u8>, StoreError> {
    let found = opened_of(source, source.key(scope)?, scope, AREA, row, sealed)?;
    if found.key == name { Ok(found.value) } else { Err(StoreError::row(AREA.table(scope))) }
}

fn sorted(rows: Vec<Row>) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut rows: Vec<_> = rows.into_iter().map(|row| (row.key, row.value)).collect();
    rows.sort();
    rows
}
