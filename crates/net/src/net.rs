//! The handle by which the daemon commands the network.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use betwixt_model::ids::DeviceId;
use betwixt_sync::dialer::{AttemptId, ConnectionId, Direction};
use betwixt_sync::keys::{DeviceKeys, PairKey};
use betwixt_sync::wire::StreamKey;
use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::{AbortHandle, JoinHandle};

use crate::connection::Connection;
use crate::discovery::{self, Plans};
use crate::endpoint::{self, Endpoint};
use crate::event::{DialError, LostReason, NetEvent};
use crate::filter::{Door, Filter, OwnIds};
use crate::interfaces::{self, Network, NetworkId};
use crate::limits;
use crate::pairing::Pairings;
use crate::peers::Peers;
use crate::tls::{Identity, Pin, SYNC_PROTOCOL, TlsError};
use crate::watch_links;
use crate::{dial, pairing};

/// Where to listen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bind {
    /// On every interface, IPv6 and IPv4 (IPv4 alone where the host has no IPv6).
    Everywhere,
    /// On 127.0.0.1 only: nothing outside this machine is reached or reaches it. For demos and tests.
    Loopback,
}

/// What the network needs to begin.
#[derive(Debug, Clone)]
pub struct Config {
    /// The device's keys: what signs its facts proves it in TLS, too.
    pub keys: Arc<DeviceKeys>,
    /// The UDP port used last time, to be found again at a remembered address; 0 the first time. If it is taken now,
    /// another is used: see [`Net::port`].
    pub port: u16,
    /// A second port to listen on, for addresses set by hand and firewalls. If it is taken, starting fails.
    pub fixed_port: Option<u16>,
    /// Where to listen.
    pub bind: Bind,
    /// Whether discovery uses the loopback interface, too: for demos and tests on one machine.
    pub discover_on_loopback: bool,
}

/// Where to be found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Discovery {
    /// Nowhere: neither advertise nor look.
    #[default]
    Off,
    /// In these networks.
    Home(BTreeSet<NetworkId>),
    /// In whatever network this device is in.
    Anywhere,
}

/// What a close says to the other side. Going offline, pausing and leaving are all [`CloseCode::Done`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum CloseCode {
    /// Nothing in particular.
    Done = 0,
    /// The other side broke the rules.
    Violation = 1,
    /// Another connection of the same two takes its place.
    Replaced = 2,
    /// No version or household in common.
    Refused = 3,
}

/// A frame that cannot be sent. The connection's [`NetEvent::Lost`] comes or came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The connection is closed or closing.
    #[error("the connection is gone")]
    Gone,
    /// More than [`limits::FRAME`]; nothing was sent, the connection stays.
    #[error("the frame is longer than a frame may be")]
    TooLong,
    /// [`limits::OUTGOING_QUEUE`] would be passed; the connection is closed.
    #[error("the other device takes data too slowly")]
    TooSlow,
}

/// Why an endpoint cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The socket cannot be had.
    #[error("UDP port {port} cannot be opened: {error}")]
    Socket {
        /// Which one; 0: any.
        port: u16,
        /// Why.
        error: io::Error,
    },
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Nothing is dialled or listened to without a runtime.
    #[error("the network was started outside of an async runtime")]
    NoRuntime,
}

/// A pairing endpoint that was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Its UDP port.
    pub port: u16,
    /// Where others in the same network reach it, the likely ones first: for a QR code.
    pub addresses: Vec<SocketAddr>,
}

/// What tasks share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) identity: Identity,
    pub(crate) ids: OwnIds,
    pub(crate) peers: Arc<Peers>,
    pub(crate) events: mpsc::Sender<NetEvent>,
    pub(crate) dials: Mutex<BTreeMap<AttemptId, AbortHandle>>,
    pub(crate) dial_slots: Semaphore,
    pub(crate) pairings: Pairings,
    pub(crate) networks: watch::Sender<Vec<Network>>,
    pub(crate) plans: Plans,
    /// So that commands may come from any thread.
    pub(crate) runtime: Handle,
    connections: Mutex<BTreeMap<ConnectionId, Arc<Connection>>>,
    next_connection: AtomicU64,
}

impl Shared {
    /// A number that no connection had.
    pub(crate) fn new_connection_id(&self) -> ConnectionId {
        ConnectionId(self.next_connection.fetch_add(1, Ordering::Relaxed))
    }

    fn connection(&self, id: ConnectionId) -> Option<Arc<Connection>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }

    /// Takes on a connection whose handshake proved `peer`'s key, and reports it until it is lost.
    pub(crate) async fn establish(self: &Arc<Self>, peer: DeviceId, quic: quinn::Connection, direction: Direction) {
        let connection = Connection::new(self.new_connection_id(), peer, quic, self.events.clone());
        let crowding = {
            let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
            connections.insert(connection.id, connection.clone());
            let of_peer: Vec<_> = connections.values().filter(|other| other.peer == peer).cloned().collect();
            of_peer.len().checked_sub(limits::CONNECTIONS_PER_PEER + 1).and_then(|over| of_peer.get(over).cloned())
        };
        if let Some(oldest) = crowding {
            oldest.abort(LostReason::Crowded, CloseCode::Replaced);
        }
        // Checked after it can be found: a removal meanwhile either sees it in the table or is seen here.
        if !self.peers.contains(&peer) {
            connection.abort(LostReason::NotAPeer, CloseCode::Done);
        }
        connection.clone().run(direction).await;
        self.connections.lock().unwrap_or_else(PoisonError::into_inner).remove(&connection.id);
    }
}

/// The network. Clones are handles to the same one; commands never wait and may come from any thread; what comes of them
/// is told by events.
#[derive(Debug, Clone)]
pub struct Net {
    shared: Arc<Shared>,
    endpoint: Endpoint,
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
        let endpoint = match open(config.port) {
            Err(StartError::Socket { port, error }) if port != 0 => {
                tracing::info!(%error, port, "the last port cannot be used again, taking another");
                open(0)?
            }
            other => other?,
        };
        let fixed = config.fixed_port.map(open).transpose()?;
        let (events, receiver) = mpsc::channel(limits::EVENTS);
        let networks = interfaces::networks().unwrap_or_else(|error| {
            tracing::warn!(%error, "the network interfaces cannot be listed");
            Vec::new()
        });
        let shared = Arc::new(Shared {
            identity,
            ids,
            peers,
            events,
            dials: Mutex::default(),
            dial_slots: Semaphore::new(limits::DIALS),
            pairings: Pairings::default(),
            networks: watch::Sender::new(networks),
            plans: Plans::new(endpoint.port),
            runtime,
            connections: Mutex::default(),
            next_connection: AtomicU64::new(1),
            config,
        });
        let mut tasks = Vec::new();
        for accepting in std::iter::once(&endpoint).chain(&fixed) {
            tasks.push(tokio::spawn(dial::accept(shared.clone(), accepting.clone())));
        }
        tasks.push(tokio::spawn(watch_links::run(shared.clone())));
        tasks.push(tokio::spawn(discovery::find_peers(shared.clone())));
        tasks.push(tokio::spawn(discovery::find_pairings(shared.clone())));
        Ok((Self { shared, endpoint, fixed, _tasks: Arc::new(Tasks(tasks)) }, receiver))
    }

    /// The UDP port in use, to be stored and given back as [`Config::port`].
    pub fn port(&self) -> u16 {
        self.endpoint.port
    }

    /// Where others in the same network reach this device: for `peer add` on the other side.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.addresses_with(self.fixed.as_ref().map_or(self.endpoint.port, |fixed| fixed.port))
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
        self.endpoint.filter.dropped() + self.fixed.as_ref().map_or(0, |fixed| fixed.filter.dropped())
    }

    /// These devices, and no others, may connect and are looked for. Connections with others are closed.
    pub fn set_peers(&self, keys: Vec<PairKey>) {
        self.shared.peers.set(keys);
        let connections = self.shared.connections.lock().unwrap_or_else(PoisonError::into_inner);
        for connection in connections.values().filter(|connection| !self.shared.peers.contains(&connection.peer)) {
            connection.abort(LostReason::NotAPeer, CloseCode::Done);
        }
        drop(connections);
        discovery::replan(&self.shared, false);
    }

    /// Dials a peer at an address. Answered by [`NetEvent::Connected`] or [`NetEvent::DialFailed`] with the attempt's
    /// number, within [`limits::HANDSHAKE_TIME`], unless cancelled before.
    pub fn dial(&self, attempt: AttemptId, peer: DeviceId, address: SocketAddr) {
        let _context = self.shared.runtime.enter();
        let mut dials = self.shared.dials.lock().unwrap_or_else(PoisonError::into_inner);
        let task = tokio::spawn(dial::dial(self.shared.clone(), self.endpoint.quic.clone(), attempt, peer, address));
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

    /// Sends a frame. The stream is opened when first used, with [`StreamKey::priority`]; frames of one stream arrive in
    /// order, those of different streams as they come.
    ///
    /// # Errors
    /// [`SendError`].
    pub fn send(&self, connection: ConnectionId, stream: StreamKey, frame: impl Into<Bytes>) -> Result<(), SendError> {
        let _context = self.shared.runtime.enter();
        self.shared.connection(connection).ok_or(SendError::Gone)?.send(stream, frame.into())
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
        discovery::replan(&self.shared, false);
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
        discovery::replan(&self.shared, false);
        Ok(Place { port, addresses: self.addresses_with(port) })
    }

    /// Closes the pairing endpoint, its channels once what was sent on them has gone out, and its advert.
    pub fn close_pairing(&self) {
        let _context = self.shared.runtime.enter();
        self.shared.pairings.close_offer();
        self.shared.plans.set_offer(None);
        discovery::replan(&self.shared, false);
    }

    /// Looks for devices that show a code with these two digits, or stops looking. Told by [`NetEvent::PairingFound`].
    pub fn find_pairing(&self, digits: Option<u8>) {
        self.shared.plans.set_wanted(digits);
        discovery::replan(&self.shared, false);
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
            let connections = self.shared.connections.lock().unwrap_or_else(PoisonError::into_inner);
            connections.values().cloned().collect()
        };
        for connection in open {
            connection.close(CloseCode::Done);
        }
        let quiet = async {
            while !self.shared.plans.are_stopped()
                || !self.shared.connections.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
            {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let _ = tokio::time::timeout(Duration::from_millis(1500), quiet).await;
        let endpoints = || std::iter::once(&self.endpoint).chain(&self.fixed);
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
        let ports: Vec<u16> = endpoints().map(|endpoint| endpoint.port).collect();
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

impl From<&quinn::ConnectionError> for DialError {
    fn from(error: &quinn::ConnectionError) -> Self {
        match error {
            quinn::ConnectionError::TimedOut | quinn::ConnectionError::LocallyClosed => Self::NoAnswer,
            quinn::ConnectionError::CidsExhausted => Self::Busy,
            _ => Self::Refused,
        }
    }
}
