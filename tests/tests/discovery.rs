//! Two devices on one network find each other, with nothing configured, and again after the cable was out.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use betwixt_model::ids::HouseholdId;
use betwixt_net::{Bind, Config, Discovery, DiscoveryState, LostReason, Net, NetEvent, PairingEvent, doctor};
use betwixt_sync::dialer::AttemptId;
use betwixt_sync::keys::{DeviceKeys, PairKey};
use betwixt_testkit::needs::{Need, met};
use betwixt_tests::adverts::forged_advert;
use betwixt_tests::namespaces::{Cable, Place, Side};
use rand_core::OsRng;
use tokio::runtime::Runtime;
use tokio::sync::mpsc::Receiver;
use tokio::time::timeout;

/// A device on one of the machines, with a runtime whose threads are all there.
struct Device {
    runtime: Runtime,
    net: Net,
    events: Receiver<NetEvent>,
    keys: Arc<DeviceKeys>,
}

impl Device {
    fn start(cable: &Cable, side: Side) -> Self {
        Self::start_with(cable, side, None)
    }

    fn start_with(cable: &Cable, side: Side, fixed_port: Option<u16>) -> Self {
        let keys = Arc::new(DeviceKeys::generate(&mut OsRng));
        let config = Config {
            keys: keys.clone(),
            ports: Default::default(),
            knocks: Vec::new(),
            fixed_port,
            bind: Bind::Everywhere,
            discover_on_loopback: false,
        };
        let started = cable.inside(side, || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
            let (net, events) = runtime.block_on(async { Net::start(config).unwrap() });
            (runtime, net, events)
        });
        let (runtime, net, events) = started.unwrap();
        Self { runtime, net, events, keys }
    }

    fn know(&self, other: &Self) {
        let household = HouseholdId::from_bytes([3; 32]);
        let key = PairKey::derive(&self.keys, &household, &other.keys.device(), &other.keys.agreement()).unwrap();
        self.enter(|| self.net.set_peers(vec![key]));
    }

    fn enter<T>(&self, run: impl FnOnce() -> T) -> T {
        let _context = self.runtime.enter();
        run()
    }

    fn discover(&self, discovery: Discovery) {
        self.enter(|| self.net.set_discovery(discovery));
    }

    /// Waits for an event of a kind, passing over the others.
    fn wait_for<T>(&mut self, time: Duration, wanted: impl Fn(&NetEvent) -> Option<T>) -> Option<T> {
        let until = Instant::now() + time;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let events = &mut self.events;
            let event = self.runtime.block_on(async { timeout(left, events.recv()).await }).ok()??;
            if let Some(found) = wanted(&event) {
                return Some(found);
            }
        }
    }

    fn candidate(&mut self, time: Duration) -> Option<Vec<SocketAddr>> {
        self.candidate_with(time, |_| true)
    }

    /// Records arrive one by one, so an advert may be told with some of its addresses first and with all of them then.
    fn candidate_with(&mut self, time: Duration, wanted: impl Fn(&[SocketAddr]) -> bool) -> Option<Vec<SocketAddr>> {
        self.wait_for(time, |event| match event {
            NetEvent::Candidate { addresses, .. } if wanted(addresses) => Some(addresses.clone()),
            _ => None,
        })
    }

    fn dial(&self, attempt: u64, other: &Self, address: SocketAddr) {
        self.enter(|| self.net.dial(AttemptId(attempt), other.keys.device(), address));
    }

    fn connected(&mut self, time: Duration) -> bool {
        self.wait_for(time, |event| matches!(event, NetEvent::Connected { .. }).then_some(())).is_some()
    }
}

fn couple(cable: &Cable) -> (Device, Device) {
    let (left, right) = (Device::start(cable, Side::Left), Device::start(cable, Side::Right));
    left.know(&right);
    right.know(&left);
    (left, right)
}

#[test]
fn devices_find_each_other_and_again_after_the_cable_was_out() {
    if !met(&[Need::NetworkNamespaces]) {
        return;
    }
    let cable = Cable::plug().unwrap();
    let (mut left, mut right) = couple(&cable);
    left.discover(Discovery::Anywhere);
    right.discover(Discovery::Anywhere);
    let began = Instant::now();
    let right_v4 = SocketAddr::new(cable.address(Side::Right).parse().unwrap(), right.net.port());
    let complete = |addresses: &[SocketAddr]| addresses.contains(&right_v4) && addresses.len() > 1;
    let addresses = left.candidate_with(Duration::from_secs(10), complete).expect("found by all its addresses");
    println!("found after {:?}: {addresses:?}", began.elapsed());
    assert!(right.candidate(Duration::from_secs(10)).is_some());
    assert!(addresses.len() <= betwixt_net::limits::ADDRESSES_PER_ADVERT);
    // Each of them can be dialled, link-local ones too.
    for (attempt, address) in (0..).zip(&addresses) {
        left.dial(attempt, &right, *address);
        assert!(left.connected(Duration::from_secs(5)), "{address}");
        assert!(right.connected(Duration::from_secs(5)));
    }
    for round in 0..2 {
        cable.set_plugged(false).unwrap();
        std::thread::sleep(Duration::from_secs(3));
        cable.set_plugged(true).unwrap();
        let began = Instant::now();
        while left.events.try_recv().is_ok() {}
        let addresses = left.candidate(Duration::from_secs(10)).expect("found again");
        left.dial(100 + round, &right, addresses[0]);
        assert!(left.connected(Duration::from_secs(5)));
        println!("connected again {:?} after the cable was back", began.elapsed());
        assert!(began.elapsed() < Duration::from_secs(5));
    }
}

/// Discovery that was started while the link was away joined nothing, and since the link was back before the networks were
/// listed, nothing seemed to have changed: the devices did not find each other until something else did. One run in fifteen
/// of the test below ended so on a busy machine.
#[test]
fn a_link_that_was_away_for_a_moment_hides_nobody() {
    if !met(&[Need::NetworkNamespaces]) {
        return;
    }
    let cable = Cable::plug().unwrap();
    let (mut left, mut right) = couple(&cable);
    cable.set_plugged(false).unwrap();
    left.discover(Discovery::Anywhere);
    right.discover(Discovery::Anywhere);
    std::thread::sleep(Duration::from_millis(100));
    cable.set_plugged(true).unwrap();
    assert!(left.candidate(Duration::from_secs(10)).is_some());
    assert!(right.candidate(Duration::from_secs(10)).is_some());
}

#[test]
fn each_network_has_a_port_of_its_own_and_the_fixed_one_is_advertised_in_none() {
    const FIXED: u16 = 4711;
    if !met(&[Need::NetworkNamespaces]) {
        return;
    }
    let mut cable = Cable::plug().unwrap();
    let mut left = Device::start(&cable, Side::Left);
    let mut right = Device::start_with(&cable, Side::Right, Some(FIXED));
    left.know(&right);
    right.know(&left);
    left.discover(Discovery::Anywhere);
    right.discover(Discovery::Anywhere);
    let mut ports = Vec::new();
    for (attempt, place) in (0..).zip([Place::Home, Place::Elsewhere, Place::Home, Place::Elsewhere]) {
        cable.carry_to(place).unwrap();
        let ip: std::net::IpAddr = cable.address(Side::Right).parse().unwrap();
        let is_there = |addresses: &[SocketAddr]| addresses.iter().any(|address| address.ip() == ip);
        let advertised = left.candidate_with(Duration::from_secs(15), is_there).expect("found in every network");
        let port = right.net.port();
        // Link-local addresses of the network before may still be on their way.
        let here: Vec<SocketAddr> = advertised.into_iter().filter(|address| address.ip() == ip).collect();
        assert_eq!(here, [SocketAddr::new(ip, port)]);
        ports.push(port);
        // Who is there is reached, at this port and at the fixed one.
        for (which, port) in [port, FIXED].into_iter().enumerate() {
            left.dial(attempt * 2 + which as u64, &right, SocketAddr::new(ip, port));
            assert!(left.connected(Duration::from_secs(5)), "{place:?} {port}");
            assert!(right.connected(Duration::from_secs(5)));
        }
    }
    assert_eq!(ports[..2], ports[2..], "each network's port is kept");
    assert_ne!(ports[0], ports[1]);
    assert!(!ports.contains(&FIXED));
}

#[test]
fn a_connection_without_a_cable_is_lost_within_the_idle_time() {
    if !met(&[Need::NetworkNamespaces]) {
        return;
    }
    let cable = Cable::plug().unwrap();
    let (mut left, mut right) = couple(&cable);
    left.dial(1, &right, right.net.addresses()[0]);
    assert!(left.connected(Duration::from_secs(5)));
    assert!(right.connected(Duration::from_secs(5)));
    // A silent connection is kept open for longer than that.
    let lost = |event: &NetEvent| match event {
        NetEvent::Lost { reason, .. } => Some(*reason),
        _ => None,
    };
    let idle = betwixt_net::limits::IDLE;
    assert_eq!(left.wait_for(idle + Duration::from_secs(2), lost), None);
    cable.set_plugged(false).unwrap();
    let began = Instant::now();
    assert_eq!(left.wait_for(idle * 2, lost), Some(LostReason::Silent));
    assert_eq!(right.wait_for(idle, lost), Some(LostReason::Silent));
    let latest = idle + betwixt_net::limits::KEEP_ALIVE + Duration::from_secs(2);
    assert!(began.elapsed() < latest, "{:?}", began.elapsed());
}

#[test]
fn nothing_is_advertised_where_it_is_not_home() {
    if !met(&[Need::NetworkNamespaces]) {
        return;
    }
    let cable = Cable::plug().unwrap();
    let (mut left, right) = couple(&cable);
    let home: BTreeSet<_> = left.net.networks().iter().map(|network| network.id).collect();
    left.discover(Discovery::Anywhere);
    right.discover(Discovery::Home(BTreeSet::new()));
    assert_eq!(left.candidate(Duration::from_secs(3)), None);
    // The cable is a home for both: the same prefix; the gateway is each other's, so each has its own fingerprint.
    let homes: BTreeSet<_> = right.net.networks().iter().map(|network| network.id).collect();
    assert_ne!(home, homes);
    right.discover(Discovery::Home(homes));
    assert!(left.candidate(Duration::from_secs(5)).is_some());
}

#[test]
fn a_code_is_found_by_its_digits_among_others() {
    if !met(&[Need::NetworkNamespaces]) {
        return;
    }
    let cable = Cable::plug().unwrap();
    let (mut shows, mut enters) = (Device::start(&cable, Side::Left), Device::start(&cable, Side::Right));
    let other = Device::start(&cable, Side::Left);
    // Sockets are opened by the thread that asks for them.
    let open = |device: &Device, digits| device.enter(|| device.net.open_pairing(Some(digits)));
    cable.inside(Side::Left, || open(&other, 8)).unwrap().unwrap();
    let place = cable.inside(Side::Left, || open(&shows, 7)).unwrap().unwrap();
    enters.enter(|| enters.net.find_pairing(Some(7)));
    let found = enters.wait_for(Duration::from_secs(10), |event| match event {
        NetEvent::PairingFound { addresses } => Some(addresses.clone()),
        _ => None,
    });
    let addresses = found.expect("found");
    assert!(addresses.iter().all(|address| address.port() == place.port), "{addresses:?} at {}", place.port);
    enters.enter(|| enters.net.join_pairing(addresses));
    let opened = |event: &NetEvent| match event {
        NetEvent::Pairing { event: PairingEvent::Opened { channel, .. }, .. } => Some(*channel),
        _ => None,
    };
    let entering = enters.wait_for(Duration::from_secs(10), opened).expect("opened");
    let showing = shows.wait_for(Duration::from_secs(10), opened).expect("opened");
    assert_eq!(entering.exporter, showing.exporter);
}

#[test]
fn by_an_address_set_by_hand_where_multicast_is_blocked() {
    if !met(&[Need::NetworkNamespaces]) {
        return;
    }
    let cable = Cable::plug().unwrap();
    cable.block_multicast().unwrap();
    let (mut left, mut right) = couple(&cable);
    left.discover(Discovery::Anywhere);
    right.discover(Discovery::Anywhere);
    assert_eq!(left.candidate(Duration::from_secs(3)), None);
    let address = right.net.addresses()[0];
    assert_eq!(address.ip(), cable.address(Side::Right).parse::<Ipv4Addr>().unwrap());
    left.dial(1, &right, address);
    assert!(left.connected(Duration::from_secs(5)));
    assert!(right.connected(Duration::from_secs(5)));
}

#[test]
fn the_doctor_sees_that_multicast_works_where_it_does() {
    if !met(&[Need::NetworkNamespaces]) {
        return;
    }
    let cable = Cable::plug().unwrap();
    let facts = cable.inside(Side::Left, doctor::interfaces).unwrap().unwrap();
    let cable_end = facts.iter().find(|facts| facts.network.interface == "eth0").unwrap();
    assert!(cable_end.multicast.works(), "{facts:?}");
    assert!(cable_end.used_for_discovery);
    let loopback = facts.iter().find(|facts| facts.network.interface == "lo").unwrap();
    assert!(!loopback.used_for_discovery);
}

/// 20,000 adverts of our service in a few seconds, from a machine on the same network.
#[test]
fn a_flood_of_adverts_costs_discovery_and_never_a_connection() {
    if !met(&[Need::NetworkNamespaces]) {
        return;
    }
    let cable = Cable::plug().unwrap();
    let (mut left, mut right) = couple(&cable);
    left.discover(Discovery::Anywhere);
    assert!(matches!(
        left.wait_for(Duration::from_secs(5), |event| match event {
            NetEvent::Discovery(state) => Some(*state),
            _ => None,
        }),
        Some(DiscoveryState::Running { .. })
    ));
    let address = right.net.addresses()[0];
    let resident = resident_bytes();
    let socket = cable.inside(Side::Right, || UdpSocket::bind("0.0.0.0:5353").unwrap()).unwrap();
    for number in 0..20_000_u32 {
        let _ = socket.send_to(&forged_advert(number), ("224.0.0.251", 5353));
        if number % 20 == 0 {
            std::thread::sleep(Duration::from_millis(3));
        }
    }
    assert_eq!(
        left.wait_for(Duration::from_secs(5), |event| match event {
            NetEvent::Discovery(DiscoveryState::Flooded) => Some(()),
            NetEvent::Candidate { .. } => panic!("a forged advert was believed"),
            _ => None,
        }),
        Some(())
    );
    let grown = resident_bytes().saturating_sub(resident);
    println!("resident memory grew by {grown} bytes");
    assert!(grown < 64 << 20, "{grown} bytes more are resident");
    left.dial(1, &right, address);
    assert!(left.connected(Duration::from_secs(5)));
    assert!(right.connected(Duration::from_secs(5)));
}

fn resident_bytes() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    text.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}
