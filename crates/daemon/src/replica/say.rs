//! Saying: what a person does becomes facts, all of one act or none.

use std::collections::BTreeMap;

use betwixt_model::carry::Entries;
use betwixt_model::chapter;
use betwixt_model::document::{DocumentId, Scope, YEARS, actor_id};
use betwixt_model::fact::{Fact, Nonce, SignedFact};
use betwixt_model::ids::{FactId, HouseholdId};
use betwixt_model::index::rows::ReadRows;
use betwixt_model::index::{self, FieldKey};
use betwixt_model::membership::Membership;
use betwixt_model::say::{self, Saying, Writer};
use betwixt_store::{Rows, StoreError};
use jiff::civil::Date;
use rand_core::{CryptoRngCore, RngCore};

use super::acts::{self, Remembered};
use super::health::CarriedOn;
use super::overlay::Overlay;
use super::{ActError, Identity, Replica, Stage, StageError};

/// One act of a person: several things said, which become one change.
pub struct Act<'a> {
    scope: Scope,
    household: HouseholdId,
    identity: &'a Identity,
    membership: Membership,
    rows: Overlay<Rows<'a>>,
    date: Date,
    rng: &'a mut dyn RngCore,
    facts: Vec<SignedFact>,
    fields: Vec<FieldKey>,
    remembered: Remembered,
}

impl Act<'_> {
    /// Says something. What was said earlier in this act is seen by it.
    ///
    /// # Errors
    /// [`ActError`]; unless the caller goes on regardless, nothing of the act is kept.
    pub fn say(&mut self, saying: Saying) -> Result<SignedFact, ActError> {
        let writer = self.writer()?;
        let fact = say::say(&self.rows, saying, &writer)?;
        self.enter(fact)
    }

    /// Who says it, for what the model writes by itself.
    ///
    /// # Errors
    /// [`ActError::Stage`].
    pub fn writer(&mut self) -> Result<Writer, ActError> {
        let mut nonce = [0; 16];
        self.rng.fill_bytes(&mut nonce);
        Ok(Writer {
            household: self.household,
            partner: self.identity.partner,
            device: self.identity.device(),
            previous: index::tip(&self.rows, &self.identity.device()).map_err(StageError::from)?,
            date: self.date,
            nonce: Nonce::from_bytes(nonce),
        })
    }

    /// Whose facts count where it is said.
    pub fn membership(&self) -> &Membership {
        &self.membership
    }

    /// Adds a fact that the model wrote, as [`betwixt_model::bring`] does. Such an act cannot be taken back.
    ///
    /// # Errors
    /// [`ActError`].
    pub fn add(&mut self, fact: Fact) -> Result<SignedFact, ActError> {
        self.remembered = Remembered::ForGood;
        self.enter(fact)
    }

    /// Says that this is nobody's act: taking back one's last act passes over it.
    pub fn by_itself(&mut self) {
        self.remembered = Remembered::Not;
    }

    fn enter(&mut self, fact: Fact) -> Result<SignedFact, ActError> {
        let signed = fact.sign(self.identity.keys.signing());
        let effect = index::ingest(&mut self.rows, &self.household, &self.membership, vec![signed.clone()])
            .map_err(StageError::from)?;
        self.fields.extend(effect.fields);
        self.facts.push(signed.clone());
        Ok(signed)
    }

    /// The index with everything that this act has said so far.
    pub fn rows(&self) -> &impl ReadRows<Error = StoreError> {
        &self.rows
    }

    /// What this device said last in this scope.
    ///
    /// # Errors
    /// [`ActError::Stage`].
    pub fn tip(&self) -> Result<Option<FactId>, ActError> {
        Ok(index::tip(&self.rows, &self.identity.device()).map_err(StageError::from)?)
    }

    /// The space that it is said in.
    pub fn household(&self) -> HouseholdId {
        self.household
    }

    /// The scope that it is said in.
    pub fn scope(&self) -> Scope {
        self.scope
    }
}

impl Replica {
    /// Carries out one act in a scope: everything that `say` says, or nothing.
    ///
    /// # Errors
    /// [`ActError`]; when it [fails the stage](ActError::fails_stage), the stage is to be dropped and
    /// [`Replica::abandon`] called, otherwise the stage goes on as if the act had not been tried.
    pub fn act<T>(
        &mut self,
        stage: &mut Stage,
        scope: Scope,
        date: Date,
        rng: &mut impl CryptoRngCore,
        say: impl FnOnce(&mut Act<'_>) -> Result<T, ActError>,
    ) -> Result<T, ActError> {
        if !YEARS.contains(&date.year()) {
            return Err(ActError::Date(date));
        }
        let household = self.space(scope).ok_or(match scope {
            Scope::Ours => ActError::NotPaired,
            Scope::Mine => ActError::Locked,
        })?;
        let mut act = Act {
            scope,
            household,
            identity: &self.identity,
            membership: self.roster.membership(scope),
            rows: Overlay::new(stage.batch.reader().rows(scope)),
            date,
            rng,
            facts: Vec::new(),
            fields: Vec::new(),
            remembered: Remembered::ToTakeBack,
        };
        let answer = say(&mut act)?;
        let Act { rows, facts, fields, remembered, .. } = act;
        let writes = rows.into_writes();
        self.carry(stage, scope, &facts)?;
        writes.apply(&mut stage.batch.rows(scope)?)?;
        self.put_back(stage, scope)?;
        if scope == Scope::Ours && fields.iter().any(|field| field.kind == chapter::KIND) {
            self.begin_chapters(stage)?;
        }
        stage.fields.extend(fields.into_iter().map(|field| (scope, field)));
        self.presents.said(scope, &facts);
        let said: Vec<FactId> = facts.iter().map(|fact| fact.fact().id()).collect();
        stage.batch.queue_for_search(scope, &said).map_err(StageError::from)?;
        acts::remember(&mut stage.batch, scope, remembered, said).map_err(StageError::from)?;
        Ok(answer)
    }

    /// Puts facts into the documents of their years, one change a document.
    fn carry(&mut self, stage: &mut Stage, scope: Scope, facts: &[SignedFact]) -> Result<(), StageError> {
        let mut years: BTreeMap<i16, Vec<SignedFact>> = BTreeMap::new();
        for fact in facts {
            years.entry(fact.fact().header().date.year()).or_default().push(fact.clone());
        }
        for (year, facts) in years {
            let id = self.carrier(stage, scope, year)?;
            match self.append(stage, id, &facts) {
                Err(error) if error.damaged_document().is_some() => {
                    let next = self.begin_next(stage, id, CarriedOn::Unreadable, Entries::new())?;
                    self.append(stage, next.unwrap_or(id), &facts)?;
                }
                other => other?,
            }
        }
        Ok(())
    }
    /// Puts facts into one document, as one change of this device's.
    pub(super) fn append(&mut self, stage: &mut Stage, id: DocumentId, facts: &[SignedFact]) -> Result<(), StageError> {
        let document = self.documents.load(&stage.batch.reader(), id)?;
        let actor = actor_id(&self.identity.device(), &id, &self.identity.epoch);
        let change = document.append(&actor, facts)?;
        let heads = document.heads();
        stage.batch.append_change(id, change.raw_bytes())?;
        stage.batch.put_heads(id, &heads)?;
        stage.changes.entry(id).or_default().push(change);
        Ok(())
    }
}
