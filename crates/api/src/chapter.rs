//! New chapters: a new beginning of what is shared, by both, that leaves out what both want erased.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::Said;

/// How it stands with chapters, and what a new one would keep: what every path under `/v1/chapter` answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Chapters {
    /// How many were made by both.
    pub made: u64,
    /// How many facts have lost their values to them.
    pub erased: u64,
    /// How many facts one would keep that began now.
    pub keeps: u64,
    /// Whether part of that is still arriving, so that none can begin.
    #[serde(default)]
    pub arriving: bool,
    /// What was proposed and waits for the other partner.
    #[serde(default)]
    pub proposals: Vec<ChapterProposal>,
}

/// A chapter that one partner proposes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ChapterProposal {
    /// Who proposes it, and when.
    pub said: Said,
    /// How many facts it keeps; absent while part of them is still arriving.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keeps: Option<u64>,
    /// Of these, the facts whose values it leaves out.
    #[serde(default)]
    pub erases: Vec<ErasedFact>,
}

/// A fact whose value is to go.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ErasedFact {
    /// Who said it, and when; absent while it is still arriving.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said: Option<Said>,
    /// The fact's id.
    pub fact: String,
    /// The kind of item that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The item's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<String>,
    /// The field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// What it says, as long as it says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
}

/// Proposes a new chapter, in the place of what was proposed before: `POST /v1/chapter`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ChapterRequest {
    /// The ids of the facts whose values it leaves out. Facts of the same field that say the same go with them.
    #[serde(default)]
    pub erase: Vec<String>,
}
