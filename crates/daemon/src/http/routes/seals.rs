//! The paths of sealed answers.

use axum::extract::Path;
use axum::response::Response as HttpResponse;

use super::{Asking, parse};
use crate::http::request::Request;

const COLLECTION: &str = "sealed";

pub(super) async fn all(call: Asking) -> HttpResponse {
    call.with(|_| Ok(Request::Seals)).await
}

pub(super) async fn one(Path(id): Path<String>, call: Asking) -> HttpResponse {
    call.with(|_| Ok(Request::Seal(parse::target(COLLECTION, &id)?))).await
}

pub(super) async fn answer(Path(id): Path<String>, call: Asking) -> HttpResponse {
    call.with(|parts| Ok(Request::SealAnswer { session: parse::target(COLLECTION, &id)?, answer: parts.body()? })).await
}
