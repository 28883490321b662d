//! Who may do what: what each route needs, and what whoever calls it has.

mod caller;
mod routes;

pub use caller::{Caller, Sees};
pub use routes::{Declared, Needs};
pub(super) use routes::{EXPORT, OWNER, PAIR, PRIVATE, READ, Routes, WRITE, WRITE_PRIVATE};
