//! Failures of what lies beneath, as problems: what happened, and what to do.

use std::fmt::Display;
use std::io;

use betwixt_api::{Problem, ProblemKind};
use betwixt_model::index::IndexError;
use betwixt_store::keys::KeysError;
use betwixt_store::{ArchiveError, CompactError, HomeError, RestoreError, SnapshotError, StoreError};

use crate::replica::{OpenError, StageError};

/// Why the store did not read or write, and what to do.
pub(crate) fn storage_problem(error: &StoreError) -> Problem {
    let kind = match error {
        StoreError::Locked(_) => ProblemKind::Locked,
        StoreError::DiskFull(_) => ProblemKind::StorageFull,
        StoreError::ReadOnly(_) | StoreError::Disk(_) => ProblemKind::Storage,
        StoreError::Closed { cause } => {
            let detail =
                format!("The disk failed a moment ago ({cause}). Betwixt tries again by itself; then try again.");
            return Problem::new(ProblemKind::Storage, detail);
        }
        StoreError::Damaged(_) => ProblemKind::Damaged,
        StoreError::Unstorable(_) => ProblemKind::Internal,
    };
    says(kind, error)
}

/// Why the index cannot be read.
pub(crate) fn unreadable(error: &IndexError<StoreError>) -> Problem {
    match error {
        IndexError::Rows(error) => storage_problem(error),
        IndexError::Damaged(_) => says(ProblemKind::Damaged, error),
    }
}

/// Why a file beside the store was not read or written.
pub(crate) fn file_problem(error: &io::Error) -> Problem {
    let kind = file_kind(error);
    let detail = match kind {
        ProblemKind::StorageFull => "The disk is full: free some space, then try again.".into(),
        _ => format!("A file could not be read or written: {error}. Check its permissions and its disk."),
    };
    Problem::new(kind, detail)
}

/// Why the database does not open.
pub(crate) fn opening_problem(error: &betwixt_store::OpenError) -> Problem {
    use betwixt_store::OpenError as Opening;
    let kind = match error {
        Opening::Damaged { snapshot, .. } => {
            let detail = match snapshot {
                Some(name) => format!(
                    "The database is damaged. The newest snapshot that is whole restores it: `betwixt restore --snapshot \
                     {name}`."
                ),
                None => "The database is damaged. Restore a backup with `betwixt restore`.".into(),
            };
            return Problem::new(ProblemKind::Damaged, detail);
        }
        Opening::Disk { source, .. } => storage_problem(source).kind,
        Opening::InUse(_) => ProblemKind::Busy,
        Opening::Missing(_) | Opening::OtherKeys(_) => ProblemKind::Damaged,
        Opening::Exists(_) | Opening::Newer { .. } => ProblemKind::Storage,
    };
    says(kind, error)
}

/// Why a home is not made or opened.
pub(crate) fn home_problem(error: &HomeError) -> Problem {
    let kind = match error {
        HomeError::NotThere(_) => ProblemKind::NotSetUp,
        HomeError::Exists(_) => ProblemKind::AlreadySetUp,
        HomeError::InUse { .. } => ProblemKind::Busy,
        HomeError::ReadOnly(_) => ProblemKind::Storage,
        HomeError::File { source, .. } => file_kind(source),
        HomeError::Keys(error) => return keys_problem(error),
        HomeError::Open(error) => return opening_problem(error),
    };
    says(kind, error)
}

/// Why keys are not opened or changed.
pub(crate) fn keys_problem(error: &KeysError) -> Problem {
    let kind = match error {
        KeysError::Wrong(_) | KeysError::NoSuchWay(_) => ProblemKind::WrongPassphrase,
        KeysError::SharedOnly(_) | KeysError::MineNeeded => ProblemKind::Locked,
        KeysError::UnknownWrap(_) => ProblemKind::NotFound,
        KeysError::LastWrap | KeysError::TooManyWraps => ProblemKind::Invalid,
        KeysError::Cost(_) | KeysError::Damaged(_) => ProblemKind::Damaged,
        KeysError::File { source, .. } => file_kind(source),
        KeysError::Newer(_) | KeysError::Keyring(_) => ProblemKind::Storage,
    };
    says(kind, error)
}

/// Why a replica does not open.
pub(crate) fn replica_problem(error: &OpenError) -> Problem {
    let kind = match error {
        OpenError::Store(error) => return storage_problem(error),
        OpenError::Stage(error) => return stage_problem(error),
        OpenError::NotFounded => {
            let detail = "This home was not founded to its end: run `betwixt init` again, with the same passphrase.";
            return Problem::new(ProblemKind::NotSetUp, detail);
        }
        OpenError::AlreadyFounded => ProblemKind::AlreadySetUp,
        OpenError::DamagedIdentity | OpenError::DamagedRoster(_) => ProblemKind::Damaged,
    };
    says(kind, error)
}

/// Why a stage was dropped.
pub(crate) fn stage_problem(error: &StageError) -> Problem {
    match error {
        StageError::Store(error) | StageError::Compact(CompactError::Store(error)) => storage_problem(error),
        StageError::Index(error) => unreadable(error),
        StageError::Document(_) | StageError::Compact(_) | StageError::DamagedDocument { .. } => {
            says(ProblemKind::Damaged, error)
        }
    }
}

pub(super) fn snapshot_problem(error: &SnapshotError) -> Problem {
    match error {
        SnapshotError::Exists(_) => invalid_path(sentence(error)),
        SnapshotError::Store(error) => storage_problem(error),
        SnapshotError::Archive(error) => archive_problem(error),
        SnapshotError::Damaged(_) => says(ProblemKind::Damaged, error),
        SnapshotError::Closing => says(ProblemKind::Busy, error),
    }
}

pub(super) fn archive_problem(error: &ArchiveError) -> Problem {
    match error {
        ArchiveError::Damaged { .. } => says(ProblemKind::Damaged, error).about("path"),
        ArchiveError::Newer { .. } => invalid_path(sentence(error)),
        ArchiveError::File { source, .. } => match source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::IsADirectory | io::ErrorKind::NotADirectory => {
                invalid_path(sentence(error))
            }
            _ => says(file_kind(source), error),
        },
    }
}

pub(super) fn restore_problem(error: &RestoreError) -> Problem {
    match error {
        RestoreError::InUse | RestoreError::Home(HomeError::InUse { .. }) => {
            let detail = "Something else still uses this home, a check or a backup perhaps: try again when it is done.";
            Problem::new(ProblemKind::Busy, detail)
        }
        RestoreError::Unknown(name) => {
            let detail =
                format!("There is no snapshot named {name}. `betwixt restore --list` lists those that there are.");
            Problem::new(ProblemKind::NotFound, detail).about("snapshot")
        }
        RestoreError::OtherKeys(_) => invalid_path(sentence(error)),
        RestoreError::HomeThere(_) => says(ProblemKind::AlreadySetUp, error),
        RestoreError::Archive(error) => archive_problem(error),
        RestoreError::Store(error) => storage_problem(error),
        RestoreError::Home(error) => home_problem(error),
        RestoreError::Keys(error) => keys_problem(error),
    }
}

pub(super) fn invalid_path(detail: impl Into<String>) -> Problem {
    Problem::new(ProblemKind::Invalid, detail).about("path")
}

/// An error's words as a sentence: the errors of the other crates begin small and have no full stop.
pub(crate) fn sentence(words: impl Display) -> String {
    let words = words.to_string();
    let mut letters = words.chars();
    let first: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
    let end = if words.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{first}{}{end}", letters.as_str())
}

fn says(kind: ProblemKind, error: &dyn std::error::Error) -> Problem {
    Problem::new(kind, sentence(error))
}

fn file_kind(error: &io::Error) -> ProblemKind {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            ProblemKind::StorageFull
        }
        _ => ProblemKind::Storage,
    }
}

#[cfg(test)]
mod tests {
    use betwixt_model::document::Scope;

    use super::*;

    #[test]
    fn a_full_disk_is_told_as_such_and_other_failures_are_not() {
        let full = StoreError::from(io::Error::from(io::ErrorKind::StorageFull));
        assert_eq!(storage_problem(&full).status, 507);
        let failed = StoreError::from(io::Error::other("gone"));
        assert_eq!(storage_problem(&failed).status, 503);
        assert_eq!(storage_problem(&StoreError::Locked(Scope::Mine)).kind, ProblemKind::Locked);
        assert_eq!(sentence("the disk is full"), "The disk is full.");
    }
}
