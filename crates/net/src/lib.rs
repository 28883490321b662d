//! The network: QUIC between rostered devices, the pairing channel, discovery in the local network.
//!
//! This crate turns sockets into [`NetEvent`]s and [`Net`]'s commands into packets. It decides nothing: whom to dial and
//! when, which of two connections stays, what a frame means and what a code proves are decided by `betwixt_sync`'s state
//! machines, which the daemon drives. It stores nothing, and it speaks to nobody but devices given to it, at addresses
//! given to it, and multicast discovery (NothingOutbound).
//!
//! Strangers get no answer from the sync endpoint: a dial shows in its first packet that it knows the pair's key, and
//! every other datagram is dropped before QUIC sees it (`filter.rs`). Who gets through still has to prove the pinned key
//! (`tls.rs`). Pairing, where unknown keys must be let in, has an endpoint of its own (`pairing.rs`).

mod advert;
mod beginnings;
mod config;
mod connection;
mod dial;
mod discovery;
pub mod doctor;
mod endpoint;
mod event;
mod filter;
mod framing;
#[cfg(feature = "fuzz")]
pub mod fuzz;
#[cfg(test)]
mod hostile;
pub mod interfaces;
mod library;
pub mod limits;
mod net;
mod pairing;
mod peers;
mod plan;
mod ports;
mod resets;
mod shared;
mod tls;
mod watch_links;

pub use config::{Bind, CloseCode, Config, Discovery, Place, SendError, StartError};
pub use endpoint::wait_until_free;
pub use event::{DialError, DiscoveryState, Frame, LostReason, NetEvent, PairingClosed, PairingEvent, PairingRole};
pub use net::Net;
pub use tls::TlsError;
