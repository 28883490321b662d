//! This machine's networks: its interfaces, tunnels beside them, and whether multicast works.

use std::io;

use betwixt_api::Finding;
use betwixt_net::doctor::{
    InterfaceFacts, Multicast, Neighbours, has_ipv6, interfaces, multicast_dns_port, tunnelled_default, tunnels,
};
use betwixt_net::interfaces::Network;

use super::{Fix as _, note, trouble, well};

/// The smallest packet that QUIC needs (RFC 9000, section 14), with the headers of UDP and IPv4.
const SMALLEST_PACKET: u32 = 1228;
/// The smallest packet that a network with IPv6 carries (RFC 8200, section 5): QUIC's with IPv6's headers fits.
const SMALLEST_IPV6_PACKET: u32 = 1280;

/// Looks at everything, and at what discovery needs if there is to be any.
pub(super) fn look(discovery: bool, all: &mut Vec<Finding>) {
    let facts = interfaces();
    network(&facts, has_ipv6(), all);
    if discovery {
        discovering(facts.as_deref().unwrap_or_default(), multicast_dns_port(), all);
    } else {
        all.push(
            note("discovery", "Looking for devices in the network is switched off for this daemon.")
                .fix("Start it without `--no-discovery`, or give your partner's address with `betwixt peer add`."),
        );
    }
}

fn network(facts: &io::Result<Vec<InterfaceFacts>>, ipv6: bool, all: &mut Vec<Finding>) {
    let facts = match facts {
        Ok(facts) => facts,
        Err(error) => {
            all.push(
                trouble("network", format!("The system does not tell its network interfaces: {error}."))
                    .fix("Check whether Betwixt is confined, by a sandbox for instance, and let it see the network."),
            );
            return;
        }
    };
    let used: Vec<_> = facts.iter().filter(|facts| facts.used_for_discovery).collect();
    if used.is_empty() {
        all.push(
            trouble("network", "This device is in no local network.")
                .fix("Join the network that your partner's device is in."),
        );
    } else {
        let names: Vec<_> = used.iter().map(|facts| facts.network.interface.as_str()).collect();
        all.push(well("network", format!("This device is in a network by {}.", names.join(", "))));
    }
    for facts in &used {
        all.extend(packets(&facts.network, facts.mtu));
        all.extend(neighbours(&facts.network.interface, &facts.neighbours));
    }
    let tunnels = tunnels(facts);
    if !tunnels.is_empty() {
        let names = tunnels.join(", ");
        all.push(match tunnelled_default(facts) {
            Some(default) => note(
                "network",
                format!("A VPN or another tunnel is up ({names}), and what is for the internet goes through {default}."),
            )
            .fix(
                "A VPN that takes everything often keeps the local network out. If your devices do not find each other, \
                 allow the local network in its settings, or pause it.",
            ),
            None => note("network", format!("A VPN or another tunnel is up ({names}).")).fix(
                "If your devices do not find each other, allow the local network in its settings, or pause it.",
            ),
        });
    }
    all.push(if ipv6 { well("network", "IPv6 works.") } else { note("network", "There is no IPv6; IPv4 suffices.") });
}

/// Whether packets fit that are as large as QUIC's have to be.
fn packets(network: &Network, mtu: Option<u32>) -> Option<Finding> {
    let mtu = mtu.filter(|mtu| *mtu < SMALLEST_IPV6_PACKET)?;
    let has_ipv4 = network.addresses.iter().any(|address| address.ip.is_ipv4());
    let what = format!("{} carries packets of {mtu} bytes at most", network.interface);
    Some(if mtu >= SMALLEST_PACKET && has_ipv4 {
        note("network", format!("{what}: enough for IPv4, and too little for IPv6."))
            .fix(format!("Nothing has to be done; {SMALLEST_IPV6_PACKET} suffice for both."))
    } else {
        trouble("network", format!("{what}, and no connection comes about with less than {SMALLEST_PACKET}.")).fix(
            format!("Set its MTU to {SMALLEST_IPV6_PACKET} at least, here and on whatever is between the devices."),
        )
    })
}

/// Whether what is for others in the network goes there.
fn neighbours(interface: &str, found: &Neighbours) -> Option<Finding> {
    match found {
        Neighbours::Direct | Neighbours::Unasked => None,
        Neighbours::Tunnel(tunnel) => {
            let what =
                format!("What is for other devices in the network of {interface} goes into a tunnel ({tunnel}).");
            Some(trouble("network", what).fix("Allow the local network in the settings of the VPN, or pause it."))
        }
        Neighbours::Nowhere(error) => {
            let what = format!("Nothing can be sent to other devices in the network of {interface}: {error}.");
            Some(trouble("network", what).fix(
                "Look at the routes of this device (`ip route`). A VPN that blocks everything beside itself does this: allow \
                 the local network in its settings, or pause it.",
            ))
        }
    }
}

fn discovering(facts: &[InterfaceFacts], port: io::Result<()>, all: &mut Vec<Finding>) {
    if let Err(error) = port {
        all.push(trouble("discovery", format!("Port 5353 of multicast DNS cannot be listened to: {error}.")).fix(
            "Find the program that has it for itself (`ss -lunp sport = :5353`) and let it share the port, or stop it.",
        ));
    }
    for facts in facts.iter().filter(|facts| facts.used_for_discovery) {
        let name = &facts.network.interface;
        all.push(match &facts.multicast {
            Multicast::Works => well("discovery", format!("Multicast works on {name}, as far as this device can see.")),
            Multicast::Untried => note("discovery", format!("{name} has no IPv4 address, so multicast was not tried.")),
            Multicast::NotJoined(error) => {
                trouble("discovery", format!("Multicast cannot be received on {name}: {error}."))
                    .fix("Check whether Betwixt is confined and may use multicast.")
            }
            Multicast::NotSent(error) => trouble("discovery", format!("Multicast cannot be sent on {name}: {error}."))
                .fix("Allow the local network in the firewall and the VPN, or give your partner's address by hand."),
            Multicast::NotReturned => trouble("discovery", format!("Multicast does not come through on {name}."))
                .fix("Allow UDP to 224.0.0.251 in the firewall, or give your partner's address by hand."),
        });
    }
}

#[cfg(test)]
mod tests {
    use betwixt_api::Level;
    use betwixt_net::interfaces::{InterfaceAddress, InterfaceKind, NetworkId};

    use super::*;

    fn interface(name: &str, kind: InterfaceKind, address: &str) -> InterfaceFacts {
        let ip = address.parse().expect("an address");
        let network = Network {
            interface: name.to_owned(),
            index: 1,
            kind,
            addresses: vec![InterfaceAddress { ip, prefix: 24 }],
            id: NetworkId::from_bytes([0; 32]),
        };
        InterfaceFacts {
            network,
            mtu: Some(1500),
            used_for_discovery: kind == InterfaceKind::Ordinary,
            multicast: Multicast::Works,
            neighbours: Neighbours::Direct,
        }
    }

    fn found(facts: Vec<InterfaceFacts>) -> Vec<Finding> {
        let mut all = Vec::new();
        network(&Ok(facts), true, &mut all);
        all
    }

    fn worst(all: &[Finding]) -> &Finding {
        all.iter().max_by_key(|finding| finding.level).expect("there are findings")
    }

    #[test]
    fn an_ordinary_network_is_well() {
        let all = found(vec![interface("eth0", InterfaceKind::Ordinary, "192.0.2.1")]);
        assert_eq!(worst(&all).level, Level::Well, "{all:?}");
    }

    #[test]
    fn only_this_machine_itself_is_no_network() {
        let all = found(vec![interface("lo", InterfaceKind::Loopback, "127.0.0.1")]);
        assert_eq!(worst(&all).level, Level::Trouble);
        assert_eq!(worst(&all).what, "This device is in no local network.");
    }

    #[test]
    fn packets_have_to_be_as_large_as_those_of_quic() {
        for (mtu, address, level) in [
            (1279, "192.0.2.1", Level::Note),
            (1228, "192.0.2.1", Level::Note),
            (1227, "192.0.2.1", Level::Trouble),
            (1279, "2001:db8::1", Level::Trouble),
        ] {
            let facts = InterfaceFacts { mtu: Some(mtu), ..interface("eth0", InterfaceKind::Ordinary, address) };
            let all = found(vec![facts]);
            assert_eq!(worst(&all).level, level, "{mtu} {address}");
            assert!(worst(&all).fix.is_some() && worst(&all).what.contains(&mtu.to_string()));
        }
        let facts = InterfaceFacts { mtu: Some(1280), ..interface("eth0", InterfaceKind::Ordinary, "192.0.2.1") };
        assert_eq!(worst(&found(vec![facts])).level, Level::Well);
    }

    #[test]
    fn what_keeps_neighbours_away_is_told_with_what_to_do() {
        let forbidden = || io::Error::from(io::ErrorKind::PermissionDenied);
        for (neighbours, words) in [
            (Neighbours::Tunnel("wg0".into()), "goes into a tunnel (wg0)"),
            (Neighbours::Nowhere(forbidden()), "Nothing can be sent to other devices in the network of eth0"),
        ] {
            let facts = InterfaceFacts { neighbours, ..interface("eth0", InterfaceKind::Ordinary, "192.0.2.1") };
            let all = found(vec![facts, interface("wg0", InterfaceKind::Tunnel, "10.0.0.2")]);
            let worst = worst(&all);
            assert_eq!(worst.level, Level::Trouble);
            assert!(worst.what.contains(words), "{worst:?}");
            assert!(worst.fix.as_deref().is_some_and(|fix| fix.contains("VPN")), "{worst:?}");
        }
    }
}
