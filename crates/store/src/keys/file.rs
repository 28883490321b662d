//! The keys file: both data keys, wrapped separately by every way to open them.
//!
//! It lies outside the database and its snapshots, because a page of theirs that was overwritten keeps old bytes for a
//! while: a wrap that was removed must be gone. It is replaced atomically. A checksum over all of it tells a damaged file
//! from a wrong passphrase; what an attacker puts into it is held back by the wraps' authentication, and by the bounds on
//! what a derivation may cost.

use betwixt_model::document::Scope;
use betwixt_model::ids::{decode_base32, encode_base32};
use rand_core::CryptoRngCore;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::cost::Cost;
use super::{DataKey, DataKeys, KeyId, KeysError, Secret, Way};
use crate::seal::{open_with, seal_with};

const FORMAT: u32 = 1;

/// The longest keys file that is read, in bytes.
pub(crate) const MAX_FILE: u64 = 256 * 1024;

/// The most ways to open one home.
const MAX_WRAPS: usize = 32;

/// The file's content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeysFile {
    format: u32,
    /// Which home this is: names it in the system's keyring.
    pub(crate) home: Bytes16,
    shared: Bytes16,
    mine: Bytes16,
    wraps: Vec<Wrap>,
    check: String,
}

/// Sixteen bytes as text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Bytes16(pub(crate) [u8; 16]);

impl From<Bytes16> for String {
    fn from(bytes: Bytes16) -> Self {
        encode_base32(&bytes.0)
    }
}

impl TryFrom<String> for Bytes16 {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let bytes = decode_base32(&text).map_err(|error| error.to_string())?;
        bytes.try_into().map(Self).map_err(|_| "not 16 bytes".to_owned())
    }
}

/// One way to open the keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Wrap {
    id: Bytes16,
    way: Way,
    salt: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    cost: Option<Cost>,
    shared: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    mine: Option<String>,
}

/// One way to open a home, for display.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrapInfo {
    /// Names it, for removing it.
    pub id: String,
    /// What it takes.
    pub way: Way,
    /// Whether it opens `mine`, too.
    pub opens_mine: bool,
}

impl KeysFile {
    pub(crate) fn new(keys: &DataKeys, rng: &mut impl CryptoRngCore) -> Result<Self, KeysError> {
        let mine = keys.mine.as_ref().ok_or(KeysError::MineNeeded)?;
        let mut home = [0; 16];
        rng.fill_bytes(&mut home);
        Ok(Self {
            format: FORMAT,
            home: Bytes16(home),
            shared: Bytes16(*keys.shared.id().as_bytes()),
            mine: Bytes16(*mine.id().as_bytes()),
            wraps: Vec::new(),
            check: String::new(),
        })
    }

    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, KeysError> {
        let damaged = |what: String| KeysError::Damaged(what);
        if bytes.len() as u64 > MAX_FILE {
            return Err(damaged(format!("{} bytes are too many", bytes.len())));
        }
        let file: Self = serde_json::from_slice(bytes).map_err(|error| damaged(error.to_string()))?;
        if file.format > FORMAT {
            return Err(KeysError::Newer(file.format));
        }
        if file.check != file.checksum()? || file.bytes()? != bytes {
            return Err(damaged("its checksum is wrong".into()));
        }
        if file.wraps.len() > MAX_WRAPS {
            return Err(damaged(format!("{} ways to open are too many", file.wraps.len())));
        }
        Ok(file)
    }

    /// The file's one spelling.
    pub(crate) fn bytes(&self) -> Result<Vec<u8>, KeysError> {
        let mut bytes = serde_json::to_vec_pretty(self).map_err(|error| KeysError::Damaged(error.to_string()))?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    fn checksum(&self) -> Result<String, KeysError> {
        let without = Self { check: String::new(), ..self.clone() };
        Ok(encode_base32(&blake3::derive_key("betwixt 1 keys file check", &without.bytes()?)[..20]))
    }

    pub(crate) fn seal(mut self) -> Result<Vec<u8>, KeysError> {
        self.check = self.checksum()?;
        self.bytes()
    }

    pub(crate) fn key_ids(&self) -> [KeyId; 2] {
        [KeyId::from_bytes(self.shared.0), KeyId::from_bytes(self.mine.0)]
    }

    pub(crate) fn list(&self) -> Vec<WrapInfo> {
        let info =
            |wrap: &Wrap| WrapInfo { id: encode_base32(&wrap.id.0), way: wrap.way, opens_mine: wrap.mine.is_some() };
        self.wraps.iter().map(info).collect()
    }

    /// Adds a way to open the keys that are given: without `mine` it opens the shared one alone.
    pub(crate) fn add(
        &mut self,
        keys: &DataKeys,
        secret: &Secret<'_>,
        rng: &mut impl CryptoRngCore,
    ) -> Result<String, KeysError> {
        if self.wraps.len() >= MAX_WRAPS {
            return Err(KeysError::TooManyWraps);
        }
        let (mut id, mut salt) = ([0; 16], [0; 32]);
        rng.fill_bytes(&mut id);
        rng.fill_bytes(&mut salt);
        let mut wrap = Wrap {
            id: Bytes16(id),
            way: secret.way(),
            salt: encode_base32(&salt),
            cost: secret.cost(),
            shared: String::new(),
            mine: None,
        };
        let wrapping = secret.derive(&salt, wrap.cost)?;
        let seal = |scope, key: &DataKey| {
            encode_base32(&seal_with(&wrapping, &associated(&wrap, scope, &key.id()), key.secret()))
        };
        let (shared, mine) = (seal(Scope::Ours, &keys.shared), keys.mine.as_ref().map(|key| seal(Scope::Mine, key)));
        (wrap.shared, wrap.mine) = (shared, mine);
        let name = encode_base32(&wrap.id.0);
        self.wraps.push(wrap);
        Ok(name)
    }

    /// Puts a way to open everything in the place of all others of its kind.
    pub(crate) fn replace(
        &mut self,
        keys: &DataKeys,
        secret: &Secret<'_>,
        rng: &mut impl CryptoRngCore,
    ) -> Result<String, KeysError> {
        if keys.mine.is_none() {
            return Err(KeysError::MineNeeded);
        }
        self.wraps.retain(|wrap| wrap.way != secret.way());
        self.add(keys, secret, rng)
    }

    pub(crate) fn remove(&mut self, id: &str) -> Result<(), KeysError> {
        let position = self.wraps.iter().position(|wrap| encode_base32(&wrap.id.0) == id);
        let position = position.ok_or_else(|| KeysError::UnknownWrap(id.to_owned()))?;
        let others_open_mine = self.wraps.iter().enumerate().any(|(at, wrap)| at != position && wrap.mine.is_some());
        if !others_open_mine {
            return Err(KeysError::LastWrap);
        }
        self.wraps.remove(position);
        Ok(())
    }

    /// Removes every way of a kind; others that open everything must be left.
    #[cfg(feature = "keyring")]
    pub(crate) fn remove_all(&mut self, way: Way) {
        self.wraps.retain(|wrap| wrap.way != way);
    }

    /// Opens the keys: both, or the shared one alone.
    pub(crate) fn open(&self, secret: &Secret<'_>, with_mine: bool) -> Result<(DataKeys, String), KeysError> {
        let way = secret.way();
        let mut none = true;
        for wrap in self.wraps.iter().filter(|wrap| wrap.way == way) {
            none = false;
            let salt = bytes::<32>(&wrap.salt)?;
            let wrapping = secret.derive(&salt, wrap.cost)?;
            let open = |scope, id: [u8; 16], sealed: &str| -> Result<Option<DataKey>, KeysError> {
                let id = KeyId::from_bytes(id);
                let sealed = decode_base32(sealed).map_err(|error| KeysError::Damaged(error.to_string()))?;
                let Ok(opened) = open_with(&wrapping, &associated(wrap, scope, &id), &sealed) else { return Ok(None) };
                let opened = Zeroizing::new(opened);
                let key: [u8; 32] = opened.as_slice().try_into().map_err(|_| KeysError::Damaged("a key".into()))?;
                Ok(Some(DataKey::from_parts(id, Zeroizing::new(key))))
            };
            let Some(shared) = open(Scope::Ours, self.shared.0, &wrap.shared)? else { continue };
            let mine = match (&wrap.mine, with_mine) {
                (Some(sealed), true) => {
                    let key = open(Scope::Mine, self.mine.0, sealed)?;
                    Some(key.ok_or_else(|| KeysError::Damaged("the wrap of the private key".into()))?)
                }
                (None, true) => return Err(KeysError::SharedOnly(way)),
                (_, false) => None,
            };
            return Ok((DataKeys { shared, mine }, encode_base32(&wrap.id.0)));
        }
        Err(if none { KeysError::NoSuchWay(way) } else { KeysError::Wrong(way) })
    }
}

fn bytes<const LENGTH: usize>(text: &str) -> Result<[u8; LENGTH], KeysError> {
    let bytes = decode_base32(text).map_err(|error| KeysError::Damaged(error.to_string()))?;
    bytes.try_into().map_err(|_| KeysError::Damaged("a length".into()))
}

/// What a wrapped key is bound to: its place, its way, and what the derivation took.
fn associated(wrap: &Wrap, scope: Scope, key: &KeyId) -> Vec<u8> {
    let mut data = b"betwixt 1 wrap\0".to_vec();
    data.extend_from_slice(scope.name().as_bytes());
    data.extend_from_slice(key.as_bytes());
    data.extend_from_slice(&wrap.id.0);
    data.extend_from_slice(wrap.way.name().as_bytes());
    data.extend_from_slice(wrap.salt.as_bytes());
    if let Some(cost) = wrap.cost {
        for number in [cost.memory, cost.passes, cost.lanes] {
            data.extend_from_slice(&number.to_le_bytes());
        }
    }
    data
}
