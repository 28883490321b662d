//! Two homes of a life, and what a day brings there.

use std::path::Path;

use betwixt_daemon::replica::Replica;
use betwixt_model::document::{DocumentId, Scope};
use betwixt_model::ids::ItemId;
use betwixt_model::index::{self, Window};
use betwixt_model::say::Saying;
use betwixt_model::schema::Kind;
use betwixt_model::view;
use betwixt_store::disk::MemoryDisk;
use betwixt_store::keys::DataKeys;
use betwixt_store::{Store, StoreOptions};
use betwixt_testkit::lifetime::{Lifetime, Plan};
use jiff::civil::{Date, date};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use serde_json::{Value, json};

use crate::meeting::Meeting;

/// How much is said in a year of these lives: what is flat is flat with little, and both have to be made before they are counted.
const FACTS_A_YEAR: usize = 150;

/// The first year.
const BEGIN: i16 = 2027;

/// How much each says while they are apart for a month.
const APART: usize = 15;

/// How many items a page shows.
const PAGE: usize = 5;

/// What is counted, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    /// Opening what lives in a store.
    Opening,
    /// Reading the last year's document into memory.
    Year,
    /// Saying something new, once the year's document is there.
    Saying,
    /// Saying something in a field that was worked on from the beginning.
    Rewording,
    /// Reading that item.
    Item,
    /// The first page of a list.
    Page,
    /// What pictures are drawn from.
    Statistics,
    /// Two meet, and nothing is new.
    NothingNew,
    /// Two meet after each has said things for a month.
    AMonthApart,
}

impl Operation {
    pub(crate) const ALL: [Self; 9] = [
        Self::Opening,
        Self::Year,
        Self::Saying,
        Self::Rewording,
        Self::Item,
        Self::Page,
        Self::Statistics,
        Self::NothingNew,
        Self::AMonthApart,
    ];

    pub(crate) fn name(self) -> String {
        format!("{self:?}")
    }
}

fn keys(who: usize) -> DataKeys {
    DataKeys::random(&mut ChaCha20Rng::seed_from_u64(who as u64))
}

fn path(directory: &Path, who: usize) -> std::path::PathBuf {
    directory.join(format!("home{who}"))
}

/// Writes both homes of a life of so many years.
pub(crate) fn write(directory: &Path, years: usize) {
    // They end in the same year, so that dates are the same afterwards.
    let begin = BEGIN + 10 - i16::try_from(years).expect("a few years");
    let plan = Plan { years, begin, facts_a_year: FACTS_A_YEAR, words: 500, ..Plan::default() };
    let life = Lifetime::of(&plan);
    for who in 0..2 {
        let disk = MemoryDisk::new();
        let store = Store::create(disk.clone(), &keys(who), StoreOptions::default()).expect("memory takes a store");
        drop(life.write_into(who, store).expect("is written"));
        std::fs::write(path(directory, who), disk.bytes()).expect("is written");
    }
}

/// The two homes, open.
pub(crate) struct Pair {
    stores: Vec<Store>,
    homes: Vec<Home>,
    meeting: Option<Meeting>,
    seen: usize,
}

pub(crate) struct Home {
    pub(crate) replica: Replica,
    rng: ChaCha20Rng,
    said: usize,
}

/// The day on which everything here is said, in the last year that there is.
const TODAY: Date = date(BEGIN + 9, 12, 31);

impl Pair {
    pub(crate) fn open(directory: &Path) -> Self {
        let store = |who: usize| {
            let disk = MemoryDisk::with_bytes(std::fs::read(path(directory, who)).expect("is there"));
            Store::open(disk, &keys(who), StoreOptions { check: false, ..StoreOptions::default() }).expect("opens")
        };
        Self { stores: vec![store(0), store(1)], homes: Vec::new(), meeting: None, seen: 0 }
    }

    fn begin(&mut self) {
        let homes = self.stores.drain(..).enumerate();
        self.homes = homes
            .map(|(who, store)| {
                let replica = Replica::open(store).expect("is a replica");
                Home { replica, rng: ChaCha20Rng::seed_from_u64(who as u64), said: 0 }
            })
            .collect();
    }

    /// What has to be before an operation, and is not counted.
    pub(crate) fn prepare(&mut self, operation: Operation) {
        match operation {
            Operation::Saying => self.homes[0].says_something(),
            Operation::Rewording => self.homes[0].rewords(),
            Operation::NothingNew => {
                let [one, other] = self.homes.as_mut_slice() else { panic!("there are two") };
                let meeting = self.meeting.insert(Meeting::of([&one.replica, &other.replica]));
                meeting.meet([&mut one.replica, &mut other.replica]);
                meeting.part([&mut one.replica, &mut other.replica]);
            }
            Operation::AMonthApart => {
                let [one, other] = self.homes.as_mut_slice() else { panic!("there are two") };
                self.meeting.as_mut().expect("they have met").part([&mut one.replica, &mut other.replica]);
                for home in &mut self.homes {
                    (0..APART).for_each(|_| home.says_something());
                }
            }
            _ => {}
        }
    }

    pub(crate) fn perform(&mut self, operation: Operation) {
        match operation {
            Operation::Opening => self.begin(),
            Operation::Year => {
                let year = DocumentId { scope: Scope::Ours, year: TODAY.year(), generation: 0 };
                let document = self.homes[0].replica.durable_document(year).expect("reads").expect("no stage is open");
                self.seen = document.heads().len();
            }
            Operation::Saying => self.homes[0].says_something(),
            Operation::Rewording => self.homes[0].rewords(),
            Operation::Item => self.seen = self.homes[0].reads_the_vision(),
            Operation::Page => self.seen = self.homes[0].reads_a_page(),
            Operation::Statistics => self.seen = self.homes[0].counts(),
            Operation::NothingNew | Operation::AMonthApart => {
                let [one, other] = self.homes.as_mut_slice() else { panic!("there are two") };
                let meeting = self.meeting.as_mut().expect("they have met");
                meeting.meet([&mut one.replica, &mut other.replica]);
            }
        }
    }

    /// That something was done, so that its price is that of doing it.
    pub(crate) fn check(&self, operation: Operation) {
        match operation {
            Operation::Page => assert_eq!(self.seen, PAGE),
            Operation::Year | Operation::Item | Operation::Statistics => assert!(self.seen > 0, "{operation:?}"),
            Operation::NothingNew | Operation::AMonthApart => {
                let heads = |home: &Home| home.replica.newest_heads(Scope::Ours).expect("reads");
                assert_eq!(heads(&self.homes[0]), heads(&self.homes[1]));
            }
            Operation::Opening | Operation::Saying | Operation::Rewording => {}
        }
    }
}

impl Home {
    fn say(&mut self, saying: Saying) {
        let mut stage = self.replica.begin().expect("begins");
        let said = self.replica.act(&mut stage, Scope::Ours, TODAY, &mut self.rng, |act| act.say(saying));
        said.expect("is said");
        stage.commit().expect("memory does not fail");
        self.replica.committed().expect("goes on");
        self.said += 1;
    }

    fn says_something(&mut self) {
        let value = json!(format!("You carried the box up all the stairs, number {}.", self.said));
        self.say(Saying { item: None, kind: "thanks".into(), field: "what".into(), value, seen: None });
    }

    fn vision(&self) -> ItemId {
        let reader = self.replica.reader(Scope::Ours).expect("they are paired");
        let kind = Kind::named("vision").expect("is a kind");
        kind.natural_item(&reader.household, &reader.partner).expect("there is one")
    }

    fn rewords(&mut self) {
        let (item, draft) = (self.vision(), self.draft());
        let text = draft.reading.value.as_ref().and_then(Value::as_str).unwrap_or_default();
        let value = json!(format!("{text} We take time, {} times a week.", self.said));
        self.say(Saying {
            item: Some(item),
            kind: "vision".into(),
            field: "draft".into(),
            value,
            seen: Some(draft.seen),
        });
    }

    fn draft(&self) -> view::FieldView {
        let reader = self.replica.reader(Scope::Ours).expect("they are paired");
        let view = self.replica.read().expect("reads");
        let item = view::item(&view.reader().rows(Scope::Ours), &reader, &self.vision()).expect("reads");
        item.and_then(|mut item| item.fields.remove("draft")).expect("there is a vision")
    }

    fn reads_the_vision(&self) -> usize {
        self.draft().reading.value.as_ref().and_then(Value::as_str).map_or(1, str::len)
    }

    fn reads_a_page(&self) -> usize {
        let reader = self.replica.reader(Scope::Ours).expect("they are paired");
        let view = self.replica.read().expect("reads");
        let window = Window { latest_first: true, ..Window::default() };
        view::page(&view.reader().rows(Scope::Ours), &reader, "thanks", &window, PAGE).expect("reads").items.len()
    }

    fn counts(&self) -> usize {
        let view = self.replica.read().expect("reads");
        index::statistics(&view.reader().rows(Scope::Ours)).expect("reads").len()
    }
}
