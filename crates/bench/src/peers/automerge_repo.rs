//! automerge-repo in JavaScript: two processes of Node.js, WebSocket between them, each with its file storage.
//!
//! What it needs is installed by npm into the target directory, exactly as `peers/automerge-repo/package-lock.json` says.

use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::Context;
use serde::Deserialize;

use super::npm;
use crate::samples::Samples;

/// The scripts, embedded, so that the installed copy is always this version's.
const FILES: [(&str, &str); 3] = [
    ("package.json", include_str!("../../peers/automerge-repo/package.json")),
    ("package-lock.json", include_str!("../../peers/automerge-repo/package-lock.json")),
    ("peer.mjs", include_str!("../../peers/automerge-repo/peer.mjs")),
];

/// What peer.mjs prints: nanoseconds.
#[derive(Deserialize)]
struct Printed {
    read: Vec<u64>,
    saved: Vec<u64>,
}

/// From a change to its being read in the other process; and to that and both having written their files. The inner error
/// is why it was skipped, and how to get it.
pub(super) fn measure(edits: usize) -> anyhow::Result<Result<(Samples, Samples), String>> {
    let directory = match npm::install("automerge-repo", &FILES)? {
        Ok(directory) => directory,
        Err(why) => return Ok(Err(why)),
    };
    let storage = tempfile::tempdir()?;
    let mut command = Command::new("node");
    command.arg(directory.join("peer.mjs")).arg(storage.path()).arg(edits.to_string()).stdin(Stdio::null());
    let output = command.output().context("Node.js does not start")?;
    anyhow::ensure!(output.status.success(), "peer.mjs failed:\n{}", npm::last_words(&output));
    let printed: Printed = serde_json::from_slice(&output.stdout).context("peer.mjs printed something else")?;
    let samples = |taken: Vec<u64>| taken.into_iter().map(Duration::from_nanos).collect();
    Ok(Ok((samples(printed.read), samples(printed.saved))))
}
