//! The paths of chapters.

use axum::Router;
use axum::routing::{get, post};

use super::request::Request;
use super::routes::{Asking, Calls};

pub(super) fn routes() -> Router<Calls> {
    Router::new()
        .route(
            "/v1/chapter",
            get(|call: Asking| call.with(|_| Ok(Request::Chapters)))
                .post(|call: Asking| call.with(|parts| Ok(Request::ChapterPropose(parts.body()?)))),
        )
        .route("/v1/chapter/agree", post(|call: Asking| call.with(|parts| parts.bare(Request::ChapterAgree))))
        .route("/v1/chapter/withdraw", post(|call: Asking| call.with(|parts| parts.bare(Request::ChapterWithdraw))))
}
