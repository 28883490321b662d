//! What the daemon says to the network: how to begin, where to be found, how to close; and what may go wrong with that.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use betwixt_sync::keys::{DeviceKeys, KNOCK};

use crate::interfaces::NetworkId;
use crate::tls::TlsError;

/// Where to listen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bind {
    /// On every interface, IPv6 and IPv4 (IPv4 alone where the host has no IPv6).
    Everywhere,
    /// On 127.0.0.1 only: nothing outside this machine is reached or reaches it. For demos and tests.
    Loopback,
}

/// What the network needs to begin.
#[derive(Debug, Clone)]
pub struct Config {
    /// The device's keys: what signs its facts proves it in TLS, too.
    pub keys: Arc<DeviceKeys>,
    /// The UDP ports used so far, one a network, as [`crate::NetEvent::PortDrawn`] told them: so that this device is found
    /// again at a remembered address, and not recognised by its port in another network. One that is taken is
    /// replaced.
    pub ports: BTreeMap<NetworkId, u16>,
    /// The knocks that [`crate::NetEvent::Knocked`] told, oldest first: none of them opens anything again.
    pub knocks: Vec<[u8; KNOCK]>,
    /// A second port to listen on, the same in every network, for addresses set by hand and firewalls; it is never
    /// advertised. If it is taken, starting fails.
    pub fixed_port: Option<u16>,
    /// Where to listen.
    pub bind: Bind,
    /// Whether discovery uses the loopback interface, too: for demos and tests on one machine.
    pub discover_on_loopback: bool,
}

/// Where to be found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Discovery {
    /// Nowhere: neither advertise nor look.
    #[default]
    Off,
    /// In these networks.
    Home(BTreeSet<NetworkId>),
    /// In whatever network this device is in.
    Anywhere,
}

/// What a close says to the other side. Going offline, pausing and leaving are all [`CloseCode::Done`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum CloseCode {
    /// Nothing in particular.
    Done = 0,
    /// The other side broke the rules.
    Violation = 1,
    /// Another connection of the same two takes its place.
    Replaced = 2,
    /// No version or household in common.
    Refused = 3,
}

/// A frame that cannot be sent. The connection's [`NetEvent::Lost`](crate::NetEvent::Lost) comes or came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The connection is closed or closing.
    #[error("the connection is gone")]
    Gone,
    /// More than [`FRAME`](crate::limits::FRAME); nothing was sent, the connection stays.
    #[error("the frame is longer than a frame may be")]
    TooLong,
    /// [`OUTGOING_QUEUE`](crate::limits::OUTGOING_QUEUE) would be passed; the connection is closed.
    #[error("the other device takes data too slowly")]
    TooSlow,
}

/// Why an endpoint cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The socket cannot be had.
    #[error("UDP port {port} cannot be opened: {error}")]
    Socket {
        /// Which one; 0: any.
        port: u16,
        /// Why.
        error: io::Error,
    },
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Nothing is dialled or listened to without a runtime.
    #[error("the network was started outside of an async runtime")]
    NoRuntime,
}

/// A pairing endpoint that was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Its UDP port.
    pub port: u16,
    /// Where others in the same network reach it, the likely ones first: for a QR code.
    pub addresses: Vec<SocketAddr>,
}
