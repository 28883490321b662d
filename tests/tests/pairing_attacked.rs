//! Pairing two real daemons with somebody between them, or somebody who says again what was said in an earlier pairing: nobody
//! is paired with anybody, both people are told, and the two pair once the attacker is gone.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use betwixt_api::{self as api, ConfirmPairing, EnterCode, Pairing, Secret, StartPairing};
use betwixt_model::ids::{EpochId, PartnerId};
use betwixt_net::{Bind, Config, Net, NetEvent, PairingEvent, PairingRole};
use betwixt_sync::dialer::ConnectionId;
use betwixt_sync::keys::DeviceKeys;
use betwixt_sync::pairing::{Entered, Local, Output, PairingJoin, Purpose};
use betwixt_sync::roster::Roster;
use betwixt_tests::home::{Home, say_yes};
use betwixt_tests::people::{new_home, until};
use rand_core::OsRng;
use tokio::sync::mpsc::Receiver;

/// Somebody who has everything that a device has, and is nobody's.
struct Attacker {
    net: Net,
    events: Receiver<NetEvent>,
    keys: Arc<DeviceKeys>,
}

impl Attacker {
    fn new() -> Self {
        let keys = Arc::new(DeviceKeys::generate(&mut OsRng));
        let config = Config {
            keys: keys.clone(),
            ports: BTreeMap::new(),
            knocks: Vec::new(),
            fixed_port: None,
            bind: Bind::Loopback,
            discover_on_loopback: false,
        };
        let (net, events) = Net::start(config).unwrap();
        Self { net, events, keys }
    }

    async fn next(&mut self) -> (ConnectionId, PairingEvent) {
        loop {
            if let NetEvent::Pairing { connection, event } = self.events.recv().await.expect("the network runs") {
                return (connection, event);
            }
        }
    }

    /// Joins an offer for every channel to its own, and passes every frame on as it is, both ways, counting them.
    async fn stand_between(mut self, offer: Vec<SocketAddr>, passed: Arc<AtomicUsize>) {
        let mut other: BTreeMap<ConnectionId, ConnectionId> = BTreeMap::new();
        // What comes before the far end stands waits for it.
        let mut waiting: BTreeMap<ConnectionId, Vec<Vec<u8>>> = BTreeMap::new();
        loop {
            match self.next().await {
                (near, PairingEvent::Opened { role: PairingRole::Offering, .. }) => {
                    let far = self.net.join_pairing(offer.clone());
                    other.extend([(near, far), (far, near)]);
                    waiting.insert(far, Vec::new());
                }
                (far, PairingEvent::Opened { role: PairingRole::Joining, .. }) => {
                    for frame in waiting.remove(&far).unwrap_or_default() {
                        let _ = self.net.send_pairing(far, frame);
                    }
                }
                (from, PairingEvent::Frame(frame)) => {
                    passed.fetch_add(1, Ordering::Relaxed);
                    let Some(to) = other.get(&from) else { continue };
                    match waiting.get_mut(to) {
                        Some(waiting) => waiting.push(frame.to_vec()),
                        None => drop(self.net.send_pairing(*to, frame.to_vec())),
                    }
                }
                (ended, PairingEvent::Closed(_)) => {
                    if let Some(far) = other.remove(&ended) {
                        self.net.close_pairing_channel(far);
                    }
                }
            }
        }
    }

    /// Pairs as a partner does, with a home that shows this code, and answers the frames that it said and heard.
    async fn pair(&mut self, home: &Home, code: &Secret, addresses: &[String]) -> Recorded {
        let mut nonce = [0; 32];
        rand_core::RngCore::fill_bytes(&mut OsRng, &mut nonce);
        let local = Local {
            keys: self.keys.clone(),
            partner: PartnerId::founded_by(&self.keys.device()),
            name: "Mallory".into(),
            device_name: "Mallory's phone".into(),
            statements: Roster::begin(&self.keys, EpochId::from_bytes(nonce)),
            household: None,
            private_space: None,
            recovery: None,
        };
        let entered = Entered::parse(code.reveal()).unwrap();
        let mut join = PairingJoin::new(local, entered, Purpose::Partner, Instant::now()).unwrap();
        self.net.join_pairing(parsed(addresses));
        let mut recorded = Recorded::default();
        loop {
            match self.next().await {
                (connection, PairingEvent::Opened { channel, .. }) => {
                    join.handle_connected(connection, channel, Instant::now(), &mut OsRng);
                }
                (connection, PairingEvent::Frame(frame)) => {
                    recorded.heard.push(frame.to_vec());
                    join.handle_frame(connection, &frame, Instant::now(), &mut OsRng);
                }
                (_, PairingEvent::Closed(reason)) => panic!("the pairing ended: {reason}"),
            }
            while let Some(output) = join.poll_output() {
                match output {
                    Output::Send(connection, frame) => {
                        recorded.said.push(frame.clone());
                        self.net.send_pairing(connection, frame).unwrap();
                    }
                    Output::AskConfirm { peer, .. } => {
                        until("the question", async || {
                            matches!(home.client().pairing().await.unwrap(), Pairing::Asking { .. })
                        })
                        .await;
                        home.client().pairing_confirm(&ConfirmPairing { yes: true, passphrase: None }).await.unwrap();
                        join.handle_confirm(&peer.device, true);
                    }
                    Output::Paired { .. } => join.handle_stored(),
                    Output::Finished(outcome) => {
                        outcome.unwrap();
                        return recorded;
                    }
                    Output::Close(_) | Output::Event(_) => {}
                }
            }
        }
    }

    /// Says frames to whoever shows a code, each when the one before was answered, and waits until that is the end.
    async fn say_to_offer(&mut self, addresses: &[String], frames: &[Vec<u8>]) {
        let joined = self.net.join_pairing(parsed(addresses));
        let mut frames = frames.iter();
        loop {
            match self.next().await {
                (connection, PairingEvent::Closed(_)) if connection == joined => return,
                (connection, PairingEvent::Opened { .. } | PairingEvent::Frame(_)) => {
                    if let Some(frame) = frames.next() {
                        // It may be hung up on in between.
                        let _ = self.net.send_pairing(connection, frame.clone());
                    }
                }
                // The end of an earlier one.
                (_, PairingEvent::Closed(_)) => {}
            }
        }
    }
}

/// The frames of a whole pairing, in order.
#[derive(Default)]
struct Recorded {
    /// By the side that entered the code.
    said: Vec<Vec<u8>>,
    /// By the side that showed it.
    heard: Vec<Vec<u8>>,
}

fn parsed(addresses: &[String]) -> Vec<SocketAddr> {
    addresses.iter().map(|address| address.parse().unwrap()).collect()
}

async fn show(home: &Home) -> (Secret, Vec<String>) {
    match home.client().pairing_start(&StartPairing { purpose: api::Purpose::Partner }).await.unwrap() {
        Pairing::Offering { code, addresses, .. } => (code, addresses),
        other => panic!("no code shows: {other:?}"),
    }
}

async fn enter(home: &Home, code: &Secret, addresses: Vec<String>) {
    let purpose = api::Purpose::Partner;
    let request = EnterCode { code: code.clone(), purpose, addresses, recovery_code: None };
    home.client().pairing_enter(&request).await.unwrap();
}

/// Why it came to nothing at the side that entered the code.
async fn failed(home: &Home) -> String {
    let mut why = String::new();
    until("the end of the tries", async || match home.client().pairing().await.unwrap() {
        Pairing::Failed { reason } => {
            why = reason;
            true
        }
        Pairing::Searching { .. } => false,
        other => panic!("somebody is being paired: {other:?}"),
    })
    .await;
    why
}

/// The code shows on, and the person is told of wrong ones, in one of these words.
async fn was_told(home: &Home, words: &[&str]) {
    match home.client().pairing().await.unwrap() {
        Pairing::Offering { notice: Some(notice), .. } => {
            assert!(words.iter().any(|words| notice.contains(words)), "{notice}");
        }
        other => panic!("{other:?}"),
    }
}

/// The devices that a home knows.
async fn devices(home: &Home) -> Vec<String> {
    home.client().devices().await.unwrap().into_iter().map(|device| device.id).collect()
}

async fn is_alone(home: &Home) {
    assert_eq!(devices(home).await.len(), 1, "the roster has grown");
    let status = home.client().status().await.unwrap();
    assert!(!status.paired && status.partner.is_none() && status.peers.is_empty(), "{status:?}");
}

#[tokio::test]
async fn whoever_passes_on_every_frame_between_two_people_is_paired_with_neither_and_neither_are_they() {
    let (shows, enters) = (new_home("Robin").await, new_home("Kim").await);
    let (code, addresses) = show(&shows).await;
    let attacker = Attacker::new();
    let place = attacker.net.open_pairing(None).unwrap();
    let passed = Arc::new(AtomicUsize::new(0));
    let between = tokio::spawn(attacker.stand_between(parsed(&addresses), passed.clone()));
    // Kim types the right code, and is led to the attacker.
    enter(&enters, &code, place.addresses.iter().map(ToString::to_string).collect()).await;
    let why = failed(&enters).await;
    assert!(why.contains("the code was wrong"), "{why}");
    was_told(&shows, &["wrong code"]).await;
    // The one who enters the code, the one who shows it, the proof: with less than these nothing was tried.
    assert!(passed.load(Ordering::Relaxed) >= 3, "{passed:?} frames were passed on");
    is_alone(&shows).await;
    is_alone(&enters).await;
    between.abort();

    // The same code, without anybody between.
    enter(&enters, &code, addresses).await;
    say_yes(&shows, &enters, api::Purpose::Partner).await.unwrap();
    for home in [&shows, &enters] {
        assert_eq!(devices(home).await.len(), 2);
    }
    assert_eq!(devices(&shows).await, devices(&enters).await);
}

#[tokio::test]
async fn what_was_said_in_a_whole_pairing_pairs_nobody_when_it_is_said_again() {
    let (earlier, fresh) = (new_home("Robin").await, new_home("Kim").await);
    let mut attacker = Attacker::new();
    let (code, addresses) = show(&earlier).await;
    let recorded = tokio::time::timeout(Duration::from_secs(30), attacker.pair(&earlier, &code, &addresses));
    let recorded = recorded.await.expect("the earlier pairing comes about");
    until("the earlier pairing", async || earlier.client().status().await.unwrap().paired).await;
    assert!(recorded.said.len() > 3 && recorded.heard.len() > 3, "a whole pairing has more frames");
    let known = devices(&earlier).await;
    assert_eq!(known.len(), 2);

    // To a new code of the same home, and to one of another.
    for home in [&earlier, &fresh] {
        let before = devices(home).await;
        let (again, addresses) = show(home).await;
        assert_ne!(again.reveal(), code.reveal());
        let saying = attacker.say_to_offer(&addresses, &recorded.said);
        tokio::time::timeout(Duration::from_secs(20), saying).await.expect("it is hung up on");
        until("the word about it", async || {
            matches!(home.client().pairing().await.unwrap(), Pairing::Offering { notice: Some(_), .. })
        })
        .await;
        // What is said after the proof that proves nothing may still come before it is hung up on.
        was_told(home, &["wrong code", "no part of pairing"]).await;
        assert_eq!(devices(home).await, before);
    }
    assert_eq!(devices(&earlier).await, known);
    is_alone(&fresh).await;
    fresh.client().pairing_cancel().await.unwrap();

    // To somebody who types a code and is led to the attacker, who answers as the one who showed it answered then; the code of
    // then, even.
    let place = attacker.net.open_pairing(None).unwrap();
    let answering = tokio::spawn(async move {
        loop {
            if let (connection, PairingEvent::Opened { .. }) = attacker.next().await {
                for frame in &recorded.heard {
                    let _ = attacker.net.send_pairing(connection, frame.clone());
                }
            }
        }
    });
    enter(&fresh, &code, place.addresses.iter().map(ToString::to_string).collect()).await;
    let why = failed(&fresh).await;
    assert!(why.contains("the code was wrong"), "{why}");
    is_alone(&fresh).await;
    answering.abort();
}
