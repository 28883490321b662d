//! What a session wants done.

use automerge::Change;
use betwixt_model::ids::AttachmentId;

use super::{FetchEnd, ProtocolViolation};
use crate::wire::{DocumentName, GoodbyeReason, PresentFact, StreamKey, VersionRange};

/// Names one [`Output::Persist`] within its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PersistId(pub(super) u64);

/// What is to be done, in this order.
#[derive(Debug)]
pub enum Output {
    /// Write a frame to one of this side's streams, opening it when it is the first.
    Send {
        /// Which.
        stream: StreamKey,
        /// The frame's bytes, without a length before them.
        frame: Vec<u8>,
    },
    /// The peer's whole roster has come. Verify it, take what is new, and answer with
    /// [`super::Session::handle_roster_settled`].
    Roster {
        /// The statements, as the peer sent them.
        statements: Vec<Vec<u8>>,
    },
    /// Something is to be said about this document: answer with [`super::Session::generate`].
    Generate(DocumentName),
    /// Changes came. Ask the gate, apply what it admits, commit, then call [`super::Session::handle_persisted`] with the
    /// document; make the document from genesis when there is none. What the gate parks is not to be kept: the session
    /// offers it again with the changes that it waits for. Each comes after what it builds on, so a caller may take them in
    /// pieces, each in a commit of its own.
    ///
    /// `changes` may be empty: then there is nothing to commit, and the answer may come at once.
    Persist {
        /// Which of the session's.
        id: PersistId,
        /// The document.
        document: DocumentName,
        /// The changes, measured against the caps and decoded, but not judged.
        changes: Vec<Change>,
    },
    /// Store this for the document and this peer, *after* the changes of the [`Output::Persist`]s before it. It may be
    /// lost: that costs bytes in the next session, nothing else.
    SyncState {
        /// The document.
        document: DocumentName,
        /// To be given back in [`super::SharedDocument::sync_state`].
        state: Vec<u8>,
    },
    /// The peer wants this chunk of an attached file: answer with [`super::Session::handle_chunk_read`].
    ReadChunk {
        /// Which file, one of those that may be handed out.
        id: AttachmentId,
        /// Which of its chunks.
        chunk: u32,
    },
    /// A chunk of the file that is being fetched came. See that it opens, store it, and answer with
    /// [`super::Session::handle_chunk_stored`]; one after the other, in the order in which they come.
    StoreChunk {
        /// Which file.
        id: AttachmentId,
        /// Which of its chunks.
        chunk: u32,
        /// The sealed bytes, of the length that they should have.
        bytes: Vec<u8>,
    },
    /// The file that was being fetched is not to be had from this peer now.
    FetchEnded {
        /// Which.
        id: AttachmentId,
        /// Why.
        end: FetchEnd,
    },
    /// The peer asks for the present: answer with [`super::Session::handle_present_read`]. Once in a session at most.
    ReadPresent,
    /// The present has come, as [`super::SessionConfig::wants_present`] asked: facts that stand at the peer, sorted by their
    /// texts. None of them is parsed or verified, and whether its writer may speak is the roster's to say. They are to be
    /// shown as long as documents differ, and never stored: what counts are the documents, which come, too. They may come when
    /// all is in step already, and be none.
    Present(Vec<PresentFact>),
    /// Something happened that others may want to know.
    Event(Event),
    /// Close the connection once what was sent before has left. The session does nothing more.
    Close(CloseReason),
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The peer's Hello was accepted: from now on the connection counts. Note the counter in the peer's
    /// [`super::CounterWindow`].
    Met {
        /// The protocol version that is spoken.
        version: u32,
        /// The peer's counter.
        counter: u64,
    },
    /// One document is the same on both sides, and on both disks.
    Synced {
        /// Which.
        document: DocumentName,
    },
    /// All documents of the scope are the same on both sides. Comes again whenever that is so after it was not.
    InStep,
    /// Which attached files the peer has is known now, or has changed: see [`super::Session::peer_attachments`].
    PeerAttachments,
    /// The peer speaks newer versions only: this device is to be updated.
    PeerNewerProtocol {
        /// What the peer speaks.
        theirs: VersionRange,
    },
    /// The peer speaks older versions only: the other device is to be updated.
    PeerOlderProtocol {
        /// What the peer speaks.
        theirs: VersionRange,
    },
}

/// Why a session ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CloseReason {
    /// The peer broke the protocol.
    #[error("the other device broke the protocol: {0}")]
    Violation(ProtocolViolation),
    /// The peer said goodbye.
    #[error("the other device ended the session ({0:?})")]
    ByPeer(GoodbyeReason),
    /// [`super::Session::close`] was called.
    #[error("ended here ({0:?})")]
    Here(GoodbyeReason),
    /// The peer took too long.
    #[error("the other device did not answer in time")]
    Stalled,
    /// What came could not be stored. Nothing is lost: the peer has it still.
    #[error("what the other device sent could not be stored")]
    StorageFailed,
    /// The roster says that the peer is not a member.
    #[error("the other device is not a member of the household")]
    NotAMember,
    /// What this side has to say does not fit into the caps.
    #[error("{0} passes what the protocol can carry")]
    TooLarge(&'static str),
}
