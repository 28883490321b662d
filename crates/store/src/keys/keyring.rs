//! The system's keyring, as a way to open a home at login.

use betwixt_model::ids::encode_base32;
use zeroize::Zeroizing;

use super::KeysError;

const SERVICE: &str = "betwixt";

fn entry(home: &[u8; 16]) -> Result<keyring::v1::Entry, KeysError> {
    keyring::v1::Entry::new(SERVICE, &encode_base32(home)).map_err(|error| KeysError::Keyring(error.to_string()))
}

pub(crate) fn load(home: &[u8; 16]) -> Result<Zeroizing<[u8; 32]>, KeysError> {
    let secret = entry(home)?.get_secret().map_err(|error| KeysError::Keyring(error.to_string()))?;
    let secret = Zeroizing::new(secret);
    let secret: [u8; 32] =
        secret.as_slice().try_into().map_err(|_| KeysError::Keyring("the entry is not a key of ours".into()))?;
    Ok(Zeroizing::new(secret))
}

pub(crate) fn save(home: &[u8; 16], secret: &[u8; 32]) -> Result<(), KeysError> {
    entry(home)?.set_secret(secret).map_err(|error| KeysError::Keyring(error.to_string()))
}

pub(crate) fn forget(home: &[u8; 16]) -> Result<(), KeysError> {
    entry(home)?.delete_credential().map_err(|error| KeysError::Keyring(error.to_string()))
}
