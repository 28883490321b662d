//! A connection to a socket, kept open as a frontend's pool keeps it, that reads bytes and understands nothing of them.

use std::path::Path;

use anyhow::ensure;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;

#[derive(Debug)]
pub(super) struct Connection(SendRequest<Empty<Bytes>>);

impl Connection {
    /// Connects; what the connection does runs beside, on the same runtime.
    pub(super) async fn to(socket: &Path) -> anyhow::Result<Self> {
        let stream = UnixStream::connect(socket).await?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self(sender))
    }

    /// The body of what is there.
    pub(super) async fn get(&mut self, path: &str) -> anyhow::Result<Bytes> {
        self.0.ready().await?;
        let request = Request::get(path).header("host", "localhost").body(Empty::new())?;
        let response = self.0.send_request(request).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        ensure!(status.is_success(), "{path}: {status} {}", String::from_utf8_lossy(&body));
        Ok(body)
    }
}
