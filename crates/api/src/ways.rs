//! The ways to open a home: its passphrase, its recovery code, key files.
//!
//! Whoever changes them says the passphrase (or the recovery code) once more, also while the home is open: an open home
//! that somebody else borrows for a minute must not become theirs for good.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::secret::Secret;

/// What a way to open a home takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum WayKind {
    /// A passphrase.
    Passphrase,
    /// A file with a random key.
    KeyFile,
    /// A recovery code on paper.
    RecoveryCode,
    /// The system's keyring.
    Keyring,
}

/// A way to open the home: `GET /v1/ways`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Way {
    /// Names it, for removing it.
    pub id: String,
    /// What it takes.
    pub kind: WayKind,
    /// Whether it opens what is private, too. One that does not opens what is shared alone.
    pub opens_private: bool,
}

/// Changes the passphrase: `PUT /v1/passphrase`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ChangePassphrase {
    /// The passphrase as it is now, or the recovery code where that one is lost.
    pub present: Secret,
    /// The passphrase from now on.
    pub new: Secret,
    /// Whether somebody may know the one of now. Then new data keys are made and everything is encrypted anew, snapshots
    /// included: it takes as long as writing all of it once, and every other way to open the home has to be added again.
    #[serde(default)]
    pub leaked: bool,
}

/// A passphrase that was changed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PassphraseChanged {
    /// After a leak: the recovery code from now on, since the one before opens nothing any more. Shown once, kept nowhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery_code: Option<Secret>,
    /// Files in the home that were encrypted before, and open with the passphrase of their day: backups, and what was kept
    /// aside. Those that lie elsewhere are not known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub as_before: Vec<String>,
}

/// Says that it is really the home's owner who asks: `POST /v1/ways/recovery-code`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Proof {
    /// The passphrase, or the recovery code.
    pub passphrase: Secret,
}

/// A home that was left: `POST /v1/leave`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Left {
    /// What could not be taken away. Without the keys it says nothing to anybody.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_over: Vec<String>,
}

/// A recovery code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RecoveryCode {
    /// The code, in groups of four.
    pub recovery_code: Secret,
}

/// Whether a recovery code opens the home: `POST /v1/ways/recovery-code/test`. Nothing is changed by it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RecoveryCodeTested {
    /// Whether it does.
    pub opens: bool,
    /// What is wrong with it, in words, where that can be told: a slip of the pen, a wrong number of characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slip: Option<String>,
}

/// Makes a file that opens the home: `POST /v1/ways/key-files`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NewKeyFile {
    /// The passphrase, or the recovery code.
    pub passphrase: Secret,
    /// The absolute path of a file that does not exist yet.
    pub path: String,
    /// Whether it opens what is shared alone, so that devices merge while nobody is there.
    #[serde(default)]
    pub shared_only: bool,
}

/// Removes a way to open the home: `POST /v1/ways/remove`. The last one that opens everything stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RemoveWay {
    /// The passphrase, or the recovery code.
    pub passphrase: Secret,
    /// Its id, or the unique beginning of it.
    pub way: String,
}
