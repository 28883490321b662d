//! A connection with a peer, and the session on it.

use std::ops::Deref;
use std::time::Instant;

use betwixt_model::ids::DeviceId;
use betwixt_sync::dialer::Direction;
use betwixt_sync::session::{PersistId, Session};
use betwixt_sync::wire::{IncomingStream, SharedDocumentId};

/// A frame that is held until its session begins, with whatever its budget hangs on.
pub(super) type HeldFrame = Box<dyn Deref<Target = [u8]> + Send>;

/// A connection with a peer.
pub struct Talk {
    pub(super) peer: DeviceId,
    pub(super) direction: Direction,
    /// `None` until its counter is on disk.
    pub(super) session: Option<Session>,
    /// Frames that came before the session began; whoever hands them in bounds how much they hold.
    pub(super) early: Vec<(IncomingStream, HeldFrame)>,
    /// Documents that the session wants to say something on, once no stage is open.
    pub(super) generate: Vec<SharedDocumentId>,
    /// Persists without changes, to be answered once no stage is open.
    pub(super) settled: Vec<(PersistId, SharedDocumentId)>,
    /// Whether the peer ever answered.
    pub(super) was_met: bool,
    pub(super) closed: bool,
}

impl Talk {
    pub(super) fn new(peer: DeviceId, direction: Direction) -> Self {
        let (early, generate, settled) = (Vec::new(), Vec::new(), Vec::new());
        Self { peer, direction, session: None, early, generate, settled, was_met: false, closed: false }
    }

    /// The device at the other end.
    pub fn peer(&self) -> DeviceId {
        self.peer
    }

    /// Whether the peer answered.
    pub fn is_met(&self) -> bool {
        self.session.as_ref().is_some_and(Session::is_met) && !self.closed
    }

    /// Whether, as far as this side knows, everything is the same on both.
    pub fn is_in_step(&self) -> bool {
        self.is_met() && self.session.as_ref().is_some_and(Session::is_in_step)
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.session.as_ref().and_then(Session::poll_timeout)
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if let Some(session) = &mut self.session
            && session.poll_timeout().is_some_and(|at| at <= now)
        {
            session.handle_timeout(now);
        }
    }

    pub(super) fn wants_documents(&self) -> bool {
        !self.generate.is_empty() || !self.settled.is_empty()
    }
}
