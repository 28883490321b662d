//! Routes, each with what it needs. There is no way to add one without saying so.

use axum::Router;
use axum::extract::{Request, State};
use axum::handler::Handler;
use axum::http::Method;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::{MethodFilter, on};
use betwixt_api::{Permission, Problem, ProblemKind};

use super::Caller;
use crate::http::routes::{Calls, refuse};

/// What a route needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// No token: it is one of the ways to get one.
    Nothing,
    /// All of these permissions.
    All(&'static [Permission]),
    /// To be the home's owner, over the Unix socket. No token is enough.
    Owner,
}

/// The ways to get a token.
pub(in crate::http) const ANYONE: Needs = Needs::Nothing;
/// What only reads.
pub(in crate::http) const READ: Needs = Needs::All(&[Permission::Read]);
/// What says something. Its answer shows what is there.
pub(in crate::http) const WRITE: Needs = Needs::All(&[Permission::Read, Permission::Write]);
/// What says something that has a private part.
pub(in crate::http) const WRITE_PRIVATE: Needs =
    Needs::All(&[Permission::Read, Permission::Write, Permission::Private]);
/// What reads or opens the private part itself.
pub(in crate::http) const PRIVATE: Needs = Needs::All(&[Permission::Read, Permission::Private]);
/// Devices, and where they are.
pub(in crate::http) const PAIR: Needs = Needs::All(&[Permission::Read, Permission::Pair]);
/// Everything at once.
pub(in crate::http) const EXPORT: Needs = Needs::All(&[Permission::Read, Permission::Export]);
/// What is the owner's own affair.
pub(in crate::http) const OWNER: Needs = Needs::Owner;

impl Needs {
    /// Whether a caller has what is needed; otherwise what is missing.
    fn check(self, caller: &Caller) -> Result<(), Problem> {
        let missing = match self {
            Self::Nothing => None,
            Self::All(_) | Self::Owner if matches!(caller, Caller::Anyone) => {
                let detail =
                    "Send the frontend's token: `Authorization: Bearer TOKEN`. `betwixt frontend add` makes one.";
                return Err(Problem::new(ProblemKind::NoToken, detail));
            }
            Self::All(permissions) => permissions.iter().find(|permission| !caller.may(**permission)),
            Self::Owner if matches!(caller, Caller::Owner) => None,
            Self::Owner => {
                let detail = "This is done with the `betwixt` command on this machine; no token is enough for it.";
                return Err(Problem::new(ProblemKind::NotPermitted, detail));
            }
        };
        missing.map_or(Ok(()), |missing| {
            let detail = format!("This needs the permission `{missing}`, which this frontend was not given.");
            Err(Problem::new(ProblemKind::NotPermitted, detail))
        })
    }
}

/// A route, as it was declared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declared {
    /// The method.
    pub method: Method,
    /// The path, with its parameters in braces.
    pub path: &'static str,
    /// What it needs.
    pub needs: Needs,
}

/// The routes of the API. Every one is guarded by what it declares.
#[derive(Debug, Default)]
pub(in crate::http) struct Routes {
    router: Router<Calls>,
    declared: Vec<Declared>,
}

impl Routes {
    pub(in crate::http) fn get<H: Handler<T, Calls>, T: 'static>(
        self,
        path: &'static str,
        needs: Needs,
        handler: H,
    ) -> Self {
        self.on(Method::GET, MethodFilter::GET, path, needs, handler)
    }

    pub(in crate::http) fn post<H: Handler<T, Calls>, T: 'static>(
        self,
        path: &'static str,
        needs: Needs,
        handler: H,
    ) -> Self {
        self.on(Method::POST, MethodFilter::POST, path, needs, handler)
    }

    pub(in crate::http) fn put<H: Handler<T, Calls>, T: 'static>(
        self,
        path: &'static str,
        needs: Needs,
        handler: H,
    ) -> Self {
        self.on(Method::PUT, MethodFilter::PUT, path, needs, handler)
    }

    pub(in crate::http) fn delete<H: Handler<T, Calls>, T: 'static>(
        self,
        path: &'static str,
        needs: Needs,
        handler: H,
    ) -> Self {
        self.on(Method::DELETE, MethodFilter::DELETE, path, needs, handler)
    }

    pub(in crate::http) fn merge(mut self, other: Self) -> Self {
        self.declared.extend(other.declared);
        Self { router: self.router.merge(other.router), declared: self.declared }
    }

    /// Every route that was declared.
    pub(in crate::http) fn declared(&self) -> &[Declared] {
        &self.declared
    }

    pub(in crate::http) fn into_router(self) -> Router<Calls> {
        self.router
    }

    fn on<H: Handler<T, Calls>, T: 'static>(
        mut self,
        method: Method,
        filter: MethodFilter,
        path: &'static str,
        needs: Needs,
        handler: H,
    ) -> Self {
        self.declared.push(Declared { method, path, needs });
        let guarded = on(filter, handler).route_layer(from_fn_with_state(needs, guard));
        Self { router: self.router.route(path, guarded), declared: self.declared }
    }
}

/// Lets through whoever has what is needed. Who it is was found out by what accepted the connection; when nothing did, it
/// is nobody.
async fn guard(State(needs): State<Needs>, request: Request, next: Next) -> Response {
    let caller = request.extensions().get::<Caller>().unwrap_or(&Caller::Anyone);
    match needs.check(caller) {
        Ok(()) => next.run(request).await,
        Err(problem) => refuse(&problem),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::body::Body;
    use axum::extract::Request;
    use axum::http::StatusCode;
    use tokio::sync::mpsc;
    use tower::ServiceExt;

    use super::*;
    use crate::http::access::{Frontend, Record, TokenHash};
    use crate::http::routes::{router, routes};

    fn frontend(permissions: impl IntoIterator<Item = Permission>) -> Caller {
        let record = Record {
            name: "test".into(),
            token: TokenHash::of("test"),
            permissions: permissions.into_iter().collect(),
            origins: Vec::new(),
            added: jiff::civil::date(2027, 3, 1),
            last_used: None,
        };
        Caller::Frontend(Arc::new(Frontend::new(&record, false)))
    }

    /// What comes of calling a route, of which the loop knows nothing.
    async fn status(declared: &Declared, caller: &Caller) -> StatusCode {
        let parts = declared.path.split('/').map(|part| if part.starts_with('{') { "x" } else { part });
        let mut request = Request::new(Body::empty());
        *request.method_mut() = declared.method.clone();
        *request.uri_mut() = parts.collect::<Vec<_>>().join("/").parse().expect("is a path");
        request.extensions_mut().insert(caller.clone());
        let (calls, _) = mpsc::channel(1);
        router(calls).oneshot(request).await.expect("answers").status()
    }

    #[tokio::test]
    async fn every_route_lets_through_whoever_has_what_it_declares_and_nobody_else() {
        let routes = routes();
        assert!(routes.declared().len() > 50);
        for declared in routes.declared() {
            let refused = match declared.needs {
                Needs::Nothing => {
                    assert_ne!(status(declared, &Caller::Anyone).await, StatusCode::UNAUTHORIZED, "{declared:?}");
                    continue;
                }
                Needs::Owner => vec![frontend(Permission::ALL)],
                Needs::All(needed) => {
                    assert!(!needed.is_empty(), "{declared:?} needs nothing and does not say so");
                    let exactly = frontend(needed.iter().copied());
                    assert_ne!(status(declared, &exactly).await, StatusCode::FORBIDDEN, "{declared:?}");
                    let without = |missing| frontend(Permission::ALL.into_iter().filter(|one| one != missing));
                    needed.iter().map(without).collect()
                }
            };
            for caller in &refused {
                assert_eq!(status(declared, caller).await, StatusCode::FORBIDDEN, "{declared:?} {caller:?}");
            }
            assert_eq!(status(declared, &Caller::Anyone).await, StatusCode::UNAUTHORIZED, "{declared:?}");
            assert_ne!(status(declared, &Caller::Owner).await, StatusCode::FORBIDDEN, "{declared:?}");
        }
    }

    #[tokio::test]
    async fn a_caller_whom_nobody_has_found_out_is_nobody() {
        let (calls, _) = mpsc::channel(1);
        let request = Request::get("/v1/status").body(Body::empty()).expect("is a request");
        assert_eq!(router(calls).oneshot(request).await.expect("answers").status(), StatusCode::UNAUTHORIZED);
    }
}
