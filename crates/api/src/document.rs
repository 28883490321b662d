//! The documents themselves, for those who bring Automerge.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::item::Scope;

/// The media type of a document: the bytes that Automerge saves and loads.
pub const AUTOMERGE: &str = "application/vnd.automerge";

/// A year's document: `GET /v1/documents`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct YearDocument {
    /// Who may see it.
    pub scope: Scope,
    /// The year in which its facts were said.
    pub year: i16,
    /// Which carrier of that year's facts it is. When a document was damaged, or a new chapter begun, another one carries
    /// on what counts, under another id.
    pub generation: u32,
    /// What automerge-repo calls it: the same on every device of the household.
    pub id: String,
    /// The same as a URL: what `repo.find` takes.
    pub url: String,
    /// Its heads, in hexadecimal.
    pub heads: Vec<String>,
}
