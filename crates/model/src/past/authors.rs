//! Who said which part of a text: its words, followed back through the versions that each writer had before them.

use std::collections::{BTreeMap, BTreeSet};

use crate::field::FieldFacts;
use crate::ids::{FactId, PartnerId};
use crate::index::rows::{ReadRows, Table};
use crate::index::{self, FieldKey, IndexError};
use crate::prose::{Piece, word_differences};

/// How many versions of a text are followed back. Of one that has more, what stands in the oldest of these is given to
/// whoever said that one.
pub const MAX_VERSIONS: usize = 500;

/// A stretch of a text, and the fact that its words came with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The words.
    pub text: String,
    /// The fact in which they were first said.
    pub fact: FactId,
    /// Who said them.
    pub by: PartnerId,
}

/// The parts of one version, in reading order: put one after the other they are its text. Words that a writer took over from
/// a version before them stay with whoever said them first. `None` when the fact is not of this field or says no text.
///
/// # Errors
/// [`IndexError`].
pub fn authors<R: ReadRows>(
    rows: &R,
    key: &FieldKey,
    fact: &FactId,
) -> Result<Option<Vec<Part>>, IndexError<R::Error>> {
    let facts = index::field(rows, key)?;
    let mut written = Written::new(&facts);
    written.read(rows, &[*fact])?;
    Ok(written.versions.get(fact).map(|version| written.parts(version)))
}

/// The parts of a text that is the merge of these versions: of what several of them say, and of what only one does.
///
/// # Errors
/// [`IndexError`].
pub fn authors_of_reading<R: ReadRows>(
    rows: &R,
    key: &FieldKey,
    versions: &[FactId],
    text: &str,
) -> Result<Option<Vec<Part>>, IndexError<R::Error>> {
    let facts = index::field(rows, key)?;
    let mut written = Written::new(&facts);
    written.read(rows, versions)?;
    let Some(last) = versions.iter().find(|id| written.versions.contains_key(id)) else { return Ok(None) };
    let merged = written.version(*last, text.to_owned(), versions);
    Ok(Some(written.parts(&merged)))
}

struct Version {
    text: String,
    /// Stretches with the facts that they came with, by where each ends.
    runs: Vec<(usize, FactId)>,
}

struct Written<'a> {
    facts: &'a FieldFacts,
    versions: BTreeMap<FactId, Version>,
}

impl<'a> Written<'a> {
    fn new(facts: &'a FieldFacts) -> Self {
        Self { facts, versions: BTreeMap::new() }
    }

    /// Reads these versions and those that they go back to, oldest first.
    fn read<R: ReadRows>(&mut self, rows: &R, latest: &[FactId]) -> Result<(), IndexError<R::Error>> {
        // By weight, latest first, so that what is cut off are the oldest; nothing comes before its past.
        let mut open: BTreeSet<(u64, FactId)> = BTreeSet::new();
        let mut chain = Vec::new();
        let weigh =
            |id: &FactId| self.facts.entry(id).filter(|entry| entry.counts()).map(|entry| (entry.weight(), *id));
        open.extend(latest.iter().filter_map(weigh));
        while let Some((_, id)) = open.pop_last() {
            chain.push(id);
            if chain.len() == MAX_VERSIONS {
                break;
            }
            let entry = self.facts.entry(&id).ok_or(IndexError::Damaged(Table::Fields))?;
            open.extend(entry.seen.iter().filter_map(weigh));
        }
        for id in chain.into_iter().rev() {
            let signed = index::fact(rows, &id)?.ok_or(IndexError::Damaged(Table::Facts))?;
            if let Some(text) = signed.fact().value().and_then(serde_json::Value::as_str) {
                let before = self.facts.entry(&id).map(|entry| entry.seen.clone()).unwrap_or_default();
                let version = self.version(id, text.to_owned(), &before);
                self.versions.insert(id, version);
            }
        }
        Ok(())
    }

    /// A text by the writer of `id`, who had the versions `before` them: what is in none of these is new.
    fn version(&self, id: FactId, text: String, before: &[FactId]) -> Version {
        let mut before: Vec<(u64, FactId)> =
            before.iter().filter_map(|id| Some((self.facts.entry(id)?.weight(), *id))).collect();
        before.sort_unstable();
        // Stretches that are somebody's, by where they begin; they do not overlap.
        let mut taken: BTreeMap<usize, (usize, FactId)> = BTreeMap::new();
        for (_, earlier) in before {
            let Some(earlier) = self.versions.get(&earlier) else { continue };
            let (mut from, mut to) = (0, 0);
            for piece in word_differences(&earlier.text, &text) {
                match piece {
                    Piece::Same(same) => {
                        earlier.each_run(from, from + same.len(), |start, end, fact| {
                            take(&mut taken, to + (start - from), to + (end - from), fact);
                        });
                        from += same.len();
                        to += same.len();
                    }
                    Piece::Removed(removed) => from += removed.len(),
                    Piece::Added(added) => to += added.len(),
                }
            }
        }
        let mut runs: Vec<(usize, FactId)> = Vec::new();
        let mut push = |end: usize, fact: FactId| match runs.last_mut() {
            Some((last, known)) if *known == fact => *last = end,
            _ => runs.push((end, fact)),
        };
        let mut at = 0;
        for (start, (end, fact)) in taken {
            if start > at {
                push(start, id);
            }
            push(end, fact);
            at = end;
        }
        if at < text.len() {
            push(text.len(), id);
        }
        Version { text, runs }
    }

    fn parts(&self, version: &Version) -> Vec<Part> {
        let mut start = 0;
        let part = |(end, fact): &(usize, FactId)| {
            let text = version.text[start..*end].to_owned();
            start = *end;
            let by = self.facts.entry(fact)?.partner;
            Some(Part { text, fact: *fact, by })
        };
        version.runs.iter().filter_map(part).collect()
    }
}

impl Version {
    /// The runs within a stretch.
    fn each_run(&self, from: usize, to: usize, mut each: impl FnMut(usize, usize, FactId)) {
        let first = self.runs.partition_point(|(end, _)| *end <= from);
        let mut start = from;
        for (end, fact) in &self.runs[first..] {
            let end = (*end).min(to);
            if start < end {
                each(start, end, *fact);
            }
            start = end;
            if end == to {
                break;
            }
        }
    }
}

/// Gives a stretch to a fact, as far as it is nobody's yet.
fn take(taken: &mut BTreeMap<usize, (usize, FactId)>, start: usize, end: usize, fact: FactId) {
    let mut at = start;
    if let Some((_, (before, _))) = taken.range(..=start).next_back() {
        at = at.max(*before);
    }
    if at >= end {
        return;
    }
    let mut gaps = Vec::new();
    for (next, (until, _)) in taken.range(at..end) {
        if at < *next {
            gaps.push((at, *next));
        }
        at = *until;
    }
    if at < end {
        gaps.push((at, end));
    }
    taken.extend(gaps.into_iter().map(|(from, to)| (from, (to, fact))));
}
