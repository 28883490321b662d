//! What peers in JavaScript need, installed by npm into the target directory exactly as a lock file says.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Installs files and what their `package-lock.json` names into a directory of this name; answers where. The inner error is
/// why it cannot, and how it can.
pub(crate) fn install(name: &str, files: &[(&str, &str)]) -> anyhow::Result<Result<PathBuf, String>> {
    let directory = target().join("peers").join(name);
    std::fs::create_dir_all(&directory)?;
    let mut stale = !directory.join("node_modules/.package-lock.json").exists();
    for (name, text) in files {
        let path = directory.join(name);
        if std::fs::read_to_string(&path).ok().as_deref() != Some(text) {
            std::fs::write(&path, text)?;
            stale |= name.starts_with("package");
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

/// The end of what a program complained of.
pub(crate) fn last_words(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let mut lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines.drain(..lines.len().saturating_sub(5));
    lines.join(" / ")
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
