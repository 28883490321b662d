//! A bad network between two daemons: datagrams that are lost, late, doubled and out of order, addresses that change under way,
//! and a link that comes and goes. Nothing that was acknowledged is lost, and both have the same in the end.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test fails by panicking, and tells its seed")]

use std::time::Duration;

use betwixt_api::Collection;
use betwixt_testkit::proxy::Conditions;
use betwixt_tests::faults::{Apart, Told, attach, seed, until_file};
use betwixt_tests::home::in_step;
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};
use serde_json::json;

/// A cap, and no measure of speed.
const PATIENCE: Duration = Duration::from_secs(240);

/// Worse than any home network: three of ten datagrams are lost.
const BAD: Conditions =
    Conditions { lost: 30, doubled: 10, travels: (Duration::from_millis(2), Duration::from_millis(60)) };

/// Robin and Kim write at once, the whole time, over a network that loses three of ten datagrams; both change one goal.
#[tokio::test]
async fn with_three_of_ten_datagrams_lost_and_others_late_doubled_and_overtaken_nothing_is_lost() {
    let seed = seed();
    eprintln!("seed {seed}; to repeat: BETWIXT_SEED={seed}");
    let couple = Apart::couple(seed).await;
    let Apart { first, second, .. } = &couple;
    let goal = first.create(Collection::Goals, "goal", "title", json!("Learn to sail")).await.unwrap();
    in_step(first, second, PATIENCE).await.unwrap();
    couple.set_down(true);
    first.say(Collection::Goals, &goal.id, "until", json!("2027-06-01")).await.unwrap();
    second.say(Collection::Goals, &goal.id, "until", json!("2027-09-01")).await.unwrap();
    couple.set_conditions(BAD);
    couple.set_down(false);
    let mut told = [Told::default(), Told::default()];
    let [robins, kims] = &mut told;
    let (robin, kim) =
        tokio::join!(robins.thank_often(first, "From Robin", 60, 300), kims.thank_often(second, "From Kim", 60, 2_000));
    robin.and(kim).unwrap();
    let [mut all, kims] = told;
    all.merge(kims);
    assert_eq!(all.len(), 120);
    let [lost, doubled, overtook] =
        [couple.passed(|all| all.lost), couple.passed(|all| all.doubled), couple.passed(|all| all.overtook)];
    assert!(lost > 0 && doubled > 0 && overtook > 0, "{lost} lost, {doubled} doubled, {overtook} overtaken");
    let faults = [("datagram lost", lost), ("datagram doubled", doubled), ("datagram overtaken", overtook)];
    all.survived(first, second, PATIENCE, &faults).await;
    for home in [first, second] {
        let shown = home.client().item(Collection::Goals, &goal.id).await.unwrap();
        assert_eq!(shown.fields["until"].versions().len(), 2, "both versions are kept");
    }
}

/// A router forgets whom it forwards for, again and again, while a film comes from Robin to Kim: what comes from the one who
/// dialled comes from another port then, and the connection moves along with it (QUIC's migration).
#[tokio::test]
async fn an_address_that_changes_in_the_middle_of_a_transfer_loses_nothing() {
    let couple = Apart::couple(seed()).await;
    let Apart { first, second, proxies } = &couple;
    couple.set_conditions(Conditions {
        lost: 2,
        doubled: 0,
        travels: (Duration::from_millis(10), Duration::from_millis(30)),
    });
    let mut told = Told::default();
    let before = couple.passed(|all| all.passed);
    let (id, film) = attach(first, "film", 4_000_000).await;
    let mut rebound = 0;
    until_file(second, &id, &film, PATIENCE, async || {
        told.thank(second, &format!("Thanks for part {rebound}")).await.unwrap();
        proxies.iter().for_each(betwixt_testkit::proxy::Proxy::rebind);
        rebound += 1;
        tokio::time::sleep(Duration::from_millis(150)).await;
    })
    .await;
    assert!(rebound >= 2, "the film came before the address had changed");
    assert!(couple.passed(|all| all.passed) - before > 2_000, "the film came some other way");
    told.survived(first, second, PATIENCE, &[("address changed in a transfer", rebound)]).await;
}

/// The link goes and comes at random, at times for longer than the idle time-out, while both write.
#[tokio::test]
async fn a_link_that_comes_and_goes_at_random_loses_nothing() {
    let seed = seed();
    eprintln!("seed {seed}; to repeat: BETWIXT_SEED={seed}");
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let couple = Apart::couple(seed).await;
    let Apart { first, second, .. } = &couple;
    couple.set_conditions(Conditions {
        lost: 1,
        doubled: 1,
        travels: (Duration::from_millis(1), Duration::from_millis(20)),
    });
    let mut told = Told::default();
    let mut flaps = 0;
    for round in 0..14 {
        // Mostly short, as a bad cable is; twice for longer than it takes to be taken for gone.
        let away = if round % 7 == 6 { 17_000 } else { 30 + u64::from(rng.next_u32() % 1_500) };
        couple.set_down(true);
        told.thank_often(first, &format!("Robin's {round}, cut off"), 3, 400).await.unwrap();
        tokio::time::sleep(Duration::from_millis(away)).await;
        couple.set_down(false);
        flaps += 1;
        told.thank_often(second, &format!("Kim's {round}, there again"), 3, 400).await.unwrap();
        tokio::time::sleep(Duration::from_millis(30 + u64::from(rng.next_u32() % 1_000))).await;
    }
    assert!(couple.passed(|all| all.lost) > 0);
    told.survived(first, second, PATIENCE, &[("link went and came", flaps)]).await;
}
