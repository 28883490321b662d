//! Chapters: what one would keep and erase, proposing, agreeing, withdrawing.

use betwixt_api as api;
use betwixt_api::{Problem, ProblemKind};
use betwixt_model::chapter::{self, Chapter, ChapterError};
use betwixt_model::document::Scope;
use betwixt_model::fact::Fact;
use betwixt_model::ids::FactId;
use betwixt_model::index::rows::ReadRows;
use betwixt_model::index::{self, IndexError};
use betwixt_model::membership::Membership;
use betwixt_model::view::Reader;
use betwixt_store::StoreError;

use super::failure::{Failure, refused};
use super::problem::{sentence, storage_problem, unreadable};
use super::says::Writing;
use crate::http::{Answer, Request, Response};
use crate::replica::{Act, Replica};

/// Answers what is asked about chapters; `None` for every other request.
pub(crate) fn read(replica: &Replica, request: &Request) -> Option<Answer> {
    let Request::Chapters = request else { return None };
    let Some(reader) = replica.reader(Scope::Ours) else { return Some(Err(not_paired())) };
    let view = match replica.read() {
        Ok(view) => view,
        Err(error) => return Some(Err(storage_problem(&error))),
    };
    let rows = view.reader().rows(Scope::Ours);
    let shown = shown(&rows, &reader, &replica.roster().membership(Scope::Ours));
    Some(shown.map(Response::Chapters).map_err(|error| unreadable(&error)))
}

fn not_paired() -> Problem {
    Problem::new(ProblemKind::NotPaired, "A chapter is of what you share: run `betwixt pair` first.")
}

/// How it stands.
fn shown<R: ReadRows<Error = StoreError>>(
    rows: &R,
    reader: &Reader,
    membership: &Membership,
) -> Result<api::Chapters, IndexError<StoreError>> {
    let outline = match chapter::outline(rows, &reader.household, membership, &[]) {
        Err(ChapterError::Index(error)) => return Err(error),
        outline => outline,
    };
    let mut proposals = Vec::new();
    for proposal in chapter::proposals(rows, &reader.household)? {
        let said = api::Said {
            by: proposal.by.to_string(),
            own: proposal.by == reader.partner,
            on: proposal.on.to_string(),
            fact: proposal.fact.to_string(),
        };
        let keeps = chapter::whole(rows, &reader.household, &proposal.chapter)?.map(|kept| kept.len() as u64);
        proposals.push(api::ChapterProposal { said, keeps, erases: erases(rows, reader, &proposal.chapter)? });
    }
    Ok(api::Chapters {
        made: chapter::in_force(rows, &reader.household)?.len() as u64,
        erased: index::erased(rows)?.len() as u64,
        keeps: outline.as_ref().map_or(0, |(_, kept)| kept.len() as u64),
        arriving: matches!(outline, Err(ChapterError::Arriving)),
        proposals,
    })
}

fn erases<R: ReadRows<Error = StoreError>>(
    rows: &R,
    reader: &Reader,
    chapter: &Chapter,
) -> Result<Vec<api::ErasedFact>, IndexError<StoreError>> {
    let mut erases = Vec::new();
    for id in chapter.erased() {
        let mut erased =
            api::ErasedFact { said: None, fact: id.to_string(), kind: None, item: None, field: None, value: None };
        if let Some(signed) = index::fact(rows, id)? {
            let (fact, header) = (signed.fact(), signed.fact().header());
            erased.said = Some(api::Said {
                by: header.partner.to_string(),
                own: header.partner == reader.partner,
                on: header.date.to_string(),
                fact: id.to_string(),
            });
            erased.kind = Some(header.kind.clone());
            erased.item = Some(fact.item().to_string());
            erased.field = Some(header.field.clone());
            erased.value = fact.value().cloned();
        }
        erases.push(erased);
    }
    Ok(erases)
}

impl Writing<'_> {
    pub(super) fn chapter_propose(&mut self, request: &api::ChapterRequest) -> Result<Response, Failure> {
        let erase: Result<Vec<FactId>, _> = request.erase.iter().map(|id| id.parse()).collect();
        let erase = erase.map_err(|_| {
            let detail = "That is no fact's id. `betwixt history ITEM --json` shows whole ids.";
            Problem::new(ProblemKind::Invalid, detail).about("erase")
        })?;
        self.chapter(|act| {
            let writer = act.writer()?;
            Ok(chapter::propose(act.rows(), act.membership(), &erase, &writer))
        })
    }

    pub(super) fn chapter_agree(&mut self) -> Result<Response, Failure> {
        self.chapter(|act| {
            let writer = act.writer()?;
            Ok(chapter::agree(act.rows(), &writer))
        })
    }

    pub(super) fn chapter_withdraw(&mut self) -> Result<Response, Failure> {
        self.chapter(|act| {
            let writer = act.writer()?;
            Ok(chapter::withdraw(act.rows(), &writer))
        })
    }

    /// Says what `write` writes, and answers how it stands then.
    fn chapter(
        &mut self,
        write: impl FnOnce(&mut Act<'_>) -> Result<Result<Fact, ChapterError<StoreError>>, crate::replica::ActError>,
    ) -> Result<Response, Failure> {
        let Some(reader) = self.replica.reader(Scope::Ours) else { return Err(not_paired().into()) };
        let Self { replica, stage, date, rng, .. } = self;
        let mut why_not = None;
        let said = replica.act(stage, Scope::Ours, *date, *rng, |act| {
            match write(act)? {
                Ok(fact) => drop(act.add(fact)?),
                Err(error) => why_not = Some(error),
            }
            Ok(())
        });
        said.map_err(|error| refused(error, ""))?;
        if let Some(error) = why_not {
            return Err(problem(error));
        }
        let rows = self.stage.batch().reader().rows(Scope::Ours);
        let shown = shown(&rows, &reader, &self.replica.roster().membership(Scope::Ours))?;
        Ok(Response::Chapters(shown))
    }
}

/// Why nothing was said.
fn problem(error: ChapterError<StoreError>) -> Failure {
    let (kind, about) = match &error {
        ChapterError::Index(_) => {
            let ChapterError::Index(error) = error else { unreachable!("it was one") };
            return error.into();
        }
        ChapterError::Arriving => (ProblemKind::Arriving, None),
        ChapterError::OtherFacts => (ProblemKind::UnknownSeen, None),
        ChapterError::UnknownFact(_) => (ProblemKind::NotFound, Some("erase")),
        ChapterError::NoProposal | ChapterError::NoOwnProposal => (ProblemKind::NotFound, None),
        ChapterError::Nothing | ChapterError::Fact(_) => (ProblemKind::Invalid, None),
        ChapterError::TooMuch => (ProblemKind::Invalid, Some("erase")),
    };
    let problem = Problem::new(kind, sentence(&error));
    match about {
        Some(about) => problem.about(about).into(),
        None => problem.into(),
    }
}
