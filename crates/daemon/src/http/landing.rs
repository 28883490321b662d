//! Where `betwixt open` leads: a page that exchanges its code for a token, and says whether it is connected.

use axum::Router;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::IntoResponse;
use axum::routing::get;

const PAGE: &str = include_str!("landing/page.html");
const SCRIPT: &str = include_str!("landing/page.js");
const STYLE: &str = include_str!("landing/page.css");
const ICON: &str = include_str!("landing/icon.svg");

/// Nothing but the daemon's own files, which talk to nobody else; in nobody's frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The paths of the page. They show nothing of the home.
pub(super) fn routes() -> Router {
    Router::new()
        .route("/", get(|| async { file("text/html; charset=utf-8", PAGE) }))
        .route("/page.js", get(|| async { file("text/javascript; charset=utf-8", SCRIPT) }))
        .route("/page.css", get(|| async { file("text/css; charset=utf-8", STYLE) }))
        .route("/icon.svg", get(|| async { file("image/svg+xml", ICON) }))
}

fn file(media: &'static str, text: &'static str) -> impl IntoResponse {
    let fixed = |name: HeaderName, value| (name, HeaderValue::from_static(value));
    ([fixed(header::CONTENT_TYPE, media), fixed(header::CONTENT_SECURITY_POLICY, POLICY)], text)
}
