//! The paths of the past, and what each asks of the loop.

use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::Response as HttpResponse;
use betwixt_api::{self as api, Problem, ProblemKind};
use jiff::civil::Date;

use super::access::{READ, Routes, WRITE};
use super::parse;
use super::request::Request;
use super::routes::{Asking, json};

/// How many meetings are told of when nobody says.
const MEETINGS: u32 = 1;
/// The most that are told of.
const MOST_MEETINGS: u32 = 100;

/// Which item, of whatever collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Named {
    /// The vision: the shared one once there is one.
    Vision,
    /// By the beginning of its id.
    Item(String),
}

/// An earlier time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum When {
    /// After the fact whose id begins so.
    After(String),
    /// At the end of a day, as known on this device.
    Day(Date),
}

/// What is asked about the past.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PastRequest {
    /// `GET /v1/history/{item}`.
    Timeline(Named),
    /// `GET /v1/history/{item}/at/{when}`.
    Then {
        /// Which item.
        item: Named,
        /// How it stood when.
        when: When,
    },
    /// `GET /v1/history/{item}/from/{fact}/to/{fact}`.
    Compare {
        /// Which item.
        item: Named,
        /// The one version's fact.
        from: String,
        /// The other's.
        to: String,
    },
    /// `GET /v1/history/{item}/words`.
    Words(Named),
    /// `GET /v1/undo`.
    LastAct,
    /// `GET /v1/since`.
    Since {
        /// How many meetings.
        meetings: u32,
    },
}

/// What is answered about the past; in the order of [`PastRequest`], and at last what was taken back.
#[derive(Debug, serde::Serialize)]
#[serde(untagged)]
pub enum PastResponse {
    /// What was said about an item.
    Timeline(api::Timeline),
    /// How it stood.
    Then(Box<api::Then>),
    /// What changed.
    Comparison(api::Comparison),
    /// Who said which words.
    Words(api::Words),
    /// One's own last act.
    LastAct(api::LastAct),
    /// What came and went.
    Since(api::Since),
    /// What was taken back.
    Undone(api::Undone),
}

pub(super) fn routes() -> Routes {
    Routes::default()
        .get("/v1/history/{item}", READ, timeline)
        .get("/v1/history/{item}/at/{when}", READ, then)
        .get("/v1/history/{item}/from/{from}/to/{to}", READ, compare)
        .get("/v1/history/{item}/words", READ, words)
        .get("/v1/undo", READ, |call: Asking| call.with(|_| Ok(Request::Past(PastRequest::LastAct))))
        .post("/v1/undo", WRITE, |call: Asking| call.with(|parts| parts.bare(Request::Undo)))
        .get("/v1/since", READ, since)
}

pub(super) fn write(status: StatusCode, response: &PastResponse) -> HttpResponse {
    json(status, response)
}

async fn timeline(Path(item): Path<String>, call: Asking) -> HttpResponse {
    call.with(|_| Ok(Request::Past(PastRequest::Timeline(named(item)?)))).await
}

async fn then(Path((item, when)): Path<(String, String)>, call: Asking) -> HttpResponse {
    call.with(|_| {
        let when = match when.parse::<Date>() {
            Ok(date) if when.len() == 10 => When::Day(date),
            _ => When::After(beginning(when)?),
        };
        Ok(Request::Past(PastRequest::Then { item: named(item)?, when }))
    })
    .await
}

async fn compare(Path((item, from, to)): Path<(String, String, String)>, call: Asking) -> HttpResponse {
    call.with(|_| {
        let (item, from, to) = (named(item)?, beginning(from)?, beginning(to)?);
        Ok(Request::Past(PastRequest::Compare { item, from, to }))
    })
    .await
}

async fn words(Path(item): Path<String>, call: Asking) -> HttpResponse {
    call.with(|_| Ok(Request::Past(PastRequest::Words(named(item)?)))).await
}

async fn since(call: Asking) -> HttpResponse {
    call.with(|parts| {
        let meetings = match parts.parameter("meetings") {
            None => MEETINGS,
            Some(text) => text.parse().ok().filter(|count| (1..=MOST_MEETINGS).contains(count)).ok_or_else(|| {
                Problem::new(ProblemKind::Invalid, format!("Meetings are asked for by number, 1 to {MOST_MEETINGS}."))
                    .about("meetings")
            })?,
        };
        Ok(Request::Past(PastRequest::Since { meetings }))
    })
    .await
}

fn named(item: String) -> Result<Named, Problem> {
    if item == "vision" { Ok(Named::Vision) } else { beginning(item).map(Named::Item) }
}

fn beginning(id: String) -> Result<String, Problem> {
    if parse::is_beginning(&id) {
        Ok(id)
    } else {
        let detail = "That is no id: ids are up to 52 characters of a-z and 2-7. The beginning of one is enough.";
        Err(Problem::new(ProblemKind::NotFound, detail))
    }
}
