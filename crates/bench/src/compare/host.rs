//! A peer as a process that is asked by lines of JSON; what it is asked stands in `peers/compare/host.mjs`.

use std::collections::VecDeque;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

/// How long a process may take to begin and to end.
const START: Duration = Duration::from_secs(60);

/// It ends with this value.
#[derive(Debug)]
pub(super) struct Host {
    child: Child,
    input: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    number: u64,
    /// What it told by itself and nobody waited for yet.
    told: VecDeque<Value>,
}

impl Host {
    /// Starts it and waits until it is ready to be asked.
    pub(super) async fn start(mut command: Command) -> anyhow::Result<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().context("the peer does not start")?;
        let input = child.stdin.take().context("it has a standard input")?;
        let output = child.stdout.take().context("it has a standard output")?;
        let lines = BufReader::new(output).lines();
        let mut host = Self { child, input, lines, number: 0, told: VecDeque::new() };
        let ready = timeout(START, host.line()).await.context("the peer takes too long to start")??;
        ensure!(ready.get("ready").is_some(), "the peer began with something else: {ready}");
        Ok(host)
    }

    pub(super) fn process(&self) -> anyhow::Result<u32> {
        self.child.id().context("the peer has ended")
    }

    /// Asks for something and waits for the answer.
    pub(super) async fn ask(&mut self, asked: &str, mut given: Value, patience: Duration) -> anyhow::Result<Value> {
        self.number += 1;
        let number = self.number;
        let object = given.as_object_mut().context("what is given has names")?;
        object.insert("number".into(), json!(number));
        object.insert("asked".into(), json!(asked));
        self.input.write_all(format!("{given}\n").as_bytes()).await?;
        let answering = async {
            loop {
                let line = self.line().await?;
                if line.get("number") != Some(&json!(number)) {
                    self.told.push_back(line);
                } else if let Some(error) = line.get("error") {
                    bail!("{asked}: {error}");
                } else {
                    return Ok(line["answer"].clone());
                }
            }
        };
        let minutes = patience.as_secs_f64() / 60.0;
        timeout(patience, answering).await.with_context(|| format!("`{asked}` took more than {minutes:.0} min"))?
    }

    /// Waits until it tells by itself that it has seen or saved this text.
    pub(super) async fn told(&mut self, what: &str, text: &str, patience: Duration) -> anyhow::Result<()> {
        let is = |line: &Value| line.get(what).and_then(Value::as_str) == Some(text);
        if let Some(at) = self.told.iter().position(is) {
            self.told.drain(..=at);
            return Ok(());
        }
        let telling = async {
            loop {
                let line = self.line().await?;
                if is(&line) {
                    return Ok(());
                }
                self.told.push_back(line);
            }
        };
        timeout(patience, telling).await.context("what was edited does not come")?
    }

    /// Has it hand everything to its storage, and waits until it is gone.
    pub(super) async fn stop(mut self, patience: Duration) -> anyhow::Result<()> {
        self.ask("stop", json!({}), patience).await?;
        let Self { mut child, input, .. } = self;
        drop(input);
        timeout(START, child.wait()).await.context("the peer does not end")??;
        Ok(())
    }

    async fn line(&mut self) -> anyhow::Result<Value> {
        let line = self.lines.next_line().await?.context("the peer has ended")?;
        Ok(serde_json::from_str(&line)?)
    }
}
