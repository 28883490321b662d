//! The virtual cable itself: what the other tests in network namespaces rely on.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::{Ipv4Addr, UdpSocket};
use std::time::Duration;

use betwixt_testkit::needs::{Need, met};
use betwixt_tests::namespaces::{Cable, Side};

/// Sends a datagram from the left machine until it arrives on the right one; false after two seconds.
fn arrives(cable: &Cable, to: (Ipv4Addr, u16)) -> bool {
    let receiver = cable
        .inside(Side::Right, || {
            let socket = UdpSocket::bind(("0.0.0.0", to.1)).unwrap();
            if to.0.is_multicast() {
                socket.join_multicast_v4(&to.0, &cable.address(Side::Right).parse().unwrap()).ok()?;
            }
            socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
            Some(socket)
        })
        .unwrap();
    let Some(receiver) = receiver else { return false };
    let sender = cable.inside(Side::Left, || UdpSocket::bind("0.0.0.0:0").unwrap()).unwrap();
    (0..40).any(|_| {
        let _ = sender.send_to(b"hello", to);
        let mut buffer = [0; 16];
        receiver.recv_from(&mut buffer).is_ok_and(|(length, _)| &buffer[..length] == b"hello")
    })
}

#[test]
fn datagrams_cross_the_cable_only_while_it_is_plugged_in() {
    if !met(&[Need::NetworkNamespaces]) {
        return;
    }
    let cable = Cable::plug().unwrap();
    let to = (cable.address(Side::Right).parse().unwrap(), 4321);
    assert!(arrives(&cable, to));
    cable.set_plugged(false).unwrap();
    assert!(!arrives(&cable, to));
    cable.set_plugged(true).unwrap();
    assert!(arrives(&cable, to));
}

#[test]
fn multicast_crosses_the_cable_until_it_is_blocked() {
    if !met(&[Need::NetworkNamespaces]) {
        return;
    }
    let cable = Cable::plug().unwrap();
    let group = (Ipv4Addr::new(224, 0, 0, 251), 5353);
    assert!(arrives(&cable, group));
    cable.block_multicast().unwrap();
    assert!(!arrives(&cable, group));
    assert!(arrives(&cable, (cable.address(Side::Right).parse().unwrap(), 4321)), "everything else still crosses");
}
