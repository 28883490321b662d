//! Who may do what: what each route needs, and what whoever calls it has.
//!
//! Over the Unix socket it is the home's owner, who may do everything. Over TCP `Gate` stands before the API: it takes only
//! requests that were sent to the daemon by one of its own names, from pages that are let in or from no page, and finds out by
//! the token which frontend calls. `Routes` then lets each request through that has what its route needs.

mod caller;
mod gate;
mod origin;
mod rate;
mod registry;
mod requests;
mod revocable;
mod routes;
mod stored;
mod token;
mod told;

pub use caller::{Caller, Sees};
pub(super) use gate::{Gate, enter};
pub(super) use origin::OwnNames;
pub(crate) use registry::{Bridged, Change, Frontends, Record, no_frontend};
pub use registry::{Frontend, Registry};
pub(crate) use requests::{LOGIN_TIME, Requests};
pub(super) use routes::{ANYONE, EXPORT, OWNER, PAIR, PRIVATE, READ, Routes, WRITE, WRITE_PRIVATE};
pub use routes::{Declared, Needs};
pub(crate) use stored::Stored;
pub(crate) use token::{TokenHash, random as random_token};
pub(crate) use told::{Known, Sent, Told};
