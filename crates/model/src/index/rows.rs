//! What the index needs of a store: rows in tables, found by group and key.

use std::collections::BTreeMap;
use std::convert::Infallible;

/// A table of the index. The numbers are part of the stored format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Table {
    /// Fact id to the fact and its place in causality.
    Facts = 0,
    /// Item and field to what stands there, and of fields of few facts all of them.
    Fields = 1,
    /// Kind to the items of that kind.
    Items = 2,
    /// A missing fact's id to the facts that wait for it.
    Waiting = 3,
    /// Device to its chain's branches and tips.
    Chains = 4,
    /// Everything else that the index derives, each under a group of its own.
    Derived = 5,
    /// Field to its facts, where they are many.
    Entries = 6,
}

impl Table {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 7] =
        [Self::Facts, Self::Fields, Self::Items, Self::Waiting, Self::Chains, Self::Derived, Self::Entries];
}

/// A row's key within its group, and its value.
pub type KeyValue = (Vec<u8>, Vec<u8>);

/// Reading rows. A row is found by its table, its group and its key within the group; groups and keys are opaque bytes, so
/// that a store may hash both. One value of this trait is one scope's index at one moment.
pub trait ReadRows {
    /// Why reading failed.
    type Error: std::error::Error + Send + Sync + 'static;

    /// One row.
    fn get(&self, table: Table, group: &[u8], key: &[u8]) -> Result<Option<Vec<u8>>, Self::Error>;

    /// All rows of a group as (key, value), sorted by key.
    fn group(&self, table: Table, group: &[u8]) -> Result<Vec<KeyValue>, Self::Error>;
}

/// Writing rows, seen at once by reads of the same value and durable with the transaction that it belongs to.
pub trait WriteRows: ReadRows {
    /// Puts a row in the place of whatever stands there.
    fn put(&mut self, table: Table, group: &[u8], key: &[u8], value: &[u8]) -> Result<(), Self::Error>;

    /// Removes a row, if it is there.
    fn remove(&mut self, table: Table, group: &[u8], key: &[u8]) -> Result<(), Self::Error>;
}

/// A row's table, group and key.
pub type RowName = (Table, Vec<u8>, Vec<u8>);

/// Rows in memory, for tests and tools.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemoryRows {
    rows: BTreeMap<RowName, Vec<u8>>,
}

impl MemoryRows {
    /// Every row, in order: two indexes are the same when these are.
    pub fn iter(&self) -> impl Iterator<Item = (&RowName, &Vec<u8>)> {
        self.rows.iter()
    }
}

impl ReadRows for MemoryRows {
    type Error = Infallible;

    fn get(&self, table: Table, group: &[u8], key: &[u8]) -> Result<Option<Vec<u8>>, Infallible> {
        Ok(self.rows.get(&(table, group.to_vec(), key.to_vec())).cloned())
    }

    fn group(&self, table: Table, group: &[u8]) -> Result<Vec<KeyValue>, Infallible> {
        let from = (table, group.to_vec(), Vec::new());
        let rows = self.rows.range(from..).take_while(|((other, of, _), _)| *other == table && of == group);
        Ok(rows.map(|((_, _, key), value)| (key.clone(), value.clone())).collect())
    }
}

impl WriteRows for MemoryRows {
    fn put(&mut self, table: Table, group: &[u8], key: &[u8], value: &[u8]) -> Result<(), Infallible> {
        self.rows.insert((table, group.to_vec(), key.to_vec()), value.to_vec());
        Ok(())
    }

    fn remove(&mut self, table: Table, group: &[u8], key: &[u8]) -> Result<(), Infallible> {
        self.rows.remove(&(table, group.to_vec(), key.to_vec()));
        Ok(())
    }
}
