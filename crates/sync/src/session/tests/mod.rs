//! Two sessions over pipes that keep each stream's order and nothing else, with real documents and the real gate.

pub(crate) mod attachments;
mod bytes;
mod control;
mod converge;
mod cut;
mod generations;
mod hostile;
mod present;
mod progress;

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use attachments::File;
use automerge::sync::{Have, Message, MessageVersion};
use automerge::{Change, ChangeHash};
use betwixt_model::document::{Document, DocumentId, Scope, actor_id};
use betwixt_model::fact::{Draft, Fact, Nonce, SignedFact};
use betwixt_model::gate::{Actors, admit};
use betwixt_model::ids::{AttachmentId, DeviceId, EpochId, HouseholdId, PartnerId};
use ed25519_dalek::SigningKey;
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};

use super::{
    ChunkStored, CloseReason, CounterWindow, Event, FetchEnd, Output, Role, RosterOffer, Session, SessionConfig,
    SessionScope, SharedDocument,
};
use crate::wire::{DocumentName, Frame, IncomingStream, PresentFact, StreamKey, VERSIONS, VersionRange, caps};

/// Simulated time begins at some instant, and only the test moves it.
#[allow(clippy::disallowed_methods)]
pub(super) fn beginning() -> Instant {
    Instant::now()
}

pub(crate) fn shared(year: i16) -> DocumentName {
    DocumentName::of(DocumentId { scope: Scope::Ours, year, generation: 0 })
}

/// What one device has on disk.
#[derive(Clone)]
pub(crate) struct Home {
    pub(crate) key: SigningKey,
    pub(crate) epoch: EpochId,
    /// Whose changes the gate lets in.
    pub(crate) allowed: Vec<(DeviceId, EpochId)>,
    pub(crate) documents: BTreeMap<DocumentName, Document>,
    pub(crate) states: BTreeMap<DocumentName, Vec<u8>>,
    pub(crate) counter: u64,
    pub(crate) seen: CounterWindow,
    pub(crate) roster: RosterOffer,
    pub(crate) said: u64,
    /// Whether sync states reach the disk.
    pub(crate) keeps_states: bool,
    /// In pieces of how many changes it takes what came; `None` for all at once.
    pub(crate) takes: Option<usize>,
    /// After how many changes it cuts a message.
    pub(crate) cuts: usize,
    /// Whether facts name attached files.
    pub(crate) knows_attachments: bool,
    /// Those that are whole.
    pub(crate) attachments: BTreeMap<AttachmentId, File>,
    /// What versions of the protocol it speaks.
    pub(crate) versions: VersionRange,
    /// What its sessions are over.
    pub(crate) scope: SessionScope,
    /// Whether it asks for the present.
    pub(crate) wants_present: bool,
    /// What it answers whoever asks for the present.
    pub(crate) present: Vec<PresentFact>,
    /// Those of which some chunks are here.
    pub(crate) parts: BTreeMap<AttachmentId, Vec<Vec<u8>>>,
}

pub(crate) fn couple() -> [Home; 2] {
    let keys = [1, 2].map(|seed| SigningKey::from_bytes(&[seed; 32]));
    let device = |index: usize| DeviceId::from_bytes(keys[index].verifying_key().to_bytes());
    let epoch = |index: u8| EpochId::from_bytes([10 + index; 32]);
    let home = |own: usize| Home {
        key: keys[own].clone(),
        epoch: epoch(own as u8),
        allowed: vec![(device(0), epoch(0)), (device(1), epoch(1))],
        documents: BTreeMap::new(),
        states: BTreeMap::new(),
        counter: 0,
        seen: CounterWindow::default(),
        roster: RosterOffer { heads: vec![[7; 32]], statements: vec![b"founding".to_vec()] },
        said: 0,
        keeps_states: true,
        takes: None,
        cuts: caps::CHANGES_CUT,
        knows_attachments: false,
        attachments: BTreeMap::new(),
        versions: VERSIONS,
        scope: SessionScope::Ours,
        wants_present: false,
        present: Vec::new(),
        parts: BTreeMap::new(),
    };
    [home(0), home(1)]
}

impl Home {
    pub(crate) fn device(&self) -> DeviceId {
        DeviceId::from_bytes(self.key.verifying_key().to_bytes())
    }

    pub(crate) fn actors(&self, id: DocumentName) -> Actors {
        let mut actors = Actors::new(self.named(id));
        actors.own(self.device(), &self.epoch);
        for (device, epoch) in &self.allowed {
            actors.allow(*device, epoch);
        }
        actors
    }

    /// A document's full name.
    fn named(&self, id: DocumentName) -> DocumentId {
        id.within(self.scope.documents())
    }

    /// Says something in a year's document, in one change.
    pub(crate) fn say(&mut self, year: i16, value: &str) {
        self.say_in(shared(year), value);
    }

    /// A fact of this device's, of a year.
    pub(super) fn fact(&self, year: i16, nonce: [u8; 16], value: &str) -> SignedFact {
        let device = self.device();
        let fact = Fact::write(Draft {
            household: HouseholdId::from_bytes([3; 32]),
            item: None,
            kind: "goal".into(),
            field: "title".into(),
            seen: vec![],
            previous: None,
            partner: PartnerId::founded_by(&device),
            device,
            date: serde_json::from_value(format!("{year}-03-01").into()).unwrap(),
            nonce: Nonce::from_bytes(nonce),
            value: value.into(),
        });
        fact.unwrap().sign(&self.key)
    }

    pub(super) fn say_in(&mut self, id: DocumentName, value: &str) {
        self.said += 1;
        let mut nonce = [0; 16];
        nonce[..8].copy_from_slice(&self.said.to_le_bytes());
        let signed = self.fact(id.year(), nonce, value);
        let device = self.device();
        let named = self.named(id);
        let document = self.documents.entry(id).or_insert_with(|| Document::genesis(named));
        document.append(&actor_id(&device, &named, &self.epoch), &[signed]).unwrap();
    }

    pub(super) fn config(&mut self, role: Role) -> SessionConfig {
        self.counter += 1;
        let documents = self.documents.iter().map(|(id, document)| {
            let sync_state = self.states.get(id).cloned().unwrap_or_default();
            (*id, SharedDocument { heads: document.heads(), sync_state })
        });
        SessionConfig {
            role,
            scope: self.scope,
            household: HouseholdId::from_bytes([3; 32]),
            versions: self.versions,
            changes_cut: self.cuts,
            counter: self.counter,
            peer_counters: self.seen,
            roster: self.roster.clone(),
            documents: documents.collect(),
            attachments: self.knows_attachments.then(|| self.held()),
            wants_present: self.wants_present,
        }
    }
}

/// One end of the connection.
pub(super) struct End {
    pub(super) session: Session,
    pub(super) events: Vec<Event>,
    pub(super) closed: Option<CloseReason>,
    /// Sent and not yet delivered, by stream.
    pub(super) sent: BTreeMap<StreamKey, VecDeque<Vec<u8>>>,
    pub(super) sent_bytes: usize,
    pub(super) largest_persist: usize,
    /// The most changes of a document that waited for others.
    pub(super) parked: usize,
    /// Files that were fetched no more.
    pub(super) ended: Vec<(AttachmentId, FetchEnd)>,
    /// How often the peer asked for the present.
    pub(super) asked_for_present: usize,
    /// The presents that came, and whether all was in step then.
    pub(super) presents: Vec<(Vec<PresentFact>, bool)>,
}

impl End {
    fn new(now: Instant, home: &mut Home, role: Role) -> Self {
        Self {
            session: Session::new(now, home.config(role)),
            events: Vec::new(),
            closed: None,
            sent: BTreeMap::new(),
            sent_bytes: 0,
            largest_persist: 0,
            parked: 0,
            ended: Vec::new(),
            asked_for_present: 0,
            presents: Vec::new(),
        }
    }

    /// Does everything that the session wants done, as the daemon would, each thing at once.
    pub(super) fn settle(&mut self, now: Instant, home: &mut Home) {
        while let Some(output) = self.session.poll_output() {
            assert!(self.closed.is_none(), "a closed session goes on: {output:?}");
            match output {
                Output::Send { stream, frame } => {
                    self.sent_bytes += frame.len();
                    self.sent.entry(stream).or_default().push_back(frame);
                }
                Output::Roster { statements } => {
                    assert!(!statements.is_empty());
                    self.session.handle_roster_settled(now, true);
                }
                Output::Generate(id) => self.session.generate(now, &home.documents[&id]),
                Output::Persist { id, document: key, changes } => {
                    self.largest_persist = self.largest_persist.max(changes.len());
                    let (actors, named) = (home.actors(key), home.named(key));
                    let document = home.documents.entry(key).or_insert_with(|| Document::genesis(named));
                    let pieces = changes.chunks(home.takes.unwrap_or(usize::MAX));
                    let admitted = pieces.map(|piece| {
                        let admitted = admit(document, piece.to_vec(), &actors)?;
                        document.apply(&admitted.changes).unwrap();
                        Ok(())
                    });
                    match admitted.collect::<Result<(), _>>() {
                        Ok(()) => {
                            self.session.handle_persisted(now, id, document);
                            // A completion that comes twice does nothing.
                            self.session.handle_persisted(now, id, document);
                            self.session.handle_persist_failed(now, id);
                            let exchange = self.session.exchanges.get(&key);
                            self.parked = self.parked.max(exchange.map_or(0, |exchange| exchange.parked.len()));
                        }
                        Err(reason) => self.session.handle_refused(now, id, &reason),
                    }
                }
                Output::SyncState { document, state } => {
                    if home.keeps_states {
                        home.states.insert(document, state);
                    }
                }
                Output::ReadChunk { id, chunk } => {
                    let sealed = home.attachments.get(&id).map(|file| file.chunks[chunk as usize].clone());
                    self.session.handle_chunk_read(id, chunk, sealed);
                }
                Output::StoreChunk { id, chunk, bytes } => {
                    let stored = home.store(id, chunk, bytes);
                    self.session.handle_chunk_stored(now, id, chunk, stored);
                }
                Output::ReadPresent => {
                    self.asked_for_present += 1;
                    self.session.handle_present_read(now, home.present.clone());
                    // An answer that comes twice does nothing.
                    self.session.handle_present_read(now, home.present.clone());
                }
                Output::Present(facts) => self.presents.push((facts, self.session.is_in_step())),
                Output::FetchEnded { id, end } => self.ended.push((id, end)),
                Output::Event(event) => {
                    if let Event::Met { counter, .. } = event {
                        assert!(home.seen.note(counter));
                    }
                    self.events.push(event);
                }
                Output::Close(reason) => self.closed = Some(reason),
            }
        }
    }

    fn streams_with_frames(&self) -> Vec<StreamKey> {
        self.sent.iter().filter(|(_, frames)| !frames.is_empty()).map(|(key, _)| *key).collect()
    }
}

/// A connection between two homes; the first dialled.
pub(super) struct Connection {
    pub(super) now: Instant,
    pub(super) ends: [End; 2],
    pub(super) rng: ChaCha20Rng,
    pub(super) delivered: usize,
    /// The names of all delivered frames.
    pub(super) trace: Vec<&'static str>,
}

impl Connection {
    pub(super) fn new(homes: &mut [Home; 2], seed: u64) -> Self {
        let now = beginning();
        let [first, second] = homes;
        let ends = [End::new(now, first, Role::Dialling), End::new(now, second, Role::Accepting)];
        let rng = ChaCha20Rng::seed_from_u64(seed);
        let mut connection = Self { now, ends, rng, delivered: 0, trace: Vec::new() };
        connection.settle(homes);
        connection
    }

    pub(super) fn settle(&mut self, homes: &mut [Home; 2]) {
        for (end, home) in self.ends.iter_mut().zip(homes) {
            end.settle(self.now, home);
        }
    }

    /// Delivers one frame of a stream drawn at random; answers whether there was any.
    pub(super) fn step(&mut self, homes: &mut [Home; 2]) -> bool {
        let choices: Vec<_> = (0..2)
            .flat_map(|from| self.ends[from].streams_with_frames().into_iter().map(move |key| (from, key)))
            .collect();
        if choices.is_empty() {
            return false;
        }
        let (from, key) = choices[self.rng.next_u32() as usize % choices.len()];
        self.deliver(homes, from, key);
        true
    }

    pub(super) fn deliver(&mut self, homes: &mut [Home; 2], from: usize, key: StreamKey) {
        let frame = self.ends[from].sent.get_mut(&key).and_then(VecDeque::pop_front).unwrap();
        self.trace.push(Frame::decode(&frame).unwrap().name());
        self.delivered += 1;
        self.hand(homes, 1 - from, key, &frame);
    }

    /// Hands bytes to one end as if they came from the other.
    pub(super) fn hand(&mut self, homes: &mut [Home; 2], to: usize, key: StreamKey, frame: &[u8]) {
        let number = match key {
            StreamKey::Control => 2,
            StreamKey::Attachments => 3,
            StreamKey::Present => 4,
            StreamKey::Document(id) => {
                1_000 + u64::from(id.year().unsigned_abs()) * 10_000 + u64::from(id.generation())
            }
        };
        if self.ends[to].closed.is_none() {
            let outcome = self.ends[to].session.handle_frame(self.now, IncomingStream(number), frame);
            self.ends[to].settle(self.now, &mut homes[to]);
            if let Err(violation) = outcome {
                assert_eq!(self.ends[to].closed, Some(CloseReason::Violation(violation)));
            }
        }
        self.assert_in_step_is_true(homes);
    }

    /// Whoever says that they are in step has nothing on disk, in the newest generations, that the other lacks.
    fn assert_in_step_is_true(&self, homes: &[Home; 2]) {
        for side in (0..2).filter(|side| self.ends[*side].session.is_in_step()) {
            let (own, other) = (&homes[side].documents, &homes[1 - side].documents);
            let newest: BTreeMap<i16, DocumentName> =
                own.keys().chain(other.keys()).map(|id| (id.year(), *id)).collect();
            for (id, document) in own.iter().filter(|(id, _)| newest[&id.year()] == **id) {
                let held = |head| other.get(id).is_some_and(|document| document.holds(head));
                assert!(document.heads().iter().all(held), "side {side} is in step too early: {id:?}");
            }
        }
    }

    pub(super) fn run(&mut self, homes: &mut [Home; 2]) {
        for _ in 0..100_000 {
            if !self.step(homes) {
                return;
            }
        }
        panic!("the sessions talk for ever");
    }

    /// Delivers everything that is under way, to both sides at once; answers whether there was anything.
    pub(super) fn flight(&mut self, homes: &mut [Home; 2]) -> bool {
        let under_way: Vec<_> = (0..2)
            .flat_map(|from| self.ends[from].sent.iter().map(move |(key, frames)| (from, *key, frames.len())))
            .collect();
        for (from, key, count) in &under_way {
            for _ in 0..*count {
                self.deliver(homes, *from, *key);
            }
        }
        under_way.iter().any(|(_, _, count)| *count > 0)
    }

    /// One side says something, which is on disk when the session hears of it.
    pub(crate) fn say(&mut self, homes: &mut [Home; 2], side: usize, year: i16, value: &str) {
        homes[side].say(year, value);
        self.ends[side].session.handle_local_change(self.now, shared(year));
        self.assert_in_step_is_true(homes);
        self.ends[side].settle(self.now, &mut homes[side]);
    }

    pub(super) fn assert_in_step(&self, homes: &[Home; 2]) {
        for end in &self.ends {
            assert_eq!(end.closed, None);
            assert!(end.session.is_in_step());
            assert_eq!(end.session.poll_timeout(), None, "nothing is waited for");
        }
        assert_same(homes);
    }
}

/// Both have the same documents; of every year the newest generation, which is all that is spoken of.
pub(super) fn assert_same(homes: &[Home; 2]) {
    let heads = |home: &Home| -> BTreeMap<_, _> {
        home.documents.iter().map(|(id, document)| (id.year(), (*id, document.heads()))).collect()
    };
    assert_eq!(heads(&homes[0]), heads(&homes[1]));
}

/// Meets, talks until nothing is left to say, and parts.
pub(super) fn meet(homes: &mut [Home; 2], seed: u64) -> Connection {
    let mut connection = Connection::new(homes, seed);
    connection.run(homes);
    connection.assert_in_step(homes);
    connection
}

/// In step over one document, with its stream open from the second to the first.
fn in_step() -> ([Home; 2], Connection, StreamKey) {
    let mut homes = couple();
    homes[0].say(2026, "a");
    let mut connection = meet(&mut homes, 1);
    connection.say(&mut homes, 1, 2026, "b");
    connection.run(&mut homes);
    (homes, connection, StreamKey::Document(shared(2026)))
}

/// A sync message that asks for nothing, as a peer might make it.
fn message(heads: Vec<ChangeHash>, have: Vec<Have>, changes: Vec<Vec<u8>>) -> Message {
    Message { heads, need: vec![], have, changes: changes.into(), flags: None, version: MessageVersion::V1 }
}

fn raw_bytes<'c>(changes: impl IntoIterator<Item = &'c Change>) -> Vec<Vec<u8>> {
    changes.into_iter().map(|change| change.raw_bytes().to_vec()).collect()
}
