//! Why a file is not written or read.

use betwixt_model::ids::DeviceId;

use super::record::Record;
use crate::wire::Malformed;
use crate::wire::chunk::ChunkError;

/// Why a file is not taken in. None of them says anything of what is in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CarryError {
    /// It begins with other bytes than such files.
    #[error("it is no file that `betwixt carry export` wrote")]
    Foreign,
    /// A newer version of Betwixt wrote it.
    #[error("it was written by a newer version of Betwixt (format {0}): update this device")]
    Newer(u8),
    /// None of the keys that this device shares with others opens it.
    #[error("it is not for this device, or by none that this one knows, or its beginning was altered")]
    ForAnother,
    /// This device wrote it, for another one.
    #[error("it was written on this device, for another one")]
    Own(DeviceId),
    /// Its last bytes are missing.
    #[error("it is cut short")]
    CutShort,
    /// A piece of it is not as it was written, or the last one is missing.
    #[error("it is damaged: it was altered, or is not whole")]
    Altered,
    /// What is inside does not have the shape that it should have.
    #[error("what is in it is not as this version writes it: {0}")]
    Malformed(#[from] Malformed),
    /// A change that Automerge is not given, or does not take.
    #[error("a change in it cannot be read: {0}")]
    Change(#[from] ChunkError),
    /// A record stands where it may not.
    #[error("there is {0} where it may not be")]
    OutOfOrder(&'static str),
    /// Private pages, in a file of the other partner's, or of another person altogether.
    #[error("it brings private pages that are none of yours")]
    ForeignPrivatePages,
}

impl CarryError {
    pub(super) fn out_of_order(record: &Record) -> Self {
        Self::OutOfOrder(record.name())
    }
}

/// Why a file is not written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// Private documents are for devices of the own partner's, and this is another's file.
    #[error("the file is for another device than the private pages")]
    ForAnother,
    /// It passes a cap that the other side has.
    #[error("{0} passes what a file can carry")]
    TooLarge(&'static str),
}
