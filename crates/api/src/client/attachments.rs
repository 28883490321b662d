//! Adding files and taking them out, piece by piece.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request};
use tokio::sync::mpsc;

use super::export::Download;
use super::query::Query;
use super::{Client, ClientError, IDEMPOTENCY_KEY, build, collect, disconnected, problem, segment};
use crate::{AddedAttachment, Copies, NewAttachment};

/// A file that is handed over as it is read. One that ends early breaks the request off.
struct Upload {
    pieces: mpsc::Receiver<Bytes>,
    left: u64,
}

impl Body for Upload {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        self.pieces.poll_recv(context).map(|piece| {
            let piece = piece.filter(|piece| piece.len() as u64 <= self.left);
            let Some(piece) = piece else { return Some(Err(std::io::ErrorKind::UnexpectedEof.into())) };
            self.left -= piece.len() as u64;
            Some(Ok(Frame::data(piece)))
        })
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

impl Client {
    /// Adds a file of this media type and so many bytes, which come through `pieces`; over a connection of its own. The same
    /// key adds it once.
    pub async fn attach(
        &self,
        key: &str,
        new: &NewAttachment,
        media: &str,
        bytes: u64,
        pieces: mpsc::Receiver<Bytes>,
    ) -> Result<AddedAttachment, ClientError> {
        let query = Query::default()
            .with("scope", new.scope.map(crate::Scope::name))
            .with("title", new.title.as_deref())
            .with("of", new.of.as_deref())
            .with("location", new.keep_location.then_some("keep"));
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!("/v1/files{query}"))
            .header(HOST, "localhost")
            .header(CONTENT_TYPE, media)
            .header(IDEMPOTENCY_KEY, key)
            .body(Upload { pieces, left: bytes })
            .map_err(|error| ClientError::NotUnderstood(error.into()))?;
        let mut sender = self.connect_for().await?;
        let response = sender.send_request(request).await.map_err(disconnected)?;
        if !response.status().is_success() {
            return Err(problem(response).await);
        }
        let body = collect(response).await?;
        serde_json::from_slice(&body).map_err(|error| ClientError::NotUnderstood(error.into()))
    }

    /// What is in an attached file, over a connection of its own.
    pub async fn attachment_content(&self, id: &str) -> Result<Download, ClientError> {
        let mut sender = self.connect().await?;
        let request = build(Method::GET, &format!("/v1/attachments/{}/content", segment(id)?), None, Bytes::new())?;
        let response = sender.send_request(request).await.map_err(disconnected)?;
        if !response.status().is_success() {
            return Err(problem(response).await);
        }
        Ok(Download::new(response.into_body(), sender))
    }

    /// Which devices have an attached file.
    pub async fn attachment_copies(&self, id: &str) -> Result<Copies, ClientError> {
        self.get(&format!("/v1/attachments/{}/copies", segment(id)?)).await
    }
}
