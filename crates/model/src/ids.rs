//! Identifiers: 32 bytes each, written as lowercase base32 without padding (RFC 4648, 52 characters), so that they can be
//! typed on a command line, read aloud, and compared as text.

use data_encoding::{Encoding, Specification};

/// How many characters an identifier's text form has.
pub const TEXT_LENGTH: usize = 52;

fn base32() -> &'static Encoding {
    static BASE32: std::sync::OnceLock<Encoding> = std::sync::OnceLock::new();
    BASE32.get_or_init(|| {
        let mut specification = Specification::new();
        specification.symbols.push_str("abcdefghijklmnopqrstuvwxyz234567");
        specification.encoding().expect("the alphabet is 32 distinct ASCII characters")
    })
}

/// Bytes as lowercase base32 without padding, the text form of every identifier, hash and nonce.
pub fn encode_base32(bytes: &[u8]) -> String {
    base32().encode(bytes)
}

/// The reverse of [`encode_base32`]. Only the canonical form is accepted.
///
/// # Errors
/// [`ParseIdError`] when a character is foreign, the length is impossible or trailing bits are set.
pub fn decode_base32(text: &str) -> Result<Vec<u8>, ParseIdError> {
    base32().decode(text.as_bytes()).map_err(|_| ParseIdError)
}

/// A text that is not an identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an identifier: expected all of its characters, of a-z and 2-7")]
pub struct ParseIdError;

macro_rules! bytes_newtype {
    ($(#[$documentation:meta])* $name:ident, $length:literal) => {
        $(#[$documentation])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; $length]);

        impl $name {
            /// The identifier with these bytes.
            pub const fn from_bytes(bytes: [u8; $length]) -> Self {
                Self(bytes)
            }

            /// The identifier's bytes.
            pub const fn as_bytes(&self) -> &[u8; $length] {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str(&$crate::ids::encode_base32(&self.0))
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(formatter, "{}({})", stringify!($name), &$crate::ids::encode_base32(&self.0)[..8])
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::ids::ParseIdError;

            fn from_str(text: &str) -> Result<Self, $crate::ids::ParseIdError> {
                let bytes = $crate::ids::decode_base32(text)?;
                Ok(Self(bytes.try_into().map_err(|_| $crate::ids::ParseIdError)?))
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() {
                    serializer.collect_str(self)
                } else {
                    serde::Serialize::serialize(&self.0, serializer)
                }
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                if deserializer.is_human_readable() {
                    <String as serde::Deserialize>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
                } else {
                    <[u8; $length] as serde::Deserialize>::deserialize(deserializer).map(Self)
                }
            }
        }
    };
}
pub(crate) use bytes_newtype;

bytes_newtype! {
    /// A fact: the BLAKE3 hash of its header's exact bytes.
    FactId, 32
}
bytes_newtype! {
    /// What facts are about: the id of its founding fact, or a hash of household, kind and natural key.
    ItemId, 32
}
bytes_newtype! {
    /// The space that facts belong to: the household for `ours`, and for `mine` a random identifier that only one
    /// partner's devices know, so that nothing private can be recognised by it.
    HouseholdId, 32
}
bytes_newtype! {
    /// A person: the BLAKE3 hash of the Ed25519 key of the device that founded them (see [`PartnerId::founded_by`]).
    PartnerId, 32
}
bytes_newtype! {
    /// One installation: the bytes of its Ed25519 public key, so that an id is all that verifying takes.
    DeviceId, 32
}
bytes_newtype! {
    /// An attached file, as it is named on disk and between devices; see [`mod@crate::attachment`]. It says nothing to anybody
    /// who does not have the fact that it was derived from.
    AttachmentId, 32
}
bytes_newtype! {
    /// One life of a store: random, drawn anew whenever a home was restored or copied, so that no Automerge actor is
    /// ever continued from an older state.
    EpochId, 32
}

impl PartnerId {
    /// The partner whose first device is `device`.
    pub fn founded_by(device: &DeviceId) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("betwixt 1 partner");
        hasher.update(device.as_bytes());
        Self(*hasher.finalize().as_bytes())
    }
}

impl ItemId {
    /// The item that a fact without an item founds.
    pub const fn founded_by(fact: &FactId) -> Self {
        Self(fact.0)
    }

    /// An item that both partners could found apart and of which there is only one, such as the vision.
    pub fn natural(household: &HouseholdId, kind: &str, key: &str) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("betwixt 1 natural item");
        hasher.update(household.as_bytes());
        for part in [kind, key] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
        Self(*hasher.finalize().as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_form_is_canonical() {
        let id = FactId::from_bytes([0xa5; 32]);
        let text = id.to_string();
        assert_eq!(text.len(), TEXT_LENGTH);
        assert_eq!(text.parse(), Ok(id));
        assert!(text.to_uppercase().parse::<FactId>().is_err());
        assert!(text[1..].parse::<FactId>().is_err());
        // The last character carries one bit of data; the same bytes have no second spelling.
        let mut other = text.clone();
        other.replace_range(51..52, "z");
        assert!(other.parse::<FactId>().is_err());
    }

    #[test]
    fn natural_items_do_not_collide_across_the_boundary_of_kind_and_key() {
        let household = HouseholdId::from_bytes([1; 32]);
        assert_ne!(ItemId::natural(&household, "ab", "c"), ItemId::natural(&household, "a", "bc"));
    }
}
