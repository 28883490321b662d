//! Finding devices in the local network: multicast DNS (RFC 6762, RFC 6763) with names that mean nothing.
//!
//! A device's advert has a random instance and host name, new with every rebuild, and a TXT record that only rostered
//! devices can tell from noise ([`betwixt_sync::keys::advert`]). There is no probing: a forged answer to a probe would
//! rename us, and random names need none. The library is rebuilt whenever links, networks or peers change and after a
//! suspend, because it loses services otherwise; and it is stopped for a while when adverts flood in, because its cache
//! has no bound of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use betwixt_model::ids::DeviceId;
use betwixt_sync::keys;
use mdns_sd::{ResolvedService, ServiceEvent, TxtProperty};
use rand_core::OsRng;
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};

use crate::advert::{self, ADVERT_KEY, DIGITS_KEY, Load};
use crate::event::{DiscoveryState, NetEvent};
use crate::library::Running;
use crate::limits;
use crate::plan::Plan;
use crate::shared::Shared;

const PEER_SERVICE: &str = "_betwixt._udp.local.";
const PAIRING_SERVICE: &str = "_betwixt-pair._udp.local.";
/// How long an advertised address has to answer when it is asked for again.
const VERIFYING: Duration = Duration::from_secs(3);
/// At least this long between two builds, so that a flapping link does not keep us busy.
const BETWEEN_BUILDS: Duration = Duration::from_millis(500);

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
                        ServiceEvent::ServiceRemoved(_, name) => {
                            for peer in seen.remove(&name) {
                                let _ = shared.events.send(NetEvent::Withdrawn { peer }).await;
                            }
                        }
                        _ => {}
                    }
                }
            }
        };
        running.stop().await;
        drop(running);
        // The next run hears anew who is there.
        for peer in seen.peers() {
            let _ = shared.events.send(NetEvent::Withdrawn { peer }).await;
        }
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

    /// Forgets an advert; whose no other is known of now.
    fn remove(&mut self, name: &str) -> BTreeSet<DeviceId> {
        let (gone, rest): (BTreeMap<_, _>, _) =
            std::mem::take(&mut self.0).into_iter().partition(|((_, known, _), _)| known == name);
        self.0 = rest;
        let mut gone: BTreeSet<DeviceId> = gone.into_keys().map(|(peer, ..)| peer).collect();
        gone.retain(|peer| !self.0.keys().any(|(known, ..)| known == peer));
        gone
    }

    /// Everybody of whom an advert is known.
    fn peers(self) -> BTreeSet<DeviceId> {
        self.0.into_keys().map(|(peer, ..)| peer).collect()
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
