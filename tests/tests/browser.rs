//! The daemon's own page in a real browser: `tests/browser` drives it, this gives it a home.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use betwixt_testkit::needs::{Need, chromium, met};
use betwixt_tests::binary::betwixt;
use betwixt_tests::home::Home;
use betwixt_tests::http::listen;

/// How many tests the script has: one that is not run is not taken for one that passed.
const TESTS: usize = 5;

/// The script with what it needs, out of the tree.
fn installed() -> PathBuf {
    let (source, package) = (Path::new(env!("CARGO_MANIFEST_DIR")).join("browser"), scratch());
    std::fs::create_dir_all(&package).unwrap();
    for name in ["package.json", "package-lock.json", "landing.test.mjs"] {
        std::fs::copy(source.join(name), package.join(name)).unwrap();
    }
    // Nothing that comes is run on installing, and no browser is fetched.
    let mut npm = Command::new("npm");
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(&package).stdin(Stdio::null());
    let output = npm.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    package
}

fn scratch() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("browser")
}

#[tokio::test]
async fn the_page_works_in_a_browser_and_pages_of_others_are_refused() {
    if !met(&[Need::Node, Need::Chromium]) {
        return;
    }
    let package = tokio::task::spawn_blocking(installed).await.unwrap();
    let mut home = Home::on_loopback().unwrap();
    home.found("Ada").await.unwrap();
    listen(&home).await.unwrap();
    let mut node = Command::new("node");
    node.current_dir(&package).args(["--test", "--test-reporter", "spec", "landing.test.mjs"]).stdin(Stdio::null());
    node.env("BETWIXT", betwixt()).env("BETWIXT_HOME", home.path()).env("BETWIXT_CHROMIUM", chromium().unwrap());
    let tested = tokio::task::spawn_blocking(move || node.output()).await.unwrap().unwrap();
    let (out, errors) = (String::from_utf8_lossy(&tested.stdout), String::from_utf8_lossy(&tested.stderr));
    assert!(tested.status.success(), "{out}{errors}");
    assert!(out.contains(&format!("pass {TESTS}")) && out.contains("fail 0"), "{out}");
    home.client().status().await.unwrap();
}
