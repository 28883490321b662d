//! What a session is told at its beginning.

use std::collections::BTreeMap;

use automerge::ChangeHash;
use betwixt_model::document::Scope;
use betwixt_model::ids::{AttachmentId, HouseholdId};

use super::CounterWindow;
use crate::roster::OwnDevice;
use crate::wire::{DocumentName, VersionRange};

/// Which side of the connection this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// This side dialled: it says the digest.
    Dialling,
    /// The other side dialled: this one compares.
    Accepting,
}

/// What a session is over. One over private documents takes a proof that the peer is a device of the same partner
/// (PrivateStaysHome).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionScope {
    /// The documents that both partners share.
    Ours,
    /// One partner's private documents, with another device of theirs.
    Mine(OwnDevice),
}

impl SessionScope {
    /// The scope of the documents.
    pub const fn documents(self) -> Scope {
        match self {
            Self::Ours => Scope::Ours,
            Self::Mine(_) => Scope::Mine,
        }
    }
}

/// The roster as far as a session knows it: opaque statements and the names of its heads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RosterOffer {
    /// The statements that no other builds on; sorted when sent. Equal heads mean equal rosters.
    pub heads: Vec<[u8; 32]>,
    /// Every statement, in an order in which the other side can take them.
    pub statements: Vec<Vec<u8>>,
}

/// A document as it stands on disk.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SharedDocument {
    /// Its durable heads.
    pub heads: Vec<ChangeHash>,
    /// What [`super::Output::SyncState`] said last for this document and this peer; empty when it never did.
    pub sync_state: Vec<u8>,
}

/// What a session is told at its beginning.
#[derive(Debug, Clone)]
pub struct SessionConfig {
    /// Which side this is.
    pub role: Role,
    /// What is spoken of.
    pub scope: SessionScope,
    /// What both belong to: the household; between devices of one partner, which may have none yet, what names the
    /// partner; and their private space in a session over that.
    pub household: HouseholdId,
    /// The versions to offer; [`crate::wire::VERSIONS`] outside tests.
    pub versions: VersionRange,
    /// Changes after which this side cuts a sync message, one at least; [`crate::wire::caps::CHANGES_CUT`] outside tests. The rest goes
    /// with the next message.
    pub changes_cut: usize,
    /// This home's counter, raised by one and on disk before the session begins.
    pub counter: u64,
    /// The counters that this peer has used, as [`super::Event::Met`] said them.
    pub peer_counters: CounterWindow,
    /// The roster.
    pub roster: RosterOffer,
    /// Every document of the scope that this device has, with its heads; no document needs to be loaded for it.
    pub documents: BTreeMap<DocumentName, SharedDocument>,
    /// The attached files that may be handed out, as [`super::Session::handle_attachments`] takes them; `None` while no fact of the
    /// scope names any.
    pub attachments: Option<BTreeMap<AttachmentId, u64>>,
    /// Whether the peer is to be asked for the present, where documents differ: for a device that has little or nothing yet, to
    /// show while documents come ([`super::Output::Present`]).
    pub wants_present: bool,
}
