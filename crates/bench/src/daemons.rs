//! Two real daemons on loopback.

use std::time::{Duration, Instant};

use anyhow::Context;
use betwixt_api::{Collection, NoticeKind, Say};
use betwixt_tests::home::{Home, couple_on_loopback, in_step};
use serde_json::json;

use crate::{floor, median, process};

const PATIENCE: Duration = Duration::from_secs(30);

/// Medians.
pub(crate) struct Measured {
    pub(crate) edit: Duration,
    pub(crate) visible: Duration,
    /// What one edit hands to the file system.
    pub(crate) bytes: u64,
    pub(crate) floor_sync: Duration,
    pub(crate) floor_udp: Duration,
    pub(crate) floors: usize,
    pub(crate) idle_cpu: f64,
    pub(crate) resident: u64,
}

/// Measures, floors and figures in turn.
pub(crate) async fn measure(edits: usize, runs: usize, idle: u64) -> anyhow::Result<Measured> {
    let directory = tempfile::tempdir()?;
    let (first, second) = couple_on_loopback().await?;
    in_step(&first, &second, PATIENCE).await?;
    let goal = first.create(Collection::Goals, "bench", "title", json!("A title")).await?;
    in_step(&first, &second, PATIENCE).await?;
    let process = first.process().context("the daemon runs")?;
    // Once to warm up, and to know how many bytes an edit writes.
    let before = process::written(process)?;
    time_edits(&first, &goal.id, edits).await?;
    let bytes = (process::written(process)? - before) / edits as u64;
    let (mut edit, mut visible, mut syncs, mut udp) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..runs {
        syncs.push(median(floor::syncs(directory.path(), bytes.max(4096), edits)?)?);
        udp.push(median(floor::round_trips(edits)?)?);
        // Alone first, so that only this daemon's own disk counts.
        second.client().pause().await?;
        edit.push(median(time_edits(&first, &goal.id, edits).await?)?);
        second.client().resume().await?;
        second.client().sync().await?;
        in_step(&first, &second, PATIENCE).await?;
        visible.push(median(time_until_visible(&first, &second, &goal.id, edits).await?)?);
    }
    in_step(&first, &second, PATIENCE).await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (cpu, begun) = (process::cpu(process)?, Instant::now());
    tokio::time::sleep(Duration::from_secs(idle)).await;
    let idle_cpu = (process::cpu(process)? - cpu).as_secs_f64() / begun.elapsed().as_secs_f64();
    Ok(Measured {
        edit: median(edit)?,
        visible: median(visible)?,
        bytes,
        floors: syncs.len() * edits,
        floor_sync: median(syncs)?,
        floor_udp: median(udp)?,
        idle_cpu,
        resident: process::resident(process)?,
    })
}

async fn time_edits(home: &Home, goal: &str, edits: usize) -> anyhow::Result<Vec<Duration>> {
    let item = home.client().item(Collection::Goals, goal).await?;
    let mut seen = item.fields.get("title").map(|field| field.seen.clone());
    let mut taken = Vec::with_capacity(edits);
    for number in 0..edits {
        let say = Say { value: json!(format!("Title {number}")), seen: seen.clone() };
        let begun = Instant::now();
        let said = home.client().say(Collection::Goals, goal, "title", &say).await?;
        taken.push(begun.elapsed());
        seen = Some(said.now.seen);
    }
    Ok(taken)
}

/// From the call here to the value being read there; the other side is told by its event stream that there is something to
/// read, as a frontend is.
async fn time_until_visible(here: &Home, there: &Home, goal: &str, edits: usize) -> anyhow::Result<Vec<Duration>> {
    let mut events = there.client().events(None).await?;
    let item = here.client().item(Collection::Goals, goal).await?;
    let mut seen = item.fields.get("title").map(|field| field.seen.clone());
    let mut taken = Vec::with_capacity(edits);
    for number in 0..edits {
        let value = json!(format!("Visible {number} {}", taken.len()));
        let say = Say { value: value.clone(), seen: seen.clone() };
        let begun = Instant::now();
        let watching = async {
            loop {
                let notice = events.next().await?.context("the event stream ended")?;
                if matches!(notice.kind, NoticeKind::Item | NoticeKind::Resync) {
                    let shown = there.client().item(Collection::Goals, goal).await?;
                    if shown.fields.get("title").and_then(|field| field.held()) == Some(&value) {
                        return anyhow::Ok(begun.elapsed());
                    }
                }
            }
        };
        let saying = async { anyhow::Ok(here.client().say(Collection::Goals, goal, "title", &say).await?) };
        let (said, elapsed) = tokio::try_join!(saying, watching)?;
        taken.push(elapsed);
        seen = Some(said.now.seen);
    }
    Ok(taken)
}
