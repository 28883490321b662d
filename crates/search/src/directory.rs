//! A directory of sealed files, as tantivy needs one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::ops::Range;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tantivy::HasLen;
use tantivy::directory::error::{DeleteError, LockError, OpenReadError, OpenWriteError};
use tantivy::directory::{
    AntiCallToken, Directory, DirectoryLock, FileHandle, Lock, OwnedBytes, TerminatingWrite, WatchCallback,
    WatchHandle, WritePtr,
};

use crate::chunks::{ChunkReader, ChunkWriter, Sealing};
use crate::key::Key;
use crate::locks;

/// What a file is called while it is being put in the place of another.
const NEW: &str = "new";

/// Files that are sealed under a key, for one index, under names that tell nothing.
#[derive(Debug, Clone)]
pub(crate) struct SealedDirectory {
    path: PathBuf,
    key: Arc<Key>,
    index: [u8; 16],
}

impl SealedDirectory {
    pub(crate) fn new(path: PathBuf, key: Key, index: [u8; 16]) -> Self {
        Self { path, key: Arc::new(key), index }
    }

    pub(crate) fn id(&self) -> [u8; 16] {
        self.index
    }

    fn named(&self, path: &Path) -> PathBuf {
        self.path.join(self.key.name(&self.index, &path.to_string_lossy()))
    }

    fn sealing(&self, path: &Path) -> Sealing {
        Sealing::new(&self.key, &self.index, &path.to_string_lossy())
    }

    pub(crate) fn reader(&self, path: &Path) -> Result<ChunkReader, OpenReadError> {
        let opened = File::open(self.named(path)).and_then(|file| ChunkReader::open(self.sealing(path), file));
        opened.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => OpenReadError::FileDoesNotExist(path.to_owned()),
            _ => OpenReadError::wrap_io_error(error, path.to_owned()),
        })
    }
}

impl HasLen for ChunkReader {
    fn len(&self) -> usize {
        Self::len(self)
    }
}

impl FileHandle for ChunkReader {
    fn read_bytes(&self, range: Range<usize>) -> io::Result<OwnedBytes> {
        Ok(OwnedBytes::new(self.read(range)?))
    }
}

/// A file that is being written.
struct NewFile(ChunkWriter<BufWriter<File>>);

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl TerminatingWrite for NewFile {
    fn terminate_ref(&mut self, _: AntiCallToken) -> io::Result<()> {
        let file = self.0.finish()?;
        file.flush()?;
        // What was indexed is taken off the list of what waits only after this.
        file.get_ref().sync_data()
    }
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

impl Directory for SealedDirectory {
    fn get_file_handle(&self, path: &Path) -> Result<Arc<dyn FileHandle>, OpenReadError> {
        Ok(Arc::new(self.reader(path)?))
    }

    fn delete(&self, path: &Path) -> Result<(), DeleteError> {
        fs::remove_file(self.named(path)).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => DeleteError::FileDoesNotExist(path.to_owned()),
            _ => DeleteError::IoError { io_error: Arc::new(error), filepath: path.to_owned() },
        })
    }

    fn exists(&self, path: &Path) -> Result<bool, OpenReadError> {
        self.named(path).try_exists().map_err(|error| OpenReadError::wrap_io_error(error, path.to_owned()))
    }

    fn open_write(&self, path: &Path) -> Result<WritePtr, OpenWriteError> {
        let file = create(&self.named(path)).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => OpenWriteError::FileAlreadyExists(path.to_owned()),
            _ => OpenWriteError::wrap_io_error(error, path.to_owned()),
        })?;
        let writer = NewFile(ChunkWriter::new(self.sealing(path), BufWriter::new(file)));
        Ok(BufWriter::new(Box::new(writer)))
    }

    fn atomic_read(&self, path: &Path) -> Result<Vec<u8>, OpenReadError> {
        let reader = self.reader(path)?;
        reader.read(0..reader.len()).map_err(|error| OpenReadError::wrap_io_error(error, path.to_owned()))
    }

    fn atomic_write(&self, path: &Path, data: &[u8]) -> io::Result<()> {
        let to = self.named(path);
        let new = to.with_extension(NEW);
        // One that a crash left.
        match fs::remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = create(&new)?;
        file.write_all(&self.sealing(path).whole(data)?)?;
        file.sync_data()?;
        fs::rename(&new, &to)?;
        self.sync_directory()
    }

    fn sync_directory(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }

    fn acquire_lock(&self, lock: &Lock) -> Result<DirectoryLock, LockError> {
        let held = locks::take(self.path.join(&lock.filepath), lock.is_blocking).ok_or(LockError::LockBusy)?;
        Ok(DirectoryLock::from(Box::new(held)))
    }

    /// Nobody waits for new commits: whoever searches opens what is there.
    fn watch(&self, _: WatchCallback) -> tantivy::Result<WatchHandle> {
        Ok(WatchHandle::empty())
    }
}
