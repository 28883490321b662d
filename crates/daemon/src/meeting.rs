//! Meeting: the network's events go to the engine, and what the engine wants goes to the network.

use std::time::Instant;

use betwixt_api::{Notice, NoticeKind};
use betwixt_net::{CloseCode, LostReason, NetEvent};
use betwixt_sync::session::CloseReason;
use betwixt_sync::wire::GoodbyeReason;

use crate::engine::{Output, PeerChange};
use crate::open::Open;
use crate::words;
use crate::writes::Write;

impl Open {
    /// Something happened on the network.
    pub(crate) fn handle_net(&mut self, event: NetEvent, now: Instant) {
        match event {
            NetEvent::Connected { connection, peer, direction, remote } => {
                if self.paused {
                    self.net.close(connection, CloseCode::Done);
                } else {
                    self.engine.handle_connected(connection, peer, direction, remote);
                }
            }
            NetEvent::Frame { connection, stream, frame } => {
                self.engine.handle_frame(&self.house.replica, now, connection, stream, frame);
            }
            NetEvent::Lost { connection, reason } => {
                tracing::info!(%reason, "a connection ended");
                if reason == LostReason::Violation {
                    self.trouble(&words::of_broken_frames());
                }
                self.engine.handle_lost(connection, now);
            }
            NetEvent::DialFailed { attempt, error } => {
                tracing::debug!(%error, "a dial failed");
                self.engine.handle_dial_failed(attempt, now);
            }
            NetEvent::Candidate { peer, addresses, .. } => {
                self.heard.insert(peer);
                self.engine.handle_advert(peer, &addresses, now);
            }
            NetEvent::Withdrawn { peer } => {
                self.heard.remove(&peer);
            }
            NetEvent::PortDrawn { network, port } => self.engine.handle_port_drawn(network, port, now),
            NetEvent::Knocked { knock } => self.engine.handle_knocked(knock, now),
            NetEvent::NetworkChanged { networks, .. } => {
                if let Err(error) = self.engine.handle_network_changed(&self.house.replica, networks, now) {
                    tracing::warn!(%error, "the addresses remembered of this network cannot be read");
                }
                self.set_discovery(now);
            }
            NetEvent::Pairing { connection, event } => self.handle_pairing_net(connection, event, now),
            NetEvent::PairingFound { addresses } => self.handle_pairing_found(addresses, now),
            NetEvent::StreamClosed { .. } | NetEvent::Drained { .. } => {}
            NetEvent::Discovery(state) => {
                tracing::info!(?state, "discovery");
                self.discovering = state;
            }
        }
    }

    /// Carries out what the engine wants. Answers whether there was anything.
    pub(crate) fn carry_out(&mut self, now: Instant) -> bool {
        let mut any = false;
        while let Some(output) = self.engine.poll_output() {
            any = true;
            match output {
                Output::Dial { attempt, peer, address } => self.net.dial(attempt, peer, address),
                Output::Cancel(attempt) => self.net.cancel(attempt),
                Output::Verify { peer, address } => self.net.verify(peer, address),
                Output::Send { connection, stream, frame } => {
                    if let Err(error) = self.net.send(connection, stream, frame) {
                        tracing::info!(%error, "a frame could not be sent");
                    }
                }
                Output::Close { connection, code } => self.net.close(connection, code),
                Output::Ended { reason, .. } => {
                    tracing::info!(%reason, "a session ended");
                    if reason == CloseReason::ByPeer(GoodbyeReason::RepeatedCounter) && !self.epoch_renewed {
                        self.epoch_renewed = true;
                        self.engine.write(Write::NewEpoch);
                    }
                    if let Some(words) = words::of_end(&reason) {
                        self.trouble(&words);
                    }
                }
                Output::Peer { peer, change } => {
                    if change == PeerChange::Met {
                        self.hurry_shelving(now);
                    }
                    self.tell_peer(peer, change);
                }
                Output::Trouble(trouble) => self.trouble(words::of_trouble(trouble)),
                Output::Meaningless { keys, facts, .. } => {
                    tracing::warn!(keys, facts, "a peer brought what has no meaning");
                    self.trouble(words::MEANINGLESS);
                }
                Output::Shown(scope) => {
                    self.waiting.forget(scope);
                    self.notices.tell(scope, Notice::new(NoticeKind::Resync));
                }
                Output::RosterChanged => {
                    self.roster_changed(now);
                    self.notices.tell_all(NoticeKind::Devices);
                }
                Output::Committed(committed) => {
                    committed.fields.iter().for_each(|(scope, _)| self.waiting.forget(*scope));
                    self.tell_items(&committed);
                    self.bridge_committed(&committed);
                    self.look_at_seals(&committed);
                    self.look_at_attachments(&committed);
                    if !committed.fields.is_empty() {
                        self.searching.may_be_due(now);
                    }
                }
                Output::ReadAhead(reading) => {
                    reading.pieces().for_each(|piece| rayon::spawn_fifo(move || piece.read()));
                }
                Output::ResumeAttachment { .. }
                | Output::ReadChunk(_)
                | Output::StoreChunk { .. }
                | Output::AttachmentArrived { .. } => self.carry_files(output),
                Output::Durable(after) => self.follow(after, now),
                Output::Lost { after, waiting, error } => self.refuse(after, waiting, &error),
            }
        }
        any
    }
}
