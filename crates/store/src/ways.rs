//! The ways to open a home: opening it by one, adding, replacing and removing them.
//!
//! Every change replaces the keys file in one step. What it wraps are the same data keys; new ones are [`Home::rekey`]'s.

use std::fs;
use std::io::Write;
use std::path::Path;

use rand_core::CryptoRngCore;
use zeroize::Zeroizing;

use crate::files;
use crate::home::Home;
use crate::keys::{DataKeys, KeysError, RecoveryCode, Secret, Way, WrapInfo};

impl Home {
    /// Opens the keys: the shared one, and `mine` where asked for. A passphrase takes the time that its cost demands.
    ///
    /// # Errors
    /// [`KeysError::Wrong`] for a wrong passphrase, key file or code.
    pub fn unlock(&self, secret: &Secret<'_>, with_mine: bool) -> Result<DataKeys, KeysError> {
        let file = self.keys_file().clone();
        Ok(file.open(secret, with_mine)?.0)
    }

    /// As [`Home::unlock`], with a key file.
    ///
    /// # Errors
    /// [`KeysError::File`] when it cannot be read, otherwise as [`Home::unlock`].
    pub fn unlock_with_key_file(&self, key_file: &Path, with_mine: bool) -> Result<DataKeys, KeysError> {
        let failed = |source| KeysError::File { path: key_file.to_owned(), source };
        let text = Zeroizing::new(fs::read_to_string(key_file).map_err(failed)?);
        let secret = Secret::of_key_file(&text).ok_or(KeysError::Wrong(Way::KeyFile))?;
        self.unlock(&secret, with_mine)
    }

    /// As [`Home::unlock`], with the system's keyring.
    ///
    /// # Errors
    /// [`KeysError::Keyring`] when there is none or it has no entry; then the passphrase opens the home as ever.
    #[cfg(feature = "keyring")]
    pub fn unlock_with_keyring(&self, with_mine: bool) -> Result<DataKeys, KeysError> {
        let key = crate::keys::keyring::load(&self.keys_file().home.0)?;
        self.unlock(&Secret::Random(Way::Keyring, key), with_mine)
    }

    /// The ways to open this home.
    pub fn ways(&self) -> Vec<WrapInfo> {
        self.keys_file().list()
    }

    /// Adds a way to open the keys that are given, and answers its id. With `keys.mine` being `None` it opens the shared
    /// documents alone.
    ///
    /// # Errors
    /// [`KeysError`]; the keys file is as it was then.
    pub fn add_way(
        &self,
        keys: &DataKeys,
        secret: &Secret<'_>,
        rng: &mut impl CryptoRngCore,
    ) -> Result<String, KeysError> {
        self.change(|file| file.add(keys, secret, rng))
    }

    /// Adds a recovery code. Show it once.
    ///
    /// # Errors
    /// As [`Home::add_way`].
    pub fn add_recovery_code(&self, keys: &DataKeys, rng: &mut impl CryptoRngCore) -> Result<RecoveryCode, KeysError> {
        let code = RecoveryCode::random(rng);
        self.add_way(keys, &Secret::Recovery(&code), rng)?;
        Ok(code)
    }

    /// Adds a key file at a path where nothing is yet. Without `keys.mine` it opens the shared documents alone.
    ///
    /// # Errors
    /// As [`Home::add_way`], and [`KeysError::File`].
    pub fn add_key_file(
        &self,
        keys: &DataKeys,
        key_file: &Path,
        rng: &mut impl CryptoRngCore,
    ) -> Result<String, KeysError> {
        let failed = |source| KeysError::File { path: key_file.to_owned(), source };
        let mut key = Zeroizing::new([0; 32]);
        rng.fill_bytes(key.as_mut());
        let text = Zeroizing::new(betwixt_model::ids::encode_base32(key.as_ref()) + "\n");
        let mut file = files::create_new(key_file).map_err(failed)?;
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
        files::sync_parent(key_file).map_err(failed)?;
        let added = self.add_way(keys, &Secret::Random(Way::KeyFile, key), rng);
        if added.is_err() {
            // It opens nothing; the first failure is the one that counts.
            let _ = fs::remove_file(key_file);
        }
        added
    }

    /// Lets the system's keyring open the keys that are given.
    ///
    /// # Errors
    /// As [`Home::add_way`], and [`KeysError::Keyring`].
    #[cfg(feature = "keyring")]
    pub fn add_keyring(&self, keys: &DataKeys, rng: &mut impl CryptoRngCore) -> Result<String, KeysError> {
        let mut key = Zeroizing::new([0; 32]);
        rng.fill_bytes(key.as_mut());
        crate::keys::keyring::save(&self.keys_file().home.0, &key)?;
        self.change(|file| {
            // The keyring has one entry a home, so that an earlier one opens nothing any more.
            file.remove_all(Way::Keyring);
            file.add(keys, &Secret::Random(Way::Keyring, key.clone()), rng)
        })
    }

    /// Removes a way to open this home. What it wrapped is gone from the file, though not from copies of it: after a leak
    /// new keys are needed (see [`Home::rekey`]).
    ///
    /// # Errors
    /// [`KeysError::LastWrap`] when nothing else opens everything.
    pub fn remove_way(&self, id: &str) -> Result<(), KeysError> {
        let keyring = self.ways().iter().any(|way| way.id == id && way.way == Way::Keyring);
        self.change(|file| file.remove(id))?;
        #[cfg(feature = "keyring")]
        if keyring {
            crate::keys::keyring::forget(&self.keys_file().home.0)?;
        }
        let _ = keyring;
        Ok(())
    }

    /// Puts a way to open everything in the place of all others of its kind: a new passphrase, a new recovery code. What
    /// the others wrapped is gone from the file in the same step, though not from copies of it.
    ///
    /// # Errors
    /// [`KeysError::MineNeeded`] when only the shared key is given. After any error the keys file is as it was.
    pub fn replace_way(
        &self,
        keys: &DataKeys,
        secret: &Secret<'_>,
        rng: &mut impl CryptoRngCore,
    ) -> Result<String, KeysError> {
        self.change(|file| file.replace(keys, secret, rng))
    }

    /// Puts a new recovery code in the place of the one before. Show it once.
    ///
    /// # Errors
    /// As [`Home::replace_way`].
    pub fn renew_recovery_code(
        &self,
        keys: &DataKeys,
        rng: &mut impl CryptoRngCore,
    ) -> Result<RecoveryCode, KeysError> {
        let code = RecoveryCode::random(rng);
        self.replace_way(keys, &Secret::Recovery(&code), rng)?;
        Ok(code)
    }
}
