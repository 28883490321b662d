//! Thirty years of one person's journal, written into a home by the code with which the daemon says things.

use std::path::Path;

use anyhow::Context;
use betwixt_daemon::replica::Replica;
use betwixt_model::document::Scope;
use betwixt_model::say::Saying;
use betwixt_store::keys::{Cost, Secret};
use betwixt_store::{Home, StoreOptions};
use betwixt_testkit::vocabulary::Vocabulary;
use jiff::ToSpan;
use jiff::civil::date;
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};

/// How many entries one of two people writes in a year, of the 6,000 facts that both say: a quarter of theirs.
const ENTRIES_A_YEAR: i64 = 780;

/// How many entries become durable together.
const TOGETHER: i64 = 390;

/// Writes them while no daemon runs, and answers how many they are.
pub(super) fn write(home: &Path, passphrase: &str, years: i64) -> anyhow::Result<i64> {
    let home = Home::open(home)?;
    let keys = home.unlock(&Secret::Passphrase(passphrase, Cost::default()), true)?;
    let (store, _) = home.open_store(&keys, StoreOptions::default())?;
    let mut replica = Replica::open(store.clone())?;
    let vocabulary = Vocabulary::new(1, 20_000);
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    for first in (0..years * ENTRIES_A_YEAR).step_by(usize::try_from(TOGETHER)?) {
        let mut stage = replica.begin()?;
        for number in first..first + TOGETHER {
            let (year, entry) = (number / ENTRIES_A_YEAR, number % ENTRIES_A_YEAR);
            let day = date(1990, 1, 1).checked_add(year.years())?.checked_add((entry * 364 / ENTRIES_A_YEAR).days())?;
            let sentences = 2 + (rng.next_u32() % 8) as usize;
            let text = vocabulary.prose(&mut rng, sentences);
            let saying =
                Saying { item: None, kind: "journal".into(), field: "text".into(), value: text.into(), seen: None };
            replica.act(&mut stage, Scope::Mine, day, &mut rng, |act| act.say(saying))?;
        }
        stage.commit()?;
        replica.committed()?;
    }
    replica.compact().context("the documents are not compacted")?;
    home.settle(&keys, &store)?;
    Ok(years * ENTRIES_A_YEAR)
}
