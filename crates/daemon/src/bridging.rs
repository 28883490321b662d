//! The bridge in an open home: what comes on its connections, and what it wants sent and said.

use std::collections::BTreeMap;
use std::time::Instant;

use automerge::ActorId;
use betwixt_api::Permission;
use betwixt_model::document::{Document, DocumentId, Scope};
use betwixt_model::gate::Actors;
use data_encoding::BASE32_NOPAD;
use jiff::Zoned;
use rand_core::RngCore;
use tokio::sync::mpsc;

use crate::bridge::{Documents, Guest, Output, SocketId, repo_id};
use crate::http::{BridgeEvent, Caller, Sees, ToSocket};
use crate::open::Open;
use crate::replica::{Committed, Replica};
use crate::writes::Write;

/// The ways to the connections of the bridge.
pub(crate) type Sockets = BTreeMap<SocketId, mpsc::Sender<ToSocket>>;

/// The documents of an open home.
struct Known<'a> {
    replica: &'a mut Replica,
    year: i16,
}

impl Documents for Known<'_> {
    fn named(&self, name: &str, sees: Sees) -> Option<DocumentId> {
        for scope in [Scope::Ours, Scope::Mine].into_iter().filter(|scope| sees.includes(*scope)) {
            let Some(space) = self.replica.space(scope) else { continue };
            let documents = self.replica.year_documents(scope, self.year).unwrap_or_default();
            let found = documents.into_keys().find(|document| repo_id(&space, document) == name);
            if found.is_some() {
                return found;
            }
        }
        None
    }

    fn durable(&mut self, document: DocumentId) -> Option<&Document> {
        match self.replica.durable_document(document) {
            Ok(document) => document.map(|document| &*document),
            Err(error) => {
                tracing::warn!(%error, "a document cannot be opened over the bridge");
                None
            }
        }
    }

    fn members(&self, document: DocumentId) -> Actors {
        self.replica.members(document)
    }
}

impl Open {
    /// Something happened on a connection.
    pub(crate) fn handle_bridge(&mut self, event: BridgeEvent, now: Instant) {
        match event {
            BridgeEvent::Connected { id, frontend, out } => {
                self.frontend_used(frontend.name());
                self.sockets.insert(id, out);
                let writes = frontend.permissions().has(Permission::Write);
                let name = frontend.name().to_owned();
                let guest = Guest { name, writes, sees: Caller::Frontend(frontend).sees() };
                let mut ours = [0; 10];
                self.rng.fill_bytes(&mut ours);
                let ours = format!("betwixt-{}", BASE32_NOPAD.encode(&ours).to_lowercase());
                self.bridge.connected(id, guest, ours, now);
            }
            BridgeEvent::Frame(id, frame) => self.bridge.heard(id, &frame),
            BridgeEvent::Drained(id) => self.bridge.drained(id),
            BridgeEvent::Gone(id) => {
                self.sockets.remove(&id);
                self.bridge.gone(id);
            }
        }
    }

    /// Copies follow what is on disk now.
    pub(crate) fn bridge_committed(&mut self, committed: &Committed) {
        let Self { bridge, house, .. } = self;
        let mut documents = Known { replica: &mut house.replica, year: Zoned::now().year() };
        bridge.committed(&committed.documents, &mut documents);
    }

    /// Lets the bridge go on, and carries out what it wants. Answers whether there was anything.
    pub(crate) fn bridge_progress(&mut self) -> bool {
        let Self { bridge, house, engine, rng, .. } = self;
        if bridge.has_sockets() && !engine.is_committing() && !engine.is_recovering() {
            let mut documents = Known { replica: &mut house.replica, year: Zoned::now().year() };
            bridge.progress(&mut documents, || {
                let mut actor = [0; 16];
                rng.fill_bytes(&mut actor);
                ActorId::from(&actor)
            });
        }
        let mut any = false;
        while let Some(output) = self.bridge.poll_output() {
            any = true;
            match output {
                Output::Send(id, frame) => self.hand_to(id, ToSocket::Frame(frame)),
                Output::Close(id, close) => {
                    self.hand_to(id, ToSocket::Close(close));
                    self.sockets.remove(&id);
                }
                Output::Say { place, sees, unsigned } => self.engine.write(Write::Unsigned { place, sees, unsigned }),
            }
        }
        any
    }

    /// Hands something to a connection. One that has taken nothing for so long that there is no room is let go.
    fn hand_to(&mut self, id: SocketId, message: ToSocket) {
        if self.sockets.get(&id).is_some_and(|out| out.try_send(message).is_err()) {
            self.sockets.remove(&id);
            self.bridge.gone(id);
        }
    }
}
