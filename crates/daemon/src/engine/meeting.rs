//! Meeting: connections, a session each, and the dialler that decides which of them there are.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::Deref;
use std::time::Instant;

use betwixt_model::document::Scope;
use betwixt_model::ids::DeviceId;
use betwixt_net::CloseCode;
use betwixt_store::{MetAddress, Reader, StoreError};
use betwixt_sync::dialer::{self, AttemptId, ConnectionId, Direction, Source};
use betwixt_sync::session::{
    self, CloseReason, CounterWindow, Event, ProtocolViolation, Session, SessionConfig, SessionScope, SharedDocument,
};
use betwixt_sync::wire::{DocumentName, GoodbyeReason, IncomingStream, Lane};

use super::talk::Conversation;
use super::writes::Arrive;
use super::{Engine, LAZY, Output, PeerChange, Talk, Trouble, Write};
use crate::replica::{Replica, StageError};

/// The name of the setting that holds the counters that a peer told.
pub(super) fn counters_setting(peer: &DeviceId) -> String {
    format!("counters of {peer}")
}

/// The devices of the household that this one may connect with.
pub fn peers(replica: &Replica) -> Vec<DeviceId> {
    let (own, roster) = (replica.identity().device(), replica.roster());
    let others = roster.devices().map(|(device, _)| *device).filter(|device| *device != own);
    others.filter(|device| roster.may_connect(device)).collect()
}

impl<W, A> Engine<W, A> {
    /// A connection to a peer at `remote` was made: its session begins once its counter is on disk.
    pub fn handle_connected(
        &mut self,
        connection: ConnectionId,
        peer: DeviceId,
        direction: Direction,
        remote: SocketAddr,
    ) {
        self.talks.insert(connection, Talk::new(peer, direction, remote));
        self.queue.push_back(Write::BeginSession(connection));
    }

    /// A frame came.
    pub fn handle_frame(
        &mut self,
        replica: &Replica,
        now: Instant,
        connection: ConnectionId,
        stream: IncomingStream,
        frame: impl Deref<Target = [u8]> + Send + 'static,
    ) {
        let Some(talk) = self.talks.get_mut(&connection).filter(|talk| !talk.closed) else { return };
        // From a partner's device such a frame is none: the shared session says so.
        if let Ok((Lane::Private(number), _)) = Lane::of(&frame)
            && replica.roster().own_device(&talk.peer).is_some()
        {
            return self.handle_private(replica, now, connection, (stream, number), frame);
        }
        match &mut talk.shared.session {
            Some(session) => receive(session, replica, now, stream, &frame),
            None => talk.shared.early.push((stream, Box::new(frame))),
        }
    }

    /// The session that goes on under this name on a connection.
    pub(super) fn session(&mut self, connection: ConnectionId, lane: Lane) -> Option<&mut Session> {
        self.talks.get_mut(&connection)?.session(lane)
    }

    /// A connection is gone.
    pub fn handle_lost(&mut self, connection: ConnectionId, now: Instant) {
        let lost = self.talks.remove(&connection).filter(|talk| talk.was_met);
        if let Some(peer) = lost.map(|talk| talk.peer)
            && !self.talks.values().any(|talk| talk.peer == peer && talk.is_met())
        {
            self.outputs.push_back(Output::Peer { peer, change: PeerChange::Parted });
        }
        self.dialer.handle_lost(connection, now);
    }

    /// Nobody answered.
    pub fn handle_dial_failed(&mut self, attempt: AttemptId, now: Instant) {
        self.dialer.handle_dial_failed(attempt, now);
    }

    /// Lets the dialler know whom the roster names and where they may be. Called by whoever stages statements of the roster
    /// as a write of their own, and when the home is opened.
    ///
    /// # Errors
    /// [`StoreError`] when what is remembered of peers cannot be read.
    pub fn roster_changed(&mut self, replica: &Replica, now: Instant) -> Result<(), StoreError> {
        self.dialer.set_peers(peers(replica), now);
        self.addresses_changed(replica, now)?;
        for talk in self.talks.values_mut() {
            if let (Some(session), Some(roster)) = (&mut talk.shared.session, replica.roster().offer(&talk.peer)) {
                session.handle_roster_changed(now, roster);
            }
        }
        self.outputs.push_back(Output::RosterChanged);
        Ok(())
    }

    /// Lets the dialler know every address that is remembered of the networks where this device is, or was set by hand.
    ///
    /// # Errors
    /// [`StoreError`] when they cannot be read.
    pub fn addresses_changed(&mut self, replica: &Replica, now: Instant) -> Result<(), StoreError> {
        let records = replica.read()?.reader().peers()?;
        for peer in peers(replica) {
            let Some(record) = records.get(&peer).cloned() else { continue };
            let here = self.remembered_here(&record).map(|address| (address, Source::Remembered));
            let by_hand = record.by_hand.iter().map(|address| (*address, Source::ByHand));
            for (address, source) in by_hand.chain(here).collect::<Vec<_>>() {
                // An address that is no longer taken is left out; the others are tried.
                let _ = self.dialer.handle_candidate(peer, address, source, true, now);
            }
        }
        Ok(())
    }

    /// Ends a connection, saying why.
    pub fn end(&mut self, connection: ConnectionId, reason: GoodbyeReason, code: CloseCode, now: Instant) {
        if let Some(talk) = self.talks.get_mut(&connection) {
            talk.closed = true;
            if let Some(session) = talk.shared.session.as_mut() {
                session.close(now, reason);
            }
            while let Some(output) = self.session(connection, Lane::Shared).and_then(Session::poll_output) {
                if let session::Output::Send { stream, frame } = output {
                    self.send(connection, Lane::Shared, stream, frame);
                }
            }
        }
        self.outputs.push_back(Output::Close { connection, code });
    }

    /// Ends every connection: going down, pausing.
    pub fn end_all(&mut self, now: Instant) {
        for connection in self.talks.keys().copied().collect::<Vec<_>>() {
            self.end(connection, GoodbyeReason::Down, CloseCode::Done, now);
        }
    }

    /// A session begins: its counter is on disk.
    pub(super) fn begin_session(
        &mut self,
        replica: &Replica,
        connection: ConnectionId,
        counter: u64,
        now: Instant,
    ) -> Result<(), StageError> {
        let attachments = self.offered(Scope::Ours);
        let Some(talk) = self.talks.get_mut(&connection).filter(|talk| !talk.closed) else { return Ok(()) };
        let (peer, role) = (talk.peer, talk.role());
        let own = replica.roster().own_device(&peer).map(|own| own.circle());
        let household = own.or(replica.space(Scope::Ours));
        let (Some(household), Some(roster)) = (household, replica.roster().offer(&peer)) else {
            talk.closed = true;
            self.outputs.push_back(Output::Close { connection, code: CloseCode::Refused });
            return Ok(());
        };
        let view = replica.read()?;
        let reader = view.reader();
        let documents = spoken_of(replica, &reader, &peer, Scope::Ours)?;
        let stored: Option<[u8; 16]> = reader.setting(Scope::Ours, &counters_setting(&peer))?;
        let config = SessionConfig {
            role,
            scope: SessionScope::Ours,
            household,
            versions: self.versions,
            changes_cut: self.changes_cut,
            counter,
            peer_counters: stored.map(CounterWindow::from_bytes).unwrap_or_default(),
            roster,
            documents,
            attachments,
            wants_present: wants_present(replica, Scope::Ours),
        };
        let session = talk.shared.session.insert(Session::new(now, config));
        for (stream, frame) in std::mem::take(&mut talk.shared.early) {
            receive(session, replica, now, stream, &frame);
        }
        Ok(())
    }

    /// Does what sessions and the dialler want done, as far as it needs no document.
    pub(super) fn poll_meeting(&mut self, now: Instant) {
        let connections: Vec<ConnectionId> = self.talks.keys().copied().collect();
        for connection in connections {
            let lanes = self.talks.get(&connection).map(Talk::lanes);
            for lane in lanes.into_iter().flatten() {
                while let Some(output) = self.session(connection, lane).and_then(Session::poll_output) {
                    self.carry_out(connection, lane, output, now);
                }
            }
        }
        while let Some(output) = self.dialer.poll_output() {
            match output {
                dialer::Output::Dial { attempt, peer, address } => {
                    self.outputs.push_back(Output::Dial { attempt, peer, address });
                }
                dialer::Output::Cancel(attempt) => self.outputs.push_back(Output::Cancel(attempt)),
                dialer::Output::Close(connection) => {
                    self.end(connection, GoodbyeReason::Replaced, CloseCode::Replaced, now);
                }
                dialer::Output::Remember { peer, address } => {
                    let network = self.network_of(&address).map(|network| *network.as_bytes());
                    self.lazy.addresses.push((peer, MetAddress { network, address }));
                    self.lazy_at.get_or_insert(now + LAZY);
                }
                dialer::Output::Verify { peer, address } => self.outputs.push_back(Output::Verify { peer, address }),
                dialer::Output::Use { .. } => {}
            }
        }
    }

    fn carry_out(&mut self, connection: ConnectionId, lane: Lane, output: session::Output, now: Instant) {
        let Some(talk) = self.talks.get_mut(&connection) else { return };
        let (peer, direction, remote) = (talk.peer, talk.direction, talk.remote);
        let Some(conversation) = talk.conversation(lane) else { return };
        let scope = match lane {
            Lane::Shared => Scope::Ours,
            Lane::Private(_) => Scope::Mine,
        };
        match output {
            session::Output::Send { stream, frame } => self.send(connection, lane, stream, frame),
            session::Output::Roster { statements } => self.queue.push_back(Write::Roster(connection, statements)),
            session::Output::Generate(document) => conversation.generate.push(document),
            session::Output::Persist { id, document, changes } if changes.is_empty() => {
                conversation.settled.push((id, document));
            }
            session::Output::Persist { id, document, changes } => {
                let document = document.within(scope);
                let (from, persist, later) = (peer, id, Vec::new());
                let reading = self.read_ahead(document, &changes);
                let arrive = Arrive { connection, lane, from, persist, document, changes, later, reading };
                self.queue.push_back(Write::Arrive(arrive));
            }
            session::Output::SyncState { document, state } => {
                self.lazy.sync_states.insert((peer, document.within(scope)), state);
                self.lazy_at.get_or_insert(now + LAZY);
            }
            session::Output::ReadChunk { id, chunk } => self.hand_out_chunk((connection, lane), id, chunk, None),
            session::Output::StoreChunk { id, chunk, bytes } => {
                self.hand_out_chunk((connection, lane), id, chunk, Some(bytes));
            }
            session::Output::ReadPresent => conversation.present.asked = true,
            session::Output::Present(facts) => conversation.present.came = Some(facts),
            session::Output::FetchEnded { id, end } => self.fetch_ended(connection, lane, id, end),
            session::Output::Event(Event::PeerAttachments) => self.peer_has(connection, peer, lane, now),
            // The peer is the same, and was met.
            session::Output::Event(Event::Met { .. }) if scope == Scope::Mine => {}
            session::Output::Event(Event::Met { counter, .. }) => {
                talk.was_met = true;
                self.lazy.counters.push((peer, counter));
                self.lazy_at.get_or_insert(now + LAZY);
                self.dialer.handle_connected(peer, connection, direction, remote, now);
                self.outputs.push_back(Output::Peer { peer, change: PeerChange::Met });
            }
            session::Output::Event(Event::InStep) => {
                self.in_step.push((peer, scope));
                self.outputs.push_back(Output::Peer { peer, change: PeerChange::InStep });
            }
            session::Output::Event(Event::Synced { document }) => {
                self.outputs.push_back(Output::Peer { peer, change: PeerChange::Synced(document.within(scope)) });
            }
            session::Output::Event(Event::PeerNewerProtocol { .. }) => {
                self.outputs.push_back(Output::Trouble(Trouble::PeerNewer));
            }
            session::Output::Event(Event::PeerOlderProtocol { .. }) => {
                self.outputs.push_back(Output::Trouble(Trouble::PeerOlder));
            }
            // The private part was locked there. The next session begins at once, and waits.
            session::Output::Close(CloseReason::ByPeer(GoodbyeReason::Down)) if scope == Scope::Mine => {
                talk.private.is_locked_there = true;
                talk.private.conversation = Conversation::default();
            }
            // A device that came back without its private pages began a space anew. That is no fault of either, and what is
            // shared goes on.
            session::Output::Close(
                CloseReason::Violation(ProtocolViolation::ForeignHousehold(_))
                | CloseReason::ByPeer(GoodbyeReason::Violation),
            ) if scope == Scope::Mine => {
                talk.private.is_apart = true;
                talk.private.conversation = Conversation::default();
                self.outputs.push_back(Output::Trouble(Trouble::PrivateApart));
            }
            session::Output::Close(reason) => {
                talk.closed = true;
                if matches!(
                    reason,
                    CloseReason::Violation(ProtocolViolation::RepeatedCounter(_))
                        | CloseReason::ByPeer(GoodbyeReason::RepeatedCounter)
                ) {
                    self.outputs.push_back(Output::Trouble(Trouble::RunsTwice));
                }
                let code = match reason {
                    CloseReason::Violation(_) => CloseCode::Violation,
                    CloseReason::NotAMember => CloseCode::Refused,
                    _ => CloseCode::Done,
                };
                self.outputs.push_back(Output::Ended { peer, reason });
                self.outputs.push_back(Output::Close { connection, code });
            }
        }
    }

    /// Says what sessions want to say on documents. Only while no stage is open: documents are durable then
    /// (DurableBeforeTold).
    pub(super) fn generate(&mut self, replica: &mut Replica, now: Instant) -> Result<(), StageError> {
        let mut unreadable = Vec::new();
        let conversations = self.talks.values_mut().flat_map(|talk| [&mut talk.shared, &mut talk.private.conversation]);
        for Conversation { session, generate, settled, .. } in conversations {
            let Some(session) = session.as_mut() else { continue };
            let scope = session.scope();
            for (persist, document) in std::mem::take(settled) {
                match replica.durable_document(document.within(scope)) {
                    Ok(Some(document)) => session.handle_persisted(now, persist, document),
                    Ok(None) => {}
                    Err(error) => unreadable.push(error),
                }
            }
            for document in std::mem::take(generate) {
                match replica.durable_document(document.within(scope)) {
                    Ok(Some(document)) => session.generate(now, document),
                    Ok(None) => {}
                    Err(error) => unreadable.push(error),
                }
            }
        }
        unreadable.into_iter().try_for_each(|error| self.carry_on(error))
    }

    /// Whether a session waits for [`Engine::generate`].
    pub(super) fn wants_documents(&self) -> bool {
        self.talks.values().any(Talk::wants_documents)
    }
}

/// Whether a session is to ask for the present of its scope. What cannot be read is no reason not to meet.
pub(super) fn wants_present(replica: &Replica, scope: Scope) -> bool {
    replica.wants_present(scope).unwrap_or_else(|error| {
        tracing::error!(%error, "the index cannot be read");
        false
    })
}

/// A scope's documents as a session with a peer begins with them.
pub(super) fn spoken_of(
    replica: &Replica,
    reader: &Reader<'_>,
    peer: &DeviceId,
    scope: Scope,
) -> Result<BTreeMap<DocumentName, SharedDocument>, StageError> {
    let mut documents = BTreeMap::new();
    for (id, heads) in replica.newest_heads(scope)? {
        let sync_state = reader.sync_state(peer, id)?.unwrap_or_default();
        documents.insert(DocumentName::of(id), SharedDocument { heads, sync_state });
    }
    Ok(documents)
}

/// What is wrong with a frame comes out of the session as `Close`, too.
pub(super) fn receive(session: &mut Session, replica: &Replica, now: Instant, stream: IncomingStream, frame: &[u8]) {
    if let Err(error) = session.handle_frame(now, stream, frame) {
        tracing::warn!(%error, "a peer broke the protocol");
        if let Err(error) = replica.store().keep_frame(frame) {
            tracing::warn!(%error, "the frame could not be kept aside");
        }
    }
}
