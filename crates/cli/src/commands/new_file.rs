//! A file that has its name only when it is whole and on the disk.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::error::CommandError;

/// A file that is being written, under another name beside the one that it will have. Only its owner can read it. Dropped
/// before [`NewFile::keep`], nothing of it is left.
pub(super) struct NewFile {
    path: PathBuf,
    directory: PathBuf,
    new: NamedTempFile,
    replaces: bool,
}

impl NewFile {
    /// Begins a file that nothing has the name of yet, unless it `replaces` what does.
    pub(super) fn begin(path: &Path, replaces: bool) -> Result<Self, CommandError> {
        if !replaces && path.symlink_metadata().is_ok() {
            return Err(is_there(path));
        }
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        // Its mode is 0600.
        let new = tempfile::Builder::new().prefix(".betwixt-export-").tempfile_in(directory).map_err(failed(path))?;
        Ok(Self { path: path.to_owned(), directory: directory.to_owned(), new, replaces })
    }

    /// Where it is written.
    pub(super) fn file(&self) -> Result<File, CommandError> {
        self.new.as_file().try_clone().map_err(failed(&self.path))
    }

    /// Gives it its name; what was written is on the disk already. Answers how many bytes it has.
    pub(super) fn keep(self) -> Result<u64, CommandError> {
        let Self { path, directory, new, replaces } = self;
        let bytes = new.as_file().metadata().map_err(failed(&path))?.len();
        let kept = if replaces { new.persist(&path) } else { new.persist_noclobber(&path) };
        match kept {
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => return Err(is_there(&path)),
            kept => drop(kept.map_err(|error| failed(&path)(error.error))?),
        }
        File::open(directory).and_then(|directory| directory.sync_all()).map_err(failed(&path))?;
        Ok(bytes)
    }
}

/// The error of whoever writes it.
pub(super) fn failed(path: &Path) -> impl Fn(io::Error) -> CommandError + use<> {
    let what = format!("writing {}", path.display());
    move |error| CommandError::io(what.clone())(error)
}

fn is_there(path: &Path) -> CommandError {
    CommandError::Value { what: format!("{} is there already: choose another name", path.display()) }
}
