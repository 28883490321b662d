//! The clients and the examples for whoever writes a frontend, against a running daemon.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use betwixt_testkit::needs::{Need, met};
use betwixt_tests::home::Home;
use betwixt_tests::web::built;

#[path = "../../docs/examples/frontend.rs"]
#[allow(dead_code, unreachable_pub, reason = "its own `main` is for whoever runs it by itself")]
mod frontend;

/// What every example prints in a home whose only goal is its own.
const PRINTED: [&str; 2] = ["goal: Plant two trees", "changed: item"];

const PATIENCE: Duration = Duration::from_secs(60);

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn example(name: &str) -> PathBuf {
    root().join("docs/examples").join(name)
}

async fn home() -> Home {
    let mut home = Home::on_loopback().unwrap();
    home.found("Ada").await.unwrap();
    home
}

/// Runs a program to its end; an example that waits for ever fails.
async fn run(command: &mut Command) -> Output {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let begun = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if begun.elapsed() > PATIENCE {
            child.kill().unwrap();
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    child.wait_with_output().unwrap()
}

fn assert_printed(output: &Output) {
    let (out, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}{errors}");
    assert_eq!(out.lines().collect::<Vec<_>>(), PRINTED, "{errors}");
}

#[tokio::test]
async fn the_example_in_rust_works() {
    let home = home().await;
    assert_eq!(frontend::frontend(home.client()).await.unwrap(), PRINTED);
}

#[tokio::test]
async fn the_example_in_python_works() {
    if !met(&[Need::Python]) {
        return;
    }
    let home = home().await;
    assert_printed(&run(Command::new("python3").arg(example("frontend.py")).arg(home.client().socket())).await);
}

#[tokio::test]
async fn the_example_in_curl_works() {
    if !met(&[Need::Curl]) {
        return;
    }
    let home = home().await;
    assert_printed(&run(Command::new("sh").arg(example("frontend.sh")).arg(home.client().socket())).await);
}

#[tokio::test]
async fn the_typescript_client_and_its_example_work() {
    if !met(&[Need::Node]) {
        return;
    }
    let package = tokio::task::spawn_blocking(|| built(Path::new(env!("CARGO_TARGET_TMPDIR")))).await.unwrap();
    let first = home().await;
    let mut node = Command::new("node");
    node.current_dir(&package).args(["--test", "dist/test/"]).env("BETWIXT_SOCKET", first.client().socket());
    let tested = run(&mut node).await;
    assert!(
        tested.status.success(),
        "{}{}",
        String::from_utf8_lossy(&tested.stdout),
        String::from_utf8_lossy(&tested.stderr)
    );
    let out = String::from_utf8_lossy(&tested.stdout);
    assert!(out.contains("pass 4") && out.contains("fail 0"), "{out}");
    let second = home().await;
    let mut node = Command::new("node");
    assert_printed(
        &run(node.current_dir(&package).arg("dist/examples/frontend.js").arg(second.client().socket())).await,
    );
}
