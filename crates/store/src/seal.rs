//! Encryption at rest: XChaCha20-Poly1305 with random 192-bit nonces (draft-irtf-cfrg-xchacha), so that no counter has to
//! survive a crash, a copy or a restore; and keyed BLAKE3 for the names of rows, so that the file does not tell what it
//! holds. What it does tell: how many rows each table has, how long they are, which belong to one group, and in which
//! order numbered ones were written. An older row put back in its own place is not noticed by this alone.

use betwixt_model::document::Scope;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use rand_core::{OsRng, RngCore};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::dictionaries::Known;
use crate::keys::{DataKey, KeyId};
use crate::leaves::Opened;

/// How many bytes sealing adds: a nonce of 24 and a tag of 16.
pub(crate) const OVERHEAD: usize = 40;

/// Sealed bytes that do not open: altered, moved to another row, or sealed under another key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the bytes do not decrypt: they were altered, moved, or written under another key")]
pub(crate) struct Unsealable;

/// What one data key is used for: sealing values, naming rows. Wiped when dropped.
#[derive(ZeroizeOnDrop)]
pub(crate) struct ScopeKey {
    #[zeroize(skip)]
    scope: Scope,
    #[zeroize(skip)]
    id: KeyId,
    sealing: [u8; 32],
    naming: [u8; 32],
    searching: [u8; 32],
    /// Of its index, as far as they were read; gone with the key.
    #[zeroize(skip)]
    dictionaries: Known,
    /// Of its packed rows, those that were read last; gone with the key.
    #[zeroize(skip)]
    leaves: Opened,
}

impl std::fmt::Debug for ScopeKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("ScopeKey").field("scope", &self.scope).finish_non_exhaustive()
    }
}

impl ScopeKey {
    pub(crate) fn new(scope: Scope, key: &DataKey) -> Self {
        Self {
            scope,
            id: key.id(),
            sealing: blake3::derive_key("betwixt 1 store sealing", key.secret()),
            naming: blake3::derive_key("betwixt 1 store naming", key.secret()),
            searching: blake3::derive_key("betwixt 1 store searching", key.secret()),
            dictionaries: Known::default(),
            leaves: Opened::default(),
        }
    }

    pub(crate) fn id(&self) -> KeyId {
        self.id
    }

    pub(crate) fn dictionaries(&self) -> &Known {
        &self.dictionaries
    }

    pub(crate) fn leaves(&self) -> &Opened {
        &self.leaves
    }

    /// What the scope's search index is sealed under, and nothing else.
    pub(crate) fn search_secret(&self) -> [u8; 32] {
        self.searching
    }

    /// Seals a value for one place: `table` and `row` are authenticated, so that it opens nowhere else.
    pub(crate) fn seal(&self, table: &str, row: &[u8], value: &[u8]) -> Vec<u8> {
        seal_with(&self.sealing, &self.associated(table, row), value)
    }

    /// The reverse of [`ScopeKey::seal`].
    pub(crate) fn open(&self, table: &str, row: &[u8], sealed: &[u8]) -> Result<Vec<u8>, Unsealable> {
        open_with(&self.sealing, &self.associated(table, row), sealed)
    }

    fn associated(&self, table: &str, row: &[u8]) -> Vec<u8> {
        let mut data = Vec::with_capacity(64 + row.len());
        data.extend_from_slice(b"betwixt 1 row\0");
        data.extend_from_slice(self.id.as_bytes());
        data.push(table.len() as u8);
        data.extend_from_slice(table.as_bytes());
        data.extend_from_slice(row);
        data
    }

    /// A name of 128 bits for something, as it stands in the file.
    pub(crate) fn name(&self, label: &str, key: &[u8]) -> [u8; 16] {
        let mut hasher = blake3::Hasher::new_keyed(&self.naming);
        hasher.update(&[label.len() as u8]);
        hasher.update(label.as_bytes());
        hasher.update(key);
        let mut name = [0; 16];
        name.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        name
    }
}

/// Seals under a key that is used for nothing else.
pub(crate) fn seal_with(key: &[u8; 32], associated: &[u8], value: &[u8]) -> Vec<u8> {
    let mut nonce = [0; 24];
    OsRng.fill_bytes(&mut nonce);
    let payload = Payload { msg: value, aad: associated };
    let sealed = XChaCha20Poly1305::new(key.into()).encrypt(XNonce::from_slice(&nonce), payload);
    let sealed = sealed.expect("sealing fails only beyond 256 GiB, far above every cap");
    let mut bytes = Vec::with_capacity(nonce.len() + sealed.len());
    bytes.extend_from_slice(&nonce);
    bytes.extend_from_slice(&sealed);
    bytes
}

/// The reverse of [`seal_with`].
pub(crate) fn open_with(key: &[u8; 32], associated: &[u8], sealed: &[u8]) -> Result<Vec<u8>, Unsealable> {
    if sealed.len() < OVERHEAD {
        return Err(Unsealable);
    }
    let (nonce, sealed) = sealed.split_at(24);
    let payload = Payload { msg: sealed, aad: associated };
    XChaCha20Poly1305::new(key.into()).decrypt(XNonce::from_slice(nonce), payload).map_err(|_| Unsealable)
}

/// Wipes bytes that held a secret.
pub(crate) fn wipe(bytes: &mut Vec<u8>) {
    bytes.zeroize();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_opens_only_where_it_was_sealed() {
        let key = ScopeKey::new(Scope::Ours, &DataKey::random(&mut OsRng));
        let other = ScopeKey::new(Scope::Ours, &DataKey::random(&mut OsRng));
        let sealed = key.seal("table", b"row", b"what was said");
        assert_eq!(key.open("table", b"row", &sealed).unwrap(), b"what was said");
        assert_eq!(key.open("tabler", b"ow", &sealed), Err(Unsealable));
        assert_eq!(key.open("other", b"row", &sealed), Err(Unsealable));
        assert_eq!(key.open("table", b"row2", &sealed), Err(Unsealable));
        assert_eq!(other.open("table", b"row", &sealed), Err(Unsealable));
        for position in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[position] ^= 1;
            assert_eq!(key.open("table", b"row", &altered), Err(Unsealable));
        }
        for length in 0..sealed.len() {
            assert_eq!(key.open("table", b"row", &sealed[..length]), Err(Unsealable));
        }
    }

    #[test]
    fn equal_values_are_sealed_differently() {
        let key = ScopeKey::new(Scope::Mine, &DataKey::random(&mut OsRng));
        assert_ne!(key.seal("table", b"row", b"same"), key.seal("table", b"row", b"same"));
    }
}
