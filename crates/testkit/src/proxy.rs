//! A bad network between real processes: a UDP proxy that loses, delays, doubles and reorders datagrams, as its seed says,
//! goes down and up, and changes the port that it sends from, as a router does that forgets whom it forwards for.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket as StdSocket};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};
use tokio::net::UdpSocket;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

/// The largest datagram that is passed on: more than a loopback interface carries.
const LARGEST: usize = 65_535;

/// How the network between is, in each direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conditions {
    /// How many datagrams of a hundred are lost.
    pub lost: u32,
    /// How many of a hundred arrive twice.
    pub doubled: u32,
    /// The shortest and the longest time that a datagram travels; each by itself, so that they overtake each other.
    pub travels: (Duration, Duration),
}

impl Conditions {
    /// Nothing is lost, and everything arrives at once.
    pub const GOOD: Self = Self { lost: 0, doubled: 0, travels: (Duration::ZERO, Duration::ZERO) };
}

/// What happened so far, both directions together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Passed {
    /// Datagrams that were passed on.
    pub passed: u64,
    /// Datagrams that were lost, those while it was down among them.
    pub lost: u64,
    /// Datagrams that were passed on twice.
    pub doubled: u64,
    /// Datagrams that arrived before one that was sent earlier.
    pub overtook: u64,
    /// How often it went on from another port towards the server.
    pub rebound: u64,
}

#[derive(Debug)]
struct Shared {
    conditions: Conditions,
    down: bool,
    /// Which port it sends from towards the server: another number, another port.
    binding: u64,
    passed: Passed,
}

/// A proxy in front of one address on loopback. It ends when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Proxy {
    /// A proxy that passes on to `server`, on a thread of its own.
    ///
    /// # Errors
    /// When sockets or the thread cannot be made.
    pub fn before(server: SocketAddr, seed: u64, conditions: Conditions) -> io::Result<Self> {
        let front = StdSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        front.set_nonblocking(true)?;
        let address = front.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let shared = Shared { conditions, down: false, binding: 0, passed: Passed::default() };
        let shared = Arc::new(Mutex::new(shared));
        let (end, ended) = oneshot::channel();
        let rng = ChaCha20Rng::seed_from_u64(seed);
        let state = shared.clone();
        let run = move || {
            runtime.block_on(async move {
                let front = UdpSocket::from_std(front).expect("the thread has a runtime");
                let route = Route { server, front: Arc::new(front), state, rng, clients: BTreeMap::new() };
                tokio::select! {
                    () = route.run() => {}
                    _ = ended => {}
                }
            });
        };
        let thread = std::thread::Builder::new().name("proxy".to_owned()).spawn(run)?;
        Ok(Self { address, shared, end: Some(end), thread: Some(thread) })
    }

    /// Where to send what is for the server.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How the network is from now on.
    pub fn set_conditions(&self, conditions: Conditions) {
        lock(&self.shared).conditions = conditions;
    }

    /// Takes the link down: everything is lost; or up again.
    pub fn set_down(&self, down: bool) {
        lock(&self.shared).down = down;
    }

    /// Towards the server it goes on from another port; what comes back to the old one is lost.
    pub fn rebind(&self) {
        let mut shared = lock(&self.shared);
        shared.binding += 1;
        shared.passed.rebound += 1;
    }

    /// What happened so far.
    pub fn passed(&self) -> Passed {
        lock(&self.shared).passed
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(end) = self.end.take() {
            let _ = end.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A datagram on its way.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Travelling {
    arrives: Instant,
    /// In the order of sending.
    number: u64,
    to_server: bool,
    client: SocketAddr,
    bytes: Vec<u8>,
}

/// A client's way to the server.
#[derive(Debug)]
struct Way {
    binding: u64,
    socket: Arc<UdpSocket>,
    receiving: tokio::task::JoinHandle<()>,
}

impl Drop for Way {
    fn drop(&mut self) {
        self.receiving.abort();
    }
}

struct Route {
    server: SocketAddr,
    front: Arc<UdpSocket>,
    state: Arc<Mutex<Shared>>,
    rng: ChaCha20Rng,
    clients: BTreeMap<SocketAddr, Way>,
}

impl Route {
    async fn run(mut self) {
        let (answers, mut answered) = mpsc::channel::<(SocketAddr, Vec<u8>)>(1_024);
        let mut travelling = BinaryHeap::new();
        let mut sent = 0;
        let mut arrived = [0, 0];
        let mut buffer = vec![0; LARGEST];
        let front = self.front.clone();
        loop {
            let next = travelling.peek().map(|Reverse(first): &Reverse<Travelling>| first.arrives);
            let (to_server, client, bytes) = tokio::select! {
                biased;
                () = tokio::time::sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {
                    if let Some(Reverse(datagram)) = travelling.pop() {
                        let last = &mut arrived[usize::from(datagram.to_server)];
                        if datagram.number < *last {
                            lock(&self.state).passed.overtook += 1;
                        }
                        *last = datagram.number.max(*last);
                        self.arrive(datagram, &answers).await;
                    }
                    continue;
                }
                received = front.recv_from(&mut buffer) => match received {
                    Ok((length, from)) => (true, from, buffer[..length].to_vec()),
                    // What an earlier datagram met (a port that is closed now) is no fault of this socket.
                    Err(_) => continue,
                },
                Some((client, bytes)) = answered.recv() => (false, client, bytes),
            };
            for wait in self.fate() {
                sent += 1;
                let bytes = bytes.clone();
                travelling.push(Reverse(Travelling {
                    arrives: Instant::now() + wait,
                    number: sent,
                    to_server,
                    client,
                    bytes,
                }));
            }
        }
    }

    /// How long each copy of a datagram travels: none when it is lost.
    fn fate(&mut self) -> Vec<Duration> {
        let mut shared = lock(&self.state);
        let Conditions { lost, doubled, travels: (shortest, longest) } = shared.conditions;
        let mut roll = |percent: u32| self.rng.next_u32() % 100 < percent;
        if roll(lost) || shared.down {
            shared.passed.lost += 1;
            return Vec::new();
        }
        let copies = if roll(doubled) { 2 } else { 1 };
        shared.passed.passed += 1;
        shared.passed.doubled += copies - 1;
        let span = u64::try_from(longest.saturating_sub(shortest).as_micros()).unwrap_or(u64::MAX - 1);
        let mut wait = || shortest + Duration::from_micros(self.rng.next_u64() % (span + 1));
        (0..copies).map(|_| wait()).collect()
    }

    async fn arrive(&mut self, datagram: Travelling, answers: &mpsc::Sender<(SocketAddr, Vec<u8>)>) {
        let Travelling { to_server, client, bytes, .. } = datagram;
        // A datagram that cannot be sent is lost, as on any network.
        if !to_server {
            let _ = self.front.send_to(&bytes, client).await;
            return;
        }
        let binding = lock(&self.state).binding;
        if self.clients.get(&client).is_none_or(|way| way.binding != binding) {
            let Ok(socket) = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await else { return };
            let socket = Arc::new(socket);
            let receiving = tokio::spawn(receive(socket.clone(), self.server, client, answers.clone()));
            self.clients.insert(client, Way { binding, socket, receiving });
        }
        if let Some(way) = self.clients.get(&client) {
            let _ = way.socket.send_to(&bytes, self.server).await;
        }
    }
}

/// Hands on what the server answers to a client's way.
async fn receive(
    socket: Arc<UdpSocket>,
    server: SocketAddr,
    client: SocketAddr,
    answers: mpsc::Sender<(SocketAddr, Vec<u8>)>,
) {
    let mut buffer = vec![0; LARGEST];
    loop {
        match socket.recv_from(&mut buffer).await {
            Ok((length, from)) if from == server => {
                if answers.send((client, buffer[..length].to_vec())).await.is_err() {
                    return;
                }
            }
            Ok(_) => {}
            // A port that was closed for a moment: the server is being started again.
            Err(_) => tokio::time::sleep(Duration::from_millis(1)).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(conditions: Conditions) -> (Proxy, StdSocket, StdSocket) {
        let server = StdSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
        let client = StdSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
        for socket in [&server, &client] {
            socket.set_read_timeout(Some(Duration::from_millis(500))).expect("a time-out can be set");
        }
        let address = server.local_addr().expect("it is bound");
        let proxy = Proxy::before(address, 7, conditions).expect("a proxy starts");
        (proxy, server, client)
    }

    #[test]
    fn what_is_sent_is_answered_and_another_port_is_seen_after_rebinding() {
        let (proxy, server, client) = pair(Conditions::GOOD);
        let mut ports = Vec::new();
        for _ in 0..2 {
            client.send_to(b"question", proxy.address()).expect("it is sent");
            let mut buffer = [0; 32];
            let (length, from) = server.recv_from(&mut buffer).expect("it arrives");
            assert_eq!(&buffer[..length], b"question");
            server.send_to(b"answer", from).expect("it is sent");
            let (length, back) = client.recv_from(&mut buffer).expect("it arrives");
            assert_eq!((&buffer[..length], back), (&b"answer"[..], proxy.address()));
            ports.push(from.port());
            proxy.rebind();
        }
        assert_ne!(ports[0], ports[1]);
        proxy.set_down(true);
        client.send_to(b"question", proxy.address()).expect("it is sent");
        assert!(server.recv_from(&mut [0; 32]).is_err(), "the link is down");
        assert_eq!(proxy.passed().lost, 1);
    }

    #[test]
    fn of_many_datagrams_some_are_lost_some_doubled_and_some_overtaken() {
        let travels = (Duration::ZERO, Duration::from_millis(20));
        let (proxy, server, client) = pair(Conditions { lost: 30, doubled: 10, travels });
        for number in 0..200_u8 {
            client.send_to(&[number], proxy.address()).expect("it is sent");
        }
        let mut arrived = Vec::new();
        let mut buffer = [0; 32];
        while server.recv_from(&mut buffer).is_ok() {
            arrived.push(buffer[0]);
        }
        let Passed { passed, lost, doubled, overtook, .. } = proxy.passed();
        assert_eq!((passed + lost, passed + doubled), (200, arrived.len() as u64));
        assert!(lost > 20 && doubled > 3 && overtook > 20, "{:?}", proxy.passed());
        assert!(!arrived.is_sorted());
    }
}
