//! Pairing channels: any key is let in, on an endpoint that knows nothing of the sync endpoint.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::net::SocketAddr;
use std::time::Duration;

use betwixt_net::{DialError, NetEvent, PairingClosed, PairingEvent, PairingRole, SendError, limits};
use betwixt_sync::dialer::{AttemptId, ConnectionId};
use betwixt_sync::pairing::Channel;
use common::{Device, pair_key};

async fn pairing(device: &mut Device) -> (ConnectionId, PairingEvent) {
    match device.next().await {
        NetEvent::Pairing { connection, event } => (connection, event),
        other => panic!("expected pairing, got {other:?}"),
    }
}

async fn opened(device: &mut Device) -> (ConnectionId, Channel, PairingRole) {
    match pairing(device).await {
        (connection, PairingEvent::Opened { channel, role, .. }) => (connection, channel, role),
        other => panic!("expected an opening, got {other:?}"),
    }
}

async fn frame(device: &mut Device) -> Vec<u8> {
    match pairing(device).await {
        (_, PairingEvent::Frame(frame)) => frame.to_vec(),
        other => panic!("expected a frame, got {other:?}"),
    }
}

async fn closed(device: &mut Device) -> PairingClosed {
    match pairing(device).await {
        (_, PairingEvent::Closed(reason)) => reason,
        other => panic!("expected an end, got {other:?}"),
    }
}

#[tokio::test]
async fn strangers_talk_over_a_channel_that_both_see_alike_and_nobody_else_has() {
    let (mut shows, mut enters) = (Device::start(), Device::start());
    let place = shows.net.open_pairing(None).unwrap();
    assert_ne!(place.port, shows.net.port());
    assert_eq!(place.addresses, [SocketAddr::from(([127, 0, 0, 1], place.port))]);
    let mut channels = Vec::new();
    for run in 0..2_u8 {
        // Addresses that do not answer are passed over.
        let nobody = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let addresses =
            if run == 0 { place.addresses.clone() } else { vec![nobody.local_addr().unwrap(), place.addresses[0]] };
        let id = enters.net.join_pairing(addresses);
        let (at_enters, entering, role) = opened(&mut enters).await;
        assert_eq!((at_enters, role), (id, PairingRole::Joining));
        let (at_shows, showing, role) = opened(&mut shows).await;
        assert_eq!(role, PairingRole::Offering);
        assert_eq!(entering.exporter, showing.exporter);
        assert_eq!((entering.own_key, entering.peer_key), (showing.peer_key, showing.own_key));
        assert_ne!(&showing.own_key, shows.id().as_bytes(), "the long-term key is not shown before a proof");
        assert_ne!(&entering.own_key, enters.id().as_bytes());
        // Either may speak first.
        shows.net.send_pairing(at_shows, vec![run, 1]).unwrap();
        assert_eq!(frame(&mut enters).await, [run, 1]);
        enters.net.send_pairing(at_enters, vec![run, 2]).unwrap();
        enters.net.send_pairing(at_enters, vec![run; limits::PAIRING_FRAME]).unwrap();
        assert_eq!(frame(&mut shows).await, [run, 2]);
        assert_eq!(frame(&mut shows).await.len(), limits::PAIRING_FRAME);
        let too_long = vec![0; limits::PAIRING_FRAME + 1];
        assert_eq!(shows.net.send_pairing(at_shows, too_long), Err(SendError::TooLong));
        // The last word still arrives.
        shows.net.send_pairing(at_shows, b"bye".to_vec()).unwrap();
        shows.net.close_pairing_channel(at_shows);
        assert_eq!(frame(&mut enters).await, b"bye");
        assert_eq!(closed(&mut enters).await, PairingClosed::ByPeer);
        assert_eq!(closed(&mut shows).await, PairingClosed::Here);
        assert_eq!(shows.net.send_pairing(at_shows, vec![1]), Err(SendError::Gone));
        channels.push(showing);
    }
    assert_ne!(channels[0].exporter, channels[1].exporter);
    assert_ne!(channels[0].peer_key, channels[1].peer_key, "a key a run");
    assert_eq!(channels[0].own_key, channels[1].own_key, "a key an offer");
    let again = shows.net.open_pairing(None).unwrap();
    enters.net.join_pairing(again.addresses);
    assert_ne!(opened(&mut shows).await.1.own_key, channels[0].own_key);
}

#[tokio::test]
async fn an_unknown_key_that_pairing_lets_in_is_not_let_in_by_sync_meanwhile() {
    let (mut shows, mut enters) = (Device::start(), Device::start());
    let place = shows.net.open_pairing(None).unwrap();
    enters.net.join_pairing(place.addresses.clone());
    let (at_enters, ..) = opened(&mut enters).await;
    opened(&mut shows).await;
    enters.net.send_pairing(at_enters, vec![1]).unwrap();
    frame(&mut shows).await;
    // The other knows the pair's key already (it derives it), this one has not rostered it.
    enters.know(&[&shows]);
    enters.net.dial(AttemptId(1), shows.id(), shows.address());
    assert_eq!(enters.dial_failed().await, DialError::NoAnswer);
    // The pairing endpoint is no back door either: it speaks another protocol with another key.
    enters.net.dial(AttemptId(2), shows.id(), place.addresses[0]);
    assert!(matches!(enters.dial_failed().await, DialError::Refused | DialError::WrongKey));
    // And the sync endpoint is no pairing endpoint.
    enters.net.join_pairing(vec![shows.address()]);
    assert_eq!(closed(&mut enters).await, PairingClosed::NotReached);
    shows.net.set_peers(vec![pair_key(&shows.keys, &enters.keys)]);
    enters.net.dial(AttemptId(3), shows.id(), shows.address());
    enters.connected().await;
    shows.connected().await;
}

#[tokio::test]
async fn the_endpoint_is_open_only_while_a_code_shows() {
    let (mut shows, mut enters) = (Device::start(), Device::start());
    let place = shows.net.open_pairing(None).unwrap();
    enters.net.join_pairing(place.addresses.clone());
    let (at_enters, ..) = opened(&mut enters).await;
    let (at_shows, ..) = opened(&mut shows).await;
    shows.net.send_pairing(at_shows, b"last".to_vec()).unwrap();
    shows.net.close_pairing();
    assert_eq!(frame(&mut enters).await, b"last");
    assert_eq!(closed(&mut enters).await, PairingClosed::ByPeer);
    assert_eq!(closed(&mut shows).await, PairingClosed::Here);
    assert_eq!(enters.net.send_pairing(at_enters, vec![1]), Err(SendError::Gone));
    let id = enters.net.join_pairing(place.addresses.clone());
    let (ended, event) = pairing(&mut enters).await;
    assert_eq!(ended, id);
    assert!(matches!(event, PairingEvent::Closed(PairingClosed::NotReached)), "{event:?}");
    shows.quiet(Duration::from_millis(100)).await;
    // A moment later even the port is free.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    std::net::UdpSocket::bind(place.addresses[0]).unwrap();
}

#[tokio::test]
async fn a_silent_stranger_does_not_keep_the_partner_out() {
    let (mut shows, mut silent, mut enters) = (Device::start(), Device::start(), Device::start());
    let place = shows.net.open_pairing(None).unwrap();
    silent.net.join_pairing(place.addresses.clone());
    opened(&mut silent).await;
    let (at_silent, ..) = opened(&mut shows).await;
    enters.net.join_pairing(place.addresses.clone());
    let (at_enters, ..) = opened(&mut enters).await;
    opened(&mut shows).await;
    enters.net.send_pairing(at_enters, vec![1]).unwrap();
    assert_eq!(frame(&mut shows).await, [1]);
    let (ended, event) = pairing(&mut shows).await;
    assert_eq!(ended, at_silent);
    assert!(matches!(event, PairingEvent::Closed(PairingClosed::Lost)), "{event:?}");
    assert_eq!(closed(&mut silent).await, PairingClosed::ByPeer);
}

#[tokio::test]
async fn channels_above_the_cap_are_turned_away_until_one_ends() {
    let (mut shows, mut enters) = (Device::start(), Device::start());
    let place = shows.net.open_pairing(None).unwrap();
    let mut channels = Vec::new();
    for _ in 0..limits::PAIRING_CHANNELS {
        channels.push(enters.net.join_pairing(place.addresses.clone()));
        opened(&mut enters).await;
        opened(&mut shows).await;
    }
    enters.net.join_pairing(place.addresses.clone());
    assert_eq!(closed(&mut enters).await, PairingClosed::NotReached);
    enters.net.close_pairing_channel(channels[0]);
    assert_eq!(closed(&mut enters).await, PairingClosed::Here);
    closed(&mut shows).await;
    enters.net.join_pairing(place.addresses.clone());
    opened(&mut enters).await;
}
