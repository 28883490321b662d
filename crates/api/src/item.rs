//! Items: what people say things about, generic over collections.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::field::{Field, Seen};

/// How much of its progress a milestone shows.
pub const MAX_PARTS: usize = 50;

/// Who may see an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Both partners.
    Ours,
    /// One partner alone: it never leaves their own devices.
    Mine,
}

impl Scope {
    /// Its name in queries.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Mine => "mine",
        }
    }
}

/// The collections: `/v1/{collection}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Collection {
    /// The one vision: `/v1/vision`, without an id.
    Vision,
    /// Core values.
    Values,
    /// Agreements.
    Agreements,
    /// Goals.
    Goals,
    /// Milestones of goals; their field `goal` names the goal.
    Milestones,
    /// Entries of progress; their field `milestone` names the milestone.
    Progress,
    /// Reflections.
    Reflections,
    /// Private entries; always [`Scope::Mine`].
    Journal,
    /// Thanks.
    Thanks,
    /// What one reads in the other's version of something; its field `heard` is the author's "yes, that is it".
    #[serde(rename = "sayings-back")]
    SayingsBack,
    /// The partners themselves: names, pronouns, terms.
    Members,
    /// Rituals: what they mean, and when.
    Rituals,
    /// Occurrences of rituals about which something was said; named by ritual and date.
    Occurrences,
    /// Questions that both answer before either reads the other's answer; always [`Scope::Ours`].
    Sealed,
    /// Photos and files; their field `of` names the item that they belong to. `POST /v1/files` adds one.
    Attachments,
}

impl Collection {
    /// Every collection.
    pub const ALL: [Self; 15] = [
        Self::Vision,
        Self::Values,
        Self::Agreements,
        Self::Goals,
        Self::Milestones,
        Self::Progress,
        Self::Reflections,
        Self::Journal,
        Self::Thanks,
        Self::SayingsBack,
        Self::Members,
        Self::Rituals,
        Self::Occurrences,
        Self::Sealed,
        Self::Attachments,
    ];

    /// Its name in paths.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Vision => "vision",
            Self::Values => "values",
            Self::Agreements => "agreements",
            Self::Goals => "goals",
            Self::Milestones => "milestones",
            Self::Progress => "progress",
            Self::Reflections => "reflections",
            Self::Journal => "journal",
            Self::Thanks => "thanks",
            Self::SayingsBack => "sayings-back",
            Self::Members => "members",
            Self::Rituals => "rituals",
            Self::Occurrences => "occurrences",
            Self::Sealed => "sealed",
            Self::Attachments => "attachments",
        }
    }

    /// The collection of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|collection| collection.name() == name)
    }
}

/// An item as it is now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Item {
    /// Its id.
    pub id: String,
    /// Where it belongs.
    pub collection: Collection,
    /// Who may see it.
    pub scope: Scope,
    /// Who founded it, by partner id; `None` for what both found, such as the vision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Whether that is the reader.
    #[serde(default)]
    pub own: bool,
    /// The date on which it was founded, `YYYY-MM-DD`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on: Option<String>,
    /// Its fields, those included about which nothing was said yet.
    pub fields: BTreeMap<String, Field>,
    /// What belongs to it: a goal's `milestones`, the latest of a milestone's `progress` ([`MAX_PARTS`] entries; the others
    /// are at `GET /v1/progress?of=ID`), and the latest `attachments` that were not let go. A milestone in a list has none.
    #[schema(no_recursion)]
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parts: BTreeMap<String, Vec<Item>>,
    /// For a milestone of counts or amounts: how far it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tally: Option<Tally>,
    /// For a statement: when it is to be looked at again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub review: Option<Review>,
    /// Fields or values of a newer version that this one keeps and cannot show.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub newer: bool,
}

/// When a statement is to be looked at again, by both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Review {
    /// The date, `YYYY-MM-DD`. Where the two named different ones, the earliest that not both answered for.
    pub on: String,
    /// What was answered for that date, own first. It is due from the date on, for both, until both answered.
    pub answers: Vec<ReviewAnswer>,
}

/// What one partner answered when a statement was looked at again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReviewAnswer {
    /// `still_true`, `reword` or `retire`.
    pub outcome: String,
    /// Who answered, and when.
    #[serde(flatten)]
    pub said: crate::field::Said,
}

/// The sum over a milestone's progress entries, which both partners may add to apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Tally {
    /// The sum, in the smallest unit.
    pub sum: i64,
    /// What is aimed at, if that is held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<i64>,
    /// What is counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// How many entries are in it.
    pub entries: u64,
    /// How many are not, because they are not settled, or part of them is still arriving.
    #[serde(default)]
    pub open: u64,
}

/// Founds an item: `POST /v1/{collection}`, with an `Idempotency-Key` so that it may be repeated.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct NewItem {
    /// Who may see it; by default both partners once paired, and oneself before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
    /// What is said about it to begin with. At least one field.
    pub fields: BTreeMap<String, Value>,
}

/// Says something about a field: `PUT /v1/{collection}/{id}/{field}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Say {
    /// What is said. `null` takes back what one said before.
    pub value: Value,
    /// The token that the field was read with. An empty one says that nothing stood there. May be left away only as long as
    /// nothing was said there (428).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<Seen>,
}

/// An entry of progress: `POST /v1/milestones/{id}/progress`, with an `Idempotency-Key`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProgressEntry {
    /// How much was added, in the smallest unit; 1 for a milestone of yes or no.
    pub amount: i64,
    /// A word about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// An item by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ItemReference {
    /// Its id.
    pub id: String,
    /// Where it belongs.
    pub collection: Collection,
    /// Who may see it.
    pub scope: Scope,
    /// Its title, or the beginning of its text.
    pub title: String,
}

/// What differs or waits, as [`Client::differences`](crate::Client::differences) gathers it from `GET /v1/settle`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Differences {
    /// One thread an item.
    pub threads: Vec<Thread>,
}

/// The fields of one item that wait to be settled: those that differ, and wordings that wait for an answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Thread {
    /// The item.
    pub item: ItemReference,
    /// Its fields that wait.
    pub fields: BTreeMap<String, Field>,
}

/// What is private and could be brought over: `GET /v1/bring`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BringChoice {
    /// The private item.
    pub item: ItemReference,
    /// The shared item that it was brought to already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub brought_to: Option<String>,
}

/// Brings private items to the household, as new facts: `POST /v1/bring`. Bringing twice is harmless.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "what", rename_all = "lowercase")]
pub enum Bring {
    /// Everything but journal entries, and what one goes by.
    All,
    /// These.
    Items {
        /// Which.
        items: Vec<BringItem>,
    },
}

impl Bring {
    /// These items whole, by id or the unique beginning of one.
    pub fn whole(items: impl IntoIterator<Item = String>) -> Self {
        Self::Items { items: items.into_iter().map(|id| BringItem { id, fields: None }).collect() }
    }
}

/// A private item to be brought over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BringItem {
    /// Its id, or the unique beginning of one.
    pub id: String,
    /// The fields that come along, the one among them that it begins with; all when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fields: Option<Vec<String>>,
}

/// What was brought over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BringReport {
    /// Now.
    pub brought: Vec<Brought>,
    /// Earlier.
    pub already: Vec<Brought>,
}

/// One item that was brought over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Brought {
    /// The private item.
    pub from: String,
    /// The shared one.
    pub to: ItemReference,
}
