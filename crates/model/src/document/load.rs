//! Loading a document so that writing to it afterwards costs what is written, and not the whole document each time.
//!
//! Automerge 0.12 keeps the values of a loaded document in one piece of memory (`RawColumn` of hexane 1.0.0-alpha.5), and those of
//! many changes that were applied together in few. It splits a piece at the place of each operation that is written: everything
//! behind that place is copied, and what stays before it keeps the room of the whole. The operations of several changes are written in the order of their places, so a month of
//! a partner's, 190 changes into a year of two megabytes, copied and kept 460 megabytes, and a home with as many changes since
//! its last snapshot took as much to open the year. Measured: docs/performance.md.
//!
//! So a loaded document is split beforehand, into pieces of some kilobytes: in a transaction that is taken back, values are put
//! between the others from the last place to the first, where each split copies and keeps only what lies behind it up to the
//! split before. The last is put before everything, so that the first piece, which still has the room of the whole, is copied, too, and
//! the room goes with what is taken back. Nothing of it remains but the pieces.

use automerge::transaction::{Transactable, Transaction};
use automerge::{Automerge, AutomergeError, Change, ObjId, ReadDoc};

use super::{SIGNATURES, genesis};

/// A piece has about so many bytes. Automerge goes on to split those that are written to down to 4 KiB; as many pieces as that from
/// the beginning would take as long as loading does.
const PIECE: usize = 16 * 1024;

/// So many changes, applied together, leave long pieces, if they are not few beside what was there.
const MANY: usize = 64;

/// Documents that are shorter are left alone.
const SHORT: usize = 64 * 1024;

/// How long a fact's text and a signature are, to within a factor of two: what a piece is measured by.
const TEXT: usize = 700;
const SIGNATURE: usize = 65;

/// Loads what [`Automerge::save`] wrote, with changes appended since.
pub(super) fn load(saved: &[u8]) -> Result<Automerge, AutomergeError> {
    let Some((document, appended)) = parts(saved) else {
        let mut automerge = Automerge::load(saved)?;
        if saved.len() >= SHORT {
            split(&mut automerge)?;
        }
        return Ok(automerge);
    };
    let mut automerge = Automerge::load(document)?;
    split(&mut automerge)?;
    automerge.apply_changes(appended)?;
    Ok(automerge)
}

/// After so many changes were applied at once to a document of so many.
pub(super) fn applied(automerge: &mut Automerge, changes: usize, before: u64) -> Result<(), AutomergeError> {
    if changes >= MANY && changes as u64 * 4 >= before { split(automerge) } else { Ok(()) }
}

/// A saved document that is long, and the changes after it; `None` for all else, which is Automerge's to take apart or refuse.
fn parts(saved: &[u8]) -> Option<(&[u8], Vec<Change>)> {
    const DOCUMENT: u8 = 0;
    let (document, mut rest) = first_chunk(saved)?;
    if document[8] != DOCUMENT || document.len() < SHORT || rest.is_empty() {
        return None;
    }
    let mut changes = Vec::new();
    while !rest.is_empty() {
        let (chunk, after) = first_chunk(rest)?;
        changes.push(Change::try_from(chunk).ok()?);
        rest = after;
    }
    Some((document, changes))
}

/// The first of several chunks: magic, checksum, kind, length, data
/// (<https://automerge.org/automerge-binary-format-spec/#_chunks>).
fn first_chunk(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    const HEADER: usize = 4 + 4 + 1;
    let (mut length, mut at) = (0_usize, HEADER);
    for shift in (0..usize::BITS).step_by(7) {
        let byte = *bytes.get(at)?;
        at += 1;
        length |= usize::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return bytes.split_at_checked(at.checked_add(length)?);
        }
    }
    None
}

/// Splits the values into pieces. The document is the same afterwards.
fn split(automerge: &mut Automerge) -> Result<(), AutomergeError> {
    let mut transaction = automerge.transaction();
    for (name, object) in maps_from_the_last() {
        let length = if name == SIGNATURES { SIGNATURE } else { TEXT };
        let keys: Vec<String> = transaction.keys(object).collect();
        // A map that is no longer the root's says nothing here, and does no harm.
        for key in keys.iter().step_by(PIECE / length).skip(1).rev() {
            put_before(&mut transaction, object, key)?;
        }
    }
    // At last before everything: what follows is copied once more, and the room of the whole document is left to a value that goes.
    let first =
        maps_from_the_last().into_iter().rev().find_map(|(_, object)| Some((object, transaction.keys(object).next()?)));
    if let Some((object, key)) = first {
        put_before(&mut transaction, object, &key)?;
    }
    transaction.rollback();
    Ok(())
}

/// Puts a value right before this key, if nothing is called so; who writes other keys than facts' ids gets no pieces.
fn put_before(transaction: &mut Transaction<'_>, object: &ObjId, key: &str) -> Result<(), AutomergeError> {
    let before = key.get(..key.len().saturating_sub(1)).filter(|before| !before.is_empty());
    if let Some(before) = before
        && transaction.get(object, before)?.is_none()
    {
        // Of a length: a value without one would not split anything.
        transaction.put(object, before, 1)?;
    }
    Ok(())
}

/// The maps of the genesis in the reverse of the order in which Automerge keeps them.
fn maps_from_the_last() -> Vec<(&'static str, &'static ObjId)> {
    let mut maps: Vec<_> = genesis().objects.iter().map(|(name, object)| (*name, object)).collect();
    let counter = |object: &ObjId| match object {
        ObjId::Root => 0,
        ObjId::Id(counter, ..) => *counter,
    };
    maps.sort_by_key(|(_, object)| std::cmp::Reverse(counter(object)));
    maps
}

#[cfg(test)]
mod tests {
    use automerge::{ActorId, ROOT};

    use super::*;
    use crate::document::{GENESIS, genesis_hash, map_object};

    /// A year in which two said so many things in turn, each in a change.
    fn year(facts: usize) -> Automerge {
        let mut automerge = Automerge::load(GENESIS).unwrap();
        for number in 0..facts {
            automerge.set_actor(ActorId::from(vec![1 + (number % 2) as u8; 16]));
            let mut transaction = automerge.transaction();
            let key = blake3::hash(&number.to_le_bytes()).to_hex().to_string();
            let map = map_object(["reflections", "goals"][number % 2]).unwrap();
            transaction.put(map, key.as_str(), format!("what was said {key} ").repeat(6)).unwrap();
            transaction.put(map_object(SIGNATURES).unwrap(), key.as_str(), vec![7_u8; 64]).unwrap();
            transaction.commit();
        }
        automerge
    }

    #[test]
    fn a_document_in_pieces_is_the_same_document() {
        let written = year(1_500);
        let saved = written.save();
        assert!(saved.len() >= SHORT, "{}", saved.len());
        let whole = Automerge::load(&saved).unwrap();
        let mut pieces = load(&saved).unwrap();
        assert_eq!(pieces.get_heads(), whole.get_heads());
        assert_eq!(pieces.save(), whole.save());
        // And after both wrote the same.
        let mut whole = whole;
        for automerge in [&mut whole, &mut pieces] {
            automerge.set_actor(ActorId::from(vec![1; 16]));
            let mut transaction = automerge.transaction();
            transaction.put(map_object("goals").unwrap(), "new", "something").unwrap();
            transaction.commit();
        }
        assert_eq!(pieces.get_heads(), whole.get_heads());
        assert_eq!(pieces.save(), whole.save());
        assert_eq!(Automerge::load(&pieces.save()).unwrap().get_heads(), whole.get_heads());
    }

    #[test]
    fn changes_that_were_appended_are_loaded_as_automerge_loads_them() {
        let mut automerge = year(1_500);
        let saved = automerge.save();
        let heads = automerge.get_heads();
        for number in 0..3 {
            let mut transaction = automerge.transaction();
            transaction.put(ROOT, format!("later {number}"), 1).unwrap();
            transaction.commit();
        }
        let later = automerge.get_changes(&heads);
        let append = |changes: &[Change]| {
            changes.iter().fold(saved.clone(), |saved, change| [saved.as_slice(), change.raw_bytes()].concat())
        };
        assert_eq!(load(&append(&later)).unwrap().get_heads(), automerge.get_heads());
        let mut cut = append(&later);
        cut.pop();
        let mut altered = append(&later);
        let place = altered.len() - 20;
        altered[place] ^= 1;
        let gap = append(&later[1..]);
        for bytes in [cut, altered, gap] {
            let heads = |loaded: Result<Automerge, _>| loaded.ok().map(|automerge| automerge.get_heads());
            assert_eq!(heads(load(&bytes)), heads(Automerge::load(&bytes)));
        }
    }

    #[test]
    fn what_is_no_document_is_an_error() {
        for bytes in [&b""[..], b"no document", &GENESIS[..20]] {
            assert_eq!(load(bytes).is_err(), Automerge::load(bytes).is_err());
        }
        assert!(load(GENESIS).unwrap().get_change_by_hash(&genesis_hash()).is_some());
    }
}
