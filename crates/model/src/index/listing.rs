//! Items in the order in which they are listed, by the year, so that a page of a long list reads a year and not a life.
//!
//! Rows have no order of their own (a store hashes their keys), so a group is read whole: a kind has a group that says
//! which years it has items in, and a group for each of them.

use std::collections::BTreeMap;

use jiff::civil::Date;

use super::lookup::entry;
use super::rows::{ReadRows, Table, WriteRows};
use super::stored::{ItemRow, decode, encode};
use super::{IndexError, ItemEntry};
use crate::ids::ItemId;

/// Where an item stands in lists: its founding date, or the earliest one known, and then its id.
pub type Position = (Date, ItemId);

/// Which part of a list is meant, and in which direction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Window {
    /// The first date, included.
    pub from: Option<Date>,
    /// The last date, included.
    pub until: Option<Date>,
    /// What the reader has already: only what comes after it, in the direction of reading.
    pub after: Option<Position>,
    /// Whether the latest comes first.
    pub latest_first: bool,
}

impl Window {
    /// Whether something that stands there belongs to it.
    pub fn holds(&self, position: &Position) -> bool {
        let date = position.0;
        let after = self.after.is_none_or(|after| match self.latest_first {
            true => *position < after,
            false => *position > after,
        });
        after && self.from.is_none_or(|from| date >= from) && self.until.is_none_or(|until| date <= until)
    }

    /// Whether anything of a year can belong to it.
    fn meets(&self, year: i16) -> bool {
        let after = self.after.is_none_or(|(date, _)| match self.latest_first {
            true => year <= date.year(),
            false => year >= date.year(),
        });
        let from = self.from.is_none_or(|from| year >= from.year());
        after && from && self.until.is_none_or(|until| year <= until.year())
    }
}

/// Shows the items of a kind that a window holds, one after the other, until `visit` answers false. Those whose founding fact
/// has not arrived are among them; whether a natural item is one that the schema names is the caller's to check.
///
/// # Errors
/// [`IndexError`], and what `visit` fails with.
pub fn each_item<R: ReadRows>(
    rows: &R,
    kind: &str,
    window: &Window,
    mut visit: impl FnMut(ItemEntry) -> Result<bool, IndexError<R::Error>>,
) -> Result<(), IndexError<R::Error>> {
    let years = rows.group(Table::Derived, &years_group(kind))?.into_iter().map(|(year, _)| parse_year(&year));
    let years: Option<Vec<i16>> = years.collect();
    let mut years = years.ok_or(IndexError::Damaged(Table::Derived))?;
    years.retain(|year| window.meets(*year));
    // Their bytes put the years before the common era last.
    years.sort_unstable();
    if window.latest_first {
        years.reverse();
    }
    for year in years {
        let listed = rows.group(Table::Derived, &listed_group(kind, year))?;
        let positions: Option<Vec<Position>> = listed.iter().map(|(key, _)| parse_key(year, key)).collect();
        let mut positions = positions.ok_or(IndexError::Damaged(Table::Derived))?;
        if window.latest_first {
            positions.reverse();
        }
        for (_, item) in positions.into_iter().filter(|position| window.holds(position)) {
            if let Some(entry) = entry(rows, kind, &item)?
                && !visit(entry)?
            {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// What one ingestion changes about the lists.
#[derive(Debug, Default)]
pub(super) struct Changes {
    years: BTreeMap<(String, i16), i64>,
}

impl Changes {
    /// An item's row is about to be put in the place of the one before it.
    pub(super) fn put<R: WriteRows>(
        &mut self,
        rows: &mut R,
        kind: &str,
        item: &ItemId,
        row: &ItemRow,
    ) -> Result<(), IndexError<R::Error>> {
        let before: Option<ItemRow> = rows
            .get(Table::Items, kind.as_bytes(), item.as_bytes())?
            .map(|bytes| decode(Table::Items, &bytes))
            .transpose()?;
        let (before, now) = (before.map(|row| row.listed_on()), row.listed_on());
        if before == Some(now) {
            return Ok(());
        }
        if let Some(before) = before {
            rows.remove(Table::Derived, &listed_group(kind, before.year()), &key(before, item))?;
            *self.years.entry((kind.to_owned(), before.year())).or_default() -= 1;
        }
        rows.put(Table::Derived, &listed_group(kind, now.year()), &key(now, item), &[])?;
        *self.years.entry((kind.to_owned(), now.year())).or_default() += 1;
        Ok(())
    }

    pub(super) fn write<R: WriteRows>(&self, rows: &mut R) -> Result<(), IndexError<R::Error>> {
        for ((kind, year), change) in self.years.iter().filter(|(_, change)| **change != 0) {
            let (group, key) = (years_group(kind), year.to_be_bytes());
            let before = rows.get(Table::Derived, &group, &key)?;
            let before: u64 = before.map(|bytes| decode(Table::Derived, &bytes)).transpose()?.unwrap_or(0);
            match before.saturating_add_signed(*change) {
                0 => rows.remove(Table::Derived, &group, &key)?,
                count => rows.put(Table::Derived, &group, &key, &encode(&count))?,
            }
        }
        Ok(())
    }
}

/// The group of [`Table::Derived`] with a row for every year that a kind has items in, which counts them.
pub(super) fn years_group(kind: &str) -> Vec<u8> {
    [b"years/".as_slice(), kind.as_bytes()].concat()
}

/// The group of [`Table::Derived`] with an empty row for every item of a kind and year.
pub(super) fn listed_group(kind: &str, year: i16) -> Vec<u8> {
    [b"listed/".as_slice(), &year.to_be_bytes(), kind.as_bytes()].concat()
}

fn key(date: Date, item: &ItemId) -> Vec<u8> {
    [date.month().to_be_bytes().as_slice(), &date.day().to_be_bytes(), item.as_bytes()].concat()
}

fn parse_year(key: &[u8]) -> Option<i16> {
    key.try_into().ok().map(i16::from_be_bytes)
}

fn parse_key(year: i16, key: &[u8]) -> Option<Position> {
    let ([month, day], item) = key.split_first_chunk::<2>()?;
    let date = Date::new(year, i8::from_be_bytes([*month]), i8::from_be_bytes([*day])).ok()?;
    Some((date, ItemId::from_bytes(item.try_into().ok()?)))
}
