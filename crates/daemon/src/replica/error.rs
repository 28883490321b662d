//! What can go wrong in a replica.

use betwixt_model::document::{DocumentError, DocumentId, Scope};
use betwixt_model::gate::GateError;
use betwixt_model::index::IndexError;
use betwixt_model::say::SayError;
use betwixt_store::{CompactError, StoreError};
use betwixt_sync::roster::StatementError;

/// A home that cannot be opened as a replica.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The home was never founded.
    #[error("this home holds no identity yet: run `betwixt init`")]
    NotFounded,
    /// The home was founded before.
    #[error("this home was founded already")]
    AlreadyFounded,
    /// The stored keys are not keys.
    #[error("the stored identity is damaged: restore a backup with `betwixt restore`")]
    DamagedIdentity,
    /// A stored statement of the roster cannot be read.
    #[error("a stored statement of the roster is damaged ({0}): run `betwixt verify`")]
    DamagedRoster(#[from] StatementError),
    /// The index cannot be built.
    #[error("the index cannot be rebuilt: {0}")]
    Stage(#[from] StageError),
}

/// A failure after which the stage is to be dropped and nothing of it told to anybody.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// The store failed; the next stage works once the cause is gone.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The index does not read as this version writes it.
    #[error(transparent)]
    Index(#[from] IndexError<StoreError>),
    /// A document cannot be read or changed.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// A document could not be compacted; it is as it was.
    #[error(transparent)]
    Compact(#[from] CompactError),
    /// Part of a document cannot be read; what is left was kept aside.
    #[error("document {document} is damaged in {places} places: run `betwixt verify`")]
    DamagedDocument {
        /// Which.
        document: DocumentId,
        /// How many parts of it cannot be read.
        places: usize,
    },
}

/// Something that cannot be said. Unless [`ActError::fails_stage`], nothing was changed and the stage goes on.
#[derive(Debug, thiserror::Error)]
pub enum ActError {
    /// The model refuses it.
    #[error(transparent)]
    Say(#[from] SayError<StoreError>),
    /// Nothing can be shared before pairing.
    #[error("nothing can be shared before pairing: run `betwixt pair`")]
    NotPaired,
    /// The private documents are locked.
    #[error("your own pages are locked: run `betwixt unlock`")]
    Locked,
    /// The clock stands outside the years that documents exist for.
    #[error("the date {0} is out of range; set the clock of this device")]
    Date(jiff::civil::Date),
    /// The stage failed.
    #[error(transparent)]
    Stage(#[from] StageError),
}

impl ActError {
    /// Whether the whole stage is to be dropped.
    pub fn fails_stage(&self) -> bool {
        matches!(self, Self::Stage(_) | Self::Say(SayError::Index(_)))
    }

    /// The same where nothing of the stage may be kept.
    pub fn into_stage_error(self) -> StageError {
        match self {
            Self::Stage(error) => error,
            Self::Say(SayError::Index(error)) => error.into(),
            // Asked before anything was staged, so these do not come up in the middle of what is staged together.
            Self::NotPaired => StoreError::Locked(Scope::Ours).into(),
            Self::Locked => StoreError::Locked(Scope::Mine).into(),
            error @ (Self::Say(_) | Self::Date(_)) => StoreError::Unstorable(error.to_string()).into(),
        }
    }
}

impl From<StoreError> for ActError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Locked(Scope::Mine) => Self::Locked,
            error => Self::Stage(error.into()),
        }
    }
}

/// Changes that did not enter.
#[derive(Debug, thiserror::Error)]
pub enum ArriveError {
    /// The gate refused them; nothing was changed.
    #[error(transparent)]
    Refused(#[from] GateError),
    /// Automerge refused them or panicked; the document was loaded again and is as it was.
    #[error(transparent)]
    NotApplied(DocumentError),
    /// The stage failed.
    #[error(transparent)]
    Stage(#[from] StageError),
}
