//! Saying: what a writer does. Checks what they want to say against the index and the schema, and writes the fact.
//!
//! Nothing is stored here: the caller signs the fact, ingests it and carries it in a document. The facts of one act are
//! said one after the other through the same rows, each ingested before the next.

use jiff::civil::Date;
use serde_json::Value;

use crate::fact::{Draft, Fact, FactError, Nonce};
use crate::field::Seen;
use crate::ids::{DeviceId, FactId, HouseholdId, ItemId, PartnerId};
use crate::index::rows::ReadRows;
use crate::index::{self, FieldKey, IndexError};
use crate::schema::{self, FieldKind, Kind, Naming, Owner, ValueError};

/// What somebody wants to say.
#[derive(Debug, Clone, PartialEq)]
pub struct Saying {
    /// The item. `None` founds one, or where a kind's items are named by what their values say, means the one that this value
    /// names.
    pub item: Option<ItemId>,
    /// The kind of the item.
    pub kind: String,
    /// The field.
    pub field: String,
    /// What is said; `null` lets go of what was said.
    pub value: Value,
    /// What the writer had before them: the field's token as it was read. Needed as soon as anything was said in the field;
    /// an empty token says "there was nothing when I looked".
    pub seen: Option<Seen>,
}

/// Who says it, and what a pure function cannot know.
#[derive(Debug, Clone)]
pub struct Writer {
    /// The space that is written to.
    pub household: HouseholdId,
    /// Who speaks.
    pub partner: PartnerId,
    /// On which device.
    pub device: DeviceId,
    /// What this device said last in this scope, from [`index::tip`].
    pub previous: Option<FactId>,
    /// The writer's local date.
    pub date: Date,
    /// Fresh randomness, never used twice.
    pub nonce: Nonce,
}

/// Why something cannot be said.
#[derive(Debug, thiserror::Error)]
pub enum SayError<E: std::error::Error> {
    /// Something was said in the field before, and the writer does not tell what of it they saw.
    #[error("{0}: something stands there already; read it and send its `seen` token along")]
    SeenMissing(FieldKey),
    /// The token names a fact that is not known in this field.
    #[error("{field}: the `seen` token names {fact}, which is not known in this field; read the field again")]
    SeenUnknown {
        /// The field.
        field: FieldKey,
        /// The fact that is not known there.
        fact: FactId,
    },
    /// The field has facts whose past has not arrived.
    #[error("{0}: part of what was said there is still arriving; it can be changed once that is here")]
    Arriving(FieldKey),
    /// The item is not known, or is of another kind.
    #[error("no {kind} {item} is known")]
    UnknownItem {
        /// The kind that was asked for.
        kind: String,
        /// The item.
        item: ItemId,
    },
    /// The field is the other partner's own.
    #[error("{0} is your partner's own; only they can change it")]
    NotOwner(FieldKey),
    /// Items of this kind are not founded: there is one for a natural key.
    #[error("a {0} is not founded: there is only one, named by its natural key")]
    NotFounded(String),
    /// The value names another item than the one it is said about.
    #[error("the value is not about this {kind}: it has to name {}", parts.join(" and "))]
    OtherKey {
        /// The kind.
        kind: String,
        /// Where in the value its name's parts are.
        parts: &'static [&'static str],
    },
    /// A founding fact says another field first.
    #[error("a new {kind} begins with its {first}, not its {field}")]
    WrongFirst {
        /// The kind.
        kind: String,
        /// The field that comes first.
        first: &'static str,
        /// The field that was said.
        field: String,
    },
    /// A founding fact comes with a token, though there is nothing yet that could have been seen.
    #[error("a new {0} has no `seen` token: nothing was said about it yet")]
    SeenOfNothing(String),
    /// The value, kind or field is not one of the schema.
    #[error(transparent)]
    Value(#[from] ValueError),
    /// The fact passes a limit of the format.
    #[error(transparent)]
    Fact(#[from] FactError),
    /// The index cannot be read.
    #[error(transparent)]
    Index(IndexError<E>),
}

impl<E: std::error::Error> From<IndexError<E>> for SayError<E> {
    fn from(error: IndexError<E>) -> Self {
        Self::Index(error)
    }
}

/// Checks a saying against the index and writes its fact, unsigned.
///
/// An old token is honoured: the fact then replaces only what the token names.
///
/// # Errors
/// [`SayError`]; nothing is changed in any case.
pub fn say<R: ReadRows>(rows: &R, saying: Saying, writer: &Writer) -> Result<Fact, SayError<R::Error>> {
    let Saying { item, kind, field, value, seen } = saying;
    schema::check_value(&kind, &field, &value)?;
    // Both are found: the check above was against them.
    let unknown = || ValueError::UnknownKind { kind: kind.clone() };
    let known = Kind::named(&kind).ok_or_else(unknown)?;
    let field_kind = known.field(&field).ok_or_else(unknown)?.kind;
    let item = keyed(rows, known, item, &value, writer)?;
    let seen = match item {
        None => founding(known, &field, &value, seen)?,
        Some(item) => {
            let key = FieldKey { item, kind: kind.clone(), field: field.clone() };
            about(rows, known, field_kind, &key, writer)?;
            seen_of(rows, field_kind, key, seen, writer)?
        }
    };
    Ok(Fact::write(Draft {
        household: writer.household,
        item,
        kind,
        field,
        seen: seen.facts().to_vec(),
        previous: writer.previous,
        partner: writer.partner,
        device: writer.device,
        date: writer.date,
        nonce: writer.nonce,
        value,
    })?)
}

/// The item that is meant: of a kind whose values name their items, the one that this value names.
fn keyed<R: ReadRows>(
    rows: &R,
    kind: &Kind,
    item: Option<ItemId>,
    value: &Value,
    writer: &Writer,
) -> Result<Option<ItemId>, SayError<R::Error>> {
    let Naming::Keyed { key: parts } = kind.naming else { return Ok(item) };
    let known = match item {
        // Letting go names nothing itself; somebody has to have named the item before.
        Some(item) if value.is_null() => {
            if !index::is_keyed(rows, &writer.household, kind, &item)? {
                return Err(SayError::UnknownItem { kind: kind.name.to_owned(), item });
            }
            Some(item)
        }
        asked => kind.keyed_item(&writer.household, value).filter(|named| asked.is_none_or(|asked| asked == *named)),
    };
    known.map(Some).ok_or_else(|| SayError::OtherKey { kind: kind.name.to_owned(), parts })
}

/// Checks a saying that founds an item.
fn founding<E: std::error::Error>(
    kind: &Kind,
    field: &str,
    value: &Value,
    seen: Option<Seen>,
) -> Result<Seen, SayError<E>> {
    let Naming::Founded { first } = kind.naming else { return Err(SayError::NotFounded(kind.name.to_owned())) };
    if field != first || value.is_null() {
        return Err(SayError::WrongFirst { kind: kind.name.to_owned(), first, field: field.to_owned() });
    }
    match seen {
        Some(seen) if !seen.facts().is_empty() => Err(SayError::SeenOfNothing(kind.name.to_owned())),
        _ => Ok(Seen::default()),
    }
}

/// Checks that the item is known, of this kind, and that the writer may speak in the field.
fn about<R: ReadRows>(
    rows: &R,
    kind: &Kind,
    field: FieldKind,
    key: &FieldKey,
    writer: &Writer,
) -> Result<(), SayError<R::Error>> {
    let own = kind.natural_item(&writer.household, &writer.partner) == Some(key.item);
    let owner = if own { Some(writer.partner) } else { index::owner(rows, &writer.household, kind, &key.item)? };
    let known = match kind.naming {
        Naming::One => own,
        Naming::Founded { .. } | Naming::OnePerPartner => owner.is_some(),
        Naming::Keyed { .. } => true,
        Naming::Internal => false,
    };
    if !known {
        return Err(SayError::UnknownItem { kind: kind.name.to_owned(), item: key.item });
    }
    if field == FieldKind::Owned(Owner::Founder) && owner != Some(writer.partner) {
        return Err(SayError::NotOwner(key.clone()));
    }
    Ok(())
}

/// Checks the token against what was said in the field.
fn seen_of<R: ReadRows>(
    rows: &R,
    field: FieldKind,
    key: FieldKey,
    seen: Option<Seen>,
    writer: &Writer,
) -> Result<Seen, SayError<R::Error>> {
    let facts = index::live(rows, &key)?;
    let arriving = match field {
        // What others say there does not count, so it cannot hold the owner up.
        FieldKind::Owned(_) => facts.arriving_from(&writer.partner),
        FieldKind::Shared | FieldKind::Consent | FieldKind::Light => facts.arriving(),
    };
    if arriving {
        return Err(SayError::Arriving(key));
    }
    match seen {
        None if facts.is_said() => Err(SayError::SeenMissing(key)),
        None => Ok(Seen::default()),
        Some(seen) => {
            for fact in seen.facts() {
                if facts.live().all(|live| live.id != *fact) && !index::is_in(rows, &key, fact)? {
                    return Err(SayError::SeenUnknown { field: key, fact: *fact });
                }
            }
            Ok(seen)
        }
    }
}
