//! What changed: ids and kinds, never content (`GET /v1/events`, server-sent events).

use serde::{Deserialize, Serialize};

/// Something changed, durably (DurableBeforeTold).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// Counts up by one. A reader that was away hands back the last one it knows (`?after=`); when that is too long ago,
    /// or a number is missing, it gets [`NoticeKind::Resync`].
    pub id: u64,
    /// What kind of thing changed.
    pub kind: NoticeKind,
    /// The item.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<String>,
    /// The item's field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
}

/// What kind of thing changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoticeKind {
    /// Something was said about an item, here or elsewhere.
    Item,
    /// A device came, went, or is in step.
    Peer,
    /// Pairing went on.
    Pairing,
    /// The home was locked or unlocked.
    Home,
    /// Notices were left out: read everything again.
    Resync,
}
