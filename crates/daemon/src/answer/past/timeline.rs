//! What was ever said about an item, and where its wordings come from.

use betwixt_api::{self as api, Problem, ProblemKind};
use betwixt_model::ids::FactId;
use betwixt_model::index::Standing;
use betwixt_model::past::{self, Act, Event, How};
use betwixt_model::schema::{self, FieldKind};
use betwixt_model::view::Reader;

use super::{Past, changes};
use crate::answer::items::{Found, ReadError, shown_scope};
use crate::http::lists::names;
use crate::http::{HistoryList, Named, cursor, shown};

impl Past<'_> {
    /// A page of what was said about an item.
    pub(super) fn history(&self, named: &Named, list: &HistoryList) -> Result<api::History, ReadError> {
        let found = self.find(named)?;
        let Found { open, view } = &found;
        let item = shown::reference(shown_scope(open.scope), view).ok_or_else(|| self.open.nothing(&view.kind))?;
        let wanted = |event: &Event| {
            list.field.as_ref().is_none_or(|field| event.field == *field)
                && list.by.is_none_or(|by| event.by == by)
                && list.from.is_none_or(|from| event.on >= from)
                && list.until.is_none_or(|until| event.on <= until)
        };
        let (after, latest_first) = (list.paging.after.as_ref(), list.order == api::Order::Latest);
        let mut events: Vec<Event> = Vec::new();
        let mut next = None;
        let known = past::each_event(&open.rows, &view.kind, &view.id, after, latest_first, |event| {
            if wanted(&event) {
                if events.len() == list.paging.limit {
                    next = events.last().map(|last| last.fact);
                } else {
                    events.push(event);
                }
            }
            next.is_none()
        })?;
        if !known {
            let detail = "What the page before ended with is not here any more; read from the beginning.";
            return Err(Problem::new(ProblemKind::Invalid, detail).about("after").into());
        }
        Ok(api::History {
            item,
            items: events.into_iter().map(|said| event(&open.reader, said)).collect(),
            next: next.map(|fact| cursor::write(names::HISTORY, &fact)).transpose()?,
        })
    }

    /// Where an item's wordings come from that stand agreed, or wait.
    pub(super) fn provenance(&self, named: &Named) -> Result<Vec<api::Provenance>, ReadError> {
        let found = self.find(named)?;
        let events = past::timeline(&found.open.rows, &found.view.kind, &found.view.id)?;
        Ok(provenance(&found.open.reader, &found, &events))
    }
}

/// Where the wordings come from that stand agreed, or wait.
fn provenance(reader: &Reader, found: &Found<'_, '_>, events: &[Event]) -> Vec<api::Provenance> {
    let mut told = Vec::new();
    for (name, field) in &found.view.fields {
        let known = schema::field(&found.view.kind, name);
        if !known.is_some_and(|field| field.kind == FieldKind::Consent && field.shape.is_prose()) {
            continue;
        }
        let of_field: Vec<Event> = events.iter().filter(|event| event.field == *name).cloned().collect();
        let mut of = |fact: &FactId, text: &serde_json::Value, agreed: bool| {
            let steps = past::provenance(&of_field, fact).into_iter().map(|step| step_shown(reader, step)).collect();
            told.push(api::Provenance { field: name.clone(), text: text.clone(), agreed, steps });
        };
        for agreement in &field.agreement {
            // The later of the two is the one that agreed.
            let place = |fact: &FactId| of_field.iter().position(|event| event.fact == *fact);
            if let Some(last) = agreement.said.iter().map(|said| said.fact).max_by_key(place) {
                of(&last, &agreement.value, true);
            }
        }
        for waiting in &field.waiting {
            of(&waiting.fact, &waiting.value, false);
        }
    }
    told
}

fn step_shown(reader: &Reader, step: past::Step) -> api::Step {
    let how = match step.how {
        How::Proposed => "proposed",
        How::Reworded => "reworded",
        How::Agreed => "agreed",
        How::Withdrew => "withdrew",
    };
    api::Step {
        how: how.to_owned(),
        own: step.by.contains(&reader.partner),
        by: step.by.iter().map(ToString::to_string).collect(),
        on: step.on.to_string(),
        fact: step.fact.to_string(),
    }
}

/// Something that was said, as the API tells it.
pub(in crate::answer) fn event(reader: &Reader, event: Event) -> api::Event {
    let words = match (event.value.as_ref().and_then(serde_json::Value::as_str), event.before.as_slice()) {
        (Some(after), [first, rest @ ..]) if rest.iter().all(|other| other.value == first.value) => {
            match first.value.as_ref().and_then(serde_json::Value::as_str) {
                Some(before) if before != after => changes(past::changes(before, after)),
                _ => Vec::new(),
            }
        }
        _ => Vec::new(),
    };
    let before = event.before.into_iter().map(|earlier| api::Before {
        value: earlier.value.unwrap_or_default(),
        own: earlier.by == reader.partner,
        by: earlier.by.to_string(),
        fact: earlier.fact.to_string(),
    });
    api::Event {
        field: event.field,
        act: act(event.act),
        value: event.value,
        said: api::Said {
            own: event.by == reader.partner,
            by: event.by.to_string(),
            on: event.on.to_string(),
            fact: event.fact.to_string(),
        },
        before: before.collect(),
        words,
        standing: match event.standing {
            Standing::Live => api::Standing::Live,
            Standing::Arriving => api::Standing::Arriving,
            Standing::Replaced | Standing::Void => api::Standing::Replaced,
        },
    }
}

const fn act(act: Act) -> api::Act {
    match act {
        Act::Founded => api::Act::Founded,
        Act::Said => api::Act::Said,
        Act::Changed => api::Act::Changed,
        Act::TookTheirs => api::Act::TookTheirs,
        Act::SaidTheSame => api::Act::SaidTheSame,
        Act::LetGo => api::Act::LetGo,
        Act::TookUp => api::Act::TookUp,
        Act::Proposed => api::Act::Proposed,
        Act::Reworded => api::Act::Reworded,
        Act::Agreed => api::Act::Agreed,
        Act::Withdrew => api::Act::Withdrew,
    }
}
