//! Roster statements: what can be said, the exact bytes, and the signatures.
//!
//! The envelope never changes: `private`, `kind`, `after`, `signers`, `content` in postcard's encoding, of which only the
//! one canonical spelling is accepted, followed by a signature of 64 bytes for each signer. Whatever is new is a new kind,
//! which older versions keep and carry without knowing what it means.

use betwixt_model::ids::{DeviceId, EpochId, FactId, HouseholdId, PartnerId, encode_base32};
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::keys::AgreementKey;
use crate::pairing::is_name;

/// The longest statement, in bytes, signatures included.
pub const MAX_STATEMENT: usize = 4096;

/// The most statements that one may name in `after`.
pub const MAX_AFTER: usize = 64;

const SIGNATURE: usize = 64;
const SIGNATURE_LABEL: &[u8] = b"betwixt 1 roster signature\0";
const ID_LABEL: &str = "betwixt 1 roster statement";
const HOUSEHOLD_LABEL: &str = "betwixt 1 household";

/// A statement's name: the BLAKE3 hash of its body's exact bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct StatementId([u8; 32]);

impl StatementId {
    /// The id with these bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The id's bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl std::fmt::Debug for StatementId {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "StatementId({})", &encode_base32(&self.0)[..8])
    }
}

/// What a statement says. Who says it stands in its signers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Statement {
    /// The signer is the first device of a new partner, named by its key. Every chain begins so, long before pairing.
    Beginning {
        /// The device's X25519 key.
        agreement: AgreementKey,
    },
    /// Two partners found a household. Signed by a device of each, in the order of `partners`.
    Founding {
        /// The two, the lesser id first.
        partners: [PartnerId; 2],
        /// One nonce of each side, in the same order: no two foundings are the same.
        nonces: [[u8; 16]; 2],
    },
    /// The first signer adds the second, which signs too: nobody can claim a key that is not theirs to give.
    AddDevice {
        /// The new device's X25519 key.
        agreement: AgreementKey,
    },
    /// The first signer lets the second, the key of a recovery code, add and remove devices. It is no device itself.
    AddRecoveryKey,
    /// The signer removes a device (or recovery key) of the same partner, itself included.
    RemoveDevice {
        /// Which.
        device: DeviceId,
        /// The last fact in the shared scope that still counts; `None` when nothing does.
        accepts: Option<FactId>,
    },
    /// What the removal in `after` accepts in the private scope. Only ever seen by the partner's own devices.
    AcceptPrivate {
        /// The last fact in the private scope that still counts.
        fact: Option<FactId>,
    },
    /// The signer's store begins an epoch, and with it new Automerge actors.
    Epoch {
        /// The epoch.
        epoch: EpochId,
        /// Counts the device's epochs, so that the last one is known.
        number: u32,
    },
    /// What a device of the signer's partner is called, for everybody who sees that it holds their data.
    Name {
        /// Which device.
        device: DeviceId,
        /// Its name, as [`crate::pairing::is_name`] allows.
        name: String,
    },
    /// Of a newer version: kept, carried, and without effect.
    Unknown(u16),
}

const BEGINNING: u16 = 1;
const FOUNDING: u16 = 2;
const ADD_DEVICE: u16 = 3;
const ADD_RECOVERY_KEY: u16 = 4;
const REMOVE_DEVICE: u16 = 5;
const ACCEPT_PRIVATE: u16 = 6;
const EPOCH: u16 = 7;
const NAME: u16 = 8;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Body {
    private: bool,
    kind: u16,
    after: Vec<StatementId>,
    signers: Vec<DeviceId>,
    content: Vec<u8>,
}

/// A statement before it is signed by all of its signers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    id: StatementId,
    body: Body,
    statement: Statement,
    bytes: Vec<u8>,
}

/// A statement whose signatures were verified (Ed25519, strictly). Whether its signers may say it is for
/// [`super::Roster`] to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedStatement {
    draft: Draft,
    signatures: Vec<u8>,
}

/// Bytes that are no signed statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StatementError {
    /// Cut short, not canonical, or over a cap.
    #[error("not a roster statement")]
    Malformed,
    /// A signature is not by the key that it should be by.
    #[error("roster statement {0:?} has a wrong signature")]
    WrongSignature(StatementId),
}

impl Draft {
    /// A statement by `signers`, made with everything in `after` (and all that this builds on) before one.
    pub(crate) fn new(statement: Statement, mut after: Vec<StatementId>, signers: Vec<DeviceId>) -> Self {
        after.sort_unstable();
        after.dedup();
        after.truncate(MAX_AFTER);
        let (kind, content) = statement.encode();
        let private = matches!(statement, Statement::AcceptPrivate { .. });
        let body = Body { private, kind, after, signers, content };
        let bytes = postcard::to_stdvec(&body).expect("encoding plain bytes into a vector cannot fail");
        Self { id: id_of(&bytes), body, statement, bytes }
    }

    /// Its id, which does not depend on the signatures.
    pub fn id(&self) -> StatementId {
        self.id
    }

    /// Who has to sign, in this order.
    pub fn signers(&self) -> &[DeviceId] {
        &self.body.signers
    }

    /// The signature of one signer.
    pub fn sign(&self, key: &SigningKey) -> [u8; 64] {
        key.sign(&signed_bytes(&self.id)).to_bytes()
    }

    /// Signs with all the keys there are, in the order of the signers.
    pub(crate) fn sign_all(self, keys: &[&SigningKey]) -> SignedStatement {
        let signatures = keys.iter().flat_map(|key| self.sign(key)).collect();
        SignedStatement { draft: self, signatures }
    }

    /// Puts the signatures together, in the order of the signers.
    ///
    /// # Errors
    /// [`StatementError`] when one is missing or wrong.
    pub fn complete(self, signatures: &[[u8; 64]]) -> Result<SignedStatement, StatementError> {
        let signed = SignedStatement { draft: self, signatures: signatures.concat() };
        signed.verify()?;
        Ok(signed)
    }
}

impl SignedStatement {
    /// Reads the bytes that [`SignedStatement::to_bytes`] wrote, and verifies the signatures.
    ///
    /// # Errors
    /// [`StatementError`]. Statements of unknown kinds are none.
    pub fn parse(bytes: &[u8]) -> Result<Self, StatementError> {
        if bytes.len() > MAX_STATEMENT {
            return Err(StatementError::Malformed);
        }
        let (body, signatures) = postcard::take_from_bytes::<Body>(bytes).map_err(|_| StatementError::Malformed)?;
        let own = &bytes[..bytes.len() - signatures.len()];
        let statement = Statement::decode(&body).ok_or(StatementError::Malformed)?;
        let private_fits = body.private == matches!(statement, Statement::AcceptPrivate { .. })
            || matches!(statement, Statement::Unknown(_));
        let canonical = postcard::to_stdvec(&body).is_ok_and(|again| again == own)
            && body.after.len() <= MAX_AFTER
            && body.after.is_sorted_by(|left, right| left < right);
        if !canonical || !private_fits || body.signers.is_empty() {
            return Err(StatementError::Malformed);
        }
        let draft = Draft { id: id_of(own), statement, bytes: own.to_vec(), body };
        let signed = Self { draft, signatures: signatures.to_vec() };
        signed.verify()?;
        Ok(signed)
    }

    /// For fuzzing: the same body with the signatures of those of its signers whose keys are here, as a hostile member would
    /// put them. `None` for what has not the shape of a statement.
    #[cfg(feature = "fuzz")]
    pub fn signed_again(bytes: &[u8], keys: &[&SigningKey]) -> Option<Vec<u8>> {
        let (body, signatures) = postcard::take_from_bytes::<Body>(bytes).ok()?;
        let own = &bytes[..bytes.len() - signatures.len()];
        let message = signed_bytes(&id_of(own));
        let mut again = own.to_vec();
        for signer in &body.signers {
            let key = keys.iter().find(|key| key.verifying_key().as_bytes() == signer.as_bytes());
            again.extend(key.map_or([0; SIGNATURE], |key| key.sign(&message).to_bytes()));
        }
        Some(again)
    }

    fn verify(&self) -> Result<(), StatementError> {
        let signers = &self.draft.body.signers;
        if self.signatures.len() != signers.len() * SIGNATURE {
            return Err(StatementError::Malformed);
        }
        let message = signed_bytes(&self.draft.id);
        for (signer, signature) in signers.iter().zip(self.signatures.chunks_exact(SIGNATURE)) {
            let verified = VerifyingKey::from_bytes(signer.as_bytes())
                .and_then(|key| key.verify_strict(&message, &Signature::from_slice(signature)?));
            verified.map_err(|_| StatementError::WrongSignature(self.draft.id))?;
        }
        Ok(())
    }

    /// Its exact bytes, signatures included: to be stored and sent as they are.
    pub fn to_bytes(&self) -> Vec<u8> {
        [self.draft.bytes.as_slice(), &self.signatures].concat()
    }

    /// Its id.
    pub fn id(&self) -> StatementId {
        self.draft.id
    }

    /// What it says.
    pub fn statement(&self) -> &Statement {
        &self.draft.statement
    }

    /// Who says it: first the author, then whoever signs along.
    pub fn signers(&self) -> &[DeviceId] {
        &self.draft.body.signers
    }

    /// Who says it first; there always is one.
    pub fn author(&self) -> DeviceId {
        self.draft.body.signers[0]
    }

    /// What its author had before them, with all that those build on.
    pub fn after(&self) -> &[StatementId] {
        &self.draft.body.after
    }

    /// Whether only the partner's own devices may ever see it (PrivateStaysHome).
    pub fn is_private(&self) -> bool {
        self.draft.body.private
    }

    /// The household that it founds.
    pub fn founds(&self) -> Option<HouseholdId> {
        matches!(self.draft.statement, Statement::Founding { .. }).then(|| {
            let mut hasher = blake3::Hasher::new_derive_key(HOUSEHOLD_LABEL);
            hasher.update(&self.draft.bytes);
            HouseholdId::from_bytes(*hasher.finalize().as_bytes())
        })
    }

    /// The same statement may be signed again with other bytes; everybody keeps the lesser.
    pub(crate) fn signature_bytes(&self) -> &[u8] {
        &self.signatures
    }
}

impl Statement {
    fn encode(&self) -> (u16, Vec<u8>) {
        fn content<T: Serialize>(value: &T) -> Vec<u8> {
            postcard::to_stdvec(value).expect("encoding plain bytes into a vector cannot fail")
        }
        match self {
            Self::Beginning { agreement } => (BEGINNING, content(agreement)),
            Self::Founding { partners, nonces } => (FOUNDING, content(&(partners, nonces))),
            Self::AddDevice { agreement } => (ADD_DEVICE, content(agreement)),
            Self::AddRecoveryKey => (ADD_RECOVERY_KEY, Vec::new()),
            Self::RemoveDevice { device, accepts } => (REMOVE_DEVICE, content(&(device, accepts))),
            Self::AcceptPrivate { fact } => (ACCEPT_PRIVATE, content(fact)),
            Self::Epoch { epoch, number } => (EPOCH, content(&(epoch, number))),
            Self::Name { device, name } => (NAME, content(&(device, name))),
            Self::Unknown(kind) => (*kind, Vec::new()),
        }
    }

    /// `None` when the content is not that of its kind, in its canonical spelling, by as many signers as it takes.
    fn decode(body: &Body) -> Option<Self> {
        fn content<T: DeserializeOwned>(body: &Body) -> Option<T> {
            postcard::from_bytes(&body.content).ok()
        }
        let (statement, signers) = match body.kind {
            BEGINNING => (Self::Beginning { agreement: content(body)? }, 1),
            FOUNDING => {
                let (partners, nonces): ([PartnerId; 2], _) = content(body)?;
                (partners[0] < partners[1]).then_some((Self::Founding { partners, nonces }, 2))?
            }
            ADD_DEVICE => (Self::AddDevice { agreement: content(body)? }, 2),
            ADD_RECOVERY_KEY => (Self::AddRecoveryKey, 2),
            REMOVE_DEVICE => {
                let (device, accepts) = content(body)?;
                (Self::RemoveDevice { device, accepts }, 1)
            }
            ACCEPT_PRIVATE => (Self::AcceptPrivate { fact: content(body)? }, 1),
            EPOCH => {
                let (epoch, number) = content(body)?;
                (Self::Epoch { epoch, number }, 1)
            }
            NAME => {
                let (device, name): (_, String) = content(body)?;
                is_name(&name).then_some((Self::Name { device, name }, 1))?
            }
            kind => return Some(Self::Unknown(kind)),
        };
        let fits = statement.encode().1 == body.content && body.signers.len() == signers;
        let distinct = !matches!(body.signers.as_slice(), [first, second] if first == second);
        (fits && distinct).then_some(statement)
    }
}

pub(super) fn id_of(bytes: &[u8]) -> StatementId {
    let mut hasher = blake3::Hasher::new_derive_key(ID_LABEL);
    hasher.update(bytes);
    StatementId(*hasher.finalize().as_bytes())
}

pub(super) fn signed_bytes(id: &StatementId) -> Vec<u8> {
    [SIGNATURE_LABEL, id.as_bytes()].concat()
}
