//! `cargo xtask soak`: the seeded tests, many more times than by default, and what they survived in figures.

use std::path::PathBuf;

use anyhow::{Context, ensure};
use clap::Args;

use crate::survived::{SURVIVED, sums};
use crate::{cargo, figures, fuzz, tally};

/// How many networks, lives, days, of which one in how many is eventful, kills and damages the short form has.
const SHORT: (u32, u32, u32, u32, u32, u32) = (12, 400, 3_653, 5, 12, 2);

#[derive(Args, Clone)]
pub(crate) struct Options {
    /// How many simulated networks, in each test of them.
    #[arg(long, default_value_t = 2_000)]
    networks: u32,
    /// How many lives of two partners, with nothing but the model on their devices.
    #[arg(long, default_value_t = 50_000)]
    lives: u32,
    /// How many simulated days the long networks go on: thirty years, unless it is said otherwise.
    #[arg(long, default_value_t = 10_958)]
    days: u32,
    /// On one in how many of these days something happens.
    #[arg(long, default_value_t = 5)]
    quiet: u32,
    /// How many times a daemon is killed while it works.
    #[arg(long, default_value_t = 200)]
    kills: u32,
    /// How often random bytes of each file of a home are damaged.
    #[arg(long, default_value_t = 12)]
    damages: u32,
    /// How many cases of every property test.
    #[arg(long, default_value_t = 5_000)]
    cases: u32,
    /// Where the seeds begin; each run prints its own when it fails.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Only the faults: no property tests, no fuzzing.
    #[arg(long)]
    faults: bool,
    /// All kinds of faults, each as often as fits into some twenty minutes on a small machine, what is built before left out. Stands for
    /// `--faults --debug` and for every number.
    #[arg(long)]
    short: bool,
    /// With a debug build: slower, with every debug assertion, and nothing has to be built anew where tests were run before.
    #[arg(long)]
    debug: bool,
    /// Write the figures into docs/reliability.md, with the date and this command.
    #[arg(long)]
    write: bool,
    #[command(flatten)]
    fuzz: fuzz::Options,
}

impl Options {
    /// With what [`Options::short`] stands for.
    fn spelled_out(&self) -> Self {
        if !self.short {
            return self.clone();
        }
        let (networks, lives, days, quiet, kills, damages) = SHORT;
        Self { networks, lives, days, quiet, kills, damages, faults: true, debug: true, ..self.clone() }
    }

    /// The command that does the same again.
    fn command(&self) -> String {
        let Self { networks, lives, days, quiet, kills, damages, seed, debug, .. } = self;
        let build = if *debug { " --debug" } else { "" };
        format!(
            "cargo xtask soak --faults{build} --networks {networks} --lives {lives} --days {days} --quiet {quiet} \
             --kills {kills} --damages {damages} --seed {seed}"
        )
    }
}

/// What is built, always all of it, so that dependencies have the same features and are built once.
const PACKAGES: [&str; 6] = ["--package", "betwixt-cli", "--package", "betwixt-tests", "--package", "betwixt-testkit"];

/// To how many networks there is one of those in which people say thousands of things.
const NETWORKS_A_LONG_RUN: u32 = 50;

/// Every test of simulations but the lives, which have a step of their own.
const SIMULATIONS: [&str; 13] = [
    "network",
    "apart",
    "versions",
    "files",
    "lying_disks",
    "every_place",
    "long_life",
    "generations",
    "private",
    "chapters",
    "in_step",
    "store_on_disks",
    "store_full_disk",
];

/// The tests of faults on real processes.
const PROCESSES: [&str; 6] =
    ["crashes", "faults_between", "faults_process", "faults_disk", "recovery", "network_faults"];

/// Runs all of it one after the other, and answers whether everything passed. The numbers go to the tests as environment
/// variables: `BETWIXT_LIVES`, `BETWIXT_RUNS`, `BETWIXT_LONG_RUNS`, `BETWIXT_DAYS`, `BETWIXT_QUIET`, `BETWIXT_KILLS`, `BETWIXT_DAMAGES`, `PROPTEST_CASES`,
/// `BETWIXT_SEED`; and the tests say in the file that `BETWIXT_SURVIVED` names what they went through.
pub(crate) fn run(options: &Options) -> anyhow::Result<bool> {
    let options = &options.spelled_out();
    let lines = Lines::new()?;
    let mut total = tally::Tally::default();
    let tests = |names: &[&'static str]| -> Vec<&str> {
        PACKAGES.into_iter().chain(names.iter().flat_map(|name| ["--test", *name])).collect()
    };
    // One process at a time: on a small machine they would wait for each other.
    let processes = [tests(&PROCESSES), vec!["--", "--test-threads", "1"]].concat();
    let mut steps = vec![
        ("lives", tests(&["lives"])),
        ("simulated networks and disks", tests(&SIMULATIONS)),
        ("real processes", processes),
    ];
    if !options.faults {
        let excluded = ["betwixt-tests", "betwixt-testkit", "betwixt-fuzz"].into_iter();
        let others = ["--workspace"].into_iter().chain(excluded.flat_map(|name| ["--exclude", name]));
        steps.push(("property tests", others.collect()));
    }
    let profile: &[&str] = if options.debug { &["--locked"] } else { &["--locked", "--release"] };
    let binary = binary(profile, options.debug)?;
    for (title, arguments) in steps {
        println!("\n== {title}");
        let mut command = cargo::command(&[&["test"], profile, &arguments].concat());
        command
            .env("BETWIXT_BIN", &binary)
            .env("BETWIXT_LIVES", options.lives.to_string())
            .env("BETWIXT_RUNS", options.networks.to_string())
            .env("BETWIXT_LONG_RUNS", options.networks.div_ceil(NETWORKS_A_LONG_RUN).to_string())
            .env("BETWIXT_DAYS", options.days.to_string())
            .env("BETWIXT_QUIET", options.quiet.to_string())
            .env("BETWIXT_KILLS", options.kills.to_string())
            .env("BETWIXT_DAMAGES", options.damages.to_string())
            .env("PROPTEST_CASES", options.cases.to_string())
            .env(SURVIVED, &lines.0);
        if options.seed != 0 {
            command.env("BETWIXT_SEED", options.seed.to_string());
        }
        total.add(tally::run(&mut command)?);
    }
    if !options.faults {
        total.add(fuzz::run(&options.fuzz, options.seed)?);
    }
    let text = std::fs::read_to_string(&lines.0).context("no test said what it survived")?;
    let sums = sums(&text).map_err(anyhow::Error::msg)?;
    println!("\n{}", figures::table(&sums));
    println!("{total}");
    let lost: u64 = sums.values().map(|survived| survived.lost).sum();
    let well = total.failed == 0 && lost == 0;
    if options.write && well {
        figures::write(&cargo::root().join("docs/reliability.md"), &sums, &options.command())?;
    } else if options.write {
        println!("Nothing is written into the documentation: not everything passed.");
    }
    Ok(well)
}

/// Builds `betwixt`, and answers where it is.
fn binary(profile: &[&str], debug: bool) -> anyhow::Result<PathBuf> {
    let status = cargo::command(&[&["build"], profile, &PACKAGES[..]].concat()).status()?;
    ensure!(status.success(), "`betwixt` does not build");
    Ok(cargo::programs(if debug { "dev" } else { "release" }).join("betwixt"))
}

/// The file in which tests say what they survived; it goes at the end.
struct Lines(PathBuf);

impl Lines {
    fn new() -> anyhow::Result<Self> {
        let path = std::env::temp_dir().join(format!("betwixt-survived-{}", std::process::id()));
        std::fs::write(&path, "").with_context(|| format!("{} cannot be written", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
