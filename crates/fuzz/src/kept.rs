//! The inputs that are kept: `corpus/TARGET/` holds what the real encoders wrote ([`crate::seeds`]) beside what was found
//! to reach further, `found/TARGET/` what once went wrong, each a file named after its story.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// One kept input.
#[derive(Debug, Clone)]
pub struct Kept {
    /// Its file.
    pub path: PathBuf,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// Where inputs are kept: corpora, and what was found.
pub fn roots() -> [PathBuf; 2] {
    ["corpus", "found"].map(|name| Path::new(env!("CARGO_MANIFEST_DIR")).join(name))
}

/// Where the inputs of a target are kept.
pub fn directories(target: &str) -> [PathBuf; 2] {
    roots().map(|root| root.join(target))
}

/// Every input that is kept for a target, by name; none for one that has none yet.
///
/// # Errors
/// What reading the directories gives.
pub fn all(target: &str) -> io::Result<Vec<Kept>> {
    let mut all = Vec::new();
    for directory in directories(target).iter().filter(|directory| directory.is_dir()) {
        for entry in fs::read_dir(directory)? {
            let path = entry?.path();
            all.push(Kept { bytes: fs::read(&path)?, path });
        }
    }
    all.sort_by(|left, right| left.path.cmp(&right.path));
    Ok(all)
}
