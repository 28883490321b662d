//! What a person is told when a peer cannot be spoken with. A closed set of sentences, without anything that a peer chose:
//! however often and however variously it misbehaves, `status` stays short (HostileInputIsAnError).

use betwixt_sync::session::{CloseReason, ProtocolViolation};

use crate::engine::Trouble;

/// What is said of something that the engine noticed.
pub(crate) fn of_trouble(trouble: Trouble) -> &'static str {
    match trouble {
        Trouble::RunsTwice => "A device of the household seems to run twice: its home was copied or restored.",
        Trouble::PeerNewer => "The other device speaks a newer protocol: update Betwixt on this device.",
        Trouble::PeerOlder => "The other device speaks an older protocol: update Betwixt on the other device.",
        Trouble::UnreadableDocument => "A document cannot be read: run `betwixt verify`.",
        Trouble::PrivateApart => {
            "Your private pages here and on another device of yours began apart from each other: one of the two was brought back \
             without them. They stay apart; what you share goes on. To have one place for them, export them on one of the two, and \
             leave there."
        }
    }
}

/// What is said of a session's end; `None` when it is nobody's fault, or said already.
pub(crate) fn of_end(reason: &CloseReason) -> Option<String> {
    match reason {
        CloseReason::Violation(violation) => {
            let what = what(violation)?;
            Some(format!("A device of the household sent {what}. {HUNG_UP}"))
        }
        CloseReason::TooLarge(what) => Some(format!(
            "This device has more to say than fits: {what} passes what Betwixt can carry. Nothing is lost, and nothing goes \
             to the other device until that changes."
        )),
        CloseReason::ByPeer(_)
        | CloseReason::Here(_)
        | CloseReason::Stalled
        | CloseReason::StorageFailed
        | CloseReason::NotAMember => None,
    }
}

/// What is said of a connection on which frames were cut short or too long.
pub(crate) fn of_broken_frames() -> String {
    format!("A device of the household sent {NO_MESSAGE}. {HUNG_UP}")
}

/// What is said of facts that count for nothing.
pub(crate) const MEANINGLESS: &str = "A device of the household brought entries that count for nothing: nobody who may speak \
    here has signed them. They are kept, and shown as nobody's word.";

const NO_MESSAGE: &str = "what is no message of Betwixt's";

const HUNG_UP: &str = "It was hung up on, and nothing of that was taken; all that you have is as it was. Update Betwixt on both \
    devices; if it goes on, that device is damaged or has been tampered with.";

fn what(violation: &ProtocolViolation) -> Option<&'static str> {
    Some(match violation {
        ProtocolViolation::Malformed(_) => NO_MESSAGE,
        ProtocolViolation::OutOfOrder(_) => "a message at the wrong time",
        ProtocolViolation::ForeignHousehold(_) => "the name of another household",
        // Said by their own troubles.
        ProtocolViolation::Version { .. } | ProtocolViolation::RepeatedCounter(_) => return None,
        ProtocolViolation::RosterTooLong
        | ProtocolViolation::TooManyDocuments
        | ProtocolViolation::TooManyAttachments
        | ProtocolViolation::TooMuchAhead
        | ProtocolViolation::PresentTooLong
        | ProtocolViolation::TooLong(_) => "more than is allowed",
        ProtocolViolation::SyncMessage { .. } | ProtocolViolation::BadPresent(_) => "a page that cannot be read",
        ProtocolViolation::TooManyParked(_) => "changes that build on others which never came",
        ProtocolViolation::Refused { .. } => "changes that its pages cannot have",
        ProtocolViolation::Inapplicable(_) => "changes that cannot be applied",
        ProtocolViolation::BadChunk => "a piece of a file that is not what it should be",
    })
}
