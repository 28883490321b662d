//! SameFactsSameView: the index's rows follow from the set of facts alone, in whatever order and grouping they come: with
//! forked chains, void facts of removed devices, and facts whose past is missing.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use betwixt_model::fact::SignedFact;
use betwixt_model::ids::ItemId;
use betwixt_model::index::rows::MemoryRows;
use betwixt_model::index::{self, Standing as FactStanding};
use betwixt_model::membership::Membership;
use betwixt_model::schema::{self, FieldKind, Owner};
use betwixt_model::settle;
use betwixt_model::view::{self, ItemView, Reader, State};
use serde_json::json;
use support::{Device, Dice, HOUSEHOLD, TODAY, ingest, members, remove_and_lose, vision};

const DAYS: [&str; 2] = ["2026-01-31", "2099-01-31"];
/// Some of them merge with each other, some do not.
const DRAFTS: [&str; 4] = ["One. Two. Three.", "One! Two. Three.", "One. Two. Three!", "One? Two. Three."];

struct Life {
    facts: Vec<SignedFact>,
    membership: Membership,
    items: Vec<ItemId>,
}

/// A random life of a household: five devices that say and meet, with forks, a removed device, and nonsense.
fn life(seed: u64, steps: usize) -> Life {
    let mut dice = Dice::seeded(seed);
    let mut devices: Vec<Device> = [1, 2, 3, 101, 102].map(Device::new).to_vec();
    let mut membership = members(&devices);
    let mut facts: Vec<SignedFact> = Vec::new();
    let mut knows: Vec<Vec<usize>> = vec![Vec::new(); devices.len()];
    let mut items = vec![vision()];
    let fields = [
        ("goal", "title"),
        ("goal", "why"),
        ("goal", "state"),
        ("goal", "rank"),
        ("goal", "mystery"),
        ("goal", "review"),
        ("goal", "reviewed"),
        ("goal", "draft"),
    ];
    for _ in 0..steps {
        let at = dice.below(devices.len());
        if dice.chance(30) {
            let other = dice.below(devices.len());
            let mut both: Vec<usize> = knows[at].iter().chain(&knows[other]).copied().collect();
            both.sort_unstable();
            both.dedup();
            knows[at].clone_from(&both);
            knows[other] = both;
            continue;
        }
        let value = json!(["exploring", "agreed", "paused"][dice.below(3)]);
        let signed = if items.len() < 2 || dice.chance(15) {
            let fact = devices[at].says(None, "goal", "title", value, &[]);
            items.push(fact.fact().item());
            fact
        } else if dice.chance(15) {
            let goal = json!(items[dice.below(items.len())].to_string());
            devices[at].says(None, "milestone", "goal", goal, &[])
        } else {
            let (kind, field) = fields[dice.below(fields.len())];
            let (item, kind, field) = match dice.below(items.len()) {
                0 => (items[0], "vision", ["draft", "wording"][dice.below(2)]),
                place => (items[place], kind, field),
            };
            let value = match field {
                "review" => json!(DAYS[dice.below(2)]),
                "reviewed" => json!({ "for": DAYS[dice.below(2)], "outcome": "still_true" }),
                "draft" => json!(DRAFTS[dice.below(DRAFTS.len())]),
                _ => value,
            };
            let about = |place: &&usize| {
                let fact = facts[**place].fact();
                fact.item() == item && fact.header().kind == kind && fact.header().field == field
            };
            let mut seen: Vec<_> = knows[at].iter().filter(about).map(|place| facts[*place].fact().id()).collect();
            dice.shuffle(&mut seen);
            seen.truncate(dice.below(4));
            if dice.chance(5) && !facts.is_empty() {
                seen.push(facts[dice.below(facts.len())].fact().id());
            }
            if dice.chance(6) {
                // A copy of the home speaks.
                let own: Vec<_> = facts.iter().filter(|fact| fact.fact().header().device == devices[at].id).collect();
                let previous = (!own.is_empty()).then(|| own[dice.below(own.len())].fact().id());
                devices[at].says_after(previous, Some(item), kind, field, value, &seen)
            } else {
                devices[at].says(Some(item), kind, field, value, &seen)
            }
        };
        knows[at].push(facts.len());
        facts.push(signed);
    }
    remove_and_lose(&mut dice, &devices[2], &mut membership, &mut facts);
    Life { facts, membership, items }
}

fn assert_same(seed: u64, expected: &MemoryRows, actual: &MemoryRows) {
    if expected != actual {
        let differ = |rows: &MemoryRows, other: &MemoryRows| {
            let others: Vec<_> = other.iter().collect();
            rows.iter()
                .filter(|row| !others.contains(row))
                .map(|((table, _, key), _)| format!("{table:?} {key:02x?}"))
                .collect::<Vec<_>>()
        };
        panic!(
            "seed {seed}: rows differ\n expected {:#?}\n actual {:#?}",
            differ(expected, actual),
            differ(actual, expected)
        );
    }
}

/// What the index should count, counted one by one.
fn counted(rows: &MemoryRows, life: &Life) -> index::Counts {
    let mut counts = index::Counts::default();
    for fact in &life.facts {
        *counts.facts.entry(fact.fact().header().date.year()).or_default() += 1;
    }
    let items: std::collections::BTreeSet<ItemId> = life.facts.iter().map(|fact| fact.fact().item()).collect();
    for item in &items {
        let history = index::history(rows, item).unwrap();
        counts.arriving += history.iter().filter(|entry| entry.standing == FactStanding::Arriving).count() as u64;
    }
    counts
}

#[test]
fn same_facts_same_view_in_any_order_and_batching() {
    let mut forks = 0;
    let mut rebuilt = 0;
    let mut waiting = 0;
    let mut void = 0;
    for seed in 0..support::runs(120) {
        let life = life(seed, 50);
        let mut whole = MemoryRows::default();
        let effect = ingest(&mut whole, &life.membership, &life.facts);
        assert_eq!(effect.added.len(), life.facts.len());
        assert_eq!(index::counts(&whole).unwrap(), counted(&whole, &life), "seed {seed}");
        forks += effect.forks.len();
        for item in &life.items {
            for entry in index::history(&whole, item).unwrap() {
                waiting += usize::from(entry.standing == FactStanding::Arriving);
                void += usize::from(entry.standing == FactStanding::Void);
            }
        }
        let mut dice = Dice::seeded(seed ^ 0xfeed);
        for _ in 0..3 {
            let mut facts = life.facts.clone();
            dice.shuffle(&mut facts);
            let mut rows = MemoryRows::default();
            let mut found = std::collections::BTreeSet::new();
            while !facts.is_empty() {
                let batch = (1 + dice.below(6)).min(facts.len());
                let batch: Vec<_> = facts.drain(..batch).collect();
                let part = ingest(&mut rows, &life.membership, &batch);
                rebuilt += usize::from(part.rebuilt);
                found.extend(part.forks);
                if dice.chance(20) {
                    // What is here already changes nothing.
                    let again = ingest(&mut rows, &life.membership, &batch);
                    assert_eq!((again.added.len(), again.fields.len(), again.rebuilt), (0, 0, false), "seed {seed}");
                }
            }
            assert_same(seed, &whole, &rows);
            assert_eq!(found, effect.forks, "seed {seed}: every fork is reported");
        }
        let mut rows = whole.clone();
        assert!(index::rebuild(&mut rows, &HOUSEHOLD, &life.membership).unwrap().rebuilt);
        assert_same(seed, &whole, &rows);
        // No view of whatever was said fails, and both partners' views are of the same facts.
        for partner in [support::partner(false), support::partner(true)] {
            let reader = Reader { household: HOUSEHOLD, partner };
            for item in &life.items {
                view::item(&whole, &reader, item).unwrap();
            }
            view::differences(&whole, &reader).unwrap();
        }
    }
    // The runs were of the kind that this test is about.
    assert!(forks > 20 && rebuilt > 20 && waiting > 20 && void > 20, "{forks} {rebuilt} {waiting} {void}");
}

/// What is to settle is found without reading whole items; whole items tell the same.
#[test]
fn what_waits_is_what_the_whole_items_tell() {
    let (mut fields, mut merged, mut reviews, mut many) = (0, 0, 0, 0);
    for seed in 0..support::runs(120) {
        let life = life(seed, 60);
        let mut rows = MemoryRows::default();
        ingest(&mut rows, &life.membership, &life.facts);
        for partner in [support::partner(false), support::partner(true)] {
            let reader = Reader { household: HOUSEHOLD, partner };
            let mut items = life.items.clone();
            items.sort_unstable();
            let mut listed = settle::waits(&rows, &reader, TODAY, 2).unwrap();
            for item in &items {
                let whole = view::item(&rows, &reader, item).unwrap();
                let names = whole.iter().flat_map(|item| plainly_unsettled(&reader, item)).collect::<Vec<_>>();
                let review = whole.as_ref().and_then(|item| item.review.clone());
                let review = review.filter(|review| review.is_due(TODAY, 2));
                let expected = (!names.is_empty() || review.is_some()).then_some((names, review));
                let alone = settle::waits_of(&rows, &reader, TODAY, 2, item).unwrap();
                let told = alone
                    .clone()
                    .map(|waits| (waits.fields.into_iter().map(|(name, _)| name).collect::<Vec<_>>(), waits.review));
                assert_eq!(told, expected, "seed {seed}: {item}");
                fields += expected.as_ref().map_or(0, |(names, _)| names.len());
                reviews += usize::from(expected.is_some_and(|(_, review)| review.is_some()));
                let draft = whole.as_ref().and_then(|item| item.fields.get("draft"));
                merged += usize::from(draft.is_some_and(|draft| draft.reading.merged));
                many += usize::from(draft.is_some_and(|draft| draft.reading.versions.len() > 2));
                let Some(alone) = alone else { continue };
                assert_eq!(listed.first(), Some(&alone), "seed {seed}: the list tells the same as the item alone");
                let thread = settle::thread(&rows, &reader, TODAY, listed.remove(0)).unwrap();
                for waiting in &thread.fields {
                    let whole = whole.as_ref().and_then(|item| item.fields.get(&waiting.field));
                    assert_eq!(Some(&waiting.view), whole, "seed {seed}: a field alone reads as in its item");
                }
            }
            assert_eq!(listed, [], "seed {seed}: nothing else waits");
        }
    }
    assert!(fields > 100 && merged > 10 && reviews > 10 && many > 10, "{fields} {merged} {reviews} {many}");
}

fn plainly_unsettled(reader: &Reader, item: &ItemView) -> Vec<String> {
    let differs = |state| state == State::Differing;
    let mut names = Vec::new();
    for (name, view) in &item.fields {
        let waits = match schema::field(&item.kind, name).map(|field| field.kind) {
            None | Some(FieldKind::Light) => false,
            Some(FieldKind::Shared) => differs(view.reading.state),
            Some(FieldKind::Consent) => differs(view.reading.state) || !view.waiting.is_empty(),
            Some(FieldKind::Owned(Owner::Founder)) => differs(view.reading.state) && item.owner == Some(reader.partner),
            Some(FieldKind::Owned(Owner::EachPartner)) => {
                view.slots.iter().any(|slot| slot.own && differs(slot.reading.state))
            }
        };
        if waits {
            names.push(name.clone());
        }
    }
    names
}

/// A fact whose value was erased on one way and not on another has its value, whichever came first.
#[test]
fn same_facts_same_view_when_a_value_comes_late() {
    for seed in 0..support::runs(40) {
        let life = life(seed, 40);
        let mut expected = MemoryRows::default();
        ingest(&mut expected, &life.membership, &life.facts);
        let mut dice = Dice::seeded(seed);
        let erased = |fact: &SignedFact| SignedFact::verify(fact.fact().erased(), &fact.signature()).unwrap();
        let mut mixed: Vec<SignedFact> = life.facts.iter().map(erased).chain(life.facts.iter().cloned()).collect();
        dice.shuffle(&mut mixed);
        let mut rows = MemoryRows::default();
        for batch in mixed.chunks(5) {
            ingest(&mut rows, &life.membership, batch);
        }
        assert_same(seed, &expected, &rows);
    }
}

/// A removal that becomes known later leaves the same rows as one that was known before.
#[test]
fn same_facts_same_view_when_a_removal_comes_late() {
    for seed in 0..support::runs(40) {
        let life = life(seed, 40);
        let devices: Vec<Device> = [1, 2, 3, 101, 102].map(Device::new).to_vec();
        let mut rows = MemoryRows::default();
        ingest(&mut rows, &members(&devices), &life.facts);
        index::rebuild(&mut rows, &HOUSEHOLD, &life.membership).unwrap();
        let mut expected = MemoryRows::default();
        ingest(&mut expected, &life.membership, &life.facts);
        assert_same(seed, &expected, &rows);
    }
}
