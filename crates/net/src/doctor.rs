//! Facts about this machine's networks, for `doctor` to draw conclusions from. Nothing here leaves the machine but one
//! multicast packet an interface, to a group and port that nobody listens to but ourselves.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::time::{Duration, Instant};

use rand_core::{OsRng, RngCore as _};
use socket2::{Domain, Protocol, Socket, Type};

use crate::interfaces::{InterfaceKind, Network, for_discovery, networks};

/// The group of multicast DNS (RFC 6762). Firewalls and access points treat groups differently, so it is this one that is
/// tried, on another port.
const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);
const MULTICAST_DNS: u16 = 5353;
/// An address that is nobody's (RFC 5737) and in no network: what is asked for when asking for the default route.
const NOWHERE: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);
/// How long our own packet may take to come back to us.
const RETURN: Duration = Duration::from_millis(250);

/// One interface, and what works on it.
#[derive(Debug)]
pub struct InterfaceFacts {
    /// Its name, kind, addresses and network.
    pub network: Network,
    /// The largest packet in bytes, where the system tells. QUIC needs 1280 with IPv6, 1228 with IPv4.
    pub mtu: Option<u32>,
    /// Whether discovery uses it.
    pub used_for_discovery: bool,
    /// Whether multicast works on it, as far as this machine can see.
    pub multicast: Multicast,
    /// Where what is for others in its network goes.
    pub neighbours: Neighbours,
}

/// Where this machine would send a packet to another device in an interface's network. Asked of the system; nothing is sent.
#[derive(Debug)]
pub enum Neighbours {
    /// By an ordinary interface in that network.
    Direct,
    /// Into the tunnel of this name.
    Tunnel(String),
    /// Nowhere: there is no route, or it is forbidden.
    Nowhere(io::Error),
    /// The interface has no IPv4 network in which there could be others, so it was not asked.
    Unasked,
}

/// How far a multicast packet of ours comes.
#[derive(Debug)]
pub enum Multicast {
    /// It came back from the interface. Whether the network carries it to others cannot be seen from one machine: guest
    /// networks and some access points do not.
    Works,
    /// The interface has no IPv4 address, so it was not tried.
    Untried,
    /// The group cannot be joined.
    NotJoined(io::Error),
    /// The packet cannot be sent: no route for multicast, or a firewall or VPN that forbids it.
    NotSent(io::Error),
    /// It was sent and did not come back: a firewall drops it.
    NotReturned,
}

impl Multicast {
    /// Whether it came back.
    pub const fn works(&self) -> bool {
        matches!(self, Self::Works)
    }
}

/// Every interface that is up, and what works on it. Takes a quarter of a second an interface where multicast is blocked.
///
/// # Errors
/// What the system says when it does not list its interfaces.
pub fn interfaces() -> io::Result<Vec<InterfaceFacts>> {
    let all = networks()?;
    let used: Vec<u32> = for_discovery(&all, false).iter().map(|network| network.index).collect();
    let facts = |network: &Network| InterfaceFacts {
        mtu: mtu(&network.interface),
        used_for_discovery: used.contains(&network.index),
        multicast: multicast(network),
        neighbours: neighbours(network, &all),
        network: network.clone(),
    };
    Ok(all.iter().map(facts).collect())
}

/// The tunnel through which this machine would send what is for no network that it is in, if it is one: a VPN that has taken
/// the default route. Asked of the system; nothing is sent.
pub fn tunnelled_default(facts: &[InterfaceFacts]) -> Option<&str> {
    let source = source(SocketAddrV4::new(NOWHERE, MULTICAST_DNS)).ok()?;
    let tunnel = |facts: &&InterfaceFacts| {
        facts.network.kind == InterfaceKind::Tunnel && facts.network.addresses.iter().any(|own| own.ip == source)
    };
    facts.iter().find(tunnel).map(|facts| facts.network.interface.as_str())
}

/// Whether multicast DNS can be listened to: port 5353, shared with the system's own responder.
///
/// # Errors
/// Why not: most often a program that took the port for itself.
pub fn multicast_dns_port() -> io::Result<()> {
    shared_socket(MULTICAST_DNS).map(|_| ())
}

/// Whether this host has IPv6 at all.
pub fn has_ipv6() -> bool {
    UdpSocket::bind("[::1]:0").is_ok()
}

/// Names of tunnels that are up: a VPN may forbid everything beside itself (a "kill switch").
pub fn tunnels(facts: &[InterfaceFacts]) -> Vec<&str> {
    let tunnels = facts.iter().filter(|facts| facts.network.kind == InterfaceKind::Tunnel);
    tunnels.map(|facts| facts.network.interface.as_str()).collect()
}

fn mtu(interface: &str) -> Option<u32> {
    // An interface's name cannot contain a slash, but it came from outside of this program.
    if !cfg!(target_os = "linux") || interface.contains('/') {
        return None;
    }
    std::fs::read_to_string(format!("/sys/class/net/{interface}/mtu")).ok()?.trim().parse().ok()
}

/// The address from which this machine would send to another. Connecting a UDP socket asks the system's routes, those of
/// policies and VPNs among them, and sends nothing.
fn source(to: SocketAddrV4) -> io::Result<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.connect(to)?;
    Ok(socket.local_addr()?.ip())
}

fn neighbours(network: &Network, all: &[Network]) -> Neighbours {
    let Some(neighbour) = network.addresses.iter().find_map(|own| match own.ip {
        IpAddr::V4(ip) => neighbour(ip, own.prefix),
        IpAddr::V6(_) => None,
    }) else {
        return Neighbours::Unasked;
    };
    match source(SocketAddrV4::new(neighbour, MULTICAST_DNS)) {
        Ok(from) => {
            let tunnel = |other: &&Network| {
                other.kind == InterfaceKind::Tunnel && other.addresses.iter().any(|own| own.ip == from)
            };
            let tunnel = all.iter().filter(|other| other.index != network.index).find(tunnel);
            tunnel.map_or(Neighbours::Direct, |tunnel| Neighbours::Tunnel(tunnel.interface.clone()))
        }
        Err(error) => Neighbours::Nowhere(error),
    }
}

/// Another address in the same network that can be a device's: neither the network's own nor its broadcast address.
fn neighbour(own: Ipv4Addr, prefix: u8) -> Option<Ipv4Addr> {
    let hosts = u32::MAX.checked_shr(u32::from(prefix))?;
    let others = (1..=3_u32).map(|flipped| own.to_bits() ^ flipped);
    let within = |other: &u32| other & !hosts == own.to_bits() & !hosts && ![0, hosts].contains(&(other & hosts));
    others.filter(|_| hosts > 2).find(within).map(Ipv4Addr::from_bits)
}

fn shared_socket(port: u16) -> io::Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_reuse_address(true)?;
    #[cfg(unix)]
    socket.set_reuse_port(true)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)).into())?;
    Ok(socket)
}

fn multicast(network: &Network) -> Multicast {
    let own = network.addresses.iter().find_map(|address| match address.ip {
        IpAddr::V4(ip) => Some(ip),
        IpAddr::V6(_) => None,
    });
    let Some(own) = own else { return Multicast::Untried };
    let listening = || -> io::Result<UdpSocket> {
        let socket = shared_socket(0)?;
        socket.join_multicast_v4(&GROUP, &own)?;
        socket.set_multicast_if_v4(&own)?;
        socket.set_multicast_loop_v4(true)?;
        socket.set_multicast_ttl_v4(1)?;
        socket.set_read_timeout(Some(RETURN))?;
        Ok(socket.into())
    };
    let socket = match listening() {
        Ok(socket) => socket,
        Err(error) => return Multicast::NotJoined(error),
    };
    let mut sent = [0; 16];
    OsRng.fill_bytes(&mut sent);
    let port = match socket.local_addr() {
        Ok(address) => address.port(),
        Err(error) => return Multicast::NotJoined(error),
    };
    if let Err(error) = socket.send_to(&sent, SocketAddrV4::new(GROUP, port)) {
        return Multicast::NotSent(error);
    }
    let until = Instant::now() + RETURN;
    let mut buffer = [0; 64];
    while Instant::now() < until {
        match socket.recv_from(&mut buffer) {
            Ok((length, _)) if buffer[..length] == sent => return Multicast::Works,
            Ok(_) => {}
            Err(_) => break,
        }
    }
    Multicast::NotReturned
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_is_among_the_facts_and_not_used_for_discovery() {
        let facts = interfaces().expect("interfaces are listed");
        let loopback = facts.iter().find(|facts| facts.network.kind == InterfaceKind::Loopback);
        let loopback = loopback.expect("every machine has one");
        assert!(!loopback.used_for_discovery);
        assert!(loopback.mtu.is_none_or(|mtu| mtu >= 1280));
        assert!(tunnels(&facts).iter().all(|name| !name.is_empty()));
        assert_eq!(mtu("../../etc/passwd"), None);
    }
    #[test]
    fn a_neighbour_is_in_the_network_and_no_broadcast_address() {
        for (own, prefix, expected) in [
            ("192.0.2.1", 24, Some("192.0.2.3")),
            ("192.0.2.2", 24, Some("192.0.2.3")),
            ("192.0.2.254", 24, Some("192.0.2.252")),
            ("192.0.2.1", 30, Some("192.0.2.2")),
            ("192.0.2.2", 30, Some("192.0.2.1")),
            ("192.0.2.1", 31, None),
            ("192.0.2.1", 32, None),
            ("10.0.0.1", 0, Some("10.0.0.0")),
        ] {
            let found = neighbour(own.parse().unwrap(), prefix);
            assert_eq!(found.map(|ip| ip.to_string()).as_deref(), expected, "{own}/{prefix}");
        }
    }
}
