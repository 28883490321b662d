//! Taking everything out, piece by piece.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Method;
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;

use super::{Client, ClientError, build, disconnected, problem};

/// An answer that is read as it comes.
#[derive(Debug)]
pub struct Download {
    body: Incoming,
    /// Kept, since dropping it closes the connection.
    _sender: SendRequest<Full<Bytes>>,
}

impl Download {
    pub(super) fn new(body: Incoming, sender: SendRequest<Full<Bytes>>) -> Self {
        Self { body, _sender: sender }
    }

    /// The next piece; `None` at the end of a whole answer. One that breaks off is an error.
    pub async fn next(&mut self) -> Result<Option<Bytes>, ClientError> {
        while let Some(frame) = self.body.frame().await {
            if let Ok(data) = frame.map_err(disconnected)?.into_data() {
                return Ok(Some(data));
            }
        }
        Ok(None)
    }
}

impl Client {
    /// Everything that can be read, as the JSON of an [`Export`](crate::Export), over a connection of its own.
    pub async fn export(&self) -> Result<Download, ClientError> {
        let mut sender = self.connect().await?;
        let request = build(Method::GET, "/v1/export", None, Bytes::new())?;
        let response = sender.send_request(request).await.map_err(disconnected)?;
        if !response.status().is_success() {
            return Err(problem(response).await);
        }
        Ok(Download::new(response.into_body(), sender))
    }
}
