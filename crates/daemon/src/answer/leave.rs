//! Leaving: the home's keys destroyed, and everything of it taken away. All of it blocks.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use betwixt_api as api;
use betwixt_api::Problem;
use betwixt_store::Home;

use super::backups::backup_files;
use super::problem::{file_problem, home_problem};

/// Destroys the keys of a home, and takes away what is there.
///
/// # Errors
/// When the keys could not be destroyed; then the home opens as ever.
pub(crate) fn leave(home: &Arc<Home>) -> Result<api::Left, Problem> {
    let backups = backup_files(home.path()).map_err(|error| file_problem(&error))?;
    let left = home.leave(&backups).map_err(|error| home_problem(&error))?;
    Ok(api::Left { left_over: left.into_iter().map(|path: PathBuf| path.display().to_string()).collect() })
}

/// Takes away what a leaving has left that was interrupted, or beside which something still wrote. Nothing happens in a
/// home that nobody is leaving.
///
/// # Errors
/// When the directory cannot be read, or what wraps keys not be destroyed.
pub(crate) fn finish(home: &Path) -> io::Result<()> {
    let left = betwixt_store::finish_leaving(home, &backup_files(home)?)?;
    if left.is_some_and(|left| !left.is_empty()) {
        tracing::warn!("some files of a home that was left could not be taken away");
    }
    Ok(())
}
