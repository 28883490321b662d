//! Many event streams, some of them stuck.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::sync::mpsc;

/// How many streams are open, and how many of them are never read.
pub(super) const STREAMS: usize = 200;
pub(super) const STUCK: usize = 20;

const PATIENCE: Duration = Duration::from_secs(10);

/// Every stream that is read tells here when an event of an item has come.
#[derive(Debug)]
pub(super) struct Streams {
    coming: mpsc::UnboundedReceiver<Instant>,
    _stuck: Vec<UnixStream>,
}

impl Streams {
    /// Opens all, and waits until each that is read has had the beginning of its answer.
    pub(super) async fn open(socket: &Path, path: &str) -> anyhow::Result<Self> {
        let (told, coming) = mpsc::unbounded_channel();
        let mut stuck = Vec::with_capacity(STUCK);
        for _ in 0..STUCK {
            let mut stream = UnixStream::connect(socket).await?;
            stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n").as_bytes()).await?;
            stuck.push(stream);
        }
        for _ in STUCK..STREAMS {
            let (sender, connection) = handshake(TokioIo::new(UnixStream::connect(socket).await?)).await?;
            tokio::spawn(connection);
            let mut sender: SendRequest<Empty<bytes::Bytes>> = sender;
            let request = Request::get(path).header("host", "localhost").body(Empty::new())?;
            let response = sender.send_request(request).await?;
            ensure!(response.status().is_success(), "{path}: {}", response.status());
            tokio::spawn(follow(sender, response.into_body(), told.clone()));
        }
        Ok(Self { coming, _stuck: stuck })
    }

    /// Does what is told to every stream, and answers how long it took until the last of those that are read had it.
    pub(super) async fn tell(&mut self, change: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<Duration> {
        while self.coming.try_recv().is_ok() {}
        let begun = Instant::now();
        let telling = async {
            let mut last = begun;
            for _ in STUCK..STREAMS {
                last = self.coming.recv().await.context("a stream has ended")?.max(last);
            }
            anyhow::Ok(last)
        };
        let both = async { tokio::try_join!(change, telling) };
        let ((), last) =
            tokio::time::timeout(PATIENCE, both).await.context("a change did not reach every stream")??;
        Ok(last - begun)
    }
}

/// Reads a stream for as long as it goes on.
async fn follow(
    _connected: SendRequest<Empty<bytes::Bytes>>,
    mut body: Incoming,
    told: mpsc::UnboundedSender<Instant>,
) -> anyhow::Result<()> {
    const ITEM: &[u8] = b"event: item\n";
    let mut line = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        for byte in data {
            line.push(byte);
            if byte == b'\n' {
                if line == ITEM {
                    told.send(Instant::now())?;
                }
                line.clear();
            }
        }
    }
    Ok(())
}
