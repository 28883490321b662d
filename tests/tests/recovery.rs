//! A year that a disk has ruined: it is named, the other years go on, and the partner's device brings back what only it has.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::time::{Duration, Instant};

use betwixt_testkit::needs::{Need, libfaketime, met};
use betwixt_tests::damage::{ruin_year, years};
use betwixt_tests::faults::Told;
use betwixt_tests::home::{Home, couple_on_loopback, in_step};

const PATIENCE: Duration = Duration::from_secs(60);

/// From now on it is a year later for a home.
fn a_year_later(home: &mut Home) {
    home.set_environment("LD_PRELOAD", libfaketime().unwrap().to_str().unwrap());
    home.set_environment("FAKETIME", "+370d");
    home.set_environment("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    home.set_environment("DONT_FAKE_MONOTONIC", "1");
}

/// Found by reading, for this test: an old year in which nobody says anything any more was named by `verify` and stayed damaged for good,
/// because two devices compare what they know of a document before they load it, and that was the same on both. A document that
/// `verify` finds damaged is carried on now.
#[tokio::test]
async fn a_damaged_year_is_named_stops_no_other_and_heals_when_the_partner_is_met() {
    if !met(&[Need::Faketime]) {
        return;
    }
    let (mut first, mut second) = couple_on_loopback().await.unwrap();
    let mut told = Told::default();
    told.thank_often(&first, "Robin's, of the old year", 8, 600).await.unwrap();
    told.thank_often(&second, "Kim's, of the old year", 8, 600).await.unwrap();
    in_step(&first, &second, PATIENCE).await.unwrap();
    for home in [&mut first, &mut second] {
        home.down().await.unwrap();
        a_year_later(home);
        home.up_and_unlock().await.unwrap();
    }
    told.thank_often(&first, "Robin's, of the new year", 4, 600).await.unwrap();
    in_step(&first, &second, PATIENCE).await.unwrap();
    first.client().pause().await.unwrap();
    second.down().await.unwrap();
    let old = years(&second).unwrap()[0];
    let ruined = ruin_year(&second, old).unwrap();
    second.up_and_unlock().await.unwrap();

    // It is named, with what to do, and everything else goes on: what is shown, and what is said.
    let report = second.client().verify().await.unwrap();
    let named = report.damaged.iter().find(|damage| damage.what.contains(&ruined.to_string()));
    let named = named.unwrap_or_else(|| panic!("{:?}", report.damaged));
    assert!(named.advice.contains("heal when your devices meet"), "{named:?}");
    assert_eq!(told.missing(&second).await, 0);
    told.thank_often(&second, "Kim's, of the new year", 4, 600).await.unwrap();
    assert_eq!(told.missing(&second).await, 0);

    first.client().resume().await.unwrap();
    in_step(&first, &second, PATIENCE).await.unwrap();
    // The damaged one goes when both have what stands in its place.
    let begun = Instant::now();
    while !second.client().verify().await.unwrap().damaged.is_empty() {
        assert!(begun.elapsed() < PATIENCE, "{:?}", second.client().verify().await.unwrap().damaged);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    told.survived(&first, &second, PATIENCE, &[("document ruined", 1)]).await;
    second.kill().unwrap();
    second.up_and_unlock().await.unwrap();
    assert_eq!(told.missing(&second).await, 0, "after kill -9, too");
}
