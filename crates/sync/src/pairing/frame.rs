//! The frames of a pairing, and the messages that are sealed in them.
//!
//! A frame is the byte of its layout, then postcard's encoding, of which only the canonical spelling counts.

use betwixt_model::ids::{DeviceId, PartnerId};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The longest frame of a pairing, in bytes.
pub const MAX_FRAME: usize = 64 * 1024;

/// The longest frame before the other side has proven that it knows the code.
pub const MAX_UNPROVEN_FRAME: usize = 1024;

/// The versions of pairing that this one speaks, the least and the greatest.
pub const VERSIONS: (u16, u16) = (1, 1);

/// The layout of [`Start`] and [`Refusal`] never changes, so that any two versions can tell each other that they do not fit.
const LAYOUT: u8 = 1;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Frame {
    /// From who joins, first.
    Start(Start),
    /// From who offers.
    Answer(Answer),
    /// From who joins, then from who offers.
    Proof([u8; 32]),
    /// From who offers, instead of an answer or a proof.
    Refuse(Refusal),
    /// A [`Message`].
    Sealed(Vec<u8>),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Start {
    pub(super) versions: (u16, u16),
    pub(super) purpose: u8,
    pub(super) method: u8,
    pub(super) nonce: [u8; 16],
    pub(super) share: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Answer {
    pub(super) version: u16,
    pub(super) versions: (u16, u16),
    pub(super) nonce: [u8; 16],
    pub(super) share: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Refusal {
    /// Somebody else is trying, or did within the last second.
    Busy,
    /// The proof is wrong.
    WrongCode,
    /// No version in common; these are the offer's.
    Version((u16, u16)),
    /// The offer is for something else.
    Purpose,
}

/// The secret that was used.
pub(super) const METHOD_CODE: u8 = 1;
/// The other.
pub(super) const METHOD_TICKET: u8 = 2;

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Message {
    Identity(Identity),
    /// The person said yes.
    Confirm,
    /// 64 bytes over the statement: first from who joins, then, when that is durable there, from who offers.
    Signature(Vec<u8>),
    /// From who joins: paired, and durable.
    Done,
    /// From either: this comes to nothing.
    Stop(Reason),
    /// From who offers, to the device that is added, when that is durable there.
    Admission(Admission),
    /// From who joins and has lost all devices: the statement that this one is theirs, with its signatures.
    Return(Vec<u8>),
    /// From who offers: that is durable there.
    Welcome,
}

/// Why one side ends what the other may still hope for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Reason {
    Declined,
    Expired,
    AlreadyPaired,
    SamePartner,
    Malformed,
    NotFresh,
    AlreadyYours,
    Removed,
    UnknownRecoveryCode,
    NothingToGiveBack,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Identity {
    pub(super) partner: PartnerId,
    pub(super) device: DeviceId,
    pub(super) name: String,
    pub(super) device_name: String,
    /// The public statements of the sender's roster.
    pub(super) statements: Vec<Vec<u8>>,
    /// Becomes part of the founding.
    pub(super) nonce: [u8; 16],
}

/// What a device gets that is added to those of a partner.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Admission {
    /// 64 bytes over the statement that adds it; none when that came with the identity.
    pub(super) signature: Vec<u8>,
    /// The household, if there is one.
    pub(super) household: Option<[u8; 32]>,
    /// Where the private documents are.
    pub(super) space: [u8; 32],
    /// The statements of the roster that only the partner's own devices see.
    pub(super) private: Vec<Vec<u8>>,
}

fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    postcard::to_stdvec(value).expect("encoding plain data into a vector cannot fail")
}

fn decode<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    let value = postcard::from_bytes(bytes).ok()?;
    (encode(&value) == bytes).then_some(value)
}

impl Start {
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        encode(self)
    }
}

impl Answer {
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        encode(self)
    }
}

impl Frame {
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        [&[LAYOUT], encode(self).as_slice()].concat()
    }

    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [LAYOUT, rest @ ..] if bytes.len() <= MAX_FRAME => decode(rest),
            _ => None,
        }
    }
}

impl Message {
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        encode(self)
    }

    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        decode(bytes)
    }
}
