//! What is remembered by network: the port that this device has there, and where its peers were.

use std::net::SocketAddr;
use std::time::Instant;

use betwixt_model::document::Scope;
use betwixt_model::ids::DeviceId;
use betwixt_net::interfaces::{Network, NetworkId};
use betwixt_store::{Batch, MetAddress, PeerRecord, Reader, StoreError};
use betwixt_sync::keys::KNOCK;

use super::{Engine, LAZY};
use crate::replica::Replica;

/// The name of a setting under the shared key.
const PORTS: &str = "ports";

/// The most networks whose ports are remembered; the one that was drawn first gives way.
const MAX_PORTS: usize = 256;

/// The most addresses of a peer that are remembered, in all networks together; the one met longest ago gives way.
const MAX_MET: usize = 32;

/// The ports that this device has, by network.
///
/// # Errors
/// [`StoreError`] when they cannot be read.
pub fn ports(reader: &Reader<'_>) -> Result<Vec<(NetworkId, u16)>, StoreError> {
    let stored: Option<Vec<([u8; 32], u16)>> = reader.setting(Scope::Ours, PORTS)?;
    Ok(stored.unwrap_or_default().into_iter().map(|(id, port)| (NetworkId::from_bytes(id), port)).collect())
}

/// Stores ports that were drawn.
pub(super) fn store_ports(batch: &mut Batch, drawn: &[(NetworkId, u16)]) -> Result<(), StoreError> {
    if drawn.is_empty() {
        return Ok(());
    }
    let mut all = ports(&batch.reader())?;
    for (network, port) in drawn {
        all.retain(|(known, _)| known != network);
        all.push((*network, *port));
    }
    let kept = all.len().saturating_sub(MAX_PORTS);
    let all: Vec<([u8; 32], u16)> = all.into_iter().skip(kept).map(|(id, port)| (*id.as_bytes(), port)).collect();
    batch.put_setting(Scope::Ours, PORTS, &all)
}

/// Puts an address first among those at which a peer was met.
pub(super) fn remember(record: &mut PeerRecord, met: MetAddress) {
    record.addresses.retain(|known| *known != met);
    record.addresses.insert(0, met);
    record.addresses.truncate(MAX_MET);
}

impl<W, A> Engine<W, A> {
    /// The machine is in these networks now, or has slept: what belonged to others is forgotten, and everybody dialled again.
    ///
    /// # Errors
    /// [`StoreError`] when what is remembered of these networks cannot be read.
    pub fn handle_network_changed(
        &mut self,
        replica: &Replica,
        networks: Vec<Network>,
        now: Instant,
    ) -> Result<(), StoreError> {
        self.networks = networks;
        self.dialer.forget_networks();
        let outcome = self.addresses_changed(replica, now);
        self.dialer.handle_network_changed(now);
        outcome
    }

    /// A peer was advertised at addresses that were on the link; of another network by now, perhaps.
    pub fn handle_advert(&mut self, peer: DeviceId, addresses: &[SocketAddr], now: Instant) {
        let here: Vec<SocketAddr> =
            addresses.iter().copied().filter(|address| self.network_of(address).is_some()).collect();
        self.dialer.handle_advert(peer, &here, now);
    }

    /// A port was drawn for a network.
    pub fn handle_port_drawn(&mut self, network: NetworkId, port: u16, now: Instant) {
        self.lazy.ports.push((network, port));
        self.lazy_at.get_or_insert(now + LAZY);
    }

    /// A knock is about to be answered.
    pub fn handle_knocked(&mut self, knock: [u8; KNOCK], now: Instant) {
        self.lazy.knocks.push(knock);
        self.lazy_at.get_or_insert(now + LAZY);
    }

    /// The present network in which an address is on the link.
    pub(super) fn network_of(&self, address: &SocketAddr) -> Option<NetworkId> {
        let on_link = |index: u32| match address {
            SocketAddr::V6(v6) if v6.ip().is_unicast_link_local() => v6.scope_id() == index,
            _ => true,
        };
        let mut networks = self.networks.iter();
        let found = networks.find(|network| on_link(network.index) && network.on_link(address.ip()));
        found.map(|network| network.id)
    }

    /// Where a peer was met in the networks where this device is now, and nowhere else (NothingOutbound: at an address of another
    /// network somebody else may be). The one met last comes last: the dialler keeps those that it was given last.
    pub(super) fn remembered_here(&self, record: &PeerRecord) -> impl Iterator<Item = SocketAddr> {
        let here: Vec<[u8; 32]> = self.networks.iter().map(|network| *network.id.as_bytes()).collect();
        let met = record.addresses.iter().rev().filter(move |met| met.network.is_some_and(|id| here.contains(&id)));
        met.map(|met| met.address)
    }
}
