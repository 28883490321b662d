//! The past: what was said, how things stood, who said which words, what came at which meeting, and taking back.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::field::{Said, Saying};
use crate::item::{Item, ItemReference};

/// What somebody did by saying something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// Founded the item.
    Founded,
    /// Said something where they had nothing before them.
    Said,
    /// Said something else than what they had before them.
    Changed,
    /// Took the other's version and left their own.
    TookTheirs,
    /// Said what stood there already.
    SaidTheSame,
    /// Let go of what was said.
    LetGo,
    /// Said something where it had been let go of.
    TookUp,
    /// Proposed a wording.
    Proposed,
    /// Offered another wording than the one before them.
    Reworded,
    /// Agreed to the other's wording.
    Agreed,
    /// Withdrew their word.
    Withdrew,
    /// Something that a newer daemon knows.
    #[serde(other)]
    Other,
}

/// How something said counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// It stands.
    Live,
    /// Something said later took its place.
    Replaced,
    /// Part of what it builds on is not here.
    Arriving,
}

/// A stretch of two compared texts, by whole words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "is", content = "text", rename_all = "lowercase")]
pub enum Change {
    /// In both.
    Same(String),
    /// Only in the earlier one.
    Removed(String),
    /// Only in the later one.
    Added(String),
}

/// What a writer had before them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Before {
    /// Its value; `null` if it was let go of, or erased.
    pub value: Value,
    /// Who said it, by partner id.
    pub by: String,
    /// Whether that is the reader.
    #[serde(default)]
    pub own: bool,
    /// The fact.
    pub fact: String,
}

/// Something that was said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Event {
    /// The field.
    pub field: String,
    /// What was done by it.
    pub act: Act,
    /// What was said; `None` when it was erased by both.
    pub value: Option<Value>,
    /// Who said it, and when.
    #[serde(flatten)]
    pub said: Said,
    /// What its writer had before them there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub before: Vec<Before>,
    /// For a text that took the place of one text: what changed, by words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub words: Vec<Change>,
    /// How it counts.
    pub standing: Standing,
}

/// One step on the way to a wording.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Step {
    /// `proposed`, `reworded`, `agreed` or `withdrew`.
    pub how: String,
    /// Who, by partner id; both where they agreed.
    pub by: Vec<String>,
    /// Whether the reader is among them.
    pub own: bool,
    /// The local date.
    pub on: String,
    /// The fact.
    pub fact: String,
}

/// Where a wording comes from that stands agreed or waits: `GET /v1/history/{item}/provenance`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Provenance {
    /// The field.
    pub field: String,
    /// The wording.
    pub text: Value,
    /// Whether both agreed to it.
    pub agreed: bool,
    /// The way to it, first step first.
    pub steps: Vec<Step>,
}

/// What was said about an item, a page of it: `GET /v1/history/{item}`, where an item is `vision` or the unique beginning of
/// an id. Nothing comes before what it builds on; from the latest on, nothing after.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct History {
    /// The item.
    pub item: ItemReference,
    /// What was said.
    pub items: Vec<Event>,
    /// As [`Page::next`](crate::Page::next).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Everything that was said about an item, as [`Client::timeline`](crate::Client::timeline) gathers it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Timeline {
    /// The item.
    pub item: ItemReference,
    /// What was said, nothing before what it builds on.
    pub events: Vec<Event>,
    /// Where the wordings come from that stand agreed or wait.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub provenance: Vec<Provenance>,
}

/// How an item stood: `GET /v1/history/{item}/at/{when}`, after a fact (by the beginning of its id), or at the end of a day
/// (`YYYY-MM-DD`) as far as this device knew it then.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Then {
    /// The fact, if one was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// The day, if one was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub day: Option<String>,
    /// The item as it was, its parts left out.
    pub item: Item,
}

/// One of two compared versions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Compared {
    /// What was said.
    pub value: Value,
    /// Who said it, and when.
    #[serde(flatten)]
    pub said: Said,
}

/// What changed between two versions of a field: `GET /v1/history/{item}/from/{fact}/to/{fact}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Comparison {
    /// The field.
    pub field: String,
    /// The one version.
    pub from: Compared,
    /// The other.
    pub to: Compared,
    /// For texts: what changed, by words. Empty for other values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub words: Vec<Change>,
}

/// A stretch of a text and who said its words first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Part {
    /// The words.
    pub text: String,
    /// Who said them first, and when.
    #[serde(flatten)]
    pub said: Said,
}

/// Who said which words of the texts of an item: `GET /v1/history/{item}/words`. By field, each text as it is held, or every
/// version where it differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Words {
    /// The item.
    pub item: ItemReference,
    /// The texts; each one's parts, put one after the other, are the text.
    pub fields: BTreeMap<String, Vec<Vec<Part>>>,
}

/// Something that was said, with the item that it is about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Told {
    /// The item.
    pub item: ItemReference,
    /// What was said.
    #[serde(flatten)]
    pub event: Event,
}

/// One's own last act: `GET /v1/undo`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LastAct {
    /// What was said in it.
    pub said: Vec<Told>,
    /// Why it cannot be taken back, if it cannot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cannot: Option<String>,
}

/// The last act was taken back: `POST /v1/undo`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Undone {
    /// What had been said.
    pub took_back: Vec<Told>,
    /// What was said instead.
    pub said: Vec<Saying>,
}

/// What came and went since two devices last met, and in meetings before: `GET /v1/since`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Since {
    /// The meetings, latest first.
    pub items: Vec<Meeting>,
    /// As [`Page::next`](crate::Page::next).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// What was said here that no device of the partner has got yet.
    pub waiting: Vec<Told>,
    /// How many more of these there are than are shown.
    #[serde(default)]
    pub waiting_more: u64,
}

/// A connection on which two devices greeted each other, and something came or went.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Meeting {
    /// The other device.
    pub device: String,
    /// What it is called.
    pub name: String,
    /// Whether it is one's own.
    pub own: bool,
    /// The local date on which something came or went first.
    pub on: String,
    /// And last.
    pub until: String,
    /// What came.
    pub came: Vec<Told>,
    /// How many more came than are shown.
    #[serde(default)]
    pub came_more: u64,
    /// What this device said that the other has since then.
    pub went: Vec<Told>,
    /// How many more went than are shown.
    #[serde(default)]
    pub went_more: u64,
}
