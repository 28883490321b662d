//! The paths, and what each asks of the loop.

mod rituals;
mod seals;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, FromRequest, FromRequestParts, Path};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header, request};
use axum::response::Response as HttpResponse;
use betwixt_api::{self as api, MAX_REQUEST, Problem, ProblemKind};
use serde::Serialize;
use tokio::sync::{mpsc, oneshot};

use super::BODY_TIME;
use super::access::{Caller, EXPORT, OWNER, PAIR, PRIVATE, READ, Routes, WRITE, WRITE_PRIVATE};
use super::frontends;
use super::lists::{self, ItemsList, Query, SettleList, names};
use super::parse;
use super::past;
use super::request::{Call, DeviceChange, Request, Response, Target};
use super::search;
use super::statistics;
use super::{about, attachments, chapter, ways};

pub(super) type Calls = mpsc::Sender<Call>;

/// Every route of the API, with what it needs.
pub(super) fn routes() -> Routes {
    Routes::default()
        .get("/v1", READ, about::about)
        .get("/v1/status", READ, |call: Asking| call.with(|_| Ok(Request::Status)))
        .post("/v1/home", OWNER, |call: Asking| call.with(|parts| Ok(Request::Init(parts.body()?))))
        .post("/v1/unlock", PRIVATE, |call: Asking| call.with(|parts| Ok(Request::Unlock(parts.body()?))))
        .post("/v1/lock", PRIVATE, |call: Asking| call.with(|parts| parts.bare(Request::Lock)))
        .put("/v1/lock", OWNER, |call: Asking| call.with(Parts::lock_after))
        .post("/v1/down", OWNER, |call: Asking| call.with(|parts| parts.bare(Request::Down)))
        .post("/v1/pause", PAIR, |call: Asking| call.with(|parts| parts.bare(Request::Pause)))
        .post("/v1/resume", PAIR, |call: Asking| call.with(|parts| parts.bare(Request::Resume)))
        .get("/v1/pairing", PAIR, |call: Asking| call.with(|_| Ok(Request::Pairing)))
        .post("/v1/pairing", PAIR, |call: Asking| call.with(|parts| Ok(Request::PairingStart(parts.body()?))))
        .delete("/v1/pairing", PAIR, |call: Asking| call.with(|_| Ok(Request::PairingCancel)))
        .post("/v1/pairing/code", PAIR, |call: Asking| call.with(|parts| Ok(Request::PairingEnter(parts.body()?))))
        .post("/v1/pairing/confirm", PAIR, |call: Asking| call.with(|parts| Ok(Request::PairingConfirm(parts.body()?))))
        .get("/v1/devices", READ, |call: Asking| call.with(|_| Ok(Request::Devices)))
        .put("/v1/devices/{device}/name", PAIR, rename_device)
        .delete("/v1/devices/{device}", OWNER, remove_device)
        .get("/v1/addresses", READ, |call: Asking| call.with(|_| Ok(Request::Addresses)))
        .post("/v1/addresses", PAIR, |call: Asking| call.with(|parts| Ok(Request::AddressAdd(parts.address()?))))
        .delete("/v1/addresses/{address}", PAIR, forget)
        .post("/v1/here", PAIR, |call: Asking| call.with(|parts| parts.bare(Request::Here)))
        .post("/v1/sync", WRITE, |call: Asking| call.with(|parts| parts.bare(Request::Sync)))
        .get("/v1/doctor", READ, |call: Asking| call.with(|_| Ok(Request::Doctor)))
        .get("/v1/settle", READ, |call: Asking| call.with(|parts| Ok(Request::ToSettle(SettleList::read(&parts.uri)?))))
        .put("/v1/settle/{item}/{field}/differently", WRITE, differently)
        .put("/v1/settle/{item}/{field}/parked", WRITE, park)
        .get("/v1/bring", PRIVATE, |call: Asking| {
            call.with(|parts| Ok(Request::BringChoices(lists::bring(&parts.uri)?)))
        })
        .post("/v1/bring", WRITE_PRIVATE, |call: Asking| call.with(|parts| Ok(Request::Bring(parts.body()?))))
        .post("/v1/verify", OWNER, |call: Asking| call.with(|parts| parts.bare(Request::Verify)))
        .get("/v1/export", EXPORT, |call: Asking| call.with(|_| Ok(Request::Export)))
        .get("/v1/carry/{device}", OWNER, carry_export)
        // It names a path.
        .post("/v1/carry", OWNER, |call: Asking| call.with(|parts| Ok(Request::CarryImport(parts.body()?))))
        .get("/v1/backups", EXPORT, |call: Asking| call.with(|_| Ok(Request::Backups)))
        // It may name a path.
        .post("/v1/backups", OWNER, |call: Asking| {
            call.with(|parts| Ok(Request::Backup { key: parts.key()?, request: parts.body()? }))
        })
        .post("/v1/restore", OWNER, |call: Asking| call.with(|parts| Ok(Request::Restore(parts.body()?))))
        .get("/v1/events", READ, |call: Asking| call.with(Parts::events))
        .get("/v1/documents", READ, |call: Asking| call.with(|_| Ok(Request::Documents)))
        .get("/v1/documents/{scope}/{year}", READ, document)
        .get("/v1/vision", READ, |call: Asking| call.with(|parts| Ok(Request::Item(Target::Vision(parts.scope()?)))))
        .put("/v1/vision/{field}", WRITE, say_vision)
        .merge(attachments::routes())
        .merge(past::routes())
        .merge(search::routes())
        .merge(statistics::routes())
        .get("/v1/seals", READ, seals::all)
        .get("/v1/seals/{id}", READ, seals::one)
        .put("/v1/seals/{id}/answer", WRITE_PRIVATE, seals::answer)
        .get("/v1/calendar", READ, rituals::calendar)
        .get("/v1/rituals/{id}/calendar", READ, rituals::of_one)
        .put("/v1/rituals/{id}/occurrences/{date}/{field}", WRITE, rituals::say)
        .get("/v1/{collection}", READ, items)
        .post("/v1/{collection}", WRITE, create)
        .get("/v1/{collection}/{id}", READ, item)
        .put("/v1/{collection}/{id}/{field}", WRITE, say)
        .post("/v1/milestones/{id}/progress", WRITE, progress)
        .merge(chapter::routes())
        .merge(frontends::routes())
        .merge(ways::routes())
}

/// The API, for callers that somebody before it has found out ([`Caller`], among the request's extensions).
pub(super) fn router(calls: Calls) -> Router {
    routes()
        .into_router()
        .fallback(|| async { refuse(&Problem::new(ProblemKind::NotFound, "There is no such path.")) })
        .method_not_allowed_fallback(|| async {
            refuse(&Problem::new(ProblemKind::MethodNotAllowed, "The path exists, but not with this method."))
        })
        .layer(DefaultBodyLimit::max(MAX_REQUEST))
        .with_state(calls)
}

async fn document(Segments((scope, year)): Segments<(String, String)>, call: Asking) -> HttpResponse {
    call.with(|_| {
        let (scope, year) = parse::document(&scope, &year)?;
        Ok(Request::Document(scope, year))
    })
    .await
}

async fn items(Segments(name): Segments<String>, call: Asking) -> HttpResponse {
    call.with(|parts| {
        let collection = parse::collection(&name)?;
        Ok(Request::Items { collection, list: ItemsList::read(&parts.uri)? })
    })
    .await
}

async fn create(Segments(name): Segments<String>, call: Asking) -> HttpResponse {
    call.with(|parts| {
        let collection = parse::collection(&name)?;
        Ok(Request::Create { collection, key: parts.key()?, item: parts.body()? })
    })
    .await
}

async fn item(Segments((collection, id)): Segments<(String, String)>, call: Asking) -> HttpResponse {
    call.with(|_| Ok(Request::Item(parse::target(&collection, &id)?))).await
}

async fn progress(Segments(id): Segments<String>, call: Asking) -> HttpResponse {
    call.with(|parts| {
        let target = parse::target("milestones", &id)?;
        Ok(Request::Progress { target, key: parts.key()?, entry: parts.body()? })
    })
    .await
}

async fn rename_device(Segments(device): Segments<String>, call: Asking) -> HttpResponse {
    call.with(|parts| {
        let api::RenameDevice { name } = parts.body()?;
        Ok(Request::Device(DeviceChange::Rename { device, name }))
    })
    .await
}

async fn remove_device(Segments(device): Segments<String>, call: Asking) -> HttpResponse {
    call.with(|_| Ok(Request::Device(DeviceChange::Remove { device }))).await
}

async fn carry_export(Segments(device): Segments<String>, call: Asking) -> HttpResponse {
    call.with(|parts| {
        let query = Query::read(&parts.uri, &["everything", "shared_only"])?;
        let (everything, shared_only) = (query.flag("everything")?, query.flag("shared_only")?);
        Ok(Request::CarryExport { device, request: api::CarryRequest { everything, shared_only } })
    })
    .await
}

async fn forget(Segments(address): Segments<String>, call: Asking) -> HttpResponse {
    call.with(|_| Ok(Request::AddressRemove(parse::address(&address)?))).await
}

async fn say(Segments((collection, id, field)): Segments<(String, String, String)>, call: Asking) -> HttpResponse {
    call.with(|parts| {
        let target = parse::target(&collection, &id)?;
        Ok(Request::Say { target, field: parse::field(field)?, say: parts.body()? })
    })
    .await
}

async fn differently(Segments((item, field)): Segments<(String, String)>, call: Asking) -> HttpResponse {
    call.with(|parts| {
        let (item, field) = (parse::item(&item)?, parse::field(field)?);
        Ok(Request::Differently { item, field, say: parts.body()? })
    })
    .await
}

async fn park(Segments((item, field)): Segments<(String, String)>, call: Asking) -> HttpResponse {
    call.with(|parts| {
        let (item, field) = (parse::item(&item)?, parse::field(field)?);
        Ok(Request::Park { item, field, park: parts.body()? })
    })
    .await
}

async fn say_vision(Segments(field): Segments<String>, call: Asking) -> HttpResponse {
    call.with(|parts| {
        let target = Target::Vision(parts.scope()?);
        Ok(Request::Say { target, field: parse::field(field)?, say: parts.body()? })
    })
    .await
}

/// The parameters of a path. What cannot be read there is no path of ours.
pub(super) struct Segments<T>(pub(super) T);

impl<T: serde::de::DeserializeOwned + Send> FromRequestParts<Calls> for Segments<T> {
    type Rejection = HttpResponse;

    async fn from_request_parts(parts: &mut request::Parts, calls: &Calls) -> Result<Self, HttpResponse> {
        match Path::from_request_parts(parts, calls).await {
            Ok(Path(segments)) => Ok(Self(segments)),
            Err(_) => Err(refuse(&Problem::new(ProblemKind::NotFound, "There is no such path."))),
        }
    }
}

/// What a handler has of a request beside its path, and the way to the loop.
pub(super) struct Asking {
    calls: Calls,
    caller: Caller,
    parts: Result<Parts, Problem>,
}

pub(super) struct Parts {
    headers: HeaderMap,
    pub(super) uri: Uri,
    bytes: Bytes,
}

impl FromRequest<Calls> for Asking {
    type Rejection = std::convert::Infallible;

    async fn from_request(request: axum::extract::Request, calls: &Calls) -> Result<Self, Self::Rejection> {
        let headers = request.headers().clone();
        let caller = request.extensions().get::<Caller>().cloned().unwrap_or(Caller::Anyone);
        let uri = request.uri().clone();
        let too_large = || Problem::new(ProblemKind::TooLarge, "A request's body may have up to 1 MiB.");
        // By what it announces, before any of it is read; the limit on what is read stands behind.
        let announced = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        if announced.is_some_and(|length: u64| length > MAX_REQUEST as u64) {
            return Ok(Self { calls: calls.clone(), caller, parts: Err(too_large()) });
        }
        let parts = match tokio::time::timeout(BODY_TIME, Bytes::from_request(request, calls)).await {
            Err(_) => Err(Problem::new(ProblemKind::TooSlow, "A request's body may take 20 seconds.")),
            Ok(Ok(bytes)) => Ok(Parts { headers, uri, bytes }),
            Ok(Err(rejection)) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => Err(too_large()),
            Ok(Err(_)) => Err(Problem::new(ProblemKind::NotUnderstood, "The body ended early.")),
        };
        Ok(Self { calls: calls.clone(), caller, parts })
    }
}

impl Parts {
    pub(super) fn body<T: serde::de::DeserializeOwned>(&self) -> Result<T, Problem> {
        parse::body(&self.headers, &self.bytes)
    }

    /// What tells a request that is sent again.
    pub(super) fn key(&self) -> Result<Option<String>, Problem> {
        parse::idempotency_key(&self.headers)
    }

    /// For what takes no body: none, or any JSON.
    pub(super) fn bare(&self, request: Request) -> Result<Request, Problem> {
        if !self.bytes.is_empty() {
            let _: serde::de::IgnoredAny = self.body()?;
        }
        Ok(request)
    }

    fn address(&self) -> Result<std::net::SocketAddr, Problem> {
        parse::address(&self.body::<api::AddressRequest>()?.address)
    }

    fn scope(&self) -> Result<Option<api::Scope>, Problem> {
        Query::read(&self.uri, &["scope"])?.scope()
    }

    /// When the private part locks by itself.
    fn lock_after(&self) -> Result<Request, Problem> {
        let choice: api::LockAfter = self.body()?;
        if choice.seconds.is_some_and(|seconds| !(1..=api::MAX_LOCK_AFTER).contains(&seconds)) {
            let words = "It locks after 1 to 86,400 seconds, or never (null).";
            return Err(Problem::new(ProblemKind::Invalid, words).about("seconds"));
        }
        Ok(Request::LockAfter(choice))
    }

    /// What is asked of the event stream: from where on, and whether with a snapshot.
    fn events(&self) -> Result<Request, Problem> {
        let query = Query::read(&self.uri, &["after", "snapshot"])?;
        let after = query.text("after").map(str::to_owned).or_else(|| parse::last_event_id(&self.headers));
        Ok(Request::Events { after, snapshot: query.flag("snapshot")? })
    }
}

impl Asking {
    pub(super) async fn with(self, parse: impl FnOnce(&Parts) -> Result<Request, Problem>) -> HttpResponse {
        match self.parts.and_then(|parts| parse(&parts)) {
            Err(problem) => refuse(&problem),
            Ok(request) => ask(&self.calls, self.caller, request).await,
        }
    }
}

pub(super) async fn ask(calls: &Calls, caller: Caller, request: Request) -> HttpResponse {
    let status = if Response::founded(&request) { StatusCode::CREATED } else { StatusCode::OK };
    let (answer, answered) = oneshot::channel();
    let going_down =
        || Problem::new(ProblemKind::GoingDown, "The daemon is going down; start it again with `betwixt up`.");
    if calls.send(Call { caller, request, answer }).await.is_err() {
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
        Response::Devices(body) => list(status, body),
        Response::Addresses(body) => list(status, body),
        Response::Here(body) => json(status, &body),
        Response::Sync(body) => json(status, &body),
        Response::Doctor(body) => list(status, body),
        Response::Items(body) => json(status, &body),
        Response::Item(body) => json(status, &body),
        Response::Saying(body) => json(status, &body),
        Response::Search(body) => json(status, &body),
        Response::Statistics(body) => json(status, &body),
        Response::Past(body) => past::write(status, body),
        Response::Frontend(body) => frontends::write(status, body),
        Response::Ways(body) => ways::write(status, body),
        Response::Seals(body) => json(status, &body),
        Response::Seal(body) => json(status, &body),
        Response::Calendar(body) => json(status, &body),
        Response::ToSettle(body) => json(status, &body),
        Response::BringChoices(body) => json(status, &body),
        Response::BringReport(body) => json(status, &body),
        Response::Chapters(body) => json(status, &body),
        Response::Verified(body) => json(status, &body),
        Response::Export(pieces) => with_type(status, "application/json", pieces.into_body()),
        Response::Carry(pieces) => with_type(status, api::CARRIED, pieces.into_body()),
        Response::Carried(body) => json(status, &body),
        Response::Backups(body) => list(status, body),
        Response::Backup(body) => json(status, &body),
        Response::Attachment(body) => attachments::write(status, body),
        Response::Restored(body) => json(status, &body),
        Response::Documents(body) => list(status, body),
        Response::Document(bytes) => with_type(status, api::AUTOMERGE, bytes.into()),
        Response::Events(events) => with_type(StatusCode::OK, "text/event-stream", events.into_body()),
    }
}

/// A list that is on one page.
pub(super) fn list<T: Serialize>(status: StatusCode, items: Vec<T>) -> HttpResponse {
    json(status, &api::Page::whole(items))
}

pub(super) fn json(status: StatusCode, body: &impl Serialize) -> HttpResponse {
    match serde_json::to_vec(body) {
        Ok(bytes) => with_type(status, "application/json", bytes.into()),
        Err(_) => refuse(&Problem::new(ProblemKind::Internal, "The answer could not be written as JSON.")),
    }
}

pub(super) fn refuse(problem: &Problem) -> HttpResponse {
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
