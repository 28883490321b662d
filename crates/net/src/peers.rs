//! The devices that may connect, and the knocks by which they are recognised before anything is answered.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use betwixt_model::ids::DeviceId;
use betwixt_sync::keys::{KNOCK, KnockMemory, PairKey, verify_knock};
use rand_chacha::ChaCha20Rng;
use rand_core::{OsRng, SeedableRng as _};

/// Shared by the sockets' filters, the accepting loops, the dials and discovery; what is set holds at once everywhere.
#[derive(Debug, Default)]
pub(crate) struct Peers {
    table: RwLock<Arc<BTreeMap<DeviceId, PairKey>>>,
    used: Mutex<KnockMemory>,
}

impl Peers {
    /// These and no others, from now on.
    pub(crate) fn set(&self, keys: Vec<PairKey>) {
        let table = keys.into_iter().map(|key| (key.peer(), key)).collect();
        *self.table.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(table);
    }

    pub(crate) fn table(&self) -> Arc<BTreeMap<DeviceId, PairKey>> {
        self.table.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Which devices with which keys, to tell whether anything changed: a knock with a nonce that is always the same.
    /// These never leave this process.
    pub(crate) fn marks(&self) -> Vec<(DeviceId, [u8; KNOCK])> {
        let mark = |key: &PairKey| key.knock(&mut ChaCha20Rng::from_seed([0; 32]));
        self.table().iter().map(|(device, key)| (*device, mark(key))).collect()
    }

    pub(crate) fn contains(&self, device: &DeviceId) -> bool {
        self.table().contains_key(device)
    }

    /// Who made this initial connection id. Says nothing about it having been used before.
    pub(crate) fn knocker(&self, connection_id: &[u8]) -> Option<DeviceId> {
        verify_knock(connection_id, self.table().values())
    }

    /// Knocks that were answered before this process began, oldest first.
    pub(crate) fn remember(&self, knocks: &[[u8; KNOCK]]) {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        for knock in knocks {
            used.is_fresh(knock);
        }
    }

    /// Like [`Peers::knocker`], once for each knock: a recorded one brings no answer.
    pub(crate) fn admit(&self, connection_id: &[u8]) -> Option<DeviceId> {
        let device = self.knocker(connection_id)?;
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.is_fresh(connection_id).then_some(device)
    }

    /// A fresh knock at this device's door.
    pub(crate) fn knock_at(&self, device: &DeviceId) -> Option<[u8; KNOCK]> {
        self.table().get(device).map(|key| key.knock(&mut OsRng))
    }
}
