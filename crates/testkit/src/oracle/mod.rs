//! The oracle: it remembers everything that anybody said, and judges what a device shows by the words of the invariants.
//!
//! It was written from those words and calls nothing of the fold: it reads facts (who, on which device, in what field, what,
//! having seen what, after what), the schema's word for whose word counts in a field, and the views that devices answer.
//! Pasts are sets, found by walking `seen` and `previous`; every question is asked of every pair of facts. So it is slow,
//! and a mistake in the fold is not likely to be made here in the same way.
//!
//! - **NoSilentWinner**: every fact is live, rightly replaced, and in the history in any case (`field`).
//! - **SameFactsSameView** is for [`crate::network`] and [`crate::lives`] to ask, by comparing devices.
//! - What stands agreed in a field of consent (`consent`), and what a field is said to hold (`shown`).
//! - What a chapter in force erases (`chapters`): it is gone, and nothing else is.
//! - That no sealed answer is opened before both have answered (`sealed`).

mod chapters;
mod consent;
mod field;
mod sealed;
mod shown;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use betwixt_model::fact::Fact;
use betwixt_model::ids::{DeviceId, FactId, HouseholdId, ItemId, PartnerId};
use betwixt_model::schema::{self, FieldKind, Naming, Owner};
use serde_json::Value;

/// A field of an item, and the kind that its facts name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The item.
    pub item: ItemId,
    /// The kind.
    pub kind: String,
    /// The field.
    pub field: String,
}

/// One thing that was said.
#[derive(Debug, Clone)]
struct Told {
    id: FactId,
    partner: PartnerId,
    device: DeviceId,
    place: Place,
    founding: bool,
    value: Value,
    /// Whether a chapter erased the value: then it stands here for what is still known of it, which facts said the same.
    erased: bool,
    seen: Vec<FactId>,
    /// Everything reached through `seen` and `previous`.
    past: BTreeSet<FactId>,
    /// Everything of its field reached through `seen`.
    named: BTreeSet<FactId>,
}

/// Everything that was said.
#[derive(Debug, Clone, Default)]
pub struct Oracle {
    household: Option<HouseholdId>,
    told: BTreeMap<FactId, Told>,
    previous: BTreeMap<FactId, Option<FactId>>,
}

/// Which of the facts a device has, and whose count.
#[derive(Debug, Clone, Default)]
pub struct Here {
    /// The facts that have arrived.
    pub facts: BTreeSet<FactId>,
    /// Those by a removed device, beyond what is accepted: naming one counts as naming what it names.
    pub void: BTreeSet<FactId>,
}

/// A way in which what a device shows breaks an invariant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// NoSilentWinner: it is not live, and nobody who could has replaced it.
    Lost(FactId),
    /// It was replaced by its own partner, or uncontradicted by the other, and is live all the same.
    NotReplaced {
        /// What should not be live.
        fact: FactId,
        /// What replaced it.
        by: FactId,
    },
    /// It differed from what the other partner had said when they replaced it, and its own partner has not spoken again.
    EndedAlone {
        /// What should still be live.
        fact: FactId,
        /// What ended the difference.
        by: FactId,
    },
    /// DurableBeforeTold, NothingDeleted: it was said and is not in the history, or says something else there.
    NotInHistory(FactId),
    /// What the field is shown to hold is not what its live facts say.
    Shown(String),
    /// What is shown as agreed is not what was agreed.
    Agreed(String),
    /// A sealed answer was opened before both had answered.
    OpenedEarly(FactId),
}

impl Oracle {
    /// Remembers a fact. Facts may come in any order; pasts are found when all are here.
    pub fn remember(&mut self, fact: &Fact) {
        let header = fact.header();
        let told = Told {
            id: fact.id(),
            partner: header.partner,
            device: header.device,
            place: Place { item: fact.item(), kind: header.kind.clone(), field: header.field.clone() },
            founding: header.item.is_none(),
            value: fact.value().cloned().unwrap_or_default(),
            erased: false,
            seen: header.seen.clone(),
            past: BTreeSet::new(),
            named: BTreeSet::new(),
        };
        self.household = Some(header.household);
        self.previous.insert(fact.id(), header.previous);
        self.told.insert(fact.id(), told);
        self.walk(fact.id());
        // What waited for this one has a longer past now.
        let later: Vec<FactId> =
            self.told.values().filter(|told| told.past.contains(&fact.id())).map(|told| told.id).collect();
        later.into_iter().for_each(|id| self.walk(id));
    }

    fn walk(&mut self, id: FactId) {
        let mut past = BTreeSet::new();
        let mut open = vec![id];
        while let Some(at) = open.pop() {
            let Some(told) = self.told.get(&at) else { continue };
            for earlier in told.seen.iter().chain(self.previous.get(&at).into_iter().flatten()) {
                if past.insert(*earlier) {
                    open.push(*earlier);
                }
            }
        }
        let mut named = BTreeSet::new();
        let mut open = vec![id];
        while let Some(at) = open.pop() {
            for earlier in self.told.get(&at).into_iter().flat_map(|told| &told.seen) {
                let same = self.told.get(earlier).is_some_and(|told| told.place == self.told[&id].place);
                if same && named.insert(*earlier) {
                    open.push(*earlier);
                }
            }
        }
        if let Some(told) = self.told.get_mut(&id) {
            (told.past, told.named) = (past, named);
        }
    }

    /// Forgets a fact that was lost with the only disk that it was on.
    pub fn forget(&mut self, fact: &FactId) {
        self.told.remove(fact);
        self.previous.remove(fact);
    }

    /// How many facts were said.
    pub fn len(&self) -> usize {
        self.told.len()
    }

    /// Whether nothing was said.
    pub fn is_empty(&self) -> bool {
        self.told.is_empty()
    }

    /// Every fact that was said.
    pub fn facts(&self) -> BTreeSet<FactId> {
        self.told.keys().copied().collect()
    }

    /// Every field that something was said in.
    pub fn places(&self) -> BTreeSet<Place> {
        self.told.values().map(|told| told.place.clone()).collect()
    }

    /// Everything that was said in a field.
    pub fn said_in(&self, place: &Place) -> Vec<FactId> {
        self.told.values().filter(|told| told.place == *place).map(|told| told.id).collect()
    }

    /// The devices that said something.
    pub fn devices(&self) -> BTreeSet<DeviceId> {
        self.told.values().map(|told| told.device).collect()
    }

    /// What a fact says; `None` when a chapter has erased that.
    pub fn value(&self, id: &FactId) -> Option<&Value> {
        self.told.get(id).filter(|told| !told.erased).map(|told| &told.value)
    }

    /// The facts of a field that a device has and that count, by id.
    fn said<'a>(&'a self, place: &'a Place, here: &'a Here) -> Vec<&'a Told> {
        let counts =
            |told: &&Told| told.place == *place && here.facts.contains(&told.id) && !here.void.contains(&told.id);
        self.told.values().filter(counts).collect()
    }

    /// Whether a device has everything that this fact builds on.
    fn complete(&self, told: &Told, here: &Here) -> bool {
        told.past.is_subset(&here.facts)
    }

    /// What a fact names, with what void ones name in their place.
    fn names(&self, later: &Told, earlier: &FactId, here: &Here) -> bool {
        let mut open = later.seen.clone();
        let mut done = BTreeSet::new();
        while let Some(id) = open.pop() {
            if here.void.contains(&id) {
                // Only within one field: what a void fact of another names is none of this one's.
                let told = self.told.get(&id).filter(|told| told.place == later.place && done.insert(told.id));
                open.extend(told.into_iter().flat_map(|told| &told.seen));
            } else if id == *earlier {
                return true;
            }
        }
        false
    }

    /// Neither was in the other's past, as far as a device knows both pasts.
    fn concurrent(&self, left: &Told, right: &Told, here: &Here) -> bool {
        left.id != right.id
            && self.complete(left, here)
            && self.complete(right, here)
            && !left.past.contains(&right.id)
            && !right.past.contains(&left.id)
    }

    /// Whoever said the one had not been shown the other, whatever their devices had; as far as a device knows both pasts.
    fn apart(&self, left: &Told, right: &Told, here: &Here) -> bool {
        left.id != right.id
            && self.complete(left, here)
            && self.complete(right, here)
            && !left.named.contains(&right.id)
            && !right.named.contains(&left.id)
    }

    /// Whose word counts in a field; `None` for one that this version does not know.
    fn rule(place: &Place) -> Option<FieldKind> {
        schema::field(&place.kind, &place.field).map(|field| field.kind)
    }

    /// Whose word alone counts in a field, where that is one partner's and known: who founded the item, or whose it is by
    /// its name.
    fn owner(&self, place: &Place, here: &Here) -> Option<PartnerId> {
        if Self::rule(place) != Some(FieldKind::Owned(Owner::Founder)) {
            return None;
        }
        let kind = schema::Kind::named(&place.kind)?;
        let mut about = self.told.values().filter(|told| {
            told.place.item == place.item && here.facts.contains(&told.id) && !here.void.contains(&told.id)
        });
        match kind.naming {
            Naming::Founded { .. } => about.find(|told| told.founding).map(|told| told.partner),
            Naming::OnePerPartner => {
                let household = self.household?;
                let mut speakers = about.map(|told| told.partner);
                speakers.find(|partner| kind.natural_item(&household, partner) == Some(place.item))
            }
            Naming::One | Naming::Keyed { .. } | Naming::Internal => None,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost(fact) => write!(formatter, "{fact:?} is not live and was never rightly replaced"),
            Self::NotReplaced { fact, by } => write!(formatter, "{fact:?} is live although {by:?} replaced it"),
            Self::EndedAlone { fact, by } => write!(formatter, "{by:?} ended alone that {fact:?} differed"),
            Self::NotInHistory(fact) => write!(formatter, "{fact:?} was said and is not in the history"),
            Self::OpenedEarly(fact) => write!(formatter, "{fact:?} opens an answer before both have answered"),
            Self::Shown(what) | Self::Agreed(what) => formatter.write_str(what),
        }
    }
}
