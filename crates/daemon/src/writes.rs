//! What waits to become durable, and what follows when it is.
//!
//! There is one stage at a time. While it is on its way to the disk, writes wait here and form the next one; so commits
//! are grouped without a timer, and whatever follows a write follows only once it is on disk (DurableBeforeTold).

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

use automerge::Change;
use betwixt_model::document::DocumentId;
use betwixt_model::ids::DeviceId;
use betwixt_sync::dialer::ConnectionId;
use betwixt_sync::pairing::PeerIdentity;
use betwixt_sync::roster::SignedStatement;
use betwixt_sync::session::PersistId;
use betwixt_sync::wire::SharedDocumentId;
use tokio::sync::oneshot;

use crate::http::{Answer, Request};

/// The most writes in one stage, so that no one waits for all the others.
pub(crate) const MAX_STAGE: usize = 64;

/// Something to be staged.
#[derive(Debug)]
pub(crate) enum Write {
    /// What a frontend says.
    Api(Request, oneshot::Sender<Answer>),
    /// A connection stands: the counter for its session.
    BeginSession(ConnectionId),
    /// The roster that a peer told.
    Roster(ConnectionId, Vec<Vec<u8>>),
    /// Changes that a peer brought.
    Arrive {
        /// Where they came.
        connection: ConnectionId,
        /// Who brought them.
        from: DeviceId,
        /// The session's name for them.
        persist: PersistId,
        /// The document.
        document: SharedDocumentId,
        /// The changes.
        changes: Vec<Change>,
    },
    /// Two people have confirmed that they pair.
    Found(Box<PeerIdentity>, Vec<SignedStatement>),
}

/// What follows once the stage is durable.
#[derive(Debug)]
pub(crate) enum After {
    /// A frontend gets its answer.
    Answer(oneshot::Sender<Answer>, Box<Answer>),
    /// A session begins with this counter.
    BeginSession(ConnectionId, u64),
    /// A session learns that the roster was taken in, and whether anything of it was new.
    RosterSettled(ConnectionId, bool),
    /// A session learns that changes are on disk.
    Persisted(ConnectionId, PersistId, SharedDocumentId),
    /// The pairing is done.
    Paired(Box<PeerIdentity>),
    /// The addresses set by hand changed.
    Addresses(oneshot::Sender<Answer>),
}

/// What may be lost without harm, written along with the next stage: sync states, and where peers were met.
#[derive(Debug, Default)]
pub(crate) struct Lazy {
    /// Automerge's sync states.
    pub(crate) sync_states: BTreeMap<(DeviceId, DocumentId), Vec<u8>>,
    /// The counters that peers told.
    pub(crate) counters: Vec<(DeviceId, u64)>,
    /// Addresses that worked.
    pub(crate) addresses: Vec<(DeviceId, SocketAddr)>,
}

impl Lazy {
    /// Whether there is nothing to write.
    pub(crate) fn is_empty(&self) -> bool {
        self.sync_states.is_empty() && self.counters.is_empty() && self.addresses.is_empty()
    }
}

/// The queue, and the stage that is on its way.
#[derive(Debug, Default)]
pub(crate) struct Writes {
    /// Waiting, in order.
    pub(crate) queue: VecDeque<Write>,
    /// What follows the stage that is on its way to the disk; `None` when none is.
    pub(crate) in_flight: Option<Vec<After>>,
    /// Written along.
    pub(crate) lazy: Lazy,
}
