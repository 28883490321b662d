//! `cargo xtask fuzz` and the part of `soak` that fuzzes: the bodies of `betwixt-fuzz`, with seeded alterations on any
//! machine, and under libFuzzer where that is.

use std::process::{Command, Stdio};

use anyhow::Context;
use clap::Args;

use crate::{cargo, tally};

/// Where the targets of libFuzzer are.
const TARGETS: &str = "crates/fuzz/libfuzzer";

/// How much memory a target may take under libFuzzer, in MiB: far beyond what the tests allow, which count exactly.
const MEMORY: &str = "-rss_limit_mb=2048";

/// How long one input may take there, in seconds.
const PATIENCE: &str = "-timeout=30";

#[derive(Args, Clone)]
// Its own name, since soak's options have these among theirs.
#[group(id = "fuzzing")]
pub(crate) struct Options {
    /// How long each target runs under libFuzzer, in seconds; 0 not at all.
    #[arg(long = "fuzz", value_name = "SECONDS", default_value_t = 60)]
    pub(crate) seconds: u32,
    /// How many altered inputs each target gets from the tests, which need no libFuzzer; 0 for none of it.
    #[arg(long, value_name = "COUNT", default_value_t = 20_000)]
    pub(crate) inputs: u64,
    /// Only these targets under libFuzzer.
    #[arg(long = "target", value_name = "NAME")]
    pub(crate) targets: Vec<String>,
}

/// Both, one after the other.
pub(crate) fn run(options: &Options, seed: u64) -> anyhow::Result<tally::Tally> {
    let mut total = under_libfuzzer(options)?;
    if options.inputs > 0 {
        println!("\n== fuzzing: seeded alterations");
        let mut command = cargo::command(&["test", "--locked", "--release", "--package", "betwixt-fuzz"]);
        command.env("BETWIXT_INPUTS", options.inputs.to_string());
        if seed != 0 {
            command.env("BETWIXT_SEED", seed.to_string());
        }
        total.add(tally::run(&mut command)?);
    }
    Ok(total)
}

/// Writes the first inputs of every target anew, as the encoders write them today.
pub(crate) fn seeds() -> anyhow::Result<bool> {
    let mut command = cargo::command(&["test", "--locked", "--quiet", "--package", "betwixt-fuzz", "--test", "seeds"]);
    Ok(command.env("BETWIXT_RENEW", "1").status()?.success())
}

/// What is found is in `crates/fuzz/libfuzzer/artifacts`, and libFuzzer says how to run it again. New inputs that reach
/// further are put into `target/fuzz`, and not among those that are kept.
fn under_libfuzzer(options: &Options) -> anyhow::Result<tally::Tally> {
    println!("\n== fuzzing: libFuzzer");
    let names = names()?;
    let wanted = |name: &&String| options.targets.is_empty() || options.targets.contains(name);
    let names: Vec<&String> = names.iter().filter(wanted).collect();
    let skipped = tally::Tally { skipped: names.len(), ..tally::Tally::default() };
    if options.seconds == 0 {
        println!("skipped: --fuzz 0 asks for none");
        return Ok(skipped);
    }
    if let Err((what, how)) = probe() {
        println!("skipped, all {} targets, for want of {what}. To get it: {how}", names.len());
        return Ok(skipped);
    }
    let mut total = tally::Tally::default();
    for name in names {
        println!("\n== {name} for {} s", options.seconds);
        let grown = cargo::root().join("target/fuzz").join(name);
        std::fs::create_dir_all(&grown).with_context(|| format!("{} cannot be made", grown.display()))?;
        let kept = ["corpus", "found"].map(|kind| cargo::root().join("crates/fuzz").join(kind).join(name));
        let mut command = libfuzzer(&["run", "--fuzz-dir", TARGETS, "--sanitizer", "none", name]);
        command.arg(&grown).args(kept.iter().filter(|directory| directory.is_dir()));
        command
            .args(["--", PATIENCE, MEMORY, "-print_final_stats=1"])
            .arg(format!("-max_total_time={}", options.seconds));
        let found = !command.status().context("cargo does not start")?.success();
        total.add(tally::Tally { passed: usize::from(!found), failed: usize::from(found), skipped: 0 });
    }
    Ok(total)
}

/// A command of cargo-fuzz, by the nightly compiler: through rustup's own cargo, for the one that runs this is another's.
fn libfuzzer(arguments: &[&str]) -> Command {
    let mut command = Command::new("rustup");
    command.args(["run", "nightly", "cargo", "fuzz"]).args(arguments).current_dir(cargo::root()).stdin(Stdio::null());
    // What cargo told this program of itself is about another package, and would have crates built anew that look at it.
    let about_this = |name: &String| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()).filter(about_this);
    for own in names.chain(["CARGO", "RUSTC", "RUSTUP_TOOLCHAIN", "RUSTFLAGS"].map(str::to_owned)) {
        command.env_remove(own);
    }
    command
}

/// What is missing, and how to get it.
fn probe() -> Result<(), (&'static str, &'static str)> {
    let runs = |command: &mut Command| {
        command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
    };
    if !runs(Command::new("rustup").args(["run", "nightly", "cargo", "--version"])) {
        return Err(("a nightly compiler", "rustup toolchain install nightly"));
    }
    if !runs(&mut libfuzzer(&["--version"])) {
        return Err(("cargo-fuzz", "cargo install --locked cargo-fuzz"));
    }
    Ok(())
}

/// The targets, by their files.
fn names() -> anyhow::Result<Vec<String>> {
    let directory = cargo::root().join(TARGETS).join("fuzz_targets");
    let entries = std::fs::read_dir(&directory).with_context(|| format!("{} cannot be read", directory.display()))?;
    let stem = |path: std::path::PathBuf| path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let mut names: Vec<String> = entries.flatten().filter_map(|entry| stem(entry.path())).collect();
    names.sort_unstable();
    Ok(names)
}
