//! What Betwixt's tests share: the simulated network of devices, the disk that crashes, a bad network between real processes, a
//! generated lifetime, and what a machine has for tests.
//!
//! Nothing here is part of the product, and nothing in the product depends on it. It drives the same state machines, fold
//! and store that the daemon drives, with no trait between.

pub mod disk;
pub mod lifetime;
pub mod lives;
pub mod needs;
pub mod network;
pub mod oracle;
pub mod proxy;
pub mod seeds;
pub mod shown;
pub mod survived;
pub mod vocabulary;
