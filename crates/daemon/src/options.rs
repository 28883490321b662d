//! How a daemon is started.

use std::net::SocketAddr;
use std::path::PathBuf;

use betwixt_net::Bind;

/// What the command line decides about a daemon; everything else is the home's own.
#[derive(Debug, Clone)]
pub struct Options {
    /// The home's directory. It need not hold a home yet: one is founded through the API.
    pub home: PathBuf,
    /// Listen at this address and port only (port 0: any free one). `None`: on every interface, at the home's own port.
    pub listen: Option<SocketAddr>,
    /// Where frontends on this machine reach the API over TCP: a loopback address (port 0: any free one). `None`: where the
    /// home's own setting says, if it says so.
    pub http: Option<SocketAddr>,
    /// Whether to look for other devices on the network and be found by them.
    pub discovery: bool,
}

impl Options {
    /// Where the network listens.
    pub(crate) fn bind(&self) -> Bind {
        if self.listen.is_some_and(|listen| listen.ip().is_loopback()) { Bind::Loopback } else { Bind::Everywhere }
    }

    /// The port that was asked for.
    pub(crate) fn fixed_port(&self) -> Option<u16> {
        self.listen.map(|listen| listen.port()).filter(|port| *port != 0)
    }
}
