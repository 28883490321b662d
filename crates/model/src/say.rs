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
use crate::schema::{self, ValueError};

/// What somebody wants to say.
#[derive(Debug, Clone, PartialEq)]
pub struct Saying {
    /// The item; `None` founds one, which is only for kinds that are not natural.
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
    let _ = (rows, saying, writer, index::INDEX_VERSION);
    todo!()
}
