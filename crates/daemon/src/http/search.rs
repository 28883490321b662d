//! Searching: the path, and what it asks of the loop.

use betwixt_api::{self as api, MAX_PAGE, Problem, ProblemKind};
use betwixt_model::ids::PartnerId;
use betwixt_search::Query;
use jiff::civil::Date;

use super::access::{READ, Routes};
use super::lists::{about, names};
use super::request::Request;
use super::routes::Asking;
use super::{cursor, parse};
use crate::answer::search::not_a_query;

/// How many items a page has when nobody says.
const DEFAULT: u32 = 20;

/// What is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchAsked {
    /// The words.
    pub query: Query,
    /// Both when not given.
    pub scope: Option<api::Scope>,
    /// Only items of this collection.
    pub collection: Option<api::Collection>,
    /// Only what was said in fields of this name.
    pub field: Option<String>,
    /// Only what this partner said.
    pub by: Option<PartnerId>,
    /// The first date.
    pub from: Option<Date>,
    /// The last date, included.
    pub until: Option<Date>,
    /// Whether what is replaced counts, too.
    pub earlier: bool,
    /// Which come first.
    pub order: api::SearchOrder,
    /// How many items.
    pub limit: usize,
    /// How many items the pages before had.
    pub skip: usize,
}

/// It reads; the words are in the body, for addresses are kept in logs.
pub(super) fn routes() -> Routes {
    Routes::default().post("/v1/search", READ, |call: Asking| {
        call.with(|parts| Ok(Request::Search(Box::new(SearchAsked::read(parts.body()?)?))))
    })
}

impl SearchAsked {
    fn read(request: api::SearchRequest) -> Result<Self, Problem> {
        let date = |name: &'static str, text: Option<String>| {
            let read = |text: String| {
                let date: Option<Date> = text.parse().ok();
                date.filter(|date| date.to_string() == text)
                    .ok_or_else(|| Problem::new(ProblemKind::Invalid, "A date is written 2027-01-31.").about(name))
            };
            text.map(read).transpose()
        };
        let partner = |by: String| {
            by.parse().map_err(|_| Problem::new(ProblemKind::Invalid, "That is no partner's id.").about("by"))
        };
        let limit = request.limit.unwrap_or(DEFAULT);
        if !(1..=MAX_PAGE).contains(&limit) {
            let detail = format!("A page has 1 to {MAX_PAGE} items.");
            return Err(Problem::new(ProblemKind::Invalid, detail).about("limit"));
        }
        let skip: u32 = request.after.map(|after| cursor::read(names::SEARCH, &after)).transpose()?.unwrap_or(0);
        Ok(Self {
            query: Query::parse(&request.words).map_err(not_a_query)?,
            scope: request.scope,
            collection: request.collection,
            field: request.field.map(parse::field).transpose().map_err(|problem| about(problem, "field"))?,
            by: request.by.map(partner).transpose()?,
            from: date("from", request.from)?,
            until: date("until", request.until)?,
            earlier: request.earlier,
            order: request.order,
            limit: limit as usize,
            skip: skip as usize,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(request: api::SearchRequest) -> Result<SearchAsked, Option<String>> {
        SearchAsked::read(request).map_err(|problem| problem.field)
    }

    #[test]
    fn what_is_not_understood_is_named_and_never_quoted() {
        let words = || api::SearchRequest { words: "oak".into(), ..api::SearchRequest::default() };
        assert_eq!(read(words()).map(|asked| (asked.limit, asked.skip)), Ok((20, 0)));
        for (request, field) in [
            (api::SearchRequest { words: "…".into(), ..words() }, "words"),
            (api::SearchRequest { words: "secret ".repeat(30), ..words() }, "words"),
            (api::SearchRequest { field: Some("Title!".into()), ..words() }, "field"),
            (api::SearchRequest { by: Some("Robin".into()), ..words() }, "by"),
            (api::SearchRequest { from: Some("2027-1-1".into()), ..words() }, "from"),
            (api::SearchRequest { until: Some("tomorrow".into()), ..words() }, "until"),
            (api::SearchRequest { limit: Some(0), ..words() }, "limit"),
            (api::SearchRequest { limit: Some(MAX_PAGE + 1), ..words() }, "limit"),
            (api::SearchRequest { after: Some("x".into()), ..words() }, "after"),
        ] {
            assert_eq!(read(request), Err(Some(field.to_owned())));
        }
    }
}
