//! The roster: who belongs to the household, as signed statements that everybody verifies for themselves.
//!
//! Each partner's devices form a chain that starts at their first device ([`Statement::Beginning`]), before any pairing. A
//! household is founded by a device of each partner signing the same statement. Only devices (and the recovery key) of a
//! partner add and remove that partner's devices; a removed key never returns. What counts follows from the set of
//! statements alone (see `standing`), so everybody who has the same set sees the same members.
//!
//! The roster says whose facts count ([`Roster::membership`]); it reads no fact. It holds what devices are called, so that
//! everybody sees who holds their data before anything else is there and with the private part locked; what people are
//! called are facts.

use std::collections::{BTreeMap, BTreeSet};

use betwixt_model::document::Scope;
use betwixt_model::ids::{DeviceId, EpochId, FactId, HouseholdId, PartnerId};
use betwixt_model::membership::{Accepted, Membership, Standing};
use ed25519_dalek::SigningKey;

use crate::keys::{AgreementKey, DeviceKeys};
use crate::pairing::is_name;
use crate::session::RosterOffer;

mod standing;
mod statement;
#[cfg(test)]
mod tests;

use standing::{Founding, Standings};
pub use statement::{Draft, MAX_AFTER, MAX_STATEMENT, SignedStatement, Statement, StatementError, StatementId};

/// The most statements that a roster holds. Removals may pass it, so that no flood keeps a device from being removed.
pub const MAX_STATEMENTS: usize = 4096;

/// The most statements by one author that a roster holds.
pub const MAX_BY_AUTHOR: usize = 512;

/// A device as the roster knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RosterDevice {
    /// Whom it speaks for.
    pub partner: PartnerId,
    /// Its X25519 key.
    pub agreement: AgreementKey,
    /// The epochs of its store, oldest first; the last is the current one.
    pub epochs: Vec<EpochId>,
    /// Whether it was removed, or came in by a device that had been.
    pub removed: bool,
    /// What it is called, if anybody has said.
    pub name: Option<String>,
}

/// The proof that a device is one of the own partner's: only a roster makes one. Whoever speaks of private documents asks for
/// it (PrivateStaysHome).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnDevice {
    device: DeviceId,
    partner: PartnerId,
}

impl OwnDevice {
    /// The device.
    pub fn device(&self) -> DeviceId {
        self.device
    }

    /// What names the partner where a household is asked for: their devices meet before there is one, and while only some of them
    /// have heard of it.
    pub fn circle(&self) -> HouseholdId {
        HouseholdId::from_bytes(*self.partner.as_bytes())
    }
}

/// What a merge did not take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// By nobody that this roster knows, or not allowed to its author.
    #[error("roster statement {0:?} is by nobody who may make it")]
    NotAMember(StatementId),
    /// It builds on statements that are not here. It comes again with them.
    #[error("roster statement {0:?} builds on others that have not arrived")]
    Incomplete(StatementId),
    /// Over [`MAX_STATEMENTS`] or [`MAX_BY_AUTHOR`].
    #[error("roster statement {0:?} is more than the roster holds")]
    TooMany(StatementId),
}

/// What came of [`Roster::merge`].
#[derive(Debug, Clone)]
pub struct Merged {
    /// The roster with what was new.
    pub roster: Roster,
    /// What was new and has to be stored.
    pub added: Vec<SignedStatement>,
    /// What was not taken.
    pub refused: Vec<Refused>,
}

/// Who belongs to the household, from one partner's point of view.
#[derive(Debug, Clone)]
pub struct Roster {
    partner: PartnerId,
    anchor: Option<HouseholdId>,
    household: Option<(HouseholdId, PartnerId)>,
    statements: BTreeMap<StatementId, SignedStatement>,
    standings: Standings,
    devices: BTreeMap<DeviceId, RosterDevice>,
}

impl Roster {
    /// A new partner, whose first device this is: the statements that every chain begins with. The solo roster is
    /// `Roster::from_statements(PartnerId::founded_by(&keys.device()), None, statements)`.
    pub fn begin(keys: &DeviceKeys, epoch: EpochId) -> Vec<SignedStatement> {
        let beginning = Statement::Beginning { agreement: keys.agreement() };
        let beginning = Draft::new(beginning, Vec::new(), vec![keys.device()]).sign_all(&[keys.signing()]);
        let epoch = Statement::Epoch { epoch, number: 0 };
        let epoch = Draft::new(epoch, vec![beginning.id()], vec![keys.device()]).sign_all(&[keys.signing()]);
        vec![beginning, epoch]
    }

    /// The roster of `partner`'s devices from everything known, in whatever order.
    ///
    /// `household` is the one that was persisted when it was founded, and no other is ever taken in its place. With `None`,
    /// the household is the one founding that a present device of the partner signed; if there are several, there is none,
    /// and a person has to choose ([`Roster::foundings`]).
    pub fn from_statements(
        partner: PartnerId,
        household: Option<HouseholdId>,
        statements: impl IntoIterator<Item = SignedStatement>,
    ) -> Self {
        let mut all: BTreeMap<StatementId, SignedStatement> = BTreeMap::new();
        for statement in statements {
            let kept = all.entry(statement.id()).or_insert_with(|| statement.clone());
            if statement.signature_bytes() < kept.signature_bytes() {
                *kept = statement;
            }
        }
        let standings = Standings::of(&all);
        let mut roster =
            Self { partner, anchor: household, household: None, statements: all, standings, devices: BTreeMap::new() };
        roster.household = roster.find_household();
        let ours = roster.standings.devices.iter().filter(|(_, device)| roster.is_partner(&device.partner));
        let ours = ours.map(|(id, device)| {
            let removed = device.removal.is_some() || !device.granted;
            let epochs = device.epochs.clone();
            (
                *id,
                RosterDevice {
                    partner: device.partner,
                    agreement: device.agreement,
                    epochs,
                    removed,
                    name: device.name.clone(),
                },
            )
        });
        roster.devices = ours.collect();
        roster
    }

    fn find_household(&self) -> Option<(HouseholdId, PartnerId)> {
        let other = |founding: &Founding| {
            let [first, second] = founding.partners;
            if first == self.partner { second } else { first }
        };
        if let Some(anchor) = self.anchor {
            let founding = self.standings.foundings.get(&anchor)?;
            return founding.partners.contains(&self.partner).then(|| (anchor, other(founding)));
        }
        let own = self.standings.foundings.iter().filter(|(_, founding)| founding.partners.contains(&self.partner));
        let mut firm = own.filter(|(_, founding)| !founding.voided);
        match (firm.next(), firm.next()) {
            (Some((household, founding)), None) => Some((*household, other(founding))),
            _ => None,
        }
    }

    fn is_partner(&self, partner: &PartnerId) -> bool {
        *partner == self.partner || self.household.is_some_and(|(_, other)| other == *partner)
    }

    /// The partner whose roster this is.
    pub fn partner(&self) -> PartnerId {
        self.partner
    }

    /// The other partner; `None` before pairing.
    pub fn other_partner(&self) -> Option<PartnerId> {
        self.household.map(|(_, other)| other)
    }

    /// The household; `None` before pairing.
    pub fn household(&self) -> Option<HouseholdId> {
        self.household.map(|(household, _)| household)
    }

    /// The statement that founded the household.
    pub fn founding(&self) -> Option<&SignedStatement> {
        self.statements
            .values()
            .find(|statement| statement.founds().is_some() && statement.founds() == self.household())
    }

    /// Every founding in which the own partner took part and the devices that signed it, removed ones too.
    pub fn foundings(&self) -> impl Iterator<Item = (HouseholdId, [DeviceId; 2])> {
        let own = self.standings.foundings.iter().filter(|(_, founding)| founding.partners.contains(&self.partner));
        own.map(|(household, founding)| (*household, founding.signers))
    }

    /// Whether this device may connect and be dialled: a present member of either partner.
    pub fn may_connect(&self, device: &DeviceId) -> bool {
        self.devices.get(device).is_some_and(|device| !device.removed)
    }

    /// Every device of both partners that ever was a member, by id: everyone sees every device that holds their data.
    pub fn devices(&self) -> impl Iterator<Item = (&DeviceId, &RosterDevice)> {
        self.devices.iter()
    }

    /// One device of either partner, removed ones included.
    pub fn device(&self, device: &DeviceId) -> Option<&RosterDevice> {
        self.devices.get(device)
    }

    /// Whose facts count in a scope, and how far: in `ours` both partners', in `mine` the own partner's.
    pub fn membership(&self, scope: Scope) -> Membership {
        let mut membership = Membership::default();
        for (id, device) in &self.standings.devices {
            let belongs = match scope {
                Scope::Ours => self.is_partner(&device.partner),
                Scope::Mine => device.partner == self.partner,
            };
            if !belongs {
                continue;
            }
            let accepted = match (&device.removal, device.granted) {
                (_, false) => Accepted::Nothing,
                (None, true) => Accepted::Everything,
                (Some(removal), true) => {
                    let last = if scope == Scope::Ours { removal.ours } else { removal.mine };
                    last.map_or(Accepted::Nothing, Accepted::UpTo)
                }
            };
            membership.set(*id, Standing { partner: device.partner, accepted });
        }
        membership
    }

    /// A device as another one of the own partner's; `None` for one of the other's, and for one that may not connect.
    pub fn own_device(&self, device: &DeviceId) -> Option<OwnDevice> {
        let known = self.devices.get(device).filter(|known| known.partner == self.partner && !known.removed)?;
        Some(OwnDevice { device: *device, partner: known.partner })
    }

    /// Whose devices the key of a recovery code may add and remove, of the two partners; `None` for one that was removed, and for
    /// any other key.
    pub fn recovers(&self, key: &DeviceId) -> Option<PartnerId> {
        self.standings.recovery_keys.get(key).copied().filter(|partner| self.is_partner(partner))
    }

    /// The keys of the own partner's recovery codes.
    pub fn recovery_keys(&self) -> impl Iterator<Item = &DeviceId> {
        let own = self.standings.recovery_keys.iter().filter(|(_, partner)| **partner == self.partner);
        own.map(|(key, _)| key)
    }

    /// What names that to which this device and another one of the household belong together, removed ones included: of
    /// one partner's own devices [`OwnDevice::circle`], otherwise the household.
    pub fn together_with(&self, device: &DeviceId) -> Option<HouseholdId> {
        let known = self.devices.get(device)?;
        if known.partner == self.partner {
            return Some(OwnDevice { device: *device, partner: known.partner }.circle());
        }
        self.household()
    }

    /// All statements, by id: what the store holds.
    pub fn statements(&self) -> impl Iterator<Item = &SignedStatement> {
        self.statements.values()
    }

    /// The statements that a device of `audience` may see: private ones are for the own partner's devices alone
    /// (PrivateStaysHome).
    fn visible(&self, audience: &PartnerId) -> impl Iterator<Item = &SignedStatement> {
        let is_own = *audience == self.partner;
        self.statements.values().filter(move |statement| is_own || !statement.is_private())
    }

    /// The ids of all statements that a device of `audience` may see, sorted.
    pub fn ids(&self, audience: &PartnerId) -> Vec<StatementId> {
        self.visible(audience).map(SignedStatement::id).collect()
    }

    /// A hash over [`Roster::ids`], for the hello. Two devices of different partners ask for each other's partner, two of
    /// the same for that one; equal means that both have the same statements.
    pub fn digest(&self, audience: &PartnerId) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_derive_key("betwixt 1 roster digest");
        for statement in self.visible(audience) {
            hasher.update(statement.id().as_bytes());
        }
        *hasher.finalize().as_bytes()
    }

    /// What a session with this device brings: everything that its partner may see, and the digest in the place of heads.
    /// `None` for a device that may not connect.
    pub fn offer(&self, peer: &DeviceId) -> Option<RosterOffer> {
        let audience = self.devices.get(peer).filter(|device| !device.removed)?.partner;
        let statements = self.visible(&audience).map(SignedStatement::to_bytes).collect();
        // For each partner's devices the digest of what the other may see is the same on both sides.
        Some(RosterOffer { heads: vec![self.digest(&audience)], statements })
    }

    /// What a device of `audience` that has `theirs` lacks.
    pub fn missing(&self, audience: &PartnerId, theirs: &[StatementId]) -> Vec<SignedStatement> {
        let theirs: BTreeSet<&StatementId> = theirs.iter().collect();
        self.visible(audience).filter(|statement| !theirs.contains(&statement.id())).cloned().collect()
    }

    /// Takes in statements that arrived. Unknown kinds by members are kept; what is by nobody, incomplete or over a cap is
    /// refused and harms nothing (HostileInputIsAnError).
    pub fn merge(&self, arrived: impl IntoIterator<Item = SignedStatement>) -> Merged {
        let mut fresh: BTreeMap<StatementId, SignedStatement> = BTreeMap::new();
        for statement in arrived {
            let better = self.statements.get(&statement.id()).is_some_and(|kept| !is_lesser(&statement, kept));
            if !better && fresh.len() < MAX_STATEMENTS {
                fresh.insert(statement.id(), statement);
            }
        }
        let everything = || self.statements.values().chain(fresh.values()).cloned();
        let trial = Self::from_statements(self.partner, self.anchor, everything());
        let mut counts: BTreeMap<DeviceId, usize> = BTreeMap::new();
        for statement in self.statements.values() {
            *counts.entry(statement.author()).or_default() += 1;
        }
        let mut total = self.statements.len();
        let (mut added, mut refused) = (Vec::new(), Vec::new());
        for (id, statement) in &fresh {
            let of_us = trial.standings.counted.get(id).is_some_and(|partner| trial.is_partner(partner))
                || statement.founds().is_some_and(|household| trial.involves(&household));
            let complete = statement.after().iter().all(|before| trial.statements.contains_key(before));
            let by_author = counts.entry(statement.author()).or_default();
            let removal = matches!(statement.statement(), Statement::RemoveDevice { .. });
            if !complete {
                refused.push(Refused::Incomplete(*id));
            } else if !of_us {
                refused.push(Refused::NotAMember(*id));
            } else if *by_author >= MAX_BY_AUTHOR || (total >= MAX_STATEMENTS && !removal) {
                refused.push(Refused::TooMany(*id));
            } else {
                *by_author += 1;
                total += 1;
                added.push(statement.clone());
            }
        }
        // Nearly always everything is taken, and then the trial is the outcome.
        let roster = if refused.is_empty() {
            trial
        } else {
            let kept = self.statements.values().chain(&added).cloned();
            Self::from_statements(self.partner, self.anchor, kept)
        };
        Merged { roster, added, refused }
    }

    fn involves(&self, household: &HouseholdId) -> bool {
        self.standings.foundings.get(household).is_some_and(|founding| founding.partners.contains(&self.partner))
    }

    fn heads(&self, partner: &PartnerId) -> Vec<StatementId> {
        self.standings.heads.get(partner).into_iter().flatten().copied().collect()
    }

    /// Says that this device's store begins a new epoch.
    pub fn begin_epoch(&self, keys: &DeviceKeys, epoch: EpochId) -> SignedStatement {
        let numbers = self.statements.values().filter(|statement| statement.author() == keys.device());
        let numbers = numbers.filter_map(|statement| match statement.statement() {
            Statement::Epoch { number, .. } => Some(*number),
            _ => None,
        });
        let number = numbers.max().map_or(0, |last| last.saturating_add(1));
        let statement = Statement::Epoch { epoch, number };
        Draft::new(statement, self.heads(&self.partner), vec![keys.device()]).sign_all(&[keys.signing()])
    }

    /// What `author`, a device or recovery key of the own partner, and the new device have to sign, in this order, to make
    /// it one of the partner's devices.
    pub fn draft_add_device(&self, author: DeviceId, device: DeviceId, agreement: AgreementKey) -> Draft {
        Draft::new(Statement::AddDevice { agreement }, self.heads(&self.partner), vec![author, device])
    }

    /// Lets the key of a recovery code add and remove devices of the own partner.
    pub fn add_recovery_key(&self, keys: &DeviceKeys, recovery: &SigningKey) -> SignedStatement {
        let key = DeviceId::from_bytes(recovery.verifying_key().to_bytes());
        let draft = Draft::new(Statement::AddRecoveryKey, self.heads(&self.partner), vec![keys.device(), key]);
        draft.sign_all(&[keys.signing(), recovery])
    }

    /// Ends what the key of a recovery code of the own partner may do. What it added stays.
    pub fn remove_recovery_key(&self, keys: &DeviceKeys, key: DeviceId) -> SignedStatement {
        let statement = Statement::RemoveDevice { device: key, accepts: None };
        Draft::new(statement, self.heads(&self.partner), vec![keys.device()]).sign_all(&[keys.signing()])
    }

    /// Removes a device (or recovery key) of the own partner, by the key of another, or by its own: `ours` is the last fact
    /// of it that is accepted in the shared scope, `mine` the same for the private one. Answers the statements to keep; what
    /// is said of the private scope only own devices ever see.
    pub fn remove_device(
        &self,
        by: &SigningKey,
        device: DeviceId,
        ours: Option<FactId>,
        mine: Option<FactId>,
    ) -> Vec<SignedStatement> {
        let author = DeviceId::from_bytes(by.verifying_key().to_bytes());
        let statement = Statement::RemoveDevice { device, accepts: ours };
        let removal = Draft::new(statement, self.heads(&self.partner), vec![author]).sign_all(&[by]);
        let private = Statement::AcceptPrivate { fact: mine };
        let private = Draft::new(private, vec![removal.id()], vec![author]).sign_all(&[by]);
        vec![removal, private]
    }

    /// Says what a device of the own partner is called, by this one. `None` when the name cannot be shown, or the device is
    /// called so already.
    pub fn name_device(&self, keys: &DeviceKeys, device: DeviceId, name: &str) -> Option<SignedStatement> {
        let known = self.devices.get(&device).filter(|known| known.partner == self.partner)?;
        if !is_name(name) || known.name.as_deref() == Some(name) {
            return None;
        }
        let statement = Statement::Name { device, name: name.to_owned() };
        let draft = Draft::new(statement, self.heads(&self.partner), vec![keys.device()]);
        Some(draft.sign_all(&[keys.signing()]))
    }

    /// What both devices have to sign, the one of the lesser partner first, to found a household. Built from the same two
    /// chains and nonces it is the same on both sides. `None` when both are of one partner.
    pub fn draft_founding(&self, own: FoundingSide, other: FoundingSide) -> Option<Draft> {
        let sides = match own.partner.cmp(&other.partner) {
            std::cmp::Ordering::Less => [own, other],
            std::cmp::Ordering::Greater => [other, own],
            std::cmp::Ordering::Equal => return None,
        };
        let partners = sides.map(|side| side.partner);
        let statement = Statement::Founding { partners, nonces: sides.map(|side| side.nonce) };
        let after = partners.iter().flat_map(|partner| self.heads(partner)).collect();
        Some(Draft::new(statement, after, sides.map(|side| side.device).to_vec()))
    }
}

/// One side of a founding.
#[derive(Debug, Clone, Copy)]
pub struct FoundingSide {
    /// The partner.
    pub partner: PartnerId,
    /// The device that signs for them.
    pub device: DeviceId,
    /// Fresh randomness of that device.
    pub nonce: [u8; 16],
}

fn is_lesser(left: &SignedStatement, right: &SignedStatement) -> bool {
    left.signature_bytes() < right.signature_bytes()
}
