//! A new device shows how things stand before the years have come, and decides nothing by it.

use std::collections::BTreeSet;

use betwixt_sync::wire::PresentFact;

use super::carried::phone_of;
use super::*;

fn titles(of: &[&str]) -> BTreeSet<String> {
    of.iter().map(|title| json!(title).to_string()).collect()
}

/// A laptop with a goal, and a phone that has nothing yet.
fn laptop_and_phone() -> (Home, Home, api::Item) {
    let [mut laptop, _] = Home::paired();
    let goal = laptop.create(Collection::Goals, None, json!({"title": "A cabin"})).expect("is said");
    let phone = phone_of(&mut laptop, 7);
    (laptop, phone, goal)
}

impl Home {
    fn is_shown(&mut self, from: &Self, told: &[PresentFact]) -> bool {
        self.replica.show_present(Scope::Ours, from.replica.identity().device(), told).expect("reads")
    }

    fn titles(&self) -> BTreeSet<String> {
        let items = self.items(Collection::Goals, None);
        items.iter().map(|item| item.fields["title"].held().expect("is held").to_string()).collect()
    }
}

#[test]
fn what_stands_is_shown_what_is_said_joins_it_and_what_is_stored_follows() {
    let (laptop, mut phone, goal) = laptop_and_phone();
    let told = laptop.replica.present(Scope::Ours).expect("reads");
    assert!(phone.replica.wants_present(Scope::Ours).expect("reads"));
    assert!(!laptop.replica.wants_present(Scope::Ours).expect("reads"));
    assert!(phone.is_shown(&laptop, &told));
    assert_eq!(phone.item(Collection::Goals, &goal.id).expect("is shown"), goal);
    phone.create(Collection::Goals, None, json!({"title": "A boat"})).expect("is said at once");
    assert_eq!(phone.titles(), titles(&["A boat", "A cabin"]));
    // Nothing but what was said here went into what is kept.
    let view = phone.replica.read().expect("reads");
    let kept = index::items(&view.reader().rows(Scope::Ours), "goal").expect("reads");
    assert_eq!(kept.len(), 1);
    drop(view);
    assert!(phone.replica.end_present(Scope::Ours));
    assert_eq!(phone.titles(), titles(&["A boat"]));
    assert!(!phone.replica.end_present(Scope::Ours));
}

#[test]
fn what_is_only_shown_cannot_be_answered_yet_and_the_words_say_why() {
    let (laptop, mut phone, goal) = laptop_and_phone();
    let told = laptop.replica.present(Scope::Ours).expect("reads");
    assert!(phone.is_shown(&laptop, &told));
    let target = Target::Item(Collection::Goals, goal.id.clone());
    let seen = goal.fields["title"].seen.0.clone();
    let refused = phone.say(target, "title", json!("A hut"), Some(&seen)).expect_err("is not here");
    assert!(refused.detail.contains("still coming"), "{}", refused.detail);
}

#[test]
fn hostile_input_is_an_error_what_nobody_said_is_not_shown() {
    let (laptop, mut phone, _) = laptop_and_phone();
    let told = laptop.replica.present(Scope::Ours).expect("reads");
    let forged = |alter: &dyn Fn(&mut PresentFact)| {
        let mut told = told.clone();
        told.iter_mut().for_each(alter);
        told
    };
    let altered = [
        forged(&|fact| fact.signature[3] ^= 1),
        forged(&|fact| fact.text = fact.text.replace("A cabin", "A hotel")),
        forged(&|fact| fact.text = "{}".into()),
        Vec::new(),
    ];
    for told in altered {
        assert!(!phone.is_shown(&laptop, &told));
    }
}

#[test]
fn what_was_said_before_it_came_is_shown_beside_it() {
    let (laptop, mut phone, _) = laptop_and_phone();
    phone.create(Collection::Goals, None, json!({"title": "A boat"})).expect("is said");
    let told = laptop.replica.present(Scope::Ours).expect("reads");
    assert!(!phone.replica.wants_present(Scope::Ours).expect("reads"), "it is not asked for any more");
    assert!(phone.is_shown(&laptop, &told));
    assert_eq!(phone.titles(), titles(&["A boat", "A cabin"]));
}
