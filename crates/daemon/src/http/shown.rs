//! From the model's views to what the API shows. A change of shape only: what a field holds was decided by the fold.

use betwixt_api as api;
use betwixt_model::attachment;
use betwixt_model::ids::{ItemId, PartnerId};
use betwixt_model::index::rows::ReadRows;
use betwixt_model::index::{IndexError, Window};
use betwixt_model::past;
use betwixt_model::schema;
use betwixt_model::view::{self, FieldView, ItemHead, ItemView, PassageView, Reader, Reading, State};
use serde_json::Value;

/// How long a title is that was made from the beginning of a text, in characters.
const TITLE: usize = 60;

/// The name that facts use for the kind of a collection's items.
pub const fn kind_of(collection: api::Collection) -> &'static str {
    match collection {
        api::Collection::Vision => "vision",
        api::Collection::Values => "value",
        api::Collection::Agreements => "agreement",
        api::Collection::Goals => "goal",
        api::Collection::Milestones => "milestone",
        api::Collection::Progress => "progress",
        api::Collection::Reflections => "reflection",
        api::Collection::Journal => "journal",
        api::Collection::Thanks => "thanks",
        api::Collection::SayingsBack => "saying_back",
        api::Collection::Members => "member",
        api::Collection::Rituals => "ritual",
        api::Collection::Occurrences => "occurrence",
        api::Collection::Sealed => "sealed",
        api::Collection::Attachments => attachment::KIND,
    }
}

/// The collection of items of this kind; `None` for kinds that the API does not show.
pub fn collection_of(kind: &str) -> Option<api::Collection> {
    api::Collection::ALL.into_iter().find(|collection| kind_of(*collection) == kind)
}

/// An item with what belongs to it: a goal's `milestones`, a milestone's `progress`. `None` for a kind that the API does
/// not show.
///
/// # Errors
/// [`IndexError`] when the rows cannot be read.
pub fn item<R: ReadRows>(
    rows: &R,
    reader: &Reader,
    scope: api::Scope,
    view: &ItemView,
) -> Result<Option<api::Item>, IndexError<R::Error>> {
    let Some(mut shown) = alone(reader, scope, view) else { return Ok(None) };
    let latest = Window { latest_first: true, ..Window::default() };
    let mut attached = view::page_linked(rows, reader, attachment::KIND, &view.id, &latest, api::MAX_PARTS)?.items;
    attached.reverse();
    // What was let go is found in its own history.
    attached.retain(|file| file.fields.get(attachment::FILE).is_some_and(|file| file.reading.value.is_some()));
    if !attached.is_empty() {
        let attached = attached.iter().filter_map(|file| alone(reader, scope, file)).collect();
        shown.parts.insert(api::Collection::Attachments.name().to_owned(), attached);
    }
    let (name, kind) = match view.kind.as_str() {
        "goal" => ("milestones", "milestone"),
        "milestone" => ("progress", "progress"),
        _ => return Ok(Some(shown)),
    };
    let linked = match kind {
        // Grows with the years.
        "progress" => {
            let mut linked = view::page_linked(rows, reader, kind, &view.id, &latest, api::MAX_PARTS)?.items;
            linked.reverse();
            linked
        }
        _ => view::linked(rows, reader, &view.id)?,
    };
    let parts: Vec<api::Item> =
        linked.iter().filter(|part| part.kind == kind).filter_map(|part| alone(reader, scope, part)).collect();
    shown.parts.insert(name.to_owned(), parts);
    Ok(Some(shown))
}

/// An item without what belongs to it.
pub fn alone(reader: &Reader, scope: api::Scope, view: &ItemView) -> Option<api::Item> {
    let by = view.owner.or(view.founded.as_ref().map(|founded| founded.by));
    let mut fields: std::collections::BTreeMap<String, api::Field> =
        view.fields.iter().map(|(name, shown)| (name.clone(), field(reader, &view.kind, name, shown))).collect();
    if view.changed_since_agreed == Some(true)
        && let Some(draft) = fields.get_mut("draft")
    {
        draft.changed_since_agreed = true;
    }
    for name in ["draft", "wording"] {
        if let Some(field) = fields.get_mut(name) {
            field.since_agreed = since_agreed(view, name);
        }
    }
    Some(api::Item {
        id: view.id.to_string(),
        collection: collection_of(&view.kind)?,
        scope,
        by: by.map(|by| by.to_string()),
        own: by == Some(reader.partner),
        on: view.founded.as_ref().map(|founded| founded.on.to_string()),
        fields,
        parts: Default::default(),
        tally: view.tally.map(|tally| self::tally(view, tally)),
        review: view.review.as_ref().map(|shown| review(reader, shown)),
        newer: view.newer || view.fields.values().any(|field| field.newer),
    })
}

pub(crate) fn review(reader: &Reader, review: &view::Review) -> api::Review {
    let answer = |answer: &view::ReviewAnswer| api::ReviewAnswer {
        outcome: answer.outcome.clone(),
        said: said(reader, answer.by, answer.on, &answer.fact),
    };
    api::Review { on: review.on.to_string(), answers: review.answers.iter().map(answer).collect() }
}

/// What a draft, or the wordings that wait, changed of the one that stands agreed.
fn since_agreed(view: &ItemView, name: &str) -> Vec<Vec<api::Change>> {
    let Some([agreed]) = view.fields.get("wording").map(|wording| wording.agreement.as_slice()) else {
        return Vec::new();
    };
    let Some(field) = view.fields.get(name) else { return Vec::new() };
    let texts: Vec<&Value> = match name {
        "draft" => field.reading.value.iter().filter(|_| view.changed_since_agreed == Some(true)).collect(),
        _ => field.waiting.iter().map(|waiting| &waiting.value).collect(),
    };
    let changed = |text: &&Value| {
        let (before, after) = (agreed.value.as_str()?, text.as_str()?);
        Some(past::changes(before, after).into_iter().map(change).collect())
    };
    texts.iter().filter_map(changed).collect()
}

/// The fields that an item is called by, the first one that says something.
const TITLES: [&str; 6] = ["title", "name", "text", "what", "draft", "wording"];

/// An item by name, of which no more is read than its name.
///
/// # Errors
/// [`IndexError`] when the rows cannot be read.
pub fn named<R: ReadRows>(
    rows: &R,
    reader: &Reader,
    scope: api::Scope,
    item: &ItemHead,
) -> Result<Option<api::ItemReference>, IndexError<R::Error>> {
    for name in TITLES {
        if item.schema().is_none_or(|kind| kind.field(name).is_none()) {
            continue;
        }
        let field = view::field(rows, reader, item, name)?;
        if let Some(title) = field.as_ref().and_then(|field| value_of(&field.reading)?.as_str()) {
            return Ok(titled(scope, &item.id, &item.kind, title));
        }
    }
    Ok(reference(scope, &view::whole(rows, reader, item.clone())?))
}

/// What a reading holds, or the first of the versions that it differs in.
fn value_of(reading: &Reading) -> Option<&Value> {
    reading.value.as_ref().or(reading.versions.first().map(|version| &version.value))
}

fn titled(scope: api::Scope, id: &ItemId, kind: &str, title: &str) -> Option<api::ItemReference> {
    Some(api::ItemReference {
        id: id.to_string(),
        collection: collection_of(kind)?,
        scope,
        title: title.lines().next().unwrap_or_default().chars().take(TITLE).collect(),
    })
}

/// An item by name. A thread's view holds the fields that wait alone: give the whole one where the title matters.
pub fn reference(scope: api::Scope, view: &ItemView) -> Option<api::ItemReference> {
    let text = |name: &&str| value_of(&view.fields.get(*name)?.reading)?.as_str();
    // An occurrence has no title but the date that its values name.
    let date = || {
        let slots = view.fields.values().flat_map(|field| field.slots.iter().map(|slot| &slot.reading));
        let mut readings = view.fields.values().map(|field| &field.reading).chain(slots);
        readings.find_map(|reading| value_of(reading)?.get("date")?.as_str())
    };
    let title = TITLES.iter().find_map(text).or_else(date).unwrap_or_default();
    titled(scope, &view.id, &view.kind, title)
}

/// A field of an item of this kind.
pub fn field(reader: &Reader, kind: &str, name: &str, view: &FieldView) -> api::Field {
    let kind = match schema::field(kind, name).map(|field| field.kind) {
        Some(schema::FieldKind::Owned(_)) => api::FieldKind::Owned,
        Some(schema::FieldKind::Consent) => api::FieldKind::Consent,
        Some(schema::FieldKind::Light) => api::FieldKind::Light,
        // What a newer version made is shown, whatever its rule.
        Some(schema::FieldKind::Shared) | None => api::FieldKind::Shared,
    };
    let agreement = view.agreement.iter().filter_map(|agreement| {
        let last = agreement.said.iter().max_by_key(|said| (said.on, said.fact))?;
        let said = said(reader, last.by, last.on, &last.fact);
        Some(api::Version { value: agreement.value.clone(), said })
    });
    api::Field {
        state: state(reader, view),
        seen: api::Seen(view.seen.to_string()),
        agreed: view.agreed.unwrap_or_default(),
        agreement: agreement.collect(),
        waiting: view.waiting.iter().map(version).collect(),
        between: between(view),
        passages: view.reading.passages.iter().map(|shown| passage(&view.reading, shown)).collect(),
        crossed: view.crossed,
        outside: view.outside.iter().map(version).collect(),
        arriving: view.arriving,
        ..api::Field::empty(kind)
    }
}

/// Who differs with whom; in slots of their own, partners do not.
fn between(view: &FieldView) -> Option<api::Between> {
    let difference = view.reading.difference().or_else(|| view.slots.iter().find_map(|slot| slot.reading.difference()));
    Some(match difference?.between() {
        view::Between::Both => api::Between::Both,
        view::Between::Yourself => api::Between::Yourself,
        view::Between::Other => api::Between::Other,
    })
}

/// A stretch of two compared texts.
pub(crate) fn change(change: past::Change) -> api::Change {
    match change {
        past::Change::Same(text) => api::Change::Same(text),
        past::Change::Removed(text) => api::Change::Removed(text),
        past::Change::Added(text) => api::Change::Added(text),
    }
}

fn state(reader: &Reader, view: &FieldView) -> api::FieldState {
    let reading = &view.reading;
    let versions = || reading.versions.iter().map(version).collect();
    match reading.state {
        State::Unsaid => api::FieldState::Empty,
        State::Held => api::FieldState::Held {
            value: reading.value.clone().unwrap_or_default(),
            said: reading.said.iter().map(|word| said(reader, word.by, word.on, &word.fact)).collect(),
            versions: versions(),
        },
        State::Differing => api::FieldState::Differing { versions: versions(), was: reading.was.clone() },
        State::Each => {
            api::FieldState::Each { versions: view.slots.iter().flat_map(|slot| each(reader, &slot.reading)).collect() }
        }
    }
}

/// What one partner says in a slot of their own.
fn each(reader: &Reader, reading: &Reading) -> Vec<api::Version> {
    match (&reading.value, reading.said.first()) {
        (Some(value), Some(word)) => {
            vec![api::Version { value: value.clone(), said: said(reader, word.by, word.on, &word.fact) }]
        }
        _ => reading.versions.iter().map(version).collect(),
    }
}

fn version(version: &view::Version) -> api::Version {
    api::Version {
        value: version.value.clone(),
        said: api::Said {
            by: version.by.to_string(),
            own: version.own,
            on: version.on.to_string(),
            fact: version.fact.to_string(),
        },
    }
}

pub(crate) fn said(
    reader: &Reader,
    by: PartnerId,
    on: jiff::civil::Date,
    fact: &betwixt_model::ids::FactId,
) -> api::Said {
    api::Said { by: by.to_string(), own: by == reader.partner, on: on.to_string(), fact: fact.to_string() }
}

fn passage(reading: &Reading, passage: &PassageView) -> api::Passage {
    match passage {
        PassageView::Held { text } => api::Passage::Held { text: text.clone() },
        PassageView::Differing { was, versions } => {
            let shown = versions.iter().map(|place| api::PassageState {
                text: place.text.clone(),
                said: reading
                    .versions
                    .iter()
                    .filter(|version| place.facts.contains(&version.fact))
                    .map(|version| self::version(version).said)
                    .collect(),
                words: match was.as_slice() {
                    [was] => past::changes(was, &place.text).into_iter().map(change).collect(),
                    _ => Vec::new(),
                },
            });
            api::Passage::Differing { was: was.clone(), versions: shown.collect() }
        }
    }
}

fn tally(view: &ItemView, tally: view::Tally) -> api::Tally {
    let measure = view.fields.get("measure").and_then(|measure| measure.reading.value.as_ref());
    let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    api::Tally {
        sum: tally.sum,
        target: measure.and_then(|measure| measure.get("target")?.as_i64()),
        unit: measure.and_then(|measure| Some(measure.get("unit")?.as_str()?.to_owned())),
        entries: count(tally.entries),
        open: count(tally.open),
    }
}
