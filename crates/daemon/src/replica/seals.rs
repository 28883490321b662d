//! Sealed answers: sealing one, and opening those of which both have answered.

use std::collections::BTreeSet;

use betwixt_model::document::Scope;
use betwixt_model::fact::{Draft, Fact, Nonce};
use betwixt_model::field::Seen;
use betwixt_model::ids::{FactId, ItemId, PartnerId};
use betwixt_model::index;
use betwixt_model::say::{SayError, Saying};
use betwixt_model::seal::{self, Salt, Sealed};
use jiff::civil::Date;
use rand_core::CryptoRngCore;

use super::{ActError, Replica, Stage, StageError};

/// An answer, as its owner gives it.
#[derive(Clone)]
pub struct SealedAnswer {
    /// The question.
    pub session: ItemId,
    /// The fact that says the question which is answered, as text.
    pub deck: String,
    /// The answer.
    pub answer: String,
    /// What stood in the field that commitments are said in.
    pub seen: Option<Seen>,
}

impl std::fmt::Debug for SealedAnswer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("SealedAnswer").field("session", &self.session).finish_non_exhaustive()
    }
}

impl Replica {
    /// Seals an answer: its text in `mine`, the commitment in `ours`, in one stage. Answers the fact that keeps the text, and
    /// the one that commits to it. Where the other has answered before, [`Replica::open_answers`] may follow in the same stage.
    ///
    /// # Errors
    /// [`ActError`], as [`Replica::act`]'s.
    pub fn seal_answer(
        &mut self,
        stage: &mut Stage,
        date: Date,
        rng: &mut impl CryptoRngCore,
        sealing: SealedAnswer,
    ) -> Result<[FactId; 2], ActError> {
        let SealedAnswer { session, deck, answer, seen } = sealing;
        let household = self.space(Scope::Ours).ok_or(ActError::NotPaired)?;
        let private = self.space(Scope::Mine).ok_or(ActError::Locked)?;
        let (partner, device) = (self.identity.partner, self.identity.device());
        let (mut salt, mut nonce) = ([0; 32], [0; 16]);
        rng.fill_bytes(&mut salt);
        rng.fill_bytes(&mut nonce);
        let salt = Salt::from_bytes(salt);
        let commitment = seal::commitment(&household, &session, &partner, &deck, &salt, &answer);
        let sealed = Sealed { commitment, salt, answer };
        let saying = Saying {
            item: Some(session),
            kind: seal::KIND.into(),
            field: "commitment".into(),
            value: seal::commitment_value(&commitment, &deck),
            seen,
        };
        let committed = self.act(stage, Scope::Ours, date, rng, |act| act.say(saying))?;
        let kept = self.act(stage, Scope::Mine, date, rng, |act| {
            let fact = Fact::write(Draft {
                household: private,
                item: Some(seal::text_item(&private, &session, &commitment)),
                kind: seal::TEXT_KIND.into(),
                field: "text".into(),
                seen: Vec::new(),
                previous: act.tip()?,
                partner,
                device,
                date,
                nonce: Nonce::from_bytes(nonce),
                value: seal::text_value(&session, &sealed),
            });
            act.add(fact.map_err(SayError::from)?)
        });
        // A commitment without its text could never be opened: what was staged in `ours` must not stand alone.
        let kept = kept.map_err(ActError::into_stage_error)?;
        Ok([kept, committed].map(|signed| signed.fact().id()))
    }

    /// Every session of which an opening may be due, latest last. Costs a row each.
    ///
    /// # Errors
    /// [`StageError`].
    pub fn sealed_sessions(&self, stage: &mut Stage) -> Result<Vec<ItemId>, StageError> {
        if self.space(Scope::Ours).is_none() || self.space(Scope::Mine).is_none() {
            return Ok(Vec::new());
        }
        let items = index::items(&stage.batch.reader().rows(Scope::Ours), seal::KIND)?;
        Ok(items.into_iter().map(|item| item.item).collect())
    }

    /// Says the openings that are due of these sessions, and answers them. Nothing while the private part is
    /// locked: they are said at the next unlock. Saying them again changes nothing, so a crash in between doubles nothing.
    ///
    /// # Errors
    /// [`StageError`].
    pub fn open_answers(
        &mut self,
        stage: &mut Stage,
        date: Date,
        rng: &mut impl CryptoRngCore,
        sessions: &[ItemId],
    ) -> Result<Vec<FactId>, StageError> {
        let (Some(reader), Some(private)) = (self.reader(Scope::Ours), self.space(Scope::Mine)) else {
            return Ok(Vec::new());
        };
        let mut due = Vec::new();
        {
            let durable = stage.batch.reader();
            let (ours, mine) = (durable.rows(Scope::Ours), durable.rows(Scope::Mine));
            let partners = self.partners();
            for session in sessions {
                due.extend(seal::due(&ours, &mine, &reader, &private, &partners, session)?);
            }
        }
        let mut said = Vec::new();
        for opening in due {
            let saying = Saying {
                item: Some(opening.session),
                kind: seal::KIND.into(),
                field: "opening".into(),
                value: opening.value,
                seen: Some(opening.seen),
            };
            match self.act(stage, Scope::Ours, date, rng, |act| act.say(saying)) {
                Ok(signed) => said.push(signed.fact().id()),
                Err(error) if error.fails_stage() => return Err(error.into_stage_error()),
                // Part of the session is still arriving: its arrival comes by here again.
                Err(_) => tracing::info!("an answer cannot be opened yet"),
            }
        }
        Ok(said)
    }

    /// The household's partners, in order.
    pub fn partners(&self) -> Vec<PartnerId> {
        let partners: BTreeSet<PartnerId> = self.roster.devices().map(|(_, device)| device.partner).collect();
        partners.into_iter().collect()
    }
}
