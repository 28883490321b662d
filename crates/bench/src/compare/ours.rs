//! The same questions, asked of two real daemons.

use std::time::{Duration, Instant};

use anyhow::Context;
use betwixt_api::{Collection, ItemsRequest, Phase, SearchRequest, Secret, UnlockRequest};
use betwixt_model::document::Scope;
use betwixt_model::fact::SignedFact;
use betwixt_testkit::lifetime::Page;
use betwixt_tests::home::{Home, PASSPHRASE, add_device, couple_on_loopback, in_step, introduce};

use super::Options;
use super::column::{Column, Figure, bytes, time};
use super::content::Content;
use super::peers::Peer;
use super::run::directory_bytes;
use super::say::{Said, shrink};
use crate::daemons::Couple;
use crate::floor::{Disk, Echo};
use crate::samples::Samples;
use crate::{process, reconnect, wire};

/// How long what is not measured may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the machine takes for the bytes of an edit, in the same run.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Floor {
    /// Two fdatasync of an edit's bytes and a round trip of UDP; `None` where that was not measured.
    pub(super) edit: Option<Duration>,
}

/// Asks everything. What fails ends the column, and says so in it.
pub(super) async fn measure(life: &Content, decade: Option<&Content>, options: &Options) -> (Column, Floor) {
    let mut column = Column::new(Peer::Betwixt.name(), Peer::Betwixt.means());
    let mut floor = Floor::default();
    if let Err(error) = ask(life, decade, options, &mut column, &mut floor).await {
        column.ended = Some(format!("{error:#}"));
    }
    (column, floor)
}

async fn ask(
    life: &Content,
    decade: Option<&Content>,
    options: &Options,
    column: &mut Column,
    floor: &mut Floor,
) -> anyhow::Result<()> {
    let (mut first, mut second) = couple_on_loopback().await?;
    let mut said = fill(&mut first, &mut second, life).await?;
    settle(&mut first, life, options).await.context("building the search index")?;
    column.bytes(Figure::Disk, directory_bytes(first.path())?);
    starts(&mut first, column).await.context("a cold start")?;
    search(&first, life, options, column).await.context("searching")?;

    second.up_and_unlock().await?;
    in_step(&first, &second, options.patience).await?;
    let last = life.before.iter().rev().find(|(page, fact)| *page == Page::Shared && is_goal(fact));
    let last = last.and_then(|(_, fact)| said.item(fact)).context("a life has goals")?.to_owned();
    new_device(&first, &last, options, column).await.context("a new device")?;

    let mut couple = Couple::of(first, second).await?;
    edits(&mut couple, options, column, floor).await.context("edits")?;
    column.words(Figure::Saved, "the same: readable there is durable on both", column.cells[&Figure::Visible].number);
    let processes = [&couple.first, &couple.second].map(Home::process);
    let mut resident = processes.into_iter().flatten().map(process::resident);
    column.bytes(Figure::Memory, resident.try_fold(0, |most, one| anyhow::Ok(most.max(one?)))?);
    in_memory(options, column).await?;

    let Couple { first, second, .. } = couple;
    let (first, second) = wire::lesser_last(first, second).await?;
    let relay = wire::between(&first, &second).await?;
    let frames = reconnect::measure(life.years)?;
    let met = wire::meet_again(&first, &second, &relay, options.meetings).await?;
    let (trips, wire) = (frames.round_trips, bytes(met.bytes));
    let words = format!("{} of frames, {trips} round trip; {wire} with QUIC's handshake", bytes(frames.bytes as u64));
    column.words(Figure::Reconnect, words, Some(frames.bytes as f64));
    column.spread(Figure::ReconnectTime, &met.taken);

    let apart = match decade {
        None => month(first, second, relay, life, &mut said, options, column).await,
        Some(decade) => {
            drop((first, second, relay));
            let (mut first, mut second) = couple_on_loopback().await?;
            let mut said = fill(&mut first, &mut second, decade).await?;
            first.up_and_unlock().await?;
            second.up_and_unlock().await?;
            in_step(&first, &second, options.patience).await?;
            let (first, second) = wire::lesser_last(first, second).await?;
            let relay = wire::between(&first, &second).await?;
            month(first, second, relay, decade, &mut said, options, column).await
        }
    };
    apart.context("a month apart")
}

fn is_goal(fact: &SignedFact) -> bool {
    fact.fact().header().kind == "goal" && fact.fact().header().item.is_none()
}

/// The first home holds the life, and both daemons are down.
async fn fill(first: &mut Home, second: &mut Home, life: &Content) -> anyhow::Result<Said> {
    in_step(first, second, PATIENCE).await?;
    second.down_within(PATIENCE).await?;
    first.down_within(PATIENCE).await?;
    let mut said = Said::default();
    let facts = life.before.iter().map(|(page, fact)| {
        let scope = if *page == Page::Shared { Scope::Ours } else { Scope::Mine };
        (scope, fact)
    });
    said.say(first.path(), PASSPHRASE, facts).context("the life is not said")?;
    shrink(first.path(), PASSPHRASE).context("the file is not written anew")?;
    Ok(said)
}

/// A first start, which builds the index of all texts, and a clean stop.
async fn settle(home: &mut Home, life: &Content, options: &Options) -> anyhow::Result<()> {
    home.up_and_unlock().await?;
    built(home, life, options).await?;
    home.down_within(PATIENCE).await?;
    Ok(())
}

/// Waits until everything can be found: the index is built beside everything else.
async fn built(home: &Home, life: &Content, options: &Options) -> anyhow::Result<()> {
    let request = SearchRequest { words: life.word.clone(), ..SearchRequest::default() };
    let begun = Instant::now();
    while !home.client().search(&request).await?.complete || home.client().status().await?.indexing.is_some() {
        anyhow::ensure!(begun.elapsed() < options.patience, "the search index is not built");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

/// From nothing to the first page of an answer, unlocking apart.
async fn starts(home: &mut Home, column: &mut Column) -> anyhow::Result<()> {
    for figure in [Figure::Cold, Figure::ColdKilled] {
        let begun = Instant::now();
        let status = home.up().await?;
        let up = begun.elapsed();
        let begun = Instant::now();
        if status.phase != Phase::Open || status.private_locked {
            home.client().unlock(&UnlockRequest { passphrase: Secret::from(PASSPHRASE.to_owned()) }).await?;
        }
        let unlocked = begun.elapsed();
        let begun = Instant::now();
        home.client().items_page(Collection::Journal, &ItemsRequest::default()).await?;
        let taken = up + begun.elapsed();
        let shown = format!("{} (and {} to unlock)", time(taken), time(unlocked));
        column.words(figure, shown, Some(taken.as_secs_f64() * 1e3));
        if figure == Figure::Cold {
            home.kill()?;
        }
    }
    Ok(())
}

/// Twice, once the index has taken everything in.
async fn search(home: &Home, life: &Content, options: &Options, column: &mut Column) -> anyhow::Result<()> {
    built(home, life, options).await?;
    let request = SearchRequest { words: life.word.clone(), ..SearchRequest::default() };
    let mut taken = [Duration::ZERO; 2];
    for taken in &mut taken {
        let begun = Instant::now();
        let found = home.client().search(&request).await?;
        *taken = begun.elapsed();
        anyhow::ensure!(!found.items.is_empty(), "a word that was said is not found");
    }
    let shown = format!("{}, {}", time(taken[0]), time(taken[1]));
    column.words(Figure::Search, shown, Some(taken[0].as_secs_f64() * 1e3));
    Ok(())
}

/// A second device of the first person: from the pairing's yes until the present can be read, and until it has all.
async fn new_device(first: &Home, last: &str, options: &Options, column: &mut Column) -> anyhow::Result<()> {
    let mut new = Home::on_loopback()?;
    new.found("Robin").await?;
    let begun = Instant::now();
    add_device(first, &new).await?;
    introduce(&new, first).await?;
    while new.client().item(Collection::Goals, last).await.is_err() {
        anyhow::ensure!(begun.elapsed() < options.patience, "the new device does not get the present");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    column.time(Figure::NewPresent, begun.elapsed());
    in_step(first, &new, options.patience).await?;
    column.time(Figure::NewAll, begun.elapsed());
    new.down_within(PATIENCE).await?;
    Ok(())
}

async fn edits(couple: &mut Couple, options: &Options, column: &mut Column, floor: &mut Floor) -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let writer = couple.first.process().context("the daemon runs")?;
    couple.part().await?;
    let before = process::written(writer)?;
    for _ in 0..options.edits {
        couple.edit().await?;
    }
    let bytes = ((process::written(writer)? - before) / options.edits.max(1) as u64).max(4096);
    let (mut disk, echo) = (Disk::new(directory.path(), bytes)?, Echo::new()?);
    couple.meet().await?;
    let mut events = couple.second.client().events(None, false).await?;
    let (mut visible, mut syncs, mut trips) = (Samples::default(), Samples::default(), Samples::default());
    for _ in 0..options.edits {
        syncs.push(disk.sync()?);
        trips.push(echo.round_trip()?);
        visible.push(couple.edit_until_visible(&mut events).await?);
    }
    floor.edit = Some(2 * syncs.median() + trips.median());
    column.spread(Figure::Visible, &visible);
    Ok(())
}

/// The same with homes in memory, where an fdatasync does nothing: in a process of its own, whose directories lie there.
async fn in_memory(options: &Options, column: &mut Column) -> anyhow::Result<()> {
    const MEMORY: &str = "/dev/shm";
    if !std::path::Path::new(MEMORY).is_dir() {
        column.words(Figure::InMemory, "no file system in memory here", None);
        return Ok(());
    }
    let mut command = tokio::process::Command::new(std::env::current_exe()?);
    command.args(["edits", &options.edits.to_string()]).env("TMPDIR", MEMORY).kill_on_drop(true);
    let output = command.output().await?;
    anyhow::ensure!(output.status.success(), "edits in memory: {}", crate::peers::npm::last_words(&output));
    let taken: Vec<u64> = serde_json::from_slice(&output.stdout)?;
    column.spread(Figure::InMemory, &taken.into_iter().map(Duration::from_nanos).collect());
    Ok(())
}

/// Edits between two daemons until they are readable there, in nanoseconds.
pub(super) async fn print_edits(edits: usize) -> anyhow::Result<Vec<u64>> {
    let mut couple = Couple::new().await?;
    let mut events = couple.second.client().events(None, false).await?;
    let mut taken = Vec::new();
    for _ in 0..edits {
        taken.push(u64::try_from(couple.edit_until_visible(&mut events).await?.as_nanos())?);
    }
    Ok(taken)
}

/// Both say things apart while the other cannot be reached, and meet.
async fn month(
    mut first: Home,
    mut second: Home,
    relay: crate::relay::Relay,
    content: &Content,
    said: &mut Said,
    options: &Options,
    column: &mut Column,
) -> anyhow::Result<()> {
    for home in [&first, &second] {
        home.client().pause().await?;
    }
    first.down_within(PATIENCE).await?;
    second.down_within(PATIENCE).await?;
    for (home, month) in [&first, &second].into_iter().zip(&content.apart) {
        let facts = month.iter().map(|fact| (Scope::Ours, fact));
        said.say(home.path(), PASSPHRASE, facts).context("the month is not said")?;
    }
    first.up_and_unlock().await?;
    second.up_and_unlock().await?;
    first.client().resume().await?;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    relay.take();
    let begun = Instant::now();
    second.client().resume().await?;
    in_step(&first, &second, options.patience).await?;
    column.time(Figure::MonthTime, begun.elapsed());
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    column.bytes(Figure::MonthBytes, relay.take().1);
    Ok(())
}
