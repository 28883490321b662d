//! All rows of an index in the order of their names, packed or not; and packing them.

use betwixt_model::document::Scope;

use crate::dictionaries::{Dictionary, newest_bytes};
use crate::error::StoreError;
use crate::leaves::{NAME, named, opened_leaf, written};
use crate::reader::Reader;
use crate::seal::{OVERHEAD, ScopeKey};
use crate::source::Source;
use crate::squeeze::{Fresh, SQUEEZED, opened_fresh, squeeze};
use crate::tables::{Area, IN_PAGE, PAGE, Row, Span};

/// How hard is tried to make a leaf short. That is done when nobody waits for an answer; level 9 takes three times as long as this for 1 %.
const LEVEL: i32 = 3;

/// What a compressed leaf may have, so that it fills a page with its name, what sealing adds, and which dictionary it was compressed by.
const ROOM: usize = PAGE - IN_PAGE - NAME - OVERHEAD - MARK;
const MARK: usize = 4;

/// How many bytes of rows are gathered before a leaf is cut from them.
const GATHERED: usize = 32 << 10;

/// Rows with more bytes than this are not packed: they would gain nothing.
pub(crate) const LONG: usize = 64 << 10;

/// Takes a row's name and the row.
pub(crate) type EachRow<'a> = &'a mut dyn FnMut(&[u8], &Row) -> Result<(), StoreError>;

/// Shows every row of an index in the order of names: the one that counts, where there are several.
///
/// # Errors
/// [`StoreError`]; [`StoreError::Damaged`] also where a leaf is missing.
pub(crate) fn each_row(source: &dyn Source, scope: Scope, each: EachRow<'_>) -> Result<(), StoreError> {
    let key = source.key(scope)?;
    let damaged = || StoreError::row(Area::Packed.table(scope));
    let (mut expected, mut any) = (vec![0; NAME], false);
    source.scan(scope, Area::Packed, Span::ALL, &mut |at, sealed| {
        if at != expected {
            return Err(damaged());
        }
        any = true;
        let leaf = opened_leaf(source, key, scope, at, sealed)?;
        expected.clone_from(&leaf.end);
        let end = leaf.end.clone();
        merged(source, key, scope, (at, &end), named(key, scope, at, leaf)?, each)?;
        Ok(true)
    })?;
    match any {
        true if !expected.is_empty() => Err(damaged()),
        true => Ok(()),
        false => merged(source, key, scope, (&expected, &[]), Vec::new(), each),
    }
}

/// The rows from `begin` to before `end`: those that were packed, and those of [`Area::Rows`] in their place.
fn merged(
    source: &dyn Source,
    key: &ScopeKey,
    scope: Scope,
    (begin, end): (&[u8], &[u8]),
    packed: Vec<(Vec<u8>, Row)>,
    each: EachRow<'_>,
) -> Result<(), StoreError> {
    let mut packed = packed.into_iter().peekable();
    let span = Span { from: begin, ..Span::ALL };
    source.scan(scope, Area::Rows, span, &mut |at, sealed| {
        if !end.is_empty() && at >= end {
            return Ok(false);
        }
        while let Some((name, row)) = packed.next_if(|(name, _)| name.as_slice() < at) {
            each(&name, &row)?;
        }
        packed.next_if(|(name, _)| name == at);
        if let Fresh::There(row) = opened_fresh(source, key, scope, at, sealed)? {
            each(at, &row)?;
        }
        Ok(true)
    })?;
    packed.try_for_each(|(name, row)| each(&name, &row))
}

/// Takes the table, the name and the sealed value of what comes out of packing.
pub(crate) type Put<'a> = &'a mut dyn FnMut(Area, &[u8], &[u8]) -> Result<(), StoreError>;

/// Packs rows that come in the order of their names.
pub(crate) struct Packing<'a> {
    key: &'a ScopeKey,
    scope: Scope,
    dictionary: Dictionary,
    mark: [u8; MARK],
    /// Where the next leaf begins.
    begin: Vec<u8>,
    gathered: Vec<(Vec<u8>, Row)>,
    bytes: usize,
    /// How many bytes of rows a leaf had that was full, as far as is known.
    full: usize,
}

impl<'a> Packing<'a> {
    /// Packs by the newest dictionary that a reader finds.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) fn new(reader: &Reader<'a>, scope: Scope) -> Result<Self, StoreError> {
        let bytes = newest_bytes(reader, scope)?;
        let dictionary = Dictionary::at_level(bytes.as_deref().unwrap_or_default(), LEVEL);
        let [first, second, third] = dictionary.name();
        let mark = bytes.map_or([0; MARK], |_| [first, second, third, SQUEEZED]);
        let (key, begin) = (reader.key(scope)?, vec![0; NAME]);
        Ok(Self { key, scope, dictionary, mark, begin, gathered: Vec::new(), bytes: 0, full: 2 * ROOM })
    }

    /// One row more.
    ///
    /// # Errors
    /// What `put` answers, and [`StoreError::Unstorable`].
    pub(crate) fn push(&mut self, name: &[u8], row: &Row, put: Put<'_>) -> Result<(), StoreError> {
        if length(row) > LONG {
            let dictionary = Some(&self.dictionary).filter(|_| self.mark != [0; MARK]);
            let packed = squeeze(dictionary, &row.group, &row.key, &row.value);
            return put(Area::Rows, name, &self.key.seal(Area::Rows.table(self.scope), name, &packed));
        }
        self.bytes += length(row);
        self.gathered.push((name.to_vec(), row.clone()));
        while self.bytes > GATHERED && self.gathered.len() > 1 {
            self.cut(false, put)?;
        }
        Ok(())
    }

    /// Packs what is left.
    ///
    /// # Errors
    /// As [`Packing::push`].
    pub(crate) fn finish(mut self, put: Put<'_>) -> Result<(), StoreError> {
        while !self.gathered.is_empty() {
            self.cut(true, put)?;
        }
        Ok(())
    }

    /// Packs as many rows as fit a page, one at least; of those that are not the last ones, one has to stay, before which the leaf ends.
    fn cut(&mut self, is_last: bool, put: Put<'_>) -> Result<(), StoreError> {
        let all = self.gathered.len() - usize::from(!is_last);
        // So many fit, and so many do not.
        let (mut fitting, mut beyond) = (None, all + 1);
        loop {
            let least = fitting.as_ref().map_or(0, |(count, _)| *count);
            if beyond == least + 1 {
                break;
            }
            let count = self.count_of(self.full).clamp(least + 1, beyond - 1);
            let frame = self.frame(count)?;
            // What would just have fitted, were all rows alike.
            let bytes = self.gathered.iter().take(count).map(|(_, row)| length(row)).sum::<usize>();
            self.full = (bytes * ROOM / frame.len().max(1)).clamp(1, GATHERED);
            if frame.len() <= ROOM {
                fitting = Some((count, frame));
            } else {
                beyond = count;
            }
        }
        let (count, frame) = match fitting {
            Some(fitting) => fitting,
            None => (1, self.frame(1)?),
        };
        let sealed =
            self.key.seal(Area::Packed.table(self.scope), &self.begin, &[&self.mark, frame.as_slice()].concat());
        put(Area::Packed, &self.begin, &sealed)?;
        self.bytes -= self.gathered.drain(..count).map(|(_, row)| length(&row)).sum::<usize>();
        if let Some((name, _)) = self.gathered.first() {
            self.begin.clone_from(name);
        }
        Ok(())
    }

    /// How many of the gathered rows have so many bytes.
    fn count_of(&self, bytes: usize) -> usize {
        let mut sum = 0;
        let fits = |(_, row): &&(Vec<u8>, Row)| {
            sum += length(row);
            sum <= bytes
        };
        self.gathered.iter().take_while(fits).count()
    }

    /// The first of the gathered rows, compressed.
    fn frame(&self, count: usize) -> Result<Vec<u8>, StoreError> {
        let end = self.gathered.get(count).map_or(&[][..], |(name, _)| name);
        let bytes = written(end, self.gathered.iter().take(count).map(|(_, row)| row));
        let frame = self.dictionary.compress(&bytes);
        frame.ok_or_else(|| StoreError::Unstorable("there is no memory to compress rows in".into()))
    }
}

fn length(row: &Row) -> usize {
    row.group.len() + row.key.len() + row.value.len()
}
