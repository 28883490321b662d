//! A daemon that the system starts when somebody asks it something (socket activation), and its log.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs::DirBuilder;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use betwixt_api::SOCKET_NAME;
use betwixt_testkit::needs::{Need, met};
use betwixt_tests::home::Home;

/// Whether somebody accepts connections at the socket, as the kernel tells (`/proc/net/unix`, whose fourth column has
/// the flag `__SO_ACCEPTCON`): the file appears with `bind`, and until `listen` whoever connects is refused. Trying to
/// connect would not do: the first connection is what starts the daemon.
fn accepts(socket: &Path) -> bool {
    const ACCEPTS: u32 = 0x1_0000;
    let path = socket.to_str().unwrap();
    std::fs::read_to_string("/proc/net/unix").unwrap().lines().any(|line| {
        let columns: Vec<_> = line.split_whitespace().collect();
        columns.last() == Some(&path) && u32::from_str_radix(columns[3], 16).unwrap() & ACCEPTS != 0
    })
}

/// Waits until the system listens there. A test that waited for the file alone was refused once, between `bind` and
/// `listen`.
async fn listening(socket: &Path, system: &mut Child) {
    let begun = Instant::now();
    while !accepts(socket) {
        assert!(system.try_wait().unwrap().is_none(), "it ended, and did not listen at {}", socket.display());
        assert!(begun.elapsed() < Duration::from_secs(20), "nothing listens at {}", socket.display());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn the_first_request_starts_a_daemon_at_the_systems_socket_which_stays() {
    if !met(&[Need::Systemd]) {
        return;
    }
    let home = Home::on_loopback().unwrap();
    DirBuilder::new().mode(0o700).create(home.path()).unwrap();
    let (socket, log) = (home.path().join(SOCKET_NAME), home.path().join("daemon.log"));
    let log = std::fs::File::options().create(true).append(true).open(log).unwrap();
    let betwixt = home.command(&[]);
    let variable = format!("BETWIXT_HOME={}", home.path().display());
    let mut system = Command::new("systemd-socket-activate")
        .arg("--listen")
        .arg(&socket)
        .args(["--setenv", &variable])
        .arg(betwixt.get_program())
        .args(["up", "--no-discovery"])
        .stderr(Stdio::from(log))
        .spawn()
        .unwrap();
    listening(&socket, &mut system).await;
    let status = home.client().status().await.unwrap();
    // It became the daemon: the system's process, with the system's socket.
    assert_eq!(status.process, system.id());
    assert_eq!(std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(home.run(&["logs"]).unwrap().status.success());
    assert!(String::from_utf8(home.run(&["logs"]).unwrap().stdout).unwrap().contains("Betwixt runs for"));
    home.client().down().await.unwrap();
    assert!(system.wait().unwrap().success());
    assert!(socket.exists(), "the system goes on listening at its socket");
}

#[tokio::test]
async fn a_socket_of_the_systems_elsewhere_is_refused_in_words() {
    if !met(&[Need::Systemd]) {
        return;
    }
    let home = Home::on_loopback().unwrap();
    DirBuilder::new().mode(0o700).create(home.path()).unwrap();
    let elsewhere = home.path().join("elsewhere.sock");
    let variable = format!("BETWIXT_HOME={}", home.path().display());
    let mut system = Command::new("systemd-socket-activate")
        .arg("--listen")
        .arg(&elsewhere)
        .args(["--setenv", &variable])
        .arg(home.command(&[]).get_program())
        .args(["up", "--no-discovery"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    listening(&elsewhere, &mut system).await;
    let _ = std::os::unix::net::UnixStream::connect(&elsewhere).unwrap();
    let output = system.wait_with_output().unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("betwixt service install"), "{output:?}");
}
