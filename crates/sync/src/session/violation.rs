//! How a peer can break the protocol.

use betwixt_model::gate::GateError;
use betwixt_model::ids::HouseholdId;

use crate::wire::chunk::ChunkError;
use crate::wire::{DocumentName, Malformed, VersionRange};

/// What the peer did. The session is closed; nothing that was stored before is touched (HostileInputIsAnError).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolViolation {
    /// Bytes that are no frame.
    #[error("what it sent is no frame: {0}")]
    Malformed(#[from] Malformed),
    /// A frame where it does not belong, or a second one of which there may be one.
    #[error("a {0} at the wrong time or on the wrong stream")]
    OutOfOrder(&'static str),
    /// The peer belongs to another household.
    #[error("it belongs to another household")]
    ForeignHousehold(HouseholdId),
    /// There is no version of the protocol that both speak.
    #[error("it speaks versions {} to {} of the protocol, this device {} to {}",
        theirs.oldest, theirs.newest, ours.oldest, ours.newest)]
    Version {
        /// What this side speaks.
        ours: VersionRange,
        /// What the peer speaks.
        theirs: VersionRange,
    },
    /// The peer's counter was seen before.
    #[error("its counter {0} was seen before: its home is a copy, or was restored from one")]
    RepeatedCounter(u64),
    /// More statements than a roster may have.
    #[error("its roster is too long")]
    RosterTooLong,
    /// More documents than a household may have.
    #[error("it has too many documents")]
    TooManyDocuments,
    /// More waits to be stored than the peer may send ahead.
    #[error("it sent too much before what it sent earlier was stored")]
    TooMuchAhead,
    /// A message or a whole document that is longer than allowed.
    #[error("what it sent about document {0} is too long")]
    TooLong(DocumentName),
    /// A message that is none of Automerge's, or outside the caps.
    #[error("not a sync message, for document {document}: {reason}")]
    SyncMessage {
        /// The document.
        document: DocumentName,
        /// What is wrong.
        reason: ChunkError,
    },
    /// Changes that wait for others, and too many of them.
    #[error("too many changes of document {0} wait for others that did not come")]
    TooManyParked(DocumentName),
    /// The gate refused a change.
    #[error("a change of document {document} was refused: {reason}")]
    Refused {
        /// The document.
        document: DocumentName,
        /// What the gate says.
        reason: GateError,
    },
    /// Changes that Automerge refused, or panicked over, after the gate had admitted them.
    #[error("changes of document {0} cannot be applied")]
    Inapplicable(DocumentName),
    /// A present that is longer than allowed.
    #[error("the present that it sent is too long")]
    PresentTooLong,
    /// A present that cannot be read.
    #[error("the present that it sent cannot be read: {0}")]
    BadPresent(ChunkError),
    /// More attached files than a side may have.
    #[error("it has too many attached files")]
    TooManyAttachments,
    /// A piece of an attached file that is not what it should be.
    #[error("a piece of an attached file is not what it should be")]
    BadChunk,
}
