//! The two data keys of a home, and the file that keeps them wrapped.

use betwixt_model::document::Scope;
use rand_core::CryptoRngCore;
use zeroize::Zeroizing;

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
