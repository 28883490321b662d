//! Beginning connections: dialling with a knock, and letting in who knocks.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use betwixt_model::ids::DeviceId;
use betwixt_sync::dialer::{AttemptId, Direction};
use betwixt_sync::keys::KNOCK;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::config::Bind;
use crate::endpoint::{self, Endpoint};
use crate::event::{DialError, NetEvent};
use crate::limits;
use crate::shared::Shared;
use crate::tls::{Pin, SERVER_NAME, SYNC_PROTOCOL, proven_key};

/// One dial, and the connection that comes of it.
pub(crate) async fn dial(
    shared: Arc<Shared>,
    quic: quinn::Endpoint,
    attempt: AttemptId,
    peer: DeviceId,
    address: SocketAddr,
) {
    let result = handshake(&shared, &quic, peer, address).await;
    shared.dials.lock().unwrap_or_else(PoisonError::into_inner).remove(&attempt);
    match result {
        Ok(connection) => {
            // A task of its own, so that a late cancel does not end what is connected.
            tokio::spawn(async move { shared.establish(peer, connection, Direction::Outgoing(attempt)).await });
        }
        Err(error) => {
            let _ = shared.events.send(NetEvent::DialFailed { attempt, error }).await;
        }
    }
}

async fn handshake(
    shared: &Shared,
    quic: &quinn::Endpoint,
    peer: DeviceId,
    address: SocketAddr,
) -> Result<quinn::Connection, DialError> {
    let _slot = shared.dial_slots.try_acquire().map_err(|_| DialError::Busy)?;
    if !dialable(shared.config.bind, address) {
        return Err(DialError::Unreachable);
    }
    let knock = shared.peers.knock_at(&peer).ok_or(DialError::NotAPeer)?;
    let (tls, mismatch) =
        shared.identity.client(Pin::Device(peer), SYNC_PROTOCOL).map_err(|_| DialError::Unreachable)?;
    let config = endpoint::client(tls, endpoint::sync_transport(), Some(knock));
    let connecting = quic.connect_with(config, address, SERVER_NAME).map_err(|_| DialError::Unreachable)?;
    match timeout(limits::HANDSHAKE_TIME, connecting).await {
        Err(_) => Err(DialError::NoAnswer),
        Ok(Err(_)) if mismatch.load(Ordering::Relaxed) => Err(DialError::WrongKey),
        Ok(Err(error)) => Err(DialError::from(&error)),
        Ok(Ok(connection)) if proven_key(&connection).as_ref() == Some(peer.as_bytes()) => Ok(connection),
        Ok(Ok(_)) => Err(DialError::WrongKey),
    }
}

/// NothingOutbound: never to groups of machines, and from a loopback socket only to this one.
pub(crate) fn dialable(bind: Bind, address: SocketAddr) -> bool {
    let ip = address.ip().to_canonical();
    let one_host = !ip.is_multicast() && !ip.is_unspecified() && address.port() != 0;
    let broadcast = matches!(ip, std::net::IpAddr::V4(v4) if v4.is_broadcast());
    one_host && !broadcast && (bind == Bind::Everywhere || ip.is_loopback())
}

/// Lets in who knocks, pinned to the device whose knock it is. Everybody else is ignored, without an answer.
pub(crate) async fn accept(shared: Arc<Shared>, endpoint: Endpoint) {
    let slots = Arc::new(Semaphore::new(limits::HANDSHAKES));
    while let Some(incoming) = endpoint.quic.accept().await {
        // Slots first: a knock that we are too busy for is not used up, and the dialler's next packet repeats it.
        let Ok(slot) = slots.clone().try_acquire_owned() else {
            incoming.ignore();
            continue;
        };
        let knock = incoming.orig_dst_cid();
        let (Some(peer), Ok(knock)) = (shared.peers.admit(&knock), <[u8; KNOCK]>::try_from(&*knock)) else {
            incoming.ignore();
            continue;
        };
        let Ok(tls) = shared.identity.server(Pin::Device(peer), SYNC_PROTOCOL) else {
            incoming.ignore();
            continue;
        };
        let config = Arc::new(endpoint::server(tls, endpoint::sync_transport()));
        let shared = shared.clone();
        tokio::spawn(async move {
            // Before it is answered, so that no answer goes out that nobody was told of.
            let _ = shared.events.send(NetEvent::Knocked { knock }).await;
            let Ok(connecting) = incoming.accept_with(config) else { return };
            let Ok(Ok(connection)) = timeout(limits::HANDSHAKE_TIME, connecting).await else { return };
            drop(slot);
            if proven_key(&connection).as_ref() == Some(peer.as_bytes()) {
                shared.establish(peer, connection, Direction::Incoming).await;
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_outbound_to_groups_or_from_loopback_to_elsewhere() {
        let address = |text: &str| text.parse::<SocketAddr>().unwrap();
        assert!(dialable(Bind::Everywhere, address("192.168.1.2:7")));
        assert!(dialable(Bind::Everywhere, address("[fe80::1%3]:7")));
        assert!(dialable(Bind::Loopback, address("127.0.0.1:7")));
        for bad in ["224.0.0.251:5353", "255.255.255.255:7", "0.0.0.0:7", "192.168.1.2:0", "[ff02::fb]:5353"] {
            assert!(!dialable(Bind::Everywhere, address(bad)), "{bad}");
        }
        assert!(!dialable(Bind::Loopback, address("192.168.1.2:7")));
        assert!(dialable(Bind::Loopback, address("[::ffff:127.0.0.1]:7")));
    }
}
