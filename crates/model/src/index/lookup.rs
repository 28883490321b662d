//! Reading the index.

use std::collections::BTreeSet;

use jiff::civil::Date;
use serde_json::Value;

use super::fold::{FieldReader, OpenField};
use super::listing::Position;
use super::rows::{ReadRows, Table};
use super::stored::{
    ABOUT, CHAIN, ChainRow, ERASED, FactRow, ItemRow, NEWER, Placing, REVIEWS, SETTLE, VERSION, chain_group, decode,
    fact_group, links_group, long_name, parse_field_name, parse_long_name, parse_tip_key,
};
use super::stored_field::decode_field;
use super::{FieldKey, INDEX_VERSION, IndexError};
use crate::fact::{Header, SignedFact};
use crate::field::{Entry, FieldFacts, LiveFacts, Place};
use crate::ids::{DeviceId, FactId, ItemId, PartnerId};
use crate::schema::{Kind, Naming};

type Answer<T, R> = Result<T, IndexError<<R as ReadRows>::Error>>;

/// Whether the rows were written by this version: empty rows are, too.
///
/// # Errors
/// [`IndexError::Rows`].
pub fn is_current<R: ReadRows>(rows: &R) -> Answer<bool, R> {
    let version = rows.get(Table::Derived, ABOUT, VERSION)?;
    Ok(version.is_none_or(|bytes| postcard::from_bytes(&bytes) == Ok(INDEX_VERSION)))
}

/// Whether anything was ever entered into the rows.
///
/// # Errors
/// [`IndexError::Rows`].
pub fn is_begun<R: ReadRows>(rows: &R) -> Answer<bool, R> {
    Ok(rows.get(Table::Derived, ABOUT, VERSION)?.is_some())
}

fn row<R: ReadRows>(rows: &R, id: &FactId) -> Answer<Option<FactRow>, R> {
    let bytes = rows.get(Table::Facts, &fact_group(id), id.as_bytes())?;
    bytes.map(|bytes| decode(Table::Facts, &bytes)).transpose()
}

/// A fact with its signature, as it came.
///
/// # Errors
/// [`IndexError`].
pub fn fact<R: ReadRows>(rows: &R, id: &FactId) -> Answer<Option<SignedFact>, R> {
    let Some(row) = row(rows, id)? else { return Ok(None) };
    row.signed().map(Some).ok_or(IndexError::Damaged(Table::Facts))
}

/// A fact's date and value, without the value if it was erased: what reading a field needs of it, for less than the whole
/// fact, whose text would be spelt again.
///
/// # Errors
/// [`IndexError`].
pub(crate) fn said<R: ReadRows>(rows: &R, id: &FactId) -> Answer<Option<(Date, Option<Value>)>, R> {
    let Some(row) = row(rows, id)? else { return Ok(None) };
    let value = row.content.map(|(_, text)| serde_json::from_str(&text)).transpose();
    let value = value.map_err(|_| IndexError::Damaged(Table::Facts))?;
    Ok(Some((row.header.date, value)))
}

/// A fact's header.
///
/// # Errors
/// [`IndexError`].
pub fn header<R: ReadRows>(rows: &R, id: &FactId) -> Answer<Option<Header>, R> {
    Ok(row(rows, id)?.map(|row| row.header))
}

/// The facts whose values a chapter in force leaves out, sorted; see [`crate::chapter`].
///
/// # Errors
/// [`IndexError`].
pub fn erased<R: ReadRows>(rows: &R) -> Answer<BTreeSet<FactId>, R> {
    let rows = rows.group(Table::Derived, ERASED)?;
    let id = |(key, _): (Vec<u8>, Vec<u8>)| key.try_into().map(FactId::from_bytes);
    rows.into_iter().map(id).collect::<Result<_, _>>().map_err(|_| IndexError::Damaged(Table::Derived))
}

/// Whether a fact is here, whatever its standing.
///
/// # Errors
/// [`IndexError`].
pub fn holds<R: ReadRows>(rows: &R, id: &FactId) -> Answer<bool, R> {
    Ok(rows.get(Table::Facts, &fact_group(id), id.as_bytes())?.is_some())
}

/// How many parts the facts of a scope are spread over.
pub const PARTS: u16 = 256;

/// The facts of one of [`PARTS`] parts, as they came: for going over all of them a part at a time. None beyond the last.
///
/// # Errors
/// [`IndexError`].
pub fn part_of_facts<R: ReadRows>(rows: &R, part: u16) -> Answer<Vec<SignedFact>, R> {
    let Ok(part) = u8::try_from(part) else { return Ok(Vec::new()) };
    let part = rows.group(Table::Facts, &[part])?;
    let signed = part.into_iter().map(|(_, bytes)| {
        decode::<FactRow, R::Error>(Table::Facts, &bytes)?.signed().ok_or(IndexError::Damaged(Table::Facts))
    });
    signed.collect()
}

/// Every fact of the scope by id, as it came: for carrying a document's facts on. Reads the whole index, one of 256 parts at
/// a time.
///
/// # Errors
/// The outer [`IndexError`] of a part that cannot be read.
pub fn all_facts<R: ReadRows>(rows: &R) -> impl Iterator<Item = Answer<Vec<SignedFact>, R>> {
    (0..PARTS).map(|part| part_of_facts(rows, part))
}

/// The ends of a device's chain: several where it forks, or where part of it is still arriving.
///
/// # Errors
/// [`IndexError`].
pub fn tips<R: ReadRows>(rows: &R, device: &DeviceId) -> Answer<Vec<FactId>, R> {
    let group = rows.group(Table::Chains, chain_group(device))?;
    Ok(group.iter().filter_map(|(key, _)| parse_tip_key(key)).collect())
}

/// What a device said last: the `previous` of what it says next. Where its chain has several ends, the one with the longest
/// past that is here.
///
/// # Errors
/// [`IndexError`].
pub fn tip<R: ReadRows>(rows: &R, device: &DeviceId) -> Answer<Option<FactId>, R> {
    let group = rows.group(Table::Chains, chain_group(device))?;
    let tips: Vec<FactId> = group.iter().filter_map(|(key, _)| parse_tip_key(key)).collect();
    if tips.len() < 2 {
        return Ok(tips.first().copied());
    }
    let mut best: Option<(u64, FactId)> = None;
    for id in tips {
        let weight = match row(rows, &id)?.map(|row| row.placing) {
            Some(Placing::Placed { clock, .. }) => clock.weight(),
            _ => 0,
        };
        best = best.max(Some((weight, id)));
    }
    Ok(best.map(|(_, id)| id))
}

/// Whether a device's chain forks: two of its facts follow the same one, so its home was copied.
///
/// # Errors
/// [`IndexError`].
pub fn forked<R: ReadRows>(rows: &R, device: &DeviceId) -> Answer<bool, R> {
    let bytes = rows.get(Table::Chains, chain_group(device), CHAIN)?;
    let chain: Option<ChainRow> = bytes.map(|bytes| decode(Table::Chains, &bytes)).transpose()?;
    Ok(chain.is_some_and(|chain| chain.forked()))
}

/// Every fact of a field; none where nothing was said. Reads all of them: where only what stands is asked for, [`live`]
/// costs less.
///
/// # Errors
/// [`IndexError`].
pub fn field<R: ReadRows>(rows: &R, key: &FieldKey) -> Answer<FieldFacts, R> {
    Ok(FieldFacts::new(OpenField::read(rows, key)?.all(rows)?))
}

/// What stands in a field; one row, whatever its history.
///
/// # Errors
/// [`IndexError`].
pub fn live<R: ReadRows>(rows: &R, key: &FieldKey) -> Answer<LiveFacts, R> {
    Ok(OpenField::read(rows, key)?.into_standing())
}

/// The words of a field of consent that agree and stand, in pairs, as [`FieldFacts::agreements`] tells them. Reads no others.
///
/// # Errors
/// [`IndexError`].
pub fn agreements<R: ReadRows>(rows: &R, key: &FieldKey) -> Answer<Vec<[Entry; 2]>, R> {
    FieldReader::new(rows, key)?.agreements()
}

/// The facts of a field that all of `versions` transitively replaced (never merely saw), less those that others of these
/// replaced. Reads the facts between the versions and those, whatever the field's history.
///
/// # Errors
/// [`IndexError`].
pub fn bases<R: ReadRows>(rows: &R, key: &FieldKey, versions: &[FactId]) -> Answer<Vec<Entry>, R> {
    FieldReader::new(rows, key)?.bases(versions)
}

/// Whether a fact is here and of this field, whatever its standing.
///
/// # Errors
/// [`IndexError`].
pub fn is_in<R: ReadRows>(rows: &R, key: &FieldKey, id: &FactId) -> Answer<bool, R> {
    Ok(row(rows, id)?.is_some_and(|row| row.is_of(key, id)))
}

fn open_fields<R: ReadRows>(rows: &R, item: &ItemId) -> Answer<Vec<(FieldKey, OpenField)>, R> {
    let mut fields = Vec::new();
    for (name, bytes) in rows.group(Table::Fields, item.as_bytes())? {
        let key = parse_field_name(*item, &name).ok_or(IndexError::Damaged(Table::Fields))?;
        let field = OpenField::from_row(&key, Some(decode_field(&bytes)?))?;
        fields.push((key, field));
    }
    Ok(fields)
}

/// Every field of which facts name this item, by kind and name, with all its facts. Kinds that are not the item's have no
/// meaning.
///
/// # Errors
/// [`IndexError`].
pub fn fields_of_item<R: ReadRows>(rows: &R, item: &ItemId) -> Answer<Vec<(FieldKey, FieldFacts)>, R> {
    let facts = |(key, mut field): (FieldKey, OpenField)| Ok((key, FieldFacts::new(field.all(rows)?)));
    open_fields(rows, item)?.into_iter().map(facts).collect()
}

/// What stands in every field of which facts name this item, by kind and name.
///
/// # Errors
/// [`IndexError`].
pub fn live_of_item<R: ReadRows>(rows: &R, item: &ItemId) -> Answer<Vec<(FieldKey, LiveFacts)>, R> {
    Ok(open_fields(rows, item)?.into_iter().map(|(key, field)| (key, field.into_standing())).collect())
}

/// Every field of which facts name this item, by kind and name, to be read as far as is needed.
///
/// # Errors
/// [`IndexError`].
pub(crate) fn readers_of_item<'a, R: ReadRows>(
    rows: &'a R,
    item: &ItemId,
) -> Answer<Vec<(FieldKey, FieldReader<'a, R>)>, R> {
    Ok(open_fields(rows, item)?.into_iter().map(|(key, field)| (key, FieldReader::of(rows, field))).collect())
}

/// An item that something was said about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemEntry {
    /// The item.
    pub item: ItemId,
    /// Who founded it and when; `None` for natural items, and where the founding fact has not arrived.
    pub founding: Option<(PartnerId, Date)>,
    /// The least date of its facts.
    pub earliest: Date,
}

impl ItemEntry {
    /// Where it stands in lists.
    pub fn position(&self) -> Position {
        (self.founding.map_or(self.earliest, |(_, date)| date), self.item)
    }
}

/// The items of a kind, by founding date (or the earliest one known), then by id. Items of which the founding fact has not
/// arrived are among them; whether a natural item is one that the schema names is the caller's to check.
///
/// # Errors
/// [`IndexError`].
pub fn items<R: ReadRows>(rows: &R, kind: &str) -> Answer<Vec<ItemEntry>, R> {
    let mut items = Vec::new();
    for (item, bytes) in rows.group(Table::Items, kind.as_bytes())? {
        let item: [u8; 32] = item.try_into().map_err(|_| IndexError::Damaged(Table::Items))?;
        items.extend(read_entry(rows, ItemId::from_bytes(item), &bytes)?);
    }
    items.sort_by_key(ItemEntry::position);
    Ok(items)
}

/// What [`items`] would hold of an item.
///
/// # Errors
/// [`IndexError`].
pub fn entry<R: ReadRows>(rows: &R, kind: &str, item: &ItemId) -> Answer<Option<ItemEntry>, R> {
    let bytes = rows.get(Table::Items, kind.as_bytes(), item.as_bytes())?;
    bytes.map_or(Ok(None), |bytes| read_entry(rows, *item, &bytes))
}

fn read_entry<R: ReadRows>(rows: &R, item: ItemId, row: &[u8]) -> Answer<Option<ItemEntry>, R> {
    let row: ItemRow = decode(Table::Items, row)?;
    // Facts may name an item of another kind; only its founding fact says what it is.
    if row.founding.is_none() && holds(rows, &FactId::from_bytes(*item.as_bytes()))? {
        return Ok(None);
    }
    Ok(Some(ItemEntry { item, founding: row.founding, earliest: row.earliest.0 }))
}

/// An item's kind and entry; `None` when nothing that counts is known of it. Where several kinds are claimed, the first of
/// [`claims`].
///
/// # Errors
/// [`IndexError`].
pub fn item<R: ReadRows>(rows: &R, item: &ItemId) -> Answer<Option<(String, ItemEntry)>, R> {
    Ok(claims(rows, item)?.into_iter().next())
}

/// The kinds that an item may be of: the one that its founding fact names, or while that is not here, and for natural
/// items, every kind that facts about it name, sorted. Which of these a natural item is follows from its id, which is the
/// caller's to check.
///
/// # Errors
/// [`IndexError`].
pub fn claims<R: ReadRows>(rows: &R, item: &ItemId) -> Answer<Vec<(String, ItemEntry)>, R> {
    let founding =
        row(rows, &FactId::from_bytes(*item.as_bytes()))?.filter(|row| row.header.item.is_none() && !row.void);
    let mut kinds: Vec<String> = match founding {
        Some(row) => vec![row.header.kind],
        None => {
            let fields = rows.group(Table::Fields, item.as_bytes())?;
            fields.iter().filter_map(|(name, _)| parse_field_name(*item, name)).map(|key| key.kind).collect()
        }
    };
    kinds.sort_unstable();
    kinds.dedup();
    let mut claims = Vec::new();
    for kind in kinds {
        if let Some(bytes) = rows.get(Table::Items, kind.as_bytes(), item.as_bytes())? {
            let row: ItemRow = decode(Table::Items, &bytes)?;
            claims.push((kind, ItemEntry { item: *item, founding: row.founding, earliest: row.earliest.0 }));
        }
    }
    Ok(claims)
}

/// The fields of which a live fact links to this item: a goal's milestones, a milestone's progress. Links that somebody
/// other than the field's owner said are among them.
///
/// # Errors
/// [`IndexError`].
pub fn links_to<R: ReadRows>(rows: &R, target: &ItemId) -> Answer<Vec<FieldKey>, R> {
    let links = rows.group(Table::Derived, &links_group(target))?;
    links.iter().map(|(name, _)| parse_long_name(name).ok_or(IndexError::Damaged(Table::Derived))).collect()
}

/// The fields that may be to settle; see [`crate::view::differences`].
///
/// # Errors
/// [`IndexError`].
pub(crate) fn unsettled<R: ReadRows>(rows: &R) -> Answer<Vec<FieldKey>, R> {
    let fields = rows.group(Table::Derived, SETTLE)?;
    fields.iter().map(|(name, _)| parse_long_name(name).ok_or(IndexError::Damaged(Table::Derived))).collect()
}

/// Whether a field may be to settle. Costs one row; see [`crate::view::to_settle`].
///
/// # Errors
/// [`IndexError`].
pub fn may_be_unsettled<R: ReadRows>(rows: &R, field: &FieldKey) -> Answer<bool, R> {
    Ok(rows.get(Table::Derived, SETTLE, &long_name(field))?.is_some())
}

/// Of one item, the fields that may be to settle, by kind and name.
///
/// # Errors
/// [`IndexError`].
pub(crate) fn unsettled_of<R: ReadRows>(rows: &R, item: &ItemId) -> Answer<Vec<FieldKey>, R> {
    let fields = open_fields(rows, item)?.into_iter();
    Ok(fields.filter(|(_, field)| field.to_settle()).map(|(key, _)| key).collect())
}

/// The fields of which a live fact names a day to look at their item again, each with the first such day.
///
/// # Errors
/// [`IndexError`].
pub(crate) fn reviews<R: ReadRows>(rows: &R) -> Answer<Vec<(FieldKey, Date)>, R> {
    let damaged = || IndexError::Damaged(Table::Derived);
    let review = |(name, day): (Vec<u8>, Vec<u8>)| {
        Ok((parse_long_name(&name).ok_or_else(damaged)?, decode(Table::Derived, &day)?))
    };
    rows.group(Table::Derived, REVIEWS)?.into_iter().map(review).collect()
}

/// Whether anything that counts was said about an item of this kind.
///
/// # Errors
/// [`IndexError`].
pub(crate) fn is_item<R: ReadRows>(rows: &R, kind: &str, item: &ItemId) -> Answer<bool, R> {
    Ok(rows.get(Table::Items, kind.as_bytes(), item.as_bytes())?.is_some())
}

/// Who founded an item and when, if its founding fact is here, counts, and names this kind.
///
/// # Errors
/// [`IndexError`].
pub(crate) fn founding<R: ReadRows>(rows: &R, kind: &str, item: &ItemId) -> Answer<Option<(PartnerId, Date)>, R> {
    let bytes = rows.get(Table::Items, kind.as_bytes(), item.as_bytes())?;
    let row: Option<ItemRow> = bytes.map(|bytes| decode(Table::Items, &bytes)).transpose()?;
    Ok(row.and_then(|row| row.founding))
}

/// A fact of a newer format, and the facts that wait for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Newer {
    /// The fact that this version cannot read.
    pub fact: FactId,
    /// Its format.
    pub format: u32,
    /// The facts that name it, which this version can read but not place.
    pub cited_by: Vec<FactId>,
}

/// The facts of newer formats that were noted.
///
/// # Errors
/// [`IndexError`].
pub fn newer<R: ReadRows>(rows: &R) -> Answer<Vec<Newer>, R> {
    let id = |key: &[u8]| <[u8; 32]>::try_from(key).map(FactId::from_bytes);
    let mut newer = Vec::new();
    for (key, format) in rows.group(Table::Derived, NEWER)? {
        let fact = id(&key).map_err(|_| IndexError::Damaged(Table::Derived))?;
        let waiting = rows.group(Table::Waiting, fact.as_bytes())?;
        let cited_by: Result<Vec<FactId>, _> = waiting.iter().map(|(key, _)| id(key)).collect();
        let cited_by = cited_by.map_err(|_| IndexError::Damaged(Table::Waiting))?;
        newer.push(Newer { fact, format: decode(Table::Derived, &format)?, cited_by });
    }
    Ok(newer)
}

/// How a fact of an item's history counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// Said and not replaced.
    Live,
    /// Replaced by something said later.
    Replaced,
    /// Part of its past is not here.
    Arriving,
    /// By a removed device, beyond what is accepted.
    Void,
}

/// How a fact counts; `None` for one that is not here. Reads what stands in its field, whatever that field's history.
///
/// # Errors
/// [`IndexError`].
pub fn standing<R: ReadRows>(rows: &R, id: &FactId) -> Answer<Option<Standing>, R> {
    let Some(row) = row(rows, id)? else { return Ok(None) };
    Ok(Some(match row.place() {
        Place::Void => Standing::Void,
        Place::Arriving => Standing::Arriving,
        Place::Placed { .. } if live(rows, &row.field(id))?.live().any(|entry| entry.id == *id) => Standing::Live,
        Place::Placed { .. } => Standing::Replaced,
    }))
}

/// A fact of an item's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryEntry {
    /// The fact.
    pub fact: FactId,
    /// Its field.
    pub field: FieldKey,
    /// How it counts.
    pub standing: Standing,
}

/// Every fact about an item: nothing before its past; facts still arriving and void ones last. Facts of one past by id.
///
/// # Errors
/// [`IndexError`].
pub fn history<R: ReadRows>(rows: &R, item: &ItemId) -> Answer<Vec<HistoryEntry>, R> {
    let mut history = Vec::new();
    for (key, facts) in fields_of_item(rows, item)? {
        for entry in facts.entries() {
            let standing = match entry.place {
                Place::Void => Standing::Void,
                Place::Arriving => Standing::Arriving,
                Place::Placed { .. } if entry.is_live() => Standing::Live,
                Place::Placed { .. } => Standing::Replaced,
            };
            history.push((entry.weight(), entry.id, HistoryEntry { fact: entry.id, field: key.clone(), standing }));
        }
    }
    history.sort_by_key(|(weight, id, _)| (*weight, *id));
    Ok(history.into_iter().map(|(_, _, entry)| entry).collect())
}

/// Whose an item is: who founded it, or whose key names it. `None` for items of both, and while that is not known.
///
/// # Errors
/// [`IndexError`].
pub fn owner<R: ReadRows>(
    rows: &R,
    household: &crate::ids::HouseholdId,
    kind: &Kind,
    item: &ItemId,
) -> Answer<Option<PartnerId>, R> {
    match kind.naming {
        Naming::One | Naming::Keyed { .. } => Ok(None),
        Naming::Founded { .. } => {
            let bytes = rows.get(Table::Items, kind.name.as_bytes(), item.as_bytes())?;
            let row: Option<ItemRow> = bytes.map(|bytes| decode(Table::Items, &bytes)).transpose()?;
            Ok(row.and_then(|row| row.founding).map(|(partner, _)| partner))
        }
        // Whoever spoke there and whose key it is.
        Naming::OnePerPartner => {
            let mut owner = None;
            for (_, facts) in live_of_item(rows, item)? {
                let mut speakers = facts.speakers().iter().copied();
                owner = owner.or(speakers.find(|partner| kind.natural_item(household, partner) == Some(*item)));
            }
            Ok(owner)
        }
        // Only one partner speaks where these are kept.
        Naming::Internal => {
            let bytes = rows.get(Table::Items, kind.name.as_bytes(), item.as_bytes())?;
            let row: Option<ItemRow> = bytes.map(|bytes| decode(Table::Items, &bytes)).transpose()?;
            let first = row.map(|row| row.earliest.1);
            let first = first.map(|id| fact(rows, &id)).transpose()?.flatten();
            Ok(first.map(|signed| signed.fact().header().partner))
        }
    }
}

/// Whether a fact of this item, of whatever standing but void, names it by its key. Always so where the kind is not
/// [`Naming::Keyed`].
///
/// # Errors
/// [`IndexError`].
pub fn is_keyed<R: ReadRows>(
    rows: &R,
    household: &crate::ids::HouseholdId,
    kind: &Kind,
    item: &ItemId,
) -> Answer<bool, R> {
    if !matches!(kind.naming, Naming::Keyed { .. }) {
        return Ok(true);
    }
    for (key, facts) in fields_of_item(rows, item)? {
        for entry in facts.entries().iter().filter(|entry| entry.counts() && !entry.null && key.kind == kind.name) {
            let signed = fact(rows, &entry.id)?;
            let value = signed.as_ref().and_then(|signed| signed.fact().value());
            if value.is_some_and(|value| kind.keyed_item(household, value) == Some(*item)) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// The year of the document that carries a fact: that of its date.
///
/// # Errors
/// [`IndexError`].
pub fn year<R: ReadRows>(rows: &R, id: &FactId) -> Answer<Option<i16>, R> {
    Ok(row(rows, id)?.map(|row| row.header.date.year()))
}
