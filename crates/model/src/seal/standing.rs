//! How a session stands: who committed, what was opened, and what does not fit.

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::Serialize;
use serde_json::Value;

use super::commitment::{
    Committed, Opened, Sealed, commitment, opening_value, read_commitment, read_opening, read_text,
};
use super::{KIND, TEXT_KIND, text_item};
use crate::field::Seen;
use crate::field::{Entry, FieldFacts};
use crate::ids::{FactId, HouseholdId, ItemId, PartnerId};
use crate::index::rows::ReadRows;
use crate::index::{self, FieldKey, IndexError};
use crate::view::{self, FieldView, ItemView, Reader};

type Result<T, R> = std::result::Result<T, IndexError<<R as ReadRows>::Error>>;

/// How one partner's answer stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AnswerState {
    /// Nothing was answered yet, or it was taken back.
    Waiting,
    /// Answered, and sealed until the other has answered.
    Sealed,
    /// Both have answered, and this one's opening has not come. It may be on its way; a device that holds the text says it.
    Missing,
    /// Open, and it is what was sealed.
    Opened,
    /// What was said to open it is not what was sealed.
    Wrong,
}

/// One partner's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// Whose.
    pub by: PartnerId,
    /// Whether the reader's.
    pub own: bool,
    /// How it stands.
    pub state: AnswerState,
    /// When it was sealed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on: Option<Date>,
    /// The answer, once it is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// Answers that were sealed or opened beside the one that counts: never the answer.
    #[serde(skip_serializing_if = "is_zero")]
    pub doubled: usize,
    /// Whether the question was worded anew since it was answered.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub other_question: bool,
    /// The commitment that counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commitment: Option<FactId>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for this signature")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// A session: one question and both answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Session {
    /// The session.
    pub id: ItemId,
    /// Who asked, and when; absent while that is still arriving.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub founded: Option<view::Founded>,
    /// The question.
    pub prompt: FieldView,
    /// The reader's answer first.
    pub answers: Vec<Answer>,
    /// The token of the field that commitments are said in.
    pub seen: Seen,
}

/// An opening that is due: to be said in the field `opening` of the session, with this token.
#[derive(Clone, PartialEq, Eq)]
pub struct Due {
    /// The session.
    pub session: ItemId,
    /// What to say.
    pub value: Value,
    /// What stands there.
    pub seen: Seen,
}

impl std::fmt::Debug for Due {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Due").field("session", &self.session).finish_non_exhaustive()
    }
}

/// Every session, oldest first.
///
/// # Errors
/// [`IndexError`].
pub fn sessions<R: ReadRows>(rows: &R, reader: &Reader, partners: &[PartnerId]) -> Result<Vec<Session>, R> {
    let items = view::items(rows, reader, KIND)?;
    items.into_iter().map(|item| Ok(Ledger::read(rows, reader, partners, &item.id)?.shown(item))).collect()
}

/// One session; `None` when there is none by this id.
///
/// # Errors
/// [`IndexError`].
pub fn session<R: ReadRows>(
    rows: &R,
    reader: &Reader,
    partners: &[PartnerId],
    id: &ItemId,
) -> Result<Option<Session>, R> {
    let Some(item) = view::item(rows, reader, id)?.filter(|item| item.kind == KIND) else { return Ok(None) };
    Ok(Some(Ledger::read(rows, reader, partners, id)?.shown(item)))
}

/// The text of the reader's own answer, from `mine`: of the commitment that counts.
///
/// # Errors
/// [`IndexError`].
fn text<R: ReadRows>(
    mine: &R,
    private: &HouseholdId,
    session: &ItemId,
    committed: &Committed,
) -> Result<Option<Sealed>, R> {
    let item = text_item(private, session, &committed.hash);
    let facts = index::field(mine, &FieldKey { item, kind: TEXT_KIND.into(), field: "text".into() })?;
    for entry in facts.live() {
        let signed = index::fact(mine, &entry.id)?;
        let sealed = signed.as_ref().and_then(|signed| read_text(signed.fact().value()?));
        if let Some(sealed) = sealed.filter(|sealed| sealed.commitment == committed.hash) {
            return Ok(Some(sealed));
        }
    }
    Ok(None)
}

/// The opening that this reader's device is to say in a session, and `None` where there is nothing to open: not both have
/// answered, it is open already, or the text is not on this device.
///
/// A second answer is never opened: an answer that its owner replaced is theirs, unless the other opened against it.
///
/// # Errors
/// [`IndexError`] of either scope.
pub fn due<R: ReadRows>(
    ours: &R,
    mine: &R,
    reader: &Reader,
    private: &HouseholdId,
    partners: &[PartnerId],
    id: &ItemId,
) -> Result<Option<Due>, R> {
    let ledger = Ledger::read(ours, reader, partners, id)?;
    let [_, _] = partners else { return Ok(None) };
    let Some(other) = partners.iter().find(|partner| **partner != reader.partner) else { return Ok(None) };
    let opened = ledger.openings.iter().any(|opening| opening.by == reader.partner && opening.opens.is_some());
    let (own, theirs) = (ledger.counting(&reader.partner), ledger.counting(other));
    let (Some(own), Some(theirs)) = (own, theirs) else { return Ok(None) };
    if opened || ledger.withdrawn(&reader.partner) || ledger.withdrawn(other) {
        return Ok(None);
    }
    let Some(committed) = ledger.commitments.get(&own) else { return Ok(None) };
    let Some(sealed) = text(mine, private, id, &committed.value)? else { return Ok(None) };
    let hash = commitment(&reader.household, id, &reader.partner, &committed.value.deck, &sealed.salt, &sealed.answer);
    if hash != committed.value.hash {
        return Ok(None);
    }
    // Last, because it costs most, and of a life's sessions hardly any come so far.
    let Some(item) = view::item(ours, reader, id)?.filter(|item| item.kind == KIND) else { return Ok(None) };
    let named = BTreeMap::from([(reader.partner, own), (*other, theirs)]);
    let seen = item.fields.get("opening").map(|field| field.seen.clone()).unwrap_or_default();
    Ok(Some(Due { session: *id, value: opening_value(&named, &sealed), seen }))
}

/// The reader's own answer as this device keeps it, sealed or not.
///
/// # Errors
/// [`IndexError`] of either scope.
pub fn own_text<R: ReadRows>(
    ours: &R,
    mine: &R,
    reader: &Reader,
    private: &HouseholdId,
    partners: &[PartnerId],
    id: &ItemId,
) -> Result<Option<Sealed>, R> {
    let ledger = Ledger::read(ours, reader, partners, id)?;
    let own = ledger.counting(&reader.partner).and_then(|own| ledger.commitments.get(&own));
    match own {
        Some(own) => text(mine, private, id, &own.value),
        None => Ok(None),
    }
}

struct Commit {
    by: PartnerId,
    on: Date,
    weight: u64,
    live: bool,
    value: Committed,
}

struct Opening {
    by: PartnerId,
    /// The own commitment that it fits, by its hash; `None` for one that fits none.
    opens: Option<FactId>,
    value: Opened,
}

/// Everything that was said in a session, read and checked against each other.
struct Ledger<'a> {
    reader: &'a Reader,
    partners: &'a [PartnerId],
    commitments: BTreeMap<FactId, Commit>,
    /// For a partner with nothing live but what takes an answer back.
    withdrawn: Vec<PartnerId>,
    openings: Vec<Opening>,
    /// Which commitments are in another one's past.
    before: BTreeMap<FactId, Vec<FactId>>,
}

impl<'a> Ledger<'a> {
    fn read<R: ReadRows>(rows: &R, reader: &'a Reader, partners: &'a [PartnerId], id: &ItemId) -> Result<Self, R> {
        let facts = |field: &str| index::field(rows, &FieldKey { item: *id, kind: KIND.into(), field: field.into() });
        let (said, opened) = (facts("commitment")?, facts("opening")?);
        let mut ledger = Self {
            reader,
            partners,
            commitments: BTreeMap::new(),
            withdrawn: Vec::new(),
            openings: Vec::new(),
            before: BTreeMap::new(),
        };
        let live: Vec<FactId> = said.live().map(|entry| entry.id).collect();
        for entry in known(&said) {
            let (on, value) = view::value_of(rows, &entry.id)?;
            let Some(value) = value.as_ref().and_then(read_commitment) else { continue };
            let live = live.contains(&entry.id);
            ledger.commitments.insert(entry.id, Commit { by: entry.partner, on, weight: entry.weight(), live, value });
            let before = known(&said).filter(|other| entry.has_in_past(other)).map(|other| other.id).collect();
            ledger.before.insert(entry.id, before);
        }
        for partner in partners {
            let own: Vec<&Entry> = said.live().filter(|entry| entry.partner == *partner).collect();
            if !own.is_empty() && own.iter().all(|entry| entry.null) {
                ledger.withdrawn.push(*partner);
            }
        }
        for entry in known(&opened) {
            let (_, value) = view::value_of(rows, &entry.id)?;
            let Some(value) = value.as_ref().and_then(read_opening) else { continue };
            let opens = ledger.fitting(&reader.household, id, &entry.partner, &value);
            ledger.openings.push(Opening { by: entry.partner, opens, value });
        }
        Ok(ledger)
    }

    /// The own commitment that an opening names, if salt and answer fit it.
    fn fitting(&self, household: &HouseholdId, session: &ItemId, by: &PartnerId, opening: &Opened) -> Option<FactId> {
        let named = opening.commitments.get(by)?;
        let committed = self.commitments.get(named).filter(|committed| committed.by == *by)?;
        let hash = commitment(household, session, by, &committed.value.deck, &opening.salt, &opening.answer);
        (hash == committed.value.hash).then_some(*named)
    }

    fn withdrawn(&self, partner: &PartnerId) -> bool {
        self.withdrawn.contains(partner)
    }

    /// The commitment of a partner that counts: the one that the other opened against; the first of them, where the
    /// other's devices opened apart. Before that, the one that stands; the first of them, where their own devices differ.
    fn counting(&self, partner: &PartnerId) -> Option<FactId> {
        let theirs = |id: &FactId| self.commitments.get(id).is_some_and(|commit| commit.by == *partner);
        let against = self.openings.iter().filter(|opening| opening.by != *partner && opening.opens.is_some());
        let against = against.filter_map(|opening| opening.value.commitments.get(partner)).filter(|id| theirs(id));
        let live =
            || self.commitments.iter().filter(|(_, commit)| commit.by == *partner && commit.live).map(|(id, _)| id);
        self.first(against).or_else(|| self.first(live()))
    }

    fn first<'f>(&self, ids: impl Iterator<Item = &'f FactId>) -> Option<FactId> {
        ids.min_by_key(|id| (self.commitments.get(id).map(|commit| commit.weight), **id)).copied()
    }

    fn answer(&self, partner: &PartnerId, prompt: &[FactId]) -> Answer {
        let counting = self.counting(partner);
        let commit = counting.and_then(|id| self.commitments.get(&id));
        let openings = || self.openings.iter().filter(|opening| opening.by == *partner);
        let right = openings().find(|opening| opening.opens.is_some() && opening.opens == counting);
        let other = self.partners.iter().find(|other| *other != partner);
        let other_answered = other.is_some_and(|other| self.counting(other).is_some() && !self.withdrawn(other));
        let wrong = openings().any(|opening| {
            opening.opens.is_none() && counting.is_some() && opening.value.commitments.get(partner) == counting.as_ref()
        });
        let state = match right {
            Some(_) => AnswerState::Opened,
            None if counting.is_none() || self.withdrawn(partner) => AnswerState::Waiting,
            None if wrong => AnswerState::Wrong,
            None if other_answered => AnswerState::Missing,
            None => AnswerState::Sealed,
        };
        let waiting = state == AnswerState::Waiting;
        Answer {
            by: *partner,
            own: *partner == self.reader.partner,
            state,
            on: commit.filter(|_| !waiting).map(|commit| commit.on),
            answer: right.map(|opening| opening.value.answer.clone()),
            doubled: counting.map_or(0, |counting| self.doubled(partner, &counting)),
            other_question: commit
                .filter(|_| !waiting)
                .is_some_and(|commit| !prompt.iter().any(|fact| fact.to_string() == commit.value.deck)),
            commitment: counting.filter(|_| !waiting),
        }
    }

    /// What a partner sealed beside the answer that counts, and did not replace by it.
    fn doubled(&self, partner: &PartnerId, counting: &FactId) -> usize {
        let replaced = |id: &FactId| self.before.get(counting).is_some_and(|before| before.contains(id));
        let others = self.commitments.iter().filter(|(id, commit)| commit.by == *partner && *id != counting);
        others.filter(|(id, _)| !replaced(id)).count()
    }

    fn shown(&self, item: ItemView) -> Session {
        let mut fields = item.fields;
        let mut field = |name: &str| fields.remove(name).unwrap_or_default();
        let (prompt, seen) = (field("prompt"), field("commitment").seen);
        let mut partners = self.partners.to_vec();
        partners.sort_unstable_by_key(|partner| (*partner != self.reader.partner, *partner));
        let answers = partners.iter().map(|partner| self.answer(partner, prompt.seen.facts())).collect();
        Session { id: item.id, founded: item.founded, prompt, answers, seen }
    }
}

/// The facts that count and have their places.
fn known(facts: &FieldFacts) -> impl Iterator<Item = &Entry> {
    facts.entries().iter().filter(|entry| entry.counts() && entry.placed())
}
