//! What the network tells the daemon: one stream of events.

use std::net::SocketAddr;

use betwixt_model::ids::DeviceId;
use betwixt_sync::dialer::{AttemptId, ConnectionId, Direction};
use betwixt_sync::keys::KNOCK;
use betwixt_sync::pairing::Channel;
use betwixt_sync::wire::IncomingStream;
use tokio::sync::OwnedSemaphorePermit;

use crate::interfaces::{Network, NetworkId};

/// What happens on the network. Events of one connection come in order: `Connected`, then `Frame`s and the rest, `Lost`.
#[derive(Debug)]
pub enum NetEvent {
    /// A handshake was completed and the peer's key is the pinned one.
    ///
    /// The dialling side's handshake completes before the accepting side has checked its key, so the connection
    /// counts only once the peer's first frame came: that is the session's to decide.
    Connected {
        /// The connection from here on.
        connection: ConnectionId,
        /// Whose key was proven.
        peer: DeviceId,
        /// Who began.
        direction: Direction,
        /// Where the peer is (an IPv4 address is never written as a mapped IPv6 one).
        remote: SocketAddr,
    },
    /// A whole frame came. Dropping it makes room for the next ones.
    Frame {
        /// Where.
        connection: ConnectionId,
        /// On which of the peer's streams.
        stream: IncomingStream,
        /// Its bytes, without the length prefix.
        frame: Frame,
    },
    /// The peer ended one of its streams.
    StreamClosed {
        /// Where.
        connection: ConnectionId,
        /// Which.
        stream: IncomingStream,
    },
    /// Fewer than [`crate::limits::OUTGOING_LOW_WATER`] bytes wait again after there were more.
    Drained {
        /// Where.
        connection: ConnectionId,
    },
    /// The connection is gone; nothing comes from it any more.
    Lost {
        /// Which.
        connection: ConnectionId,
        /// Why.
        reason: LostReason,
    },
    /// A dial did not become a connection.
    DialFailed {
        /// Which.
        attempt: AttemptId,
        /// Why.
        error: DialError,
    },
    /// A rostered device's advert was seen (nothing about it is proven: anyone may repeat an advert).
    Candidate {
        /// Whose slot matched.
        peer: DeviceId,
        /// Where it says it is: on-link addresses of the receiving interface, at most
        /// [`crate::limits::ADDRESSES_PER_ADVERT`].
        addresses: Vec<SocketAddr>,
        /// The receiving interface's name.
        interface: String,
    },
    /// A rostered device's adverts are no longer there: it said that it goes, or did not answer when it was asked for.
    Withdrawn {
        /// Whose.
        peer: DeviceId,
    },
    /// Links or addresses changed, or the machine was suspended. Redial, and forget waits.
    NetworkChanged {
        /// The networks that this device is in now.
        networks: Vec<Network>,
        /// The clock jumped while nothing ran: the machine slept.
        resumed: bool,
    },
    /// Discovery works, or does not.
    Discovery(DiscoveryState),
    /// In this network the UDP port is this one from now on: to be stored for [`crate::Config::ports`].
    PortDrawn {
        /// The network.
        network: NetworkId,
        /// The port.
        port: u16,
    },
    /// A peer knocked, and is about to be answered: to be stored for [`crate::Config::knocks`].
    Knocked {
        /// What is not to be answered again.
        knock: [u8; KNOCK],
    },
    /// Something on a pairing channel.
    Pairing {
        /// Which channel; numbered together with the other connections.
        connection: ConnectionId,
        /// What.
        event: PairingEvent,
    },
    /// While looking for a typed code's two digits: somebody shows a code with these digits at these addresses.
    PairingFound {
        /// On-link addresses of the receiving interface.
        addresses: Vec<SocketAddr>,
    },
}

/// What happens on one pairing channel.
#[derive(Debug)]
pub enum PairingEvent {
    /// Both ends are connected. Nobody's identity is proven: any key is accepted here.
    Opened {
        /// What binds the proof of the code to this connection (RFC 9266's idea, with an exporter of our own).
        channel: Channel,
        /// Which end this is.
        role: PairingRole,
        /// Where the other is.
        remote: SocketAddr,
    },
    /// A whole frame came.
    Frame(Frame),
    /// The channel is gone or was never opened.
    Closed(PairingClosed),
}

/// Which end of a pairing channel this device is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PairingRole {
    /// It shows the code.
    Offering,
    /// Its person enters the code.
    Joining,
}

/// Why a pairing channel ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PairingClosed {
    /// None of the addresses answered.
    #[error("no device that shows a code answered there: check that both are on the same network")]
    NotReached,
    /// The other end closed it.
    #[error("the other device ended the pairing")]
    ByPeer,
    /// This end closed it.
    #[error("the pairing was ended here")]
    Here,
    /// The connection broke, or stayed open too long.
    #[error("the connection to the other device was lost while pairing")]
    Lost,
    /// The other end broke the framing.
    #[error("the other device sent what is not a pairing message")]
    Violation,
}

/// A received frame. While it lives it counts against its connection's [`crate::limits::FRAME_BUDGET`].
pub struct Frame {
    pub(crate) bytes: bytes::Bytes,
    pub(crate) _held: Option<OwnedSemaphorePermit>,
}

impl Frame {
    /// The frame's bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl std::ops::Deref for Frame {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl std::fmt::Debug for Frame {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Frame({} bytes)", self.bytes.len())
    }
}

/// Why a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LostReason {
    /// [`crate::Net::close`] was called.
    #[error("closed here")]
    Here,
    /// The peer closed it, with this code.
    #[error("closed by the other device (code {0})")]
    ByPeer(u64),
    /// Nothing came for [`crate::limits::IDLE`].
    #[error("the other device has not been heard from")]
    Silent,
    /// The peer sent a frame above the cap or cut one short.
    #[error("the other device sent an impossible frame")]
    Violation,
    /// The peer took our frames too slowly.
    #[error("the other device takes data too slowly")]
    TooSlow,
    /// The peer is no longer one of those given to [`crate::Net::set_peers`].
    #[error("the device is no longer a member")]
    NotAPeer,
    /// A newer connection with the same peer took its place, see [`crate::limits::CONNECTIONS_PER_PEER`].
    #[error("too many connections")]
    Crowded,
    /// QUIC or the network failed.
    #[error("the connection failed")]
    Transport,
}

/// Why a dial failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DialError {
    /// The peer is not one of those given to [`crate::Net::set_peers`].
    #[error("the device is not a member")]
    NotAPeer,
    /// [`crate::limits::DIALS`] dials are under way.
    #[error("too many dials are under way")]
    Busy,
    /// This device cannot send to such an address (no IPv6 here, or an impossible address).
    #[error("this device cannot reach such an address")]
    Unreachable,
    /// Nobody answered: nothing there, a firewall, or a device that does not know this one.
    #[error("nobody answered there: the device may be off, or a firewall or guest network may be between")]
    NoAnswer,
    /// Somebody answered with another key.
    #[error("another device answered there")]
    WrongKey,
    /// Somebody answered and the handshake failed otherwise.
    #[error("the device that answered speaks another protocol")]
    Refused,
}

impl From<&quinn::ConnectionError> for DialError {
    fn from(error: &quinn::ConnectionError) -> Self {
        match error {
            quinn::ConnectionError::TimedOut | quinn::ConnectionError::LocallyClosed => Self::NoAnswer,
            quinn::ConnectionError::CidsExhausted => Self::Busy,
            _ => Self::Refused,
        }
    }
}

/// Whether discovery works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiscoveryState {
    /// It is off, or no network is one to be discovered in.
    Off,
    /// It runs on this many interfaces.
    Running {
        /// How many.
        interfaces: usize,
    },
    /// Too many adverts came; it starts again after a pause. Known addresses go on working.
    Flooded,
    /// It cannot start (port 5353 is not to be had, no multicast); it is tried again after a pause.
    Failed,
}
