//! A relay of datagrams between two daemons, which counts them: what QUIC itself adds to our frames.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Datagrams and their bytes, in both directions.
#[derive(Debug, Default)]
struct Counts {
    datagrams: AtomicU64,
    bytes: AtomicU64,
}

impl Counts {
    fn count(&self, length: usize) {
        self.datagrams.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(length as u64, Ordering::Relaxed);
    }
}

/// Hands everything that comes from one device on to another, and its answers back. Its threads end with the process.
#[derive(Debug)]
pub(crate) struct Relay {
    address: SocketAddr,
    counts: Arc<Counts>,
}

impl Relay {
    /// A relay in front of `target`.
    pub(crate) fn before(target: SocketAddr) -> anyhow::Result<Self> {
        let (front, back) = (UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?);
        back.connect(target)?;
        let address = front.local_addr()?;
        let counts = Arc::new(Counts::default());
        let client: Arc<Mutex<Option<SocketAddr>>> = Arc::default();
        let (front, back) = (Arc::new(front), Arc::new(back));
        std::thread::spawn({
            let (front, back, counts, client) = (front.clone(), back.clone(), counts.clone(), client.clone());
            move || {
                let mut buffer = vec![0; 65_536];
                while let Ok((length, from)) = front.recv_from(&mut buffer) {
                    *client.lock().unwrap_or_else(PoisonError::into_inner) = Some(from);
                    counts.count(length);
                    // A datagram may be lost; QUIC sends it again.
                    let _ = back.send(&buffer[..length]);
                }
            }
        });
        std::thread::spawn({
            let counts = counts.clone();
            move || {
                let mut buffer = vec![0; 65_536];
                loop {
                    // A target that is not there is told by an error here; it may come.
                    let Ok(length) = back.recv(&mut buffer) else { continue };
                    let Some(to) = *client.lock().unwrap_or_else(PoisonError::into_inner) else { continue };
                    counts.count(length);
                    let _ = front.send_to(&buffer[..length], to);
                }
            }
        });
        Ok(Self { address, counts })
    }

    /// Where it takes datagrams.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Datagrams and bytes since the last time.
    pub(crate) fn take(&self) -> (u64, u64) {
        (self.counts.datagrams.swap(0, Ordering::Relaxed), self.counts.bytes.swap(0, Ordering::Relaxed))
    }
}
