//! A life on disk: the homes of the two, as years of use leave them.

use std::collections::BTreeMap;
use std::path::Path;

use betwixt_daemon::replica::{Belonging, Replica, Stage};
use betwixt_model::document::{Document, DocumentId, Scope, actor_id};
use betwixt_model::fact::SignedFact;
use betwixt_model::ids::FactId;
use betwixt_model::index;
use betwixt_store::keys::{Cost, Secret};
use betwixt_store::{Home, Store, StoreOptions};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use super::Lifetime;

type Failure = Box<dyn std::error::Error + Send + Sync>;

impl Lifetime {
    /// Writes the home of the first device of one of the two, which has all that both shared and what that one kept for
    /// themselves, into a directory that is not there yet. Every act is a change of its own, as it was said; what the other
    /// partner said came from their first device, year by year. The documents are compacted, as a day's upkeep does it. The
    /// photos' bytes are not in it.
    ///
    /// # Errors
    /// Whatever keeps a home from being written.
    pub fn write_home(&self, who: usize, path: &Path, passphrase: &str) -> Result<(), Failure> {
        // As cheap as may be: what a passphrase costs is not what is measured with these.
        let secret = Secret::Passphrase(passphrase, Cost::FLOOR);
        let (home, keys) = Home::init(path, &secret, &mut ChaCha20Rng::seed_from_u64(who as u64))?;
        let (store, _) = home.open_store(&keys, StoreOptions::default())?;
        drop(self.write_into(who, store.clone())?);
        home.settle(&keys, &store)?;
        drop(store);
        Ok(home.closed(&keys)?)
    }

    /// The same into a new store, wherever its bytes lie.
    ///
    /// # Errors
    /// Whatever keeps it from being written.
    pub fn write_into(&self, who: usize, store: Store) -> Result<Replica, Failure> {
        let people = &self.people;
        let belonging = Belonging {
            partner: people.partners[who],
            name: ["Alex", "Kim"][who].to_owned(),
            household: Some(people.household),
            space: people.spaces[who],
            statements: people.statements.clone(),
        };
        let mut replica = Replica::join(store, &people.keys[who * 2], &belonging, "laptop")?;
        for (scope, facts) in [(Scope::Ours, &self.facts), (Scope::Mine, &self.private[who])] {
            let year = |fact: &SignedFact| fact.fact().header().date.year();
            for facts in facts.chunk_by(|left, right| year(left) == year(right)) {
                let mut stage = replica.begin()?;
                self.write_year(who, scope, &mut stage, facts)?;
                stage.commit()?;
                replica.committed()?;
                replica.compact_beyond(1)?;
                // As a daemon does that is started now and then.
                replica.renew_dictionary(scope)?;
            }
        }
        Ok(replica)
    }

    fn write_year(&self, who: usize, scope: Scope, stage: &mut Stage, facts: &[SignedFact]) -> Result<(), Failure> {
        let first = facts[0].fact().header();
        let mut document = Document::genesis(DocumentId { scope, year: first.date.year(), generation: 0 });
        let id = document.id();
        let devices = self.people.keys.iter().map(|keys| keys.device()).zip(&self.people.epochs);
        let actors: BTreeMap<_, _> = devices.map(|(device, epoch)| (device, actor_id(&device, &id, epoch))).collect();
        let is_one_act = |one: &SignedFact, next: &SignedFact| {
            let (one, next) = (one.fact(), next.fact());
            one.header().device == next.header().device && one.item() == next.item()
        };
        for act in facts.chunk_by(is_one_act) {
            let change = document.append(&actors[&act[0].fact().header().device], act)?;
            stage.batch().append_change(id, change.raw_bytes())?;
        }
        stage.batch().put_heads(id, &document.heads())?;
        let mut rows = stage.batch().rows(scope)?;
        index::ingest(&mut rows, &first.household, &self.people.membership(who, scope), facts.to_vec())?;
        drop(rows);
        let other = self.people.keys[(1 - who) * 2].device();
        let theirs = facts.iter().map(SignedFact::fact);
        let theirs = theirs.filter(|fact| fact.header().partner != self.people.partners[who]);
        let theirs: Vec<FactId> = theirs.map(|fact| fact.id()).collect();
        let noon = first.date.at(12, 0, 0, 0).in_tz("UTC")?.timestamp().as_millisecond();
        stage.batch().record_arrivals(scope, &other, noon, &theirs)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use betwixt_daemon::replica::Replica;

    use super::*;
    use crate::lifetime::Plan;

    #[test]
    fn both_homes_of_a_life_open_with_all_of_it_and_agree() {
        let directory = tempfile::tempdir().expect("a directory");
        let life = Lifetime::of(&Plan { years: 2, facts_a_year: 120, words: 500, ..Plan::default() });
        let mut heads = Vec::new();
        for who in 0..2 {
            let path = directory.path().join(who.to_string());
            life.write_home(who, &path, "a passphrase").expect("is written");
            let home = Home::open(&path).expect("is a home");
            let keys = home.unlock(&Secret::Passphrase("a passphrase", Cost::FLOOR), true).expect("opens");
            let (store, _) = home.open_store(&keys, StoreOptions::default()).expect("opens");
            let replica = Replica::open(store).expect("is a replica");
            assert_eq!(replica.space(Scope::Ours), Some(life.household));
            let view = replica.read().expect("reads");
            for (scope, facts) in [(Scope::Ours, &life.facts), (Scope::Mine, &life.private[who])] {
                let rows = view.reader().rows(scope);
                let found: usize = index::all_facts(&rows).map(|part| part.expect("reads").len()).sum();
                assert_eq!(found, facts.len());
            }
            heads.push(replica.newest_heads(Scope::Ours).expect("reads"));
        }
        assert_eq!(heads[0].len(), 2);
        assert_eq!(heads[0], heads[1]);
    }
}
