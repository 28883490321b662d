//! What stands before the API on a TCP port, which every program and every page on this machine can reach.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use betwixt_api::{Problem, ProblemKind};

use super::origin::OwnNames;
use super::rate::Rate;
use super::revocable::Revocable;
use super::{Bridged, Caller, Registry};
use crate::http::bridge;
use crate::http::routes::refuse;

/// How many wrong tokens are looked at at once, and how soon one more.
const WRONG_TOKENS: (u32, Duration) = (20, Duration::from_secs(1));

/// How often somebody without a token may ask for something at once, and how soon once more.
const WITHOUT_TOKEN: (u32, Duration) = (30, Duration::from_millis(500));

/// For how long a browser may remember the answer to a preflight, in seconds.
const PREFLIGHT_AGE: &str = "600";

/// What the paths of the API begin with.
const API: &str = "/v1/";

/// What pages of other origins may send along.
const ALLOWED_HEADERS: &str = "authorization, content-type, idempotency-key, last-event-id";

const PRIVATE_NETWORK_ASKED: HeaderName = HeaderName::from_static("access-control-request-private-network");
const PRIVATE_NETWORK: HeaderName = HeaderName::from_static("access-control-allow-private-network");
const SAME_ORIGIN_RESOURCE: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The gate of one port.
#[derive(Debug)]
pub(in crate::http) struct Gate {
    own: OwnNames,
    registry: Registry,
    wrong: Rate,
    without: Rate,
}

/// Whom the gate lets through.
struct Admitted {
    caller: Caller,
    /// The origin of the frontend's page, to be named in the answer.
    origin: Option<HeaderValue>,
}

/// Why somebody is not let through.
struct Refused {
    problem: Problem,
    /// When to try again.
    after: Option<Duration>,
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self { problem, after: None }
    }
}

impl Gate {
    pub(in crate::http) fn new(own: OwnNames, registry: Registry, now: Instant) -> Self {
        let rate = |(most, every)| Rate::new(most, every, now);
        Self { own, registry, wrong: rate(WRONG_TOKENS), without: rate(WITHOUT_TOKEN) }
    }

    /// Against DNS rebinding: a page of a name that was made to mean this machine sends that name.
    fn check_host(&self, request: &Request) -> Result<(), Problem> {
        let named = one(request.headers(), &header::HOST)
            .is_ok_and(|host| host.is_some_and(|host| self.own.is_host(host.as_bytes())));
        let authority = request.uri().authority();
        if named && authority.is_none_or(|authority| self.own.is_host(authority.as_str().as_bytes())) {
            return Ok(());
        }
        Err(Problem::new(
            ProblemKind::ForeignHost,
            "The Host is not this daemon: use 127.0.0.1, [::1] or localhost, with the port.",
        ))
    }

    /// Answers what a browser asks before it lets a page of another origin send something.
    fn preflight(&self, request: &Request) -> Result<Response, Refused> {
        let headers = request.headers();
        let origin = one(headers, &header::ORIGIN)?.ok_or_else(foreign_origin)?;
        if !headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
            || !self.registry.knows_origin(origin.as_bytes())?
        {
            return Err(foreign_origin().into());
        }
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let answer = response.headers_mut();
        let fixed = HeaderValue::from_static;
        answer.insert(header::ACCESS_CONTROL_ALLOW_METHODS, fixed("GET, POST, PUT, DELETE"));
        answer.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, fixed(ALLOWED_HEADERS));
        answer.insert(header::ACCESS_CONTROL_MAX_AGE, fixed(PREFLIGHT_AGE));
        if headers.contains_key(PRIVATE_NETWORK_ASKED) {
            answer.insert(PRIVATE_NETWORK, fixed("true"));
        }
        allow(answer, origin.clone());
        Ok(response)
    }

    /// Finds out who calls, and whether a page may call from where it is.
    fn admit(&self, request: &Request, now: Instant) -> Result<Admitted, Refused> {
        let headers = request.headers();
        if !request.uri().path().starts_with(API) {
            // A page of the daemon's own, that shows nothing of the home: any link may lead there.
            return Ok(Admitted { caller: Caller::Anyone, origin: None });
        }
        let origin = one(headers, &header::ORIGIN)?;
        let caller = self.caller(headers, now)?;
        let frontend = match &caller {
            Caller::Frontend(frontend) => Some(frontend),
            Caller::Owner | Caller::Anyone => None,
        };
        // The daemon's own pages have tokens of their own; another frontend's token is of no use there.
        let own_page = frontend.is_none_or(|frontend| frontend.is_page());
        if let Some(origin) = origin {
            if own_page && self.own.is_origin(origin.as_bytes()) {
                return Ok(Admitted { caller, origin: None });
            }
            if frontend.is_some_and(|frontend| frontend.has_origin(origin.as_bytes())) {
                return Ok(Admitted { caller, origin: Some(origin.clone()) });
            }
            return Err(foreign_origin().into());
        }
        // A page that sends no origin is of the same one, or sends what a form or an image could send.
        let site = headers.get(FETCH_SITE).map(HeaderValue::as_bytes);
        if site.is_some_and(|site| site != b"same-origin" && site != b"none") {
            return Err(foreign_origin().into());
        }
        let referer = one(headers, &header::REFERER)?.map(HeaderValue::as_bytes);
        if referer.is_some_and(|referer| !self.own.is_referer(referer)) {
            return Err(foreign_origin().into());
        }
        Ok(Admitted { caller, origin: None })
    }

    /// Finds out whose bridge a path is. The published adapter can send nothing but its URL; so a program that is no page has
    /// no origin, and a page has one that the frontend was let in with.
    fn admit_bridge(&self, secret: &str, headers: &HeaderMap, now: Instant) -> Result<Bridged, Refused> {
        let origin = one(headers, &header::ORIGIN)?;
        let Some(bridged) = self.registry.find_bridge(secret)? else {
            self.wrong.take(now).map_err(slow)?;
            let detail = "This bridge is not known, or was ended. `betwixt frontend bridge` makes one.";
            return Err(Problem::new(ProblemKind::NoToken, detail).into());
        };
        match origin {
            Some(origin) if !bridged.frontend.has_origin(origin.as_bytes()) => Err(foreign_origin().into()),
            _ => Ok(bridged),
        }
    }

    fn caller(&self, headers: &HeaderMap, now: Instant) -> Result<Caller, Refused> {
        let Some(authorization) = one(headers, &header::AUTHORIZATION)? else {
            self.without.take(now).map_err(slow)?;
            return Ok(Caller::Anyone);
        };
        let token = authorization.to_str().ok().and_then(|text| text.split_once(' '));
        let token = token.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, token)| token.trim());
        match token.map(|token| self.registry.find(token)).transpose()?.flatten() {
            Some(frontend) => Ok(Caller::Frontend(frontend)),
            None => {
                self.wrong.take(now).map_err(slow)?;
                let detail = "The token is not known, or was revoked. `betwixt frontend add` makes one.";
                Err(Problem::new(ProblemKind::NoToken, detail).into())
            }
        }
    }
}

/// Lets requests through that may come in, and marks every answer.
pub(in crate::http) async fn enter(State(gate): State<Arc<Gate>>, mut request: Request, next: Next) -> Response {
    let mut response = match gate.check_host(&request) {
        Err(problem) => refuse(&problem),
        Ok(()) if request.method() == Method::OPTIONS => gate.preflight(&request).unwrap_or_else(refused),
        Ok(()) if request.uri().path().starts_with(bridge::PATH) => {
            let secret = request.uri().path().strip_prefix(bridge::PATH).unwrap_or_default();
            match gate.admit_bridge(secret, request.headers(), Instant::now()) {
                Err(why) => refused(why),
                Ok(bridged) => {
                    request.extensions_mut().insert(bridged);
                    next.run(request).await
                }
            }
        }
        Ok(()) => match gate.admit(&request, Instant::now()) {
            Err(why) => refused(why),
            Ok(Admitted { caller, origin }) => {
                let frontend = match &caller {
                    Caller::Frontend(frontend) => Some(Arc::clone(frontend)),
                    Caller::Owner | Caller::Anyone => None,
                };
                request.extensions_mut().insert(caller);
                let mut response = next.run(request).await;
                if let Some(frontend) = frontend {
                    response = response.map(|body| Body::new(Revocable::new(body, frontend.revoked().clone())));
                }
                if let Some(origin) = origin {
                    allow(response.headers_mut(), origin);
                }
                response
            }
        },
    };
    let fixed = HeaderValue::from_static;
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, fixed("nosniff"));
    headers.insert(header::CACHE_CONTROL, fixed("no-store"));
    headers.insert(header::REFERRER_POLICY, fixed("no-referrer"));
    headers.insert(SAME_ORIGIN_RESOURCE, fixed("same-origin"));
    if response.status() == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, fixed("Bearer"));
    }
    response
}

fn slow(after: Duration) -> Refused {
    let problem = Problem::new(ProblemKind::TooMany, "Too many tries without a token that is known: wait a little.");
    Refused { problem, after: Some(after) }
}

fn refused(why: Refused) -> Response {
    let mut response = refuse(&why.problem);
    if let Some(after) = why.after {
        let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// Lets a page of this origin read the answer.
fn allow(headers: &mut HeaderMap, origin: HeaderValue) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(header::VARY, HeaderValue::from_static("origin"));
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("retry-after"));
}

fn foreign_origin() -> Problem {
    let detail =
        "Pages of this origin are not let in: `betwixt frontend add NAME --origin ORIGIN` lets a frontend's pages in.";
    Problem::new(ProblemKind::ForeignOrigin, detail)
}

/// The only value of a header. Several would let two readers see different ones.
fn one<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h HeaderValue>, Problem> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (value, None) => Ok(value),
        (_, Some(_)) => Err(Problem::new(ProblemKind::NotUnderstood, format!("There is more than one {name}."))),
    }
}
