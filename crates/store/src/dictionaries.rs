//! Dictionaries: what the rows of a scope's index have in common, kept once, so that each row can leave it out.
//!
//! A dictionary is a row of its own, sealed like every other, and its name is a part of the hash of its bytes. Rows say by
//! which one they were compressed; the newest is for what is written from now on, and those before stay for what they wrote.
//! All of them go with the index, which is derived: a damaged one loses nothing that the documents do not have.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use betwixt_model::document::Scope;
use zstd::zstd_safe::{self, CCtx, CDict, DCtx, DDict};

use crate::batch::Batch;
use crate::error::StoreError;
use crate::reader::Reader;
use crate::seal::ScopeKey;
use crate::source::Source;
use crate::tables::{Area, Span, number_of, numbered, opened, pack};

/// The longest dictionary, in bytes. It is in memory as long as its scope is open, two times.
pub const LONGEST_DICTIONARY: usize = 16 << 10;

/// How many dictionaries a scope has at most. Beyond, what is written goes on by the newest.
const MOST: u64 = 64;

/// How hard is tried. Most of a row are random ids, whose frequencies of bytes tell nothing: a level that looks for them takes four times as
/// long (some 20 microseconds a row instead of 5) and makes facts 6 % shorter. An edit writes a dozen rows.
const LEVEL: i32 = -1;

/// What every frame begins with, and no row needs to repeat.
const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Which dictionary: the first bytes of its hash. Two with one name are as good as impossible by chance, and nobody gains by making
/// them: the second is not taken.
pub(crate) type DictionaryName = [u8; 3];

/// A dictionary, ready for use.
pub(crate) struct Dictionary {
    name: DictionaryName,
    compressing: CDict<'static>,
    decompressing: DDict<'static>,
}

impl std::fmt::Debug for Dictionary {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Dictionary").field("name", &self.name).finish_non_exhaustive()
    }
}

thread_local! {
    /// The memory of a compression and a decompression, which takes longer to make than a row to compress.
    static CONTEXTS: RefCell<(CCtx<'static>, DCtx<'static>)> = RefCell::new((CCtx::create(), DCtx::create()));
}

impl Dictionary {
    pub(crate) fn new(bytes: &[u8]) -> Self {
        Self::at_level(bytes, LEVEL)
    }

    /// One that compresses at another level; what it compressed is read by the same bytes at any.
    pub(crate) fn at_level(bytes: &[u8], level: i32) -> Self {
        Self {
            name: name_of(bytes),
            compressing: zstd_safe::create_cdict(bytes, level),
            decompressing: zstd_safe::create_ddict(bytes),
        }
    }

    pub(crate) fn name(&self) -> DictionaryName {
        self.name
    }

    /// Compresses; `None` where that cannot be done, for want of memory.
    pub(crate) fn compress(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let mut frame = Vec::with_capacity(zstd_safe::compress_bound(bytes.len()));
        CONTEXTS
            .with_borrow_mut(|(context, _)| context.compress_using_cdict(&mut frame, bytes, &self.compressing))
            .ok()?;
        frame.starts_with(&MAGIC).then(|| frame.split_off(MAGIC.len()))
    }

    /// The reverse of [`Dictionary::compress`], as long as no more than `longest` bytes come out.
    pub(crate) fn decompress(&self, frame: &[u8], longest: usize) -> Option<Vec<u8>> {
        let frame = [MAGIC.as_slice(), frame].concat();
        let length = usize::try_from(zstd_safe::get_frame_content_size(&frame).ok()??).ok()?;
        if length > longest {
            return None;
        }
        let mut bytes = Vec::with_capacity(length);
        CONTEXTS
            .with_borrow_mut(|(_, context)| context.decompress_using_ddict(&mut bytes, &frame, &self.decompressing))
            .ok()?;
        (bytes.len() == length).then_some(bytes)
    }
}

fn name_of(bytes: &[u8]) -> DictionaryName {
    let mut hasher = blake3::Hasher::new_derive_key("betwixt 1 store dictionary");
    hasher.update(bytes);
    let hash = *hasher.finalize().as_bytes();
    [hash[0], hash[1], hash[2]]
}

/// The dictionaries that were read of a scope. Since the name follows from the bytes, one stays right whatever becomes of the
/// transaction that it was read in.
#[derive(Debug, Default)]
pub(crate) struct Known(RwLock<BTreeMap<DictionaryName, Arc<Dictionary>>>);

impl Known {
    fn get(&self, name: DictionaryName) -> Option<Arc<Dictionary>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(&name).cloned()
    }

    fn enter(&self, dictionary: Arc<Dictionary>) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(dictionary.name, dictionary);
    }
}

/// A number in the order of dictionaries, with the name.
fn number(place: u64, name: DictionaryName) -> u64 {
    let [first, second, third] = name;
    place << 24 | u64::from(u32::from_be_bytes([0, first, second, third]))
}

fn name_in(number: u64) -> DictionaryName {
    let [.., first, second, third] = number.to_be_bytes();
    [first, second, third]
}

/// Whether a row of dictionaries holds the one that its number names.
pub(crate) fn is_named_rightly(at: &[u8], bytes: &[u8]) -> bool {
    number_of(at).is_some_and(|number| name_in(number) == name_of(bytes))
}

/// A scope's dictionary of this name.
///
/// # Errors
/// [`StoreError::Damaged`], naming the index, when it is not there or not whole.
pub(crate) fn find(
    source: &dyn Source,
    key: &ScopeKey,
    scope: Scope,
    name: DictionaryName,
) -> Result<Arc<Dictionary>, StoreError> {
    if let Some(known) = key.dictionaries().get(name) {
        return Ok(known);
    }
    let mut found = None;
    source.scan(scope, Area::Dictionaries, Span::ALL, &mut |at, sealed| {
        if number_of(at).map(name_in) == Some(name) {
            let row = opened(key, Area::Dictionaries.table(scope), at, sealed).ok();
            found =
                row.map(|row| row.value).filter(|bytes| bytes.len() <= LONGEST_DICTIONARY && name_of(bytes) == name);
        }
        Ok(found.is_none())
    })?;
    let bytes = found.ok_or_else(|| StoreError::row(Area::Rows.table(scope)))?;
    let dictionary = Arc::new(Dictionary::new(&bytes));
    key.dictionaries().enter(Arc::clone(&dictionary));
    Ok(dictionary)
}

/// The dictionary for what is written from now on, if there is one.
pub(crate) fn newest(reader: &Reader<'_>, scope: Scope) -> Result<Option<Arc<Dictionary>>, StoreError> {
    let last = reader.edge(scope, Area::Dictionaries, &[], true)?;
    last.map(|last| find(reader.source(), reader.key(scope)?, scope, name_in(last))).transpose()
}

/// The bytes of the newest, if there is one.
pub(crate) fn newest_bytes(reader: &Reader<'_>, scope: Scope) -> Result<Option<Vec<u8>>, StoreError> {
    let Some(last) = reader.edge(scope, Area::Dictionaries, &[], true)? else { return Ok(None) };
    Ok(reader.by_number(scope, Area::Dictionaries, &[], last)?.map(|row| row.value))
}

impl Reader<'_> {
    /// Reads all dictionaries of a scope's index.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when one is not whole: rows cannot be read then, and the index has to be built anew.
    pub fn check_dictionaries(&self, scope: Scope) -> Result<(), StoreError> {
        let mut names = Vec::new();
        self.source().scan(scope, Area::Dictionaries, Span::ALL, &mut |at, _| {
            names.extend(number_of(at).map(name_in));
            Ok(true)
        })?;
        names.into_iter().try_for_each(|name| find(self.source(), self.key(scope)?, scope, name).map(drop))
    }

    /// Whether what is written into a scope's index is compressed by this dictionary now.
    ///
    /// # Errors
    /// [`StoreError`]; [`StoreError::Damaged`], too, when the present one cannot be read: the index has to be built anew then.
    pub fn compresses_by(&self, scope: Scope, dictionary: &[u8]) -> Result<bool, StoreError> {
        Ok(newest(self, scope)?.is_some_and(|newest| newest.name() == name_of(dictionary)))
    }
}

impl Batch {
    /// Compresses what is written into a scope's index from now on by this dictionary: bytes that the rows have in common. It is kept
    /// for as long as the index is, and must hold nothing that may have to be erased before. Answers whether it is in use
    /// now: not so when the scope has had as many as it may have.
    ///
    /// # Errors
    /// [`StoreError::Unstorable`] for one longer than [`LONGEST_DICTIONARY`]; otherwise what the store says.
    pub fn compress_by(&mut self, scope: Scope, dictionary: &[u8]) -> Result<bool, StoreError> {
        if dictionary.len() > LONGEST_DICTIONARY {
            return Err(StoreError::Unstorable(format!("a dictionary of {} bytes is too long", dictionary.len())));
        }
        let reader = self.reader();
        if reader.compresses_by(scope, dictionary)? {
            return Ok(true);
        }
        let mut names = Vec::new();
        reader.each(scope, Area::Dictionaries, Span::ALL, &mut |row| {
            names.push((name_of(&row.value), row.value == dictionary));
            Ok(true)
        })?;
        let name = name_of(dictionary);
        let is_taken = names.iter().any(|(other, same)| *other == name && !same);
        if names.len() as u64 >= MOST || is_taken {
            return Ok(false);
        }
        let last = reader.edge(scope, Area::Dictionaries, &[], true)?;
        let place = last.map_or(0, |last| (last >> 24) + 1);
        let row = numbered(self.reader().key(scope)?, Area::Dictionaries, &[], number(place, name));
        self.put_sealed(scope, Area::Dictionaries, &row, &pack(&[], &[], dictionary))?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_compressed_comes_out_as_it_was_and_never_longer_than_allowed() {
        let dictionary = Dictionary::new(b"the household's id, the partner's, the device's, and so on");
        for bytes in [b"the household's id, the partner's".as_slice(), b"", &[7; 5000]] {
            let frame = dictionary.compress(bytes).expect("compresses");
            assert!(frame.len() < 32, "{}", frame.len());
            assert_eq!(dictionary.decompress(&frame, bytes.len()).as_deref(), Some(bytes));
            assert!(bytes.is_empty() || dictionary.decompress(&frame, bytes.len() - 1).is_none());
        }
    }

    #[test]
    fn hostile_input_is_an_error_whatever_a_frame_claims() {
        let dictionary = Dictionary::new(&[42; 100]);
        let frame = dictionary.compress(&[42; 300]).expect("compresses");
        for position in 0..frame.len() {
            for bit in 0..8 {
                let mut altered = frame.clone();
                altered[position] ^= 1 << bit;
                let found = dictionary.decompress(&altered, 1000);
                assert!(found.is_none_or(|found| found.len() <= 1000));
            }
            assert!(dictionary.decompress(&frame[..position], 1000).is_none());
        }
        // A gigabyte in a few bytes, as far as the header is believed.
        assert!(dictionary.decompress(&[0xa0, 0, 0, 0, 0x40, 1, 0, 0], 1 << 20).is_none());
    }

    #[test]
    fn numbers_hold_place_and_name() {
        let name = name_of(b"some bytes");
        assert_eq!(name_in(number(7, name)), name);
        assert!(number(8, [0; 3]) > number(7, [255; 3]));
    }
}
