//! How the occurrences of a ritual stand in a window of days.

use std::collections::{BTreeMap, BTreeSet};

use jiff::ToSpan as _;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Serialize;
use serde_json::{Value, json};

use super::schedule::{Schedule, When};
use super::turns::Turns;
use crate::ids::{ItemId, PartnerId};
use crate::index::rows::ReadRows;
use crate::index::{self, FieldKey, IndexError};
use crate::schema::shape::text_date;
use crate::schema::{self, Kind};
use crate::view::{self, FieldView, ItemView, Reader, Reading, State};

/// The most days of a [`Window`].
pub const MAX_WINDOW: i32 = 400;

/// How far a zone's day can lie from another's.
const NEIGHBOURS: i64 = 2;

const OCCURRENCE: &str = "occurrence";

/// The days that are asked about.
#[derive(Debug, Clone)]
pub struct Window {
    /// The first.
    pub from: Date,
    /// The last, included; at most [`MAX_WINDOW`] days after the first.
    pub to: Date,
    /// The zone whose days are meant; `None` for each schedule's own.
    pub zone: Option<TimeZone>,
    /// The reader's date: what comes next is looked for from here on.
    pub today: Date,
}

/// A window that is not looked through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the days asked for are not a window of 1 to {MAX_WINDOW} days between the years 1900 and 2300")]
pub struct WindowError;

/// How an occurrence stands, taken together. What each partner said is beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Nobody said anything that ends it.
    Open,
    /// At least one partner says that it took place.
    Held,
    /// Somebody says that it did not take place, and nobody that it did.
    Missed,
    /// It is skipped.
    Skipped,
    /// The ritual is paused then.
    Paused,
    /// What was said does not fit together, and nobody's word goes: one skipped it and one did it, or both said different
    /// things apart.
    Unclear,
}

/// One occurrence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Occurrence {
    /// The ritual.
    pub ritual: ItemId,
    /// The occurrence itself: facts about it name this item.
    pub item: ItemId,
    /// The date that the rule gave, which names it for good.
    pub date: Date,
    /// Whether the cadence that stands gives it. What was said about one that it no longer gives stays.
    pub scheduled: bool,
    /// When it takes place: several times where the partners moved it apart, or agreed apart.
    pub when: Vec<When>,
    /// Taken together.
    pub status: Status,
    /// Whose turn it is to lead, where that is known: of those held, and of the next one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leads: Option<PartnerId>,
    /// What each partner says of it.
    pub mark: FieldView,
    /// Whether it is skipped.
    pub skip: FieldView,
    /// Where it was moved to.
    pub moved: FieldView,
}

/// What comes next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Next {
    /// The date that the rule gave.
    pub date: Date,
    /// When it takes place.
    pub when: Vec<When>,
    /// Whose turn it is to lead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leads: Option<PartnerId>,
}

/// A ritual's occurrences in a window.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Calendar {
    /// By when they take place, then by date.
    pub occurrences: Vec<Occurrence>,
    /// The next one that is open, within [`MAX_WINDOW`] days.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Next>,
    /// Why a cadence that stands cannot be followed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
}

/// The occurrences of a ritual in a window: those that take place in it, and those of its dates that were moved away.
/// `partners` are the household's, from the roster; of a private ritual, its owner alone.
///
/// The cadence that both agreed drives it, whatever is proposed beside; of a private one, what its owner says. Where two were
/// agreed apart, both are shown.
///
/// # Errors
/// The outer one is [`IndexError`], the inner one [`WindowError`].
pub fn calendar<R: ReadRows>(
    rows: &R,
    reader: &Reader,
    partners: &[PartnerId],
    ritual: &ItemView,
    window: &Window,
) -> Result<Result<Calendar, WindowError>, IndexError<R::Error>> {
    let days = window.from.until(window.to).map_or(-1, |span| span.get_days());
    let years = 1900..=2300;
    let known = [window.from, window.to, window.today].iter().all(|date| years.contains(&date.year()));
    let Some(kind) = Kind::named(OCCURRENCE).filter(|_| known && (0..MAX_WINDOW).contains(&days)) else {
        return Ok(Err(WindowError));
    };
    let mut calendar = Calendar::default();
    let mut schedules = Vec::new();
    for value in standing(ritual, partners) {
        match Schedule::read(&value) {
            Ok(schedule) => schedules.push(schedule),
            Err(error) => calendar.problems.push(error.to_string()),
        }
    }
    let pauses = pauses(ritual);
    let desk = Desk { rows, reader, kind, ritual: &ritual.id, schedules: &schedules, pauses: &pauses };
    let turns = field(ritual, "turns").and_then(|turns| Turns::read(turns.reading.value.as_ref()?, partners));
    let held = match &turns {
        Some(_) => desk.held()?,
        None => Vec::new(),
    };
    let leads = |date: Date| turns.as_ref().and_then(|turns| turns.leads(date, &held));

    let near = |date: Date, days: i64| date.saturating_add(days.days());
    let (from, to) = (near(window.from, -NEIGHBOURS), near(window.to, NEIGHBOURS));
    let scheduled = desk.scheduled(from, to, &mut calendar.problems);
    let mut dates: BTreeSet<Date> = scheduled.clone();
    dates.extend(desk.spoken_of(from, to)?);
    dates.extend(desk.moved()?);
    for date in dates {
        let mut occurrence = desk.occurrence(date, scheduled.contains(&date))?;
        let within = |date: Date| (window.from..=window.to).contains(&date);
        let here = |when: &When| within(window.zone.as_ref().map_or(when.date, |zone| when.date_in(zone)));
        if !within(date) && !occurrence.when.iter().any(here) {
            continue;
        }
        if occurrence.status == Status::Held {
            occurrence.leads = leads(date);
        }
        calendar.occurrences.push(occurrence);
    }
    calendar.next = desk.next(window.today, &mut calendar.problems)?;
    if let Some(next) = &mut calendar.next {
        next.leads = leads(next.date);
        for occurrence in &mut calendar.occurrences {
            if occurrence.date == next.date {
                occurrence.leads = next.leads;
            }
        }
    }
    calendar.problems.sort();
    calendar.problems.dedup();
    let begins = |occurrence: &Occurrence| occurrence.when.iter().map(|when| (when.date, when.at)).min();
    calendar.occurrences.sort_by_key(|occurrence| (begins(occurrence), occurrence.date));
    Ok(Ok(calendar))
}

fn field<'a>(item: &'a ItemView, name: &str) -> Option<&'a FieldView> {
    item.fields.get(name)
}

/// The cadences that stand: what is agreed, or where there is nobody to agree with, what is said.
fn standing(ritual: &ItemView, partners: &[PartnerId]) -> Vec<Value> {
    let Some(cadence) = field(ritual, "cadence") else { return Vec::new() };
    let said = (partners.len() < 2).then(|| cadence.reading.value.clone()).flatten();
    match said {
        Some(value) => vec![value].into_iter().filter(|value| !value.is_null()).collect(),
        None => cadence.agreement.iter().map(|agreement| agreement.value.clone()).collect(),
    }
}

/// Every pause that somebody's live word makes. `null` is one that pauses nothing.
fn pauses(ritual: &ItemView) -> Vec<Value> {
    field(ritual, "paused").map(|paused| values(&paused.reading).cloned().collect()).unwrap_or_default()
}

fn values(reading: &Reading) -> impl Iterator<Item = &Value> {
    reading.value.iter().chain(reading.versions.iter().map(|version| &version.value))
}

fn covers(pause: &Value, date: Date) -> bool {
    let day = |name: &str| pause.get(name).and_then(text_date);
    day("from").is_some_and(|from| from <= date) && day("until").is_none_or(|until| date <= until)
}

/// What occurrences of one ritual are worked out from.
struct Desk<'a, R> {
    rows: &'a R,
    reader: &'a Reader,
    kind: &'static Kind,
    ritual: &'a ItemId,
    schedules: &'a [Schedule],
    pauses: &'a [Value],
}

impl<R: ReadRows> Desk<'_, R> {
    fn item(&self, date: Date) -> Option<ItemId> {
        self.kind.keyed_item(&self.reader.household, &json!({ "ritual": self.ritual, "date": date }))
    }

    fn scheduled(&self, from: Date, to: Date, problems: &mut Vec<String>) -> BTreeSet<Date> {
        let mut dates = BTreeSet::new();
        for schedule in self.schedules {
            match schedule.dates(from, to) {
                Ok(given) => dates.extend(given),
                Err(error) => problems.push(error.to_string()),
            }
        }
        dates
    }

    /// The dates from which something is known to have been said: asked for day by day, which costs the window and not the
    /// ritual's age.
    fn spoken_of(&self, from: Date, to: Date) -> Result<Vec<Date>, IndexError<R::Error>> {
        let mut dates = Vec::new();
        for date in from.series(1.day()).take_while(|date| *date <= to) {
            if let Some(item) = self.item(date)
                && !index::fields_of_item(self.rows, &item)?.is_empty()
            {
                dates.push(date);
            }
        }
        Ok(dates)
    }

    /// The occurrences that facts of this field tell of, with the dates that their values name.
    fn linked(&self, name: &str) -> Result<BTreeMap<ItemId, FieldView>, IndexError<R::Error>> {
        let mut fields = BTreeMap::new();
        for FieldKey { item, kind, field } in index::links_to(self.rows, self.ritual)? {
            if kind == self.kind.name
                && field == name
                && let Some(mut view) = view::item(self.rows, self.reader, &item)?.filter(|view| view.kind == kind)
                && let Some(field) = view.fields.remove(name)
            {
                fields.insert(item, field);
            }
        }
        Ok(fields)
    }

    /// The dates of the occurrences that were moved.
    fn moved(&self) -> Result<Vec<Date>, IndexError<R::Error>> {
        let fields = self.linked("moved")?;
        Ok(fields.values().filter_map(|field| values(&field.reading).find_map(date_of)).collect())
    }

    /// The dates of the occurrences that were held, sorted.
    fn held(&self) -> Result<Vec<Date>, IndexError<R::Error>> {
        let mut held = Vec::new();
        for field in self.linked("mark")?.into_values() {
            if marks(&field).any(|mark| says(mark, "done")) {
                held.extend(field.slots.iter().flat_map(|slot| values(&slot.reading)).find_map(date_of));
            }
        }
        held.sort_unstable();
        Ok(held)
    }

    fn occurrence(&self, date: Date, scheduled: bool) -> Result<Occurrence, IndexError<R::Error>> {
        let item = self.item(date).ok_or(IndexError::Damaged(index::rows::Table::Items))?;
        let said = view::item(self.rows, self.reader, &item)?.filter(|view| view.kind == self.kind.name);
        let mut fields = said.map(|view| view.fields).unwrap_or_default();
        let mut field = |name: &str| {
            let unsaid = || schema::field(self.kind.name, name).map(|field| view::unsaid_field(field.kind));
            fields.remove(name).or_else(unsaid).unwrap_or_default()
        };
        let (mark, skip, moved) = (field("mark"), field("skip"), field("moved"));
        let when = self.when(date, &moved);
        let status = self.status(date, &mark, &skip);
        Ok(Occurrence { ritual: *self.ritual, item, date, scheduled, when, status, leads: None, mark, skip, moved })
    }

    /// Where each live word puts it. Without a schedule that stands, on the days as they were said.
    fn when(&self, date: Date, moved: &FieldView) -> Vec<When> {
        let to: Vec<&Value> = values(&moved.reading).filter(|value| valid("moved", value)).collect();
        let mut times: Vec<When> = Vec::new();
        let mut put = |when: When| {
            if !times.contains(&when) {
                times.push(when);
            }
        };
        for schedule in self.schedules {
            // Where the words differ and one of them takes the moving back, the date itself is among them.
            let stays = to.is_empty() || values(&moved.reading).any(Value::is_null);
            if stays {
                put(schedule.when(date));
            }
            to.iter().filter_map(|to| schedule.moved(to.get("to")?)).for_each(&mut put);
        }
        if self.schedules.is_empty() {
            put(When::whole_day(date));
        }
        times.sort_by_key(|when| (when.date, when.at));
        times
    }

    fn status(&self, date: Date, mark: &FieldView, skip: &FieldView) -> Status {
        let skips: Vec<bool> = values(&skip.reading)
            .map(|value| valid("skip", value) && value.get("is") == Some(&Value::Bool(true)))
            .collect();
        let skipped = !skips.is_empty() && skips.iter().all(|skip| *skip);
        let skip_differs = skips.iter().any(|skip| *skip) && !skipped;
        let pauses = self.pauses.iter().filter(|pause| covers(pause, date)).count();
        let paused = pauses > 0 && pauses == self.pauses.len();
        let apart = mark.slots.iter().any(|slot| slot.reading.state == State::Differing);
        let held = marks(mark).any(|mark| says(mark, "done"));
        match () {
            () if held && (skipped || skip_differs) => Status::Unclear,
            () if held => Status::Held,
            () if apart || skip_differs || (pauses > 0 && !paused) => Status::Unclear,
            () if skipped => Status::Skipped,
            () if marks(mark).any(|mark| says(mark, "missed")) => Status::Missed,
            () if paused => Status::Paused,
            () => Status::Open,
        }
    }

    /// The first that is open, or unclear and not done, by its place in the schedule: where one would skip it and the other
    /// not, neither's word makes it go.
    fn next(&self, today: Date, problems: &mut Vec<String>) -> Result<Option<Next>, IndexError<R::Error>> {
        let horizon = today.saturating_add(i64::from(MAX_WINDOW).days());
        for date in self.scheduled(today.saturating_sub(NEIGHBOURS.days()), horizon, problems) {
            let Occurrence { when, status, mark, .. } = self.occurrence(date, true)?;
            let done = marks(&mark).any(|mark| says(mark, "done"));
            let open = status == Status::Open || (status == Status::Unclear && !done);
            if open && when.iter().any(|when| when.date >= today) {
                return Ok(Some(Next { date, when, leads: None }));
            }
        }
        Ok(None)
    }
}

/// What each partner says, where that is one thing.
fn marks(field: &FieldView) -> impl Iterator<Item = &Value> {
    field.slots.iter().filter_map(|slot| slot.reading.value.as_ref()).filter(|mark| valid("mark", mark))
}

fn says(mark: &Value, word: &str) -> bool {
    mark.get("is").and_then(Value::as_str) == Some(word)
}

fn date_of(value: &Value) -> Option<Date> {
    value.get("date").and_then(text_date)
}

/// Whether a value that arrived is one that could have been said here.
fn valid(field: &str, value: &Value) -> bool {
    !value.is_null() && schema::check_value(OCCURRENCE, field, value).is_ok()
}
