//! Following what changes: server-sent events, read as they come.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;

use super::{ClientError, disconnected};
use crate::event::Notice;

/// A stream of notices.
#[derive(Debug)]
pub struct Events {
    body: Incoming,
    buffer: Vec<u8>,
    /// Kept, since dropping it closes the connection.
    _sender: SendRequest<Full<Bytes>>,
}

/// The longest server-sent event that is taken.
const MAX_EVENT: usize = 64 * 1024;

impl Events {
    pub(super) fn new(body: Incoming, sender: SendRequest<Full<Bytes>>) -> Self {
        Self { body, buffer: Vec::new(), _sender: sender }
    }

    /// The next notice; `None` when the daemon has ended the stream. Cancelling loses nothing.
    pub async fn next(&mut self) -> Result<Option<Notice>, ClientError> {
        loop {
            while let Some(end) = self.buffer.windows(2).position(|pair| pair == b"\n\n") {
                let event: Vec<u8> = self.buffer.drain(..end + 2).collect();
                let data: Vec<u8> = event
                    .split(|byte| *byte == b'\n')
                    .filter_map(|line| line.strip_prefix(b"data:"))
                    .flatten()
                    .copied()
                    .collect();
                if !data.is_empty() {
                    let notice =
                        serde_json::from_slice(&data).map_err(|error| ClientError::NotUnderstood(error.into()))?;
                    return Ok(Some(notice));
                }
            }
            if self.buffer.len() > MAX_EVENT {
                return Err(ClientError::NotUnderstood("an event without an end".into()));
            }
            match self.body.frame().await {
                None => return Ok(None),
                Some(frame) => {
                    if let Ok(data) = frame.map_err(disconnected)?.into_data() {
                        self.buffer.extend_from_slice(&data);
                    }
                }
            }
        }
    }
}
