//! The bridge: programs that bring their own Automerge open a year's document live, over a WebSocket that speaks
//! automerge-repo's protocol, and say something by writing it there unsigned.
//!
//! This is a state machine without sockets and without a clock. It is told what came on a connection and what became
//! durable, is asked to go on whenever documents may be spoken of, and says what is to be sent, closed and said. Documents
//! are never written to: every one that somebody has open has a copy ([`betwixt_model::bridge`]), made when the first client
//! opens it and dropped when the last leaves. docs/design/bridge.md says why.
//!
//! # DurableBeforeTold
//!
//! A copy follows a document when a commit of it is on disk ([`Bridge::committed`]), and is made only while nothing is on
//! its way there. While something waits to be said in a copy, nobody is told of the copy.

mod exchange;
#[cfg(feature = "fuzz")]
pub(crate) mod fuzz;
mod message;
mod naming;
mod outside;
mod socket;
mod unsigned;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Instant;

use automerge::{ActorId, Change};
use betwixt_api::{Problem, ProblemKind};
use betwixt_model::bridge::{BridgeCopy, BridgeError, Unsaid};
use betwixt_model::document::{DocumentId, Scope};
use betwixt_sync::wire::decode_sync_message;

use exchange::{Exchange, Refused};
use message::{Incoming, MessageError, Peers};
use socket::{MAX_DOCUMENTS, MAX_WAITING_BYTES, Socket, Waiting};

pub(crate) use naming::repo_id;
pub(crate) use outside::{Documents, Output, Place};
pub(crate) use socket::{Close, Guest, SocketId};
pub(crate) use unsigned::{SaidFact, Unsigned};

/// The most bytes of one frame. A client that comes back brings everything that the copy lacks in one.
pub(crate) const MAX_FRAME: usize = 4 * 1024 * 1024;

/// The most connections of one frontend.
pub(crate) const MAX_SOCKETS: usize = 8;

/// The most connections of all.
const MAX_ALL_SOCKETS: usize = 32;

/// The most documents of which there is a copy.
const MAX_COPIES: usize = 64;

#[derive(Debug)]
struct Shared {
    copy: BridgeCopy,
    life: u64,
}

/// Every connection and every copy.
#[derive(Debug, Default)]
pub(crate) struct Bridge {
    sockets: BTreeMap<SocketId, Socket>,
    copies: BTreeMap<DocumentId, Shared>,
    lives: u64,
    outputs: VecDeque<Output>,
}

/// Why a message ends its connection.
enum Failure {
    /// It alone.
    This(Close),
    /// The copy is lost, and with it the others' connections that have it open.
    Copy(DocumentId, Close),
}

impl From<Close> for Failure {
    fn from(close: Close) -> Self {
        Self::This(close)
    }
}

impl Bridge {
    /// A frontend has connected. `ours` is what the daemon is called on this connection, and on no other.
    pub(crate) fn connected(&mut self, id: SocketId, guest: Guest, ours: String, now: Instant) {
        let own = self.sockets.values().filter(|socket| socket.guest.name == guest.name).count();
        if own >= MAX_SOCKETS || self.sockets.len() >= MAX_ALL_SOCKETS {
            return self.outputs.push_back(Output::Close(id, Close::Full("too many connections")));
        }
        self.sockets.insert(id, Socket::new(guest, ours, now));
    }

    /// A frame came.
    pub(crate) fn heard(&mut self, id: SocketId, frame: &[u8]) {
        if let Some(socket) = self.sockets.get_mut(&id)
            && let Err(close) = hear(socket, id, frame, &mut self.outputs)
        {
            self.end(id, close);
        }
    }

    /// Everything that was handed to a connection has left.
    pub(crate) fn drained(&mut self, id: SocketId) {
        if let Some(socket) = self.sockets.get_mut(&id) {
            socket.drained = true;
        }
    }

    /// A connection is gone.
    pub(crate) fn gone(&mut self, id: SocketId) {
        self.sockets.remove(&id);
        self.drop_unused();
    }

    /// Whether documents are needed: [`Bridge::progress`] is to be called when nothing is on its way to the disk.
    pub(crate) fn has_sockets(&self) -> bool {
        !self.sockets.is_empty()
    }

    /// Looks at what came, and says what there is to say. Only while nothing is on its way to the disk. `actor` draws what
    /// nobody has used.
    pub(crate) fn progress(&mut self, documents: &mut impl Documents, mut actor: impl FnMut() -> ActorId) {
        for id in self.sockets.keys().copied().collect::<Vec<_>>() {
            while let Some(waiting) = self.sockets.get_mut(&id).and_then(Socket::next) {
                match self.take(id, waiting, documents, &mut actor) {
                    Ok(()) => {}
                    Err(Failure::This(close)) => self.end(id, close),
                    Err(Failure::Copy(document, close)) => {
                        self.end(id, close);
                        self.lose(document);
                    }
                }
            }
        }
        self.tell();
    }

    /// These documents have new changes, which are on disk.
    pub(crate) fn committed(&mut self, changed: &BTreeSet<DocumentId>, documents: &mut impl Documents) {
        for document in changed {
            // What a newer generation carries is all that counts from now on.
            let older = |open: &&DocumentId| {
                (open.scope, open.year) == (document.scope, document.year) && open.generation < document.generation
            };
            for older in self.copies.keys().filter(older).copied().collect::<Vec<_>>() {
                self.lose(older);
            }
            let Some(shared) = self.copies.get_mut(document) else { continue };
            let followed = documents.durable(*document).map(|document| shared.copy.follow(document));
            match followed {
                Some(Ok(_)) => self.changed(*document),
                Some(Err(error)) => {
                    tracing::warn!(%error, "a copy could not follow its document");
                    self.lose(*document);
                }
                None => self.lose(*document),
            }
        }
    }

    /// What a client wanted to say is on disk, or was refused.
    pub(crate) fn answered(&mut self, place: &Place, outcome: &Result<SaidFact, Problem>) {
        let Some(shared) = self.copies.get_mut(&place.document).filter(|shared| shared.life == place.life) else {
            // Whoever wrote it brings it again, and is told what became of it then.
            return;
        };
        let answered = shared.copy.answer(place.map, &place.name, unsigned::answer(outcome));
        match answered {
            Ok(()) => self.changed(place.document),
            Err(error) => {
                tracing::warn!(%error, "a copy could not be answered in");
                self.lose(place.document);
            }
        }
    }

    /// The private part is locked.
    pub(crate) fn locked(&mut self) {
        for document in self.copies.keys().filter(|document| document.scope == Scope::Mine).copied().collect::<Vec<_>>()
        {
            self.lose(document);
        }
    }

    /// There may be documents now that there were not: the private part was unlocked, or there is a household. A client asks
    /// for one once a connection; so whoever missed one comes again.
    pub(crate) fn opened(&mut self) {
        let missed = self.sockets.iter().filter(|(_, socket)| socket.missed);
        for id in missed.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.end(id, Close::Again("there may be more documents now: come again"));
        }
    }

    /// When to call [`Bridge::handle_timeout`].
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.sockets.values().filter(|socket| socket.peers.is_none()).map(|socket| socket.join_by).min()
    }

    /// That time has come.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        let silent = self.sockets.iter().filter(|(_, socket)| socket.peers.is_none() && socket.join_by <= now);
        for id in silent.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.end(id, Close::Violation("nobody joined in time"));
        }
    }

    /// What is to be done next.
    pub(crate) fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// A connection is closed for this. The client is told in automerge-repo's way, too.
    pub(crate) fn end(&mut self, id: SocketId, close: Close) {
        let Some(socket) = self.sockets.remove(&id) else { return };
        let (code, words) = close.code_and_words();
        tracing::info!(code, words, "a connection of the bridge is closed");
        if let Some(peers) = &socket.peers {
            self.outputs.push_back(Output::Send(id, peers.error(words)));
        }
        self.outputs.push_back(Output::Close(id, close));
        self.drop_unused();
    }

    /// A copy is not to be used any more: whoever has it open comes again, and brings their own changes.
    fn lose(&mut self, document: DocumentId) {
        self.copies.remove(&document);
        let open = self.sockets.iter().filter(|(_, socket)| socket.exchanges.contains_key(&document));
        for id in open.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.end(id, Close::Again("the document was closed: come again"));
        }
    }

    fn drop_unused(&mut self) {
        let sockets = &self.sockets;
        self.copies.retain(|document, _| sockets.values().any(|socket| socket.exchanges.contains_key(document)));
    }

    fn changed(&mut self, document: DocumentId) {
        for (_, exchange) in self.sockets.values_mut().filter_map(|socket| socket.exchanges.get_mut(&document)) {
            exchange.dirty = true;
        }
    }

    /// Takes in a sync message.
    fn take(
        &mut self,
        id: SocketId,
        Waiting { document: name, data }: Waiting,
        documents: &mut impl Documents,
        actor: &mut impl FnMut() -> ActorId,
    ) -> Result<(), Failure> {
        let Some(socket) = self.sockets.get_mut(&id) else { return Ok(()) };
        // What is open stays open until it is lost.
        let open = socket.exchanges.iter().find(|(_, (known, _))| *known == name).map(|(document, _)| *document);
        let Some(document) = open.or_else(|| documents.named(&name, socket.guest.sees)) else {
            socket.missed = true;
            let unavailable = socket.peers.as_ref().map(|peers| Output::Send(id, peers.unavailable(&name)));
            self.outputs.extend(unavailable);
            return Ok(());
        };
        self.open(id, &name, document, documents, actor)?;
        let (message, changes) = decode_sync_message(&data)
            .map_err(|_| Close::Violation("a sync message that cannot be read or is too large"))?;
        let (Some(socket), Some(shared)) = (self.sockets.get_mut(&id), self.copies.get_mut(&document)) else {
            return Ok(());
        };
        let Some((_, exchange)) = socket.exchanges.get_mut(&document) else { return Ok(()) };
        let brought = !changes.is_empty();
        let mut unsaid = Vec::new();
        if brought {
            let offered = changes.into_iter().chain(exchange.parked.drain(..)).collect();
            let received = shared.copy.receive(offered, &documents.members(document));
            let received = received.map_err(|error| failure(document, &error))?;
            exchange.parked = received.parked;
            exchange.parked.sort_unstable_by_key(Change::hash);
            exchange.parked.dedup_by_key(|change| change.hash());
            let parked: usize = exchange.parked.iter().map(|change| change.raw_bytes().len()).sum();
            if parked > MAX_WAITING_BYTES {
                return Err(Close::TooMuch("changes that build on others which do not come").into());
            }
            unsaid = received.unsaid;
            let heard = exchange.hear(message, brought, shared.copy.document_mut());
            heard.map_err(|Refused| Failure::Copy(document, Close::Violation("changes that cannot be synced")))?;
            if received.changed {
                self.changed(document);
            }
        } else {
            let heard = exchange.hear(message, brought, shared.copy.document_mut());
            heard.map_err(|Refused| Failure::Copy(document, Close::Violation("changes that cannot be synced")))?;
        }
        for unsaid in unsaid {
            self.say(id, document, unsaid);
        }
        Ok(())
    }

    /// Makes sure that there is a copy, and that the client has it open.
    fn open(
        &mut self,
        id: SocketId,
        name: &str,
        document: DocumentId,
        documents: &mut impl Documents,
        actor: &mut impl FnMut() -> ActorId,
    ) -> Result<(), Failure> {
        if !self.copies.contains_key(&document) {
            if self.copies.len() >= MAX_COPIES {
                return Err(Close::Full("too many documents are open").into());
            }
            let real = documents.durable(document).ok_or(Close::Again("the document cannot be read just now"))?;
            self.lives += 1;
            self.copies.insert(document, Shared { copy: BridgeCopy::new(real, actor()), life: self.lives });
        }
        let Some(socket) = self.sockets.get_mut(&id) else { return Ok(()) };
        if !socket.exchanges.contains_key(&document) && socket.exchanges.len() >= MAX_DOCUMENTS {
            return Err(Close::Full("too many documents are open").into());
        }
        socket.exchanges.entry(document).or_insert_with(|| (name.to_owned(), Exchange::default()));
        Ok(())
    }

    /// A client wants something said.
    fn say(&mut self, id: SocketId, document: DocumentId, Unsaid { map, name, text }: Unsaid) {
        let Some(life) = self.copies.get(&document).map(|shared| shared.life) else { return };
        let place = Place { document, map, name, life };
        let Some(socket) = self.sockets.get(&id) else { return };
        let parsed = if socket.guest.writes {
            Unsigned::parse(text.as_deref())
        } else {
            let detail = "This needs the permission `write`, which this frontend was not given.";
            Err(Problem::new(ProblemKind::NotPermitted, detail))
        };
        match parsed {
            Ok(unsigned) => {
                let (sees, unsigned) = (socket.guest.sees, Box::new(unsigned));
                self.outputs.push_back(Output::Say { place, sees, unsigned });
            }
            Err(problem) => self.answered(&place, &Err(problem)),
        }
    }

    /// Tells every client that can take something what is new for it: one message at a time, so that a slow reader costs no
    /// more than that.
    fn tell(&mut self) {
        let mut lost = Vec::new();
        for (id, socket) in &mut self.sockets {
            if !socket.wants_to_be_told() {
                continue;
            }
            let Some(peers) = &socket.peers else { continue };
            for (document, (name, exchange)) in &mut socket.exchanges {
                let Some(shared) = self.copies.get(document).filter(|shared| !shared.copy.is_waiting()) else {
                    continue;
                };
                if !exchange.dirty {
                    continue;
                }
                match exchange.speak(shared.copy.document()) {
                    Ok(None) => {}
                    Ok(Some(data)) => {
                        self.outputs.push_back(Output::Send(*id, peers.sync(name, data)));
                        socket.drained = false;
                        break;
                    }
                    Err(Refused) => lost.push(*document),
                }
            }
        }
        for document in lost {
            self.lose(document);
        }
    }
}

/// Reads a frame: the handshake at once, sync messages for later.
fn hear(socket: &mut Socket, id: SocketId, frame: &[u8], outputs: &mut VecDeque<Output>) -> Result<(), Close> {
    if frame.len() > MAX_FRAME {
        return Err(Close::TooMuch("a frame is too long"));
    }
    let message = Incoming::decode(frame).map_err(|error| match error {
        MessageError::Malformed => Close::Malformed("the frame is not one item of CBOR"),
        MessageError::Lacks(_) => Close::Violation("the frame is no message of automerge-repo's"),
    })?;
    match (message, &socket.peers) {
        (Incoming::Join { peer, speaks }, None) => {
            let peers = Peers { ours: socket.ours.clone(), theirs: peer };
            let peers = socket.peers.insert(peers);
            if !speaks {
                return Err(Close::Violation("unsupported protocol version"));
            }
            outputs.push_back(Output::Send(id, peers.peer()));
            Ok(())
        }
        (Incoming::Join { .. }, Some(_)) => Err(Close::Violation("joined twice")),
        (_, None) => Err(Close::Violation("a message before joining")),
        (Incoming::Sync { document, data }, Some(_)) => socket.keep(Waiting { document, data }),
        (Incoming::Other, Some(_)) => Ok(()),
    }
}

/// What becomes of a connection, and of the copy, when changes are not taken. What they were is in no log.
fn failure(document: DocumentId, error: &BridgeError) -> Failure {
    match error {
        BridgeError::Gate(_) => Failure::This(Close::Violation(
            "changes that are not taken: forget this document on this client and open it again",
        )),
        BridgeError::RemovesMap(_) => Failure::This(Close::Violation(
            "a change that removes one of the document's maps: forget this document on this client and open it again",
        )),
        BridgeError::Full(_) => Failure::Copy(document, Close::TooMuch("more changes than a copy holds")),
        BridgeError::Document(_) => Failure::Copy(document, Close::Violation("changes that cannot be applied")),
    }
}

#[cfg(test)]
mod tests;
