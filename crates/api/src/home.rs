//! The home itself: founding it, opening and locking it, and how it is.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::secret::Secret;

/// How far a home is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// The directory holds nothing yet: `POST /v1/home` founds it.
    New,
    /// There is a home, and nothing of it can be read until it is unlocked.
    Locked,
    /// What is shared is open: devices merge. What is private may still be locked, see [`Status::private_locked`].
    Open,
}

/// A person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Partner {
    /// The partner's id.
    pub id: String,
    /// The name that they go by.
    pub name: String,
}

/// How a home is: `GET /v1/status`. Answered in every phase; what is not known while locked is empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Status {
    /// The daemon's version.
    pub version: String,
    /// The daemon's process id.
    pub process: u32,
    /// The home's directory.
    pub home: String,
    /// How far it is.
    pub phase: Phase,
    /// Whether the private part is locked.
    pub private_locked: bool,
    /// After how many seconds without use the private part locks by itself; `None` for never, and while nothing is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub private_locks_after: Option<u32>,
    /// Whose home it is.
    pub me: Option<Partner>,
    /// The other partner, once paired.
    pub partner: Option<Partner>,
    /// Whether there is a household.
    pub paired: bool,
    /// Whether it pauses: dials nobody, answers nobody.
    pub paused: bool,
    /// Other devices of the household.
    #[serde(default)]
    pub peers: Vec<PeerStatus>,
    /// The UDP port that it listens on.
    pub port: Option<u16>,
    /// Where frontends on this machine reach the API over TCP, `host:port`; `None` when it listens on its socket alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<String>,
    /// The addresses at which it can be reached now, `host:port`.
    #[serde(default)]
    pub addresses: Vec<String>,
    /// The documents that it holds.
    #[serde(default)]
    pub documents: Vec<DocumentStatus>,
    /// How far its index is that has to be built anew before it is open, as after an update; `None` when none has to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rebuilding: Option<Rebuilding>,
    /// How far the search index is that is being built beside everything else; `None` when none is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub indexing: Option<Rebuilding>,
    /// How many of the years that another device has are whole here, while several are still coming, as on a new device. What
    /// stands now is shown meanwhile, and what is older with the last of them. `None` when nothing is coming.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receiving: Option<Rebuilding>,
    /// How far a file has come that is being taken in, which was carried here; `None` when none is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carrying: Option<Carrying>,
    /// How many fields wait to be settled.
    #[serde(default)]
    pub differences: u64,
    /// How many facts are kept whose past is not all here.
    #[serde(default)]
    pub arriving: u64,
    /// The versions of the wire protocol that it speaks.
    #[serde(default)]
    pub protocol: Vec<u32>,
    /// The format of facts that it writes.
    #[serde(default)]
    pub format: u32,
    /// What went wrong lately and still stands, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub troubles: Vec<String>,
}

/// How far an index is: documents that it was built from already, or parts of what is searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Rebuilding {
    /// So many are done.
    pub done: u64,
    /// So many there are.
    pub of: u64,
}

/// How many bytes of a file were read. Each is read twice: first to see that it is whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Carrying {
    /// So many were read.
    pub done: u64,
    /// So many there are to be read.
    pub of: u64,
}

/// Another device of the household, as this one sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PeerStatus {
    /// The device's id.
    pub device: String,
    /// What its partner calls it.
    pub name: String,
    /// Whether it is one's own.
    pub own: bool,
    /// Whether a session is open.
    pub connected: bool,
    /// Whether, as far as this device knows, each has on its disk everything shared that the other has.
    pub in_step: bool,
    /// Days since they last met; 0 is today, `None` never.
    pub last_met_days: Option<u32>,
}

/// A document, by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DocumentStatus {
    /// `ours/2027`, `mine/2027`.
    pub id: String,
    /// How many facts of its year there are.
    pub facts: u64,
    /// Its size on disk, in bytes.
    pub bytes: u64,
}

/// Founds a home: `POST /v1/home`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InitRequest {
    /// The name that one goes by.
    pub name: String,
    /// What to call this device.
    pub device: String,
    /// The passphrase that will open it.
    pub passphrase: Secret,
}

/// A home that was founded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Initialised {
    /// How it is now.
    pub status: Status,
    /// Opens the home when the passphrase is lost. Shown once, kept nowhere.
    pub recovery_code: Option<Secret>,
}

/// Opens a home: `POST /v1/unlock`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UnlockRequest {
    /// The passphrase, or the recovery code.
    pub passphrase: Secret,
}

/// When the private part locks by itself: `PUT /v1/lock`. What is shared stays open.
///
/// Reading and saying anything by somebody who sees what is private is use of it; asking for the status, listening for
/// events and meeting other devices is not. A machine that slept counts as unused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LockAfter {
    /// After so many seconds without use: 1 to 86,400; `null` for never. A home begins with 900.
    #[serde(deserialize_with = "Option::deserialize")]
    #[schema(required, minimum = 1, maximum = 86_400)]
    pub seconds: Option<u32>,
}

/// The most that [`LockAfter::seconds`] may be.
pub const MAX_LOCK_AFTER: u32 = 86_400;
