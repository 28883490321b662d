//! What is asked of a peer that is a process behind [`Side`], one question after the other.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::Options;
use super::column::{Column, Figure, time};
use super::content::{Content, Entries};
use super::peers::{Installed, Peer, Side};
use super::relay::Relay;
use crate::process;
use crate::samples::Samples;

/// For how long nothing happens before something is measured.
const REST: Duration = Duration::from_millis(1_500);

/// How many edits come before those that are measured.
const WARM: usize = 5;

/// Asks a peer everything. What fails ends its column, and says so in it.
pub(super) async fn measure(peer: Peer, life: &Content, decade: Option<&Content>, options: &Options) -> Column {
    let mut column = Column::new(peer.name(), peer.means());
    if let Err(error) = ask(peer, life, decade, options, &mut column).await {
        column.ended = Some(format!("{error:#}"));
    }
    column
}

async fn ask(
    peer: Peer,
    life: &Content,
    decade: Option<&Content>,
    options: &Options,
    column: &mut Column,
) -> anyhow::Result<()> {
    let mut couple = match Couple::of(peer, options.patience).await? {
        Ok(couple) => couple,
        Err(why) => {
            column.ended = Some(format!("skipped: {why}"));
            return Ok(());
        }
    };
    let patience = options.patience;
    couple.load(life).await.with_context(|| format!("taking {} in", super::column::years(life.years)))?;
    column.bytes(Figure::Disk, directory_bytes(&couple.path(0))?);
    let begun = Instant::now();
    let mut first = couple.installed.start(&couple.path(0)).await?;
    first.ask("read", json!({}), patience).await?;
    column.time(Figure::Cold, begun.elapsed());
    // samod that was killed moments after it had loaded a document lacked that document from then on.
    tokio::time::sleep(REST).await;
    drop(first);
    // Killed by that; what it had locked is free a moment later.
    tokio::time::sleep(REST).await;
    let begun = Instant::now();
    let mut first = couple.installed.start(&couple.path(0)).await?;
    first.ask("read", json!({}), patience).await?;
    column.time(Figure::ColdKilled, begun.elapsed());
    let search = [searched(&mut first, life, patience).await?, searched(&mut first, life, patience).await?];
    column.words(Figure::Search, format!("{}, {}", time(search[0]), time(search[1])), Some(millis(search[0])));

    couple.first = Some(first);
    let begun = Instant::now();
    couple.meet(&life.present()).await?;
    column.time(Figure::NewPresent, begun.elapsed());
    couple.wait(1, &life.entries).await?;
    column.time(Figure::NewAll, begun.elapsed());
    let (visible, saved) = couple.edits(peer, options.edits).await?;
    column.spread(Figure::Visible, &visible);
    if peer.tells_saved() {
        column.spread(Figure::Saved, &saved);
    } else {
        column.words(Figure::Saved, "it does not tell", None);
    }
    column.words(Figure::InMemory, "as above: it waits for no disk", column.cells[&Figure::Visible].number);
    if peer == Peer::Syncthing {
        column.words(Figure::InMemory, "not measured", None);
    }
    column.bytes(Figure::Memory, couple.memory()?);
    let (mut taken, mut through) = (Samples::default(), Vec::new());
    for _ in 0..options.meetings {
        let (one, counted) = couple.reconnect().await?;
        taken.push(one);
        through.push((counted.bytes, counted.turns));
    }
    through.sort_unstable();
    let (bytes, turns) = through[through.len() / 2];
    column.words(Figure::Reconnect, format!("{}, {turns} turns", super::column::bytes(bytes)), Some(bytes as f64));
    column.spread(Figure::ReconnectTime, &taken);

    let (months, mut apart) = match decade {
        None => (life, couple),
        Some(decade) => {
            couple.stop().await?;
            let mut couple = Couple::of(peer, patience).await?.map_err(|why| anyhow::anyhow!(why))?;
            couple.load(decade).await?;
            couple.first = Some(couple.installed.start(&couple.path(0)).await?);
            couple.meet(&decade.entries).await?;
            (decade, couple)
        }
    };
    let (bytes, taken) = apart.month(months).await?;
    column.bytes(Figure::MonthBytes, bytes);
    column.time(Figure::MonthTime, taken);
    apart.stop().await
}

/// Two of a peer, in directories of their own, and a relay between them.
struct Couple {
    // Before the directory: what still runs would write into it while it goes.
    first: Option<Side>,
    second: Option<Side>,
    directory: TempDir,
    installed: Installed,
    patience: Duration,
    relay: Option<Relay>,
    /// What the second needs to find what the first has.
    state: Value,
}

impl Couple {
    async fn of(peer: Peer, patience: Duration) -> anyhow::Result<Result<Self, String>> {
        let directory = TempDir::with_prefix("betwixt-bench-")?;
        let homes = [directory.path().join("0"), directory.path().join("1")];
        let installed = peer.prepare([&homes[0], &homes[1]]).await?;
        let state = Value::Null;
        let couple = |installed| Self { directory, installed, patience, first: None, second: None, relay: None, state };
        Ok(installed.map(couple))
    }

    fn path(&self, side: usize) -> std::path::PathBuf {
        self.directory.path().join(side.to_string())
    }

    /// The first takes everything in, and ends.
    async fn load(&self, content: &Content) -> anyhow::Result<()> {
        let mut first = self.installed.start(&self.path(0)).await?;
        let given = json!({ "file": content.lines, "documents": content.documents });
        first.ask("load", given, self.patience).await?;
        // Some write after they have answered, and do not wait for it when they end: samod lacked its thirty-first document.
        tokio::time::sleep(REST).await;
        first.stop(self.patience).await
    }

    /// The second, which has nothing, comes to have so much.
    async fn meet(&mut self, entries: &Entries) -> anyhow::Result<()> {
        let first = self.first.as_mut().context("the first runs")?;
        let port = first.ask("listen", json!({}), self.patience).await?["port"].as_u64();
        self.state = first.ask("state", json!({}), self.patience).await?;
        self.relay = Some(Relay::before(u16::try_from(port.context("it listens at a port")?)?)?);
        self.second = Some(self.installed.start(&self.path(1)).await?);
        self.connect().await?;
        self.wait(1, entries).await
    }

    fn relay(&self) -> anyhow::Result<&Relay> {
        self.relay.as_ref().context("there is a relay between the two")
    }

    async fn connect(&mut self) -> anyhow::Result<()> {
        let given = json!({ "port": self.relay()?.port(), "state": self.state });
        self.side(1)?.ask("connect", given, Duration::from_secs(60)).await.map(drop)
    }

    fn side(&mut self, side: usize) -> anyhow::Result<&mut Side> {
        let side = if side == 0 { &mut self.first } else { &mut self.second };
        side.as_mut().context("both run")
    }

    async fn wait(&mut self, side: usize, entries: &Entries) -> anyhow::Result<()> {
        let patience = self.patience;
        self.side(side)?.ask("wait", json!({ "entries": entries }), patience).await.map(drop)
    }

    /// Edits on the first: until the second has read them, and until both have handed them to their storage.
    async fn edits(&mut self, peer: Peer, edits: usize) -> anyhow::Result<(Samples, Samples)> {
        let patience = Duration::from_secs(60);
        let (Some(first), Some(second)) = (&mut self.first, &mut self.second) else { anyhow::bail!("both run") };
        let (mut visible, mut saved) = (Samples::default(), Samples::default());
        for number in 0..WARM + edits {
            let text = format!("Title {number}");
            tokio::time::sleep(peer.rest()).await;
            let begun = Instant::now();
            let here = async { first.ask("edit", json!({ "text": text }), patience).await.map(|_| begun.elapsed()) };
            let there = async {
                second.told("seen", &text, patience).await?;
                let seen = begun.elapsed();
                if peer.tells_saved() {
                    second.told("saved", &text, patience).await?;
                }
                anyhow::Ok((seen, begun.elapsed()))
            };
            let (here, (seen, there)) = tokio::try_join!(here, there)?;
            if number >= WARM {
                visible.push(seen);
                saved.push(here.max(there));
            }
        }
        Ok((visible, saved))
    }

    fn memory(&mut self) -> anyhow::Result<u64> {
        let processes = [self.side(0)?.process()?, self.side(1)?.process()?];
        let resident = processes.map(process::resident);
        resident.into_iter().try_fold(0, |most, one| Ok(most.max(one?)))
    }

    /// The second goes and comes again, while nothing is new.
    async fn reconnect(&mut self) -> anyhow::Result<(Duration, super::relay::Through)> {
        self.part().await?;
        let begun = Instant::now();
        self.connect().await?;
        let (through, taken) = self.relay()?.quiet(begun, self.patience).await?;
        Ok((taken, through))
    }

    async fn part(&mut self) -> anyhow::Result<()> {
        self.side(1)?.ask("disconnect", json!({}), Duration::from_secs(60)).await?;
        tokio::time::sleep(REST).await;
        self.relay()?.take();
        Ok(())
    }

    /// Both say things apart, and meet: how many bytes go between them, and how long until both have all.
    async fn month(&mut self, content: &Content) -> anyhow::Result<(u64, Duration)> {
        self.part().await?;
        let patience = self.patience;
        for (side, month) in content.months.iter().enumerate() {
            self.side(side)?.ask("load", json!({ "file": month }), patience).await?;
        }
        tokio::time::sleep(REST).await;
        self.relay()?.take();
        let begun = Instant::now();
        self.connect().await?;
        self.wait(0, &content.entries_in_the_end).await?;
        self.wait(1, &content.entries_in_the_end).await?;
        let taken = begun.elapsed();
        let (through, _) = self.relay()?.quiet(begun, patience).await?;
        Ok((through.bytes, taken))
    }

    async fn stop(mut self) -> anyhow::Result<()> {
        for side in [self.second.take(), self.first.take()].into_iter().flatten() {
            side.stop(self.patience).await?;
        }
        Ok(())
    }
}

async fn searched(first: &mut Side, life: &Content, patience: Duration) -> anyhow::Result<Duration> {
    let begun = Instant::now();
    let found = first.ask("search", json!({ "word": life.word }), patience).await?;
    let taken = begun.elapsed();
    anyhow::ensure!(found["found"].as_u64().is_some_and(|found| found > 0), "what stands there is not found");
    Ok(taken)
}

fn millis(taken: Duration) -> f64 {
    taken.as_secs_f64() * 1e3
}

/// How much room the files of a directory take on its disk.
pub(super) fn directory_bytes(directory: &Path) -> anyhow::Result<u64> {
    use std::os::unix::fs::MetadataExt;
    let mut bytes = 0;
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        // What does not end here is counted where it is.
        let kind = entry.file_type()?;
        if kind.is_dir() {
            bytes += directory_bytes(&entry.path())?;
        } else if kind.is_file() {
            bytes += entry.metadata()?.blocks() * 512;
        }
    }
    Ok(bytes)
}
