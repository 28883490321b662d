//! Bringing private items over into what is shared.

use betwixt_api as api;
use betwixt_api::{Problem, ProblemKind};
use betwixt_model::bring::{self, BringError, Bringer, Brought, Chosen};
use betwixt_model::document::Scope;
use betwixt_model::fact::Nonce;
use betwixt_model::ids::ItemId;
use betwixt_model::index;
use betwixt_model::view;
use betwixt_store::StoreError;
use rand_core::RngCore;

use super::failure::{Failure, refused};
use super::items::{self, OpenScope};
use super::problem::sentence;
use super::says::Writing;
use crate::http::{Response, shown};
use crate::replica::Stage;

impl Writing<'_> {
    /// Brings private items over: new facts in `ours` and the note of what was brought in `mine`, in one stage.
    pub(super) fn bring(&mut self, asked: &api::Bring) -> Result<Response, Failure> {
        let open = self.open();
        let (ours, mine) = (open.one(Scope::Ours)?.reader, open.one(Scope::Mine)?);
        let chosen = chosen(mine, asked)?;
        let mut before = Vec::new();
        for Chosen { item, .. } in &chosen {
            before.push((*item, items::brought_to(mine, item)?));
        }
        let mine = mine.reader;
        drop(open);
        let device = self.replica.identity().device();
        let bringer = |scope: Scope, reader: view::Reader, stage: &mut Stage| {
            let previous = index::tip(&stage.batch().reader().rows(scope), &device)?;
            Ok::<_, Failure>(Bringer { partner: reader.partner, device, household: reader.household, previous })
        };
        let in_ours = bringer(Scope::Ours, ours, self.stage)?;
        let in_mine = bringer(Scope::Mine, mine, self.stage)?;
        let whole = *asked == api::Bring::All;
        let Brought { ours, mine, items } = self.facts_to_bring(chosen, whole, &in_ours, &in_mine)?;
        let now: Vec<ItemId> = ours.iter().map(betwixt_model::fact::Fact::item).collect();
        let Self { replica, stage, date, rng, .. } = self;
        if !ours.is_empty() {
            let said = replica.act(stage, Scope::Ours, *date, *rng, |act| {
                ours.into_iter().try_for_each(|fact| act.add(fact).map(drop))
            });
            said.map_err(|error| refused(error, ""))?;
        }
        if !mine.is_empty() {
            let noted = replica.act(stage, Scope::Mine, *date, *rng, |act| {
                mine.into_iter().try_for_each(|fact| act.add(fact).map(drop))
            });
            // Without the note the items would be brought twice: what was staged in `ours` must not stand alone.
            noted.map_err(|error| Failure::Stage(error.into_stage_error()))?;
        }
        let open = self.open();
        let open = open.one(Scope::Ours)?;
        let mut report = api::BringReport { brought: Vec::new(), already: Vec::new() };
        for (from, to) in items {
            let brought_before = before.iter().any(|(item, to)| *item == from && to.is_some());
            let list = match (now.contains(&to), brought_before) {
                (true, _) => &mut report.brought,
                (false, true) => &mut report.already,
                // There was nothing in it that could be brought.
                (false, false) => continue,
            };
            let view = view::item(&open.rows, &open.reader, &to)?;
            let to = view.and_then(|view| shown::reference(api::Scope::Ours, &view));
            list.extend(to.map(|to| api::Brought { from: from.to_string(), to }));
        }
        Ok(Response::BringReport(report))
    }

    /// The facts that bring these items over. With `whole`, items that cannot come now (part of one is still arriving, its
    /// first field was let go of, or what it belongs to stays) are left for another time; chosen ones are refused.
    fn facts_to_bring(
        &mut self,
        mut chosen: Vec<Chosen>,
        whole: bool,
        in_ours: &Bringer,
        in_mine: &Bringer,
    ) -> Result<Brought, Failure> {
        let Self { stage, date, rng, .. } = self;
        let batch = stage.batch();
        let rows = batch.reader().rows(Scope::Mine);
        loop {
            let nonce = || {
                let mut nonce = [0; 16];
                rng.fill_bytes(&mut nonce);
                Nonce::from_bytes(nonce)
            };
            let error = match bring::bring(&rows, &chosen, in_ours, in_mine, *date, nonce) {
                Ok(brought) => return Ok(brought),
                Err(error) => error,
            };
            let left = match &error {
                BringError::NotWhole(item) | BringError::WithoutFirst { item, .. } | BringError::Needs { item, .. }
                    if whole =>
                {
                    *item
                }
                _ => return Err(not_brought(error)),
            };
            let known = chosen.len();
            chosen.retain(|chosen| chosen.item != left);
            if chosen.len() == known {
                return Err(not_brought(error));
            }
        }
    }
}

/// The private items that are to be brought, each once.
fn chosen(mine: &OpenScope<'_>, asked: &api::Bring) -> Result<Vec<Chosen>, Failure> {
    let all = mine.bringable()?;
    let items = match asked {
        // A name is said anew where one wants to be called by it.
        api::Bring::All => {
            let member = shown::kind_of(api::Collection::Members);
            let others = all.into_iter().filter(|view| view.kind != member);
            return Ok(others.map(|view| Chosen { item: view.id, fields: None }).collect());
        }
        api::Bring::Items { items } => items,
    };
    let mut chosen: Vec<Chosen> = Vec::new();
    for api::BringItem { id: prefix, fields } in items {
        let mut fits = all.iter().filter(|view| view.id.to_string().starts_with(prefix.as_str()));
        let problem = match (fits.next(), fits.next()) {
            _ if prefix.is_empty() => Problem::new(ProblemKind::Invalid, "An empty id names nothing."),
            (Some(view), None) => {
                if fields.iter().flatten().any(|field| !view.fields.contains_key(field)) {
                    let words = format!("A {} has no field of one of these names.", view.kind);
                    return Err(Problem::new(ProblemKind::Invalid, words).about("fields").into());
                }
                if chosen.iter().all(|chosen| chosen.item != view.id) {
                    chosen.push(Chosen { item: view.id, fields: fields.clone() });
                }
                continue;
            }
            (None, _) => Problem::new(
                ProblemKind::NotFound,
                "There is nothing private by one of these ids that could be brought over.",
            ),
            (Some(_), Some(_)) => {
                Problem::new(ProblemKind::Ambiguous, "More than one item begins like one of these ids.")
            }
        };
        return Err(problem.about("items").into());
    }
    Ok(chosen)
}

/// Why nothing was brought.
fn not_brought(error: BringError<StoreError>) -> Failure {
    let kind = match error {
        BringError::Index(error) => return error.into(),
        BringError::UnknownItem(_) => ProblemKind::NotFound,
        BringError::NotWhole(_) => ProblemKind::Arriving,
        BringError::WithoutFirst { .. } | BringError::Needs { .. } | BringError::Fact(_) => ProblemKind::Invalid,
    };
    Problem::new(kind, sentence(&error)).about("items").into()
}
