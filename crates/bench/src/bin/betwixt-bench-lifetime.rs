//! What a lifetime of facts costs: folding an arriving fact, saying with an old `seen`, what is to settle, an item's history,
//! rebuilding the index, and merging long prose. Nothing here waits for a disk: stores are in memory, encrypted as ever.
//!
//! `cargo run --release -p betwixt-bench --bin betwixt-bench-lifetime -- --help`. It measures; it asserts nothing. Beside
//! the median by the wall clock stands the CPU time, which a busy machine changes less.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "its output is what it is for")]

use std::time::{Duration, Instant};

use anyhow::Context;
use betwixt_model::document::Arrival;
use betwixt_model::document::{Document, DocumentId, Scope, actor_id, arrivals};
use betwixt_model::fact::{Draft, Fact, Nonce, SignedFact};
use betwixt_model::field::Seen;
use betwixt_model::ids::{DeviceId, EpochId, FactId, HouseholdId, ItemId, PartnerId};
use betwixt_model::index::rows::{MemoryRows, ReadRows, WriteRows};
use betwixt_model::index::{self, FieldKey};
use betwixt_model::membership::{Accepted, Membership, Standing};
use betwixt_model::past;
use betwixt_model::prose::{self, Version};
use betwixt_model::say::{self, Saying, Writer};
use betwixt_model::settle;
use betwixt_model::view::{self, Reader};
use betwixt_store::Store;
use betwixt_store::keys::DataKeys;
use betwixt_sync::keys::DeviceKeys;
use betwixt_testkit::lifetime::{Before, Lifetime, Plan};
use betwixt_testkit::vocabulary::Vocabulary;
use clap::Parser;
use comfy_table::Table;
use jiff::civil::date;
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};
use serde_json::json;

/// Measures what a lifetime of facts costs.
#[derive(Parser)]
#[command(name = "betwixt-bench-lifetime")]
struct Arguments {
    /// How many years the life has.
    #[arg(long, default_value_t = 30)]
    years: usize,
    /// How many facts each of them has.
    #[arg(long, default_value_t = 6_000)]
    facts_a_year: usize,
    /// The largest field into which facts are folded.
    #[arg(long, default_value_t = 10_000)]
    field: usize,
    /// Leaves the lives out: only fields and prose.
    #[arg(long)]
    no_life: bool,
    /// Leaves fields and prose out: only the lives.
    #[arg(long)]
    only_life: bool,
    /// Leaves the worst life out, in which nobody looks at what stands before they speak.
    #[arg(long)]
    no_worst: bool,
}

struct Report(Table);

impl Report {
    fn row(&mut self, what: &str, taken: Taken, bound: Option<Duration>) {
        let kept = bound.map_or("-", |bound| if taken.wall <= bound { "yes" } else { "NO" });
        let bound = bound.map_or("-".to_owned(), |bound| format!("{bound:?}"));
        println!("{what}: {:?}, CPU {:?} (bound {bound}: {kept})", taken.wall, taken.cpu);
        self.0.add_row([what, &format!("{:?}", taken.wall), &format!("{:?}", taken.cpu), &bound, kept]);
    }
}

/// The median by the wall clock, and the mean of the thread's CPU time.
#[derive(Debug, Clone, Copy)]
struct Taken {
    wall: Duration,
    cpu: Duration,
}

fn time<T>(times: usize, mut each: impl FnMut(usize) -> anyhow::Result<T>) -> anyhow::Result<Taken> {
    let mut walls = Vec::with_capacity(times);
    let cpu = cpu()?;
    for number in 0..times {
        let begun = Instant::now();
        std::hint::black_box(each(number)?);
        walls.push(begun.elapsed());
    }
    let cpu = (self::cpu()? - cpu) / u32::try_from(times)?;
    walls.sort_unstable();
    Ok(Taken { wall: walls[walls.len() / 2], cpu })
}

/// For how long this thread has run on a CPU.
fn cpu() -> anyhow::Result<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanoseconds = text.split_whitespace().next().context("the kernel does not count CPU time")?;
    Ok(Duration::from_nanos(nanoseconds.parse()?))
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let mut table = Table::new();
    table.set_header(["what", "median", "CPU", "bound", "kept"]);
    let mut report = Report(table);
    if !arguments.only_life {
        fields(&mut report, arguments.field)?;
        prose_merges(&mut report)?;
    }
    if !arguments.no_life {
        lifetime(&mut report, &arguments, Before::Read)?;
        if !arguments.no_worst {
            lifetime(&mut report, &arguments, Before::Taken)?;
        }
    }
    println!("{}", report.0);
    Ok(())
}

/// Two people's devices who change one field.
struct Couple {
    household: HouseholdId,
    membership: Membership,
    devices: [(DeviceKeys, PartnerId, Option<FactId>); 3],
    rng: ChaCha20Rng,
}

/// Who says what having seen what.
#[derive(Debug, Clone, Copy)]
enum Manner {
    /// One after the other, each having seen the last, and never their own before it.
    Turns,
    /// One after the other, each having seen what stands, as the rules for saying ask for. Now and then they agree.
    Standing,
    /// Each goes on with their own word and never names the other's: the field differs all along.
    Apart,
    /// By turns, while the first's second device never sees any of it and now and then says the same again.
    Contradicted,
}

impl Couple {
    fn new() -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(7);
        let keys = [(); 3].map(|()| DeviceKeys::generate(&mut rng));
        let partners = [0, 1, 0].map(|at: usize| PartnerId::founded_by(&keys[at].device()));
        let mut membership = Membership::default();
        for (keys, partner) in keys.iter().zip(partners) {
            membership.set(keys.device(), Standing { partner, accepted: Accepted::Everything });
        }
        let mut partners = partners.into_iter();
        let devices = keys.map(|keys| (keys, partners.next().unwrap_or(PartnerId::from_bytes([0; 32])), None));
        Self { household: HouseholdId::from_bytes([7; 32]), membership, devices, rng }
    }

    fn says(
        &mut self,
        at: usize,
        item: Option<ItemId>,
        field: &str,
        value: &str,
        seen: Vec<FactId>,
    ) -> anyhow::Result<SignedFact> {
        let mut nonce = [0; 16];
        self.rng.fill_bytes(&mut nonce);
        let (keys, partner, previous) = &mut self.devices[at];
        let draft = Draft {
            household: self.household,
            item,
            kind: "goal".into(),
            field: field.to_owned(),
            seen,
            previous: *previous,
            partner: *partner,
            device: keys.device(),
            date: date(2026, 11, 22),
            nonce: Nonce::from_bytes(nonce),
            value: json!(value),
        };
        let signed = Fact::write(draft)?.sign(keys.signing());
        *previous = Some(signed.fact().id());
        Ok(signed)
    }

    /// A field's history of so many facts.
    fn history(&mut self, manner: Manner, field: &str, count: usize) -> anyhow::Result<Vec<SignedFact>> {
        let first = self.says(0, None, "title", "A title", Vec::new())?;
        let item = Some(first.fact().item());
        let mut last: [Option<FactId>; 2] = [None, None];
        let mut facts = vec![first];
        for number in 0..count {
            let at = number % 2;
            let seen = match manner {
                Manner::Apart => last[at].into_iter().collect(),
                Manner::Turns | Manner::Contradicted => last[1 - at].into_iter().collect(),
                Manner::Standing => last.into_iter().flatten().collect(),
            };
            let contradicts = matches!(manner, Manner::Contradicted) && number % 500 == 499;
            let fact = if contradicts {
                self.says(2, item, field, "from the phone", Vec::new())?
            } else {
                // In a field of consent, every tenth word is the other's own.
                let same = matches!(manner, Manner::Standing) && number % 10 == 9;
                let value = format!("Title {}", if same { number - 1 } else { number });
                let fact = self.says(at, item, field, &value, seen)?;
                last[at] = Some(fact.fact().id());
                if matches!(manner, Manner::Turns | Manner::Contradicted) {
                    last[1 - at] = last[at];
                }
                fact
            };
            facts.push(fact);
        }
        Ok(facts)
    }
}

const FOLDS: usize = 100;

fn fields(report: &mut Report, largest: usize) -> anyhow::Result<()> {
    let bound = Some(Duration::from_micros(200));
    let sizes = [1, 10, 100, 1_000, 10_000].into_iter().filter(|size| *size <= largest);
    for size in sizes {
        for (manner, field) in
            [(Manner::Turns, "area"), (Manner::Apart, "area"), (Manner::Standing, "state"), (Manner::Turns, "rank")]
        {
            let mut couple = Couple::new();
            let facts = couple.history(manner, field, size + 2 * FOLDS)?;
            let (before, arriving) = facts.split_at(facts.len() - 2 * FOLDS);
            let (first, second) = arriving.split_at(FOLDS);
            let what = format!("fold one fact into {size} of a field ({field}, {manner:?})");
            let mut rows = MemoryRows::default();
            let ingest = |rows: &mut MemoryRows, facts: &[SignedFact]| {
                index::ingest(rows, &couple.household, &couple.membership, facts.to_vec())
            };
            ingest(&mut rows, before)?;
            let taken = time(FOLDS, |number| Ok(ingest(&mut rows, &first[number..=number])?))?;
            report.row(&format!("{what}, rows in memory"), taken, bound);
            let keys = DataKeys::random(&mut couple.rng);
            let store = Store::in_memory(&keys)?;
            let mut batch = store.begin()?;
            let mut rows = batch.rows(Scope::Ours)?;
            index::ingest(&mut rows, &couple.household, &couple.membership, [before, first].concat())?;
            drop(rows);
            batch.commit()?;
            let mut batch = store.begin()?;
            let mut rows = batch.rows(Scope::Ours)?;
            let taken = time(FOLDS, |number| {
                Ok(index::ingest(&mut rows, &couple.household, &couple.membership, second[number..=number].to_vec())?)
            })?;
            report.row(&format!("{what}, encrypted rows"), taken, bound);
            let item = facts[0].fact().item();
            let reader = Reader { household: couple.household, partner: couple.devices[0].1 };
            let head = view::head(&rows, &reader, &item)?.context("the goal is there")?;
            let taken = time(FOLDS, |_| Ok(view::field(&rows, &reader, &head, field)?))?;
            report.row(&format!("read {field} of {size} facts, {manner:?}"), taken, None);
            if size >= 1_000 && matches!(manner, Manner::Turns) && field == "area" {
                say_with_seen(report, &couple, &mut rows, &facts)?;
            }
        }
    }
    let mut couple = Couple::new();
    let facts = couple.history(Manner::Turns, "state", 1_000.min(largest) + FOLDS)?;
    let (before, arriving) = facts.split_at(facts.len() - FOLDS);
    let mut rows = MemoryRows::default();
    index::ingest(&mut rows, &couple.household, &couple.membership, before.to_vec())?;
    let taken = time(FOLDS, |number| {
        Ok(index::ingest(&mut rows, &couple.household, &couple.membership, vec![arriving[number].clone()])?)
    })?;
    report.row("fold one fact into a field of consent where 1,000 words stand, none ever taken back", taken, None);
    let mut couple = Couple::new();
    let facts = couple.history(Manner::Contradicted, "area", largest.min(2_000))?;
    let mut rows = MemoryRows::default();
    let taken = time(1, |_| {
        for fact in &facts {
            index::ingest(&mut rows, &couple.household, &couple.membership, vec![fact.clone()])?;
        }
        Ok(())
    })?;
    let each = |whole: Duration| whole / u32::try_from(facts.len()).unwrap_or(1);
    let taken = Taken { wall: each(taken.wall), cpu: each(taken.cpu) };
    report.row("fold one fact, mean of 2,000 of which four revive hundreds", taken, None);
    Ok(())
}

/// Saying with the token of now, and with one of long ago.
fn say_with_seen<R: WriteRows>(
    report: &mut Report,
    couple: &Couple,
    rows: &mut R,
    facts: &[SignedFact],
) -> anyhow::Result<()> {
    let item = facts[0].fact().item();
    let key = FieldKey { item, kind: "goal".into(), field: "area".into() };
    let (keys, partner, previous) = &couple.devices[0];
    let now: Vec<FactId> = index::live(rows, &key)?.live().map(|entry| entry.id).collect();
    for (name, seen) in [("the newest", now), ("an old", vec![facts[5].fact().id()])] {
        let taken = time(FOLDS, |number| {
            let writer = Writer {
                household: couple.household,
                partner: *partner,
                device: keys.device(),
                previous: *previous,
                date: date(2026, 11, 22),
                nonce: Nonce::from_bytes([u8::try_from(number)?; 16]),
            };
            let saying = Saying {
                item: Some(item),
                kind: "goal".into(),
                field: "area".into(),
                value: json!(format!("Said {number}")),
                seen: Some(Seen::new(seen.clone())),
            };
            Ok(say::say(rows, saying, &writer)?.sign(keys.signing()))
        })?;
        report.row(&format!("say with {name} `seen` in {} facts (check, write, sign)", facts.len()), taken, None);
    }
    Ok(())
}

fn prose_merges(report: &mut Report) -> anyhow::Result<()> {
    let bound = Some(Duration::from_millis(50));
    let vocabulary = Vocabulary::new(3, 20_000);
    let mut rng = ChaCha20Rng::seed_from_u64(3);
    let mut sentences: Vec<String> = Vec::new();
    let mut length = 0;
    while length < 100_000 {
        let mut sentence = vocabulary.sentence(&mut rng);
        sentence.push(' ');
        length += sentence.len();
        sentences.push(sentence);
    }
    let base = sentences.concat();
    for count in 2..=4 {
        for (name, every) in [("ten sentences changed", sentences.len() / 10), ("every third sentence changed", 3)] {
            let version = |who: usize, rng: &mut ChaCha20Rng| {
                let mut own = sentences.clone();
                for at in (who..own.len()).step_by(every) {
                    own[at] = format!("{} ", vocabulary.sentence(rng));
                }
                own.concat()
            };
            let texts: Vec<String> = (0..count).map(|who| version(who, &mut rng)).collect();
            let versions: Vec<Version<'_, usize>> =
                texts.iter().enumerate().map(|(key, text)| Version { key, text }).collect();
            let taken = time(20, |_| Ok(prose::merge(&[&base], &versions)))?;
            report.row(&format!("merge 100 KB of prose, {count} versions, {name} in each"), taken, bound);
            if count == 2 {
                let taken = time(20, |_| Ok(prose::word_differences(&texts[0], &texts[1]).len()))?;
                report.row(&format!("differences by word of 100 KB, {name}"), taken, bound);
            }
        }
    }
    Ok(())
}

/// Everything of a life of people who read before they speak; of one of people who do not, what is to settle.
fn lifetime(report: &mut Report, arguments: &Arguments, before: Before) -> anyhow::Result<()> {
    let plan = Plan { years: arguments.years, facts_a_year: arguments.facts_a_year, before, ..Plan::default() };
    let whose = match before {
        Before::Read => "",
        Before::Taken => "worst life: ",
    };
    let begun = Instant::now();
    let mut life = Lifetime::of(&plan);
    let latest = life.facts.split_off(life.facts.len() - FOLDS);
    eprintln!("a life of {} facts in {:?}", life.facts.len(), begun.elapsed());
    let begun = Instant::now();
    let documents = documents(&life)?;
    let bytes: usize = documents.iter().map(|(_, saved)| saved.len()).sum();
    eprintln!("{} documents of {bytes} bytes in {:?}", documents.len(), begun.elapsed());

    let mut rng = ChaCha20Rng::seed_from_u64(9);
    let store = Store::in_memory(&DataKeys::random(&mut rng))?;
    let taken = time(1, |_| {
        let mut batch = store.begin()?;
        for (number, (id, saved)) in documents.iter().enumerate() {
            let mut rows = batch.rows(Scope::Ours)?;
            let document = Document::load(*id, saved)?;
            let mut facts = Vec::new();
            for change in document.changes_since(&[]) {
                facts.extend(arrivals(*id, &change).into_iter().filter_map(|arrival| match arrival {
                    Arrival::Fact(fact) => Some(*fact),
                    Arrival::Newer { .. } | Arrival::Refused { .. } => None,
                }));
            }
            index::ingest(&mut rows, &life.household, &life.membership, facts)?;
            eprintln!("{} of {} documents", number + 1, documents.len());
        }
        Ok(batch.commit()?)
    })?;
    let what = format!("{whose}rebuild the index of the lifetime from its documents");
    report.row(&what, taken, Some(Duration::from_secs(30)));

    let view = store.read()?;
    let rows = view.reader().rows(Scope::Ours);
    let reader = Reader { household: life.household, partner: life.partners[0] };
    to_settle(report, whose, &rows, &reader, &life)?;
    if before == Before::Taken {
        return Ok(());
    }
    for item in busiest(&life) {
        histories(report, &rows, &item)?;
    }
    drop(view);
    let mut batch = store.begin()?;
    let mut rows = batch.rows(Scope::Ours)?;
    let taken = time(FOLDS, |number| {
        Ok(index::ingest(&mut rows, &life.household, &life.membership, latest[number..=number].to_vec())?)
    })?;
    report.row("fold one fact more into the lifetime", taken, Some(Duration::from_micros(200)));
    drop(rows);
    let before = resident("VmRSS")?;
    // Lets the kernel count the peak from here on.
    std::fs::write("/proc/self/clear_refs", "5")?;
    let taken = time(1, |_| Ok(index::rebuild(&mut batch.rows(Scope::Ours)?, &life.household, &life.membership)?))?;
    let peak = resident("VmHWM")?.saturating_sub(before);
    let what =
        format!("derive the lifetime's index anew from its own rows (a fork, a removal), {} MB more", peak / 1000);
    report.row(&what, taken, None);
    Ok(())
}

/// How many threads of the list to settle are on one page.
const PAGE: usize = 50;

fn to_settle<R: ReadRows>(
    report: &mut Report,
    whose: &str,
    rows: &R,
    reader: &Reader,
    life: &Lifetime,
) -> anyhow::Result<()>
where
    R::Error: Send + Sync + 'static,
{
    let last = life.facts.last().context("a life has facts")?;
    let today = last.fact().header().date;
    let waits = || settle::waits(rows, reader, today, 2);
    let mut listed = Vec::new();
    let bound = Some(Duration::from_millis(20));
    let first = time(1, |_| {
        listed = waits()?;
        Ok(())
    })?;
    let count = listed.len();
    let fields: usize = listed.iter().map(|waits| waits.fields.len()).sum();
    let what = format!("{whose}what waits, counted and in order ({count} items, {fields} fields)");
    report.row(&format!("{what}, the first time"), first, bound);
    report.row(&what, time(20, |_| Ok(waits()?))?, bound);
    let taken = time(20, |_| {
        let page = waits()?.into_iter().take(PAGE).map(|waits| settle::thread(rows, reader, today, waits));
        Ok(page.collect::<Result<Vec<_>, _>>()?)
    })?;
    report.row(&format!("{whose}the first page of it ({} items)", count.min(PAGE)), taken, bound);
    if let Some(one) = listed.get(count / 2) {
        let taken = time(20, |_| {
            let waits = settle::waits_of(rows, reader, today, 2, &one.item.id)?;
            Ok(waits.map(|waits| settle::thread(rows, reader, today, waits)).transpose()?)
        })?;
        report.row(&format!("{whose}one item that waits"), taken, None);
    }
    let taken = time(5, |_| Ok(settle::threads(rows, reader, today, 2)?))?;
    report.row(&format!("{whose}everything to settle on one page ({count} items)"), taken, None);
    let taken = time(5, |_| Ok(view::differences(rows, reader)?))?;
    report.row(&format!("{whose}every field that waits, without what was said about it ({count} items)"), taken, None);
    Ok(())
}

/// So many kilobytes of memory this process has, or had at most.
fn resident(what: &str) -> anyhow::Result<u64> {
    let text = std::fs::read_to_string("/proc/self/status")?;
    let line = text.lines().find(|line| line.starts_with(what)).context("the kernel does not tell")?;
    Ok(line.split_whitespace().nth(1).context("the kernel tells otherwise")?.parse()?)
}

fn histories<R: ReadRows>(
    report: &mut Report,
    rows: &R,
    (kind, item, count): &(String, ItemId, usize),
) -> anyhow::Result<()>
where
    R::Error: Send + Sync + 'static,
{
    let taken = time(10, |_| Ok(index::history(rows, item)?))?;
    report.row(&format!("history of a {kind} with {count} facts"), taken, Some(Duration::from_millis(50)));
    let taken = time(10, |_| Ok(past::timeline(rows, kind, item)?))?;
    report.row(&format!("timeline of a {kind} with {count} facts, values included"), taken, None);
    Ok(())
}

/// The item of most facts, and the middling one of those with at least ten.
fn busiest(life: &Lifetime) -> Vec<(String, ItemId, usize)> {
    let mut counts: std::collections::BTreeMap<(String, ItemId), usize> = std::collections::BTreeMap::new();
    for fact in &life.facts {
        *counts.entry((fact.fact().header().kind.clone(), fact.fact().item())).or_default() += 1;
    }
    let mut items: Vec<(String, ItemId, usize)> =
        counts.into_iter().filter(|(_, count)| *count >= 10).map(|((kind, item), count)| (kind, item, count)).collect();
    items.sort_by_key(|(_, _, count)| *count);
    let middle = items.get(items.len() / 2).cloned();
    let value = items.iter().rev().find(|(kind, _, _)| kind == "value").cloned();
    items.last().cloned().into_iter().chain(value).chain(middle).collect()
}

/// The documents of a life, as they are saved: a change for everything that one device said on one day.
fn documents(life: &Lifetime) -> anyhow::Result<Vec<(DocumentId, Vec<u8>)>> {
    let mut documents = Vec::new();
    for facts in life.years() {
        let Some(first) = facts.first() else { continue };
        let id = DocumentId { scope: Scope::Ours, year: first.fact().header().date.year(), generation: 0 };
        let mut document = Document::genesis(id);
        let author = |fact: &SignedFact| -> (DeviceId, jiff::civil::Date) {
            (fact.fact().header().device, fact.fact().header().date)
        };
        for said in facts.chunk_by(|left, right| author(left) == author(right)) {
            let actor = actor_id(&author(&said[0]).0, &id, &EpochId::from_bytes([1; 32]));
            document.append(&actor, said)?;
        }
        documents.push((id, document.save()));
    }
    Ok(documents)
}
