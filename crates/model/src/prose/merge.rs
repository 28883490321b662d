//! Merging any number of versions against what they replaced.
//!
//! Every version is aligned with the base by sentences. Sentences of the base that *every* version kept are fixed points;
//! what lies between two neighbouring ones is a passage, and in each passage every version has some text. If at most one
//! text there is other than the base's, it holds; otherwise the passage differs. So changes that touch share a passage,
//! white space merges like the sentences, and each version is the fixed points plus its own texts: nothing can be lost.

use std::collections::{BTreeMap, BTreeSet};

use super::align::{Interner, align};
use super::segment::{Sentence, is_line_break, is_white, sentences, split_white_end};

/// One of the texts to be merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version<'a, K> {
    /// The caller's name for it, such as the fact's id. Orders what is shown and decides nothing.
    pub key: K,
    /// The whole text.
    pub text: &'a str,
}

/// What versions merge into: the whole text in reading order, held or differing by passages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merged<K> {
    /// The passages in reading order. No two held ones follow each other, and no held one is empty.
    pub passages: Vec<Passage<K>>,
}

/// A stretch of a merged text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Passage<K> {
    /// Nothing contradicts it.
    Held {
        /// Its text.
        text: String,
    },
    /// Several versions say different things here.
    Differing {
        /// What it was before any of them. Usually one text, which is empty where something was inserted. None if nothing
        /// is known of what they replaced; several if that differed itself. Whoever left the passage as it was is not
        /// among `versions`, unless what it was is not one text.
        was: Vec<String>,
        /// The texts, two or more, none of them the same, each with the sorted keys of all who say it; sorted by these. An
        /// empty text: it was removed.
        versions: Vec<(Vec<K>, String)>,
    },
}

impl<K> Merged<K> {
    /// The whole text if nothing differs.
    pub fn text(&self) -> Option<String> {
        let held = |passage: &Passage<K>| match passage {
            Passage::Held { text } => Some(text.clone()),
            Passage::Differing { .. } => None,
        };
        self.passages.iter().map(held).collect()
    }

    /// Whether any passage differs.
    pub fn differs(&self) -> bool {
        self.passages.iter().any(|passage| matches!(passage, Passage::Differing { .. }))
    }
}

/// What versions are merged against: one text, or the merge of several, in which passages may differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base(Vec<Stretch>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Stretch {
    Text(String),
    /// What it was is not one text. No version counts as having left it unchanged.
    Open(Vec<String>),
}

impl Base {
    /// One text.
    pub fn text(text: &str) -> Self {
        Self(vec![Stretch::Text(text.to_owned())])
    }

    /// The merge of several texts of which nothing is known that they replaced: what they share is the base, and where
    /// they differ no text is. Of no text: `None`.
    ///
    /// If what they replaced is known, merging them with it ([`merge_onto`]) and taking that as the base
    /// ([`Base::from`]) leaves less open.
    pub fn texts(texts: &[&str]) -> Option<Self> {
        match texts {
            [] => None,
            [text] => Some(Self::text(text)),
            _ => {
                let versions: Vec<Version<'_, &str>> = texts.iter().map(|text| Version { key: *text, text }).collect();
                Some(Self::from(&merge(&[], &versions)))
            }
        }
    }
}

impl<K> From<&Merged<K>> for Base {
    /// The reading of merged texts as the base of what replaced them all.
    fn from(merged: &Merged<K>) -> Self {
        let stretch = |passage: &Passage<K>| match passage {
            Passage::Held { text } => Stretch::Text(text.clone()),
            Passage::Differing { versions, .. } => {
                let texts: BTreeSet<&String> = versions.iter().map(|(_, text)| text).collect();
                Stretch::Open(texts.into_iter().cloned().collect())
            }
        };
        Self(merged.passages.iter().map(stretch).collect())
    }
}

/// Merges versions against the texts that all of them replaced; see [`Base::texts`] where these are several.
///
/// Without any base, what all versions share holds and everything else differs. The order of `bases` and of `versions`
/// does not matter. Of no versions at all: an empty text.
pub fn merge<K: Ord + Clone>(bases: &[&str], versions: &[Version<'_, K>]) -> Merged<K> {
    if versions.is_empty() {
        return Merged { passages: Vec::new() };
    }
    match Base::texts(bases) {
        Some(base) => merge_onto(&base, versions),
        None => {
            // Some version has to be the one that the others are aligned with: the least, whoever gives it.
            let least = versions.iter().map(|version| version.text).min().unwrap_or_default();
            merge_aligned(&units(&Base::text(least)), false, versions)
        }
    }
}

/// Merges versions against a base that may itself be a merge.
pub fn merge_onto<K: Ord + Clone>(base: &Base, versions: &[Version<'_, K>]) -> Merged<K> {
    if versions.is_empty() {
        return Merged { passages: Vec::new() };
    }
    merge_aligned(&units(base), true, versions)
}

/// A part of the base that corresponds to a sentence of a version or to nothing.
enum Unit<'a> {
    Sentence(Sentence<'a>),
    Open(&'a [String]),
}

fn units(base: &Base) -> Vec<Unit<'_>> {
    let mut units = Vec::new();
    for stretch in &base.0 {
        match stretch {
            Stretch::Text(text) => units.extend(sentences(text).into_iter().map(Unit::Sentence)),
            Stretch::Open(texts) => units.push(Unit::Open(texts)),
        }
    }
    units
}

/// A version's text, and where each of its sentences has its body.
struct Reading<'a, K> {
    key: &'a K,
    text: &'a str,
    bodies: Vec<std::ops::Range<usize>>,
    /// For every unit of the base the sentence that corresponds to it.
    aligned: Vec<Option<usize>>,
}

impl<'a, K> Reading<'a, K> {
    /// The text between two units of the base that the version kept: from the end of the one's body to the beginning of
    /// the other's.
    fn between(&self, previous: Option<usize>, next: Option<usize>) -> &'a str {
        let body = |unit: usize| self.aligned[unit].map(|sentence| self.bodies[sentence].clone());
        let start = previous.and_then(body).map_or(0, |body| body.end);
        let end = next.and_then(body).map_or(self.text.len(), |body| body.start);
        &self.text[start..end]
    }
}

fn merge_aligned<K: Ord + Clone>(base: &[Unit<'_>], known: bool, versions: &[Version<'_, K>]) -> Merged<K> {
    let readings = read(base, versions);
    let fixed = (0..base.len()).filter(|&unit| readings.iter().all(|reading| reading.aligned[unit].is_some()));
    let mut output = Output { passages: Vec::new() };
    let mut previous = None;
    for next in fixed.map(Some).chain([None]) {
        let mut was = if known { earlier(base, previous, next) } else { Vec::new() };
        let mut texts: BTreeMap<&str, Vec<K>> = BTreeMap::new();
        let mut ends = Vec::new();
        for reading in &readings {
            let (text, end) = match next {
                Some(_) => (reading.between(previous, next), ""),
                None => split_white_end(reading.between(previous, next)),
            };
            texts.entry(text).or_default().push(reading.key.clone());
            ends.push(end);
        }
        let mut end = String::new();
        if next.is_none() {
            end = text_end(&was, &ends).to_owned();
            was = was.iter().map(|text| split_white_end(text).0.to_owned()).collect();
            was.dedup();
        }
        if let ([was], true) = (was.as_slice(), texts.len() > 1) {
            texts.remove(was.as_str());
        }
        match texts.first_key_value() {
            Some((text, _)) if texts.len() == 1 => {
                output.hold(text);
                output.hold(&end);
            }
            _ => output.differ(was, texts, previous.map(|unit| body(&base[unit]))),
        }
        if let Some(next) = next {
            output.hold(body(&base[next]));
        }
        previous = next;
    }
    Merged { passages: output.passages }
}

/// The white space that a merged text ends with. It never makes anything differ: editors put and remove it unasked. It is
/// what it was unless somebody changed it, and the longest if several did.
fn text_end<'a>(was: &'a [String], ends: &[&'a str]) -> &'a str {
    let was = match was {
        [was] => Some(split_white_end(was).1),
        _ => None,
    };
    let changed = ends.iter().copied().filter(|end| Some(*end) != was);
    changed.max_by_key(|end| (end.len(), *end)).or(was).unwrap_or_default()
}

fn read<'a, K>(base: &[Unit<'a>], versions: &'a [Version<'a, K>]) -> Vec<Reading<'a, K>> {
    let mut interner = Interner::default();
    let number = |interner: &mut Interner<'a>, unit: &Unit<'a>| match unit {
        Unit::Sentence(sentence) => interner.number(sentence.body),
        Unit::Open(_) => interner.unmatched(),
    };
    let base: Vec<u32> = base.iter().map(|unit| number(&mut interner, unit)).collect();
    let read = |version: &'a Version<'a, K>| {
        let sentences = sentences(version.text);
        let numbers: Vec<u32> = sentences.iter().map(|sentence| interner.number(sentence.body)).collect();
        let mut position = 0;
        let place = |sentence: &Sentence<'_>| {
            let start = position;
            position += sentence.body.len() + sentence.space.len();
            start..start + sentence.body.len()
        };
        let bodies = sentences.iter().map(place).collect();
        Reading { key: &version.key, text: version.text, bodies, aligned: align(&base, &numbers) }
    };
    versions.iter().map(read).collect()
}

fn body<'a>(unit: &Unit<'a>) -> &'a str {
    match unit {
        Unit::Sentence(sentence) => sentence.body,
        Unit::Open(_) => "",
    }
}

/// What the base says between two of its units: one text, or several if part of it is open. Of several open parts, the
/// first alternatives make one text, the second ones another, and so on, so that each of them appears.
fn earlier(base: &[Unit<'_>], previous: Option<usize>, next: Option<usize>) -> Vec<String> {
    let inner = &base[previous.map_or(0, |unit| unit + 1)..next.unwrap_or(base.len())];
    let space = match previous.map(|unit| &base[unit]) {
        Some(Unit::Sentence(sentence)) => sentence.space,
        _ => "",
    };
    let count = |unit: &Unit<'_>| match unit {
        Unit::Sentence(_) => 1,
        Unit::Open(texts) => texts.len(),
    };
    let texts: BTreeSet<String> = (0..inner.iter().map(count).max().unwrap_or(1))
        .map(|index| {
            let mut text = space.to_owned();
            for unit in inner {
                match unit {
                    Unit::Sentence(sentence) => text.extend([sentence.body, sentence.space]),
                    Unit::Open(texts) => text.extend(texts.get(index).or(texts.last()).map(String::as_str)),
                }
            }
            text
        })
        .collect();
    texts.into_iter().collect()
}

struct Output<K> {
    passages: Vec<Passage<K>>,
}

impl<K: Ord + Clone> Output<K> {
    fn hold(&mut self, more: &str) {
        match self.passages.last_mut() {
            Some(Passage::Held { text }) => text.push_str(more),
            _ if more.is_empty() => {}
            _ => self.passages.push(Passage::Held { text: more.to_owned() }),
        }
    }

    /// Takes the sentence held last back, so that the passage after it can begin with it.
    fn take_back(&mut self, body: &str) {
        if let Some(Passage::Held { text }) = self.passages.last_mut() {
            text.truncate(text.len() - body.len());
            if text.is_empty() {
                self.passages.pop();
            }
        }
    }

    /// Adds a passage that differs. `before` is the body of the sentence before it, which is held.
    fn differ(&mut self, mut was: Vec<String>, texts: BTreeMap<&str, Vec<K>>, before: Option<&str>) {
        let words = |text: &str| text.chars().filter(|&c| !is_white(c)).collect::<String>();
        let distinct: BTreeSet<String> = texts.keys().map(|text| words(text)).collect();
        let mut held = "";
        let mut lead = "";
        if distinct.len() < texts.len() {
            // Nobody can see a difference in white space alone: show it behind the sentence that it follows.
            lead = before.unwrap_or_default();
            self.take_back(lead);
        } else if before.is_some() {
            held = shared_space(texts.keys().copied());
            self.hold(held);
        }
        for text in &mut was {
            *text = format!("{lead}{}", text.strip_prefix(held).unwrap_or(text));
        }
        let version = |(text, mut keys): (&str, Vec<K>)| {
            keys.sort();
            (keys, format!("{lead}{}", &text[held.len()..]))
        };
        let mut versions: Vec<(Vec<K>, String)> = texts.into_iter().map(version).collect();
        versions.sort();
        self.passages.push(Passage::Differing { was, versions });
    }
}

/// The white space behind a sentence that all texts go on with. The indentation of the next one is not part of it.
fn shared_space<'a>(mut texts: impl Iterator<Item = &'a str>) -> &'a str {
    let space = |text: &'a str| {
        let white = &text[..text.len() - text.trim_start_matches(is_white).len()];
        white.rfind(is_line_break).map_or(white, |last| {
            let after = white[last..].chars().next().map_or(0, char::len_utf8);
            &white[..last + after]
        })
    };
    let first = texts.next().map_or("", space);
    if texts.all(|text| space(text) == first) { first } else { "" }
}
