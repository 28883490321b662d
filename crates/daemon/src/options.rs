//! How a daemon is started.

use std::net::SocketAddr;
use std::path::PathBuf;

/// What the command line decides about a daemon; everything else is the home's own.
#[derive(Debug, Clone)]
pub struct Options {
    /// The home's directory. It need not hold a home yet: one is founded through the API.
    pub home: PathBuf,
    /// Listen at this address and port only (port 0: any free one). `None`: on every interface, at the home's own port.
    pub listen: Option<SocketAddr>,
    /// Whether to look for other devices on the network and be found by them.
    pub discovery: bool,
}
