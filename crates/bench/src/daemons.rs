//! Two real daemons on loopback: edits, and doing nothing.

use std::time::{Duration, Instant};

use anyhow::Context;
use betwixt_api::{Collection, CopyState, NoticeKind, Say, Seen};
use betwixt_tests::home::{Home, couple_on_loopback, in_step};
use serde_json::json;

use crate::floor::{Disk, Echo};
use crate::process;
use crate::samples::Samples;

const PATIENCE: Duration = Duration::from_secs(30);

/// The edits go over so many goals in turn: nobody changes one title a thousand times.
const GOALS: usize = 20;

/// How long after the last edit nothing is left to do: threads that waited for the disk have ended by then.
const SETTLING: Duration = Duration::from_secs(12);

/// A figure, and what the machine took for the same in between.
#[derive(Debug, Default)]
pub(crate) struct Beside {
    pub(crate) taken: Samples,
    pub(crate) syncs: Samples,
    pub(crate) round_trips: Samples,
}

/// What was measured of two daemons.
#[derive(Debug)]
pub(crate) struct Measured {
    /// An edit through the API, the other device away.
    pub(crate) edit: Beside,
    /// From the call here to readable there.
    pub(crate) visible: Beside,
    /// What one edit hands to the file system, which the floor does, too.
    pub(crate) bytes: usize,
    /// The busier of the two while nothing happens: of one core.
    pub(crate) idle_cpu: f64,
    /// The larger of the two.
    pub(crate) resident: u64,
    /// How many facts each holds in the end.
    pub(crate) edits: usize,
}

/// A goal, and the token of its title.
struct Goal {
    id: String,
    seen: Option<Seen>,
}

/// Two paired homes and the goals that are edited.
pub(crate) struct Couple {
    pub(crate) first: Home,
    pub(crate) second: Home,
    goals: Vec<Goal>,
    said: usize,
}

/// Measures figures and floors in turn, one sample of each after the other, so that a busy disk shows in both.
pub(crate) async fn measure(edits: usize, runs: usize, idle: u64) -> anyhow::Result<Measured> {
    let directory = tempfile::tempdir()?;
    let mut couple = Couple::new().await?;
    let process = couple.first.process().context("the daemon runs")?;
    // Once to warm up, and to know how many bytes an edit writes.
    couple.part().await?;
    let before = process::written(process)?;
    for _ in 0..edits {
        couple.edit().await?;
    }
    let bytes = ((process::written(process)? - before) / edits.max(1) as u64).max(4096);
    let mut disk = Disk::new(directory.path(), bytes)?;
    let echo = Echo::new()?;
    let (mut edit, mut visible) = (Beside::default(), Beside::default());
    for _ in 0..runs {
        // Alone first, so that only this daemon's own disk counts.
        for _ in 0..edits {
            edit.syncs.push(disk.sync()?);
            edit.taken.push(couple.edit().await?);
        }
        couple.meet().await?;
        let mut events = couple.second.client().events(None, false).await?;
        for _ in 0..edits {
            visible.syncs.push(disk.sync()?);
            visible.round_trips.push(echo.round_trip()?);
            visible.taken.push(couple.edit_until_visible(&mut events).await?);
        }
        couple.part().await?;
    }
    couple.meet().await?;
    tokio::time::sleep(SETTLING).await;
    let processes = [process, couple.second.process().context("the daemon runs")?];
    let before = processes.map(process::cpu);
    let begun = Instant::now();
    tokio::time::sleep(Duration::from_secs(idle)).await;
    let (mut idle_cpu, mut resident) = (0.0_f64, 0);
    for (process, before) in processes.into_iter().zip(before) {
        let used = process::cpu_since(process, &before?)?;
        idle_cpu = idle_cpu.max(used.as_secs_f64() / begun.elapsed().as_secs_f64());
        resident = resident.max(process::resident(process)?);
    }
    Ok(Measured { edit, visible, bytes: disk.bytes(), idle_cpu, resident, edits: couple.said })
}

/// What a file that moves costs the edits beside it.
#[derive(Debug)]
pub(crate) struct BesideFile {
    /// From the call here to readable there, with nothing else going on.
    pub(crate) idle: Samples,
    /// The same while the file moves.
    pub(crate) moving: Samples,
    /// How long the file took, from being added to being whole there.
    pub(crate) taken: Duration,
}

/// Measures edits alone and then beside a file of so many bytes, which the same device adds and the other fetches.
pub(crate) async fn beside_file(edits: usize, bytes: usize) -> anyhow::Result<BesideFile> {
    let mut couple = Couple::new().await?;
    in_step(&couple.first, &couple.second, PATIENCE).await?;
    let mut events = couple.second.client().events(None, false).await?;
    let (mut idle, mut moving) = (Samples::default(), Samples::default());
    for _ in 0..edits {
        idle.push(couple.edit_until_visible(&mut events).await?);
    }
    let begun = Instant::now();
    let (sender, pieces) = tokio::sync::mpsc::channel(4);
    let feeding = async {
        for number in 0..bytes.div_ceil(64 * 1024) {
            // Not the same in every piece, as a photo is not.
            let piece = vec![number as u8; (bytes - number * 64 * 1024).min(64 * 1024)];
            if sender.send(piece.into()).await.is_err() {
                return;
            }
        }
        drop(sender);
    };
    let new = betwixt_api::NewAttachment { title: Some("a photo".into()), ..Default::default() };
    let adding = couple.first.client().attach("bench file", &new, "application/octet-stream", bytes as u64, pieces);
    let (added, ()) = tokio::join!(adding, feeding);
    let id = added?.attachment.id;
    loop {
        let whole = match couple.second.client().attachment_copies(&id).await {
            Ok(copies) => copies.devices.iter().any(|device| device.this && device.state == CopyState::Whole),
            // The fact has not come yet.
            Err(_) => false,
        };
        if whole {
            return Ok(BesideFile { idle, moving, taken: begun.elapsed() });
        }
        anyhow::ensure!(begun.elapsed() < 10 * PATIENCE, "the file does not come");
        moving.push(couple.edit_until_visible(&mut events).await?);
    }
}

impl Couple {
    /// Two paired daemons, and what is edited.
    pub(crate) async fn new() -> anyhow::Result<Self> {
        let (first, second) = couple_on_loopback().await?;
        in_step(&first, &second, PATIENCE).await?;
        Self::of(first, second).await
    }

    /// Two daemons that are in step, and what is edited.
    pub(crate) async fn of(first: Home, second: Home) -> anyhow::Result<Self> {
        let mut goals = Vec::with_capacity(GOALS);
        for number in 0..GOALS {
            let item = first.create(Collection::Goals, &format!("bench {number}"), "title", json!("A title")).await?;
            goals.push(Goal { id: item.id, seen: item.fields.get("title").map(|field| field.seen.clone()) });
        }
        Ok(Self { first, second, goals, said: 0 })
    }

    /// The second goes offline.
    pub(crate) async fn part(&self) -> anyhow::Result<()> {
        self.second.client().pause().await?;
        let begun = Instant::now();
        while self.first.client().status().await?.peers.iter().any(|peer| peer.connected) {
            anyhow::ensure!(begun.elapsed() < PATIENCE, "the other does not notice a pause");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }

    /// The second comes back, and gets everything.
    pub(crate) async fn meet(&self) -> anyhow::Result<()> {
        self.second.client().resume().await?;
        self.second.client().sync().await?;
        in_step(&self.first, &self.second, PATIENCE).await?;
        // What may be written late is written by now, and not into the first sample.
        tokio::time::sleep(Duration::from_millis(700)).await;
        Ok(())
    }

    fn next(&mut self) -> (usize, Say) {
        let at = self.said % self.goals.len();
        self.said += 1;
        (at, Say { value: json!(format!("Title {}", self.said)), seen: self.goals[at].seen.clone() })
    }

    /// One edit through the API: until it is answered, and so durable.
    pub(crate) async fn edit(&mut self) -> anyhow::Result<Duration> {
        let (at, say) = self.next();
        let begun = Instant::now();
        let said = self.first.client().say(Collection::Goals, &self.goals[at].id, "title", &say).await?;
        let taken = begun.elapsed();
        self.goals[at].seen = Some(said.now.seen);
        Ok(taken)
    }

    /// From the call here to the value being read there; the other side is told by its event stream that there is something
    /// to read, as a frontend is.
    pub(crate) async fn edit_until_visible(&mut self, events: &mut betwixt_api::Events) -> anyhow::Result<Duration> {
        let (at, say) = self.next();
        let goal = &self.goals[at].id;
        let begun = Instant::now();
        let watching = async {
            loop {
                let notice = events.next().await?.context("the event stream ended")?;
                if matches!(notice.kind, NoticeKind::Item | NoticeKind::Resync) {
                    let shown = self.second.client().item(Collection::Goals, goal).await?;
                    if shown.fields.get("title").and_then(|field| field.held()) == Some(&say.value) {
                        return anyhow::Ok(begun.elapsed());
                    }
                }
            }
        };
        let saying = async { anyhow::Ok(self.first.client().say(Collection::Goals, goal, "title", &say).await?) };
        let (said, taken) = tokio::try_join!(saying, watching)?;
        self.goals[at].seen = Some(said.now.seen);
        Ok(taken)
    }
}
