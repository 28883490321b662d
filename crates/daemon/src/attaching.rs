//! Attached files in an open home: which the facts name, which are on the disk, and what the engine wants of them.

use std::collections::BTreeSet;
use std::time::{Instant, SystemTime};

use betwixt_api::{Collection, Notice, NoticeKind};
use betwixt_model::attachment::{self, FILE, KIND};
use betwixt_model::document::Scope;
use betwixt_model::ids::{AttachmentId, ItemId};
use betwixt_model::index::IndexError;
use betwixt_store::StoreError;

use crate::engine::Output;
use crate::open::Open;
use crate::porter::{Job, Moved};
use crate::replica::Committed;

impl Open {
    /// A scope was opened: what it names is read, what lies there is looked at, and what nothing has named for long goes.
    pub(crate) fn open_attachments(&mut self, scope: Scope) {
        if let Err(error) = self.read_attachments(scope) {
            tracing::error!(%error, "the index of attached files cannot be read");
        }
    }

    fn read_attachments(&mut self, scope: Scope) -> Result<(), IndexError<StoreError>> {
        let Some(space) = self.house.replica.space(scope) else { return Ok(()) };
        let view = self.house.store.read().map_err(IndexError::Rows)?;
        let items = attachment::all_files(&view.reader().rows(scope), &space)?;
        let named: BTreeSet<AttachmentId> = items.iter().flat_map(|(_, files)| files.named.keys()).copied().collect();
        // Files come and go only through this loop, or are new: nothing races this.
        if let Err(error) = self.attachments.sweep(scope, &named, SystemTime::now()) {
            tracing::warn!(%error, "files that nothing names could not be taken away");
        }
        let whole = match self.attachments.stock(scope) {
            Ok(stock) => stock.whole.into_keys().collect(),
            Err(error) => {
                tracing::warn!(%error, "attached files cannot be listed");
                BTreeSet::new()
            }
        };
        self.engine.attachments_opened(scope, items, whole);
        Ok(())
    }

    /// Attachments of which something was said.
    pub(crate) fn look_at_attachments(&mut self, committed: &Committed) {
        for (scope, key) in committed.fields.iter().filter(|(_, key)| key.kind == KIND && key.field == FILE) {
            let Some(space) = self.house.replica.space(*scope) else { continue };
            let files = self.house.store.read().map_err(IndexError::Rows);
            let files = files.and_then(|view| attachment::files(&view.reader().rows(*scope), &space, &key.item));
            match files {
                Ok(files) => {
                    let gone = self.engine.attachment_said(*scope, key.item, files);
                    if !gone.is_empty() {
                        self.porter.give(Job::Remove { scope: *scope, files: gone });
                    }
                }
                Err(error) => tracing::error!(%error, "the index of attached files cannot be read"),
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
