//! The present: facts that stand at the peer, to be shown here while documents come.
//!
//! Which facts those are is the peer's caller to say, and what they are worth is for this side's caller to find out: every
//! one is signed. They never touch a document, so whatever they are, documents come to be the same as if nobody had asked.

use std::time::Instant;

use super::documents::parts;
use super::exchange::Exchange;
use super::{Output, Phase, ProtocolViolation, Session};
use crate::wire::{Frame, PRESENT_SINCE, PresentFact, StreamKey, caps, decode_present, encode_present};

/// Both directions of a session's present.
#[derive(Debug, Default)]
pub(super) struct Present {
    incoming: Incoming,
    outgoing: Outgoing,
}

/// The peer's present.
#[derive(Debug, Default)]
enum Incoming {
    #[default]
    NotAsked,
    /// Asked for; what of it has come.
    Awaited(Vec<u8>),
    Come,
}

/// This side's present.
#[derive(Debug, Default, PartialEq, Eq)]
enum Outgoing {
    #[default]
    NotAsked,
    /// The caller was asked for it.
    Reading,
    Sent,
}

impl Session {
    /// Answers [`Output::ReadPresent`]: the facts of the session's scope that stand now, and no others (PrivateStaysHome), all of
    /// them on disk (DurableBeforeTold). More than the caps allow (see [`encode_present`]) are sent as none. Harmless at
    /// other times.
    pub fn handle_present_read(&mut self, now: Instant, facts: Vec<PresentFact>) {
        if self.phase == Phase::Closed || self.present.outgoing != Outgoing::Reading {
            return;
        }
        self.present.outgoing = Outgoing::Sent;
        let Some(packed) = encode_present(&facts).or_else(|| encode_present(&[])) else { return };
        for frame in parts(&packed, |last, bytes| Frame::Present { last, bytes }) {
            self.send(StreamKey::Present, &frame);
        }
        self.progressed(now);
    }

    /// Both sides know what differs: where anything does, a side that wants the present asks for it.
    pub(super) fn ask_present(&mut self) {
        let differs = self.exchanges.values().any(Exchange::differed);
        if self.config.wants_present && self.version >= PRESENT_SINCE && differs {
            self.present.incoming = Incoming::Awaited(Vec::new());
            self.send(StreamKey::Control, &Frame::AskPresent);
        }
    }

    /// How many bytes have come of a present that was asked for and has not come whole; `None` where none is awaited.
    pub fn awaited_present(&self) -> Option<usize> {
        match &self.present.incoming {
            Incoming::Awaited(bytes) if self.phase != Phase::Closed => Some(bytes.len()),
            _ => None,
        }
    }

    pub(super) fn receive_ask_present(&mut self) -> Result<(), ProtocolViolation> {
        if self.version < PRESENT_SINCE || self.present.outgoing != Outgoing::NotAsked {
            return Err(ProtocolViolation::OutOfOrder("AskPresent"));
        }
        self.present.outgoing = Outgoing::Reading;
        self.outputs.push_back(Output::ReadPresent);
        Ok(())
    }

    /// A part of the peer's present. It was asked for only where the version has it.
    pub(super) fn receive_present(&mut self, last: bool, part: &[u8]) -> Result<(), ProtocolViolation> {
        let Incoming::Awaited(bytes) = &mut self.present.incoming else {
            return Err(ProtocolViolation::OutOfOrder("Present"));
        };
        // As of documents: a peer does not speak for ever without saying anything.
        if part.is_empty() && !last {
            return Err(ProtocolViolation::OutOfOrder("part"));
        }
        if bytes.len() + part.len() > caps::PRESENT {
            return Err(ProtocolViolation::PresentTooLong);
        }
        self.waiting_bytes += part.len();
        if self.waiting_bytes > caps::WAITING_BYTES {
            return Err(ProtocolViolation::TooMuchAhead);
        }
        bytes.extend_from_slice(part);
        if last {
            let packed = std::mem::take(bytes);
            self.present.incoming = Incoming::Come;
            self.waiting_bytes = self.waiting_bytes.saturating_sub(packed.len());
            let facts = decode_present(&packed).map_err(ProtocolViolation::BadPresent)?;
            self.outputs.push_back(Output::Present(facts));
        }
        Ok(())
    }
}
