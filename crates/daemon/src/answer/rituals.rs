//! Rituals: what takes place when, and what is said about an occurrence.

use betwixt_api as api;
use betwixt_api::{Problem, ProblemKind};
use betwixt_model::document::Scope;
use betwixt_model::ids::PartnerId;
use betwixt_model::ritual::{self, Calendar, Occurrence, Status, When, Window};
use betwixt_model::schema::{self, Kind};
use betwixt_model::view::{self, ItemView, Reader};
use jiff::Zoned;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};

use super::failure::Failure;
use super::items::{self, Open, OpenScope, ReadError};
use super::problem::sentence;
use super::says::Writing;
use crate::http::{Response, Target, shown};
use crate::replica::Replica;

const OCCURRENCE: &str = "occurrence";

/// What takes place, of one ritual or of all that can be read.
pub(super) fn calendar(
    replica: &Replica,
    open: &Open<'_>,
    target: Option<&Target>,
    asked: &api::CalendarRequest,
) -> Result<api::Calendar, ReadError> {
    let window = window(asked)?;
    let mut rituals = Vec::new();
    let mut add = |open: &OpenScope<'_>, view: &ItemView| {
        rituals.extend(of_one(replica, open, view, &window)?);
        Ok::<_, ReadError>(())
    };
    match target {
        Some(target) => {
            let found = open.find(target)?;
            add(found.open, &found.view)?;
        }
        None => {
            for open in open.scopes() {
                for view in view::items(&open.rows, &open.reader, shown::kind_of(api::Collection::Rituals))? {
                    add(open, &view)?;
                }
            }
        }
    }
    Ok(api::Calendar { from: window.from.to_string(), until: window.to.to_string(), rituals })
}

fn window(asked: &api::CalendarRequest) -> Result<Window, Problem> {
    let invalid = |about: &str, words: &str| Problem::new(ProblemKind::Invalid, words).about(about);
    let zone = match &asked.zone {
        Some(name) => Some(
            ritual::zone(name)
                .ok_or_else(|| invalid("zone", "That time zone is not known; write it like Europe/Berlin."))?,
        ),
        None => None,
    };
    let now = Zoned::now();
    let today = zone.as_ref().map_or(now.date(), |zone| now.with_time_zone(zone.clone()).date());
    let date = |name: &str, text: &Option<String>, otherwise: Date| match text {
        None => Ok(otherwise),
        Some(text) => text.parse::<Date>().map_err(|_| invalid(name, "A date is written 2027-01-31.")),
    };
    let from = date("from", &asked.from, today)?;
    let to = date("until", &asked.until, from)?;
    Ok(Window { from, to, zone, today })
}

fn of_one(
    replica: &Replica,
    open: &OpenScope<'_>,
    view: &ItemView,
    window: &Window,
) -> Result<Option<api::RitualCalendar>, ReadError> {
    let Some(reference) = shown::reference(items::shown_scope(open.scope), view) else { return Ok(None) };
    let partners = partners(replica, open);
    let Calendar { occurrences, next, problems } = ritual::calendar(&open.rows, &open.reader, &partners, view, window)?
        .map_err(|error| Problem::new(ProblemKind::Invalid, sentence(error)).about("from"))?;
    let zone = window.zone.as_ref();
    Ok(Some(api::RitualCalendar {
        ritual: reference,
        occurrences: occurrences.iter().map(|occurrence| occurrence_shown(&open.reader, occurrence, zone)).collect(),
        next: next.map(|next| api::NextOccurrence {
            date: next.date.to_string(),
            when: next.when.iter().map(|when| when_shown(when, zone)).collect(),
            leads: next.leads.map(|leads| leader(&open.reader, leads)),
        }),
        problems,
    }))
}

/// Who has to agree: both partners of the household, or the owner of what is private.
pub(super) fn partners(replica: &Replica, open: &OpenScope<'_>) -> Vec<PartnerId> {
    match open.scope {
        Scope::Mine => vec![open.reader.partner],
        Scope::Ours => replica.partners(),
    }
}

fn leader(reader: &Reader, partner: PartnerId) -> api::Leader {
    api::Leader { partner: partner.to_string(), own: partner == reader.partner }
}

fn occurrence_shown(reader: &Reader, occurrence: &Occurrence, zone: Option<&TimeZone>) -> api::Occurrence {
    let field = |name: &str, view: &view::FieldView| shown::field(reader, OCCURRENCE, name, view);
    api::Occurrence {
        id: occurrence.item.to_string(),
        date: occurrence.date.to_string(),
        scheduled: occurrence.scheduled,
        when: occurrence.when.iter().map(|when| when_shown(when, zone)).collect(),
        status: match occurrence.status {
            Status::Open => api::OccurrenceStatus::Open,
            Status::Held => api::OccurrenceStatus::Held,
            Status::Missed => api::OccurrenceStatus::Missed,
            Status::Skipped => api::OccurrenceStatus::Skipped,
            Status::Paused => api::OccurrenceStatus::Paused,
            Status::Unclear => api::OccurrenceStatus::Unclear,
        },
        leads: occurrence.leads.map(|leads| leader(reader, leads)),
        mark: field("mark", &occurrence.mark),
        skip: field("skip", &occurrence.skip),
        moved: field("moved", &occurrence.moved),
    }
}

fn when_shown(when: &When, zone: Option<&TimeZone>) -> api::When {
    let here = when.at.zip(zone).map(|(at, zone)| at.to_zoned(zone.clone()));
    let here = here.map(|here| here.strftime("%Y-%m-%dT%H:%M").to_string());
    let there = when.time.as_ref().map(|time| format!("{}T{time}", when.date));
    api::When {
        date: when.date.to_string(),
        time: when.time.clone(),
        zone: when.zone.clone(),
        at: when.at.map(|at| at.to_string()),
        here: here.filter(|here| Some(here) != there.as_ref()),
        irregular: when.irregular.map(|irregular| {
            match irregular {
                ritual::Irregular::Never => "never",
                ritual::Irregular::Twice => "twice",
            }
            .to_owned()
        }),
        minutes: when.minutes,
    }
}

impl Writing<'_> {
    /// Says something about an occurrence, which the ritual and the date name: whoever speaks of it first need not found it.
    pub(super) fn say_occurrence(
        &mut self,
        target: &Target,
        date: Date,
        field: &str,
        mut say: api::Say,
    ) -> Result<Response, Failure> {
        if schema::field(OCCURRENCE, field).is_none() {
            let words = "Of an occurrence one says mark, skip or moved.";
            return Err(Problem::new(ProblemKind::NotFound, words).into());
        }
        let open = self.open();
        let found = open.find(target)?;
        let (scope, household, ritual) = (found.open.scope, found.open.reader.household, found.view.id);
        drop(open);
        let name = json!({ "ritual": ritual, "date": date });
        let item = Kind::named(OCCURRENCE).and_then(|kind| kind.keyed_item(&household, &name));
        if !say.value.is_null() {
            let mut value = match (field, say.value) {
                (_, Value::Object(object)) => object,
                ("skip", value) => Map::from_iter([("is".to_owned(), value)]),
                ("moved", value) => Map::from_iter([("to".to_owned(), value)]),
                (_, value) => Map::from_iter([("is".to_owned(), value)]),
            };
            value.insert("ritual".into(), ritual.to_string().into());
            value.insert("date".into(), date.to_string().into());
            say.value = value.into();
        }
        let nothing = || Problem::new(ProblemKind::Invalid, "That names no occurrence.");
        self.say_of(scope, OCCURRENCE, item.ok_or_else(nothing)?, field, say)
    }
}
