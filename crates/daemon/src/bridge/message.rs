//! automerge-repo's messages, as its WebSocket adapter sends them: one CBOR map a frame.
//!
//! The packages are the reference (2.5): their documentation says `metadata` where the code says `peerMetadata`, members that
//! are `undefined` come as such, and numbers may be floats. So what is not needed is not looked at, and a kind of message that is
//! not known is skipped, as they do.

use ciborium::Value;
use serde::Deserialize;
use serde::de::IgnoredAny;

/// The version of the protocol that is spoken.
const VERSION: &str = "1";

/// How deep a message may nest.
const DEPTH: usize = 16;

/// The longest name of a peer, in bytes. automerge-repo's have 14 or so.
pub(super) const MAX_PEER: usize = 128;

/// A message of a client.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Incoming {
    /// The first message: who it is, and whether it speaks our version.
    Join {
        /// Its name, for this connection.
        peer: String,
        /// Whether it speaks [`VERSION`].
        speaks: bool,
    },
    /// A sync message about a document, or the first of them.
    Sync {
        /// The document's name, as it came.
        document: String,
        /// Automerge's sync message.
        data: Vec<u8>,
    },
    /// Something that is of no use here: presence, heads of other peers, that the client lacks a document.
    Other,
}

/// Why a frame is no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum MessageError {
    /// Not CBOR, more than one item of it, or too deep.
    #[error("the frame is not one item of CBOR")]
    Malformed,
    /// A message that lacks something, or has something of another type.
    #[error("a message without {0}")]
    Lacks(&'static str),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    r#type: Option<Value>,
    sender_id: Option<Value>,
    document_id: Option<Value>,
    data: Option<Value>,
    supported_protocol_versions: Option<Value>,
}

impl Incoming {
    /// Reads a frame. Nothing is reserved for what lengths only claim.
    pub(super) fn decode(frame: &[u8]) -> Result<Self, MessageError> {
        let mut rest = frame;
        let raw: Raw = match ciborium::de::from_reader_with_recursion_limit(&mut rest, DEPTH) {
            Ok(raw) => raw,
            // One item that is no message.
            Err(ciborium::de::Error::Semantic(..)) if is_one_item(frame) => return Err(MessageError::Lacks("members")),
            Err(_) => return Err(MessageError::Malformed),
        };
        if !rest.is_empty() {
            return Err(MessageError::Malformed);
        }
        let kind = text(raw.r#type).ok_or(MessageError::Lacks("a type"))?;
        match kind.as_str() {
            "join" => {
                let peer = text(raw.sender_id).filter(|peer| !peer.is_empty() && peer.len() <= MAX_PEER);
                let speaks = match raw.supported_protocol_versions {
                    None | Some(Value::Null) => true,
                    Some(versions) => {
                        versions.as_array().is_some_and(|all| all.iter().any(|one| one.as_text() == Some(VERSION)))
                    }
                };
                Ok(Self::Join { peer: peer.ok_or(MessageError::Lacks("a sender"))?, speaks })
            }
            "request" | "sync" => {
                let document = text(raw.document_id).ok_or(MessageError::Lacks("a document"))?;
                let data = raw.data.and_then(|data| data.into_bytes().ok()).filter(|data| !data.is_empty());
                Ok(Self::Sync { document, data: data.ok_or(MessageError::Lacks("data"))? })
            }
            _ => Ok(Self::Other),
        }
    }
}

fn text(value: Option<Value>) -> Option<String> {
    value.and_then(|value| value.into_text().ok())
}

fn is_one_item(frame: &[u8]) -> bool {
    let mut rest = frame;
    ciborium::de::from_reader_with_recursion_limit::<IgnoredAny, _>(&mut rest, DEPTH).is_ok() && rest.is_empty()
}

/// Who speaks to whom on a socket.
#[derive(Debug, Clone)]
pub(super) struct Peers {
    /// What the daemon is called on this socket.
    pub(super) ours: String,
    /// What the client is called.
    pub(super) theirs: String,
}

impl Peers {
    /// The answer to a join.
    pub(super) fn peer(&self) -> Vec<u8> {
        // Nothing of a copy is kept, so there is nothing that a client could remember of it.
        let metadata = Value::Map(vec![(Value::from("isEphemeral"), Value::from(true))]);
        self.encode("peer", vec![("peerMetadata", metadata), ("selectedProtocolVersion", Value::from(VERSION))])
    }

    /// A sync message about a document.
    pub(super) fn sync(&self, document: &str, data: Vec<u8>) -> Vec<u8> {
        self.encode("sync", vec![("documentId", Value::from(document)), ("data", Value::Bytes(data))])
    }

    /// That there is no such document, for this client.
    pub(super) fn unavailable(&self, document: &str) -> Vec<u8> {
        self.encode("doc-unavailable", vec![("documentId", Value::from(document))])
    }

    /// Why the connection ends.
    pub(super) fn error(&self, words: &str) -> Vec<u8> {
        self.encode("error", vec![("message", Value::from(words))])
    }

    fn encode(&self, kind: &str, members: Vec<(&str, Value)>) -> Vec<u8> {
        let fixed = [("type", kind), ("senderId", &self.ours), ("targetId", &self.theirs)];
        let fixed = fixed.into_iter().map(|(name, text)| (Value::from(name), Value::from(text)));
        let members = members.into_iter().map(|(name, value)| (Value::from(name), value));
        let mut bytes = Vec::new();
        ciborium::into_writer(&Value::Map(fixed.chain(members).collect()), &mut bytes)
            .expect("a map of texts and bytes is written to memory");
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the published packages encode; `crates/web/client/bridge/fixture.mjs` wrote it.
    fn fixture(name: &str) -> Vec<u8> {
        let line = include_str!("fixture.txt").lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
        data_encoding::HEXLOWER.decode(line.expect("is in the fixture").as_bytes()).expect("is hexadecimal")
    }

    #[test]
    fn what_the_published_packages_send_is_read() {
        let peer = "peer-abcdefgh".to_owned();
        let document = "4NMNnkMhL8jXrdJ9jamS58PAVdXu".to_owned();
        let read = |name| Incoming::decode(&fixture(name));
        assert_eq!(read("join"), Ok(Incoming::Join { peer: peer.clone(), speaks: true }));
        assert_eq!(read("join-later-version"), Ok(Incoming::Join { peer, speaks: false }));
        let data = vec![0x42, 0, 0, 0, 0];
        assert_eq!(read("request"), Ok(Incoming::Sync { document: document.clone(), data }));
        assert_eq!(read("sync"), Ok(Incoming::Sync { document, data: vec![7; 300] }));
        assert_eq!(read("sync-empty"), Err(MessageError::Lacks("data")));
        for other in ["unavailable", "ephemeral", "subscribe", "heads", "unknown"] {
            assert_eq!(read(other), Ok(Incoming::Other), "{other}");
        }
    }

    #[test]
    fn hostile_input_is_an_error_frames_that_are_no_message() {
        let join = fixture("join");
        for end in 0..join.len() {
            assert_eq!(Incoming::decode(&join[..end]), Err(MessageError::Malformed), "cut at {end}");
        }
        let twice = [join.clone(), join].concat();
        let malformed: [&[u8]; 6] = [
            &twice,
            b"hello, these are no bytes of CBOR",
            // Lengths that claim what is not there: of a map, an array, bytes, a text.
            &[0xbb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            &[0xa1, 0x64, b't', b'y', b'p', b'e', 0x9b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            &[0xa1, 0x64, b'd', b'a', b't', b'a', 0x5b, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff],
            &[0x7a, 0xff, 0xff, 0xff, 0xff],
        ];
        for (number, frame) in malformed.into_iter().enumerate() {
            assert_eq!(Incoming::decode(frame), Err(MessageError::Malformed), "{number}");
        }
        // Deeper than any stack.
        let deep = [&[0xa1, 0x61, b'x'][..], &[0x81; 100_000], &[0]].concat();
        assert_eq!(Incoming::decode(&deep), Err(MessageError::Malformed));
        for no_message in [&[0x01][..], &[0x80], &[0xf6]] {
            assert!(matches!(Incoming::decode(no_message), Err(MessageError::Lacks(_))), "{no_message:?}");
        }
        assert_eq!(Incoming::decode(&[0xa0]), Err(MessageError::Lacks("a type")));
    }

    #[test]
    fn what_is_sent_reads_as_what_it_is() {
        let peers = Peers { ours: "one".into(), theirs: "two".into() };
        let read = |bytes: Vec<u8>| ciborium::from_reader::<Value, _>(bytes.as_slice()).expect("is CBOR");
        let get = |message: &Value, name: &str| {
            let entries = message.as_map().expect("is a map");
            entries.iter().find(|(key, _)| key.as_text() == Some(name)).map(|(_, value)| value.clone())
        };
        let peer = read(peers.peer());
        assert_eq!(get(&peer, "type"), Some("peer".into()));
        assert_eq!((get(&peer, "senderId"), get(&peer, "targetId")), (Some("one".into()), Some("two".into())));
        assert_eq!(get(&peer, "selectedProtocolVersion"), Some("1".into()));
        let sync = read(peers.sync("doc", vec![1, 2]));
        assert_eq!(
            (get(&sync, "documentId"), get(&sync, "data")),
            (Some("doc".into()), Some(Value::Bytes(vec![1, 2])))
        );
        assert_eq!(get(&read(peers.unavailable("doc")), "type"), Some("doc-unavailable".into()));
        assert_eq!(get(&read(peers.error("why")), "message"), Some("why".into()));
    }
}
