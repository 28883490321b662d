//! automerge-repo in JavaScript: two processes of Node.js, WebSocket between them, each with its file storage.
//!
//! What it needs is installed by npm into the target directory, exactly as `peers/automerge-repo/package-lock.json` says.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use anyhow::Context;
use serde::Deserialize;

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
    let directory = match install()? {
        Ok(directory) => directory,
        Err(why) => return Ok(Err(why)),
    };
    let storage = tempfile::tempdir()?;
    let mut command = Command::new("node");
    command.arg(directory.join("peer.mjs")).arg(storage.path()).arg(edits.to_string()).stdin(Stdio::null());
    let output = command.output().context("Node.js does not start")?;
    anyhow::ensure!(output.status.success(), "peer.mjs failed:\n{}", last_words(&output));
    let printed: Printed = serde_json::from_slice(&output.stdout).context("peer.mjs printed something else")?;
    let samples = |taken: Vec<u64>| taken.into_iter().map(Duration::from_nanos).collect();
    Ok(Ok((samples(printed.read), samples(printed.saved))))
}

fn install() -> anyhow::Result<Result<PathBuf, String>> {
    let directory = target().join("peers/automerge-repo");
    std::fs::create_dir_all(&directory)?;
    let mut stale = !directory.join("node_modules/.package-lock.json").exists();
    for (name, text) in FILES {
        let path = directory.join(name);
        if std::fs::read_to_string(&path).ok().as_deref() != Some(text) {
            std::fs::write(&path, text)?;
            stale |= name != "peer.mjs";
        }
    }
    if !starts("node") {
        return Ok(Err("Node.js is not here: install Node.js 20 or newer, with npm".into()));
    }
    if !stale {
        return Ok(Ok(directory));
    }
    // Nothing that comes is run on installing.
    let arguments = ["ci", "--ignore-scripts", "--no-audit", "--no-fund"];
    match Command::new("npm").args(arguments).current_dir(&directory).stdin(Stdio::null()).output() {
        Ok(output) if output.status.success() => Ok(Ok(directory)),
        Ok(output) => {
            let (at, words) = (directory.display(), last_words(&output));
            Ok(Err(format!("npm could not install it: run `npm ci --ignore-scripts` in {at}. It said: {words}")))
        }
        Err(error) => Ok(Err(format!("npm does not start ({error}): install it beside Node.js"))),
    }
}

fn starts(program: &str) -> bool {
    let run = Command::new(program).arg("--version").stdin(Stdio::null()).output();
    run.is_ok_and(|output| output.status.success())
}

/// The target directory that this program was built into.
fn target() -> PathBuf {
    let own = std::env::current_exe().ok();
    let found = own.as_deref().and_then(|own| own.ancestors().find(|at| at.join("CACHEDIR.TAG").exists()));
    found.map_or_else(|| std::env::temp_dir().join("betwixt-bench"), Path::to_path_buf)
}

fn last_words(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let mut lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines.drain(..lines.len().saturating_sub(5));
    lines.join(" / ")
}
