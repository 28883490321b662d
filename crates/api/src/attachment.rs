//! Attachments: photos and files beside what is said.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::item::{Item, Scope};

/// The most bytes of a file.
pub const MAX_ATTACHMENT: u64 = 100 * 1024 * 1024;

/// A file to be added: the query of `POST /v1/files`, whose body is the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewAttachment {
    /// Who may see it; by default whoever sees the item that it belongs to, and otherwise both partners once paired.
    pub scope: Option<Scope>,
    /// What it is called: one line.
    pub title: Option<String>,
    /// The item that it belongs to, by its id or the unique beginning of it, or `vision`.
    pub of: Option<String>,
    /// Whether the place at which it was taken is kept.
    pub keep_location: bool,
}

/// What became of the place at which a photo was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Location {
    /// It named none.
    None,
    /// It named one, which was left out.
    LeftOut,
    /// It was added as it is, because that was asked for.
    Kept,
    /// It is none of the kinds of files in which Betwixt looks for a place, and was added as it is.
    NotLookedFor,
}

/// A file was added, and is on the disk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AddedAttachment {
    /// The attachment.
    pub attachment: Item,
    /// What became of the place at which it was taken.
    pub location: Location,
}

/// Whether a device has a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum CopyState {
    /// All of it.
    Whole,
    /// It comes just now.
    Coming,
    /// It lacks it.
    Missing,
    /// It has not told this device what it has.
    Unknown,
}

/// Which devices have a file: `GET /v1/attachments/{id}/copies`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Copies {
    /// How many bytes are in it.
    pub bytes: u64,
    /// Its media type, as whoever added it said it.
    pub media: String,
    /// The devices that ought to have it, this one first.
    pub devices: Vec<DeviceCopy>,
}

/// Whether one device has a file, as far as this one knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeviceCopy {
    /// The device's id.
    pub device: String,
    /// What it is called.
    pub name: String,
    /// Whether it is this device.
    #[serde(default)]
    pub this: bool,
    /// Whether it is the reader's own.
    #[serde(default)]
    pub own: bool,
    /// Whether it has the file.
    pub state: CopyState,
    /// How many bytes of it are there, for a file that comes to this device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
}
