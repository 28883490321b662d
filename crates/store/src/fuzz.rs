//! What fuzzing reaches of the store's insides: the keys file, and checksums that an attacker would have repaired.

use betwixt_model::document::Scope;

use crate::archive::Writer;
use crate::keys::file::KeysFile;
use crate::keys::{DataKeys, KeysError, Secret};
use crate::open::Plain;
use crate::tables::Area;

/// Reads a keys file, and answers how it is written again.
///
/// # Errors
/// [`KeysError`] for what is none.
pub fn read_keys_file(bytes: &[u8]) -> Result<Vec<u8>, KeysError> {
    let file = KeysFile::parse(bytes)?;
    // Shown to whoever owns it, before anything is opened.
    let _ = (file.list(), file.key_ids());
    file.bytes()
}

/// Tries to open what is in a keys file with a secret.
///
/// # Errors
/// [`KeysError`] when it is none, or does not open it.
pub fn open_keys_file(bytes: &[u8], secret: &Secret<'_>) -> Result<DataKeys, KeysError> {
    Ok(KeysFile::parse(bytes)?.open(secret, true)?.0)
}

/// The same keys file in its one spelling under a checksum that is right; `None` for what has not the shape of one.
pub fn repair_keys_file(bytes: &[u8]) -> Option<Vec<u8>> {
    serde_json::from_slice::<KeysFile>(bytes).ok()?.seal().ok()
}

/// A keys file that these open.
///
/// # Errors
/// [`KeysError`] when one of them cannot.
pub fn write_keys_file(
    keys: &DataKeys,
    secrets: &[Secret<'_>],
    rng: &mut impl rand_core::CryptoRngCore,
) -> Result<Vec<u8>, KeysError> {
    let mut file = KeysFile::new(keys, rng)?;
    for secret in secrets {
        file.add(keys, secret, rng)?;
    }
    file.seal()
}

/// An archive with the checksum of what stands before it, in the place of its last 32 bytes.
pub fn repair_archive(bytes: &[u8]) -> Vec<u8> {
    let body = bytes.get(..bytes.len().saturating_sub(32)).unwrap_or_default();
    let mut hasher = blake3::Hasher::new_derive_key(crate::archive::CHECKSUM);
    hasher.update(body);
    [body, hasher.finalize().as_bytes()].concat()
}

/// An archive with these rows, as bytes under keys, and the keys file given.
///
/// # Panics
/// Never: it is written into memory.
pub fn write_archive(keys: &DataKeys, keys_file: &[u8], rows: &[(Scope, &[u8], &[u8])]) -> Vec<u8> {
    let mine = keys.mine.as_ref().map_or(keys.shared.id(), |key| key.id());
    let plain = Plain { keys: [keys.shared.id(), mine], commits: 3 };
    let mut out = Vec::new();
    let written = (|| {
        let mut writer = Writer::begin(&mut out, &plain, keys_file)?;
        for (scope, key, value) in rows {
            writer.table(*scope, Area::ALL[0])?;
            writer.row(key, value)?;
        }
        writer.finish()
    })();
    written.expect("writing into memory does not fail");
    out
}
