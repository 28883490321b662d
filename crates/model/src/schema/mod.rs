//! Which kinds of items there are, their fields, whose word counts in each, and what values they take.
//!
//! What is not listed here was made by a newer version (or is nonsense): it is kept, carried and shown as such.

mod kinds;
pub(crate) mod ritual;
pub(crate) mod settlement;
pub mod shape;

use serde_json::Value;

use crate::ids::{HouseholdId, ItemId, PartnerId};

pub use kinds::KINDS;
pub(crate) use kinds::REVIEW;
pub use ritual::{MAX_MINUTES, MAX_RULE};
pub use settlement::OUTCOMES;
pub use shape::{Shape, ValueError};

/// Whose word counts in a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldKind {
    /// Only its owner's facts count; others' are shown as "changed outside Betwixt".
    Owned(Owner),
    /// What nobody contradicts holds.
    Shared,
    /// Each partner's word stands until they change it; agreed when both say the same.
    Consent,
    /// What is named is replaced; among live ones the greatest id, in silence.
    Light,
}

/// Who owns an owned field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// Who founded the item, or whose key names it.
    Founder,
    /// Each partner, of a slot of their own.
    EachPartner,
}

/// How items of a kind are named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naming {
    /// By their founding fact, which says this field.
    Founded {
        /// The field that a founding fact says.
        first: &'static str,
    },
    /// There is one in a household.
    One,
    /// There is one for each partner, who owns it.
    OnePerPartner,
    /// There is one for each natural key that its values name: the values are objects which hold the parts of the key, so
    /// that an item can be listed, and its name checked, without a fact that does nothing else.
    Keyed {
        /// Where the parts of the key are in a value, as JSON pointers (RFC 6901); each part is text without `/`.
        key: &'static [&'static str],
    },
    /// Kept by this program for itself; never shown.
    Internal,
}

/// A kind of items.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// Its name in facts.
    pub name: &'static str,
    /// How its items are named.
    pub naming: Naming,
    /// Its fields, in the order in which they are shown.
    pub fields: &'static [Field],
}

/// A field of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// Its name in facts.
    pub name: &'static str,
    /// Whose word counts.
    pub kind: FieldKind,
    /// What values it takes.
    pub shape: Shape,
}

impl Kind {
    /// The kind of this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        KINDS.iter().find(|kind| kind.name == name)
    }

    /// The field of this name.
    pub fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// The one item of this kind, or `partner`'s; `None` for kinds whose items are founded.
    pub fn natural_item(&self, household: &HouseholdId, partner: &PartnerId) -> Option<ItemId> {
        match self.naming {
            Naming::One => Some(ItemId::natural(household, self.name, "")),
            Naming::OnePerPartner => Some(ItemId::natural(household, self.name, &partner.to_string())),
            Naming::Founded { .. } | Naming::Keyed { .. } | Naming::Internal => None,
        }
    }

    /// The item that a value of a [`Naming::Keyed`] kind is about; `None` for other kinds, and for values without the whole
    /// key: `null`, which lets go of what was said, is one of them.
    pub fn keyed_item(&self, household: &HouseholdId, value: &Value) -> Option<ItemId> {
        let Naming::Keyed { key } = self.naming else { return None };
        let part = |pointer: &&str| value.pointer(pointer)?.as_str().filter(|part| !part.contains('/'));
        let parts: Option<Vec<&str>> = key.iter().map(part).collect();
        Some(ItemId::natural(household, self.name, &parts?.join("/")))
    }
}

/// The field of this kind and name.
pub fn field(kind: &str, field: &str) -> Option<&'static Field> {
    Kind::named(kind)?.field(field)
}

/// Checks a value against the field's shape. `null`, which lets go of what was said, is a value of every field.
///
/// # Errors
/// [`ValueError`], naming the field and the limit.
pub fn check_value(kind: &str, field: &str, value: &Value) -> Result<(), ValueError> {
    let unknown_kind = || ValueError::UnknownKind { kind: kind.to_owned() };
    let known = Kind::named(kind).ok_or_else(unknown_kind)?;
    let unknown_field = || ValueError::UnknownField { kind: kind.to_owned(), field: field.to_owned() };
    let known = known.field(field).ok_or_else(unknown_field)?;
    if value.is_null() {
        return Ok(());
    }
    known.shape.check(value).map_err(|problem| ValueError::Shape {
        kind: kind.to_owned(),
        field: field.to_owned(),
        problem,
    })
}
