//! An open home: its replica, its network, and everything that goes on between them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use betwixt_api::Problem;
use betwixt_model::document::Scope;
use betwixt_model::ids::DeviceId;
use betwixt_net::interfaces::NetworkId;
use betwixt_net::{Bind, Config, Discovery, DiscoveryState, Net, NetEvent};
use betwixt_store::StoreError;
use betwixt_store::attachments::Attachments;
use betwixt_sync::dialer::Dialer;
use betwixt_sync::keys::DeviceKeys;
use rand_chacha::ChaCha20Rng;
use rand_core::{OsRng, SeedableRng};
use serde::{Deserialize, Serialize};
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::Options;
use crate::answer::once::Once;
use crate::answer::problem::unreadable;
use crate::attaching::Shelving;
use crate::bridge::Bridge;
use crate::bridging::Sockets;
use crate::engine::{self, Engine, Knocks};
use crate::event::Finished;
use crate::house::House;
use crate::http::access::{Frontends, Requests, Stored, Told};
use crate::http::{Answer, Registry};
use crate::idle::Idle;
use crate::notices::Notices;
use crate::pairing::Pairing;
use crate::porter::Porter;
use crate::searching::{self, Searching};
use crate::telling::{self, Differing};
use crate::waiting::Waiting;
use crate::writes::{After, Write};

/// How long whoever opened a part of the home is left alone with it, before what has to be looked at in it competes with their first
/// page for the same rows and processors: what attachments name, and which sealed answers are due.
pub(crate) const SETTLING: Duration = Duration::from_secs(1);

/// For how long `here` takes any network for a home.
pub(crate) const HERE: Duration = Duration::from_secs(600);

/// How many files may be taken in at once.
const MAX_ADDING: usize = 2;

/// The name of the setting, under the shared key, that says where frontends reach the daemon over TCP.
pub(crate) const LISTEN: &str = "listen";

/// The name of the setting, under the shared key, that says whether the home pauses.
pub(crate) const PAUSED: &str = "paused";

/// The name of a setting under the shared key.
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
    pub(crate) engine: Engine<Write, After>,
    pub(crate) pairing: Pairing,
    pub(crate) notices: Notices,
    pub(crate) differing: Differing,
    pub(crate) waiting: Waiting,
    pub(crate) frontends: Frontends,
    pub(crate) requests: Requests,
    pub(crate) told: Told,
    pub(crate) backups: Once,
    /// The attached files on the disk, who reads and writes them, and how many may be taken in at once.
    pub(crate) attachments: Attachments,
    pub(crate) porter: Porter,
    pub(crate) shelving: Shelving,
    /// When it is looked for sealed answers that became due while nothing private could be read.
    pub(crate) answers_at: Option<Instant>,
    pub(crate) adding: Arc<Semaphore>,
    pub(crate) bridge: Bridge,
    pub(crate) sockets: Sockets,
    pub(crate) waiters: Vec<Waiter>,
    pub(crate) troubles: Vec<String>,
    pub(crate) paused: bool,
    /// Whether a passphrase is being tried on the private part.
    pub(crate) unlocking: bool,
    pub(crate) idle: Idle,
    pub(crate) searching: Searching,
    /// Where work beside the loop tells that it has ended.
    pub(crate) finished: mpsc::UnboundedSender<Finished>,
    pub(crate) here_until: Option<Instant>,
    pub(crate) home_networks: BTreeSet<NetworkId>,
    pub(crate) discovery: bool,
    /// Whether discovery runs.
    pub(crate) discovering: DiscoveryState,
    /// Devices of the household whose adverts are heard.
    pub(crate) heard: BTreeSet<DeviceId>,
    pub(crate) rng: ChaCha20Rng,
    /// Whether a new epoch was begun since the home was opened: once is enough, for no other copy knows it.
    pub(crate) epoch_renewed: bool,
}

impl Open {
    /// Opens the network of a home and begins to dial.
    pub(crate) fn new(
        house: House,
        troubles: Vec<String>,
        options: &Options,
        registry: Registry,
        finished: mpsc::UnboundedSender<Finished>,
        now: Instant,
    ) -> anyhow::Result<(Self, mpsc::Receiver<NetEvent>)> {
        let keys = Arc::new(DeviceKeys::from_bytes(&house.replica.identity().keys().to_bytes()));
        let view = house.store.read()?;
        let ports = engine::ports(&view.reader())?;
        let (knocks, answered) = Knocks::load(&view.reader())?;
        let networks: Option<Vec<[u8; 32]>> = view.reader().setting(Scope::Ours, HOME_NETWORKS)?;
        let stored = Stored::read(&view.reader())?;
        let paused: bool = view.reader().setting(Scope::Ours, PAUSED)?.unwrap_or_default();
        let idle = Idle::load(&view.reader(), now)?;
        drop(view);
        let config = Config {
            keys: keys.clone(),
            ports: ports.into_iter().collect(),
            knocks: answered,
            fixed_port: options.fixed_port(),
            bind: options.bind(),
            discover_on_loopback: options.bind() == Bind::Loopback,
        };
        let (net, events) = Net::start(config)?;
        let mut rng = ChaCha20Rng::from_rng(OsRng)?;
        let [everything, shared] = telling::take_kept(&house.store)?;
        let differing = Differing::new(&house.replica)?;
        let dialer = Dialer::new(keys.device(), ChaCha20Rng::from_rng(&mut rng)?);
        let home_networks = networks.unwrap_or_default().into_iter().map(NetworkId::from_bytes).collect();
        let engine = Engine::new(dialer, net.networks(), knocks);
        let attachments = Attachments::of(house.home.path());
        let porter = Porter::begin(attachments.clone(), house.home.path().to_owned(), finished.clone());
        let mut open = Self {
            house,
            keys,
            net,
            engine,
            pairing: Pairing::default(),
            notices: Notices::new(everything, shared, &mut rng),
            differing,
            waiting: Waiting::default(),
            frontends: Frontends::new(stored, registry),
            requests: Requests::default(),
            told: Told::default(),
            backups: Once::default(),
            attachments,
            porter,
            shelving: Shelving::default(),
            answers_at: None,
            adding: Arc::new(Semaphore::new(MAX_ADDING)),
            bridge: Bridge::default(),
            sockets: Sockets::default(),
            waiters: Vec::new(),
            troubles,
            paused,
            unlocking: false,
            idle,
            searching: Searching::default(),
            finished,
            here_until: None,
            home_networks,
            discovery: options.discovery,
            discovering: DiscoveryState::Off,
            heard: BTreeSet::new(),
            rng,
            epoch_renewed: false,
        };
        for scope in [Scope::Ours, Scope::Mine] {
            open.open_attachments(scope, now);
        }
        // Before there is anybody to dial.
        open.engine.dialer().set_enabled(!paused, now);
        open.engine.roster_changed(&open.house.replica, now)?;
        open.carry_out(now);
        Ok((open, events))
    }

    /// The devices of the household that this one may connect with.
    pub(crate) fn peers(&self) -> Vec<DeviceId> {
        engine::peers(&self.house.replica)
    }

    /// Opens the home as what it has become: another device of somebody's, with the keys that it had.
    pub(crate) fn joined(&mut self, now: Instant) -> Result<(), Problem> {
        self.house.open_anew()?;
        for scope in [Scope::Ours, Scope::Mine] {
            self.open_attachments(scope, now);
        }
        self.differing = Differing::new(&self.house.replica).map_err(|error| unreadable(&error))?;
        self.waiting = Waiting::default();
        Ok(())
    }

    /// Makes the network know whom the roster names.
    pub(crate) fn roster_changed(&mut self, now: Instant) {
        let pairs = self.peers().iter().filter_map(|peer| self.house.replica.pair_key(peer)).collect();
        self.net.set_peers(pairs);
        self.engine.dialer().set_enabled(!self.paused, now);
        self.set_discovery(now);
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

    /// The next time at which something is due.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let own = [
            self.engine.poll_timeout(),
            self.pairing.poll_timeout(),
            self.requests.poll_timeout(),
            self.told.poll_timeout(),
            self.bridge.poll_timeout(),
            self.shelving.poll_timeout(),
            self.answers_at,
            self.here_until,
            self.searching.poll_timeout().filter(|_| !self.engine.is_recovering()),
            self.idle.poll_timeout().filter(|_| self.house.store.mine_is_open()),
        ];
        own.into_iter().flatten().chain(self.waiters.iter().map(|waiter| waiter.until)).min()
    }

    /// Times that have come.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        self.engine.handle_timeout(&mut self.house.replica, now);
        if self.here_until.is_some_and(|until| until <= now) {
            self.set_discovery(now);
        }
        self.handle_pairing_timeout(now);
        self.told.forget(now);
        self.bridge.handle_timeout(now);
        self.go_on_shelving(now);
        if self.answers_at.take_if(|at| *at <= now).is_some() {
            self.engine.write(Write::OpenAnswers(None));
        }
        if self.requests.poll_timeout().is_some_and(|until| until <= now) {
            self.end_logins(now);
        }
    }

    /// Takes in what was said, when its time has come: beside the loop.
    pub(crate) fn search_if_due(&mut self, now: Instant) {
        if self.engine.is_recovering() {
            return;
        }
        let Some(working) = self.searching.begin(now) else { return };
        let scopes: Vec<Scope> = self.house.spaces().into_iter().map(|(scope, _)| scope).collect();
        let (home, store) = (self.house.home.path().to_owned(), self.house.store.clone());
        let finished = self.finished.clone();
        tokio::task::spawn_blocking(move || {
            let slice = searching::take_in(&home, store, &scopes, &working);
            // The loop is gone only when the process ends.
            let _ = finished.send(Finished::Searched(slice));
        });
    }

    /// Search indexes that were found damaged are begun anew.
    pub(crate) fn search_anew(&mut self, changes: Vec<searching::Change>) {
        for change in changes {
            self.engine.write(Write::Searched(change, None));
        }
    }

    /// Something to be shown by `status`, once.
    pub(crate) fn trouble(&mut self, words: &str) {
        if !self.troubles.iter().any(|known| known == words) {
            self.troubles.push(words.to_owned());
        }
    }
}

/// Marks the networks that this device is in as homes: pairing does.
pub(crate) fn mark_home(
    homes: &mut BTreeSet<NetworkId>,
    net: &Net,
    batch: &mut betwixt_store::Batch,
) -> Result<(), StoreError> {
    homes.extend(net.networks().into_iter().map(|network| network.id));
    let networks: Vec<[u8; 32]> = homes.iter().map(|id| *id.as_bytes()).collect();
    batch.put_setting(Scope::Ours, HOME_NETWORKS, &networks)
}
