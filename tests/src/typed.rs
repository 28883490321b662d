//! Commands that are answered by lines on their standard input.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use anyhow::Context as _;

/// Runs a command to its end, with these lines to read.
///
/// # Errors
/// When it does not start, or ends without reading.
pub fn typed(mut command: Command, lines: &[&str]) -> anyhow::Result<Output> {
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().context("it does not start")?;
    let text: String = lines.iter().flat_map(|line| [line, "\n"]).collect();
    child.stdin.take().context("its input was asked for")?.write_all(text.as_bytes())?;
    Ok(child.wait_with_output()?)
}

/// The same; whether it succeeded, and all that it said.
///
/// # Errors
/// As [`typed`].
pub fn said(command: Command, lines: &[&str]) -> anyhow::Result<(bool, String)> {
    let output = typed(command, lines)?;
    let said = [output.stdout, output.stderr].concat();
    Ok((output.status.success(), String::from_utf8_lossy(&said).into_owned()))
}
