//! What two devices say to each other, as state machines: who belongs to the household, how they find their way to each
//! other, how they pair, and how their documents come to be the same, by a connection or by files that are carried.
//!
//! This crate is pure and sans-IO. It has no clock, no randomness, no files, no sockets and no threads: time comes in as
//! [`std::time::Instant`], randomness as a generator, bytes as frames; what is to be done comes out as values.

pub mod carry;
pub mod dialer;
pub mod keys;
pub mod pairing;
pub mod roster;
pub mod session;
pub mod wire;
