//! The paths of rituals' calendars and occurrences.

use axum::extract::Path;
use axum::response::Response as HttpResponse;
use betwixt_api::{CalendarRequest, Problem, ProblemKind};

use super::{Asking, Parts, parse};
use crate::http::request::Request;

pub(super) async fn calendar(call: Asking) -> HttpResponse {
    call.with(|parts| Ok(Request::Calendar { ritual: None, asked: asked(parts) })).await
}

pub(super) async fn of_one(Path(id): Path<String>, call: Asking) -> HttpResponse {
    call.with(|parts| Ok(Request::Calendar { ritual: Some(parse::target("rituals", &id)?), asked: asked(parts) })).await
}

pub(super) async fn say(Path((id, date, field)): Path<(String, String, String)>, call: Asking) -> HttpResponse {
    call.with(|parts| {
        let ritual = parse::target("rituals", &id)?;
        let known: Option<jiff::civil::Date> = date.parse().ok();
        // In its one spelling: the date is part of the occurrence's name.
        let known = known.filter(|known| known.to_string() == date);
        let date = known.ok_or_else(|| Problem::new(ProblemKind::NotFound, "A date is written 2027-01-31."))?;
        Ok(Request::SayOccurrence { ritual, date, field: parse::field(field)?, say: parts.body()? })
    })
    .await
}

fn asked(parts: &Parts) -> CalendarRequest {
    let parameter = |name: &str| parse::parameter(parts.query.as_deref(), name).map(str::to_owned);
    CalendarRequest { from: parameter("from"), to: parameter("to"), zone: parameter("zone") }
}
