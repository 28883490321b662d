//! New chapters in the simulated network: what both erase is gone from every device that takes part, and nothing else is.

use std::time::Duration;

use betwixt_model::ids::FactId;
use betwixt_testkit::network::{ChapterWish, DeviceName, Network};
use betwixt_testkit::seeds;
use serde_json::json;

const SECRET: &str = "Nobody should read this";

fn fact_that_says(network: &Network, device: DeviceName, text: &str) -> FactId {
    let values = network.values(device);
    values.iter().find(|(_, value)| value.contains(text)).expect("it was said").0
}

/// He agrees while she is away and goes on in the old documents; when they meet, what she said goes into the new chapter
/// unchanged.
#[test]
fn a_device_that_was_away_brings_its_edits_into_the_new_chapter() {
    seeds::each(6, |seed| {
        let mut network = Network::seeded(seed);
        let (ada, ben) = network.couple();
        for _ in 0..6 {
            network.say_anything(ada);
            network.say_anything(ben);
        }
        network.say(ada, None, "goal", "title", json!(SECRET));
        network.run_for(Duration::from_secs(90));
        network.run_until_idle();
        let secret = fact_that_says(&network, ada, SECRET);
        network.chapter(ada, ChapterWish::Propose(vec![secret]));
        network.run_until_idle();
        assert_eq!(network.chapters(ben), 0);

        network.partition(ada, ben);
        network.chapter(ben, ChapterWish::Agree);
        network.run_for(Duration::from_secs(1));
        assert_eq!((network.chapters(ada), network.chapters(ben)), (0, 1), "seed {seed}");
        assert!(!network.documents_contain(ben, SECRET), "seed {seed}");
        for number in 0..3 {
            network.say(ada, None, "goal", "title", json!(format!("Said while away {number}")));
            network.say(ben, None, "goal", "title", json!(format!("Said in the new chapter {number}")));
            network.run_for(Duration::from_secs(1));
        }
        if network.draw(2) == 0 {
            network.crash(ben);
            network.restart(ben);
        }
        network.run_for(Duration::from_secs(60));
        network.heal();
        network.run_for(Duration::from_secs(60));
        network.run_until_idle();
        network.assert_converged();
        for device in [ada, ben] {
            assert_eq!(network.chapters(device), 1, "seed {seed}");
            assert!(!network.documents_contain(device, SECRET), "seed {seed}: {device:?} still has it");
            let values = network.values(device);
            assert!(values.iter().all(|(fact, value)| *fact != secret && !value.contains(SECRET)));
            for number in 0..3 {
                for text in ["Said while away", "Said in the new chapter"] {
                    let text = format!("{text} {number}");
                    assert!(values.iter().any(|(_, value)| value.contains(&text)), "seed {seed}: {text}");
                }
            }
            assert_eq!(network.superseded(device), []);
            network.assert_newest_has_all(device);
        }
    });
}

#[test]
fn a_chapter_that_is_withdrawn_before_anybody_agreed_changes_nothing() {
    let mut network = Network::seeded(2);
    let (ada, ben) = network.couple();
    network.say(ada, None, "goal", "title", json!(SECRET));
    network.run_until_idle();
    let secret = fact_that_says(&network, ada, SECRET);
    network.chapter(ada, ChapterWish::Propose(vec![secret]));
    network.run_until_idle();
    network.chapter(ada, ChapterWish::Withdraw);
    network.run_until_idle();
    network.chapter(ben, ChapterWish::Agree);
    network.run_until_idle();
    network.assert_converged();
    for device in [ada, ben] {
        assert_eq!(network.chapters(device), 0);
        assert!(network.documents_contain(device, SECRET));
    }
}

/// Two chapters, one of each, agreed on devices that lose power in the middle of it.
#[test]
fn chapters_that_are_agreed_on_failing_devices_come_into_force_on_all() {
    seeds::each(3, |seed| {
        let mut network = Network::seeded(seed);
        let (ada, ben) = network.couple();
        for text in ["First secret", "Second secret", "What stays"] {
            network.say(ada, None, "goal", "title", json!(text));
        }
        network.run_until_idle();
        for (proposer, other, text) in [(ada, ben, "First secret"), (ben, ada, "Second secret")] {
            let secret = fact_that_says(&network, proposer, text);
            network.chapter(proposer, ChapterWish::Propose(vec![secret]));
            network.run_until_idle();
            network.chapter(other, ChapterWish::Agree);
            let pause = network.draw(8);
            network.run_for(Duration::from_millis(u64::from(pause)));
            network.crash(other);
            network.restart(other);
            // What a crash took is said again.
            network.chapter(other, ChapterWish::Agree);
            network.run_for(Duration::from_secs(60));
            network.run_until_idle();
        }
        network.assert_converged();
        for device in [ada, ben] {
            assert_eq!(network.chapters(device), 2, "seed {seed}");
            for text in ["First secret", "Second secret"] {
                assert!(!network.documents_contain(device, text), "seed {seed}: {device:?} has the {text}");
            }
            assert!(network.documents_contain(device, "What stays"));
        }
    });
}
