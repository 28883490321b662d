//! Starting cargo.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};

/// The root of the workspace.
pub(crate) fn root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.ancestors().nth(2).unwrap_or(own).to_path_buf()
}

/// The directory of this profile's programs.
pub(crate) fn programs(profile: &str) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    root().join(target).join(if profile == "dev" { "debug" } else { profile })
}

/// A command of the cargo that runs this, in the workspace's root.
pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(root()).stdin(Stdio::null());
    command
}

/// Builds `betwixt` and answers its path. With the whole workspace selected cargo builds dependencies with the same
/// features as for the tests, so only once.
pub(crate) fn binary(profile: &str) -> anyhow::Result<PathBuf> {
    let arguments = ["build", "--locked", "--profile", profile, "--workspace", "--bin", "betwixt"];
    let status = command(&arguments).status().context("cargo does not start")?;
    ensure!(status.success(), "`betwixt` does not build");
    let path = programs(profile).join("betwixt");
    ensure!(path.exists(), "cargo built `betwixt`, but not as {}", path.display());
    Ok(path)
}

/// Builds `betwixt` and the benchmarks in this profile and answers their paths. In one go: apart, they would have
/// dependencies with different features, and everything would be built twice.
pub(crate) fn benchmarks(profile: &str) -> anyhow::Result<(PathBuf, PathBuf)> {
    let packages = ["--package", "betwixt-cli", "--package", "betwixt-bench"];
    let arguments = [["build", "--locked", "--profile", profile].as_slice(), &packages].concat();
    let mut command = command(&arguments);
    let status = command.args(["--features", "betwixt-bench/peers"]).status().context("cargo does not start")?;
    ensure!(status.success(), "the benchmarks do not build");
    let built = |name: &str| {
        let path = programs(profile).join(name);
        ensure!(path.exists(), "cargo built `{name}`, but not as {}", path.display());
        Ok(path)
    };
    Ok((built("betwixt")?, built("betwixt-bench")?))
}

/// Whether cargo-nextest is installed.
pub(crate) fn has_nextest() -> bool {
    succeeds(&["nextest", "--version"])
}

/// Whether cargo does this; what it says of it is not shown.
pub(crate) fn succeeds(arguments: &[&str]) -> bool {
    let output = command(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status();
    output.is_ok_and(|status| status.success())
}
