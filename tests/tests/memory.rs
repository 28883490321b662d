//! What is in memory stays there: no core dumps, and nobody of the same user looks in.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use betwixt_tests::binary::betwixt;

/// Whoever runs this, or nobody when that is root: what is root's in `/proc` says nothing about root's own processes.
fn somebody() -> u32 {
    match rustix::process::geteuid().as_raw() {
        0 => 65534,
        other => other,
    }
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(command: &mut Command) -> Running {
    let quiet = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    if rustix::process::geteuid().is_root() {
        quiet.uid(somebody()).gid(somebody());
    }
    Running(quiet.spawn().unwrap())
}

/// Whose the process's directory in `/proc` is: root's, once its memory is closed to its own user.
fn owner(process: &Running) -> u32 {
    std::fs::metadata(format!("/proc/{}/environ", process.0.id())).unwrap().uid()
}

fn core_limit(process: &Running) -> Vec<String> {
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", process.0.id())).unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    line.split_whitespace().skip(4).take(2).map(str::to_owned).collect()
}

fn wait_until(mut come: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !come() {
        assert!(begun.elapsed() < Duration::from_secs(30), "it does not come");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn directory_of_somebody() -> (tempfile::TempDir, PathBuf) {
    let outside = tempfile::tempdir().unwrap();
    std::fs::set_permissions(outside.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    // Where that user can read it.
    let program = outside.path().join("betwixt");
    std::fs::copy(betwixt(), &program).unwrap();
    let home = outside.path().join("home");
    std::fs::create_dir(&home).unwrap();
    if rustix::process::geteuid().is_root() {
        chown(&home, Some(somebody()), Some(somebody())).unwrap();
    }
    (outside, program)
}

fn of(program: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    let home = program.parent().unwrap().join("home");
    command.args(arguments).env("BETWIXT_HOME", &home).current_dir(home);
    command
}

#[test]
fn no_core_dump_is_made_of_the_daemon_or_a_command_and_nobody_looks_into_their_memory() {
    let (outside, program) = directory_of_somebody();
    // As it is elsewhere: the daemon has something to switch off.
    let mut sleeping = Command::new("sleep");
    let other = start(sleeping.arg("60"));
    wait_until(|| std::fs::read(format!("/proc/{}/comm", other.0.id())).is_ok_and(|name| name == b"sleep\n"));
    assert_eq!(owner(&other), somebody());

    let daemon = start(&mut of(&program, &["up", "--listen", "127.0.0.1:0", "--no-discovery"]));
    wait_until(|| outside.path().join("home/api.sock").exists());
    assert_eq!((core_limit(&daemon), owner(&daemon)), (vec!["0".to_owned(), "0".to_owned()], 0));
    // It waits for a name, and then for a passphrase.
    let command = start(&mut of(&program, &["init"]));
    wait_until(|| core_limit(&command) == ["0", "0"]);
    wait_until(|| owner(&command) == 0);
}
