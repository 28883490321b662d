//! One connection with a rostered device: its streams, its queues, its end.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use betwixt_model::ids::DeviceId;
use betwixt_sync::dialer::{ConnectionId, Direction};
use betwixt_sync::wire::{IncomingStream, OutgoingStream};
use bytes::Bytes;
use quinn::{ConnectionError, VarInt};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::config::{CloseCode, SendError};
use crate::endpoint::canonical;
use crate::event::{LostReason, NetEvent};
use crate::framing::{Budget, FrameError, read_frame, write_frame};
use crate::limits;

/// How long a closing side waits for what it sent last to be acknowledged.
const LINGER: Duration = Duration::from_secs(1);

/// A connection from handshake to loss.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) id: ConnectionId,
    pub(crate) peer: DeviceId,
    quic: quinn::Connection,
    /// Bytes in the streams' queues.
    queued: AtomicUsize,
    streams: Mutex<Streams>,
    /// Set by whoever ends the connection from this side, before ending it.
    reason: OnceLock<LostReason>,
    events: mpsc::Sender<NetEvent>,
}

/// The streams that this side opened. A queue has no bound of its own: [`limits::OUTGOING_QUEUE`] bounds all together.
#[derive(Debug, Default)]
struct Streams {
    queues: BTreeMap<OutgoingStream, mpsc::UnboundedSender<Bytes>>,
    writers: JoinSet<()>,
    closing: bool,
}

impl Connection {
    pub(crate) fn new(
        id: ConnectionId,
        peer: DeviceId,
        quic: quinn::Connection,
        events: mpsc::Sender<NetEvent>,
    ) -> Arc<Self> {
        let (queued, streams, reason) = (AtomicUsize::new(0), Mutex::default(), OnceLock::new());
        Arc::new(Self { id, peer, quic, queued, streams, reason, events })
    }

    fn streams(&self) -> MutexGuard<'_, Streams> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes that wait to be handed to QUIC.
    pub(crate) fn queued(&self) -> usize {
        self.queued.load(Ordering::Relaxed)
    }

    /// Queues a frame on a stream, which is opened when first used. Never waits.
    pub(crate) fn send(self: &Arc<Self>, stream: OutgoingStream, frame: Bytes) -> Result<(), SendError> {
        if frame.len() > limits::FRAME {
            return Err(SendError::TooLong);
        }
        let mut streams = self.streams();
        if streams.closing || self.quic.close_reason().is_some() {
            return Err(SendError::Gone);
        }
        if self.queued() + frame.len() > limits::OUTGOING_QUEUE {
            drop(streams);
            self.abort(LostReason::TooSlow, CloseCode::Done);
            return Err(SendError::TooSlow);
        }
        self.queued.fetch_add(frame.len(), Ordering::Relaxed);
        if let Some(queue) = streams.queues.get(&stream) {
            // A writer that is gone (the peer refused the stream) takes its connection with it, see `write`.
            return queue.send(frame).map_err(|_| SendError::Gone);
        }
        // What is queued there still goes out; then the stream ends.
        streams.queues.retain(|open, _| !stream.supersedes(open));
        let (queue, frames) = mpsc::unbounded_channel();
        queue.send(frame).map_err(|_| SendError::Gone)?;
        streams.queues.insert(stream, queue);
        streams.writers.spawn(write(self.clone(), stream.priority(), frames));
        Ok(())
    }

    /// Sends what is queued, waits a moment for it to be acknowledged, and closes.
    pub(crate) fn close(self: &Arc<Self>, code: CloseCode) {
        let connection = self.clone();
        let mut writers = {
            let mut streams = self.streams();
            // A second close must not cut short what the first waits for.
            if std::mem::replace(&mut streams.closing, true) {
                return;
            }
            streams.queues.clear();
            std::mem::take(&mut streams.writers)
        };
        tokio::spawn(async move {
            let flushed = async { while writers.join_next().await.is_some() {} };
            let _ = tokio::time::timeout(LINGER, flushed).await;
            connection.abort(LostReason::Here, code);
        });
    }

    /// Closes at once.
    pub(crate) fn abort(&self, reason: LostReason, code: CloseCode) {
        let _ = self.reason.set(reason);
        self.quic.close(VarInt::from_u32(code as u32), b"");
    }

    /// Reports the connection and everything on it, until it is lost.
    pub(crate) async fn run(self: Arc<Self>, direction: Direction) {
        let remote = canonical(self.quic.remote_address());
        let connected = NetEvent::Connected { connection: self.id, peer: self.peer, direction, remote };
        if self.events.send(connected).await.is_err() {
            self.abort(LostReason::Here, CloseCode::Done);
            return;
        }
        let budget = Arc::new(Budget::new());
        let mut readers = JoinSet::new();
        let error = loop {
            tokio::select! {
                accepted = self.quic.accept_uni() => match accepted {
                    Ok(stream) => {
                        readers.spawn(read(self.clone(), stream, budget.clone()));
                    }
                    Err(error) => break error,
                },
                Some(_) = readers.join_next() => {}
            }
        };
        // Readers that wait for room would wait for ever, now that their rest cannot come.
        budget.close();
        while readers.join_next().await.is_some() {}
        {
            let mut streams = self.streams();
            streams.closing = true;
            streams.queues.clear();
            streams.writers.abort_all();
        }
        let reason = self.reason.get().copied().unwrap_or_else(|| lost_reason(&error));
        let _ = self.events.send(NetEvent::Lost { connection: self.id, reason }).await;
    }
}

fn lost_reason(error: &ConnectionError) -> LostReason {
    match error {
        ConnectionError::ApplicationClosed(close) => LostReason::ByPeer(close.error_code.into_inner()),
        ConnectionError::TimedOut => LostReason::Silent,
        ConnectionError::LocallyClosed => LostReason::Here,
        _ => LostReason::Transport,
    }
}

/// Reports one of the peer's streams, frame by frame. While the daemon takes none, nothing more is read, and the peer
/// runs into the stream's window.
async fn read(connection: Arc<Connection>, mut stream: quinn::RecvStream, budget: Arc<Budget>) {
    let number = IncomingStream(stream.id().index());
    loop {
        let event = match read_frame(&mut stream, limits::FRAME, Some(&budget)).await {
            Ok(Some(frame)) => NetEvent::Frame { connection: connection.id, stream: number, frame },
            Ok(None) | Err(FrameError::Reset) => NetEvent::StreamClosed { connection: connection.id, stream: number },
            Err(FrameError::Violation) => {
                connection.abort(LostReason::Violation, CloseCode::Violation);
                return;
            }
            Err(FrameError::Lost) => return,
        };
        let ended = matches!(event, NetEvent::StreamClosed { .. });
        if connection.events.send(event).await.is_err() || ended {
            return;
        }
    }
}

/// Writes one stream's queue, and ends the stream when the queue was closed and is empty.
async fn write(connection: Arc<Connection>, priority: i32, mut frames: mpsc::UnboundedReceiver<Bytes>) {
    let Ok(mut stream) = connection.quic.open_uni().await else { return };
    let _ = stream.set_priority(priority);
    while let Some(frame) = frames.recv().await {
        let length = frame.len();
        match write_frame(&mut stream, frame).await {
            Ok(()) => {}
            // The connection's end, which is told with its own reason: a peer that hangs up while much is on its way to it (its disk
            // is full, say) breaks no rule.
            Err(quinn::WriteError::ConnectionLost(_)) => return,
            Err(_) => {
                // Nobody stops a stream in this protocol, so this is a peer that breaks the rules; to go on with a stream missing
                // would leave the session waiting for ever.
                connection.abort(LostReason::Violation, CloseCode::Violation);
                return;
            }
        }
        let before = connection.queued.fetch_sub(length, Ordering::Relaxed);
        if before > limits::OUTGOING_LOW_WATER && before - length <= limits::OUTGOING_LOW_WATER {
            let _ = connection.events.send(NetEvent::Drained { connection: connection.id }).await;
        }
    }
    let _ = stream.finish();
    let _ = stream.stopped().await;
}
