//! Files and directories of a home: private to their owner, replaced atomically.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

/// Makes a directory that only its owner can enter, with its parents; one that is there keeps its permissions.
pub(crate) fn make_directory(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// A new file that only its owner can read and write.
pub(crate) fn create_new(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Puts a file in the place of another, or of none: after a crash the old one is there or the new one, whole. Durable
/// when it returns.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_then_rename(path, |file| file.write_all(bytes))
}

/// As [`replace`], for what is written piece by piece.
pub(crate) fn write_then_rename(path: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".new");
    let temporary = Path::new(&temporary);
    // A leftover of a crash is nobody's: what counts has been renamed.
    match fs::remove_file(temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let outcome = create_new(temporary).and_then(|mut file| {
        write(&mut file)?;
        file.sync_all()
    });
    let outcome = outcome.and_then(|()| fs::rename(temporary, path)).and_then(|()| sync_parent(path));
    if outcome.is_err() {
        // Room that a failed attempt took is given back; its own failure adds nothing to the first.
        let _ = fs::remove_file(temporary);
    }
    outcome
}

/// Makes the names in a file's directory durable.
pub(crate) fn sync_parent(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    if let Some(parent) = path.parent() {
        let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
        File::open(parent)?.sync_all()?;
    }
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

/// The files of a directory by name, with their sizes; none if it is not there.
pub(crate) fn list(directory: &Path) -> io::Result<Vec<(String, u64)>> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry?;
        let metadata = entry.metadata()?;
        if let (true, Ok(name)) = (metadata.is_file(), entry.file_name().into_string())
            && !name.ends_with(".new")
        {
            files.push((name, metadata.len()));
        }
    }
    files.sort();
    Ok(files)
}
