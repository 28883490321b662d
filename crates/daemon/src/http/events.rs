//! Server-sent events (the HTML standard's `text/event-stream`): a body that grows with every notice.

use std::collections::VecDeque;
use std::time::Duration;

use axum::body::{Body, Bytes};
use betwixt_api::{Notice, NoticeKind};
use futures_util::stream;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};

/// How often a reader is told that the stream lives, when nothing else is.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// How long a reader that loses the stream is to wait before it comes back, in milliseconds.
const RETRY: u32 = 1_000;

/// A notice as it goes to every reader: written once, shared by all.
#[derive(Debug, Clone)]
pub struct Told {
    /// Its id on the stream.
    pub(crate) id: String,
    /// Its number in its ledger.
    pub(crate) number: u64,
    /// The event, as it goes over the wire.
    pub(crate) text: Bytes,
}

impl Told {
    /// Writes a notice under this id.
    pub fn new(id: String, number: u64, notice: Notice) -> Self {
        let text = write(&id, notice);
        Self { id, number, text }
    }
}

/// The notices of one reader, as they come. It holds nothing for a reader that does not read: what all are told is kept once,
/// in a queue of [`super::MAX_WAITING_NOTICES`], and whoever is further behind than that is told to resync.
#[derive(Debug)]
pub struct EventStream {
    /// The id of the last notice before this stream began.
    begun_at: String,
    first: VecDeque<Bytes>,
    coming: broadcast::Receiver<Told>,
}

impl EventStream {
    /// A stream that begins with these and goes on with what comes.
    pub fn new(begun_at: String, missed: Vec<Told>, coming: broadcast::Receiver<Told>) -> Self {
        Self { begun_at, first: missed.into_iter().map(|told| told.text).collect(), coming }
    }

    /// Puts a snapshot before everything else.
    pub(crate) fn begin_with(&mut self, snapshot: impl IntoIterator<Item = Notice>) {
        let texts: Vec<Bytes> = snapshot.into_iter().map(|notice| write(&self.begun_at, notice)).collect();
        texts.into_iter().rev().for_each(|text| self.first.push_front(text));
    }

    /// The next event, when it comes; `None` when the loop has ended the stream.
    async fn next(&mut self) -> Option<Bytes> {
        if let Some(first) = self.first.pop_front() {
            return Some(first);
        }
        loop {
            match tokio::time::timeout(KEEP_ALIVE, self.coming.recv()).await {
                Err(_) => return Some(Bytes::from_static(b":\n\n")),
                Ok(Ok(told)) => return Some(told.text),
                Ok(Err(RecvError::Closed)) => return None,
                Ok(Err(RecvError::Lagged(_))) => {
                    if let Some(resync) = self.resync() {
                        return Some(resync);
                    }
                }
            }
        }
    }

    /// After some were left out: one that says so takes the place of the next.
    fn resync(&mut self) -> Option<Bytes> {
        match self.coming.try_recv() {
            Ok(told) => Some(write(&told.id, Notice::new(NoticeKind::Resync))),
            // More came meanwhile, and the oldest were left out again.
            Err(TryRecvError::Lagged(_) | TryRecvError::Empty | TryRecvError::Closed) => None,
        }
    }

    /// As an answer's body. It begins with a comment, so that the reader knows at once that it is being listened to.
    pub(super) fn into_body(mut self) -> Body {
        let greeting = format!(": betwixt\nretry: {RETRY}\n\n");
        self.first.push_front(greeting.into());
        Body::from_stream(stream::unfold(self, |mut events| async {
            let next = events.next().await?;
            Some((Ok::<_, std::convert::Infallible>(next), events))
        }))
    }

    /// What is there already, for tests.
    #[cfg(test)]
    pub(crate) async fn waiting(&mut self) -> Option<Bytes> {
        tokio::time::timeout(Duration::ZERO, self.next()).await.ok().flatten()
    }
}

/// A notice on the stream.
fn write(id: &str, notice: Notice) -> Bytes {
    let notice = Notice { id: id.to_owned(), ..notice };
    let data = serde_json::to_string(&notice).unwrap_or_default();
    format!("id: {id}\nevent: {}\ndata: {data}\n\n", notice.kind.name()).into()
}
