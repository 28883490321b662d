//! What each side signs, sends, and makes of what the other has signed.

use betwixt_model::ids::HouseholdId;

use super::{Accord, Signed};
use crate::pairing::exchange::Role;
use crate::pairing::frame::{Admission, Message};
use crate::pairing::terms::{self, Terms};
use crate::pairing::{Failure, Outcome, Output, Purpose};
use crate::roster::{Draft, Roster, SignedStatement};

impl Accord {
    /// The other's signature. On the offering side it comes first, and completes the statement there.
    pub(super) fn handle_signature(&mut self, signature: &[u8]) -> Result<(), Failure> {
        let run = self.run.as_ref().ok_or(Failure::Malformed)?;
        let both_want = run.own_yes && run.peer_yes && self.signed.is_none();
        let in_turn = match (self.role, self.purpose) {
            (Role::Offer, _) => true,
            (Role::Join, Purpose::Partner) => run.own_signature_sent,
            (Role::Join, Purpose::OwnDevice | Purpose::GiveBack) => false,
        };
        let (Some(peer), true, true) = (&run.peer, both_want, in_turn) else { return Err(Failure::Malformed) };
        let Terms::Draft(draft) = &peer.terms else { return Err(Failure::Malformed) };
        let (statement, own) = self.complete(draft, signature)?;
        self.agreed(statement, Some(own))
    }

    /// The draft with both signatures, and the own one.
    fn complete(&self, draft: &Draft, theirs: &[u8]) -> Result<(SignedStatement, [u8; 64]), Failure> {
        let theirs = <[u8; 64]>::try_from(theirs).map_err(|_| Failure::Malformed)?;
        let own = draft.sign(self.local.keys.signing());
        let is_first = draft.signers().first() == Some(&self.local.keys.device());
        let signatures = if is_first { [own, theirs] } else { [theirs, own] };
        let statement = draft.clone().complete(&signatures).map_err(|_| Failure::Malformed)?;
        Ok((statement, own))
    }

    /// Both have signed.
    pub(super) fn agreed(&mut self, statement: SignedStatement, signature: Option<[u8; 64]>) -> Result<(), Failure> {
        let run = self.run.as_ref().and_then(|run| run.peer.as_ref());
        let (Some(peer), Some(asked)) = (run, &self.asked) else { return Err(Failure::Malformed) };
        let founds = statement.founds();
        let household = founds.or(self.local.household);
        let own = Roster::from_statements(self.local.partner, household, self.local.statements.iter().cloned());
        // Of a device that is added nothing but this statement is taken in: what it began as was never anybody's.
        let theirs = peer.statements.iter().filter(|_| self.purpose == Purpose::Partner).cloned();
        let merged = own.merge(theirs.chain([statement]));
        let is_paired = merged.roster.household() == household && merged.roster.may_connect(&asked.device);
        let statements: Vec<SignedStatement> = merged.roster.statements().cloned().collect();
        let outcome = match (self.purpose, founds) {
            (Purpose::Partner, Some(household)) => Outcome::Founded { household, statements: statements.clone() },
            (Purpose::OwnDevice | Purpose::GiveBack, None) => Outcome::Added { statements: statements.clone() },
            _ => return Err(Failure::Malformed),
        };
        if !is_paired {
            return Err(Failure::Malformed);
        }
        self.local.household = household;
        self.local.statements = statements;
        self.outputs.push_back(Output::Paired { peer: asked.clone(), outcome });
        self.signed = Some(Signed { signature, stored: false });
        Ok(())
    }

    /// The other, which has lost all devices, signed that this new one is theirs: with a key that may, or it is taken for nothing.
    pub(super) fn handle_return(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let run = self.run.as_ref().ok_or(Failure::Malformed)?;
        let is_due = self.purpose == Purpose::GiveBack && self.role == Role::Offer && run.own_yes && run.peer_yes;
        let (Some(peer), Some(asked), true) = (&run.peer, &self.asked, is_due) else { return Err(Failure::Malformed) };
        if self.signed.is_some() {
            return Ok(());
        }
        if !matches!(peer.terms, Terms::Awaited) {
            return Err(Failure::Malformed);
        }
        let statement = SignedStatement::parse(bytes).map_err(|_| Failure::Malformed)?;
        let recovered =
            self.local.roster().recovers(&statement.author()).filter(|partner| *partner != self.local.partner);
        if !terms::adds(&statement, asked.device) || recovered.is_none() {
            return Err(Failure::UnknownRecoveryCode);
        }
        self.agreed(statement, None)
    }

    /// This device is one of the other's partner.
    pub(super) fn handle_welcome(&mut self) -> Result<(), Failure> {
        let run = self.run.as_ref().ok_or(Failure::Malformed)?;
        let is_due = self.purpose == Purpose::GiveBack && self.role == Role::Join && run.own_yes && run.peer_yes;
        let (Some(peer), Some(asked), true) = (&run.peer, &self.asked, is_due) else { return Err(Failure::Malformed) };
        if self.signed.is_some() {
            return Ok(());
        }
        let Terms::Signed(added) = &peer.terms else { return Err(Failure::Malformed) };
        let statements = || peer.statements.iter().cloned().chain([SignedStatement::clone(added)]);
        let theirs = Roster::from_statements(asked.partner, None, statements());
        let (household, partner) = theirs.household().zip(theirs.other_partner()).ok_or(Failure::Malformed)?;
        let roster = Roster::from_statements(partner, Some(household), statements());
        if roster.own_device(&self.local.keys.device()).is_none() {
            return Err(Failure::Malformed);
        }
        // Checked when it began.
        let space = self.local.private_space.ok_or(Failure::Malformed)?;
        let statements: Vec<SignedStatement> = roster.statements().cloned().collect();
        self.local.partner = partner;
        self.local.household = Some(household);
        self.local.statements = statements.clone();
        let outcome = Outcome::Returned { partner, household, space, statements };
        self.outputs.push_back(Output::Paired { peer: asked.clone(), outcome });
        self.signed = Some(Signed { signature: None, stored: false });
        Ok(())
    }

    /// This device is one of the other's partner's now.
    pub(super) fn handle_admission(&mut self, admission: Admission) -> Result<(), Failure> {
        let run = self.run.as_ref().ok_or(Failure::Malformed)?;
        let (Some(peer), Some(asked)) = (&run.peer, &self.asked) else { return Err(Failure::Malformed) };
        let is_due = self.purpose == Purpose::OwnDevice && self.role == Role::Join && run.own_yes && run.peer_yes;
        if !is_due {
            return Err(Failure::Malformed);
        }
        if self.signed.is_some() {
            return Ok(());
        }
        let statement = match &peer.terms {
            Terms::Signed(statement) => SignedStatement::clone(statement),
            Terms::Awaited => return Err(Failure::Malformed),
            Terms::Draft(_) if !run.own_signature_sent => return Err(Failure::Malformed),
            Terms::Draft(draft) => self.complete(draft, &admission.signature)?.0,
        };
        let mut statements = peer.statements.clone();
        statements.push(statement);
        for bytes in &admission.private {
            statements.push(SignedStatement::parse(bytes).map_err(|_| Failure::Malformed)?);
        }
        let household = admission.household.map(HouseholdId::from_bytes);
        let roster = Roster::from_statements(asked.partner, household, statements);
        let device = self.local.keys.device();
        let belongs =
            roster.may_connect(&device) && roster.device(&device).map(|own| own.partner) == Some(asked.partner);
        if !belongs || roster.household() != household {
            return Err(Failure::Malformed);
        }
        let statements: Vec<SignedStatement> = roster.statements().cloned().collect();
        self.local.partner = asked.partner;
        self.local.household = household;
        self.local.statements = statements.clone();
        let space = HouseholdId::from_bytes(admission.space);
        let outcome = Outcome::Joined { household, space, statements };
        self.outputs.push_back(Output::Paired { peer: asked.clone(), outcome });
        self.signed = Some(Signed { signature: None, stored: false });
        Ok(())
    }

    /// What the device that is added is told: all that the other's partner may not know.
    pub(super) fn admission(&self, signature: Option<[u8; 64]>) -> Result<Message, Failure> {
        // Checked when the offer was made.
        let space = self.local.private_space.ok_or(Failure::Malformed)?;
        let private = self.local.statements.iter().filter(|statement| statement.is_private());
        Ok(Message::Admission(Admission {
            signature: signature.map(|signature| signature.to_vec()).unwrap_or_default(),
            household: self.local.household.map(|household| *household.as_bytes()),
            space: *space.as_bytes(),
            private: private.map(SignedStatement::to_bytes).collect(),
        }))
    }
}
