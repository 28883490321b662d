//! Where frontends reach the daemon, and how a page comes in.

use std::net::SocketAddr;
use std::time::Instant;

use betwixt_api as api;
use betwixt_api::{Problem, ProblemKind};
use betwixt_model::document::Scope;
use tokio::sync::oneshot;

use super::{Daemon, State};
use crate::answer::problem::sentence;
use crate::frontends;
use crate::http::{Answer, Doors, FrontendRequest, FrontendResponse, Listening, Registry, Response};
use crate::open::LISTEN;
use crate::writes::Write;

impl Daemon {
    pub(super) fn frontend(&mut self, request: FrontendRequest, answer: oneshot::Sender<Answer>, now: Instant) {
        if !matches!(self.state, State::Open(_)) {
            return drop(answer.send(Err(self.not_open())));
        }
        let outcome = match request {
            FrontendRequest::Listen(address) => match self.listen(address) {
                Ok(shown) => {
                    let State::Open(open) = &mut self.state else { return };
                    let told = Response::Frontend(FrontendResponse::Listening(shown));
                    return open.engine.write(Write::Listen(address, answer, Box::new(Ok(told))));
                }
                Err(problem) => Err(problem),
            },
            FrontendRequest::Login => self.begin_login(now),
            FrontendRequest::Bridge(name, _) => {
                let address = self.listening.as_ref().map(Listening::address);
                let State::Open(open) = &mut self.state else { return };
                return open.frontend(FrontendRequest::Bridge(name, address), answer, now);
            }
            request => {
                let State::Open(open) = &mut self.state else { return };
                return open.frontend(request, answer, now);
            }
        };
        // Whoever asked may be gone.
        let _ = answer.send(outcome);
    }

    /// Listens at this address instead of the one before, or at none.
    pub(super) fn listen(&mut self, address: Option<SocketAddr>) -> Result<api::Listen, Problem> {
        let present = self.listening.as_ref().map(Listening::address);
        if present != address || address.is_none() {
            let new = address.map(|address| listen(address, &self.doors, &self.registry)).transpose();
            self.listening =
                new.map_err(|error| Problem::new(ProblemKind::Invalid, sentence(&error)).about("address"))?;
        }
        Ok(api::Listen { address: self.listening.as_ref().map(|listening| listening.address().to_string()) })
    }

    /// Listens where the home's setting says, unless the command line said where.
    pub(super) fn listen_as_set(&mut self) {
        let State::Open(open) = &mut self.state else { return };
        if self.listening.is_some() {
            return;
        }
        let set = open.house.store.read().and_then(|view| view.reader().setting::<Option<String>>(Scope::Ours, LISTEN));
        let Ok(Some(Some(address))) = set else { return };
        let listening = address.parse().map(|address| listen(address, &self.doors, &self.registry));
        match listening {
            Ok(Ok(listening)) => self.listening = Some(listening),
            Ok(Err(error)) => {
                open.trouble(&format!("{} Frontends reach Betwixt over its socket alone.", sentence(&error)))
            }
            Err(_) => tracing::warn!("the setting that says where to listen is no address"),
        }
    }

    pub(super) fn begin_login(&mut self, now: Instant) -> Answer {
        if self.listening.is_none() {
            self.listen(Some(frontends::ANY_PORT))?;
        }
        let (Some(listening), State::Open(open)) = (&self.listening, &mut self.state) else {
            return Err(self.not_open());
        };
        open.begin_login(&self.options.home, listening.address(), now)
    }
}

/// Why the daemon does not listen where it should.
#[derive(Debug, thiserror::Error)]
#[error("frontends cannot be let in at {address}: {source}")]
pub(super) struct ListenError {
    address: SocketAddr,
    source: std::io::Error,
}

pub(super) fn listen(address: SocketAddr, doors: &Doors, registry: &Registry) -> Result<Listening, ListenError> {
    Listening::begin(address, doors, registry.clone()).map_err(|source| ListenError { address, source })
}
