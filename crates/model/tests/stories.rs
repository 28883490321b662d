//! The cases that other designs get wrong, each told as it happens to two people.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use betwixt_model::field::Seen;
use betwixt_model::ids::ItemId;
use betwixt_model::view::{FieldView, State};
use jiff::civil::date;
use serde_json::{Value, json};
use support::replica::Replica;
use support::{TODAY, vision};

fn field(replica: &Replica, item: &ItemId, name: &str) -> FieldView {
    replica.view(item).unwrap().fields[name].clone()
}

fn versions(replica: &Replica, item: &ItemId, name: &str) -> Vec<Value> {
    field(replica, item, name).reading.versions.into_iter().map(|version| version.value).collect()
}

/// Both meet with this value in a field of a goal.
fn goal_with(name: &str, value: Value) -> (Replica, Replica, ItemId) {
    let (mut ada, mut ben) = Replica::couple();
    let goal = ada.say(None, "goal", "title", json!("Cycle along the coast"));
    ada.say(Some(goal), "goal", name, value);
    ada.meet(&mut ben);
    (ada, ben, goal)
}

/// "cat" and "bird" written apart for the same word became "catbir" in a text of characters. Here both words stand whole.
#[test]
fn catbir() {
    let (mut ada, mut ben) = Replica::couple();
    ada.say(Some(vision()), "vision", "draft", json!("We want a pet."));
    ada.meet(&mut ben);
    ada.say(Some(vision()), "vision", "draft", json!("We want a cat."));
    ben.say(Some(vision()), "vision", "draft", json!("We want a bird."));
    ada.meet(&mut ben);
    assert_eq!(versions(&ada, &vision(), "draft"), [json!("We want a cat."), json!("We want a bird.")]);
    assert_eq!(versions(&ben, &vision(), "draft"), [json!("We want a bird."), json!("We want a cat.")]);
}

/// Ada lets go of a note while Ben, who does not know, works on it. An object that is deleted takes the other's edits with
/// it in other designs; here his work and her letting go stand beside each other.
#[test]
fn let_go_while_edited() {
    let (mut ada, mut ben, goal) = goal_with("draft", json!("Ride in June."));
    ada.say(Some(goal), "goal", "draft", Value::Null);
    ben.say(Some(goal), "goal", "draft", json!("Ride in June. Take the tent."));
    ada.meet(&mut ben);
    for replica in [&ada, &ben] {
        let mut both = versions(replica, &goal, "draft");
        both.sort_by_key(Value::is_null);
        assert_eq!(both, [json!("Ride in June. Take the tent."), Value::Null]);
    }
}

/// Both set the same date, each for themselves. That is no difference, and neither said it first.
#[test]
fn same_value_from_both() {
    let (mut ada, mut ben, goal) = goal_with("until", json!("2027-05-01"));
    ada.say(Some(goal), "goal", "until", json!("2027-09-01"));
    ben.say(Some(goal), "goal", "until", json!("2027-09-01"));
    ada.meet(&mut ben);
    let until = field(&ada, &goal, "until").reading;
    assert_eq!((until.state, until.value, until.said.len()), (State::Held, Some(json!("2027-09-01")), 2));
    assert_eq!(betwixt_model::view::differences(&ada.rows, &ada.reader()).unwrap(), []);
}

/// Both mark the same evening, each on their own phone, and it is one evening with two marks.
#[test]
fn the_same_occurrence_marked_by_both() {
    let (mut ada, mut ben) = Replica::couple();
    let ritual = ada.say(None, "ritual", "title", json!("Sunday walk"));
    ada.meet(&mut ben);
    let done = json!({ "ritual": ritual, "date": "2027-01-03", "is": "done" });
    let hers = ada.say(None, "occurrence", "mark", done.clone());
    let his = ben.say(None, "occurrence", "mark", done);
    ada.meet(&mut ben);
    assert_eq!(hers, his);
    assert_eq!(field(&ada, &hers, "mark").slots.len(), 2);
}

/// Ben's phone has received Ada's change while his page still shows what was there before. He edits what he sees. Writing
/// after having received is not having seen: Ada's version stays.
#[test]
fn edit_after_receiving_without_seeing() {
    let (mut ada, mut ben, goal) = goal_with("until", json!("2027-05-01"));
    let on_his_page = field(&ben, &goal, "until").seen;
    ada.say(Some(goal), "goal", "until", json!("2027-06-01"));
    ada.meet(&mut ben);
    let fact = ben.try_say(Some(goal), "goal", "until", json!("2027-09-01"), Some(on_his_page)).unwrap();
    ben.take_in(fact);
    ada.meet(&mut ben);
    assert_eq!(versions(&ada, &goal, "until"), [json!("2027-06-01"), json!("2027-09-01")]);
    assert_eq!(versions(&ben, &goal, "until"), [json!("2027-09-01"), json!("2027-06-01")]);
}

/// Each agrees to the other's proposal and so takes back their own, at once. Nothing is agreed by accident, and they are told
/// that each took the other's.
#[test]
fn both_withdraw_while_agreeing() {
    let (mut ada, mut ben) = Replica::couple();
    ada.say(Some(vision()), "vision", "wording", json!("A calm home."));
    ben.say(Some(vision()), "vision", "wording", json!("An open home."));
    ada.meet(&mut ben);
    ada.say(Some(vision()), "vision", "wording", json!("An open home."));
    ben.say(Some(vision()), "vision", "wording", json!("A calm home."));
    ada.meet(&mut ben);
    for replica in [&ada, &ben] {
        let wording = field(replica, &vision(), "wording");
        assert_eq!((wording.agreement.len(), wording.waiting.len(), wording.crossed), (0, 2, true));
    }
}

/// Ada proposes the draft as it reads on her phone while Ben goes on writing it. The proposal is what she proposed, his
/// sentence is in the draft, and once he agrees they see that the draft has changed since.
#[test]
fn a_proposal_racing_an_edit() {
    let (mut ada, mut ben) = Replica::couple();
    ada.say(Some(vision()), "vision", "draft", json!("A calm home."));
    ada.meet(&mut ben);
    ada.say(Some(vision()), "vision", "wording", json!("A calm home."));
    ben.say(Some(vision()), "vision", "draft", json!("A calm home. Friends at the table."));
    ada.meet(&mut ben);
    assert_eq!(field(&ben, &vision(), "wording").waiting.len(), 1);
    ben.say(Some(vision()), "vision", "wording", json!("A calm home."));
    ada.meet(&mut ben);
    for replica in [&ada, &ben] {
        let view = replica.view(&vision()).unwrap();
        assert_eq!(view.fields["wording"].agreement[0].value, json!("A calm home."));
        assert_eq!(view.fields["draft"].reading.value, Some(json!("A calm home. Friends at the table.")));
        assert_eq!(view.changed_since_agreed, Some(true));
    }
}

/// Each began a vision before they ever met. Nobody's beginning wins.
#[test]
fn both_begun_alone() {
    let (mut ada, mut ben) = Replica::couple();
    ada.say(Some(vision()), "vision", "draft", json!("Room to breathe."));
    ben.say(Some(vision()), "vision", "draft", json!("A door that is open."));
    ada.meet(&mut ben);
    assert_eq!(versions(&ada, &vision(), "draft"), [json!("Room to breathe."), json!("A door that is open.")]);
    assert_eq!(versions(&ben, &vision(), "draft"), [json!("A door that is open."), json!("Room to breathe.")]);
}

/// Ben's clock falls back a year. What he says then was still said after what he had seen, so it replaces that; a design
/// that keeps the latest time would have thrown his words away.
#[test]
fn a_clock_set_back_a_year() {
    let (mut ada, mut ben, goal) = goal_with("until", json!("2027-05-01"));
    ben.today = date(2025, 11, 22);
    ben.say(Some(goal), "goal", "until", json!("2027-06-01"));
    ada.meet(&mut ben);
    for replica in [&ada, &ben] {
        let until = field(replica, &goal, "until").reading;
        assert_eq!((until.state, until.value), (State::Held, Some(json!("2027-06-01"))));
    }
    // And one who never saw it is beside it, whatever the clocks say.
    let before: Seen = Seen::new(vec![field(&ada, &goal, "until").seen.facts()[0]]);
    ada.today = TODAY;
    ada.say(Some(goal), "goal", "until", json!("2027-07-01"));
    let fact = ben.try_say(Some(goal), "goal", "until", json!("2027-08-01"), Some(before)).unwrap();
    ben.take_in(fact);
    ada.meet(&mut ben);
    assert_eq!(versions(&ada, &goal, "until"), [json!("2027-07-01"), json!("2027-08-01")]);
}
