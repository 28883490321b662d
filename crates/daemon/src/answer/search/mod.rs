//! Searching: what the indexes find and what waits to be taken in, as it stands now.
//!
//! An index knows facts by their words. What a fact is about, whether it stands, was replaced, or counts for nothing, is asked of
//! the fact index when it is found, so that the search index never has to be told of changes of what was said.

mod snippet;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use betwixt_api::{self as api, Problem, ProblemKind};
use betwixt_model::document::Scope;
use betwixt_model::fact::SignedFact;
use betwixt_model::ids::{FactId, ItemId};
use betwixt_model::index::{self, IndexError, Standing};
use betwixt_model::view::{self, Reader};
use betwixt_search::{Document, Filter, Hit, Order, SearchError, Searcher};
use betwixt_store::{Rows, Store, StoreError};

use super::items::shown_scope;
use super::problem::{storage_problem, unreadable};
use crate::engine::days;
use crate::http::{SearchAsked, cursor, lists::names, shown};
use crate::searching::{Change, Ready, anew, document, label, ready};

/// How many texts of a scope are looked at, at most: beyond so many, ask for more words.
const MAX_FOUND: usize = 2000;

/// How many facts are searched that the index has yet to take in; beyond that it says that it is not complete.
const MAX_QUEUED: usize = 2000;

/// How many texts of an item are shown.
const MAX_TEXTS: usize = 5;

/// What was found, and which indexes are to be built anew.
pub(crate) struct Found {
    pub(crate) page: api::SearchPage,
    pub(crate) damaged: Vec<Change>,
}

/// Searches in these scopes, which whoever asks may read. Blocks.
///
/// # Errors
/// [`Problem`] when the store cannot be read. A damaged index is none: what waits is searched, and it is built anew.
pub(crate) fn search(
    home: &Path,
    store: &Store,
    readers: &[(Scope, Reader)],
    asked: &SearchAsked,
) -> Result<Found, Problem> {
    let view = store.read().map_err(|error| storage_problem(&error))?;
    let store = view.reader();
    let mut found = Candidates { complete: true, ..Candidates::default() };
    for (scope, reader) in readers {
        found.look(home, &store, *scope, asked).map_err(|error| unreadable(&error))?;
        found.scopes.insert(*scope, (*reader, store.rows(*scope)));
    }
    // Stable: of the same rank, what is shared first.
    found.all.sort_by(|one, other| other.rank.total_cmp(&one.rank));
    let page = found.page(asked).map_err(|error| unreadable(&error))??;
    Ok(Found { page, damaged: found.damaged })
}

/// Texts that were found, and where.
#[derive(Default)]
struct Candidates<'a> {
    scopes: BTreeMap<Scope, (Reader, Rows<'a>)>,
    searchers: BTreeMap<Scope, Searcher>,
    all: Vec<Candidate>,
    complete: bool,
    damaged: Vec<Change>,
}

struct Candidate {
    scope: Scope,
    rank: f64,
    place: Place,
}

enum Place {
    Indexed(Hit),
    Queued(FactId),
}

impl Candidates<'_> {
    /// Looks in a scope's index, and through what waits to be taken in.
    fn look(
        &mut self,
        home: &Path,
        store: &betwixt_store::Reader<'_>,
        scope: Scope,
        asked: &SearchAsked,
    ) -> Result<(), IndexError<StoreError>> {
        let filter = filter(asked);
        match ready(home, store, scope)? {
            Ready::None => self.complete = false,
            Ready::Damaged(index) => self.is_damaged(scope, index),
            Ready::Open(index, built) => {
                self.complete &= built;
                let order = match asked.order {
                    api::SearchOrder::Best => Order::Best,
                    api::SearchOrder::Latest => Order::Latest,
                };
                let hits = index.searcher().and_then(|searcher| {
                    let hits = searcher.search(&asked.query, &filter, order, MAX_FOUND)?;
                    self.searchers.insert(scope, searcher);
                    Ok(hits)
                });
                match hits {
                    Ok(hits) => {
                        self.complete &= hits.len() < MAX_FOUND;
                        let candidate = |hit: Hit| Candidate { scope, rank: hit.rank, place: Place::Indexed(hit) };
                        self.all.extend(hits.into_iter().map(candidate));
                    }
                    Err(SearchError::Damaged) => self.is_damaged(scope, index.id()),
                    Err(SearchError::Disk(_)) => self.complete = false,
                }
            }
        }
        let queued = store.queued_for_search(scope, MAX_QUEUED)?;
        self.complete &= !queued.more;
        let rows = store.rows(scope);
        for id in queued.facts {
            let Some(document) = index::fact(&rows, &id)?.as_ref().and_then(document) else { continue };
            if holds(&filter, &document) && asked.query.find(&document.text).is_some() {
                // Said just now: how well it fits is not known, and it is what people look for.
                let rank = match asked.order {
                    api::SearchOrder::Best => f64::INFINITY,
                    api::SearchOrder::Latest => document.place as f64,
                };
                self.all.push(Candidate { scope, rank, place: Place::Queued(id) });
            }
        }
        Ok(())
    }

    fn is_damaged(&mut self, scope: Scope, index: [u8; 16]) {
        self.complete = false;
        self.damaged.push(anew(scope, index));
    }

    /// The page that was asked for: the items of the texts, each once.
    fn page(&mut self, asked: &SearchAsked) -> Result<Result<api::SearchPage, Problem>, IndexError<StoreError>> {
        let end = asked.skip + asked.limit;
        let mut items: Vec<api::FoundItem> = Vec::new();
        let mut places: BTreeMap<(Scope, ItemId), Option<usize>> = BTreeMap::new();
        let mut seen = BTreeSet::new();
        let mut more = false;
        for candidate in std::mem::take(&mut self.all) {
            let scope = candidate.scope;
            let id = match &candidate.place {
                Place::Queued(id) => *id,
                Place::Indexed(hit) => match self.searchers.get(&scope).map(|searcher| searcher.id(hit)) {
                    Some(Ok(id)) => FactId::from_bytes(id),
                    _ => {
                        self.complete = false;
                        continue;
                    }
                },
            };
            let Some((reader, rows)) = self.scopes.get(&scope) else { continue };
            if !seen.insert((scope, id)) {
                continue;
            }
            let Some((item, text)) = text(rows, reader, &id, asked)? else { continue };
            match places.get(&(scope, item)) {
                Some(Some(place)) => {
                    let texts = &mut items[*place].texts;
                    if texts.len() < MAX_TEXTS {
                        texts.push(text);
                    }
                    continue;
                }
                Some(None) => continue,
                None => {}
            }
            let head = view::head(rows, reader, &item)?;
            let named = match &head {
                Some(head) => shown::named(rows, reader, shown_scope(scope), head)?,
                None => None,
            };
            places.insert((scope, item), named.is_some().then_some(items.len()));
            let Some(named) = named else { continue };
            if items.len() == end {
                more = true;
                break;
            }
            items.push(api::FoundItem { item: named, texts: vec![text] });
        }
        let next = more.then(|| cursor::write(names::SEARCH, &end)).transpose();
        Ok(next.map(|next| api::SearchPage {
            items: items.into_iter().skip(asked.skip).collect(),
            next,
            complete: self.complete,
        }))
    }
}

/// A text that was found, as it is shown, and the item that it is about; `None` when it is not to be shown.
fn text(
    rows: &Rows<'_>,
    reader: &Reader,
    id: &FactId,
    asked: &SearchAsked,
) -> Result<Option<(ItemId, api::FoundText)>, IndexError<StoreError>> {
    let standing = match index::standing(rows, id)? {
        Some(Standing::Live) => api::Standing::Live,
        Some(Standing::Arriving) => api::Standing::Arriving,
        Some(Standing::Replaced) if asked.earlier => api::Standing::Replaced,
        Some(Standing::Replaced | Standing::Void) | None => return Ok(None),
    };
    let Some(signed): Option<SignedFact> = index::fact(rows, id)? else { return Ok(None) };
    // Erased since, or an index that does not speak of this fact: not found.
    let Some(document) = document(&signed) else { return Ok(None) };
    let Some(places) = asked.query.find(&document.text) else { return Ok(None) };
    let header = signed.fact().header();
    let found = api::FoundText {
        field: header.field.clone(),
        said: shown::said(reader, header.partner, header.date, id),
        standing,
        snippet: snippet::snippet(&document.text, &places),
    };
    Ok(Some((signed.fact().item(), found)))
}

fn filter(asked: &SearchAsked) -> Filter {
    let mut labels = Vec::new();
    labels.extend(asked.collection.map(|collection| vec![label::kind(shown::kind_of(collection))]));
    labels.extend(asked.field.as_deref().map(|field| vec![label::field(field)]));
    labels.extend(asked.by.map(|by| vec![label::by(&by.to_string())]));
    let place = |date: jiff::civil::Date| i64::from(days(date));
    Filter { labels, from: asked.from.map(place), until: asked.until.map(place) }
}

fn holds(filter: &Filter, document: &Document) -> bool {
    filter.labels.iter().all(|group| group.iter().any(|label| document.labels.contains(label)))
        && filter.from.is_none_or(|from| document.place >= from)
        && filter.until.is_none_or(|until| document.place <= until)
}

/// A query as people mistype it.
pub(crate) fn not_a_query(error: betwixt_search::QueryError) -> Problem {
    let words = error.to_string();
    let mut letters = words.chars();
    let sentence: String = letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect();
    Problem::new(ProblemKind::Invalid, format!("{sentence}.")).about("words")
}
