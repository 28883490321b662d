//! The index of one item with some of its facts alone: how it stood at an earlier time.

use std::collections::BTreeMap;
use std::convert::Infallible;

use super::agreed::Agreed;
use super::clock::Clock;
use super::fold::OpenField;
use super::rows::{MemoryRows, ReadRows, Table, WriteRows};
use super::stored::{FactRow, ItemRow, decode, encode, fact_group};
use super::{IndexError, fields_of_item};
use crate::field::{Entry, FieldFacts};
use crate::ids::{FactId, ItemId};

/// What is in a fact's past, the fact itself included; `None` when it, or part of its past, is not here.
///
/// # Errors
/// [`IndexError`].
pub fn past<R: ReadRows>(rows: &R, fact: &FactId) -> Result<Option<Clock>, IndexError<R::Error>> {
    let bytes = rows.get(Table::Facts, &fact_group(fact), fact.as_bytes())?;
    let row: Option<FactRow> = bytes.map(|bytes| decode(Table::Facts, &bytes)).transpose()?;
    Ok(row.and_then(|row| row.clock().cloned()))
}

/// Rows that hold nothing but this item with the facts that `here` keeps, folded anew from these: reads of the index and
/// views of the item answer from them as they did when no others were here.
///
/// # Errors
/// [`IndexError`].
pub fn as_of<R: ReadRows>(
    rows: &R,
    item: &ItemId,
    mut here: impl FnMut(&Entry) -> bool,
) -> Result<MemoryRows, IndexError<R::Error>> {
    let mut then = MemoryRows::default();
    let mut kinds: BTreeMap<String, ItemRow> = BTreeMap::new();
    for (key, facts) in fields_of_item(rows, item)? {
        let entries: Vec<Entry> = facts.entries().iter().filter(|entry| here(entry)).cloned().collect();
        if entries.is_empty() {
            continue;
        }
        for entry in &entries {
            let name = (fact_group(&entry.id), entry.id);
            let bytes = rows.get(Table::Facts, &name.0, name.1.as_bytes())?.ok_or(IndexError::Damaged(Table::Facts))?;
            let row: FactRow = decode(Table::Facts, &bytes)?;
            put(&mut then, Table::Facts, &name.0, name.1.as_bytes(), &bytes);
            if entry.counts() {
                let date = row.header.date;
                let first = ItemRow { founding: None, earliest: (date, entry.id) };
                let kind = kinds.entry(key.kind.clone()).or_insert(first);
                kind.earliest = kind.earliest.min((date, entry.id));
                if row.header.item.is_none() {
                    kind.founding = Some((row.header.partner, date));
                }
            }
        }
        let folded = OpenField::of(&then, &key, entries).and_then(|mut field| {
            field.write(&mut then)?;
            if field.keeps_agreements() {
                Agreed::of(&FieldFacts::new(field.all(&then)?)).write(&mut then, &key)?;
            }
            Ok(())
        });
        folded.map_err(never_rows)?;
    }
    for (kind, row) in kinds {
        put(&mut then, Table::Items, kind.as_bytes(), item.as_bytes(), &encode(&row));
    }
    Ok(then)
}

fn put(rows: &mut MemoryRows, table: Table, group: &[u8], key: &[u8], value: &[u8]) {
    match rows.put(table, group, key, value) {
        Ok(()) => {}
        Err(never) => match never {},
    }
}

/// Rows in memory do not fail.
fn never_rows<E: std::error::Error>(error: IndexError<Infallible>) -> IndexError<E> {
    match error {
        IndexError::Rows(never) => match never {},
        IndexError::Damaged(table) => IndexError::Damaged(table),
    }
}
