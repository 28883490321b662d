//! A file in sealed chunks, each of which opens by itself: readable at any place, and only as what was written there.
//!
//! A chunk is XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha) under a random nonce of 192 bits. What is authenticated beside it is
//! the index, the file's name, the chunk's number and whether it is the last one: so a chunk opens nowhere else, and a file that
//! was cut off or goes on is noticed where it ends.

use std::fs::File;
use std::io::{self, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;

use chacha20poly1305::aead::{Aead, AeadInPlace, KeyInit};
use chacha20poly1305::{Tag, XChaCha20Poly1305, XNonce};
use rand_core::{OsRng, RngCore};

use crate::key::Key;

/// How many bytes of a file are sealed together. A word's postings are short; more would be opened for nothing.
pub(crate) const CHUNK: usize = 4096;

const NONCE: usize = 24;
const TAG: usize = 16;
/// How many bytes a full chunk takes on the disk.
const SEALED: usize = NONCE + CHUNK + TAG;

/// How the chunks of one file are sealed.
#[derive(Clone)]
pub(crate) struct Sealing {
    cipher: XChaCha20Poly1305,
    associated: Vec<u8>,
}

impl std::fmt::Debug for Sealing {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Sealing").finish_non_exhaustive()
    }
}

impl Sealing {
    pub(crate) fn new(key: &Key, index: &[u8; 16], file: &str) -> Self {
        let mut associated = b"betwixt 1 search chunk\0".to_vec();
        associated.extend_from_slice(index);
        associated.extend_from_slice(file.as_bytes());
        associated.push(0);
        Self { cipher: XChaCha20Poly1305::new(key.sealing().into()), associated }
    }

    fn associated(&self, number: u64, last: bool) -> Vec<u8> {
        let mut associated = self.associated.clone();
        associated.extend_from_slice(&number.to_le_bytes());
        associated.push(last.into());
        associated
    }

    fn seal(&self, number: u64, last: bool, bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut nonce = [0; NONCE];
        OsRng.fill_bytes(&mut nonce);
        let payload = chacha20poly1305::aead::Payload { msg: bytes, aad: &self.associated(number, last) };
        let sealed = self.cipher.encrypt(XNonce::from_slice(&nonce), payload).map_err(|_| unreadable())?;
        Ok([nonce.as_slice(), &sealed].concat())
    }

    /// Opens a chunk in its place and puts it at the end of `into`.
    fn open(&self, number: u64, last: bool, sealed: &[u8], into: &mut Vec<u8>) -> io::Result<()> {
        if sealed.len() < NONCE + TAG {
            return Err(unreadable());
        }
        let (nonce, rest) = sealed.split_at(NONCE);
        let (bytes, tag) = rest.split_at(rest.len() - TAG);
        let from = into.len();
        into.extend_from_slice(bytes);
        let nonce = XNonce::from_slice(nonce);
        let associated = self.associated(number, last);
        let opened = self.cipher.decrypt_in_place_detached(nonce, &associated, &mut into[from..], Tag::from_slice(tag));
        opened.map_err(|_| unreadable())
    }

    /// Everything sealed at once, for small files.
    pub(crate) fn whole(&self, bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut sealed = Vec::with_capacity(bytes.len() + SEALED);
        let mut writer = ChunkWriter::new(self.clone(), &mut sealed);
        writer.write_all(bytes)?;
        writer.finish()?;
        Ok(sealed)
    }
}

/// What a chunk that does not open is told as.
pub(crate) fn unreadable() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a chunk of the search index does not decrypt")
}

/// Writes a file in sealed chunks. Without [`ChunkWriter::finish`] it has no last chunk, and does not open.
#[derive(Debug)]
pub(crate) struct ChunkWriter<W> {
    sealing: Sealing,
    to: W,
    number: u64,
    waiting: Vec<u8>,
}

impl<W: Write> ChunkWriter<W> {
    pub(crate) fn new(sealing: Sealing, to: W) -> Self {
        Self { sealing, to, number: 0, waiting: Vec::with_capacity(CHUNK) }
    }

    fn put(&mut self, last: bool) -> io::Result<()> {
        self.to.write_all(&self.sealing.seal(self.number, last, &self.waiting)?)?;
        self.number += 1;
        self.waiting.clear();
        Ok(())
    }

    /// Writes the last chunk, which may be empty.
    pub(crate) fn finish(&mut self) -> io::Result<&mut W> {
        self.put(true)?;
        Ok(&mut self.to)
    }
}

impl<W: Write> Write for ChunkWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // A full one waits for what follows: it may be the last.
        if self.waiting.len() == CHUNK {
            self.put(false)?;
        }
        let taken = bytes.len().min(CHUNK - self.waiting.len());
        self.waiting.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Reads a file of sealed chunks at any place.
#[derive(Debug)]
pub(crate) struct ChunkReader {
    sealing: Sealing,
    file: File,
    /// How many bytes it has on the disk.
    sealed: u64,
    length: usize,
}

impl ChunkReader {
    /// Opens a file. That it ends where it should is known once its last chunk was opened, which this does.
    pub(crate) fn open(sealing: Sealing, file: File) -> io::Result<Self> {
        let sealed = file.metadata()?.len();
        let chunks = sealed.div_ceil(SEALED as u64).max(1);
        let overhead = chunks.saturating_mul((NONCE + TAG) as u64);
        let length = sealed.checked_sub(overhead).and_then(|length| usize::try_from(length).ok());
        let reader = Self { sealing, file, sealed, length: length.ok_or_else(unreadable)? };
        reader.chunks(chunks - 1..chunks, &mut Vec::new())?;
        Ok(reader)
    }

    /// How many bytes were written.
    pub(crate) fn len(&self) -> usize {
        self.length
    }

    /// Part of what was written.
    pub(crate) fn read(&self, range: Range<usize>) -> io::Result<Vec<u8>> {
        if range.start > range.end || range.end > self.length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if range.is_empty() {
            return Ok(Vec::new());
        }
        let (first, last) = (range.start / CHUNK, (range.end - 1) / CHUNK);
        let mut bytes = Vec::with_capacity((last - first + 1) * CHUNK);
        self.chunks(first as u64..last as u64 + 1, &mut bytes)?;
        bytes.truncate(range.end - first * CHUNK);
        bytes.drain(..range.start - first * CHUNK);
        Ok(bytes)
    }

    fn chunks(&self, numbers: Range<u64>, into: &mut Vec<u8>) -> io::Result<()> {
        let begin = numbers.start * SEALED as u64;
        let end = (numbers.end * SEALED as u64).min(self.sealed);
        let mut sealed = vec![0; usize::try_from(end.saturating_sub(begin)).map_err(|_| unreadable())?];
        self.file.read_exact_at(&mut sealed, begin)?;
        let mut rest = sealed.as_slice();
        for number in numbers {
            let (chunk, following) = rest.split_at(rest.len().min(SEALED));
            let last = (number + 1) * SEALED as u64 >= self.sealed;
            self.sealing.open(number, last, chunk, into)?;
            rest = following;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealing() -> Sealing {
        Sealing::new(&Key::of([7; 32]), &[1; 16], "file")
    }

    fn file(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().expect("makes a file");
        file.write_all(bytes).expect("writes");
        file
    }

    fn text(length: usize) -> Vec<u8> {
        (0..length).map(|number| (number % 251) as u8).collect()
    }

    #[test]
    fn what_was_written_is_read_at_any_place() {
        for length in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK + 17] {
            let written = text(length);
            let reader = ChunkReader::open(sealing(), file(&sealing().whole(&written).expect("seals"))).expect("opens");
            assert_eq!(reader.len(), length);
            let places = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, length / 2, length];
            for from in places.into_iter().filter(|from| *from <= length) {
                for until in places.into_iter().filter(|until| (from..=length).contains(until)) {
                    assert_eq!(reader.read(from..until).expect("reads"), written[from..until], "{from}..{until}");
                }
            }
            assert!(reader.read(0..length + 1).is_err());
        }
    }

    #[test]
    fn what_was_altered_cut_or_moved_does_not_open() {
        let written = text(2 * CHUNK + 5);
        let whole = sealing().whole(&written).expect("seals");
        let reads = |sealing: Sealing, bytes: &[u8]| {
            let reader = ChunkReader::open(sealing, file(bytes))?;
            reader.read(0..reader.len())
        };
        assert_eq!(reads(sealing(), &whole).expect("reads"), written);
        for at in (0..whole.len()).step_by(97) {
            let mut altered = whole.clone();
            altered[at] ^= 1;
            assert!(reads(sealing(), &altered).is_err(), "byte {at}");
        }
        for length in [0, 1, 40, SEALED, 2 * SEALED, 2 * SEALED + 40, whole.len() - 1] {
            assert!(reads(sealing(), &whole[..length]).is_err(), "cut at {length}");
        }
        assert!(reads(sealing(), &[whole.as_slice(), &whole].concat()).is_err());
        let swapped = [&whole[SEALED..2 * SEALED], &whole[..SEALED], &whole[2 * SEALED..]].concat();
        assert!(reads(sealing(), &swapped).is_err());
        let key = Key::of([7; 32]);
        assert!(reads(Sealing::new(&key, &[1; 16], "other"), &whole).is_err());
        assert!(reads(Sealing::new(&key, &[2; 16], "file"), &whole).is_err());
        assert!(reads(Sealing::new(&Key::of([8; 32]), &[1; 16], "file"), &whole).is_err());
    }
}
