//! Who counts: which device speaks for which partner, and how much of what it said is accepted.
//!
//! The roster's signed statements decide this elsewhere (`betwixt_sync::roster`); here it is a plain value, so that the
//! fold depends on nothing but facts and this.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ids::{DeviceId, FactId, PartnerId};

/// How much of what a device said counts. Facts that do not are *void*.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Accepted {
    /// The device is a member.
    Everything,
    /// The device was removed: this fact and what it builds on by `previous` counts, everything else is void whatever its date.
    UpTo(FactId),
    /// The device was removed before anything it said was accepted.
    Nothing,
}

/// A device's place in one scope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Whom it speaks for.
    pub partner: PartnerId,
    /// What counts of what it said.
    pub accepted: Accepted,
}

/// Every device that ever was a member of a scope.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    devices: BTreeMap<DeviceId, Standing>,
}

impl Membership {
    /// Enters or changes a device.
    pub fn set(&mut self, device: DeviceId, standing: Standing) {
        self.devices.insert(device, standing);
    }

    /// A device's standing; `None` for one that never was a member.
    pub fn standing(&self, device: &DeviceId) -> Option<&Standing> {
        self.devices.get(device)
    }

    /// Every device, by id.
    pub fn devices(&self) -> impl Iterator<Item = (&DeviceId, &Standing)> {
        self.devices.iter()
    }
}
