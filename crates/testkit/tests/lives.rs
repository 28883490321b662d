//! Thousands of random lives of two partners on two to four devices, with nothing but the model on them, judged by the
//! oracle; 300 by default, 5,000 in continuous integration (`BETWIXT_LIVES`): partitions, crashes, copies put back, homes copied, removed devices, stale and dishonest `seen`, pasts that never come.

use std::cell::{Cell, RefCell};

use betwixt_testkit::lives::{Happened, Life};
use betwixt_testkit::seeds;
use betwixt_testkit::survived::{Ground, Survived, record};

fn life(seed: u64) -> Happened {
    let mut life = Life::seeded(seed);
    life.live(16);
    life.assert_somebody_well();
    life.live(20);
    life.assert_somebody_well();
    life.end();
    life.assert_converged();
    life.count_end();
    life.happened()
}

/// How many tests share the lives, so that a machine with several cores lives several at once.
const SHARES: u64 = 4;

#[test]
fn no_silent_winner_in_thousands_of_lives_with_stale_and_dishonest_seen() {
    share(0);
}

#[test]
fn no_silent_winner_in_the_second_share_of_lives() {
    share(1);
}

#[test]
fn no_silent_winner_in_the_third_share_of_lives() {
    share(2);
}

#[test]
fn no_silent_winner_in_the_fourth_share_of_lives() {
    share(3);
}

#[allow(clippy::print_stdout, reason = "what happened, for whoever asks to see it")]
fn share(of: u64) {
    let (sum, lived) = (RefCell::new(Happened::default()), Cell::new(0));
    seeds::each_by(seeds::LIVES, 300, |seed| {
        if seed % SHARES == of {
            *sum.borrow_mut() += life(seed);
            lived.set(lived.get() + 1);
        }
    });
    let sum = sum.into_inner();
    println!("{sum:?}");
    // Everything that was said is looked for at the end, by the oracle; a life that loses anything fails.
    let survived = Survived { runs: lived.get(), ..Survived::one(sum.said + sum.refused, sum.said) };
    let faults = [
        ("word with a stale page", sum.stale),
        ("dishonest word", sum.dishonest),
        ("meeting broken off or out of order", sum.partly),
        ("power failed, something unwritten", sum.crashed),
        ("home put back to an earlier copy", sum.restored),
        ("home copied, both running", sum.copied),
        ("device removed", sum.removed),
    ];
    record(Ground::Lives, &faults.into_iter().fold(survived, |survived, (fault, count)| survived.with(fault, count)));
    // The lives were of the kind that this test is about; one alone, for its seed, need not be.
    if sum.said < 3_000 / SHARES {
        return;
    }
    let Happened {
        said,
        stale,
        dishonest,
        met,
        partly,
        crashed,
        restored,
        copied,
        removed,
        differing,
        agreed,
        replaced,
        waiting,
        ..
    } = sum;
    for (what, count) in [
        ("said", said),
        ("stale", stale),
        ("dishonest", dishonest),
        ("met", met),
        ("partly", partly),
        ("crashed", crashed),
        ("restored", restored),
        ("copied", copied),
        ("removed", removed),
        ("differing", differing),
        ("agreed", agreed),
        ("replaced", replaced),
        ("waiting", waiting),
    ] {
        assert!(count > 0, "nothing in these lives was {what}: {sum:?}");
    }
}
