//! An item as it was at an earlier time.

use crate::field::{Entry, Place};
use crate::ids::{FactId, ItemId};
use crate::index::rows::ReadRows;
use crate::index::{self, IndexError};
use crate::view::{self, ItemView, Reader};

/// The item as it stood for whoever said this fact, once they had said it: with the fact and everything in its past. `None`
/// when nothing of the item was in it, or the fact's own past has not arrived.
///
/// # Errors
/// [`IndexError`].
pub fn item_after<R: ReadRows>(
    rows: &R,
    reader: &Reader,
    item: &ItemId,
    fact: &FactId,
) -> Result<Option<ItemView>, IndexError<R::Error>> {
    let Some(past) = index::past(rows, fact)? else { return Ok(None) };
    let within = |entry: &Entry| match &entry.place {
        Place::Placed { branch, sequence, .. } => past.get(branch) >= *sequence,
        Place::Arriving | Place::Void => false,
    };
    item_with(rows, reader, item, within)
}

/// The item as it stands with some of its facts alone, such as those that were here on a day. Sums over other items
/// (a milestone's progress) are left out, for these have pasts of their own.
///
/// `here` is asked about every fact of the item that is here now. For the view to be one that somebody had, what it keeps
/// must hold the past of whatever it keeps.
///
/// # Errors
/// [`IndexError`].
pub fn item_with<R: ReadRows>(
    rows: &R,
    reader: &Reader,
    item: &ItemId,
    here: impl FnMut(&Entry) -> bool,
) -> Result<Option<ItemView>, IndexError<R::Error>> {
    let then = index::as_of(rows, item, here)?;
    let view = view::item(&then, reader, item).map_err(|error| match error {
        IndexError::Rows(never) => match never {},
        IndexError::Damaged(table) => IndexError::Damaged(table),
    })?;
    Ok(view.map(|view| ItemView { tally: None, ..view }))
}
