//! A device's home on disk: the documents' changes and snapshots, the fact index, the roster, what is known of peers, all
//! encrypted in one redb file; the wrapped keys beside it; snapshots, backups and what could not be read.
//!
//! This crate knows nothing of what rows, statements or settings mean, opens no sockets and has no clock: times come in
//! as values. It draws nonces and new keys from the system's randomness. Its failures are answers: no error of a disk, no
//! damaged file and no wrong passphrase makes it panic, and after a failure has passed it goes on (see [`Store::recover`]).

mod archive;
mod aside;
pub mod attachments;
mod batch;
mod chunks;
mod closed;
mod dictionaries;
pub mod disk;
mod documents;
mod error;
mod files;
#[cfg(feature = "fuzz")]
pub mod fuzz;
mod home;
pub mod keys;
mod leave;
mod leaves;
mod meetings;
mod open;
mod packing;
mod pieces;
mod place;
mod reader;
mod rebuild;
mod records;
mod rekey;
mod retire;
mod rows;
mod seal;
mod searching;
mod settings;
mod shrink;
mod sizes;
mod snapshots;
mod source;
mod squeeze;
mod store;
mod tables;
mod verify;
mod view;
mod ways;

pub use archive::ArchiveError;
pub use batch::Batch;
pub use dictionaries::LONGEST_DICTIONARY;
pub use documents::{CompactError, Compacted, MAX_FRAME, MAX_FRAMES};
pub use error::{Damage, StoreError};
pub use home::{Home, HomeError};
pub use leave::finish_leaving;
pub use meetings::Meeting;
pub use open::{FORMAT, OpenError};
pub use place::{Break, Continuity};
pub use reader::{Reader, Statement};
pub use records::{ArrivalRecord, DocumentState, MetAddress, PeerRecord, StoredDocument};
pub use rekey::RekeyError;
pub use rows::{BatchRows, Rows};
pub use searching::{Queued, SearchState, search_path};
pub use shrink::{ShrinkError, Shrunk};
pub use sizes::{IndexSize, TableSize};
pub use snapshots::{DAYS, RestoreError, SnapshotError, SnapshotInfo, WEEKS, snapshot_bytes};
pub use store::{Recovery, Store, StoreOptions};
pub use verify::{ArchiveReport, Report, verify_archive};
pub use view::View;
