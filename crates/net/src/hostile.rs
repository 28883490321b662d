//! A rostered device with a patched Betwixt: it has the right key and knocks rightly, and then does what it likes.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use betwixt_model::ids::{DeviceId, HouseholdId};
use betwixt_sync::keys::{DeviceKeys, PairKey};
use betwixt_sync::wire::StreamKey;
use quinn::crypto::rustls::QuicClientConfig;
use rand_core::OsRng;
use rustls::NamedGroup;
use rustls::client::{ClientSessionStore, Resumption, Tls12ClientSessionValue, Tls13ClientSessionValue};
use rustls::pki_types::ServerName;
use tokio::sync::mpsc::Receiver;
use tokio::time::timeout;

use crate::tls::{Identity, Pin, SERVER_NAME, SYNC_PROTOCOL};
use crate::{Bind, Config, LostReason, Net, NetEvent, endpoint, limits};

const SOON: Duration = Duration::from_secs(10);

struct Victim {
    net: Net,
    events: Receiver<NetEvent>,
    keys: Arc<DeviceKeys>,
}

struct Attacker {
    endpoint: quinn::Endpoint,
    identity: Identity,
    pair: PairKey,
}

fn meet() -> (Victim, Attacker) {
    let victim = Arc::new(DeviceKeys::generate(&mut OsRng));
    let attacker = DeviceKeys::generate(&mut OsRng);
    let household = HouseholdId::from_bytes([1; 32]);
    let pair = |own: &DeviceKeys, other: &DeviceKeys| {
        PairKey::derive(own, &household, &other.device(), &other.agreement()).unwrap()
    };
    let config = Config {
        keys: victim.clone(),
        ports: Default::default(),
        knocks: Vec::new(),
        fixed_port: None,
        bind: Bind::Loopback,
        discover_on_loopback: false,
    };
    let (net, events) = Net::start(config).unwrap();
    net.set_peers(vec![pair(&victim, &attacker)]);
    let attacker = Attacker {
        endpoint: quinn::Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap(),
        identity: Identity::new(Arc::new(attacker.signing().clone())),
        pair: pair(&attacker, &victim),
    };
    (Victim { net, events, keys: victim }, attacker)
}

impl Victim {
    fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.net.port()))
    }

    fn id(&self) -> DeviceId {
        self.keys.device()
    }

    async fn next(&mut self) -> NetEvent {
        loop {
            match timeout(SOON, self.events.recv()).await.unwrap().unwrap() {
                NetEvent::NetworkChanged { .. }
                | NetEvent::Discovery(_)
                | NetEvent::PortDrawn { .. }
                | NetEvent::Knocked { .. } => {}
                event => return event,
            }
        }
    }

    async fn lost(&mut self) -> LostReason {
        match self.next().await {
            NetEvent::Lost { reason, .. } => reason,
            other => panic!("{other:?}"),
        }
    }
}

impl Attacker {
    async fn dial(&self, victim: &mut Victim) -> quinn::Connection {
        let (tls, _) = self.identity.client(Pin::Device(victim.id()), SYNC_PROTOCOL).unwrap();
        self.dial_with(victim, tls).await
    }

    async fn dial_with(&self, victim: &mut Victim, tls: QuicClientConfig) -> quinn::Connection {
        let config = endpoint::client(tls, endpoint::sync_transport(), Some(self.pair.knock(&mut OsRng)));
        let connecting = self.endpoint.connect_with(config, victim.address(), SERVER_NAME).unwrap();
        let connection = timeout(SOON, connecting).await.unwrap().unwrap();
        let NetEvent::Connected { .. } = victim.next().await else { panic!("no connection") };
        connection
    }
}

#[tokio::test]
async fn hostile_input_is_an_error_a_length_above_the_cap() {
    let (mut victim, attacker) = meet();
    for length in [u32::try_from(limits::FRAME).unwrap() + 1, u32::MAX] {
        let connection = attacker.dial(&mut victim).await;
        let mut stream = connection.open_uni().await.unwrap();
        stream.write_all(&length.to_le_bytes()).await.unwrap();
        assert_eq!(victim.lost().await, LostReason::Violation);
        connection.closed().await;
    }
    attacker.dial(&mut victim).await;
}

#[tokio::test]
async fn hostile_input_is_an_error_a_frame_cut_short() {
    let (mut victim, attacker) = meet();
    for sent in [&[0_u8, 1][..], &[4, 0, 0, 0], &[4, 0, 0, 0, 1, 2, 3]] {
        let connection = attacker.dial(&mut victim).await;
        let mut stream = connection.open_uni().await.unwrap();
        stream.write_all(sent).await.unwrap();
        stream.finish().unwrap();
        assert_eq!(victim.lost().await, LostReason::Violation);
    }
}

#[tokio::test]
async fn a_stream_that_is_given_up_ends_and_harms_nothing() {
    let (mut victim, attacker) = meet();
    let connection = attacker.dial(&mut victim).await;
    let mut stream = connection.open_uni().await.unwrap();
    stream.write_all(&[9, 0, 0, 0, 1]).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    stream.reset(0_u32.into()).unwrap();
    let NetEvent::StreamClosed { .. } = victim.next().await else { panic!() };
    let mut stream = connection.open_uni().await.unwrap();
    stream.write_all(&[1, 0, 0, 0, 42]).await.unwrap();
    let NetEvent::Frame { frame, .. } = victim.next().await else { panic!() };
    assert_eq!(&*frame, &[42]);
}

#[tokio::test]
async fn a_peer_that_refuses_our_stream_is_a_violation() {
    let (mut victim, attacker) = meet();
    let connection = attacker.dial(&mut victim).await;
    let id = betwixt_sync::dialer::ConnectionId(1);
    victim.net.send(id, StreamKey::Control, vec![0; 1 << 20]).unwrap();
    let mut refused = connection.accept_uni().await.unwrap();
    refused.stop(0_u32.into()).unwrap();
    assert_eq!(victim.lost().await, LostReason::Violation);
}

#[tokio::test]
async fn streams_above_the_cap_are_not_to_be_had() {
    let (mut victim, attacker) = meet();
    let connection = attacker.dial(&mut victim).await;
    let mut open = Vec::new();
    for _ in 0..limits::STREAMS {
        open.push(timeout(SOON, connection.open_uni()).await.unwrap().unwrap());
    }
    assert!(timeout(Duration::from_millis(200), connection.open_uni()).await.is_err());
    assert!(timeout(Duration::from_millis(200), connection.open_bi()).await.is_err());
    assert!(connection.send_datagram(vec![1].into()).is_err());
}

/// 512 streams that each announce the longest frame and send nothing of it: the victim takes no memory for promises, and
/// a short frame still gets through.
#[tokio::test]
async fn promised_frames_take_no_memory_and_block_nothing_short() {
    let (mut victim, attacker) = meet();
    let connection = attacker.dial(&mut victim).await;
    let mut open = Vec::new();
    for _ in 1..limits::STREAMS {
        let mut stream = connection.open_uni().await.unwrap();
        stream.write_all(&u32::try_from(limits::FRAME).unwrap().to_le_bytes()).await.unwrap();
        open.push(stream);
    }
    let mut last = connection.open_uni().await.unwrap();
    last.write_all(&[2, 0, 0, 0, 7, 7]).await.unwrap();
    let NetEvent::Frame { frame, .. } = victim.next().await else { panic!() };
    assert_eq!(&*frame, &[7, 7]);
    let resident = std::fs::read_to_string("/proc/self/statm").ok();
    if let Some(pages) = resident.as_deref().and_then(|text| text.split(' ').nth(1)?.parse::<usize>().ok()) {
        assert!(pages * 4096 < 512 << 20, "{} bytes resident", pages * 4096);
    }
}

/// Remembers what a server gave to be resumed with.
#[derive(Debug, Default)]
struct Tickets(Mutex<usize>);

impl ClientSessionStore for Tickets {
    fn set_kx_hint(&self, _: ServerName<'static>, _: NamedGroup) {}

    fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
        None
    }

    fn set_tls12_session(&self, _: ServerName<'static>, _: Tls12ClientSessionValue) {
        *self.0.lock().unwrap() += 1;
    }

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        None
    }

    fn remove_tls12_session(&self, _: &ServerName<'static>) {}

    fn insert_tls13_ticket(&self, _: ServerName<'static>, _: Tls13ClientSessionValue) {
        *self.0.lock().unwrap() += 1;
    }

    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        None
    }
}

#[tokio::test]
async fn a_client_that_would_resume_is_given_nothing_to_resume_with() {
    let (mut victim, attacker) = meet();
    let (mut tls, _) = attacker.identity.client_config(Pin::Device(victim.id()), SYNC_PROTOCOL).unwrap();
    let tickets = Arc::new(Tickets::default());
    tls.resumption = Resumption::store(tickets.clone());
    tls.enable_early_data = true;
    let connection = attacker.dial_with(&mut victim, tls.clone().try_into().unwrap()).await;
    // Tickets come after the handshake: wait for data that is sent after that.
    victim.net.send(betwixt_sync::dialer::ConnectionId(1), StreamKey::Control, vec![1]).unwrap();
    let mut stream = connection.accept_uni().await.unwrap();
    stream.read_chunk(5, true).await.unwrap().unwrap();
    assert_eq!(*tickets.0.lock().unwrap(), 0);
    // And a second dial is a whole handshake: 0-RTT is not to be had.
    let knock = Some(attacker.pair.knock(&mut OsRng));
    let config = endpoint::client(tls.try_into().unwrap(), endpoint::sync_transport(), knock);
    let connecting = attacker.endpoint.connect_with(config, victim.address(), SERVER_NAME).unwrap();
    assert!(connecting.into_0rtt().is_err());
}

#[tokio::test]
async fn another_protocol_version_is_refused_in_the_handshake() {
    let (mut victim, attacker) = meet();
    let (tls, _) = attacker.identity.client(Pin::Device(victim.id()), b"betwixt/999").unwrap();
    let config = endpoint::client(tls, endpoint::sync_transport(), Some(attacker.pair.knock(&mut OsRng)));
    let connecting = attacker.endpoint.connect_with(config, victim.address(), SERVER_NAME).unwrap();
    assert!(timeout(SOON, connecting).await.unwrap().is_err());
    attacker.dial(&mut victim).await;
}
