//! Rows written over others, to be taken over as a whole or not at all: an act that is refused half way leaves no trace.

use std::collections::BTreeMap;

use betwixt_model::index::rows::{ReadRows, Table, WriteRows};

type Place = (Table, Vec<u8>, Vec<u8>);

/// Writes in memory over rows that stay as they are.
#[derive(Debug)]
pub(super) struct Overlay<R> {
    under: R,
    written: BTreeMap<Place, Option<Vec<u8>>>,
}

impl<R: ReadRows> Overlay<R> {
    pub(super) fn new(under: R) -> Self {
        Self { under, written: BTreeMap::new() }
    }

    /// What was written, for [`Writes::apply`] once the rows beneath are no longer borrowed.
    pub(super) fn into_writes(self) -> Writes {
        Writes(self.written)
    }
}

/// What an overlay had written.
#[derive(Debug)]
pub(super) struct Writes(BTreeMap<Place, Option<Vec<u8>>>);

impl Writes {
    pub(super) fn apply<W: WriteRows>(self, rows: &mut W) -> Result<(), W::Error> {
        for ((table, group, key), value) in self.0 {
            match value {
                Some(value) => rows.put(table, &group, &key, &value)?,
                None => rows.remove(table, &group, &key)?,
            }
        }
        Ok(())
    }
}

impl<R: ReadRows> ReadRows for Overlay<R> {
    type Error = R::Error;

    fn get(&self, table: Table, group: &[u8], key: &[u8]) -> Result<Option<Vec<u8>>, R::Error> {
        match self.written.get(&(table, group.to_vec(), key.to_vec())) {
            Some(value) => Ok(value.clone()),
            None => self.under.get(table, group, key),
        }
    }

    fn group(&self, table: Table, group: &[u8]) -> Result<Vec<(Vec<u8>, Vec<u8>)>, R::Error> {
        let mut rows: BTreeMap<Vec<u8>, Vec<u8>> = self.under.group(table, group)?.into_iter().collect();
        let from = (table, group.to_vec(), Vec::new());
        for ((of, within, key), value) in self.written.range(from..) {
            if *of != table || within != group {
                break;
            }
            match value {
                Some(value) => rows.insert(key.clone(), value.clone()),
                None => rows.remove(key),
            };
        }
        Ok(rows.into_iter().collect())
    }
}

impl<R: ReadRows> WriteRows for Overlay<R> {
    fn put(&mut self, table: Table, group: &[u8], key: &[u8], value: &[u8]) -> Result<(), R::Error> {
        self.written.insert((table, group.to_vec(), key.to_vec()), Some(value.to_vec()));
        Ok(())
    }

    fn remove(&mut self, table: Table, group: &[u8], key: &[u8]) -> Result<(), R::Error> {
        self.written.insert((table, group.to_vec(), key.to_vec()), None);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use betwixt_model::index::rows::MemoryRows;

    use super::*;

    #[test]
    fn an_overlay_reads_as_if_written_and_leaves_what_is_beneath_alone() {
        let mut under = MemoryRows::default();
        under.put(Table::Facts, b"g", b"kept", b"1").unwrap();
        under.put(Table::Facts, b"g", b"gone", b"2").unwrap();
        under.put(Table::Facts, b"h", b"elsewhere", b"3").unwrap();
        let before = under.clone();
        let mut overlay = Overlay::new(under.clone());
        overlay.put(Table::Facts, b"g", b"new", b"4").unwrap();
        overlay.remove(Table::Facts, b"g", b"gone").unwrap();
        let expected = vec![(b"kept".to_vec(), b"1".to_vec()), (b"new".to_vec(), b"4".to_vec())];
        assert_eq!(overlay.group(Table::Facts, b"g").unwrap(), expected);
        assert_eq!(overlay.get(Table::Facts, b"g", b"gone").unwrap(), None);
        assert_eq!(under, before);
        overlay.into_writes().apply(&mut under).unwrap();
        assert_eq!(under.group(Table::Facts, b"g").unwrap(), expected);
    }
}
