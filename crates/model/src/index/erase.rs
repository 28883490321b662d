//! Erasing: the index does not hold the values that a chapter in force leaves out, in whatever order facts and agreement
//! came.

use std::collections::BTreeMap;

use super::rows::{Table, WriteRows};
use super::stored::ERASED;
use super::work::{Past, Work};
use super::{Effect, IndexError};
use crate::chapter;
use crate::ids::{FactId, HouseholdId};

/// Finds out anew what is erased, when that may have changed, and drops the values. What is erased no longer gets its value
/// back only from who still holds it.
pub(super) fn settle<R: WriteRows>(
    rows: &mut R,
    household: &HouseholdId,
    effect: &mut Effect,
) -> Result<(), IndexError<R::Error>> {
    if !effect.rebuilt && !effect.fields.contains(&chapter::field_key(household)) {
        return Ok(());
    }
    let chapters = chapter::in_force(rows, household)?;
    // Each with the least fact of those that said the same; where chapters were made apart, the least of all.
    let mut wanted: BTreeMap<FactId, FactId> = BTreeMap::new();
    for same in chapters.iter().flat_map(|chapter| &chapter.erase) {
        let Some(least) = same.first() else { continue };
        for id in same {
            let known = wanted.entry(*id).or_insert(*least);
            *known = *least.min(known);
        }
    }
    let mut known = BTreeMap::new();
    for (key, least) in rows.group(Table::Derived, ERASED)? {
        let id =
            |bytes: Vec<u8>| bytes.try_into().map(FactId::from_bytes).map_err(|_| IndexError::Damaged(Table::Derived));
        known.insert(id(key)?, id(least)?);
    }
    for gone in known.keys().filter(|id| !wanted.contains_key(id)) {
        rows.remove(Table::Derived, ERASED, gone.as_bytes())?;
    }
    let new: Vec<FactId> =
        wanted.iter().filter(|(id, least)| known.get(id) != Some(least)).map(|(id, _)| *id).collect();
    for id in &new {
        rows.put(Table::Derived, ERASED, id.as_bytes(), wanted[id].as_bytes())?;
    }
    let mut work = Work::new(rows, Past::Awaited);
    work.erase(&new)?;
    effect.fields.extend(work.flush()?);
    Ok(())
}
