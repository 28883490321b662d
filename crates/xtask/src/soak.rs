//! `cargo xtask soak`: the seeded tests, many more times than by default.

use clap::Args;

use crate::{cargo, fuzz, tally};

#[derive(Args)]
pub(crate) struct Options {
    /// How many simulated networks.
    #[arg(long, default_value_t = 2_000)]
    networks: u32,
    /// How many lives of two partners, with nothing but the model on their devices.
    #[arg(long, default_value_t = 50_000)]
    lives: u32,
    /// How many times a daemon is killed while it works.
    #[arg(long, default_value_t = 200)]
    kills: u32,
    /// How many cases of every property test.
    #[arg(long, default_value_t = 5_000)]
    cases: u32,
    /// Where the seeds begin; each run prints its own when it fails.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    fuzz: fuzz::Options,
}

/// Runs all of it one after the other, and answers whether everything passed. The numbers go to the tests as environment
/// variables: `BETWIXT_LIVES`, `BETWIXT_RUNS`, `BETWIXT_KILLS`, `PROPTEST_CASES`, `BETWIXT_SEED`.
pub(crate) fn run(options: &Options) -> anyhow::Result<bool> {
    let mut total = tally::Tally::default();
    let steps: [(&str, &[&str]); 4] = [
        ("lives", &["test", "--locked", "--release", "--package", "betwixt-testkit", "--test", "lives"]),
        ("simulated networks", &["test", "--locked", "--release", "--package", "betwixt-testkit"]),
        (
            "property tests",
            &[
                "test",
                "--locked",
                "--release",
                "--workspace",
                "--exclude",
                "betwixt-tests",
                "--exclude",
                "betwixt-testkit",
                "--exclude",
                "betwixt-fuzz",
            ],
        ),
        ("kills", &["test", "--locked", "--release", "--package", "betwixt-tests", "--test", "crashes"]),
    ];
    let binary = cargo::binary("release")?;
    for (title, arguments) in steps {
        println!("\n== {title}");
        let mut command = cargo::command(arguments);
        command
            .env("BETWIXT_BIN", &binary)
            .env("BETWIXT_LIVES", options.lives.to_string())
            .env("BETWIXT_RUNS", options.networks.to_string())
            .env("BETWIXT_KILLS", options.kills.to_string())
            .env("PROPTEST_CASES", options.cases.to_string());
        if options.seed != 0 {
            command.env("BETWIXT_SEED", options.seed.to_string());
        }
        total.add(tally::run(&mut command)?);
    }
    total.add(fuzz::run(&options.fuzz, options.seed)?);
    println!("{total}");
    Ok(total.failed == 0)
}
