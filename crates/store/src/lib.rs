//! A device's home on disk: the documents' changes and snapshots, the fact index, the roster, what is known of peers, all
//! encrypted in one redb file; the wrapped keys beside it; snapshots, backups and what could not be read.
//!
//! This crate knows nothing of what rows, statements or settings mean, opens no sockets and has no clock: times come in
//! as values. It draws nonces and new keys from the system's randomness. Its failures are answers: no error of a disk, no
//! damaged file and no wrong passphrase makes it panic, and after a failure has passed it goes on (see [`Store::recover`]).

mod aside;
mod batch;
pub mod disk;
mod documents;
mod error;
mod files;
pub mod keys;
mod reader;
mod records;
mod rows;
mod seal;
mod settings;
mod store;
mod tables;
mod view;

pub use batch::Batch;
pub use documents::{CompactError, Compacted, MAX_FRAME, MAX_FRAMES};
pub use error::{Damage, StoreError};
pub use reader::Reader;
pub use records::{ArrivalRecord, CounterVerdict, DocumentState, PeerRecord, StoredDocument};
pub use rows::{BatchRows, Rows};
pub use store::{FORMAT, OpenError, Recovery, Store, StoreOptions};
pub use view::View;
