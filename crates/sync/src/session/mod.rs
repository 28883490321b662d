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
//!   [`Session::handle_persist_failed`] and [`Session::handle_refused`] to [`Output::Persist`]; [`Session::handle_chunk_read`] to
//!   [`Output::ReadChunk`], [`Session::handle_chunk_stored`] to [`Output::StoreChunk`], and [`Session::handle_present_read`] to
//!   [`Output::ReadPresent`].
//!
//! # DurableBeforeTold
//!
//! A document that is handed to [`Session::generate`] or [`Session::handle_persisted`] must be on disk entirely, with
//! every change that it holds: the session tells the peer of all of them. The caller commits first.

mod attachments;
mod config;
mod control;
mod counters;
mod documents;
mod exchange;
mod output;
mod present;
mod progress;
mod violation;

#[cfg(test)]
mod tests;

#[cfg(test)]
pub(crate) mod test_homes {
    pub(crate) use super::tests::{Home, couple, shared};
}

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Instant;

use betwixt_model::document::{Document, Scope};
use betwixt_model::gate::GateError;

use crate::wire::{DocumentName, Frame, GoodbyeReason, Hello, IncomingStream, PACKED_SINCE, StreamKey, caps};

pub use attachments::{ChunkStored, FetchEnd};
pub use config::{Role, RosterOffer, SessionConfig, SessionScope, SharedDocument};
pub use counters::CounterWindow;
pub use exchange::{shared_heads, state_of};
pub use output::{CloseReason, Event, Output, PersistId};
pub use progress::Progress;
pub use violation::ProtocolViolation;

use attachments::Attachments;
use exchange::Exchange;
use present::Present;

/// How far the control stream has come. What a phase waits for has a deadline, unless the caller is asked for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The peer's Hello has not come. In a session over private documents it comes when the peer's are unlocked.
    Greeting { until: Option<Instant> },
    /// The rosters differ; the peer's has not come, or (`None`) the caller is looking at it.
    Rosters { until: Option<Instant> },
    /// Dialling: the digest is sent, the answer has not come.
    DigestSent { until: Instant },
    /// Accepting: the digest has not come.
    AwaitingDigest { until: Instant },
    /// Accepting: the documents are listed, the answer has not come.
    AwaitingDocuments { until: Instant },
    /// Both know what differs; documents may speak. While something differs, something has to come by `until`.
    Exchanging { until: Option<Instant> },
    /// Over.
    Closed,
}

/// The state machine of one connection. See the [module](self) on how to drive it.
#[derive(Debug)]
pub struct Session {
    config: SessionConfig,
    phase: Phase,
    /// What both speak; 0 before the peer's Hello.
    version: u32,
    /// What each of the peer's streams is for.
    streams: BTreeMap<IncomingStream, StreamKey>,
    /// This side's document streams that were opened.
    opened: BTreeSet<DocumentName>,
    exchanges: BTreeMap<DocumentName, Exchange>,
    attachments: Attachments,
    present: Present,
    /// The newest generation of every year that either side has named.
    newest: BTreeMap<i16, u32>,
    persisting: BTreeMap<PersistId, DocumentName>,
    next_persist: u64,
    /// The peer's roster as far as it has come.
    roster: Vec<Vec<u8>>,
    /// The roster changed before the peer's Hello came.
    roster_changed: bool,
    /// The peer's digest came while the caller looked at its roster.
    held_digest: Option<[u8; 32]>,
    /// Bytes of frames that wait, over all documents.
    waiting_bytes: usize,
    /// Whether [`Event::InStep`] was said and still holds.
    in_step: bool,
    outputs: VecDeque<Output>,
}

impl Session {
    /// Begins a session over a connection that was just made: its first output is this side's Hello.
    pub fn new(now: Instant, mut config: SessionConfig) -> Self {
        config.roster.heads.sort_unstable();
        config.roster.heads.dedup();
        config.documents.retain(|_, document| !document.heads.is_empty());
        let hello = Frame::Hello(Hello {
            versions: config.versions,
            household: config.household,
            counter: config.counter,
            roster_heads: config.roster.heads.clone(),
        });
        let attachments = Attachments::holding(std::mem::take(&mut config.attachments));
        let mut newest = BTreeMap::new();
        // By generation: what comes last of a year is its newest.
        newest.extend(config.documents.keys().map(|id| (id.year(), id.generation())));
        let mut exchanges: BTreeMap<_, _> = std::mem::take(&mut config.documents)
            .into_iter()
            .map(|(id, document)| (id, Exchange::new(document)))
            .collect();
        exchanges.retain(|id, _| newest.get(&id.year()) == Some(&id.generation()));
        let too_large = if exchanges.len() > caps::DOCUMENTS {
            Some("the number of documents")
        } else if exchanges.values().any(|exchange| exchange.claimed.len() > caps::HEADS) {
            Some("the number of a document's heads")
        } else if config.roster.heads.len() > caps::ROSTER_HEADS {
            Some("the roster")
        } else {
            None
        };
        let until = match config.scope {
            SessionScope::Ours => Some(now + caps::HELLO_WITHIN),
            SessionScope::Mine(_) => None,
        };
        let mut session = Self {
            config,
            phase: Phase::Greeting { until },
            version: 0,
            streams: BTreeMap::new(),
            opened: BTreeSet::new(),
            exchanges,
            attachments,
            present: Present::default(),
            newest,
            persisting: BTreeMap::new(),
            next_persist: 0,
            roster: Vec::new(),
            roster_changed: false,
            held_digest: None,
            waiting_bytes: 0,
            in_step: false,
            outputs: VecDeque::new(),
        };
        match too_large {
            None => session.send(StreamKey::Control, &hello),
            Some(what) => session.end(None, CloseReason::TooLarge(what)),
        }
        session
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
        if self.phase == Phase::Closed {
            return Ok(());
        }
        let outcome = self.receive(now, stream, frame);
        self.progressed(now);
        outcome.inspect_err(|violation| self.fail(violation.clone()))
    }

    /// Answers [`Output::Roster`]: the roster was merged and stored; `member` says whether the peer belongs to it.
    pub fn handle_roster_settled(&mut self, now: Instant, member: bool) {
        if self.phase == Phase::Closed {
            return;
        }
        if !member {
            self.end(Some(GoodbyeReason::NotAMember), CloseReason::NotAMember);
        } else if self.phase == (Phase::Rosters { until: None }) {
            self.compare(now);
        }
    }

    /// This device's roster has changed, by its own doing or another peer's, and is on disk: the peer is told.
    pub fn handle_roster_changed(&mut self, _now: Instant, roster: RosterOffer) {
        match self.phase {
            Phase::Closed => {}
            // The heads stay as this side's Hello said them: the peer compares with those.
            Phase::Greeting { .. } => {
                self.config.roster.statements = roster.statements;
                self.roster_changed = true;
            }
            _ => {
                self.config.roster = roster;
                self.send_roster();
            }
        }
    }

    /// A document of the session's scope has changed, or is new, by this device's doing or another peer's, and is on disk.
    pub fn handle_local_change(&mut self, now: Instant, document: DocumentName) {
        if self.phase == Phase::Closed || self.is_superseded(document) {
            return;
        }
        self.exchanges.entry(document).or_default().changed();
        if self.exchanges.len() > caps::DOCUMENTS {
            self.end(None, CloseReason::TooLarge("the number of documents"));
            return;
        }
        self.in_step = false;
        self.ask(document);
        // What is said here gives a peer no more time that is to answer what was said before.
        if let Phase::Exchanging { until: until @ None } = &mut self.phase {
            *until = Some(now + caps::STORED_WITHIN);
        }
    }

    /// Answers [`Output::Generate`]: says to the peer what there is to be said about a document. Harmless at other times.
    ///
    /// The document must be on disk entirely (DurableBeforeTold).
    pub fn generate(&mut self, now: Instant, document: &Document) {
        if document.id().scope == self.scope() && matches!(self.phase, Phase::Exchanging { .. }) {
            self.speak(DocumentName::of(document.id()), document);
            self.progressed(now);
        }
    }

    /// Answers [`Output::Persist`]: what the gate admitted is applied and on disk. An id that was answered before is
    /// ignored.
    ///
    /// The document must be on disk entirely (DurableBeforeTold). It is not changed by this: Automerge's sync protocol
    /// asks for the reference.
    pub fn handle_persisted(&mut self, now: Instant, id: PersistId, document: &mut Document) {
        let Some(key) = self.persisting.remove(&id) else { return };
        if self.phase == Phase::Closed || document.id() != key.within(self.scope()) {
            return;
        }
        if let Err(violation) = self.persisted(key, document) {
            self.fail(violation);
        }
        self.progressed(now);
    }

    /// Answers [`Output::Persist`]: the changes could not be stored, for a reason that is not theirs. The session ends;
    /// the peer has them still, and the next session brings them again.
    pub fn handle_persist_failed(&mut self, _now: Instant, id: PersistId) {
        if self.persisting.remove(&id).is_some() {
            self.end(Some(GoodbyeReason::Storage), CloseReason::StorageFailed);
        }
    }

    /// Answers [`Output::Persist`]: the gate refused the changes, and nothing was applied. The session ends.
    pub fn handle_refused(&mut self, _now: Instant, id: PersistId, reason: &GateError) {
        if let Some(document) = self.persisting.remove(&id) {
            self.fail(ProtocolViolation::Refused { document, reason: reason.clone() });
        }
    }

    /// Answers [`Output::Persist`]: Automerge refused the changes or panicked over them, and the document was loaded
    /// again. The session ends.
    pub fn handle_apply_failed(&mut self, _now: Instant, id: PersistId) {
        if let Some(document) = self.persisting.remove(&id) {
            self.fail(ProtocolViolation::Inapplicable(document));
        }
    }

    /// Answers [`Output::Persist`]: a newer generation of the document is here, and the changes were not taken. The peer
    /// carries what is in them on itself, once it knows of that generation; [`Session::handle_local_change`] tells it.
    pub fn handle_superseded(&mut self, now: Instant, id: PersistId) {
        let Some(document) = self.persisting.remove(&id) else { return };
        self.drop_exchange(document);
        // Otherwise the newer one is about to be named, and until then nothing is in step.
        if self.is_superseded(document) {
            self.progressed(now);
        }
    }

    /// The time of [`Session::poll_timeout`] has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.time_out_fetch(now);
        let Some(until) = self.phase_timeout() else { return };
        if now < until {
            return;
        }
        // While this side's own disk is what is waited for, the peer is not late.
        let own = !self.persisting.is_empty() || self.exchanges.values().any(Exchange::is_asked);
        match &mut self.phase {
            Phase::Exchanging { until } if own => *until = Some(now + caps::STORED_WITHIN),
            _ => self.end(Some(GoodbyeReason::Stalled), CloseReason::Stalled),
        }
    }

    /// Ends the session and tells the peer why.
    pub fn close(&mut self, _now: Instant, reason: GoodbyeReason) {
        self.end(Some(reason), CloseReason::Here(reason));
    }

    /// What is to be done next; `None` when nothing is, until the next input.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to call [`Session::handle_timeout`] if nothing else happens before.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let fetch = self.attachments.timeout().filter(|_| self.phase != Phase::Closed);
        self.phase_timeout().into_iter().chain(fetch).min()
    }

    fn phase_timeout(&self) -> Option<Instant> {
        match self.phase {
            Phase::DigestSent { until } | Phase::AwaitingDigest { until } | Phase::AwaitingDocuments { until } => {
                Some(until)
            }
            Phase::Greeting { until } | Phase::Rosters { until } | Phase::Exchanging { until } => until,
            Phase::Closed => None,
        }
    }

    /// The scope of the documents that are spoken of.
    pub fn scope(&self) -> Scope {
        self.config.scope.documents()
    }

    /// Whether the peer's Hello was accepted and the session goes on.
    pub fn is_met(&self) -> bool {
        !matches!(self.phase, Phase::Greeting { .. } | Phase::Closed)
    }

    /// Whether all documents of the scope are the same on both sides, as far as this side knows.
    pub fn is_in_step(&self) -> bool {
        self.in_step
    }

    /// One frame, to the stream that it came on.
    fn receive(&mut self, now: Instant, stream: IncomingStream, frame: &[u8]) -> Result<(), ProtocolViolation> {
        let frame = Frame::decode(frame)?;
        let name = frame.name();
        match (self.streams.get(&stream).copied(), frame) {
            (None, Frame::Hello(hello)) if matches!(self.phase, Phase::Greeting { .. }) => {
                self.streams.insert(stream, StreamKey::Control);
                self.meet(now, &hello)
            }
            (None, Frame::Open(document)) if self.documents_may_speak() => self.open(stream, document),
            (None, Frame::OpenAttachments) if self.documents_may_speak() => {
                self.begin_stream(stream, StreamKey::Attachments, name)
            }
            (None, Frame::Present { last, bytes }) => {
                self.begin_stream(stream, StreamKey::Present, name)?;
                self.receive_present(last, &bytes)
            }
            (Some(StreamKey::Present), Frame::Present { last, bytes }) => self.receive_present(last, &bytes),
            (Some(StreamKey::Attachments), frame) => self.receive_attachments(now, frame),
            (Some(StreamKey::Control), frame) => self.receive_control(now, frame),
            (Some(StreamKey::Document(document)), Frame::Sync { last, bytes }) => {
                self.receive_part(document, exchange::Kind::Message, last, &bytes)
            }
            (Some(StreamKey::Document(document)), Frame::Packed { last, bytes }) if self.version >= PACKED_SINCE => {
                self.receive_part(document, exchange::Kind::Packed, last, &bytes)
            }
            (Some(StreamKey::Document(document)), Frame::Whole { last, bytes }) => {
                self.receive_part(document, exchange::Kind::Whole, last, &bytes)
            }
            _ => Err(ProtocolViolation::OutOfOrder(name)),
        }
    }

    /// The first frame of one of the peer's streams came, which has the name: there is one such stream.
    fn begin_stream(
        &mut self,
        stream: IncomingStream,
        key: StreamKey,
        name: &'static str,
    ) -> Result<(), ProtocolViolation> {
        if self.streams.values().any(|known| *known == key) {
            return Err(ProtocolViolation::OutOfOrder(name));
        }
        self.streams.insert(stream, key);
        Ok(())
    }

    fn open(&mut self, stream: IncomingStream, document: DocumentName) -> Result<(), ProtocolViolation> {
        self.begin_stream(stream, StreamKey::Document(document), "Open")?;
        if self.is_superseded(document) {
            return Ok(());
        }
        self.exchanges.entry(document).or_default();
        if self.exchanges.len() > caps::DOCUMENTS {
            return Err(ProtocolViolation::TooManyDocuments);
        }
        Ok(())
    }

    /// Somebody has a document of this name. Of a year only the newest generation is spoken of: whoever has it carries
    /// everything in it that they know of the year, so older ones have nothing to add. Answers whether this is an older
    /// one.
    fn is_superseded(&mut self, document: DocumentName) -> bool {
        let newest = self.newest.entry(document.year()).or_insert(document.generation());
        if *newest >= document.generation() {
            return *newest > document.generation();
        }
        *newest = document.generation();
        let older = self.exchanges.keys().filter(|id| id.year() == document.year() && **id < document);
        for older in older.copied().collect::<Vec<_>>() {
            self.drop_exchange(older);
        }
        false
    }

    /// Nothing more is said about a document, and what comes about it is not looked at.
    fn drop_exchange(&mut self, document: DocumentName) {
        let Some(exchange) = self.exchanges.remove(&document) else { return };
        let waiting = exchange.waiting.iter().chain(&exchange.partial).map(|arrived| arrived.bytes.len());
        self.waiting_bytes = self.waiting_bytes.saturating_sub(waiting.sum());
        if matches!(self.phase, Phase::Exchanging { .. }) {
            self.start_catching_up();
        }
    }

    /// Streams are independent of each other: a document's may bring its first frame before the control stream brings
    /// what was sent before it. So documents may speak as soon as the peer may have been told to.
    fn documents_may_speak(&self) -> bool {
        matches!(self.phase, Phase::DigestSent { .. } | Phase::AwaitingDocuments { .. } | Phase::Exchanging { .. })
    }

    fn send(&mut self, stream: StreamKey, frame: &Frame) {
        if let StreamKey::Document(document) = stream
            && self.opened.insert(document)
        {
            self.outputs.push_back(Output::Send { stream, frame: Frame::Open(document).encode() });
        }
        let frame = frame.encode();
        if frame.len() > caps::FRAME {
            self.end(None, CloseReason::TooLarge("a frame"));
        } else {
            self.outputs.push_back(Output::Send { stream, frame });
        }
    }

    fn event(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    /// Something came or was done: the peer has its time anew while something differs, and none when nothing does.
    fn progressed(&mut self, now: Instant) {
        if !matches!(self.phase, Phase::Exchanging { .. }) {
            return;
        }
        let in_step = self.exchanges.values().all(Exchange::is_synced);
        self.phase = Phase::Exchanging { until: (!in_step).then(|| now + caps::STORED_WITHIN) };
        if in_step && !self.in_step {
            self.event(Event::InStep);
            self.begin_attachments();
        }
        self.in_step = in_step;
    }

    fn fail(&mut self, violation: ProtocolViolation) {
        let goodbye = match violation {
            ProtocolViolation::Version { .. } => GoodbyeReason::Version,
            ProtocolViolation::RepeatedCounter(_) => GoodbyeReason::RepeatedCounter,
            _ => GoodbyeReason::Violation,
        };
        self.end(Some(goodbye), CloseReason::Violation(violation));
    }

    fn end(&mut self, goodbye: Option<GoodbyeReason>, reason: CloseReason) {
        if self.phase == Phase::Closed {
            return;
        }
        self.phase = Phase::Closed;
        self.in_step = false;
        if let Some(goodbye) = goodbye {
            let frame = Frame::Goodbye(goodbye).encode();
            self.outputs.push_back(Output::Send { stream: StreamKey::Control, frame });
        }
        self.outputs.push_back(Output::Close(reason));
    }
}
