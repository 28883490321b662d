//! The key of an index.

use zeroize::{Zeroize, ZeroizeOnDrop};

/// What an index is sealed and its files are named under. Wiped when dropped.
#[derive(Clone, ZeroizeOnDrop)]
pub struct Key {
    sealing: [u8; 32],
    naming: [u8; 32],
}

impl std::fmt::Debug for Key {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Key").finish_non_exhaustive()
    }
}

impl Key {
    /// The key that follows from a secret which is used for this index alone. The secret is wiped.
    pub fn of(mut secret: [u8; 32]) -> Self {
        let key = Self {
            sealing: blake3::derive_key("betwixt 1 search sealing", &secret),
            naming: blake3::derive_key("betwixt 1 search naming", &secret),
        };
        secret.zeroize();
        key
    }

    pub(crate) fn sealing(&self) -> &[u8; 32] {
        &self.sealing
    }

    /// What a file is called on the disk, so that its name tells nothing.
    pub(crate) fn name(&self, index: &[u8; 16], file: &str) -> String {
        let mut hasher = blake3::Hasher::new_keyed(&self.naming);
        hasher.update(index);
        hasher.update(file.as_bytes());
        hasher.finalize().to_hex()[..32].to_owned()
    }
}
