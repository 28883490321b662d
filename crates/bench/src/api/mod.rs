//! The local API of a real daemon: reading, writing and following at once, and a page out of thirty years.
//!
//! Beside every figure stands what the same HTTP stack takes, in a process of its own, to answer as many constant bytes
//! ([`stack`]), or what the disk takes. Figure and floor are measured in turn.

mod connection;
mod journal;
mod reads;
mod stack;
mod streams;
mod writes;

use std::time::{Duration, Instant};

use anyhow::Context;
use betwixt_api::Collection;
use betwixt_tests::home::{Home, PASSPHRASE, couple_on_loopback, in_step};
use serde_json::json;

pub(crate) use reads::Load;
pub(crate) use stack::serve;

use crate::floor::Disk;
use crate::process;
use crate::samples::Samples;
use connection::Connection;
use stack::{Stack, constant};
use streams::{STREAMS, STUCK, Streams};
use writes::Writer;

/// How many changes the streams are told before they are measured, which fills what is stuck, and how many then.
const CHANGES: usize = 300;

/// What was measured, each beside its floor.
#[derive(Debug, Default)]
pub(crate) struct Measured {
    /// How many bytes an item's answer has.
    pub(crate) bytes: usize,
    pub(crate) reads: Load,
    pub(crate) reads_floor: Load,
    /// Processor time of the daemon for one read, and of the floor's process.
    pub(crate) read_cpu: [Duration; 2],
    pub(crate) one: Load,
    pub(crate) many: Load,
    /// As many bytes as one client's write hands to the file system, made durable.
    pub(crate) syncs: Samples,
    pub(crate) told: Samples,
    pub(crate) told_floor: Samples,
    /// How much more memory the daemon has with all streams open, and told; for one of them.
    pub(crate) stream_bytes: u64,
    pub(crate) entries: i64,
    pub(crate) pages: Samples,
    pub(crate) page_cpu: Duration,
    pub(crate) pages_floor: Samples,
}

/// Measures everything in so many rounds of one second each, with so many years of a journal.
pub(crate) async fn measure(rounds: usize, years: i64) -> anyhow::Result<Measured> {
    let directory = tempfile::tempdir()?;
    let stack = Stack::start(directory.path())?;
    let mut measured = Measured::default();
    let (mut home, mut other) = couple_on_loopback().await?;
    in_step(&home, &other, Duration::from_secs(30)).await?;
    other.down().await?;
    home.down().await?;
    eprintln!("  {years} years of a journal ...");
    let (path, begun) = (home.path().to_owned(), Instant::now());
    measured.entries = tokio::task::spawn_blocking(move || journal::write(&path, PASSPHRASE, years)).await??;
    eprintln!("  {} entries in {:?}", measured.entries, begun.elapsed());
    home.up_and_unlock().await?;
    pages(&mut measured, &home, &stack).await?;
    reading(&mut measured, &home, &stack, rounds).await?;
    writing(&mut measured, &home, directory.path(), rounds).await?;
    following(&mut measured, &home, &stack).await?;
    Ok(measured)
}

/// Every page of the journal, from the first to the last.
async fn pages(measured: &mut Measured, home: &Home, stack: &Stack) -> anyhow::Result<()> {
    let process = home.process().context("the daemon runs")?;
    let mut connection = Connection::to(home.client().socket()).await?;
    let mut constants = Connection::to(stack.socket()).await?;
    let mut path = "/v1/journal?limit=50".to_owned();
    let before = process::cpu(process)?;
    loop {
        let begun = Instant::now();
        let body = connection.get(&path).await?;
        measured.pages.push(begun.elapsed());
        let begun = Instant::now();
        constants.get(&constant(body.len())).await?;
        measured.pages_floor.push(begun.elapsed());
        let page: serde_json::Value = serde_json::from_slice(&body)?;
        let Some(next) = page.get("next").and_then(serde_json::Value::as_str) else { break };
        path = format!("/v1/journal?limit=50&after={next}");
    }
    measured.page_cpu = process::cpu_since(process, &before)? / u32::try_from(measured.pages.len())?;
    Ok(())
}

async fn reading(measured: &mut Measured, home: &Home, stack: &Stack, rounds: usize) -> anyhow::Result<()> {
    let goal = home.create(Collection::Goals, "read", "title", json!("Cycle along the coast")).await?;
    let whys = "To be outside together. We said so in the spring, and it is autumn.";
    home.say(Collection::Goals, &goal.id, "why", json!(whys)).await?;
    home.say(Collection::Goals, &goal.id, "until", json!("2027-09-01")).await?;
    let path = format!("/v1/goals/{}", goal.id);
    let socket = home.client().socket();
    measured.bytes = Connection::to(socket).await?.get(&path).await?.len();
    let process = home.process().context("the daemon runs")?;
    let second = Duration::from_secs(1);
    for _ in 0..rounds {
        let before = process::cpu(stack.process())?;
        measured.reads_floor.add(reads::pool(stack.socket(), &constant(measured.bytes), second).await?);
        measured.read_cpu[1] += process::cpu_since(stack.process(), &before)?;
        let before = process::cpu(process)?;
        measured.reads.add(reads::pool(socket, &path, second).await?);
        measured.read_cpu[0] += process::cpu_since(process, &before)?;
    }
    for (cpu, load) in measured.read_cpu.iter_mut().zip([&measured.reads, &measured.reads_floor]) {
        *cpu /= u32::try_from(load.taken.len().max(1))?;
    }
    Ok(())
}

async fn writing(
    measured: &mut Measured,
    home: &Home,
    directory: &std::path::Path,
    rounds: usize,
) -> anyhow::Result<()> {
    let process = home.process().context("the daemon runs")?;
    let mut many = Vec::new();
    for number in 0..reads::POOL {
        many.push(Writer::new(home, number).await?);
    }
    let mut one = vec![Writer::new(home, reads::POOL).await?];
    let second = Duration::from_secs(1);
    let before = process::written(process)?;
    let warm = writes::all(&mut one, second).await?;
    let bytes = (process::written(process)? - before) / u64::try_from(warm.taken.len().max(1))?;
    let mut disk = Disk::new(directory, bytes.max(4096))?;
    for _ in 0..rounds {
        for _ in 0..100 {
            measured.syncs.push(disk.sync()?);
        }
        measured.one.add(writes::all(&mut one, second).await?);
        measured.many.add(writes::all(&mut many, second).await?);
    }
    Ok(())
}

async fn following(measured: &mut Measured, home: &Home, stack: &Stack) -> anyhow::Result<()> {
    let process = home.process().context("the daemon runs")?;
    let mut writer = Writer::new(home, reads::POOL + 1).await?;
    for _ in 0..2 * CHANGES {
        writer.say().await?;
    }
    let before = process::resident(process)?;
    let mut streams = Streams::open(home.client().socket(), "/v1/events").await?;
    for _ in 0..CHANGES {
        writer.say().await?;
    }
    for _ in 0..CHANGES {
        measured.told.push(streams.tell(writer.say()).await?);
    }
    measured.stream_bytes = process::resident(process)?.saturating_sub(before) / STREAMS as u64;
    drop(streams);
    let mut streams = Streams::open(stack.socket(), "/events").await?;
    let mut teller = Connection::to(stack.socket()).await?;
    for _ in 0..CHANGES {
        teller.get("/tell").await?;
    }
    for _ in 0..CHANGES {
        let telling = async { teller.get("/tell").await.map(drop) };
        measured.told_floor.push(streams.tell(telling).await?);
    }
    Ok(())
}

/// How many streams are read, of how many.
pub(crate) const fn streams() -> (usize, usize) {
    (STREAMS - STUCK, STREAMS)
}
