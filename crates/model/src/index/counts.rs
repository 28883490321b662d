//! How many facts there are: kept beside the rows, so that nobody has to read them to count them.

use std::collections::BTreeMap;

use super::IndexError;
use super::rows::{ReadRows, Table, WriteRows};
use super::stored::{decode, encode};

/// The group of [`Table::Derived`] with a row for every year, and one for what is still arriving.
pub(super) const COUNTS: &[u8] = b"counts";
const ARRIVING: &[u8] = b"arriving";

/// How many facts a scope has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// By the year of their dates; void and waiting ones included.
    pub facts: BTreeMap<i16, u64>,
    /// Those that count and whose past is not all here.
    pub arriving: u64,
}

/// Counts a scope's facts. Costs one row a year.
///
/// # Errors
/// [`IndexError`].
pub fn counts<R: ReadRows>(rows: &R) -> Result<Counts, IndexError<R::Error>> {
    let mut counts = Counts::default();
    for (key, value) in rows.group(Table::Derived, COUNTS)? {
        let count = decode(Table::Derived, &value)?;
        match <[u8; 2]>::try_from(key.as_slice()) {
            Ok(year) => drop(counts.facts.insert(i16::from_be_bytes(year), count)),
            Err(_) if key == ARRIVING => counts.arriving = count,
            Err(_) => return Err(IndexError::Damaged(Table::Derived)),
        }
    }
    Ok(counts)
}

/// What one ingestion changes about the counts.
#[derive(Debug, Default)]
pub(super) struct Changes {
    facts: BTreeMap<i16, u64>,
    arrived: u64,
    completed: u64,
}

impl Changes {
    /// A fact of this year was entered, as one that waits.
    pub(super) fn enter(&mut self, year: i16, void: bool) {
        *self.facts.entry(year).or_default() += 1;
        self.arrived += u64::from(!void);
    }

    /// A fact that waited found its place.
    pub(super) fn complete(&mut self, void: bool) {
        self.completed += u64::from(!void);
    }

    pub(super) fn write<R: WriteRows>(&self, rows: &mut R) -> Result<(), IndexError<R::Error>> {
        for (year, new) in &self.facts {
            let key = year.to_be_bytes();
            let count = stored(rows, &key)?.saturating_add(*new);
            rows.put(Table::Derived, COUNTS, &key, &encode(&count))?;
        }
        if self.arrived != self.completed {
            let waited = stored(rows, ARRIVING)?.saturating_add(self.arrived);
            match waited.saturating_sub(self.completed) {
                0 => rows.remove(Table::Derived, COUNTS, ARRIVING)?,
                waiting => rows.put(Table::Derived, COUNTS, ARRIVING, &encode(&waiting))?,
            }
        }
        Ok(())
    }
}

fn stored<R: ReadRows>(rows: &R, key: &[u8]) -> Result<u64, IndexError<R::Error>> {
    let bytes = rows.get(Table::Derived, COUNTS, key)?;
    Ok(bytes.map(|bytes| decode(Table::Derived, &bytes)).transpose()?.unwrap_or(0))
}
