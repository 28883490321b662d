//! What tests about people and their devices do over and over.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::time::{Duration, Instant};

use betwixt_api::{ClientError, Collection, ProblemKind, Scope};
use serde_json::json;

use crate::home::{Home, shared};

/// How long something may take that comes about by itself.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A home that was just founded, on loopback.
pub async fn new_home(name: &str) -> Home {
    let mut home = Home::on_loopback().unwrap();
    home.found(name).await.unwrap();
    home
}

/// The private journal's texts, sorted.
pub async fn journal(home: &Home) -> Vec<String> {
    let entries = home.client().items(Collection::Journal, Some(Scope::Mine)).await.unwrap();
    let texts = entries.iter().filter_map(|entry| entry.fields.get("text")?.held()?.as_str().map(str::to_owned));
    let mut texts: Vec<String> = texts.collect();
    texts.sort();
    texts
}

/// Writes a private page.
pub async fn write(home: &Home, text: &str) {
    home.create(Collection::Journal, text, "text", json!(text)).await.unwrap();
}

/// Whether both show the same of everything shared, which one of them may not even have begun.
pub async fn share_the_same(one: &Home, other: &Home) -> bool {
    matches!((shared(one).await, shared(other).await), (Ok(one), Ok(other)) if one == other)
}

/// Waits until something holds.
///
/// # Panics
/// When that takes longer than [`PATIENCE`].
pub async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < PATIENCE, "{what} did not come about");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A problem's kind and words.
pub fn refused<T: std::fmt::Debug>(outcome: Result<T, ClientError>) -> (ProblemKind, String) {
    match outcome {
        Err(ClientError::Problem(problem)) => (problem.kind, problem.detail),
        other => panic!("{other:?}"),
    }
}
