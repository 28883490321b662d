//! What can go wrong while reading and writing.

use std::io;

use betwixt_model::document::{DocumentId, Scope};

/// Why a read or a write was not done. Nothing was changed then, and nothing of a batch that failed is on disk, except
/// where a commit was interrupted by a failing disk: then either all of it is there after reopening, or nothing.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The key of this scope is not in memory: unlock first.
    #[error("the {} documents are locked: unlock them first", .0.name())]
    Locked(Scope),
    /// The disk is full. Free some space; the store reopens itself (see `Store::recover`) and goes on.
    #[error("the disk is full: free some space, then try again")]
    DiskFull(#[source] io::Error),
    /// The home cannot be written to.
    #[error("the home cannot be written to: check its permissions and whether its disk is mounted read-only")]
    ReadOnly(#[source] io::Error),
    /// The disk failed otherwise.
    #[error("the disk failed: {0}")]
    Disk(#[source] io::Error),
    /// An earlier failure closed the store, and it was not reopened yet (see `Store::recover`).
    #[error("the store was closed by an earlier failure ({cause}) and is not open again yet")]
    Closed {
        /// What happened, in words.
        cause: String,
    },
    /// Something in the store cannot be read back. What it is was kept aside where that is possible.
    #[error("{0}; run `betwixt verify`, and `betwixt restore` if it does not heal by itself")]
    Damaged(Damage),
    /// A value that cannot be written in the store's encoding, or is larger than the store takes.
    #[error("a value cannot be stored: {0}")]
    Unstorable(String),
}

/// One thing that cannot be read back.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Damage {
    /// A row that does not decrypt or decode.
    #[error("a row of table {table} is damaged")]
    Row {
        /// The table's name.
        table: &'static str,
    },
    /// A change of a document.
    #[error("change {sequence} of document {document} is damaged or missing")]
    Change {
        /// The document.
        document: DocumentId,
        /// Which of its appended changes.
        sequence: u64,
    },
    /// The snapshot that a document begins with.
    #[error("the snapshot of document {document} is damaged or missing")]
    Snapshot {
        /// The document.
        document: DocumentId,
    },
    /// The database file itself.
    #[error("the database file is damaged: {0}")]
    File(String),
}

impl StoreError {
    /// Whether the failure closed the store, so that it has to be reopened before the next read or write.
    pub fn closes(&self) -> bool {
        match self {
            Self::DiskFull(_) | Self::ReadOnly(_) | Self::Disk(_) | Self::Closed { .. } => true,
            Self::Damaged(damage) => matches!(damage, Damage::File(_)),
            Self::Locked(_) | Self::Unstorable(_) => false,
        }
    }

    pub(crate) fn row(table: &'static str) -> Self {
        Self::Damaged(Damage::Row { table })
    }
}

impl From<io::Error> for StoreError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                Self::DiskFull(error)
            }
            io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => Self::ReadOnly(error),
            // What redb answers to a file that is not one of its own, or ends too early.
            io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => Self::Damaged(Damage::File(error.to_string())),
            _ => Self::Disk(error),
        }
    }
}

impl From<redb::StorageError> for StoreError {
    fn from(error: redb::StorageError) -> Self {
        match error {
            redb::StorageError::Io(error) => error.into(),
            redb::StorageError::Corrupted(what) => Self::Damaged(Damage::File(what)),
            redb::StorageError::ValueTooLarge(size) => Self::Unstorable(format!("{size} bytes are too many")),
            other => Self::Closed { cause: other.to_string() },
        }
    }
}

macro_rules! through_redb_error {
    ($($name:ident),*) => {$(
        impl From<redb::$name> for StoreError {
            fn from(error: redb::$name) -> Self {
                match redb::Error::from(error) {
                    redb::Error::Io(error) => error.into(),
                    redb::Error::Corrupted(what) => Self::Damaged(Damage::File(what)),
                    redb::Error::ValueTooLarge(size) => Self::Unstorable(format!("{size} bytes are too many")),
                    redb::Error::TableTypeMismatch { table, .. } | redb::Error::TableIsMultimap(table) => {
                        Self::Damaged(Damage::File(format!("table {table} has another type")))
                    }
                    other => Self::Closed { cause: other.to_string() },
                }
            }
        }
    )*};
}

through_redb_error!(TableError, TransactionError, CommitError, DatabaseError, CompactionError);
