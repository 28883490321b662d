//! Sealed answers: reading sessions, sealing an answer, and opening those of which both have answered.

use betwixt_api as api;
use betwixt_api::{Problem, ProblemKind};
use betwixt_model::document::Scope;
use betwixt_model::fact::{Draft, Fact, Nonce};
use betwixt_model::field::Seen;
use betwixt_model::ids::ItemId;
use betwixt_model::say::{SayError, Saying};
use betwixt_model::seal::{self, AnswerState, Salt, Sealed, Session};
use betwixt_model::view;
use jiff::civil::Date;
use rand_chacha::ChaCha20Rng;
use rand_core::RngCore;

use super::failure::{Failure, fatal, gone, refused};
use super::items::{Open, OpenScope, ReadError};
use super::rituals::partners;
use super::says::Writing;
use crate::http::{Response, Target, shown};
use crate::replica::{ActError, Replica, Stage, StageError};

/// Every session, or the one that is asked for.
pub(super) fn sessions(
    replica: &Replica,
    open: &Open<'_>,
    target: Option<&Target>,
) -> Result<Vec<api::SealedSession>, ReadError> {
    let ours = open.one(Scope::Ours)?;
    let partners = partners(replica, ours);
    let sessions = match target {
        None => seal::sessions(&ours.rows, &ours.reader, &partners)?,
        Some(target) => {
            let id = open.find(target)?.view.id;
            seal::session(&ours.rows, &ours.reader, &partners, &id)?.into_iter().collect()
        }
    };
    let mut shown = Vec::new();
    for session in sessions {
        // The text is private: without that part open, only what was opened is shown.
        let yours = match open.one(Scope::Mine) {
            Ok(mine) => {
                let private = mine.reader.household;
                seal::own_text(&ours.rows, &mine.rows, &ours.reader, &private, &partners, &session.id)?
            }
            Err(_) => None,
        };
        shown.push(session_shown(ours, session, yours.map(|sealed| sealed.answer)));
    }
    Ok(shown)
}

/// One session.
pub(super) fn one(replica: &Replica, open: &Open<'_>, target: &Target) -> Result<api::SealedSession, ReadError> {
    let found = sessions(replica, open, Some(target))?.into_iter().next();
    found.ok_or_else(|| open.nothing(seal::KIND).into())
}

fn session_shown(open: &OpenScope<'_>, session: Session, yours: Option<String>) -> api::SealedSession {
    api::SealedSession {
        id: session.id.to_string(),
        by: session.founded.as_ref().map(|founded| founded.by.to_string()),
        on: session.founded.as_ref().map(|founded| founded.on.to_string()),
        prompt: shown::field(&open.reader, seal::KIND, "prompt", &session.prompt),
        answers: session
            .answers
            .into_iter()
            .map(|answer| api::SealedAnswer {
                by: answer.by.to_string(),
                own: answer.own,
                state: match answer.state {
                    AnswerState::Waiting => api::SealState::Waiting,
                    AnswerState::Sealed => api::SealState::Sealed,
                    AnswerState::Missing => api::SealState::Missing,
                    AnswerState::Opened => api::SealState::Opened,
                    AnswerState::Wrong => api::SealState::Wrong,
                },
                on: answer.on.map(|on| on.to_string()),
                answer: answer.answer,
                doubled: u64::try_from(answer.doubled).unwrap_or(u64::MAX),
                other_question: answer.other_question,
            })
            .collect(),
        yours,
        seen: api::Seen(session.seen.to_string()),
    }
}

impl Writing<'_> {
    /// Seals an answer: its text in `mine`, the commitment in `ours`, in one stage. Where the other has answered before, it is
    /// opened in the same stage.
    pub(super) fn seal_answer(&mut self, target: &Target, request: api::SealAnswer) -> Result<Response, Failure> {
        let api::SealAnswer { answer, seen } = request;
        if answer.trim().is_empty() || answer.len() > seal::MAX_ANSWER {
            let words = format!("An answer has 1 to {} bytes.", seal::MAX_ANSWER);
            return Err(Problem::new(ProblemKind::Invalid, words).about("answer").into());
        }
        let seen: Option<Seen> = seen.map(|seen| seen.0.parse()).transpose().map_err(|_| {
            Problem::new(ProblemKind::UnknownSeen, "That is no `seen` token; read the question again.").about("seen")
        })?;
        let open = Open::new(self.replica, &self.stage.batch().reader());
        let (ours, mine) = (open.one(Scope::Ours)?.reader, open.one(Scope::Mine)?.reader);
        let found = open.find(target)?;
        if found.open.scope != Scope::Ours {
            return Err(Problem::new(ProblemKind::Invalid, "Answers are sealed between two; ask it of both.").into());
        }
        let partners = partners(self.replica, found.open);
        let id = found.view.id;
        let standing = seal::session(&found.open.rows, &ours, &partners, &id)?.ok_or_else(gone)?;
        if standing.answers.iter().any(|answer| answer.state == AnswerState::Opened) {
            let words = "An answer is open already; what was sealed cannot be changed any more.";
            return Err(Problem::new(ProblemKind::Invalid, words).about("answer").into());
        }
        // The question that is answered: the fact that says it.
        let deck = standing.prompt.seen.to_string().chars().take(52).collect::<String>();
        drop(open);
        let mut salt = [0; 32];
        self.rng.fill_bytes(&mut salt);
        let salt = Salt::from_bytes(salt);
        let commitment = seal::commitment(&ours.household, &id, &ours.partner, &deck, &salt, &answer);
        let sealed = Sealed { commitment, salt, answer };
        let Self { replica, stage, date, rng } = self;
        let saying = Saying {
            item: Some(id),
            kind: seal::KIND.into(),
            field: "commitment".into(),
            value: seal::commitment_value(&commitment, &deck),
            seen,
        };
        replica
            .act(stage, Scope::Ours, *date, *rng, |act| act.say(saying))
            .map_err(|error| refused(error, "answer"))?;
        let (partner, device) = (replica.identity().partner(), replica.identity().device());
        let mut nonce = [0; 16];
        rng.fill_bytes(&mut nonce);
        let kept = replica.act(stage, Scope::Mine, *date, *rng, |act| {
            let fact = Fact::write(Draft {
                household: mine.household,
                item: Some(seal::text_item(&mine.household, &id, &commitment)),
                kind: seal::TEXT_KIND.into(),
                field: "text".into(),
                seen: Vec::new(),
                previous: act.tip()?,
                partner,
                device,
                date: *date,
                nonce: Nonce::from_bytes(nonce),
                value: seal::text_value(&id, &sealed),
            });
            act.add(fact.map_err(SayError::from)?)
        });
        // A commitment without its text could never be opened: what was staged in `ours` must not stand alone.
        kept.map_err(|error| Failure::Stage(fatal(error)))?;
        open_answers(replica, stage, *date, rng, Some(&[id]))?;
        let target = Target::Item(api::Collection::Sealed, id.to_string());
        let open = Open::new(self.replica, &self.stage.batch().reader());
        let session = sessions(self.replica, &open, Some(&target))?.into_iter().next().ok_or_else(gone)?;
        drop(open);
        Ok(Response::Seal(Box::new(session)))
    }
}

/// Says the openings that are due, of these sessions or of all. Nothing while the private part is locked: they are said at
/// the next unlock. Saying them again changes nothing, so a crash in between doubles nothing.
///
/// # Errors
/// [`StageError`].
pub(crate) fn open_answers(
    replica: &mut Replica,
    stage: &mut Stage,
    date: Date,
    rng: &mut ChaCha20Rng,
    only: Option<&[ItemId]>,
) -> Result<(), StageError> {
    let mut due = Vec::new();
    {
        let open = Open::new(replica, &stage.batch().reader());
        let (Ok(ours), Ok(mine)) = (open.one(Scope::Ours), open.one(Scope::Mine)) else { return Ok(()) };
        let partners = partners(replica, ours);
        let ids: Vec<ItemId> = match only {
            Some(only) => only.to_vec(),
            None => view::items(&ours.rows, &ours.reader, seal::KIND)?.into_iter().map(|item| item.id).collect(),
        };
        for id in ids {
            let private = mine.reader.household;
            due.extend(seal::due(&ours.rows, &mine.rows, &ours.reader, &private, &partners, &id)?);
        }
    }
    for opening in due {
        let saying = Saying {
            item: Some(opening.session),
            kind: seal::KIND.into(),
            field: "opening".into(),
            value: opening.value,
            seen: Some(opening.seen),
        };
        match replica.act(stage, Scope::Ours, date, rng, |act| act.say(saying)) {
            Ok(_) => {}
            Err(ActError::Stage(error)) => return Err(error),
            Err(error) if error.fails_stage() => return Err(fatal(error)),
            // Part of the session is still arriving: its arrival comes by here again.
            Err(_) => tracing::info!("an answer cannot be opened yet"),
        }
    }
    Ok(())
}
