//! Rows of the index that are sealed many at a time.
//!
//! A row that is sealed alone costs some 90 bytes before it holds anything, and shares nothing with its neighbours. So where the
//! database's file is written anew, neighbours in the order of their names are packed in leaves, each compressed and sealed as one,
//! as long as one page holds. The leaves of a scope cover all names without a gap: each is named by where its range begins, the first by
//! zeros, and says where the range ends; a name is in the last leaf that does not begin behind it. What is written afterwards stands in
//! [`Area::Rows`] and comes first, and so does what says that a packed row is gone ([`crate::squeeze::gone`]), until the file is
//! written anew again. All of it is derived, like the rows.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use betwixt_model::document::Scope;

use crate::dictionaries::{Dictionary, find};
use crate::error::StoreError;
use crate::seal::ScopeKey;
use crate::source::Source;
use crate::squeeze::SQUEEZED;
use crate::tables::{Area, Row, Sealed, Span, Visit, group, member};

/// How long the name of a row of the index is, in bytes.
pub(crate) const NAME: usize = 32;

/// The longest leaf before it is compressed, in bytes. Only one of a single row is longer than 32 KB.
pub(crate) const LONGEST: usize = 1 << 20;

/// How many leaves are kept open: an item's rows are neighbours, and whoever reads one asks for the others.
const OPEN: usize = 64;

/// Rows that were packed, in the order of their names.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Leaf {
    /// The first name behind its range; empty when there is none.
    pub(crate) end: Vec<u8>,
    pub(crate) rows: Vec<Row>,
}

/// What a leaf holds, as it is compressed. A group is written where it differs from the row's before.
pub(crate) fn written<'a>(end: &[u8], rows: impl Iterator<Item = &'a Row>) -> Vec<u8> {
    let mut bytes = Vec::new();
    put(&mut bytes, end.len());
    bytes.extend_from_slice(end);
    let mut before: Option<&[u8]> = None;
    for row in rows {
        if before == Some(&row.group) {
            put(&mut bytes, 0);
        } else {
            put(&mut bytes, row.group.len() + 1);
            bytes.extend_from_slice(&row.group);
        }
        before = Some(&row.group);
        for part in [&row.key, &row.value] {
            put(&mut bytes, part.len());
            bytes.extend_from_slice(part);
        }
    }
    bytes
}

/// A number in as few bytes as it needs.
fn put(bytes: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// Where a leaf's range ends, and its rows as they are written.
fn parts(bytes: &[u8]) -> Option<(&[u8], Rows<'_>)> {
    let (end, rest) = postcard::take_from_bytes(bytes).ok()?;
    Some((end, Rows { rest, group: None }))
}

/// The rows of a leaf, one after the other; `None` for what is no row, which is the last then.
struct Rows<'a> {
    rest: &'a [u8],
    group: Option<&'a [u8]>,
}

/// A row's group, key and value.
type Parts<'a> = (&'a [u8], &'a [u8], &'a [u8]);

impl<'a> Rows<'a> {
    fn row(&mut self) -> Option<Parts<'a>> {
        let (length, after): (u32, &[u8]) = postcard::take_from_bytes(self.rest).ok()?;
        let (group, after) = match length.checked_sub(1) {
            Some(length) => after.split_at_checked(length as usize)?,
            None => (self.group?, after),
        };
        let (key, after) = postcard::take_from_bytes(after).ok()?;
        let (value, after) = postcard::take_from_bytes(after).ok()?;
        (self.rest, self.group) = (after, Some(group));
        Some((group, key, value))
    }
}

impl<'a> Iterator for Rows<'a> {
    type Item = Option<Parts<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let row = self.row();
        if row.is_none() {
            self.rest = &[];
        }
        Some(row)
    }
}

/// The reverse of [`written`].
fn read(bytes: &[u8]) -> Option<Leaf> {
    let (end, rows) = parts(bytes)?;
    let row = |(group, key, value): Parts<'_>| Row { group: group.to_vec(), key: key.to_vec(), value: value.to_vec() };
    Some(Leaf { end: end.to_vec(), rows: rows.map(|parts| parts.map(row)).collect::<Option<_>>()? })
}

fn damaged(scope: Scope) -> StoreError {
    StoreError::row(Area::Packed.table(scope))
}

/// Opens a leaf.
pub(crate) fn opened_leaf(
    source: &dyn Source,
    key: &ScopeKey,
    scope: Scope,
    at: &[u8],
    sealed: &[u8],
) -> Result<Leaf, StoreError> {
    read(&opened_bytes(source, key, scope, at, sealed)?).ok_or_else(|| damaged(scope))
}

/// What a leaf holds, as it was compressed.
fn opened_bytes(
    source: &dyn Source,
    key: &ScopeKey,
    scope: Scope,
    at: &[u8],
    sealed: &[u8],
) -> Result<Vec<u8>, StoreError> {
    let packed = key.open(Area::Packed.table(scope), at, sealed).map_err(|_| damaged(scope))?;
    let [first, second, third, squeezed, frame @ ..] = packed.as_slice() else { return Err(damaged(scope)) };
    let dictionary = match *squeezed {
        SQUEEZED => find(source, key, scope, [*first, *second, *third])?,
        _ => Arc::new(Dictionary::new(&[])),
    };
    dictionary.decompress(frame, LONGEST).ok_or_else(|| damaged(scope))
}

/// What the leaves of a scope hold that were opened last. One that is found by its place and its nonce is the one that opened there.
#[derive(Default)]
pub(crate) struct Opened(Mutex<VecDeque<Open>>);

/// Which leaf, and what it holds.
type Open = (Vec<u8>, Arc<Vec<u8>>);

impl std::fmt::Debug for Opened {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Opened").finish_non_exhaustive()
    }
}

impl Opened {
    /// Opens a leaf, unless it is open.
    fn leaf(
        &self,
        source: &dyn Source,
        key: &ScopeKey,
        scope: Scope,
        at: &[u8],
        sealed: &[u8],
    ) -> Result<Arc<Vec<u8>>, StoreError> {
        let which = [at, sealed.get(..24).unwrap_or(sealed)].concat();
        let open = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        {
            let mut open = open();
            if let Some(place) = open.iter().position(|(other, _)| *other == which)
                && let Some(found) = open.remove(place)
            {
                let leaf = Arc::clone(&found.1);
                open.push_front(found);
                return Ok(leaf);
            }
        }
        let leaf = Arc::new(opened_bytes(source, key, scope, at, sealed)?);
        let mut open = open();
        open.push_front((which, Arc::clone(&leaf)));
        open.truncate(OPEN);
        Ok(leaf)
    }
}

/// Where leaves are found: a source, or a table that a batch has open.
pub(crate) trait Leaves {
    /// The last leaf that does not begin behind a name: where it begins, and its sealed bytes.
    fn last_upto(&self, name: &[u8]) -> Result<Option<Sealed>, StoreError>;

    /// The leaves from one on, until `each` says stop by answering false.
    fn from(&self, at: &[u8], each: Visit<'_>) -> Result<(), StoreError>;
}

/// The packed row of this group and key, which has this name.
pub(crate) fn packed_row(
    leaves: &impl Leaves,
    source: &dyn Source,
    scope: Scope,
    name: &[u8],
    (of, key): (&[u8], &[u8]),
) -> Result<Option<Vec<u8>>, StoreError> {
    let Some((at, sealed)) = leaves.last_upto(name)? else { return none(leaves, scope) };
    let sealing = source.key(scope)?;
    let leaf = sealing.leaves().leaf(source, sealing, scope, &at, &sealed)?;
    let (end, rows) = parts(&leaf).ok_or_else(|| damaged(scope))?;
    if !end.is_empty() && name >= end {
        return Err(damaged(scope));
    }
    for row in rows {
        let (group, found, value) = row.ok_or_else(|| damaged(scope))?;
        if found == key && group == of {
            return Ok(Some(value.to_vec()));
        }
    }
    Ok(None)
}

/// No leaf begins at or before a name: there are none at all, or the first is missing.
fn none<T: Default>(leaves: &impl Leaves, scope: Scope) -> Result<T, StoreError> {
    let mut is_empty = true;
    leaves.from(&[], &mut |_, _| {
        is_empty = false;
        Ok(false)
    })?;
    if is_empty { Ok(T::default()) } else { Err(damaged(scope)) }
}

/// The packed rows of a group, by key.
pub(crate) fn packed_group(
    leaves: &impl Leaves,
    source: &dyn Source,
    scope: Scope,
    of: &[u8],
) -> Result<BTreeMap<Vec<u8>, Vec<u8>>, StoreError> {
    let sealing = source.key(scope)?;
    let prefix = group(sealing, Area::Rows, of);
    let Some((first, _)) = leaves.last_upto(&prefix)? else {
        return none(leaves, scope);
    };
    let mut found = BTreeMap::new();
    let mut expected = first.clone();
    leaves.from(&first, &mut |at, sealed| {
        if at > prefix.as_slice() && !at.starts_with(&prefix) {
            return Ok(false);
        }
        if at != expected {
            return Err(damaged(scope));
        }
        let leaf = sealing.leaves().leaf(source, sealing, scope, at, sealed)?;
        let (end, rows) = parts(&leaf).ok_or_else(|| damaged(scope))?;
        for row in rows {
            let (group, key, value) = row.ok_or_else(|| damaged(scope))?;
            if group == of {
                found.insert(key.to_vec(), value.to_vec());
            }
        }
        expected = end.to_vec();
        Ok(!expected.is_empty())
    })?;
    // The last of them has to reach to the end of the group.
    let is_cut = !expected.is_empty() && (expected.as_slice() <= prefix.as_slice() || expected.starts_with(&prefix));
    if is_cut { Err(damaged(scope)) } else { Ok(found) }
}

/// The rows of a leaf with their names.
///
/// # Errors
/// [`StoreError::Damaged`] where they are not in order, or not within the leaf's range.
pub(crate) fn named(key: &ScopeKey, scope: Scope, begin: &[u8], leaf: Leaf) -> Result<Vec<(Vec<u8>, Row)>, StoreError> {
    let name = |row: Row| (member(key, Area::Rows, &row.group, &row.key), row);
    let rows: Vec<_> = leaf.rows.into_iter().map(name).collect();
    let is_in_order = rows.windows(2).all(|pair| pair[0].0 < pair[1].0);
    let begins = rows.first().is_none_or(|(name, _)| name.as_slice() >= begin);
    let ends = leaf.end.is_empty() || rows.last().is_none_or(|(name, _)| *name < leaf.end) && *begin < *leaf.end;
    if is_in_order && begins && ends { Ok(rows) } else { Err(damaged(scope)) }
}

/// Whether a leaf opens, holds what belongs into its range, and is followed by the next one.
pub(crate) fn is_whole_leaf(source: &dyn Source, key: &ScopeKey, scope: Scope, at: &[u8], sealed: &[u8]) -> bool {
    let is_there = |name: &[u8]| matches!(source.raw(scope, Area::Packed, name), Ok(Some(_)));
    opened_leaf(source, key, scope, at, sealed).is_ok_and(|leaf| {
        let goes_on = leaf.end.is_empty() || is_there(&leaf.end);
        let is_begun = at.len() == NAME && (at == [0; NAME] || is_there(&[0; NAME]));
        goes_on && is_begun && named(key, scope, at, leaf).is_ok()
    })
}

/// A source's leaves of one scope.
pub(crate) struct InSource<'a>(pub(crate) &'a dyn Source, pub(crate) Scope);

impl Leaves for InSource<'_> {
    fn last_upto(&self, name: &[u8]) -> Result<Option<Sealed>, StoreError> {
        self.0.last_upto(self.1, Area::Packed, name)
    }

    fn from(&self, at: &[u8], each: Visit<'_>) -> Result<(), StoreError> {
        self.0.scan(self.1, Area::Packed, Span { from: at, ..Span::ALL }, each)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(group: &[u8], key: &[u8], value: &[u8]) -> Row {
        Row { group: group.to_vec(), key: key.to_vec(), value: value.to_vec() }
    }

    #[test]
    fn a_leaf_is_read_as_it_was_written() {
        let long = vec![7; 300];
        let rows = vec![
            row(b"", b"", b""),
            row(b"", b"key", b"value"),
            row(&long, b"key", &long),
            row(&long, &long, b""),
            row(b"b", b"key", b"value"),
        ];
        for end in [b"".as_slice(), &[9; NAME]] {
            let bytes = written(end, rows.iter());
            assert_eq!(read(&bytes), Some(Leaf { end: end.to_vec(), rows: rows.clone() }));
        }
        assert_eq!(read(&written(&[], [].iter())), Some(Leaf { end: vec![], rows: vec![] }));
    }

    #[test]
    fn hostile_input_is_an_error_a_leaf_that_is_none() {
        let bytes = written(&[9; NAME], [row(b"group", b"key", b"value"), row(b"group", b"other", b"value")].iter());
        let whole = read(&bytes);
        for position in 0..bytes.len() {
            for bit in 0..8 {
                let mut altered = bytes.clone();
                altered[position] ^= 1 << bit;
                assert_ne!(read(&altered), whole);
            }
            assert_ne!(read(&bytes[..position]), whole);
        }
        // The first row of a leaf has no group before it; lengths that no memory has.
        assert_eq!(read(&[0, 0, 0, 0]), None);
        assert_eq!(read(&[0, 0xff, 0xff, 0xff, 0xff, 0x0f]), None);
        assert_eq!(read(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]), None);
    }
}
