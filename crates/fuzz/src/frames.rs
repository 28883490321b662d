//! Several byte strings in one: each after its length, 15 bits of it, and a mark. Any bytes are some such list, so that
//! nothing a fuzzer draws is wasted.

/// One of the strings, and its mark.
pub(crate) type Marked<'a> = (bool, &'a [u8]);

/// Takes a list apart. A length that goes beyond the end means the rest.
pub(crate) fn split(mut bytes: &[u8]) -> Vec<Marked<'_>> {
    let mut parts = Vec::new();
    while let Some((head, rest)) = bytes.split_first_chunk::<2>() {
        let head = u16::from_le_bytes(*head);
        let length = usize::from(head & 0x7fff).min(rest.len());
        let (part, rest) = rest.split_at(length);
        parts.push((head & 0x8000 != 0, part));
        bytes = rest;
    }
    parts
}

/// Puts a list together.
///
/// # Panics
/// When one of them is longer than 15 bits can say.
pub(crate) fn join<'a>(parts: impl IntoIterator<Item = Marked<'a>>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (mark, part) in parts {
        let length = u16::try_from(part.len()).ok().filter(|length| *length <= 0x7fff).expect("short");
        bytes.extend((length | if mark { 0x8000 } else { 0 }).to_le_bytes());
        bytes.extend_from_slice(part);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_comes_back_and_any_bytes_are_one() {
        let parts: Vec<Marked<'_>> = vec![(false, b"one"), (true, b""), (true, b"three")];
        assert_eq!(split(&join(parts.clone())), parts);
        assert_eq!(split(&[0xff, 0x7f, 1, 2]), [(false, &[1, 2][..])]);
        assert_eq!(split(&[9]), []);
    }
}
