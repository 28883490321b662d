//! Private documents, between the devices of one partner (PrivateStaysHome): sessions of their own beside the shared one, one
//! after the other, while the private part is open here.
//!
//! Whoever dialled begins them and numbers them, once the peer has answered in the shared session and the roster says that it
//! is a device of the same partner. The other side takes part in the one with the greatest number that it has heard of, as soon
//! as the private part is open there. So there is no doubt which two ends belong together: a frame of another number is of
//! a session that is over. When the private part is locked on either side the session ends, and the connection goes on.

use std::ops::Deref;
use std::time::Instant;

use betwixt_model::document::Scope;
use betwixt_net::CloseCode;
use betwixt_sync::dialer::ConnectionId;
use betwixt_sync::roster::OwnDevice;
use betwixt_sync::session::{self, CounterWindow, Role, RosterOffer, Session, SessionConfig, SessionScope};
use betwixt_sync::wire::{Frame, GoodbyeReason, IncomingStream, Lane, OutgoingStream, StreamKey};

use super::meeting::{receive, spoken_of, wants_present};
use super::talk::Conversation;
use super::{Engine, Output};
use crate::replica::{Replica, StageError};

/// The most frames that are held for a private session that has not begun here. Before both have begun, a peer sends one.
const EARLY_FRAMES: usize = 4;

/// The number under which a device says that its private part is locked. No session has it.
const LOCKED: u32 = 0;

impl<W, A> Engine<W, A> {
    /// Begins and ends private sessions, as the private part was unlocked or locked.
    pub(super) fn look_at_private(&mut self, replica: &Replica, now: Instant) {
        let open = replica.space(Scope::Mine).is_some();
        let (mut begin, mut end, mut tell) = (Vec::new(), Vec::new(), Vec::new());
        for (connection, talk) in &mut self.talks {
            let own = replica.roster().own_device(&talk.peer).filter(|_| talk.is_met() && !talk.private.is_apart);
            let dialled = talk.role() == Role::Dialling;
            let private = &mut talk.private;
            private.wanted = own.is_some() && open;
            let is_due = dialled || !private.conversation.early.is_empty();
            match (own, private.conversation.session.is_some()) {
                (Some(own), false) if open && is_due => begin.push((*connection, own)),
                (Some(_), false) if !open && dialled && !std::mem::replace(&mut private.told_locked, true) => {
                    tell.push(*connection);
                }
                (_, true) if !private.wanted => end.push(*connection),
                _ => {}
            }
        }
        for connection in end {
            self.end_private(connection, now);
        }
        for connection in tell {
            self.tell_locked(connection);
        }
        if !open {
            // They are under the key that is gone, and cost bytes only.
            self.lazy.sync_states.retain(|(_, document), _| document.scope == Scope::Ours);
            self.lazy.attachments.retain(|(_, scope), _| *scope == Scope::Ours);
        }
        for (connection, own) in begin {
            if let Err(error) = self.begin_private(replica, connection, own, now) {
                tracing::error!(%error, "the private documents cannot be read");
                // Not tried again on this connection: it would be at once, and for ever.
                self.end(connection, GoodbyeReason::Storage, CloseCode::Done, now);
            }
        }
    }

    fn begin_private(
        &mut self,
        replica: &Replica,
        connection: ConnectionId,
        own: OwnDevice,
        now: Instant,
    ) -> Result<(), StageError> {
        let Some(space) = replica.space(Scope::Mine) else { return Ok(()) };
        let attachments = self.offered(Scope::Mine);
        let Some(talk) = self.talks.get_mut(&connection) else { return Ok(()) };
        let view = replica.read()?;
        let documents = spoken_of(replica, &view.reader(), &talk.peer, Scope::Mine)?;
        let role = talk.role();
        let private = &mut talk.private;
        private.told_locked = false;
        if role == Role::Dialling {
            private.number = private.number.saturating_add(1);
        }
        let config = SessionConfig {
            role,
            scope: SessionScope::Mine(own),
            household: space,
            versions: self.versions,
            changes_cut: self.changes_cut,
            // Whether the other home is a copy, the shared session has found out.
            counter: u64::from(private.number),
            peer_counters: CounterWindow::default(),
            roster: RosterOffer::default(),
            documents,
            attachments,
            wants_present: wants_present(replica, Scope::Mine),
        };
        let early = std::mem::take(&mut private.conversation.early);
        private.conversation = Conversation { session: Some(Session::new(now, config)), ..Conversation::default() };
        if let Some(session) = &mut private.conversation.session {
            for (stream, frame) in early {
                if let Ok((_, frame)) = Lane::of(&frame) {
                    receive(session, replica, now, stream, frame);
                }
            }
        }
        Ok(())
    }

    /// Ends the private session of a connection, which goes on.
    fn end_private(&mut self, connection: ConnectionId, now: Instant) {
        let Some(talk) = self.talks.get_mut(&connection) else { return };
        let lane = Lane::Private(talk.private.number);
        let ended = std::mem::take(&mut talk.private.conversation);
        let Some(mut session) = ended.session else { return };
        session.close(now, GoodbyeReason::Down);
        while let Some(output) = session.poll_output() {
            if let session::Output::Send { stream, frame } = output {
                self.send(connection, lane, stream, frame);
            }
        }
    }

    /// A frame of a private session, from a device of the same partner.
    pub(super) fn handle_private(
        &mut self,
        replica: &Replica,
        now: Instant,
        connection: ConnectionId,
        (stream, number): (IncomingStream, u32),
        frame: impl Deref<Target = [u8]> + Send + 'static,
    ) {
        let Some(talk) = self.talks.get_mut(&connection) else { return };
        let dialled = talk.role() == Role::Dialling;
        let private = &mut talk.private;
        if number == LOCKED {
            private.is_locked_there = true;
            return;
        }
        if number > private.number && !dialled {
            // Whoever dialled has begun anew.
            private.number = number;
            private.conversation = Conversation::default();
        } else if number != private.number || !private.is_on() {
            return;
        }
        private.is_locked_there = false;
        match &mut private.conversation.session {
            Some(session) => {
                if let Ok((_, frame)) = Lane::of(&frame) {
                    receive(session, replica, now, stream, frame);
                }
            }
            None if private.conversation.early.len() < EARLY_FRAMES => {
                private.conversation.early.push((stream, Box::new(frame)));
                if !private.wanted {
                    self.tell_locked(connection);
                }
            }
            None => {}
        }
    }

    fn tell_locked(&mut self, connection: ConnectionId) {
        let frame = Frame::Goodbye(GoodbyeReason::Down).encode();
        self.send(connection, Lane::Private(LOCKED), StreamKey::Control, frame);
    }

    /// Sends a session's frame.
    pub(super) fn send(&mut self, connection: ConnectionId, lane: Lane, key: StreamKey, frame: Vec<u8>) {
        let (stream, frame) = (OutgoingStream { lane, key }, lane.mark(frame));
        self.outputs.push_back(Output::Send { connection, stream, frame });
    }
}
