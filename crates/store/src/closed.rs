//! How the database's file was when it was last closed in order. While it is still so, no program has written to it since, and
//! opening need not read it whole, which takes a second after 30 years.
//!
//! What no program wrote, a failing disk may have altered. That is found where a row is read, because rows are authenticated, and
//! everywhere by the day's snapshot, which decrypts every row and counts them.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::files;
use crate::home::DATABASE;
use crate::keys::DataKey;
use crate::seal::{open_with, seal_with};

pub(crate) const CLOSED: &str = "closed";
const LABEL: &[u8] = b"betwixt 1 closed";

/// What changes whenever a file is written to or put in the place of another.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Stamp {
    length: u64,
    device: u64,
    inode: u64,
    /// Of the content and of what the file system says of it, in seconds and nanoseconds. The second cannot be set by a program, so
    /// that a tool that puts the first back is noticed.
    modified: (i64, i64),
    changed: (i64, i64),
}

#[cfg(unix)]
fn stamp(home: &Path) -> io::Result<Stamp> {
    use std::os::unix::fs::MetadataExt;
    let metadata = std::fs::metadata(home.join(DATABASE))?;
    Ok(Stamp {
        length: metadata.len(),
        device: metadata.dev(),
        inode: metadata.ino(),
        modified: (metadata.mtime(), metadata.mtime_nsec()),
        changed: (metadata.ctime(), metadata.ctime_nsec()),
    })
}

#[cfg(not(unix))]
fn stamp(_home: &Path) -> io::Result<Stamp> {
    Err(io::ErrorKind::Unsupported.into())
}

fn sealing(key: &DataKey) -> [u8; 32] {
    blake3::derive_key("betwixt 1 closed sealing", key.secret())
}

/// Notes how the file is. Only once the database is closed.
pub(crate) fn write(home: &Path, key: &DataKey) -> io::Result<()> {
    let bytes = postcard::to_stdvec(&stamp(home)?).map_err(io::Error::other)?;
    files::replace(&home.join(CLOSED), &seal_with(&sealing(key), LABEL, &bytes))
}

/// Whether the file is as it was closed.
pub(crate) fn is_unchanged(home: &Path, key: &DataKey) -> bool {
    let Ok(sealed) = std::fs::read(home.join(CLOSED)) else { return false };
    let was = open_with(&sealing(key), LABEL, &sealed).ok();
    let was = was.and_then(|bytes| postcard::from_bytes::<Stamp>(&bytes).ok());
    was.is_some() && was == stamp(home).ok()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::thread::sleep;
    use std::time::Duration;

    use rand_core::OsRng;

    use super::*;

    /// Longer than a file system's clock takes from one tick to the next.
    const TICK: Duration = Duration::from_millis(20);

    #[test]
    fn a_file_that_was_written_to_or_replaced_is_not_as_it_was_closed() {
        let directory = tempfile::tempdir().expect("a directory");
        let (home, file) = (directory.path(), directory.path().join(DATABASE));
        let key = DataKey::random(&mut OsRng);
        fs::write(&file, [7; 9000]).expect("writes");
        assert!(!is_unchanged(home, &key), "nobody has closed it");
        write(home, &key).expect("is noted");
        assert!(is_unchanged(home, &key));
        assert!(!is_unchanged(home, &DataKey::random(&mut OsRng)), "who has no key says nothing about it");
        let modified = fs::metadata(&file).expect("is there").modified().expect("has a time");
        let others: [&dyn Fn(); 3] = [
            &|| fs::write(&file, [8; 9000]).expect("writes"),
            &|| {
                fs::write(home.join("other"), [7; 9000]).expect("writes");
                fs::rename(home.join("other"), &file).expect("takes its place");
            },
            &|| {
                fs::write(&file, [9; 9000]).expect("writes");
                let opened = fs::File::options().write(true).open(&file).expect("opens");
                opened.set_modified(modified).expect("puts the time back");
            },
        ];
        for alter in others {
            write(home, &key).expect("is noted");
            assert!(is_unchanged(home, &key));
            sleep(TICK);
            alter();
            assert!(!is_unchanged(home, &key));
        }
    }
}
