//! Devices of one household on loopback, each with a network of its own.
#![allow(dead_code, missing_docs, unreachable_pub, reason = "each test uses a part")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use betwixt_model::document::{DocumentId, Scope};
use betwixt_model::ids::{DeviceId, HouseholdId};
use betwixt_net::interfaces::NetworkId;
use betwixt_net::{Bind, Config, Net, NetEvent};
use betwixt_sync::dialer::{AttemptId, ConnectionId};
use betwixt_sync::keys::{DeviceKeys, KNOCK, PairKey};
use betwixt_sync::wire::{DocumentName, StreamKey};
use rand_core::OsRng;
use tokio::sync::mpsc::Receiver;
use tokio::time::timeout;

pub const SOON: Duration = Duration::from_secs(10);

pub struct Device {
    pub keys: Arc<DeviceKeys>,
    pub net: Net,
    pub events: Receiver<NetEvent>,
    /// The knocks that it was told of.
    pub knocks: Vec<[u8; KNOCK]>,
}

pub fn keys() -> Arc<DeviceKeys> {
    Arc::new(DeviceKeys::generate(&mut OsRng))
}

pub fn config(keys: Arc<DeviceKeys>) -> Config {
    Config {
        keys,
        ports: Default::default(),
        knocks: Vec::new(),
        fixed_port: None,
        bind: Bind::Loopback,
        discover_on_loopback: false,
    }
}

/// This port in whatever network this machine is.
pub fn on_loopback(port: u16) -> BTreeMap<NetworkId, u16> {
    let networks = betwixt_net::interfaces::networks().unwrap();
    networks.into_iter().map(|network| (network.id, port)).collect()
}

pub fn household() -> HouseholdId {
    HouseholdId::from_bytes([9; 32])
}

pub fn pair_key(own: &DeviceKeys, other: &DeviceKeys) -> PairKey {
    PairKey::derive(own, &household(), &other.device(), &other.agreement()).unwrap()
}

impl Device {
    pub fn start() -> Self {
        Self::with(keys())
    }

    pub fn with(keys: Arc<DeviceKeys>) -> Self {
        Self::with_config(config(keys))
    }

    pub fn with_config(config: Config) -> Self {
        let keys = config.keys.clone();
        let (net, events) = Net::start(config).unwrap();
        Self { keys, net, events, knocks: Vec::new() }
    }

    /// The same device after it went down and came up again on the same port, with what it had stored.
    pub async fn restart(self, knocks: Vec<[u8; KNOCK]>) -> Self {
        let port = self.net.port();
        self.net.shut_down().await;
        drop(self.events);
        let device = Self::with_config(Config { ports: on_loopback(port), knocks, ..config(self.keys) });
        assert_eq!(device.net.port(), port);
        device
    }

    pub fn id(&self) -> DeviceId {
        self.keys.device()
    }

    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.net.port()))
    }

    pub fn know(&self, others: &[&Self]) {
        self.net.set_peers(others.iter().map(|other| pair_key(&self.keys, &other.keys)).collect());
    }

    pub async fn event(&mut self) -> NetEvent {
        timeout(SOON, self.events.recv()).await.expect("an event in time").expect("the network runs")
    }

    /// The next event that is about a connection.
    pub async fn next(&mut self) -> NetEvent {
        loop {
            match self.event().await {
                NetEvent::Knocked { knock } => self.knocks.push(knock),
                NetEvent::NetworkChanged { .. }
                | NetEvent::Discovery(_)
                | NetEvent::Drained { .. }
                | NetEvent::PortDrawn { .. } => {}
                event => return event,
            }
        }
    }

    pub async fn connected(&mut self) -> (ConnectionId, DeviceId) {
        match self.next().await {
            NetEvent::Connected { connection, peer, .. } => (connection, peer),
            other => panic!("expected a connection, got {other:?}"),
        }
    }

    pub async fn frame(&mut self) -> Vec<u8> {
        match self.next().await {
            NetEvent::Frame { frame, .. } => frame.to_vec(),
            other => panic!("expected a frame, got {other:?}"),
        }
    }

    pub async fn lost(&mut self) -> betwixt_net::LostReason {
        match self.next().await {
            NetEvent::Lost { reason, .. } => reason,
            other => panic!("expected a loss, got {other:?}"),
        }
    }

    pub async fn dial_failed(&mut self) -> betwixt_net::DialError {
        match self.next().await {
            NetEvent::DialFailed { error, .. } => error,
            other => panic!("expected a failed dial, got {other:?}"),
        }
    }

    /// Nothing about a connection happens for so long.
    pub async fn quiet(&mut self, time: Duration) {
        if let Ok(event) = timeout(time, self.next()).await {
            panic!("expected nothing, got {event:?}");
        }
    }
}

/// Two devices that know each other.
pub fn couple() -> (Device, Device) {
    let (left, right) = (Device::start(), Device::start());
    left.know(&[&right]);
    right.know(&[&left]);
    (left, right)
}

/// Both ends of a connection between them.
pub async fn connect(left: &mut Device, right: &mut Device, attempt: u64) -> (ConnectionId, ConnectionId) {
    left.net.dial(AttemptId(attempt), right.id(), right.address());
    let (at_left, peer) = left.connected().await;
    assert_eq!(peer, right.id());
    let (at_right, peer) = right.connected().await;
    assert_eq!(peer, left.id());
    (at_left, at_right)
}

pub fn document(year: i16) -> StreamKey {
    let id = DocumentId { scope: Scope::Ours, year, generation: 0 };
    StreamKey::Document(DocumentName::of(id))
}
