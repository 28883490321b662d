//! Checking what is on disk, and backups.

use std::path::{Path, PathBuf};

use betwixt_api::{BackupRequest, RestoreRequest};

use crate::arguments::Restore;
use crate::error::CommandError;
use crate::home::Opened;
use crate::render::upkeep;

pub(super) async fn verify(opened: &Opened) -> Result<(), CommandError> {
    let progress = opened.terminal.progress("Reading everything");
    let report = opened.client.verify().await?;
    progress.finish_and_clear();
    opened.terminal.result(&report, || upkeep::verify(&report))?;
    if report.damaged.is_empty() {
        return Ok(());
    }
    Err(CommandError::Found { what: "something on disk is not as it was written".into() })
}

pub(super) async fn backups(opened: &Opened) -> Result<(), CommandError> {
    let backups = opened.client.backups().await?;
    opened.terminal.result(&backups, || upkeep::backups(&opened.look(), &backups))
}

pub(super) async fn backup(opened: &Opened, path: Option<PathBuf>) -> Result<(), CommandError> {
    let path = path.as_deref().map(absolute).transpose()?;
    let progress = opened.terminal.progress("Writing the backup");
    let (key, request) = (super::key(), BackupRequest { path });
    let backup = super::once(async || opened.client.backup(&key, &request).await).await?;
    progress.finish_and_clear();
    opened.terminal.result(&backup, || upkeep::backup(&backup))
}

pub(super) async fn restore(opened: &Opened, restore: Restore) -> Result<(), CommandError> {
    let request = match restore {
        Restore { list: true, .. } => return backups(opened).await,
        Restore { snapshot: Some(name), .. } => RestoreRequest::Snapshot(name),
        Restore { path: Some(path), .. } if path.exists() => RestoreRequest::Path(absolute(&path)?),
        Restore { path, .. } => {
            let path = path.unwrap_or_default();
            return Err(CommandError::NotFound { what: format!("there is no file {}", path.display()) });
        }
    };
    let progress = opened.terminal.progress("Putting the backup in place");
    let restored = opened.client.restore(&request).await?;
    progress.finish_and_clear();
    opened.terminal.result(&restored, || upkeep::restored(&restored))
}

/// The daemon's working directory is another one.
pub(super) fn absolute(path: &Path) -> Result<String, CommandError> {
    let path = std::path::absolute(path).map_err(CommandError::io(format!("finding {}", path.display())))?;
    let text = path.to_str().map(str::to_owned);
    text.ok_or_else(|| CommandError::Value { what: format!("the name {} is not UTF-8", path.display()) })
}
