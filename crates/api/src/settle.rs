//! What waits for the two, as one list, and what may be said about a difference itself.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::field::{Field, Said, Seen};
use crate::item::{ItemReference, Review};

/// Everything to settle, as [`Client::to_settle`](crate::Client::to_settle) gathers it from `GET /v1/settle`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ToSettle {
    /// One thread an item; those that rest come last.
    pub threads: Vec<SettleThread>,
}

/// One item that waits for the two: `GET /v1/settle`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SettleThread {
    /// The item.
    pub item: ItemReference,
    /// What facts call its kind, for saying something back about it.
    pub kind: String,
    /// Whether anything in it waits now; otherwise all of it rests.
    pub waits: bool,
    /// Its fields that differ, and wordings that wait for an answer.
    pub fields: BTreeMap<String, WaitingField>,
    /// Its review, if that is due: it is, for both, until both answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub review: Option<Review>,
    /// What was said back about the versions that stand, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub said_back: Vec<SaidBack>,
}

/// A field that waits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct WaitingField {
    /// As it stands, with the token to say something about it.
    #[serde(flatten)]
    pub field: Field,
    /// Who says of just these versions "we see this differently".
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub differently: Vec<Differently>,
    /// Until when the reader left it alone, `YYYY-MM-DD`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parked: Option<String>,
    /// Until when it rests: both see it differently until then, or the reader parked it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rests_until: Option<String>,
    /// To be handed back with [`SayDifferently`].
    #[serde(default)]
    pub differently_seen: Seen,
    /// To be handed back with [`Park`].
    #[serde(default)]
    pub parked_seen: Seen,
}

/// "We see this differently", with a date to look again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Differently {
    /// The date, `YYYY-MM-DD`.
    pub again: String,
    /// Whether both say so, with this date.
    pub agreed: bool,
    /// Who says so, and when.
    pub said: Vec<Said>,
}

/// What one partner reads in the other's version: an item of the collection `sayings-back`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SaidBack {
    /// The item's id.
    pub id: String,
    /// Who says it back, by partner id.
    pub by: String,
    /// Whether that is the reader.
    pub own: bool,
    /// The local date, `YYYY-MM-DD`.
    pub on: String,
    /// The field.
    pub field: String,
    /// The version that is said back.
    pub fact: String,
    /// The text; `None` where it was taken back, or its writer's own devices differ.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Whether the version's author said "yes, that is it". Only theirs counts.
    pub heard: bool,
    /// The token for saying so, in the item's field `heard`.
    #[serde(default)]
    pub heard_seen: Seen,
}

/// Says "we see this differently" of a field: `PUT /v1/settle/{item}/{field}/differently`. It counts once both say so of the
/// same versions with the same date, and until anybody says something else in the field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SayDifferently {
    /// When to look again, `YYYY-MM-DD`; `None` takes it back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub again: Option<String>,
    /// The facts of the versions that stand, in any order.
    pub versions: Vec<String>,
    /// The token, as in [`WaitingField::differently_seen`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<Seen>,
}

/// Leaves a field alone for a while: `PUT /v1/settle/{item}/{field}/parked`. It rests for oneself; the other's list is theirs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Park {
    /// Until when, `YYYY-MM-DD`; `None` takes it back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// The token, as in [`WaitingField::parked_seen`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<Seen>,
}
