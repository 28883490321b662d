//! What is asked of lists: which part of them, in which order, from where on.

use std::collections::BTreeMap;

use axum::http::Uri;
use betwixt_api::{Collection, DEFAULT_PAGE, MAX_PAGE, Order, Problem, ProblemKind, Scope};
use betwixt_model::ids::{FactId, ItemId, PartnerId};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::{cursor, parse};

/// How much of a list is asked for, and from where on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paging<P> {
    /// 1 to [`MAX_PAGE`].
    pub limit: usize,
    /// The place that the page before ended at.
    pub after: Option<P>,
}

impl<P> Default for Paging<P> {
    fn default() -> Self {
        Self { limit: DEFAULT_PAGE as usize, after: None }
    }
}

/// Where an item stands in lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemPlace {
    /// In whose list.
    pub scope: Scope,
    /// Its founding date, or the earliest one known.
    pub date: Date,
    /// The item.
    pub item: ItemId,
}

/// Which items, of whatever collection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ItemsList {
    /// Both when not given.
    pub scope: Option<Scope>,
    /// Only those that link to this item.
    pub of: Option<ItemId>,
    /// The first founding date.
    pub from: Option<Date>,
    /// The last founding date, included.
    pub until: Option<Date>,
    /// Which come first.
    pub order: Order,
    /// Which page.
    pub paging: Paging<ItemPlace>,
}

/// Which part of a history.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HistoryList {
    /// Only what was said in this field.
    pub field: Option<String>,
    /// Only what this partner said.
    pub by: Option<PartnerId>,
    /// The first date.
    pub from: Option<Date>,
    /// The last date, included.
    pub until: Option<Date>,
    /// Which comes first.
    pub order: Order,
    /// Which page.
    pub paging: Paging<FactId>,
}

/// When something came or went last at a meeting (milliseconds since 1970), and the other device.
pub type MeetingPlace = (i64, betwixt_model::ids::DeviceId);

/// Which meetings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MeetingsList {
    /// The first date on which something came or went.
    pub from: Option<Date>,
    /// The last, included.
    pub until: Option<Date>,
    /// Which page.
    pub paging: Paging<MeetingPlace>,
}

/// A thread's place in the list of what is to settle: whether all of it rests, whose it is, and the item.
pub type ThreadPlace = (bool, Scope, ItemId);

/// Which of what is to settle.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SettleList {
    /// Both when not given.
    pub scope: Option<Scope>,
    /// Only items of this collection.
    pub collection: Option<Collection>,
    /// Only the items whose ids begin so, or `vision`.
    pub item: Option<String>,
    /// Which page.
    pub paging: Paging<ThreadPlace>,
}

/// A private item's place among those that could be brought over: its kind, and where it is among those.
pub type BringPlace = (String, Date, ItemId);

/// The names of the lists, as cursors hold them.
pub(crate) mod names {
    pub(crate) const ITEMS: &str = "items";
    pub(crate) const HISTORY: &str = "history";
    pub(crate) const SINCE: &str = "since";
    pub(crate) const SETTLE: &str = "settle";
    pub(crate) const BRING: &str = "bring";
    pub(crate) const SEARCH: &str = "search";
}

/// The parameters of a query, each of which is known where it is asked for.
#[derive(Debug, Default)]
pub(super) struct Query(BTreeMap<String, String>);

impl Query {
    /// Reads a query of which these parameters are known.
    pub(super) fn read(uri: &Uri, known: &[&str]) -> Result<Self, Problem> {
        let not_understood = || Problem::new(ProblemKind::NotUnderstood, "The query is not of the form name=value&...");
        let pairs: axum::extract::Query<Vec<(String, String)>> =
            axum::extract::Query::try_from_uri(uri).map_err(|_| not_understood())?;
        let mut parameters = BTreeMap::new();
        for (name, value) in pairs.0 {
            // What is not known is not quoted: anything may stand there.
            let known = known.iter().find(|known| **known == name).ok_or_else(|| {
                let words = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                Problem::new(ProblemKind::Invalid, format!("A parameter is not known here; these are: {words}."))
                    .about("query")
            })?;
            if parameters.insert(name, value).is_some() {
                let detail = "A parameter is given once.";
                return Err(Problem::new(ProblemKind::Invalid, detail).about(*known));
            }
        }
        Ok(Self(parameters))
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub(super) fn date(&self, name: &str) -> Result<Option<Date>, Problem> {
        let read = |text: &str| {
            let date: Option<Date> = text.parse().ok();
            date.filter(|date| date.to_string() == text)
                .ok_or_else(|| Problem::new(ProblemKind::Invalid, "A date is written 2027-01-31.").about(name))
        };
        self.text(name).map(read).transpose()
    }

    pub(super) fn scope(&self) -> Result<Option<Scope>, Problem> {
        match self.text("scope") {
            None => Ok(None),
            Some("ours") => Ok(Some(Scope::Ours)),
            Some("mine") => Ok(Some(Scope::Mine)),
            Some(_) => Err(Problem::new(ProblemKind::Invalid, "A scope is `ours` or `mine`.").about("scope")),
        }
    }

    /// A parameter that is `true`, `false` or not there.
    pub(super) fn flag(&self, name: &str) -> Result<bool, Problem> {
        match self.text(name) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(Problem::new(ProblemKind::Invalid, format!("`{name}` is `true` or `false`.")).about(name)),
        }
    }

    fn order(&self) -> Result<Order, Problem> {
        match self.text("order") {
            None | Some("oldest") => Ok(Order::Oldest),
            Some("latest") => Ok(Order::Latest),
            Some(_) => Err(Problem::new(ProblemKind::Invalid, "An order is `oldest` or `latest`.").about("order")),
        }
    }

    pub(super) fn paging<P: serde::de::DeserializeOwned>(&self, list: &str) -> Result<Paging<P>, Problem> {
        let limit = match self.text("limit") {
            None => DEFAULT_PAGE,
            Some(text) => text.parse().ok().filter(|limit| (1..=MAX_PAGE).contains(limit)).ok_or_else(|| {
                Problem::new(ProblemKind::Invalid, format!("A page has 1 to {MAX_PAGE} entries.")).about("limit")
            })?,
        };
        let after = self.text("after").map(|text| cursor::read(list, text)).transpose()?;
        Ok(Paging { limit: limit as usize, after })
    }

    fn field(&self) -> Result<Option<String>, Problem> {
        let field = self.text("field").map(|name| parse::field(name.to_owned())).transpose();
        field.map_err(|problem| about(problem, "field"))
    }
}

impl ItemsList {
    pub(super) fn read(uri: &Uri) -> Result<Self, Problem> {
        let query = Query::read(uri, &["scope", "of", "from", "until", "order", "limit", "after"])?;
        let whole = |text: &str| {
            let detail = "Give the whole id of the item that they link to.";
            text.parse().map_err(|_| Problem::new(ProblemKind::Invalid, detail).about("of"))
        };
        let of = query.text("of").map(whole).transpose()?;
        Ok(Self {
            scope: query.scope()?,
            of,
            from: query.date("from")?,
            until: query.date("until")?,
            order: query.order()?,
            paging: query.paging(names::ITEMS)?,
        })
    }
}

impl HistoryList {
    pub(super) fn read(uri: &Uri) -> Result<Self, Problem> {
        let query = Query::read(uri, &["field", "by", "from", "until", "order", "limit", "after"])?;
        let partner = |text: &str| {
            text.parse().map_err(|_| Problem::new(ProblemKind::Invalid, "That is no partner's id.").about("by"))
        };
        Ok(Self {
            field: query.field()?,
            by: query.text("by").map(partner).transpose()?,
            from: query.date("from")?,
            until: query.date("until")?,
            order: query.order()?,
            paging: query.paging(names::HISTORY)?,
        })
    }
}

impl MeetingsList {
    pub(super) fn read(uri: &Uri) -> Result<Self, Problem> {
        let query = Query::read(uri, &["from", "until", "limit", "after"])?;
        Ok(Self { from: query.date("from")?, until: query.date("until")?, paging: query.paging(names::SINCE)? })
    }
}

impl SettleList {
    pub(super) fn read(uri: &Uri) -> Result<Self, Problem> {
        let query = Query::read(uri, &["scope", "collection", "item", "limit", "after"])?;
        let collection = |name: &str| {
            let detail = "There is no collection of that name; `GET /v1` lists them.";
            Collection::from_name(name).ok_or_else(|| Problem::new(ProblemKind::Invalid, detail).about("collection"))
        };
        Ok(Self {
            scope: query.scope()?,
            collection: query.text("collection").map(collection).transpose()?,
            item: query.text("item").map(parse::item).transpose().map_err(|problem| about(problem, "item"))?,
            paging: query.paging(names::SETTLE)?,
        })
    }
}

/// Which page of what could be brought over.
pub(super) fn bring(uri: &Uri) -> Result<Paging<BringPlace>, Problem> {
    Query::read(uri, &["limit", "after"])?.paging(names::BRING)
}

/// A problem of the path as one of a parameter.
pub(super) fn about(problem: Problem, parameter: &str) -> Problem {
    Problem::new(ProblemKind::Invalid, problem.detail).about(parameter)
}
