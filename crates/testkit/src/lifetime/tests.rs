use std::collections::{BTreeMap, BTreeSet};

use betwixt_model::attachment::Digest;
use betwixt_model::ids::{HouseholdId, ItemId};
use betwixt_model::index::rows::MemoryRows;
use betwixt_model::schema;
use betwixt_model::view::{self, Reader};

use super::*;

/// The index of facts that all belong to one space; every one of them has its place in it.
fn index_of(life: &Lifetime, space: &HouseholdId, facts: &[SignedFact]) -> MemoryRows {
    let mut rows = MemoryRows::default();
    let ingested = betwixt_model::index::ingest(&mut rows, space, &life.membership, facts.to_vec());
    let effect = ingested.expect("rows in memory do not fail");
    assert_eq!((effect.added.len(), effect.refused.len(), effect.forks.len()), (facts.len(), 0, 0));
    rows
}

#[test]
fn a_life_is_the_same_for_one_seed_and_all_of_it_has_its_place() {
    for before in [Before::Read, Before::Taken] {
        let plan = Plan { years: 2, facts_a_year: 600, words: 2_000, before, ..Plan::default() };
        let life = Lifetime::of(&plan);
        let said = life.said().count();
        assert!((1_200..1_260).contains(&said), "{said}");
        assert_eq!(life.years().count(), 2);
        let again = Lifetime::of(&plan);
        assert!(life.said().eq(again.said()));
        let other = Lifetime::of(&Plan { seed: 2, ..plan });
        assert_ne!(life.facts[0], other.facts[0]);
        for (_, fact) in life.said() {
            let (header, value) = (fact.fact().header(), fact.fact().value().expect("it has one"));
            schema::check_value(&header.kind, &header.field, value).expect("the schema takes it");
        }
        for (who, facts) in life.private.iter().enumerate() {
            assert!(facts.iter().all(|fact| fact.fact().header().partner == life.partners[who]));
            index_of(&life, &life.people.spaces[who], facts);
        }
        let rows = index_of(&life, &life.household, &life.facts);
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
    let rows = index_of(&life, &life.household, &life.facts);
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

/// How often each kind was founded or, where it has no founding field, spoken of for the first time.
fn items(life: &Lifetime) -> BTreeMap<String, usize> {
    let items: BTreeSet<(String, ItemId)> =
        life.said().map(|(_, fact)| (fact.fact().header().kind.clone(), fact.fact().item())).collect();
    let mut counts = BTreeMap::new();
    items.into_iter().for_each(|(kind, _)| *counts.entry(kind).or_default() += 1);
    counts
}

#[test]
fn a_full_year_has_a_journal_a_day_each_and_two_rituals_and_its_text_compresses_as_prose_does() {
    let life = Lifetime::of(&Plan::until(2026, 1));
    let said = life.said().count();
    assert!((FULL_YEAR..FULL_YEAR + 40).contains(&said), "{said}");
    let items = items(&life);
    let about = |kind: &str, least: usize, most: usize| {
        let count = items.get(kind).copied().unwrap_or_default();
        assert!((least..=most).contains(&count), "{count} of {kind}: {items:?}");
    };
    about("journal", 720, 750);
    about("occurrence", 700, 730);
    about("ritual", 2, 2);
    about("thanks", 350, 520);
    about("goal", 8, 9);
    about("sealed", 35, 45);
    about("attachment", 30, 36);
    about("value", 3, 12);
    about("vision", 1, 1);
    let entries: Vec<usize> = life.private.iter().flatten().map(text_length).filter(|length| *length > 100).collect();
    let mean = entries.iter().sum::<usize>() / entries.len();
    assert!((260..340).contains(&mean), "{mean} bytes an entry");
    // English prose of this length comes to 2.5 to 3.2. What is worded anew compresses better: most of it stands there twice.
    let journal: String = life.private.iter().flatten().filter_map(|fact| fact.fact().value()?.as_str()).collect();
    let small = zstd::bulk::compress(journal.as_bytes(), 3).expect("memory does not fail").len();
    let ratio = journal.len() as f64 / small as f64;
    assert!((2.5..3.2).contains(&ratio), "the journal compresses by {ratio}");
}

fn text_length(fact: &SignedFact) -> usize {
    fact.fact().value().and_then(serde_json::Value::as_str).map_or(0, str::len)
}

#[test]
fn photos_are_what_their_facts_say_and_a_century_of_them_is_taken() {
    let life = Lifetime::of(&Plan { facts_a_year: 60, words: 500, before: Before::Taken, ..Plan::until(2026, 100) });
    assert_eq!(life.years().count(), 100);
    assert_eq!(life.facts[0].fact().header().date.year(), 1970);
    assert!(!life.photos.is_empty() && life.photos.len() <= betwixt_model::attachment::MAX_FILES);
    for photo in life.photos.iter().take(5) {
        let mut digest = Digest::new(&life.household);
        digest.update(&photo.bytes());
        assert_eq!(digest.finish("image/jpeg"), photo.attached);
    }
}

#[test]
fn those_who_are_apart_have_not_seen_what_the_other_said() {
    let plan = Plan { years: 1, facts_a_year: 3_000, words: 500, apart: 30, ..Plan::default() };
    let life = Lifetime::of(&plan);
    let began = jiff::civil::date(plan.begin, 12, 2);
    let of = |who: usize| {
        let apart = life.facts.iter().filter(move |fact| fact.fact().header().date >= began);
        apart.filter(move |fact| fact.fact().header().partner == life.partners[who])
    };
    for who in 0..2 {
        assert!(of(who).count() > 40);
        let others: BTreeSet<_> = of(1 - who).map(|fact| fact.fact().id()).collect();
        assert!(of(who).all(|fact| fact.fact().header().seen.iter().all(|seen| !others.contains(seen))));
        // Neither speaks of what the other began.
        let begun: BTreeSet<_> = of(1 - who).map(|fact| fact.fact().id().to_string()).collect();
        let names = |fact: &&SignedFact| {
            let text = fact.fact().value().map(ToString::to_string).unwrap_or_default();
            begun.iter().any(|id| text.contains(id) || fact.fact().item().to_string() == *id)
        };
        assert_eq!(of(who).find(names), None);
    }
}
