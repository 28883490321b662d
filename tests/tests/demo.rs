//! The demo, as the README has it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use betwixt_tests::binary::betwixt;

#[test]
fn the_demo_ends_with_0_and_leaves_nothing_behind() {
    let temporary = tempfile::tempdir().unwrap();
    let begun = Instant::now();
    let output = Command::new(betwixt())
        .args(["demo", "--exit"])
        .env("TMPDIR", temporary.path())
        .env("BETWIXT_HOME", temporary.path().join("untouched"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}\n{said}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    // A debug build on a busy machine may take longer than the ten seconds that a release build has.
    assert!(begun.elapsed() < Duration::from_secs(60), "the demo took {:?}", begun.elapsed());
    assert!(said.lines().count() > 10, "the demo tells what happens:\n{said}");
    let left: Vec<_> = std::fs::read_dir(temporary.path()).unwrap().flatten().map(|entry| entry.path()).collect();
    assert!(left.is_empty(), "the demo left {left:?} behind");
}
