//! What comes by multicast, and datagrams before QUIC sees them.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::OnceLock;

use arbitrary::Unstructured;
use betwixt_net::fuzz::{DatagramFilter, hear};
use betwixt_net::interfaces::{InterfaceAddress, InterfaceKind, Network, NetworkId};
use betwixt_net::limits;
use betwixt_sync::keys::PairKey;

use super::roster::chains;
use crate::reached::here;

/// The keys that the first of the devices has with two others.
pub(crate) fn pairs() -> &'static [PairKey] {
    static PAIRS: OnceLock<Vec<PairKey>> = OnceLock::new();
    PAIRS.get_or_init(|| vec![pair(0, 1), pair(0, 3)])
}

/// The key that another of these devices has with the first.
pub(crate) fn their_pair() -> PairKey {
    pair(1, 0)
}

fn pair(own: usize, other: usize) -> PairKey {
    let chains = chains();
    let (own, other) = (&chains.devices[own], &chains.devices[other]);
    PairKey::derive(own, &chains.household, &other.device(), &other.agreement()).expect("it is an honest key")
}

fn networks() -> Vec<Network> {
    let address = |ip: [u8; 4], prefix| InterfaceAddress { ip: ip.into(), prefix };
    let local = InterfaceAddress { ip: Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 2).into(), prefix: 64 };
    let network = |name: &str, index, addresses| Network {
        interface: name.to_owned(),
        index,
        kind: InterfaceKind::Ordinary,
        addresses,
        id: NetworkId::from_bytes([0; 32]),
    };
    vec![
        network("eth0", 2, vec![address([192, 168, 1, 2], 24), local]),
        network("wlan0", 3, vec![address([10, 0, 0, 2], 8)]),
    ]
}

/// An advert: its port, the addresses it names with the interface that each came on, and its TXT properties.
pub(super) fn heard(bytes: &[u8]) {
    let mut input = Unstructured::new(bytes);
    let Ok(port) = input.arbitrary::<u16>() else { return };
    let count = input.arbitrary::<u8>().unwrap_or(0) % 12;
    let mut addresses: Vec<(IpAddr, u32)> = Vec::new();
    for _ in 0..count {
        let interface = u32::from(input.arbitrary::<u8>().unwrap_or(0) % 5);
        let address = match input.arbitrary::<bool>() {
            Ok(true) => IpAddr::from(input.arbitrary::<[u8; 16]>().unwrap_or_default()),
            _ => IpAddr::from(input.arbitrary::<[u8; 4]>().unwrap_or_default()),
        };
        addresses.push((address, interface));
    }
    let mut txt = Vec::new();
    let mut rest = input.take_rest();
    // As in a TXT record: a byte for each length.
    while let Some((&length, after)) = rest.split_first() {
        let (property, after) = after.split_at(usize::from(length).min(after.len()));
        let equals = property.iter().position(|byte| *byte == b'=').unwrap_or(property.len());
        let value = property.get(equals + 1..).unwrap_or_default().to_vec();
        txt.push((String::from_utf8_lossy(&property[..equals]).into_owned(), value));
        rest = after;
    }
    let networks = networks();
    let Some(found) = hear(&txt, &addresses, port, pairs(), &networks) else { return };
    found.digits.iter().for_each(|_| here("digits"));
    found.peers.iter().for_each(|_| here("a peer"));
    found.addresses.iter().for_each(|_| here("an address"));
    assert!(found.digits.is_none_or(|digits| digits < 100));
    assert!(found.peers.len() <= pairs().len());
    let dialled: Vec<_> =
        found.addresses.iter().flat_map(|(name, all)| all.iter().map(move |one| (name, one))).collect();
    assert!(dialled.len() <= limits::ADDRESSES_PER_ADVERT);
    for (interface, address) in dialled {
        // NothingOutbound: only where it came from.
        let network = networks.iter().find(|network| network.interface == *interface).expect("one of ours");
        assert!(network.on_link(address.ip()) && address.port() == port && port != 0);
        assert!(addresses.contains(&(address.ip(), network.index)));
    }
}

/// Datagrams of a length that comes first.
pub(super) fn datagrams(bytes: &[u8]) {
    thread_local! {
        static FILTER: DatagramFilter = DatagramFilter::new(pairs().to_vec());
    }
    let Some((stride, datagrams)) = bytes.split_first_chunk::<2>() else { return };
    let mut buffer = datagrams.to_vec();
    let kept = FILTER.with(|filter| filter.keep(&mut buffer, u16::from_le_bytes(*stride).into()));
    here(if kept > 0 { "kept" } else { "dropped" });
    assert!(kept <= datagrams.len());
}
