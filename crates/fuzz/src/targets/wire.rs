//! The frames of a session, and the present that some of them bring.

use betwixt_model::fact::{Fact, MAX_TEXT, SignedFact};
use betwixt_sync::wire::{Frame, VERSIONS, caps, decode_present, encode_present};

use crate::reached::here;
use crate::repair;

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

/// A present as it came, and as what it would be deflated from: its caps, its one order, and facts that are verified one by one.
pub(super) fn presents(bytes: &[u8]) {
    let deflated = repair::deflated(bytes);
    for packed in [bytes, deflated.as_slice()] {
        let Ok(facts) = decode_present(packed) else { continue };
        here("a present");
        assert!(facts.len() <= caps::PRESENT_FACTS);
        assert!(facts.is_sorted_by(|left, right| left.text < right.text), "one order");
        assert!(facts.iter().all(|fact| fact.text.len() <= MAX_TEXT));
        let again = encode_present(&facts).expect("what a short input unpacks to fits");
        assert_eq!(decode_present(&again).as_ref(), Ok(&facts));
        for fact in &facts {
            if Fact::parse(&fact.text).is_ok_and(|parsed| SignedFact::verify(parsed, &fact.signature).is_ok()) {
                here("signed");
            }
        }
    }
}
