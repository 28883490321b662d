//! The API as an OpenAPI 3.1 document: every operation with what it needs, takes and answers, and an example of it.
//!
//! Schemas are derived from the types of this crate. The document is committed as `docs/openapi.json`, with a page that is
//! rendered from it as `docs/api-reference.md`; `cargo xtask openapi` writes both anew. That each operation is a route of
//! the daemon and the other way round, and that the examples work, is the tests' to say.

mod document;
pub mod examples;
mod operation;
mod operations;
mod reference;

pub use document::document;
pub use operation::{Needs, Operation};
pub use operations::operations;
pub use reference::reference;
