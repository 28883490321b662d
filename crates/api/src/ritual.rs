//! Rituals: what takes place when, and how each occurrence stands.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::field::Field;
use crate::item::ItemReference;

/// The occurrences of one ritual, or of all, in a window of days: `GET /v1/calendar` and `GET /v1/rituals/{id}/calendar`,
/// with `?from=DATE&until=DATE&zone=NAME`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Calendar {
    /// The first day.
    pub from: String,
    /// The last day, included.
    pub until: String,
    /// One entry a ritual.
    pub rituals: Vec<RitualCalendar>,
}

/// One ritual's part of a [`Calendar`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RitualCalendar {
    /// The ritual.
    pub ritual: ItemReference,
    /// By when they take place.
    pub occurrences: Vec<Occurrence>,
    /// The next one that is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<NextOccurrence>,
    /// Why an agreed cadence cannot be followed, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
}

/// How an occurrence stands, taken together. What each said is beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum OccurrenceStatus {
    /// Nothing was said that ends it.
    Open,
    /// At least one of the two says that it took place.
    Held,
    /// Somebody says that it did not take place, and nobody that it did.
    Missed,
    /// Skipped.
    Skipped,
    /// The ritual is paused then.
    Paused,
    /// What was said does not fit together, and nobody's word goes by itself.
    Unclear,
}

/// One occurrence, named for good by the date that the rule gave.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Occurrence {
    /// Its id, in the collection `occurrences` once something was said about it.
    pub id: String,
    /// The date that the rule gave.
    pub date: String,
    /// Whether the cadence that stands gives it. What was said about one that it no longer gives is kept.
    pub scheduled: bool,
    /// When it takes place; several times where you moved it apart.
    pub when: Vec<When>,
    /// Taken together.
    pub status: OccurrenceStatus,
    /// Whose turn it is to lead, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leads: Option<Leader>,
    /// What each says of it: said at `PUT /v1/rituals/{id}/occurrences/{date}/mark` as `{"is": "done" or "missed",
    /// "note"?: TEXT}`.
    pub mark: Field,
    /// Whether it is skipped: said at `.../skip` as `true` or `false`.
    pub skip: Field,
    /// Where it was moved: said at `.../moved` as `YYYY-MM-DD` or `YYYY-MM-DDTHH:MM`, in the ritual's time zone.
    pub moved: Field,
}

/// The occurrence to come.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct NextOccurrence {
    /// The date that the rule gave.
    pub date: String,
    /// When it takes place.
    pub when: Vec<When>,
    /// Whose turn it is to lead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leads: Option<Leader>,
}

/// Whose turn it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Leader {
    /// The partner's id.
    pub partner: String,
    /// Whether that is the reader.
    pub own: bool,
}

/// When something takes place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct When {
    /// The day, in the ritual's time zone.
    pub date: String,
    /// The time of day there, `HH:MM`; absent where the whole day is meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// The ritual's time zone.
    pub zone: String,
    /// The instant (RFC 3339, UTC).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// Day and time in the zone that was asked for, `YYYY-MM-DDTHH:MM`, where that is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub here: Option<String>,
    /// `never`: clocks left that local time out, and it is taken later. `twice`: they showed it twice, and the first is
    /// taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub irregular: Option<String>,
    /// How long it takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minutes: Option<u64>,
}

/// What a [`Calendar`] is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CalendarRequest {
    /// The first day, `YYYY-MM-DD`; today when not given.
    pub from: Option<String>,
    /// The last day, included, at most 400 days on; the first when not given.
    pub until: Option<String>,
    /// The time zone whose days are meant, such as `Europe/Berlin`; each ritual's own when not given.
    pub zone: Option<String>,
}
