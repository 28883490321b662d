//! The WebSocket of the bridge: a thin task a connection, that carries frames to the loop and back.
//!
//! The published adapter can send nothing but its URL, so the secret is in the path. Whose it is, and whether the page may
//! come from where it does, [`access`](super::access) has found out before.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::routing::get;
use axum::{Extension, Router};
use betwixt_api::{Problem, ProblemKind};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::access::Bridged;
use super::routes::refuse;
use crate::bridge::{Close, MAX_FRAME, SocketId};
use crate::http::Frontend;

/// How many frames of all connections wait for the loop.
pub(crate) const MAX_WAITING_FRAMES: usize = 8;

/// How many frames wait to be written to one connection. The loop hands out the next one when the last has left, apart from
/// short answers.
const MAX_WAITING_TO_WRITE: usize = 32;

/// How often a client is asked whether it is there.
const PING: Duration = Duration::from_secs(15);

/// How long it may be silent.
const SILENCE: Duration = Duration::from_secs(45);

/// How long it may take nothing of a frame.
const STALL: Duration = Duration::from_secs(30);

/// What happens on a connection.
#[derive(Debug)]
pub(crate) enum BridgeEvent {
    /// A frontend has connected.
    Connected {
        /// The connection's number.
        id: SocketId,
        /// Whose it is.
        frontend: Arc<Frontend>,
        /// The way to it. Dropped, it is closed.
        out: mpsc::Sender<ToSocket>,
    },
    /// A frame came.
    Frame(SocketId, Bytes),
    /// What was handed to it has left.
    Drained(SocketId),
    /// It is gone.
    Gone(SocketId),
}

/// What is handed to a connection.
#[derive(Debug)]
pub(crate) enum ToSocket {
    /// A frame to be sent.
    Frame(Vec<u8>),
    /// The last: why it is closed.
    Close(Close),
}

/// What the path begins with.
pub(super) const PATH: &str = "/bridge/";

pub(super) fn routes(events: mpsc::Sender<BridgeEvent>) -> Router {
    Router::new().route("/bridge/{secret}", get(upgrade)).layer(Extension(events))
}

async fn upgrade(
    Extension(events): Extension<mpsc::Sender<BridgeEvent>>,
    bridged: Option<Extension<Bridged>>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> axum::response::Response {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let Some(Extension(bridged)) = bridged else {
        return refuse(&Problem::new(ProblemKind::NotFound, "There is no such path."));
    };
    match upgrade {
        // A little more than is taken, so that what is too long is told so.
        Ok(upgrade) => {
            upgrade.max_message_size(2 * MAX_FRAME).max_frame_size(2 * MAX_FRAME).on_upgrade(move |socket| {
                let id = SocketId(NUMBER.fetch_add(1, Ordering::Relaxed));
                connection(socket, id, bridged, events)
            })
        }
        Err(_) => refuse(&Problem::new(ProblemKind::NotUnderstood, "Here is a WebSocket, and nothing else.")),
    }
}

/// Why a connection ends, as the closing frame says it.
type Ending = Option<(u16, &'static str)>;

async fn connection(mut socket: WebSocket, id: SocketId, bridged: Bridged, events: mpsc::Sender<BridgeEvent>) {
    let (out, frames) = mpsc::channel(MAX_WAITING_TO_WRITE);
    let Bridged { frontend, ended } = bridged;
    if events.send(BridgeEvent::Connected { id, frontend, out }).await.is_err() {
        return;
    }
    let ending = carry(&mut socket, id, frames, &events, &ended).await;
    // The loop is gone only when the daemon ends.
    let _ = events.send(BridgeEvent::Gone(id)).await;
    if let Some((code, reason)) = ending {
        let frame = Message::Close(Some(CloseFrame { code, reason: reason.into() }));
        // Whoever it is told may be gone, or take nothing.
        let _ = timeout(STALL, socket.send(frame)).await;
        // Until the client has said that it closes, what was sent could get lost.
        let _ = timeout(STALL, async { while let Some(Ok(_)) = socket.recv().await {} }).await;
    }
}

async fn carry(
    socket: &mut WebSocket,
    id: SocketId,
    mut frames: mpsc::Receiver<ToSocket>,
    events: &mpsc::Sender<BridgeEvent>,
    ended: &CancellationToken,
) -> Ending {
    let mut heard = Instant::now();
    let mut ping_at = heard + PING;
    loop {
        tokio::select! {
            biased;
            () = ended.cancelled() => return Some((1008, "revoked")),
            frame = frames.recv() => match frame {
                Some(ToSocket::Frame(frame)) => {
                    let sent = tokio::select! {
                        sent = timeout(STALL, socket.send(Message::Binary(frame.into()))) => sent,
                        () = ended.cancelled() => return Some((1008, "revoked")),
                    };
                    if !matches!(sent, Ok(Ok(()))) {
                        return None;
                    }
                    if frames.is_empty() && events.send(BridgeEvent::Drained(id)).await.is_err() {
                        return Some((1001, "the daemon goes down"));
                    }
                }
                Some(ToSocket::Close(close)) => return Some(close.code_and_words()),
                None => return Some((1001, "the home was closed")),
            },
            message = socket.recv() => {
                heard = Instant::now();
                match message {
                    Some(Ok(Message::Binary(frame))) if frame.len() > MAX_FRAME => {
                        return Some(Close::TooMuch("a frame is too long").code_and_words());
                    }
                    Some(Ok(Message::Binary(frame))) => {
                        if events.send(BridgeEvent::Frame(id, frame)).await.is_err() {
                            return Some((1001, "the daemon goes down"));
                        }
                    }
                    Some(Ok(Message::Text(_))) => return Some((1003, "only binary frames are understood")),
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                    Some(Ok(Message::Close(_))) | None => return None,
                    // Longer than anything that is taken, or against the rules of WebSockets.
                    Some(Err(_)) => return Some(Close::TooMuch("a frame is too long, or none").code_and_words()),
                }
            },
            () = sleep_until(ping_at) => {
                if heard.elapsed() > SILENCE {
                    return None;
                }
                ping_at = Instant::now() + PING;
                if !matches!(timeout(STALL, socket.send(Message::Ping(Bytes::new()))).await, Ok(Ok(()))) {
                    return None;
                }
            }
        }
    }
}
