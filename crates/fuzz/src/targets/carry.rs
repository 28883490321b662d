//! Files that are carried by hand: as bytes, and sealed by a member who puts into them whatever they like.

use std::sync::OnceLock;

use automerge::Change;
use betwixt_model::document::Scope;
use betwixt_sync::carry::{CarryError, HEADER, Reader, Record, sealed};
use betwixt_sync::keys::PairKey;
use betwixt_sync::roster::SignedStatement;
use betwixt_sync::wire::{DocumentName, caps};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use super::chunks;
use super::roster::chains;
use crate::reached::here;
use crate::{frames, repair};

/// What stands for a change that is to have a right checksum.
const REPAIRED: u8 = 5;

/// The key of the one that writes with the one that reads, and the other way round.
fn pairs() -> &'static [PairKey; 2] {
    static PAIRS: OnceLock<[PairKey; 2]> = OnceLock::new();
    PAIRS.get_or_init(|| {
        let chains = chains();
        let pair = |own: usize, other: usize| {
            let (own, other) = (&chains.devices[own], &chains.devices[other]);
            PairKey::derive(own, &chains.household, &other.device(), &other.agreement()).expect("it is an honest key")
        };
        [pair(1, 0), pair(0, 1)]
    })
}

/// Records as they stand in a file, each with its length before it. One of changes that is marked holds one chunk, whose
/// checksum is put right.
pub(crate) fn inside<'a>(records: impl IntoIterator<Item = (bool, &'a [u8])>) -> Vec<u8> {
    let mut inside = Vec::new();
    for (mark, record) in records {
        let record = match record.split_first() {
            Some((&REPAIRED, chunk)) if mark => {
                let chunk = repair::chunk(chunk);
                let mut record = vec![REPAIRED, 1];
                unsigned(&mut record, chunk.len());
                record.extend(chunk);
                record
            }
            _ => record.to_vec(),
        };
        unsigned(&mut inside, record.len());
        inside.extend(record);
    }
    inside
}

fn unsigned(out: &mut Vec<u8>, mut value: usize) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// A file as it came; then its records, sealed as whoever holds the key can.
pub(super) fn files(bytes: &[u8]) {
    let _ = read(bytes);
    let inside = inside(frames::split(bytes));
    let file = sealed(&pairs()[0], &inside, &mut ChaCha20Rng::seed_from_u64(1));
    match read(&file) {
        Ok(()) => here("whole"),
        Err(_) => here("refused"),
    }
    // Whatever is inside: a piece less, or a bit, and nobody takes it for whole.
    assert!(read(&file[..file.len() - 1]).is_err());
    let mut altered = file;
    let place = HEADER + bytes.len() % (altered.len() - HEADER);
    altered[place] ^= 1;
    assert_eq!(read(&altered), Err(CarryError::Altered));
}

fn read(file: &[u8]) -> Result<(), CarryError> {
    let (header, rest) = file.split_at(file.len().min(HEADER));
    let mut reader = Reader::open(header, &pairs()[1..])?;
    let mut last = None;
    let mut brought: Vec<Vec<Change>> = Vec::new();
    let mut records = |reader: &mut Reader| -> Result<(), CarryError> {
        while let Some(record) = reader.next_record()? {
            match record {
                Record::Roster(statements) => {
                    assert!(statements.len() <= caps::ROSTER_STATEMENTS);
                    statements.iter().for_each(|statement| drop(SignedStatement::parse(statement)));
                }
                Record::Private(_) => {
                    here("private");
                    last = None;
                }
                Record::Document { id, base } => {
                    assert!(base.len() <= caps::HEADS);
                    assert!(
                        last.is_none_or(|(scope, name)| scope == id.scope && name < DocumentName::of(id)),
                        "in order"
                    );
                    last = Some((id.scope, DocumentName::of(id)));
                }
                Record::Changes(changes) => {
                    assert!(last.is_some(), "of a document");
                    assert!(!changes.is_empty() && changes.len() <= caps::CHANGES);
                    here("changes");
                    if last.is_some_and(|(scope, _)| scope == Scope::Ours) {
                        brought.push(changes);
                    }
                }
            }
        }
        Ok(())
    };
    for piece in rest.chunks(50_000) {
        reader.push(piece)?;
        records(&mut reader)?;
    }
    reader.push_end()?;
    records(&mut reader)?;
    reader.end()?;
    brought.into_iter().for_each(chunks::taken_in);
    Ok(())
}
