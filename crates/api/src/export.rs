//! Everything that one can read, as one document for other programs: `GET /v1/export`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::home::Partner;
use crate::item::Item;
use crate::past::Event;
use crate::seal::SealedSession;

/// What [`Export::format`] says.
pub const EXPORT_FORMAT: &str = "betwixt-export";

/// What [`Export::version`] says. Fields may be added without another version.
pub const EXPORT_VERSION: u32 = 1;

/// An export: all items with all that was said about them, one's own and those that are shared, as they are at one moment.
/// It is written as it is read, so that its `count`, which comes last, is there only in a whole one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Export {
    /// `betwixt-export`.
    pub format: String,
    /// Of this format: 1.
    pub version: u32,
    /// The date on which it was made, `YYYY-MM-DD`.
    pub made_on: String,
    /// Whose it is.
    pub me: Option<Partner>,
    /// The other partner, once paired.
    pub partner: Option<Partner>,
    /// Whether private pages are in it.
    pub private: bool,
    /// Everything, by collections, oldest first.
    pub items: Vec<ExportedItem>,
    /// How many items there are.
    pub count: u64,
}

/// An item, and all that was said about it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ExportedItem {
    /// By what name the one goes who founded it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
    /// The item as it is now, without the fields about which nothing was said.
    #[serde(flatten)]
    pub item: Item,
    /// For a question that both answer: how its answers stand, and one's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed: Option<SealedSession>,
    /// What was said, nothing before what it builds on. What its writers had before them stands before it here.
    pub said: Vec<ExportedSaid>,
}

/// Something that was said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ExportedSaid {
    /// By what name the one goes who said it.
    pub who: String,
    /// What was said, by whom and when.
    #[serde(flatten)]
    pub event: Event,
}
