//! The roster: who belongs to the household, as signed statements that everybody verifies for themselves.

use betwixt_model::document::Scope;
use betwixt_model::ids::{DeviceId, EpochId, FactId, HouseholdId, PartnerId};
use betwixt_model::membership::Membership;
use rand_core::CryptoRngCore;
use serde::{Deserialize, Serialize};

use crate::keys::{AgreementKey, DeviceKeys};

/// A statement: the BLAKE3 hash of its body's exact bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct StatementId([u8; 32]);

/// One signed statement, its signatures verified. Whether its signers may say it is for [`Roster`] to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedStatement {
    id: StatementId,
    bytes: Vec<u8>,
}

/// Bytes that are no signed statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StatementError {
    /// Cut short, not canonical, or over a cap.
    #[error("not a roster statement")]
    Malformed,
    /// A signature is not by the key that it should be by.
    #[error("a roster statement with a wrong signature")]
    WrongSignature,
}

/// A device as the roster knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RosterDevice {
    /// Whom it speaks for.
    pub partner: PartnerId,
    /// Its X25519 key.
    pub agreement: AgreementKey,
    /// The epochs of its store, oldest first; the last is the current one.
    pub epochs: Vec<EpochId>,
    /// Whether it was removed.
    pub removed: bool,
}

/// Who belongs to the household, from one partner's point of view.
#[derive(Debug, Clone)]
pub struct Roster {
    partner: PartnerId,
}

#[expect(unused_variables, clippy::todo, reason = "the bodies follow")]
impl SignedStatement {
    /// Reads the bytes that [`SignedStatement::to_bytes`] wrote, and verifies the signatures.
    pub fn parse(bytes: &[u8]) -> Result<Self, StatementError> {
        todo!()
    }

    /// Its id.
    pub fn id(&self) -> StatementId {
        self.id
    }

    /// Its exact bytes, signatures included: to be stored and sent as they are.
    pub fn to_bytes(&self) -> Vec<u8> {
        todo!()
    }
}

#[expect(unused_variables, clippy::todo, reason = "the bodies follow")]
impl Roster {
    /// A new partner, whose first device this is: the statements that found them (beginning, and the device's epoch).
    /// `Roster::from_statements(PartnerId::founded_by(&keys.device()), None, statements)` is the solo roster.
    pub fn begin(keys: &DeviceKeys, epoch: EpochId) -> Vec<SignedStatement> {
        todo!()
    }

    /// The roster of `partner`'s devices from everything known, in whatever order. `household` is the one that was
    /// persisted when it was founded; `None` before, or on a device that has yet to learn it.
    pub fn from_statements(
        partner: PartnerId,
        household: Option<HouseholdId>,
        statements: impl IntoIterator<Item = SignedStatement>,
    ) -> Self {
        todo!()
    }

    /// The partner whose roster this is.
    pub fn partner(&self) -> PartnerId {
        self.partner
    }

    /// The other partner; `None` before pairing.
    pub fn other_partner(&self) -> Option<PartnerId> {
        todo!()
    }

    /// The household; `None` before pairing.
    pub fn household(&self) -> Option<HouseholdId> {
        todo!()
    }

    /// Whether this device may connect and be dialled: a present member of either partner.
    pub fn may_connect(&self, device: &DeviceId) -> bool {
        todo!()
    }

    /// Every device that ever was a member, with its keys and epochs.
    pub fn devices(&self) -> impl Iterator<Item = (&DeviceId, &RosterDevice)> {
        std::iter::empty()
    }

    /// One device.
    pub fn device(&self, device: &DeviceId) -> Option<&RosterDevice> {
        todo!()
    }

    /// Whose facts count in a scope, and how far.
    pub fn membership(&self, scope: Scope) -> Membership {
        todo!()
    }

    /// The ids of all statements that a device of `audience` may see, sorted.
    pub fn ids(&self, audience: &PartnerId) -> Vec<StatementId> {
        todo!()
    }

    /// A hash over [`Roster::ids`], for the hello: equal means that both have the same statements.
    pub fn digest(&self, audience: &PartnerId) -> [u8; 32] {
        todo!()
    }

    /// What a device of `audience` that has `theirs` lacks.
    pub fn missing(&self, audience: &PartnerId, theirs: &[StatementId]) -> Vec<SignedStatement> {
        todo!()
    }

    /// Whether a statement that arrived is new and worth keeping.
    pub fn is_new(&self, statement: &SignedStatement) -> bool {
        todo!()
    }

    /// The same roster with more statements.
    #[must_use]
    pub fn with(&self, statements: impl IntoIterator<Item = SignedStatement>) -> Self {
        todo!()
    }

    /// Says that this device's store begins a new epoch.
    pub fn begin_epoch(&self, keys: &DeviceKeys, epoch: EpochId) -> SignedStatement {
        todo!()
    }

    /// Removes a device of the own partner. `ours` is the last fact of it that is accepted in the shared scope, `mine`
    /// the same for the private scope, which only own devices ever see. Answers the statements to keep and spread.
    pub fn remove_device(
        &self,
        keys: &DeviceKeys,
        device: DeviceId,
        ours: Option<FactId>,
        mine: Option<FactId>,
        rng: &mut impl CryptoRngCore,
    ) -> Vec<SignedStatement> {
        todo!()
    }
}
