//! HTTP as any program speaks it: over a daemon's socket, with nothing of our client's.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The media type, without parameters.
    pub media: String,
    /// The body; for event streams, as much of it as came first.
    pub body: String,
}

impl Answer {
    /// The body as JSON.
    ///
    /// # Errors
    /// When it is none.
    pub fn json(&self) -> anyhow::Result<Value> {
        serde_json::from_str(&self.body).with_context(|| format!("no JSON: {self:?}"))
    }
}

/// Asks over a connection of its own. Of an event stream the beginning is read.
///
/// # Errors
/// When the daemon does not answer, or not in HTTP.
pub async fn ask(
    socket: &Path,
    method: &str,
    path: &str,
    headers: &[(String, String)],
    body: Option<&Value>,
) -> anyhow::Result<Answer> {
    let body = body.map(Value::to_string).unwrap_or_default();
    let mut request = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n");
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() {
        request.push_str(&format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len()));
    }
    request.push_str("\r\n");
    request.push_str(&body);
    let mut stream = UnixStream::connect(socket).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut bytes = Vec::new();
    tokio::time::timeout(PATIENCE, async {
        let mut buffer = [0; 16 * 1024];
        loop {
            let read = stream.read(&mut buffer).await?;
            bytes.extend_from_slice(&buffer[..read]);
            let begun = crate::home::contains(&bytes, b"text/event-stream") && crate::home::contains(&bytes, b"\n\n");
            if read == 0 || begun {
                return Ok::<_, std::io::Error>(());
            }
        }
    })
    .await
    .context("no answer in time")??;
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
    let end = end.with_context(|| format!("no HTTP: {}", String::from_utf8_lossy(&bytes)))?;
    let (head, body) = (String::from_utf8_lossy(&bytes[..end]), &bytes[end + 4..]);
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|status| status.parse().ok());
    let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    let media =
        lines.filter_map(|line| line.split_once(": ")).find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    let media = media.map(|(_, media)| media.split(';').next().unwrap_or_default().to_owned());
    let media = media.unwrap_or_default();
    let body = if chunked && media != "text/event-stream" { joined(body)? } else { body.to_owned() };
    // What is no text is shown as if it were.
    let body = String::from_utf8_lossy(&body).into_owned();
    Ok(Answer { status: status.with_context(|| format!("no status: {head}"))?, media, body })
}

/// The chunks of a body that was sent as it was made, joined. One without its end is an error.
fn joined(mut chunks: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = chunks.windows(2).position(|window| window == b"\r\n").context("a body that breaks off")?;
        let length = usize::from_str_radix(std::str::from_utf8(&chunks[..line])?, 16)?;
        if length == 0 {
            return Ok(body);
        }
        let rest = &chunks[line + 2..];
        body.extend_from_slice(rest.get(..length).context("a body that breaks off")?);
        chunks = rest.get(length + 2..).context("a body that breaks off")?;
    }
}
