//! The paths of frontends: letting them in, and the ways in which they ask for it.

use axum::http::StatusCode;
use axum::response::Response as HttpResponse;
use betwixt_api as api;
use betwixt_api::Secret;

use super::access::{ANYONE, OWNER, Routes};
use super::request::Request;
use super::routes::{Asking, Segments, json, list};
use super::tcp;

/// What is asked about frontends.
#[derive(Debug)]
pub enum FrontendRequest {
    /// `GET /v1/frontends`.
    List,
    /// `POST /v1/frontends`.
    Add {
        /// The same key is told the same token.
        key: Option<String>,
        /// What is to be let in.
        new: api::NewFrontend,
    },
    /// `DELETE /v1/frontends/{name}`.
    Revoke(String),
    /// `PUT /v1/frontends/{name}/bridge`, with where the daemon listens: the loop fills that in.
    Bridge(String, Option<std::net::SocketAddr>),
    /// `DELETE /v1/frontends/{name}/bridge`.
    EndBridge(String),
    /// `POST /v1/frontends/requests`.
    Ask(api::NewFrontend),
    /// `POST /v1/frontends/requests/token`.
    Claim(Secret),
    /// `POST /v1/frontends/requests/approve`.
    Approve(api::ApproveFrontend),
    /// `PUT /v1/listen`.
    Listen(Option<std::net::SocketAddr>),
    /// `POST /v1/login`.
    Login,
    /// `POST /v1/login/token`.
    LoginToken(Secret),
}

/// What is answered about frontends.
#[derive(Debug)]
pub enum FrontendResponse {
    /// Every one.
    List(Vec<api::Frontend>),
    /// One was let in.
    Added(api::AddedFrontend),
    /// One has a bridge now.
    Bridge(api::FrontendBridge),
    /// One asks to be.
    Asked(api::FrontendRequest),
    /// How far that is.
    Claimed(api::Claimed),
    /// What was asked for, and approved if it was.
    Approved(api::NewFrontend),
    /// Where the daemon listens.
    Listening(api::Listen),
    /// A page may log in.
    Login(api::Login),
}

pub(super) fn routes() -> Routes {
    let of = Request::Frontend;
    Routes::default()
        .get("/v1/frontends", OWNER, move |call: Asking| call.with(move |_| Ok(of(FrontendRequest::List))))
        .post("/v1/frontends", OWNER, move |call: Asking| {
            call.with(move |parts| Ok(of(FrontendRequest::Add { key: parts.key()?, new: parts.body()? })))
        })
        .delete("/v1/frontends/{name}", OWNER, revoke)
        .put("/v1/frontends/{name}/bridge", OWNER, bridge)
        .delete("/v1/frontends/{name}/bridge", OWNER, end_bridge)
        .post("/v1/frontends/requests", ANYONE, move |call: Asking| {
            call.with(move |parts| Ok(of(FrontendRequest::Ask(parts.body()?))))
        })
        .post("/v1/frontends/requests/token", ANYONE, move |call: Asking| {
            call.with(move |parts| Ok(of(FrontendRequest::Claim(parts.body::<api::ClaimToken>()?.secret))))
        })
        .post("/v1/frontends/requests/approve", OWNER, move |call: Asking| {
            call.with(move |parts| Ok(of(FrontendRequest::Approve(parts.body()?))))
        })
        .put("/v1/listen", OWNER, move |call: Asking| {
            call.with(move |parts| {
                let address = parts.body::<api::Listen>()?.address;
                Ok(of(FrontendRequest::Listen(address.map(|address| tcp::loopback(&address)).transpose()?)))
            })
        })
        .post("/v1/login", OWNER, move |call: Asking| call.with(move |parts| parts.bare(of(FrontendRequest::Login))))
        .post("/v1/login/token", ANYONE, move |call: Asking| {
            call.with(move |parts| Ok(of(FrontendRequest::LoginToken(parts.body::<api::LoginCode>()?.code))))
        })
}

async fn revoke(Segments(name): Segments<String>, call: Asking) -> HttpResponse {
    call.with(|_| Ok(Request::Frontend(FrontendRequest::Revoke(name)))).await
}

async fn bridge(Segments(name): Segments<String>, call: Asking) -> HttpResponse {
    call.with(|parts| parts.bare(Request::Frontend(FrontendRequest::Bridge(name, None)))).await
}

async fn end_bridge(Segments(name): Segments<String>, call: Asking) -> HttpResponse {
    call.with(|_| Ok(Request::Frontend(FrontendRequest::EndBridge(name)))).await
}

pub(super) fn write(status: StatusCode, response: FrontendResponse) -> HttpResponse {
    match response {
        FrontendResponse::List(body) => list(status, body),
        FrontendResponse::Added(body) => json(status, &body),
        FrontendResponse::Bridge(body) => json(status, &body),
        FrontendResponse::Asked(body) => json(status, &body),
        FrontendResponse::Claimed(body) => json(status, &body),
        FrontendResponse::Approved(body) => json(status, &body),
        FrontendResponse::Listening(body) => json(status, &body),
        FrontendResponse::Login(body) => json(status, &body),
    }
}
