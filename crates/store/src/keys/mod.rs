//! The two data keys of a home, and the file that keeps them wrapped.

mod cost;
pub(crate) mod file;
#[cfg(feature = "keyring")]
pub(crate) mod keyring;
mod recovery;

use std::path::PathBuf;

use betwixt_model::document::Scope;
use rand_core::CryptoRngCore;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

pub use cost::{Cost, CostRefused};
pub use file::WrapInfo;
pub use recovery::{ParseRecoveryCodeError, RecoveryCode};

/// Which data key something is sealed under: random, and no secret.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyId([u8; 16]);

impl KeyId {
    /// The id with these bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl std::fmt::Debug for KeyId {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "KeyId({})", betwixt_model::ids::encode_base32(&self.0[..4]))
    }
}

/// A random 256-bit key. Wiped when dropped; never shown.
#[derive(Clone)]
pub struct DataKey {
    id: KeyId,
    secret: Zeroizing<[u8; 32]>,
}

impl std::fmt::Debug for DataKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("DataKey").field("id", &self.id).finish_non_exhaustive()
    }
}

impl DataKey {
    /// A new key.
    pub fn random(rng: &mut impl CryptoRngCore) -> Self {
        let mut id = [0; 16];
        let mut secret = Zeroizing::new([0; 32]);
        rng.fill_bytes(&mut id);
        rng.fill_bytes(secret.as_mut());
        Self { id: KeyId(id), secret }
    }

    /// Which key this is.
    pub fn id(&self) -> KeyId {
        self.id
    }

    pub(crate) fn secret(&self) -> &[u8; 32] {
        &self.secret
    }

    pub(crate) fn from_parts(id: KeyId, secret: Zeroizing<[u8; 32]>) -> Self {
        Self { id, secret }
    }
}

/// What unlocking gives: the shared key, and the key of `mine` where that was asked for.
#[derive(Debug, Clone)]
pub struct DataKeys {
    /// Seals identity, roster, shared documents and everything about them.
    pub shared: DataKey,
    /// Seals the private documents and everything about them; `None` while they are locked.
    pub mine: Option<DataKey>,
}

impl DataKeys {
    /// Two new keys, for a new home or for a store in memory.
    pub fn random(rng: &mut impl CryptoRngCore) -> Self {
        Self { shared: DataKey::random(rng), mine: Some(DataKey::random(rng)) }
    }

    /// The key of a scope, if it is there.
    pub fn of(&self, scope: Scope) -> Option<&DataKey> {
        match scope {
            Scope::Ours => Some(&self.shared),
            Scope::Mine => self.mine.as_ref(),
        }
    }
}

/// A way to open a home.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// A passphrase, by Argon2id.
    Passphrase,
    /// A file with a random key, for instance on a stick, or for starting without anybody there.
    KeyFile,
    /// A recovery code on paper.
    RecoveryCode,
    /// The system's keyring.
    Keyring,
}

impl Way {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Passphrase => "passphrase",
            Self::KeyFile => "key-file",
            Self::RecoveryCode => "recovery-code",
            Self::Keyring => "keyring",
        }
    }
}

/// Why the keys could not be opened, or the ways to open them not be changed.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The passphrase, key file or code is not the right one. Nothing else is wrong.
    #[error("{}", match .0 {
        Way::Passphrase => "the passphrase is not right",
        Way::KeyFile => "the key file is not the one of this home",
        Way::RecoveryCode => "the recovery code is not the one of this home",
        Way::Keyring => "what the system's keyring holds does not open this home: use the passphrase",
    })]
    Wrong(Way),
    /// The home cannot be opened in this way.
    #[error("this home has no {} to open it with", .0.name())]
    NoSuchWay(Way),
    /// This way opens the shared documents only.
    #[error("the {} of this home opens the shared documents only; use the passphrase for the private ones", .0.name())]
    SharedOnly(Way),
    /// The way that was to be removed is not there.
    #[error("this home has no way to open it named {0}")]
    UnknownWrap(String),
    /// Removing it would lock everybody out of the private documents.
    #[error("this is the last way to open everything: add another first")]
    LastWrap,
    /// Too many ways to open one home.
    #[error("this home has as many ways to open it as it can have: remove one first")]
    TooManyWraps,
    /// Both keys are needed, and `mine` is locked.
    #[error("unlock the private documents first")]
    MineNeeded,
    /// The file demands a derivation outside of the allowed bounds.
    #[error(transparent)]
    Cost(#[from] CostRefused),
    /// The keys file is damaged.
    #[error("the keys file is damaged ({0}): put back a copy of it, for instance from a backup")]
    Damaged(String),
    /// Made by a newer version.
    #[error("the keys file has format {0}, made by a newer version of Betwixt: update this one")]
    Newer(u32),
    /// The file cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The system's keyring does not work.
    #[error("the system's keyring: {0}")]
    Keyring(String),
}

/// What opens a home, or shall open it.
#[derive(Clone)]
pub enum Secret<'a> {
    /// A passphrase; the cost counts when it is added, not when it is tried.
    Passphrase(&'a str, Cost),
    /// The 32 bytes in a key file or the system's keyring.
    Random(Way, Zeroizing<[u8; 32]>),
    /// A recovery code.
    Recovery(&'a RecoveryCode),
}

impl std::fmt::Debug for Secret<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Secret({})", self.way().name())
    }
}

impl Secret<'_> {
    /// What stands in a key file, if this is the text of one.
    pub fn of_key_file(text: &str) -> Option<Self> {
        let bytes = Zeroizing::new(betwixt_model::ids::decode_base32(text.trim()).ok()?);
        let key: [u8; 32] = bytes.as_slice().try_into().ok()?;
        Some(Self::Random(Way::KeyFile, Zeroizing::new(key)))
    }

    /// The way that it is of.
    pub fn way(&self) -> Way {
        match self {
            Self::Passphrase(..) => Way::Passphrase,
            Self::Random(way, _) => *way,
            Self::Recovery(_) => Way::RecoveryCode,
        }
    }

    fn cost(&self) -> Option<Cost> {
        match self {
            Self::Passphrase(_, cost) => Some(*cost),
            _ => None,
        }
    }

    /// The key that wraps. What is random already needs no costly derivation.
    fn derive(&self, salt: &[u8; 32], cost: Option<Cost>) -> Result<Zeroizing<[u8; 32]>, KeysError> {
        let keyed = |context: &str, secret: &[u8]| {
            let mut material = Zeroizing::new(salt.to_vec());
            material.extend_from_slice(secret);
            Zeroizing::new(blake3::derive_key(context, &material))
        };
        match (self, cost) {
            (Self::Passphrase(passphrase, _), Some(cost)) => Ok(cost.derive(passphrase.as_bytes(), salt)?),
            (Self::Passphrase(..), None) => Err(KeysError::Damaged("a passphrase without its cost".into())),
            (Self::Random(_, secret), _) => Ok(keyed("betwixt 1 wrapping by a random key", secret.as_ref())),
            (Self::Recovery(code), _) => Ok(keyed("betwixt 1 wrapping by a recovery code", code.secret())),
        }
    }
}
