//! A UDP port for each network, so that whoever listens on two networks does not see the same port in both.
//!
//! A device has one socket at a time, in whatever networks it is: in several at once it has the port of the one that it was
//! in first, and whoever listens on both sees it on both. A port is drawn by the system when a network is first entered,
//! told to the daemon to be stored ([`crate::NetEvent::PortDrawn`]), and used again there ever after, so that remembered addresses
//! go on working.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use tokio::time::sleep;

use crate::config::Bind;
use crate::endpoint::Endpoint;
use crate::interfaces::{Network, NetworkId};

/// How long a port that was left may take until its socket is closed: every connection lets go of it by itself.
const LETTING_GO: [Duration; 4] =
    [Duration::from_millis(1), Duration::from_millis(10), Duration::from_millis(50), Duration::from_millis(200)];

/// The ports that are known, and the network whose port is in use.
#[derive(Debug)]
pub(crate) struct Ports {
    known: BTreeMap<NetworkId, u16>,
    present: Option<NetworkId>,
}

/// What is to be done about the port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Move {
    pub(crate) network: NetworkId,
    /// The port that it had; `None`: any other than those of other networks.
    pub(crate) port: Option<u16>,
    /// Whether the present port was another network's.
    pub(crate) leaves: bool,
}

impl Ports {
    pub(crate) fn new(known: BTreeMap<NetworkId, u16>) -> Self {
        Self { known, present: None }
    }

    /// Whether another network's port has to be taken in these networks. Without any network, and while the present one is
    /// among them, nothing is to be done.
    pub(crate) fn next(&self, networks: &[&Network]) -> Option<Move> {
        if networks.iter().any(|network| Some(network.id) == self.present) {
            return None;
        }
        let network = networks.first()?.id;
        Some(Move { network, port: self.known.get(&network).copied(), leaves: self.present.is_some() })
    }

    /// This port is the network's from now on; `true` when that is news.
    pub(crate) fn settle(&mut self, network: NetworkId, port: u16) -> bool {
        self.present = Some(network);
        self.known.insert(network, port) != Some(port)
    }
}

/// Moves an endpoint to another port: the wanted one, or any other if that cannot be had.
pub(crate) async fn rebind(endpoint: &Endpoint, bind: Bind, wanted: Option<u16>) -> io::Result<()> {
    if let Some(port) = wanted.filter(|port| *port != endpoint.port()) {
        if endpoint.rebind(bind, port).is_ok() {
            return Ok(());
        }
        // It may be this endpoint's own socket of before, which QUIC keeps until something comes through the present one.
        endpoint.rebind(bind, 0)?;
        for wait in LETTING_GO {
            sleep(wait).await;
            if endpoint.rebind(bind, port).is_ok() {
                return Ok(());
            }
        }
        tracing::info!(port, "the network's last port cannot be used again, taking another");
        return Ok(());
    }
    if wanted.is_none() { endpoint.rebind(bind, 0) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interfaces::InterfaceKind;

    fn network(id: u8) -> Network {
        let id = NetworkId::from_bytes([id; 32]);
        Network { interface: "eth0".to_owned(), index: 1, kind: InterfaceKind::Ordinary, addresses: Vec::new(), id }
    }

    #[test]
    fn each_network_has_a_port_and_keeps_it() {
        let (home, away) = (network(1), network(2));
        let mut ports = Ports::new([(home.id, 7)].into());
        assert_eq!(ports.next(&[]), None, "nowhere");
        assert_eq!(ports.next(&[&home]), Some(Move { network: home.id, port: Some(7), leaves: false }));
        assert!(!ports.settle(home.id, 7), "nothing to be stored");
        assert_eq!(ports.next(&[&home]), None);
        assert_eq!(ports.next(&[]), None, "the cable is out");
        assert_eq!(ports.next(&[&away, &home]), None, "in both");
        assert_eq!(ports.next(&[&away]), Some(Move { network: away.id, port: None, leaves: true }));
        assert!(ports.settle(away.id, 8));
        assert_eq!(ports.next(&[&home]), Some(Move { network: home.id, port: Some(7), leaves: true }));
        assert!(ports.settle(home.id, 9), "the old one was taken");
    }
}
