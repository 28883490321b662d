//! What a test needs of the machine beside Rust, and how it says that it was skipped for want of it.
//!
//! A test asks [`met`] first and returns when it answers false:
//!
//! ```no_run
//! use betwixt_testkit::needs::{Need, met};
//!
//! if !met(&[Need::NetworkNamespaces]) {
//!     return;
//! }
//! ```
//!
//! What is listed in `BETWIXT_REQUIRE` (names, separated by commas) must be there: the test fails instead. Otherwise the
//! skip is printed as `skipped: NEED`, and appended as a line to the file that `BETWIXT_SKIPS` names, from which
//! `cargo xtask test` counts: a skipped test is never counted as passed.
//!
//! This file uses the standard library only, because `xtask` compiles it as a module of its own.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

/// The variable with the names of the needs that may not be missing.
pub const REQUIRE: &str = "BETWIXT_REQUIRE";

/// The variable with the path of the file that collects skips.
pub const SKIPS: &str = "BETWIXT_SKIPS";

/// What Chromium is called.
const CHROMIUM: &str = "chromium";

/// Something that not every machine has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// To make network namespaces and join them: iproute2 and CAP_NET_ADMIN.
    NetworkNamespaces,
    /// To mount small file systems of its own: CAP_SYS_ADMIN.
    Mounts,
    /// To capture the traffic of a network namespace: tcpdump.
    Capture,
    /// To give a process another wall clock: libfaketime.
    Faketime,
    /// To build and run the TypeScript client: Node.js 20 or newer, with npm.
    Node,
    /// To run the example in Python.
    Python,
    /// To run the example in curl.
    Curl,
    /// To try what nobody thought of against the API: Schemathesis.
    Schemathesis,
    /// To check units and to be given a socket as systemd does it: systemd's tools, not a running systemd.
    Systemd,
    /// To see the daemon's own page as people see it: Chromium. [`Self::Node`] drives it.
    Chromium,
    /// To count instructions: Valgrind, with its callgrind.
    Valgrind,
}

impl Need {
    /// Every need there is.
    pub const ALL: [Self; 11] = [
        Self::NetworkNamespaces,
        Self::Mounts,
        Self::Capture,
        Self::Faketime,
        Self::Node,
        Self::Python,
        Self::Curl,
        Self::Schemathesis,
        Self::Systemd,
        Self::Chromium,
        Self::Valgrind,
    ];

    /// Its name in [`REQUIRE`] and in what is printed.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NetworkNamespaces => "network-namespaces",
            Self::Mounts => "mounts",
            Self::Capture => "capture",
            Self::Faketime => "faketime",
            Self::Node => "node",
            Self::Python => "python",
            Self::Curl => "curl",
            Self::Schemathesis => "schemathesis",
            Self::Systemd => "systemd",
            Self::Chromium => "chromium",
            Self::Valgrind => "valgrind",
        }
    }

    /// How to get it on Debian.
    pub const fn how(self) -> &'static str {
        match self {
            Self::NetworkNamespaces => "apt-get install iproute2, and run the tests as root",
            Self::Mounts => "run the tests as root (in a container: with CAP_SYS_ADMIN)",
            Self::Capture => "apt-get install tcpdump, and run the tests as root",
            Self::Faketime => "apt-get install libfaketime",
            Self::Node => "install Node.js 20 or newer, with npm",
            Self::Python => "apt-get install python3",
            Self::Curl => "apt-get install curl",
            Self::Schemathesis => "pip install schemathesis, into an environment whose programs are found",
            Self::Systemd => "apt-get install systemd",
            Self::Chromium => "apt-get install chromium",
            Self::Valgrind => "apt-get install valgrind",
        }
    }

    /// Tries it out.
    ///
    /// # Errors
    /// What is missing, in words.
    pub fn probe(self) -> Result<(), String> {
        match self {
            Self::NetworkNamespaces => {
                let name = probe_name();
                run("ip", &["netns", "add", &name])?;
                run("ip", &["netns", "delete", &name])
            }
            Self::Mounts => {
                let directory = std::env::temp_dir().join(probe_name());
                std::fs::create_dir_all(&directory).map_err(|error| error.to_string())?;
                let path = directory.to_string_lossy();
                let mounted = run("mount", &["-t", "tmpfs", "-o", "size=64k", "betwixt-probe", &path]);
                let unmounted = mounted.is_ok().then(|| run("umount", &[&path]));
                let removed = std::fs::remove_dir(&directory).map_err(|error| error.to_string());
                mounted.and(unmounted.unwrap_or(Ok(()))).and(removed)
            }
            Self::Capture => run("tcpdump", &["--version"]),
            Self::Systemd => run("systemd-analyze", &["--version"]).and(run("systemd-socket-activate", &["--version"])),
            Self::Faketime => {
                libfaketime().map(|_| ()).ok_or_else(|| "libfaketimeMT.so.1 is not where packages put it".to_owned())
            }
            Self::Node => {
                run("node", &["--eval", "process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)"])?;
                run("npm", &["--version"])
            }
            Self::Python => run("python3", &["--version"]),
            Self::Curl => run("curl", &["--version"]),
            Self::Schemathesis => run("schemathesis", &["--version"]),
            Self::Chromium => run(CHROMIUM, &["--version"]),
            Self::Valgrind => run("valgrind", &["--tool=callgrind", "--version"]),
        }
    }
}

/// A name that no other probe has, of this process or another: tests of one process probe at the same time.
fn probe_name() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    format!("betwixt-probe-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// The library that gives a process of several threads another clock when it is preloaded; `None` when it is not installed.
pub fn libfaketime() -> Option<PathBuf> {
    let directories = std::fs::read_dir("/usr/lib").ok()?.flatten().map(|entry| entry.path());
    let candidates = directories.chain([PathBuf::from("/usr/lib"), PathBuf::from("/usr/local/lib")]);
    candidates.map(|directory| directory.join("faketime/libfaketimeMT.so.1")).find(|path| path.exists())
}

/// Where Chromium is, for what starts it by its path; `None` when it is not installed.
pub fn chromium() -> Option<PathBuf> {
    let directories = std::env::var_os("PATH")?;
    std::env::split_paths(&directories).map(|directory| directory.join(CHROMIUM)).find(|path| path.is_file())
}

/// Whether a test that needs these can go on. When it answers false the test must return; it has been recorded as skipped
/// under the name of its thread, which test runners name after the test.
///
/// # Panics
/// When a need is missing that [`REQUIRE`] lists.
#[allow(clippy::print_stdout)]
pub fn met(needs: &[Need]) -> bool {
    let required = std::env::var(REQUIRE).unwrap_or_default();
    for need in needs {
        let Err(reason) = need.probe() else { continue };
        let name = need.name();
        assert!(
            !required.split(',').any(|required| required.trim() == name),
            "{name} is required by {REQUIRE} and missing: {reason}. To get it: {}",
            need.how()
        );
        println!("skipped: {name} ({reason}). To get it: {}", need.how());
        if let Some(path) = std::env::var_os(SKIPS) {
            record(Path::new(&path), name);
        }
        return false;
    }
    true
}

fn record(path: &Path, name: &str) {
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a test");
    let opened = std::fs::OpenOptions::new().create(true).append(true).open(path);
    // One write of one short line to a file opened for appending: lines of several test processes do not mix.
    let written = opened.and_then(|mut file| file.write_all(format!("{name}\t{test}\n").as_bytes()));
    assert!(written.is_ok(), "a skip must be recorded, but {} cannot be written", path.display());
}

fn run(program: &str, arguments: &[&str]) -> Result<(), String> {
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{program} does not start: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("`{program} {}` says: {}", arguments.join(" "), said.trim()))
}
