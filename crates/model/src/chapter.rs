//! A new chapter: a new beginning of the household's shared documents, made by both partners, that leaves out the values of
//! facts which both want erased.
//!
//! One partner proposes it and the other agrees: both say the same about what is kept. That is named by the ends of all
//! devices' chains: what they build on by `previous` is kept, whoever asks and whenever, and the hash over its ids says
//! that both mean the same. Of what is erased, header and signature stay, so that whatever was replaced stays replaced, and
//! everything that was said meanwhile, on a device that was away, belongs to the new chapter unchanged.
//!
//! A chapter is *in force* as soon as somebody said the other partner's proposal with that before them (NothingDeleted:
//! erasing is by both). It cannot be taken back then, so the agreement itself decides, and not what came of it since:
//! withdrawing counts only if whoever agreed had it before them. See `docs/design/chapter.md`.
//!
//! Nothing here stores or drops anything: the index drops erased values ([`crate::index`]), and the documents' owner writes
//! the new ones ([`crate::carry`]).

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::fact::{Draft, Fact, FactError, Nonce};
use crate::field::FieldFacts;
use crate::ids::{FactId, HouseholdId, ItemId, PartnerId};
use crate::index::rows::ReadRows;
use crate::index::{self, FieldKey, IndexError};
use crate::membership::Membership;
use crate::say::Writer;

/// The kind of the one item that chapters are agreed in.
pub const KIND: &str = "chapter";

/// Its field.
pub const FIELD: &str = "made";

/// The most facts that one chapter erases: what one fact has room for.
pub const MAX_ERASED: usize = 4_096;

/// The most ends of devices' chains.
pub const MAX_ENDS: usize = 1_024;

crate::ids::bytes_newtype! {
    /// A hash of what a chapter keeps and what it erases.
    KeptHash, 32
}

/// What a chapter is about, as both say it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chapter {
    /// The facts that nothing of their devices follows: they and what they build on by `previous` are kept. Sorted.
    pub ends: Vec<FactId>,
    /// Of what is kept, the facts whose values are left out: those of one field that say the same together, so that they
    /// are still known to have said the same. Each list sorted, and the lists by their first.
    pub erase: Vec<Vec<FactId>>,
    /// See [`kept_hash`].
    pub hash: KeptHash,
}

impl Chapter {
    /// Reads a value of the field; `None` for one that no proposal could be.
    pub fn parse(value: &Value) -> Option<Self> {
        let chapter = Self::deserialize(value).ok()?;
        let sorted = |list: &[FactId]| list.is_sorted_by(|left, right| left < right);
        let firsts: Vec<FactId> = chapter.erase.iter().filter_map(|same| same.first().copied()).collect();
        let fits = (1..=MAX_ENDS).contains(&chapter.ends.len())
            && chapter.erased().count() <= MAX_ERASED
            && firsts.len() == chapter.erase.len();
        let in_order = sorted(&chapter.ends) && sorted(&firsts) && chapter.erase.iter().all(|same| sorted(same));
        (fits && in_order).then_some(chapter)
    }

    /// The facts whose values are left out.
    pub fn erased(&self) -> impl Iterator<Item = &FactId> {
        self.erase.iter().flatten()
    }

    fn value(&self) -> Value {
        serde_json::to_value(self).expect("lists of ids have a JSON form")
    }
}

/// The field that chapters are agreed in.
pub fn field_key(household: &HouseholdId) -> FieldKey {
    FieldKey { item: ItemId::natural(household, KIND, ""), kind: KIND.into(), field: FIELD.into() }
}

/// BLAKE3 over the household, the ids of everything kept, sorted, and which of them are erased. An id commits to its
/// fact's content.
pub fn kept_hash(household: &HouseholdId, kept: &BTreeSet<FactId>, erase: &[Vec<FactId>]) -> KeptHash {
    let mut hasher = blake3::Hasher::new_derive_key("betwixt 1 what a chapter keeps");
    hasher.update(household.as_bytes());
    for same in std::iter::once(kept.iter().collect::<Vec<_>>()).chain(erase.iter().map(|same| same.iter().collect())) {
        hasher.update(&(same.len() as u64).to_le_bytes());
        for id in same {
            hasher.update(id.as_bytes());
        }
    }
    KeptHash::from_bytes(*hasher.finalize().as_bytes())
}

/// What is kept by these ends, or the first fact of it that is not here.
///
/// # Errors
/// The outer [`IndexError`].
pub fn kept<R: ReadRows>(rows: &R, ends: &[FactId]) -> Result<Result<BTreeSet<FactId>, FactId>, IndexError<R::Error>> {
    let mut kept = BTreeSet::new();
    for end in ends {
        let mut next = Some(*end);
        while let Some(id) = next.filter(|id| !kept.contains(id)) {
            let Some(header) = index::header(rows, &id)? else { return Ok(Err(id)) };
            kept.insert(id);
            next = header.previous;
        }
    }
    Ok(Ok(kept))
}

/// A chapter with everything that it keeps; `None` while part of that is still arriving, or where the hash is another's.
///
/// # Errors
/// [`IndexError`].
pub fn whole<R: ReadRows>(
    rows: &R,
    household: &HouseholdId,
    chapter: &Chapter,
) -> Result<Option<BTreeSet<FactId>>, IndexError<R::Error>> {
    let kept = kept(rows, &chapter.ends)?;
    Ok(kept.ok().filter(|kept| kept_hash(household, kept, &chapter.erase) == chapter.hash))
}

/// Every chapter that is in force, in an order that follows from their values.
///
/// # Errors
/// [`IndexError`].
pub fn in_force<R: ReadRows>(rows: &R, household: &HouseholdId) -> Result<Vec<Chapter>, IndexError<R::Error>> {
    let facts = index::field(rows, &field_key(household))?;
    let mut chapters = BTreeSet::new();
    for id in agreed(&facts) {
        let signed = index::fact(rows, &id)?;
        chapters.extend(signed.and_then(|signed| Chapter::parse(signed.fact().value()?)));
    }
    Ok(chapters.into_iter().collect())
}

/// The facts by which somebody agreed: they say what the other partner had said, name that, and had no withdrawal of it
/// before them. What came later changes nothing.
fn agreed(facts: &FieldFacts) -> Vec<FactId> {
    let mut agreed = Vec::new();
    for agreeing in facts.entries().iter().filter(|entry| entry.placed() && !entry.null) {
        let proposals = agreeing.seen.iter().filter_map(|id| facts.entry(id));
        let stands = proposals
            .filter(|proposal| proposal.placed() && proposal.partner != agreeing.partner)
            .filter(|proposal| proposal.value == agreeing.value)
            .any(|proposal| {
                let withdrew = |other: &&crate::field::Entry| {
                    other.partner == proposal.partner
                        && other.seen.contains(&proposal.id)
                        && agreeing.has_in_past(other)
                };
                !facts.entries().iter().any(|other| withdrew(&other))
            });
        if stands {
            agreed.push(agreeing.id);
        }
    }
    agreed
}

/// A proposal that stands: it waits for the other partner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// The fact.
    pub fact: FactId,
    /// Who proposes it.
    pub by: PartnerId,
    /// Their local date.
    pub on: Date,
    /// What they propose.
    pub chapter: Chapter,
}

/// The proposals that wait, of both partners. Those that are in force do not wait any more.
///
/// # Errors
/// [`IndexError`].
pub fn proposals<R: ReadRows>(rows: &R, household: &HouseholdId) -> Result<Vec<Proposal>, IndexError<R::Error>> {
    let done = in_force(rows, household)?;
    let facts = index::field(rows, &field_key(household))?;
    let mut proposals = Vec::new();
    for entry in facts.live().filter(|entry| entry.placed() && !entry.null) {
        let Some(signed) = index::fact(rows, &entry.id)? else { continue };
        let chapter = signed.fact().value().and_then(Chapter::parse);
        if let Some(chapter) = chapter.filter(|chapter| !done.contains(chapter)) {
            let header = signed.fact().header();
            proposals.push(Proposal { fact: entry.id, by: header.partner, on: header.date, chapter });
        }
    }
    proposals.sort_by_key(|proposal| proposal.fact);
    Ok(proposals)
}

/// Why a chapter cannot be proposed, agreed or withdrawn.
#[derive(Debug, thiserror::Error)]
pub enum ChapterError<E: std::error::Error> {
    /// Nothing was ever said.
    #[error("nothing was said yet that a new chapter could keep")]
    Nothing,
    /// Part of what is kept is not here.
    #[error("part of what the new chapter keeps is still arriving; try again when your devices have met")]
    Arriving,
    /// What is to be erased is not known, or not among what is kept.
    #[error("there is no fact {0} that could be erased")]
    UnknownFact(FactId),
    /// More than [`MAX_ERASED`] or [`MAX_ENDS`].
    #[error("a chapter can erase up to {MAX_ERASED} values: make several")]
    TooMuch,
    /// The hash that was proposed is not that of what is here.
    #[error("what your partner's proposal keeps is not what is here; it should be proposed again")]
    OtherFacts,
    /// There is no proposal of the other partner.
    #[error("your partner has not proposed a new chapter")]
    NoProposal,
    /// There is no proposal of one's own.
    #[error("you have not proposed a new chapter, or your partner has agreed to it already")]
    NoOwnProposal,
    /// The fact passes a limit of the format.
    #[error(transparent)]
    Fact(#[from] FactError),
    /// The index cannot be read.
    #[error(transparent)]
    Index(#[from] IndexError<E>),
}

/// What a chapter would keep that begins now, and erase of it.
///
/// # Errors
/// [`ChapterError`].
pub fn outline<R: ReadRows>(
    rows: &R,
    household: &HouseholdId,
    membership: &Membership,
    erase: &[FactId],
) -> Result<(Chapter, BTreeSet<FactId>), ChapterError<R::Error>> {
    let mut ends = BTreeSet::new();
    for (device, _) in membership.devices() {
        ends.extend(index::tips(rows, device)?);
    }
    if ends.is_empty() {
        return Err(ChapterError::Nothing);
    }
    let ends: Vec<FactId> = ends.into_iter().collect();
    let kept = kept(rows, &ends)?.map_err(|_| ChapterError::Arriving)?;
    let mut classes: BTreeSet<Vec<FactId>> = BTreeSet::new();
    for id in erase {
        classes.insert(same(rows, &kept, id)?.ok_or(ChapterError::UnknownFact(*id))?);
    }
    let erase: Vec<Vec<FactId>> = classes.into_iter().collect();
    if ends.len() > MAX_ENDS || erase.iter().flatten().count() > MAX_ERASED {
        return Err(ChapterError::TooMuch);
    }
    let hash = kept_hash(household, &kept, &erase);
    Ok((Chapter { ends, erase, hash }, kept))
}

/// The facts of a fact's field that say the same and are kept, sorted: a value is only gone when all of them are erased.
/// `None` for what cannot be erased: what is not kept or has no value, a `null`, which tells that something was let go,
/// and what chapters say, for that is what says that something is erased.
fn same<R: ReadRows>(
    rows: &R,
    kept: &BTreeSet<FactId>,
    id: &FactId,
) -> Result<Option<Vec<FactId>>, IndexError<R::Error>> {
    let Some(signed) = index::fact(rows, id)?.filter(|_| kept.contains(id)) else { return Ok(None) };
    let (fact, header) = (signed.fact(), signed.fact().header());
    if header.kind == KIND || fact.value().is_none_or(Value::is_null) {
        return Ok(None);
    }
    let key = FieldKey { item: fact.item(), kind: header.kind.clone(), field: header.field.clone() };
    let facts = index::field(rows, &key)?;
    let value = facts.entry(id).map(|entry| entry.value);
    let same = facts.entries().iter().filter(|entry| Some(entry.value) == value && kept.contains(&entry.id));
    Ok(Some(same.map(|entry| entry.id).collect()))
}

/// Writes the fact that proposes a chapter, in the place of what its writer proposed before.
///
/// # Errors
/// [`ChapterError`].
pub fn propose<R: ReadRows>(
    rows: &R,
    membership: &Membership,
    erase: &[FactId],
    writer: &Writer,
) -> Result<Fact, ChapterError<R::Error>> {
    let (chapter, _) = outline(rows, &writer.household, membership, erase)?;
    // What waits of the other partner is not taken up by proposing something, and not by chance either.
    let own = own_words(rows, writer)?;
    Ok(write(writer, chapter.value(), own)?)
}

/// Writes the fact that agrees to what the other partner proposes.
///
/// # Errors
/// [`ChapterError`].
pub fn agree<R: ReadRows>(rows: &R, writer: &Writer) -> Result<Fact, ChapterError<R::Error>> {
    let theirs = proposals(rows, &writer.household)?.into_iter().find(|proposal| proposal.by != writer.partner);
    let theirs = theirs.ok_or(ChapterError::NoProposal)?;
    let kept = kept(rows, &theirs.chapter.ends)?.map_err(|_| ChapterError::Arriving)?;
    let mut honest = kept_hash(&writer.household, &kept, &theirs.chapter.erase) == theirs.chapter.hash;
    for proposed in &theirs.chapter.erase {
        honest = honest
            && proposed.first().map(|id| same(rows, &kept, id)).transpose()?.flatten().as_ref() == Some(proposed);
    }
    if !honest {
        return Err(ChapterError::OtherFacts);
    }
    let mut seen = own_words(rows, writer)?;
    seen.push(theirs.fact);
    Ok(write(writer, theirs.chapter.value(), seen)?)
}

/// Writes the fact that takes back what its writer proposed. Too late where the other partner has agreed already, on a
/// device that has not been met since.
///
/// # Errors
/// [`ChapterError`].
pub fn withdraw<R: ReadRows>(rows: &R, writer: &Writer) -> Result<Fact, ChapterError<R::Error>> {
    let waiting = proposals(rows, &writer.household)?;
    if !waiting.iter().any(|proposal| proposal.by == writer.partner) {
        return Err(ChapterError::NoOwnProposal);
    }
    let own = own_words(rows, writer)?;
    Ok(write(writer, Value::Null, own)?)
}

/// The live words of whoever writes.
fn own_words<R: ReadRows>(rows: &R, writer: &Writer) -> Result<Vec<FactId>, IndexError<R::Error>> {
    let facts = index::field(rows, &field_key(&writer.household))?;
    Ok(facts.words_of(&writer.partner).map(|entry| entry.id).collect())
}

fn write(writer: &Writer, value: Value, seen: Vec<FactId>) -> Result<Fact, FactError> {
    let FieldKey { item, kind, field } = field_key(&writer.household);
    Fact::write(Draft {
        household: writer.household,
        item: Some(item),
        kind,
        field,
        seen,
        previous: writer.previous,
        partner: writer.partner,
        device: writer.device,
        date: writer.date,
        nonce: Nonce::from_bytes(*writer.nonce.as_bytes()),
        value,
    })
}

/// The facts that a chapter keeps, by the year of the document that carries them.
///
/// # Errors
/// [`IndexError`].
pub fn by_year<R: ReadRows>(
    rows: &R,
    kept: &BTreeSet<FactId>,
) -> Result<BTreeMap<i16, BTreeSet<FactId>>, IndexError<R::Error>> {
    let mut years: BTreeMap<i16, BTreeSet<FactId>> = BTreeMap::new();
    for id in kept {
        if let Some(header) = index::header(rows, id)? {
            years.entry(header.date.year()).or_default().insert(*id);
        }
    }
    Ok(years)
}
