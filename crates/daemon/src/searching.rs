//! Keeping the search indexes up with what is said: beside the loop, in slices, when nobody has said anything for a moment.
//!
//! What is to be taken in is queued with the facts themselves, and every slice ends with a write of the loop's own that says how
//! far it has come. So nothing is lost by a crash, nothing waits for an index, and an edit costs one small row more.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use betwixt_model::document::Scope;
use betwixt_model::fact::SignedFact;
use betwixt_model::index::{self, IndexError, PARTS};
use betwixt_model::searching;
use betwixt_search::{Document, Index, Key, SearchError};
use betwixt_store::{Reader, SearchState, Store, StoreError, search_path};
use rand_core::{OsRng, RngCore};

use crate::engine::days;
use crate::porter::has_room;
use crate::replica::{Replica, Stage};

/// How long nobody has said anything before what was said is taken in.
const REST: Duration = Duration::from_secs(3);

/// How long it is put off at most, while much is said.
const LONGEST_REST: Duration = Duration::from_secs(30);

/// Between two slices.
const BREATH: Duration = Duration::from_millis(50);

/// Until it is tried again, where the disk was in the way.
const LATER: Duration = Duration::from_secs(60);

/// How many facts a slice takes in, about.
const SLICE: usize = 4096;

/// How many bytes of text a slice takes in, about.
const SLICE_BYTES: usize = 8 << 20;

/// How much room on the disk a slice wants beside the floor.
const ROOM: u64 = 64 << 20;

/// When what was said is taken in, and whether that goes on just now.
#[derive(Debug, Default)]
pub(crate) struct Searching {
    due: Option<Instant>,
    /// Since when something waits.
    since: Option<Instant>,
    busy: bool,
    /// How often an index was begun anew since nothing waited.
    rebuilt: u32,
    working: Arc<Working>,
}

/// What a slice that goes on beside the loop shares with it.
#[derive(Debug, Default)]
pub(crate) struct Working {
    stop: AtomicBool,
    running: Mutex<()>,
}

impl Working {
    /// Ends what goes on beside the loop, and waits until it has let go of the store. Nothing begins any more. Blocks.
    pub(crate) fn end(&self) {
        self.stop.store(true, Ordering::Relaxed);
        drop(self.running.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

impl Searching {
    /// Something may wait to be taken in: something was said, or a part of the home was opened.
    pub(crate) fn may_be_due(&mut self, now: Instant) {
        let since = *self.since.get_or_insert(now);
        self.due = Some((now + REST).min(since + LONGEST_REST));
    }

    /// The next time at which something is due.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.due.filter(|_| !self.busy)
    }

    /// Begins a slice when its time has come: answers what it shares with the loop. [`Searching::ended`] follows.
    pub(crate) fn begin(&mut self, now: Instant) -> Option<Arc<Working>> {
        if self.busy || self.due.is_none_or(|due| due > now) {
            return None;
        }
        (self.due, self.since, self.busy) = (None, None, true);
        Some(Arc::clone(&self.working))
    }

    /// A slice has ended, and what it came to is written down where there was anything.
    pub(crate) fn ended(&mut self, then: Then, now: Instant) {
        self.busy = false;
        let next = match then {
            Then::Rest => {
                self.rebuilt = 0;
                return;
            }
            Then::GoOn => now + BREATH,
            Then::Anew => {
                self.rebuilt = self.rebuilt.saturating_add(1);
                now + BREATH.saturating_mul(4_u32.saturating_pow(self.rebuilt)).min(LATER)
            }
            Then::Later => now + LATER,
        };
        // What was said meanwhile is taken in with the rest.
        self.due = Some(self.due.map_or(next, |due| due.max(next)));
        self.since.get_or_insert(now);
    }

    /// What a slice shares with the loop, to end it.
    pub(crate) fn working(&self) -> Arc<Working> {
        Arc::clone(&self.working)
    }
}

/// How it goes on after a slice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    /// Nothing waits.
    Rest,
    /// There is more, or there may be.
    GoOn,
    /// An index is to be begun anew: soon, and less soon each time that the one begun is damaged again.
    Anew,
    /// The disk is in the way.
    Later,
}

/// What a slice came to.
#[derive(Debug)]
pub(crate) struct Slice {
    /// To be written down.
    pub(crate) change: Option<Change>,
    pub(crate) then: Then,
}

/// What is to be written down of an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) scope: Scope,
    /// Which index it was; another one is none of its business.
    pub(crate) before: Option<[u8; 16]>,
    /// How far it has come; `None` when it is to be begun anew.
    pub(crate) state: Option<SearchState>,
    /// What of the queue it has taken in.
    pub(crate) until: Option<u64>,
}

/// Takes in some of what waits in these scopes, and lets go of the store. Blocks.
pub(crate) fn take_in(home: &Path, store: Store, scopes: &[Scope], working: &Working) -> Slice {
    let _running = working.running.lock().unwrap_or_else(PoisonError::into_inner);
    // Dropped before the lock is.
    let store = store;
    for scope in scopes {
        if working.stopped() {
            break;
        }
        match take_in_of(home, &store, *scope, working) {
            Ok(None) => {}
            Ok(Some(change)) => {
                let then = if change.state.is_some() { Then::GoOn } else { Then::Anew };
                return Slice { change: Some(change), then };
            }
            // It was locked meanwhile; or the store is closed, and what comes when it opens again looks anew.
            Err(Failed::Store(StoreError::Locked(_))) => {}
            Err(failed) => {
                tracing::warn!(%failed, "what was said is taken into the search index later");
                return Slice { change: None, then: Then::Later };
            }
        }
    }
    Slice { change: None, then: Then::Rest }
}

/// Why nothing was taken in.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Index(#[from] IndexError<StoreError>),
    #[error(transparent)]
    Search(#[from] SearchError),
    #[error("the disk is almost full")]
    NoRoom,
}

fn take_in_of(home: &Path, store: &Store, scope: Scope, working: &Working) -> Result<Option<Change>, Failed> {
    let view = store.read()?;
    let reader = view.reader();
    let path = search_path(home, scope);
    let Some(state) = reader.search_state(scope)? else {
        let mut id = [0; 16];
        OsRng.fill_bytes(&mut id);
        // Also what an index held that was given up: before anything else.
        Index::create(&path, Key::of(reader.search_secret(scope)?), id)?;
        // What is queued stays so, and is searched there, until it is in the index: it may be taken in twice.
        return Ok(Some(Change { scope, before: None, state: Some(SearchState::begin(id)), until: None }));
    };
    let anew = Change { scope, before: Some(state.index), state: None, until: None };
    let index = match open(&path, &reader, scope, &state) {
        Ok(index) => index,
        Err(Failed::Search(SearchError::Damaged)) => {
            tracing::warn!(scope = scope.name(), "the search index cannot be read and is built anew");
            return Ok(Some(anew));
        }
        Err(failed) => return Err(failed),
    };
    let Some(Portion { documents, parts, until }) = portion(&reader, scope, &state, working)? else { return Ok(None) };
    drop(view);
    if working.stopped() {
        return Ok(None);
    }
    if !has_room(home, ROOM) {
        return Err(Failed::NoRoom);
    }
    let mark = state.mark + 1;
    match index.add(documents, mark) {
        Ok(()) => Ok(Some(Change { state: Some(state.come_to(parts, mark)), until, ..anew })),
        Err(SearchError::Damaged) => Ok(Some(anew)),
        Err(error) => Err(error.into()),
    }
}

/// The index that a state is about.
fn open(path: &Path, reader: &Reader<'_>, scope: Scope, state: &SearchState) -> Result<Index, Failed> {
    let index = Index::open(path, Key::of(reader.search_secret(scope)?), state.index)?;
    // An older copy that was put back lacks what is not queued any more.
    if index.mark()?.unwrap_or(0) < state.mark {
        return Err(SearchError::Damaged.into());
    }
    Ok(index)
}

/// What a slice takes in.
struct Portion {
    documents: Vec<Document>,
    /// How many parts of the facts are taken in then.
    parts: u16,
    /// What of the queue is.
    until: Option<u64>,
}

/// What is to be taken in next; `None` when nothing is.
fn portion(
    reader: &Reader<'_>,
    scope: Scope,
    state: &SearchState,
    working: &Working,
) -> Result<Option<Portion>, Failed> {
    let rows = reader.rows(scope);
    let (mut documents, mut bytes) = (Vec::new(), 0);
    let mut take = |signed: &SignedFact| {
        if let Some(document) = document(signed) {
            bytes += document.text.len();
            documents.push(document);
        }
        documents.len() >= SLICE || bytes >= SLICE_BYTES
    };
    if state.parts < PARTS {
        let mut parts = state.parts;
        let mut full = false;
        while parts < PARTS && !full && !working.stopped() {
            for signed in index::part_of_facts(&rows, parts)? {
                full |= take(&signed);
            }
            parts += 1;
        }
        return Ok(Some(Portion { documents, parts, until: None }));
    }
    let queued = reader.queued_for_search(scope, SLICE)?;
    if queued.facts.is_empty() {
        return Ok(None);
    }
    for id in &queued.facts {
        if let Some(signed) = index::fact(&rows, id)? {
            take(&signed);
        }
    }
    Ok(Some(Portion { documents, parts: PARTS, until: Some(queued.until) }))
}

/// A fact as it is searched; `None` for one without text.
pub(crate) fn document(signed: &SignedFact) -> Option<Document> {
    let fact = signed.fact();
    let header = fact.header();
    let text = searching::text(&header.kind, &header.field, fact.value()?)?;
    Some(Document {
        id: *fact.id().as_bytes(),
        text: text.into_owned(),
        labels: vec![label::kind(&header.kind), label::field(&header.field), label::by(&header.partner.to_string())],
        place: days(header.date).into(),
    })
}

/// What texts may be asked for by, beside their words.
pub(crate) mod label {
    pub(crate) fn kind(kind: &str) -> String {
        format!("kind/{kind}")
    }

    pub(crate) fn field(field: &str) -> String {
        format!("field/{field}")
    }

    pub(crate) fn by(partner: &str) -> String {
        format!("by/{partner}")
    }
}

/// Writes down what a slice came to. A scope that was locked meanwhile is taken in again when it is opened.
///
/// # Errors
/// [`StoreError`].
pub(crate) fn write_down(replica: &Replica, stage: &mut Stage, change: Change) -> Result<(), StoreError> {
    let Change { scope, before, state, until } = change;
    if replica.space(scope).is_none() {
        return Ok(());
    }
    let batch = stage.batch();
    match state {
        Some(state) => batch.put_search_state(scope, before, &state, until).map(drop),
        None if batch.reader().search_state(scope)?.map(|known| known.index) == before => batch.forget_search(scope),
        // Another one was begun.
        None => Ok(()),
    }
}

/// Reads a scope's index as far as there is one. Answers what is to be written down where it is damaged. Blocks.
///
/// # Errors
/// [`StoreError`].
pub(crate) fn check(home: &Path, store: &Store, scope: Scope) -> Result<Option<Change>, StoreError> {
    let view = store.read()?;
    Ok(match ready(home, &view.reader(), scope)? {
        Ready::None => None,
        Ready::Damaged(index) => Some(anew(scope, index)),
        Ready::Open(index, _) => {
            let damaged = matches!(index.check(), Err(SearchError::Damaged));
            // Merging takes files away that were listed a moment ago: then the list is another one now.
            let still = || matches!(index.check(), Err(SearchError::Damaged));
            (damaged && still()).then(|| anew(scope, index.id()))
        }
    })
}

/// An index for asking, with whether it has taken in all that it began with; and which it is, where it is damaged.
pub(crate) enum Ready {
    /// There is none yet.
    None,
    Open(Index, bool),
    Damaged([u8; 16]),
}

/// The index of a scope.
///
/// # Errors
/// [`StoreError`].
pub(crate) fn ready(home: &Path, reader: &Reader<'_>, scope: Scope) -> Result<Ready, StoreError> {
    let Some(state) = reader.search_state(scope)? else { return Ok(Ready::None) };
    let path: PathBuf = search_path(home, scope);
    match open(&path, reader, scope, &state) {
        Ok(index) => Ok(Ready::Open(index, state.parts >= PARTS)),
        Err(Failed::Store(error)) => Err(error),
        Err(Failed::Search(SearchError::Damaged)) => Ok(Ready::Damaged(state.index)),
        Err(failed) => {
            tracing::warn!(%failed, "the search index cannot be read just now");
            Ok(Ready::None)
        }
    }
}

/// That an index is to be begun anew.
pub(crate) fn anew(scope: Scope, index: [u8; 16]) -> Change {
    Change { scope, before: Some(index), state: None, until: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_taken_in_when_nobody_has_said_anything_for_a_moment_and_at_last_in_any_case() {
        let (mut searching, begun) = (Searching::default(), Instant::now());
        assert_eq!(searching.poll_timeout(), None);
        let mut now = begun;
        while now < begun + LONGEST_REST {
            assert!(searching.begin(now).is_none());
            searching.may_be_due(now);
            assert!(searching.poll_timeout().is_some_and(|due| due > now));
            now += REST / 2;
        }
        searching.may_be_due(now);
        assert!(searching.begin(begun + LONGEST_REST).is_some());
        // One at a time, also when something is said meanwhile.
        searching.may_be_due(now);
        assert_eq!((searching.poll_timeout(), searching.begin(now + LATER).is_some()), (None, false));
        searching.ended(Then::Rest, now);
        assert!(searching.poll_timeout().is_some(), "what was said meanwhile waits");
    }

    #[test]
    fn an_index_that_is_damaged_again_and_again_is_begun_anew_ever_less_often() {
        let (mut searching, mut now) = (Searching::default(), Instant::now());
        searching.may_be_due(now);
        let mut waited = Vec::new();
        for _ in 0..12 {
            now = searching.poll_timeout().expect("is due").max(now);
            assert!(searching.begin(now).is_some());
            searching.ended(Then::Anew, now);
            waited.push(searching.poll_timeout().expect("is tried again") - now);
        }
        assert!(waited[0] < Duration::from_secs(1));
        assert!(waited.windows(2).all(|pair| pair[0] <= pair[1]) && waited[11] == LATER, "{waited:?}");
    }

    #[test]
    fn nothing_is_begun_once_it_was_ended() {
        let store = Store::in_memory(&betwixt_store::keys::DataKeys::random(&mut OsRng)).expect("memory does not fail");
        let home = tempfile::tempdir().expect("makes a directory");
        let working = Working::default();
        let scopes = [Scope::Ours, Scope::Mine];
        let begun = take_in(home.path(), store.clone(), &scopes, &working);
        assert!(begun.change.is_some_and(|change| change.scope == Scope::Ours && change.before.is_none()));
        working.end();
        let ended = take_in(home.path(), store, &scopes, &working);
        assert_eq!((ended.change, ended.then), (None, Then::Rest));
    }
}
