//! Searching in everything that was said.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::field::Said;
use crate::item::{Collection, ItemReference, Scope};
use crate::past::Standing;

/// The longest query, in characters.
pub const MAX_QUERY: usize = 256;

/// The most words of a query.
pub const MAX_QUERY_WORDS: usize = 16;

/// Looks for words: `POST /v1/search`. The words stand in the body and not in the address, because addresses are kept in logs and
/// in the histories of browsers.
///
/// All words must occur, in whatever order, and the last may be the beginning of one. What stands in quotes must stand so.
/// Neither case nor accents matter.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SearchRequest {
    /// The words: up to [`MAX_QUERY_WORDS`] of them, [`MAX_QUERY`] characters together.
    pub words: String,
    /// Who may see it; both when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
    /// Only items of this collection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collection: Option<Collection>,
    /// Only what was said in fields of this name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Only what this partner said, by id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The first date on which it was said, `YYYY-MM-DD`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The last, included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// Whether to look also in what was said earlier and is replaced by now.
    #[serde(default)]
    pub earlier: bool,
    /// Which come first.
    #[serde(default)]
    pub order: SearchOrder,
    /// How many items: 1 to [`MAX_PAGE`](crate::MAX_PAGE); 20 when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// [`SearchPage::next`] of the page before, with the same request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// Which of what was found comes first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum SearchOrder {
    /// What speaks most of the words; what was said just now before that.
    #[default]
    Best,
    /// What was said last.
    Latest,
}

/// What was found, a page of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SearchPage {
    /// The items, each once.
    pub items: Vec<FoundItem>,
    /// To be handed back as `after` for the next page; absent on the last one. Opaque.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// Whether everything was searched. Otherwise the index is still being built, and there may be more later; or so much was found
    /// that not all of it was looked at, and more words help.
    pub complete: bool,
}

/// An item in which words were found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FoundItem {
    /// The item; private where its scope is `mine`.
    pub item: ItemReference,
    /// Where in it, first what comes first in the order that was asked for: up to five of its texts.
    pub texts: Vec<FoundText>,
}

/// A text in which all the words were found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FoundText {
    /// The field.
    pub field: String,
    /// Who said it, and when.
    #[serde(flatten)]
    pub said: Said,
    /// How it counts.
    pub standing: Standing,
    /// The part of the text around the first of the words, piece by piece.
    pub snippet: Vec<SnippetPiece>,
}

/// A piece of a text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SnippetPiece {
    /// The piece.
    pub text: String,
    /// Whether it is one of the words that were looked for.
    #[serde(default)]
    pub found: bool,
}
