//! A household of two people with two devices each, on a network with strangers: what is private stays home, what is shared comes
//! to all four, nothing goes anywhere else, and whoever does not belong gets no answer.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use betwixt_api::{Collection, Device, EnterCode, Pairing, Proof, Purpose, Secret, StartPairing};
use betwixt_testkit::needs::{Need, met};
use betwixt_tests::capture::{Capture, Packet, TCP, UDP};
use betwixt_tests::files::copy_directory;
use betwixt_tests::home::{Home, PASSPHRASE, add_device, contains, in_step, pair};
use betwixt_tests::namespaces::Lan;
use betwixt_tests::people::{journal, share_the_same, until, write};
use serde_json::json;

const PATIENCE: Duration = Duration::from_secs(30);
/// Where the stranger sits.
const STRANGER: usize = 4;
const MDNS: u16 = 5353;
const ROBINS: &str = "Nobody else shall read this of Robin";
const KIMS: &str = "Nobody else shall read this of Kim";
const SHARED: &str = "Lanterns along the towpath";

async fn home(lan: &Lan, machine: usize, name: &str) -> Home {
    let mut home = Home::on_lan(lan, machine).unwrap();
    home.found(name).await.unwrap();
    home
}

/// Everything that a home would hand to a person, in the clear.
async fn export(home: &Home) -> Vec<u8> {
    let mut download = home.client().export().await.unwrap();
    let mut all = Vec::new();
    while let Some(piece) = download.next().await.unwrap() {
        all.extend_from_slice(&piece);
    }
    all
}

async fn this(home: &Home) -> Device {
    home.client().devices().await.unwrap().into_iter().find(|device| device.this).unwrap()
}

/// A stranger sends these to the household; what comes back to them, from anybody of it.
fn answers(lan: &Lan, datagrams: &[(SocketAddr, Vec<u8>)]) -> Vec<(SocketAddr, Vec<u8>)> {
    lan.inside(STRANGER, || {
        let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        let mut heard = Vec::new();
        let mut buffer = [0; 2048];
        let mut hear = |until: Instant| {
            loop {
                if let Ok((length, from)) = socket.recv_from(&mut buffer) {
                    heard.push((from, buffer[..length].to_vec()));
                }
                if Instant::now() >= until {
                    break;
                }
            }
        };
        for (to, datagram) in datagrams {
            socket.send_to(datagram, to).unwrap();
            hear(Instant::now());
        }
        hear(Instant::now() + Duration::from_secs(1));
        heard
    })
    .unwrap()
}

/// Datagrams between the household's devices over IPv4, but for mDNS, as somebody who listened sends them again.
fn recorded(packets: &[Packet]) -> Vec<(SocketAddr, Vec<u8>)> {
    let ours: Vec<IpAddr> = (0..STRANGER).map(|machine| Lan::address(machine).parse().unwrap()).collect();
    let between = |packet: &&Packet| ours.contains(&packet.from.ip()) && ours.contains(&packet.to.ip());
    let udp = packets.iter().filter(between).filter(|packet| packet.protocol == UDP && packet.to.port() != MDNS);
    udp.filter(|packet| !packet.payload.is_empty()).map(|packet| (packet.to, packet.payload.clone())).collect()
}

/// What scanners send: a QUIC packet of an unknown version, of the known one without a knock, and noise.
fn probes(to: SocketAddr) -> Vec<(SocketAddr, Vec<u8>)> {
    let long_header = |version: u32| {
        let mut datagram = vec![0xc0];
        datagram.extend_from_slice(&version.to_be_bytes());
        datagram.push(20);
        datagram.extend_from_slice(&[7; 20]);
        datagram.push(0);
        datagram.resize(1200, 0);
        (to, datagram)
    };
    vec![long_header(0x1a2a_3a4a), long_header(1), (to, vec![0x40; 60]), (to, vec![0; 1200]), (to, b"hello".to_vec())]
}

/// Where a home listens, on a machine.
async fn place(home: &Home, machine: usize) -> SocketAddr {
    let port = home.client().status().await.unwrap().port.unwrap();
    SocketAddr::new(Lan::address(machine).parse().unwrap(), port)
}

/// A stranger tries codes at an offer that shows. It is told that, and the offer goes on for whoever is meant.
async fn guess(stranger: &Home, shows: &Home) {
    // A code that is well-formed, and another.
    let own = stranger.client().pairing_start(&StartPairing::default()).await.unwrap();
    let Pairing::Offering { code, .. } = own else { panic!("no code") };
    let Pairing::Offering { addresses, .. } = shows.client().pairing_start(&StartPairing::default()).await.unwrap()
    else {
        panic!("no code")
    };
    let enter = EnterCode { code, purpose: Purpose::Partner, addresses, recovery_code: None };
    stranger.client().pairing_enter(&enter).await.unwrap();
    until("the end of the guesser's tries", async || {
        matches!(stranger.client().pairing().await.unwrap(), Pairing::Failed { .. })
    })
    .await;
    let Pairing::Offering { notice: Some(notice), .. } = shows.client().pairing().await.unwrap() else {
        panic!("the offer is gone, or tells nothing")
    };
    assert!(notice.contains("wrong code"), "{notice}");
    shows.client().pairing_cancel().await.unwrap();
}

/// NothingOutbound: what the household's machines sent, and to whom.
fn only_to_the_link(lan_packets: &[Packet], hardware: &BTreeSet<IpAddr>) {
    let of_the_household = |packet: &&Packet| hardware.contains(&packet.from.ip());
    let mut seen = 0;
    for packet in lan_packets.iter().filter(of_the_household) {
        seen += 1;
        assert_ne!(packet.protocol, TCP, "{packet:?}");
        let to = packet.to.ip();
        let on_link = match to {
            IpAddr::V4(to) => to.octets()[..3] == [192, 0, 2] || to.octets()[..3] == [224, 0, 0],
            IpAddr::V6(to) => to.is_unicast_link_local() || to.segments()[0] == 0xff02,
        };
        assert!(on_link, "sent to {to}");
        if packet.protocol == UDP && to.is_multicast() {
            assert_eq!(packet.to.port(), MDNS, "{packet:?}");
        }
    }
    assert!(seen > 100, "{seen} packets show nothing");
}

/// The addresses from which a machine sends.
fn addresses(lan: &Lan, machine: usize) -> BTreeSet<IpAddr> {
    let networks = lan.inside(machine, betwixt_net::interfaces::networks).unwrap().unwrap();
    let of_links = networks.iter().flat_map(|network| network.addresses.iter().map(|known| known.ip));
    of_links.chain([Lan::address(machine).parse().unwrap()]).collect()
}

#[tokio::test]
async fn private_stays_home_nothing_outbound_four_devices_of_two_people_among_strangers() {
    if !met(&[Need::NetworkNamespaces, Need::Capture]) {
        return;
    }
    let lan = Lan::of(STRANGER + 1).unwrap();
    let capture = Capture::begin_at_switch(&lan).unwrap();
    let laptop = home(&lan, 0, "Robin").await;
    let mut phone = home(&lan, 1, "Robin").await;
    let kim = home(&lan, 2, "Kim").await;
    let kims_phone = home(&lan, 3, "Kim").await;
    let stranger = home(&lan, STRANGER, "Mallory").await;

    guess(&stranger, &laptop).await;
    pair(&laptop, &kim, false).await.unwrap();
    add_device(&laptop, &phone).await.unwrap();
    add_device(&kim, &kims_phone).await.unwrap();

    // Everything to whom it belongs, with nothing configured.
    write(&laptop, ROBINS).await;
    write(&kims_phone, KIMS).await;
    phone.create(Collection::Thanks, "thanks", "what", json!(SHARED)).await.unwrap();
    let all = [&laptop, &phone, &kim, &kims_phone];
    until("Robin's page on the phone", async || journal(&phone).await == [ROBINS]).await;
    until("Kim's page on the laptop", async || journal(&kim).await == [KIMS]).await;
    for (one, other) in [(&laptop, &kim), (&laptop, &phone), (&laptop, &kims_phone)] {
        until("what is shared, on all four", async || share_the_same(one, other).await).await;
    }
    for home in all {
        let (shown, devices) = (export(home).await, home.client().devices().await.unwrap());
        let of_robin = this(home).await.partner == this(&laptop).await.partner;
        assert!(contains(&shown, SHARED.as_bytes()));
        assert_eq!((contains(&shown, ROBINS.as_bytes()), contains(&shown, KIMS.as_bytes())), (of_robin, !of_robin));
        assert_eq!(devices.len(), 4, "everybody sees every device that holds their data");
    }

    // Strangers get no answer: to probes, and to everything that was ever said between the four.
    let mut tried = recorded(&capture.so_far().unwrap().packets);
    eprintln!("{} datagrams are said again by a stranger", tried.len());
    assert!(tried.len() > 50);
    for (machine, home) in all.into_iter().enumerate() {
        tried.extend(probes(place(home, machine).await));
    }
    assert_eq!(answers(&lan, &tried), []);

    // A thief has a copy of the phone, and its passphrase; the phone is removed, and both are strangers.
    let lost = this(&phone).await;
    phone.down().await.unwrap();
    let mut clone = Home::on_lan(&lan, STRANGER).unwrap();
    copy_directory(phone.path(), clone.path());
    laptop.client().device_remove(&lost.id).await.unwrap();
    for home in [&kim, &kims_phone] {
        until("the removal at Kim's", async || {
            home.client().devices().await.unwrap().iter().any(|device| device.id == lost.id && device.removed)
        })
        .await;
    }
    clone.up_and_unlock().await.unwrap();
    clone.client().here().await.unwrap();
    kim.create(Collection::Thanks, "later", "what", json!("The walk after the rain")).await.unwrap();
    in_step(&laptop, &kim, PATIENCE).await.unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await;
    let status = clone.client().status().await.unwrap();
    assert!(status.peers.iter().all(|peer| !peer.connected), "{status:?}");
    assert!(!contains(&export(&clone).await, b"The walk after the rain"));
    clone.down().await.unwrap();

    // Robin leaves. Kim's devices, who are strangers to Robin's machine from now on, get no answer there.
    let port = place(&laptop, 0).await;
    let before = capture.so_far().unwrap().packets.len();
    laptop.client().leave(&Proof { passphrase: Secret::from(PASSPHRASE.to_owned()) }).await.unwrap();
    until("the end of Robin's home", async || laptop.client().status().await.is_err()).await;
    // Another home on the same machine is nobody's, either.
    let anew = home(&lan, 0, "Robin").await;
    until("the parting", async || {
        kim.client().status().await.unwrap().peers.iter().filter(|peer| peer.connected).count() == 1
    })
    .await;
    let parted = capture.so_far().unwrap().packets.len();
    kim.create(Collection::Thanks, "last", "what", json!("That you were here")).await.unwrap();
    in_step(&kims_phone, &kim, PATIENCE).await.unwrap();
    // Kim's devices go on dialling, as they would a device that is off.
    tokio::time::sleep(Duration::from_secs(5)).await;
    let mut again = recorded(&capture.so_far().unwrap().packets[before..]);
    again.extend(probes(port));
    again.extend(probes(place(&anew, 0).await));
    assert_eq!(answers(&lan, &again), []);
    let traffic = capture.end().unwrap();
    let robins = addresses(&lan, 0);
    let mut said = traffic.packets[parted..]
        .iter()
        .filter(|packet| robins.contains(&packet.from.ip()) && packet.protocol == UDP && packet.to.port() != MDNS);
    assert_eq!(said.next(), None, "whoever has left says nothing to anybody");

    for text in ["Robin", "Kim", ROBINS, KIMS, SHARED, "laptop"] {
        assert!(!contains(&traffic.raw, text.as_bytes()), "{text:?} can be read on the network");
    }
    only_to_the_link(&traffic.packets, &(0..STRANGER).flat_map(|machine| addresses(&lan, machine)).collect());
}
