//! Writing a file.

use automerge::{Change, ChangeHash};
use betwixt_model::ids::{DeviceId, HouseholdId};
use chacha20poly1305::XChaCha20Poly1305;
use chacha20poly1305::aead::stream::EncryptorBE32;
use rand_core::CryptoRngCore;
use zeroize::Zeroizing;

use super::envelope::{self, CHUNK};
use super::error::WriteError;
use super::record;
use crate::keys::PairKey;
use crate::roster::OwnDevice;
use crate::wire::codec::write_unsigned;
use crate::wire::{DocumentName, caps};

/// Writes a file for the other device of a pair. What is written in between is taken out with [`Writer::take`], so that a long
/// file takes no more memory than a document.
///
/// In this order: the roster, shared documents, then perhaps [`Writer::begin_private`] and private documents; of documents the
/// earlier first. The reader demands it.
pub struct Writer {
    sealer: Sealer,
    for_device: DeviceId,
    documents: usize,
    changes: usize,
}

impl Writer {
    /// Begins a file for the other device of a pair, with the roster: what that device may see of it.
    ///
    /// # Errors
    /// [`WriteError::TooLarge`].
    pub fn begin(pair: &PairKey, roster: &[Vec<u8>], rng: &mut impl CryptoRngCore) -> Result<Self, WriteError> {
        let mut sealer = Sealer::begin(pair, rng);
        sealer.record(&record::between(&pair.own(), &pair.peer()));
        if roster.iter().any(|statement| statement.len() > caps::STATEMENT) {
            return Err(WriteError::TooLarge("a statement of the roster"));
        }
        let bytes: usize = roster.iter().map(Vec::len).sum();
        if roster.len() > caps::ROSTER_STATEMENTS || bytes > caps::ROSTER_BYTES {
            return Err(WriteError::TooLarge("the roster"));
        }
        sealer.record(&record::roster(roster.iter().map(Vec::as_slice)));
        Ok(Self { sealer, for_device: pair.peer(), documents: 0, changes: 0 })
    }

    /// What is written from here on is private: documents of the own partner, for another device of theirs.
    ///
    /// # Errors
    /// [`WriteError::ForAnother`] when that is not the file's device.
    pub fn begin_private(&mut self, own: OwnDevice, space: &HouseholdId) -> Result<(), WriteError> {
        if own.device() != self.for_device {
            return Err(WriteError::ForAnother);
        }
        self.documents = 0;
        self.sealer.record(&record::private(space));
        Ok(())
    }

    /// Begins a document; its changes follow. `base` is what they build on and the other device is taken to have.
    ///
    /// # Errors
    /// [`WriteError::TooLarge`].
    pub fn document(&mut self, name: DocumentName, base: &[ChangeHash]) -> Result<(), WriteError> {
        let mut base = base.to_vec();
        base.sort_unstable();
        base.dedup();
        if base.len() > caps::HEADS {
            return Err(WriteError::TooLarge("the number of a document's heads"));
        }
        self.changes = 0;
        self.documents += 1;
        if self.documents > caps::DOCUMENTS {
            return Err(WriteError::TooLarge("the number of documents"));
        }
        self.sealer.record(&record::document(name, &base));
        Ok(())
    }

    /// Changes of the document that was begun last, each after what it builds on.
    ///
    /// # Errors
    /// [`WriteError::TooLarge`].
    pub fn changes(&mut self, changes: impl IntoIterator<Item = Change>) -> Result<(), WriteError> {
        let mut part: Vec<Vec<u8>> = Vec::new();
        let (mut bytes, mut operations) = (0, 0);
        for mut change in changes {
            self.changes += 1;
            if self.changes > caps::WHOLE_CHANGES {
                return Err(WriteError::TooLarge("the number of a document's changes"));
            }
            // Whoever reads a part has a bound on what comes out of it.
            let rows = change.len() as u64;
            let full = part.len() == caps::CHANGES_CUT
                || bytes + change.raw_bytes().len() > caps::MESSAGE_CUT
                || operations + rows > caps::OPERATIONS / 2;
            if full && !part.is_empty() {
                self.part(&part);
                part.clear();
                (bytes, operations) = (0, 0);
            }
            bytes += change.raw_bytes().len();
            operations += rows;
            part.push(change.bytes().into_owned());
        }
        if !part.is_empty() {
            self.part(&part);
        }
        Ok(())
    }

    fn part(&mut self, chunks: &[Vec<u8>]) {
        self.sealer.record(&record::changes(chunks.iter().map(Vec::as_slice)));
    }

    /// The file's bytes since the last time.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.sealer.sealed)
    }

    /// The last of the file's bytes.
    pub fn end(mut self) -> Vec<u8> {
        self.sealer.record(&record::end());
        self.sealer.end()
    }
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Writer").finish_non_exhaustive()
    }
}

/// Seals records in pieces of one length.
struct Sealer {
    cipher: EncryptorBE32<XChaCha20Poly1305>,
    plain: Zeroizing<Vec<u8>>,
    sealed: Vec<u8>,
}

impl Sealer {
    fn begin(pair: &PairKey, rng: &mut impl CryptoRngCore) -> Self {
        let (cipher, sealed) = envelope::begin(pair, rng);
        Self { cipher, plain: Zeroizing::new(Vec::new()), sealed }
    }

    fn record(&mut self, record: &[u8]) {
        write_unsigned(&mut self.plain, record.len() as u64);
        self.add(record);
    }

    fn add(&mut self, bytes: &[u8]) {
        self.plain.extend_from_slice(bytes);
        // One piece stays, since the last is sealed otherwise.
        let mut from = 0;
        while self.plain.len() - from > CHUNK {
            let piece = self.cipher.encrypt_next(&self.plain[from..from + CHUNK]);
            // 2^32 pieces are 256 TiB.
            self.sealed.extend(piece.expect("there are fewer pieces than the counter can count"));
            from += CHUNK;
        }
        self.plain.drain(..from);
    }

    /// Fills the last piece with zeros, so that the length tells little.
    fn end(mut self) -> Vec<u8> {
        self.plain.resize(CHUNK, 0);
        let last = self.cipher.encrypt_last(self.plain.as_slice());
        self.sealed.extend(last.expect("there are fewer pieces than the counter can count"));
        self.sealed
    }
}

/// A file with whatever bytes inside, for tests of who reads it: only a rostered device can write one.
#[cfg(any(test, feature = "fuzz"))]
pub fn sealed(pair: &PairKey, inside: &[u8], rng: &mut impl CryptoRngCore) -> Vec<u8> {
    let mut sealer = Sealer::begin(pair, rng);
    sealer.add(inside);
    sealer.end()
}
