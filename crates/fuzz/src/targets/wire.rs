//! The frames of a session, and codes as people type them.

use betwixt_sync::wire::{Frame, VERSIONS, caps};

use crate::reached::here;

/// A frame has one spelling, names itself without what is in it, and takes no more than its bytes.
pub(super) fn frames(bytes: &[u8]) {
    let Ok(frame) = Frame::decode(bytes) else { return };
    here("a frame");
    assert!(bytes.len() <= caps::FRAME);
    assert_eq!(format!("{frame:?}"), frame.name());
    let again = frame.encode();
    match &frame {
        // It may say more, to its like.
        Frame::Hello(hello) if hello.versions.newest > VERSIONS.newest => {
            here("a newer hello");
            assert!(bytes.starts_with(&again));
        }
        _ => assert_eq!(again, bytes, "{frame:?}"),
    }
    assert_eq!(Frame::decode(&again).as_ref(), Ok(&frame));
}
