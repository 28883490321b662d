//! New chapters: "both partners together can begin a new chapter, which keeps everything that was said and leaves out the
//! values of facts that both want erased. It is in force as soon as somebody said the other partner's proposal with that before
//! them, and withdrawing counts only if whoever agreed had it before them. That they were one value is still known."

use std::collections::BTreeMap;

use betwixt_model::chapter;
use betwixt_model::ids::FactId;
use serde_json::{Value, json};

use super::{Oracle, Told};

impl Oracle {
    /// What was said, once every chapter that was agreed is in force everywhere.
    #[must_use]
    pub fn after_chapters(&self) -> Self {
        // Each with the least of those that said the same; where chapters were agreed apart, the least of all.
        let mut erased: BTreeMap<FactId, FactId> = BTreeMap::new();
        for agreeing in self.told.values().filter(|told| self.is_agreed(told)) {
            for same in lists(&agreeing.value) {
                for id in &same {
                    let least = erased.entry(*id).or_insert(same[0]);
                    *least = same[0].min(*least);
                }
            }
        }
        let mut after = self.clone();
        for (id, least) in erased {
            // What chapters say stays.
            if let Some(told) = after.told.get_mut(&id).filter(|told| told.place.kind != chapter::KIND) {
                told.value = json!({ "erased with": least });
                told.erased = true;
            }
        }
        after
    }

    /// How many values are erased.
    pub fn erased(&self) -> usize {
        self.told.values().filter(|told| told.erased).count()
    }

    fn is_agreed(&self, agreeing: &Told) -> bool {
        let chapters = |told: &&Told| told.place == agreeing.place && told.partner != agreeing.partner;
        let proposals = agreeing.seen.iter().filter_map(|id| self.told.get(id)).filter(chapters);
        let same = proposals.filter(|proposal| proposal.value == agreeing.value);
        let stands = |proposal: &Told| {
            let withdrew = |other: &Told| {
                other.partner == proposal.partner
                    && other.seen.contains(&proposal.id)
                    && agreeing.past.contains(other.number)
            };
            !self.told.values().any(withdrew)
        };
        agreeing.place.kind == chapter::KIND && !agreeing.value.is_null() && same.into_iter().any(stands)
    }
}

/// The facts whose values a chapter leaves out: those that say the same together.
fn lists(chapter: &Value) -> Vec<Vec<FactId>> {
    let lists: Vec<Vec<FactId>> =
        serde_json::from_value(chapter["erase"].clone()).expect("an honest program proposed it");
    lists.into_iter().filter(|same| !same.is_empty()).collect()
}
