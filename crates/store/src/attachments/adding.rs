//! A file on its way into the home. What it is sealed under follows from all that is in it, which is known only at its end;
//! so it is written once under a key of the moment, and then under its own.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::PathBuf;

use betwixt_model::attachment::{Attached, CHUNK, Digest, MAX_BYTES, TAG};
use betwixt_model::document::Scope;
use betwixt_model::ids::{HouseholdId, encode_base32};
use rand_core::{OsRng, RngCore};
use zeroize::Zeroizing;

use super::sealed::{open_with, seal_chunk};
use super::{AttachmentError, Attachments, NEW};
use crate::files;

/// A file that is being added. Nothing of it is in the clear on the disk, and dropped, nothing is left.
#[derive(Debug)]
pub struct Adding {
    attachments: Attachments,
    scope: Scope,
    space: HouseholdId,
    path: PathBuf,
    file: File,
    /// Never stored: what a crash leaves of this file opens no more.
    key: Zeroizing<[u8; 32]>,
    waiting: Vec<u8>,
    chunks: u32,
    digest: Digest,
}

impl Attachments {
    /// Begins to add a file that is said in this scope and space.
    ///
    /// # Errors
    /// [`AttachmentError::File`].
    pub fn begin(&self, scope: Scope, space: &HouseholdId) -> Result<Adding, AttachmentError> {
        let directory = self.directory(scope);
        files::make_directory(&directory).map_err(AttachmentError::file(&directory))?;
        let (mut name, mut key) = ([0; 16], Zeroizing::new([0; 32]));
        OsRng.fill_bytes(&mut name);
        OsRng.fill_bytes(&mut *key);
        let path = directory.join(format!("{}{NEW}", encode_base32(&name)));
        let file = files::create_new(&path).map_err(AttachmentError::file(&path))?;
        let (waiting, digest) = (Vec::with_capacity(CHUNK), Digest::new(space));
        Ok(Adding { attachments: self.clone(), scope, space: *space, path, file, key, waiting, chunks: 0, digest })
    }
}

impl Adding {
    /// More of it.
    ///
    /// # Errors
    /// [`AttachmentError::TooLarge`], [`AttachmentError::File`].
    pub fn write(&mut self, mut bytes: &[u8]) -> Result<(), AttachmentError> {
        if self.digest.bytes() + bytes.len() as u64 > MAX_BYTES {
            return Err(AttachmentError::TooLarge);
        }
        self.digest.update(bytes);
        while !bytes.is_empty() {
            if self.waiting.len() == CHUNK {
                self.flush()?;
            }
            let (now, later) = bytes.split_at(bytes.len().min(CHUNK - self.waiting.len()));
            self.waiting.extend_from_slice(now);
            bytes = later;
        }
        Ok(())
    }

    /// How many bytes there were.
    pub fn bytes(&self) -> u64 {
        self.digest.bytes()
    }

    fn flush(&mut self) -> Result<(), AttachmentError> {
        let sealed = seal_chunk(&self.key, self.chunks, false, &self.waiting);
        self.file.write_all(&sealed).map_err(AttachmentError::file(&self.path))?;
        self.waiting.clear();
        self.chunks += 1;
        Ok(())
    }

    /// Everything that was written, piece by piece.
    fn read(&mut self, mut each: impl FnMut(&[u8]) -> Result<(), AttachmentError>) -> Result<(), AttachmentError> {
        let failed = || AttachmentError::file(&self.path);
        self.file.seek(SeekFrom::Start(0)).map_err(failed())?;
        let mut sealed = vec![0; CHUNK + TAG];
        for chunk in 0..self.chunks {
            self.file.read_exact(&mut sealed).map_err(failed())?;
            each(&open_with(&self.key, chunk, false, &sealed)?)?;
        }
        each(&self.waiting)?;
        self.file.seek(SeekFrom::End(0)).map_err(failed())?;
        Ok(())
    }

    /// All of it at once, to be looked into.
    ///
    /// # Errors
    /// [`AttachmentError`].
    pub fn content(&mut self) -> Result<Vec<u8>, AttachmentError> {
        let mut content = Vec::with_capacity(usize::try_from(self.digest.bytes()).unwrap_or_default());
        self.read(|piece| {
            content.extend_from_slice(piece);
            Ok(())
        })?;
        Ok(content)
    }

    /// Puts other bytes in the place of all of it.
    ///
    /// # Errors
    /// [`AttachmentError`].
    pub fn replace(&mut self, content: &[u8]) -> Result<(), AttachmentError> {
        let mut other = self.attachments.begin(self.scope, &self.space)?;
        other.write(content)?;
        *self = other;
        Ok(())
    }

    /// Puts the file under its own key and name. It is on the disk when this returns, and may then be said
    /// (DurableBeforeTold).
    ///
    /// # Errors
    /// [`AttachmentError`]; nothing of it is left then.
    pub fn finish(mut self, media: &str) -> Result<Attached, AttachmentError> {
        let digest = std::mem::replace(&mut self.digest, Digest::new(&self.space));
        let attached = digest.finish(media);
        let path = self.attachments.path(self.scope, &attached.id());
        let (last, key) = (attached.chunks() - 1, attached.key);
        let mut problem = None;
        let mut chunk = 0;
        let written = files::write_then_rename(&path, |file| {
            let outcome = self.read(|piece| {
                let sealed = seal_chunk(&key, chunk, chunk == last, piece);
                chunk += 1;
                file.write_all(&sealed).map_err(AttachmentError::file(&path))
            });
            outcome.map_err(|error| match error {
                AttachmentError::File { source, .. } => source,
                other => {
                    problem = Some(other);
                    std::io::ErrorKind::InvalidData.into()
                }
            })
        });
        match (written, problem) {
            (_, Some(problem)) => Err(problem),
            (written, None) => written.map(|()| attached).map_err(AttachmentError::file(&path)),
        }
    }
}

impl Drop for Adding {
    fn drop(&mut self) {
        // One that stays is swept later; it opens no more.
        let _ = fs::remove_file(&self.path);
    }
}
