//! What kept something from being said: a refusal, or the end of the stage.

use betwixt_api::{Problem, ProblemKind};
use betwixt_model::index::IndexError;
use betwixt_model::index::rows::Table;
use betwixt_model::say::SayError;
use betwixt_model::schema::ValueError;
use betwixt_store::StoreError;

use super::items::ReadError;
use super::problem::sentence;
use crate::replica::{ActError, StageError};

/// Why something was not said.
pub(super) enum Failure {
    /// Nothing was staged.
    Refused(Problem),
    /// The stage is lost.
    Stage(StageError),
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self::Refused(problem)
    }
}

impl From<StageError> for Failure {
    fn from(error: StageError) -> Self {
        Self::Stage(error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Stage(error.into())
    }
}

impl From<IndexError<StoreError>> for Failure {
    fn from(error: IndexError<StoreError>) -> Self {
        Self::Stage(error.into())
    }
}

impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Refused(problem) => problem.into(),
            ReadError::Rows(error) => error.into(),
        }
    }
}

/// That what was just said cannot be read back.
pub(super) fn gone() -> Failure {
    Failure::Stage(IndexError::Damaged(Table::Items).into())
}

/// What an act that did not happen is to the caller.
pub(super) fn refused(error: ActError, field: &str) -> Failure {
    if error.fails_stage() {
        return Failure::Stage(error.into_stage_error());
    }
    let detail = sentence(&error);
    let (kind, about) = match &error {
        ActError::NotPaired => (ProblemKind::NotPaired, None),
        ActError::Locked => (ProblemKind::Locked, None),
        ActError::Date(_) => (ProblemKind::Invalid, Some("date")),
        ActError::Stage(_) => (ProblemKind::Storage, None),
        ActError::Say(error) => match error {
            SayError::SeenMissing(key) => (ProblemKind::SeenMissing, Some(key.field.as_str())),
            SayError::SeenUnknown { field, .. } => (ProblemKind::UnknownSeen, Some(field.field.as_str())),
            SayError::Arriving(key) => (ProblemKind::Arriving, Some(key.field.as_str())),
            SayError::NotOwner(key) => (ProblemKind::NotYours, Some(key.field.as_str())),
            SayError::UnknownItem { .. } => (ProblemKind::NotFound, None),
            SayError::WrongFirst { first, .. } => (ProblemKind::Invalid, Some(*first)),
            SayError::Value(ValueError::UnknownField { field, .. } | ValueError::Shape { field, .. }) => {
                (ProblemKind::Invalid, Some(field.as_str()))
            }
            SayError::NotFounded(_) | SayError::Value(ValueError::UnknownKind { .. }) => (ProblemKind::Invalid, None),
            SayError::SeenOfNothing(_) | SayError::OtherKey { .. } | SayError::Fact(_) => {
                (ProblemKind::Invalid, Some(field))
            }
            SayError::Index(_) => (ProblemKind::Storage, None),
        },
    };
    let problem = Problem::new(kind, detail);
    match about.filter(|about| !about.is_empty()) {
        Some(about) => problem.about(about).into(),
        None => problem.into(),
    }
}
