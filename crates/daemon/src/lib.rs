//! The daemon of a home: one loop that owns everything, and the local API in front of it.
//!
//! It says, stores, meets and answers by what `model`, `store`, `sync` and `net` give it; it has no rules of merging, no
//! wire format and no cryptography of its own.

mod answer;
mod attaching;
mod bridge;
mod bridging;
mod daemon;
pub mod engine;
mod event;
mod frontends;
#[cfg(feature = "fuzz")]
pub mod fuzz;
mod house;
pub mod http;
mod idle;
mod location;
mod meeting;
mod notices;
mod open;
mod options;
mod pairing;
mod porter;
pub mod replica;
mod searching;
mod staging;
mod telling;
mod waiting;
mod words;
mod writes;

pub use options::Options;

/// Runs the daemon of a home until it is asked to go down, or a signal ends it.
///
/// # Errors
/// When it cannot begin (another daemon runs, the directory cannot be used), in words for people.
pub async fn run(options: Options) -> anyhow::Result<()> {
    // A caught panic of Automerge's over hostile input would otherwise print what it was about (PrivateStaysHome).
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "a panic");
    }));
    daemon::Daemon::run(options).await
}
