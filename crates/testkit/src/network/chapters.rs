//! New chapters in the simulated network.

use betwixt_daemon::replica::{Act, ActError, Replica};
use betwixt_model::chapter;
use betwixt_model::document::{Document, GENESIS, Scope};
use betwixt_model::fact::SignedFact;
use betwixt_model::ids::FactId;
use betwixt_model::index;
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};

use super::device::Input;
use super::said::Said;
use super::sayings::pick;
use super::{DeviceName, Network, draw};

/// What somebody says about a new chapter.
#[derive(Debug, Clone)]
pub enum ChapterWish {
    /// Propose one that erases these.
    Propose(Vec<FactId>),
    /// Agree to the other's.
    Agree,
    /// Take one's own back.
    Withdraw,
}

/// Says it. What cannot be said is refused like anything else that cannot.
pub(super) fn say_of_a_chapter(act: &mut Act<'_>, wish: &ChapterWish) -> Result<SignedFact, ActError> {
    let writer = act.writer()?;
    let fact = match wish {
        ChapterWish::Propose(erase) => chapter::propose(act.rows(), act.membership(), erase, &writer),
        ChapterWish::Agree => chapter::agree(act.rows(), &writer),
        ChapterWish::Withdraw => chapter::withdraw(act.rows(), &writer),
    };
    act.add(fact.map_err(|_| ActError::NotPaired)?)
}

impl Network {
    /// Somebody says something about a new chapter.
    pub fn chapter(&mut self, device: DeviceName, wish: ChapterWish) {
        let wish = move |_: &Replica, _: &mut ChaCha20Rng| Some(Said::OfAChapter(wish));
        self.give(device.0, Input::Say(Box::new(wish)));
    }

    /// Somebody says something about a new chapter: agrees to the other's, or proposes to erase some words, or takes that
    /// back.
    pub fn say_of_a_chapter(&mut self, device: DeviceName) {
        // Of text alone, so that what both agreed to, and what is computed of many words, stays.
        let texts = ["title", "draft", "what", "meaning", "note"];
        let places = self.oracle.places().into_iter().filter(|place| texts.contains(&place.field.as_str()));
        let words: Vec<FactId> = places.flat_map(|place| self.oracle.said_in(&place)).collect();
        let seed = self.rng.next_u64();
        let thought = move |replica: &Replica, _: &mut ChaCha20Rng| {
            let mut rng = ChaCha20Rng::seed_from_u64(seed);
            let (view, own) = (replica.read().expect("the store is open"), replica.identity().partner());
            let proposals = chapter::proposals(&view.reader().rows(Scope::Ours), &replica.space(Scope::Ours)?);
            let proposals = proposals.expect("the index can be read");
            let wish = if proposals.iter().any(|proposal| proposal.by != own) && draw(&mut rng, 8) > 0 {
                ChapterWish::Agree
            } else if proposals.iter().any(|proposal| proposal.by == own) && draw(&mut rng, 3) == 0 {
                ChapterWish::Withdraw
            } else {
                let held =
                    |id: &FactId| index::holds(&view.reader().rows(Scope::Ours), id).expect("the index can be read");
                let here: Vec<FactId> = words.into_iter().filter(held).collect();
                ChapterWish::Propose((0..2).filter_map(|_| pick(&mut rng, &here).copied()).collect())
            };
            Some(Said::OfAChapter(wish))
        };
        self.give(device.0, Input::Say(Box::new(thought)));
    }

    /// How many values the chapters erase that were agreed.
    pub fn erased(&self) -> usize {
        self.oracle.after_chapters().erased()
    }

    /// How many chapters a running device knows to be in force.
    pub fn chapters(&self, device: DeviceName) -> usize {
        let replica = self.devices[device.0].replica();
        replica.map_or(0, |replica| replica.chapters().expect("the index can be read").len())
    }

    /// The shared facts that a running device holds with their values, and what they say, as JSON.
    pub fn values(&self, device: DeviceName) -> Vec<(FactId, String)> {
        let Some(replica) = self.devices[device.0].replica() else { return Vec::new() };
        let view = replica.read().expect("the store is open");
        let mut values = Vec::new();
        for part in index::all_facts(&view.reader().rows(Scope::Ours)) {
            for signed in part.expect("the index can be read") {
                values.extend(signed.fact().value().map(|value| (signed.fact().id(), value.to_string())));
            }
        }
        values
    }

    /// Whether a text stands in any shared document on a running device's disk, in whatever generation.
    pub fn documents_contain(&self, device: DeviceName, text: &str) -> bool {
        let Some(replica) = self.devices[device.0].replica() else { return false };
        let view = replica.read().expect("the store is open");
        let documents = view.reader().documents(Scope::Ours).expect("documents can be listed");
        documents.into_keys().any(|id| {
            let stored = view.reader().document(id).expect("the store is open").expect("it was listed");
            let document = Document::load(id, &stored.bytes(GENESIS)).expect("it loads");
            let entries = document.entries().expect("its changes can be read");
            entries.values().any(|entry| entry.text().contains(text))
        })
    }
}
