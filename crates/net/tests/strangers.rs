//! Nobody but a rostered device gets a single datagram in answer.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use betwixt_sync::dialer::AttemptId;
use common::couple;
use tokio::net::UdpSocket;
use tokio::time::timeout;

/// Long enough for any answer on loopback, and for quinn's delayed ones.
const ANSWER: Duration = Duration::from_millis(400);

async fn socket() -> UdpSocket {
    UdpSocket::bind("127.0.0.1:0").await.unwrap()
}

/// Whether anything at all comes back for these datagrams.
async fn is_answered(to: SocketAddr, datagrams: &[Vec<u8>]) -> bool {
    let socket = socket().await;
    for datagram in datagrams {
        socket.send_to(datagram, to).await.unwrap();
    }
    let mut buffer = [0; 2048];
    timeout(ANSWER, socket.recv_from(&mut buffer)).await.is_ok()
}

fn long_header(first: u8, version: u32, id: &[u8]) -> Vec<u8> {
    let mut datagram = vec![first];
    datagram.extend_from_slice(&version.to_be_bytes());
    datagram.push(u8::try_from(id.len()).unwrap());
    datagram.extend_from_slice(id);
    datagram.push(0);
    datagram.resize(1200, 0);
    datagram
}

fn version_probe() -> Vec<u8> {
    long_header(0xc0, 0x1a2a_3a4a, &[7; 20])
}

/// quinn as it comes, without our filter.
fn bare_server() -> quinn::Endpoint {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(rustls::server::ResolvesServerCertUsingSni::new()));
    let tls = quinn::crypto::rustls::QuicServerConfig::try_from(tls).unwrap();
    let config = quinn::ServerConfig::with_crypto(Arc::new(tls));
    let endpoint = quinn::Endpoint::server(config, "127.0.0.1:0".parse().unwrap()).unwrap();
    let accepting = endpoint.clone();
    tokio::spawn(async move {
        while let Some(incoming) = accepting.accept().await {
            let _ = incoming.await;
        }
    });
    endpoint
}

fn stranger() -> quinn::ClientConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    quinn::ClientConfig::new(Arc::new(quinn::crypto::rustls::QuicClientConfig::try_from(tls).unwrap()))
}

/// Relays between one dialler and a listener, keeping what each sent.
struct Relay {
    address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    from_dialler: Vec<Vec<u8>>,
    from_listener: Vec<Vec<u8>>,
}

impl Relay {
    async fn start(listener: SocketAddr) -> Self {
        let (front, back) = (socket().await, socket().await);
        back.connect(listener).await.unwrap();
        let address = front.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let kept = seen.clone();
        tokio::spawn(async move {
            let (mut first, mut second) = ([0; 2048], [0; 2048]);
            let mut dialler = None;
            loop {
                tokio::select! {
                    Ok((length, from)) = front.recv_from(&mut first) => {
                        dialler = Some(from);
                        kept.lock().unwrap().from_dialler.push(first[..length].to_vec());
                        let _ = back.send(&first[..length]).await;
                    }
                    Ok(length) = back.recv(&mut second) => {
                        kept.lock().unwrap().from_listener.push(second[..length].to_vec());
                        if let Some(dialler) = dialler {
                            let _ = front.send_to(&second[..length], dialler).await;
                        }
                    }
                }
            }
        });
        Self { address, seen }
    }
}

#[tokio::test]
async fn noise_and_probes_get_no_answer() {
    let (mut left, right) = couple();
    let to = right.address();
    let mut datagrams = vec![version_probe(), vec![0x40; 1200], vec![0xff; 1200], vec![0; 1], Vec::new()];
    for length in [8, 19, 20] {
        datagrams.push(long_header(0xc0, 1, &vec![3; length]));
    }
    datagrams.push(long_header(0xe0, 1, &[3; 8]));
    datagrams.push(long_header(0x80, 0, &[3; 8]));
    assert!(!is_answered(to, &datagrams).await);
    assert_eq!(right.net.dropped_datagrams(), datagrams.iter().filter(|datagram| !datagram.is_empty()).count() as u64);
    // It is there for those who may know.
    left.net.dial(AttemptId(1), right.id(), to);
    left.connected().await;
}

#[tokio::test]
async fn quinn_without_our_filter_would_answer_a_version_probe() {
    let bare = bare_server();
    assert!(is_answered(bare.local_addr().unwrap(), &[version_probe()]).await);
}

#[tokio::test]
async fn a_handshake_without_a_knock_gets_no_answer() {
    let (_left, right) = couple();
    let client = quinn::Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
    let try_at = async |listener: SocketAddr| {
        let relay = Relay::start(listener).await;
        let connecting = client.connect_with(stranger(), relay.address, "stranger").unwrap();
        let _ = timeout(Duration::from_secs(2), connecting).await;
        let seen = relay.seen.lock().unwrap();
        assert!(!seen.from_dialler.is_empty());
        seen.from_listener.len()
    };
    assert_eq!(try_at(right.address()).await, 0);
    // The same attempt at quinn as it comes is answered, so the attempt is a real one.
    assert_ne!(try_at(bare_server().local_addr().unwrap()).await, 0);
}

#[tokio::test]
async fn a_wrong_knock_gets_no_answer() {
    // `left` knocks with the key of another household.
    let (mut left, right) = couple();
    let other = betwixt_model::ids::HouseholdId::from_bytes([8; 32]);
    let wrong = betwixt_sync::keys::PairKey::derive(&left.keys, &other, &right.id(), &right.keys.agreement()).unwrap();
    left.net.set_peers(vec![wrong]);
    let relay = Relay::start(right.address()).await;
    left.net.dial(AttemptId(1), right.id(), relay.address);
    assert_eq!(left.dial_failed().await, betwixt_net::DialError::NoAnswer);
    let seen = relay.seen.lock().unwrap();
    assert!(!seen.from_dialler.is_empty());
    assert_eq!(seen.from_listener.len(), 0);
}

#[tokio::test]
async fn a_recorded_knock_gets_no_answer_and_one_reflected_neither() {
    let (mut left, mut right) = couple();
    let relay = Relay::start(right.address()).await;
    left.net.dial(AttemptId(1), right.id(), relay.address);
    let (connection, _) = left.connected().await;
    right.connected().await;
    let recorded = relay.seen.lock().unwrap().from_dialler.clone();
    let first = recorded[0].clone();
    assert_eq!((first[0] & 0xf0, first[5]), (0xc0, 20), "an Initial with a knock");
    // While the first connection stands, and after it is gone.
    assert!(!is_answered(right.address(), std::slice::from_ref(&first)).await);
    left.net.close(connection, betwixt_net::CloseCode::Done);
    left.lost().await;
    right.lost().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!is_answered(right.address(), std::slice::from_ref(&first)).await);
    assert!(!is_answered(left.address(), std::slice::from_ref(&first)).await);
    right.quiet(Duration::from_millis(100)).await;
}

/// Found when everything that four devices had said to each other was said again by a stranger: packets of a connection that was
/// over, as one of two that both had dialled is, got a stateless reset.
#[tokio::test]
async fn recorded_packets_of_a_connection_that_is_over_get_no_answer() {
    let (mut left, mut right) = couple();
    let relay = Relay::start(right.address()).await;
    left.net.dial(AttemptId(1), right.id(), relay.address);
    let (connection, _) = left.connected().await;
    right.connected().await;
    left.net.close(connection, betwixt_net::CloseCode::Done);
    left.lost().await;
    right.lost().await;
    // Longer than what is closed goes on answering what comes.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (from_dialler, from_listener) = {
        let seen = relay.seen.lock().unwrap();
        (seen.from_dialler.clone(), seen.from_listener.clone())
    };
    let short = |datagrams: &[Vec<u8>]| datagrams.iter().filter(|datagram| datagram[0] & 0x80 == 0).count();
    assert!(short(&from_dialler) > 0 && short(&from_listener) > 0);
    for datagram in from_dialler {
        assert!(!is_answered(right.address(), &[datagram]).await);
    }
    for datagram in from_listener {
        assert!(!is_answered(left.address(), &[datagram]).await);
    }
}

/// A dial of the second device's that reached the first, as somebody on the path has it.
async fn recorded_dial() -> (common::Device, common::Device, Vec<u8>) {
    let (mut left, mut right) = couple();
    let relay = Relay::start(right.address()).await;
    left.net.dial(AttemptId(1), right.id(), relay.address);
    left.connected().await;
    right.connected().await;
    let first = relay.seen.lock().unwrap().from_dialler[0].clone();
    (left, right, first)
}

#[tokio::test]
async fn a_recorded_knock_gets_no_answer_after_a_restart_either() {
    let (mut left, right, recorded) = recorded_dial().await;
    let knocks = right.knocks.clone();
    let mut right = right.restart(knocks).await;
    right.know(&[&left]);
    assert!(!is_answered(right.address(), std::slice::from_ref(&recorded)).await);
    // A fresh one is answered as ever.
    while !matches!(left.next().await, betwixt_net::NetEvent::Lost { .. }) {}
    common::connect(&mut left, &mut right, 2).await;
}

#[tokio::test]
async fn what_is_remembered_is_what_keeps_a_recorded_knock_out_after_a_restart() {
    let (left, right, recorded) = recorded_dial().await;
    let right = right.restart(Vec::new()).await;
    right.know(&[&left]);
    assert!(is_answered(right.address(), std::slice::from_ref(&recorded)).await);
}

#[tokio::test]
async fn a_fresh_knock_by_itself_is_answered_so_the_silence_above_means_something() {
    let (left, right) = couple();
    // Recorded on its way to nobody, so never used.
    let nobody = socket().await;
    left.net.dial(AttemptId(1), right.id(), nobody.local_addr().unwrap());
    let mut buffer = [0; 2048];
    let (length, _) = timeout(ANSWER, nobody.recv_from(&mut buffer)).await.unwrap().unwrap();
    let knock = buffer[..length].to_vec();
    assert!(is_answered(right.address(), std::slice::from_ref(&knock)).await);
    assert!(!is_answered(right.address(), &[knock]).await);
}

#[tokio::test]
async fn a_device_that_knows_nobody_answers_nobody() {
    let (left, right) = couple();
    right.net.set_peers(Vec::new());
    let nobody = socket().await;
    left.net.dial(AttemptId(1), right.id(), nobody.local_addr().unwrap());
    let mut buffer = [0; 2048];
    let (length, _) = timeout(ANSWER, nobody.recv_from(&mut buffer)).await.unwrap().unwrap();
    assert!(!is_answered(right.address(), &[buffer[..length].to_vec()]).await);
}

#[tokio::test]
async fn a_flood_of_noise_does_not_keep_the_partner_out() {
    let (mut left, mut right) = couple();
    let to = right.address();
    let flood = tokio::spawn(async move {
        let socket = socket().await;
        let datagram = long_header(0xc0, 1, &[5; 20]);
        loop {
            for _ in 0..20 {
                let _ = socket.send_to(&datagram, to).await;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    tokio::time::sleep(Duration::from_millis(200)).await;
    common::connect(&mut left, &mut right, 1).await;
    flood.abort();
    assert!(right.net.dropped_datagrams() > 100);
}
