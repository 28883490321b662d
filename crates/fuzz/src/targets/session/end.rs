//! One end of a connection, driven as the daemon drives it.

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use betwixt_model::attachment;
use betwixt_model::document::Scope;
use betwixt_model::ids::AttachmentId;
use betwixt_sync::session::{
    ChunkStored, CloseReason, CounterWindow, Event, Output, Role, RosterOffer, Session, SessionConfig, SessionScope,
    SharedDocument,
};
use betwixt_sync::wire::{Frame, IncomingStream, PresentFact, StreamKey, VERSIONS, caps};

use crate::household::{HOUSEHOLD, Home, Taken};
use crate::reached::here;

/// The file that one side has.
const FILE: AttachmentId = AttachmentId::from_bytes([9; 32]);

/// How long it is: some chunks, and a short one.
const FILE_BYTES: u64 = 20 * attachment::CHUNK as u64 + 5;

/// A chunk of it. What sealing means is not the session's affair.
fn chunk_of_file(chunk: u32) -> Vec<u8> {
    vec![chunk as u8; attachment::sealed_chunk_bytes(FILE_BYTES, chunk).expect("the session asks for what there is")]
}

pub(super) struct End {
    pub(super) session: Session,
    pub(super) closed: Option<CloseReason>,
    pub(super) counter: u64,
    /// The first chunk of the file that is not stored.
    stored: u32,
    /// Sent and not yet delivered, by stream.
    sent: BTreeMap<StreamKey, VecDeque<Vec<u8>>>,
}

/// What both have of the roster.
pub(super) fn roster() -> RosterOffer {
    RosterOffer { heads: vec![[7; 32]], statements: vec![b"founding".to_vec()] }
}

/// The number that a stream has within its connection.
pub(super) fn number(key: StreamKey) -> u64 {
    match key {
        StreamKey::Control => 2,
        StreamKey::Attachments => 3,
        StreamKey::Present => 4,
        StreamKey::Document(id) => 1_000 + u64::from(id.year().unsigned_abs()) * 10_000 + u64::from(id.generation()),
    }
}

impl End {
    pub(super) fn new(now: Instant, home: &Home, role: Role, counter: u64) -> Self {
        let documents = home.documents.iter();
        let config = SessionConfig {
            role,
            scope: SessionScope::Ours,
            household: HOUSEHOLD,
            versions: VERSIONS,
            changes_cut: caps::CHANGES_CUT,
            counter,
            peer_counters: CounterWindow::default(),
            roster: roster(),
            documents: documents
                .map(|(id, document)| (*id, SharedDocument { heads: document.heads(), sync_state: Vec::new() }))
                .collect(),
            // One has a file, and the other fetches it.
            attachments: Some((role == Role::Dialling).then_some((FILE, FILE_BYTES)).into_iter().collect()),
            wants_present: true,
        };
        Self { session: Session::new(now, config), closed: None, counter, stored: 0, sent: BTreeMap::new() }
    }

    /// A frame comes.
    pub(super) fn hear(&mut self, now: Instant, stream: u64, frame: &[u8]) {
        let outcome = self.session.handle_frame(now, IncomingStream(stream), frame);
        if let Err(violation) = outcome {
            assert!(self.closed.is_none(), "a session that is closed judges nothing: {violation}");
            // Said to whoever looks at `status`, so it has words.
            assert!(!violation.to_string().is_empty());
        }
    }

    /// The first frame that waits in one of the streams.
    pub(super) fn next(&mut self, choice: u8) -> Option<(u64, Vec<u8>)> {
        let count = self.sent.values().filter(|frames| !frames.is_empty()).count().max(1);
        let mut waiting = self.sent.iter_mut().filter(|(_, frames)| !frames.is_empty());
        let (key, frames) = waiting.nth(usize::from(choice) % count)?;
        frames.pop_front().map(|frame| (number(*key), frame))
    }

    /// Does everything that the session wants done, as the daemon would, each thing at once.
    pub(super) fn settle(&mut self, now: Instant, home: &mut Home) {
        while let Some(output) = self.session.poll_output() {
            assert!(self.closed.is_none(), "a closed session goes on: {output:?}");
            match output {
                Output::Send { stream, frame } => {
                    assert!(frame.len() <= caps::FRAME);
                    assert!(Frame::decode(&frame).is_ok(), "this side says nothing that it would refuse");
                    self.sent.entry(stream).or_default().push_back(frame);
                }
                Output::Roster { .. } => self.session.handle_roster_settled(now, true),
                Output::Generate(id) => {
                    let genesis = || betwixt_model::document::Document::genesis(id.within(Scope::Ours));
                    let document = home.documents.get(&id).cloned().unwrap_or_else(genesis);
                    self.session.generate(now, &document);
                }
                Output::Persist { id, document, changes } => match home.take(document, changes) {
                    Taken::Applied => {
                        let document = home.documents.get_mut(&document).expect("it took something");
                        self.session.handle_persisted(now, id, document);
                    }
                    Taken::Inapplicable => self.session.handle_apply_failed(now, id),
                    Taken::Refused(reason) => self.session.handle_refused(now, id, &reason),
                },
                Output::ReadChunk { id, chunk } => {
                    assert_eq!(id, FILE, "only what a fact names is handed out");
                    self.session.handle_chunk_read(id, chunk, Some(chunk_of_file(chunk)));
                }
                Output::StoreChunk { id, chunk, bytes } => {
                    assert_eq!((id, chunk), (FILE, self.stored), "chunks come in order, of what was asked for");
                    let stored = if bytes != chunk_of_file(chunk) {
                        ChunkStored::Bad
                    } else if chunk + 1 == attachment::chunks(FILE_BYTES) {
                        ChunkStored::Whole
                    } else {
                        ChunkStored::Kept
                    };
                    self.stored += 1;
                    self.session.handle_chunk_stored(now, id, chunk, stored);
                }
                Output::ReadPresent => {
                    let fact = |number: u8| PresentFact { text: format!("fact {number}"), signature: [number; 64] };
                    self.session.handle_present_read(now, (0..9).map(fact).collect());
                }
                Output::Present(facts) => {
                    assert!(facts.is_sorted_by(|left, right| left.text < right.text), "a present has one order");
                    here("the present");
                }
                Output::Event(Event::PeerAttachments) if self.stored == 0 => {
                    self.session.fetch(now, FILE, FILE_BYTES, 0);
                }
                Output::FetchEnded { .. } | Output::SyncState { .. } | Output::Event(_) => {}
                Output::Close(reason) => self.closed = Some(reason),
            }
        }
    }

    /// A session is over, or something is waited for with a deadline, or nothing is waited for.
    pub(super) fn check(&self) {
        assert!(self.closed.is_none() || self.session.poll_timeout().is_none());
        assert!(!self.session.is_in_step() || self.closed.is_none());
    }
}
