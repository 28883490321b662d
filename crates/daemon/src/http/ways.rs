//! The paths of the ways to open the home.

use axum::http::StatusCode;
use axum::response::Response as HttpResponse;
use betwixt_api as api;

use super::access::{OWNER, Routes};
use super::request::Request;
use super::routes::{Asking, json, list};

/// What is asked about the ways to open the home.
#[derive(Debug)]
pub enum WayRequest {
    /// `GET /v1/ways`.
    List,
    /// `POST /v1/ways/recovery-code`.
    NewRecoveryCode(api::Proof),
    /// `POST /v1/ways/recovery-code/test`.
    TestRecoveryCode(api::RecoveryCode),
    /// `POST /v1/ways/key-files`.
    AddKeyFile(api::NewKeyFile),
    /// `POST /v1/ways/remove`.
    Remove(api::RemoveWay),
    /// `PUT /v1/passphrase`.
    Passphrase(api::ChangePassphrase),
    /// `POST /v1/leave`.
    Leave(api::Proof),
}

/// What is answered about them.
#[derive(Debug)]
pub enum WayResponse {
    /// Every one.
    List(Vec<api::Way>),
    /// A new recovery code.
    RecoveryCode(api::RecoveryCode),
    /// Whether one opens the home.
    Tested(api::RecoveryCodeTested),
    /// One was added.
    Added(api::Way),
    /// The passphrase was changed.
    Changed(api::PassphraseChanged),
    /// The home is left.
    Left(api::Left),
}

pub(super) fn routes() -> Routes {
    let of = Request::Ways;
    Routes::default()
        .get("/v1/ways", OWNER, move |call: Asking| call.with(move |_| Ok(of(WayRequest::List))))
        .post("/v1/ways/recovery-code", OWNER, move |call: Asking| {
            call.with(move |parts| Ok(of(WayRequest::NewRecoveryCode(parts.body()?))))
        })
        .post("/v1/ways/recovery-code/test", OWNER, move |call: Asking| {
            call.with(move |parts| Ok(of(WayRequest::TestRecoveryCode(parts.body()?))))
        })
        .post("/v1/ways/key-files", OWNER, move |call: Asking| {
            call.with(move |parts| Ok(of(WayRequest::AddKeyFile(parts.body()?))))
        })
        .post("/v1/ways/remove", OWNER, move |call: Asking| {
            call.with(move |parts| Ok(of(WayRequest::Remove(parts.body()?))))
        })
        .put("/v1/passphrase", OWNER, move |call: Asking| {
            call.with(move |parts| Ok(of(WayRequest::Passphrase(parts.body()?))))
        })
        .post("/v1/leave", OWNER, move |call: Asking| call.with(move |parts| Ok(of(WayRequest::Leave(parts.body()?)))))
}

pub(super) fn write(status: StatusCode, response: WayResponse) -> HttpResponse {
    match response {
        WayResponse::List(body) => list(status, body),
        WayResponse::RecoveryCode(body) => json(status, &body),
        WayResponse::Tested(body) => json(status, &body),
        WayResponse::Added(body) => json(status, &body),
        WayResponse::Changed(body) => json(status, &body),
        WayResponse::Left(body) => json(status, &body),
    }
}
