//! Meeting: connections, a session each, and the dialler that decides which of them there are.

use std::collections::BTreeMap;
use std::time::Instant;

use betwixt_api::NoticeKind;
use betwixt_model::document::Scope;
use betwixt_model::ids::DeviceId;
use betwixt_net::{CloseCode, Frame, NetEvent};
use betwixt_sync::dialer::{self, ConnectionId, Direction};
use betwixt_sync::session::{CloseReason, CounterWindow, Event, Output, Role, Session, SessionConfig, SharedDocument};
use betwixt_sync::wire::{GoodbyeReason, IncomingStream, SharedDocumentId, VERSIONS};

use crate::open::Open;
use crate::replica::StageError;
use crate::writes::Write;

/// How late what may be lost is written.
const LAZY: std::time::Duration = std::time::Duration::from_millis(500);

/// A connection with a peer.
pub(crate) struct Talk {
    pub(crate) peer: DeviceId,
    direction: Direction,
    /// `None` until its counter is on disk.
    session: Option<Session>,
    /// Frames that came before the session began; net bounds how much they hold.
    early: Vec<(IncomingStream, Frame)>,
    /// Documents that the session wants to say something on, once no stage is open.
    generate: Vec<SharedDocumentId>,
    /// Persists without changes, to be answered once no stage is open.
    settled: Vec<(betwixt_sync::session::PersistId, SharedDocumentId)>,
    pub(crate) in_step: bool,
    closed: bool,
}

impl Talk {
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.session.as_ref().and_then(Session::poll_timeout)
    }

    /// The session, for what follows a commit.
    pub(crate) fn session(&mut self) -> Option<&mut Session> {
        self.session.as_mut()
    }

    /// Whether the peer answered.
    pub(crate) fn is_met(&self) -> bool {
        self.session.as_ref().is_some_and(Session::is_met) && !self.closed
    }
}

pub(crate) fn counters_setting(peer: &DeviceId) -> String {
    format!("counters of {peer}")
}

impl Open {
    /// Something happened on the network.
    pub(crate) fn handle_net(&mut self, event: NetEvent, now: Instant) {
        match event {
            NetEvent::Connected { connection, peer, direction, .. } => {
                if self.paused {
                    self.net.close(connection, CloseCode::Done);
                    return;
                }
                let talk = Talk {
                    peer,
                    direction,
                    session: None,
                    early: Vec::new(),
                    generate: Vec::new(),
                    settled: Vec::new(),
                    in_step: false,
                    closed: false,
                };
                self.talks.insert(connection, talk);
                self.writes.queue.push_back(Write::BeginSession(connection));
            }
            NetEvent::Frame { connection, stream, frame } => {
                let Some(talk) = self.talks.get_mut(&connection).filter(|talk| !talk.closed) else { return };
                match &mut talk.session {
                    // What is wrong with a frame comes out of the session as `Close`, too.
                    Some(session) => {
                        if let Err(error) = session.handle_frame(now, stream, &frame) {
                            tracing::warn!(%error, "a peer broke the protocol");
                            if let Err(error) = self.house.store.keep_frame(&frame) {
                                tracing::warn!(%error, "the frame could not be kept aside");
                            }
                        }
                    }
                    None => talk.early.push((stream, frame)),
                }
            }
            NetEvent::Lost { connection, reason } => {
                tracing::info!(%reason, "a connection ended");
                if self.talks.remove(&connection).is_some() {
                    self.notices.tell(NoticeKind::Peer, None, None);
                }
                self.dialer.handle_lost(connection, now);
            }
            NetEvent::DialFailed { attempt, error } => {
                tracing::debug!(%error, "a dial failed");
                self.dialer.handle_dial_failed(attempt, now);
            }
            NetEvent::Candidate { peer, addresses, .. } => self.dialer.handle_advert(peer, &addresses, now),
            NetEvent::NetworkChanged { .. } => {
                self.dialer.handle_network_changed(now);
                self.set_discovery(now);
            }
            NetEvent::Pairing { connection, event } => self.handle_pairing_net(connection, event, now),
            NetEvent::PairingFound { addresses } => self.handle_pairing_found(addresses, now),
            NetEvent::StreamClosed { .. } | NetEvent::Drained { .. } => {}
            NetEvent::Discovery(state) => tracing::info!(?state, "discovery"),
        }
    }

    /// A session begins: its counter is on disk.
    pub(crate) fn begin_session(
        &mut self,
        connection: ConnectionId,
        counter: u64,
        now: Instant,
    ) -> Result<(), StageError> {
        let Some(talk) = self.talks.get(&connection) else { return Ok(()) };
        let (peer, direction) = (talk.peer, talk.direction);
        let replica = &self.house.replica;
        let (Some(household), Some(roster)) = (replica.space(Scope::Ours), replica.roster().offer(&peer)) else {
            self.net.close(connection, CloseCode::Refused);
            return Ok(());
        };
        let view = replica.read()?;
        let reader = view.reader();
        let mut documents = BTreeMap::new();
        for (id, heads) in replica.shared_heads()? {
            let Ok(shared) = SharedDocumentId::try_from(id) else { continue };
            let sync_state = reader.sync_state(&peer, id)?.unwrap_or_default();
            documents.insert(shared, SharedDocument { heads, sync_state });
        }
        let stored: Option<[u8; 16]> = reader.setting(Scope::Ours, &counters_setting(&peer))?;
        let config = SessionConfig {
            role: if direction == Direction::Incoming { Role::Accepting } else { Role::Dialling },
            household,
            versions: VERSIONS,
            counter,
            peer_counters: stored.map(CounterWindow::from_bytes).unwrap_or_default(),
            roster,
            documents,
        };
        drop(view);
        let Some(talk) = self.talks.get_mut(&connection) else { return Ok(()) };
        let session = talk.session.insert(Session::new(now, config));
        for (stream, frame) in std::mem::take(&mut talk.early) {
            if let Err(error) = session.handle_frame(now, stream, &frame) {
                tracing::warn!(%error, "a peer broke the protocol");
                break;
            }
        }
        Ok(())
    }

    /// Does what sessions and the dialler want done, as far as it needs no document.
    pub(crate) fn poll_meeting(&mut self, now: Instant) {
        let connections: Vec<ConnectionId> = self.talks.keys().copied().collect();
        for connection in connections {
            while let Some(output) =
                self.talks.get_mut(&connection).and_then(|talk| talk.session.as_mut()?.poll_output())
            {
                self.carry_out(connection, output, now);
            }
        }
        while let Some(output) = self.dialer.poll_output() {
            match output {
                dialer::Output::Dial { attempt, peer, address } => self.net.dial(attempt, peer, address),
                dialer::Output::Cancel(attempt) => self.net.cancel(attempt),
                dialer::Output::Close(connection) => {
                    self.end(connection, GoodbyeReason::Replaced, CloseCode::Replaced, now)
                }
                dialer::Output::Remember { peer, address } => {
                    self.writes.lazy.addresses.push((peer, address));
                    self.lazy_at.get_or_insert(now + LAZY);
                }
                dialer::Output::Verify { peer, address } => self.net.verify(peer, address),
                dialer::Output::Use { .. } => self.notices.tell(NoticeKind::Peer, None, None),
            }
        }
    }

    fn carry_out(&mut self, connection: ConnectionId, output: Output, now: Instant) {
        let Some(talk) = self.talks.get_mut(&connection) else { return };
        match output {
            Output::Send { stream, frame } => {
                if let Err(error) = self.net.send(connection, stream, frame) {
                    tracing::info!(%error, "a frame could not be sent");
                }
            }
            Output::Roster { statements } => self.writes.queue.push_back(Write::Roster(connection, statements)),
            Output::Generate(document) => talk.generate.push(document),
            Output::Persist { id, document, changes } if changes.is_empty() => talk.settled.push((id, document)),
            Output::Persist { id, document, changes } => {
                talk.in_step = false;
                let from = talk.peer;
                self.writes.queue.push_back(Write::Arrive { connection, from, persist: id, document, changes });
            }
            Output::SyncState { document, state } => {
                self.writes.lazy.sync_states.insert((talk.peer, document.document()), state);
                self.lazy_at.get_or_insert(now + LAZY);
            }
            Output::Event(Event::Met { counter, .. }) => {
                let (peer, direction) = (talk.peer, talk.direction);
                self.writes.lazy.counters.push((peer, counter));
                self.lazy_at.get_or_insert(now + LAZY);
                self.dialer.handle_connected(peer, connection, direction, now);
                self.notices.tell(NoticeKind::Peer, None, None);
            }
            Output::Event(Event::InStep) => {
                talk.in_step = true;
                self.notices.tell(NoticeKind::Peer, None, None);
            }
            Output::Event(Event::Synced { .. }) => {}
            Output::Event(Event::PeerNewerProtocol { .. }) => {
                self.trouble("The other device speaks a newer protocol: update Betwixt on this device.");
            }
            Output::Event(Event::PeerOlderProtocol { .. }) => {
                self.trouble("The other device speaks an older protocol: update Betwixt on the other device.");
            }
            Output::Close(reason) => {
                tracing::info!(%reason, "a session ended");
                talk.closed = true;
                if matches!(
                    reason,
                    CloseReason::Here(GoodbyeReason::RepeatedCounter)
                        | CloseReason::ByPeer(GoodbyeReason::RepeatedCounter)
                ) {
                    self.trouble("A device of the household seems to run twice: its home was copied or restored.");
                }
                let code = match reason {
                    CloseReason::Violation(_) => CloseCode::Violation,
                    CloseReason::NotAMember => CloseCode::Refused,
                    _ => CloseCode::Done,
                };
                self.net.close(connection, code);
            }
        }
    }

    /// Says what sessions want to say on documents. Only while no stage is open: documents are durable then
    /// (DurableBeforeTold).
    pub(crate) fn generate(&mut self, now: Instant) -> Result<(), StageError> {
        for talk in self.talks.values_mut() {
            let Some(session) = talk.session.as_mut() else { continue };
            for (persist, document) in std::mem::take(&mut talk.settled) {
                if let Some(document) = self.house.replica.durable_document(document.document())? {
                    session.handle_persisted(now, persist, document);
                }
            }
            for document in std::mem::take(&mut talk.generate) {
                if let Some(document) = self.house.replica.durable_document(document.document())? {
                    session.generate(now, document);
                }
            }
        }
        Ok(())
    }

    /// Whether a session waits for [`Open::generate`].
    pub(crate) fn wants_documents(&self) -> bool {
        self.talks.values().any(|talk| !talk.generate.is_empty() || !talk.settled.is_empty())
    }

    /// Ends a connection, saying why.
    pub(crate) fn end(&mut self, connection: ConnectionId, reason: GoodbyeReason, code: CloseCode, now: Instant) {
        if let Some(talk) = self.talks.get_mut(&connection) {
            if let Some(session) = talk.session.as_mut() {
                session.close(now, reason);
                while let Some(output) = session.poll_output() {
                    if let Output::Send { stream, frame } = output {
                        // It is closing anyway.
                        let _ = self.net.send(connection, stream, frame);
                    }
                }
            }
            talk.closed = true;
            talk.in_step = false;
        }
        self.net.close(connection, code);
    }

    /// Ends every connection: going down, pausing.
    pub(crate) fn end_all(&mut self, now: Instant) {
        for connection in self.talks.keys().copied().collect::<Vec<_>>() {
            self.end(connection, GoodbyeReason::Down, CloseCode::Done, now);
        }
    }

    /// Something to be shown by `status`, once.
    pub(crate) fn trouble(&mut self, words: &str) {
        if !self.troubles.iter().any(|known| known == words) {
            self.troubles.push(words.to_owned());
        }
    }

    /// Times that have come.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        for talk in self.talks.values_mut() {
            if let Some(session) =
                talk.session.as_mut().filter(|session| session.poll_timeout().is_some_and(|at| at <= now))
            {
                session.handle_timeout(now);
            }
        }
        if self.dialer.poll_timeout().is_some_and(|at| at <= now) {
            self.dialer.handle_timeout(now);
        }
        if self.here_until.is_some_and(|until| until <= now) {
            self.set_discovery(now);
        }
        self.handle_pairing_timeout(now);
    }
}
