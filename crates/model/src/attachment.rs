//! Attachments: photos and files that lie beside the documents, and the facts that name them.
//!
//! That a file is attached is said, as everything is: an item of the kind [`KIND`], whose field [`FILE`] holds what the file is
//! found and opened by. The file itself lies beside the documents in sealed chunks of [`CHUNK`] bytes.
//!
//! A file's content and its key are both keyed hashes of what is in it, under secrets of the space that it is said in. So the
//! same file added twice, on two devices apart too, is one file; and whoever does not know the space (of private files: the
//! other partner) can neither open a file nor tell whether it is one that they have.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::ids::{AttachmentId, HouseholdId, ItemId, decode_base32, encode_base32};
use crate::index::rows::ReadRows;
use crate::index::{self, FieldKey, IndexError};
use crate::schema::ritual::object;

/// The kind of items that are attachments.
pub const KIND: &str = "attachment";

/// The field that holds the file.
pub const FILE: &str = "file";

/// The most bytes of a file: a long video does not belong here.
pub const MAX_BYTES: u64 = 100 * 1024 * 1024;

/// The most files of a scope that a device has or fetches. Beyond it the oldest are left where they are.
pub const MAX_FILES: usize = 4_096;

/// How many bytes of a file are sealed together; the last chunk may be shorter. Belongs to the format of the value.
pub const CHUNK: usize = 64 * 1024;

/// How many bytes sealing adds to a chunk.
pub const TAG: usize = 16;

/// The most characters of a media type.
const MAX_MEDIA: usize = 100;

/// A file as a fact names it.
#[derive(Clone, PartialEq, Eq)]
pub struct Attached {
    /// The keyed hash of what is in it.
    pub content: [u8; 32],
    /// What its chunks are sealed under.
    pub key: [u8; 32],
    /// How many bytes are in it, at most [`MAX_BYTES`].
    pub bytes: u64,
    /// Its media type, as whoever added it said it.
    pub media: String,
}

impl std::fmt::Debug for Attached {
    /// Without the key.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Attached").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

impl Attached {
    /// The file that a value names; `None` for any other value.
    pub fn of(value: &Value) -> Option<Self> {
        let object = object(value, &["content", "key", "bytes", "type"], &[])?;
        let hash = |name: &str| decode_base32(object[name].as_str()?).ok()?.try_into().ok();
        let bytes = object["bytes"].as_u64().filter(|bytes| *bytes <= MAX_BYTES)?;
        let media = object["type"].as_str().filter(|media| is_media(media))?;
        Some(Self { content: hash("content")?, key: hash("key")?, bytes, media: media.to_owned() })
    }

    /// The value that names it.
    pub fn value(&self) -> Value {
        json!({
            "content": encode_base32(&self.content),
            "key": encode_base32(&self.key),
            "bytes": self.bytes,
            "type": self.media,
        })
    }

    /// What it is called on disk and between devices. Key and length are part of it: a fact that lies about either names
    /// another file, and does no harm to the one that is there.
    pub fn id(&self) -> AttachmentId {
        let mut hasher = blake3::Hasher::new_derive_key("betwixt 1 attachment id");
        hasher.update(&self.content);
        hasher.update(&self.key);
        hasher.update(&self.bytes.to_le_bytes());
        AttachmentId::from_bytes(*hasher.finalize().as_bytes())
    }

    /// In how many chunks it lies; one at least.
    pub fn chunks(&self) -> u32 {
        chunks(self.bytes)
    }
}

/// In how many chunks so many bytes lie; one at least. Of more than [`MAX_BYTES`], as many as those have.
pub fn chunks(bytes: u64) -> u32 {
    let chunks = bytes.min(MAX_BYTES).div_ceil(CHUNK as u64).max(1);
    u32::try_from(chunks).expect("the most bytes of a file are 1,600 chunks")
}

/// How many bytes of so many the chunk of this number holds; `None` beyond the last.
pub fn chunk_bytes(bytes: u64, chunk: u32) -> Option<usize> {
    if chunk >= chunks(bytes) {
        return None;
    }
    let before = u64::from(chunk) * CHUNK as u64;
    Some(usize::try_from(bytes - before).unwrap_or(usize::MAX).min(CHUNK))
}

/// How long the chunk of this number is as it lies on disk and goes between devices; `None` beyond the last.
pub fn sealed_chunk_bytes(bytes: u64, chunk: u32) -> Option<usize> {
    Some(chunk_bytes(bytes, chunk)? + TAG)
}

/// Computes what a fact will name a file by, while it is read.
pub struct Digest {
    content: blake3::Hasher,
    key: blake3::Hasher,
    bytes: u64,
}

impl std::fmt::Debug for Digest {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Digest").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

impl Digest {
    /// Of a file that is said in this space.
    pub fn new(space: &HouseholdId) -> Self {
        let hasher = |what| blake3::Hasher::new_keyed(&blake3::derive_key(what, space.as_bytes()));
        Self { content: hasher("betwixt 1 attachment content"), key: hasher("betwixt 1 attachment key"), bytes: 0 }
    }

    /// More of it.
    pub fn update(&mut self, bytes: &[u8]) {
        self.content.update(bytes);
        self.key.update(bytes);
        self.bytes += bytes.len() as u64;
    }

    /// How many bytes there were.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The whole of it.
    pub fn finish(self, media: &str) -> Attached {
        let (content, key) = (*self.content.finalize().as_bytes(), *self.key.finalize().as_bytes());
        Attached { content, key, bytes: self.bytes, media: media.to_owned() }
    }
}

/// Whether a text is a media type that may be said of a file: `type/subtype`, without parameters.
pub fn is_media(text: &str) -> bool {
    let token = |part: &str| {
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"!#$&^_.+-".contains(&byte);
        !part.is_empty() && part.bytes().all(fits)
    };
    text.len() <= MAX_MEDIA && text.split_once('/').is_some_and(|(main, sub)| token(main) && token(sub))
}

/// Checks a value; the error ends the sentence "the file of an attachment ...".
pub(crate) fn check(value: &Value) -> Result<(), String> {
    let known = Attached::of(value).map(|_| ());
    known.ok_or_else(|| format!("is {{\"content\", \"key\", \"bytes\", \"type\"}}, with {MAX_BYTES} bytes at most"))
}

/// The files that an item's facts name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Files {
    /// Those that any fact of it names: they are not thrown away. What a chapter erased is named by nothing.
    pub named: BTreeMap<AttachmentId, Attached>,
    /// Those of them that its owner's word stands for: they are to be on every device.
    pub live: BTreeSet<AttachmentId>,
}

/// The files of one item; none when it is no attachment.
///
/// # Errors
/// [`IndexError`].
pub fn files<R: ReadRows>(rows: &R, space: &HouseholdId, item: &ItemId) -> Result<Files, IndexError<R::Error>> {
    let key = FieldKey { item: *item, kind: KIND.to_owned(), field: FILE.to_owned() };
    let owner = match crate::schema::Kind::named(KIND) {
        Some(kind) => index::owner(rows, space, kind, item)?,
        None => None,
    };
    let mut files = Files::default();
    for entry in index::field(rows, &key)?.entries() {
        let signed = index::fact(rows, &entry.id)?;
        let Some(attached) = signed.as_ref().and_then(|signed| Attached::of(signed.fact().value()?)) else { continue };
        if entry.is_live() && owner == Some(entry.partner) {
            files.live.insert(attached.id());
        }
        files.named.insert(attached.id(), attached);
    }
    Ok(files)
}

/// The files of every attachment of a scope, in the order in which those were founded.
///
/// # Errors
/// [`IndexError`].
pub fn all_files<R: ReadRows>(rows: &R, space: &HouseholdId) -> Result<Vec<(ItemId, Files)>, IndexError<R::Error>> {
    let items = index::items(rows, KIND)?;
    items.into_iter().map(|entry| Ok((entry.item, files(rows, space, &entry.item)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attached(space: u8, bytes: &[u8]) -> Attached {
        let mut digest = Digest::new(&HouseholdId::from_bytes([space; 32]));
        bytes.chunks(7).for_each(|part| digest.update(part));
        digest.finish("image/jpeg")
    }

    #[test]
    fn the_same_file_is_one_in_a_space_and_another_in_another() {
        let (one, again) = (attached(1, b"a photo of us"), attached(1, b"a photo of us"));
        assert_eq!((one.id(), &one), (again.id(), &again));
        let (elsewhere, other) = (attached(2, b"a photo of us"), attached(1, b"a photo of me"));
        for different in [elsewhere, other] {
            assert_ne!(one.id(), different.id());
            assert_ne!(one.content, different.content);
            assert_ne!(one.key, different.key);
        }
        assert_ne!(one.content, one.key, "the content is no key");
        assert!(!format!("{one:?}").contains(&encode_base32(&one.key)));
    }

    #[test]
    fn a_fact_that_lies_about_key_or_length_names_another_file() {
        let honest = attached(1, b"a photo of us");
        let key = Attached { key: [7; 32], ..honest.clone() };
        let length = Attached { bytes: honest.bytes + 1, ..honest.clone() };
        assert!(honest.id() != key.id() && honest.id() != length.id());
        // What it is called a photo as does not matter.
        assert_eq!(honest.id(), Attached { media: "text/plain".into(), ..honest.clone() }.id());
    }

    #[test]
    fn a_value_comes_back_and_what_is_none_is_refused() {
        let whole = attached(1, b"a photo of us");
        assert_eq!(Attached::of(&whole.value()), Some(whole.clone()));
        check(&whole.value()).expect("is a file");
        let without = |name: &str| {
            let mut value = whole.value();
            value.as_object_mut().expect("is an object").remove(name);
            value
        };
        let with = |name: &str, other: Value| {
            let mut value = whole.value();
            value[name] = other;
            value
        };
        let refused = [
            without("content"),
            without("key"),
            without("bytes"),
            without("type"),
            with("key", json!("short")),
            with("bytes", json!(MAX_BYTES + 1)),
            with("bytes", json!(-1)),
            with("bytes", json!(1.5)),
            with("type", json!("image")),
            with("type", json!("image/jpeg; name=x")),
            with("type", json!("text/html\r\nset-cookie: a")),
            with("more", json!(1)),
            json!("a file"),
            json!(null),
        ];
        for value in refused {
            assert_eq!(Attached::of(&value), None, "{value}");
        }
        check(&with("bytes", json!(MAX_BYTES))).expect("may be as large");
    }

    #[test]
    fn chunks_cover_every_byte_once() {
        for bytes in [0, 1, CHUNK as u64 - 1, CHUNK as u64, CHUNK as u64 + 1, 5 * CHUNK as u64, MAX_BYTES] {
            let all = chunks(bytes);
            let held: u64 = (0..all).filter_map(|chunk| chunk_bytes(bytes, chunk)).map(|held| held as u64).sum();
            assert_eq!(held, bytes);
            assert!((1..all).all(|chunk| chunk_bytes(bytes, chunk - 1) == Some(CHUNK)));
            assert_eq!(chunk_bytes(bytes, all), None);
        }
        assert_eq!(chunks(0), 1);
        assert_eq!(chunks(u64::MAX), chunks(MAX_BYTES));
    }
}
