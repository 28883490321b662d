//! What can go wrong with an index.

use std::io;

use tantivy::TantivyError;
use tantivy::directory::error::{OpenReadError, OpenWriteError};

/// Why an index was not read or written. None of it says anything of what is in the index.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// It cannot be read back: damaged, cut off, of another version, under another key, or older than it should be. It is to
    /// be removed and built anew.
    #[error("the search index cannot be read back and has to be built anew")]
    Damaged,
    /// The disk refuses: free some space, or see to its permissions, and try again.
    #[error("the search index cannot be read or written: {0}")]
    Disk(#[source] io::Error),
}

impl SearchError {
    fn of_kind(kind: io::ErrorKind) -> Self {
        match kind {
            // What chunks that do not open are told as, and files that are gone or end too early.
            io::ErrorKind::InvalidData
            | io::ErrorKind::UnexpectedEof
            | io::ErrorKind::NotFound
            | io::ErrorKind::AlreadyExists
            | io::ErrorKind::Other => Self::Damaged,
            kind => Self::Disk(kind.into()),
        }
    }
}

impl From<io::Error> for SearchError {
    fn from(error: io::Error) -> Self {
        Self::of_kind(error.kind())
    }
}

/// tantivy's own words are not kept: they may quote what was indexed.
impl From<TantivyError> for SearchError {
    fn from(error: TantivyError) -> Self {
        match error {
            TantivyError::IoError(error)
            | TantivyError::OpenReadError(OpenReadError::IoError { io_error: error, .. })
            | TantivyError::OpenWriteError(OpenWriteError::IoError { io_error: error, .. }) => {
                Self::of_kind(error.kind())
            }
            _ => Self::Damaged,
        }
    }
}
