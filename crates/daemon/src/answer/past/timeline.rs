//! What was ever said about an item, and where its wordings come from.

use betwixt_api as api;
use betwixt_model::ids::FactId;
use betwixt_model::index::Standing;
use betwixt_model::past::{self, Act, Event, How};
use betwixt_model::schema::{self, FieldKind};
use betwixt_model::view::Reader;

use super::{Past, changes};
use crate::answer::items::{Found, ReadError, shown_scope};
use crate::http::{Named, shown};

impl Past<'_> {
    pub(super) fn timeline(&self, named: &Named) -> Result<api::Timeline, ReadError> {
        let found = self.find(named)?;
        let Found { open, view } = &found;
        let item = shown::reference(shown_scope(open.scope), view).ok_or_else(|| self.open.nothing(&view.kind))?;
        let events = past::timeline(&open.rows, &view.kind, &view.id)?;
        let provenance = provenance(&open.reader, &found, &events);
        let events = events.into_iter().map(|said| event(&open.reader, said)).collect();
        Ok(api::Timeline { item, events, provenance })
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
pub(super) fn event(reader: &Reader, event: Event) -> api::Event {
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
