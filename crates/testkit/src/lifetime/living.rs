//! Two people who live: what they know, what they say, and how the other learns of it.

use std::collections::{BTreeMap, BTreeSet};

use betwixt_model::document::Scope;
use betwixt_model::fact::{Draft, Fact, MAX_SEEN, Nonce, SignedFact};
use betwixt_model::ids::{FactId, HouseholdId, ItemId};
use betwixt_model::index::FieldKey;
use betwixt_model::view::{FieldView, State};
use betwixt_sync::keys::DeviceKeys;
use jiff::civil::{Date, date};
use jiff::{ToSpan, Unit};
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};
use serde_json::{Value, json};

use super::knowledge::Knowledge;
use super::people::People;
use super::photos::Photo;
use super::private::Pages;
use super::{Before, Lifetime, Plan};
use crate::vocabulary::{Vocabulary, below};

type Field = (ItemId, &'static str);

pub(super) struct Living {
    pub(super) vocabulary: Vocabulary,
    pub(super) rng: ChaCha20Rng,
    pub(super) people: People,
    /// The latest shared fact of each device.
    latest: [Option<FactId>; 4],
    pub(super) facts: Vec<SignedFact>,
    pub(super) pages: [Pages; 2],
    pub(super) photos: Vec<Photo>,
    pub(super) today: Date,
    /// Whether they cannot meet today.
    pub(super) away: bool,
    /// What they read, where they read.
    knowledge: Option<Knowledge>,
    /// What stands in every field, as far as each partner takes it: the facts that none they know of named.
    stands: [BTreeMap<Field, BTreeSet<FactId>>; 2],
    /// What was said since they last met, and what it named.
    unshared: [Vec<(Field, FactId, Vec<FactId>)>; 2],
    pub(super) rituals: Vec<ItemId>,
    pub(super) values: Found,
    pub(super) goals: Found,
    pub(super) milestones: Found,
    pub(super) drafts: BTreeMap<ItemId, Vec<String>>,
}

/// Items of a kind: those that both know, and what was founded since they met.
#[derive(Default)]
pub(super) struct Found {
    known: Vec<ItemId>,
    new: Vec<ItemId>,
}

impl Found {
    pub(super) fn add(&mut self, item: ItemId) {
        self.new.push(item);
    }

    pub(super) fn known(&self) -> &[ItemId] {
        &self.known
    }

    /// One that both know; the last ones most often.
    pub(super) fn recent(&self, rng: &mut ChaCha20Rng) -> Option<ItemId> {
        let back = below(rng, self.known.len().clamp(1, 40));
        let back = below(rng, back + 1);
        self.known.len().checked_sub(1 + back).map(|at| self.known[at])
    }
}

impl Living {
    pub(super) fn begin(plan: &Plan) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(plan.seed);
        let people = People::meet(&mut rng);
        let membership = people.membership(0, Scope::Ours);
        let knowledge = || Knowledge::new(people.household, membership, people.partners);
        Self {
            knowledge: (plan.before == Before::Read).then(knowledge),
            vocabulary: Vocabulary::new(plan.seed, plan.words),
            rng,
            latest: [None; 4],
            pages: people.spaces.map(Pages::of),
            people,
            facts: Vec::with_capacity(plan.years * plan.facts_a_year),
            photos: Vec::new(),
            today: date(plan.begin, 1, 1),
            away: false,
            stands: Default::default(),
            unshared: Default::default(),
            rituals: Vec::new(),
            values: Found::default(),
            goals: Found::default(),
            milestones: Found::default(),
            drafts: BTreeMap::new(),
        }
    }

    pub(super) fn live(mut self, plan: &Plan) -> Lifetime {
        let first = date(plan.begin, 1, 1);
        let end = first.saturating_add(i64::try_from(plan.years).unwrap_or(i64::MAX).min(10_000).years());
        let days = first.until((Unit::Day, end)).map_or(0, |span| span.get_days().unsigned_abs() as usize);
        self.found_rituals();
        let mut apart = false;
        let (mut before, mut year) = (0, plan.begin);
        for day in 0..days {
            self.today = first.saturating_add((day as i64).days());
            if self.today.year() != year {
                (before, year) = (self.said(), self.today.year());
            }
            // Every fifth ten days one of them is away, and at the end for as long as is planned.
            self.away = day / 10 % 5 == 4 || day + plan.apart >= days;
            let (passed, of) = (self.today.day_of_year() as usize, self.today.days_in_year() as usize);
            self.day(plan, before + plan.facts_a_year * passed / of);
            self.meet();
            if apart && !self.away {
                self.settle();
            }
            apart = self.away;
        }
        if plan.apart == 0 {
            self.away = false;
            self.meet();
        }
        self.into_lifetime()
    }

    fn into_lifetime(self) -> Lifetime {
        let Self { people, facts, pages, photos, .. } = self;
        let devices = people.keys.each_ref().map(DeviceKeys::device);
        Lifetime {
            household: people.household,
            partners: people.partners,
            membership: people.membership(0, Scope::Ours),
            people,
            devices,
            facts,
            private: pages.map(Pages::into_facts),
            photos,
        }
    }

    /// How much was said, by both and everywhere.
    pub(super) fn said(&self) -> usize {
        self.facts.len() + self.pages.iter().map(Pages::len).sum::<usize>()
    }

    pub(super) fn household(&self) -> HouseholdId {
        self.people.household
    }

    pub(super) fn nonce(&mut self) -> Nonce {
        let mut nonce = [0; 16];
        self.rng.fill_bytes(&mut nonce);
        Nonce::from_bytes(nonce)
    }

    /// Which of their devices somebody has at hand: mostly the one, sometimes the other; both know the same.
    pub(super) fn device(&mut self, who: usize) -> usize {
        who * 2 + usize::from(below(&mut self.rng, 5) == 0)
    }

    /// Says something that both may read, and remembers what it left standing.
    pub(super) fn say(
        &mut self,
        who: usize,
        item: Option<ItemId>,
        kind: &str,
        field: &'static str,
        value: Value,
    ) -> ItemId {
        self.say_fact(who, item, kind, field, value).1
    }

    /// The same, and the fact that says it.
    pub(super) fn say_fact(
        &mut self,
        who: usize,
        item: Option<ItemId>,
        kind: &str,
        field: &'static str,
        value: Value,
    ) -> (FactId, ItemId) {
        let at = self.device(who);
        let seen: Vec<FactId> = match (&mut self.knowledge, item) {
            (Some(knowledge), Some(item)) => {
                knowledge.stands(who, &FieldKey { item, kind: kind.to_owned(), field: field.to_owned() })
            }
            (None, Some(item)) => {
                let known = self.stands[who].get(&(item, field));
                known.into_iter().flatten().copied().take(MAX_SEEN).collect()
            }
            (_, None) => Vec::new(),
        };
        let (nonce, date) = (self.nonce(), self.today);
        let keys = &self.people.keys[at];
        let draft = Draft {
            household: self.people.household,
            item,
            kind: kind.to_owned(),
            field: field.to_owned(),
            seen: seen.clone(),
            previous: self.latest[at],
            partner: self.people.partners[who],
            device: keys.device(),
            date,
            nonce,
            value,
        };
        let fact = Fact::write(draft).expect("what is generated is within the limits").sign(keys.signing());
        let (id, item) = (fact.fact().id(), fact.fact().item());
        self.latest[at] = Some(id);
        match &mut self.knowledge {
            Some(knowledge) => knowledge.say(who, &fact),
            None => {
                self.learn(who, (item, field), id, &seen);
                self.unshared[who].push(((item, field), id, seen));
            }
        }
        self.facts.push(fact);
        (id, item)
    }

    fn learn(&mut self, who: usize, field: Field, id: FactId, seen: &[FactId]) {
        let standing = self.stands[who].entry(field).or_default();
        standing.retain(|known| !seen.contains(known));
        standing.insert(id);
    }

    /// Both learn what the other said, unless they are apart.
    pub(super) fn meet(&mut self) {
        if self.away {
            return;
        }
        for found in [&mut self.values, &mut self.goals, &mut self.milestones] {
            found.known.append(&mut found.new);
        }
        if let Some(knowledge) = &mut self.knowledge {
            return knowledge.meet();
        }
        for who in 0..2 {
            for (field, id, seen) in std::mem::take(&mut self.unshared[who]) {
                self.learn(1 - who, field, id, &seen);
            }
        }
    }

    /// Whether people read before they speak.
    pub(super) fn reads(&self) -> bool {
        self.knowledge.is_some()
    }

    /// A field as one of them reads it, where they read.
    pub(super) fn reading(&mut self, who: usize, item: &ItemId, field: &str) -> Option<FieldView> {
        self.knowledge.as_mut()?.field(who, item, field)
    }

    /// Whether both have different things before them.
    pub(super) fn differs(&mut self, item: &ItemId, field: &'static str) -> bool {
        match self.knowledge {
            Some(_) => self.reading(0, item, field).is_some_and(|field| field.reading.state == State::Differing),
            None => self.stands[0].get(&(*item, field)).is_some_and(|standing| standing.len() > 1),
        }
    }

    pub(super) fn both_say(&mut self, item: ItemId, kind: &str, field: &'static str, value: &Value) {
        for who in 0..2 {
            self.say(who, Some(item), kind, field, value.clone());
            self.meet();
        }
    }

    pub(super) fn title(&mut self) -> Value {
        let words = 2 + below(&mut self.rng, 5);
        json!(self.vocabulary.line(&mut self.rng, words))
    }

    /// Text of about so many bytes or up to `more` more.
    pub(super) fn prose(&mut self, least: usize, more: usize) -> Value {
        let bytes = least + below(&mut self.rng, more);
        json!(self.vocabulary.prose_of(&mut self.rng, bytes))
    }

    /// Whether something happens that does so in so many of a hundred cases.
    pub(super) fn chance(&mut self, of_hundred: usize) -> bool {
        below(&mut self.rng, 100) < of_hundred
    }
}
