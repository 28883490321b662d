//! The paths of sealed answers.

use axum::response::Response as HttpResponse;

use super::{Asking, Query, Segments, names, parse};
use crate::http::request::Request;

const COLLECTION: &str = "sealed";

pub(super) async fn all(call: Asking) -> HttpResponse {
    call.with(|parts| {
        let query = Query::read(&parts.uri, &["limit", "after"])?;
        Ok(Request::Seals(query.paging(names::ITEMS)?))
    })
    .await
}

pub(super) async fn one(Segments(id): Segments<String>, call: Asking) -> HttpResponse {
    call.with(|_| Ok(Request::Seal(parse::target(COLLECTION, &id)?))).await
}

pub(super) async fn answer(Segments(id): Segments<String>, call: Asking) -> HttpResponse {
    call.with(|parts| Ok(Request::SealAnswer { session: parse::target(COLLECTION, &id)?, answer: parts.body()? })).await
}
