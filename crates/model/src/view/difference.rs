//! A difference as a value: what was, and what is said instead, side by side, whatever the values are.
//!
//! After Jujutsu's `Merge<T>`, where a conflict is data that is carried, mapped and looked at like any other, and no state in
//! which things stop. `docs/design/history.md` says what is taken from there and what is not.

use serde::Serialize;
use serde_json::Value;

use super::{PassageView, Reading, State};
use crate::ids::{FactId, PartnerId};
use crate::past::{Change, changes};

/// Who differs with whom. Said to people in words: the one is a thing between the two, the other for one of them to settle
/// alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Between {
    /// The two partners.
    Both,
    /// The reader with themselves: they said it on two devices apart.
    Yourself,
    /// The other partner with themselves.
    Other,
}

/// Several values that stand beside each other, and what they took the place of.
///
/// There are two at least, and no two are equal: see [`Difference::new`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference<T> {
    /// What it was before: usually one; none where nothing is known of it, several where that differed itself.
    pub was: Vec<T>,
    /// The values, the reader's own first.
    pub versions: Vec<Spoken<T>>,
}

/// One of the values, with everybody who says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spoken<T> {
    /// The value.
    pub value: T,
    /// Who says so, sorted.
    pub by: Vec<PartnerId>,
    /// Whether the reader does.
    pub own: bool,
    /// The facts.
    pub facts: Vec<FactId>,
}

impl<T> Difference<T> {
    /// Puts values side by side. Equal ones are one; so what is left may be no difference.
    pub fn new(was: Vec<T>, spoken: Vec<Spoken<T>>) -> Option<Self>
    where
        T: PartialEq,
    {
        let mut versions: Vec<Spoken<T>> = Vec::new();
        for one in spoken {
            match versions.iter_mut().find(|known| known.value == one.value) {
                Some(known) => {
                    known.by.extend(one.by);
                    known.by.sort_unstable();
                    known.by.dedup();
                    known.own |= one.own;
                    known.facts.extend(one.facts);
                }
                None => versions.push(one),
            }
        }
        (versions.len() > 1).then_some(Self { was, versions })
    }

    /// The same difference of other values.
    pub fn map<U>(self, mut to: impl FnMut(T) -> U) -> Difference<U> {
        let spoken = |Spoken { value, by, own, facts }, value_to: &mut dyn FnMut(T) -> U| Spoken {
            value: value_to(value),
            by,
            own,
            facts,
        };
        let was = self.was.into_iter().map(&mut to).collect();
        Difference { was, versions: self.versions.into_iter().map(|version| spoken(version, &mut to)).collect() }
    }

    /// Who differs with whom.
    pub fn between(&self) -> Between {
        let first = self.versions.first().map(|version| version.by.as_slice());
        match first {
            Some([one]) if self.versions.iter().all(|version| version.by == [*one]) => {
                if self.versions.iter().all(|version| version.own) { Between::Yourself } else { Between::Other }
            }
            _ => Between::Both,
        }
    }
}

impl<T: AsRef<str>> Difference<T> {
    /// What each version changed by whole words, in their order; nothing where it is not one text that they changed.
    pub fn words(&self) -> Vec<Vec<Change>> {
        let [was] = self.was.as_slice() else { return Vec::new() };
        self.versions.iter().map(|version| changes(was.as_ref(), version.value.as_ref())).collect()
    }
}

impl Reading {
    /// The difference between the whole values, if they differ.
    pub fn difference(&self) -> Option<Difference<Value>> {
        if self.state != State::Differing {
            return None;
        }
        let spoken = self.versions.iter().map(|version| Spoken {
            value: version.value.clone(),
            by: vec![version.by],
            own: version.own,
            facts: vec![version.fact],
        });
        Difference::new(self.was.iter().cloned().collect(), spoken.collect())
    }
}

impl PassageView {
    /// The difference of this passage, if it is one.
    pub fn difference(&self) -> Option<Difference<String>> {
        let Self::Differing { was, versions } = self else { return None };
        let spoken = versions.iter().map(|version| Spoken {
            value: version.text.clone(),
            by: version.by.clone(),
            own: version.own,
            facts: version.facts.clone(),
        });
        Difference::new(was.clone(), spoken.collect())
    }
}
