//! What changed: ids and kinds, never content (`GET /v1/events`, server-sent events).

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::item::Collection;

/// Something changed, durably (DurableBeforeTold).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Notice {
    /// Its name on the stream, which means something to the daemon only. A reader that was away hands back the last one that
    /// it knows (`Last-Event-ID`, or `?after=`) and gets what it missed, or [`NoticeKind::Resync`].
    pub id: String,
    /// What kind of thing changed.
    pub kind: NoticeKind,
    /// The item.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<String>,
    /// The collection that the item belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collection: Option<Collection>,
    /// The item's field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// The device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// The document, such as `ours/2026`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<String>,
    /// Part of a snapshot.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<SnapshotItem>,
}

impl Notice {
    /// A notice of this kind, about nothing in particular.
    pub fn new(kind: NoticeKind) -> Self {
        Self {
            id: String::new(),
            kind,
            item: None,
            collection: None,
            field: None,
            device: None,
            document: None,
            items: Vec::new(),
        }
    }
}

/// An item that was there when the stream began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SnapshotItem {
    /// Which.
    pub id: String,
    /// Where it belongs.
    pub collection: Collection,
    /// The fields of it that wait to be settled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub differs: Vec<String>,
}

/// What kind of thing changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NoticeKind {
    /// Something was said about an item, here or elsewhere.
    Item,
    /// A field waits to be settled now.
    Differs,
    /// A field no longer waits to be settled.
    Settled,
    /// Something was said about a difference itself: it rests, or is seen differently.
    Settling,
    /// Something was said about a new chapter.
    Chapter,
    /// A device was met.
    Met,
    /// A device is gone.
    Parted,
    /// A document is the same here and on the device now.
    Synced,
    /// Everything is the same here and on the device now.
    InStep,
    /// The household has other devices now.
    Devices,
    /// Pairing went on.
    Pairing,
    /// The private part was locked.
    Locked,
    /// The private part was unlocked.
    Unlocked,
    /// The home pauses.
    Paused,
    /// A pause has ended.
    Resumed,
    /// Part of what was there when the stream began; only when it was asked for (`?snapshot=true`).
    Snapshot,
    /// The snapshot is whole.
    Ready,
    /// Notices were left out: read everything again.
    Resync,
    /// A kind that a newer daemon knows.
    #[serde(other)]
    Unknown,
}

impl NoticeKind {
    /// Its name on the stream (`event:`).
    pub const fn name(self) -> &'static str {
        match self {
            Self::Item => "item",
            Self::Differs => "differs",
            Self::Settled => "settled",
            Self::Settling => "settling",
            Self::Chapter => "chapter",
            Self::Met => "met",
            Self::Parted => "parted",
            Self::Synced => "synced",
            Self::InStep => "in_step",
            Self::Devices => "devices",
            Self::Pairing => "pairing",
            Self::Locked => "locked",
            Self::Unlocked => "unlocked",
            Self::Paused => "paused",
            Self::Resumed => "resumed",
            Self::Snapshot => "snapshot",
            Self::Ready => "ready",
            Self::Resync => "resync",
            Self::Unknown => "unknown",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_tells_ids_and_kinds_and_a_newer_kind_is_no_error() {
        let notice = Notice { id: "a-1".into(), item: Some("x".into()), ..Notice::new(NoticeKind::InStep) };
        let text = serde_json::to_string(&notice).expect("writes");
        insta::assert_snapshot!(text, @r#"{"id":"a-1","kind":"in_step","item":"x"}"#);
        assert_eq!(serde_json::from_str::<Notice>(&text).expect("reads"), notice);
        let newer: Notice = serde_json::from_str(r#"{"id":"a-2","kind":"sang","tune":1}"#).expect("reads");
        assert_eq!(newer.kind, NoticeKind::Unknown);
    }
}
