//! Taking in a piece of a file, within a stage: by the same gate, and with the same outcome, as what a session brings.

use std::collections::BTreeMap;

use automerge::{Change, ChangeHash};
use betwixt_api::{Problem, ProblemKind};
use betwixt_model::document::{DocumentId, Scope};
use betwixt_model::ids::{DeviceId, PartnerId};
use betwixt_model::index;
use betwixt_sync::roster::SignedStatement;

use crate::replica::{ArriveError, Arrived, Replica, Stage, StageError, TakenIn};

/// A piece of a file that is whole.
#[derive(Debug)]
pub(crate) enum Carried {
    /// Statements of the roster.
    Roster {
        /// Who wrote the file.
        from: DeviceId,
        /// The statements, as they stand there.
        statements: Vec<Vec<u8>>,
    },
    /// Changes of a document.
    Changes {
        /// Who wrote the file.
        from: DeviceId,
        /// The document.
        id: DocumentId,
        /// What its changes build on that is not in the file.
        base: Vec<ChangeHash>,
        /// Some of them, each after what it builds on.
        changes: Vec<Change>,
    },
    /// There is no more.
    End {
        /// Who wrote the file.
        from: DeviceId,
        /// What they have of the documents that came.
        brought: Vec<(DocumentId, Vec<ChangeHash>)>,
    },
}

impl Carried {
    fn from(&self) -> DeviceId {
        match self {
            Self::Roster { from, .. } | Self::Changes { from, .. } | Self::End { from, .. } => *from,
        }
    }
}

/// Where changes went.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// They are here.
    #[default]
    Here,
    /// They build on something that is not here.
    Missing,
    /// The document was begun anew here.
    Superseded,
}

/// What came of a piece.
#[derive(Debug, Default)]
pub(crate) struct Took {
    /// Where its changes went.
    pub(crate) outcome: Outcome,
    /// How many facts came that were not here, and how many of these are private.
    pub(crate) came: BTreeMap<PartnerId, (u64, u64)>,
    /// Whether the roster is another.
    pub(crate) devices_changed: bool,
    /// How many keys and facts have no meaning.
    pub(crate) meaningless: u64,
}

/// Stages a piece. The inner error is the file's, or the person's: nothing of the piece is staged then.
///
/// # Errors
/// [`StageError`]; the stage is to be dropped then.
pub(crate) fn take_in(
    replica: &mut Replica,
    stage: &mut Stage,
    at: i64,
    carried: Carried,
) -> Result<Result<Took, Problem>, StageError> {
    let from = carried.from();
    let may_bring = |replica: &Replica| replica.roster().may_connect(&from);
    let removed = || {
        let words = "The device that wrote the file was removed: what it brings counts for nothing.";
        Ok(Err(Problem::new(ProblemKind::Invalid, words).about("path")))
    };
    if !may_bring(replica) {
        return removed();
    }
    match carried {
        Carried::Roster { statements, .. } => {
            // A statement that does not read is its author's fault; the others count.
            let parsed = statements.iter().filter_map(|bytes| SignedStatement::parse(bytes).ok()).collect();
            let devices_changed = replica.adopt(stage, parsed)?;
            Ok(Ok(Took { devices_changed, ..Took::default() }))
        }
        Carried::Changes { id, .. } if id.scope == Scope::Mine && replica.space(Scope::Mine).is_none() => {
            let words = "Your private pages were locked meanwhile. Run `betwixt unlock`, then import the file again.";
            Ok(Err(Problem::new(ProblemKind::Locked, words)))
        }
        Carried::Changes { id, base, changes, .. } => match replica.take_in(stage, from, at, (id, &base), changes) {
            Ok(TakenIn::Missing) => Ok(Ok(Took { outcome: Outcome::Missing, ..Took::default() })),
            Ok(TakenIn::Arrived(arrived)) => Ok(Ok(took(stage, id.scope, &arrived)?)),
            Err(ArriveError::Stage(error)) => Err(error),
            Err(error @ (ArriveError::Refused(_) | ArriveError::NotApplied(_))) => {
                tracing::warn!(%error, "changes of a file were refused");
                let words = format!(
                    "Changes in the file were refused, as they would be from the device itself: {error}. What came before \
                         them is here."
                );
                Ok(Err(Problem::new(ProblemKind::Invalid, words).about("path")))
            }
        },
        Carried::End { brought, .. } => {
            replica.taken_in(stage, from, brought)?;
            Ok(Ok(Took::default()))
        }
    }
}

fn took(stage: &mut Stage, scope: Scope, arrived: &Arrived) -> Result<Took, StageError> {
    let outcome = if arrived.superseded {
        Outcome::Superseded
    } else if arrived.parked > 0 {
        Outcome::Missing
    } else {
        Outcome::Here
    };
    let mut took = Took { outcome, ..Took::default() };
    let reader = stage.batch().reader();
    let rows = reader.rows(scope);
    for id in &arrived.effect.added {
        let Some(signed) = index::fact(&rows, id)? else { continue };
        let (things, private) = took.came.entry(signed.fact().header().partner).or_default();
        *things += 1;
        *private += u64::from(scope == Scope::Mine);
    }
    took.meaningless = (arrived.refused + arrived.effect.refused.len()) as u64;
    Ok(took)
}
