//! Finding devices in the local network: multicast DNS (RFC 6762, RFC 6763) with names that mean nothing.
//!
//! A device's advert has a random instance and host name, new with every rebuild, and a TXT record that only rostered
//! devices can tell from noise ([`betwixt_sync::keys::advert`]). There is no probing: a forged answer to a probe would
//! rename us, and random names need none. The library is rebuilt whenever links, networks or peers change and after a
//! suspend, because it loses services otherwise; and it is stopped for a while when adverts flood in, because its cache
//! has no bound of its own.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use betwixt_model::ids::DeviceId;
use betwixt_sync::keys;
use mdns_sd::{IfKind, Receiver, ResolvedService, ServiceDaemon, ServiceEvent, ServiceInfo, TxtProperty};
use rand_core::{OsRng, RngCore as _};
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};

use crate::advert::{self, ADVERT_KEY, DIGITS_KEY, Load};
use crate::event::{DiscoveryState, NetEvent};
use crate::interfaces::{Network, for_discovery};
use crate::limits;
use crate::net::{Bind, Discovery, Shared};

const PEER_SERVICE: &str = "_betwixt._udp.local.";
const PAIRING_SERVICE: &str = "_betwixt-pair._udp.local.";
/// How long a goodbye and a stop may take.
const STOPPING: Duration = Duration::from_millis(500);
/// How long an advertised address has to answer when it is asked for again.
const VERIFYING: Duration = Duration::from_secs(3);
/// At least this long between two builds, so that a flapping link does not keep us busy.
const BETWEEN_BUILDS: Duration = Duration::from_millis(500);

/// What one of the two services is to do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Plan {
    networks: Vec<Network>,
    /// The port to advertise, and the digits for a pairing.
    advertise: Option<(u16, Option<u8>)>,
    look: bool,
    /// Whom to be recognised by, and with which keys; a change is a reason to rebuild.
    peers: Vec<(DeviceId, [u8; keys::KNOCK])>,
    /// Raised to rebuild although nothing else changed.
    build: u64,
}

impl Plan {
    fn is_idle(&self) -> bool {
        self.networks.is_empty() || (self.advertise.is_none() && !self.look)
    }
}

/// What the daemon wants of discovery, and what the two services are to do about it.
#[derive(Debug)]
pub(crate) struct Plans {
    port: u16,
    wishes: Mutex<Wishes>,
    peers: watch::Sender<Plan>,
    pairings: watch::Sender<Plan>,
    verify: mpsc::Sender<(DeviceId, SocketAddr)>,
    to_verify: Mutex<Option<mpsc::Receiver<(DeviceId, SocketAddr)>>>,
    /// How many of the library's threads there are.
    running: Arc<AtomicUsize>,
}

#[derive(Debug, Default)]
struct Wishes {
    discovery: Discovery,
    offer: Option<(u8, u16)>,
    wanted: Option<u8>,
}

impl Plans {
    pub(crate) fn new(port: u16) -> Self {
        let (verify, to_verify) = mpsc::channel(16);
        Self {
            port,
            wishes: Mutex::default(),
            peers: watch::Sender::new(Plan::default()),
            pairings: watch::Sender::new(Plan::default()),
            verify,
            to_verify: Mutex::new(Some(to_verify)),
            running: Arc::default(),
        }
    }

    fn wishes(&self) -> std::sync::MutexGuard<'_, Wishes> {
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

/// Makes the plans anew from wishes, peers and networks; services notice when theirs changed, or when `rebuild` says so.
pub(crate) fn replan(shared: &Shared, rebuild: bool) {
    let plans = &shared.plans;
    let loopback = shared.config.discover_on_loopback;
    let all = shared.networks.borrow().clone();
    let mut sensible: Vec<Network> = for_discovery(&all, loopback).into_iter().cloned().collect();
    if shared.config.bind == Bind::Loopback {
        sensible.retain(|network| network.addresses.iter().any(|address| address.ip.is_loopback()));
    }
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
    let advertise = anybody.then_some((plans.port, None));
    set(&plans.peers, Plan { networks, advertise, look: anybody, peers, build: 0 });
    let advertise = wishes.offer.map(|(digits, port)| (port, Some(digits)));
    let look = wishes.wanted.is_some();
    set(&plans.pairings, Plan { networks: sensible, advertise, look, peers: Vec::new(), build: 0 });
}

/// Advertises this device and looks for its peers, as planned, for ever.
pub(crate) async fn find_peers(shared: Arc<Shared>) {
    let mut to_verify = shared.plans.to_verify.lock().unwrap_or_else(PoisonError::into_inner).take();
    let mut service = Service {
        name: PEER_SERVICE,
        plan: shared.plans.peers.subscribe(),
        told: DiscoveryState::Off,
        pause: limits::DISCOVERY_PAUSE,
    };
    while let Some(plan) = service.next_plan(&shared, true).await {
        let table = shared.peers.table();
        let txt = TxtProperty::from((ADVERT_KEY, keys::advert(table.values(), &mut OsRng)));
        let Some(running) = service.build(&shared, &plan, txt, true).await else { continue };
        let mut seen = Seen::default();
        let mut load = Load::new(Instant::now());
        let flooded = loop {
            tokio::select! {
                changed = service.plan.changed() => {
                    if changed.is_err() {
                        running.stop().await;
                        return;
                    }
                    break false;
                }
                Some((peer, address)) = next(&mut to_verify) => {
                    if let Some(name) = seen.name(&peer, &address) {
                        let _ = running.daemon.verify(name, VERIFYING);
                    }
                }
                event = running.event() => {
                    let Some(event) = event else { break true };
                    if load.is_flood(Instant::now(), &event) {
                        break true;
                    }
                    match event {
                        ServiceEvent::ServiceResolved(found) if found.fullname != running.own_name => {
                            let Some(advert) = found.get_property_val(ADVERT_KEY).flatten() else { continue };
                            for peer in keys::recognise(advert, table.values()) {
                                for (interface, addresses) in advert::addresses(&found, &plan.networks) {
                                    if seen.is_new(&found, peer, &interface, &addresses) {
                                        let event = NetEvent::Candidate { peer, addresses, interface };
                                        let _ = shared.events.send(event).await;
                                    }
                                }
                            }
                        }
                        ServiceEvent::ServiceRemoved(_, name) => seen.remove(&name),
                        _ => {}
                    }
                }
            }
        };
        running.stop().await;
        drop(running);
        service.after(&shared, flooded, true).await;
    }
}

/// Advertises a pairing and looks for one, as planned, for ever.
pub(crate) async fn find_pairings(shared: Arc<Shared>) {
    let mut service = Service {
        name: PAIRING_SERVICE,
        plan: shared.plans.pairings.subscribe(),
        told: DiscoveryState::Off,
        pause: limits::DISCOVERY_PAUSE,
    };
    while let Some(plan) = service.next_plan(&shared, false).await {
        let digits = plan.advertise.and_then(|(_, digits)| digits).unwrap_or_default();
        let txt = TxtProperty::from((DIGITS_KEY, format!("{digits:02}")));
        let Some(running) = service.build(&shared, &plan, txt, false).await else { continue };
        let mut load = Load::new(Instant::now());
        let flooded = loop {
            tokio::select! {
                changed = service.plan.changed() => {
                    if changed.is_err() {
                        running.stop().await;
                        return;
                    }
                    break false;
                }
                event = running.event() => {
                    let Some(event) = event else { break true };
                    if load.is_flood(Instant::now(), &event) {
                        break true;
                    }
                    let ServiceEvent::ServiceResolved(found) = event else { continue };
                    let wanted = shared.plans.wishes().wanted;
                    if found.fullname == running.own_name || wanted.is_none() || advert::digits(&found) != wanted {
                        continue;
                    }
                    let addresses: Vec<_> = advert::addresses(&found, &plan.networks).into_values().flatten().collect();
                    if !addresses.is_empty() {
                        let _ = shared.events.send(NetEvent::PairingFound { addresses }).await;
                    }
                }
            }
        };
        running.stop().await;
        drop(running);
        service.after(&shared, flooded, false).await;
    }
}

async fn next(receiver: &mut Option<mpsc::Receiver<(DeviceId, SocketAddr)>>) -> Option<(DeviceId, SocketAddr)> {
    match receiver {
        Some(receiver) => receiver.recv().await,
        None => std::future::pending().await,
    }
}

/// Adverts that were recognised since the last rebuild, so that each is told once.
#[derive(Debug, Default)]
struct Seen(BTreeMap<(DeviceId, String, String), Vec<SocketAddr>>);

impl Seen {
    fn is_new(&mut self, found: &ResolvedService, peer: DeviceId, interface: &str, addresses: &[SocketAddr]) -> bool {
        let key = (peer, found.fullname.clone(), interface.to_owned());
        if self.0.get(&key).is_some_and(|known| known == addresses) {
            return false;
        }
        // Only who holds a pair's key, or repeats what they heard, comes this far; forgetting costs a repeated event.
        if self.0.len() >= limits::REMEMBERED_ADVERTS {
            self.0.clear();
        }
        self.0.insert(key, addresses.to_vec());
        true
    }

    fn name(&self, peer: &DeviceId, address: &SocketAddr) -> Option<String> {
        let mut known = self.0.iter();
        known
            .find(|((who, ..), addresses)| who == peer && addresses.contains(address))
            .map(|((_, name, _), _)| name.clone())
    }

    fn remove(&mut self, name: &str) {
        self.0.retain(|(_, known, _), _| known != name);
    }
}

/// The part that both services have in common: waiting for a plan, building, pausing.
struct Service {
    name: &'static str,
    plan: watch::Receiver<Plan>,
    told: DiscoveryState,
    pause: Duration,
}

impl Service {
    async fn tell(&mut self, shared: &Shared, state: DiscoveryState, tells: bool) {
        if tells && self.told != state {
            self.told = state;
            let _ = shared.events.send(NetEvent::Discovery(state)).await;
        }
    }

    /// The present plan, once it is one with something to do; `None` at the end.
    async fn next_plan(&mut self, shared: &Shared, tells: bool) -> Option<Plan> {
        loop {
            let plan = self.plan.borrow_and_update().clone();
            if !plan.is_idle() {
                return Some(plan);
            }
            self.tell(shared, DiscoveryState::Off, tells).await;
            self.plan.changed().await.ok()?;
        }
    }

    async fn build(&mut self, shared: &Shared, plan: &Plan, txt: TxtProperty, tells: bool) -> Option<Running> {
        match Running::start(self.name, plan, txt, shared.plans.running.clone()) {
            Ok(running) => {
                self.tell(shared, DiscoveryState::Running { interfaces: plan.networks.len() }, tells).await;
                Some(running)
            }
            Err(error) => {
                tracing::warn!(%error, "discovery cannot start, trying again later");
                self.tell(shared, DiscoveryState::Failed, tells).await;
                self.wait().await;
                None
            }
        }
    }

    /// What comes after a run: at once if the plan changed, after a pause if it was flooded.
    async fn after(&mut self, shared: &Shared, flooded: bool, tells: bool) {
        if flooded {
            tracing::warn!(pause = ?self.pause, "too many adverts in this network, discovery pauses");
            self.tell(shared, DiscoveryState::Flooded, tells).await;
            self.wait().await;
        } else {
            self.pause = limits::DISCOVERY_PAUSE;
            sleep(BETWEEN_BUILDS).await;
        }
    }

    /// A pause that doubles each time; another network ends it, since what was wrong with the last need not be with this.
    async fn wait(&mut self) {
        let pause = self.pause;
        self.pause = (pause * 2).min(limits::DISCOVERY_LONGEST_PAUSE);
        let networks = self.plan.borrow().networks.clone();
        let moved = async {
            while self.plan.changed().await.is_ok() {
                if self.plan.borrow().networks != networks {
                    return;
                }
            }
        };
        let _ = timeout(pause, moved).await;
    }
}

/// The library at work.
struct Running {
    daemon: ServiceDaemon,
    events: Option<Receiver<ServiceEvent>>,
    own_name: String,
    count: Arc<AtomicUsize>,
}

impl Running {
    fn start(service: &str, plan: &Plan, txt: TxtProperty, count: Arc<AtomicUsize>) -> mdns_sd::Result<Self> {
        let mut running = Self { daemon: ServiceDaemon::new()?, events: None, own_name: String::new(), count };
        running.count.fetch_add(1, Ordering::Relaxed);
        let daemon = &running.daemon;
        // It would announce us on a new network before anybody has asked whether that is a home.
        daemon.set_ip_check_interval(0)?;
        daemon.disable_interface(IfKind::All)?;
        let kinds: Vec<IfKind> = (plan.networks.iter())
            .flat_map(|network| [IfKind::IndexV4(network.index), IfKind::IndexV6(network.index)])
            .collect();
        daemon.enable_interface(kinds.clone())?;
        if let Some((port, _)) = plan.advertise {
            let (instance, host) = (random_name(), format!("{}.local.", random_name()));
            let addresses = advert::own(&plan.networks);
            let mut info = ServiceInfo::new(service, &instance, &host, addresses.as_slice(), port, vec![txt])?;
            info.set_requires_probe(false);
            info.set_interfaces(kinds);
            info.get_fullname().clone_into(&mut running.own_name);
            daemon.register(info)?;
        }
        if plan.look {
            running.events = Some(daemon.browse(service)?);
        }
        Ok(running)
    }

    /// The next event; `None` when the library gave up on us (its queue was full).
    async fn event(&self) -> Option<ServiceEvent> {
        match &self.events {
            Some(events) => events.recv_async().await.ok(),
            None => std::future::pending().await,
        }
    }

    /// Says goodbye, so that others forget the address, and stops the library's thread.
    async fn stop(&self) {
        if !self.own_name.is_empty()
            && let Ok(done) = self.daemon.unregister(&self.own_name)
        {
            let _ = timeout(STOPPING, done.recv_async()).await;
        }
        if let Ok(done) = self.daemon.shutdown() {
            let _ = timeout(STOPPING, done.recv_async()).await;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The library's thread does not end by itself.
        let _ = self.daemon.shutdown();
        self.count.fetch_sub(1, Ordering::Relaxed);
    }
}

/// 80 random bits in letters and digits.
fn random_name() -> String {
    let mut bytes = [0; 10];
    OsRng.fill_bytes(&mut bytes);
    data_encoding::BASE32_NOPAD.encode(&bytes).to_ascii_lowercase()
}
