//! The tables of the database, and reading and writing their sealed rows.
//!
//! Every table exists once a scope, sealed under that scope's key. A row's key in the file is made of keyed hashes and,
//! where order matters, a big-endian number; the key that the caller knows it by is sealed with the value.

use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};

use betwixt_model::document::Scope;
use redb::{ReadableTable, TableDefinition};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Damage, StoreError};
use crate::seal::ScopeKey;

pub(crate) type Definition = TableDefinition<'static, &'static [u8], &'static [u8]>;

/// The bytes of redb's smallest page, which is that of a leaf of its trees.
pub(crate) const PAGE: usize = 4096;

/// What a page has beside the name and the value of its only row: a head, and where each of the two ends.
pub(crate) const IN_PAGE: usize = 12;

/// What is readable without a key: the format, which data keys the rows are sealed under, how many commits there were.
pub(crate) const PLAIN: Definition = TableDefinition::new("betwixt");

pub(crate) const SCOPES: [Scope; 2] = [Scope::Ours, Scope::Mine];

macro_rules! areas {
    ($($(#[$documentation:meta])* $area:ident = $name:literal),* $(,)?) => {
        /// A kind of row; with a scope it is a table.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum Area {
            $($(#[$documentation])* $area),*
        }

        impl Area {
            pub(crate) const ALL: &'static [Self] = &[$(Self::$area),*];

            /// The table's name, in the file and in the associated data of its rows.
            pub(crate) const fn table(self, scope: Scope) -> &'static str {
                match (scope, self) {
                    $((Scope::Ours, Self::$area) => concat!("ours.", $name),
                    (Scope::Mine, Self::$area) => concat!("mine.", $name)),*
                }
            }
        }
    };
}

areas! {
    /// A document's heads, and where its bytes stand. Group: none.
    Documents = "documents",
    /// Appended changes. Group: document; ordered by sequence.
    Changes = "changes",
    /// Snapshots of documents that were written whole, by builds of before. Group: document; ordered by slot.
    Snapshots = "snapshots",
    /// The fact index. Group: table and group of the index.
    Rows = "rows",
    /// Automerge's sync states. Group: peer.
    SyncStates = "sync_states",
    /// The roster's statements, in the order in which they were learnt.
    Statements = "statements",
    /// The statements' hashes, to find them.
    StatementHashes = "statement_hashes",
    /// Identity and whatever else the daemon keeps by name.
    Settings = "settings",
    /// Responses to requests with an idempotency key.
    Responses = "responses",
    /// The order in which responses were remembered.
    ResponseOrder = "response_order",
    /// What is known of peers.
    Peers = "peers",
    /// When facts arrived, and from whom.
    Arrivals = "arrivals",
    /// When peers were met. Group: peer; ordered by the counter that was sent.
    Meetings = "meetings",
    /// What came at a meeting. Group: peer and counter; in order.
    Came = "came",
    /// Facts that a search index has yet to take in, in order; and how far it has come.
    Searching = "searching",
    /// What rows of the index have in common. Ordered by when they came; each named by its content, too.
    Dictionaries = "dictionaries",
    /// Rows of the fact index that are sealed many at a time, named by where their range begins.
    Packed = "packed",
    /// Snapshots of documents, in pieces. Group: document; ordered by slot and place.
    Pieces = "pieces",
}

/// How the rows of an area are named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// By a hash of their key.
    Single,
    /// By a hash of their group and one of their key.
    Member,
    /// By a hash of their group and a number.
    Numbered,
    /// By where the range of names begins that they hold.
    Range,
}

impl Area {
    /// Those that came after the first homes were made: an older home has none of them, and gets them when it is opened.
    pub(crate) const LATER: &'static [Self] = &[Self::Searching, Self::Dictionaries, Self::Packed, Self::Pieces];

    /// Whether it follows from the documents. Snapshots and backups leave it out: opening builds it anew.
    pub(crate) const fn is_derived(self) -> bool {
        matches!(self, Self::Rows | Self::Packed | Self::Dictionaries)
    }

    pub(crate) const fn shape(self) -> Shape {
        match self {
            Self::Documents
            | Self::StatementHashes
            | Self::Settings
            | Self::Responses
            | Self::Peers
            | Self::Arrivals => Shape::Single,
            Self::Rows | Self::SyncStates => Shape::Member,
            Self::Packed => Shape::Range,
            Self::Changes
            | Self::Snapshots
            | Self::Statements
            | Self::ResponseOrder
            | Self::Meetings
            | Self::Came
            | Self::Searching
            | Self::Dictionaries
            | Self::Pieces => Shape::Numbered,
        }
    }

    pub(crate) const fn definition(self, scope: Scope) -> Definition {
        TableDefinition::new(self.table(scope))
    }
}

/// Runs what calls redb. redb promises errors, not panics, for a failing disk; for a file that something else altered
/// while it was open it promises neither.
pub(crate) fn guarded<T>(run: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| {
        Err(StoreError::Damaged(Damage::File("the database could not make sense of its own pages".into())))
    })
}

/// Takes a row's name and sealed value, and answers whether to go on.
pub(crate) type Visit<'a> = &'a mut dyn FnMut(&[u8], &[u8]) -> Result<bool, StoreError>;

/// Part of a table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span<'a> {
    /// What the keys begin with.
    pub(crate) prefix: &'a [u8],
    /// What they follow, inclusive; not before `prefix`.
    pub(crate) from: &'a [u8],
    /// From the last to the first.
    pub(crate) backwards: bool,
}

impl<'a> Span<'a> {
    pub(crate) const ALL: Self = Span { prefix: &[], from: &[], backwards: false };

    pub(crate) const fn of(prefix: &'a [u8]) -> Self {
        Span { prefix, from: prefix, backwards: false }
    }
}

/// Scans an open table, with errors for what it holds that cannot be read.
pub(crate) fn scan_table(
    table: &impl ReadableTable<&'static [u8], &'static [u8]>,
    span: Span<'_>,
    each: Visit<'_>,
) -> Result<(), StoreError> {
    guarded(|| {
        let end = after(span.prefix);
        let bounds = (Bound::Included(span.from), end.as_deref().map_or(Bound::Unbounded, Bound::Excluded));
        let mut rows = table.range::<&[u8]>(bounds)?;
        loop {
            let Some(row) = (if span.backwards { rows.next_back() } else { rows.next() }) else { break };
            let (key, value) = row?;
            if !each(key.value(), value.value())? {
                break;
            }
        }
        Ok(())
    })
}

/// The last row of an open table whose name is not behind this one.
pub(crate) fn last_of(
    table: &impl ReadableTable<&'static [u8], &'static [u8]>,
    name: &[u8],
) -> Result<Option<Sealed>, StoreError> {
    let last = table.range::<&[u8]>(..=name)?.next_back().transpose()?;
    Ok(last.map(|(at, sealed)| (at.value().to_vec(), sealed.value().to_vec())))
}

/// The first key after all that begin with a prefix; `None` when there is none.
fn after(prefix: &[u8]) -> Option<Vec<u8>> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if let Some(next) = last.checked_add(1) {
            end.push(next);
            return Some(end);
        }
    }
    None
}

/// A row as its caller knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) group: Vec<u8>,
    pub(crate) key: Vec<u8>,
    pub(crate) value: Vec<u8>,
}

/// How many bytes [`pack`] adds.
pub(crate) const PACKING: usize = 8;

/// A row's name and its sealed value.
pub(crate) type Sealed = (Vec<u8>, Vec<u8>);

/// Puts group, key and value into what is sealed: the names in the file are hashes, and new data keys need new ones.
pub(crate) fn pack(group: &[u8], key: &[u8], value: &[u8]) -> Vec<u8> {
    let mut packed = Vec::with_capacity(PACKING + group.len() + key.len() + value.len());
    packed.extend_from_slice(&(group.len() as u32).to_le_bytes());
    packed.extend_from_slice(&(key.len() as u32).to_le_bytes());
    packed.extend_from_slice(group);
    packed.extend_from_slice(key);
    packed.extend_from_slice(value);
    packed
}

/// The reverse of [`pack`].
pub(crate) fn unpack(packed: &[u8]) -> Option<Row> {
    let (group_length, rest) = packed.split_first_chunk::<4>()?;
    let (key_length, rest) = rest.split_first_chunk::<4>()?;
    let (group, rest) = rest.split_at_checked(u32::from_le_bytes(*group_length) as usize)?;
    let (key, value) = rest.split_at_checked(u32::from_le_bytes(*key_length) as usize)?;
    Some(Row { group: group.to_vec(), key: key.to_vec(), value: value.to_vec() })
}

/// The name of a row that is found by its key alone.
pub(crate) fn single(key: &ScopeKey, area: Area, name: &[u8]) -> Vec<u8> {
    key.name(area.table(Scope::Ours), name).to_vec()
}

/// The prefix of a group's rows.
pub(crate) fn group(key: &ScopeKey, area: Area, group: &[u8]) -> [u8; 16] {
    key.name(area.table(Scope::Ours), group)
}

/// The name of a row in a group.
pub(crate) fn member(key: &ScopeKey, area: Area, of: &[u8], name: &[u8]) -> Vec<u8> {
    let prefix = group(key, area, of);
    let mut row = prefix.to_vec();
    row.extend_from_slice(&key.name("member", &[&prefix, name].concat()));
    row
}

/// The name of a numbered row in a group.
pub(crate) fn numbered(key: &ScopeKey, area: Area, of: &[u8], number: u64) -> Vec<u8> {
    let mut row = group(key, area, of).to_vec();
    row.extend_from_slice(&number.to_be_bytes());
    row
}

/// The number of a row that [`numbered`] named.
pub(crate) fn number_of(row: &[u8]) -> Option<u64> {
    row.last_chunk::<8>().map(|number| u64::from_be_bytes(*number))
}

/// Opens a row's sealed value.
pub(crate) fn opened(key: &ScopeKey, table: &'static str, row: &[u8], sealed: &[u8]) -> Result<Row, StoreError> {
    let packed = key.open(table, row, sealed).map_err(|_| StoreError::row(table))?;
    unpack(&packed).ok_or_else(|| StoreError::row(table))
}

/// A structure's bytes (postcard).
pub(crate) fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, StoreError> {
    postcard::to_stdvec(value).map_err(|error| StoreError::Unstorable(error.to_string()))
}

/// The reverse of [`encode`].
pub(crate) fn decode<T: DeserializeOwned>(table: &'static str, bytes: &[u8]) -> Result<T, StoreError> {
    match postcard::take_from_bytes(bytes) {
        Ok((value, [])) => Ok(value),
        _ => Err(StoreError::row(table)),
    }
}

/// The name that a row must have under a key: what it was found under, unless somebody moved it.
pub(crate) fn renamed(key: &ScopeKey, area: Area, row: &Row, at: &[u8]) -> Option<Vec<u8>> {
    Some(match area.shape() {
        Shape::Single => single(key, area, &row.key),
        Shape::Member => member(key, area, &row.group, &row.key),
        Shape::Numbered => numbered(key, area, &row.group, number_of(at)?),
        Shape::Range => return None,
    })
}
