//! The fold looks at as little as it can when a fact arrives; a plain one compares every fact with every other. They agree
//! after every arrival, in whatever order facts come: with forks, void facts, facts that wait for their past, erased values
//! that come late, dishonest `seen`, and histories long enough for rows of their own.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::collections::BTreeSet;

use betwixt_model::fact::SignedFact;
use betwixt_model::ids::{FactId, ItemId};
use betwixt_model::index::rows::{MemoryRows, Table};
use betwixt_model::index::{self, FieldKey};
use betwixt_model::membership::{Accepted, Membership, Standing};
use betwixt_model::schema::{self, FieldKind};
use betwixt_model::view::{self, Reader};
use serde_json::{Value, json};
use support::plain::Plain;
use support::{Device, Dice, HOUSEHOLD, ingest, members, partner, runs};

const FIELDS: [(&str, &str); 6] =
    [("goal", "title"), ("goal", "state"), ("goal", "rank"), ("goal", "why"), ("goal", "mystery"), ("goal", "draft")];

struct Life {
    facts: Vec<SignedFact>,
    membership: Membership,
    item: ItemId,
}

/// A life about one goal: long stretches apart, some meetings, few values, so that they contradict and agree by turns.
fn life(seed: u64, steps: usize, fields: &[(&str, &str)]) -> Life {
    let mut dice = Dice::seeded(seed);
    let mut devices: Vec<Device> = [1, 2, 101, 102].map(Device::new).to_vec();
    let mut membership = members(&devices);
    let first = devices[0].says(None, "goal", "title", json!("a"), &[]);
    let item = first.fact().item();
    let mut facts = vec![first];
    let mut knows: Vec<Vec<usize>> = vec![vec![0]; devices.len()];
    let (meetings, stale) = (2 + dice.below(30), dice.below(40));
    // Programs that read nothing before they speak: most of what is said here, nobody who comes later names.
    let blind = seed % 5 > 2;
    for _ in 0..steps {
        let at = dice.below(devices.len());
        if dice.chance(meetings) {
            let other = dice.below(devices.len());
            let mut both: Vec<usize> = knows[at].iter().chain(&knows[other]).copied().collect();
            both.sort_unstable();
            both.dedup();
            knows[at].clone_from(&both);
            knows[other] = both;
            continue;
        }
        let (kind, field) = fields[dice.below(fields.len())];
        let value = match dice.below(10) {
            0 => Value::Null,
            number => json!(["a", "b", "c"][number % 3]),
        };
        let of = |place: &&usize| facts[**place].fact().header().field == field;
        let known: Vec<FactId> = knows[at].iter().filter(of).map(|place| facts[*place].fact().id()).collect();
        let own = |place: &&usize| of(place) && facts[**place].fact().header().device == devices[at].id;
        let seen: Vec<FactId> = if blind {
            let mut some = known.clone();
            dice.shuffle(&mut some);
            some.truncate([0, 0, 1, 1, 2][dice.below(5)]);
            some
        } else if dice.chance(stale) {
            // Goes on with what it was answered when it spoke last, which names its own word only.
            knows[at].iter().rfind(own).map(|place| facts[*place].fact().id()).into_iter().collect()
        } else if dice.chance(stale) {
            let mut some = known.clone();
            dice.shuffle(&mut some);
            some.truncate(dice.below(4));
            some
        } else {
            let key = FieldKey { item, kind: kind.into(), field: field.into() };
            let here: Vec<SignedFact> = knows[at].iter().map(|place| facts[*place].clone()).collect();
            let mut rows = MemoryRows::default();
            ingest(&mut rows, &members(&devices), &here);
            let live = index::live(&rows, &key).unwrap();
            live.live().map(|entry| entry.id).take(64).collect()
        };
        let signed = if dice.chance(2) {
            let own: Vec<_> = facts.iter().filter(|fact| fact.fact().header().device == devices[at].id).collect();
            let previous = (!own.is_empty()).then(|| own[dice.below(own.len())].fact().id());
            devices[at].says_after(previous, Some(item), kind, field, value, &seen)
        } else {
            devices[at].says(Some(item), kind, field, value, &seen)
        };
        knows[at].push(facts.len());
        facts.push(signed);
    }
    let removed = &devices[1];
    let own: Vec<_> = facts.iter().filter(|fact| fact.fact().header().device == removed.id).collect();
    let accepted = match dice.below(4) {
        0 if !own.is_empty() => Accepted::UpTo(own[dice.below(own.len())].fact().id()),
        1 => Accepted::Nothing,
        _ => Accepted::Everything,
    };
    membership.set(removed.id, Standing { partner: removed.partner, accepted });
    Life { facts, membership, item }
}

/// What the model says of every field is what the plain fold says.
fn assert_plain(seed: u64, rows: &MemoryRows, item: &ItemId, counts: &mut [usize; 4]) {
    let (mut unsettled, mut words) = (BTreeSet::new(), BTreeSet::new());
    for (key, facts) in index::fields_of_item(rows, item).unwrap() {
        let schema = schema::field(&key.kind, &key.field);
        let plain = Plain::of(&facts, schema);
        let live: BTreeSet<FactId> = facts.live().map(|entry| entry.id).collect();
        assert_eq!(live, plain.live(), "seed {seed}: {key} has other live facts");
        let standing = index::live(rows, &key).unwrap();
        assert!(standing.live().eq(facts.live()), "seed {seed}: {key}'s head has other live facts");
        assert_eq!(standing.count() as usize, facts.entries().len(), "seed {seed}");
        assert_eq!((standing.arriving(), standing.is_said()), (facts.arriving(), facts.is_said()), "seed {seed}");
        for who in [partner(false), partner(true)] {
            assert_eq!(standing.arriving_from(&who), facts.arriving_from(&who), "seed {seed}");
        }
        for entry in facts.entries() {
            let by = &entry.replacers;
            let by: BTreeSet<FactId> = by.own.iter().copied().chain(by.other.iter().map(|other| other.id)).collect();
            assert_eq!(by, plain.replacers(entry), "seed {seed}: {key} {:?} is replaced by others", entry.id);
            counts[0] += by.len();
            counts[1] += entry.replacers.other.len();
        }
        let versions: Vec<FactId> = live.iter().copied().take(3).collect();
        let bases: BTreeSet<FactId> = facts.bases(&versions).iter().map(|base| base.id).collect();
        assert_eq!(bases, plain.bases(&versions), "seed {seed}: {key} has other bases");
        let walked: BTreeSet<FactId> =
            index::bases(rows, &key, &versions).unwrap().iter().map(|base| base.id).collect();
        assert_eq!(walked, bases, "seed {seed}: {key} has other bases when they are walked to");
        counts[2] += bases.len();
        let agreed: Vec<(FactId, FactId)> =
            facts.agreements().iter().map(|agreed| (agreed.one.id, agreed.other.id)).collect();
        assert_eq!(agreed.iter().copied().collect::<BTreeSet<_>>(), plain.agreements(), "seed {seed}: {key}");
        assert_eq!(agreed.len(), plain.agreements().len(), "seed {seed}: {key} has none twice");
        counts[3] += agreed.len();
        if schema.is_some_and(|field| field.kind == FieldKind::Consent) {
            let kept = index::agreements(rows, &key).unwrap();
            let kept: Vec<(FactId, FactId)> = kept.iter().map(|[one, other]| (one.id, other.id)).collect();
            assert_eq!(kept, agreed, "seed {seed}: {key} keeps other agreements");
        }
        let waiting = plain.waiting();
        let values: BTreeSet<_> = facts.live().map(|entry| entry.value).collect();
        if key.field == "title" && values.len() > 1 || key.field == "state" && (values.len() > 1 || !waiting.is_empty())
        {
            unsettled.insert(key.field.clone());
        }
        if (key.kind.as_str(), key.field.as_str()) == ("goal", "state") {
            words = waiting;
        }
    }
    let reader = Reader { household: HOUSEHOLD, partner: partner(false) };
    let mut listed = BTreeSet::new();
    for view in view::differences(rows, &reader).unwrap() {
        listed.extend(view.fields.into_keys().filter(|field| field == "title" || field == "state"));
    }
    assert_eq!(listed, unsettled, "seed {seed}: what is to settle is listed");
    let goal = view::item(rows, &reader, item).unwrap();
    let state = goal.as_ref().and_then(|goal| goal.fields.get("state"));
    let waiting: BTreeSet<FactId> = state.iter().flat_map(|state| &state.waiting).map(|version| version.fact).collect();
    assert_eq!(waiting, words, "seed {seed}: words that wait are shown");
}

#[test]
fn no_silent_winner_the_fold_of_arrivals_is_the_plain_fold() {
    let mut counts = [0; 4];
    let mut large = 0;
    for seed in 0..runs(60) {
        let fields = if seed % 3 == 0 { &FIELDS[..] } else { &FIELDS[(seed % 2) as usize..][..1] };
        let life = life(seed, 60, fields);
        let mut dice = Dice::seeded(seed ^ 0xf01d);
        for order in 0..2 {
            let mut facts = life.facts.clone();
            if order == 1 {
                dice.shuffle(&mut facts);
            }
            let mut rows = MemoryRows::default();
            while !facts.is_empty() {
                let batch = if dice.chance(70) { 1 } else { 1 + dice.below(8) };
                let mut batch: Vec<_> = facts.drain(..batch.min(facts.len())).collect();
                for fact in &mut batch {
                    if dice.chance(5) {
                        // Its value comes later.
                        let erased = SignedFact::verify(fact.fact().erased(), &fact.signature()).unwrap();
                        facts.push(std::mem::replace(fact, erased));
                    }
                }
                ingest(&mut rows, &life.membership, &batch);
                if dice.chance(25) || facts.is_empty() {
                    assert_plain(seed, &rows, &life.item, &mut counts);
                }
            }
            large += rows.iter().filter(|((table, _, _), _)| *table == Table::Entries).count();
        }
    }
    assert!(counts.iter().all(|count| *count > 100) && large > 100, "{counts:?} {large}");
}

#[test]
fn a_device_that_was_away_for_a_long_history_contradicts_what_was_said_meanwhile() {
    // Two partners change a title by turns, a hundred times, each having seen the other's. A phone of the first, which was
    // away all that while, then brings one other title: nobody's word goes before its own speaker has seen that.
    let mut devices = [1, 101, 2].map(Device::new);
    let membership = members(&devices);
    let first = devices[0].says(None, "goal", "title", json!("at first"), &[]);
    let item = first.fact().item();
    let mut last = first.fact().id();
    let mut facts = vec![first];
    for turn in 0..100 {
        let fact = devices[(turn + 1) % 2].says(Some(item), "goal", "title", json!(turn), &[last]);
        last = fact.fact().id();
        facts.push(fact);
    }
    let beginning = facts[0].fact().id();
    let late = devices[2].says(Some(item), "goal", "title", json!("from the phone"), &[beginning]);
    let mut rows = MemoryRows::default();
    for fact in &facts {
        ingest(&mut rows, &membership, std::slice::from_ref(fact));
    }
    let key = FieldKey { item, kind: "goal".into(), field: "title".into() };
    assert_eq!(index::live(&rows, &key).unwrap().live().count(), 1);
    ingest(&mut rows, &membership, std::slice::from_ref(&late));
    let mut counts = [0; 4];
    assert_plain(0, &rows, &item, &mut counts);
    // The other partner's fifty are all there again, beside the last of the laptop's, if that is who spoke last, and the phone's.
    let live = index::live(&rows, &key).unwrap();
    assert_eq!(live.live().filter(|entry| entry.partner == partner(true)).count(), 50);
    let mut others = MemoryRows::default();
    facts.push(late);
    facts.reverse();
    ingest(&mut others, &membership, &facts);
    assert_eq!(rows, others, "in whatever order they come");
}

/// Whether another device's late word revives what was replaced is looked up in what is kept of each chunk. A late word that
/// says the same as they do revives nothing, and must leave that as it is for the next one, which does.
#[test]
fn a_late_word_that_says_the_same_hides_nothing_from_the_next_one() {
    let mut devices = [1, 101, 2].map(Device::new);
    let membership = members(&devices);
    let first = devices[0].says(None, "goal", "title", json!("at first"), &[]);
    let item = first.fact().item();
    let beginning = first.fact().id();
    let mut last = beginning;
    let mut rows = MemoryRows::default();
    ingest(&mut rows, &membership, &[first]);
    for turn in 0..100 {
        let (who, value) = if turn % 2 == 0 { (1, json!("swim")) } else { (0, json!(turn)) };
        let fact = devices[who].says(Some(item), "goal", "title", value, &[last]);
        last = fact.fact().id();
        ingest(&mut rows, &membership, &[fact]);
    }
    let key = FieldKey { item, kind: "goal".into(), field: "title".into() };
    let mut seen = vec![beginning];
    for (value, others) in [("swim", 0), ("from the phone", 50)] {
        let late = devices[2].says(Some(item), "goal", "title", json!(value), &seen);
        seen = vec![late.fact().id()];
        ingest(&mut rows, &membership, &[late]);
        assert_plain(0, &rows, &item, &mut [0; 4]);
        let live = index::live(&rows, &key).unwrap();
        assert_eq!(live.live().filter(|entry| entry.partner == partner(true)).count(), others, "{value}");
    }
}

#[test]
fn what_a_program_said_without_looking_is_not_taken_for_named() {
    // Two words of the first partner's, neither naming the other; the second partner answers the later one alone, in the
    // words of that. What is said next in answer leaves the answer standing: the earlier word contradicts it.
    let mut devices = [1, 101].map(Device::new);
    let membership = members(&devices);
    let mut rows = MemoryRows::default();
    let mut say = |device: usize, item: Option<ItemId>, value: &str, seen: &[FactId]| {
        let fact = devices[device].says(item, "goal", "title", json!(value), seen);
        ingest(&mut rows, &membership, std::slice::from_ref(&fact));
        fact.fact().clone()
    };
    let first = say(0, None, "dance", &[]);
    let item = first.item();
    let blind = say(0, Some(item), "swim", &[]);
    let answer = say(1, Some(item), "swim", &[blind.id()]);
    say(0, Some(item), "run", &[answer.id()]);
    let key = FieldKey { item, kind: "goal".into(), field: "title".into() };
    assert!(index::live(&rows, &key).unwrap().live().any(|entry| entry.id == answer.id()));
    assert_plain(0, &rows, &item, &mut [0; 4]);
}

#[test]
fn a_fact_that_names_too_little_of_its_past_names_only_what_it_says_and_replaces_less() {
    // A program of the first partner's says a word, says another many times over without looking, and then goes on from its
    // first. What the second partner names through that last one is all that lies between but the many: these are kept as
    // exceptions, up to 64 of them.
    let says = |device: &mut Device, item: Option<ItemId>, value: &str, seen: &[FactId]| {
        device.says(item, "goal", "title", json!(value), seen)
    };
    for blind in 62..=67 {
        let mut devices = [1, 101].map(Device::new);
        let membership = members(&devices);
        let first = says(&mut devices[0], None, "walk", &[]);
        let item = first.fact().item();
        let mut facts = vec![first];
        for _ in 0..blind {
            facts.push(says(&mut devices[0], Some(item), "swim", &[]));
        }
        let on = says(&mut devices[0], Some(item), "swim", &[facts[0].fact().id()]);
        let same = says(&mut devices[1], Some(item), "swim", &[on.fact().id()]);
        let other = says(&mut devices[0], Some(item), "run", &[same.fact().id()]);
        let kept = same.fact().id();
        facts.extend([on, same, other]);
        let mut rows = MemoryRows::default();
        for fact in &facts {
            ingest(&mut rows, &membership, std::slice::from_ref(fact));
        }
        let key = FieldKey { item, kind: "goal".into(), field: "title".into() };
        let is_live = index::live(&rows, &key).unwrap().live().any(|entry| entry.id == kept);
        assert_eq!(
            is_live,
            blind > 64,
            "{blind}: the first word counts as said apart where it is not known to be named"
        );
        facts.reverse();
        let mut others = MemoryRows::default();
        ingest(&mut others, &membership, &facts);
        assert_eq!(rows, others, "{blind}: in whatever order they come");
    }
}
