//! What the engine wants done.

use std::net::SocketAddr;

use betwixt_model::attachment::Attached;
use betwixt_model::document::{DocumentId, Scope};
use betwixt_model::ids::{DeviceId, ItemId};
use betwixt_net::CloseCode;
use betwixt_sync::dialer::{AttemptId, ConnectionId};
use betwixt_sync::session::CloseReason;
use betwixt_sync::wire::OutgoingStream;

use super::ChunkPlace;
use crate::replica::{Committed, Reading, StageError};

/// What is to be done, in this order.
#[derive(Debug)]
pub enum Output<W, A> {
    /// Open a connection.
    Dial {
        /// The try's number.
        attempt: AttemptId,
        /// Whom to expect there.
        peer: DeviceId,
        /// Where.
        address: SocketAddr,
    },
    /// Give up a try.
    Cancel(AttemptId),
    /// Ask the network whether a peer is still at an advertised address.
    Verify {
        /// Whose.
        peer: DeviceId,
        /// Which.
        address: SocketAddr,
    },
    /// Write a frame to a stream, opening it when it is the first.
    Send {
        /// The connection.
        connection: ConnectionId,
        /// The stream.
        stream: OutgoingStream,
        /// The frame.
        frame: Vec<u8>,
    },
    /// Close a connection, once what was sent before has left.
    Close {
        /// Which.
        connection: ConnectionId,
        /// What the close says.
        code: CloseCode,
    },
    /// A session ended by itself, for this reason; its [`Output::Close`] comes, too.
    Ended {
        /// With whom.
        peer: DeviceId,
        /// Why.
        reason: CloseReason,
    },
    /// How it stands with a peer has changed.
    Peer {
        /// Whom.
        peer: DeviceId,
        /// How.
        change: PeerChange,
    },
    /// Changes are to be read on another thread, if there is one to spare, piece by piece. Nothing is answered, and nothing depends on
    /// it but time.
    ReadAhead(Reading),
    /// A file is to be fetched: see whether there is room, and what of it is here already, and answer with
    /// [`super::Engine::handle_attachment_resumed`].
    ResumeAttachment {
        /// The scope that names it.
        scope: Scope,
        /// The file.
        file: Attached,
    },
    /// Read a chunk, and answer with [`super::Engine::handle_chunk_read`].
    ReadChunk(ChunkPlace),
    /// Store a chunk, one after the other in this order, and answer with [`super::Engine::handle_chunk_stored`].
    StoreChunk {
        /// Where it belongs.
        place: ChunkPlace,
        /// The sealed bytes.
        bytes: Vec<u8>,
    },
    /// A file has come, and is whole on the disk.
    AttachmentArrived {
        /// The scope that names it.
        scope: Scope,
        /// The attachments that name it.
        items: Vec<ItemId>,
    },
    /// Somebody is to know of this.
    Trouble(Trouble),
    /// A peer brought what has no meaning: it is kept, and counts for nothing.
    Meaningless {
        /// Who.
        peer: DeviceId,
        /// How many keys held no fact.
        keys: usize,
        /// How many facts the index refused.
        facts: usize,
    },
    /// What is shown of a scope is another as a whole: the present, or what is stored in its place.
    Shown(Scope),
    /// The roster changed: there may be others to meet.
    RosterChanged,
    /// A stage is on disk.
    Committed(Committed),
    /// An owner's write is on disk: this follows.
    Durable(A),
    /// A stage was lost: whoever waits is to be told.
    Lost {
        /// What would have followed.
        after: Vec<A>,
        /// What waited behind it and is not tried.
        waiting: Vec<W>,
        /// Why.
        error: StageError,
    },
}

/// What changed between this device and a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeerChange {
    /// It was met.
    Met,
    /// It is gone.
    Parted,
    /// A document is the same on both.
    Synced(DocumentId),
    /// Everything is the same on both.
    InStep,
}

/// Something that a person should know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// A device of the household runs twice.
    RunsTwice,
    /// The peer speaks a newer protocol only.
    PeerNewer,
    /// The peer speaks an older protocol only.
    PeerOlder,
    /// A document cannot be read.
    UnreadableDocument,
    /// The private pages of another device of the same partner are in another space.
    PrivateApart,
}
