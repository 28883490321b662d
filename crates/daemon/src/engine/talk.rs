//! A connection with a peer, and the sessions on it.

use std::net::SocketAddr;
use std::ops::Deref;
use std::time::Instant;

use betwixt_model::ids::DeviceId;
use betwixt_sync::dialer::Direction;
use betwixt_sync::session::{PersistId, Role, Session};
use betwixt_sync::wire::{DocumentName, IncomingStream, Lane};

use super::present::PresentWanted;

/// A frame that is held until its session begins, with whatever its budget hangs on.
pub(super) type HeldFrame = Box<dyn Deref<Target = [u8]> + Send>;

/// One session, and what it waits for.
#[derive(Default)]
pub(super) struct Conversation {
    /// `None` until it begins.
    pub(super) session: Option<Session>,
    /// Frames that came before; whoever hands them in bounds how much they hold.
    pub(super) early: Vec<(IncomingStream, HeldFrame)>,
    /// Documents that the session wants to say something on, once no stage is open.
    pub(super) generate: Vec<DocumentName>,
    /// Persists without changes, to be answered once no stage is open.
    pub(super) settled: Vec<(PersistId, DocumentName)>,
    /// What it wants of the present.
    pub(super) present: PresentWanted,
}

impl Conversation {
    fn wants_documents(&self) -> bool {
        !self.generate.is_empty() || !self.settled.is_empty()
    }

    fn is_in_step(&self) -> bool {
        self.session.as_ref().is_some_and(Session::is_in_step)
    }

    fn timeout(&self) -> Option<Instant> {
        self.session.as_ref().and_then(Session::poll_timeout)
    }
}

/// What is said of private documents, with another device of the same partner.
#[derive(Default)]
pub(super) struct PrivateTalk {
    /// Whether the peer is such a device and the private part is open here.
    pub(super) wanted: bool,
    /// The number of the session that goes on, or of the last one; 0 before the first.
    pub(super) number: u32,
    /// Whether the peer was told that the private part is locked here.
    pub(super) told_locked: bool,
    /// Whether the peer said last that its private part is locked.
    pub(super) is_locked_there: bool,
    /// Whether the peer's private documents are in another space: there is nothing to be said of them on this connection.
    pub(super) is_apart: bool,
    pub(super) conversation: Conversation,
}

impl PrivateTalk {
    /// Whether the session of the number goes on, or begins once the private part is unlocked here. One that ended does not.
    pub(super) fn is_on(&self) -> bool {
        self.conversation.session.is_some() || !self.conversation.early.is_empty()
    }
}

/// A connection with a peer.
pub struct Talk {
    pub(super) peer: DeviceId,
    pub(super) direction: Direction,
    /// Where the peer was when the connection was made.
    pub(super) remote: SocketAddr,
    /// Over what is shared. Begins when its counter is on disk.
    pub(super) shared: Conversation,
    pub(super) private: PrivateTalk,
    /// Whether the peer ever answered.
    pub(super) was_met: bool,
    pub(super) closed: bool,
}

impl Talk {
    pub(super) fn new(peer: DeviceId, direction: Direction, remote: SocketAddr) -> Self {
        let (shared, private) = (Conversation::default(), PrivateTalk::default());
        Self { peer, direction, remote, shared, private, was_met: false, closed: false }
    }

    /// The device at the other end.
    pub fn peer(&self) -> DeviceId {
        self.peer
    }

    /// Which side of the connection this is.
    pub(super) fn role(&self) -> Role {
        if self.direction == Direction::Incoming { Role::Accepting } else { Role::Dialling }
    }

    /// Whether the peer answered.
    pub fn is_met(&self) -> bool {
        self.shared.session.as_ref().is_some_and(Session::is_met) && !self.closed
    }

    /// Whether, as far as this side knows, everything is the same on both: what is shared; and between devices of one
    /// partner what is private, unless it is locked on either.
    pub fn is_in_step(&self) -> bool {
        let private = !self.private.wanted || self.private.is_locked_there || self.is_private_in_step();
        self.is_met() && self.shared.is_in_step() && private
    }

    /// Whether a session over private documents has brought them into step.
    pub(super) fn is_private_in_step(&self) -> bool {
        self.private.wanted && self.private.conversation.is_in_step()
    }

    /// The session that goes on under this name; `None` when it is over, or has not begun.
    pub(super) fn conversation(&mut self, lane: Lane) -> Option<&mut Conversation> {
        match lane {
            Lane::Shared => Some(&mut self.shared),
            Lane::Private(number) => (number == self.private.number).then_some(&mut self.private.conversation),
        }
    }

    /// The same, once it has begun.
    pub(super) fn session(&mut self, lane: Lane) -> Option<&mut Session> {
        self.conversation(lane)?.session.as_mut()
    }

    /// The names of both sessions.
    pub(super) fn lanes(&self) -> [Lane; 2] {
        [Lane::Shared, Lane::Private(self.private.number)]
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.shared.timeout().into_iter().chain(self.private.conversation.timeout()).min()
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        for lane in self.lanes() {
            if let Some(session) = self.session(lane)
                && session.poll_timeout().is_some_and(|at| at <= now)
            {
                session.handle_timeout(now);
            }
        }
    }

    pub(super) fn wants_documents(&self) -> bool {
        self.shared.wants_documents() || self.private.conversation.wants_documents()
    }
}
