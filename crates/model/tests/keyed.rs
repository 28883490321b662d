//! Items that are named by what their values say: an occurrence by its ritual and date.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use betwixt_model::bring::{Bringer, Chosen, bring};
use betwixt_model::fact::Nonce;
use betwixt_model::field::Seen;
use betwixt_model::ids::{HouseholdId, ItemId};
use betwixt_model::index;
use betwixt_model::say::SayError;
use betwixt_model::schema::Kind;
use betwixt_model::view::{self, State};
use serde_json::{Value, json};
use support::replica::Replica;
use support::{HOUSEHOLD, TODAY};

fn mark(ritual: &ItemId, date: &str, is: &str) -> Value {
    json!({ "ritual": ritual, "date": date, "is": is })
}

fn skip(ritual: &ItemId, date: &str, is: bool) -> Value {
    json!({ "ritual": ritual, "date": date, "is": is })
}

fn couple_with_ritual() -> (Replica, Replica, ItemId) {
    let (mut one, mut other) = Replica::couple();
    let ritual = one.say(None, "ritual", "title", json!("Sunday walk"));
    one.meet(&mut other);
    (one, other, ritual)
}

/// Both speak of the same evening, apart, and it is one evening.
#[test]
fn both_name_the_same_item_apart() {
    let (mut one, mut other, ritual) = couple_with_ritual();
    let mine = one.say(None, "occurrence", "mark", mark(&ritual, "2027-01-03", "done"));
    let theirs = other.say(None, "occurrence", "mark", mark(&ritual, "2027-01-03", "missed"));
    assert_eq!(mine, theirs);
    one.meet(&mut other);
    let view = one.view(&mine).unwrap();
    assert_eq!(
        (view.kind.as_str(), view.owner, view.founded.is_none(), view.arriving),
        ("occurrence", None, true, false)
    );
    let slots = &view.fields["mark"].slots;
    let said: Vec<_> = slots.iter().map(|slot| slot.reading.value.clone().unwrap()["is"].clone()).collect();
    assert_eq!(said, ["done", "missed"]);
    assert_eq!(view::items(&one.rows, &one.reader(), "occurrence").unwrap(), std::slice::from_ref(&view));
    let linked = view::linked(&other.rows, &other.reader(), &ritual).unwrap();
    assert_eq!(linked.iter().map(|view| view.id).collect::<Vec<_>>(), [mine]);

    // Taking one's mark back names the item by its id.
    let gone = one.say(Some(mine), "occurrence", "mark", Value::Null);
    one.meet(&mut other);
    assert_eq!(other.view(&gone).unwrap().fields["mark"].slots[1].reading.value, Some(Value::Null));
    assert_eq!(view::linked(&other.rows, &other.reader(), &ritual).unwrap().len(), 1, "the other's mark stands");
}

#[test]
fn a_value_that_names_another_item_is_refused() {
    let (mut one, _, ritual) = couple_with_ritual();
    let first = one.say(None, "occurrence", "mark", mark(&ritual, "2027-01-03", "done"));
    let refused = one.try_say(Some(first), "occurrence", "skip", skip(&ritual, "2027-01-10", true), None);
    assert!(matches!(refused, Err(SayError::OtherKey { .. })));
    assert!(matches!(one.try_say(None, "occurrence", "skip", Value::Null, None), Err(SayError::OtherKey { .. })));
    let nobody = ItemId::from_bytes([9; 32]);
    let refused = one.try_say(Some(nobody), "occurrence", "skip", Value::Null, None);
    assert!(matches!(refused, Err(SayError::UnknownItem { .. })));
    for value in [
        json!({ "ritual": ritual, "date": "2027-1-3", "is": true }),
        json!({ "ritual": "x/y", "date": "2027-01-03", "is": true }),
        json!({ "ritual": ritual, "is": true }),
        json!({ "ritual": ritual, "date": "2027-01-03", "is": true, "more": 1 }),
        json!("2027-01-03"),
    ] {
        let refused = one.try_say(None, "occurrence", "skip", value, None);
        assert!(matches!(refused, Err(SayError::Value(_))), "{refused:?}");
    }
    // A field that something stands in asks for its token, as any other does.
    let refused = one.try_say(None, "occurrence", "mark", mark(&ritual, "2027-01-03", "missed"), None);
    assert!(matches!(refused, Err(SayError::SeenMissing(_))));
    let refused = one.try_say(None, "goal", "title", json!("A goal"), Some(Seen::new(vec![])));
    assert!(refused.is_ok(), "other kinds are as they were");
}

/// Another program may write what `say` refuses: it is shown as changed outside, and lists no item of its own.
#[test]
fn what_names_another_item_is_left_out_and_reported() {
    let (mut one, mut other, ritual) = couple_with_ritual();
    let item = one.say(None, "occurrence", "skip", skip(&ritual, "2027-01-03", false));
    let stray = ItemId::from_bytes([9; 32]);
    for (item, date) in [(item, "2027-01-10"), (stray, "2027-01-17")] {
        other.device.last = index::tip(&other.rows, &other.device.id).unwrap();
        for (field, value) in [("skip", skip(&ritual, date, true)), ("mark", mark(&ritual, date, "done"))] {
            let signed = other.device.says(Some(item), "occurrence", field, value, &[]);
            index::ingest(&mut other.rows, &HOUSEHOLD, &other.membership, vec![signed.clone()]).unwrap();
            other.said.push(signed);
        }
    }
    one.meet(&mut other);
    let view = one.view(&item).unwrap();
    let field = &view.fields["skip"];
    assert_eq!((field.reading.state, field.outside.len()), (State::Held, 1));
    assert_eq!(field.outside[0].value["date"], "2027-01-10");
    assert_eq!((view.fields["mark"].slots.len(), view.fields["mark"].outside.len()), (0, 1));
    assert!(one.view(&stray).is_none());
    let listed = |replica: &Replica| -> Vec<ItemId> {
        view::items(&replica.rows, &replica.reader(), "occurrence").unwrap().iter().map(|view| view.id).collect()
    };
    assert_eq!((listed(&one), listed(&other)), (vec![item], vec![item]));
    assert_eq!(view::linked(&one.rows, &one.reader(), &ritual).unwrap().len(), 1);
    let occurrence = Kind::named("occurrence").unwrap();
    assert_eq!(occurrence.keyed_item(&HOUSEHOLD, &skip(&ritual, "2027-01-03", true)), Some(item));
    assert_eq!(occurrence.natural_item(&HOUSEHOLD, &one.device.partner), None);
}

/// A private ritual and its occurrences get new names in the household, and no private id goes along.
#[test]
fn private_stays_home_what_is_brought_is_named_anew() {
    let (mut one, _) = Replica::couple();
    let private = HouseholdId::from_bytes([5; 32]);
    let mut mine = Replica::new(one.device.clone(), private, one.membership.clone());
    let ritual = mine.say(None, "ritual", "title", json!("Sunday walk"));
    let held = mine.say(None, "occurrence", "mark", mark(&ritual, "2027-01-03", "done"));
    mine.say(None, "occurrence", "skip", skip(&ritual, "2027-01-03", false));
    let bringer = |replica: &Replica| Bringer {
        partner: replica.device.partner,
        device: replica.device.id,
        household: replica.household,
        previous: index::tip(&replica.rows, &replica.device.id).unwrap(),
    };
    let chosen = [held, ritual].map(|item| Chosen { item, fields: None });
    let mut nonces = 0u128;
    let mut nonce = || {
        nonces += 1;
        Nonce::from_bytes(nonces.to_le_bytes())
    };
    let alone = bring(&mine.rows, &chosen[..1], &bringer(&one), &bringer(&mine), TODAY, &mut nonce);
    assert!(alone.is_err(), "an occurrence needs its ritual");
    let brought = bring(&mine.rows, &chosen, &bringer(&one), &bringer(&mine), TODAY, &mut nonce).unwrap();
    for fact in brought.ours {
        assert!(!fact.text().contains(&ritual.to_string()) && !fact.text().contains(&held.to_string()));
        one.take_in(fact);
    }
    let (now, ritual) = (brought.items[0].1, brought.items[1].1);
    let view = one.view(&now).unwrap();
    assert_eq!(view.fields["mark"].slots[0].reading.value, Some(mark(&ritual, "2027-01-03", "done")));
    assert_eq!(view.fields["skip"].reading.value, Some(skip(&ritual, "2027-01-03", false)));
    let occurrence = Kind::named("occurrence").unwrap();
    assert_eq!(occurrence.keyed_item(&HOUSEHOLD, &mark(&ritual, "2027-01-03", "done")), Some(now));
}
