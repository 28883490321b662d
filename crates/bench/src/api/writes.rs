//! Saying something from many clients at once: every answer means that it is durable.

use std::time::{Duration, Instant};

use betwixt_api::{Client, Collection, Say, Seen};
use betwixt_tests::home::Home;
use serde_json::json;

use super::reads::Load;
use crate::samples::Samples;

/// A client with a connection and a goal of its own.
#[derive(Debug)]
pub(super) struct Writer {
    client: Client,
    goal: String,
    seen: Option<Seen>,
    said: usize,
}

impl Writer {
    pub(super) async fn new(home: &Home, number: usize) -> anyhow::Result<Self> {
        let goal = home.create(Collection::Goals, &format!("writer {number}"), "title", json!("A title")).await?;
        let seen = goal.fields.get("title").map(|field| field.seen.clone());
        Ok(Self { client: Client::new(home.client().socket()), goal: goal.id, seen, said: 0 })
    }

    /// Says the next title; answered once it is on disk.
    pub(super) async fn say(&mut self) -> anyhow::Result<()> {
        self.said += 1;
        let say = Say { value: json!(format!("Title {}", self.said)), seen: self.seen.clone() };
        let said = self.client.say(Collection::Goals, &self.goal, "title", &say).await?;
        self.seen = Some(said.now.seen);
        Ok(())
    }
}

/// All of these say one thing after the other for so long.
pub(super) async fn all(writers: &mut Vec<Writer>, time: Duration) -> anyhow::Result<Load> {
    let begun = Instant::now();
    let writing = writers.drain(..).map(|mut writer| {
        tokio::spawn(async move {
            let mut taken = Samples::default();
            while begun.elapsed() < time {
                let asked = Instant::now();
                writer.say().await?;
                taken.push(asked.elapsed());
            }
            anyhow::Ok((writer, taken))
        })
    });
    let mut load = Load::default();
    for task in writing.collect::<Vec<_>>() {
        let (writer, taken) = task.await??;
        writers.push(writer);
        load.taken.extend(taken);
    }
    load.time = begun.elapsed();
    Ok(load)
}
