//! The paths of the past, and what each asks of the loop.

use axum::http::StatusCode;
use axum::response::Response as HttpResponse;
use betwixt_api::{self as api, Problem, ProblemKind};
use jiff::civil::Date;

use super::access::{READ, Routes, WRITE};
use super::lists::{HistoryList, MeetingsList};
use super::parse;
use super::request::Request;
use super::routes::{Asking, Segments, json, list};

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
    History {
        /// Which item.
        item: Named,
        /// Which part of it.
        list: HistoryList,
    },
    /// `GET /v1/history/{item}/provenance`.
    Provenance(Named),
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
    Since(MeetingsList),
}

/// What is answered about the past; in the order of [`PastRequest`], and at last what was taken back.
#[derive(Debug)]
pub enum PastResponse {
    /// What was said about an item.
    History(api::History),
    /// Where its wordings come from.
    Provenance(Vec<api::Provenance>),
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
        .get("/v1/history/{item}", READ, history)
        .get("/v1/history/{item}/provenance", READ, provenance)
        .get("/v1/history/{item}/at/{when}", READ, then)
        .get("/v1/history/{item}/from/{from}/to/{to}", READ, compare)
        .get("/v1/history/{item}/words", READ, words)
        .get("/v1/undo", READ, |call: Asking| call.with(|_| Ok(Request::Past(PastRequest::LastAct))))
        .post("/v1/undo", WRITE, |call: Asking| call.with(|parts| parts.bare(Request::Undo)))
        .get("/v1/since", READ, since)
}

pub(super) fn write(status: StatusCode, response: PastResponse) -> HttpResponse {
    match response {
        PastResponse::History(body) => json(status, &body),
        PastResponse::Provenance(body) => list(status, body),
        PastResponse::Then(body) => json(status, &body),
        PastResponse::Comparison(body) => json(status, &body),
        PastResponse::Words(body) => json(status, &body),
        PastResponse::LastAct(body) => json(status, &body),
        PastResponse::Since(body) => json(status, &body),
        PastResponse::Undone(body) => json(status, &body),
    }
}

async fn history(Segments(item): Segments<String>, call: Asking) -> HttpResponse {
    call.with(|parts| {
        let list = HistoryList::read(&parts.uri)?;
        Ok(Request::Past(PastRequest::History { item: named(item)?, list }))
    })
    .await
}

async fn provenance(Segments(item): Segments<String>, call: Asking) -> HttpResponse {
    call.with(|_| Ok(Request::Past(PastRequest::Provenance(named(item)?)))).await
}

async fn then(Segments((item, when)): Segments<(String, String)>, call: Asking) -> HttpResponse {
    call.with(|_| {
        let when = match when.parse::<Date>() {
            Ok(date) if when.len() == 10 => When::Day(date),
            _ => When::After(beginning(when)?),
        };
        Ok(Request::Past(PastRequest::Then { item: named(item)?, when }))
    })
    .await
}

async fn compare(Segments((item, from, to)): Segments<(String, String, String)>, call: Asking) -> HttpResponse {
    call.with(|_| {
        let (item, from, to) = (named(item)?, beginning(from)?, beginning(to)?);
        Ok(Request::Past(PastRequest::Compare { item, from, to }))
    })
    .await
}

async fn words(Segments(item): Segments<String>, call: Asking) -> HttpResponse {
    call.with(|_| Ok(Request::Past(PastRequest::Words(named(item)?)))).await
}

async fn since(call: Asking) -> HttpResponse {
    call.with(|parts| Ok(Request::Past(PastRequest::Since(MeetingsList::read(&parts.uri)?)))).await
}

pub(super) fn named(item: String) -> Result<Named, Problem> {
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
