//! Loopback TCP, for pages and programs that cannot use the Unix socket. Only when it was asked for.

use std::io;
use std::net::{SocketAddr, TcpListener as BlockingListener};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::middleware::from_fn_with_state;
use axum::serve::Listener;
use betwixt_api::{Problem, ProblemKind};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::access::{Gate, OwnNames, Registry, enter};
use super::{Doors, MAX_CONNECTIONS, bridge, landing, routes, server};

/// How long to rest when the system refuses a connection, for want of file descriptors, say.
const REFUSED_REST: Duration = Duration::from_millis(100);

/// A port that is listened to, until this is dropped.
#[derive(Debug)]
pub(crate) struct Listening {
    address: SocketAddr,
    stop: CancellationToken,
    task: Option<JoinHandle<()>>,
}

/// An address at which only this machine can reach the daemon.
///
/// # Errors
/// [`ProblemKind::Invalid`] for every other one.
pub(super) fn loopback(address: &str) -> Result<SocketAddr, Problem> {
    let parsed = address.trim().parse::<SocketAddr>().ok().filter(|address| address.ip().is_loopback());
    parsed.ok_or_else(|| {
        let detail = "The API listens on this machine only: an address such as 127.0.0.1:4714 or [::1]:4714; port 0 takes any free one.";
        Problem::new(ProblemKind::Invalid, detail).about("address")
    })
}

impl Listening {
    /// Listens, and serves the API to whom the registry knows.
    ///
    /// # Errors
    /// What the system says, such as that the port is taken.
    pub(crate) fn begin(address: SocketAddr, doors: &Doors, registry: Registry) -> io::Result<Self> {
        let listener = BlockingListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let listener = Loopback(TcpListener::from_std(listener)?);
        let gate = Arc::new(Gate::new(OwnNames::new(address), registry, Instant::now()));
        let router = routes::router(doors.calls.clone())
            .merge(landing::routes())
            .merge(bridge::routes(doors.bridge.clone()))
            .layer(from_fn_with_state(gate, enter));
        let stop = CancellationToken::new();
        let task = tokio::spawn(server::serve(listener, router, MAX_CONNECTIONS, stop.clone().cancelled_owned()));
        Ok(Self { address, stop, task: Some(task) })
    }

    /// Where, with the port that was taken.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends, once what was asked is answered.
    pub(crate) async fn end(mut self) {
        self.stop.cancel();
        if let Some(task) = self.task.take() {
            // It ends in no other way.
            let _ = task.await;
        }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

struct Loopback(TcpListener);

impl Listener for Loopback {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        loop {
            match self.0.accept().await {
                Ok((stream, address)) => {
                    // Events are small, and not to wait for more of them.
                    let _ = stream.set_nodelay(true);
                    return (stream, address);
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be taken");
                    tokio::time::sleep(REFUSED_REST).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_addresses_are_listened_to() {
        for good in ["127.0.0.1:4714", "127.0.0.1:0", "[::1]:80", "127.5.4.3:1"] {
            loopback(good).expect(good);
        }
        for bad in [
            "0.0.0.0:4714",
            "[::]:4714",
            "192.168.1.20:4714",
            "localhost:4714",
            "127.0.0.1",
            "",
            "[::ffff:127.0.0.1]:1",
        ] {
            assert_eq!(loopback(bad).expect_err(bad).field.as_deref(), Some("address"));
        }
    }
}
