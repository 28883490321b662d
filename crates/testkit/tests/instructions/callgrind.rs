//! Running a part of this program under callgrind.

use std::path::Path;
use std::process::{Command, Stdio};

/// Runs one ignored test of this program under callgrind, handing it a directory in a variable, and answers how many
/// instructions each call of a function took, in the order of the calls. The directory gets callgrind's files, too.
///
/// # Panics
/// When the test fails there.
pub(crate) fn count(directory: &Path, variable: &str, test: &str, function: &str) -> Vec<u64> {
    let program = std::env::current_exe().expect("this program has a path");
    let output = Command::new("valgrind")
        .args(["--quiet", "--tool=callgrind", "--collect-atstart=no"])
        .arg(format!("--callgrind-out-file={}", directory.join("counted").display()))
        // The sum is all that is asked for.
        .args(["--dump-line=no", "--compress-strings=yes"])
        .args([format!("--toggle-collect={function}"), format!("--dump-after={function}")])
        .arg(program)
        .args(["--exact", test, "--ignored", "--nocapture", "--test-threads", "1"])
        .env(variable, directory)
        .stdin(Stdio::null())
        .output()
        .expect("valgrind starts");
    let said = || format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "under callgrind: {}", said());
    let mut counts = Vec::new();
    // Callgrind writes a file at the end of each call, numbered from 1.
    while let Ok(dump) = std::fs::read_to_string(directory.join(format!("counted.{}", counts.len() + 1))) {
        let total = dump.lines().find_map(|line| line.strip_prefix("totals: ")?.trim().parse::<u64>().ok());
        counts.push(total.expect("callgrind says how many there were"));
    }
    assert!(counts.iter().all(|count| *count > 0), "nothing was counted in {function}: {counts:?}\n{}", said());
    counts
}
