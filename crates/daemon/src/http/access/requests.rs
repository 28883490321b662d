//! Frontends that ask to be let in, and pages that are being opened: what waits for a person, for a while, in memory.

use std::time::{Duration, Instant};

use betwixt_api::{self as api, Problem, ProblemKind, Secret};
use rand_core::{CryptoRng, RngCore};

use super::token::{self, TokenHash};

/// For how long a request waits for the person.
pub(crate) const REQUEST_TIME: Duration = Duration::from_secs(600);

/// For how long the file is good that opens a page.
pub(crate) const LOGIN_TIME: Duration = Duration::from_secs(60);

/// How many requests wait at most.
const MAX_REQUESTS: usize = 8;

/// How many pages are being opened at most; the oldest goes first.
const MAX_LOGINS: usize = 8;

/// The letters of a code (Crockford's base 32): none is easily taken for another.
const LETTERS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// How many letters a code has. It only tells requests apart, of which there are [`MAX_REQUESTS`]; whoever types it has seen
/// it on the frontend.
const CODE: usize = 6;

/// What waits.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    requests: Vec<Request>,
    logins: Vec<(TokenHash, Instant)>,
}

#[derive(Debug)]
struct Request {
    code: String,
    secret: TokenHash,
    asked: api::NewFrontend,
    approved: bool,
    until: Instant,
}

impl Requests {
    /// A frontend asks.
    ///
    /// # Errors
    /// [`ProblemKind::TooMany`] when too many wait already.
    pub(crate) fn ask(
        &mut self,
        asked: api::NewFrontend,
        now: Instant,
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Result<api::FrontendRequest, Problem> {
        self.forget(now);
        if self.requests.len() >= MAX_REQUESTS {
            return Err(Problem::new(
                ProblemKind::TooMany,
                "Too many frontends wait to be approved: try again in ten minutes.",
            ));
        }
        let code = loop {
            let code = code(rng);
            if self.requests.iter().all(|request| request.code != code) {
                break code;
            }
        };
        let secret = token::random(rng);
        let hash = TokenHash::of(secret.reveal());
        self.requests.push(Request {
            code: code.clone(),
            secret: hash,
            asked,
            approved: false,
            until: now + REQUEST_TIME,
        });
        Ok(api::FrontendRequest { code, secret, seconds: REQUEST_TIME.as_secs() })
    }

    /// What the request with this code asks for.
    ///
    /// # Errors
    /// [`ProblemKind::NotFound`].
    pub(crate) fn asked(&mut self, code: &str, now: Instant) -> Result<&api::NewFrontend, Problem> {
        self.by_code(code, now).map(|request| &request.asked)
    }

    /// A person approved the request with this code, with no more than it asked for.
    ///
    /// # Errors
    /// [`ProblemKind::NotFound`], [`ProblemKind::Invalid`].
    pub(crate) fn approve(
        &mut self,
        code: &str,
        granted: api::Permissions,
        now: Instant,
    ) -> Result<&api::NewFrontend, Problem> {
        let request = self.by_code(code, now)?;
        if let Some(more) = granted.iter().find(|permission| !request.asked.permissions.has(*permission)) {
            let detail = format!("It did not ask for `{more}`; less than it asked for can be granted, not more.");
            return Err(Problem::new(ProblemKind::Invalid, detail).about("permissions"));
        }
        request.asked.permissions = granted;
        request.approved = true;
        Ok(&request.asked)
    }

    /// The frontend asks with its secret: what it was granted, if it was.
    ///
    /// # Errors
    /// [`ProblemKind::NotFound`].
    pub(crate) fn granted(&mut self, secret: &Secret, now: Instant) -> Result<Option<&api::NewFrontend>, Problem> {
        self.forget(now);
        let hash = TokenHash::of(secret.reveal());
        let request = self.requests.iter().find(|request| request.secret == hash);
        let request = request.ok_or_else(|| {
            Problem::new(ProblemKind::NotFound, "Nothing was asked for with that secret, or too long ago: ask again.")
        })?;
        Ok(request.approved.then_some(&request.asked))
    }

    /// The frontend of this secret has got its token.
    pub(crate) fn done(&mut self, secret: &Secret) {
        let hash = TokenHash::of(secret.reveal());
        self.requests.retain(|request| request.secret != hash);
    }

    /// A code for a page that is being opened.
    pub(crate) fn begin_login(&mut self, now: Instant, rng: &mut (impl RngCore + CryptoRng)) -> Secret {
        self.forget(now);
        let code = token::random(rng);
        self.logins.push((TokenHash::of(code.reveal()), now + LOGIN_TIME));
        let beyond = self.logins.len().saturating_sub(MAX_LOGINS);
        self.logins.drain(..beyond);
        code
    }

    /// Uses a code up. Whether it was good.
    pub(crate) fn end_login(&mut self, code: &Secret, now: Instant) -> bool {
        self.forget(now);
        let (hash, before) = (TokenHash::of(code.reveal()), self.logins.len());
        self.logins.retain(|(known, _)| *known != hash);
        self.logins.len() < before
    }

    /// Whether no page is being opened.
    pub(crate) fn no_login_waits(&mut self, now: Instant) -> bool {
        self.forget(now);
        self.logins.is_empty()
    }

    /// When the next page's code ends.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.logins.iter().map(|(_, until)| *until).min()
    }

    fn by_code(&mut self, code: &str, now: Instant) -> Result<&mut Request, Problem> {
        self.forget(now);
        let typed = letters_of(code);
        self.requests.iter_mut().find(|request| letters_of(&request.code) == typed).ok_or_else(|| {
            Problem::new(ProblemKind::NotFound, "No frontend waits with that code. A code is good for ten minutes.")
        })
    }

    fn forget(&mut self, now: Instant) {
        self.requests.retain(|request| request.until > now);
        self.logins.retain(|(_, until)| *until > now);
    }
}

/// A code as it is shown: two groups.
fn code(rng: &mut impl RngCore) -> String {
    let mut letters = [0; CODE];
    rng.fill_bytes(&mut letters);
    let letters = letters.map(|byte| char::from(LETTERS[usize::from(byte) % LETTERS.len()]));
    let (first, second) = letters.split_at(CODE / 2);
    format!("{}-{}", first.iter().collect::<String>(), second.iter().collect::<String>())
}

/// A code without what people add to it, or take for something else.
fn letters_of(code: &str) -> String {
    let letters = code.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_uppercase());
    let meant = letters.map(|letter| match letter {
        'O' => '0',
        'I' | 'L' => '1',
        letter => letter,
    });
    meant.collect()
}

#[cfg(test)]
mod tests {
    use betwixt_api::{Permission, Permissions};
    use rand_core::OsRng;

    use super::*;

    fn asked() -> api::NewFrontend {
        let permissions = [Permission::Read, Permission::Write].into_iter().collect();
        api::NewFrontend { name: "phone".into(), permissions, origins: Vec::new() }
    }

    #[test]
    fn a_request_is_granted_to_its_secret_once_a_person_typed_its_code() {
        let now = Instant::now();
        let mut requests = Requests::default();
        let told = requests.ask(asked(), now, &mut OsRng).expect("has room");
        let other = requests.ask(asked(), now, &mut OsRng).expect("has room");
        assert_eq!(requests.granted(&told.secret, now), Ok(None));
        assert_eq!(requests.asked(&told.code, now), Ok(&asked()));
        let read: Permissions = [Permission::Read].into_iter().collect();
        let more = requests.approve(&told.code, Permissions::all(), now).expect_err("is more than was asked for");
        assert_eq!(more.field.as_deref(), Some("permissions"));
        requests.approve("nothing", read.clone(), now).expect_err("is no code");
        // As people type.
        let typed = format!(" {} ", told.code.to_lowercase().replace('-', " ").replace('0', "o").replace('1', "l"));
        requests.approve(&typed, read.clone(), now).expect("is known");
        assert_eq!(
            requests.granted(&told.secret, now).expect("is known").map(|granted| &granted.permissions),
            Some(&read)
        );
        assert_eq!(requests.granted(&other.secret, now), Ok(None));
        requests.granted(&Secret::from("guessed".to_owned()), now).expect_err("is not known");
        requests.done(&told.secret);
        requests.granted(&told.secret, now).expect_err("was given its token");
    }

    #[test]
    fn few_wait_and_not_for_ever() {
        let now = Instant::now();
        let mut requests = Requests::default();
        let first = requests.ask(asked(), now, &mut OsRng).expect("has room");
        for _ in 1..MAX_REQUESTS {
            requests.ask(asked(), now, &mut OsRng).expect("has room");
        }
        assert_eq!(requests.ask(asked(), now, &mut OsRng).expect_err("has none").kind, ProblemKind::TooMany);
        let later = now + REQUEST_TIME;
        requests.approve(&first.code, Permissions::default(), later).expect_err("is too late");
        requests.ask(asked(), later, &mut OsRng).expect("has room again");
    }

    #[test]
    fn a_login_code_is_good_once_and_for_a_minute() {
        let now = Instant::now();
        let mut requests = Requests::default();
        let (one, two) = (requests.begin_login(now, &mut OsRng), requests.begin_login(now, &mut OsRng));
        assert!(requests.end_login(&one, now));
        assert!(!requests.end_login(&one, now));
        assert!(!requests.no_login_waits(now));
        assert_eq!(requests.poll_timeout(), Some(now + LOGIN_TIME));
        assert!(!requests.end_login(&two, now + LOGIN_TIME));
        assert!(requests.no_login_waits(now + LOGIN_TIME));
    }
}
