//! What must hold at the end of a run.

use std::collections::BTreeSet;

use betwixt_daemon::replica::Replica;
use betwixt_model::document::{Arrival, Document, GENESIS, Scope, arrivals};
use betwixt_model::ids::{FactId, ItemId, PartnerId};
use betwixt_model::index;
use betwixt_model::index::rows::{MemoryRows, ReadRows};
use betwixt_model::ritual::{self, Calendar, Window};
use betwixt_model::schema::{KINDS, Kind, Naming};
use betwixt_model::view::{self, FieldView, ItemView, Reader};
use betwixt_model::{seal, settle};
use jiff::civil::{Date, date};
use serde_json::{Value, json};

use super::{DeviceName, Network};
use crate::oracle::{Fault, Oracle};
use crate::shown::without_sides;

/// The day on which everything is looked at, whatever calendars say.
const TODAY: Date = date(2027, 1, 1);

impl Network {
    /// Nothing is missing anywhere, of what was said or attached, once files that were damaged have been looked at and come again.
    ///
    /// # Panics
    /// When something is, with the seed.
    pub fn assert_nothing_is_missing(&mut self, devices: &[DeviceName]) {
        devices.iter().for_each(|device| self.verify_files(*device));
        self.run_until_files_are_there();
        self.assert_converged();
        self.assert_no_silent_winner();
        self.assert_private_stays_home();
        self.assert_private_files_stay_home();
    }

    /// Every running device holds the same documents and shows the same, byte for byte, when asked on behalf of the same
    /// partner; and both partners are shown the same, apart from mine and yours (SameFactsSameView).
    ///
    /// # Panics
    /// When two devices differ, with the seed.
    pub fn assert_converged(&self) {
        let running = || self.devices.iter().enumerate().filter_map(|(name, device)| Some((name, device.replica()?)));
        let partners: BTreeSet<PartnerId> = self.devices.iter().map(|device| device.partner).collect();
        for (name, replica) in running() {
            let presents = [Scope::Ours, Scope::Mine].map(|scope| replica.present_from(scope));
            assert_eq!(presents, [None; 2], "seed {}: device {name} shows a present still", self.seed);
        }
        let mut all = running();
        let Some((first, reference)) = all.next() else { return };
        for (name, replica) in all {
            let heads = |replica: &Replica| replica.newest_heads(Scope::Ours).expect("heads can be read");
            assert_eq!(
                heads(reference),
                heads(replica),
                "seed {}: devices {first}, {name} hold other changes",
                self.seed
            );
            for partner in &partners {
                let (left, right) = (rendered(reference, *partner), rendered(replica, *partner));
                assert_eq!(
                    left, right,
                    "seed {}: devices {first} and {name} show {partner:?} different things",
                    self.seed
                );
            }
        }
        for partner in &partners {
            let mut own = running().filter(|(name, _)| self.devices[*name].partner == *partner);
            let Some((first, reference)) = own.next() else { continue };
            for (name, replica) in own {
                let heads = |replica: &Replica| replica.newest_heads(Scope::Mine).expect("heads can be read");
                assert_eq!(
                    heads(reference),
                    heads(replica),
                    "seed {}: devices {first}, {name} of one partner hold other private changes",
                    self.seed
                );
            }
        }
        let sides: BTreeSet<String> = partners
            .iter()
            .map(|partner| {
                let mut items = shown_items(reference, *partner);
                without_sides(&mut items);
                items.to_string()
            })
            .collect();
        assert!(sides.len() <= 1, "seed {}: the partners are shown different things", self.seed);
        // An index that is built from the documents shows what the one does that grew with what was said and came.
        let anew = from_documents(reference);
        for partner in partners {
            let Some(Reader { household, .. }) = reference.reader(Scope::Ours) else { continue };
            let built = items_of(&anew, &Reader { household, partner }, &reference.partners());
            let grown = shown_items(reference, partner);
            assert_eq!(built, grown, "seed {}: an index built from the documents shows something else", self.seed);
        }
    }

    /// NoSilentWinner, on every running device, and that every acknowledged fact is in its history (DurableBeforeTold,
    /// NothingDeleted). Asked of devices that have converged, it holds for everything that was ever said.
    ///
    /// # Panics
    /// With every fault and the seed.
    pub fn assert_no_silent_winner(&self) {
        let oracle = self.oracle.after_chapters();
        for (name, device) in self.devices.iter().enumerate() {
            let Some(replica) = device.replica() else { continue };
            let faults = faults(&oracle, replica);
            self.survived.judged(oracle.len(), faults.len());
            let words: Vec<String> = faults.iter().map(Fault::to_string).collect();
            assert!(faults.is_empty(), "seed {}, device {name}:\n{}", self.seed, words.join("\n"));
        }
    }

    /// How many facts were acknowledged.
    pub fn acknowledged(&self) -> usize {
        self.oracle.len()
    }

    /// What a device shows of everything shared, as its own partner sees it; `None` while it is down.
    pub fn shows(&self, device: DeviceName) -> Option<Value> {
        let device = &self.devices[device.0];
        let text = rendered(device.replica()?, device.partner);
        Some(serde_json::from_str(&text).expect("views render as JSON"))
    }
}

fn faults(oracle: &Oracle, replica: &Replica) -> Vec<Fault> {
    let view = replica.read().expect("the store is open");
    let rows = view.reader().rows(Scope::Ours);
    let here = oracle.here(&oracle.facts(), BTreeSet::new());
    let mut faults = Vec::new();
    let partner = replica.identity().partner();
    let mut last: Option<Whole> = None;
    // By item: each is read once.
    for place in oracle.places() {
        if last.as_ref().is_none_or(|last| last.item != place.item) {
            last = Some(Whole::read(replica, &rows, place.item));
        }
        let Some(whole) = &last else { continue };
        for id in oracle.said_in(&place) {
            let stored = index::fact(&rows, &id).expect("the index can be read");
            let same = stored.is_some_and(|stored| stored.fact().value() == oracle.value(&id));
            if !same || !whole.history.contains(&id) {
                faults.push(Fault::NotInHistory(id));
            }
        }
        // What the program keeps for itself is shown nowhere.
        if Kind::named(&place.kind).is_some_and(|kind| matches!(kind.naming, Naming::Internal)) {
            continue;
        }
        match whole.view.as_ref().and_then(|view| view.fields.get(&place.field)) {
            None if oracle.is_said(&place, &here) => faults.push(Fault::Shown(format!("{place:?} is not shown"))),
            None => {}
            Some(field) => faults.extend(oracle.judge_view(&place, &here, partner, field)),
        }
    }
    faults
}

/// An item as a device has it.
struct Whole {
    item: ItemId,
    history: BTreeSet<FactId>,
    view: Option<ItemView>,
}

impl Whole {
    fn read(replica: &Replica, rows: &impl ReadRows, item: ItemId) -> Self {
        let history = index::history(rows, &item).expect("the index can be read");
        let history = history.into_iter().map(|entry| entry.fact).collect();
        let reader = replica.reader(Scope::Ours);
        let view = reader.and_then(|reader| view::item(rows, &reader, &item).expect("the index can be read"));
        Self { item, history, view }
    }
}

/// A field as this device shows it to its partner.
pub(super) fn shown(replica: &Replica, item: &ItemId, field: &str) -> Option<FieldView> {
    let view = replica.read().expect("the store is open");
    let reader = replica.reader(Scope::Ours)?;
    let item = view::item(&view.reader().rows(Scope::Ours), &reader, item).expect("the index can be read")?;
    item.fields.get(field).cloned()
}

/// Everything shared, as JSON, on behalf of a partner.
fn rendered(replica: &Replica, partner: PartnerId) -> String {
    let Some(Reader { household, .. }) = replica.reader(Scope::Ours) else { return String::new() };
    let view = replica.read().expect("the store is open");
    let rows = view.reader().rows(Scope::Ours);
    let reader = Reader { household, partner };
    let differences = view::differences(&rows, &reader).expect("the index can be read");
    let threads = settle::threads(&rows, &reader, TODAY, 2).expect("the index can be read");
    let items = shown_items(replica, partner);
    serde_json::to_string_pretty(&json!({ "items": items, "differences": differences, "to settle": threads }))
        .expect("views render as JSON")
}

fn shown_items(replica: &Replica, partner: PartnerId) -> Value {
    let Some(Reader { household, .. }) = replica.reader(Scope::Ours) else { return Value::Null };
    let reader = Reader { household, partner };
    let view = replica.read().expect("the store is open");
    items_of(&view.reader().rows(Scope::Ours), &reader, &replica.partners())
}

/// An index of all facts in the shared documents, the latest year first.
fn from_documents(replica: &Replica) -> MemoryRows {
    let mut rows = MemoryRows::default();
    let Some(household) = replica.space(Scope::Ours) else { return rows };
    let membership = replica.roster().membership(Scope::Ours);
    let view = replica.read().expect("the store is open");
    let documents = view.reader().documents(Scope::Ours).expect("documents can be read");
    for id in documents.into_keys().rev() {
        let stored = view.reader().document(id).expect("a document can be read").expect("it is listed");
        let document = Document::load(id, &stored.bytes(GENESIS)).expect("what is stored is a document");
        let changes = document.changes_since(&[]);
        let facts = changes.iter().flat_map(|change| arrivals(id, change)).filter_map(|arrival| match arrival {
            Arrival::Fact(fact) => Some(*fact),
            Arrival::Newer { .. } | Arrival::Refused { .. } => None,
        });
        index::ingest(&mut rows, &household, &membership, facts.collect()).expect("memory does not fail");
    }
    rows
}

/// Every item, and what is taken together of several: calendars of rituals, and sealed answers.
fn items_of<R: ReadRows>(rows: &R, reader: &Reader, partners: &[PartnerId]) -> Value {
    let kinds = KINDS.iter().filter(|kind| !matches!(kind.naming, Naming::Internal));
    let mut shown = serde_json::Map::new();
    for kind in kinds {
        let items = view::items(rows, reader, kind.name).expect("the index can be read");
        if kind.name == "ritual" {
            let calendars: Vec<Calendar> =
                items.iter().map(|ritual| calendar(rows, reader, partners, ritual)).collect();
            shown.insert("calendars".to_owned(), json!(calendars));
        }
        shown.insert(kind.name.to_owned(), json!(items));
    }
    let sealed = seal::sessions(rows, reader, partners).expect("the index can be read");
    shown.insert("sealed answers".to_owned(), json!(sealed));
    let statistics = index::statistics(rows).expect("the index can be read");
    shown.insert("statistics".to_owned(), json!(format!("{statistics:?}")));
    Value::Object(shown)
}

/// The days around the turn of the year; every occurrence is in it once (P28).
fn calendar<R: ReadRows>(rows: &R, reader: &Reader, partners: &[PartnerId], ritual: &ItemView) -> Calendar {
    let window = Window { from: date(2026, 12, 1), to: date(2027, 2, 28), zone: None, today: TODAY };
    let calendar = ritual::calendar(rows, reader, partners, ritual, &window).expect("the index can be read");
    let calendar = calendar.expect("three months are a window");
    let dates: BTreeSet<Date> = calendar.occurrences.iter().map(|occurrence| occurrence.date).collect();
    assert_eq!(dates.len(), calendar.occurrences.len(), "an occurrence is there twice: {calendar:?}");
    calendar
}
