//! An open home: its replica, its network, and everything that goes on between them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use betwixt_model::document::Scope;
use betwixt_model::ids::DeviceId;
use betwixt_net::interfaces::NetworkId;
use betwixt_net::{Bind, Config, Discovery, Net, NetEvent};
use betwixt_store::StoreError;
use betwixt_sync::dialer::{ConnectionId, Dialer, Source};
use betwixt_sync::keys::{DeviceKeys, PairKey};
use rand_chacha::ChaCha20Rng;
use rand_core::{OsRng, SeedableRng};
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};

use crate::Options;
use crate::house::House;
use crate::http::Answer;
use crate::meeting::Talk;
use crate::notices::Notices;
use crate::pairing::Pairing;
use crate::writes::Writes;

/// For how long `here` takes any network for a home.
pub(crate) const HERE: Duration = Duration::from_secs(600);

/// The names of settings under the shared key.
pub(crate) const PORT: &str = "port";
const HOME_NETWORKS: &str = "home networks";

/// What a paired device and its person are called.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PeerNames {
    pub(crate) name: String,
    pub(crate) device: String,
}

pub(crate) fn names_setting(device: &DeviceId) -> String {
    format!("names of {device}")
}

/// Somebody who asked to meet everybody now.
#[derive(Debug)]
pub(crate) struct Waiter {
    pub(crate) until: Instant,
    pub(crate) answer: oneshot::Sender<Answer>,
}

/// An open home.
pub(crate) struct Open {
    pub(crate) house: House,
    pub(crate) keys: Arc<DeviceKeys>,
    pub(crate) net: Net,
    pub(crate) dialer: Dialer,
    pub(crate) talks: BTreeMap<ConnectionId, Talk>,
    pub(crate) writes: Writes,
    pub(crate) pairing: Pairing,
    pub(crate) notices: Notices,
    pub(crate) waiters: Vec<Waiter>,
    pub(crate) troubles: Vec<String>,
    pub(crate) paused: bool,
    pub(crate) here_until: Option<Instant>,
    pub(crate) home_networks: BTreeSet<NetworkId>,
    pub(crate) discovery: bool,
    pub(crate) rng: ChaCha20Rng,
    /// When a closed store is to be tried again.
    pub(crate) recover_at: Option<Instant>,
    /// When what may be written late is written.
    pub(crate) lazy_at: Option<Instant>,
}

impl Open {
    /// Opens the network of a home and begins to dial.
    pub(crate) fn new(
        house: House,
        troubles: Vec<String>,
        options: &Options,
        now: Instant,
    ) -> anyhow::Result<(Self, mpsc::Receiver<NetEvent>)> {
        let keys = Arc::new(DeviceKeys::from_bytes(&house.replica.identity().keys().to_bytes()));
        let view = house.store.read()?;
        let stored: Option<u16> = view.reader().setting(Scope::Ours, PORT)?;
        let networks: Option<Vec<[u8; 32]>> = view.reader().setting(Scope::Ours, HOME_NETWORKS)?;
        drop(view);
        let loopback = options.listen.is_some_and(|listen| listen.ip().is_loopback());
        let asked = options.listen.map(|listen| listen.port()).filter(|port| *port != 0);
        let config = Config {
            keys: keys.clone(),
            port: stored.unwrap_or(0),
            fixed_port: asked,
            bind: if loopback { Bind::Loopback } else { Bind::Everywhere },
            discover_on_loopback: loopback,
        };
        let (net, events) = Net::start(config)?;
        if stored != Some(net.port()) {
            let mut batch = house.store.begin()?;
            batch.put_setting(Scope::Ours, PORT, &net.port())?;
            batch.commit()?;
        }
        let mut rng = ChaCha20Rng::from_rng(OsRng)?;
        let dialer = Dialer::new(keys.device(), ChaCha20Rng::from_rng(&mut rng)?);
        let home_networks = networks.unwrap_or_default().into_iter().map(NetworkId::from_bytes).collect();
        let mut open = Self {
            house,
            keys,
            net,
            dialer,
            talks: BTreeMap::new(),
            writes: Writes::default(),
            pairing: Pairing::default(),
            notices: Notices::default(),
            waiters: Vec::new(),
            troubles,
            paused: false,
            here_until: None,
            home_networks,
            discovery: options.discovery,
            rng,
            recover_at: None,
            lazy_at: None,
        };
        open.roster_changed(now)?;
        Ok((open, events))
    }

    /// The devices of the household that this one may connect with.
    pub(crate) fn peers(&self) -> Vec<DeviceId> {
        let (own, roster) = (self.keys.device(), self.house.replica.roster());
        roster
            .devices()
            .map(|(device, _)| *device)
            .filter(|device| *device != own && roster.may_connect(device))
            .collect()
    }

    /// Makes the network and the dialler know whom the roster names, and where they may be.
    pub(crate) fn roster_changed(&mut self, now: Instant) -> Result<(), StoreError> {
        let peers = self.peers();
        let roster = self.house.replica.roster();
        let Some(household) = roster.household() else { return Ok(()) };
        let mut pairs = Vec::new();
        for peer in &peers {
            let Some(device) = roster.device(peer) else { continue };
            match PairKey::derive(&self.keys, &household, peer, &device.agreement) {
                Ok(pair) => pairs.push(pair),
                Err(error) => tracing::warn!(%error, "a device cannot be met"),
            }
        }
        self.net.set_peers(pairs);
        self.dialer.set_peers(peers, now);
        self.addresses_changed(now)?;
        self.dialer.set_enabled(!self.paused, now);
        self.set_discovery(now);
        Ok(())
    }

    /// Makes the dialler know every address that is remembered or was set by hand.
    pub(crate) fn addresses_changed(&mut self, now: Instant) -> Result<(), StoreError> {
        let records = self.house.store.read()?.reader().peers()?;
        for peer in self.peers() {
            let Some(record) = records.get(&peer).cloned() else { continue };
            let by_hand = record.by_hand.into_iter().map(|address| (address, Source::ByHand));
            for (address, source) in by_hand.chain(record.addresses.into_iter().map(|at| (at, Source::Remembered))) {
                // An address that is no longer taken is left out; the others are tried.
                let _ = self.dialer.handle_candidate(peer, address, source, true, now);
            }
        }
        Ok(())
    }

    /// Where to be found just now.
    pub(crate) fn set_discovery(&mut self, now: Instant) {
        if self.here_until.is_some_and(|until| until <= now) {
            self.here_until = None;
        }
        let discovery = if self.paused || !self.discovery || self.peers().is_empty() {
            Discovery::Off
        } else if self.here_until.is_some() {
            Discovery::Anywhere
        } else {
            Discovery::Home(self.home_networks.clone())
        };
        self.net.set_discovery(discovery);
    }

    /// Marks the networks that this device is in as homes: pairing does.
    pub(crate) fn mark_home(&mut self, batch: &mut betwixt_store::Batch) -> Result<(), StoreError> {
        self.home_networks.extend(self.net.networks().into_iter().map(|network| network.id));
        let networks: Vec<[u8; 32]> = self.home_networks.iter().map(|id| *id.as_bytes()).collect();
        batch.put_setting(Scope::Ours, HOME_NETWORKS, &networks)
    }

    /// The next time at which something is due.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let sessions = self.talks.values().filter_map(Talk::poll_timeout);
        let others =
            [self.dialer.poll_timeout(), self.pairing.poll_timeout(), self.here_until, self.recover_at, self.lazy_at];
        sessions.chain(others.into_iter().flatten()).chain(self.waiters.iter().map(|waiter| waiter.until)).min()
    }
}
