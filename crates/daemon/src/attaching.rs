//! Attached files in an open home: which the facts name, which are on the disk, and what the engine wants of them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Instant, SystemTime};

use betwixt_api::{Collection, Notice, NoticeKind};
use betwixt_model::attachment::{self, FILE, Files, KIND};
use betwixt_model::document::Scope;
use betwixt_model::ids::{AttachmentId, ItemId};
use betwixt_model::index::{self, IndexError};
use betwixt_store::StoreError;

use crate::engine::Output;
use crate::open::{Open, SETTLING};
use crate::porter::{Job, Moved};
use crate::replica::Committed;

/// How many attachments are read in one turn of the loop: some milliseconds. Those of a life take some hundred, for which nobody
/// should wait who unlocks.
const AT_ONCE: usize = 64;

/// Attachments of scopes that were opened, which are yet to be read.
#[derive(Debug, Default)]
pub(crate) struct Shelving {
    /// In the order in which they were founded; the latest are read first.
    left: BTreeMap<Scope, Vec<ItemId>>,
    at: Option<Instant>,
}

impl Shelving {
    /// When to go on.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.at.filter(|_| !self.left.is_empty())
    }
}

impl Open {
    /// A scope was opened: what lies there is looked at, and what it names is read, in as many turns of the loop as it takes.
    pub(crate) fn open_attachments(&mut self, scope: Scope, now: Instant) {
        if self.house.replica.space(scope).is_none() {
            return;
        }
        let items = self.house.store.read().map_err(IndexError::Rows);
        let items = items.and_then(|view| index::items(&view.reader().rows(scope), KIND));
        let left = match items {
            Ok(items) => items.into_iter().map(|entry| entry.item).collect(),
            Err(error) => return tracing::error!(%error, "the index of attached files cannot be read"),
        };
        self.engine.attachments_opened(scope, self.whole_attachments(scope));
        self.shelving.left.insert(scope, left);
        self.shelving.at = Some(now + SETTLING);
        if self.engine.talks().any(|talk| talk.is_met()) {
            self.hurry_shelving(now);
        }
    }

    /// The private part was locked.
    pub(crate) fn lock_attachments(&mut self) {
        self.shelving.left.remove(&Scope::Mine);
        self.engine.attachments_locked(Scope::Mine);
    }

    /// Somebody is met, who may bring word that a file is erased. Which one it was knows only who has read what named it before: so it is
    /// read now.
    pub(crate) fn hurry_shelving(&mut self, now: Instant) {
        self.shelving.at = self.shelving.at.map(|at| at.min(now));
    }

    /// Goes on with what is yet to be read, when its time has come.
    pub(crate) fn go_on_shelving(&mut self, now: Instant) {
        if self.shelving.poll_timeout().is_none_or(|at| at > now) {
            return;
        }
        for scope in self.shelving.left.keys().copied().collect::<Vec<_>>() {
            self.shelve(scope);
        }
        self.shelving.at = Some(now);
    }

    /// Reads the latest of the attachments that are left. After the last, what nothing has named for long goes.
    fn shelve(&mut self, scope: Scope) {
        let Some(left) = self.shelving.left.get_mut(&scope) else { return };
        let items = left.split_off(left.len().saturating_sub(AT_ONCE));
        let last = left.is_empty();
        if last {
            self.shelving.left.remove(&scope);
        }
        let read = match self.read_attachments(scope, items) {
            Ok(read) => read,
            Err(error) => {
                // Nothing is taken away, as what is named is not known.
                self.shelving.left.remove(&scope);
                return tracing::error!(%error, "the index of attached files cannot be read");
            }
        };
        // Files come and go only through this loop, or are new: nothing races this.
        let Some(named) = self.engine.attachments_read(scope, read, last) else { return };
        match self.attachments.sweep(scope, &named, SystemTime::now()) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "files that nothing names could not be taken away"),
        }
        self.engine.attachments_swept(scope, self.whole_attachments(scope));
    }

    fn whole_attachments(&self, scope: Scope) -> BTreeSet<AttachmentId> {
        match self.attachments.stock(scope) {
            Ok(stock) => stock.whole.into_keys().collect(),
            Err(error) => {
                tracing::warn!(%error, "attached files cannot be listed");
                BTreeSet::new()
            }
        }
    }

    fn read_attachments(
        &self,
        scope: Scope,
        items: Vec<ItemId>,
    ) -> Result<Vec<(ItemId, Files)>, IndexError<StoreError>> {
        let Some(space) = self.house.replica.space(scope) else { return Ok(Vec::new()) };
        let view = self.house.store.read().map_err(IndexError::Rows)?;
        let (reader, mut read) = (view.reader(), Vec::new());
        for item in items {
            read.push((item, attachment::files(&reader.rows(scope), &space, &item)?));
        }
        Ok(read)
    }

    /// Attachments of which something was said. One that is yet to be read is read with what was said of it.
    pub(crate) fn look_at_attachments(&mut self, committed: &Committed) {
        for (scope, key) in committed.fields.iter().filter(|(_, key)| key.kind == KIND && key.field == FILE) {
            if self.shelving.left.get(scope).is_some_and(|left| left.contains(&key.item)) {
                continue;
            }
            let read = match self.read_attachments(*scope, vec![key.item]) {
                Ok(read) => read,
                Err(error) => {
                    tracing::error!(%error, "the index of attached files cannot be read");
                    continue;
                }
            };
            for (item, files) in read {
                let gone = self.engine.attachment_said(*scope, item, files);
                if !gone.is_empty() {
                    self.porter.give(Job::Remove { scope: *scope, files: gone });
                }
            }
        }
    }

    /// What the engine wants of files; other outputs are none of this.
    pub(crate) fn carry_files(&mut self, output: Output<crate::writes::Write, crate::writes::After>) {
        match output {
            Output::ResumeAttachment { scope, file } => self.porter.give(Job::Resume { scope, file }),
            Output::ReadChunk(place) => self.porter.give(Job::Read(place)),
            Output::StoreChunk { place, bytes } => {
                // Otherwise it was locked meanwhile, and the session that it came over ends.
                if let Some(space) = self.house.replica.space(place.scope) {
                    self.porter.give(Job::Store { place, space, bytes });
                }
            }
            Output::AttachmentArrived { scope, items } => self.tell_arrived(scope, &items),
            _ => {}
        }
    }

    fn tell_arrived(&mut self, scope: Scope, items: &[ItemId]) {
        for item in items {
            let notice = Notice {
                item: Some(item.to_string()),
                field: Some(FILE.to_owned()),
                collection: Some(Collection::Attachments),
                ..Notice::new(NoticeKind::Item)
            };
            self.notices.tell(scope, notice);
        }
    }

    /// What came of reading or writing a chunk.
    pub(crate) fn handle_moved(&mut self, moved: Moved, now: Instant) {
        match moved {
            Moved::Resumed { scope, file, chunks } => {
                self.engine.handle_attachment_resumed(now, scope, &file, chunks);
            }
            Moved::Damaged(files) => {
                for (scope, id) in files {
                    self.engine.attachment_lost(scope, id);
                }
            }
            Moved::Read(place, sealed) => self.engine.handle_chunk_read(&place, sealed),
            Moved::Stored(place, stored, wrong) => {
                if let Some(wrong) = wrong
                    && let Err(error) = self.house.store.keep_frame(&wrong)
                {
                    tracing::warn!(%error, "a piece of a file could not be kept aside");
                }
                self.engine.handle_chunk_stored(now, &place, stored);
            }
        }
    }
}
