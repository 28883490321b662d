//! Tokens that were told, for whoever did not hear it: the same request, sent again, is told the same one for a while.
//!
//! Only in memory, since of a token nothing but a hash is kept; and only until it is used for the first time, which shows that
//! it was heard.

use std::time::{Duration, Instant};

use betwixt_api::{NewFrontend, Secret};

use super::Record;
use super::token::TokenHash;

/// For how long a token is told again.
const TOLD_TIME: Duration = Duration::from_secs(600);

/// How many of them are remembered; the oldest goes first.
const MAX_TOLD: usize = 16;

/// What names a request that is sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sent(TokenHash);

impl Sent {
    /// By its idempotency key. Only the home's owner sends one, so nobody else can try keys out.
    pub(crate) fn with_key(key: &str) -> Self {
        Self(TokenHash::of(&format!("key {key}")))
    }

    /// By the secret of a request to be let in.
    pub(crate) fn with_secret(secret: &Secret) -> Self {
        Self(TokenHash::of(&format!("secret {}", secret.reveal())))
    }
}

/// Tokens that were told.
#[derive(Debug, Default)]
pub(crate) struct Told(Vec<Telling>);

#[derive(Debug)]
struct Telling {
    sent: Sent,
    asked: NewFrontend,
    record: Record,
    /// `None` once it was used or revoked.
    token: Option<Secret>,
    until: Instant,
}

/// What is known of a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// Nothing.
    New,
    /// It was answered so.
    Answered(Record, Secret),
    /// Its token was used or revoked since.
    Over,
    /// Something else was asked for.
    Another,
}

impl Told {
    /// A token is being told.
    pub(crate) fn tell(&mut self, sent: Sent, asked: &NewFrontend, record: &Record, token: &Secret, now: Instant) {
        let (asked, record, token) = (asked.clone(), record.clone(), Some(token.clone()));
        self.0.push(Telling { sent, asked, record, token, until: now + TOLD_TIME });
        let beyond = self.0.len().saturating_sub(MAX_TOLD);
        self.0.drain(..beyond);
    }

    /// What is known of a request that asks for this; for whatever it asks, when that does not matter.
    pub(crate) fn known(&mut self, sent: Sent, asked: Option<&NewFrontend>, now: Instant) -> Known {
        self.forget(now);
        match self.0.iter().find(|telling| telling.sent == sent) {
            None => Known::New,
            Some(telling) if asked.is_some_and(|asked| *asked != telling.asked) => Known::Another,
            Some(Telling { token: None, .. }) => Known::Over,
            Some(Telling { token: Some(token), record, .. }) => Known::Answered(record.clone(), token.clone()),
        }
    }

    /// When the next one is to be forgotten.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.0.iter().map(|telling| telling.until).min()
    }

    /// Forgets those whose time is over.
    pub(crate) fn forget(&mut self, now: Instant) {
        self.0.retain(|telling| telling.until > now);
    }

    /// The frontend of this name has used its token, or was revoked.
    pub(crate) fn over(&mut self, name: &str) {
        for telling in self.0.iter_mut().filter(|telling| telling.record.name == name) {
            telling.token = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use betwixt_api::Permission;

    use super::*;

    fn asked(name: &str) -> NewFrontend {
        NewFrontend { name: name.into(), permissions: [Permission::Read].into_iter().collect(), origins: Vec::new() }
    }

    fn record(name: &str) -> Record {
        Record {
            name: name.into(),
            token: TokenHash::of(name),
            permissions: vec![Permission::Read],
            origins: Vec::new(),
            added: jiff::civil::date(2027, 3, 1),
            last_used: None,
        }
    }

    #[test]
    fn a_request_is_answered_again_until_its_token_is_used_and_for_a_while() {
        let (now, token) = (Instant::now(), Secret::from("betwixt_token".to_owned()));
        let (sent, mut told) = (Sent::with_key("k"), Told::default());
        assert_eq!(told.known(sent, Some(&asked("notes")), now), Known::New);
        told.tell(sent, &asked("notes"), &record("notes"), &token, now);
        let answered = Known::Answered(record("notes"), token.clone());
        assert_eq!(told.known(sent, Some(&asked("notes")), now), answered);
        assert_eq!(told.known(sent, Some(&asked("other")), now), Known::Another);
        assert_eq!(told.known(Sent::with_key("l"), Some(&asked("notes")), now), Known::New);
        assert_eq!(told.known(Sent::with_secret(&Secret::from("k".to_owned())), None, now), Known::New);
        told.over("other");
        assert_eq!(told.known(sent, None, now), answered);
        told.over("notes");
        assert_eq!(told.known(sent, None, now), Known::Over);
        assert_eq!(told.poll_timeout(), Some(now + TOLD_TIME));
        told.forget(now + TOLD_TIME);
        assert_eq!(told.poll_timeout(), None);
        assert_eq!(told.known(sent, None, now), Known::New);
    }

    #[test]
    fn few_are_remembered() {
        let (now, mut told) = (Instant::now(), Told::default());
        for number in 0..=MAX_TOLD {
            let name = number.to_string();
            told.tell(Sent::with_key(&name), &asked(&name), &record(&name), &Secret::from(name.clone()), now);
        }
        assert_eq!(told.known(Sent::with_key("0"), None, now), Known::New);
        assert!(matches!(told.known(Sent::with_key("1"), None, now), Known::Answered(..)));
    }
}
