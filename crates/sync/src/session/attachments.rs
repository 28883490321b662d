//! Attached files in a session: each side tells which it has, and asks for chunks of those that it lacks.
//!
//! Which files those are is the caller's to say: it knows which facts name them, tells what this side may hand out
//! ([`Session::handle_attachments`]), and asks for one file at a time ([`Session::fetch`]), which it decides with all its sessions in
//! mind. The session keeps how much is under way within the caps, so that files never fill what the transport queues.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Instant;

use betwixt_model::attachment::{chunks, sealed_chunk_bytes};
use betwixt_model::ids::AttachmentId;

use super::{Event, Output, Phase, ProtocolViolation, Session};
use crate::wire::{Frame, StreamKey, caps};

/// What came of a chunk that was handed out to be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChunkStored {
    /// It is kept, and there is more to come.
    Kept,
    /// With it the file is whole, and on the disk.
    Whole,
    /// It does not open, or the file that it ends is not the one that it should be.
    Bad,
    /// It could not be stored, for a reason that is not the peer's. The file is given up for now.
    Failed,
}

/// Why a file is fetched no more from this peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FetchEnd {
    /// The peer does not have it.
    Unavailable,
    /// Nothing of it came for too long.
    Stalled,
}

/// The attached files of a session.
#[derive(Debug, Default)]
pub(super) struct Attachments {
    /// Whether there is anything to be said of files: between those who have none, nothing is.
    speaks: bool,
    /// Whether the peer was told.
    begun: bool,
    /// What this side may hand out, with how long each is.
    held: BTreeMap<AttachmentId, u64>,
    /// What the peer has told.
    peer: BTreeSet<AttachmentId>,
    /// Whether that is all that it has.
    peer_listed: bool,
    fetching: Option<Fetch>,
    /// Chunks that were asked for and may still come, of files that were given up.
    owed: BTreeMap<AttachmentId, u32>,
    /// What the peer has asked for, in order.
    serving: VecDeque<Wanted>,
    /// Whether the caller was asked for the first of them.
    reading: bool,
}

/// A file that comes.
#[derive(Debug)]
struct Fetch {
    id: AttachmentId,
    bytes: u64,
    /// The first chunk that was not asked for.
    asked: u32,
    /// The first that has not come.
    come: u32,
    /// The first that is not stored.
    stored: u32,
    until: Instant,
}

/// Chunks that a peer asks for.
#[derive(Debug)]
struct Wanted {
    id: AttachmentId,
    next: u32,
    count: u32,
}

impl Attachments {
    pub(super) fn holding(held: Option<BTreeMap<AttachmentId, u64>>) -> Self {
        Self { speaks: held.is_some(), held: held.unwrap_or_default(), ..Self::default() }
    }

    pub(super) fn timeout(&self) -> Option<Instant> {
        self.fetching.as_ref().map(|fetch| fetch.until)
    }

    /// Ends what is being fetched. What was asked for may still come.
    fn give_up(&mut self) -> Option<AttachmentId> {
        let fetch = self.fetching.take()?;
        if fetch.asked > fetch.come {
            self.owed.insert(fetch.id, fetch.asked - fetch.come);
        }
        Some(fetch.id)
    }
}

impl Session {
    /// What this side may hand out, with how many bytes are in each: files that are whole on the disk (DurableBeforeTold), and named
    /// by a fact of the session's scope. Told to the peer as far as it differs from what was told.
    pub fn handle_attachments(&mut self, held: &BTreeMap<AttachmentId, u64>) {
        if self.phase == Phase::Closed {
            return;
        }
        let before = std::mem::replace(&mut self.attachments.held, held.clone());
        self.attachments.speaks = true;
        if !self.attachments.begun {
            if self.in_step {
                self.begin_attachments();
            }
            return;
        }
        let lost: Vec<_> = before.keys().filter(|id| !held.contains_key(*id)).copied().collect();
        let new: Vec<_> = held.keys().filter(|id| !before.contains_key(*id)).copied().collect();
        for part in lost.chunks(caps::LISTED_ATTACHMENTS) {
            self.send(StreamKey::Attachments, &Frame::Lost(part.to_vec()));
        }
        if !new.is_empty() {
            self.tell_held(&new);
        }
    }

    /// The peer is in step: now it is told of files.
    pub(super) fn begin_attachments(&mut self) {
        if !self.attachments.speaks || std::mem::replace(&mut self.attachments.begun, true) {
            return;
        }
        self.send(StreamKey::Attachments, &Frame::OpenAttachments);
        let all: Vec<_> = self.attachments.held.keys().copied().collect();
        self.tell_held(&all);
    }

    fn tell_held(&mut self, ids: &[AttachmentId]) {
        let mut parts = ids.chunks(caps::LISTED_ATTACHMENTS).peekable();
        if parts.peek().is_none() {
            return self.send(StreamKey::Attachments, &Frame::Have { last: true, ids: Vec::new() });
        }
        while let Some(part) = parts.next() {
            let last = parts.peek().is_none();
            self.send(StreamKey::Attachments, &Frame::Have { last, ids: part.to_vec() });
        }
    }

    /// What the peer has, once it has told all of it.
    pub fn peer_attachments(&self) -> Option<&BTreeSet<AttachmentId>> {
        self.attachments.peer_listed.then_some(&self.attachments.peer)
    }

    /// The file that is being fetched.
    pub fn fetching(&self) -> Option<AttachmentId> {
        self.attachments.fetching.as_ref().map(|fetch| fetch.id)
    }

    /// Whether a file can be asked for now: the peer has it, and nothing else is under way.
    pub fn can_fetch(&self, id: &AttachmentId) -> bool {
        let files = &self.attachments;
        let idle = files.begun && files.fetching.is_none() && !files.owed.contains_key(id);
        self.phase != Phase::Closed && idle && files.peer_listed && files.peer.contains(id)
    }

    /// Asks for a file of so many bytes, from a chunk on. Nothing happens unless [`Session::can_fetch`] says so. What comes
    /// is handed out as [`Output::StoreChunk`], in order.
    pub fn fetch(&mut self, now: Instant, id: AttachmentId, bytes: u64, from: u32) {
        if self.can_fetch(&id) && from < chunks(bytes) {
            let until = now + caps::CHUNK_WITHIN;
            self.attachments.fetching = Some(Fetch { id, bytes, asked: from, come: from, stored: from, until });
            self.ask_for_chunks();
        }
    }

    /// Gives up the file that is being fetched.
    pub fn give_up_fetch(&mut self) {
        self.attachments.give_up();
    }

    fn ask_for_chunks(&mut self) {
        while let Some(fetch) = &mut self.attachments.fetching {
            let (left, ahead) = (chunks(fetch.bytes) - fetch.asked, fetch.asked - fetch.stored);
            let count = left.min(caps::WANTED_CHUNKS);
            if count == 0 || ahead + count > caps::CHUNKS_AHEAD {
                return;
            }
            let frame = Frame::Want { id: fetch.id, from: fetch.asked, count };
            fetch.asked += count;
            self.send(StreamKey::Attachments, &frame);
        }
    }

    /// Answers [`Output::ReadChunk`]: the chunk as it lies on the disk, or that it cannot be read.
    pub fn handle_chunk_read(&mut self, id: AttachmentId, chunk: u32, sealed: Option<Vec<u8>>) {
        let files = &mut self.attachments;
        let Some(wanted) = files.serving.front_mut() else { return };
        if self.phase == Phase::Closed || !files.reading || (wanted.id, wanted.next) != (id, chunk) {
            return;
        }
        files.reading = false;
        match sealed {
            Some(bytes) => {
                wanted.next += 1;
                wanted.count -= 1;
                if wanted.count == 0 {
                    files.serving.pop_front();
                }
                self.send(StreamKey::Attachments, &Frame::Chunk { id, chunk, bytes });
            }
            None => self.refuse(id),
        }
        self.serve();
    }

    fn refuse(&mut self, id: AttachmentId) {
        self.attachments.serving.retain(|wanted| wanted.id != id);
        self.send(StreamKey::Attachments, &Frame::Unavailable(id));
    }

    /// Asks the caller for the next chunk that the peer wants.
    fn serve(&mut self) {
        while !self.attachments.reading
            && let Some(Wanted { id, next, .. }) = self.attachments.serving.front()
        {
            let (id, chunk) = (*id, *next);
            // A fact may have been erased meanwhile.
            if self.attachments.held.contains_key(&id) {
                self.attachments.reading = true;
                self.outputs.push_back(Output::ReadChunk { id, chunk });
            } else {
                self.refuse(id);
            }
        }
    }

    /// Answers [`Output::StoreChunk`].
    pub fn handle_chunk_stored(&mut self, now: Instant, id: AttachmentId, chunk: u32, stored: ChunkStored) {
        let Some(fetch) = self.attachments.fetching.as_mut().filter(|fetch| fetch.id == id && fetch.stored == chunk)
        else {
            return;
        };
        fetch.stored += 1;
        fetch.until = now + caps::CHUNK_WITHIN;
        match stored {
            ChunkStored::Kept => self.ask_for_chunks(),
            ChunkStored::Whole => self.attachments.fetching = None,
            ChunkStored::Bad => self.fail(ProtocolViolation::BadChunk),
            ChunkStored::Failed => self.give_up_fetch(),
        }
    }

    pub(super) fn receive_attachments(&mut self, now: Instant, frame: Frame) -> Result<(), ProtocolViolation> {
        let name = frame.name();
        let files = &mut self.attachments;
        match frame {
            Frame::Have { last, ids } => {
                files.peer.extend(ids);
                if files.peer.len() > caps::ATTACHMENTS {
                    return Err(ProtocolViolation::TooManyAttachments);
                }
                files.peer_listed = last;
                if last {
                    self.event(Event::PeerAttachments);
                }
            }
            Frame::Lost(ids) => {
                for id in &ids {
                    files.peer.remove(id);
                }
                if files.peer_listed {
                    self.event(Event::PeerAttachments);
                }
            }
            Frame::Want { id, from, count } => {
                let owed: u32 = files.serving.iter().map(|wanted| wanted.count).sum();
                if owed + count > caps::CHUNKS_OWED {
                    return Err(ProtocolViolation::TooMuchAhead);
                }
                match files.held.get(&id) {
                    // It may have been told of before, and be gone since.
                    None => self.refuse(id),
                    Some(bytes) if count == 0 || from.saturating_add(count) > chunks(*bytes) => {
                        return Err(ProtocolViolation::OutOfOrder(name));
                    }
                    Some(_) => {
                        files.serving.push_back(Wanted { id, next: from, count });
                        self.serve();
                    }
                }
            }
            Frame::Chunk { id, chunk, bytes } => return self.receive_chunk(now, id, chunk, bytes),
            Frame::Unavailable(id) => {
                files.owed.remove(&id);
                if files.fetching.as_ref().is_some_and(|fetch| fetch.id == id) {
                    files.fetching = None;
                    self.outputs.push_back(Output::FetchEnded { id, end: FetchEnd::Unavailable });
                }
            }
            _ => return Err(ProtocolViolation::OutOfOrder(name)),
        }
        Ok(())
    }

    fn receive_chunk(
        &mut self,
        now: Instant,
        id: AttachmentId,
        chunk: u32,
        bytes: Vec<u8>,
    ) -> Result<(), ProtocolViolation> {
        let files = &mut self.attachments;
        match &mut files.fetching {
            Some(fetch) if fetch.id == id => {
                if chunk != fetch.come || chunk >= fetch.asked {
                    return Err(ProtocolViolation::OutOfOrder("Chunk"));
                }
                if sealed_chunk_bytes(fetch.bytes, chunk) != Some(bytes.len()) {
                    return Err(ProtocolViolation::BadChunk);
                }
                fetch.come += 1;
                fetch.until = now + caps::CHUNK_WITHIN;
                self.outputs.push_back(Output::StoreChunk { id, chunk, bytes });
                Ok(())
            }
            // One that was given up.
            _ => match files.owed.get_mut(&id) {
                Some(owed) => {
                    *owed -= 1;
                    if *owed == 0 {
                        files.owed.remove(&id);
                    }
                    Ok(())
                }
                None => Err(ProtocolViolation::OutOfOrder("Chunk")),
            },
        }
    }

    /// The time may have come at which a file is given up.
    pub(super) fn time_out_fetch(&mut self, now: Instant) {
        let Some(fetch) = &mut self.attachments.fetching else { return };
        if now < fetch.until {
            return;
        }
        if fetch.come > fetch.stored {
            // This side's own disk is what is waited for.
            fetch.until = now + caps::CHUNK_WITHIN;
        } else if let Some(id) = self.attachments.give_up() {
            self.outputs.push_back(Output::FetchEnded { id, end: FetchEnd::Stalled });
        }
    }
}
