//! Seeded runs: many by default, one again by its seed.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// The variable with the first seed. Alone it means one run: the one that failed, again.
pub const SEED: &str = "BETWIXT_SEED";

/// The variable with the number of runs, for longer or shorter ones than a test's default.
pub const RUNS: &str = "BETWIXT_RUNS";

/// The variable with the number of lives, which take milliseconds each where simulated networks take a second.
pub const LIVES: &str = "BETWIXT_LIVES";
/// The variable with the number of runs that take half a minute each.
pub const LONG_RUNS: &str = "BETWIXT_LONG_RUNS";

/// Calls `run` with one seed after the other, `runs` of them unless the environment says otherwise, and prints the seed of
/// a run that panics together with the way to repeat it.
///
/// # Panics
/// When a run does, or when the environment's numbers are no numbers.
pub fn each(runs: u64, run: impl Fn(u64)) {
    each_by(RUNS, runs, run);
}

/// The same, with another variable for the number of runs.
///
/// # Panics
/// As [`each`] does.
#[allow(clippy::print_stderr)]
pub fn each_by(variable: &str, runs: u64, run: impl Fn(u64)) {
    let first = number(SEED);
    let runs = number(variable).unwrap_or(if first.is_some() { 1 } else { runs });
    let first = first.unwrap_or(0);
    for seed in first..first.saturating_add(runs) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| run(seed))) {
            eprintln!("failed with seed {seed}; to repeat it alone: {SEED}={seed}");
            resume_unwind(panic);
        }
    }
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    let parsed = text.trim().parse();
    Some(parsed.unwrap_or_else(|_| panic!("{variable} is {text:?}, which is no number")))
}
