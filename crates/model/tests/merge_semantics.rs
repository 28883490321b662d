//! The table in docs/merge-semantics.md, performed: every pair of acts on one thing, apart, both ways round.
//!
//! The table's outcomes are written by hand. What it calls its sections, acts and outcomes is what [`SUBJECTS`] calls them.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::collections::{BTreeMap, BTreeSet};

use betwixt_model::ids::ItemId;
use betwixt_model::index;
use betwixt_model::settle::{self, SAYING_BACK, SETTLEMENT};
use betwixt_model::view::{self, FieldView, PassageView, Reading, State};
use serde_json::{Value, json};
use support::replica::Replica;
use support::{Device, HOUSEHOLD, TODAY, members};

const TABLE: &str = include_str!("../../../docs/merge-semantics.md");

/// Who acts, and who else there is.
struct World {
    replicas: Vec<Replica>,
    /// Who does the act in the table's first column.
    a: usize,
    /// Who does the act in its second.
    b: usize,
    /// A device of the partner who is not A: B, where the two are partners.
    other: usize,
    items: Vec<ItemId>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Between {
    Partners,
    OwnDevices,
}

impl World {
    /// `turned`: the same with every device in the other's place, so that nothing hangs on whose id is smaller.
    fn new(between: Between, turned: bool) -> Self {
        let numbers: &[u8] = match (between, turned) {
            (Between::Partners, false) => &[1, 101],
            (Between::Partners, true) => &[101, 1],
            (Between::OwnDevices, false) => &[1, 2, 101],
            (Between::OwnDevices, true) => &[102, 101, 1],
        };
        let devices: Vec<Device> = numbers.iter().map(|number| Device::new(*number)).collect();
        let membership = members(&devices);
        let replicas: Vec<Replica> =
            devices.into_iter().map(|device| Replica::new(device, HOUSEHOLD, membership.clone())).collect();
        Self { other: replicas.len() - 1, replicas, a: 0, b: 1, items: Vec::new() }
    }

    fn a(&mut self) -> &mut Replica {
        &mut self.replicas[self.a]
    }

    fn other(&mut self) -> &mut Replica {
        &mut self.replicas[self.other]
    }

    /// Every device hears what every other said, in another order on each, and all hold the same.
    fn meet(&mut self) {
        let said: Vec<_> = self.replicas.iter().map(|replica| replica.said.clone()).collect();
        for (place, replica) in self.replicas.iter_mut().enumerate() {
            for step in 0..said.len() {
                let from = if place % 2 == 0 { step } else { said.len() - 1 - step };
                index::ingest(&mut replica.rows, &HOUSEHOLD, &replica.membership, said[from].clone()).unwrap();
            }
        }
        for replica in &self.replicas[1..] {
            assert!(replica.rows == self.replicas[0].rows, "SameFactsSameView");
        }
    }
}

type Act = fn(&mut Replica, &[ItemId]);

struct Subject {
    /// The section of the table.
    title: &'static str,
    /// What was said and heard by all before.
    before: fn(&mut World),
    acts: &'static [(&'static str, Act)],
    /// Whether it matters which of the two acts is A's.
    ordered: bool,
    /// What a device reads afterwards, in the table's words.
    read: fn(&World, &Replica) -> String,
}

fn say(replica: &mut Replica, item: ItemId, kind: &str, field: &str, value: Value) {
    // As a frontend does: of what is there, with the token that it was read with; a keyed item is there once it was named.
    let known = replica.view(&item).is_some();
    replica.say((known || value.is_null()).then_some(item), kind, field, value);
}

fn goal(world: &mut World) {
    let goal = world.a().say(None, "goal", "title", json!("Base"));
    world.items.push(goal);
    world.meet();
}

fn everybody_says(world: &mut World, kind: &str, field: &str, own: &str, others: &str) {
    let item = world.items[0];
    say(world.a(), item, kind, field, json!(own));
    say(world.other(), item, kind, field, json!(others));
    world.meet();
}

fn field(replica: &Replica, item: &ItemId, name: &str) -> FieldView {
    replica.view(item).unwrap().fields[name].clone()
}

/// A reading without who said what: the versions by text, for who is asked must not matter.
fn words(reading: &Reading) -> String {
    let passages = reading.passages.iter().map(|passage| match passage {
        PassageView::Held { text } => text.trim().to_owned(),
        PassageView::Differing { versions, .. } => {
            let mut texts: Vec<&str> = versions.iter().map(|version| version.text.trim()).collect();
            texts.sort_unstable();
            let texts: Vec<&str> =
                texts.into_iter().map(|text| if text.is_empty() { "(nothing)" } else { text }).collect();
            format!("[{}]", texts.join(" / "))
        }
    });
    match reading.state {
        State::Unsaid => "nothing".to_owned(),
        State::Held => text(reading.value.as_ref().unwrap()),
        State::Differing if !reading.passages.is_empty() => passages.collect::<Vec<_>>().join(" "),
        _ => among(reading.versions.iter().map(|version| text(&version.value))),
    }
}

/// Versions beside each other, what was let go of last.
fn among(texts: impl Iterator<Item = String>) -> String {
    let mut texts: Vec<String> = texts.collect();
    texts.sort_by_key(|text| (text == "let go", text.clone()));
    texts.dedup();
    texts.join(" / ")
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => "let go".to_owned(),
        Value::String(text) => text.trim().to_owned(),
        Value::Object(object) => match (object.get("is"), object.get("to").and_then(Value::as_str)) {
            (Some(Value::Bool(true)), _) => "skipped".to_owned(),
            (Some(Value::String(mark)), _) => mark.clone(),
            (_, Some("2027-01-04")) => "the 4th".to_owned(),
            (_, Some("2027-01-05")) => "the 5th".to_owned(),
            _ => value.to_string(),
        },
        other => other.to_string(),
    }
}

fn consent(field: &FieldView) -> String {
    let mut agreed: Vec<String> = field.agreement.iter().map(|agreement| text(&agreement.value)).collect();
    agreed.sort_unstable();
    let mut parts =
        vec![if agreed.is_empty() { "nothing agreed".to_owned() } else { format!("agreed {}", agreed.join(" and ")) }];
    let waiting: BTreeSet<String> = field.waiting.iter().map(|version| text(&version.value)).collect();
    let mut live: BTreeSet<String> = field.reading.versions.iter().map(|version| text(&version.value)).collect();
    live.extend(field.reading.value.as_ref().map(text));
    live.extend(waiting.iter().cloned());
    let let_go = live.remove("let go");
    for word in live.into_iter().filter(|word| !agreed.contains(word)) {
        let state = if waiting.contains(&word) { "waits" } else { "unsettled" };
        parts.push(format!("{word} {state}"));
    }
    parts.extend(let_go.then(|| "let go".to_owned()));
    parts.join("; ")
}

/// The slots of A's partner and of the other, in that order.
fn slots(world: &World, field: &FieldView) -> Vec<String> {
    let (a, other) = (world.replicas[world.a].device.partner, world.replicas[world.other].device.partner);
    let slot = |partner| field.slots.iter().find(|slot| slot.by == partner).map(|slot| words(&slot.reading));
    [slot(a), slot(other)].into_iter().flatten().collect()
}

const SAY_X: Act = |replica, items| say(replica, items[0], "goal", "area", json!("X"));
const SAY_Y: Act = |replica, items| say(replica, items[0], "goal", "area", json!("Y"));
const SAY_BASE: Act = |replica, items| say(replica, items[0], "goal", "area", json!("Base"));
const LET_GO: Act = |replica, items| say(replica, items[0], "goal", "area", Value::Null);

fn area(world: &World, replica: &Replica) -> String {
    let field = field(replica, &world.items[0], "area");
    let crossed = if field.crossed { ", each took the other's" } else { "" };
    format!("{}{crossed}", words(&field.reading))
}

fn differing_area(world: &mut World) {
    goal(world);
    everybody_says(world, "goal", "area", "P", "P");
    // Apart, so that it differs: had the other seen P, Q would replace it.
    let item = world.items[0];
    let none = world.other().view(&item).unwrap().fields["area"].seen.clone();
    world.a().say(Some(item), "goal", "area", json!("P"));
    let fact = world.other().try_say(Some(item), "goal", "area", json!("Q"), Some(none)).unwrap();
    world.other().take_in(fact);
    world.meet();
}

/// As [`differing_area`], but that the other partner has seen the difference and offers Q in answer.
fn offered_area(world: &mut World) {
    differing_area(world);
    let item = world.items[0];
    world.other().say(Some(item), "goal", "area", json!("Another"));
    world.meet();
    world.other().say(Some(item), "goal", "area", json!("Q"));
    world.meet();
}

/// The value in a shared field that differs which the reader's partner does not say.
fn take_the_others(replica: &mut Replica, items: &[ItemId]) {
    let versions = field(replica, &items[0], "area").reading.versions;
    let theirs = versions.iter().find(|version| !version.own).unwrap().value.clone();
    say(replica, items[0], "goal", "area", theirs);
}

fn keep_ones_own(replica: &mut Replica, items: &[ItemId]) {
    let versions = field(replica, &items[0], "area").reading.versions;
    let own = versions.iter().find(|version| version.own).unwrap().value.clone();
    say(replica, items[0], "goal", "area", own);
}

macro_rules! says {
    ($kind:literal, $field:literal, $value:expr) => {
        |replica, items| say(replica, items[0], $kind, $field, json!($value))
    };
}

fn vision(world: &mut World, field: &str, value: Option<&str>) {
    world.items.push(support::vision());
    if let Some(value) = value {
        let item = world.items[0];
        world.a().say(Some(item), "vision", field, json!(value));
        world.meet();
    }
}

fn agreed_wording(world: &mut World) {
    vision(world, "wording", Some("Base"));
    let item = world.items[0];
    world.other().say(Some(item), "vision", "wording", json!("Base"));
    world.meet();
}

fn wording(world: &World, replica: &Replica) -> String {
    consent(&field(replica, &world.items[0], "wording"))
}

fn occurrence(items: &[ItemId], part: &str, value: Value) -> Value {
    json!({ "ritual": items[0], "date": "2027-01-03", part: value })
}

/// Speaks of the evening as if nobody had, or with the token that it has.
fn of_the_evening(replica: &mut Replica, items: &[ItemId], field: &str, value: Value) {
    let seen = replica.view(&items[1]).map(|view| view.fields[field].seen.clone());
    let fact = replica.try_say(Some(items[1]), "occurrence", field, value, seen).unwrap();
    replica.take_in(fact);
}

fn evening(world: &World, replica: &Replica) -> String {
    let Some(view) = replica.view(&world.items[1]) else { return "nothing".to_owned() };
    let mut parts = Vec::new();
    let marks = slots(world, &view.fields["mark"]);
    if !marks.is_empty() {
        parts.push(marks.join(" beside "));
    }
    for (name, before) in [("skip", ""), ("moved", "moved to ")] {
        let reading = &view.fields[name].reading;
        if reading.state != State::Unsaid {
            parts.push(format!("{before}{}", words(reading)));
        }
    }
    parts.join("; ")
}

fn around(replica: &mut Replica, items: &[ItemId], field: &str, value: &Value) {
    let thread = settle::threads(&replica.rows, &replica.reader(), TODAY, 2).unwrap().remove(0);
    let mut value = value.clone();
    value["of"] = settle::of(&items[0], "goal", "area");
    if field == "differently" {
        value["versions"] = json!(thread.fields[0].view.seen.facts());
    }
    replica.say(None, SETTLEMENT, field, value);
}

fn say_back(replica: &mut Replica, items: &[ItemId]) {
    let versions = field(replica, &items[0], "area").reading.versions;
    let theirs = versions.iter().find(|version| !version.own).unwrap().fact;
    let of = json!({ "item": items[0], "kind": "goal", "field": "area", "fact": theirs });
    replica.say(None, SAYING_BACK, "of", of);
}

fn thread(world: &World, replica: &Replica) -> String {
    let versions = words(&field(replica, &world.items[0], "area").reading);
    let read = |place: usize| {
        // Whoever asks, the answer is about what each of the two sees.
        let reader = world.replicas[place].reader();
        settle::threads(&replica.rows, &reader, TODAY, 2).unwrap().into_iter().next()
    };
    let (Some(a), Some(other)) = (read(world.a), read(world.other)) else { return versions };
    let rests = match (a.waits(), other.waits()) {
        (true, true) => "waits for both",
        (false, false) => "rests for both",
        (false, true) => "rests for A",
        (true, false) => "rests for B",
    };
    let back = match a.said_back.len() {
        0 => String::new(),
        count => format!("; {count} said back"),
    };
    format!("{versions}; {rests}{back}")
}

fn review(world: &World, replica: &Replica) -> String {
    let view = replica.view(&world.items[0]).unwrap();
    let review = view.review.unwrap();
    let day = |date: &str| match date {
        "2027-03-01" => "1 March".to_owned(),
        "2027-05-01" => "1 May".to_owned(),
        other => other.to_owned(),
    };
    if review.is_due(TODAY, 2) {
        let answers = review.answers.len();
        return format!("due since 1 November, {answers} answer{}", if answers == 1 { "" } else { "s" });
    }
    if review.on <= TODAY {
        return "all answered".to_owned();
    }
    let reading = &view.fields["review"].reading;
    let dates: BTreeSet<String> = reading
        .value
        .iter()
        .chain(reading.versions.iter().map(|version| &version.value))
        .map(|value| day(value.as_str().unwrap()))
        .collect();
    format!("next on {}", dates.into_iter().collect::<Vec<_>>().join(" or "))
}

const SUBJECTS: &[Subject] = &[
    Subject {
        title: "A shared field, of which nothing was said",
        before: goal,
        acts: &[("say X", SAY_X), ("say Y", SAY_Y)],
        ordered: false,
        read: area,
    },
    Subject {
        title: "A shared field that both know as Base",
        before: |world| {
            goal(world);
            SAY_BASE(&mut world.replicas[0], &world.items.clone());
            world.meet();
        },
        acts: &[("say X", SAY_X), ("say Y", SAY_Y), ("let go", LET_GO), ("say Base again", SAY_BASE)],
        ordered: false,
        read: area,
    },
    Subject {
        title: "A shared field that was let go of",
        before: |world| {
            goal(world);
            let items = world.items.clone();
            SAY_BASE(world.a(), &items);
            LET_GO(world.a(), &items);
            world.meet();
        },
        acts: &[("take up with X", SAY_X), ("take up with Y", SAY_Y), ("let go again", LET_GO)],
        ordered: false,
        read: area,
    },
    Subject {
        title: "A shared field in which they differ",
        before: differing_area,
        acts: &[
            ("take the other's", take_the_others),
            ("say X", SAY_X),
            ("let go", LET_GO),
            ("keep one's own", keep_ones_own),
        ],
        ordered: false,
        read: area,
    },
    Subject {
        title: "A shared field in which they differ, and Q is an offer",
        before: offered_area,
        acts: &[
            ("take the other's", take_the_others),
            ("say X", SAY_X),
            ("let go", LET_GO),
            ("keep one's own", keep_ones_own),
        ],
        ordered: false,
        read: area,
    },
    Subject {
        title: "Prose that both know as \"One. Two. Three.\"",
        before: |world| vision(world, "draft", Some("One. Two. Three.")),
        acts: &[
            ("first: Uno.", says!("vision", "draft", "Uno. Two. Three.")),
            ("first: Eins.", says!("vision", "draft", "Eins. Two. Three.")),
            ("second: Dos.", says!("vision", "draft", "One. Dos. Three.")),
            ("third: Tres.", says!("vision", "draft", "One. Two. Tres.")),
            ("add: Four.", says!("vision", "draft", "One. Two. Three. Four.")),
            ("add: Vier.", says!("vision", "draft", "One. Two. Three. Vier.")),
            ("remove the first", says!("vision", "draft", "Two. Three.")),
            ("let go", says!("vision", "draft", Value::Null)),
        ],
        ordered: false,
        read: |world, replica| words(&field(replica, &world.items[0], "draft").reading),
    },
    Subject {
        title: "Prose that both began alone",
        before: |world| vision(world, "draft", None),
        acts: &[("begin: One.", says!("vision", "draft", "One.")), ("begin: Uno.", says!("vision", "draft", "Uno."))],
        ordered: false,
        read: |world, replica| words(&field(replica, &world.items[0], "draft").reading),
    },
    Subject {
        title: "A wording of which nothing was said",
        before: |world| vision(world, "wording", None),
        acts: &[("propose X", says!("vision", "wording", "X")), ("propose Y", says!("vision", "wording", "Y"))],
        ordered: false,
        read: wording,
    },
    Subject {
        title: "A wording that both agreed as Base",
        before: agreed_wording,
        acts: &[
            ("propose X", says!("vision", "wording", "X")),
            ("propose Y", says!("vision", "wording", "Y")),
            ("no longer agreed", says!("vision", "wording", Value::Null)),
            ("stand by Base", says!("vision", "wording", "Base")),
        ],
        ordered: false,
        read: wording,
    },
    Subject {
        title: "A wording agreed as Base, for which B proposed X",
        before: |world| {
            agreed_wording(world);
            let item = world.items[0];
            world.other().say(Some(item), "vision", "wording", json!("X"));
            world.meet();
        },
        acts: &[
            ("agree to X", says!("vision", "wording", "X")),
            ("propose Y", says!("vision", "wording", "Y")),
            ("back to Base", says!("vision", "wording", "Base")),
        ],
        ordered: true,
        read: wording,
    },
    Subject {
        title: "What is one partner's own",
        before: |world| {
            let item = world.a().say(None, "reflection", "text", json!("Base"));
            world.items.push(item);
            world.meet();
        },
        acts: &[
            ("revise to X", |replica, items| replica.say_unchecked(items[0], "reflection", "text", json!("X"))),
            ("revise to Y", |replica, items| replica.say_unchecked(items[0], "reflection", "text", json!("Y"))),
            ("let go", |replica, items| replica.say_unchecked(items[0], "reflection", "text", Value::Null)),
        ],
        ordered: true,
        read: |world, replica| {
            let field = field(replica, &world.items[0], "text");
            let outside = among(field.outside.iter().map(|version| text(&version.value)));
            let outside = if outside.is_empty() { outside } else { format!("; outside: {outside}") };
            format!("{}{outside}", words(&field.reading))
        },
    },
    Subject {
        title: "What each says for themselves",
        before: |world| {
            goal(world);
            everybody_says(world, "goal", "why", "P", "Q");
        },
        acts: &[
            ("say X", says!("goal", "why", "X")),
            ("say Y", says!("goal", "why", "Y")),
            ("let go", says!("goal", "why", Value::Null)),
        ],
        ordered: false,
        read: |world, replica| slots(world, &field(replica, &world.items[0], "why")).join(" beside "),
    },
    Subject {
        title: "A place in an order",
        before: |world| {
            goal(world);
            let item = world.items[0];
            say(world.a(), item, "goal", "rank", json!("m"));
            world.meet();
        },
        acts: &[("move up", says!("goal", "rank", "a")), ("move down", says!("goal", "rank", "z"))],
        ordered: false,
        read: |world, replica| {
            // Which of two is chosen by id, and ids are as good as dice: `meet` has checked that all choose the same.
            let ranks: BTreeSet<String> = world
                .replicas
                .iter()
                .flat_map(|replica| &replica.said)
                .filter(|signed| signed.fact().header().field == "rank")
                .filter_map(|signed| Some(signed.fact().value()?.as_str()?.to_owned()))
                .filter(|rank| rank != "m")
                .collect();
            let held = words(&field(replica, &world.items[0], "rank").reading);
            assert!(ranks.contains(&held));
            match (ranks.len(), held.as_str()) {
                (1, "a") => "up".to_owned(),
                (1, "z") => "down".to_owned(),
                _ => "one of the two".to_owned(),
            }
        },
    },
    Subject {
        title: "An item and its parts",
        before: goal,
        acts: &[
            ("let go of it", says!("goal", "title", Value::Null)),
            ("rename to X", says!("goal", "title", "X")),
            ("set its area", SAY_X),
        ],
        ordered: false,
        read: |world, replica| {
            let title = words(&field(replica, &world.items[0], "title").reading);
            match area(world, replica).as_str() {
                "nothing" => format!("title {title}"),
                area => format!("title {title}; area {area}"),
            }
        },
    },
    Subject {
        title: "Founding",
        before: |_| {},
        acts: &[
            ("name a value X", |replica, _| {
                replica.say(None, "value", "title", json!("X"));
            }),
            ("name a value Y", |replica, _| {
                replica.say(None, "value", "title", json!("Y"));
            }),
        ],
        ordered: false,
        read: |_, replica| match view::items(&replica.rows, &replica.reader(), "value").unwrap().len() {
            2 => "two values".to_owned(),
            other => other.to_string(),
        },
    },
    Subject {
        title: "Progress on a milestone",
        before: |world| {
            goal(world);
            let goal = world.items.pop().unwrap();
            let milestone = world.a().say(None, "milestone", "goal", json!(goal));
            world.items.push(milestone);
            say(world.a(), milestone, "milestone", "title", json!("Base"));
            say(world.a(), milestone, "milestone", "measure", json!({ "type": "count", "target": 10 }));
            world.meet();
            for place in [world.a, world.other] {
                let entry = world.replicas[place].say(None, "progress", "milestone", json!(milestone));
                say(&mut world.replicas[place], entry, "progress", "amount", json!(1));
            }
            world.meet();
        },
        acts: &[
            ("log 2", |replica, items| {
                let entry = replica.say(None, "progress", "milestone", json!(items[0]));
                say(replica, entry, "progress", "amount", json!(2));
            }),
            ("correct one's entry to 4", |replica, _| {
                let entries = view::items(&replica.rows, &replica.reader(), "progress").unwrap();
                let own = entries.iter().find(|entry| entry.owner == Some(replica.device.partner)).unwrap().id;
                say(replica, own, "progress", "amount", json!(4));
            }),
            ("aim for 20", says!("milestone", "measure", json!({ "type": "count", "target": 20 }))),
            ("let go of the milestone", says!("milestone", "title", Value::Null)),
        ],
        ordered: false,
        read: |world, replica| {
            let view = replica.view(&world.items[0]).unwrap();
            let target = &view.fields["measure"].reading.value.as_ref().unwrap()["target"];
            let title = words(&view.fields["title"].reading);
            let title = if title == "Base" { String::new() } else { format!(", title {title}") };
            format!("{} of {target}{title}", view.tally.unwrap().sum)
        },
    },
    Subject {
        title: "One occurrence of a ritual",
        before: |world| {
            let ritual = world.a().say(None, "ritual", "title", json!("Sunday walk"));
            let evening = ItemId::natural(&HOUSEHOLD, "occurrence", &format!("{ritual}/2027-01-03"));
            world.items.extend([ritual, evening]);
            world.meet();
        },
        acts: &[
            ("mark it done", |replica, items| {
                of_the_evening(replica, items, "mark", occurrence(items, "is", json!("done")));
            }),
            ("mark it missed", |replica, items| {
                of_the_evening(replica, items, "mark", occurrence(items, "is", json!("missed")));
            }),
            ("skip it", |replica, items| of_the_evening(replica, items, "skip", occurrence(items, "is", json!(true)))),
            ("move it to the 4th", |replica, items| {
                of_the_evening(replica, items, "moved", occurrence(items, "to", json!("2027-01-04")));
            }),
            ("move it to the 5th", |replica, items| {
                of_the_evening(replica, items, "moved", occurrence(items, "to", json!("2027-01-05")));
            }),
        ],
        ordered: false,
        read: evening,
    },
    Subject {
        title: "Around a difference",
        before: differing_area,
        acts: &[
            ("see it differently till March", |replica, items| {
                around(replica, items, "differently", &json!({ "again": "2027-03-01" }));
            }),
            ("see it differently till May", |replica, items| {
                around(replica, items, "differently", &json!({ "again": "2027-05-01" }));
            }),
            ("park it", |replica, items| around(replica, items, "parked", &json!({ "until": "2027-03-01" }))),
            ("say it back", say_back),
            ("say X", SAY_X),
        ],
        ordered: false,
        read: thread,
    },
    Subject {
        title: "Looking at a statement again",
        before: |world| {
            vision(world, "review", Some("2026-11-01"));
        },
        acts: &[
            ("still true", says!("vision", "reviewed", json!({ "for": "2026-11-01", "outcome": "still_true" }))),
            ("reword", says!("vision", "reviewed", json!({ "for": "2026-11-01", "outcome": "reword" }))),
            ("next in March", says!("vision", "review", "2027-03-01")),
            ("next in May", says!("vision", "review", "2027-05-01")),
        ],
        ordered: false,
        read: review,
    },
];

/// One row of the table.
struct Row<'a> {
    acts: [&'a str; 2],
    partners: &'a str,
    own_devices: &'a str,
}

/// The table's rows by section.
fn table() -> BTreeMap<&'static str, Vec<Row<'static>>> {
    let mut sections: BTreeMap<&str, Vec<Row<'_>>> = BTreeMap::new();
    let mut title = "";
    for line in TABLE.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            title = heading.trim();
        } else if let Some(cells) = line.strip_prefix('|').and_then(|line| line.strip_suffix('|')) {
            let cells: Vec<&str> = cells.split('|').map(str::trim).collect();
            if cells[0] != "A" && !cells[0].starts_with("--") {
                let [a, b, partners, own_devices] = cells.try_into().expect("four columns");
                sections.entry(title).or_default().push(Row { acts: [a, b], partners, own_devices });
            }
        }
    }
    sections
}

/// The outcome of two acts done apart, which every device reads alike.
fn perform(subject: &Subject, acts: [Act; 2], between: Between, turned: bool) -> String {
    let mut world = World::new(between, turned);
    (subject.before)(&mut world);
    let items = world.items.clone();
    for (place, act) in [world.a, world.b].into_iter().zip(acts) {
        act(&mut world.replicas[place], &items);
    }
    world.meet();
    let read: BTreeSet<String> = world.replicas.iter().map(|replica| (subject.read)(&world, replica)).collect();
    read.into_iter().collect::<Vec<_>>().join("  BUT ELSEWHERE  ")
}

#[test]
fn every_pair_of_acts_has_the_outcome_that_is_written() {
    let mut table = table();
    let mut wrong = Vec::new();
    for subject in SUBJECTS {
        let rows = table.remove(subject.title).unwrap_or_default();
        let mut written = BTreeSet::new();
        for Row { acts, partners, own_devices } in &rows {
            let place = |name: &str| subject.acts.iter().position(|(known, _)| *known == name);
            let (Some(a), Some(b)) = (place(acts[0]), place(acts[1])) else {
                wrong.push(format!("{}: {acts:?} are no acts there", subject.title));
                continue;
            };
            if !written.insert((a, b)) {
                wrong.push(format!("{}: {acts:?} stand there twice", subject.title));
            }
            for (between, outcome) in [(Between::Partners, partners), (Between::OwnDevices, own_devices)] {
                for turned in [false, true] {
                    let done = perform(subject, [subject.acts[a].1, subject.acts[b].1], between, turned);
                    if done != *outcome {
                        wrong
                            .push(format!("{}: {acts:?} {between:?}: written {outcome:?}, is {done:?}", subject.title));
                    }
                    // The other way round: what each did is what the other did.
                    if subject.ordered {
                        continue;
                    }
                    let back = perform(subject, [subject.acts[b].1, subject.acts[a].1], between, turned);
                    if unsided(&back) != unsided(outcome) {
                        wrong.push(format!("{}: {acts:?} {between:?} the other way round is {back:?}", subject.title));
                    }
                }
            }
        }
        for a in 0..subject.acts.len() {
            for b in 0..subject.acts.len() {
                let there = written.contains(&(a, b)) || (!subject.ordered && written.contains(&(b, a)));
                if !there && (a <= b || subject.ordered) {
                    wrong.push(format!(
                        "{}: {:?} and {:?} are missing",
                        subject.title, subject.acts[a].0, subject.acts[b].0
                    ));
                }
            }
        }
    }
    wrong.extend(table.into_keys().map(|title| format!("nothing performs the section {title:?}")));
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

/// An outcome without who of the two is which: what they say of themselves and what they said at first goes by sides.
fn unsided(outcome: &str) -> String {
    let mut parts: Vec<String> = outcome
        .replace("rests for A", "rests for one")
        .replace("rests for B", "rests for one")
        .split(" beside ")
        .flat_map(|part| part.split(" / "))
        .map(|part| part.replace(['P', 'Q'], "first"))
        .collect();
    parts.sort_unstable();
    parts.join(" | ")
}
