//! Files that are carried by hand.

use std::io::{BufWriter, IntoInnerError, Write};
use std::path::Path;
use std::time::Duration;

use betwixt_api::{CarryImport, CarryRequest, Carrying, Client, ClientError, Problem, ProblemKind};
use indicatif::HumanBytes;
use serde::Serialize;

use super::new_file::{NewFile, failed};
use super::upkeep::absolute;
use crate::arguments::{Carry, CarryExport};
use crate::error::CommandError;
use crate::home::Opened;
use crate::render::carry as render;

/// How often it is looked how far a file is.
const LOOK: Duration = Duration::from_millis(300);

/// A file that was written.
#[derive(Debug, Serialize)]
struct Written {
    path: String,
    bytes: u64,
}

pub(super) async fn carry(opened: &Opened, command: Carry) -> Result<(), CommandError> {
    match command {
        Carry::Export(export) => write(opened, export).await,
        Carry::Import { file } => import(opened, &file).await,
    }
}

async fn write(opened: &Opened, export: CarryExport) -> Result<(), CommandError> {
    let CarryExport { device, file: path, everything, shared_only, overwrite } = export;
    let new = NewFile::begin(&path, overwrite)?;
    let progress = opened.terminal.progress("Writing the file");
    let file = new.file()?;
    let pour = async {
        let mut out = BufWriter::new(file);
        let mut written = 0_u64;
        let mut pieces = opened.client.carry_export(&device, CarryRequest { everything, shared_only }).await?;
        while let Some(piece) = pieces.next().await.map_err(broke_off)? {
            out.write_all(&piece).map_err(failed(&path))?;
            written += piece.len() as u64;
            progress.set_message(format!("Writing the file: {}", HumanBytes(written)));
        }
        let file = out.into_inner().map_err(IntoInnerError::into_error).map_err(failed(&path))?;
        file.sync_all().map_err(failed(&path))
    };
    // Otherwise a part of it would stay behind.
    let poured = tokio::select! {
        poured = pour => poured,
        _ = tokio::signal::ctrl_c() => Err(CommandError::Stopped),
    };
    progress.finish_and_clear();
    poured?;
    let written = Written { bytes: new.keep()?, path: path.display().to_string() };
    opened.terminal.result(&written, || render::written(&written.path, written.bytes, &device))
}

/// A file that was begun and does not come to its end.
fn broke_off(error: ClientError) -> CommandError {
    match error {
        ClientError::Disconnected(_) => {
            let detail =
                "Not everything could be read, or the daemon went down. Nothing was written: see `betwixt verify`.";
            Problem::new(ProblemKind::Storage, detail).into()
        }
        error => error.into(),
    }
}

async fn import(opened: &Opened, path: &Path) -> Result<(), CommandError> {
    let request = CarryImport { path: absolute(path)? };
    let bytes = path.metadata().map(|about| about.len()).unwrap_or_default();
    let progress = opened.terminal.measured(format!("Taking in {}", HumanBytes(bytes)), 1);
    // The other connection waits for the answer.
    let watching = Client::new(opened.client.socket());
    let watch = async {
        loop {
            tokio::time::sleep(LOOK).await;
            if let Ok(Some(Carrying { done, of })) = watching.status().await.map(|status| status.carrying) {
                progress.set_length(of);
                progress.set_position(done);
            }
        }
    };
    let imported = tokio::select! {
        imported = opened.client.carry_import(&request) => imported,
        never = watch => never,
    };
    progress.finish_and_clear();
    let report = imported?;
    let status = opened.client.status().await?;
    opened.terminal.result(&report, || render::imported(&opened.look(), &report, status.differences))
}
