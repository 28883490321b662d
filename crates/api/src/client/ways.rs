//! The ways to open the home.

use super::{Client, ClientError};
use crate::ways::{
    ChangePassphrase, Left, NewKeyFile, PassphraseChanged, Proof, RecoveryCode, RecoveryCodeTested, RemoveWay, Way,
};

impl Client {
    /// Changes the passphrase. After a leak it takes as long as encrypting everything anew does.
    pub async fn change_passphrase(&self, request: &ChangePassphrase) -> Result<PassphraseChanged, ClientError> {
        self.put("/v1/passphrase", request).await
    }

    /// The ways to open the home.
    pub async fn ways(&self) -> Result<Vec<Way>, ClientError> {
        self.list("/v1/ways").await
    }

    /// Makes a new recovery code in the place of the one before.
    pub async fn new_recovery_code(&self, proof: &Proof) -> Result<RecoveryCode, ClientError> {
        self.post("/v1/ways/recovery-code", proof).await
    }

    /// Whether a recovery code opens the home. Changes nothing.
    pub async fn test_recovery_code(&self, code: &RecoveryCode) -> Result<RecoveryCodeTested, ClientError> {
        self.post("/v1/ways/recovery-code/test", code).await
    }

    /// Makes a file that opens the home.
    pub async fn add_key_file(&self, new: &NewKeyFile) -> Result<Way, ClientError> {
        self.post("/v1/ways/key-files", new).await
    }

    /// Leaves: destroys the keys and takes the home away. The daemon ends, and other devices are told nothing.
    pub async fn leave(&self, proof: &Proof) -> Result<Left, ClientError> {
        self.post("/v1/leave", proof).await
    }

    /// Removes a way to open the home.
    pub async fn remove_way(&self, request: &RemoveWay) -> Result<Vec<Way>, ClientError> {
        Ok(self.post::<_, crate::Page<Way>>("/v1/ways/remove", request).await?.items)
    }
}
