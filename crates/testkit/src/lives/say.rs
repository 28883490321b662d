//! What people say in a life: few words and few things to talk about, so that they often say the same, often differ, and
//! often touch the same field. Every kind of field is talked about.

use betwixt_model::fact::{Draft, Fact};
use betwixt_model::field::Seen;
use betwixt_model::ids::{FactId, ItemId};
use betwixt_model::say::{self, Saying};
use betwixt_model::schema::{Kind, Naming};
use betwixt_model::view::{self, Reader};
use rand_chacha::ChaCha20Rng;
use rand_core::RngCore;
use serde_json::{Value, json};

use super::{HOUSEHOLD, Life, draw};
use crate::oracle::Place;

/// The fields that are talked about: shared text and lines, consent, one for each partner, an owner's, and light ones; links,
/// and occurrences, which their values name.
const TOPICS: [(&str, &[&str]); 11] = [
    ("vision", &["draft", "wording", "wording"]),
    ("goal", &["title", "title", "until", "state", "state", "why", "rank"]),
    ("thanks", &["what", "showed", "value"]),
    ("member", &["pronouns"]),
    ("value", &["title", "draft", "wording"]),
    // More of what is talked about most, so that they often touch the same field.
    ("vision", &["draft", "wording"]),
    ("goal", &["title", "state", "why"]),
    ("value", &["title", "draft", "wording"]),
    ("ritual", &["title", "cadence", "paused"]),
    ("occurrence", &["mark", "mark", "skip", "moved"]),
    ("milestone", &["goal", "title", "done"]),
];

/// The dates of occurrences.
const DATES: [&str; 2] = ["2026-11-29", "2026-12-06"];

/// The most items of a kind that people found.
const ITEMS: usize = 2;

impl Life {
    /// Somebody says something, with what the field shows now or showed on a page that they left open.
    pub(super) fn say(&mut self, at: usize) {
        let Some((place, founding)) = self.topic(at) else { return };
        let now = self.page(at, &place);
        if draw(&mut self.rng, 2) == 0 {
            self.devices[at].pages.push((place.clone(), now.clone()));
        }
        let earlier: Vec<&Seen> =
            self.devices[at].pages.iter().filter(|(of, _)| *of == place).map(|(_, seen)| seen).collect();
        let stale = pick(&mut self.rng, &earlier).filter(|_| draw(&mut self.rng, 3) == 0).map(|seen| (*seen).clone());
        self.happened.stale += u64::from(stale.as_ref().is_some_and(|stale| *stale != now));
        let Some(value) = (if founding { self.words(at, &place) } else { self.value(at, &place) }) else { return };
        let answered = place.clone();
        let saying = Saying {
            item: (!founding).then_some(place.item),
            kind: place.kind,
            field: place.field,
            value,
            seen: (!founding).then(|| stale.unwrap_or(now)),
        };
        let writer = self.devices[at].writer(&mut self.rng);
        match say::say(&self.devices[at].rows, saying, &writer) {
            Ok(fact) => {
                // The answer to a writer names their own word only, and they may go on with that.
                if draw(&mut self.rng, 2) == 0 {
                    self.devices[at].pages.push((answered, Seen::new(vec![fact.id()])));
                }
                self.devices[at].enter(&self.membership, fact);
            }
            Err(_) => self.happened.refused += 1,
        }
    }

    /// A patched program says something that names whatever it likes: facts that its writer never saw, facts of other
    /// fields, none at all, some that nobody said.
    pub(super) fn say_dishonestly(&mut self, at: usize) {
        let Some((place, false)) = self.topic(at) else { return };
        let mut known: Vec<FactId> = self.devices[at].has.iter().copied().collect();
        super::shuffle(&mut self.rng, &mut known);
        known.truncate(draw(&mut self.rng, 4) as usize);
        if draw(&mut self.rng, 8) == 0 {
            // Of anywhere: it was never told here, or was never said at all.
            let mut id = [0; 32];
            self.rng.fill_bytes(&mut id);
            let everything: Vec<FactId> = self.kept.keys().copied().collect();
            known.push(*pick(&mut self.rng, &everything).unwrap_or(&FactId::from_bytes(id)));
        }
        if draw(&mut self.rng, 40) == 0 {
            known.push(FactId::from_bytes([9; 32]));
        }
        let Some(value) = self.value(at, &place) else { return };
        let writer = self.devices[at].writer(&mut self.rng);
        let fact = Fact::write(Draft {
            household: HOUSEHOLD,
            item: Some(place.item),
            kind: place.kind,
            field: place.field,
            seen: known,
            previous: writer.previous,
            partner: writer.partner,
            device: writer.device,
            date: writer.date,
            nonce: writer.nonce,
            value,
        });
        self.devices[at].enter(&self.membership, fact.expect("a few short words keep to the format"));
        self.happened.dishonest += 1;
    }

    /// What is talked about, and whether that founds an item.
    fn topic(&mut self, at: usize) -> Option<(Place, bool)> {
        let (kind, fields) = *pick(&mut self.rng, &TOPICS)?;
        let known = Kind::named(kind)?;
        if matches!(known.naming, Naming::Keyed { .. }) {
            let (ritual, date) = (self.some_item(at, "ritual")?, pick(&mut self.rng, &DATES)?);
            let item = known.keyed_item(&HOUSEHOLD, &json!({ "ritual": ritual, "date": date }))?;
            let field = pick(&mut self.rng, fields)?;
            return Some((Place { item, kind: kind.into(), field: (*field).into() }, false));
        }
        let Naming::Founded { first } = known.naming else {
            let item = known.natural_item(&HOUSEHOLD, &self.devices[at].partner)?;
            let field = pick(&mut self.rng, fields)?;
            return Some((Place { item, kind: kind.into(), field: (*field).into() }, false));
        };
        let reader = self.reader(at);
        let items = view::items(&self.devices[at].rows, &reader, kind).expect("memory does not fail");
        if items.is_empty() || (items.len() < ITEMS && draw(&mut self.rng, 6) == 0) {
            let item = ItemId::from_bytes([0; 32]);
            return Some((Place { item, kind: kind.into(), field: first.into() }, true));
        }
        let item = pick(&mut self.rng, &items)?.id;
        let field = pick(&mut self.rng, fields)?;
        Some((Place { item, kind: kind.into(), field: (*field).into() }, false))
    }

    pub(super) fn reader(&self, at: usize) -> Reader {
        Reader { household: HOUSEHOLD, partner: self.devices[at].partner }
    }

    /// The token that a page shows now.
    fn page(&self, at: usize, place: &Place) -> Seen {
        let item = view::item(&self.devices[at].rows, &self.reader(at), &place.item).expect("memory does not fail");
        item.and_then(|item| item.fields.get(&place.field).map(|field| field.seen.clone())).unwrap_or_default()
    }

    /// One of the items of a kind that are known on a device.
    fn some_item(&mut self, at: usize, kind: &str) -> Option<ItemId> {
        let items = view::items(&self.devices[at].rows, &self.reader(at), kind).expect("memory does not fail");
        pick(&mut self.rng, &items).map(|item| item.id)
    }

    /// Something of one's own, or what the other says.
    fn value(&mut self, at: usize, place: &Place) -> Option<Value> {
        if draw(&mut self.rng, 3) == 0 {
            let item = view::item(&self.devices[at].rows, &self.reader(at), &place.item).expect("memory does not fail");
            let reading = item.and_then(|item| item.fields.get(&place.field).map(|field| field.reading.clone()));
            let reading = reading.unwrap_or_default();
            let standing: Vec<Value> =
                reading.versions.into_iter().map(|version| version.value).chain(reading.value).collect();
            if let Some(value) = pick(&mut self.rng, &standing) {
                return Some(value.clone());
            }
        }
        self.words(at, place)
    }

    /// Something of one's own; `None` where what it would be about is not there.
    fn words(&mut self, at: usize, place: &Place) -> Option<Value> {
        let link = match (place.kind.as_str(), place.field.as_str()) {
            ("thanks", "value") => "value",
            ("milestone", "goal") => "goal",
            ("occurrence", field) => return self.about_an_occurrence(at, place, field),
            ("ritual", "cadence") => {
                let rule = pick(&mut self.rng, &["FREQ=WEEKLY", "FREQ=DAILY"])?;
                return Some(json!({ "start": "2026-11-22", "zone": "Europe/Zurich", "rule": rule }));
            }
            ("ritual", "paused") => return Some(json!({ "from": pick(&mut self.rng, &DATES)? })),
            ("milestone", "done") => return Some(json!(draw(&mut self.rng, 2) == 0)),
            _ => return Some(words(&mut self.rng, &place.field)),
        };
        Some(json!(self.some_item(at, link)?))
    }

    /// The ritual and the date that name the occurrence are found again among those that there are.
    fn about_an_occurrence(&mut self, at: usize, place: &Place, field: &str) -> Option<Value> {
        let rituals = view::items(&self.devices[at].rows, &self.reader(at), "ritual").expect("memory does not fail");
        let kind = Kind::named("occurrence")?;
        let all = rituals.iter().flat_map(|ritual| DATES.map(|date| json!({ "ritual": ritual.id, "date": date })));
        let mut value = all.into_iter().find(|value| kind.keyed_item(&HOUSEHOLD, value) == Some(place.item))?;
        if draw(&mut self.rng, 14) == 0 {
            return Some(Value::Null);
        }
        match field {
            "mark" => value["is"] = json!(pick(&mut self.rng, &["done", "missed"])),
            "skip" => value["is"] = json!(draw(&mut self.rng, 2) == 0),
            _ => value["to"] = json!(pick(&mut self.rng, &DATES)),
        }
        Some(value)
    }
}

fn words(rng: &mut ChaCha20Rng, field: &str) -> Value {
    if draw(rng, 14) == 0 && field != "title" && field != "what" {
        return Value::Null;
    }
    let of = |words: &[&str], rng: &mut ChaCha20Rng| json!(pick(rng, words));
    match field {
        "state" => of(&["exploring", "agreed", "paused"], rng),
        "until" => of(&["2027-01-01", "2027-02-01", "2027-03-01"], rng),
        "rank" => of(&["a", "b", "c"], rng),
        "draft" => {
            let mut text = Vec::new();
            for (one, other) in [("We rest.", "We rest more."), ("We laugh.", "We sing."), ("We sail.", "We walk.")] {
                match draw(rng, 5) {
                    0 => {}
                    1 => text.push(other),
                    _ => text.push(one),
                }
            }
            json!(text.join(" "))
        }
        _ => of(&["Calm", "Open", "Warm"], rng),
    }
}

fn pick<'a, T>(rng: &mut ChaCha20Rng, from: &'a [T]) -> Option<&'a T> {
    from.get(usize::try_from(rng.next_u32()).ok()?.checked_rem(from.len())?)
}
