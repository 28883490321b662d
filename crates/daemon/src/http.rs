//! The local API's server: HTTP/JSON under `/v1` over a Unix socket.
//!
//! It parses and nothing more: each request becomes one [`Request`], is sent to the daemon's loop as a [`Call`] through a
//! bounded channel, and what the loop answers is written back. It holds no state of the home, reads no document, decides
//! nothing, and logs neither bodies nor paths (they hold private text and ids).
//!
//! Who may connect: processes of the user whose home it is. The directory is 0700, the socket 0600, and the uid of every
//! peer is checked besides (`SO_PEERCRED`).

pub mod access;
mod chapter;
mod events;
mod parse;
mod past;
mod request;
mod routes;
pub mod shown;
mod socket;

pub use access::{Caller, Declared, Needs, Sees};
pub use past::{Named, PastRequest, PastResponse, When};
pub use request::{Answer, Call, Request, Response, Target};
pub use socket::{Alive, BindError, Socket};

use std::future::Future;

use axum::Extension;
use tokio::sync::mpsc;

/// How many calls may wait for the loop. A caller beyond that waits for room.
pub const MAX_WAITING_CALLS: usize = 64;

/// How many connections may be open at once.
pub const MAX_CONNECTIONS: usize = 64;

/// How many notices may wait for a reader of the event stream before it is dropped (and told so by a gap).
pub const MAX_WAITING_NOTICES: usize = 256;

/// Every route of the API, and what each needs.
pub fn declared() -> Vec<Declared> {
    routes::routes().declared().to_vec()
}

/// Serves the API until `shutdown` is done; then answers what was asked already, and returns. The loop drops its ends of
/// event streams first: they would go on for ever.
///
/// # Errors
/// None that a caller could mend: failing connections are closed one by one. What is left is given on.
pub async fn serve(
    socket: Socket,
    calls: mpsc::Sender<Call>,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let router = routes::router(calls).layer(Extension(Caller::Owner));
    axum::serve(socket, router).with_graceful_shutdown(shutdown).await
}
