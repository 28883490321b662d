//! Attached files between devices: which are to be fetched, from whom, and what came of it.
//!
//! The owner of the engine tells which files the facts name and which of them are whole on the disk; it reads and writes
//! chunks beside the loop and answers with what came of it. What is fetched is decided here over all sessions: one file a session
//! and [`MAX_FETCHES`] in all, the latest first, and each from one peer.
//!
//! A file of a scope goes over the session of that scope alone, so a private one between devices of one partner
//! (PrivateStaysHome); and only one that a fact names is handed out.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use betwixt_model::attachment::{Attached, Files, MAX_FILES};
use betwixt_model::document::Scope;
use betwixt_model::ids::{AttachmentId, DeviceId, ItemId};
use betwixt_sync::dialer::ConnectionId;
use betwixt_sync::session::{ChunkStored, FetchEnd};
use betwixt_sync::wire::Lane;

use super::{Engine, LAZY, Output};

/// Files that are fetched at a time, from whomever.
pub const MAX_FETCHES: usize = 2;

/// How long nothing is fetched after the disk refused to take it.
const DISK_REST: Duration = Duration::from_secs(30);

/// The files of one scope.
#[derive(Debug, Default)]
struct Shelf {
    /// What the facts of each attachment name, the latest attachments last.
    items: Vec<(ItemId, Files)>,
    /// What is whole on the disk.
    whole: BTreeSet<AttachmentId>,
    /// Everything that any fact names; made anew by [`Shelf::refresh`], as what follows.
    named: BTreeMap<AttachmentId, Attached>,
    /// What is lacking, the latest first.
    wanted: Vec<AttachmentId>,
    /// Whether anything was ever named: if not, nobody is told anything.
    was_named: bool,
    /// Whether all attachments were read: before, what is named is told to nobody, who would have to be told again.
    is_read: bool,
}

impl Shelf {
    fn refresh(&mut self) {
        let named = self.items.iter().flat_map(|(_, files)| files.named.clone());
        self.named = named.collect();
        self.was_named |= !self.named.is_empty();
        let latest = self.items.iter().rev().take(MAX_FILES);
        let live = latest.flat_map(|(_, files)| &files.live).copied();
        self.wanted = live.filter(|id| !self.whole.contains(id)).collect();
    }

    /// What may be handed out, with its length; `None` where nothing was ever named, and until everything was read.
    fn offered(&self) -> Option<BTreeMap<AttachmentId, u64>> {
        let offered = self.named.iter().filter(|(id, _)| self.whole.contains(*id));
        (self.was_named && self.is_read).then(|| offered.map(|(id, file)| (*id, file.bytes)).collect())
    }
}

/// A file that comes.
#[derive(Debug)]
struct Fetch {
    connection: ConnectionId,
    lane: Lane,
    peer: DeviceId,
    /// The chunks that are stored; `None` until the owner has told what there is of it.
    stored: Option<u32>,
}

/// The attached files that the engine knows of.
#[derive(Debug, Default)]
pub(super) struct Attachments {
    shelves: BTreeMap<Scope, Shelf>,
    fetches: BTreeMap<(Scope, AttachmentId), Fetch>,
    /// Who handed out what is wrong: they are not asked for it again.
    shunned: BTreeSet<(DeviceId, AttachmentId)>,
    /// What came to an end on a connection before it was whole: it is not asked for there until the peer tells anew that it has it.
    ended: BTreeSet<(ConnectionId, AttachmentId)>,
    /// Until when nothing is fetched, because the disk refused.
    resting_until: Option<Instant>,
    /// Whether the files that may be handed out have to be told again.
    changed: bool,
}

/// Where a chunk came from, or is to go.
#[derive(Debug, Clone)]
pub struct ChunkPlace {
    /// The connection.
    pub connection: ConnectionId,
    /// Which of its sessions.
    pub lane: Lane,
    /// The scope of that session.
    pub scope: Scope,
    /// The file.
    pub file: Attached,
    /// Which of its chunks.
    pub chunk: u32,
}

/// What a scope's lane is of.
fn scope_of(lane: Lane) -> Scope {
    match lane {
        Lane::Shared => Scope::Ours,
        Lane::Private(_) => Scope::Mine,
    }
}

impl<W, A> Engine<W, A> {
    /// A scope was opened, in which these files are whole on the disk. What its facts name follows with
    /// [`Engine::attachments_read`].
    pub fn attachments_opened(&mut self, scope: Scope, whole: BTreeSet<AttachmentId>) {
        self.attachments.shelves.insert(scope, Shelf { whole, ..Shelf::default() });
    }

    /// What the facts of some attachments name, which were founded before all that were read so far, in the order in which
    /// they were founded; and whether these were the last. An attachment of which something is said meanwhile is told with
    /// [`Engine::attachment_said`], and is not among these, or is, as it is then. Answers everything that is named once the last was read.
    pub fn attachments_read(
        &mut self,
        scope: Scope,
        items: Vec<(ItemId, Files)>,
        last: bool,
    ) -> Option<BTreeSet<AttachmentId>> {
        let shelf = self.attachments.shelves.get_mut(&scope)?;
        shelf.items.splice(0..0, items);
        shelf.refresh();
        shelf.is_read |= last;
        self.attachments.changed |= last;
        last.then(|| shelf.named.keys().copied().collect())
    }

    /// Files that nothing names were taken away from the disk; these are whole there now.
    pub fn attachments_swept(&mut self, scope: Scope, whole: BTreeSet<AttachmentId>) {
        if let Some(shelf) = self.attachments.shelves.get_mut(&scope) {
            shelf.whole = whole;
            shelf.refresh();
        }
    }

    /// A scope was locked.
    pub fn attachments_locked(&mut self, scope: Scope) {
        self.attachments.shelves.remove(&scope);
        self.attachments.fetches.retain(|(of, _), _| *of != scope);
    }

    /// What an attachment's facts name has changed. Answers what was named by it and is named by nothing any more: its key
    /// is gone, and the file may go.
    pub fn attachment_said(&mut self, scope: Scope, item: ItemId, files: Files) -> Vec<AttachmentId> {
        let Some(shelf) = self.attachments.shelves.get_mut(&scope) else { return Vec::new() };
        let before = match shelf.items.iter_mut().find(|(known, _)| *known == item) {
            Some((_, known)) => std::mem::replace(known, files),
            None => {
                shelf.items.push((item, files));
                Files::default()
            }
        };
        shelf.refresh();
        let gone: Vec<_> = before.named.into_keys().filter(|id| !shelf.named.contains_key(id)).collect();
        shelf.whole.retain(|id| !gone.contains(id));
        self.attachments.changed = true;
        gone
    }

    /// A file is whole on the disk, by the owner's doing.
    pub fn attachment_stored(&mut self, scope: Scope, id: AttachmentId) {
        if let Some(shelf) = self.attachments.shelves.get_mut(&scope) {
            shelf.whole.insert(id);
            shelf.refresh();
            self.attachments.changed = true;
        }
    }

    /// A file is damaged on the disk, or gone: it is fetched anew.
    pub fn attachment_lost(&mut self, scope: Scope, id: AttachmentId) {
        if let Some(shelf) = self.attachments.shelves.get_mut(&scope) {
            shelf.whole.remove(&id);
            shelf.refresh();
            self.attachments.changed = true;
        }
    }

    /// Whether a file is whole here.
    pub fn holds_attachment(&self, scope: Scope, id: &AttachmentId) -> bool {
        self.attachments.shelves.get(&scope).is_some_and(|shelf| shelf.whole.contains(id))
    }

    /// How many chunks are here of a file that comes just now.
    pub fn attachment_coming(&self, scope: Scope, id: &AttachmentId) -> Option<u32> {
        self.attachments.fetches.get(&(scope, *id)).map(|fetch| fetch.stored.unwrap_or(0))
    }

    /// What a connected peer has, if it has told.
    pub fn peer_attachments(&self, peer: &DeviceId, scope: Scope) -> Option<BTreeSet<AttachmentId>> {
        self.talks.values().filter(|talk| talk.peer == *peer).find_map(|talk| {
            let conversation = match scope {
                Scope::Ours => &talk.shared,
                Scope::Mine => &talk.private.conversation,
            };
            conversation.session.as_ref()?.peer_attachments().cloned()
        })
    }

    /// How many files are lacking, and whether the disk is why.
    pub fn attachments_lacking(&self, scope: Scope) -> usize {
        self.attachments.shelves.get(&scope).map_or(0, |shelf| shelf.wanted.len())
    }

    /// Whether nothing is fetched for now because the disk refused.
    pub fn attachments_rest(&self) -> bool {
        self.attachments.resting_until.is_some()
    }

    /// What a session may hand out when it begins.
    pub(super) fn offered(&self, scope: Scope) -> Option<BTreeMap<AttachmentId, u64>> {
        self.attachments.shelves.get(&scope).and_then(Shelf::offered)
    }

    pub(super) fn attachments_timeout(&self) -> Option<Instant> {
        self.attachments.resting_until
    }

    /// Tells sessions what changed, and begins to fetch what can be fetched.
    pub(super) fn look_at_attachments(&mut self, now: Instant) {
        if self.attachments.resting_until.is_some_and(|until| until <= now) {
            self.attachments.resting_until = None;
        }
        if std::mem::take(&mut self.attachments.changed) {
            for (scope, shelf) in &self.attachments.shelves {
                let Some(offered) = shelf.offered() else { continue };
                for talk in self.talks.values_mut() {
                    for lane in talk.lanes().into_iter().filter(|lane| scope_of(*lane) == *scope) {
                        if let Some(session) = talk.session(lane) {
                            session.handle_attachments(&offered);
                        }
                    }
                }
            }
        }
        let talks = &mut self.talks;
        self.attachments.fetches.retain(|(_, id), fetch| {
            let session = talks.get_mut(&fetch.connection).and_then(|talk| talk.session(fetch.lane));
            session.is_some_and(|session| fetch.stored.is_none() || session.fetching() == Some(*id))
        });
        self.attachments.ended.retain(|(connection, _)| talks.contains_key(connection));
        if self.attachments.resting_until.is_none() {
            self.begin_fetches();
        }
    }

    fn begin_fetches(&mut self) {
        let Attachments { shelves, fetches, shunned, ended, .. } = &mut self.attachments;
        for (connection, talk) in &mut self.talks {
            let peer = talk.peer;
            for lane in talk.lanes() {
                let busy = fetches.values().any(|fetch| fetch.connection == *connection && fetch.lane == lane);
                if busy || fetches.len() >= MAX_FETCHES || talk.closed {
                    continue;
                }
                let (scope, Some(session)) = (scope_of(lane), talk.session(lane)) else { continue };
                let Some(shelf) = shelves.get(&scope).filter(|_| session.is_in_step()) else { continue };
                let next = shelf.wanted.iter().find(|id| {
                    let free = !fetches.contains_key(&(scope, **id)) && !shunned.contains(&(peer, **id));
                    free && !ended.contains(&(*connection, **id)) && session.can_fetch(id)
                });
                if let Some((id, file)) = next.and_then(|id| shelf.named.get_key_value(id)) {
                    let fetch = Fetch { connection: *connection, lane, peer, stored: None };
                    fetches.insert((scope, *id), fetch);
                    self.outputs.push_back(Output::ResumeAttachment { scope, file: file.clone() });
                }
            }
        }
    }

    /// Answers [`Output::ResumeAttachment`]: how many chunks of a file are here already; `None` when the disk has no room for
    /// the others, or refuses.
    pub fn handle_attachment_resumed(&mut self, now: Instant, scope: Scope, file: &Attached, chunks: Option<u32>) {
        let id = file.id();
        let Some(fetch) = self.attachments.fetches.get_mut(&(scope, id)).filter(|fetch| fetch.stored.is_none()) else {
            return;
        };
        fetch.stored = Some(chunks.unwrap_or(0));
        let (connection, lane) = (fetch.connection, fetch.lane);
        match (chunks, self.session(connection, lane)) {
            (Some(chunks), Some(session)) => session.fetch(now, id, file.bytes, chunks),
            (None, _) => {
                self.attachments.fetches.remove(&(scope, id));
                self.attachments.resting_until = Some(now + DISK_REST);
            }
            (Some(_), None) => {}
        }
    }

    /// Answers [`Output::ReadChunk`].
    pub fn handle_chunk_read(&mut self, place: &ChunkPlace, sealed: Option<Vec<u8>>) {
        let id = place.file.id();
        if sealed.is_none() {
            self.attachment_lost(place.scope, id);
        }
        if let Some(session) = self.session(place.connection, place.lane) {
            session.handle_chunk_read(id, place.chunk, sealed);
        }
    }

    /// Answers [`Output::StoreChunk`].
    pub fn handle_chunk_stored(&mut self, now: Instant, place: &ChunkPlace, stored: ChunkStored) {
        let (id, scope) = (place.file.id(), place.scope);
        let mine = |fetch: &&mut Fetch| (fetch.connection, fetch.lane) == (place.connection, place.lane);
        let fetch = self.attachments.fetches.get_mut(&(scope, id)).filter(mine);
        if let Some(fetch) = fetch {
            fetch.stored = Some(place.chunk + 1);
            let peer = fetch.peer;
            if stored != ChunkStored::Kept {
                self.attachments.fetches.remove(&(scope, id));
            }
            if stored == ChunkStored::Bad {
                self.attachments.shunned.insert((peer, id));
            }
        }
        match stored {
            ChunkStored::Kept | ChunkStored::Bad => {}
            ChunkStored::Whole => {
                self.attachment_stored(scope, id);
                let shelf = self.attachments.shelves.get(&scope);
                let items = shelf.into_iter().flat_map(|shelf| &shelf.items);
                let of = items.filter(|(_, files)| files.named.contains_key(&id)).map(|(item, _)| *item).collect();
                self.outputs.push_back(Output::AttachmentArrived { scope, items: of });
            }
            ChunkStored::Failed => self.attachments.resting_until = Some(now + DISK_REST),
        }
        if let Some(session) = self.session(place.connection, place.lane) {
            session.handle_chunk_stored(now, id, place.chunk, stored);
        }
    }

    /// A session wants a chunk read or stored: handed to the owner with what opens it.
    pub(super) fn hand_out_chunk(
        &mut self,
        (connection, lane): (ConnectionId, Lane),
        id: AttachmentId,
        chunk: u32,
        bytes: Option<Vec<u8>>,
    ) {
        let scope = scope_of(lane);
        let file = self.attachments.shelves.get(&scope).and_then(|shelf| shelf.named.get(&id)).cloned();
        match (file, bytes) {
            (Some(file), Some(bytes)) => {
                let place = ChunkPlace { connection, lane, scope, file, chunk };
                self.outputs.push_back(Output::StoreChunk { place, bytes });
            }
            (Some(file), None) => {
                let place = ChunkPlace { connection, lane, scope, file, chunk };
                self.outputs.push_back(Output::ReadChunk(place));
            }
            // Its fact was erased meanwhile, or the scope locked.
            (None, bytes) => {
                let Some(session) = self.session(connection, lane) else { return };
                match bytes {
                    Some(_) => session.give_up_fetch(),
                    None => session.handle_chunk_read(id, chunk, None),
                }
            }
        }
    }

    /// A file is not to be had from a peer now.
    pub(super) fn fetch_ended(&mut self, connection: ConnectionId, lane: Lane, id: AttachmentId, end: FetchEnd) {
        tracing::info!(?end, "a file is not fetched on from a device");
        self.attachments.fetches.remove(&(scope_of(lane), id));
        self.attachments.ended.insert((connection, id));
    }

    /// A peer has told which files it has.
    pub(super) fn peer_has(&mut self, connection: ConnectionId, peer: DeviceId, lane: Lane, now: Instant) {
        let scope = scope_of(lane);
        self.attachments.ended.retain(|(ended, _)| *ended != connection);
        let Some(has) = self.peer_attachments(&peer, scope) else { return };
        self.lazy.attachments.insert((peer, scope), has.into_iter().collect());
        self.lazy_at.get_or_insert(now + LAZY);
    }
}

/// The name of the setting, in the scope that it is of, that holds which files a peer has.
pub(crate) fn attachments_setting(peer: &DeviceId) -> String {
    format!("attachments of {peer}")
}
