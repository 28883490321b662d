//! Answers that end when their frontend is revoked.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// A body that breaks off when it is revoked.
pub(super) struct Revocable {
    body: Body,
    revoked: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Revocable {
    pub(super) fn new(body: Body, revoked: CancellationToken) -> Self {
        Self { body, revoked: Box::pin(revoked.cancelled_owned()) }
    }
}

/// That a frontend was revoked while it was read to.
#[derive(Debug, thiserror::Error)]
#[error("the frontend was revoked")]
struct Revoked;

impl HttpBody for Revocable {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.revoked.as_mut().poll(context).is_ready() {
            return Poll::Ready(Some(Err(axum::Error::new(Revoked))));
        }
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
