//! What fuzzing reaches of the network's insides: what is made of an advert, and of a datagram before QUIC sees it.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use betwixt_model::ids::DeviceId;
use betwixt_sync::keys::{self, PairKey};
use mdns_sd::{ServiceInfo, TxtProperty};

use crate::advert::{self, ADVERT_KEY, DIGITS_KEY};
use crate::filter::{Door, Filter, OwnIds};
use crate::interfaces::Network;
use crate::peers::Peers;

/// The TXT keys that are read: of a device's advert, and of a pairing's.
pub const TXT_KEYS: [&str; 2] = [ADVERT_KEY, DIGITS_KEY];

/// What is made of an advert.
#[derive(Debug, Default)]
pub struct Heard {
    /// Whose it may be.
    pub peers: Vec<DeviceId>,
    /// The digits of the pairing that it advertises.
    pub digits: Option<u8>,
    /// What would be dialled, by interface.
    pub addresses: BTreeMap<String, Vec<SocketAddr>>,
}

/// What is made of an advert with these TXT properties and addresses, each received on the interface of that number.
/// `None` when the discovery library takes none of it.
pub fn hear(
    txt: &[(String, Vec<u8>)],
    addresses: &[(IpAddr, u32)],
    port: u16,
    pairs: &[PairKey],
    networks: &[Network],
) -> Option<Heard> {
    let properties: Vec<TxtProperty> =
        txt.iter().map(|(key, value)| TxtProperty::from((key.as_str(), value.as_slice()))).collect();
    let service = ServiceInfo::new("_betwixt._udp.local.", "any", "any.local.", "", port, properties).ok()?;
    let found = service.as_resolved_service();
    let peers = found.get_property_val(ADVERT_KEY).flatten().map(|advert| keys::recognise(advert, pairs));
    Some(Heard {
        peers: peers.unwrap_or_default(),
        digits: advert::digits(&found),
        addresses: advert::on_link(addresses.iter().copied(), port, networks),
    })
}

/// Decides about datagrams as the endpoint for these pairs does.
#[derive(Debug)]
pub struct DatagramFilter(Filter);

impl DatagramFilter {
    /// For an endpoint at whose door these pairs knock.
    pub fn new(pairs: Vec<PairKey>) -> Self {
        let peers = Peers::default();
        peers.set(pairs);
        Self(Filter::new(OwnIds::new(), Door::Knock(Arc::new(peers))))
    }

    /// How many of these bytes would reach QUIC, if they came in datagrams of `stride` bytes.
    pub fn keep(&self, buffer: &mut [u8], stride: usize) -> usize {
        let length = buffer.len();
        self.0.keep(buffer, length, stride, IpAddr::V4(Ipv4Addr::LOCALHOST))
    }
}
