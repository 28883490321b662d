//! A relay of TCP connections between two peers, which counts what goes through it.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::ensure;

/// After so long without a byte nothing more is coming, but what keeps a connection alive.
const QUIET: Duration = Duration::from_millis(1_000);

/// What went through, both ways.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Through {
    /// What TCP carried; TCP's own headers are not in it.
    pub(super) bytes: u64,
    /// How often it was the other's turn: half of it is round trips, where nobody speaks before being spoken to.
    pub(super) turns: u64,
    last_way: Option<usize>,
    last: Option<Instant>,
}

/// Takes connections and hands on what comes. Its threads end with the process.
#[derive(Debug)]
pub(super) struct Relay {
    port: u16,
    through: Arc<Mutex<Through>>,
}

impl Relay {
    /// A relay in front of a port of this machine.
    pub(super) fn before(target: u16) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        let through: Arc<Mutex<Through>> = Arc::default();
        let counted = through.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(("127.0.0.1", target)) else { continue };
                let ways = [(client.try_clone(), server.try_clone()), (Ok(server), Ok(client))];
                for (way, (from, to)) in ways.into_iter().enumerate() {
                    let (Ok(from), Ok(to)) = (from, to) else { break };
                    let _ = (from.set_nodelay(true), to.set_nodelay(true));
                    let counted = counted.clone();
                    std::thread::spawn(move || carry(from, to, way, &counted));
                }
            }
        });
        Ok(Self { port, through })
    }

    /// Where it takes connections.
    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// What went through since the last time.
    pub(super) fn take(&self) -> Through {
        std::mem::take(&mut *self.through.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits until something went through since `begun` and then nothing for a second, and answers what it was and when the
    /// last of it came.
    pub(super) async fn quiet(&self, begun: Instant, patience: Duration) -> anyhow::Result<(Through, Duration)> {
        loop {
            let through = *self.through.lock().unwrap_or_else(PoisonError::into_inner);
            match through.last {
                Some(last) if last.elapsed() > QUIET => {
                    self.take();
                    return Ok((through, last.saturating_duration_since(begun)));
                }
                _ => {}
            }
            ensure!(begun.elapsed() < patience, "it does not come to rest");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream, way: usize, through: &Mutex<Through>) {
    let mut buffer = vec![0; 65_536];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        {
            let mut through = through.lock().unwrap_or_else(PoisonError::into_inner);
            through.bytes += length as u64;
            if through.last_way.is_some_and(|last| last != way) {
                through.turns += 1;
            }
            (through.last_way, through.last) = (Some(way), Some(Instant::now()));
        }
        if to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    // The other side is told, as it would be without a relay.
    let _ = (from.shutdown(Shutdown::Read), to.shutdown(Shutdown::Write));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn bytes_and_turns_are_counted() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback is there");
        let relay = Relay::before(listener.local_addr().expect("it is bound").port()).expect("loopback is there");
        let begun = Instant::now();
        let talking = std::thread::spawn(move || {
            let (mut server, _) = listener.accept().expect("the relay dials");
            let mut buffer = [0; 5];
            server.read_exact(&mut buffer).expect("it is handed on");
            server.write_all(b"and you").expect("it is handed on");
        });
        let mut client = TcpStream::connect(("127.0.0.1", relay.port())).expect("it listens");
        client.write_all(b"hello").expect("it takes it");
        client.read_exact(&mut [0; 7]).expect("it is answered");
        talking.join().expect("it ends");
        let (through, taken) = relay.quiet(begun, Duration::from_secs(20)).await.expect("nothing more comes");
        assert_eq!((through.bytes, through.turns), (12, 1));
        assert!(taken < begun.elapsed());
        assert_eq!(relay.take().bytes, 0);
    }
}
