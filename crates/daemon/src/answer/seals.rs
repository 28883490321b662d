//! Sealed answers: reading sessions, sealing an answer, and opening those of which both have answered.

use betwixt_api as api;
use betwixt_api::{Problem, ProblemKind};
use betwixt_model::document::Scope;
use betwixt_model::field::Seen;
use betwixt_model::ids::{ItemId, PartnerId};
use betwixt_model::index::IndexError;
use betwixt_model::seal::{self, AnswerState, Session};
use betwixt_store::StoreError;

use super::failure::{Failure, gone, refused};
use super::items::{Open, OpenScope, ReadError};
use super::pages::Views;
use super::rituals::partners;
use super::says::Writing;
use crate::http::lists::names;
use crate::http::{ItemPlace, ItemsList, Paging, Response, Target, cursor, shown};
use crate::replica::{Replica, SealedAnswer};

/// A page of sessions, oldest first.
pub(super) fn page(
    replica: &Replica,
    open: &Open<'_>,
    paging: &Paging<ItemPlace>,
) -> Result<api::Page<api::SealedSession>, ReadError> {
    open.one(Scope::Ours)?;
    let list = ItemsList { scope: Some(api::Scope::Ours), paging: paging.clone(), ..ItemsList::default() };
    let Views { views, next } = open.views(seal::KIND, &list)?;
    let mut items = Vec::new();
    for (_, view) in views {
        items.extend(session(replica, open, &view.id)?);
    }
    Ok(api::Page { items, next: next.map(|next| cursor::write(names::ITEMS, &next)).transpose()? })
}

/// One session.
pub(super) fn one(replica: &Replica, open: &Open<'_>, target: &Target) -> Result<api::SealedSession, ReadError> {
    open.one(Scope::Ours)?;
    let id = open.locate(target)?.head.id;
    session(replica, open, &id)?.ok_or_else(|| open.nothing(seal::KIND).into())
}

fn session(replica: &Replica, open: &Open<'_>, id: &ItemId) -> Result<Option<api::SealedSession>, ReadError> {
    let ours = open.one(Scope::Ours)?;
    Ok(session_of(ours, open.one(Scope::Mine).ok(), &partners(replica, ours), id)?)
}

/// A session as the one reads it whose these scopes are.
pub(super) fn session_of(
    ours: &OpenScope<'_>,
    mine: Option<&OpenScope<'_>>,
    partners: &[PartnerId],
    id: &ItemId,
) -> Result<Option<api::SealedSession>, IndexError<StoreError>> {
    let Some(session) = seal::session(&ours.rows, &ours.reader, partners, id)? else { return Ok(None) };
    // The text is private: without that part open, only what was opened is shown.
    let yours = match mine {
        Some(mine) => {
            let private = mine.reader.household;
            seal::own_text(&ours.rows, &mine.rows, &ours.reader, &private, partners, &session.id)?
        }
        None => None,
    };
    Ok(Some(session_shown(ours, session, yours.map(|sealed| sealed.answer))))
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
        let open = Open::new(self.replica, self.sees, &self.stage.batch().reader());
        let ours = open.one(Scope::Ours)?.reader;
        open.one(Scope::Mine)?;
        let found = open.locate(target)?;
        if found.open.scope != Scope::Ours {
            return Err(Problem::new(ProblemKind::Invalid, "Answers are sealed between two; ask it of both.").into());
        }
        let partners = partners(self.replica, found.open);
        let id = found.head.id;
        let standing = seal::session(&found.open.rows, &ours, &partners, &id)?.ok_or_else(gone)?;
        if standing.answers.iter().any(|answer| answer.state == AnswerState::Opened) {
            let words = "An answer is open already; what was sealed cannot be changed any more.";
            return Err(Problem::new(ProblemKind::Invalid, words).about("answer").into());
        }
        // The question that is answered: the fact that says it.
        let deck = standing.prompt.seen.to_string().chars().take(52).collect::<String>();
        drop(open);
        let Self { replica, stage, date, rng, .. } = self;
        let sealing = SealedAnswer { session: id, deck, answer, seen };
        replica.seal_answer(stage, *date, *rng, sealing).map_err(|error| refused(error, "answer"))?;
        replica.open_answers(stage, *date, *rng, &[id])?;
        let open = Open::new(self.replica, self.sees, &self.stage.batch().reader());
        let session = session(self.replica, &open, &id)?.ok_or_else(gone)?;
        drop(open);
        Ok(Response::Seal(Box::new(session)))
    }
}
