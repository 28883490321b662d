//! Keeping a home well: what is wrong and how to mend it, checking what is on disk, backups.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// As it should be.
    Well,
    /// Worth knowing.
    Note,
    /// Keeps something from working.
    Trouble,
}

/// Something that `GET /v1/doctor` looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Finding {
    /// How much it matters.
    pub level: Level,
    /// What was looked at: `store`, `network`, `discovery`, ...
    pub about: String,
    /// What was found, in words.
    pub what: String,
    /// What to do about it, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

/// What `POST /v1/verify` read and checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VerifyReport {
    /// Whether the private part was locked and is therefore not among what was read.
    #[serde(default)]
    pub private_locked: bool,
    /// How many documents.
    pub documents: u64,
    /// How many facts, each with its signature.
    pub facts: u64,
    /// How many rows and files.
    pub records: u64,
    /// How many attached files, each to its last byte.
    #[serde(default)]
    pub attachments: u64,
    /// How many attached files this device has not got yet.
    #[serde(default)]
    pub attachments_missing: u64,
    /// What is not as it was written.
    #[serde(default)]
    pub damaged: Vec<Damage>,
}

/// Something on disk that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Damage {
    /// What it is.
    pub what: String,
    /// Where it is kept, and what to do.
    pub advice: String,
}

/// Writes a backup: `POST /v1/backups`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BackupRequest {
    /// An absolute path of a file that does not exist yet; without one it goes beside the others in the home.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

/// A backup, or a snapshot that was taken by itself: encrypted, as the home is. `GET /v1/backups` lists those in the home,
/// newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Backup {
    /// Its absolute path.
    pub path: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// The date on which it was made, `YYYY-MM-DD`, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made_on: Option<String>,
    /// The name of a snapshot. It restores this home only, and opens as this home does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<String>,
}

/// Puts a backup in the place of what the home holds, which is kept aside: `POST /v1/restore`.
///
/// On the wire `{"path": "/..."}` or `{"snapshot": "2027-01-31"}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum RestoreRequest {
    /// A backup's, or a snapshot's, absolute path.
    Path(String),
    /// The name of a snapshot of this home.
    Snapshot(String),
}

/// What restoring did. The home is locked afterwards.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Restored {
    /// Where the home's former content is.
    pub kept_aside: Option<String>,
}
