//! What there is to settle: the fields that differ, and the words that wait for the other partner.

use std::collections::BTreeMap;

use super::{FieldView, ItemHead, ItemView, Reader, State, field, head};
use crate::ids::ItemId;
use crate::index::rows::ReadRows;
use crate::index::{self, FieldKey, IndexError};
use crate::schema::{FieldKind, Naming, Owner};
use crate::settle::SETTLEMENT;

type Answer<T, R> = Result<T, IndexError<<R as ReadRows>::Error>>;

/// Everything to settle: the items that have fields which differ or words that wait, with those fields alone. What a partner
/// said on two devices apart in a field of their own is listed for them only.
///
/// # Errors
/// [`IndexError`].
pub fn differences<R: ReadRows>(rows: &R, reader: &Reader) -> Result<Vec<ItemView>, IndexError<R::Error>> {
    let mut views = Vec::new();
    for item in unsettled(rows, reader, None)? {
        let mut fields = BTreeMap::new();
        for name in item.fields {
            let view = field(rows, reader, &item.head, &name)?;
            fields.extend(view.map(|view| (name, view)));
        }
        views.push(ItemView::of(item.head, fields));
    }
    Ok(views)
}

/// The names of the fields of one item that wait to be settled, sorted: those that [`differences`] has of it.
///
/// # Errors
/// [`IndexError`].
pub fn to_settle<R: ReadRows>(rows: &R, reader: &Reader, id: &ItemId) -> Result<Vec<String>, IndexError<R::Error>> {
    Ok(unsettled(rows, reader, Some(id))?.pop().map(|item| item.fields).unwrap_or_default())
}

/// The same of every item of which any do, by id; without what they say.
///
/// # Errors
/// [`IndexError`].
pub fn all_to_settle<R: ReadRows>(rows: &R, reader: &Reader) -> Answer<Vec<(ItemId, Vec<String>)>, R> {
    Ok(unsettled(rows, reader, None)?.into_iter().map(|item| (item.head.id, item.fields)).collect())
}

/// An item that waits for the two, with the names of its fields that do, sorted.
pub(crate) struct Unsettled {
    pub(crate) head: ItemHead,
    pub(crate) fields: Vec<String>,
}

/// The items to settle by id, or `only` this one. Of most fields the index tells whether they are among them, so that they
/// need not be read.
pub(crate) fn unsettled<R: ReadRows>(rows: &R, reader: &Reader, only: Option<&ItemId>) -> Answer<Vec<Unsettled>, R> {
    let mut items: BTreeMap<ItemId, Vec<FieldKey>> = BTreeMap::new();
    for key in match only {
        Some(item) => index::unsettled_of(rows, item)?,
        None => index::unsettled(rows)?,
    } {
        items.entry(key.item).or_default().push(key);
    }
    let mut all = Vec::new();
    for (item, keys) in items {
        let Some(head) = head_of(rows, reader, &item, &keys)? else { continue };
        let mut fields = Vec::new();
        // By the item's own kind: facts may name it under another, which hides nothing.
        for key in keys.into_iter().filter(|key| key.kind == head.kind) {
            if is_unsettled(rows, reader, &head, &key.field)? {
                fields.push(key.field);
            }
        }
        if !fields.is_empty() {
            all.push(Unsettled { head, fields });
        }
    }
    Ok(all)
}

/// What the item of these fields is. Facts of one kind nearly always: then its founding tells it.
fn head_of<R: ReadRows>(rows: &R, reader: &Reader, item: &ItemId, keys: &[FieldKey]) -> Answer<Option<ItemHead>, R> {
    let founded = keys.first().map_or(Ok(None), |key| head::founded(rows, &key.kind, item))?;
    if founded.is_some() { Ok(founded) } else { head(rows, reader, item) }
}

/// Whether a field that the index lists is to settle for this reader.
fn is_unsettled<R: ReadRows>(rows: &R, reader: &Reader, item: &ItemHead, name: &str) -> Answer<bool, R> {
    let Some(schema) = item.schema() else { return Ok(false) };
    let Some(known) = schema.field(name) else { return Ok(false) };
    // What is said about a difference waits with the difference.
    if schema.name == SETTLEMENT {
        return Ok(false);
    }
    let certain = match known.kind {
        FieldKind::Light => return Ok(false),
        FieldKind::Owned(Owner::Founder) if item.owner != Some(reader.partner) => return Ok(false),
        FieldKind::Owned(_) => false,
        // Versions of prose may merge.
        FieldKind::Shared => !known.shape.is_prose(),
        FieldKind::Consent => true,
    };
    // What names another item than its own does not count there.
    if !matches!(schema.naming, Naming::Keyed { .. }) {
        if certain {
            return Ok(true);
        }
        if known.kind == FieldKind::Shared {
            return head::prose_differs(rows, &item.key(name));
        }
    }
    Ok(field(rows, reader, item, name)?.is_some_and(|view| is_to_settle(known.kind, &view)))
}

fn is_to_settle(kind: FieldKind, field: &FieldView) -> bool {
    let differs = |state| state == State::Differing;
    match kind {
        FieldKind::Light => false,
        FieldKind::Shared | FieldKind::Owned(Owner::Founder) => differs(field.reading.state),
        FieldKind::Consent => differs(field.reading.state) || !field.waiting.is_empty() || field.agreement.len() > 1,
        FieldKind::Owned(Owner::EachPartner) => field.slots.iter().any(|slot| slot.own && differs(slot.reading.state)),
    }
}
