//! Stale writers: a page, a script or a partner that says something without having seen what stands there. What a token is
//! good for (428, 409 and honoured), that nothing goes that was not shown, and that no partner takes out alone what the
//! other said apart, be they honest about `seen` or not.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::collections::BTreeSet;

use betwixt_model::fact::SignedFact;
use betwixt_model::field::{Entry, FieldFacts, Seen};
use betwixt_model::ids::{FactId, ItemId};
use betwixt_model::index::rows::MemoryRows;
use betwixt_model::index::{self, FieldKey};
use betwixt_model::membership::Membership;
use betwixt_model::say::SayError;
use serde_json::{Value, json};
use support::replica::Replica;
use support::{Device, Dice, ingest, members, runs, vision};

/// One field of every rule: shared, shared prose, consent, light, and a slot for each partner.
const FIELDS: [(&str, &str); 5] =
    [("goal", "until"), ("goal", "draft"), ("goal", "state"), ("goal", "rank"), ("goal", "why")];

fn goal() -> ItemId {
    ItemId::from_bytes([9; 32])
}

fn key((kind, field): (&str, &str)) -> FieldKey {
    FieldKey { item: goal(), kind: kind.into(), field: field.into() }
}

fn id(fact: &SignedFact) -> FactId {
    fact.fact().id()
}

fn live(field: &FieldFacts) -> BTreeSet<FactId> {
    field.live().map(|entry| entry.id).collect()
}

#[test]
fn missing_is_refused_unknown_is_refused_and_old_is_honoured() {
    let (mut one, mut other) = Replica::couple();
    let goal = one.say(None, "goal", "title", json!("Cycle"));
    one.say(Some(goal), "goal", "until", json!("2027-05-01"));
    one.meet(&mut other);
    let page = one.view(&goal).unwrap().fields["until"].seen.clone();

    let mut tries = |seen| one.try_say(Some(goal), "goal", "until", json!("2027-06-01"), seen);
    assert!(matches!(tries(None), Err(SayError::SeenMissing(field)) if field.field == "until"));
    // A fact that is here, but of another field, and one that is nowhere.
    let elsewhere = Seen::new(vec![FactId::from_bytes(*goal.as_bytes())]);
    let nowhere = Seen::new([page.facts(), &[FactId::from_bytes([1; 32])]].concat());
    for unknown in [elsewhere, nowhere] {
        assert!(matches!(tries(Some(unknown)), Err(SayError::SeenUnknown { field, .. }) if field.field == "until"));
    }
    assert_eq!(one.view(&goal).unwrap().fields["until"].seen, page, "what is refused changes nothing");

    other.say(Some(goal), "goal", "until", json!("2027-09-01"));
    other.meet(&mut one);
    let old = one.try_say(Some(goal), "goal", "until", json!("2027-06-01"), Some(page.clone())).unwrap();
    assert_eq!(old.header().seen, page.facts(), "an old token is taken as it is");
    one.take_in(old);
    let shown = one.json(&goal, "until");
    assert_eq!(shown["state"], "differing", "what the page did not show stands beside it: {shown}");
    let fresh_nothing = one.try_say(Some(goal), "goal", "until", json!("2027-07-01"), Some(Seen::default())).unwrap();
    one.take_in(fresh_nothing);
    let values: Vec<Value> = one.json(&goal, "until")["versions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|version| version["value"].clone())
        .collect();
    assert!(values.contains(&json!("2027-09-01")) && values.contains(&json!("2027-06-01")), "{values:?}");
}

/// Two partners' devices in one field, of which each has what it happened to receive.
struct Life {
    dice: Dice,
    devices: Vec<Device>,
    membership: Membership,
    field: (&'static str, &'static str),
    facts: Vec<SignedFact>,
    rows: MemoryRows,
    here: Vec<BTreeSet<usize>>,
}

impl Life {
    fn new(seed: u64, field: (&'static str, &'static str), first: u8, second: u8) -> Self {
        let devices: Vec<Device> = (1..=first).chain(101..=100 + second).map(Device::new).collect();
        let (membership, here) = (members(&devices), vec![BTreeSet::new(); devices.len()]);
        Self { dice: Dice::seeded(seed), devices, membership, field, facts: vec![], rows: MemoryRows::default(), here }
    }

    fn now(&self) -> FieldFacts {
        index::field(&self.rows, &key(self.field)).unwrap()
    }

    fn value(&mut self) -> Value {
        let number = self.dice.below(4);
        match self.field.1 {
            "until" => json!(format!("2027-0{}-01", number + 1)),
            "state" => json!(["exploring", "agreed", "paused", "released"][number]),
            _ => json!(format!("text {number}")),
        }
    }

    /// What a device would be shown: the live facts of those that it has.
    fn page(&self, at: usize) -> Vec<FactId> {
        let mut rows = MemoryRows::default();
        let facts: Vec<SignedFact> = self.here[at].iter().map(|fact| self.facts[*fact].clone()).collect();
        ingest(&mut rows, &self.membership, &facts);
        index::field(&rows, &key(self.field)).unwrap().live().map(|entry| entry.id).collect()
    }

    /// Any of the facts that there are, known to the device or not.
    fn anything(&mut self) -> Vec<FactId> {
        let mut seen: Vec<FactId> = self.facts.iter().map(id).collect();
        self.dice.shuffle(&mut seen);
        let most = self.dice.below(5);
        seen.truncate(most);
        seen
    }

    fn say(&mut self, at: usize, seen: &[FactId], previous: Option<FactId>) {
        let value = self.value();
        let (kind, field) = self.field;
        let fact = self.devices[at].says_after(previous, Some(goal()), kind, field, value, seen);
        self.devices[at].last = Some(id(&fact));
        ingest(&mut self.rows, &self.membership, std::slice::from_ref(&fact));
        self.here[at].insert(self.facts.len());
        self.facts.push(fact);
    }

    /// Saying honestly, from stale pages and dishonestly, and meeting now and then.
    fn some_time(&mut self, acts: usize) {
        let mut pages: Vec<Vec<Vec<FactId>>> = vec![vec![Vec::new()]; self.devices.len()];
        for _ in 0..acts {
            let at = self.dice.below(self.devices.len());
            if self.dice.chance(40) {
                let with = self.dice.below(self.devices.len());
                let both: BTreeSet<usize> = self.here[at].union(&self.here[with]).copied().collect();
                self.here[at].clone_from(&both);
                self.here[with] = both;
                continue;
            }
            let page = self.page(at);
            pages[at].push(page.clone());
            let seen = match self.dice.below(10) {
                0..6 => page,
                6..9 => pages[at][self.dice.below(pages[at].len())].clone(),
                _ => self.anything(),
            };
            let before = live(&self.now());
            self.say(at, &seen, self.devices[at].last);
            let gone: BTreeSet<FactId> = before.difference(&live(&self.now())).copied().collect();
            assert!(gone.iter().all(|fact| seen.contains(fact)), "what goes was shown to whoever said something else");
        }
    }
}

#[test]
fn no_stale_page_takes_out_anything_that_it_did_not_show() {
    for field in FIELDS {
        for seed in 0..runs(8) {
            Life::new(seed, field, 2, 2).some_time(40);
        }
    }
}

/// What one partner said stands as long as they say nothing, if the other said something else apart from it: whatever the
/// other's devices say then, having seen it or not, with whatever they claim to have seen, and from whatever copy of a home.
#[test]
fn no_silent_winner_no_devices_of_one_partner_take_out_what_the_other_said_apart() {
    let mut tried = 0;
    for field in FIELDS.into_iter().filter(|(_, field)| *field != "rank") {
        for seed in 0..runs(15) {
            let mut life = Life::new(1000 + seed, field, 3, 2);
            life.some_time(25);
            let now = life.now();
            let contested = |entry: &&Entry| {
                // Said apart from it; or what stands beside it, but in prose, where it may be what merges with it.
                let differs = |other: &Entry| {
                    let beside = other.is_live() && field.1 != "draft";
                    other.partner != entry.partner && other.value != entry.value && (beside || other.apart(entry))
                };
                now.entries().iter().any(differs)
            };
            // In fields where each one's word is their own, it stands whether contested or not.
            let own = field.1 != "until" && field.1 != "draft";
            let second = life.devices[3].partner;
            let others: BTreeSet<FactId> = now
                .live()
                .filter(|entry| entry.partner == second && (own || contested(entry)))
                .map(|entry| entry.id)
                .collect();
            tried += others.len();
            for _ in 0..15 {
                let at = life.dice.below(3);
                let seen = if life.dice.chance(50) { life.page(at) } else { life.anything() };
                let said: Vec<FactId> = life
                    .facts
                    .iter()
                    .filter(|fact| fact.fact().header().device == life.devices[at].id)
                    .map(id)
                    .collect();
                let previous = match life.dice.below(4) {
                    0 if !said.is_empty() => Some(said[life.dice.below(said.len())]),
                    _ => life.devices[at].last,
                };
                life.say(at, &seen, previous);
                let everything: BTreeSet<usize> = (0..life.facts.len()).collect();
                if life.dice.chance(50) {
                    life.here[at] = everything;
                }
                assert!(others.is_subset(&live(&life.now())), "{field:?}, seed {seed}: taken out by the other alone");
            }
        }
    }
    assert!(tried > 60, "there was something to take out: {tried}");
}

/// Once the rule went by pasts, so that a word from a stale page, on a device that had the other's word by then, did not count
/// as said apart from it; and the next word of the same partner, who had seen both, ended the difference alone.
#[test]
fn a_word_from_a_stale_page_is_said_apart_though_its_device_had_the_other_one() {
    let [mut a, mut b] = [Device::new(1), Device::new(101)];
    let before = a.says(Some(vision()), "vision", "draft", json!("before"), &[]);
    let theirs = b.says(Some(vision()), "vision", "draft", json!("theirs"), &[id(&before)]);
    let elsewhere = b.says(Some(vision()), "vision", "wording", json!("elsewhere"), &[]);
    let answer = a.says(Some(vision()), "vision", "wording", json!("answer"), &[id(&elsewhere)]);
    let stale = a.says(Some(vision()), "vision", "draft", json!("stale"), &[id(&before)]);
    let last = a.says(Some(vision()), "vision", "draft", json!("last"), &[id(&theirs), id(&stale)]);
    let mut rows = MemoryRows::default();
    ingest(&mut rows, &members(&[a, b]), &[before, theirs.clone(), elsewhere, answer, stale, last]);
    let draft = FieldKey { item: vision(), kind: "vision".into(), field: "draft".into() };
    assert!(
        live(&index::field(&rows, &draft).unwrap()).contains(&id(&theirs)),
        "one partner ended the difference alone"
    );
}

/// What is offered in answer to a difference was said having seen it, and so contradicts nothing apart; once, the other's next
/// word replaced it.
#[test]
fn an_offer_in_answer_to_a_difference_stands_until_its_own_speaker_speaks_again() {
    let [mut a, mut b] = [Device::new(1), Device::new(101)];
    let june = a.says(Some(goal()), "goal", "until", json!("2027-06-01"), &[]);
    let may = b.says(Some(goal()), "goal", "until", json!("2027-05-01"), &[]);
    let july = b.says(Some(goal()), "goal", "until", json!("2027-07-01"), &[id(&june), id(&may)]);
    let august = a.says(Some(goal()), "goal", "until", json!("2027-08-01"), &[id(&june), id(&july)]);
    let mut rows = MemoryRows::default();
    ingest(&mut rows, &members(&[a, b]), &[june, may, july.clone(), august]);
    assert!(live(&index::field(&rows, &key(("goal", "until"))).unwrap()).contains(&id(&july)), "ended by one alone");
}

/// The second partner's laptop sees that the first partner's two devices said different things, and leaves both standing; their
/// phone, which has heard of one of the two only, says something in its place. No fact of the second partner's says anything
/// apart from that one; so once it went, though neither its speaker spoke again nor did whoever knew of the difference end it.
#[test]
fn no_silent_winner_what_one_device_left_standing_is_not_replaced_by_another_that_knew_less() {
    let mut devices = [1, 2, 101, 102].map(Device::new);
    let membership = members(&devices);
    let field = ("goal", "until");
    let mut say = |device: usize, value: &str, seen: &[FactId]| {
        devices[device].says(Some(goal()), field.0, field.1, json!(value), seen)
    };
    let laptop = say(0, "2027-05-01", &[]);
    let phone = say(1, "2027-06-01", &[]);
    let left = say(2, "2027-07-01", &[id(&laptop), id(&phone)]);
    let unaware = say(3, "2027-08-01", &[id(&phone)]);
    let kept = id(&phone);
    // Whoever left it standing may come before or after the one that knew less.
    for order in [[0, 1, 2, 3], [0, 1, 3, 2]] {
        let facts = [&laptop, &phone, &left, &unaware];
        let mut rows = MemoryRows::default();
        for at in order {
            ingest(&mut rows, &membership, std::slice::from_ref(facts[at]));
        }
        assert!(live(&index::field(&rows, &key(field)).unwrap()).contains(&kept), "{order:?}");
    }
}
