//! Server-sent events (the HTML standard's `text/event-stream`): a body that grows with every notice.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Bytes;
use betwixt_api::Notice;
use hyper::body::{Body, Frame};
use tokio::sync::mpsc;

use super::request::notice_name;

/// The notices of one reader, written as they come. Ends when the loop drops its end.
pub(super) struct EventBody {
    notices: mpsc::Receiver<Notice>,
    greeted: bool,
}

impl EventBody {
    pub(super) fn new(notices: mpsc::Receiver<Notice>) -> Self {
        Self { notices, greeted: false }
    }
}

impl Body for EventBody {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if !self.greeted {
            self.greeted = true;
            // A comment, so that the reader knows at once that it is being listened to.
            return Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b": betwixt\n\n")))));
        }
        let notice = std::task::ready!(self.notices.poll_recv(context));
        Poll::Ready(notice.map(|notice| Ok(Frame::data(write(&notice)))))
    }
}

fn write(notice: &Notice) -> Bytes {
    let data = serde_json::to_string(notice).unwrap_or_default();
    format!("id: {}\nevent: {}\ndata: {data}\n\n", notice.id, notice_name(notice.kind)).into()
}
