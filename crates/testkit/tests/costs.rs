//! What use costs, counted and not timed: the bytes that a store reads and writes. After ten years everything that a day brings
//! costs what it cost after one, or nearly: the file's tree is a level deeper, perhaps. A change that makes something read what it need
//! not shows here on any machine, busy or not.

#![allow(clippy::print_stdout, reason = "what was counted, for whoever looks")]

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use betwixt_daemon::replica::Replica;
use betwixt_model::document::Scope;
use betwixt_model::index;
use betwixt_model::say::Saying;
use betwixt_store::disk::{Disk, MemoryDisk};
use betwixt_store::keys::DataKeys;
use betwixt_store::{Store, StoreOptions};
use betwixt_testkit::lifetime::{Lifetime, Plan};
use jiff::civil::date;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use redb::StorageBackend;
use serde_json::json;

/// How many times as much something may cost after ten years as after one.
const FLAT: f64 = 1.6;

/// A disk that counts what is read from it and written to it.
#[derive(Debug, Clone, Default)]
struct CountedDisk {
    disk: MemoryDisk,
    read: Arc<AtomicU64>,
    written: Arc<AtomicU64>,
}

impl CountedDisk {
    /// The bytes read and written since this was asked last.
    fn take(&self) -> [u64; 2] {
        [&self.read, &self.written].map(|count| count.swap(0, Ordering::Relaxed))
    }
}

impl Disk for CountedDisk {
    fn open(&self, _create: bool) -> io::Result<Box<dyn StorageBackend>> {
        Ok(Box::new(self.clone()))
    }
}

impl StorageBackend for CountedDisk {
    fn len(&self) -> io::Result<u64> {
        self.disk.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.read.fetch_add(out.len() as u64, Ordering::Relaxed);
        self.disk.read(offset, out)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.disk.set_len(length)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.disk.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.written.fetch_add(data.len() as u64, Ordering::Relaxed);
        self.disk.write(offset, data)
    }
}

/// Bytes read and written.
type Bytes = [u64; 2];

/// What a home costs after so many years.
#[derive(Debug, Clone, Copy)]
struct Costs {
    /// Opening the store, after it was closed in order.
    opening: Bytes,
    /// Opening what lives in it.
    beginning: Bytes,
    /// Saying something new, the mean of several; the year's document is loaded by then.
    saying: Bytes,
    /// What sessions speak of: the newest heads of every year.
    heads: Bytes,
    /// Reading one fact of any year, the mean of several.
    fact: Bytes,
}

/// `is_packed`: the file was written anew since, which packs the rows of the index.
fn after(years: usize, is_packed: bool) -> Costs {
    let life = Lifetime::of(&Plan { years, facts_a_year: 300, words: 500, ..Plan::default() });
    let mut disk = CountedDisk::default();
    let keys = DataKeys::random(&mut ChaCha20Rng::seed_from_u64(1));
    // As good as no cache, so that every page that is needed is read.
    let options = StoreOptions { cache: 64 << 10, check: false, ..StoreOptions::default() };
    let store = Store::create(disk.clone(), &keys, options.clone()).expect("a disk in memory does not fail");
    drop(life.write_into(0, store.clone()).expect("is written"));
    if is_packed {
        let anew = CountedDisk::default();
        store.copy_to(anew.clone(), &keys).expect("is written anew");
        disk = anew;
    }
    drop(store);
    disk.take();
    let store = Store::open(disk.clone(), &keys, options).expect("opens");
    let opening = disk.take();
    let mut replica = Replica::open(store).expect("is a replica");
    let beginning = disk.take();
    let newest = replica.newest_heads(Scope::Ours).expect("reads");
    assert_eq!(newest.len(), years);
    let heads = disk.take();
    let view = replica.read().expect("reads");
    let (rows, sample) = (view.reader().rows(Scope::Ours), life.facts.len() / 100);
    let mut facts = 0;
    for fact in life.facts.iter().step_by(sample) {
        facts += u64::from(index::fact(&rows, &fact.fact().id()).expect("reads").is_some());
    }
    assert!(facts > 50, "what is shared, of {}", life.facts.len());
    let fact = disk.take().map(|bytes| bytes / facts);
    drop(view);
    let mut rng = ChaCha20Rng::seed_from_u64(2);
    let last = life.facts.last().expect("a life has facts").fact().header().date;
    let mut say = |replica: &mut Replica, number: u32| {
        let mut stage = replica.begin().expect("begins");
        let (kind, field) = ("goal".into(), "title".into());
        let value = json!(format!("Walk around lake number {number}"));
        let saying = Saying { item: None, kind, field, value, seen: None };
        let date = date(last.year(), 12, 31);
        replica.act(&mut stage, Scope::Ours, date, &mut rng, |act| act.say(saying)).expect("is said");
        stage.commit().expect("is durable");
        replica.committed().expect("goes on");
    };
    say(&mut replica, 0);
    disk.take();
    let times: u32 = 20;
    (1..=times).for_each(|number| say(&mut replica, number));
    let saying = disk.take().map(|bytes| bytes / u64::from(times));
    Costs { opening, beginning, saying, heads, fact }
}

#[test]
fn what_a_day_brings_costs_after_ten_years_what_it_cost_after_one() {
    for is_packed in [false, true] {
        assert_flat(after(1, is_packed), after(10, is_packed), is_packed);
    }
}

fn assert_flat(one: Costs, ten: Costs, is_packed: bool) {
    println!("packed {is_packed}: after a year {one:?}, after ten {ten:?}");
    let mut flat = vec![
        ("beginning", one.beginning, ten.beginning),
        ("saying", one.saying, ten.saying),
        ("a fact", one.fact, ten.fact),
    ];
    if !cfg!(debug_assertions) {
        // With its own assertions redb walks through the whole file on opening it.
        flat.push(("opening", one.opening, ten.opening));
    }
    for (what, one, ten) in flat {
        for (which, one, ten) in [("reads", one[0], ten[0]), ("writes", one[1], ten[1])] {
            // Of a few pages one more or less says nothing.
            let bound = one as f64 * FLAT + 16_384.0;
            assert!(ten as f64 <= bound, "{what} {which} {ten} bytes after ten years, and {one} after one");
        }
    }
    // A row a year: in ten years a page or two.
    assert!(ten.heads[0] <= one.heads[0] + 16_384, "{:?} and {:?}", one.heads, ten.heads);
}
