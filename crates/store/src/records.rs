//! The structures that the store gives and takes.

use std::net::SocketAddr;

use automerge::ChangeHash;
use betwixt_model::document::DocumentId;
use betwixt_model::ids::DeviceId;
use serde::{Deserialize, Serialize};

use crate::error::Damage;

/// What is known of a document without loading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentState {
    /// Its durable heads, sorted.
    pub heads: Vec<ChangeHash>,
    /// How many changes were appended since the snapshot that it begins with; a measure of when to compact.
    pub appended: u64,
    /// How many bytes these have.
    pub appended_bytes: u64,
    /// How many bytes the snapshot has; 0 without one.
    pub snapshot_bytes: u64,
}

/// A document as it stands on disk.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoredDocument {
    /// The snapshot that it begins with: what `Document::save` gave.
    pub snapshot: Option<Vec<u8>>,
    /// The changes appended since, in order.
    pub changes: Vec<Vec<u8>>,
    /// The heads that it must have when all of it loads.
    pub heads: Vec<ChangeHash>,
    /// What could not be read; it was kept aside. Empty when all is well.
    pub damaged: Vec<Damage>,
}

impl StoredDocument {
    /// Snapshot and changes in a row, as `Automerge::load` takes them. `genesis` stands in for a missing snapshot.
    pub fn bytes(&self, genesis: &[u8]) -> Vec<u8> {
        let mut bytes = self.snapshot.clone().unwrap_or_else(|| genesis.to_vec());
        for change in &self.changes {
            bytes.extend_from_slice(change);
        }
        bytes
    }
}

/// A document's row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DocumentRow {
    pub(crate) document: DocumentId,
    pub(crate) heads: Vec<[u8; 32]>,
    /// The sequence number of the first change that the snapshot does not cover.
    pub(crate) first: u64,
    /// The sequence number of the next change.
    pub(crate) next: u64,
    pub(crate) appended_bytes: u64,
    /// The slot of the snapshot.
    pub(crate) snapshot: Option<u64>,
    pub(crate) snapshot_bytes: u64,
    /// The slot of a snapshot that was written and not yet checked.
    pub(crate) unchecked: Option<u64>,
    pub(crate) next_slot: u64,
}

impl DocumentRow {
    pub(crate) fn new(document: DocumentId) -> Self {
        Self {
            document,
            heads: Vec::new(),
            first: 0,
            next: 0,
            appended_bytes: 0,
            snapshot: None,
            snapshot_bytes: 0,
            unchecked: None,
            next_slot: 0,
        }
    }

    pub(crate) fn heads(&self) -> Vec<ChangeHash> {
        self.heads.iter().map(|head| ChangeHash(*head)).collect()
    }

    pub(crate) fn state(&self) -> DocumentState {
        DocumentState {
            heads: self.heads(),
            appended: self.next - self.first,
            appended_bytes: self.appended_bytes,
            snapshot_bytes: self.snapshot_bytes,
        }
    }
}

/// An address at which a peer was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct MetAddress {
    /// The network in which it was, by what the network crate recognises it by; `None` when it was beyond any.
    pub network: Option<[u8; 32]>,
    /// The address.
    pub address: SocketAddr,
}

/// What a device remembers of a peer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerRecord {
    /// The addresses at which it was reached, most recent first.
    pub addresses: Vec<MetAddress>,
    /// Addresses set by hand, which are never dropped.
    pub by_hand: Vec<SocketAddr>,
    /// The last counter that was sent to it.
    pub sent: u64,
    /// The local date of the last meeting, as days since 1970-01-01.
    pub met: Option<i32>,
}

/// When and from whom a fact came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArrivalRecord {
    /// The device that brought it, which need not be the one on which it was said.
    pub from: DeviceId,
    /// The wall clock's time, in milliseconds since 1970-01-01 UTC: for display only.
    pub at: i64,
}
