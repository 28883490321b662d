//! One client's connection: its handshake, what it sent and was not looked at yet, and the documents that it has open.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use betwixt_model::document::DocumentId;

use super::exchange::Exchange;
use super::message::Peers;
use crate::http::Sees;

/// How long a client may take to say who it is.
pub(super) const JOIN_WITHIN: Duration = Duration::from_secs(10);

/// The most bytes that wait to be looked at, while something is on its way to the disk.
pub(super) const MAX_WAITING_BYTES: usize = 8 * 1024 * 1024;

/// The most messages that do.
pub(super) const MAX_WAITING: usize = 64;

/// The most documents that one client has open.
pub(super) const MAX_DOCUMENTS: usize = 64;

/// A connection's number, never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SocketId(pub(crate) u64);

/// Who has a connection, and what they may do.
#[derive(Debug, Clone)]
pub(crate) struct Guest {
    /// The frontend.
    pub(crate) name: String,
    /// What it is shown.
    pub(crate) sees: Sees,
    /// Whether it may say something.
    pub(crate) writes: bool,
}

/// Why a connection is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Close {
    /// What came is no message.
    Malformed(&'static str),
    /// What came is a message, and not allowed.
    Violation(&'static str),
    /// More than is taken.
    TooMuch(&'static str),
    /// The documents are others now, or there are none: the client is to come again.
    Again(&'static str),
    /// There is no room.
    Full(&'static str),
}

impl Close {
    /// The status code of the closing frame (RFC 6455), and the words in it.
    pub(crate) fn code_and_words(self) -> (u16, &'static str) {
        match self {
            Self::Malformed(words) => (1007, words),
            Self::Violation(words) => (1008, words),
            Self::TooMuch(words) => (1009, words),
            Self::Again(words) => (1012, words),
            Self::Full(words) => (1013, words),
        }
    }
}

/// A sync message that is not looked at yet.
#[derive(Debug)]
pub(super) struct Waiting {
    /// The document's name, as the client has it.
    pub(super) document: String,
    pub(super) data: Vec<u8>,
}

#[derive(Debug)]
pub(super) struct Socket {
    pub(super) guest: Guest,
    /// What the daemon is called here.
    pub(super) ours: String,
    /// Once the client has said who it is.
    pub(super) peers: Option<Peers>,
    /// By when it has to.
    pub(super) join_by: Instant,
    /// Everything that was handed to the connection has left.
    pub(super) drained: bool,
    /// Whether it was told that there is no such document.
    pub(super) missed: bool,
    waiting: VecDeque<Waiting>,
    bytes: usize,
    /// By document, with what the client calls it.
    pub(super) exchanges: BTreeMap<DocumentId, (String, Exchange)>,
}

impl Socket {
    pub(super) fn new(guest: Guest, ours: String, now: Instant) -> Self {
        Self {
            guest,
            ours,
            peers: None,
            join_by: now + JOIN_WITHIN,
            drained: true,
            missed: false,
            waiting: VecDeque::new(),
            bytes: 0,
            exchanges: BTreeMap::new(),
        }
    }

    /// Keeps a message for when documents may be spoken of.
    pub(super) fn keep(&mut self, waiting: Waiting) -> Result<(), Close> {
        self.bytes += waiting.data.len();
        self.waiting.push_back(waiting);
        if self.bytes > MAX_WAITING_BYTES || self.waiting.len() > MAX_WAITING {
            return Err(Close::TooMuch("more than can be looked at"));
        }
        Ok(())
    }

    pub(super) fn next(&mut self) -> Option<Waiting> {
        let next = self.waiting.pop_front();
        self.bytes -= next.as_ref().map_or(0, |waiting| waiting.data.len());
        next
    }

    /// Whether it could be told something about a document.
    pub(super) fn wants_to_be_told(&self) -> bool {
        self.drained && self.peers.is_some()
    }
}
