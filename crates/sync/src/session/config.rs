//! What a session is told at its beginning.

use std::collections::BTreeMap;

use automerge::ChangeHash;
use betwixt_model::ids::HouseholdId;

use super::CounterWindow;
use crate::wire::{SharedDocumentId, VersionRange};

/// Which side of the connection this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// This side dialled: it says the digest.
    Dialling,
    /// The other side dialled: this one compares.
    Accepting,
}

/// The roster as far as a session knows it: opaque statements and the names of its heads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RosterOffer {
    /// The statements that no other builds on; sorted when sent. Equal heads mean equal rosters.
    pub heads: Vec<[u8; 32]>,
    /// Every statement, in an order in which the other side can take them.
    pub statements: Vec<Vec<u8>>,
}

/// A shared document as it stands on disk.
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
    /// The household of both.
    pub household: HouseholdId,
    /// The versions to offer; [`crate::wire::VERSIONS`] outside tests.
    pub versions: VersionRange,
    /// This home's counter, raised by one and on disk before the session begins.
    pub counter: u64,
    /// The counters that this peer has used, as [`super::Event::Met`] said them.
    pub peer_counters: CounterWindow,
    /// The roster.
    pub roster: RosterOffer,
    /// Every shared document that this device has, with its heads; no document needs to be loaded for it.
    pub documents: BTreeMap<SharedDocumentId, SharedDocument>,
}
