//! Views: what a frontend shows, folded from the index alone. Serialisable, and the same JSON for the same facts apart from
//! whose versions come first (SameFactsSameView).

use jiff::civil::Date;
use serde::Serialize;
use serde_json::Value;

use crate::field::Seen;
use crate::ids::{FactId, HouseholdId, ItemId, PartnerId};
use crate::index::IndexError;
use crate::index::rows::ReadRows;

/// Whose view it is: versions of their own come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reader {
    /// The space that is read.
    pub household: HouseholdId,
    /// Who reads.
    pub partner: PartnerId,
}

/// Whether a field holds one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Nothing was said.
    Unsaid,
    /// Everybody who counts says the same.
    Held,
    /// Several values stand beside each other.
    Differing,
}

/// Who said something, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Said {
    /// Who.
    pub by: PartnerId,
    /// The writer's local date.
    pub on: Date,
    /// The fact.
    pub fact: FactId,
}

/// One of the values that stand beside each other.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Version {
    /// The value.
    pub value: Value,
    /// Who says so.
    pub by: PartnerId,
    /// Whether the reader does.
    pub own: bool,
    /// When it was said.
    pub on: Date,
    /// The fact.
    pub fact: FactId,
}

/// A value that both partners said.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Agreement {
    /// What they agreed.
    pub value: Value,
    /// The later of the two dates.
    pub on: Date,
    /// Both sayings.
    pub said: Vec<Said>,
}

/// A word that the other has not said, too.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Waiting {
    /// The word.
    #[serde(flatten)]
    pub version: Version,
    /// Who could say the same: the other partner, or the speaker where their own two words differ.
    pub own_two: bool,
}

/// A field as it stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FieldView {
    /// Whether it holds one value.
    pub state: State,
    /// The value that it holds; absent unless [`State::Held`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// The token to send back with what is said about it.
    pub seen: Seen,
    /// Who says what it holds.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub said: Vec<Said>,
    /// The versions, the reader's own first; empty unless [`State::Differing`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub versions: Vec<Version>,
}

/// An item as it stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ItemView {
    /// The item.
    pub id: ItemId,
    /// Its kind.
    pub kind: String,
    /// Its fields.
    pub fields: std::collections::BTreeMap<String, FieldView>,
}

/// One item; `None` when nothing is known of it.
///
/// # Errors
/// [`IndexError`].
pub fn item<R: ReadRows>(rows: &R, reader: &Reader, item: &ItemId) -> Result<Option<ItemView>, IndexError<R::Error>> {
    let _ = (rows, reader, item);
    todo!()
}

/// The items of a kind, oldest first (by date, then by id).
///
/// # Errors
/// [`IndexError`].
pub fn items<R: ReadRows>(rows: &R, reader: &Reader, kind: &str) -> Result<Vec<ItemView>, IndexError<R::Error>> {
    let _ = (rows, reader, kind);
    todo!()
}

/// Everything to settle: the items that have differing fields or wordings that wait, with those fields alone.
///
/// # Errors
/// [`IndexError`].
pub fn differences<R: ReadRows>(rows: &R, reader: &Reader) -> Result<Vec<ItemView>, IndexError<R::Error>> {
    let _ = (rows, reader);
    todo!()
}
