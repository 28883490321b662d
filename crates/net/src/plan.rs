//! What discovery is to do: made from the daemon's wishes, the peers and the networks, anew whenever one of them changes.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use betwixt_model::ids::DeviceId;
use betwixt_sync::keys;
use tokio::sync::{mpsc, watch};

use crate::config::{Bind, Config, Discovery};
use crate::interfaces::{Network, for_discovery};
use crate::shared::Shared;

/// What one of the two services is to do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) networks: Vec<Network>,
    /// The port to advertise, and the digits for a pairing.
    pub(crate) advertise: Option<(u16, Option<u8>)>,
    pub(crate) look: bool,
    /// Whom to be recognised by, and with which keys; a change is a reason to rebuild.
    pub(crate) peers: Vec<(DeviceId, [u8; keys::KNOCK])>,
    /// Raised to rebuild although nothing else changed.
    build: u64,
}

impl Plan {
    pub(crate) fn is_idle(&self) -> bool {
        self.networks.is_empty() || (self.advertise.is_none() && !self.look)
    }
}

/// What the daemon wants of discovery, and what the two services are to do about it.
#[derive(Debug)]
pub(crate) struct Plans {
    wishes: Mutex<Wishes>,
    pub(crate) peers: watch::Sender<Plan>,
    pub(crate) pairings: watch::Sender<Plan>,
    verify: mpsc::Sender<(DeviceId, SocketAddr)>,
    pub(crate) to_verify: Mutex<Option<mpsc::Receiver<(DeviceId, SocketAddr)>>>,
    /// How many of the library's threads there are.
    pub(crate) running: Arc<AtomicUsize>,
}

#[derive(Debug, Default)]
pub(crate) struct Wishes {
    discovery: Discovery,
    offer: Option<(u8, u16)>,
    pub(crate) wanted: Option<u8>,
}

impl Plans {
    pub(crate) fn new() -> Self {
        let (verify, to_verify) = mpsc::channel(16);
        Self {
            wishes: Mutex::default(),
            peers: watch::Sender::new(Plan::default()),
            pairings: watch::Sender::new(Plan::default()),
            verify,
            to_verify: Mutex::new(Some(to_verify)),
            running: Arc::default(),
        }
    }

    pub(crate) fn wishes(&self) -> std::sync::MutexGuard<'_, Wishes> {
        self.wishes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_discovery(&self, discovery: Discovery) {
        self.wishes().discovery = discovery;
    }

    pub(crate) fn set_offer(&self, offer: Option<(u8, u16)>) {
        self.wishes().offer = offer;
    }

    pub(crate) fn set_wanted(&self, wanted: Option<u8>) {
        self.wishes().wanted = wanted;
    }

    /// Whether every goodbye is said.
    pub(crate) fn are_stopped(&self) -> bool {
        self.running.load(Ordering::Relaxed) == 0
    }

    /// Forgotten when too many are asked for at once: it is a hint.
    pub(crate) fn verify(&self, peer: DeviceId, address: SocketAddr) {
        let _ = self.verify.try_send((peer, address));
    }
}

/// Those of the networks in which this device may be found and has a port.
pub(crate) fn sensible<'a>(config: &Config, all: &'a [Network]) -> Vec<&'a Network> {
    let mut sensible = for_discovery(all, config.discover_on_loopback || config.bind == Bind::Loopback);
    if config.bind == Bind::Loopback {
        sensible.retain(|network| network.addresses.iter().any(|address| address.ip.is_loopback()));
    }
    sensible
}

/// Makes the plans anew from wishes, peers and networks; services notice when theirs changed, or when `rebuild` says so.
pub(crate) fn replan(shared: &Shared, rebuild: bool) {
    let plans = &shared.plans;
    let all = shared.networks.borrow().clone();
    let sensible: Vec<Network> = sensible(&shared.config, &all).into_iter().cloned().collect();
    // Held to the end, so that two who replan do not overtake each other.
    let wishes = plans.wishes();
    let set = |sender: &watch::Sender<Plan>, mut plan: Plan| {
        sender.send_if_modified(|current| {
            plan.build = current.build + u64::from(rebuild);
            let changed = *current != plan;
            *current = plan;
            changed
        });
    };
    let peers = shared.peers.marks();
    let networks: Vec<Network> = match &wishes.discovery {
        Discovery::Off => Vec::new(),
        Discovery::Home(homes) => sensible.iter().filter(|network| homes.contains(&network.id)).cloned().collect(),
        Discovery::Anywhere => sensible.clone(),
    };
    let anybody = !peers.is_empty();
    let advertise = anybody.then_some((shared.endpoint.port(), None));
    set(&plans.peers, Plan { networks, advertise, look: anybody, peers, build: 0 });
    let advertise = wishes.offer.map(|(digits, port)| (port, Some(digits)));
    let look = wishes.wanted.is_some();
    set(&plans.pairings, Plan { networks: sensible, advertise, look, peers: Vec::new(), build: 0 });
}
