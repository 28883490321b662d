//! Rituals: naming them, agreeing when they are, and what is said of an occurrence.

use betwixt_api::{
    CalendarRequest, Collection, Field, NewItem, Occurrence, OccurrenceStatus, RitualCalendar, Say, Saying, Scope, Seen,
};
use jiff::civil::Date;
use jiff::{ToSpan as _, Zoned};
use serde_json::{Value, json};

use super::what::{What, field, told};
use super::wording::{the_others, write};
use super::{create, given};
use crate::arguments::ritual::{Ritual, When, Which};
use crate::error::CommandError;
use crate::home::Opened;
use crate::render::{item, ritual as shown};
use crate::values::{cadence, parse_date, show_date};

pub(super) async fn ritual(opened: &Opened, ritual: Ritual) -> Result<(), CommandError> {
    let which = |id| What::Item(Collection::Rituals, id);
    match ritual {
        Ritual::Add { title, meaning, when, mine } => {
            let fields = given([
                ("title", Some(title.into())),
                ("meaning", meaning.map(Value::from)),
                ("cadence", cadence_of(&when)?),
            ]);
            let new = NewItem { scope: mine.then_some(Scope::Mine), fields };
            let item = create(&opened.client, Collection::Rituals, &new).await?;
            opened.terminal.result(&item, || item::full(&opened.look(), &item))
        }
        Ritual::List => {
            let calendar = opened.client.calendar(&CalendarRequest { zone: zone(), ..Default::default() }).await?;
            opened.terminal.result(&calendar, || shown::list(&opened.look(), &calendar))
        }
        Ritual::Show { id, from, days } => show(opened, id, from.as_deref(), days).await,
        Ritual::Set { id, field, text } => write(opened, &which(id), &field, text).await,
        Ritual::Propose { id, when } => {
            let Some(value) = cadence_of(&when)? else {
                return Err(CommandError::Value { what: "say how often: --every week, or --rule RULE".into() });
            };
            say(opened, &which(id), "cadence", value).await
        }
        Ritual::Agree { id } => {
            let what = which(id);
            let item = what.read(opened).await?;
            let Some(value) = the_others(field(&item, "cadence")?)? else {
                return Err(CommandError::NotFound { what: "there is nothing proposed that waits for you".into() });
            };
            let saying = what.say(opened, "cadence", value.value.clone(), &field(&item, "cadence")?.seen).await?;
            told(opened, &saying)
        }
        Ritual::Mark { id, which, not_held, note, undo } => {
            let mut value = json!({ "is": if not_held { "missed" } else { "done" } });
            if let (Some(note), Some(object)) = (note, value.as_object_mut()) {
                object.insert("note".into(), note.into());
            }
            occurrence(opened, &id, which, "mark", if undo { Value::Null } else { value }).await
        }
        Ritual::Skip { id, which, undo } => occurrence(opened, &id, which, "skip", (!undo).into()).await,
        Ritual::Move { id, to, which, undo: _ } => {
            let to = to.as_deref().map(cadence::day_and_time).transpose()?;
            occurrence(opened, &id, which, "moved", to.map_or(Value::Null, Value::from)).await
        }
        Ritual::Pause { id, from, until } => {
            let from = from.as_deref().map_or_else(|| Ok(today().to_string().into()), parse_date)?;
            let mut value = json!({ "from": from });
            if let (Some(until), Some(object)) = (until, value.as_object_mut()) {
                object.insert("until".into(), parse_date(&until)?);
            }
            say(opened, &which(id), "paused", value).await
        }
        Ritual::Resume { id } => resume(opened, &which(id)).await,
        Ritual::Turns { id, first, from } => {
            let from = from.as_deref().map_or_else(|| Ok(today().to_string().into()), parse_date)?;
            let partner = match first.as_str() {
                "me" => opened.status.me.as_ref(),
                "partner" => opened.status.partner.as_ref(),
                _ => None,
            };
            let value = match (first.as_str(), partner) {
                ("nobody", _) => Value::Null,
                (_, Some(partner)) => json!({ "first": partner.id, "from": from }),
                (_, None) => {
                    return Err(CommandError::Value { what: "turns need two: pair first (betwixt pair)".into() });
                }
            };
            say(opened, &which(id), "turns", value).await
        }
    }
}

/// What takes place on the next days.
pub(super) async fn today_and_after(opened: &Opened, days: i32) -> Result<(), CommandError> {
    let from = today();
    let to = from.saturating_add((days - 1).days());
    let asked = CalendarRequest { from: Some(from.to_string()), until: Some(to.to_string()), zone: zone() };
    let calendar = opened.client.calendar(&asked).await?;
    opened.terminal.result(&calendar, || shown::days(&opened.look(), &calendar))
}

fn today() -> Date {
    Zoned::now().date()
}

/// This device's time zone, if it has a name.
fn zone() -> Option<String> {
    Zoned::now().time_zone().iana_name().map(str::to_owned)
}

fn cadence_of(when: &When) -> Result<Option<Value>, CommandError> {
    let rule = match (&when.rule, &when.every) {
        (Some(rule), _) => rule.trim().to_uppercase(),
        (None, Some(every)) => cadence::rule(every, when.on.as_deref())?,
        (None, None) if when.start.is_none() && when.zone.is_none() && when.minutes.is_none() => return Ok(None),
        (None, None) => {
            return Err(CommandError::Value { what: "say how often, too: --every week, or --rule RULE".into() });
        }
    };
    let start = when.start.as_deref().map_or_else(|| Ok(today().to_string()), cadence::day_and_time)?;
    let unknown = || CommandError::Value {
        what: "this device's time zone has no name; say which is meant: --zone Europe/Berlin".into(),
    };
    let zone = when.zone.clone().or_else(zone).ok_or_else(unknown)?;
    Ok(Some(cadence::cadence(&rule, &start, &zone, when.minutes)))
}

async fn say(opened: &Opened, what: &What, name: &str, value: Value) -> Result<(), CommandError> {
    let item = what.read(opened).await?;
    let saying = what.say(opened, name, value, &field(&item, name)?.seen).await?;
    told(opened, &saying)
}

/// Ends a pause with yesterday, so that what fell into it stays paused; one that begins only later is taken back.
async fn resume(opened: &Opened, what: &What) -> Result<(), CommandError> {
    let item = what.read(opened).await?;
    let paused = field(&item, "paused")?;
    let yesterday = today().saturating_sub(1.day());
    let from = paused.held().and_then(|value| value.get("from")?.as_str()?.parse::<Date>().ok());
    if paused.held().is_none_or(Value::is_null) && !paused.differs() {
        return Err(CommandError::NotFound { what: "it is not paused".into() });
    }
    let value = match from {
        Some(from) if from <= yesterday => json!({ "from": from.to_string(), "until": yesterday.to_string() }),
        _ => Value::Null,
    };
    let saying = what.say(opened, "paused", value, &paused.seen).await?;
    told(opened, &saying)
}

async fn show(opened: &Opened, id: String, from: Option<&str>, days: i32) -> Result<(), CommandError> {
    let first: Date = match from {
        Some(text) => parse_date(text)?.as_str().unwrap_or_default().parse().unwrap_or_else(|_| today()),
        None => today().saturating_sub(14.days()),
    };
    let item = opened.client.item(Collection::Rituals, &id).await?;
    let calendar = window(opened, &item.id, first, first.saturating_add((days - 1).days())).await?;
    let both = json!({ "ritual": item, "calendar": calendar });
    opened.terminal.result(&both, || {
        format!("{}\n{}", item::full(&opened.look(), &item), shown::occurrences(&opened.look(), &calendar))
    })
}

async fn window(opened: &Opened, id: &str, from: Date, to: Date) -> Result<RitualCalendar, CommandError> {
    let asked = CalendarRequest { from: Some(from.to_string()), until: Some(to.to_string()), zone: zone() };
    let calendar = opened.client.ritual_calendar(id, &asked).await?;
    let missing = || CommandError::NotFound { what: format!("no ritual's id begins with `{id}`") };
    calendar.rituals.into_iter().next().ok_or_else(missing)
}

/// Says something of one occurrence: of that date, of the last one (to mark), or of the next (to skip or move).
async fn occurrence(opened: &Opened, id: &str, which: Which, name: &str, value: Value) -> Result<(), CommandError> {
    let (date, seen, known) = match which.date.as_deref().map(parse_date).transpose()? {
        Some(date) => {
            let date: Date = date.as_str().unwrap_or_default().parse().unwrap_or_else(|_| today());
            let found = window(opened, id, date, date).await?.occurrences;
            let found = found.into_iter().find(|occurrence| occurrence.date == date.to_string());
            let seen = found.as_ref().map_or_else(Seen::default, |occurrence| of(occurrence, name).seen.clone());
            (date.to_string(), seen, found.is_some_and(|occurrence| occurrence.scheduled))
        }
        None => {
            let (from, to) = match name {
                "mark" => (today().saturating_sub(60.days()), today()),
                _ => (today(), today().saturating_add(366.days())),
            };
            let found = window(opened, id, from, to).await?;
            let chosen = if name == "mark" { last(&found) } else { next(&found) };
            let nothing = || CommandError::NotFound { what: "there is none near; say which: --date YYYY-MM-DD".into() };
            let chosen = chosen.ok_or_else(nothing)?;
            (chosen.date.clone(), of(chosen, name).seen.clone(), chosen.scheduled)
        }
    };
    if !known {
        opened.terminal.remark("The cadence gives none on that date; it is kept all the same.");
    }
    let say = Say { value, seen: Some(seen) };
    let saying: Saying = opened.client.say_occurrence(id, &date, name, &say).await?;
    opened.terminal.result(&saying, || {
        let said = match (name, &say.value) {
            (_, Value::Null) => "what you said is taken back",
            ("mark", value) if value["is"] == "done" => "it took place, you say",
            ("mark", _) => "it did not take place, you say",
            ("skip", value) if *value == true => "skipped",
            ("skip", _) => "not skipped",
            _ => "moved",
        };
        let differs = if saying.now.differs() {
            "\nYour partner said something else; `betwixt differences` shows both."
        } else {
            ""
        };
        format!("{}: {said}.{differs}", show_date(&date))
    })
}

fn of<'a>(occurrence: &'a Occurrence, name: &str) -> &'a Field {
    match name {
        "mark" => &occurrence.mark,
        "skip" => &occurrence.skip,
        _ => &occurrence.moved,
    }
}

/// The last one that has begun: an open one, if there is any.
fn last(calendar: &RitualCalendar) -> Option<&Occurrence> {
    let today = today().to_string();
    let begun =
        || calendar.occurrences.iter().filter(|occurrence| occurrence.when.iter().any(|when| when.date <= today));
    let open =
        |occurrence: &&Occurrence| matches!(occurrence.status, OccurrenceStatus::Open | OccurrenceStatus::Unclear);
    begun().rfind(open).or_else(|| begun().next_back())
}

fn next(calendar: &RitualCalendar) -> Option<&Occurrence> {
    let date = &calendar.next.as_ref()?.date;
    calendar.occurrences.iter().find(|occurrence| occurrence.date == *date)
}
