//! What waits to become durable, and what follows when it is.

use std::collections::BTreeMap;

use automerge::Change;
use betwixt_model::document::{DocumentId, Scope};
use betwixt_model::ids::{AttachmentId, DeviceId, FactId};
use betwixt_net::interfaces::NetworkId;
use betwixt_store::MetAddress;
use betwixt_sync::dialer::ConnectionId;
use betwixt_sync::keys::KNOCK;
use betwixt_sync::session::PersistId;
use betwixt_sync::wire::Lane;

use crate::replica::Reading;

/// Something to be staged.
#[derive(Debug)]
pub(super) enum Write<W> {
    /// What the owner of the engine writes.
    Own(W),
    /// A connection stands: the counter for its session.
    BeginSession(ConnectionId),
    /// The roster that a peer told.
    Roster(ConnectionId, Vec<Vec<u8>>),
    /// Changes that a peer brought.
    Arrive(Arrive),
    /// A document that a session asked for cannot be read: its next generation begins.
    CarryOn(DocumentId),
    /// A peer has everything of a scope, while older generations of its documents wait for everybody to have it.
    Held(DeviceId, Scope),
}

/// Changes that a peer brought.
#[derive(Debug)]
pub(super) struct Arrive {
    /// Where they came.
    pub(super) connection: ConnectionId,
    /// Over which of its sessions.
    pub(super) lane: Lane,
    /// Who brought them.
    pub(super) from: DeviceId,
    /// The session's name for them.
    pub(super) persist: PersistId,
    /// The document.
    pub(super) document: DocumentId,
    /// The changes.
    pub(super) changes: Vec<Change>,
    /// Those that follow them under the same name, in a stage of their own.
    pub(super) later: Vec<Change>,
    /// What is read of them ahead, where they are many.
    pub(super) reading: Option<Reading>,
}

impl<W> Write<W> {
    /// Leaves what is beyond so many changes for later. What is cut off never comes before what it builds on: a session hands changes on
    /// in an order in which they can be taken.
    pub(super) fn cut(&mut self, at: usize) {
        if let Self::Arrive(Arrive { changes, later, .. }) = self
            && changes.len() > at
        {
            let rest = changes.split_off(at);
            later.splice(0..0, rest);
        }
    }

    /// How many changes it brings.
    pub(super) fn changes(&self) -> usize {
        match self {
            Self::Arrive(arrive) => arrive.changes.len(),
            _ => 0,
        }
    }
}

/// What follows once the stage is durable.
#[derive(Debug)]
pub(super) enum After<A> {
    /// What follows an owner's write.
    Own(A),
    /// A session begins with this counter.
    BeginSession(ConnectionId, u64),
    /// A session learns that the roster was taken in, and the others, if it changed.
    RosterSettled {
        /// Whose.
        connection: ConnectionId,
        /// Whether anything was new.
        changed: bool,
    },
    /// A session learns that changes are on disk.
    Persisted(ConnectionId, Lane, PersistId, DocumentId),
    /// A session learns that a newer generation of the document is here, and that what it brought was not taken.
    Superseded(ConnectionId, Lane, PersistId),
}

/// A stage that is on its way to the disk.
#[derive(Debug)]
pub(super) struct Flight<A> {
    /// What follows it.
    pub(super) after: Vec<After<A>>,
    /// Whether there is something shared in it, which other devices are to get.
    pub(super) shares: bool,
    /// Whether there is something private in it, which other devices of the same partner are to get.
    pub(super) private: bool,
}

/// What may be lost without harm, written along with the next stage: sync states, where peers were met, and what
/// is remembered for the network.
#[derive(Debug, Default)]
pub(super) struct Lazy {
    /// Automerge's sync states.
    pub(super) sync_states: BTreeMap<(DeviceId, DocumentId), Vec<u8>>,
    /// Which attached files peers have.
    pub(super) attachments: BTreeMap<(DeviceId, Scope), Vec<AttachmentId>>,
    /// The counters that peers told.
    pub(super) counters: Vec<(DeviceId, u64)>,
    /// Addresses that worked.
    pub(super) addresses: Vec<(DeviceId, MetAddress)>,
    /// Ports that were drawn for networks.
    pub(super) ports: Vec<(NetworkId, u16)>,
    /// Knocks that were answered.
    pub(super) knocks: Vec<[u8; KNOCK]>,
    /// Peers that were found to be in step, each with the end of this device's chain then, if that is known.
    pub(super) in_step: BTreeMap<DeviceId, Option<Option<FactId>>>,
}

impl Lazy {
    /// Whether there is nothing to write.
    pub(super) fn is_empty(&self) -> bool {
        self.sync_states.is_empty()
            && self.attachments.is_empty()
            && self.counters.is_empty()
            && self.addresses.is_empty()
            && self.ports.is_empty()
            && self.knocks.is_empty()
            && self.in_step.is_empty()
    }
}
