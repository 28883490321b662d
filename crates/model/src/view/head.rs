//! What an item is, and one field of it: for those who need no more, whatever else was said about it.

use serde::Serialize;

use super::{FieldView, Founded, Reader, fields, prose};
use crate::ids::{ItemId, PartnerId};
use crate::index::rows::ReadRows;
use crate::index::{self, FieldKey, FieldReader, IndexError, ItemEntry};
use crate::schema::{KINDS, Kind, Naming};

/// What an item is, without what its fields say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ItemHead {
    /// The item.
    pub id: ItemId,
    /// Its kind.
    pub kind: String,
    /// Who founded it; absent for natural items, and while that is still arriving.
    pub founded: Option<Founded>,
    /// Whose it is, where it is one partner's.
    pub owner: Option<PartnerId>,
}

impl ItemHead {
    /// What the schema knows of its kind; `None` if a newer version made it.
    pub fn schema(&self) -> Option<&'static Kind> {
        Kind::named(&self.kind)
    }

    /// Whether its beginning is still arriving.
    pub fn arriving(&self) -> bool {
        self.founded.is_none() && !self.schema().is_some_and(is_natural)
    }

    /// One of its fields.
    pub fn key(&self, field: &str) -> FieldKey {
        FieldKey { item: self.id, kind: self.kind.clone(), field: field.to_owned() }
    }
}

/// What an item is; `None` when nothing is known of it. The vision and the members are there before anything was said.
///
/// # Errors
/// [`IndexError`].
pub fn head<R: ReadRows>(rows: &R, reader: &Reader, item: &ItemId) -> Result<Option<ItemHead>, IndexError<R::Error>> {
    // Facts may claim an item for several kinds: a natural item is of the kind that its id is made of, whoever else names it.
    let mut founded = None;
    for (kind, entry) in index::claims(rows, item)? {
        let head = claimed(rows, reader, &kind, &entry)?;
        if is_named(rows, reader, &head)? {
            if head.schema().is_some_and(is_natural) {
                return Ok(Some(head));
            }
            founded = founded.or(Some(head));
        }
    }
    // No natural item has the id of a fact that is here.
    if founded.as_ref().is_some_and(|head: &ItemHead| head.founded.is_some()) {
        return Ok(founded);
    }
    let unsaid = KINDS.iter().find(|kind| kind.natural_item(&reader.household, &reader.partner) == Some(*item));
    let unsaid = unsaid.map(|kind| ItemHead {
        id: *item,
        kind: kind.name.to_owned(),
        founded: None,
        owner: (kind.naming == Naming::OnePerPartner).then_some(reader.partner),
    });
    Ok(unsaid.or(founded))
}

/// An item whose founding fact is here and names this kind: what [`head`] tells of it, for one row.
pub(super) fn founded<R: ReadRows>(
    rows: &R,
    kind: &str,
    item: &ItemId,
) -> Result<Option<ItemHead>, IndexError<R::Error>> {
    if Kind::named(kind).is_none_or(is_natural) {
        return Ok(None);
    }
    let founding = index::founding(rows, kind, item)?;
    Ok(founding.map(|(by, on)| ItemHead {
        id: *item,
        kind: kind.to_owned(),
        founded: Some(Founded { by, on }),
        owner: Some(by),
    }))
}

/// Whether a field of shared prose differs, in which all that was said is about its item: what [`field`] tells of it, without
/// reading what it says where that can be told from less.
pub(super) fn prose_differs<R: ReadRows>(rows: &R, key: &FieldKey) -> Result<bool, IndexError<R::Error>> {
    let facts = FieldReader::new(rows, key)?;
    let live: Vec<_> = facts.live().live().collect();
    prose::differ(rows, &facts, &live)
}

/// One field of an item; `None` if its kind has no such field and nothing was said in one.
///
/// # Errors
/// [`IndexError`].
pub fn field<R: ReadRows>(
    rows: &R,
    reader: &Reader,
    item: &ItemHead,
    name: &str,
) -> Result<Option<FieldView>, IndexError<R::Error>> {
    let (schema, key) = (item.schema(), item.key(name));
    let facts = FieldReader::new(rows, &key)?;
    if facts.live().count() == 0 {
        return Ok(schema.and_then(|schema| schema.field(name)).map(|field| fields::unsaid(field.kind)));
    }
    fields::view(rows, reader, schema, item.owner, &key, &facts).map(Some)
}

/// An item as facts claim it for this kind.
pub(super) fn claimed<R: ReadRows>(
    rows: &R,
    reader: &Reader,
    kind: &str,
    entry: &ItemEntry,
) -> Result<ItemHead, IndexError<R::Error>> {
    let owner = match Kind::named(kind) {
        Some(Kind { naming: Naming::Founded { .. }, .. }) => entry.founding.map(|(by, _)| by),
        Some(schema) => index::owner(rows, &reader.household, schema, &entry.item)?,
        None => None,
    };
    let founded = entry.founding.map(|(by, on)| Founded { by, on });
    Ok(ItemHead { id: entry.item, kind: kind.to_owned(), founded, owner })
}

/// Whether an item is one that its kind can have: a natural one has the name that the schema gives it.
pub(super) fn is_named<R: ReadRows>(rows: &R, reader: &Reader, head: &ItemHead) -> Result<bool, IndexError<R::Error>> {
    Ok(match head.schema() {
        Some(Kind { naming: Naming::Internal, .. }) => false,
        Some(kind @ Kind { naming: Naming::One, .. }) => {
            kind.natural_item(&reader.household, &reader.partner) == Some(head.id)
        }
        Some(Kind { naming: Naming::OnePerPartner, .. }) => head.owner.is_some(),
        Some(kind @ Kind { naming: Naming::Keyed { .. }, .. }) => {
            index::is_keyed(rows, &reader.household, kind, &head.id)?
        }
        Some(Kind { naming: Naming::Founded { .. }, .. }) | None => true,
    })
}

const fn is_natural(kind: &Kind) -> bool {
    !matches!(kind.naming, Naming::Founded { .. })
}
