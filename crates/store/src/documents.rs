//! Checked snapshots of documents.

use automerge::ChangeHash;
use betwixt_model::document::DocumentId;

use crate::error::{Damage, StoreError};
use crate::store::Store;
use crate::tables::Area;

/// Why a document was not compacted. What it consisted of before is untouched then.
#[derive(Debug, thiserror::Error)]
pub enum CompactError {
    /// The store does not have the document.
    #[error("there is no document {0} to compact")]
    Unknown(DocumentId),
    /// What was written does not read back as the document that it should be.
    #[error("the snapshot of document {document} is not the whole of it ({reason}); what was there before is kept")]
    Refused {
        /// The document.
        document: DocumentId,
        /// What is wrong with it.
        reason: String,
    },
    /// Reading or writing failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What compacting a document did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Compacted {
    /// How many appended changes the snapshot stands for.
    pub covered: u64,
    /// Pieces that could not be read, which the snapshot replaces: what they held came from elsewhere, since the snapshot
    /// has the document's heads. Their bytes were kept aside.
    pub healed: Vec<Damage>,
}

impl Store {
    /// Puts one snapshot in the place of a document's snapshot and appended changes.
    ///
    /// `saved` is what `Document::save` gives for the document as it is on disk. It is written and made durable, read back
    /// and decrypted, and `check` must load what was read back and answer its heads; only if these are the document's
    /// durable heads, one transaction puts it in the place of what it covers. Changes appended meanwhile stay. What could
    /// not be read of what it covers is kept aside and named in the answer.
    ///
    /// # Errors
    /// [`CompactError::Refused`] when the heads are others or `check` fails; the bytes are then kept aside, too.
    pub fn compact(
        &self,
        document: DocumentId,
        saved: &[u8],
        check: impl FnOnce(&[u8]) -> Result<Vec<ChangeHash>, String>,
    ) -> Result<Compacted, CompactError> {
        let (slot, covers, heads) = self.write_unchecked(document, saved)?;
        let checked = self.check_written(document, slot, &heads, check);
        if let Err(CompactError::Refused { .. }) = checked {
            self.inner()
                .aside
                .keep(&format!("refused-{slot}"), &self.read()?.reader().sealed_snapshot(document, slot)?)
                .map_err(StoreError::from)?;
            self.drop_unchecked(document)?;
        }
        checked?;
        self.put_in_place(document, slot, covers, saved.len() as u64)
    }

    fn write_unchecked(&self, document: DocumentId, saved: &[u8]) -> Result<(u64, u64, Vec<ChangeHash>), CompactError> {
        let mut batch = self.begin()?;
        let row = batch.reader().document_row(document)?;
        let mut row = row.ok_or(CompactError::Unknown(document))?;
        if let Some(leftover) = row.unchecked.take() {
            batch.remove_snapshot(document, leftover)?;
        }
        let slot = row.next_slot;
        row.next_slot += 1;
        row.unchecked = Some(slot);
        batch.put_snapshot(document, slot, saved)?;
        batch.put_document_row(&row)?;
        batch.commit()?;
        Ok((slot, row.next, row.heads()))
    }

    fn check_written(
        &self,
        document: DocumentId,
        slot: u64,
        heads: &[ChangeHash],
        check: impl FnOnce(&[u8]) -> Result<Vec<ChangeHash>, String>,
    ) -> Result<(), CompactError> {
        let refused = |reason: &str| CompactError::Refused { document, reason: reason.to_owned() };
        let view = self.read()?;
        let mut damaged = Vec::new();
        let read = view.reader().snapshot(document, slot, &mut damaged)?;
        let read = read.ok_or_else(|| refused("it does not read back"))?;
        let mut found = check(&read).map_err(|reason| refused(&reason))?;
        found.sort_unstable();
        if found != heads {
            return Err(refused("it has other heads than the document"));
        }
        Ok(())
    }

    fn put_in_place(
        &self,
        document: DocumentId,
        slot: u64,
        covers: u64,
        length: u64,
    ) -> Result<Compacted, CompactError> {
        let mut batch = self.begin()?;
        let reader = batch.reader();
        let row = reader.document_row(document)?;
        let Some(mut row) = row.filter(|row| row.unchecked == Some(slot)) else {
            return Err(CompactError::Refused {
                document,
                reason: "it was compacted by somebody else meanwhile".into(),
            });
        };
        // Reading once more keeps aside whatever does not read, before it goes.
        let mut healed = Vec::new();
        if let Some(old) = row.snapshot {
            reader.snapshot(document, old, &mut healed)?;
        }
        for sequence in row.first..covers {
            let damage = Damage::Change { document, sequence };
            reader.piece(document, Area::Changes, sequence, damage, &mut healed)?;
        }
        let mut left = 0;
        for sequence in covers..row.next {
            let piece = reader.by_number(document.scope, Area::Changes, document.to_string().as_bytes(), sequence)?;
            left += piece.map_or(0, |piece| piece.value.len() as u64);
        }
        let compacted = Compacted { covered: covers - row.first, healed };
        if let Some(old) = row.snapshot.replace(slot) {
            batch.remove_snapshot(document, old)?;
        }
        for sequence in row.first..covers {
            batch.remove_numbered(document, Area::Changes, sequence)?;
        }
        row.unchecked = None;
        row.first = covers;
        row.snapshot_bytes = length;
        row.appended_bytes = left;
        batch.put_document_row(&row)?;
        batch.commit()?;
        Ok(compacted)
    }

    fn drop_unchecked(&self, document: DocumentId) -> Result<(), StoreError> {
        let mut batch = self.begin()?;
        let Some(mut row) = batch.reader().document_row(document)? else { return Ok(()) };
        if let Some(slot) = row.unchecked.take() {
            batch.remove_snapshot(document, slot)?;
        }
        batch.put_document_row(&row)?;
        batch.commit()
    }

    /// What was kept aside because it could not be read, or because it came from a peer that misbehaved: names and sizes
    /// in bytes.
    ///
    /// # Errors
    /// [`StoreError::Disk`].
    pub fn kept_aside(&self) -> Result<Vec<(String, u64)>, StoreError> {
        Ok(self.inner().aside.list()?)
    }

    /// Keeps a frame that a peer sent and that was refused, sealed under the shared key, for whoever looks into it later.
    /// Only the newest are kept, [`MAX_FRAMES`] of at most [`MAX_FRAME`] bytes each, so that a peer cannot fill the disk;
    /// longer ones are cut.
    ///
    /// # Errors
    /// [`StoreError::Disk`].
    pub fn keep_frame(&self, frame: &[u8]) -> Result<String, StoreError> {
        let frame = &frame[..frame.len().min(MAX_FRAME)];
        let aside = &self.inner().aside;
        let mut frames: Vec<_> = aside.list()?.into_iter().filter_map(|(name, _)| frame_number(&name)).collect();
        frames.sort_unstable();
        let number = frames.last().map_or(0, |(last, _)| last + 1);
        let excess = (frames.len() + 1).saturating_sub(MAX_FRAMES);
        for (_, name) in &frames[..excess] {
            aside.remove(name)?;
        }
        let keys = self.inner().keys();
        Ok(aside.keep(&format!("frame-{number:06}"), &keys.shared.seal("frame", &[], frame))?)
    }

    /// A frame that was kept by [`Store::keep_frame`].
    ///
    /// # Errors
    /// [`StoreError::Disk`], and [`StoreError::Damaged`] when it is not what was kept.
    pub fn kept_frame(&self, name: &str) -> Result<Vec<u8>, StoreError> {
        if frame_number(name).is_none() || name.contains(['/', '\\']) {
            return Err(std::io::Error::from(std::io::ErrorKind::NotFound).into());
        }
        let sealed = self.inner().aside.read(name)?;
        self.inner().keys().shared.open("frame", &[], &sealed).map_err(|_| StoreError::row("frame"))
    }
}

/// How many refused frames are kept.
pub const MAX_FRAMES: usize = 32;

/// How much of a refused frame is kept, in bytes.
pub const MAX_FRAME: usize = 1 << 20;

fn frame_number(name: &str) -> Option<(u64, String)> {
    let number = name.strip_prefix("frame-")?.split('-').next()?.parse().ok()?;
    Some((number, name.to_owned()))
}
