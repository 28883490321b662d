//! Who this device is.

use std::fmt;

use betwixt_model::ids::{DeviceId, EpochId, PartnerId};
use betwixt_sync::keys::DeviceKeys;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// The name of the setting that holds a [`StoredIdentity`], under the shared key.
pub(super) const IDENTITY: &str = "identity";

/// The name of the setting that holds the private space's id, under the key of `mine`.
pub(super) const PRIVATE_SPACE: &str = "private space";

/// What is stored of an [`Identity`].
#[derive(Serialize, Deserialize)]
pub(super) struct StoredIdentity {
    pub(super) keys: Zeroizing<Vec<u8>>,
    pub(super) partner: PartnerId,
    pub(super) name: String,
    pub(super) device_name: String,
}

/// This device's keys, whom it speaks for, and the epoch of its store.
pub struct Identity {
    pub(super) keys: DeviceKeys,
    pub(super) partner: PartnerId,
    pub(super) epoch: EpochId,
    pub(super) name: String,
    pub(super) device_name: String,
}

impl Identity {
    /// The keys.
    pub fn keys(&self) -> &DeviceKeys {
        &self.keys
    }

    /// This device.
    pub fn device(&self) -> DeviceId {
        self.keys.device()
    }

    /// Whom it speaks for.
    pub fn partner(&self) -> PartnerId {
        self.partner
    }

    /// The epoch of the store, which names this device's Automerge actors.
    pub fn epoch(&self) -> EpochId {
        self.epoch
    }

    /// What the person is called, until a member's name is said in a document.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the device is called.
    pub fn device_name(&self) -> &str {
        &self.device_name
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Identity").field("device", &self.device()).finish_non_exhaustive()
    }
}
