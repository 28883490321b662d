//! What simulated people say: few words, so that they often say the same, often differ, and often touch the same field.

use std::time::Duration;

use betwixt_daemon::replica::Replica;
use betwixt_model::document::Scope;
use betwixt_model::ids::ItemId;
use betwixt_model::say::Saying;
use betwixt_model::schema::{self, Kind, Naming, Shape};
use betwixt_model::view;
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};
use serde_json::{Value, json};

use super::device::Input;
use super::said::Said;
use super::{DeviceName, Network, draw};

/// The kinds that are talked about, and the fields of each that are.
const TOPICS: [(&str, &[&str]); 8] = [
    ("vision", &["draft", "wording"]),
    ("value", &["title", "draft", "wording", "rank"]),
    ("goal", &["title", "area", "state", "until", "draft", "wording", "rank"]),
    ("thanks", &["what", "value"]),
    ("ritual", &["title", "meaning", "cadence", "cadence", "paused", "turns", "rank"]),
    ("occurrence", &["mark", "mark", "skip", "moved"]),
    ("milestone", &["goal", "title", "measure", "done"]),
    ("progress", &["milestone", "amount", "note"]),
];

const LINES: [&str; 4] = ["A calm home", "An open home", "Walk together on Sundays", "Learn to sail"];

const SENTENCES: [&str; 6] = [
    "We take time.",
    "We take more time.",
    "We listen before we answer.",
    "We laugh every day.",
    "We keep our promises.",
    "We rest on Sundays.",
];

/// Dates around the turn of the year, most of which some of the rules give.
const DATES: [&str; 5] = ["2026-12-27", "2026-12-30", "2027-01-03", "2027-01-06", "2027-02-01"];

const RULES: [&str; 4] = ["FREQ=WEEKLY;BYDAY=SU", "FREQ=WEEKLY;BYDAY=SU,WE", "FREQ=DAILY", "FREQ=MONTHLY;BYMONTHDAY=1"];

/// The longest that somebody leaves a page open before they say something on it.
const LONGEST_PAGE: u32 = 60_000;

impl Network {
    /// Somebody says something on a device: something new, or about something that is there, with what the field showed at
    /// that moment, or with a page that has been open for a while. Nothing is said on a device that is down.
    pub fn say_anything(&mut self, device: DeviceName) {
        let seed = self.rng.next_u64();
        if draw(&mut self.rng, 3) > 0 {
            let wish = move |replica: &Replica, _: &mut ChaCha20Rng| anything(replica, seed).map(Said::ours);
            self.give(device.0, Input::Say(Box::new(wish)));
            return;
        }
        // The page is read now and said something on later: a stale token.
        let Some(saying) = self.devices[device.0].replica().and_then(|replica| anything(replica, seed)) else { return };
        let wait = Duration::from_millis(u64::from(draw(&mut self.rng, LONGEST_PAGE)));
        self.give_in(wait, device.0, Input::Say(Box::new(move |_, _| Some(Said::ours(saying)))));
    }

    /// Somebody says this in a shared item, with what the field shows on that device now.
    pub fn say(&mut self, device: DeviceName, item: Option<ItemId>, kind: &str, field: &str, value: Value) {
        let (kind, field) = (kind.to_owned(), field.to_owned());
        let wish =
            move |replica: &Replica, _: &mut ChaCha20Rng| Some(Said::ours(fill(replica, item, &kind, &field, value)));
        self.give(device.0, Input::Say(Box::new(wish)));
    }
}

fn anything(replica: &Replica, seed: u64) -> Option<Saying> {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let (kind, fields) = pick(&mut rng, &TOPICS)?;
    let field = pick(&mut rng, fields)?;
    let known = Kind::named(kind)?;
    let reader = replica.reader(Scope::Ours)?;
    let item = match known.naming {
        Naming::Founded { first } => {
            let found = some_item(replica, &mut rng, kind).filter(|_| draw(&mut rng, 8) > 0);
            let Some(found) = found else {
                let value = value(replica, &mut rng, kind, first)?;
                return Some(fill(replica, None, kind, first, value));
            };
            found
        }
        Naming::Keyed { .. } => {
            let value = value(replica, &mut rng, kind, field)?;
            let item = known.keyed_item(&reader.household, &value)?;
            let value = if draw(&mut rng, 8) == 0 { Value::Null } else { value };
            return Some(fill(replica, Some(item), kind, field, value));
        }
        _ => known.natural_item(&reader.household, &reader.partner)?,
    };
    let accepted = (draw(&mut rng, 3) == 0).then(|| another_version(replica, &mut rng, &item, field)).flatten();
    let value = accepted.or_else(|| value(replica, &mut rng, kind, field))?;
    Some(fill(replica, Some(item), kind, field, value))
}

/// A saying with the token that the field shows now.
pub(super) fn fill(replica: &Replica, item: Option<ItemId>, kind: &str, field: &str, value: Value) -> Saying {
    let seen = item.and_then(|item| super::check::shown(replica, &item, field)).map(|field| field.seen);
    Saying { item, kind: kind.to_owned(), field: field.to_owned(), value, seen }
}

/// One of the versions that stand in a field: to say it, too, is to accept it.
fn another_version(replica: &Replica, rng: &mut ChaCha20Rng, item: &ItemId, field: &str) -> Option<Value> {
    let shown = super::check::shown(replica, item, field)?;
    pick(rng, &shown.reading.versions).map(|version| version.value.clone())
}

/// One of the items of a kind that are known.
fn some_item(replica: &Replica, rng: &mut ChaCha20Rng, kind: &str) -> Option<ItemId> {
    let (view, reader) = (replica.read().expect("the store is open"), replica.reader(Scope::Ours)?);
    let items = view::items(&view.reader().rows(Scope::Ours), &reader, kind).expect("the index can be read");
    pick(rng, &items).map(|item| item.id)
}

fn value(replica: &Replica, rng: &mut ChaCha20Rng, kind: &str, field: &str) -> Option<Value> {
    // What every word about an occurrence says first.
    let occurrence = |rng: &mut ChaCha20Rng, name: &str, is: Value| {
        Some(json!({ "ritual": some_item(replica, rng, "ritual")?, "date": pick(rng, &DATES)?, name: is }))
    };
    Some(match schema::field(kind, field)?.shape {
        Shape::Line => json!(pick(rng, &LINES)?),
        Shape::Prose => {
            let sentences = SENTENCES.iter().filter(|_| draw(rng, 2) == 0).copied();
            json!(sentences.collect::<Vec<_>>().join(" "))
        }
        Shape::OneOf(words) => json!(pick(rng, words)?),
        Shape::Date => json!(format!("2027-0{}-01", 1 + draw(rng, 4))),
        Shape::Rank => json!(format!("{}", draw(rng, 6))),
        Shape::Link(to) => json!(some_item(replica, rng, to)?),
        Shape::Flag => json!(draw(rng, 2) == 0),
        Shape::Amount => json!(i64::from(draw(rng, 50)) - 10),
        Shape::Measure => json!({ "type": "count", "target": 1 + draw(rng, 20), "unit": "books" }),
        Shape::Schedule => json!({ "start": "2026-12-20", "zone": "Europe/Zurich", "rule": pick(rng, &RULES)? }),
        Shape::Pause => json!({ "from": pick(rng, &DATES)? }),
        Shape::Turns => {
            let (own, other) = (replica.identity().partner(), replica.roster().other_partner());
            json!({ "first": if draw(rng, 2) == 0 { own } else { other? } })
        }
        Shape::Mark => {
            let is = json!(["done", "missed"][draw(rng, 2) as usize]);
            return occurrence(rng, "is", is);
        }
        Shape::Skip => {
            let is = json!(draw(rng, 2) == 0);
            return occurrence(rng, "is", is);
        }
        Shape::Moved => {
            let to = json!(pick(rng, &DATES)?);
            return occurrence(rng, "to", to);
        }
        _ => return None,
    })
}

pub(super) fn pick<'a, T>(rng: &mut ChaCha20Rng, from: &'a [T]) -> Option<&'a T> {
    from.get(usize::try_from(rng.next_u32()).ok()?.checked_rem(from.len())?)
}
