//! Keeping what cannot be read.

use std::fs;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use crate::files;

/// Where damaged bytes are kept: `aside/` in a home, memory without one. What lies there is exactly what could not be
/// read, so it is as encrypted as it was.
#[derive(Debug)]
pub(crate) enum Aside {
    Directory(PathBuf),
    Memory(Mutex<Vec<(String, Vec<u8>)>>),
}

impl Aside {
    pub(crate) fn memory() -> Self {
        Self::Memory(Mutex::new(Vec::new()))
    }

    /// Keeps bytes under a name made of `label` and their hash; the same bytes are kept once. Durable when it returns.
    pub(crate) fn keep(&self, label: &str, bytes: &[u8]) -> std::io::Result<String> {
        let hash = blake3::hash(bytes);
        let name = format!("{label}-{}", betwixt_model::ids::encode_base32(&hash.as_bytes()[..10]));
        match self {
            Self::Directory(directory) => {
                files::make_directory(directory)?;
                let path = directory.join(&name);
                if !path.exists() {
                    files::replace(&path, bytes)?;
                }
            }
            Self::Memory(kept) => {
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                if kept.iter().all(|(other, _)| *other != name) {
                    kept.push((name.clone(), bytes.to_vec()));
                }
            }
        }
        Ok(name)
    }

    /// Names and sizes of what is kept.
    pub(crate) fn list(&self) -> std::io::Result<Vec<(String, u64)>> {
        match self {
            Self::Memory(kept) => {
                let kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                Ok(kept.iter().map(|(name, bytes)| (name.clone(), bytes.len() as u64)).collect())
            }
            Self::Directory(directory) => files::list(directory),
        }
    }

    pub(crate) fn read(&self, name: &str) -> std::io::Result<Vec<u8>> {
        match self {
            Self::Memory(kept) => {
                let kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                let found = kept.iter().find(|(other, _)| other == name);
                found.map(|(_, bytes)| bytes.clone()).ok_or(std::io::ErrorKind::NotFound.into())
            }
            Self::Directory(directory) => fs::read(directory.join(name)),
        }
    }

    pub(crate) fn remove(&self, name: &str) -> std::io::Result<()> {
        match self {
            Self::Memory(kept) => {
                kept.lock().unwrap_or_else(PoisonError::into_inner).retain(|(other, _)| other != name);
                Ok(())
            }
            Self::Directory(directory) => fs::remove_file(directory.join(name)),
        }
    }
}
