//! What anybody said, remembered apart from the devices, and judged by the words of the invariants alone.
//!
//! It shares the format of facts and the schema with what it judges, and nothing of the fold: pasts are sets, found by
//! walking `seen` and `previous`; every question is asked of every pair of facts.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use betwixt_model::fact::Fact;
use betwixt_model::ids::{FactId, ItemId};
use betwixt_model::schema::{self, FieldKind};

/// Everything that was said and acknowledged.
#[derive(Debug, Default)]
pub struct Oracle {
    facts: BTreeMap<FactId, Fact>,
    fields: BTreeMap<(ItemId, String), Vec<FactId>>,
    pasts: BTreeMap<FactId, BTreeSet<FactId>>,
}

/// A way in which what a device shows breaks an invariant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// NoSilentWinner: it is not live, and nobody who could has replaced it.
    Lost(FactId),
    /// It was replaced by its own partner, or uncontradicted by the other, and is live all the same.
    NotReplaced {
        /// What should not be live.
        fact: FactId,
        /// What replaced it.
        by: FactId,
    },
    /// DurableBeforeTold, NothingDeleted: it was acknowledged and is not in the history, or says something else there.
    NotInHistory(FactId),
}

impl Oracle {
    /// Remembers a fact whose writer was told that it is said. Every fact has to be remembered after what it builds on.
    pub fn remember(&mut self, fact: &Fact) {
        let header = fact.header();
        let mut past = BTreeSet::new();
        for earlier in header.seen.iter().chain(&header.previous) {
            past.insert(*earlier);
            past.extend(self.pasts.get(earlier).into_iter().flatten().copied());
        }
        self.pasts.insert(fact.id(), past);
        self.fields.entry((fact.item(), header.field.clone())).or_default().push(fact.id());
        self.facts.insert(fact.id(), fact.clone());
    }

    /// How many facts were said.
    pub fn len(&self) -> usize {
        self.facts.len()
    }

    /// Whether nothing was said.
    pub fn is_empty(&self) -> bool {
        self.facts.is_empty()
    }

    /// Every field that something was said in: its item, the item's kind, its name, and its facts.
    pub fn fields(&self) -> impl Iterator<Item = (ItemId, &str, &str, &[FactId])> {
        self.fields.iter().filter_map(|((item, field), facts)| {
            let kind = self.facts.get(facts.first()?)?.header().kind.as_str();
            Some((*item, kind, field.as_str(), facts.as_slice()))
        })
    }

    /// A fact that was remembered.
    pub fn fact(&self, id: &FactId) -> Option<&Fact> {
        self.facts.get(id)
    }

    /// Judges the live facts of one field, as a device shows them.
    ///
    /// NoSilentWinner: "a fact stops being live only when its own partner, having seen it, said something else, or when, in
    /// a shared field, the other partner, having seen it, did so and the two had never said different things there apart
    /// from each other since it was said." And the other way round: what its own partner replaced, and what the other
    /// changed and nobody at all contradicted, does not stay.
    pub fn judge(&self, item: ItemId, field: &str, live: &BTreeSet<FactId>) -> Vec<Fault> {
        let said = self.fields.get(&(item, field.to_owned())).map_or(&[][..], Vec::as_slice);
        let facts: Vec<&Fact> = said.iter().filter_map(|id| self.facts.get(id)).collect();
        let mut faults = Vec::new();
        for &fact in &facts {
            let Some(kind) = schema::field(&fact.header().kind, field).map(|field| field.kind) else { continue };
            let own = Self::replaced(fact, &facts, |later| later.header().partner == fact.header().partner);
            let any = Self::replaced(fact, &facts, |_| true);
            let contradicted = |by: &dyn Fn(&Fact) -> bool| {
                facts.iter().any(|other| by(other) && self.apart(fact, other) && other.value() != fact.value())
            };
            // Who may have replaced it, and who must have.
            let (may, must) = match kind {
                FieldKind::Owned(_) | FieldKind::Consent => (own, own),
                FieldKind::Light => (any, any),
                FieldKind::Shared => {
                    let by_other = contradicted(&|other| other.header().partner != fact.header().partner);
                    let by_anybody = contradicted(&|_| true);
                    (own.or(any.filter(|_| !by_other)), own.or(any.filter(|_| !by_anybody)))
                }
            };
            match live.contains(&fact.id()) {
                false if may.is_none() => faults.push(Fault::Lost(fact.id())),
                true => faults.extend(must.map(|by| Fault::NotReplaced { fact: fact.id(), by: by.id() })),
                false => {}
            }
        }
        faults
    }

    /// A fact of the same field by somebody who had this one before them.
    fn replaced<'a>(fact: &Fact, facts: &[&'a Fact], by: impl Fn(&Fact) -> bool) -> Option<&'a Fact> {
        facts.iter().copied().find(|later| later.header().seen.contains(&fact.id()) && by(later))
    }

    /// Neither was in the other's past.
    fn apart(&self, left: &Fact, right: &Fact) -> bool {
        let in_past =
            |earlier: &Fact, later: &Fact| self.pasts.get(&later.id()).is_some_and(|past| past.contains(&earlier.id()));
        left.id() != right.id() && !in_past(left, right) && !in_past(right, left)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost(fact) => write!(formatter, "{fact:?} is not live and was never rightly replaced"),
            Self::NotReplaced { fact, by } => write!(formatter, "{fact:?} is live although {by:?} replaced it"),
            Self::NotInHistory(fact) => write!(formatter, "{fact:?} was acknowledged and is not in the history"),
        }
    }
}
