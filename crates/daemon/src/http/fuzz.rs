//! Requests of anybody, as far as the daemon's loop.

use axum::body::Body;
use axum::http::Request;
use axum::{Extension, Router};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;
use tower::ServiceExt as _;

use super::access::Caller;
use super::request::{Call, Response};
use super::{MAX_WAITING_CALLS, routes};

/// Bytes of an answer that are read.
const MAX_ANSWER: usize = 16 * 1024 * 1024;

/// The API in front of a loop that does nothing.
#[derive(Debug)]
pub struct Api {
    runtime: Runtime,
    router: Router,
}

impl Default for Api {
    fn default() -> Self {
        let runtime = Builder::new_current_thread().enable_time().build().expect("a runtime without I/O starts");
        let (calls, mut waiting) = mpsc::channel::<Call>(MAX_WAITING_CALLS);
        runtime.spawn(async move {
            while let Some(call) = waiting.recv().await {
                // A caller that went away meanwhile is no concern of the loop's.
                let _ = call.answer.send(Ok(Response::Done));
            }
        });
        Self { runtime, router: routes::router(calls).layer(Extension(Caller::Owner)) }
    }
}

impl Api {
    /// Asks something as the owner, who may ask everything, and answers the status and the length of the answer. `None` for
    /// what hyper would not have let through as a request.
    pub fn ask(&self, method: &[u8], target: &[u8], headers: &[(&[u8], &[u8])], body: &[u8]) -> Option<(u16, usize)> {
        let mut request = Request::builder().method(method).uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(body.to_vec())).ok()?;
        self.runtime.block_on(async {
            let answer = self.router.clone().oneshot(request).await.unwrap_or_else(|never| match never {});
            let status = answer.status().as_u16();
            let body = axum::body::to_bytes(answer.into_body(), MAX_ANSWER).await;
            Some((status, body.map_or(0, |bytes| bytes.len())))
        })
    }
}
