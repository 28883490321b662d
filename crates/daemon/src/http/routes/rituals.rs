//! The paths of rituals' calendars and occurrences.

use axum::response::Response as HttpResponse;
use betwixt_api::{CalendarRequest, Problem, ProblemKind};

use super::{Asking, Parts, Query, Segments, parse};
use crate::http::request::Request;

pub(super) async fn calendar(call: Asking) -> HttpResponse {
    call.with(|parts| Ok(Request::Calendar { ritual: None, asked: asked(parts)? })).await
}

pub(super) async fn of_one(Segments(id): Segments<String>, call: Asking) -> HttpResponse {
    call.with(|parts| Ok(Request::Calendar { ritual: Some(parse::target("rituals", &id)?), asked: asked(parts)? }))
        .await
}

pub(super) async fn say(Segments((id, date, field)): Segments<(String, String, String)>, call: Asking) -> HttpResponse {
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

fn asked(parts: &Parts) -> Result<CalendarRequest, Problem> {
    let query = Query::read(&parts.uri, &["from", "until", "zone"])?;
    let date = |name: &str| Ok::<_, Problem>(query.date(name)?.map(|date| date.to_string()));
    Ok(CalendarRequest { from: date("from")?, until: date("until")?, zone: query.text("zone").map(str::to_owned) })
}
