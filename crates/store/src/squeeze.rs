//! What is sealed in a row of the index: group, key and value, compressed by a dictionary where there is one.
//!
//! Packed bytes begin with the length of the group, of which the greatest byte is never set. Where it is, the three before it
//! name the dictionary, and a compressed frame follows. So rows of before there were dictionaries stay readable.

use std::sync::Arc;

use betwixt_model::document::Scope;

use crate::dictionaries::{Dictionary, DictionaryName, find};
use crate::error::StoreError;
use crate::seal::ScopeKey;
use crate::source::Source;
use crate::tables::{Area, Row, opened, pack, unpack};

/// What stands in the place of a length's greatest byte.
pub(crate) const SQUEEZED: u8 = 0xff;

/// What stands there in a row that says that a packed one is gone.
const GONE: u8 = 0xfe;

/// Rows that are shorter or longer, in bytes, are left as they are. A short one has nothing to gain, and the one that says which version
/// the index has is among them: it is to be read before anything else is believed. A long one would take its memory twice.
const SHORTEST: usize = 32;
const LONGEST: usize = 1 << 20;

/// Group, key and value as they are sealed.
pub(crate) fn squeeze(dictionary: Option<&Dictionary>, group: &[u8], key: &[u8], value: &[u8]) -> Vec<u8> {
    let packed = pack(group, key, value);
    let squeezed = dictionary.filter(|_| (SHORTEST..=LONGEST).contains(&packed.len())).and_then(|dictionary| {
        let frame = dictionary.compress(&shorter(group, key, value))?;
        let [first, second, third] = dictionary.name();
        let mut squeezed = vec![first, second, third, SQUEEZED];
        squeezed.extend_from_slice(&frame);
        Some(squeezed)
    });
    squeezed.filter(|squeezed| squeezed.len() < packed.len()).unwrap_or(packed)
}

/// What is sealed in the place of a row that is packed, and gone.
pub(crate) fn gone(group: &[u8], key: &[u8]) -> Vec<u8> {
    [&[0, 0, 0, GONE], pack(group, key, &[]).as_slice()].concat()
}

/// A row that is not packed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fresh {
    There(Row),
    /// A packed row of this group and key is gone.
    Gone(Row),
}

impl Fresh {
    /// The row's value, if it is there, and is of this key.
    pub(crate) fn of(self, key: &[u8]) -> Option<Option<Vec<u8>>> {
        match self {
            Self::There(row) => (row.key == key).then_some(Some(row.value)),
            Self::Gone(row) => (row.key == key).then_some(None),
        }
    }
}

/// The reverse of [`squeeze`] and [`gone`]; `dictionary` answers the one of a name.
pub(crate) fn unsqueeze(
    packed: &[u8],
    dictionary: impl FnOnce(DictionaryName) -> Result<Arc<Dictionary>, StoreError>,
) -> Result<Option<Fresh>, StoreError> {
    Ok(match packed {
        [first, second, third, SQUEEZED, frame @ ..] => {
            let dictionary = dictionary([*first, *second, *third])?;
            dictionary.decompress(frame, LONGEST).and_then(|bytes| apart(&bytes)).map(Fresh::There)
        }
        [0, 0, 0, GONE, named @ ..] => unpack(named).map(Fresh::Gone),
        _ => unpack(packed).map(Fresh::There),
    })
}

/// Opens a row of any kind, as far as a key and, for one of the index, its dictionary are there.
pub(crate) fn opened_of(
    source: &dyn Source,
    key: &ScopeKey,
    scope: Scope,
    area: Area,
    at: &[u8],
    sealed: &[u8],
) -> Result<Row, StoreError> {
    match area {
        Area::Rows => match opened_fresh(source, key, scope, at, sealed)? {
            Fresh::There(row) | Fresh::Gone(row) => Ok(row),
        },
        _ => opened(key, area.table(scope), at, sealed),
    }
}

/// Opens a row of the index that is not packed.
pub(crate) fn opened_fresh(
    source: &dyn Source,
    key: &ScopeKey,
    scope: Scope,
    at: &[u8],
    sealed: &[u8],
) -> Result<Fresh, StoreError> {
    let table = Area::Rows.table(scope);
    let packed = key.open(table, at, sealed).map_err(|_| StoreError::row(table))?;
    unsqueeze(&packed, |name| find(source, key, scope, name))?.ok_or_else(|| StoreError::row(table))
}

/// Group and key, each behind its length in as few bytes as it needs, and the value.
fn shorter(group: &[u8], key: &[u8], value: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(10 + group.len() + key.len() + value.len());
    for part in [group, key] {
        let mut length = part.len();
        while length >= 0x80 {
            bytes.push(length as u8 | 0x80);
            length >>= 7;
        }
        bytes.push(length as u8);
        bytes.extend_from_slice(part);
    }
    bytes.extend_from_slice(value);
    bytes
}

/// The reverse of [`shorter`].
fn apart(bytes: &[u8]) -> Option<Row> {
    let (group, bytes): (&[u8], _) = postcard::take_from_bytes(bytes).ok()?;
    let (key, value): (&[u8], _) = postcard::take_from_bytes(bytes).ok()?;
    Some(Row { group: group.to_vec(), key: key.to_vec(), value: value.to_vec() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(dictionary: &Arc<Dictionary>, packed: &[u8]) -> Option<Row> {
        let fresh = unsqueeze(packed, |name| {
            assert_eq!(name, dictionary.name());
            Ok(Arc::clone(dictionary))
        });
        fresh.expect("the dictionary is there").map(|fresh| match fresh {
            Fresh::There(row) => row,
            Fresh::Gone(row) => panic!("{row:?} is there"),
        })
    }

    #[test]
    fn what_says_that_a_row_is_gone_is_no_row() {
        let row = Row { group: b"group".to_vec(), key: b"key".to_vec(), value: vec![] };
        let none = |_| -> Result<Arc<Dictionary>, StoreError> { panic!("there is no dictionary in it") };
        assert_eq!(unsqueeze(&gone(b"group", b"key"), none).unwrap(), Some(Fresh::Gone(row.clone())));
        assert_eq!(unsqueeze(&[0, 0, 0, GONE, 9], none).unwrap(), None);
        assert_eq!(Fresh::Gone(row.clone()).of(b"key"), Some(None));
        assert_eq!(Fresh::There(row.clone()).of(b"key"), Some(Some(vec![])));
        assert_eq!(Fresh::Gone(row).of(b"another"), None);
    }

    #[test]
    fn rows_come_out_as_they_went_in_with_a_dictionary_and_without() {
        let dictionary = Arc::new(Dictionary::new(&[b"household".repeat(4), b"partner".repeat(9)].concat()));
        let long = [b"partner".repeat(60), vec![1, 2, 3]].concat();
        let far_too_long = vec![3; LONGEST + 1];
        for group in [b"".as_slice(), b"group", &long] {
            for key in [b"".as_slice(), b"a key", &long] {
                for value in [b"".as_slice(), b"a value", &long, &far_too_long] {
                    let row = Row { group: group.to_vec(), key: key.to_vec(), value: value.to_vec() };
                    let packed = pack(group, key, value);
                    let squeezed = squeeze(Some(&dictionary), group, key, value);
                    assert!(squeezed.len() <= packed.len());
                    assert_eq!(read(&dictionary, &squeezed), Some(row.clone()));
                    assert_eq!(squeeze(None, group, key, value), packed);
                    assert_eq!(read(&dictionary, &packed), Some(row));
                }
            }
        }
        assert!(squeeze(Some(&dictionary), b"group", b"key", &long).len() < 60);
    }

    #[test]
    fn hostile_input_is_an_error_a_row_that_is_no_frame() {
        let dictionary = Arc::new(Dictionary::new(&[9; 64]));
        let [first, second, third] = dictionary.name();
        for frame in [b"".as_slice(), b"nonsense", &[0; 40]] {
            assert_eq!(read(&dictionary, &[&[first, second, third, SQUEEZED], frame].concat()), None);
        }
        // What decompresses, and is no row.
        let frame = dictionary.compress(&[9; 5]).expect("compresses");
        assert_eq!(read(&dictionary, &[[first, second, third, SQUEEZED].as_slice(), &frame].concat()), None);
    }
}
