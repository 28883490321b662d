//! The local API of a Betwixt home: the types that its requests and answers are made of, and a client for the daemon's
//! Unix socket.
//!
//! This crate knows nothing of facts, stores or networks and depends on none of the other crates, so that a frontend can
//! be written against it alone. It decides nothing: what a field holds, or whether two versions differ, is the daemon's to
//! say. It starts no daemon either (the `betwixt` command does).
//!
//! Everything is JSON under `/v1`. What is read carries a [`Seen`] token a field; what is said about a field that was said
//! before carries one back. Everything that goes wrong is a [`Problem`].

pub mod about;
pub mod attachment;
pub mod carry;
pub mod chapter;
pub mod client;
pub mod document;
mod event;
pub mod export;
pub mod field;
pub mod frontend;
pub mod home;
pub mod item;
pub mod openapi;
pub mod page;
pub mod pairing;
pub mod past;
pub mod peer;
pub mod permission;
pub mod problem;
pub mod ritual;
pub mod seal;
pub mod search;
pub mod secret;
pub mod settle;
pub mod statistics;
pub mod upkeep;
pub mod ways;

pub use about::{About, CollectionAbout, FieldAbout, Limits};
pub use attachment::{AddedAttachment, Copies, CopyState, DeviceCopy, Location, MAX_ATTACHMENT, NewAttachment};
pub use carry::{CARRIED, CarriedBy, CarryImport, CarryReport, CarryRequest};
pub use chapter::{ChapterProposal, ChapterRequest, Chapters, ErasedFact};
pub use client::{Client, ClientError, Download, Events};
pub use document::{AUTOMERGE, YearDocument};
pub use event::{Notice, NoticeKind, SnapshotItem};
pub use export::{EXPORT_FORMAT, EXPORT_VERSION, Export, ExportedItem, ExportedSaid};
pub use field::{Between, Field, FieldKind, FieldState, Passage, PassageState, Said, Saying, Seen, Version};
pub use frontend::{
    AddedFrontend, ApproveFrontend, ClaimToken, Claimed, Frontend, FrontendBridge, FrontendRequest, Listen, Login,
    LoginCode, MAX_FRONTEND_NAME, MAX_FRONTENDS, MAX_ORIGINS, NewFrontend,
};
pub use home::{
    Carrying, DocumentStatus, InitRequest, Initialised, LockAfter, MAX_LOCK_AFTER, Partner, PeerStatus, Phase,
    Rebuilding, Status, UnlockRequest,
};
pub use item::{
    Bring, BringChoice, BringItem, BringReport, Brought, Collection, Differences, Item, ItemReference, MAX_PARTS,
    NewItem, ProgressEntry, Review, ReviewAnswer, Say, Scope, Tally, Thread,
};
pub use page::{
    DEFAULT_PAGE, HistoryRequest, ItemsRequest, MAX_PAGE, Order, Page, Paging, SettleRequest, SinceRequest,
};
pub use pairing::{ConfirmPairing, EnterCode, Pairing, Purpose, StartPairing};
pub use past::{
    Act, Before, Change, Compared, Comparison, Event, History, LastAct, Meeting, Part, Provenance, Since, Standing,
    Step, Then, Timeline, Told, Undone, Words,
};
pub use peer::{Address, AddressRequest, Device, Here, RenameDevice, SyncReport, SyncedPeer};
pub use permission::{Permission, Permissions, UnknownPermission};
pub use problem::{ExitCode, Problem, ProblemKind};
pub use ritual::{
    Calendar, CalendarRequest, Leader, NextOccurrence, Occurrence, OccurrenceStatus, RitualCalendar, When,
};
pub use seal::{SealAnswer, SealState, SealedAnswer, SealedSession};
pub use search::{
    FoundItem, FoundText, MAX_QUERY, MAX_QUERY_WORDS, SearchOrder, SearchPage, SearchRequest, SnippetPiece,
};
pub use secret::Secret;
pub use settle::{Differently, Park, SaidBack, SayDifferently, SettleThread, ToSettle, WaitingField};
pub use statistics::{MonthStatistics, ScopeStatistics, Statistics, StatisticsRequest};
pub use upkeep::{Backup, BackupRequest, Damage, Finding, Level, RestoreRequest, Restored, VerifyReport};
pub use ways::{
    ChangePassphrase, Left, NewKeyFile, PassphraseChanged, Proof, RecoveryCode, RecoveryCodeTested, RemoveWay, Way,
    WayKind,
};

/// The most bytes that a request's body may have.
pub const MAX_REQUEST: usize = 1024 * 1024;

/// The most bytes that the client reads of an answer.
pub const MAX_RESPONSE: usize = 64 * 1024 * 1024;

/// The socket's name in a home's directory. The directory's mode is 0700, the socket's 0600.
pub const SOCKET_NAME: &str = "api.sock";

/// What the name of the locked file beside the socket ends with. A living daemon holds its lock (`flock`) until everything
/// is closed, which is later than its socket goes.
pub const LOCK_SUFFIX: &str = ".lock";

/// The header that makes a repeated `POST` harmless: the same key gives the same item.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// The most bytes that an idempotency key may have.
pub const MAX_IDEMPOTENCY_KEY: usize = 64;
