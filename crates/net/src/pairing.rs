//! Pairing channels: an endpoint of their own, open only while a code shows, where any key is let in.
//!
//! Whoever is at the other end is unproven: TLS keys are made for the one code or run, and what is exchanged
//! ([`betwixt_sync::pairing`]) proves knowledge of the code bound to this very connection. A key that is let in here is
//! never let in by the sync endpoint, which has other sockets, other keys and another protocol name.
//!
//! Each end opens one unidirectional stream with frames on it. Several channels may be open at once
//! ([`limits::PAIRING_CHANNELS`]), so that a silent stranger does not keep the partner out; that attempts count one after
//! the other is the state machine's to see to.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use betwixt_sync::dialer::ConnectionId;
use betwixt_sync::pairing::{Channel, EXPORTER_LABEL};
use bytes::Bytes;
use quinn::{ConnectionError, VarInt};
use rand_core::{OsRng, RngCore as _};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};
use zeroize::Zeroizing;

use crate::config::{CloseCode, SendError, StartError};
use crate::dial::dialable;
use crate::endpoint::{self, Endpoint, canonical};
use crate::event::{NetEvent, PairingClosed, PairingEvent, PairingRole};
use crate::filter::{Door, Filter};
use crate::framing::{FrameError, read_frame, write_frame};
use crate::limits;
use crate::shared::Shared;
use crate::tls::{Identity, PAIRING_PROTOCOL, Pin, SERVER_NAME, proven_key};

/// How long a closing side waits for what it sent last to be acknowledged.
const LINGER: Duration = Duration::from_secs(1);

/// The pairing endpoint, if one is open, and all channels.
#[derive(Debug, Default)]
pub(crate) struct Pairings {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    offer: Option<Offer>,
    channels: BTreeMap<ConnectionId, Outgoing>,
}

#[derive(Debug)]
struct Offer {
    endpoint: Endpoint,
    accepting: AbortHandle,
}

#[derive(Debug)]
struct Outgoing {
    role: PairingRole,
    frames: mpsc::Sender<Bytes>,
}

impl Pairings {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn send(&self, id: ConnectionId, frame: Bytes) -> Result<(), SendError> {
        if frame.len() > limits::PAIRING_FRAME {
            return Err(SendError::TooLong);
        }
        let mut state = self.state();
        let outgoing = state.channels.get(&id).ok_or(SendError::Gone)?;
        match outgoing.frames.try_send(frame) {
            Ok(()) => Ok(()),
            Err(mpsc::error::TrySendError::Closed(_)) => Err(SendError::Gone),
            Err(mpsc::error::TrySendError::Full(_)) => {
                state.channels.remove(&id);
                Err(SendError::TooSlow)
            }
        }
    }

    /// Ends the channel's queue; its task sends the rest and closes.
    pub(crate) fn close(&self, id: ConnectionId) {
        self.state().channels.remove(&id);
    }

    pub(crate) fn close_offer(&self) {
        let mut state = self.state();
        state.channels.retain(|_, channel| channel.role != PairingRole::Offering);
        let Some(offer) = state.offer.take() else { return };
        drop(state);
        offer.endpoint.filter.shut();
        offer.accepting.abort();
        tokio::spawn(async move {
            let _ = timeout(LINGER, offer.endpoint.quic.wait_idle()).await;
            offer.endpoint.quic.close(VarInt::from_u32(CloseCode::Done as u32), b"");
        });
    }
}

/// An identity that lives as long as one code or one run.
fn passing_identity() -> Identity {
    let mut seed = Zeroizing::new([0; 32]);
    OsRng.fill_bytes(&mut *seed);
    Identity::new(Arc::new(ed25519_dalek::SigningKey::from_bytes(&seed)))
}

/// Opens the endpoint; the port.
pub(crate) fn open(shared: &Arc<Shared>) -> Result<u16, StartError> {
    let identity = passing_identity();
    let server = endpoint::server(identity.server(Pin::AnyKey, PAIRING_PROTOCOL)?, endpoint::pairing_transport());
    let filter = Filter::new(shared.ids.clone(), Door::Open(Arc::default()));
    let endpoint = endpoint::open(shared.config.bind, 0, filter, Some(server))
        .map_err(|error| StartError::Socket { port: 0, error })?;
    let port = endpoint.port();
    let task = tokio::spawn(accept(shared.clone(), endpoint.clone(), *identity.public()));
    shared.pairings.state().offer = Some(Offer { endpoint, accepting: task.abort_handle() });
    Ok(port)
}

async fn accept(shared: Arc<Shared>, endpoint: Endpoint, own_key: [u8; 32]) {
    let slots = Arc::new(Semaphore::new(limits::PAIRING_CHANNELS));
    while let Some(incoming) = endpoint.quic.accept().await {
        let Ok(slot) = slots.clone().try_acquire_owned() else {
            incoming.refuse();
            continue;
        };
        let shared = shared.clone();
        tokio::spawn(async move {
            let Ok(connecting) = incoming.accept() else { return };
            let Ok(Ok(quic)) = timeout(limits::HANDSHAKE_TIME, connecting).await else { return };
            let id = shared.new_connection_id();
            let frames = register(&shared, id, PairingRole::Offering);
            run(&shared, id, PairingRole::Offering, own_key, quic, frames).await;
            drop(slot);
        });
    }
}

/// Connects to the first address that answers.
pub(crate) fn join(shared: &Arc<Shared>, addresses: Vec<SocketAddr>) -> ConnectionId {
    let id = shared.new_connection_id();
    let shared = shared.clone();
    let frames = register(&shared, id, PairingRole::Joining);
    tokio::spawn(async move {
        match reach(&shared, addresses).await {
            Some((endpoint, own_key, quic)) => {
                run(&shared, id, PairingRole::Joining, own_key, quic, frames).await;
                let _ = timeout(LINGER, endpoint.quic.wait_idle()).await;
            }
            None => {
                shared.pairings.close(id);
                report(&shared, id, PairingEvent::Closed(PairingClosed::NotReached)).await;
            }
        }
    });
    id
}

async fn reach(shared: &Shared, addresses: Vec<SocketAddr>) -> Option<(Endpoint, [u8; 32], quinn::Connection)> {
    let identity = passing_identity();
    let filter = Filter::new(shared.ids.clone(), Door::Closed);
    let endpoint = endpoint::open(shared.config.bind, 0, filter, None).ok()?;
    let sensible = addresses.into_iter().filter(|address| dialable(shared.config.bind, *address));
    for address in sensible.take(limits::PAIRING_ADDRESSES) {
        let (tls, _) = identity.client(Pin::AnyKey, PAIRING_PROTOCOL).ok()?;
        let config = endpoint::client(tls, endpoint::pairing_transport(), None);
        let Ok(connecting) = endpoint.quic.connect_with(config, address, SERVER_NAME) else { continue };
        if let Ok(Ok(quic)) = timeout(limits::PAIRING_DIAL, connecting).await {
            return Some((endpoint, *identity.public(), quic));
        }
    }
    None
}

fn register(shared: &Shared, id: ConnectionId, role: PairingRole) -> mpsc::Receiver<Bytes> {
    let (frames, queue) = mpsc::channel(limits::PAIRING_QUEUE);
    shared.pairings.state().channels.insert(id, Outgoing { role, frames });
    queue
}

async fn report(shared: &Shared, connection: ConnectionId, event: PairingEvent) {
    let _ = shared.events.send(NetEvent::Pairing { connection, event }).await;
}

/// One channel, from its opening to its end.
async fn run(
    shared: &Arc<Shared>,
    id: ConnectionId,
    role: PairingRole,
    own_key: [u8; 32],
    quic: quinn::Connection,
    frames: mpsc::Receiver<Bytes>,
) {
    let reason = match channel(&quic, own_key) {
        Some(channel) => {
            let remote = canonical(quic.remote_address());
            report(shared, id, PairingEvent::Opened { channel, role, remote }).await;
            let heard = AtomicBool::new(role == PairingRole::Joining);
            tokio::select! {
                ended = read(shared, id, &quic, &heard) => ended,
                () = write(&quic, frames) => PairingClosed::Here,
                () = sleep(limits::PAIRING_TIME) => PairingClosed::Lost,
                () = silence(&heard) => PairingClosed::Lost,
            }
        }
        None => PairingClosed::Lost,
    };
    let code = if reason == PairingClosed::Violation { CloseCode::Violation } else { CloseCode::Done };
    quic.close(VarInt::from_u32(code as u32), b"");
    shared.pairings.close(id);
    report(shared, id, PairingEvent::Closed(reason)).await;
}

fn channel(quic: &quinn::Connection, own_key: [u8; 32]) -> Option<Channel> {
    let mut exporter = [0; 32];
    quic.export_keying_material(&mut exporter, EXPORTER_LABEL, &[]).ok()?;
    Some(Channel { own_key, peer_key: proven_key(quic)?, exporter })
}

/// Ends when the other side has said nothing for too long after the opening.
async fn silence(heard: &AtomicBool) {
    sleep(limits::PAIRING_FIRST_FRAME).await;
    if heard.load(Ordering::Relaxed) {
        std::future::pending::<()>().await;
    }
}

async fn read(shared: &Shared, id: ConnectionId, quic: &quinn::Connection, heard: &AtomicBool) -> PairingClosed {
    let mut stream = match quic.accept_uni().await {
        Ok(stream) => stream,
        Err(error) => return closed(&error),
    };
    loop {
        match read_frame(&mut stream, limits::PAIRING_FRAME, None).await {
            Ok(Some(frame)) => {
                heard.store(true, Ordering::Relaxed);
                report(shared, id, PairingEvent::Frame(frame)).await;
            }
            Err(FrameError::Violation) => return PairingClosed::Violation,
            // The end of its stream announces the connection's.
            Ok(None) | Err(FrameError::Reset | FrameError::Lost) => {
                return closed(&timeout(LINGER, quic.closed()).await.unwrap_or(ConnectionError::TimedOut));
            }
        }
    }
}

fn closed(error: &ConnectionError) -> PairingClosed {
    match error {
        ConnectionError::ApplicationClosed(_) => PairingClosed::ByPeer,
        ConnectionError::LocallyClosed => PairingClosed::Here,
        _ => PairingClosed::Lost,
    }
}

/// Writes what is queued until the queue is closed, then waits for it to be acknowledged. Comes back only then.
async fn write(quic: &quinn::Connection, mut frames: mpsc::Receiver<Bytes>) {
    let Ok(mut stream) = quic.open_uni().await else { return std::future::pending().await };
    while let Some(frame) = frames.recv().await {
        if write_frame(&mut stream, frame).await.is_err() {
            // The reading side notices, and knows why.
            return std::future::pending().await;
        }
    }
    let _ = stream.finish();
    let _ = timeout(LINGER, stream.stopped()).await;
}
