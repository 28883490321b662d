//! Reading and writing the primitive values of frames and of Automerge's chunks: LEB128 integers and byte strings.

/// Bytes that do not have the shape they should have, and what was being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The bytes end early.
    #[error("cut short")]
    Short,
    /// There are bytes after the end.
    #[error("bytes left over")]
    LeftOver,
    /// An integer with more digits than it needs or than fit.
    #[error("an impossible integer")]
    Integer,
    /// A frame's tag that this version does not know.
    #[error("unknown frame {0}")]
    UnknownFrame(u8),
    /// A value that is not one of those that are allowed.
    #[error("impossible {0}")]
    Value(&'static str),
    /// A list or value that is longer than allowed.
    #[error("too many or too long: {0}")]
    Cap(&'static str),
    /// A list that must be sorted and without repetition is not.
    #[error("not sorted: {0}")]
    Unsorted(&'static str),
}

/// Reads from the front of a slice.
#[derive(Clone)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Nothing may follow.
    pub(crate) fn finish(self) -> Result<(), Malformed> {
        if self.rest.is_empty() { Ok(()) } else { Err(Malformed::LeftOver) }
    }

    pub(crate) fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(Malformed::Short)?;
        self.rest = rest;
        Ok(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(Malformed::Short)?;
        self.rest = rest;
        Ok(*taken)
    }

    pub(crate) fn byte(&mut self) -> Result<u8, Malformed> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// Unsigned LEB128 in its shortest form.
    pub(crate) fn unsigned(&mut self) -> Result<u64, Malformed> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let digit = u64::from(byte & 0x7f);
            if shift == 63 && digit > 1 {
                return Err(Malformed::Integer);
            }
            value |= digit << shift;
            if byte & 0x80 == 0 {
                return if byte == 0 && shift > 0 { Err(Malformed::Integer) } else { Ok(value) };
            }
        }
        Err(Malformed::Integer)
    }

    /// Signed LEB128, at most ten bytes long.
    pub(crate) fn signed(&mut self) -> Result<i64, Malformed> {
        let mut value = 0_i64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= i64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                let sign_extends = byte & 0x40 != 0 && shift < 57;
                return Ok(if sign_extends { value | (-1_i64 << (shift + 7)) } else { value });
            }
        }
        Err(Malformed::Integer)
    }

    /// A count that comes before as many things, at most `cap` of them.
    pub(crate) fn count(&mut self, cap: usize, what: &'static str) -> Result<usize, Malformed> {
        let count = usize::try_from(self.unsigned()?).map_err(|_| Malformed::Cap(what))?;
        if count > cap { Err(Malformed::Cap(what)) } else { Ok(count) }
    }

    /// Bytes with their length before them, at most `cap` of them.
    pub(crate) fn bytes(&mut self, cap: usize, what: &'static str) -> Result<&'a [u8], Malformed> {
        let length = self.count(cap, what)?;
        self.take(length)
    }

    /// Sorted hashes without repetition, their number before them.
    pub(crate) fn hashes(&mut self, cap: usize, what: &'static str) -> Result<Vec<[u8; 32]>, Malformed> {
        let count = self.count(cap, what)?;
        let hashes = (0..count).map(|_| self.array()).collect::<Result<Vec<_>, _>>()?;
        if hashes.is_sorted_by(|left, right| left < right) { Ok(hashes) } else { Err(Malformed::Unsorted(what)) }
    }
}

/// Unsigned LEB128.
pub(crate) fn write_unsigned(out: &mut Vec<u8>, mut value: u64) {
    loop {
        let digit = u8::try_from(value & 0x7f).expect("seven bits fit a byte");
        value >>= 7;
        if value == 0 {
            out.push(digit);
            return;
        }
        out.push(digit | 0x80);
    }
}

/// A length and the bytes.
pub(crate) fn write_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    write_unsigned(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// A number and the hashes.
pub(crate) fn write_hashes<'a>(out: &mut Vec<u8>, hashes: impl ExactSizeIterator<Item = &'a [u8; 32]>) {
    write_unsigned(out, hashes.len() as u64);
    for hash in hashes {
        out.extend_from_slice(hash);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_come_back_and_have_one_spelling() {
        for value in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX - 1, u64::MAX] {
            let mut bytes = Vec::new();
            write_unsigned(&mut bytes, value);
            let mut reader = Reader::new(&bytes);
            assert_eq!(reader.unsigned(), Ok(value));
            assert_eq!(reader.finish(), Ok(()));
        }
        assert_eq!(Reader::new(&[0x80, 0x00]).unsigned(), Err(Malformed::Integer));
        assert_eq!(Reader::new(&[0xff; 10]).unsigned(), Err(Malformed::Integer));
        assert_eq!(Reader::new(&[0xff]).unsigned(), Err(Malformed::Short));
    }

    #[test]
    fn signed_integers_are_read() {
        assert_eq!(Reader::new(&[0x7f]).signed(), Ok(-1));
        assert_eq!(Reader::new(&[0x3f]).signed(), Ok(63));
        assert_eq!(Reader::new(&[0xc0, 0x00]).signed(), Ok(64));
        assert_eq!(Reader::new(&[0x80, 0x7f]).signed(), Ok(-128));
        let lowest = [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x7f];
        assert_eq!(Reader::new(&lowest).signed(), Ok(i64::MIN));
        assert_eq!(Reader::new(&[0x80; 11]).signed(), Err(Malformed::Integer));
    }
}
