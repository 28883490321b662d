//! Devices, where they are, and meeting them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A device of the household: `GET /v1/devices`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Device {
    /// Its id.
    pub id: String,
    /// What it is called.
    pub name: String,
    /// The name of the partner whose it is.
    pub partner: String,
    /// Whether it is one's own.
    pub own: bool,
    /// Whether it is this one.
    pub this: bool,
    /// Whether a session is open.
    pub connected: bool,
    /// Days since it was last met; 0 is today, `None` never.
    pub last_met_days: Option<u32>,
    /// Whether it was removed: it holds what it had, and gets nothing more.
    #[serde(default)]
    pub removed: bool,
}

/// Says what a device of one's own is called: `PUT /v1/devices/{device}/name`. The device is named by its id, the beginning
/// of it, or what it is called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RenameDevice {
    /// 1 to 64 characters.
    pub name: String,
}

/// An address that devices of the household may be at: `GET /v1/addresses`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
pub struct Address {
    /// `host:port`.
    pub address: String,
    /// Whether it was set by hand; otherwise it is remembered from meeting there.
    pub by_hand: bool,
    /// The device that was met there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
}

/// Adds or removes an address: `POST /v1/addresses`, `DELETE /v1/addresses/{address}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AddressRequest {
    /// `host:port`.
    pub address: String,
}

/// That this network is taken for a home for a while: the answer of `POST /v1/here`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Here {
    /// For how many minutes.
    pub minutes: u32,
}

/// What came of trying to meet everybody now: the answer of `POST /v1/sync`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SyncReport {
    /// Every other device.
    pub peers: Vec<SyncedPeer>,
}

/// One device, tried now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SyncedPeer {
    /// Its id.
    pub device: String,
    /// What it is called.
    pub name: String,
    /// Whether it was reached.
    pub reached: bool,
    /// Whether both have the same now.
    pub in_step: bool,
    /// Why not, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}
