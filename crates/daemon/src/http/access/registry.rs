//! The frontends that are let in: known to the loop, which stores them, and to whatever accepts connections.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use betwixt_api as api;
use betwixt_api::{MAX_FRONTENDS, MAX_ORIGINS, Permission, Permissions, Problem, ProblemKind};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::origin::Origin;
use super::stored::Stored;
use super::token::TokenHash;

/// What no frontend is called: there is a path of that name beside those of the frontends.
const RESERVED: &str = "requests";

/// How many pages that were opened with `betwixt open` are kept; the oldest goes first.
const MAX_PAGES: usize = 16;

/// A frontend as it is stored, and as a page that was opened is remembered until the daemon ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) name: String,
    pub(crate) token: TokenHash,
    pub(crate) permissions: Vec<Permission>,
    pub(crate) origins: Vec<Origin>,
    pub(crate) added: Date,
    pub(crate) last_used: Option<Date>,
}

impl Record {
    /// As the API shows it.
    pub(crate) fn shown(&self, page: bool, bridge: bool) -> api::Frontend {
        api::Frontend {
            name: self.name.clone(),
            permissions: self.permissions.iter().copied().collect(),
            origins: self.origins.iter().map(ToString::to_string).collect(),
            added: self.added.to_string(),
            last_used: self.last_used.map(|date| date.to_string()),
            page,
            bridge,
        }
    }
}

/// A frontend that is let in, until it is revoked.
#[derive(Debug)]
pub struct Frontend {
    name: String,
    permissions: Permissions,
    origins: Vec<Origin>,
    page: bool,
    revoked: CancellationToken,
}

impl Frontend {
    pub(crate) fn new(record: &Record, page: bool) -> Self {
        Self {
            name: record.name.clone(),
            permissions: record.permissions.iter().copied().collect(),
            origins: record.origins.clone(),
            page,
            revoked: CancellationToken::new(),
        }
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it may do.
    pub fn permissions(&self) -> &Permissions {
        &self.permissions
    }

    /// Whether it is a page of the daemon's own.
    pub(crate) fn is_page(&self) -> bool {
        self.page
    }

    /// Whether its pages have this origin.
    pub(crate) fn has_origin(&self, origin: &[u8]) -> bool {
        self.origins.iter().any(|own| own.is(origin))
    }

    /// Ends when it is revoked. What it has open ends then, too.
    pub(crate) fn revoked(&self) -> &CancellationToken {
        &self.revoked
    }
}

#[derive(Debug, Default)]
struct Known {
    /// Whether the home is open, so that the stored ones are known.
    open: bool,
    by_token: BTreeMap<TokenHash, Arc<Frontend>>,
    by_bridge: BTreeMap<TokenHash, Bridged>,
}

/// A frontend that has come by the URL of its bridge.
#[derive(Debug, Clone)]
pub(crate) struct Bridged {
    pub(crate) frontend: Arc<Frontend>,
    /// Ends when that URL is no longer good, or the frontend is let in no more.
    pub(crate) ended: CancellationToken,
}

/// Who is let in just now. Clones are the same registry.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    known: Arc<RwLock<Known>>,
}

impl Registry {
    /// Whom a token belongs to; `None` for no token that is known.
    ///
    /// # Errors
    /// That the home is locked, so that no token can be checked.
    pub(crate) fn find(&self, token: &str) -> Result<Option<Arc<Frontend>>, Problem> {
        self.read(|known| known.by_token.get(&TokenHash::of(token)).cloned())
    }

    /// Whose bridge a secret is; `None` for none that is known.
    ///
    /// # Errors
    /// That the home is locked, so that no secret can be checked.
    pub(crate) fn find_bridge(&self, secret: &str) -> Result<Option<Bridged>, Problem> {
        self.read(|known| known.by_bridge.get(&TokenHash::of(secret)).cloned())
    }

    /// Whether some frontend has this origin, for preflights, which carry no token.
    ///
    /// # Errors
    /// That the home is locked.
    pub(crate) fn knows_origin(&self, origin: &[u8]) -> Result<bool, Problem> {
        self.read(|known| known.by_token.values().any(|frontend| frontend.has_origin(origin)))
    }

    fn read<T>(&self, read: impl FnOnce(&Known) -> T) -> Result<T, Problem> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        if known.open {
            Ok(read(&known))
        } else {
            Err(Problem::new(
                ProblemKind::Locked,
                "The home is locked, and tokens cannot be checked: run `betwixt unlock`.",
            ))
        }
    }

    /// Whom the loop lets in from now on. Those who are no longer among them are revoked.
    pub(crate) fn set<'a>(
        &self,
        records: impl Iterator<Item = (&'a Record, bool)>,
        bridges: &BTreeMap<String, TokenHash>,
    ) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.open = true;
        let mut before = std::mem::take(&mut known.by_token);
        for (record, page) in records {
            let frontend = before.remove(&record.token).unwrap_or_else(|| Arc::new(Frontend::new(record, page)));
            known.by_token.insert(record.token, frontend);
        }
        let mut bridged = std::mem::take(&mut known.by_bridge);
        for frontend in known.by_token.values().cloned().collect::<Vec<_>>() {
            let Some(secret) = bridges.get(&frontend.name).filter(|_| !frontend.page) else { continue };
            let bridge =
                bridged.remove(secret).unwrap_or_else(|| Bridged { frontend, ended: CancellationToken::new() });
            known.by_bridge.insert(*secret, bridge);
        }
        for gone in bridged.into_values() {
            gone.ended.cancel();
        }
        for gone in before.into_values() {
            gone.revoked.cancel();
        }
    }

    /// The home was closed: nobody is let in.
    pub(crate) fn close(&self) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let Known { by_token, by_bridge, .. } = std::mem::take(&mut *known);
        by_bridge.into_values().for_each(|gone| gone.ended.cancel());
        by_token.into_values().for_each(|gone| gone.revoked.cancel());
    }
}

/// A change of what is stored. It is made to what the disk holds, and to what the loop knows once the disk has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    /// One more is let in.
    Add(Record),
    /// One is let in no more.
    Remove(String),
    /// One was used on this day.
    Used(String, Date),
    /// One has this secret for its bridge now, or none.
    Bridge(String, Option<TokenHash>),
}

impl Change {
    /// Makes it. Answers false where it was made before: the same request, sent again.
    ///
    /// # Errors
    /// When another of that name was let in meanwhile, or there is none of that name any more.
    pub(crate) fn apply(&self, stored: &mut Stored) -> Result<bool, Problem> {
        let Stored { frontends, bridges } = stored;
        match self {
            Self::Add(record) if frontends.iter().any(|known| known.token == record.token) => return Ok(false),
            Self::Add(record) if frontends.iter().any(|known| known.name == record.name) => return Err(name_taken()),
            Self::Add(record) => frontends.push(record.clone()),
            Self::Remove(name) => {
                frontends.retain(|record| record.name != *name);
                bridges.remove(name);
            }
            Self::Used(name, date) => {
                if let Some(record) = frontends.iter_mut().find(|record| record.name == *name) {
                    record.last_used = Some(*date);
                }
            }
            Self::Bridge(name, _) if frontends.iter().all(|record| record.name != *name) => return Err(no_frontend()),
            Self::Bridge(name, Some(secret)) => drop(bridges.insert(name.clone(), *secret)),
            Self::Bridge(name, None) => drop(bridges.remove(name)),
        }
        Ok(true)
    }
}

/// That there is none of the name that was given.
pub(crate) fn no_frontend() -> Problem {
    Problem::new(ProblemKind::NotFound, "There is no frontend of that name: `betwixt frontend list` lists them.")
}

fn name_taken() -> Problem {
    let detail = "There is a frontend of that name; revoke it, or take another name.";
    Problem::new(ProblemKind::Invalid, detail).about("name")
}

/// The loop's side: every frontend, and the registry that follows.
#[derive(Debug)]
pub(crate) struct Frontends {
    stored: Stored,
    pages: Vec<Record>,
    registry: Registry,
}

impl Frontends {
    /// Those that are stored are let in.
    pub(crate) fn new(stored: Stored, registry: Registry) -> Self {
        let frontends = Self { stored, pages: Vec::new(), registry };
        frontends.publish();
        frontends
    }

    /// Every one of them.
    pub(crate) fn shown(&self) -> Vec<api::Frontend> {
        self.all().map(|(record, page)| record.shown(page, self.has_bridge(record))).collect()
    }

    /// Checks what is asked to be let in.
    ///
    /// # Errors
    /// Why it is not, naming the field.
    pub(crate) fn accept(&self, new: &api::NewFrontend, token: TokenHash, today: Date) -> Result<Record, Problem> {
        let refused = |field: &str, detail: String| Err(Problem::new(ProblemKind::Invalid, detail).about(field));
        let api::NewFrontend { name, permissions, origins } = new;
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if name.is_empty() || name.len() > api::MAX_FRONTEND_NAME || !name.bytes().all(fits) || name == RESERVED {
            let most = api::MAX_FRONTEND_NAME;
            return refused("name", format!("A name has 1 to {most} letters, digits, `-`, `_` and `.`."));
        }
        if self.all().any(|(known, _)| known.name == *name) {
            return Err(name_taken());
        }
        if self.stored.frontends.len() >= MAX_FRONTENDS {
            return refused(
                "name",
                format!("There are {MAX_FRONTENDS} frontends already; revoke one that is not used."),
            );
        }
        if permissions.is_empty() {
            return refused("permissions", "Say what it may do: read, write, pair, export, private.".into());
        }
        if !permissions.has(Permission::Read) {
            return refused("permissions", "Every other permission needs `read`, too.".into());
        }
        let parsed: Option<Vec<Origin>> = origins.iter().map(|origin| Origin::parse(origin)).collect();
        let Some(origins) = parsed.filter(|origins| origins.len() <= MAX_ORIGINS) else {
            let detail = "An origin is a scheme, a host and a port, such as http://localhost:5173, without a path, in small letters.";
            return refused("origins", format!("{detail} There may be up to {MAX_ORIGINS}."));
        };
        let permissions = permissions.iter().collect();
        Ok(Record { name: name.clone(), token, permissions, origins, added: today, last_used: None })
    }

    /// Lets one in no more, from now on, whatever the disk says. Whether there was one of that name.
    pub(crate) fn revoke(&mut self, name: &str) -> bool {
        let before = self.stored.frontends.len() + self.pages.len();
        self.stored.frontends.retain(|record| record.name != name);
        self.stored.bridges.remove(name);
        self.pages.retain(|record| record.name != name);
        self.publish();
        self.stored.frontends.len() + self.pages.len() < before
    }

    /// Ends a bridge, from now on, whatever the disk says. Whether there was one.
    pub(crate) fn end_bridge(&mut self, name: &str) -> bool {
        let ended = self.stored.bridges.remove(name).is_some();
        self.publish();
        ended
    }

    /// The frontend of this name, with a bridge, as the API shows it; `None` where there is none, or it is a page.
    pub(crate) fn bridging(&self, name: &str) -> Option<api::Frontend> {
        let record = self.stored.frontends.iter().find(|record| record.name == name)?;
        Some(record.shown(false, true))
    }

    fn has_bridge(&self, record: &Record) -> bool {
        self.stored.bridges.contains_key(&record.name)
    }

    /// A change is on disk.
    pub(crate) fn apply(&mut self, change: &Change) {
        // It was made to what the disk holds, so it can be made to what is the same here.
        let _ = change.apply(&mut self.stored);
        self.publish();
    }

    /// Lets a page in that was opened, with every permission, until the daemon ends or others take its place.
    pub(crate) fn open_page(&mut self, token: TokenHash, today: Date) -> api::Frontend {
        let mut number = 1;
        while self.all().any(|(record, _)| record.name == page_name(number)) {
            number += 1;
        }
        let permissions = Permission::ALL.to_vec();
        let page =
            Record { name: page_name(number), token, permissions, origins: Vec::new(), added: today, last_used: None };
        let shown = page.shown(true, false);
        self.pages.push(page);
        let beyond = self.pages.len().saturating_sub(MAX_PAGES);
        self.pages.drain(..beyond);
        self.publish();
        shown
    }

    /// Notes that a frontend was used. Whether that is news to be written down.
    pub(crate) fn used(&mut self, name: &str, today: Date) -> bool {
        if let Some(page) = self.pages.iter_mut().find(|record| record.name == name) {
            page.last_used = Some(today);
            return false;
        }
        let news =
            self.stored.frontends.iter_mut().find(|record| record.name == name && record.last_used != Some(today));
        news.map(|record| record.last_used = Some(today)).is_some()
    }

    fn all(&self) -> impl Iterator<Item = (&Record, bool)> {
        self.stored.frontends.iter().map(|record| (record, false)).chain(self.pages.iter().map(|record| (record, true)))
    }

    fn publish(&self) {
        self.registry.set(self.all(), &self.stored.bridges);
    }
}

impl Drop for Frontends {
    fn drop(&mut self) {
        self.registry.close();
    }
}

fn page_name(number: usize) -> String {
    format!("page-{number}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TODAY: Date = jiff::civil::date(2027, 3, 1);

    fn new(name: &str, permissions: &[Permission], origins: &[&str]) -> api::NewFrontend {
        let origins = origins.iter().map(|origin| (*origin).to_owned()).collect();
        api::NewFrontend { name: name.into(), permissions: permissions.iter().copied().collect(), origins }
    }

    fn let_in(frontends: &mut Frontends, new: &api::NewFrontend) {
        let record = frontends.accept(new, TokenHash::of(&new.name), TODAY).expect("is accepted");
        frontends.apply(&Change::Add(record));
    }

    #[test]
    fn whoever_is_let_in_is_found_by_their_token_until_they_are_revoked() {
        let registry = Registry::default();
        assert_eq!(registry.find("one").expect_err("is locked").kind, ProblemKind::Locked);
        let mut frontends = Frontends::new(Stored::default(), registry.clone());
        assert!(registry.find("one").expect("is open").is_none());
        for (name, origin) in [("one", "http://localhost:1"), ("two", "http://localhost:2")] {
            let_in(&mut frontends, &new(name, &[Permission::Read], &[origin]));
        }
        let (one, two) = (registry.find("one").expect("is open"), registry.find("two").expect("is open"));
        let (one, two) = (one.expect("is known"), two.expect("is known"));
        assert_eq!((one.name(), two.name()), ("one", "two"));
        assert!(one.has_origin(b"http://localhost:1") && !one.has_origin(b"http://localhost:2"));
        assert_eq!(registry.knows_origin(b"http://localhost:2"), Ok(true));
        assert!(!frontends.revoke("three"));
        assert!(frontends.revoke("one"));
        assert!(one.revoked().is_cancelled() && !two.revoked().is_cancelled());
        assert!(registry.find("one").expect("is open").is_none());
        assert_eq!(registry.knows_origin(b"http://localhost:1"), Ok(false));
        drop(frontends);
        assert!(two.revoked().is_cancelled());
        assert!(registry.find("two").is_err());
    }

    #[test]
    fn what_is_not_accepted_names_the_field() {
        let mut frontends = Frontends::new(Stored::default(), Registry::default());
        let read = &[Permission::Read][..];
        let refused = [
            ("name", new("", read, &[])),
            ("name", new("two words", read, &[])),
            ("name", new(&"a".repeat(33), read, &[])),
            ("name", new(RESERVED, read, &[])),
            ("name", new("\u{1b}[2J", read, &[])),
            ("permissions", new("a", &[], &[])),
            ("permissions", new("a", &[Permission::Write], &[])),
            ("origins", new("a", read, &["http://localhost:5173/"])),
            ("origins", new("a", read, &["*"])),
            ("origins", new("a", read, &["http://a"; MAX_ORIGINS + 1])),
        ];
        for (field, asked) in refused {
            let problem = frontends.accept(&asked, TokenHash::of("t"), TODAY).expect_err("is refused");
            assert_eq!(problem.field.as_deref(), Some(field), "{asked:?}");
        }
        for number in 0..MAX_FRONTENDS {
            let asked = new(&number.to_string(), read, &[]);
            let_in(&mut frontends, &asked);
            assert_eq!(
                frontends.accept(&asked, TokenHash::of("t"), TODAY).expect_err("is taken").field.as_deref(),
                Some("name")
            );
        }
        frontends.accept(&new("more", read, &[]), TokenHash::of("t"), TODAY).expect_err("is one too many");
    }

    #[test]
    fn the_same_addition_changes_nothing_the_second_time() {
        let frontends = Frontends::new(Stored::default(), Registry::default());
        let accepted = |token: &str| {
            let asked = new("one", &[Permission::Read], &[]);
            Change::Add(frontends.accept(&asked, TokenHash::of(token), TODAY).expect("is accepted"))
        };
        let mut stored = Stored::default();
        assert_eq!(accepted("token").apply(&mut stored), Ok(true));
        assert_eq!(accepted("token").apply(&mut stored), Ok(false));
        accepted("another").apply(&mut stored).expect_err("the name is taken");
        assert_eq!(stored.frontends.len(), 1);
    }

    #[test]
    fn a_bridge_is_a_frontends_until_it_is_made_anew_ended_or_the_frontend_goes() {
        let registry = Registry::default();
        assert_eq!(registry.find_bridge("way").expect_err("is locked").kind, ProblemKind::Locked);
        let mut frontends = Frontends::new(Stored::default(), registry.clone());
        let_in(&mut frontends, &new("one", &[Permission::Read], &[]));
        let find = |secret: &str| registry.find_bridge(secret).expect("is open");
        let bridge = |frontends: &mut Frontends, secret: &str| {
            frontends.apply(&Change::Bridge("one".into(), Some(TokenHash::of(secret))));
            find(secret).expect("is known")
        };
        let first = bridge(&mut frontends, "way");
        assert_eq!(first.frontend.name(), "one");
        assert!(find("one").is_none(), "a token is no bridge");
        assert!(registry.find("way").expect("is open").is_none(), "a bridge is no token");
        let second = bridge(&mut frontends, "other way");
        assert!(first.ended.is_cancelled() && find("way").is_none() && !second.ended.is_cancelled());
        assert!(frontends.shown()[0].bridge);
        // What changes of others leaves it.
        let_in(&mut frontends, &new("two", &[Permission::Read], &[]));
        assert!(!second.ended.is_cancelled());
        assert!(frontends.end_bridge("one") && !frontends.end_bridge("one"));
        assert!(second.ended.is_cancelled() && !second.frontend.revoked().is_cancelled());
        let third = bridge(&mut frontends, "third way");
        assert!(frontends.revoke("one"));
        assert!(third.ended.is_cancelled() && find("third way").is_none());
        let gone = Change::Bridge("one".into(), Some(TokenHash::of("late")));
        gone.apply(&mut frontends.stored).expect_err("has no frontend");
        assert!(frontends.bridging("one").is_none());
    }

    #[test]
    fn a_day_of_use_is_news_once() {
        let mut frontends = Frontends::new(Stored::default(), Registry::default());
        let_in(&mut frontends, &new("one", &[Permission::Read], &[]));
        assert!(frontends.used("one", TODAY));
        assert!(!frontends.used("one", TODAY));
        assert_eq!(frontends.shown()[0].last_used.as_deref(), Some("2027-03-01"));
        assert!(frontends.used("one", TODAY.tomorrow().expect("there is one")));
    }

    #[test]
    fn pages_are_many_at_most_and_the_oldest_goes() {
        let registry = Registry::default();
        let mut frontends = Frontends::new(Stored::default(), registry.clone());
        for number in 0..=MAX_PAGES {
            frontends.open_page(TokenHash::of(&number.to_string()), TODAY);
        }
        assert_eq!(frontends.shown().len(), MAX_PAGES);
        assert!(registry.find("0").expect("is open").is_none());
        assert!(registry.find("1").expect("is open").is_some());
    }
}
