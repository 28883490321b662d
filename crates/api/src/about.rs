//! What this daemon speaks and knows: versions, capabilities, collections, limits.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::field::FieldKind;
use crate::item::Collection;

/// What this daemon speaks and knows: `GET /v1`. Answered in every phase, and the same for as long as it runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct About {
    /// The API's version: `1`. What is added within it breaks nobody who ignores what they do not know.
    pub api: u32,
    /// The daemon's version.
    pub version: String,
    /// What it can do. A frontend asks for what it needs, and not for a version.
    pub capabilities: Vec<String>,
    /// Every collection, with the fields of its items.
    pub collections: Vec<CollectionAbout>,
    /// What it accepts at most.
    pub limits: Limits,
}

/// A collection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CollectionAbout {
    /// Its name in paths.
    pub name: Collection,
    /// What facts call the kind of its items.
    pub kind: String,
    /// The field that a new item begins with; absent where items are there by themselves and none is founded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begins_with: Option<String>,
    /// The fields, in the order in which they are shown.
    pub fields: Vec<FieldAbout>,
}

/// A field of a collection's items.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FieldAbout {
    /// Its name.
    pub name: String,
    /// Whose word counts.
    pub kind: FieldKind,
    /// Whether each partner has a word of their own in it.
    pub each: bool,
    /// Whether it is prose, whose versions merge on reading.
    #[serde(default)]
    pub prose: bool,
    /// The JSON Schema (2020-12) of its values. `null`, which lets go of what was said, is a value of every field.
    pub value: Value,
}

/// What is accepted at most.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Limits {
    /// The bytes of a request's body.
    pub request_bytes: u64,
    /// The bytes of an idempotency key.
    pub idempotency_key_bytes: u64,
    /// The entries of a page.
    pub page: u32,
    /// The entries of a page when nobody says.
    pub page_by_default: u32,
    /// The connections that may be open at once.
    pub connections: u64,
    /// The notices that may wait for a reader of the event stream before it is dropped.
    pub waiting_notices: u64,
    /// The days of a calendar's window.
    pub calendar_days: u32,
}
