//! The facts of a life together: decades of two people with two devices each, the same for the same seed.
//!
//! What they say is meant to be like what people say: most of it once and each for themselves (reflections, thanks,
//! progress), some of it about things that both change (goals, values, the vision), now and then while apart, so that a few
//! things differ and most of these are settled later. Text comes from [`Vocabulary`].
//!
//! Whoever speaks has read first, as through the API: `seen` names what is live there on their device, and a draft is worked
//! on as it reads ([`Before::Read`]). So every fact is folded here, too, and this is no oracle. [`Before::Taken`] is the worst
//! case instead: people who name what was said last and never look at what stands beside it, so that very much stands.
//!
//! ```
//! use betwixt_testkit::lifetime::{Lifetime, Plan};
//! let life = Lifetime::of(&Plan { years: 1, facts_a_year: 60, ..Plan::default() });
//! assert!(life.facts.len() >= 60);
//! ```

mod knowledge;

use std::collections::{BTreeMap, BTreeSet};

use betwixt_model::fact::{Draft, Fact, MAX_SEEN, Nonce, SignedFact};
use betwixt_model::ids::{DeviceId, FactId, HouseholdId, ItemId, PartnerId};
use betwixt_model::index::FieldKey;
use betwixt_model::membership::{Accepted, Membership, Standing};
use betwixt_model::prose;
use betwixt_model::view::State;
use betwixt_sync::keys::DeviceKeys;
use jiff::ToSpan;
use jiff::civil::{Date, date};
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};
use serde_json::{Value, json};

use crate::vocabulary::{Vocabulary, below};
use knowledge::Knowledge;

/// What people do before they speak.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Before {
    /// They read what is there, and name what stands.
    #[default]
    Read,
    /// They take it that what was said last stands, and name that. What they never name stays.
    Taken,
}

/// How long a life, and how full.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Everything random comes from it.
    pub seed: u64,
    /// How many years, from [`Plan::begin`] on.
    pub years: usize,
    /// How many facts a year, by both together. The last act of a year is not broken off, so it may be a few more.
    pub facts_a_year: usize,
    /// How many words they know, beside the commonest.
    pub words: usize,
    /// The first year.
    pub begin: i16,
    /// What they do before they speak.
    pub before: Before,
}

impl Default for Plan {
    /// A lifetime: 30 years of 6,000 facts.
    fn default() -> Self {
        Self { seed: 1, years: 30, facts_a_year: 6_000, words: 20_000, begin: 2027, before: Before::Read }
    }
}

/// A generated life.
#[derive(Debug, Clone)]
pub struct Lifetime {
    /// The household that every fact belongs to.
    pub household: HouseholdId,
    /// Everybody's devices, all accepted.
    pub membership: Membership,
    /// The two, in the order in which their devices are in [`Lifetime::devices`].
    pub partners: [PartnerId; 2],
    /// Two devices of the one, then two of the other.
    pub devices: [DeviceId; 4],
    /// What was said, in an order in which nothing comes before what it names; by year, month and day.
    pub facts: Vec<SignedFact>,
}

impl Lifetime {
    /// Lives it.
    ///
    /// # Panics
    /// When the plan leaves the years that documents take (see `betwixt_model::document::YEARS`).
    pub fn of(plan: &Plan) -> Self {
        let mut living = Living::begin(plan);
        for year in 0..plan.years {
            living.year(year, plan.facts_a_year);
        }
        living.into_lifetime()
    }

    /// The facts of each year, in order.
    pub fn years(&self) -> impl Iterator<Item = &[SignedFact]> {
        self.facts.chunk_by(|left, right| left.fact().header().date.year() == right.fact().header().date.year())
    }
}

type Field = (ItemId, &'static str);

struct Device {
    keys: DeviceKeys,
    partner: PartnerId,
    previous: Option<FactId>,
}

struct Living {
    vocabulary: Vocabulary,
    rng: ChaCha20Rng,
    household: HouseholdId,
    devices: [Device; 4],
    facts: Vec<SignedFact>,
    begin: i16,
    today: Date,
    /// What they read, where they read.
    knowledge: Option<Knowledge>,
    /// What stands in every field, as far as each partner takes it: the facts that none they know of named.
    stands: [BTreeMap<Field, BTreeSet<FactId>>; 2],
    /// What was said since they last met, and what it named.
    unshared: [Vec<(Field, FactId, Vec<FactId>)>; 2],
    values: Vec<ItemId>,
    goals: Vec<ItemId>,
    milestones: Vec<ItemId>,
    drafts: BTreeMap<ItemId, Vec<String>>,
}

fn membership(devices: &[Device]) -> Membership {
    let mut membership = Membership::default();
    for device in devices {
        let standing = Standing { partner: device.partner, accepted: Accepted::Everything };
        membership.set(device.keys.device(), standing);
    }
    membership
}

impl Living {
    fn begin(plan: &Plan) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(plan.seed);
        let keys = [(); 4].map(|()| DeviceKeys::generate(&mut rng));
        let partners = [0, 2].map(|first: usize| PartnerId::founded_by(&keys[first].device()));
        let mut number = 0;
        let devices = keys.map(|keys| {
            number += 1;
            Device { keys, partner: partners[(number - 1) / 2], previous: None }
        });
        let mut household = [0; 32];
        rng.fill_bytes(&mut household);
        let household = HouseholdId::from_bytes(household);
        let knowledge = || Knowledge::new(household, membership(&devices), partners);
        Self {
            knowledge: (plan.before == Before::Read).then(knowledge),
            vocabulary: Vocabulary::new(plan.seed, plan.words),
            rng,
            household,
            devices,
            facts: Vec::with_capacity(plan.years * plan.facts_a_year),
            begin: plan.begin,
            today: date(plan.begin, 1, 1),
            stands: Default::default(),
            unshared: Default::default(),
            values: Vec::new(),
            goals: Vec::new(),
            milestones: Vec::new(),
            drafts: BTreeMap::new(),
        }
    }

    fn into_lifetime(self) -> Lifetime {
        let membership = membership(&self.devices);
        let partners = [self.devices[0].partner, self.devices[2].partner];
        let devices = self.devices.map(|device| device.keys.device());
        Lifetime { household: self.household, membership, partners, devices, facts: self.facts }
    }

    fn year(&mut self, year: usize, facts: usize) {
        let first = date(self.begin, 1, 1).saturating_add((year as i64).years());
        let (before, days) = (self.facts.len(), 365);
        let mut apart = false;
        for day in 0..days {
            self.today = first.saturating_add((day as i64).days());
            // Every fifth ten days one of them is away.
            let away = day / 10 % 5 == 4;
            while self.facts.len() - before < facts * (day + 1) / days {
                let who = below(&mut self.rng, 2);
                self.act(who, away);
            }
            if !away {
                self.meet();
                if apart {
                    self.settle();
                }
            }
            apart = away;
        }
        self.meet();
    }

    /// Says something and remembers what it left standing.
    fn say(&mut self, who: usize, item: Option<ItemId>, kind: &str, field: &'static str, value: Value) -> ItemId {
        // Mostly on the one device, sometimes on the other; both of one person's devices know the same.
        let at = who * 2 + usize::from(below(&mut self.rng, 5) == 0);
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
        let mut nonce = [0; 16];
        self.rng.fill_bytes(&mut nonce);
        let device = &mut self.devices[at];
        let draft = Draft {
            household: self.household,
            item,
            kind: kind.to_owned(),
            field: field.to_owned(),
            seen: seen.clone(),
            previous: device.previous,
            partner: device.partner,
            device: device.keys.device(),
            date: self.today,
            nonce: Nonce::from_bytes(nonce),
            value,
        };
        let fact = Fact::write(draft).expect("what is generated is within the limits").sign(device.keys.signing());
        let (id, item) = (fact.fact().id(), fact.fact().item());
        device.previous = Some(id);
        match &mut self.knowledge {
            Some(knowledge) => knowledge.say(who, &fact),
            None => {
                self.learn(who, (item, field), id, &seen);
                self.unshared[who].push(((item, field), id, seen));
            }
        }
        self.facts.push(fact);
        item
    }

    fn learn(&mut self, who: usize, field: Field, id: FactId, seen: &[FactId]) {
        let standing = self.stands[who].entry(field).or_default();
        standing.retain(|known| !seen.contains(known));
        standing.insert(id);
    }

    /// Both learn what the other said.
    fn meet(&mut self) {
        if let Some(knowledge) = &mut self.knowledge {
            return knowledge.meet();
        }
        for who in 0..2 {
            for (field, id, seen) in std::mem::take(&mut self.unshared[who]) {
                self.learn(1 - who, field, id, &seen);
            }
        }
    }

    /// Most of what differs since they were apart, they come to say alike.
    fn settle(&mut self) {
        let goals: Vec<ItemId> = self.goals.iter().rev().take(12).copied().collect();
        for goal in goals {
            for field in ["title", "until", "area"] {
                if self.differs(&goal, field) && below(&mut self.rng, 50) > 0 {
                    let value = match field {
                        "until" => self.later(),
                        _ => self.title(),
                    };
                    self.both_say(goal, "goal", field, value);
                }
            }
        }
        if self.knowledge.is_some() {
            let vision = (ItemId::natural(&self.household, "vision", ""), "vision");
            let values = self.values.clone();
            for (item, kind) in values.into_iter().map(|value| (value, "value")).chain([vision]) {
                if self.differs(&item, "draft") && below(&mut self.rng, 50) > 0 {
                    let draft = self.redraft(0, item);
                    self.both_say(item, kind, "draft", draft);
                }
            }
        }
    }

    /// Whether both have different things before them.
    fn differs(&mut self, item: &ItemId, field: &'static str) -> bool {
        match &mut self.knowledge {
            Some(knowledge) => {
                knowledge.field(0, item, field).is_some_and(|field| field.reading.state == State::Differing)
            }
            None => self.stands[0].get(&(*item, field)).is_some_and(|standing| standing.len() > 1),
        }
    }

    fn both_say(&mut self, item: ItemId, kind: &str, field: &'static str, value: Value) {
        for who in 0..2 {
            self.say(who, Some(item), kind, field, value.clone());
            self.meet();
        }
    }

    fn title(&mut self) -> Value {
        let words = 2 + below(&mut self.rng, 5);
        json!(self.vocabulary.line(&mut self.rng, words))
    }

    fn prose(&mut self, least: usize, more: usize) -> Value {
        let sentences = least + below(&mut self.rng, more);
        json!(self.vocabulary.prose(&mut self.rng, sentences))
    }

    fn later(&mut self) -> Value {
        json!(self.today.saturating_add((30 + below(&mut self.rng, 700) as i64).days()).to_string())
    }

    fn rank(&mut self) -> Value {
        json!((0..6).map(|_| char::from(b'a' + below(&mut self.rng, 26) as u8)).collect::<String>())
    }

    /// One of the latest of a list, the last ones most often.
    fn recent(&mut self, items: &[ItemId]) -> Option<ItemId> {
        let back = below(&mut self.rng, items.len().clamp(1, 40));
        let back = below(&mut self.rng, back + 1);
        items.len().checked_sub(1 + back).map(|at| items[at])
    }

    /// The draft of a statement with one of its sentences written anew, or one more.
    fn redraft(&mut self, who: usize, item: ItemId) -> Value {
        let sentence = self.vocabulary.sentence(&mut self.rng);
        let draft = self.drafts.entry(item).or_default();
        if let Some(knowledge) = &mut self.knowledge {
            // Where it differs, one's own version is what comes first.
            let reading = knowledge.field(who, &item, "draft").map(|field| field.reading).unwrap_or_default();
            let version = reading.versions.first().map(|version| &version.value);
            let text = reading.value.as_ref().or(version).and_then(Value::as_str).unwrap_or_default();
            *draft = prose::sentences(text).iter().map(|sentence| sentence.body.to_owned()).collect();
        }
        let at = below(&mut self.rng, draft.len() + 1);
        if at == draft.len() && draft.len() < 60 {
            draft.push(sentence);
        } else {
            let last = draft.len() - 1;
            draft[at.min(last)] = sentence;
        }
        json!(draft.join(" "))
    }

    fn act(&mut self, who: usize, away: bool) {
        match below(&mut self.rng, 100) {
            0..22 => {
                let text = self.prose(2, 8);
                self.say(who, None, "reflection", "text", text);
            }
            22..40 => {
                let what = self.prose(1, 2);
                let thanks = self.say(who, None, "thanks", "what", what);
                if below(&mut self.rng, 3) == 0 {
                    let showed = self.prose(1, 2);
                    self.say(who, Some(thanks), "thanks", "showed", showed);
                }
            }
            40..62 => self.progress(who),
            62..66 => {
                let text = json!({ "text": self.title() });
                let reflection = self.prose(2, 6);
                let item = self.say(who, None, "reflection", "text", reflection);
                self.say(who, Some(item), "reflection", "prompt", text);
            }
            66..70 => self.new_goal(who),
            70..78 => {
                let goals = self.goals.clone();
                let Some(goal) = self.recent(&goals) else { return self.new_goal(who) };
                let (field, value) = match below(&mut self.rng, 4) {
                    0 => ("title", self.title()),
                    1 => ("until", self.later()),
                    2 => ("area", self.title()),
                    _ => ("why", self.prose(1, 4)),
                };
                self.say(who, Some(goal), "goal", field, value);
            }
            78..84 => {
                let goals = self.goals.clone();
                let Some(goal) = self.recent(&goals) else { return };
                let rank = self.rank();
                self.say(who, Some(goal), "goal", "rank", rank);
            }
            84..88 => {
                let milestones = self.milestones.clone();
                let Some(milestone) = self.recent(&milestones) else { return };
                self.say(who, Some(milestone), "milestone", "done", json!(true));
            }
            88..92 if !away => {
                // Both come to agree how far a goal is.
                let goals = self.goals.clone();
                let Some(goal) = self.recent(&goals) else { return };
                let state = json!(["exploring", "agreed", "paused", "released", "reached"][below(&mut self.rng, 5)]);
                self.meet();
                self.say(who, Some(goal), "goal", "state", state.clone());
                self.meet();
                if below(&mut self.rng, 400) > 0 {
                    self.say(1 - who, Some(goal), "goal", "state", state);
                }
            }
            92..96 => {
                let vision = ItemId::natural(&self.household, "vision", "");
                let draft = self.redraft(who, vision);
                self.say(who, Some(vision), "vision", "draft", draft);
            }
            _ => {
                let values = self.values.clone();
                let value = match self.recent(&values) {
                    Some(value) if values.len() >= 12 || below(&mut self.rng, 3) > 0 => value,
                    _ => {
                        let title = self.title();
                        let value = self.say(who, None, "value", "title", title);
                        self.values.push(value);
                        value
                    }
                };
                let draft = self.redraft(who, value);
                self.say(who, Some(value), "value", "draft", draft);
            }
        }
    }

    fn new_goal(&mut self, who: usize) {
        let title = self.title();
        let goal = self.say(who, None, "goal", "title", title);
        let why = self.prose(1, 3);
        self.say(who, Some(goal), "goal", "why", why);
        self.goals.push(goal);
        self.meet();
        for _ in 0..1 + below(&mut self.rng, 3) {
            let milestone = self.say(who, None, "milestone", "goal", json!(goal.to_string()));
            let (title, target) = (self.title(), 10 + below(&mut self.rng, 90));
            self.say(who, Some(milestone), "milestone", "title", title);
            let measure = json!({ "type": "count", "target": target, "unit": "times" });
            self.say(who, Some(milestone), "milestone", "measure", measure);
            self.milestones.push(milestone);
        }
        self.meet();
    }

    fn progress(&mut self, who: usize) {
        let milestones = self.milestones.clone();
        let Some(milestone) = self.recent(&milestones) else { return self.new_goal(who) };
        let entry = self.say(who, None, "progress", "milestone", json!(milestone.to_string()));
        let amount = 1 + below(&mut self.rng, 5);
        self.say(who, Some(entry), "progress", "amount", json!(amount));
        if below(&mut self.rng, 3) == 0 {
            let note = self.prose(1, 2);
            self.say(who, Some(entry), "progress", "note", note);
        }
    }
}

#[cfg(test)]
mod tests {
    use betwixt_model::index::rows::MemoryRows;
    use betwixt_model::schema;
    use betwixt_model::view::{self, Reader};

    use super::*;

    fn index_of(life: &Lifetime) -> MemoryRows {
        let mut rows = MemoryRows::default();
        let ingested = betwixt_model::index::ingest(&mut rows, &life.household, &life.membership, life.facts.clone());
        let effect = ingested.expect("rows in memory do not fail");
        assert_eq!((effect.added.len(), effect.refused.len(), effect.forks.len()), (life.facts.len(), 0, 0));
        rows
    }

    #[test]
    fn a_life_is_the_same_for_one_seed_and_all_of_it_has_its_place() {
        for before in [Before::Read, Before::Taken] {
            let plan = Plan { years: 2, facts_a_year: 600, words: 2_000, before, ..Plan::default() };
            let life = Lifetime::of(&plan);
            assert!((1_200..1_260).contains(&life.facts.len()), "{}", life.facts.len());
            assert_eq!(life.years().count(), 2);
            let again = Lifetime::of(&plan);
            assert!(life.facts.iter().eq(&again.facts));
            let other = Lifetime::of(&Plan { seed: 2, ..plan });
            assert_ne!(life.facts[0], other.facts[0]);
            for fact in &life.facts {
                let (header, value) = (fact.fact().header(), fact.fact().value().expect("it has one"));
                schema::check_value(&header.kind, &header.field, value).expect("the schema takes it");
            }
            let rows = index_of(&life);
            let reader = Reader { household: life.household, partner: life.partners[0] };
            let to_settle = view::differences(&rows, &reader).expect("rows in memory do not fail");
            // In two years those who read have settled all, or nearly.
            let least = usize::from(before == Before::Taken);
            assert!((least..100).contains(&to_settle.len()), "{before:?}: {} things to settle", to_settle.len());
        }
    }

    /// The most versions that stand in any field.
    fn most_standing(before: Before) -> usize {
        let life = Lifetime::of(&Plan { years: 3, facts_a_year: 1_000, words: 2_000, before, ..Plan::default() });
        let rows = index_of(&life);
        let items: BTreeSet<ItemId> = life.facts.iter().map(|fact| fact.fact().item()).collect();
        let live = |item| betwixt_model::index::live_of_item(&rows, item).expect("rows in memory do not fail");
        let standing = items.iter().flat_map(live).map(|(_, field)| field.live().count());
        standing.max().expect("something was said")
    }

    #[test]
    fn where_people_read_first_little_stands_and_where_they_do_not_very_much() {
        let (read, taken) = (most_standing(Before::Read), most_standing(Before::Taken));
        assert!(read <= 8 && taken > 2 * read, "{read} and {taken}");
    }
}
