//! Letting frontends in: what the loop does about them.

use std::fs;
use std::io::{self, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use betwixt_api as api;
use betwixt_api::{Problem, ProblemKind};
use jiff::Zoned;
use tokio::sync::oneshot;

use crate::answer::problem::file_problem;
use crate::http::access::{Change, Known, LOGIN_TIME, Record, Sent, TokenHash, no_frontend, random_token};
use crate::http::{Answer, FrontendRequest, FrontendResponse, Response};
use crate::open::Open;
use crate::writes::Write;

/// The file in the home's directory that leads a browser to the page.
const LOGIN_FILE: &str = "open.html";

/// Where `betwixt open` makes the daemon listen when nobody said where.
pub(crate) const ANY_PORT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

fn told(response: FrontendResponse) -> Response {
    Response::Frontend(response)
}

fn added(record: Record, token: api::Secret) -> (Record, api::AddedFrontend) {
    let frontend = record.shown(false, false);
    (record, api::AddedFrontend { frontend, token })
}

impl Open {
    /// Answers a request about frontends; those about where the daemon listens are the daemon's.
    pub(crate) fn frontend(&mut self, request: FrontendRequest, answer: oneshot::Sender<Answer>, now: Instant) {
        let outcome = match request {
            FrontendRequest::List => Ok(told(FrontendResponse::List(self.frontends.shown()))),
            FrontendRequest::Add { key, new } => match self.add(&new, key.as_deref(), now) {
                Ok((record, added)) => {
                    let added = told(FrontendResponse::Added(added));
                    return self.change_frontends(Change::Add(record), added, answer);
                }
                Err(problem) => Err(problem),
            },
            FrontendRequest::Revoke(name) if self.frontends.revoke(&name) => {
                self.told.over(&name);
                return self.change_frontends(Change::Remove(name), Response::Done, answer);
            }
            FrontendRequest::Revoke(_) => Err(no_frontend()),
            FrontendRequest::Bridge(name, Some(address)) => match self.frontends.bridging(&name) {
                Some(frontend) => {
                    let secret = random_token(&mut self.rng);
                    let change = Change::Bridge(name, Some(TokenHash::of(secret.reveal())));
                    let url = format!("ws://{address}/bridge/{}", secret.reveal()).into();
                    let bridge = told(FrontendResponse::Bridge(api::FrontendBridge { frontend, url }));
                    return self.change_frontends(change, bridge, answer);
                }
                None => Err(no_frontend()),
            },
            FrontendRequest::Bridge(..) => Err(Problem::new(
                ProblemKind::Invalid,
                "Betwixt listens on no port, and a bridge is reached by one: run `betwixt frontend listen 127.0.0.1:4714`.",
            )),
            FrontendRequest::EndBridge(name) if self.frontends.end_bridge(&name) => {
                return self.change_frontends(Change::Bridge(name, None), Response::Done, answer);
            }
            FrontendRequest::EndBridge(_) => {
                Err(Problem::new(ProblemKind::NotFound, "There is no frontend of that name that has a bridge."))
            }
            FrontendRequest::Ask(new) => self.ask(new, now),
            FrontendRequest::Approve(approval) => self.approve(&approval, now),
            FrontendRequest::Claim(secret) => match self.claim(&secret, now) {
                Ok(Some((record, added))) => {
                    let claimed = told(FrontendResponse::Claimed(api::Claimed::Approved(added)));
                    return self.change_frontends(Change::Add(record), claimed, answer);
                }
                Ok(None) => Ok(told(FrontendResponse::Claimed(api::Claimed::Waiting))),
                Err(problem) => Err(problem),
            },
            FrontendRequest::LoginToken(code) => self.log_in(&code, now),
            FrontendRequest::Listen(_) | FrontendRequest::Login => {
                Err(Problem::new(ProblemKind::Internal, "That is not asked of an open home."))
            }
        };
        // Whoever asked may be gone.
        let _ = answer.send(outcome);
    }

    /// Writes a change down, and answers once it is on disk.
    fn change_frontends(&mut self, change: Change, response: Response, answer: oneshot::Sender<Answer>) {
        self.engine.write(Write::Frontends(change, Some((answer, Box::new(Ok(response))))));
    }

    /// A frontend was used: a day is written down, and no more than that.
    pub(crate) fn frontend_used(&mut self, name: &str) {
        self.told.over(name);
        let today = Zoned::now().date();
        if self.frontends.used(name, today) {
            self.engine.write(Write::Frontends(Change::Used(name.to_owned(), today), None));
        }
    }

    fn ask(&mut self, new: api::NewFrontend, now: Instant) -> Answer {
        // What would be refused in the end is refused at once; the token is made when it is claimed.
        self.frontends.accept(&new, TokenHash::of(""), Zoned::now().date())?;
        self.requests.ask(new, now, &mut self.rng).map(|asked| told(FrontendResponse::Asked(asked)))
    }

    fn approve(&mut self, approval: &api::ApproveFrontend, now: Instant) -> Answer {
        let asked = match &approval.permissions {
            None => self.requests.asked(&approval.code, now)?,
            Some(granted) => self.requests.approve(&approval.code, granted.clone(), now)?,
        };
        Ok(told(FrontendResponse::Approved(asked.clone())))
    }

    fn add(
        &mut self,
        new: &api::NewFrontend,
        key: Option<&str>,
        now: Instant,
    ) -> Result<(Record, api::AddedFrontend), Problem> {
        let refused = |detail| Err(Problem::new(ProblemKind::Invalid, detail).about(api::IDEMPOTENCY_KEY));
        let sent = key.map(Sent::with_key);
        match sent.map_or(Known::New, |sent| self.told.known(sent, Some(new), now)) {
            Known::New => {}
            Known::Answered(record, token) => return Ok(added(record, token)),
            Known::Another => {
                return refused("This Idempotency-Key was sent with another request; a new request needs a new one.");
            }
            Known::Over => {
                return refused(
                    "This was done already, and its token was used or revoked since; a new request needs a new key.",
                );
            }
        }
        let token = random_token(&mut self.rng);
        let record = self.frontends.accept(new, TokenHash::of(token.reveal()), Zoned::now().date())?;
        if let Some(sent) = sent {
            self.told.tell(sent, new, &record, &token, now);
        }
        Ok(added(record, token))
    }

    fn claim(&mut self, secret: &api::Secret, now: Instant) -> Result<Option<(Record, api::AddedFrontend)>, Problem> {
        let sent = Sent::with_secret(secret);
        if let Known::Answered(record, token) = self.told.known(sent, None, now) {
            return Ok(Some(added(record, token)));
        }
        let Some(granted) = self.requests.granted(secret, now)? else { return Ok(None) };
        let token = random_token(&mut self.rng);
        let record = self.frontends.accept(granted, TokenHash::of(token.reveal()), Zoned::now().date())?;
        self.told.tell(sent, granted, &record, &token, now);
        self.requests.done(secret);
        Ok(Some(added(record, token)))
    }

    /// Makes the file that leads a browser to the page at this address.
    pub(crate) fn begin_login(&mut self, home: &Path, address: SocketAddr, now: Instant) -> Answer {
        let page = format!("http://{address}/");
        let code = self.requests.begin_login(now, &mut self.rng);
        let file = home.join(LOGIN_FILE);
        write_login_file(&file, &page, &code).map_err(|error| file_problem(&error))?;
        let login = api::Login { file: file.display().to_string(), page, seconds: LOGIN_TIME.as_secs() };
        Ok(told(FrontendResponse::Login(login)))
    }

    fn log_in(&mut self, code: &api::Secret, now: Instant) -> Answer {
        if !self.requests.end_login(code, now) {
            let detail = "The code is not good, or no longer: run `betwixt open` once more.";
            return Err(Problem::new(ProblemKind::NotFound, detail));
        }
        self.end_logins(now);
        let token = random_token(&mut self.rng);
        let frontend = self.frontends.open_page(TokenHash::of(token.reveal()), Zoned::now().date());
        Ok(told(FrontendResponse::Added(api::AddedFrontend { frontend, token })))
    }

    /// Takes the file away when no code in it is good any more.
    pub(crate) fn end_logins(&mut self, now: Instant) {
        if self.requests.no_login_waits(now) {
            forget_login_file(self.house.home.path());
        }
    }
}

/// Takes away what leads a browser to the page, also what an earlier daemon has left.
pub(crate) fn forget_login_file(home: &Path) {
    match fs::remove_file(home.join(LOGIN_FILE)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(%error, "the file that opens the page could not be removed");
        }
        _ => {}
    }
}

/// For its owner alone, and never through a link that somebody put in its place.
fn write_login_file(path: &PathBuf, page: &str, code: &api::Secret) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = fs::File::options().create_new(true).write(true).mode(0o600).open(path)?;
    // After `#` it is not sent to anybody and stands in no log: only the page reads it. Its characters need no escaping.
    let to = format!("{page}#{}", code.reveal());
    let html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta name=\"referrer\" content=\"no-referrer\">\n\
         <meta http-equiv=\"refresh\" content=\"0; url={to}\">\n<title>Betwixt</title>\n<p><a href=\"{to}\">Open Betwixt</a></p>\n</html>\n"
    );
    file.write_all(html.as_bytes())
}
