//! Pasts that are not all here: years that come in any order, a `previous` in another year, facts that come late or never.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::collections::{BTreeMap, BTreeSet};

use betwixt_model::fact::{Draft, Fact, SignedFact};
use betwixt_model::ids::{FactId, ItemId};
use betwixt_model::index::rows::MemoryRows;
use betwixt_model::index::{self, FieldKey};
use betwixt_model::membership::{Accepted, Standing};
use betwixt_model::say::{self, SayError, Saying, Writer};
use betwixt_model::view::{self, Reader};
use jiff::civil::{Date, date};
use serde_json::{Value, json};
use support::{Device, Dice, HOUSEHOLD, ingest, members, runs, vision};

/// Says something about an item on a day.
fn says_on(device: &mut Device, day: Date, about: (ItemId, &str, &str), value: Value, seen: &[FactId]) -> SignedFact {
    let (item, kind, field) = about;
    let draft = Draft {
        household: HOUSEHOLD,
        item: Some(item),
        kind: kind.into(),
        field: field.into(),
        seen: seen.to_vec(),
        previous: device.last,
        partner: device.partner,
        device: device.id,
        date: day,
        nonce: device.nonce(),
        value,
    };
    let signed = Fact::write(draft).unwrap().sign(&device.key);
    device.last = Some(signed.fact().id());
    signed
}

fn draft() -> (ItemId, &'static str, &'static str) {
    (vision(), "vision", "draft")
}

fn wording() -> (ItemId, &'static str, &'static str) {
    (vision(), "vision", "wording")
}

fn key(about: (ItemId, &str, &str)) -> FieldKey {
    FieldKey { item: about.0, kind: about.1.into(), field: about.2.into() }
}

fn id(signed: &SignedFact) -> FactId {
    signed.fact().id()
}

/// Which facts have their whole past among these, found by walking it: nothing of the index is shared with it.
fn complete(facts: &BTreeMap<FactId, SignedFact>) -> BTreeSet<FactId> {
    let mut complete = BTreeSet::new();
    loop {
        let before = complete.len();
        for (id, signed) in facts {
            let header = signed.fact().header();
            if header.seen.iter().chain(&header.previous).all(|past| complete.contains(past)) {
                complete.insert(*id);
            }
        }
        if complete.len() == before {
            return complete;
        }
    }
}

/// A household's three years, with devices that read each other some of the time.
fn three_years(dice: &mut Dice, devices: &mut [Device]) -> Vec<SignedFact> {
    let value = ItemId::natural(&HOUSEHOLD, "value", "fixed");
    let fields = [draft(), wording(), (value, "value", "title"), (value, "value", "draft")];
    let mut said: Vec<SignedFact> = Vec::new();
    for number in 0..36 {
        let about = fields[dice.below(fields.len())];
        let year = 2025 + i16::try_from(number / 12).unwrap();
        let same_field = said
            .iter()
            .rev()
            .filter(|signed| (signed.fact().item(), signed.fact().header().field.as_str()) == (about.0, about.2));
        let seen: Vec<FactId> = same_field.map(id).filter(|_| dice.chance(30)).take(3).collect();
        let speaker = dice.below(devices.len());
        said.push(says_on(&mut devices[speaker], date(year, 6, 1), about, json!(format!("{number}")), &seen));
    }
    said
}

/// Whatever part of it is here, in whatever order it came: a field says "still arriving" exactly when one of its facts
/// has a past that is not all here, and once everything is here nothing does.
#[test]
fn same_facts_same_view_still_arriving_is_said_exactly_where_it_is_so() {
    for seed in 0..runs(20) {
        let mut dice = Dice::seeded(seed);
        let mut devices = [Device::new(1), Device::new(2), Device::new(101)];
        let membership = members(&devices);
        let said = three_years(&mut dice, &mut devices);
        // By year, latest first, as a session brings them; or quite mixed.
        let mut order = said.clone();
        if dice.chance(50) {
            order.sort_by_key(|signed| std::cmp::Reverse(signed.fact().header().date));
        } else {
            dice.shuffle(&mut order);
        }
        let reader = Reader { household: HOUSEHOLD, partner: devices[0].partner };
        let mut rows = MemoryRows::default();
        let mut here = BTreeMap::new();
        for part in order.chunks(dice.below(6) + 1) {
            ingest(&mut rows, &membership, part);
            here.extend(part.iter().map(|signed| (id(signed), signed.clone())));
            let complete = complete(&here);
            let mut fields: BTreeMap<FieldKey, bool> = BTreeMap::new();
            for (id, signed) in &here {
                let header = signed.fact().header();
                let field = key((signed.fact().item(), &header.kind, &header.field));
                *fields.entry(field).or_default() |= !complete.contains(id);
            }
            for (field, arriving) in fields {
                assert_eq!(index::field(&rows, &field).unwrap().arriving(), arriving, "seed {seed}: {field}");
                if let Some(view) = view::item(&rows, &reader, &field.item).unwrap() {
                    assert_eq!(view.fields[&field.field].arriving, arriving, "seed {seed}: {field}");
                }
            }
        }
        let mut whole = MemoryRows::default();
        ingest(&mut whole, &membership, &said);
        assert_eq!(rows, whole, "seed {seed}");
    }
}

/// New Year: what she says in January has what she said in December as `previous`. The new year arrives first, as it should;
/// then the old one.
#[test]
fn a_previous_in_another_year_is_waited_for_and_then_everything_is_in_its_place() {
    let mut ada = Device::new(1);
    let membership = members(std::slice::from_ref(&ada));
    let old = says_on(&mut ada, date(2025, 12, 31), draft(), json!("Old."), &[]);
    let new = says_on(&mut ada, date(2026, 1, 1), wording(), json!("New."), &[]);
    let reader = Reader { household: HOUSEHOLD, partner: ada.partner };
    let mut rows = MemoryRows::default();
    ingest(&mut rows, &membership, std::slice::from_ref(&new));
    let view = view::item(&rows, &reader, &vision()).unwrap().unwrap();
    assert!(view.fields["wording"].arriving && !view.fields["draft"].arriving);
    let effect = ingest(&mut rows, &membership, &[old]);
    assert_eq!(effect.completed, [id(&new)]);
    let view = view::item(&rows, &reader, &vision()).unwrap().unwrap();
    assert!(!view.fields["wording"].arriving && !view.fields["draft"].arriving);
    assert_eq!(view.fields["wording"].reading.value, Some(json!("New.")));
}

/// A fact that never comes: his tablet fell into the lake before it met anybody but his phone. What cites its last word replaces
/// nothing of hers, and that field takes no writes; everything else goes on as if nothing were missing.
#[test]
fn no_silent_winner_what_never_comes_affects_only_what_cites_it() {
    let (mut ada, mut phone, mut tablet) = (Device::new(1), Device::new(101), Device::new(102));
    let membership = members(&[ada.clone(), phone.clone(), tablet.clone()]);
    let day = date(2026, 3, 1);
    let hers = says_on(&mut ada, day, draft(), json!("Hers."), &[]);
    let lost = says_on(&mut tablet, day, draft(), json!("Lost."), &[id(&hers)]);
    let before = says_on(&mut phone, day, wording(), json!("Before."), &[]);
    let cites = says_on(&mut phone, day, draft(), json!("Cites."), &[id(&hers), id(&lost)]);
    let mut rows = MemoryRows::default();
    ingest(&mut rows, &membership, &[hers.clone(), before.clone(), cites.clone()]);
    let field = |rows: &MemoryRows, about| index::field(rows, &key(about)).unwrap();
    let live: BTreeSet<FactId> = field(&rows, draft()).live().map(|entry| entry.id).collect();
    assert_eq!(live, BTreeSet::from([id(&hers), id(&cites)]), "hers stays, and his stands beside it");
    assert!(field(&rows, draft()).arriving() && !field(&rows, wording()).arriving());
    let mut say = |about: (ItemId, &str, &str), seen: FactId| {
        let writer = Writer {
            household: HOUSEHOLD,
            partner: ada.partner,
            device: ada.id,
            previous: ada.last,
            date: day,
            nonce: ada.nonce(),
        };
        let saying = Saying {
            item: Some(about.0),
            kind: about.1.into(),
            field: about.2.into(),
            value: json!("Again."),
            seen: Some(betwixt_model::field::Seen::new(vec![seen])),
        };
        say::say(&rows, saying, &writer)
    };
    assert!(matches!(say(draft(), id(&hers)), Err(SayError::Arriving(_))));
    say(wording(), id(&before)).unwrap();
    // After all somebody dives for it.
    let effect = ingest(&mut rows, &membership, &[lost]);
    assert!(effect.completed.contains(&id(&cites)));
    assert!(!field(&rows, draft()).arriving());
    let live: Vec<FactId> = field(&rows, draft()).live().map(|entry| entry.id).collect();
    assert_eq!(live, [id(&cites)], "nobody contradicted it, so it replaces hers now");
}

/// A stolen device said more after it was last accepted. What an honest device said having seen such a fact counts as having
/// seen what that one had seen; until the void one is here, only that waits.
#[test]
fn citing_a_void_fact_of_a_removed_device_counts_as_citing_what_it_cited() {
    for order in 0..8 {
        let (mut ada, mut phone, mut stolen) = (Device::new(1), Device::new(101), Device::new(102));
        let mut membership = members(&[ada.clone(), phone.clone(), stolen.clone()]);
        let day = date(2026, 3, 1);
        let first = says_on(&mut ada, day, draft(), json!("First."), &[]);
        let accepted = says_on(&mut stolen, day, wording(), json!("Accepted."), &[]);
        // In another year, to which its thief set the clock.
        let void = says_on(&mut stolen, date(2025, 1, 1), draft(), json!("Void."), &[id(&first)]);
        let second = says_on(&mut phone, day, draft(), json!("Second."), &[id(&void)]);
        let standing = Standing { partner: stolen.partner, accepted: Accepted::UpTo(id(&accepted)) };
        membership.set(stolen.id, standing);
        let mut facts = [first.clone(), accepted.clone(), void, second.clone()];
        Dice::seeded(order).shuffle(&mut facts);
        let mut rows = MemoryRows::default();
        for fact in facts {
            ingest(&mut rows, &membership, &[fact]);
        }
        let field = index::field(&rows, &key(draft())).unwrap();
        assert!(!field.arriving(), "order {order}");
        let live: Vec<FactId> = field.live().map(|entry| entry.id).collect();
        assert_eq!(live, [id(&second)], "order {order}: it names the void one, which named the first");
        assert_eq!(index::field(&rows, &key(wording())).unwrap().live().count(), 1, "what was accepted stays");

        let mut without = MemoryRows::default();
        ingest(&mut without, &membership, &[first, accepted, second]);
        let field = index::field(&without, &key(draft())).unwrap();
        assert!(field.arriving());
        assert_eq!(field.live().count(), 2);
        assert!(!index::field(&without, &key(wording())).unwrap().arriving());
    }
}
