//! Clients of the bridge: a program with the published automerge-repo, and bare WebSockets.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use betwixt_api::{Permission, YearDocument};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::home::Home;
use crate::http::let_in;
use crate::socket::ask;

/// How long anything may take.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Lets a frontend in and makes the URL of its bridge.
///
/// # Errors
/// As the client's.
pub async fn bridge(home: &Home, name: &str, permissions: &[Permission], origins: &[&str]) -> anyhow::Result<String> {
    let_in(home, name, permissions, origins).await?;
    let bridge = home.client().frontend_bridge(name).await?;
    ensure!(bridge.frontend.bridge && bridge.frontend.name == name, "{bridge:?}");
    Ok(bridge.url.reveal().to_owned())
}

/// The documents of a home, as its owner sees them.
///
/// # Errors
/// When it does not answer.
pub async fn documents(home: &Home) -> anyhow::Result<Vec<YearDocument>> {
    let answer = ask(home.client().socket(), "GET", "/v1/documents", &[], None).await?;
    ensure!(answer.status == 200, "{answer:?}");
    Ok(serde_json::from_value(answer.json()?["items"].clone())?)
}

/// A program with the published automerge-repo, that does what it is told.
#[derive(Debug)]
pub struct Program {
    child: Child,
    told: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Program {
    /// Starts one, of the package that was built there.
    ///
    /// # Errors
    /// When Node does not start.
    pub fn start(package: &Path) -> anyhow::Result<Self> {
        let mut node = Command::new("node");
        node.current_dir(package).arg("dist/bridge/driver.js").kill_on_drop(true);
        let mut child = node.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context("node does not start")?;
        let told = child.stdin.take().context("it is piped")?;
        let answers = BufReader::new(child.stdout.take().context("it is piped")?).lines();
        Ok(Self { child, told, answers })
    }

    /// Starts one that has a document open.
    ///
    /// # Errors
    /// When it does not get it.
    pub async fn open(package: &Path, url: &str, document: &str) -> anyhow::Result<Self> {
        let mut program = Self::start(package)?;
        program.tell(json!({ "do": "connect", "url": url })).await?;
        program.tell(json!({ "do": "find", "id": document })).await?;
        Ok(program)
    }

    /// Has it do something, and answers what came of it.
    ///
    /// # Errors
    /// When it fails, with its words.
    pub async fn tell(&mut self, command: Value) -> anyhow::Result<Value> {
        self.told.write_all(format!("{command}\n").as_bytes()).await?;
        let line = tokio::time::timeout(PATIENCE, self.answers.next_line()).await.context("it does not answer")??;
        let Some(line) = line else { bail!("it ended: {:?}", self.child.wait().await?) };
        let mut answer: Value = serde_json::from_str(&line)?;
        ensure!(answer.get("failed").is_none(), "{command}: {answer}");
        Ok(answer["done"].take())
    }

    /// The document, once it is as it should.
    ///
    /// # Errors
    /// When it does not come to be; with what it is.
    pub async fn document(&mut self, is: impl Fn(&Value) -> bool) -> anyhow::Result<Value> {
        let begun = Instant::now();
        loop {
            let document = self.tell(json!({ "do": "doc" })).await?;
            if is(&document) {
                return Ok(document);
            }
            ensure!(begun.elapsed() < PATIENCE, "it stays {document:#}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Says something, and answers what it was told.
    ///
    /// # Errors
    /// When nothing was answered.
    pub async fn say(&mut self, name: &str, saying: Value) -> anyhow::Result<Value> {
        self.tell(json!({ "do": "say", "name": name, "saying": saying })).await
    }
}

/// A bare WebSocket.
#[derive(Debug)]
pub struct Socket(WebSocketStream<TcpStream>);

impl Socket {
    /// Connects, with an `Origin` if there is one.
    ///
    /// # Errors
    /// When it is refused: `Ok(Err(status))`; when there is nobody.
    pub async fn connect(url: &str, origin: Option<&str>) -> anyhow::Result<Result<Self, u16>> {
        let mut request = url.into_client_request()?;
        if let Some(origin) = origin {
            request.headers_mut().insert("origin", HeaderValue::from_str(origin)?);
        }
        let authority = request.uri().authority().context("a URL has an authority")?.to_string();
        let stream = TcpStream::connect(authority).await?;
        match tokio_tungstenite::client_async(request, stream).await {
            Ok((socket, _)) => Ok(Ok(Self(socket))),
            Err(Error::Http(response)) => Ok(Err(response.status().as_u16())),
            Err(error) => Err(error.into()),
        }
    }

    /// Sends something. That nobody takes it any more is seen when reading.
    pub async fn send(&mut self, message: Message) {
        let _ = tokio::time::timeout(PATIENCE, self.0.send(message)).await;
    }

    /// The next binary frame.
    ///
    /// # Errors
    /// When it is closed instead, or nothing comes.
    pub async fn next(&mut self) -> anyhow::Result<Vec<u8>> {
        loop {
            match tokio::time::timeout(PATIENCE, self.0.next()).await.context("nothing comes")? {
                Some(Ok(Message::Binary(frame))) => return Ok(frame.to_vec()),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                other => bail!("closed: {other:?}"),
            }
        }
    }

    /// The code that it is closed with; 1006 when it just breaks off.
    ///
    /// # Errors
    /// When it stays open.
    pub async fn closed(&mut self) -> anyhow::Result<u16> {
        loop {
            match tokio::time::timeout(PATIENCE, self.0.next()).await.context("it stays open")? {
                Some(Ok(Message::Close(Some(frame)))) => return Ok(frame.code.into()),
                Some(Ok(Message::Close(None)) | Err(_)) | None => return Ok(1006),
                Some(Ok(_)) => {}
            }
        }
    }
}
