//! What each keeps to themselves: the journal, and the texts of sealed answers.

use betwixt_model::fact::{Draft, Fact, SignedFact};
use betwixt_model::ids::{FactId, HouseholdId, ItemId};
use serde_json::{Value, json};

use super::living::Living;
use crate::vocabulary::below;

/// The private pages of one of them.
pub(super) struct Pages {
    space: HouseholdId,
    facts: Vec<SignedFact>,
    /// What each device of theirs said here last.
    previous: [Option<FactId>; 2],
    /// The entries of the journal, and what stands in each: only its writer speaks here, and knows all of it.
    entries: Vec<(ItemId, FactId)>,
}

impl Pages {
    pub(super) fn of(space: HouseholdId) -> Self {
        Self { space, facts: Vec::new(), previous: [None; 2], entries: Vec::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.facts.len()
    }

    pub(super) fn space(&self) -> HouseholdId {
        self.space
    }

    pub(super) fn into_facts(self) -> Vec<SignedFact> {
        self.facts
    }
}

impl Living {
    /// An entry of about 300 characters.
    pub(super) fn journal(&mut self, who: usize) {
        let text = self.prose(150, 220);
        let entry = self.say_privately(who, None, "journal", "text", text, Vec::new());
        self.pages[who].entries.push(entry);
        if self.chance(10) {
            let title = self.title();
            self.say_privately(who, Some(entry.0), "journal", "title", title, Vec::new());
        }
    }

    /// One of the last entries, said better.
    pub(super) fn edit_journal(&mut self, who: usize) {
        let entries = &self.pages[who].entries;
        let back = 1 + below(&mut self.rng, 5);
        let Some(at) = entries.len().checked_sub(back) else { return self.journal(who) };
        let (item, stands) = entries[at];
        let said = self.pages[who].facts.iter().rev().find(|fact| fact.fact().id() == stands);
        let said = said.and_then(|fact| fact.fact().value()?.as_str()).unwrap_or_default();
        let text = json!(format!("{said} {}", self.vocabulary.sentence(&mut self.rng)));
        let entry = self.say_privately(who, Some(item), "journal", "text", text, vec![stands]);
        self.pages[who].entries[at] = entry;
    }

    /// Says something that only one's own devices read; `seen` is what stands there.
    pub(super) fn say_privately(
        &mut self,
        who: usize,
        item: Option<ItemId>,
        kind: &str,
        field: &str,
        value: Value,
        seen: Vec<FactId>,
    ) -> (ItemId, FactId) {
        let (at, nonce, date) = (self.device(who), self.nonce(), self.today);
        let (keys, pages) = (&self.people.keys[at], &mut self.pages[who]);
        let draft = Draft {
            household: pages.space,
            item,
            kind: kind.to_owned(),
            field: field.to_owned(),
            seen,
            previous: pages.previous[at % 2],
            partner: self.people.partners[who],
            device: keys.device(),
            date,
            nonce,
            value,
        };
        let fact = Fact::write(draft).expect("what is generated is within the limits").sign(keys.signing());
        let (item, id) = (fact.fact().item(), fact.fact().id());
        pages.previous[at % 2] = Some(id);
        pages.facts.push(fact);
        (item, id)
    }
}
