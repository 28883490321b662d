//! What the end-to-end tests share: network namespaces joined by a virtual cable, and homes with real daemons.
//!
//! Everything here starts real programs. The tests themselves are in `tests/tests/`, one program a subject.

pub mod adverts;
pub mod binary;
pub mod bridge;
pub mod capture;
pub mod constants;
pub mod damage;
pub mod faults;
pub mod files;
pub mod home;
pub mod hostile_sync;
pub mod http;
pub mod mounts;
pub mod namespaces;
pub mod patched;
pub mod people;
pub mod ports;
#[cfg(target_os = "linux")]
pub mod slow_disk;
pub mod socket;
#[cfg(target_os = "linux")]
pub mod terminal;
pub mod typed;
pub mod web;
