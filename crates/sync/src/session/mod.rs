//! One connection between two members' devices, from the Hellos until it is lost: rosters are exchanged, one digest says
//! whether anything differs, what differs is brought into step document by document, and from then on changes flow as
//! they are committed.
//!
//! A session has no clock, no sockets and no documents: it is given frames, times and documents, and says what to send and
//! what to store. It does not decide who is a member, and it does not judge changes; the gate does
//! ([`betwixt_model::gate`]), which the caller asks before it applies anything.
//!
//! # How to drive it
//!
//! After every call that takes `now`, call [`Session::poll_output`] until it answers `None`, then arm one timer for
//! [`Session::poll_timeout`]. Dropping the session is always allowed and loses nothing: whatever was not stored comes again
//! with the next connection.
//!
//! - **Inputs from the network**: [`Session::handle_frame`], in the order in which each stream brings them.
//! - **Inputs from the clock**: [`Session::handle_timeout`].
//! - **Inputs from the daemon**: [`Session::handle_local_change`], [`Session::handle_roster_settled`],
//!   [`Session::handle_roster_changed`], [`Session::close`].
//! - **Answers to outputs**: [`Session::generate`] to [`Output::Generate`]; one of [`Session::handle_persisted`],
//!   [`Session::handle_persist_failed`] and [`Session::handle_refused`] to [`Output::Persist`].
//!
//! # DurableBeforeTold
//!
//! A document that is handed to [`Session::generate`] or [`Session::handle_persisted`] must be on disk entirely, with
//! every change that it holds: the session tells the peer of all of them. The caller commits first.

mod config;
mod counters;
mod output;
mod violation;

use std::time::Instant;

use betwixt_model::document::Document;
use betwixt_model::gate::GateError;

use crate::wire::{GoodbyeReason, IncomingStream, SharedDocumentId};

pub use config::{Role, RosterOffer, SessionConfig, SharedDocument};
pub use counters::CounterWindow;
pub use output::{CloseReason, Event, Output, PersistId};
pub use violation::ProtocolViolation;

/// The state machine of one connection. See the [module](self) on how to drive it.
#[derive(Debug)]
pub struct Session {
    outputs: std::collections::VecDeque<Output>,
}

impl Session {
    /// Begins a session over a connection that was just made: its first output is this side's Hello.
    pub fn new(now: Instant, config: SessionConfig) -> Self {
        let _ = (now, config);
        Self { outputs: std::collections::VecDeque::new() }
    }

    /// A frame of the peer's came, whole, on one of its streams.
    ///
    /// # Errors
    /// [`ProtocolViolation`] when the peer broke the protocol. The session is closed then, as its outputs say, too.
    pub fn handle_frame(
        &mut self,
        now: Instant,
        stream: IncomingStream,
        frame: &[u8],
    ) -> Result<(), ProtocolViolation> {
        let _ = (now, stream, frame);
        Ok(())
    }

    /// Answers [`Output::Roster`]: the roster was merged and stored; `member` says whether the peer belongs to it.
    pub fn handle_roster_settled(&mut self, now: Instant, member: bool) {
        let _ = (now, member);
    }

    /// This device's roster has changed, by its own doing or another peer's, and is on disk: the peer is told.
    pub fn handle_roster_changed(&mut self, now: Instant, roster: RosterOffer) {
        let _ = (now, roster);
    }

    /// A shared document has changed, or is new, by this device's doing or another peer's, and is on disk.
    pub fn handle_local_change(&mut self, now: Instant, document: SharedDocumentId) {
        let _ = (now, document);
    }

    /// Answers [`Output::Generate`]: says to the peer what there is to be said about a document. Harmless at other times.
    ///
    /// The document must be on disk entirely (DurableBeforeTold).
    pub fn generate(&mut self, now: Instant, document: &Document) {
        let _ = (now, document);
    }

    /// Answers [`Output::Persist`]: what the gate admitted is applied and on disk. An id that was answered before is
    /// ignored.
    ///
    /// The document must be on disk entirely (DurableBeforeTold). It is not changed by this: Automerge's sync protocol
    /// asks for the reference.
    pub fn handle_persisted(&mut self, now: Instant, id: PersistId, document: &mut Document) {
        let _ = (now, id, document);
    }

    /// Answers [`Output::Persist`]: the changes could not be stored, for a reason that is not theirs. The session ends;
    /// the peer has them still, and the next session brings them again.
    pub fn handle_persist_failed(&mut self, now: Instant, id: PersistId) {
        let _ = (now, id);
    }

    /// Answers [`Output::Persist`]: the gate refused the changes, and nothing was applied. The session ends.
    pub fn handle_refused(&mut self, now: Instant, id: PersistId, reason: &GateError) {
        let _ = (now, id, reason);
    }

    /// Answers [`Output::Persist`]: Automerge refused the changes or panicked over them, and the document was loaded again.
    /// The session ends.
    pub fn handle_apply_failed(&mut self, now: Instant, id: PersistId) {
        let _ = (now, id);
    }

    /// The time of [`Session::poll_timeout`] has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        let _ = now;
    }

    /// Ends the session and tells the peer why.
    pub fn close(&mut self, now: Instant, reason: GoodbyeReason) {
        let _ = (now, reason);
    }

    /// What is to be done next; `None` when nothing is, until the next input.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to call [`Session::handle_timeout`] if nothing else happens before.
    pub fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    /// Whether the peer's Hello was accepted.
    pub fn is_met(&self) -> bool {
        false
    }

    /// Whether all shared documents are the same on both sides, as far as this side knows.
    pub fn is_in_step(&self) -> bool {
        false
    }
}
