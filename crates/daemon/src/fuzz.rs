//! What fuzzing reaches of the daemon's insides: the HTTP API before the loop, and the bridge.

pub use crate::bridge::fuzz::{heard, name_of_the_document, read_message};
pub use crate::http::fuzz::Api;
