//! The fact index's rows, encrypted: `ReadRows` and `WriteRows` of the model over a transaction.
//!
//! A row is named by a keyed hash of its table and group, and another of its key; the key itself is sealed with the
//! value. A group is therefore read whole, decrypted, and sorted by the keys found inside. What was packed ([`crate::leaves`]) is found
//! behind what was written since.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use betwixt_model::document::Scope;
use betwixt_model::index::rows::{ReadRows, Table, WriteRows};
use redb::ReadableTable;

use crate::batch::Batch;
use crate::dictionaries::{Dictionary, newest};
use crate::error::StoreError;
use crate::leaves::{InSource, Leaves, packed_group, packed_row};
use crate::seal::ScopeKey;
use crate::source::{Source, Transaction};
use crate::squeeze::{Fresh, gone, opened_fresh, squeeze};
use crate::tables::{Area, Sealed, Span, Visit, group, guarded, last_of, member, scan_table};

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
        let of = qualified(table, of);
        let row = member(self.source.key(self.scope)?, AREA, &of, key);
        match self.source.raw(self.scope, AREA, &row)? {
            Some(sealed) => value(self.source, self.scope, &row, key, &sealed),
            None => packed_row(&InSource(self.source, self.scope), self.source, self.scope, &row, (&of, key)),
        }
    }

    fn group(&self, table: Table, of: &[u8]) -> Result<Vec<(Vec<u8>, Vec<u8>)>, StoreError> {
        let sealing = self.source.key(self.scope)?;
        let of = qualified(table, of);
        let prefix = group(sealing, AREA, &of);
        let mut rows = Group(packed_group(&InSource(self.source, self.scope), self.source, self.scope, &of)?);
        self.source.scan(self.scope, AREA, Span::of(&prefix), &mut |at, sealed| {
            rows.enter(opened_fresh(self.source, sealing, self.scope, at, sealed)?);
            Ok(true)
        })?;
        Ok(rows.sorted())
    }
}

/// A table that is open for writing.
pub(crate) type OpenTable<'a> = redb::Table<'a, &'static [u8], &'static [u8]>;

/// The leaves of a table that a batch has open.
struct InTable<'a>(OpenTable<'a>, &'a Batch);

impl Leaves for InTable<'_> {
    fn last_upto(&self, name: &[u8]) -> Result<Option<Sealed>, StoreError> {
        self.1.held().watch(guarded(|| last_of(&self.0, name)))
    }

    fn from(&self, at: &[u8], each: Visit<'_>) -> Result<(), StoreError> {
        self.1.held().watch(scan_table(&self.0, Span { from: at, ..Span::ALL }, each))
    }
}

/// A group's rows while they are put together: what was packed, and then what was written since.
struct Group(BTreeMap<Vec<u8>, Vec<u8>>);

impl Group {
    fn enter(&mut self, row: Fresh) {
        match row {
            Fresh::There(row) => self.0.insert(row.key, row.value),
            Fresh::Gone(row) => self.0.remove(&row.key),
        };
    }

    fn sorted(self) -> Vec<(Vec<u8>, Vec<u8>)> {
        self.0.into_iter().collect()
    }
}

/// One scope's index, for reading and writing within a batch.
pub struct BatchRows<'a> {
    table: OpenTable<'a>,
    packed: InTable<'a>,
    batch: &'a Batch,
    key: &'a ScopeKey,
    scope: Scope,
    /// What is written is compressed by it; looked for with the first row that is.
    dictionary: OnceLock<Option<Arc<Dictionary>>>,
}

impl<'a> BatchRows<'a> {
    pub(crate) fn new(
        (table, packed): (OpenTable<'a>, OpenTable<'a>),
        batch: &'a Batch,
        key: &'a ScopeKey,
        scope: Scope,
    ) -> Self {
        Self { table, packed: InTable(packed, batch), batch, key, scope, dictionary: OnceLock::new() }
    }

    /// What is sealed under a name, beside what is packed.
    fn raw(&self, name: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let read = guarded(|| Ok(self.table.get(name)?.map(|sealed| sealed.value().to_vec())));
        self.batch.held().watch(read)
    }

    fn packed(&self, name: &[u8], of: &[u8], key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        packed_row(&self.packed, self.batch, self.scope, name, (of, key))
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
        let of = qualified(table, of);
        let row = member(self.key, AREA, &of, key);
        match self.raw(&row)? {
            Some(sealed) => value(self.batch, self.scope, &row, key, &sealed),
            None => self.packed(&row, &of, key),
        }
    }

    fn group(&self, table: Table, of: &[u8]) -> Result<Vec<(Vec<u8>, Vec<u8>)>, StoreError> {
        let of = qualified(table, of);
        let prefix = group(self.key, AREA, &of);
        let mut rows = Group(packed_group(&self.packed, self.batch, self.scope, &of)?);
        self.batch.held().watch(scan_table(&self.table, Span::of(&prefix), &mut |at, sealed| {
            rows.enter(opened_fresh(self.batch, self.key, self.scope, at, sealed)?);
            Ok(true)
        }))?;
        Ok(rows.sorted())
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
        let of = qualified(table, of);
        let row = member(self.key, AREA, &of, key);
        let instead = match self.packed(&row, &of, key)? {
            Some(_) => Some(self.key.seal(AREA.table(self.scope), &row, &gone(&of, key))),
            None => None,
        };
        let rows = &mut self.table;
        self.batch.held().watch(guarded(|| {
            match &instead {
                Some(sealed) => drop(rows.insert(row.as_slice(), sealed.as_slice())?),
                None => drop(rows.remove(row.as_slice())?),
            }
            Ok(())
        }))
    }
}

fn value(
    source: &dyn Source,
    scope: Scope,
    row: &[u8],
    name: &[u8],
    sealed: &[u8],
) -> Result<Option<Vec<u8>>, StoreError> {
    let found = opened_fresh(source, source.key(scope)?, scope, row, sealed)?;
    found.of(name).ok_or_else(|| StoreError::row(AREA.table(scope)))
}
