//! The oracle: it remembers everything that anybody said, and judges what a device shows by the words of the invariants.
//!
//! It was written from those words and calls nothing of the fold: it reads facts (who, on which device, in what field, what,
//! having seen what, after what), the schema's word for whose word counts in a field, and the views that devices answer.
//! Pasts are sets, found by walking `seen` and `previous`; every question is asked of every pair of facts of a field. So it is
//! slow, and a mistake in the fold is not likely to be made here in the same way.
//!
//! - **NoSilentWinner**: every fact is live, rightly replaced, and in the history in any case (`field`).
//! - **SameFactsSameView** is for [`crate::network`] and [`crate::lives`] to ask, by comparing devices.
//! - What stands agreed in a field of consent (`consent`), and what a field is said to hold (`shown`).
//! - What a chapter in force erases (`chapters`): it is gone, and nothing else is.
//! - That no sealed answer is opened before both have answered (`sealed`).

mod chapters;
mod consent;
mod field;
mod numbers;
mod sealed;
mod shown;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use betwixt_model::fact::Fact;
use betwixt_model::ids::{DeviceId, FactId, HouseholdId, ItemId, PartnerId};
use betwixt_model::schema::{self, FieldKind, Naming, Owner};
use serde_json::Value;

use numbers::Numbers;

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
    number: usize,
    partner: PartnerId,
    device: DeviceId,
    place: Place,
    founding: bool,
    value: Value,
    /// Whether a chapter erased the value: then it stands here for what is still known of it, which facts said the same.
    erased: bool,
    seen: Vec<FactId>,
    /// Everything reached through `seen` and `previous`.
    past: Numbers,
    /// Everything of its field reached through `seen`.
    named: Numbers,
}

/// Everything that was said.
#[derive(Debug, Clone, Default)]
pub struct Oracle {
    household: Option<HouseholdId>,
    told: BTreeMap<FactId, Told>,
    /// What was said in each field, and about each item.
    places: BTreeMap<Place, BTreeSet<FactId>>,
    items: BTreeMap<ItemId, BTreeSet<FactId>>,
    /// Every fact that was said or named has a number.
    numbers: BTreeMap<FactId, usize>,
}

/// Which of the facts a device has, and whose count.
#[derive(Debug, Clone, Default)]
pub struct Here {
    /// The facts that have arrived.
    facts: Numbers,
    /// Those by a removed device, beyond what is accepted: naming one counts as naming what it names.
    void: BTreeSet<FactId>,
}

impl Here {
    fn has(&self, told: &Told) -> bool {
        self.facts.contains(told.number)
    }

    /// Whether a fact has arrived and counts.
    fn counts(&self, told: &Told) -> bool {
        self.has(told) && !self.void.contains(&told.id)
    }
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
        let (header, id) = (fact.header(), fact.id());
        if self.told.contains_key(&id) {
            return;
        }
        let mut told = Told {
            id,
            number: self.number(id),
            partner: header.partner,
            device: header.device,
            place: Place { item: fact.item(), kind: header.kind.clone(), field: header.field.clone() },
            founding: header.item.is_none(),
            value: fact.value().cloned().unwrap_or_default(),
            erased: false,
            seen: header.seen.clone(),
            past: Numbers::default(),
            named: Numbers::default(),
        };
        self.household = Some(header.household);
        // What a fact builds on was walked already, as far as it was said by now.
        for earlier in header.seen.iter().chain(&header.previous) {
            told.past.insert(self.number(*earlier));
            let earlier = self.told.get(earlier);
            earlier.into_iter().for_each(|earlier| told.past.unite(&earlier.past));
        }
        for earlier in header.seen.iter().filter_map(|earlier| self.told.get(earlier)) {
            if earlier.place == told.place {
                told.named.insert(earlier.number);
                told.named.unite(&earlier.named);
            }
        }
        // What waited for this one has a longer past now, and names more.
        let waited = self.told.values_mut().filter(|later| later.past.contains(told.number));
        let mut renamed = Vec::new();
        for later in waited {
            later.past.unite(&told.past);
            if later.place == told.place {
                renamed.push(later.id);
            }
        }
        let (number, named, place) = (told.number, told.named.clone(), told.place.clone());
        self.places.entry(place.clone()).or_default().insert(id);
        self.items.entry(place.item).or_default().insert(id);
        self.told.insert(id, told);
        let naming: BTreeSet<usize> = renamed
            .iter()
            .map(|id| &self.told[id])
            .filter(|later| later.seen.contains(&id))
            .map(|later| later.number)
            .collect();
        for later in renamed {
            let Some(later) = self.told.get_mut(&later) else { continue };
            if naming.contains(&later.number) || naming.iter().any(|naming| later.named.contains(*naming)) {
                later.named.insert(number);
                later.named.unite(&named);
            }
        }
    }

    fn number(&mut self, id: FactId) -> usize {
        let next = self.numbers.len();
        *self.numbers.entry(id).or_insert(next)
    }

    /// Which of the facts a device has, and which of them are void there. What nobody ever said or named is left out.
    pub fn here<'f>(&self, facts: impl IntoIterator<Item = &'f FactId>, void: BTreeSet<FactId>) -> Here {
        let mut here = Here { facts: Numbers::default(), void };
        for number in facts.into_iter().filter_map(|id| self.numbers.get(id)) {
            here.facts.insert(*number);
        }
        here
    }

    /// Forgets a fact that was lost with the only disk that it was on.
    pub fn forget(&mut self, fact: &FactId) {
        let Some(told) = self.told.remove(fact) else { return };
        for facts in [self.places.get_mut(&told.place), self.items.get_mut(&told.place.item)].into_iter().flatten() {
            facts.remove(fact);
        }
        self.places.retain(|_, facts| !facts.is_empty());
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
        self.places.keys().cloned().collect()
    }

    /// Everything that was said in a field.
    pub fn said_in(&self, place: &Place) -> Vec<FactId> {
        self.in_place(place).map(|told| told.id).collect()
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
        self.in_place(place).filter(|told| here.counts(told)).collect()
    }

    fn in_place<'a>(&'a self, place: &Place) -> impl Iterator<Item = &'a Told> {
        self.places.get(place).into_iter().flatten().filter_map(|id| self.told.get(id))
    }

    /// Everything that was said about an item, for whatever kind.
    fn about<'a>(&'a self, item: &ItemId) -> impl Iterator<Item = &'a Told> {
        self.items.get(item).into_iter().flatten().filter_map(|id| self.told.get(id))
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
            && !left.past.contains(right.number)
            && !right.past.contains(left.number)
    }

    /// Whoever said the one had not been shown the other, whatever their devices had; as far as a device knows both pasts.
    fn apart(&self, left: &Told, right: &Told, here: &Here) -> bool {
        left.id != right.id
            && self.complete(left, here)
            && self.complete(right, here)
            && !left.named.contains(right.number)
            && !right.named.contains(left.number)
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
        let mut about = self.about(&place.item).filter(|told| here.counts(told));
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
