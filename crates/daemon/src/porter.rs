//! Reading and writing chunks of attached files, one after the other on a thread of their own: nothing else waits for them, and those of one
//! file are written in the order in which they came.

use std::path::{Path, PathBuf};
use std::sync::mpsc;

use betwixt_model::attachment::{Attached, CHUNK};
use betwixt_model::document::Scope;
use betwixt_model::ids::{AttachmentId, HouseholdId};
use betwixt_store::attachments::{AttachmentError, Attachments};
use betwixt_sync::session::ChunkStored;
use tokio::sync::mpsc::UnboundedSender;

use crate::answer::verify::Verified;
use crate::engine::ChunkPlace;
use crate::event::Finished;

/// What is to be done.
#[derive(Debug)]
pub(crate) enum Job {
    /// See what of a file is here, and whether there is room for the others.
    Resume { scope: Scope, file: Attached },
    /// Read a chunk.
    Read(ChunkPlace),
    /// Store a chunk of a file that is said in this space.
    Store { place: ChunkPlace, space: HouseholdId, bytes: Vec<u8> },
    /// Take files away that nothing names any more.
    Remove { scope: Scope, files: Vec<AttachmentId> },
}

/// What came of it.
#[derive(Debug)]
pub(crate) enum Moved {
    /// How many chunks are here; `None` where the disk has no room.
    Resumed { scope: Scope, file: Attached, chunks: Option<u32> },
    /// The chunk, if it could be read.
    Read(ChunkPlace, Option<Vec<u8>>),
    /// Files were found damaged.
    Damaged(Vec<(Scope, AttachmentId)>),
    /// What came of a chunk, and its bytes where they were wrong.
    Stored(ChunkPlace, ChunkStored, Option<Vec<u8>>),
}

/// The way to that thread, which ends when the last of these is dropped.
#[derive(Debug, Clone)]
pub(crate) struct Porter {
    jobs: mpsc::Sender<Job>,
    finished: UnboundedSender<Finished>,
}

impl Porter {
    /// Begins. How many jobs may wait is the engine's to bound, by what it asks for.
    pub(crate) fn begin(attachments: Attachments, home: PathBuf, finished: UnboundedSender<Finished>) -> Self {
        let (jobs, waiting) = mpsc::channel();
        let told = finished.clone();
        tokio::task::spawn_blocking(move || {
            while let Ok(job) = waiting.recv() {
                if let Some(moved) = carry_out(&attachments, &home, job) {
                    // The loop is gone only when the process ends.
                    let _ = told.send(Finished::Moved(moved));
                }
            }
        });
        Self { jobs, finished }
    }

    /// Tells the loop what was found damaged: files are fetched anew, and documents carried on.
    pub(crate) fn tell_damaged(&self, found: &Verified) {
        // The loop is gone only when the process ends.
        if !found.damaged_files.is_empty() {
            let _ = self.finished.send(Finished::Moved(Moved::Damaged(found.damaged_files.clone())));
        }
        if !found.damaged_documents.is_empty() {
            let _ = self.finished.send(Finished::FoundDamaged(found.damaged_documents.clone()));
        }
    }

    pub(crate) fn give(&self, job: Job) {
        // The thread ends with this.
        let _ = self.jobs.send(job);
    }
}

fn carry_out(attachments: &Attachments, home: &Path, job: Job) -> Option<Moved> {
    match job {
        Job::Resume { scope, file } => {
            let chunks = attachments.resume(scope, &file).inspect_err(|error| tracing::warn!(%error, "a file waits"));
            let fits = |chunks: &u32| {
                let missing = file.bytes.saturating_sub(u64::from(*chunks) * CHUNK as u64);
                has_room(home, missing)
            };
            let chunks = chunks.ok().filter(fits);
            Some(Moved::Resumed { scope, file, chunks })
        }
        Job::Read(place) => {
            let read = attachments.sealed_chunk(place.scope, &place.file, place.chunk);
            let read = read.inspect_err(|error| tracing::warn!(%error, "a file cannot be handed out"));
            Some(Moved::Read(place, read.ok()))
        }
        Job::Store { place, space, bytes } => {
            let stored = attachments.append(place.scope, &space, &place.file, place.chunk, &bytes);
            let (stored, wrong) = match stored {
                Ok(true) => (ChunkStored::Whole, None),
                Ok(false) => (ChunkStored::Kept, None),
                Err(AttachmentError::Damaged) => (ChunkStored::Bad, Some(bytes)),
                Err(error) => {
                    tracing::warn!(%error, "a file could not be stored");
                    (ChunkStored::Failed, None)
                }
            };
            Some(Moved::Stored(place, stored, wrong))
        }
        Job::Remove { scope, files } => {
            for id in files {
                if let Err(error) = attachments.remove(scope, &id) {
                    tracing::warn!(%error, "a file that was erased could not be taken away");
                }
            }
            None
        }
    }
}

/// How much of a disk is left to everything else: a twentieth of it, and at most this.
const MOST_LEFT_FREE: u64 = 512 * 1024 * 1024;

/// Whether so many more bytes leave the disk its floor.
pub(crate) fn has_room(home: &Path, bytes: u64) -> bool {
    // Where the system does not say, the disk itself will.
    let Ok(disk) = rustix::fs::statvfs(home) else { return true };
    let (free, all) = (disk.f_bavail.saturating_mul(disk.f_frsize), disk.f_blocks.saturating_mul(disk.f_frsize));
    free >= bytes.saturating_add(MOST_LEFT_FREE.min(all / 20))
}
