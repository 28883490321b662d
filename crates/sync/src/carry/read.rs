//! Reading a file.

use betwixt_model::document::{DocumentId, Scope};
use betwixt_model::ids::DeviceId;
use chacha20poly1305::XChaCha20Poly1305;
use chacha20poly1305::aead::stream::DecryptorBE32;
use zeroize::{Zeroize, Zeroizing};

use super::envelope::{self, SEALED_CHUNK};
use super::error::CarryError;
use super::record::{self, Record, Written};
use crate::keys::PairKey;
use crate::wire::{Malformed, caps};

/// How far what is inside has been read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Before the first record.
    Beginning,
    /// Among the roster's.
    Roster,
    /// Among documents of a scope, of which this is the last that was begun.
    Documents(Scope, Option<DocumentId>),
    /// After the last record.
    End,
}

/// Reads a file, piece by piece: [`Reader::push`] takes its bytes after the header, [`Reader::next_record`] answers what they
/// bring, [`Reader::end`] says whether that was all. After an error nothing more of the file is to be looked at.
pub struct Reader {
    cipher: Option<DecryptorBE32<XChaCha20Poly1305>>,
    /// Sealed, of the piece that is not whole yet, or may be the last.
    held: Vec<u8>,
    /// Opened, and not read yet.
    plain: Zeroizing<Vec<u8>>,
    from: DeviceId,
    to: DeviceId,
    place: Place,
    statements: usize,
    statement_bytes: usize,
    documents: usize,
    changes: usize,
}

impl Reader {
    /// Begins with the file's first [`super::HEADER`] bytes, or all where it has fewer. `known` are the keys that this device
    /// shares with others, also with those that were removed: whose file is to be taken is not decided here.
    ///
    /// # Errors
    /// [`CarryError`].
    pub fn open<'a>(header: &[u8], known: impl IntoIterator<Item = &'a PairKey>) -> Result<Self, CarryError> {
        let (cipher, pair) = envelope::open(header, known)?;
        Ok(Self {
            cipher: Some(cipher),
            held: Vec::new(),
            plain: Zeroizing::new(Vec::new()),
            from: pair.peer(),
            to: pair.own(),
            place: Place::Beginning,
            statements: 0,
            statement_bytes: 0,
            documents: 0,
            changes: 0,
        })
    }

    /// The device that wrote it.
    pub fn from(&self) -> DeviceId {
        self.from
    }

    /// Takes the next bytes of the file, however many. Read the records between two pushes, so that little is held.
    ///
    /// # Errors
    /// [`CarryError::Altered`].
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), CarryError> {
        self.held.extend_from_slice(bytes);
        let mut from = 0;
        // One piece stays until something comes after it, since the last is sealed otherwise.
        while self.held.len() - from > SEALED_CHUNK {
            let cipher = self.cipher.as_mut().ok_or(CarryError::Altered)?;
            let piece = cipher.decrypt_next(&self.held[from..from + SEALED_CHUNK]).map_err(|_| CarryError::Altered)?;
            self.keep(piece);
            from += SEALED_CHUNK;
        }
        self.held.drain(..from);
        Ok(())
    }

    /// There are no more bytes. The last records follow.
    ///
    /// # Errors
    /// [`CarryError::CutShort`], [`CarryError::Altered`].
    pub fn push_end(&mut self) -> Result<(), CarryError> {
        if self.held.len() != SEALED_CHUNK {
            return Err(CarryError::CutShort);
        }
        let cipher = self.cipher.take().ok_or(CarryError::Altered)?;
        let piece = cipher.decrypt_last(self.held.as_slice()).map_err(|_| CarryError::Altered)?;
        self.held.clear();
        self.keep(piece);
        Ok(())
    }

    fn keep(&mut self, mut piece: Vec<u8>) {
        self.plain.extend_from_slice(&piece);
        piece.zeroize();
    }

    /// What comes next; `None` when more bytes have to come first, or there is nothing more.
    ///
    /// # Errors
    /// [`CarryError`].
    pub fn next_record(&mut self) -> Result<Option<Record>, CarryError> {
        loop {
            if self.place == Place::End {
                return self.padding().map(|()| None);
            }
            let Some((length, before)) = record::length(&self.plain)? else { return Ok(None) };
            let Some(bytes) = self.plain.get(before..before + length) else { return Ok(None) };
            let scope = match self.place {
                Place::Documents(scope, _) => scope,
                _ => Scope::Ours,
            };
            let written = record::decode(bytes, scope)?;
            self.plain.drain(..before + length);
            match written {
                Written::Between { from, to } => {
                    if self.place != Place::Beginning || (from, to) != (self.from, self.to) {
                        return Err(CarryError::OutOfOrder("another device's name"));
                    }
                    self.place = Place::Roster;
                }
                Written::End if matches!(self.place, Place::Documents(..)) => self.place = Place::End,
                Written::End => return Err(CarryError::OutOfOrder("an end")),
                Written::Brings(record) => {
                    self.follow(&record)?;
                    return Ok(Some(record));
                }
            }
        }
    }

    /// Whether a record may come here, and what may come after it.
    fn follow(&mut self, record: &Record) -> Result<(), CarryError> {
        let out_of_order = || Err(CarryError::out_of_order(record));
        match (record, self.place) {
            (Record::Roster(statements), Place::Roster) => {
                self.statements += statements.len();
                self.statement_bytes += statements.iter().map(Vec::len).sum::<usize>();
                if self.statements > caps::ROSTER_STATEMENTS || self.statement_bytes > caps::ROSTER_BYTES {
                    return Err(Malformed::Cap("statements").into());
                }
                self.place = Place::Documents(Scope::Ours, None);
            }
            (Record::Private(_), Place::Documents(Scope::Ours, _)) => {
                self.documents = 0;
                self.place = Place::Documents(Scope::Mine, None);
            }
            (Record::Document { id, .. }, Place::Documents(scope, last)) => {
                if last.is_some_and(|last| last >= *id) {
                    return Err(Malformed::Unsorted("documents").into());
                }
                self.documents += 1;
                if self.documents > caps::DOCUMENTS {
                    return Err(Malformed::Cap("documents").into());
                }
                self.changes = 0;
                self.place = Place::Documents(scope, Some(*id));
            }
            (Record::Changes(changes), Place::Documents(_, Some(_))) => {
                self.changes += changes.len();
                if changes.is_empty() {
                    return out_of_order();
                }
                if self.changes > caps::WHOLE_CHANGES {
                    return Err(Malformed::Cap("changes of a document").into());
                }
            }
            _ => return out_of_order(),
        }
        Ok(())
    }

    /// What comes after the last record is nothing but zeros.
    fn padding(&mut self) -> Result<(), CarryError> {
        let clean = self.plain.iter().all(|byte| *byte == 0);
        self.plain.clear();
        if clean { Ok(()) } else { Err(Malformed::LeftOver.into()) }
    }

    /// Whether the file was whole: its last piece has come, and its last record was read.
    ///
    /// # Errors
    /// [`CarryError`].
    pub fn end(mut self) -> Result<(), CarryError> {
        if self.next_record()?.is_some() || self.cipher.is_some() || self.place != Place::End {
            return Err(CarryError::CutShort);
        }
        Ok(())
    }
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Reader").field("place", &self.place).finish_non_exhaustive()
    }
}
