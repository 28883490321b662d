//! Prose that differs: which texts are merged against which.

use serde::Serialize;
use serde_json::Value;

use super::Version;
use crate::field::Entry;
use crate::ids::{FactId, PartnerId};
use crate::index::rows::ReadRows;
use crate::index::{FieldReader, IndexError};
use crate::prose::{self, Apart, Base, Merged, Passage};

/// A stretch of prose in reading order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum PassageView {
    /// Nothing contradicts it.
    Held {
        /// Its text.
        text: String,
    },
    /// Several versions say different things here.
    Differing {
        /// What it was before; several where that differed itself, none where nothing is known of it.
        was: Vec<String>,
        /// The texts, the reader's own first.
        versions: Vec<PassageVersion>,
    },
}

/// One text of a passage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PassageVersion {
    /// The text; empty: it was removed.
    pub text: String,
    /// Who says so.
    pub by: Vec<PartnerId>,
    /// Whether the reader does.
    pub own: bool,
    /// The facts.
    pub facts: Vec<FactId>,
}

/// Merges the versions of a field against what all of them replaced. `None` when one of them is no text: let go of, erased,
/// or made by a newer version.
pub(super) fn merge<R: ReadRows>(
    rows: &R,
    facts: &FieldReader<'_, R>,
    versions: &[Version],
) -> Result<Option<Merged<FactId>>, IndexError<R::Error>> {
    let mut texts = Vec::new();
    for version in versions {
        match version.value.as_str() {
            Some(text) => texts.push(prose::Version { key: version.fact, text }),
            None => return Ok(None),
        }
    }
    merge_texts(rows, facts, &texts).map(Some)
}

fn merge_texts<R: ReadRows>(
    rows: &R,
    facts: &FieldReader<'_, R>,
    texts: &[prose::Version<'_, FactId>],
) -> Result<Merged<FactId>, IndexError<R::Error>> {
    let ids: Vec<FactId> = texts.iter().map(|text| text.key).collect();
    let base = base(rows, facts, &ids)?;
    Ok(match base {
        Some(base) => prose::merge_onto(&base, texts),
        None => prose::merge(&[], texts),
    })
}

/// Whether these versions of a field differ: what [`merge`] tells, without merging where a few of many versions tell it.
pub(super) fn differ<R: ReadRows>(
    rows: &R,
    facts: &FieldReader<'_, R>,
    live: &[&Entry],
) -> Result<bool, IndexError<R::Error>> {
    if live.iter().all(|entry| entry.value == live[0].value) {
        return Ok(false);
    }
    let mut live = live.to_vec();
    live.sort_by_key(|entry| (entry.weight(), entry.id));
    // First the two that are furthest from each other: they have the fewest sentences in common.
    if let Some(last) = live.pop() {
        live.insert(0, last);
    }
    let mut apart = Apart::default();
    let mut texts: Vec<(FactId, String)> = Vec::new();
    for entry in live {
        // What is no text merges with nothing.
        let Some(Value::String(text)) = super::fields::value(rows, &entry.id)?.1 else { return Ok(true) };
        if apart.add(&text) {
            return Ok(true);
        }
        texts.push((entry.id, text));
    }
    let texts: Vec<_> = texts.iter().map(|(key, text)| prose::Version { key: *key, text }).collect();
    Ok(merge_texts(rows, facts, &texts)?.differs())
}

/// The reading of what all of these transitively replaced.
fn base<R: ReadRows>(
    rows: &R,
    facts: &FieldReader<'_, R>,
    versions: &[FactId],
) -> Result<Option<Base>, IndexError<R::Error>> {
    // From the texts down to what they replaced, until that is one text or nothing; then back up. Every step goes to facts
    // that those of the step before replaced, so there is an end.
    let mut levels: Vec<Vec<(FactId, String)>> = Vec::new();
    let mut below: Vec<FactId> = versions.to_vec();
    loop {
        let mut level = Vec::new();
        for entry in facts.bases(&below)? {
            let text = super::fields::value(rows, &entry.id)?.1;
            if let Some(text) = text.as_ref().and_then(Value::as_str) {
                level.push((entry.id, text.to_owned()));
            }
        }
        if level.is_empty() {
            break;
        }
        below = level.iter().map(|(id, _)| *id).collect();
        let one = level.iter().all(|(_, text)| *text == level[0].1);
        levels.push(level);
        if one {
            break;
        }
    }
    let mut base: Option<Base> = None;
    while let Some(level) = levels.pop() {
        let texts: Vec<_> = level.iter().map(|(id, text)| prose::Version { key: *id, text: text.as_str() }).collect();
        base = Some(match base {
            _ if level.iter().all(|(_, text)| *text == level[0].1) => Base::text(&level[0].1),
            Some(base) => Base::from(&prose::merge_onto(&base, &texts)),
            None => Base::from(&prose::merge(&[], &texts)),
        });
    }
    Ok(base)
}

/// Passages for a reader, whose own versions come first.
pub(super) fn passages(merged: Merged<FactId>, versions: &[Version]) -> Vec<PassageView> {
    let spoken = |facts: Vec<FactId>, text: String| {
        let speakers = versions.iter().filter(|version| facts.contains(&version.fact));
        let mut by: Vec<PartnerId> = speakers.clone().map(|version| version.by).collect();
        by.sort_unstable();
        by.dedup();
        PassageVersion { text, by, own: speakers.clone().any(|version| version.own), facts }
    };
    let view = |passage| match passage {
        Passage::Held { text } => PassageView::Held { text },
        Passage::Differing { was, versions } => {
            let mut versions: Vec<PassageVersion> =
                versions.into_iter().map(|(facts, text)| spoken(facts, text)).collect();
            versions.sort_by(|left, right| right.own.cmp(&left.own).then_with(|| left.facts.cmp(&right.facts)));
            PassageView::Differing { was, versions }
        }
    };
    merged.passages.into_iter().map(view).collect()
}
