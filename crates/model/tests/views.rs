//! What a frontend reads and says: from a saying through the index to the view's JSON.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use betwixt_model::bring::{BringError, Bringer, Brought, Chosen, bring};
use betwixt_model::fact::Fact;
use betwixt_model::field::Seen;
use betwixt_model::ids::{FactId, HouseholdId, ItemId, PartnerId};
use betwixt_model::index::rows::{MemoryRows, Table, WriteRows};
use betwixt_model::index::{self, Refused};
use betwixt_model::membership::{Accepted, Membership, Standing};
use betwixt_model::say::SayError;
use betwixt_model::schema::ValueError;
use betwixt_model::view::{self, PassageView, State};
use serde_json::{Value, json};
use support::replica::Replica;
use support::{Device, HOUSEHOLD, TODAY, partner, vision};

#[test]
fn a_field_held_and_differing_as_in_the_walkthrough() {
    let (mut one, mut other) = Replica::couple();
    let goal = one.say(None, "goal", "title", json!("A cabin"));
    one.say(Some(goal), "goal", "until", json!("2027-05-01"));
    one.meet(&mut other);
    one.say(Some(goal), "goal", "until", json!("2027-06-01"));
    other.say(Some(goal), "goal", "until", json!("2027-09-01"));
    one.meet(&mut other);
    let field = one.json(&goal, "until");
    assert_eq!((&field["state"], &field["was"]), (&json!("differing"), &json!("2027-05-01")));
    assert_eq!(field["versions"][0]["value"], "2027-06-01");
    assert_eq!(field["versions"][0]["own"], true);
    assert_eq!(other.json(&goal, "until")["versions"][0]["value"], "2027-09-01", "own first");
    assert_eq!(field["seen"], other.json(&goal, "until")["seen"]);
    assert_eq!(view::differences(&one.rows, &one.reader()).unwrap().len(), 1);

    // A third value leaves two versions; nothing that the first says removes the second's.
    one.say(Some(goal), "goal", "until", json!("2027-07-01"));
    let values = |field: &Value| -> Vec<Value> {
        field["versions"].as_array().unwrap().iter().map(|version| version["value"].clone()).collect()
    };
    assert_eq!(values(&one.json(&goal, "until")), ["2027-07-01", "2027-09-01"]);
    one.say(Some(goal), "goal", "until", json!("2027-09-01"));
    let field = one.json(&goal, "until");
    assert_eq!((&field["state"], &field["value"], field.get("agreed")), (&json!("held"), &json!("2027-09-01"), None));
    assert_eq!(field["said"].as_array().unwrap().len(), 2);
    assert!(view::differences(&one.rows, &one.reader()).unwrap().is_empty());
    assert_eq!(index::history(&one.rows, &goal).unwrap().len(), 6, "every fact stays readable");
}

#[test]
fn what_may_not_be_said() {
    let (mut one, mut other) = Replica::couple();
    let goal = one.say(None, "goal", "title", json!("A cabin"));
    one.meet(&mut other);
    let title = |seen| (Some(goal), "goal", "title", json!("A boat"), seen);
    let mut tries = |(item, kind, field, value, seen): (Option<ItemId>, &str, &str, Value, Option<Seen>)| {
        other.try_say(item, kind, field, value, seen)
    };
    assert!(matches!(tries(title(None)), Err(SayError::SeenMissing(_))));
    let unknown = Seen::new(vec![FactId::from_bytes([1; 32])]);
    assert!(matches!(tries(title(Some(unknown.clone()))), Err(SayError::SeenUnknown { .. })));
    assert!(tries(title(Some(Seen::default()))).is_ok(), "a token from before anything was said is honoured");
    let nowhere = ItemId::from_bytes([1; 32]);
    assert!(matches!(tries((Some(nowhere), "goal", "title", json!("A"), None)), Err(SayError::UnknownItem { .. })));
    assert!(matches!(tries((Some(goal), "value", "title", json!("A"), None)), Err(SayError::UnknownItem { .. })));
    assert!(matches!(tries((None, "vision", "draft", json!("A"), None)), Err(SayError::NotFounded(_))));
    assert!(matches!(tries((None, "goal", "area", json!("A"), None)), Err(SayError::WrongFirst { .. })));
    assert!(matches!(tries((None, "goal", "title", Value::Null, None)), Err(SayError::WrongFirst { .. })));
    assert!(matches!(tries((None, "goal", "title", json!("A"), Some(unknown))), Err(SayError::SeenOfNothing(_))));
    let members = ItemId::natural(&HOUSEHOLD, "member", &partner(false).to_string());
    assert!(matches!(tries((Some(members), "member", "name", json!("A"), None)), Err(SayError::UnknownItem { .. })));
    let thanks = one.say(None, "thanks", "what", json!("The soup."));
    let own = ItemId::natural(&HOUSEHOLD, "member", &partner(false).to_string());
    one.say(Some(own), "member", "name", json!("Ada"));
    one.meet(&mut other);
    let refused = other.try_say(Some(thanks), "thanks", "what", json!("Mine"), Some(Seen::default()));
    assert!(matches!(refused, Err(SayError::NotOwner(_))));
    let refused = other.try_say(Some(own), "member", "name", json!("Bea"), Some(Seen::default()));
    assert!(matches!(refused, Err(SayError::NotOwner(_))));
}

#[test]
fn values_are_checked_with_errors_that_name_the_field() {
    let check = betwixt_model::schema::check_value;
    let bad = [
        ("goal", "title", json!("")),
        ("goal", "title", json!("x".repeat(201))),
        ("goal", "title", json!("two\nlines")),
        ("goal", "title", json!(1)),
        ("goal", "state", json!("failed")),
        ("goal", "until", json!("2027-02-30")),
        ("goal", "until", json!("2027-02-01T00:00")),
        ("milestone", "goal", json!("somewhere")),
        ("milestone", "measure", json!({"type": "count"})),
        ("milestone", "measure", json!({"type": "amount", "target": 0, "unit": "EUR", "decimals": 2})),
        ("milestone", "measure", json!({"type": "amount", "target": 1, "unit": "EUR", "decimals": 10})),
        ("milestone", "measure", json!({"type": "yes_no", "target": 1})),
        ("milestone", "done", json!("yes")),
        ("progress", "amount", json!(9_007_199_254_740_992_i64)),
        ("reflection", "prompt", json!({})),
        ("reflection", "prompt", json!({"id": "w1", "score": "5"})),
        ("member", "terms", json!({"partner": ""})),
        ("goal", "rank", json!("A")),
        ("thanks", "to", json!("you")),
    ];
    for (kind, field, value) in bad {
        let error = check(kind, field, &value).unwrap_err();
        assert!(matches!(error, ValueError::Shape { .. }), "{error}");
        assert!(error.to_string().starts_with(&format!("the {field} of a {kind} ")), "{error}");
        assert!(check(kind, field, &Value::Null).is_ok());
    }
    let good = [
        ("milestone", "measure", json!({"type": "count", "target": 12})),
        ("milestone", "measure", json!({"type": "amount", "target": 500_000, "unit": "EUR", "decimals": 2})),
        ("progress", "amount", json!(-20)),
        ("member", "terms", json!({"partner": "Schatz"})),
        ("reflection", "prompt", json!({"text": "What felt most meaningful?"})),
    ];
    for (kind, field, value) in good {
        check(kind, field, &value).unwrap();
    }
    assert!(matches!(check("dream", "title", &Value::Null), Err(ValueError::UnknownKind { .. })));
    assert!(matches!(check("goal", "score", &Value::Null), Err(ValueError::UnknownField { .. })));
}

/// P18: +20 and +30 made apart come to +50, and to nobody's own sum.
#[test]
fn progress_made_apart_adds_up() {
    let (mut one, mut other) = Replica::couple();
    let goal = one.say(None, "goal", "title", json!("A cabin"));
    let milestone = one.say(None, "milestone", "goal", json!(goal.to_string()));
    let measure = json!({"type": "amount", "target": 100, "unit": "EUR", "decimals": 0});
    one.say(Some(milestone), "milestone", "measure", measure);
    one.meet(&mut other);
    for (replica, amount) in [(&mut one, 20), (&mut other, 30)] {
        let entry = replica.say(None, "progress", "milestone", json!(milestone.to_string()));
        replica.say(Some(entry), "progress", "amount", json!(amount));
    }
    one.meet(&mut other);
    let tally = one.view(&milestone).unwrap().tally.unwrap();
    assert_eq!((tally.sum, tally.entries, tally.open), (50, 2, 0));
    assert_eq!(one.view(&milestone).unwrap().tally, other.view(&milestone).unwrap().tally);
    assert_eq!(view::linked(&one.rows, &one.reader(), &goal).unwrap()[0].id, milestone);

    // Somebody else's word on an entry does not count, and is shown.
    let entry = view::linked(&one.rows, &one.reader(), &milestone).unwrap();
    let entry = entry.iter().find(|entry| entry.owner == Some(partner(true))).unwrap().id;
    let seen: Vec<FactId> = one.view(&entry).unwrap().fields["amount"].seen.facts().to_vec();
    one.device.last = index::tip(&one.rows, &one.device.id).unwrap();
    let meddling = one.device.says(Some(entry), "progress", "amount", json!(-30), &seen);
    index::ingest(&mut one.rows, &HOUSEHOLD, &one.membership, vec![meddling]).unwrap();
    assert_eq!(one.view(&milestone).unwrap().tally.unwrap().sum, 50);
    assert_eq!(one.view(&entry).unwrap().fields["amount"].outside[0].value, -30);
    assert!(view::differences(&one.rows, &one.reader()).unwrap().is_empty());
}

#[test]
fn each_partner_has_a_why() {
    let (mut one, mut other) = Replica::couple();
    let goal = one.say(None, "goal", "title", json!("A cabin"));
    one.meet(&mut other);
    one.say(Some(goal), "goal", "why", json!("Quiet."));
    other.say(Some(goal), "goal", "why", json!("Trees."));
    one.meet(&mut other);
    let why = |replica: &Replica| {
        let slots = replica.view(&goal).unwrap().fields["why"].slots.clone();
        slots.into_iter().map(|slot| (slot.own, slot.reading.value.unwrap())).collect::<Vec<_>>()
    };
    assert_eq!(why(&one), [(true, json!("Quiet.")), (false, json!("Trees."))]);
    assert_eq!(why(&other), [(true, json!("Trees.")), (false, json!("Quiet."))]);
    assert_eq!(one.view(&goal).unwrap().fields["why"].reading.state, State::Each);
    assert!(view::differences(&one.rows, &one.reader()).unwrap().is_empty());
}

#[test]
fn prose_merges_by_sentence_and_differs_by_passage() {
    let (mut one, mut other) = Replica::couple();
    one.say(Some(vision()), "vision", "draft", json!("A calm home. A garden. Two dogs."));
    one.meet(&mut other);
    one.say(Some(vision()), "vision", "draft", json!("A calm, open home. A garden. Two dogs."));
    other.say(Some(vision()), "vision", "draft", json!("A calm home. A garden. Two cats."));
    one.meet(&mut other);
    let draft = one.view(&vision()).unwrap().fields["draft"].reading.clone();
    assert_eq!((draft.state, draft.merged, draft.versions.len()), (State::Held, true, 2));
    assert_eq!(draft.value, Some(json!("A calm, open home. A garden. Two cats.")));
    assert!(view::differences(&one.rows, &one.reader()).unwrap().is_empty());

    one.say(Some(vision()), "vision", "draft", json!("A calm, open home. A garden. Three cats."));
    other.say(Some(vision()), "vision", "draft", json!("A calm, open home. A garden. No pets."));
    one.meet(&mut other);
    let draft = one.view(&vision()).unwrap().fields["draft"].reading.clone();
    assert_eq!((draft.state, draft.merged), (State::Differing, false));
    let differing = |passage: &&PassageView| matches!(passage, PassageView::Differing { .. });
    let Some(PassageView::Differing { versions, .. }) = draft.passages.iter().find(differing) else {
        panic!("{draft:?}")
    };
    assert_eq!(versions.iter().map(|version| version.own).collect::<Vec<_>>(), [true, false]);
    assert!(versions[0].text.contains("Three cats") && versions[1].text.contains("No pets"));
}

/// P9: changing one character shows "changed since you both agreed"; the agreed text stays readable.
#[test]
fn a_draft_that_changed_since_it_was_agreed() {
    let (mut one, mut other) = Replica::couple();
    one.say(Some(vision()), "vision", "draft", json!("A calm home."));
    one.say(Some(vision()), "vision", "wording", json!("A calm home."));
    one.meet(&mut other);
    assert_eq!(one.view(&vision()).unwrap().changed_since_agreed, None);
    other.say(Some(vision()), "vision", "wording", json!("A calm home."));
    one.meet(&mut other);
    assert_eq!(one.view(&vision()).unwrap().changed_since_agreed, Some(false));
    other.say(Some(vision()), "vision", "draft", json!("A calm home!"));
    one.meet(&mut other);
    let view = one.view(&vision()).unwrap();
    assert_eq!((view.changed_since_agreed, view.fields["wording"].agreed), (Some(true), Some(true)));
    assert_eq!(view.fields["wording"].agreement[0].value, "A calm home.");
}

#[test]
fn what_is_still_arriving_and_what_has_no_place() {
    let (mut one, mut other) = Replica::couple();
    let goal = one.say(None, "goal", "title", json!("A cabin"));
    one.say(Some(goal), "goal", "title", json!("A cabin by the lake"));
    let late = one.said.remove(0);
    one.meet_only(&mut other);
    let view = other.view(&goal).unwrap();
    assert!(view.arriving && view.fields["title"].arriving);
    assert_eq!(view.fields["title"].reading.value, Some(json!("A cabin by the lake")));
    let effect = index::ingest(&mut other.rows, &HOUSEHOLD, &other.membership, vec![late]).unwrap();
    assert_eq!((effect.added.len(), effect.completed.len()), (1, 1));
    assert!(!other.view(&goal).unwrap().arriving);
    assert_eq!(other.rows, one.rows);

    let stranger = Device::new(3).says(Some(goal), "goal", "title", json!("Mine"), &[]);
    let mut impostor = Device::new(101);
    impostor.partner = partner(false);
    let impostor = impostor.says(Some(goal), "goal", "title", json!("Mine"), &[]);
    let (strangers, impostors) = (stranger.fact().header().device, impostor.fact().header().device);
    let mut before = one.rows.clone();
    let effect = index::ingest(&mut one.rows, &HOUSEHOLD, &one.membership, vec![stranger, impostor]).unwrap();
    assert!(matches!(effect.refused[0].1, Refused::UnknownDevice(_)));
    assert!(matches!(effect.refused[1].1, Refused::WrongPartner { .. }));
    let foreign = one.said.clone();
    let elsewhere = HouseholdId::from_bytes([8; 32]);
    let effect = index::ingest(&mut one.rows, &elsewhere, &one.membership, foreign).unwrap();
    assert!(matches!(effect.refused[0].1, Refused::ForeignHousehold(HOUSEHOLD)));
    // That they came is all that is remembered, for the day that they become members.
    for device in [strangers, impostors] {
        before.put(Table::Derived, b"refused", device.as_bytes(), &[]).unwrap();
    }
    assert_eq!(one.rows, before);
}

/// Facts that name an item under another kind have no meaning, and hide nothing of what is to settle.
#[test]
fn another_kind_hides_no_difference() {
    let (mut one, mut other) = Replica::couple();
    let goal = one.say(None, "goal", "title", json!("A cabin"));
    let milestone = one.say(None, "milestone", "goal", json!(goal.to_string()));
    one.meet(&mut other);
    one.say(Some(milestone), "milestone", "measure", json!({"type": "yes_no"}));
    other.say(Some(milestone), "milestone", "measure", json!({"type": "count", "target": 3}));
    for (replica, kind) in [(&mut one, "goal"), (&mut other, "goal")] {
        replica.device.last = index::tip(&replica.rows, &replica.device.id).unwrap();
        let stray = replica.device.says(Some(milestone), kind, "area", json!(replica.device.id.to_string()), &[]);
        index::ingest(&mut replica.rows, &HOUSEHOLD, &replica.membership, vec![stray.clone()]).unwrap();
        replica.said.push(stray);
    }
    one.meet(&mut other);
    let ids = |kind| -> Vec<ItemId> {
        view::items(&one.rows, &one.reader(), kind).unwrap().iter().map(|view| view.id).collect()
    };
    assert_eq!((ids("goal"), ids("milestone")), (vec![goal], vec![milestone]));
    let differences = view::differences(&one.rows, &one.reader()).unwrap();
    assert_eq!(differences.len(), 1);
    assert_eq!(differences[0].fields.keys().collect::<Vec<_>>(), ["measure"]);
}

/// Nor do they hide the item itself: the vision is the vision, whoever calls it a goal.
#[test]
fn another_kind_hides_no_natural_item() {
    let (mut one, _) = Replica::couple();
    one.say(Some(vision()), "vision", "draft", json!("A calm home."));
    for kind in ["apple", "brought", "goal", "member", "zebra"] {
        one.device.last = index::tip(&one.rows, &one.device.id).unwrap();
        let stray = one.device.says(Some(vision()), kind, "title", json!("Mine"), &[]);
        index::ingest(&mut one.rows, &HOUSEHOLD, &one.membership, vec![stray]).unwrap();
    }
    let view = one.view(&vision()).unwrap();
    assert_eq!((view.kind.as_str(), &view.fields["draft"].reading.value), ("vision", &Some(json!("A calm home."))));
    assert_eq!(view::items(&one.rows, &one.reader(), "vision").unwrap(), [view]);
    assert!(view::items(&one.rows, &one.reader(), "member").unwrap().is_empty());
}

/// A newer version's fact cannot be read here; what cites it is shown as cut off by that.
#[test]
fn what_a_newer_version_made_is_kept_and_told() {
    let (mut one, _) = Replica::couple();
    let newer = FactId::from_bytes([77; 32]);
    index::note_newer(&mut one.rows, &newer, 2).unwrap();
    let citing = one.device.says(Some(vision()), "vision", "draft", json!("A home."), &[newer]);
    let unknown = one.device.says(None, "dream", "colour", json!("blue"), &[]);
    let facts = vec![citing.clone(), unknown.clone()];
    index::ingest(&mut one.rows, &HOUSEHOLD, &one.membership, facts).unwrap();
    let told = index::newer(&one.rows).unwrap();
    assert_eq!((told[0].fact, told[0].format, &told[0].cited_by), (newer, 2, &vec![citing.fact().id()]));
    assert!(one.view(&vision()).unwrap().fields["draft"].arriving);
    let refused = one.try_say(Some(vision()), "vision", "draft", json!("Ours."), Some(Seen::default()));
    assert!(matches!(refused, Err(SayError::Arriving(_))));
    let dream = one.view(&unknown.fact().item()).unwrap();
    assert!(dream.newer && dream.fields["colour"].newer);
    assert_eq!(dream.fields["colour"].reading.value, Some(json!("blue")));
    assert!(index::is_current(&one.rows).unwrap() && index::is_current(&MemoryRows::default()).unwrap());
}

/// A copied home: both branches count as two devices, and what they say apart differs.
#[test]
fn a_copied_home_counts_as_two_devices() {
    let (mut one, mut other) = Replica::couple();
    one.say(Some(vision()), "vision", "draft", json!("A home."));
    let mut copy = Replica::new(one.device.clone(), HOUSEHOLD, one.membership.clone());
    copy.device.key = one.device.key.clone();
    index::ingest(&mut copy.rows, &HOUSEHOLD, &copy.membership, one.said.clone()).unwrap();
    copy.device.nonce();
    one.say(Some(vision()), "vision", "wording", json!("Calm."));
    copy.say(Some(vision()), "vision", "wording", json!("Loud."));
    let effect = index::ingest(&mut one.rows, &HOUSEHOLD, &one.membership, copy.said.clone()).unwrap();
    assert!(effect.rebuilt && effect.forks.contains(&one.device.id));
    assert!(index::forked(&one.rows, &one.device.id).unwrap());
    let wording = one.view(&vision()).unwrap().fields["wording"].clone();
    assert_eq!((wording.reading.state, wording.reading.versions.len()), (State::Differing, 2));
    copy.meet_only(&mut other);
    one.meet_only(&mut other);
    assert_eq!(other.rows, one.rows);
    let effect = index::ingest(&mut one.rows, &HOUSEHOLD, &one.membership, copy.said.clone()).unwrap();
    assert_eq!(effect, index::Effect::default(), "and is told once");
}

impl Replica {
    /// Gives the other what this one said and still has.
    fn meet_only(&self, other: &mut Self) {
        index::ingest(&mut other.rows, &self.household, &self.membership, self.said.clone()).unwrap();
    }
}

#[test]
fn bringing_takes_what_was_chosen_once_and_no_private_id() {
    let private = HouseholdId::from_bytes([99; 32]);
    let me = PartnerId::from_bytes([42; 32]);
    let mut device = Device::new(1);
    let in_ours = partner(false);
    device.partner = me;
    let mut membership = Membership::default();
    membership.set(device.id, Standing { partner: me, accepted: Accepted::Everything });
    let mut mine = Replica::new(device, private, membership);
    let goal = mine.say(None, "goal", "title", json!("Learn to sail"));
    mine.say(Some(goal), "goal", "title", json!("Learn to sail well"));
    mine.say(Some(goal), "goal", "why", json!("Because of my father."));
    let milestone = mine.say(None, "milestone", "goal", json!(goal.to_string()));
    mine.say(Some(milestone), "milestone", "title", json!("First trip"));

    let ours = Replica::couple().0;
    let mut drawn = 0;
    let mut bringing = |mine: &Replica, ours: &Replica, chosen: &[Chosen]| {
        let bringer = |household, partner, rows: &MemoryRows| Bringer {
            partner,
            device: mine.device.id,
            household,
            previous: index::tip(rows, &mine.device.id).unwrap(),
        };
        let (ours, own) = (bringer(HOUSEHOLD, in_ours, &ours.rows), bringer(private, me, &mine.rows));
        bring(&mine.rows, chosen, &ours, &own, TODAY, || {
            drawn += 1;
            betwixt_model::fact::Nonce::from_bytes([drawn; 16])
        })
    };
    let all = |item| Chosen { item, fields: None };
    assert!(matches!(bringing(&mine, &ours, &[all(milestone)]), Err(BringError::Needs { .. })));
    let why = Chosen { item: goal, fields: Some(vec!["why".into()]) };
    assert!(matches!(bringing(&mine, &ours, &[why]), Err(BringError::WithoutFirst { .. })));

    let mut ours = ours;
    let title = Chosen { item: goal, fields: Some(vec!["title".into()]) };
    let carry = |brought: &Brought, mine: &mut Replica, ours: &mut Replica| {
        for fact in &brought.ours {
            ours.take_in(fact.clone());
        }
        for fact in &brought.mine {
            mine.take_in(fact.clone());
        }
    };
    let brought = bringing(&mine, &ours, &[all(milestone), title.clone()]).unwrap();
    assert_eq!((brought.ours.len(), brought.mine.len(), brought.items.len()), (3, 2, 2));
    let text: String = brought.ours.iter().map(Fact::text).collect();
    let mut private_ids: Vec<String> = mine.said.iter().map(|fact| fact.fact().id().to_string()).collect();
    private_ids.extend([private.to_string(), me.to_string()]);
    assert!(private_ids.iter().all(|id| !text.contains(id)), "PrivateStaysHome");
    assert!(!text.contains("father") && text.contains("sail well"), "only what was chosen, as it is now");
    carry(&brought, &mut mine, &mut ours);
    let shared = brought.items[1].1;
    assert_eq!(ours.view(&shared).unwrap().fields["title"].reading.value, Some(json!("Learn to sail well")));
    assert_eq!(
        view::linked(&ours.rows, &ours.reader(), &shared).unwrap().len(),
        1,
        "the milestone links to the new goal"
    );

    let again = bringing(&mine, &ours, &[all(milestone), title.clone()]).unwrap();
    assert_eq!((again.ours.len(), again.mine.len(), &again.items), (0, 0, &brought.items), "twice is harmless");
    assert!(view::items(&mine.rows, &mine.reader(), "brought").unwrap().is_empty());

    // What changed at home since replaces what was brought, on the same item; and more can follow.
    mine.say(Some(goal), "goal", "title", json!("Sail around the world"));
    let more = bringing(&mine, &ours, &[all(goal)]).unwrap();
    assert_eq!((more.ours.len(), more.items[0].1), (2, shared));
    carry(&more, &mut mine, &mut ours);
    let title = ours.view(&shared).unwrap().fields["title"].reading.clone();
    assert_eq!((title.state, title.value), (State::Held, Some(json!("Sail around the world"))));
}

/// A vision that both began alone: nobody's beginnings win.
#[test]
fn beginnings_brought_by_both_stand_beside_each_other() {
    let (mut one, mut other) = Replica::couple();
    one.say(Some(vision()), "vision", "wording", json!("A calm home."));
    other.say(Some(vision()), "vision", "wording", json!("A loud home."));
    one.meet(&mut other);
    let wording = one.view(&vision()).unwrap().fields["wording"].clone();
    assert_eq!((wording.reading.state, wording.waiting.len(), wording.reading.was), (State::Differing, 2, None));
    assert_eq!(view::differences(&other.rows, &other.reader()).unwrap().len(), 1);
}
