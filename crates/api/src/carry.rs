//! Carrying by hand: what another device lacks, as a file for it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The media type of a file that is carried.
pub const CARRIED: &str = "application/octet-stream";

/// Which file is wanted for a device: `GET /v1/carry/{device}`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CarryRequest {
    /// Everything, whatever the device is known to have.
    pub everything: bool,
    /// Nothing private, even for a device of one's own.
    pub shared_only: bool,
}

/// Takes in a file that another device wrote for this one: `POST /v1/carry`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CarryImport {
    /// Its absolute path.
    pub path: String,
}

/// What a file brought that was not here: the answer of `POST /v1/carry`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CarryReport {
    /// The id of the device that wrote it.
    pub device: String,
    /// What that device is called.
    pub name: String,
    /// What was said, by each who said something; nobody, when all of it was here.
    #[serde(default)]
    pub came: Vec<CarriedBy>,
    /// Whether it told something new about which devices belong to the household.
    #[serde(default)]
    pub devices_changed: bool,
    /// Documents of which nothing was taken, because what the file has of them builds on something that is not here. A new file,
    /// with everything, brings it.
    #[serde(default)]
    pub missing: Vec<String>,
    /// Documents of which nothing was taken, because they were begun anew here. What the file has of them comes once its
    /// writer has the new ones, by meeting or by a file from here.
    #[serde(default)]
    pub superseded: Vec<String>,
    /// How many keys and facts in it have no meaning; they count for nothing.
    #[serde(default)]
    pub meaningless: u64,
}

/// How much came that one person said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CarriedBy {
    /// The id of the partner.
    pub by: String,
    /// Whether it is oneself, on another device.
    pub own: bool,
    /// How many things they said.
    pub things: u64,
    /// How many of these are private.
    #[serde(default)]
    pub private: u64,
}
