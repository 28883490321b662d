//! What somebody who listens on the network can read.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test fails by panicking")]

use std::time::Duration;

use betwixt_api::Collection;
use betwixt_testkit::needs::{Need, met};
use betwixt_tests::capture::Capture;
use betwixt_tests::constants::recurring;
use betwixt_tests::home::{Home, contains, in_step, pair};
use betwixt_tests::namespaces::{Cable, Place, Side};
use serde_json::json;

/// The shortest run of bytes that counts. What may recur all the same is listed in [`betwixt_tests::constants`].
const RUN: usize = 8;

const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_capture_shows_no_name_no_text_and_nothing_that_recurs_on_another_network() {
    if !met(&[Need::NetworkNamespaces, Need::Capture]) {
        return;
    }
    let told = "Lanterns along the towpath";
    let here = Cable::plug().unwrap();
    let capture = Capture::begin(&here).unwrap();
    let mut left = Home::on_machine(&here, Side::Left).unwrap();
    let mut right = Home::on_machine(&here, Side::Right).unwrap();
    left.found("Robin").await.unwrap();
    right.found("Kim").await.unwrap();
    pair(&left, &right, false).await.unwrap();
    left.create(Collection::Thanks, "thanks-1", "what", json!(told)).await.unwrap();
    in_step(&left, &right, PATIENCE).await.unwrap();
    left.down().await.unwrap();
    right.down().await.unwrap();
    let first = capture.end().unwrap();

    let elsewhere = Cable::plug_in(Place::Elsewhere).unwrap();
    let capture = Capture::begin(&elsewhere).unwrap();
    left.carry_to(&elsewhere, Side::Left);
    right.carry_to(&elsewhere, Side::Right);
    left.up_and_unlock().await.unwrap();
    right.up_and_unlock().await.unwrap();
    left.client().here().await.unwrap();
    right.client().here().await.unwrap();
    right.create(Collection::Thanks, "thanks-2", "what", json!(told)).await.unwrap();
    in_step(&left, &right, PATIENCE).await.unwrap();
    let second = capture.end().unwrap();

    for traffic in [&first, &second] {
        assert!(traffic.datagrams.len() > 20, "a capture of {} datagrams shows nothing", traffic.datagrams.len());
        for text in ["Robin", "Kim", told, "laptop", "thanks"] {
            assert!(!contains(&traffic.raw, text.as_bytes()), "{text:?} can be read on the network");
        }
    }
    let recurring = recurring(&first.datagrams, &second.datagrams, RUN);
    let shown: Vec<String> = recurring.iter().map(|run| format!("{run:02x?}")).collect();
    assert!(recurring.is_empty(), "who listens on both networks sees the same twice:\n{}", shown.join("\n"));
}
