//! This machine's network interfaces and the networks it is in.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use if_addrs::{IfAddr, IfOperStatus};

use crate::limits;

/// A network as this device recognises it again: a hash of its gateway and prefix, or of the prefix alone where no
/// gateway is known. Two homes with the same router defaults look the same; this decides where to be found, never whom
/// to trust.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NetworkId([u8; 32]);

impl NetworkId {
    /// The id with these bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The id's bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl std::fmt::Debug for NetworkId {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("NetworkId(..)")
    }
}

/// What an interface is, as far as its name and flags tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum InterfaceKind {
    /// Ethernet, Wi-Fi, or what cannot be told from them.
    Ordinary,
    /// A bridge or cable end of containers and virtual machines; used only where nothing ordinary is.
    Virtual,
    /// A point-to-point tunnel, such as a VPN: used for dialling, never for discovery.
    Tunnel,
    /// This machine itself.
    Loopback,
}

/// An address of this device with the prefix that is on-link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct InterfaceAddress {
    /// The address.
    pub ip: IpAddr,
    /// The bits of the network's prefix.
    pub prefix: u8,
}

impl InterfaceAddress {
    /// Whether `other` is in the same prefix.
    pub fn on_link(&self, other: IpAddr) -> bool {
        match (self.ip, other) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix.min(32))).unwrap_or(0);
                own.to_bits() & mask == other.to_bits() & mask
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.prefix.min(128))).unwrap_or(0);
                own.to_bits() & mask == other.to_bits() & mask
            }
            _ => false,
        }
    }
}

/// An interface that is up and has addresses, as a network that this device is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// The interface's name.
    pub interface: String,
    /// The interface's number on this machine.
    pub index: u32,
    /// What the interface is.
    pub kind: InterfaceKind,
    /// The addresses, IPv4 first.
    pub addresses: Vec<InterfaceAddress>,
    /// By what the network is recognised.
    pub id: NetworkId,
}

impl Network {
    /// Whether the address is on-link here. IPv6 link-local ones are on every link.
    pub fn on_link(&self, ip: IpAddr) -> bool {
        self.addresses.iter().any(|own| own.on_link(ip))
    }
}

/// The networks that this device is in now: one an interface that is up, sorted by kind and name.
///
/// # Errors
/// What the system says when it does not list its interfaces.
pub fn networks() -> std::io::Result<Vec<Network>> {
    let gateways = gateways();
    let mut networks: Vec<Network> = Vec::new();
    for listed in if_addrs::get_if_addrs()? {
        if !listed.is_loopback() && !matches!(listed.oper_status, IfOperStatus::Up) {
            continue;
        }
        let Some(index) = listed.index else { continue };
        let address = match &listed.addr {
            IfAddr::V4(v4) => InterfaceAddress { ip: v4.ip.into(), prefix: v4.prefixlen },
            IfAddr::V6(v6) => InterfaceAddress { ip: v6.ip.into(), prefix: v6.prefixlen },
        };
        match networks.iter_mut().find(|network| network.index == index) {
            Some(network) => network.addresses.push(address),
            None => networks.push(Network {
                kind: kind(&listed.name, listed.is_loopback(), listed.is_p2p),
                interface: listed.name,
                index,
                addresses: vec![address],
                id: NetworkId([0; 32]),
            }),
        }
    }
    for network in &mut networks {
        network.addresses.sort();
        network.addresses.dedup();
        network.id = fingerprint(&network.interface, &network.addresses, &gateways);
    }
    networks.sort_by(|left, right| (left.kind, &left.interface).cmp(&(right.kind, &right.interface)));
    Ok(networks)
}

/// Those of `networks` in which discovery makes sense: ordinary ones; virtual ones where there is no ordinary one (a
/// namespace or container has nothing else); loopback only when asked for.
pub fn for_discovery(networks: &[Network], loopback: bool) -> Vec<&Network> {
    let ordinary = networks.iter().any(|network| network.kind == InterfaceKind::Ordinary);
    let sensible = |network: &&Network| match network.kind {
        InterfaceKind::Ordinary => true,
        InterfaceKind::Virtual => !ordinary,
        InterfaceKind::Tunnel => false,
        InterfaceKind::Loopback => loopback,
    };
    networks.iter().filter(sensible).take(limits::INTERFACES).collect()
}

/// The addresses at which others in the same network reach this device, the likely ones first: for a QR code, or to be
/// typed. Link-local IPv6 addresses are left out, because they mean nothing without the other machine's interface.
pub fn own_addresses(networks: &[Network], loopback: bool, port: u16) -> Vec<SocketAddr> {
    let reachable = |ip: &IpAddr| match ip {
        IpAddr::V4(_) => true,
        IpAddr::V6(v6) => !v6.is_unicast_link_local(),
    };
    let sensible = for_discovery(networks, loopback);
    let addresses = sensible.iter().flat_map(|network| &network.addresses).map(|address| address.ip);
    addresses.filter(reachable).map(|ip| SocketAddr::new(ip, port)).collect()
}

/// What an interface is, by its flags and by the names that containers, virtual machines and VPNs give theirs.
fn kind(name: &str, loopback: bool, point_to_point: bool) -> InterfaceKind {
    const VIRTUAL: [&str; 14] = [
        "docker",
        "br-",
        "veth",
        "virbr",
        "vmnet",
        "vboxnet",
        "lxc",
        "lxd",
        "incus",
        "cni",
        "flannel",
        "podman",
        "vnet",
        "vEthernet",
    ];
    const TUNNEL: [&str; 8] = ["tun", "tap", "wg", "utun", "ppp", "tailscale", "zt", "ipsec"];
    // Apple's peer-to-peer links come and go and are not a network.
    const APPLE: [&str; 3] = ["awdl", "llw", "anpi"];
    let begins = |names: &[&str]| names.iter().any(|prefix| name.starts_with(prefix));
    if loopback {
        InterfaceKind::Loopback
    } else if point_to_point || begins(&TUNNEL) || begins(&APPLE) {
        InterfaceKind::Tunnel
    } else if begins(&VIRTUAL) {
        InterfaceKind::Virtual
    } else {
        InterfaceKind::Ordinary
    }
}

fn fingerprint(name: &str, addresses: &[InterfaceAddress], gateways: &[(String, IpAddr)]) -> NetworkId {
    let link_local = |ip: &IpAddr| match ip {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    let gateway = gateways.iter().find(|(interface, _)| interface == name).map(|(_, gateway)| *gateway);
    let with_gateway = gateway.and_then(|gateway| addresses.iter().find(|address| address.on_link(gateway)));
    let chosen = with_gateway.or_else(|| addresses.iter().find(|address| !link_local(&address.ip)));
    let mut hasher = blake3::Hasher::new_derive_key("betwixt 1 network");
    match chosen {
        Some(address) => {
            hasher.update(prefix_text(address).as_bytes());
            hasher.update(gateway.map(|gateway| gateway.to_string()).unwrap_or_default().as_bytes());
        }
        // Nothing but link-local addresses: the interface is all there is to recognise.
        None => {
            hasher.update(b"link-local ");
            hasher.update(name.as_bytes());
        }
    }
    NetworkId(*hasher.finalize().as_bytes())
}

fn prefix_text(address: &InterfaceAddress) -> String {
    let network: IpAddr = match address.ip {
        IpAddr::V4(ip) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(address.prefix.min(32))).unwrap_or(0);
            Ipv4Addr::from_bits(ip.to_bits() & mask).into()
        }
        IpAddr::V6(ip) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(address.prefix.min(128))).unwrap_or(0);
            Ipv6Addr::from_bits(ip.to_bits() & mask).into()
        }
    };
    format!("{network}/{} ", address.prefix)
}

/// The default gateways by interface. Linux only; elsewhere networks are told apart by their prefix.
fn gateways() -> Vec<(String, IpAddr)> {
    if cfg!(target_os = "linux") {
        std::fs::read_to_string("/proc/thread-self/net/route").map(|text| parse_routes(&text)).unwrap_or_default()
    } else {
        Vec::new()
    }
}

/// Default routes in the form of Linux's `/proc/thread-self/net/route`: interface, destination, gateway in hexadecimal, in the
/// machine's byte order.
fn parse_routes(text: &str) -> Vec<(String, IpAddr)> {
    let mut gateways = Vec::new();
    for line in text.lines().skip(1) {
        let mut columns = line.split_ascii_whitespace();
        let (Some(interface), Some("00000000"), Some(gateway)) = (columns.next(), columns.next(), columns.next())
        else {
            continue;
        };
        let Ok(gateway) = u32::from_str_radix(gateway, 16) else { continue };
        if gateway != 0 {
            gateways.push((interface.to_owned(), Ipv4Addr::from(gateway.to_ne_bytes()).into()));
        }
    }
    gateways
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str, prefix: u8) -> InterfaceAddress {
        InterfaceAddress { ip: text.parse().unwrap(), prefix }
    }

    fn network(name: &str, kind: InterfaceKind) -> Network {
        let addresses = vec![address("192.168.1.2", 24)];
        Network { interface: name.to_owned(), index: 1, kind, addresses, id: NetworkId([0; 32]) }
    }

    #[test]
    fn on_link_is_the_prefix_and_nothing_else() {
        let own = address("192.168.1.2", 24);
        assert!(own.on_link("192.168.1.200".parse().unwrap()));
        assert!(!own.on_link("192.168.2.2".parse().unwrap()));
        assert!(!own.on_link("8.8.8.8".parse().unwrap()));
        assert!(!own.on_link("fe80::1".parse().unwrap()));
        assert!(address("fe80::2", 64).on_link("fe80::1".parse().unwrap()));
        assert!(!address("2001:db8::2", 64).on_link("2001:db8:1::2".parse().unwrap()));
        assert!(address("10.0.0.1", 0).on_link("8.8.8.8".parse().unwrap()));
        assert!(!address("10.0.0.1", 32).on_link("10.0.0.2".parse().unwrap()));
    }

    #[test]
    fn interfaces_are_told_apart_by_name_and_flags() {
        assert_eq!(kind("wlp3s0", false, false), InterfaceKind::Ordinary);
        assert_eq!(kind("en0", false, false), InterfaceKind::Ordinary);
        assert_eq!(kind("veth12ab", false, false), InterfaceKind::Virtual);
        assert_eq!(kind("br-0f3a", false, false), InterfaceKind::Virtual);
        assert_eq!(kind("wg0", false, false), InterfaceKind::Tunnel);
        assert_eq!(kind("eth0", false, true), InterfaceKind::Tunnel);
        assert_eq!(kind("lo", true, false), InterfaceKind::Loopback);
    }

    #[test]
    fn virtual_interfaces_count_only_where_there_is_nothing_else() {
        let all = [
            network("eth0", InterfaceKind::Ordinary),
            network("docker0", InterfaceKind::Virtual),
            network("lo", InterfaceKind::Loopback),
        ];
        let names = |found: Vec<&Network>| found.iter().map(|network| network.interface.clone()).collect::<Vec<_>>();
        assert_eq!(names(for_discovery(&all, false)), ["eth0"]);
        assert_eq!(names(for_discovery(&all, true)), ["eth0", "lo"]);
        assert_eq!(names(for_discovery(&all[1..], false)), ["docker0"]);
        let own = own_addresses(&all, false, 7);
        assert_eq!(own, ["192.168.1.2:7".parse().unwrap()]);
    }

    #[test]
    fn gateways_are_read_from_the_routes() {
        let hexadecimal = format!("{:08X}", u32::from_ne_bytes([192, 168, 1, 1]));
        let text = format!(
            "Iface\tDestination\tGateway\tFlags\nwlan0\t00000000\t{hexadecimal}\t0003\nwlan0\t0001A8C0\t00000000\t0001\n\
             eth0\t00000000\tnonsense\neth1\n"
        );
        assert_eq!(parse_routes(&text), [("wlan0".to_owned(), "192.168.1.1".parse().unwrap())]);
    }

    #[test]
    fn a_network_is_recognised_by_gateway_and_prefix_whatever_the_own_address() {
        let gateways = [("wlan0".to_owned(), "192.168.1.1".parse().unwrap())];
        let first = fingerprint("wlan0", &[address("192.168.1.2", 24)], &gateways);
        let renewed = fingerprint("wlan0", &[address("192.168.1.77", 24), address("fe80::1", 64)], &gateways);
        assert_eq!(first, renewed);
        assert_ne!(first, fingerprint("wlan0", &[address("192.168.1.2", 24)], &[]));
        assert_ne!(first, fingerprint("wlan0", &[address("192.168.2.2", 24)], &gateways));
        assert_ne!(
            fingerprint("wlan0", &[address("fe80::1", 64)], &[]),
            fingerprint("eth0", &[address("fe80::1", 64)], &[])
        );
    }

    #[test]
    fn this_machine_has_a_loopback() {
        let all = networks().unwrap();
        assert!(all.iter().any(|network| network.kind == InterfaceKind::Loopback), "{all:?}");
    }
}
