//! What of an advert counts. Adverts are said by anybody, so nothing here trusts one: it is measured, and what is left
//! are addresses that are worth a dial.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::time::Instant;

use mdns_sd::{ResolvedService, ScopedIp, ServiceEvent};

use crate::interfaces::{InterfaceAddress, Network};
use crate::limits;

/// The TXT key of a device's advert: [`betwixt_sync::keys::advert`]'s bytes.
pub(crate) const ADVERT_KEY: &str = "a";
/// The TXT key of a pairing's advert: the code's two digits.
pub(crate) const DIGITS_KEY: &str = "d";

/// The addresses of an advert that are on-link on the interface that received them, by interface name; the others are
/// dropped (somebody wants us to dial far away), and those above [`limits::ADDRESSES_PER_ADVERT`], too.
pub(crate) fn addresses(service: &ResolvedService, networks: &[Network]) -> BTreeMap<String, Vec<SocketAddr>> {
    on_link(service.addresses.iter().flat_map(received), service.port, networks)
}

/// Address and receiving interface.
fn received(address: &ScopedIp) -> Vec<(IpAddr, u32)> {
    match address {
        ScopedIp::V4(v4) => v4.interface_ids().iter().map(|id| (IpAddr::V4(*v4.addr()), id.index)).collect(),
        ScopedIp::V6(v6) => vec![(IpAddr::V6(*v6.addr()), v6.scope_id().index)],
        _ => Vec::new(),
    }
}

pub(crate) fn on_link(
    received: impl Iterator<Item = (IpAddr, u32)>,
    port: u16,
    networks: &[Network],
) -> BTreeMap<String, Vec<SocketAddr>> {
    let mut found: BTreeMap<String, Vec<SocketAddr>> = BTreeMap::new();
    // Sorted, so that which four are taken does not depend on a hash map's order. IPv4 comes first.
    let received: BTreeSet<(IpAddr, u32)> = received.collect();
    let mut count = 0;
    for (ip, index) in received {
        let Some(network) = networks.iter().find(|network| network.index == index) else { continue };
        if port == 0 || ip.is_unspecified() || ip.is_multicast() || !network.on_link(ip) {
            continue;
        }
        let address = match ip {
            IpAddr::V6(v6) if v6.is_unicast_link_local() => SocketAddrV6::new(v6, port, 0, index).into(),
            ip => SocketAddr::new(ip, port),
        };
        found.entry(network.interface.clone()).or_default().push(address);
        count += 1;
        if count == limits::ADDRESSES_PER_ADVERT {
            break;
        }
    }
    found
}

/// The addresses to advertise on these networks: of each interface the first four.
pub(crate) fn own(networks: &[Network]) -> Vec<IpAddr> {
    let of_one = |network: &Network| -> Vec<IpAddr> {
        let addresses: &[InterfaceAddress] = &network.addresses;
        addresses.iter().take(limits::ADDRESSES_PER_ADVERT).map(|address| address.ip).collect()
    };
    networks.iter().flat_map(of_one).collect()
}

/// The digits of a pairing's advert.
pub(crate) fn digits(service: &ResolvedService) -> Option<u8> {
    let text = std::str::from_utf8(service.get_property_val(DIGITS_KEY)??).ok()?;
    (text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

/// Watches what the discovery library is made to do and to hold: its cache has no bound of its own.
#[derive(Debug)]
pub(crate) struct Load {
    since: Instant,
    count: usize,
    held: BTreeSet<String>,
}

impl Load {
    pub(crate) fn new(now: Instant) -> Self {
        Self { since: now, count: 0, held: BTreeSet::new() }
    }

    /// One more event; true when it is one too many, in a short time ([`limits::DISCOVERY_RATE`]) or in all
    /// ([`limits::DISCOVERY_INSTANCES`], [`limits::ADDRESSES_NAMED`]).
    pub(crate) fn is_flood(&mut self, now: Instant, event: &ServiceEvent) -> bool {
        if now.saturating_duration_since(self.since) > limits::DISCOVERY_RATE_WINDOW {
            (self.since, self.count) = (now, 0);
        }
        self.count += 1;
        let mut addresses = 0;
        match event {
            ServiceEvent::ServiceFound(_, name) => {
                self.held.insert(name.clone());
            }
            ServiceEvent::ServiceResolved(found) => {
                self.held.insert(found.fullname.clone());
                addresses = found.addresses.len();
            }
            ServiceEvent::ServiceRemoved(_, name) => {
                self.held.remove(name);
            }
            _ => {}
        }
        self.count > limits::DISCOVERY_RATE
            || self.held.len() > limits::DISCOVERY_INSTANCES
            || addresses > limits::ADDRESSES_NAMED
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::interfaces::{InterfaceKind, NetworkId};

    fn networks() -> Vec<Network> {
        let address = |text: &str, prefix| InterfaceAddress { ip: text.parse().unwrap(), prefix };
        let network = |name: &str, index, addresses| Network {
            interface: name.to_owned(),
            index,
            kind: InterfaceKind::Ordinary,
            addresses,
            id: NetworkId::from_bytes([0; 32]),
        };
        vec![
            network("eth0", 2, vec![address("192.168.1.2", 24), address("fe80::2", 64)]),
            network("wlan0", 3, vec![address("10.0.0.2", 8)]),
        ]
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn nothing_outbound_only_addresses_on_the_link_they_came_from() {
        let received = [
            (ip("192.168.1.7"), 2),
            (ip("192.168.1.7"), 3),
            (ip("8.8.8.8"), 2),
            (ip("127.0.0.1"), 2),
            (ip("172.17.0.1"), 2),
            (ip("0.0.0.0"), 2),
            (ip("192.168.1.8"), 9),
            (ip("fe80::7"), 2),
            (ip("fe80::7"), 3),
            (ip("2001:db8::1"), 2),
            (ip("ff02::fb"), 2),
        ];
        let found = on_link(received.into_iter(), 4000, &networks());
        let expected = ["192.168.1.7:4000".parse().unwrap(), "[fe80::7%2]:4000".parse().unwrap()];
        assert_eq!(found, BTreeMap::from([("eth0".to_owned(), expected.to_vec())]));
        assert!(on_link([(ip("192.168.1.7"), 2)].into_iter(), 0, &networks()).is_empty());
    }

    #[test]
    fn four_addresses_an_advert() {
        let many = (10..30).map(|last| (ip(&format!("192.168.1.{last}")), 2));
        let found = on_link(many.chain([(ip("10.1.1.1"), 3)]), 1, &networks());
        assert_eq!(found.values().map(Vec::len).sum::<usize>(), limits::ADDRESSES_PER_ADVERT);
    }

    #[test]
    fn a_flood_is_noticed_fast_or_slow_and_a_trickle_is_not() {
        let found = |number: u32| ServiceEvent::ServiceFound("type".to_owned(), format!("{number}"));
        let removed = |number: u32| ServiceEvent::ServiceRemoved("type".to_owned(), format!("{number}"));
        let start = Instant::now();
        let mut load = Load::new(start);
        assert!(!(0..limits::DISCOVERY_RATE).any(|_| load.is_flood(start, &found(1))));
        assert!(load.is_flood(start, &found(1)));
        // One a second is no rate, but they stay.
        let second = Duration::from_secs(1);
        let instances = u32::try_from(limits::DISCOVERY_INSTANCES).unwrap();
        let mut load = Load::new(start);
        assert!(!(0..instances).any(|number| load.is_flood(start + second * number, &found(number))));
        assert!(load.is_flood(start + second * instances, &found(instances)));
        // Those that go make room.
        let mut load = Load::new(start);
        assert!(!(0..instances * 3).any(|number| {
            let now = start + second * number;
            load.is_flood(now, &found(number)) || load.is_flood(now, &removed(number))
        }));
    }
}
