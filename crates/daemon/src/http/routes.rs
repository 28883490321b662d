//! The paths, and what each asks of the loop.

mod rituals;
mod seals;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, FromRequest, Path};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response as HttpResponse;
use axum::routing::{get, post, put};
use betwixt_api::{self as api, MAX_REQUEST, Problem, ProblemKind};
use serde::Serialize;
use tokio::sync::{mpsc, oneshot};

use super::chapter;
use super::events::EventBody;
use super::parse;
use super::past;
use super::request::{Call, Request, Response, Target};

pub(super) type Calls = mpsc::Sender<Call>;

/// Every route of the API.
pub(super) fn router(calls: Calls) -> Router {
    Router::new()
        .route("/v1/status", get(|call: Asking| call.with(|_| Ok(Request::Status))))
        .route("/v1/home", post(|call: Asking| call.with(|parts| Ok(Request::Init(parts.body()?)))))
        .route("/v1/unlock", post(|call: Asking| call.with(|parts| Ok(Request::Unlock(parts.body()?)))))
        .route("/v1/lock", post(|call: Asking| call.with(|parts| parts.bare(Request::Lock))))
        .route("/v1/down", post(|call: Asking| call.with(|parts| parts.bare(Request::Down))))
        .route("/v1/pause", post(|call: Asking| call.with(|parts| parts.bare(Request::Pause))))
        .route("/v1/resume", post(|call: Asking| call.with(|parts| parts.bare(Request::Resume))))
        .route(
            "/v1/pairing",
            get(|call: Asking| call.with(|_| Ok(Request::Pairing)))
                .post(|call: Asking| call.with(|parts| Ok(Request::PairingStart(parts.body()?))))
                .delete(|call: Asking| call.with(|_| Ok(Request::PairingCancel))),
        )
        .route("/v1/pairing/code", post(|call: Asking| call.with(|parts| Ok(Request::PairingEnter(parts.body()?)))))
        .route(
            "/v1/pairing/confirm",
            post(|call: Asking| call.with(|parts| Ok(Request::PairingConfirm(parts.body()?)))),
        )
        .route("/v1/devices", get(|call: Asking| call.with(|_| Ok(Request::Devices))))
        .route(
            "/v1/peers",
            get(|call: Asking| call.with(|_| Ok(Request::Addresses)))
                .post(|call: Asking| call.with(|parts| Ok(Request::AddressAdd(parts.address()?)))),
        )
        .route("/v1/peers/remove", post(|call: Asking| call.with(|parts| Ok(Request::AddressRemove(parts.address()?)))))
        .route("/v1/here", post(|call: Asking| call.with(|parts| parts.bare(Request::Here))))
        .route("/v1/sync", post(|call: Asking| call.with(|parts| parts.bare(Request::Sync))))
        .route("/v1/doctor", get(|call: Asking| call.with(|_| Ok(Request::Doctor))))
        .route("/v1/differences", get(|call: Asking| call.with(|_| Ok(Request::Differences))))
        .route("/v1/settle", get(|call: Asking| call.with(|_| Ok(Request::ToSettle))))
        .route("/v1/settle/{item}/{field}/differently", put(differently))
        .route("/v1/settle/{item}/{field}/parked", put(park))
        .route(
            "/v1/bring",
            get(|call: Asking| call.with(|_| Ok(Request::BringChoices)))
                .post(|call: Asking| call.with(|parts| Ok(Request::Bring(parts.body()?)))),
        )
        .route("/v1/verify", post(|call: Asking| call.with(|parts| parts.bare(Request::Verify))))
        .route(
            "/v1/backups",
            get(|call: Asking| call.with(|_| Ok(Request::Backups)))
                .post(|call: Asking| call.with(|parts| Ok(Request::Backup(parts.body()?)))),
        )
        .route("/v1/restore", post(|call: Asking| call.with(|parts| Ok(Request::Restore(parts.body()?)))))
        .route("/v1/events", get(|call: Asking| call.with(|parts| Ok(Request::Events { after: parts.after()? }))))
        .route("/v1/vision", get(|call: Asking| call.with(|parts| Ok(Request::Item(Target::Vision(parts.scope()?))))))
        .route(
            "/v1/vision/history",
            get(|call: Asking| call.with(|parts| Ok(Request::History(Target::Vision(parts.scope()?))))),
        )
        .route("/v1/vision/{field}", put(say_vision))
        .merge(past::routes())
        .route("/v1/seals", get(seals::all))
        .route("/v1/seals/{id}", get(seals::one))
        .route("/v1/seals/{id}/answer", post(seals::answer))
        .route("/v1/calendar", get(rituals::calendar))
        .route("/v1/rituals/{id}/calendar", get(rituals::of_one))
        .route("/v1/rituals/{id}/occurrences/{date}/{field}", put(rituals::say))
        .route("/v1/{collection}", get(items).post(create))
        .route("/v1/{collection}/{id}", get(item))
        .route("/v1/{collection}/{id}/{action}", get(history).put(say).post(progress))
        .merge(chapter::routes())
        .fallback(|| async { refuse(&Problem::new(ProblemKind::NotFound, "There is no such path.")) })
        .method_not_allowed_fallback(|| async {
            refuse(&Problem::new(ProblemKind::MethodNotAllowed, "The path exists, but not with this method."))
        })
        .layer(DefaultBodyLimit::max(MAX_REQUEST))
        .with_state(calls)
}

async fn items(Path(name): Path<String>, call: Asking) -> HttpResponse {
    call.with(|parts| Ok(Request::Items { collection: parse::collection(&name)?, scope: parts.scope()? })).await
}

async fn create(Path(name): Path<String>, call: Asking) -> HttpResponse {
    call.with(|parts| {
        let collection = parse::collection(&name)?;
        Ok(Request::Create { collection, key: parse::idempotency_key(&parts.headers)?, item: parts.body()? })
    })
    .await
}

async fn item(Path((collection, id)): Path<(String, String)>, call: Asking) -> HttpResponse {
    call.with(|_| Ok(Request::Item(parse::target(&collection, &id)?))).await
}

async fn history(Path((collection, id, action)): Path<(String, String, String)>, call: Asking) -> HttpResponse {
    call.with(|_| {
        only("history", &action)?;
        Ok(Request::History(parse::target(&collection, &id)?))
    })
    .await
}

async fn progress(Path((collection, id, action)): Path<(String, String, String)>, call: Asking) -> HttpResponse {
    call.with(|parts| {
        only("progress", &action)?;
        only("milestones", &collection)?;
        let target = parse::target(&collection, &id)?;
        Ok(Request::Progress { target, key: parse::idempotency_key(&parts.headers)?, entry: parts.body()? })
    })
    .await
}

async fn say(Path((collection, id, field)): Path<(String, String, String)>, call: Asking) -> HttpResponse {
    call.with(|parts| {
        let target = parse::target(&collection, &id)?;
        Ok(Request::Say { target, field: parse::field(field)?, say: parts.body()? })
    })
    .await
}

async fn differently(Path((item, field)): Path<(String, String)>, call: Asking) -> HttpResponse {
    call.with(|parts| {
        let (item, field) = (parse::item(&item)?, parse::field(field)?);
        Ok(Request::Differently { item, field, say: parts.body()? })
    })
    .await
}

async fn park(Path((item, field)): Path<(String, String)>, call: Asking) -> HttpResponse {
    call.with(|parts| {
        let (item, field) = (parse::item(&item)?, parse::field(field)?);
        Ok(Request::Park { item, field, park: parts.body()? })
    })
    .await
}

async fn say_vision(Path(field): Path<String>, call: Asking) -> HttpResponse {
    call.with(|parts| {
        let target = Target::Vision(parts.scope()?);
        Ok(Request::Say { target, field: parse::field(field)?, say: parts.body()? })
    })
    .await
}

fn only(expected: &str, name: &str) -> Result<(), Problem> {
    if name == expected { Ok(()) } else { Err(Problem::new(ProblemKind::NotFound, "There is no such path.")) }
}

/// What a handler has of a request beside its path, and the way to the loop.
pub(super) struct Asking {
    calls: Calls,
    parts: Result<Parts, Problem>,
}

pub(super) struct Parts {
    headers: HeaderMap,
    query: Option<String>,
    bytes: Bytes,
}

impl FromRequest<Calls> for Asking {
    type Rejection = std::convert::Infallible;

    async fn from_request(request: axum::extract::Request, calls: &Calls) -> Result<Self, Self::Rejection> {
        let headers = request.headers().clone();
        let query = request.uri().query().map(str::to_owned);
        let too_large = || Problem::new(ProblemKind::TooLarge, "A request's body may have up to 1 MiB.");
        // By what it announces, before any of it is read; the limit on what is read stands behind.
        let announced = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        if announced.is_some_and(|length: u64| length > MAX_REQUEST as u64) {
            return Ok(Self { calls: calls.clone(), parts: Err(too_large()) });
        }
        let parts = match Bytes::from_request(request, calls).await {
            Ok(bytes) => Ok(Parts { headers, query, bytes }),
            Err(rejection) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => Err(too_large()),
            Err(_) => Err(Problem::new(ProblemKind::NotUnderstood, "The body ended early.")),
        };
        Ok(Self { calls: calls.clone(), parts })
    }
}

impl Parts {
    pub(super) fn body<T: serde::de::DeserializeOwned>(&self) -> Result<T, Problem> {
        parse::body(&self.headers, &self.bytes)
    }

    /// For what takes no body: none, or any JSON.
    pub(super) fn bare(&self, request: Request) -> Result<Request, Problem> {
        if !self.bytes.is_empty() {
            let _: serde::de::IgnoredAny = self.body()?;
        }
        Ok(request)
    }

    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        parse::parameter(self.query.as_deref(), name)
    }

    fn address(&self) -> Result<std::net::SocketAddr, Problem> {
        parse::address(&self.body::<api::AddressRequest>()?.address)
    }

    fn scope(&self) -> Result<Option<api::Scope>, Problem> {
        parse::scope(self.query.as_deref())
    }

    fn after(&self) -> Result<Option<u64>, Problem> {
        parse::after(self.query.as_deref(), &self.headers)
    }
}

impl Asking {
    pub(super) async fn with(self, parse: impl FnOnce(&Parts) -> Result<Request, Problem>) -> HttpResponse {
        match self.parts.and_then(|parts| parse(&parts)) {
            Err(problem) => refuse(&problem),
            Ok(request) => ask(&self.calls, request).await,
        }
    }
}

async fn ask(calls: &Calls, request: Request) -> HttpResponse {
    let status = if Response::founded(&request) { StatusCode::CREATED } else { StatusCode::OK };
    let (answer, answered) = oneshot::channel();
    let going_down =
        || Problem::new(ProblemKind::GoingDown, "The daemon is going down; start it again with `betwixt up`.");
    if calls.send(Call { request, answer }).await.is_err() {
        return refuse(&going_down());
    }
    match answered.await {
        Err(_) => refuse(&going_down()),
        Ok(Err(problem)) => refuse(&problem),
        Ok(Ok(response)) => write(status, response),
    }
}

fn write(status: StatusCode, response: Response) -> HttpResponse {
    match response {
        Response::Done => json(status, &serde_json::Map::new()),
        Response::Status(body) => json(status, &body),
        Response::Initialised(body) => json(status, &body),
        Response::Pairing(body) => json(status, &body),
        Response::Devices(body) => json(status, &body),
        Response::Addresses(body) => json(status, &body),
        Response::Here(body) => json(status, &body),
        Response::Sync(body) => json(status, &body),
        Response::Doctor(body) => json(status, &body),
        Response::Items(body) => json(status, &body),
        Response::Item(body) => json(status, &body),
        Response::History(body) => json(status, &body),
        Response::Saying(body) => json(status, &body),
        Response::Past(body) => past::write(status, &body),
        Response::Seals(body) => json(status, &body),
        Response::Seal(body) => json(status, &body),
        Response::Calendar(body) => json(status, &body),
        Response::Differences(body) => json(status, &body),
        Response::ToSettle(body) => json(status, &body),
        Response::BringChoices(body) => json(status, &body),
        Response::BringReport(body) => json(status, &body),
        Response::Chapters(body) => json(status, &body),
        Response::Verified(body) => json(status, &body),
        Response::Backups(body) => json(status, &body),
        Response::Backup(body) => json(status, &body),
        Response::Restored(body) => json(status, &body),
        Response::Events(notices) => with_type(StatusCode::OK, "text/event-stream", Body::new(EventBody::new(notices))),
    }
}

pub(super) fn json(status: StatusCode, body: &impl Serialize) -> HttpResponse {
    match serde_json::to_vec(body) {
        Ok(bytes) => with_type(status, "application/json", bytes.into()),
        Err(_) => refuse(&Problem::new(ProblemKind::Internal, "The answer could not be written as JSON.")),
    }
}

fn refuse(problem: &Problem) -> HttpResponse {
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let bytes = serde_json::to_vec(problem).unwrap_or_default();
    with_type(status, "application/problem+json", bytes.into())
}

fn with_type(status: StatusCode, media: &'static str, body: Body) -> HttpResponse {
    let mut response = HttpResponse::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
