//! `cargo xtask`: every kind of test, the benchmarks and the long runs, each with one command.
//!
//! It starts cargo and reads what cargo prints; it tests nothing itself.

// The only program here whose output is for a person at a terminal and whose prints are its purpose.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod advisories;
mod cargo;
mod figures;
mod fuzz;
#[allow(dead_code, unreachable_pub, missing_docs)] // shared with the tests, which use the other half
#[path = "../../testkit/src/needs.rs"]
mod needs;
mod soak;
#[allow(dead_code, unreachable_pub, missing_docs)] // shared with the tests, which use the other half
#[path = "../../testkit/src/survived.rs"]
mod survived;
mod tally;
mod test;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", about = "Betwixt's own tasks")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Run every kind of test: unit, property and documentation tests, end-to-end tests, tests in network namespaces.
    Test(test::Options),
    /// Measure speed and memory against the floor of this machine, in release mode.
    Bench {
        /// Builds without optimisation: to see that it works. Its figures mean nothing.
        #[arg(long)]
        debug: bool,
        /// Handed to the benchmarks; `--help` lists what they understand.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Write the OpenAPI document and the page that is rendered from it anew, into docs.
    Openapi,
    /// Run the seeded and crashing tests for long: thousands of simulated networks, years of simulated days, hundreds of kill -9, fuzzing;
    /// and say in figures what was survived.
    Soak(soak::Options),
    /// Fuzz alone, as `soak` does.
    Fuzz(fuzz::Options),
    /// Write the first inputs of every fuzzing target anew, into crates/fuzz/corpus.
    FuzzSeeds,
    /// Refresh the advisories about crates, and hold Cargo.lock against them.
    Advisories(advisories::Options),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().task {
        Task::Test(options) => test::run(&options),
        Task::Bench { debug, arguments } => bench(debug, &arguments),
        Task::Openapi => openapi(),
        Task::Soak(options) => soak::run(&options),
        Task::Fuzz(options) => fuzz::run(&options, 0).map(|total| {
            println!("{total}");
            total.failed == 0
        }),
        Task::FuzzSeeds => fuzz::seeds(),
        Task::Advisories(options) => advisories::run(&options),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("cargo xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn bench(debug: bool, arguments: &[String]) -> anyhow::Result<bool> {
    let (daemon, bench) = cargo::benchmarks(if debug { "dev" } else { "release" })?;
    let mut command = std::process::Command::new(bench);
    Ok(command.args(arguments).env("BETWIXT_BIN", daemon).status()?.success())
}

/// The test that compares both with what the types say writes them when told to.
fn openapi() -> anyhow::Result<bool> {
    let mut command = cargo::command(&["test", "--locked", "--quiet", "--package", "betwixt-api", "--test", "openapi"]);
    Ok(command.env("BETWIXT_RENEW", "1").status()?.success())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn every_task_can_be_started() {
        Arguments::command().debug_assert();
    }
}
