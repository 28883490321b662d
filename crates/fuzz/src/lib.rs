//! What comes from outside, systematically (HostileInputIsAnError): every reader of it as a function over bytes, which
//! panics when something is wrong and returns when all is well.
//!
//! Two runners use them. The tests of this package (`tests/bodies.rs`) run each over the inputs that are kept and over a
//! bounded number of seeded alterations of these, on any machine, with caps on time and memory. The targets in
//! `libfuzzer/` run the same functions under libFuzzer, for as long as somebody wants. docs/design/fuzzing.md has both.

mod frames;
mod household;
pub mod kept;
pub mod mutate;
pub mod panics;
pub mod reached;
mod repair;
pub mod seeds;
mod targets;

pub use targets::{TARGETS, Target};

/// One target by its name.
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}

/// Runs a target and ends the process when it panics, with what it said: for libFuzzer, which keeps the input then.
///
/// # Panics
/// When there is no such target.
#[allow(clippy::print_stderr)]
pub fn run_or_abort(name: &str, bytes: &[u8]) {
    let target = target(name).unwrap_or_else(|| panic!("there is no target {name}"));
    if let Err(panic) = panics::caught(|| (target.run)(bytes)) {
        eprintln!("{name}: {panic}");
        std::process::abort();
    }
}
