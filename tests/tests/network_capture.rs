//! What somebody who listens on the network can read.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test fails by panicking")]

use std::time::Duration;

use betwixt_api::Collection;
use betwixt_testkit::needs::{Need, met};
use betwixt_tests::capture::Capture;
use betwixt_tests::home::{Home, contains, in_step, pair};
use betwixt_tests::namespaces::{Cable, Side};
use serde_json::json;

const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_capture_shows_no_name_and_no_text_on_either_of_two_networks() {
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

    let elsewhere = Cable::plug().unwrap();
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
}
