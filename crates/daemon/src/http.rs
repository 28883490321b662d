//! The local API's server: HTTP/JSON under `/v1` over a Unix socket and, where that was asked for, over loopback TCP.
//!
//! It parses and nothing more: each request becomes one [`Request`], is sent to the daemon's loop as a [`Call`] through a
//! bounded channel, and what the loop answers is written back. It holds no state of the home, reads no document, decides
//! nothing, and logs neither bodies nor paths (they hold private text and ids).
//!
//! Who may connect to the socket: processes of the user whose home it is. The directory is 0700, the socket 0600, and the uid
//! of every peer is checked besides (`SO_PEERCRED`). They may do everything. Over TCP every process and every page of this
//! machine can connect; what stands before the API there is in [`access`].

mod about;
pub mod access;
mod attachments;
mod bridge;
mod chapter;
pub(crate) mod cursor;
mod events;
mod export;
mod frontends;
#[cfg(feature = "fuzz")]
pub(crate) mod fuzz;
mod landing;
pub(crate) mod lists;
mod parse;
mod past;
mod request;
mod routes;
mod search;
mod server;
pub mod shown;
mod socket;
mod statistics;
mod tcp;
mod values;
mod ways;

pub use access::{Caller, Declared, Frontend, Needs, Registry, Sees};
pub(crate) use attachments::too_large;
pub use attachments::{AttachmentResponse, Content, NewFile, Upload};
pub(crate) use bridge::{BridgeEvent, MAX_WAITING_FRAMES, ToSocket};
pub use events::{EventStream, Told};
pub use export::Pieces;
pub(crate) use export::{PieceWriter, pieces};
pub use frontends::{FrontendRequest, FrontendResponse};
pub use lists::{
    BringPlace, HistoryList, ItemPlace, ItemsList, MeetingPlace, MeetingsList, Paging, SettleList, ThreadPlace,
};
pub use past::{Named, PastRequest, PastResponse, When};
pub use request::{Answer, Call, DeviceChange, Request, Response, Target};
pub use search::SearchAsked;
pub use socket::{Alive, BindError, Socket};
pub use statistics::StatisticsAsked;
pub(crate) use tcp::Listening;
pub use ways::{WayRequest, WayResponse};

use std::future::Future;
use std::time::Duration;

use axum::Extension;
use tokio::sync::mpsc;

/// How many calls may wait for the loop. A caller beyond that waits for room.
pub const MAX_WAITING_CALLS: usize = 64;

/// How many connections may be open at once, over the socket and again over TCP. Beyond that the one that has been idle
/// longest makes room.
pub const MAX_CONNECTIONS: usize = 384;

/// How long a request's body may take.
pub const BODY_TIME: Duration = Duration::from_secs(20);

/// How many notices a reader of the event stream may be behind before some are left out for it (and it is told to resync).
pub const MAX_WAITING_NOTICES: usize = 256;

/// The ways to the loop, for whatever takes connections.
#[derive(Debug, Clone)]
pub(crate) struct Doors {
    /// For requests.
    pub(crate) calls: mpsc::Sender<Call>,
    /// For what happens on the bridge.
    pub(crate) bridge: mpsc::Sender<BridgeEvent>,
}

/// Every route of the API, and what each needs.
pub fn declared() -> Vec<Declared> {
    routes::routes().declared().to_vec()
}

/// Serves the API until `shutdown` is done; then answers what was asked already, and returns. The loop drops its ends of
/// event streams first: they would go on for ever.
/// Failing connections are closed one by one.
pub async fn serve(socket: Socket, calls: mpsc::Sender<Call>, shutdown: impl Future<Output = ()> + Send + 'static) {
    let router = routes::router(calls).layer(Extension(Caller::Owner));
    server::serve(socket, router, MAX_CONNECTIONS, shutdown).await;
}
