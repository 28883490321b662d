//! The past of an item: its timeline, how it stood earlier, who said which words, where a wording comes from, and undo.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use betwixt_model::field::Seen;
use betwixt_model::ids::{FactId, ItemId};
use betwixt_model::index::{self, FieldKey};
use betwixt_model::past::{self, Act, Change, How, UndoError};
use betwixt_model::view::{Between, State};
use serde_json::{Value, json};
use support::replica::Replica;
use support::{Device, Dice, members, runs, vision};

fn key(item: ItemId, kind: &str, field: &str) -> FieldKey {
    FieldKey { item, kind: kind.into(), field: field.into() }
}

/// The facts that a replica said last.
fn last(replica: &Replica, count: usize) -> Vec<FactId> {
    replica.said[replica.said.len() - count..].iter().map(|signed| signed.fact().id()).collect()
}

fn acts(replica: &Replica, kind: &str, item: &ItemId) -> Vec<(String, Act, bool)> {
    let own = replica.device.partner;
    let events = past::timeline(&replica.rows, kind, item).unwrap();
    events.into_iter().map(|event| (event.field, event.act, event.by == own)).collect()
}

/// Takes an act back, as a daemon does.
fn undo(replica: &mut Replica, act: &[FactId]) -> Result<(), UndoError<std::convert::Infallible>> {
    for saying in past::undo(&replica.rows, &replica.device.partner, act)? {
        let fact = replica.try_say(saying.item, &saying.kind, &saying.field, saying.value, saying.seen).unwrap();
        replica.take_in(fact);
    }
    Ok(())
}

#[test]
fn a_timeline_says_what_was_done() {
    let (mut one, mut other) = Replica::couple();
    let goal = one.say(None, "goal", "title", json!("Cycle"));
    one.say(Some(goal), "goal", "title", json!("Cycle along the coast"));
    one.say(Some(goal), "goal", "until", json!("2027-05-01"));
    one.meet(&mut other);
    other.say(Some(goal), "goal", "until", Value::Null);
    other.meet(&mut one);
    one.say(Some(goal), "goal", "until", json!("2027-06-01"));
    other.say(Some(goal), "goal", "until", json!("2027-07-01"));
    other.meet(&mut one);
    one.say(Some(goal), "goal", "until", json!("2027-07-01"));
    let until: Vec<(Act, bool)> = acts(&one, "goal", &goal)
        .into_iter()
        .filter(|(field, ..)| field == "until")
        .map(|(_, act, own)| (act, own))
        .collect();
    assert_eq!(until[..2], [(Act::Said, true), (Act::LetGo, false)]);
    assert!(until[2..4].contains(&(Act::TookUp, true)) && until[2..4].contains(&(Act::TookUp, false)));
    assert_eq!(until[4..], [(Act::TookTheirs, true)]);
    let titles: Vec<Act> =
        acts(&one, "goal", &goal).into_iter().filter(|(field, ..)| field == "title").map(|(_, act, _)| act).collect();
    assert_eq!(titles, [Act::Founded, Act::Changed]);
}

#[test]
fn a_wordings_provenance_is_told_in_facts() {
    let (mut one, mut other) = Replica::couple();
    one.say(Some(vision()), "vision", "wording", json!("A home."));
    one.meet(&mut other);
    other.say(Some(vision()), "vision", "wording", json!("A calm home."));
    other.say(Some(vision()), "vision", "wording", json!("A calm, open home."));
    other.meet(&mut one);
    one.say(Some(vision()), "vision", "wording", json!("A calm, open home."));
    let agreed = last(&one, 1)[0];
    let events = past::timeline(&one.rows, "vision", &vision()).unwrap();
    let steps = past::provenance(&events, &agreed);
    let (first, second) = (one.device.partner, other.device.partner);
    let told: Vec<_> = steps.iter().map(|step| (step.how, step.by.clone())).collect();
    let mut both = vec![first, second];
    both.sort_unstable();
    let expected = vec![(How::Proposed, vec![first]), (How::Reworded, vec![second]), (How::Agreed, both)];
    assert_eq!(told, expected);
    assert_eq!(steps[2].fact, agreed);
}

#[test]
fn causality_not_clocks_an_item_as_it_stood_after_a_fact() {
    let (mut one, mut other) = Replica::couple();
    let goal = one.say(None, "goal", "title", json!("Cycle"));
    one.say(Some(goal), "goal", "until", json!("2027-05-01"));
    let may = last(&one, 1)[0];
    one.meet(&mut other);
    one.say(Some(goal), "goal", "until", json!("2027-06-01"));
    let june = last(&one, 1)[0];
    other.say(Some(goal), "goal", "until", json!("2027-09-01"));
    let september = last(&other, 1)[0];
    one.meet(&mut other);
    other.say(Some(goal), "goal", "title", json!("Ride"));
    let ride = last(&other, 1)[0];
    other.meet(&mut one);
    let reader = one.reader();
    let until = |fact: &FactId| {
        let then = past::item_after(&one.rows, &reader, &goal, fact).unwrap().unwrap();
        then.fields["until"].reading.clone()
    };
    assert_eq!(until(&may).value, Some(json!("2027-05-01")));
    assert_eq!(until(&june).value, Some(json!("2027-06-01")));
    assert_eq!(until(&september).value, Some(json!("2027-09-01")), "its writer knew nothing of June");
    assert_eq!(until(&ride).value, Some(json!("2027-09-01")), "its past is what its device had said or answered");
    let founding = FactId::from_bytes(*goal.as_bytes());
    let then = past::item_after(&one.rows, &reader, &goal, &founding).unwrap().unwrap();
    assert_eq!(then.fields["until"].reading.state, State::Unsaid);
    assert_eq!(then.founded, one.view(&goal).unwrap().founded);
    assert_eq!(past::item_after(&one.rows, &reader, &goal, &FactId::from_bytes([3; 32])).unwrap(), None);
}

/// With everything, an item is what it is now; with what a device had, it is what that device showed.
#[test]
fn an_earlier_state_is_the_view_that_somebody_had() {
    for seed in 0..runs(8) {
        let mut dice = Dice::seeded(seed);
        let devices = [Device::new(1), Device::new(101)];
        let membership = members(&devices);
        let mut homes = devices.map(|device| Replica::new(device, support::HOUSEHOLD, membership.clone()));
        let goal = homes[0].say(None, "goal", "title", json!("Cycle"));
        let [one, other] = &mut homes;
        one.meet(other);
        let mut shown = Vec::new();
        for _ in 0..30 {
            let at = dice.below(2);
            if dice.chance(25) {
                let [one, other] = &mut homes;
                one.meet(other);
            }
            let field = ["title", "until", "draft", "state", "why", "rank"][dice.below(6)];
            let number = dice.below(3);
            let value = match field {
                "until" => json!(format!("2027-0{}-01", number + 1)),
                "state" => json!(["exploring", "agreed", "paused"][number]),
                "rank" => json!(number.to_string()),
                "draft" => json!(["A home. A garden.", "A calm home. A garden.", "A home. An orchard."][number]),
                _ => json!(format!("words {number}")),
            };
            homes[at].say(Some(goal), "goal", field, value);
            let known: Vec<FactId> =
                index::history(&homes[at].rows, &goal).unwrap().into_iter().map(|entry| entry.fact).collect();
            shown.push((at, known, homes[at].view(&goal).unwrap()));
        }
        let [one, other] = &mut homes;
        one.meet(other);
        for (at, known, before) in shown {
            let home = &homes[at];
            let then = past::item_with(&home.rows, &home.reader(), &goal, |entry| known.contains(&entry.id));
            assert_eq!(then.unwrap().unwrap(), before, "seed {seed}");
        }
    }
}

#[test]
fn words_stay_with_whoever_said_them_first() {
    let (mut one, mut other) = Replica::couple();
    one.say(Some(vision()), "vision", "draft", json!("We live near the sea."));
    let first = last(&one, 1)[0];
    one.meet(&mut other);
    other.say(Some(vision()), "vision", "draft", json!("We live near the wide sea. We travel."));
    let second = last(&other, 1)[0];
    other.meet(&mut one);
    one.say(Some(vision()), "vision", "draft", json!("We live near the wide sea. We travel slowly."));
    let third = last(&one, 1)[0];
    let draft = key(vision(), "vision", "draft");
    let parts = past::authors(&one.rows, &draft, &third).unwrap().unwrap();
    let whole: String = parts.iter().map(|part| part.text.as_str()).collect();
    assert_eq!(whole, "We live near the wide sea. We travel slowly.");
    let said = |words: &str| parts.iter().find(|part| part.text.contains(words)).map(|part| part.fact);
    assert_eq!((said("We live near the"), said("wide"), said("slowly")), (Some(first), Some(second), Some(third)));
    assert_eq!(said("sea"), Some(first));
    assert_eq!(past::authors(&one.rows, &draft, &FactId::from_bytes([8; 32])).unwrap(), None);

    // Edits apart that merge: each one's words are theirs, and what both kept is whose it was.
    one.meet(&mut other);
    one.say(Some(vision()), "vision", "draft", json!("We live near the wide sea. We travel slowly. We rest."));
    other.say(Some(vision()), "vision", "draft", json!("We all live near the wide sea. We travel slowly."));
    one.meet(&mut other);
    let reading = one.view(&vision()).unwrap().fields["draft"].reading.clone();
    let text = reading.value.as_ref().and_then(Value::as_str).unwrap().to_owned();
    let live: Vec<FactId> = reading.versions.iter().map(|version| version.fact).collect();
    let parts = past::authors_of_reading(&one.rows, &draft, &live, &text).unwrap().unwrap();
    assert_eq!(parts.iter().map(|part| part.text.as_str()).collect::<String>(), text);
    let by = |words: &str| parts.iter().find(|part| part.text.contains(words)).map(|part| part.by);
    assert_eq!(by("rest"), Some(one.device.partner));
    assert_eq!(by("all"), Some(other.device.partner));
    assert_eq!(by("travel"), Some(other.device.partner));
}

#[test]
fn parts_are_the_text_whatever_was_written() {
    for seed in 0..runs(15) {
        let mut dice = Dice::seeded(seed);
        let (mut one, mut other) = Replica::couple();
        let words = ["sea", "家", "wide ", "👩‍👩‍👧", " and", ". ", "é", "\n", "שלום ", "sea "];
        for _ in 0..12 {
            let text: String = (0..1 + dice.below(12)).map(|_| words[dice.below(words.len())]).collect();
            let home = if dice.chance(50) { &mut one } else { &mut other };
            home.say(Some(vision()), "vision", "draft", json!(text));
            if dice.chance(60) {
                one.meet(&mut other);
            }
        }
        one.meet(&mut other);
        let draft = key(vision(), "vision", "draft");
        for entry in index::field(&one.rows, &draft).unwrap().entries() {
            let parts = past::authors(&one.rows, &draft, &entry.id).unwrap().unwrap();
            let fact = index::fact(&one.rows, &entry.id).unwrap().unwrap();
            let whole: String = parts.iter().map(|part| part.text.as_str()).collect();
            assert_eq!(Some(whole.as_str()), fact.fact().value().unwrap().as_str(), "seed {seed}");
            assert!(parts.iter().all(|part| !part.text.is_empty()));
            assert!(parts.windows(2).all(|pair| pair[0].fact != pair[1].fact));
        }
    }
}

#[test]
fn what_one_did_last_is_taken_back() {
    let (mut one, mut other) = Replica::couple();
    let goal = one.say(None, "goal", "title", json!("Cycle"));
    one.say(Some(goal), "goal", "until", json!("2027-05-01"));
    one.say(Some(goal), "goal", "until", json!("2027-06-01"));
    let act = last(&one, 1);
    undo(&mut one, &act).unwrap();
    assert_eq!(one.json(&goal, "until")["value"], "2027-05-01");
    // And the act before, which stands again since that one was taken back.
    let first = last(&one, 3)[0];
    undo(&mut one, &[first]).unwrap();
    assert_eq!(one.json(&goal, "until")["value"], Value::Null);
    // A first word is let go of, and several facts of one act in one go, the founding last.
    let act = [last(&one, 4)[1]];
    assert!(matches!(undo(&mut one, &act), Err(UndoError::ChangedByYourself(_))), "it is not what stands");
    let new = one.say(None, "goal", "title", json!("Sail"));
    one.say(Some(new), "goal", "area", json!("outside"));
    let act = last(&one, 2);
    undo(&mut one, &act).unwrap();
    for field in ["title", "area"] {
        assert_eq!(one.json(&new, field)["value"], Value::Null);
    }
    // The other has changed it since.
    one.say(Some(goal), "goal", "area", json!("outside"));
    let act = last(&one, 1);
    one.meet(&mut other);
    other.say(Some(goal), "goal", "area", json!("coast"));
    other.meet(&mut one);
    assert!(matches!(undo(&mut one, &act), Err(UndoError::ChangedByPartner(field)) if field.field == "area"));
}

#[test]
fn no_silent_winner_undo_never_takes_out_what_the_other_said() {
    let (mut one, mut other) = Replica::couple();
    let goal = one.say(None, "goal", "title", json!("Cycle"));
    one.meet(&mut other);
    one.say(Some(goal), "goal", "until", json!("2027-06-01"));
    other.say(Some(goal), "goal", "until", json!("2027-09-01"));
    let theirs = last(&other, 1)[0];
    one.meet(&mut other);
    // Taking theirs, and taking that back: the two differ again.
    one.say(Some(goal), "goal", "until", json!("2027-09-01"));
    assert_eq!(one.json(&goal, "until")["state"], "held");
    let act = last(&one, 1);
    undo(&mut one, &act).unwrap();
    let shown = one.view(&goal).unwrap().fields["until"].clone();
    assert_eq!(shown.reading.difference().unwrap().between(), Between::Both);
    assert!(shown.seen.facts().contains(&theirs));
    assert_eq!(shown.reading.versions[0].value, json!("2027-06-01"));
    // Their word that one had changed in a field that nobody contradicted is said again, as one's own.
    other.say(Some(goal), "goal", "area", json!("coast"));
    other.meet(&mut one);
    one.say(Some(goal), "goal", "area", json!("hills"));
    let act = last(&one, 1);
    undo(&mut one, &act).unwrap();
    assert_eq!(one.json(&goal, "area")["value"], "coast");
    // What both agree on is not gone back on by the way.
    one.say(Some(goal), "goal", "state", json!("agreed"));
    let act = last(&one, 1);
    one.meet(&mut other);
    other.say(Some(goal), "goal", "state", json!("agreed"));
    other.meet(&mut one);
    assert!(matches!(undo(&mut one, &act), Err(UndoError::AgreedByBoth(field)) if field.field == "state"));
    assert!(matches!(undo(&mut one, &[theirs]), Err(UndoError::Unknown(_))), "and nobody takes back the other's");
}

#[test]
fn two_devices_of_one_are_told_from_two_partners() {
    let devices = [Device::new(1), Device::new(2), Device::new(101)];
    let membership = members(&devices);
    let mut homes = devices.map(|device| Replica::new(device, support::HOUSEHOLD, membership.clone()));
    let goal = homes[0].say(None, "goal", "title", json!("Cycle"));
    let [one, two, other] = &mut homes;
    one.meet(two);
    one.say(Some(goal), "goal", "until", json!("2027-06-01"));
    two.say(Some(goal), "goal", "until", json!("2027-07-01"));
    let facts = [one.said.clone(), two.said.clone()].concat();
    index::ingest(&mut one.rows, &one.household, &one.membership, facts.clone()).unwrap();
    index::ingest(&mut other.rows, &other.household, &other.membership, facts).unwrap();
    let between =
        |home: &Replica| home.view(&goal).unwrap().fields["until"].reading.difference().map(|it| it.between());
    assert_eq!(between(one), Some(Between::Yourself));
    assert_eq!(between(other), Some(Between::Other));
    // Equal values are none.
    let seen = one.view(&goal).unwrap().fields["until"].seen.clone();
    assert_eq!(seen, Seen::new(seen.facts().to_vec()));
    one.say(Some(goal), "goal", "until", json!("2027-07-01"));
    assert_eq!(between(one), None);
}

#[test]
fn a_passage_tells_its_words() {
    let (mut one, mut other) = Replica::couple();
    one.say(Some(vision()), "vision", "draft", json!("A calm home. We travel."));
    one.meet(&mut other);
    one.say(Some(vision()), "vision", "draft", json!("A calm home. We travel slowly."));
    other.say(Some(vision()), "vision", "draft", json!("A calm home. We stay."));
    one.meet(&mut other);
    let reading = one.view(&vision()).unwrap().fields["draft"].reading.clone();
    let difference = reading.passages.iter().find_map(|passage| passage.difference()).unwrap();
    assert_eq!((difference.between(), difference.was.as_slice()), (Between::Both, &["We travel.".to_owned()][..]));
    let words = difference.words();
    assert!(words[0].iter().any(|change| matches!(change, Change::Added(text) if text.contains("slowly"))));
    assert!(words[1].contains(&Change::Removed("travel".into())) && words[1].contains(&Change::Added("stay".into())));
    let lengths = difference.map(|text| text.len());
    assert_eq!(lengths.versions.len(), 2);
}
