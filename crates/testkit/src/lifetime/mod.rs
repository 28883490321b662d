//! The facts of a life together: decades of two people with two devices each, the same for the same seed.
//!
//! What they say is meant to be like what people say: a journal every day, each for themselves; two rituals a day; thanks,
//! check-ins whose answers are sealed, reflections, photos; eight goals a year, with milestones and progress; the vision and the
//! values reworded and now and then agreed; what was said before, said anew. Every fifth ten days one of them is away, so a few
//! things differ afterwards, and most of these are settled. Text comes from
//! [`Vocabulary`](crate::vocabulary::Vocabulary).
//!
//! Whoever speaks has read first, as through the API: `seen` names what is live there on their device, and a draft is worked
//! on as it reads ([`Before::Read`]). So every fact is folded here, too, and this is no oracle. [`Before::Taken`] is the worst
//! case instead: people who name what was said last and never look at what stands beside it, so that very much stands.
//!
//! ```
//! use betwixt_testkit::lifetime::{Lifetime, Plan};
//! let life = Lifetime::of(&Plan { years: 1, facts_a_year: 60, ..Plan::default() });
//! assert!(life.said().count() >= 60);
//! ```

mod checkins;
mod days;
mod goals;
mod homes;
mod knowledge;
mod living;
mod people;
mod photos;
mod private;
mod statements;
#[cfg(test)]
mod tests;

use betwixt_model::fact::SignedFact;
use betwixt_model::ids::{DeviceId, HouseholdId, PartnerId};
use betwixt_model::membership::Membership;

pub use people::People;
pub use photos::Photo;

/// What people do before they speak.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Before {
    /// They read what is there, and name what stands.
    #[default]
    Read,
    /// They take it that what was said last stands, and name that. What they never name stays.
    Taken,
}

/// How many facts a year are a full life; with fewer, days have less of everything.
pub const FULL_YEAR: usize = 6_000;

/// How long a life, and how full.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Everything random comes from it.
    pub seed: u64,
    /// How many years, from [`Plan::begin`] on.
    pub years: usize,
    /// How many facts a year, by both together, private ones among them. The last act of a year is not broken off, so it may
    /// be a few more.
    pub facts_a_year: usize,
    /// How many words they know, beside the commonest.
    pub words: usize,
    /// The first year.
    pub begin: i16,
    /// For how many of the last days they have not met: what each says then, the other has not seen.
    pub apart: usize,
    /// What they do before they speak.
    pub before: Before,
}

impl Default for Plan {
    /// A lifetime: 30 years of 6,000 facts.
    fn default() -> Self {
        let (years, facts_a_year, words, begin) = (30, FULL_YEAR, 20_000, 2027);
        Self { seed: 1, years, facts_a_year, words, begin, apart: 0, before: Before::Read }
    }
}

impl Plan {
    /// So many years, the last of which is `last`, or as near to it as documents' years allow (a century would begin before
    /// 1970).
    pub fn until(last: i16, years: usize) -> Self {
        let first = i64::from(last) + 1 - i64::try_from(years).unwrap_or(i64::MAX);
        let earliest = *betwixt_model::document::YEARS.start();
        let begin = i16::try_from(first).unwrap_or(earliest).max(earliest);
        Self { years, begin, ..Self::default() }
    }
}

/// A generated life.
#[derive(Debug)]
pub struct Lifetime {
    /// Who lived it.
    pub people: People,
    /// The household that every shared fact belongs to.
    pub household: HouseholdId,
    /// Everybody's devices, all accepted.
    pub membership: Membership,
    /// The two, in the order in which their devices are in [`Lifetime::devices`].
    pub partners: [PartnerId; 2],
    /// Two devices of the one, then two of the other.
    pub devices: [DeviceId; 4],
    /// What was said in `ours`, in an order in which nothing comes before what it names; by year, month and day.
    pub facts: Vec<SignedFact>,
    /// What each said in `mine`, likewise, in the order of [`Lifetime::partners`]. It belongs to [`People::spaces`].
    pub private: [Vec<SignedFact>; 2],
    /// The photos that facts of `ours` name, in the order in which these were said.
    pub photos: Vec<Photo>,
}

/// Where a fact of a life was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Page {
    /// In `ours`.
    Shared,
    /// In `mine` of the partner with this number.
    Private(usize),
}

impl Lifetime {
    /// Lives it.
    ///
    /// # Panics
    /// When the plan leaves the years that documents take (see `betwixt_model::document::YEARS`).
    pub fn of(plan: &Plan) -> Self {
        living::Living::begin(plan).live(plan)
    }

    /// The shared facts of each year, in order.
    pub fn years(&self) -> impl Iterator<Item = &[SignedFact]> {
        self.facts.chunk_by(|left, right| left.fact().header().date.year() == right.fact().header().date.year())
    }

    /// Everything that was said and where, by day; within a day first what is shared.
    pub fn said(&self) -> impl Iterator<Item = (Page, &SignedFact)> {
        let pages = [(Page::Shared, &self.facts), (Page::Private(0), &self.private[0])];
        let pages = pages.into_iter().chain([(Page::Private(1), &self.private[1])]);
        let mut all: Vec<_> = pages.flat_map(|(page, facts)| facts.iter().map(move |fact| (page, fact))).collect();
        all.sort_by_key(|(_, fact)| fact.fact().header().date);
        all.into_iter()
    }
}
