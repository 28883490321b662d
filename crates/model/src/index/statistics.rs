//! What pictures of a life are drawn from: by the month, how much was begun, held and reached. Kept beside the rows as facts
//! arrive, so that nobody reads a life to draw it.
//!
//! What a field adds follows from what stands in it, and from who founded its item; what the field added before is taken off
//! when it changes. So the counts follow from the set of facts alone (SameFactsSameView). Nothing is counted by partner, and
//! nothing of what was missed, skipped or differs: nobody keeps score.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::RangeInclusive;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::rows::{ReadRows, Table, WriteRows};
use super::stored::{decode, encode};
use super::{FieldKey, IndexError};
use crate::field::ValueHash;
use crate::ids::{HouseholdId, PartnerId};
use crate::schema::{self, FieldKind, Kind, Naming};

/// The years that are counted. Dates are their writers' own, and a row is kept for every year that they name.
pub const YEARS: RangeInclusive<i16> = 1900..=2300;

/// The group of [`Table::Derived`] with a row for every year.
pub(super) const STATISTICS: &[u8] = b"statistics";

/// A month of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Month {
    /// One of [`YEARS`].
    pub year: i16,
    /// 1 to 12.
    pub month: i8,
}

impl Month {
    /// The month of a day.
    pub fn of(date: Date) -> Self {
        Self { year: date.year(), month: date.month() }
    }
}

/// `2027-03`.
impl fmt::Display for Month {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:04}-{:02}", self.year, self.month)
    }
}

/// Something that is counted. The order is that of the stored rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Counted {
    /// An item of one of the kinds in [`BEGUN`] was begun in that month, and what it began with was not let go of since.
    Begun(Begun),
    /// An occurrence of a ritual, of that month by its date, took place: somebody says so.
    Held,
    /// A milestone is reached, and in that month somebody said so.
    MilestoneReached,
    /// What is said of a goal is this state alone, since a day of that month: for where there is nobody to agree with.
    GoalSaid(GoalState),
    /// What both agreed of a goal is this state, since a day of that month.
    GoalAgreed(GoalState),
}

/// A kind of items that is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[allow(missing_docs, reason = "each is the kind of its name")]
pub enum Begun {
    Journal,
    Reflection,
    Thanks,
    Value,
    Agreement,
    Goal,
    Milestone,
    Progress,
    Ritual,
    Attachment,
    Sealed,
}

/// The kinds that are counted, by their names in facts. What is said about differences is not among them.
pub const BEGUN: [(Begun, &str); 11] = [
    (Begun::Journal, "journal"),
    (Begun::Reflection, "reflection"),
    (Begun::Thanks, "thanks"),
    (Begun::Value, "value"),
    (Begun::Agreement, "agreement"),
    (Begun::Goal, "goal"),
    (Begun::Milestone, "milestone"),
    (Begun::Progress, "progress"),
    (Begun::Ritual, "ritual"),
    (Begun::Attachment, "attachment"),
    (Begun::Sealed, "sealed"),
];

/// A state of a goal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[allow(missing_docs, reason = "each is the state of its name")]
pub enum GoalState {
    Exploring,
    Agreed,
    Paused,
    Released,
    Reached,
}

impl GoalState {
    /// Every state, in the schema's order.
    pub const ALL: [Self; 5] = [Self::Exploring, Self::Agreed, Self::Paused, Self::Released, Self::Reached];

    /// Its name in facts.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Exploring => "exploring",
            Self::Agreed => "agreed",
            Self::Paused => "paused",
            Self::Released => "released",
            Self::Reached => "reached",
        }
    }

    fn read(value: &Value) -> Option<Self> {
        let name = value.as_str()?;
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}

/// What there is, by the month; only where there is something.
pub type Statistics = BTreeMap<Month, BTreeMap<Counted, u64>>;

/// What pictures are drawn from. Costs one row a year, whatever was said in it.
///
/// # Errors
/// [`IndexError`].
pub fn statistics<R: ReadRows>(rows: &R) -> Result<Statistics, IndexError<R::Error>> {
    let mut statistics = Statistics::new();
    for (key, bytes) in rows.group(Table::Derived, STATISTICS)? {
        let year = key.try_into().map(i16::from_be_bytes).map_err(|_| IndexError::Damaged(Table::Derived))?;
        let row: Row = decode(Table::Derived, &bytes)?;
        statistics.extend(row.into_iter().map(|(month, counts)| (Month { year, month }, counts)));
    }
    Ok(statistics)
}

/// A year's row: by the month, what is counted and how often. Neither an empty month nor a zero is in it.
type Row = BTreeMap<i8, BTreeMap<Counted, u64>>;

/// What a field adds: each once.
pub(super) type Adds = BTreeSet<(Month, Counted)>;

/// What one ingestion changes about the counts.
#[derive(Debug, Default)]
pub(super) struct Changes {
    years: BTreeMap<i16, BTreeMap<(i8, Counted), i64>>,
}

impl Changes {
    /// A field added one thing, and adds another now.
    pub(super) fn put(&mut self, before: &Adds, now: &Adds) {
        for (places, change) in [(before.difference(now), -1), (now.difference(before), 1)] {
            for (Month { year, month }, counted) in places {
                *self.years.entry(*year).or_default().entry((*month, *counted)).or_default() += change;
            }
        }
    }

    pub(super) fn write<R: WriteRows>(&self, rows: &mut R) -> Result<(), IndexError<R::Error>> {
        for (year, changes) in &self.years {
            if changes.values().all(|change| *change == 0) {
                continue;
            }
            let key = year.to_be_bytes();
            let row = rows.get(Table::Derived, STATISTICS, &key)?;
            let mut row: Row = row.map(|bytes| decode(Table::Derived, &bytes)).transpose()?.unwrap_or_default();
            for ((month, counted), change) in changes {
                let count = row.entry(*month).or_default().entry(*counted).or_default();
                *count = count.saturating_add_signed(*change);
            }
            row.values_mut().for_each(|counts| counts.retain(|_, count| *count > 0));
            row.retain(|_, counts| !counts.is_empty());
            match row.is_empty() {
                true => rows.remove(Table::Derived, STATISTICS, &key)?,
                false => rows.put(Table::Derived, STATISTICS, &key, &encode(&row))?,
            }
        }
        Ok(())
    }
}

/// What is to be learnt from a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// That an item was begun, and whether its founder's words alone count there.
    Begins { counted: Begun, owned: bool },
    /// How a goal stands.
    GoalState,
    /// Whether a milestone is reached.
    Milestone,
    /// Whether an occurrence took place.
    Occurrence(&'static Kind),
}

/// A word that stands in a field.
#[derive(Debug)]
pub(super) struct Word {
    pub(super) partner: PartnerId,
    pub(super) household: HouseholdId,
    pub(super) date: Date,
    pub(super) hash: ValueHash,
    /// Whether it says anything: it is not `null`, and not erased.
    pub(super) says: bool,
    /// What it says, where the role asks for it.
    pub(super) value: Option<Value>,
}

/// What is known of a field.
#[derive(Debug, Default)]
pub(super) struct Standing {
    /// Who founded its item and when; `None` while that is not known.
    pub(super) founding: Option<(PartnerId, Date)>,
    /// The words that stand.
    pub(super) words: Vec<Word>,
    /// The pairs of words that agree, the latest last.
    pub(super) agreed: Vec<[Word; 2]>,
}

impl Role {
    /// What is to be learnt from this field; `None` from most.
    pub(super) fn of(key: &FieldKey) -> Option<Self> {
        match (key.kind.as_str(), key.field.as_str()) {
            ("goal", "state") => return Some(Self::GoalState),
            ("milestone", "done") => return Some(Self::Milestone),
            ("occurrence", "mark") => return Kind::named(&key.kind).map(Self::Occurrence),
            _ => {}
        }
        let (counted, name) = BEGUN.into_iter().find(|(_, name)| *name == key.kind)?;
        let kind = Kind::named(name)?;
        let begins = matches!(kind.naming, Naming::Founded { first } if first == key.field);
        let owned = matches!(kind.field(&key.field)?.kind, FieldKind::Owned(_));
        begins.then_some(Self::Begins { counted, owned })
    }

    /// The fields of an item of this kind that add nothing until its founding fact is here, which may be of any field: a patched
    /// program founds a goal by why it is one.
    pub(super) fn waiting_for_founding(kind: &str) -> impl Iterator<Item = &'static str> {
        let counted = BEGUN.into_iter().find(|(_, name)| *name == kind);
        let first = counted.and_then(|(_, name)| Kind::named(name)).and_then(|kind| match kind.naming {
            Naming::Founded { first } => Some(first),
            _ => None,
        });
        let other = match kind {
            "goal" => Some("state"),
            "milestone" => Some("done"),
            _ => None,
        };
        first.into_iter().chain(other)
    }

    /// Whether words are asked what they say, and not only whether they say anything.
    pub(super) const fn reads_values(self) -> bool {
        !matches!(self, Self::Begins { .. })
    }

    /// Whether it is asked who founded the item.
    pub(super) const fn asks_for_founding(self) -> bool {
        !matches!(self, Self::Occurrence(_))
    }

    /// What the field adds.
    pub(super) fn adds(self, key: &FieldKey, standing: &Standing) -> Adds {
        let Standing { founding, words, agreed } = standing;
        let mut adds = Vec::new();
        match (self, founding) {
            (Self::Begins { counted, owned }, Some((founder, date))) => {
                let says = |word: &Word| word.says && (!owned || word.partner == *founder);
                adds.extend(words.iter().any(says).then_some((*date, Counted::Begun(counted))));
            }
            (Self::GoalState, Some(_)) => {
                adds.extend(one(words.iter()).map(|(state, since)| (since, Counted::GoalSaid(state))));
                let [.., latest] = agreed.as_slice() else { return placed(adds) };
                // Where they agreed twice, each time apart from the other, no state is theirs.
                if let Some((state, _)) = one(agreed.iter().flatten()) {
                    let since = latest.iter().map(|word| word.date).max();
                    adds.extend(since.map(|since| (since, Counted::GoalAgreed(state))));
                }
            }
            (Self::Milestone, Some(_)) => {
                let reached = slots(words.iter()).filter(|slot| slot[0].value == Some(Value::Bool(true)));
                let first = reached.flatten().map(|word| word.date).min();
                adds.extend(first.map(|date| (date, Counted::MilestoneReached)));
            }
            (Self::Occurrence(kind), _) => {
                // What names another occurrence than the one that it was said about does not count.
                let here = |word: &&Word| {
                    let value = word.value.as_ref().filter(|value| !value.is_null());
                    value.is_none_or(|value| kind.keyed_item(&word.household, value) == Some(key.item))
                };
                let done = slots(words.iter().filter(here)).filter_map(|slot| held_on(key, slot[0].value.as_ref()?));
                adds.extend(done.min().map(|date| (date, Counted::Held)));
            }
            (Self::Begins { .. } | Self::GoalState | Self::Milestone, None) => {}
        }
        placed(adds)
    }
}

fn placed(adds: Vec<(Date, Counted)>) -> Adds {
    let counted = adds.into_iter().filter(|(date, _)| YEARS.contains(&date.year()));
    counted.map(|(date, counted)| (Month::of(date), counted)).collect()
}

/// The one state that all of these say, and since when.
fn one<'w>(words: impl Iterator<Item = &'w Word>) -> Option<(GoalState, Date)> {
    let words: Vec<&Word> = words.collect();
    let first = words.first()?;
    let state = GoalState::read(first.value.as_ref()?)?;
    let since = words.iter().map(|word| word.date).min()?;
    words.iter().all(|word| word.hash == first.hash).then_some((state, since))
}

/// The words of each partner who says one thing.
fn slots<'w>(words: impl Iterator<Item = &'w Word>) -> impl Iterator<Item = Vec<&'w Word>> {
    let mut slots: BTreeMap<PartnerId, Vec<&Word>> = BTreeMap::new();
    for word in words {
        slots.entry(word.partner).or_default().push(word);
    }
    slots.into_values().filter(|slot| slot.iter().all(|word| word.hash == slot[0].hash))
}

/// The date of an occurrence that took place, as this mark says.
fn held_on(key: &FieldKey, mark: &Value) -> Option<Date> {
    let valid = schema::check_value(&key.kind, &key.field, mark).is_ok() && mark.get("is")? == "done";
    mark.get("date").and_then(schema::shape::text_date).filter(|_| valid)
}
