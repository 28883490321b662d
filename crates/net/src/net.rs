//! The handle by which the daemon commands the network.

use std::net::SocketAddr;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use betwixt_model::ids::DeviceId;
use betwixt_sync::dialer::{AttemptId, ConnectionId};
use betwixt_sync::keys::PairKey;
use betwixt_sync::wire::OutgoingStream;
use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinHandle;

use crate::config::{Bind, CloseCode, Config, Discovery, Place, SendError, StartError};
use crate::endpoint::{self, Endpoint};
use crate::event::{LostReason, NetEvent};
use crate::filter::{Door, Filter, OwnIds};
use crate::interfaces::{self, Network};
use crate::pairing::Pairings;
use crate::peers::Peers;
use crate::plan::Plans;
use crate::ports::Ports;
use crate::shared::Shared;
use crate::tls::{Identity, Pin, SYNC_PROTOCOL};
use crate::{dial, discovery, limits, pairing, plan, watch_links};

/// The network. Clones are handles to the same one; commands never wait and may come from any thread; what comes of them
/// is told by events.
#[derive(Debug, Clone)]
pub struct Net {
    shared: Arc<Shared>,
    fixed: Option<Endpoint>,
    _tasks: Arc<Tasks>,
}

/// Stops everything when the last handle is dropped.
#[derive(Debug)]
struct Tasks(Vec<JoinHandle<()>>);

impl Drop for Tasks {
    fn drop(&mut self) {
        for task in &self.0 {
            task.abort();
        }
    }
}

impl Net {
    /// Opens the sockets and begins to watch the links. Nobody is admitted before [`Net::set_peers`], nothing is
    /// advertised before [`Net::set_discovery`].
    ///
    /// # Errors
    /// [`StartError`], when no UDP socket can be had (or not the fixed port), or there is no tokio runtime.
    pub fn start(config: Config) -> Result<(Self, mpsc::Receiver<NetEvent>), StartError> {
        let runtime = Handle::try_current().map_err(|_| StartError::NoRuntime)?;
        let identity = Identity::new(Arc::new(config.keys.signing().clone()));
        let ids = OwnIds::new();
        let peers = Arc::new(Peers::default());
        let open = |port: u16| {
            // What each accepted connection is pinned to depends on the knock, see `dial::accept`; this one, for nobody,
            // is never used.
            let own = DeviceId::from_bytes(*identity.public());
            let tls = identity.server(Pin::Device(own), SYNC_PROTOCOL)?;
            let server = endpoint::server(tls, endpoint::sync_transport());
            let filter = Filter::new(ids.clone(), Door::Knock(peers.clone()));
            endpoint::open(config.bind, port, filter, Some(server)).map_err(|error| StartError::Socket { port, error })
        };
        let networks = interfaces::networks().unwrap_or_else(|error| {
            tracing::warn!(%error, "the network interfaces cannot be listed");
            Vec::new()
        });
        let mut ports = Ports::new(config.ports.clone());
        let first = ports.next(&plan::sensible(&config, &networks));
        let endpoint = match open(first.and_then(|first| first.port).unwrap_or(0)) {
            Err(StartError::Socket { port, error }) if port != 0 => {
                tracing::info!(%error, port, "the network's last port cannot be used again, taking another");
                open(0)?
            }
            other => other?,
        };
        let fixed = config.fixed_port.map(open).transpose()?;
        let (events, receiver) = mpsc::channel(limits::EVENTS);
        if let Some(network) = first.map(|first| first.network)
            && ports.settle(network, endpoint.port())
        {
            // There is room: it is the first.
            let _ = events.try_send(NetEvent::PortDrawn { network, port: endpoint.port() });
        }
        peers.remember(&config.knocks);
        let shared = Arc::new(Shared {
            identity,
            ids,
            endpoint,
            ports: Mutex::new(ports),
            peers,
            events,
            dials: Mutex::default(),
            dial_slots: Semaphore::new(limits::DIALS),
            pairings: Pairings::default(),
            networks: watch::Sender::new(networks),
            plans: Plans::new(),
            runtime,
            connections: Mutex::default(),
            next_connection: AtomicU64::new(1),
            config,
        });
        let mut tasks = Vec::new();
        for accepting in std::iter::once(&shared.endpoint).chain(&fixed) {
            tasks.push(tokio::spawn(dial::accept(shared.clone(), accepting.clone())));
        }
        tasks.push(tokio::spawn(watch_links::run(shared.clone())));
        tasks.push(tokio::spawn(discovery::find_peers(shared.clone())));
        tasks.push(tokio::spawn(discovery::find_pairings(shared.clone())));
        Ok((Self { shared, fixed, _tasks: Arc::new(Tasks(tasks)) }, receiver))
    }

    /// The UDP port in use: that of the network in which this device is.
    pub fn port(&self) -> u16 {
        self.shared.endpoint.port()
    }

    /// Where others in the same network reach this device: for `peer add` on the other side.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.addresses_with(self.fixed.as_ref().map_or(self.port(), Endpoint::port))
    }

    fn addresses_with(&self, port: u16) -> Vec<SocketAddr> {
        match self.shared.config.bind {
            Bind::Loopback => vec![SocketAddr::from(([127, 0, 0, 1], port))],
            Bind::Everywhere => {
                let loopback = self.shared.config.discover_on_loopback;
                interfaces::own_addresses(&self.shared.networks.borrow(), loopback, port)
            }
        }
    }

    /// The networks that this device is in now.
    pub fn networks(&self) -> Vec<Network> {
        self.shared.networks.borrow().clone()
    }

    /// Datagrams that were dropped without an answer since the start: strangers, or noise.
    pub fn dropped_datagrams(&self) -> u64 {
        self.shared.endpoint.filter.dropped() + self.fixed.as_ref().map_or(0, |fixed| fixed.filter.dropped())
    }

    /// These devices, and no others, may connect and are looked for. Connections with others are closed.
    pub fn set_peers(&self, keys: Vec<PairKey>) {
        self.shared.peers.set(keys);
        let connections = self.shared.connections();
        for connection in connections.values().filter(|connection| !self.shared.peers.contains(&connection.peer)) {
            connection.abort(LostReason::NotAPeer, CloseCode::Done);
        }
        drop(connections);
        plan::replan(&self.shared, false);
    }

    /// Dials a peer at an address. Answered by [`NetEvent::Connected`] or [`NetEvent::DialFailed`] with the attempt's
    /// number, within [`limits::HANDSHAKE_TIME`], unless cancelled before.
    pub fn dial(&self, attempt: AttemptId, peer: DeviceId, address: SocketAddr) {
        let _context = self.shared.runtime.enter();
        let mut dials = self.shared.dials.lock().unwrap_or_else(PoisonError::into_inner);
        let task =
            tokio::spawn(dial::dial(self.shared.clone(), self.shared.endpoint.quic.clone(), attempt, peer, address));
        if let Some(before) = dials.insert(attempt, task.abort_handle()) {
            before.abort();
        }
    }

    /// Gives up a dial. Nothing is told of it any more, except that it had already connected.
    pub fn cancel(&self, attempt: AttemptId) {
        if let Some(task) = self.shared.dials.lock().unwrap_or_else(PoisonError::into_inner).remove(&attempt) {
            task.abort();
        }
    }

    /// Sends a frame. The stream is opened when first used, with [`OutgoingStream::priority`]; frames of one stream arrive in
    /// order, those of different streams as they come.
    ///
    /// # Errors
    /// [`SendError`].
    pub fn send(
        &self,
        connection: ConnectionId,
        stream: impl Into<OutgoingStream>,
        frame: impl Into<Bytes>,
    ) -> Result<(), SendError> {
        let _context = self.shared.runtime.enter();
        self.shared.connection(connection).ok_or(SendError::Gone)?.send(stream.into(), frame.into())
    }

    /// Bytes that wait to be sent. Above [`limits::OUTGOING_LOW_WATER`], hold bulk data back until
    /// [`NetEvent::Drained`].
    pub fn queued(&self, connection: ConnectionId) -> usize {
        self.shared.connection(connection).map_or(0, |connection| connection.queued())
    }

    /// Closes a connection once what was sent on it has gone out (a second at most). [`NetEvent::Lost`] follows; until
    /// then frames may still come.
    pub fn close(&self, connection: ConnectionId, code: CloseCode) {
        if let Some(connection) = self.shared.connection(connection) {
            let _context = self.shared.runtime.enter();
            connection.close(code);
        }
    }

    /// Where to advertise this device and look for its peers.
    pub fn set_discovery(&self, discovery: Discovery) {
        self.shared.plans.set_discovery(discovery);
        plan::replan(&self.shared, false);
    }

    /// Asks discovery whether an advertised address that did not answer is still there.
    pub fn verify(&self, peer: DeviceId, address: SocketAddr) {
        self.shared.plans.verify(peer, address);
    }

    /// Opens the pairing endpoint, and advertises it under the code's two digits (0 to 99) if there are any. One at a
    /// time: an open one is closed first. Connections are told by [`NetEvent::Pairing`].
    ///
    /// # Errors
    /// [`StartError`], when no UDP socket can be had.
    pub fn open_pairing(&self, digits: Option<u8>) -> Result<Place, StartError> {
        self.close_pairing();
        let _context = self.shared.runtime.enter();
        let port = pairing::open(&self.shared)?;
        self.shared.plans.set_offer(digits.map(|digits| (digits, port)));
        plan::replan(&self.shared, false);
        Ok(Place { port, addresses: self.addresses_with(port) })
    }

    /// Closes the pairing endpoint, its channels once what was sent on them has gone out, and its advert.
    pub fn close_pairing(&self) {
        let _context = self.shared.runtime.enter();
        self.shared.pairings.close_offer();
        self.shared.plans.set_offer(None);
        plan::replan(&self.shared, false);
    }

    /// Looks for devices that show a code with these two digits, or stops looking. Told by [`NetEvent::PairingFound`].
    pub fn find_pairing(&self, digits: Option<u8>) {
        self.shared.plans.set_wanted(digits);
        plan::replan(&self.shared, false);
    }

    /// Connects to a pairing endpoint at the first of these addresses that answers, with keys made for this run. Told by
    /// [`NetEvent::Pairing`] under the number that is returned.
    pub fn join_pairing(&self, addresses: Vec<SocketAddr>) -> ConnectionId {
        let _context = self.shared.runtime.enter();
        pairing::join(&self.shared, addresses)
    }

    /// Sends a frame on a pairing channel.
    ///
    /// # Errors
    /// [`SendError`].
    pub fn send_pairing(&self, connection: ConnectionId, frame: impl Into<Bytes>) -> Result<(), SendError> {
        self.shared.pairings.send(connection, frame.into())
    }

    /// Closes a pairing channel once what was sent on it has gone out.
    pub fn close_pairing_channel(&self, connection: ConnectionId) {
        self.shared.pairings.close(connection);
    }

    /// Says goodbye to everybody and stops. Waits until it is said and the ports are free again, three seconds at most;
    /// they stay taken while there are other handles.
    pub async fn shut_down(self) {
        self.set_discovery(Discovery::Off);
        self.find_pairing(None);
        self.close_pairing();
        let open: Vec<_> = {
            let connections = self.shared.connections();
            connections.values().cloned().collect()
        };
        for connection in open {
            connection.close(CloseCode::Done);
        }
        let quiet = async {
            while !self.shared.plans.are_stopped() || !self.shared.connections().is_empty() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let _ = tokio::time::timeout(Duration::from_millis(1500), quiet).await;
        let endpoints = || std::iter::once(&self.shared.endpoint).chain(&self.fixed);
        for endpoint in endpoints() {
            endpoint.quic.close(quinn::VarInt::from_u32(CloseCode::Done as u32), b"");
        }
        let idle = async {
            for endpoint in endpoints() {
                endpoint.quic.wait_idle().await;
            }
        };
        let _ = tokio::time::timeout(Duration::from_millis(500), idle).await;
        let bind = self.shared.config.bind;
        let ports: Vec<u16> = endpoints().map(|endpoint| endpoint.port()).collect();
        // What answers late packets stays for three probe time-outs (RFC 9000, 10.2), which are many seconds where the machine
        // was busy. It may do so elsewhere. Twice, since QUIC keeps the socket before until something comes through the next.
        for endpoint in endpoints().filter(|endpoint| endpoint.quic.open_connections() > 0) {
            for _ in 0..2 {
                if let Err(error) = endpoint.rebind(bind, 0) {
                    tracing::info!(%error, "a port stays taken for a while");
                }
            }
        }
        drop(self);
        let free = async {
            for port in ports {
                while !endpoint::is_free(bind, port) {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
        };
        let _ = tokio::time::timeout(Duration::from_secs(1), free).await;
    }
}
