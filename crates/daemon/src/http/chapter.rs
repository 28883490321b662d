//! The paths of chapters.

use super::access::{READ, Routes, WRITE};
use super::request::Request;
use super::routes::Asking;

pub(super) fn routes() -> Routes {
    Routes::default()
        .get("/v1/chapter", READ, |call: Asking| call.with(|_| Ok(Request::Chapters)))
        .post("/v1/chapter", WRITE, |call: Asking| call.with(|parts| Ok(Request::ChapterPropose(parts.body()?))))
        .post("/v1/chapter/agree", WRITE, |call: Asking| call.with(|parts| parts.bare(Request::ChapterAgree)))
        .post("/v1/chapter/withdraw", WRITE, |call: Asking| call.with(|parts| parts.bare(Request::ChapterWithdraw)))
}
