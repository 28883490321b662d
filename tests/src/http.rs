//! Plain HTTP/1.1 over TCP, byte by byte: what a browser or a stranger sends, which a proper client would not.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use betwixt_api::{Frontend, Listen, NewFrontend, Permission};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::home::Home;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(40);

/// A request, to be altered before it is sent.
#[derive(Debug, Clone)]
pub struct Request {
    line: String,
    host: String,
    headers: String,
    body: Option<String>,
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Header and body, as they came.
    pub text: String,
    /// The body, which may be no text.
    pub body: Vec<u8>,
}

impl Request {
    /// A request such as `GET /v1/status` to the daemon at this address.
    pub fn new(address: SocketAddr, line: &str) -> Self {
        Self { line: line.to_owned(), host: address.to_string(), headers: String::new(), body: None }
    }

    /// With another `Host`.
    pub fn host(mut self, host: &str) -> Self {
        self.host = host.to_owned();
        self
    }

    /// With a frontend's token.
    pub fn token(self, token: &str) -> Self {
        self.header("Authorization", &format!("Bearer {token}"))
    }

    /// With one more header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push_str(&format!("{name}: {value}\r\n"));
        self
    }

    /// With a body of JSON.
    pub fn json(self, body: &Value) -> Self {
        self.body("application/json", &body.to_string())
    }

    /// With a body of another type.
    pub fn body(mut self, media: &str, body: &str) -> Self {
        self = self.header("Content-Type", media).header("Content-Length", &body.len().to_string());
        self.body = Some(body.to_owned());
        self
    }

    /// As it goes over the wire.
    pub fn bytes(&self) -> Vec<u8> {
        let Self { line, host, headers, body } = self;
        format!("{line} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n{}", body.as_deref().unwrap_or_default()).into_bytes()
    }

    /// Sends it over a connection of its own and reads the whole answer.
    ///
    /// # Errors
    /// When there is no connection or no answer in time.
    pub async fn send(&self, address: SocketAddr) -> anyhow::Result<Response> {
        let closing = self.clone().header("Connection", "close");
        exchange(address, &closing.bytes()).await
    }

    /// Sends it and leaves the connection open, to be read from.
    ///
    /// # Errors
    /// When there is no connection.
    pub async fn open(&self, address: SocketAddr) -> anyhow::Result<Stream> {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(&self.bytes()).await?;
        Ok(Stream { stream, read: Vec::new() })
    }
}

/// Writes bytes, and reads until the other end closes.
///
/// # Errors
/// When there is no connection or no answer in time.
pub async fn exchange(address: SocketAddr, bytes: &[u8]) -> anyhow::Result<Response> {
    let mut stream = TcpStream::connect(address).await?;
    // Whoever is refused before all is read may find the connection closed.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.context("no answer in time")?;
    if answer.is_empty() {
        read?;
    }
    Response::parse(&answer)
}

impl Response {
    fn parse(bytes: &[u8]) -> anyhow::Result<Self> {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let status = text.split(' ').nth(1).and_then(|status| status.parse().ok());
        let body = bytes.windows(4).position(|end| end == b"\r\n\r\n").map(|at| bytes[at + 4..].to_vec());
        let status = status.with_context(|| format!("no answer: {text:?}"))?;
        Ok(Self { status, text, body: body.unwrap_or_default() })
    }

    /// The value of a header, as long as there is one.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (head, _) = self.text.split_once("\r\n\r\n")?;
        let mut values = head.lines().skip(1).filter_map(|line| line.split_once(": "));
        values.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The body, as JSON.
    ///
    /// # Errors
    /// When it is none.
    pub fn json(&self) -> anyhow::Result<Value> {
        let (_, body) = self.text.split_once("\r\n\r\n").context("no body")?;
        serde_json::from_str(body).with_context(|| format!("no JSON: {body:?}"))
    }

    /// The kind of the problem that it tells.
    pub fn problem(&self) -> Option<String> {
        let kind = self.json().ok()?.get("type")?.as_str()?.to_owned();
        kind.strip_prefix("urn:betwixt:problem:").map(str::to_owned)
    }
}

/// An answer that goes on: an event stream.
#[derive(Debug)]
pub struct Stream {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Stream {
    /// Reads until a text has come; answers everything up to its end.
    ///
    /// # Errors
    /// When the stream ends before, or it does not come in time.
    pub async fn until(&mut self, text: &str) -> anyhow::Result<String> {
        let reading = async {
            loop {
                let known = String::from_utf8_lossy(&self.read).into_owned();
                if let Some(at) = known.find(text) {
                    let end = at + text.len();
                    self.read = known.as_bytes()[end..].to_vec();
                    return Ok(known[..end].to_owned());
                }
                ensure!(self.stream.read_buf(&mut self.read).await? > 0, "it ended: {known:?}");
            }
        };
        tokio::time::timeout(PATIENCE, reading).await.with_context(|| format!("{text:?} did not come"))?
    }

    /// Waits until the other end closes the connection; answers what came before.
    ///
    /// # Errors
    /// When it does not within this time.
    pub async fn ended(mut self, patience: Duration) -> anyhow::Result<String> {
        let read = tokio::time::timeout(patience, self.stream.read_to_end(&mut self.read)).await;
        match read.context("the connection stays open")? {
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {}
            Err(error) => bail!(error),
        }
        Ok(String::from_utf8_lossy(&self.read).into_owned())
    }
}

/// Makes the daemon of a home listen on a port of loopback.
///
/// # Errors
/// As the client's.
pub async fn listen(home: &Home) -> anyhow::Result<SocketAddr> {
    let listening = home.client().listen(&Listen { address: Some("127.0.0.1:0".into()) }).await?;
    Ok(listening.address.context("it listens")?.parse()?)
}

/// Lets a frontend in; its token.
///
/// # Errors
/// As the client's.
pub async fn let_in(home: &Home, name: &str, permissions: &[Permission], origins: &[&str]) -> anyhow::Result<String> {
    let new = NewFrontend {
        name: name.to_owned(),
        permissions: permissions.iter().copied().collect(),
        origins: origins.iter().map(|origin| (*origin).to_owned()).collect(),
    };
    // One that was revoked may be let in again.
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let key = format!("let in {}", COUNT.fetch_add(1, Ordering::Relaxed));
    let added = home.client().frontend_add(&key, &new).await?;
    ensure!(added.frontend == Frontend { last_used: None, ..added.frontend.clone() }, "it was not used yet");
    Ok(added.token.reveal().to_owned())
}
