//! Sealed answers: both answer a question before either reads the other's answer.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::field::{Field, Seen};

/// A question and both answers: `GET /v1/seals`, `GET /v1/seals/{id}`. A question is asked by `POST /v1/sealed` with the field
/// `prompt`, `{"text": TEXT}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SealedSession {
    /// Its id, in the collection `sealed`.
    pub id: String,
    /// Who asked, by partner id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// When, `YYYY-MM-DD`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on: Option<String>,
    /// The question.
    pub prompt: Field,
    /// The reader's answer first.
    pub answers: Vec<SealedAnswer>,
    /// The reader's own answer as this device keeps it, while the private part is open; sealed or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub yours: Option<String>,
    /// The token to send back with an answer.
    pub seen: Seen,
}

/// How an answer stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum SealState {
    /// Not answered yet.
    Waiting,
    /// Answered, and sealed until the other has answered.
    Sealed,
    /// Both have answered, and what opens this one has not come yet: a device that holds its text says it.
    Missing,
    /// Open, and it is what was sealed.
    Opened,
    /// What was said to open it is not what was sealed.
    Wrong,
}

/// One partner's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SealedAnswer {
    /// Whose, by partner id.
    pub by: String,
    /// Whether the reader's.
    pub own: bool,
    /// How it stands.
    pub state: SealState,
    /// When it was sealed, `YYYY-MM-DD`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on: Option<String>,
    /// The answer, once it is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// How many answers were sealed beside the one that counts; they never become the answer.
    #[serde(default)]
    pub doubled: u64,
    /// Whether the question was worded anew since it was answered.
    #[serde(default)]
    pub other_question: bool,
}

/// Seals an answer: `PUT /v1/seals/{id}/answer`. It may be changed until the other's is open.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SealAnswer {
    /// The answer. Nothing of it leaves the own devices until both have answered.
    pub answer: String,
    /// The token that the session was read with; needed to change an answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<Seen>,
}

impl std::fmt::Debug for SealAnswer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("SealAnswer").finish_non_exhaustive()
    }
}
