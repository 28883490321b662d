//! A daemon whose network is full of strangers: what they cost it, and whether its partner still gets through.
//!
//! Three machines on a switch, as network namespaces: the daemon, its partner, and a machine with a hundred strangers, each with
//! a socket of its own. Each kind of stranger is measured alone, and then all at once.

use std::collections::BTreeMap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Context;
use betwixt_api::{Pairing, Purpose, StartPairing};
use betwixt_model::ids::{EpochId, PartnerId};
use betwixt_net::{Bind, Config, Net, NetEvent, PairingEvent};
use betwixt_sync::keys::DeviceKeys;
use betwixt_sync::pairing::{self as machine, Entered, Local, Output, PairingJoin, PairingOffer};
use betwixt_sync::roster::Roster;
use betwixt_tests::adverts::forged_advert;
use betwixt_tests::capture::{Capture, UDP};
use betwixt_tests::home::{Home, in_step, pair};
use betwixt_tests::namespaces::Lan;
use rand_core::{OsRng, RngCore as _};

use crate::process;
use crate::samples::Samples;

/// How many strangers there are, of each kind.
pub(crate) const STRANGERS: usize = 100;

/// How often each of them sends something.
const EVERY: Duration = Duration::from_millis(100);

/// How often the partner comes.
const MEETINGS: usize = 5;

const PATIENCE: Duration = Duration::from_secs(30);

/// How long after the last change nothing is left to do.
const SETTLING: Duration = Duration::from_secs(12);

/// Where each of the three is on the switch.
const DAEMON: usize = 0;
const PARTNER: usize = 1;
const THEM: usize = 2;

/// What strangers do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Begin QUIC connections without a knock.
    Dial,
    /// Say again what the partner said when it connected, its knocks among it.
    Replay,
    /// Send adverts, each another one.
    Advertise,
    /// Guess at a code that shows, as fast as they are let.
    Guess,
}

impl Kind {
    pub(crate) const ALL: [Self; 4] = [Self::Dial, Self::Replay, Self::Advertise, Self::Guess];

    pub(crate) const fn unit(self) -> &'static str {
        match self {
            Self::Dial => "dials without a knock",
            Self::Replay => "replayed datagrams",
            Self::Advertise => "adverts",
            Self::Guess => "dials of a pairing",
        }
    }
}

/// What some kinds of strangers cost.
#[derive(Debug)]
pub(crate) struct Load {
    /// How often a second they did it, all together.
    pub(crate) rates: BTreeMap<Kind, f64>,
    /// Of one core.
    pub(crate) cpu: f64,
    /// Of resident memory, in bytes.
    pub(crate) peak: u64,
}

/// Everything that was measured.
#[derive(Debug)]
pub(crate) struct Measured {
    /// Without strangers, of one core.
    pub(crate) idle_cpu: f64,
    /// Each kind alone, then all at once.
    pub(crate) loads: Vec<Load>,
    /// From the partner's home being open to both saying that they are connected, without strangers.
    pub(crate) met_alone: Samples,
    /// The same in the midst of all kinds.
    pub(crate) met: Samples,
    /// Whether the adverts were as many that discovery paused.
    pub(crate) flooded: bool,
}

/// Measures for so many seconds without strangers, with each kind, and with all.
pub(crate) async fn measure(seconds: u64) -> anyhow::Result<Measured> {
    let lan = Lan::of(3)?;
    let (mut daemon, mut partner) = (Home::on_lan(&lan, DAEMON)?, Home::on_lan(&lan, PARTNER)?);
    daemon.found("Robin").await?;
    partner.found("Kim").await?;
    pair(&daemon, &partner, true).await?;
    in_step(&daemon, &partner, PATIENCE).await?;
    let capture = Capture::begin_at_switch(&lan)?;
    let met_alone = meetings(&daemon, &mut partner).await?;
    let recorded = recorded(&capture, sync_place(&daemon).await?)?;
    drop(capture);
    anyhow::ensure!(!recorded.is_empty(), "nothing of the partner's was recorded");
    let process = daemon.process().context("the daemon runs")?;
    tokio::time::sleep(SETTLING).await;
    let idle_cpu = watch(process, seconds).await?;
    let mut loads = Vec::new();
    for kind in Kind::ALL {
        let crowd = Crowd::gather(&lan, &daemon, &recorded, &[kind]).await?;
        loads.push(load(process, seconds, &daemon, crowd).await?);
    }
    let crowd = Crowd::gather(&lan, &daemon, &recorded, &Kind::ALL).await?;
    loads.push(load(process, seconds, &daemon, crowd).await?);
    let crowd = Crowd::gather(&lan, &daemon, &recorded, &Kind::ALL).await?;
    let showing = async {
        loop {
            crowd.follow(&daemon).await?;
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    let met = tokio::select! {
        met = meetings(&daemon, &mut partner) => met?,
        failed = showing => return failed,
    };
    drop(crowd);
    let flooded = daemon.printed().contains("too many adverts");
    Ok(Measured { idle_cpu, loads, met_alone, met, flooded })
}

/// The share of a core that a process takes.
async fn watch(process: u32, seconds: u64) -> anyhow::Result<f64> {
    let (before, begun) = (process::whole_cpu(process)?, Instant::now());
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    Ok((process::whole_cpu(process)? - before).as_secs_f64() / begun.elapsed().as_secs_f64())
}

async fn load(process: u32, seconds: u64, daemon: &Home, crowd: Crowd) -> anyhow::Result<Load> {
    // Not what beginning costs.
    tokio::time::sleep(Duration::from_secs(1)).await;
    process::forget_peak(process)?;
    let before = crowd.counted();
    let (cpu_before, begun) = (process::whole_cpu(process)?, Instant::now());
    while begun.elapsed() < Duration::from_secs(seconds) {
        crowd.follow(daemon).await?;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let taken = begun.elapsed().as_secs_f64();
    let cpu = (process::whole_cpu(process)? - cpu_before).as_secs_f64() / taken;
    let rate = |(kind, count): (Kind, u64)| (kind, (count - before[&kind]) as f64 / taken);
    Ok(Load { rates: crowd.counted().into_iter().map(rate).collect(), cpu, peak: process::peak(process)? })
}

/// The partner comes a few times, and is gone in the end.
async fn meetings(daemon: &Home, partner: &mut Home) -> anyhow::Result<Samples> {
    let mut taken = Samples::default();
    for _ in 0..MEETINGS {
        if partner.process().is_some() {
            partner.down().await?;
        }
        let begun = Instant::now();
        while is_connected(daemon).await? {
            anyhow::ensure!(begun.elapsed() < PATIENCE, "the daemon does not notice that its partner went");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        partner.up_and_unlock().await?;
        let begun = Instant::now();
        while !(is_connected(daemon).await? && is_connected(partner).await?) {
            anyhow::ensure!(begun.elapsed() < PATIENCE, "the partner does not come through");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        taken.push(begun.elapsed());
    }
    partner.down().await?;
    Ok(taken)
}

async fn is_connected(home: &Home) -> anyhow::Result<bool> {
    Ok(home.client().status().await?.peers.iter().any(|peer| peer.connected))
}

async fn sync_place(daemon: &Home) -> anyhow::Result<SocketAddr> {
    let port = daemon.client().status().await?.port.context("the daemon listens")?;
    Ok(SocketAddr::new(Lan::address(DAEMON).parse()?, port))
}

/// Where a code shows; shows another one if it does not any more.
async fn show(daemon: &Home) -> anyhow::Result<Vec<SocketAddr>> {
    let mut shown = daemon.client().pairing().await?;
    if !matches!(shown, Pairing::Offering { .. }) {
        shown = daemon.client().pairing_start(&StartPairing { purpose: Purpose::OwnDevice }).await?;
    }
    let Pairing::Offering { addresses, .. } = shown else { anyhow::bail!("no code shows") };
    Ok(addresses.iter().map(|address| address.parse()).collect::<Result<_, _>>()?)
}

/// What the partner sent to the daemon.
fn recorded(capture: &Capture, to: SocketAddr) -> anyhow::Result<Vec<Vec<u8>>> {
    let packets = capture.so_far()?.packets.into_iter();
    let said = packets.filter(|packet| packet.protocol == UDP && packet.to == to && !packet.payload.is_empty());
    Ok(said.map(|packet| packet.payload).collect())
}

/// Strangers at work, until dropped.
struct Crowd {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    counts: BTreeMap<Kind, Arc<AtomicU64>>,
    /// Where a code shows, for those who guess at one.
    offer: Option<Offer>,
}

type Offer = Arc<Mutex<Vec<SocketAddr>>>;

impl Crowd {
    async fn gather(lan: &Lan, daemon: &Home, recorded: &[Vec<u8>], kinds: &[Kind]) -> anyhow::Result<Self> {
        let sync = sync_place(daemon).await?;
        let mut crowd = Self { stop: Arc::default(), threads: Vec::new(), counts: BTreeMap::new(), offer: None };
        for kind in kinds {
            let count = Arc::<AtomicU64>::default();
            crowd.counts.insert(*kind, count.clone());
            let stop = crowd.stop.clone();
            let thread = match kind {
                Kind::Guess => {
                    let offer = Offer::new(Mutex::new(show(daemon).await?));
                    crowd.offer = Some(offer.clone());
                    guess(lan, offer, stop, count)?
                }
                Kind::Dial => send(lan, stop, count, move |_| (sync, without_knock()))?,
                Kind::Replay => {
                    let recorded = recorded.to_vec();
                    send(lan, stop, count, move |number| (sync, recorded[number as usize % recorded.len()].clone()))?
                }
                Kind::Advertise => {
                    let group = SocketAddr::from(([224, 0, 0, 251], 5353));
                    send(lan, stop, count, move |number| (group, forged_advert(number)))?
                }
            };
            crowd.threads.push(thread);
        }
        Ok(crowd)
    }

    /// A code that was used up by guesses gives way to another, at another port, where they go on.
    async fn follow(&self, daemon: &Home) -> anyhow::Result<()> {
        if let Some(offer) = &self.offer {
            let shown = show(daemon).await?;
            *offer.lock().unwrap_or_else(PoisonError::into_inner) = shown;
        }
        Ok(())
    }

    fn counted(&self) -> BTreeMap<Kind, u64> {
        self.counts.iter().map(|(kind, count)| (*kind, count.load(Ordering::Relaxed))).collect()
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// Sends from every stranger's socket in turn, spread evenly, until stopped.
fn send(
    lan: &Lan,
    stop: Arc<AtomicBool>,
    count: Arc<AtomicU64>,
    datagram: impl Fn(u32) -> (SocketAddr, Vec<u8>) + Send + 'static,
) -> anyhow::Result<JoinHandle<()>> {
    let open = || (0..STRANGERS).map(|_| UdpSocket::bind("0.0.0.0:0")).collect::<Result<Vec<_>, _>>();
    let sockets = lan.inside(THEM, open)??;
    Ok(std::thread::spawn(move || {
        let (begun, mut number) = (Instant::now(), 0_u32);
        for socket in sockets.iter().cycle() {
            if stop.load(Ordering::Relaxed) {
                return;
            }
            let (to, bytes) = datagram(number);
            // What does not fit into the network at the moment was sent in vain, as by strangers elsewhere.
            if socket.send_to(&bytes, to).is_ok() {
                count.fetch_add(1, Ordering::Relaxed);
            }
            number = number.wrapping_add(1);
            let due = begun + EVERY * number / u32::try_from(STRANGERS).expect("a hundred");
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
        }
    }))
}

/// The first datagram of a QUIC connection (RFC 9000, section 17.2.2) whose connection id is no knock.
fn without_knock() -> Vec<u8> {
    let mut datagram = vec![0; 1200];
    OsRng.fill_bytes(&mut datagram);
    datagram[0] = 0xc0;
    datagram[1..5].copy_from_slice(&1_u32.to_be_bytes());
    datagram[5] = 20;
    datagram
}

/// Guesses with every stranger, each again and again: a dial of its own, and a wrong code said over it.
fn guess(lan: &Lan, offer: Offer, stop: Arc<AtomicBool>, count: Arc<AtomicU64>) -> anyhow::Result<JoinHandle<()>> {
    let keys = Arc::new(DeviceKeys::generate(&mut OsRng));
    let config = Config {
        keys: keys.clone(),
        ports: BTreeMap::new(),
        knocks: Vec::new(),
        fixed_port: None,
        bind: Bind::Everywhere,
        discover_on_loopback: false,
    };
    // Sockets are opened by the runtime's own threads, which therefore have to be there.
    let (runtime, net, mut events) = lan.inside(THEM, || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let (net, events) = runtime.block_on(async { Net::start(config) })?;
        anyhow::Ok((runtime, net, events))
    })??;
    let local = move || Local {
        keys: keys.clone(),
        partner: PartnerId::founded_by(&keys.device()),
        name: "Mallory".into(),
        device_name: "Mallory's phone".into(),
        statements: Roster::begin(&keys, EpochId::from_bytes([7; 32])),
        household: None,
        private_space: None,
        recovery: None,
    };
    // A code that is well-formed, and nobody's.
    let wrong = PairingOffer::new(local(), machine::Purpose::Partner, Instant::now(), &mut OsRng)?.code().to_text();
    let guesser = move || -> anyhow::Result<PairingJoin> {
        Ok(PairingJoin::new(local(), Entered::parse(&wrong)?, machine::Purpose::OwnDevice, Instant::now())?)
    };
    let guessing = async move {
        let mut guesses = BTreeMap::new();
        let mut tick = tokio::time::interval(EVERY / u32::try_from(STRANGERS).expect("a hundred"));
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        while !stop.load(Ordering::Relaxed) {
            let event = tokio::select! {
                _ = tick.tick(), if guesses.len() < STRANGERS => {
                    let Ok(guesser) = guesser() else { return };
                    let place = offer.lock().unwrap_or_else(PoisonError::into_inner).clone();
                    guesses.insert(net.join_pairing(place), guesser);
                    count.fetch_add(1, Ordering::Relaxed);
                    continue;
                }
                event = events.recv() => event,
                () = tokio::time::sleep(EVERY) => continue,
            };
            let Some(NetEvent::Pairing { connection, event }) = event else { continue };
            if let PairingEvent::Closed(_) = event {
                guesses.remove(&connection);
                continue;
            }
            let Some(guess) = guesses.get_mut(&connection) else { continue };
            match event {
                PairingEvent::Opened { channel, .. } => {
                    guess.handle_connected(connection, channel, Instant::now(), &mut OsRng)
                }
                PairingEvent::Frame(frame) => guess.handle_frame(connection, &frame, Instant::now(), &mut OsRng),
                PairingEvent::Closed(_) => {}
            }
            while let Some(output) = guess.poll_output() {
                match output {
                    Output::Send(connection, frame) => drop(net.send_pairing(connection, frame)),
                    Output::Close(connection) => net.close_pairing_channel(connection),
                    _ => {}
                }
            }
        }
        net.shut_down().await;
    };
    Ok(std::thread::spawn(move || runtime.block_on(guessing)))
}
