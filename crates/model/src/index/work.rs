//! One ingestion's changes to the rows, gathered in memory and written at its end, so that every row is read and written
//! once however many facts touch it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use serde_json::Value;

use super::agreed::Agreed;
use super::clock::Clock;
use super::counts::Changes;
use super::fold::OpenField;
use super::listing;
use super::rows::{ReadRows, Table, WriteRows};
use super::statistics::{self, Adds, Role, Standing, Word};
use super::stored::{
    CHAIN, ChainRow, ERASED, FactRow, ItemRow, Placing, REVIEWS, SETTLE, VOID, chain_group, decode, encode, fact_group,
    insert_sorted, links_group, long_name, remove_sorted, tip_key,
};
use super::{FieldKey, IndexError};
use crate::chapter;
use crate::fact::SignedFact;
use crate::field::{Entry, FieldFacts, ValueHash};
use crate::ids::{DeviceId, FactId, ItemId, PartnerId};
use crate::schema::{self, REVIEW};

type Answer<T, R> = Result<T, IndexError<<R as ReadRows>::Error>>;

struct Cached<T> {
    row: Option<T>,
    dirty: bool,
}

struct CachedField {
    field: OpenField,
    /// What its live facts linked to when it was read.
    links: BTreeSet<ItemId>,
    /// Of a field that keeps its agreements, those; `None` where all of its facts have to be looked at to tell.
    agreed: Option<Agreed>,
    /// The first day on which they asked to look at the item again.
    review: Option<Date>,
    /// What it added to what is counted for pictures.
    adds: Adds,
}

/// Whether a row without a value is there.
struct Mark {
    before: bool,
    now: bool,
}

struct CachedWaiting {
    before: BTreeSet<FactId>,
    now: BTreeSet<FactId>,
}

/// What a fact's past that is not here means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Past {
    /// It will come, and the fact waits for it.
    Awaited,
    /// It will not come here: the fact has its place without it.
    Assumed,
}

pub(super) struct Work<'a, R: WriteRows> {
    rows: &'a mut R,
    past: Past,
    facts: BTreeMap<FactId, Cached<FactRow>>,
    chains: BTreeMap<DeviceId, Cached<ChainRow>>,
    tips: BTreeMap<(DeviceId, FactId), Mark>,
    /// The devices of which a void fact was entered.
    void: BTreeSet<DeviceId>,
    waiting: BTreeMap<FactId, CachedWaiting>,
    fields: BTreeMap<FieldKey, CachedField>,
    items: BTreeMap<(String, ItemId), Cached<ItemRow>>,
    counts: Changes,
    statistics: statistics::Changes,
}

impl<'a, R: WriteRows> Work<'a, R> {
    pub(super) fn new(rows: &'a mut R, past: Past) -> Self {
        Self {
            rows,
            past,
            facts: BTreeMap::new(),
            chains: BTreeMap::new(),
            tips: BTreeMap::new(),
            void: BTreeSet::new(),
            waiting: BTreeMap::new(),
            fields: BTreeMap::new(),
            items: BTreeMap::new(),
            counts: Changes::default(),
            statistics: statistics::Changes::default(),
        }
    }

    pub(super) fn fact(&mut self, id: &FactId) -> Answer<Option<&FactRow>, R> {
        if !self.facts.contains_key(id) {
            let bytes = self.rows.get(Table::Facts, &fact_group(id), id.as_bytes())?;
            let row = bytes.map(|bytes| decode(Table::Facts, &bytes)).transpose()?;
            self.facts.insert(*id, Cached { row, dirty: false });
        }
        Ok(self.facts.get(id).and_then(|cached| cached.row.as_ref()))
    }

    /// The row of a fact that is here, as it was before this work.
    pub(super) fn stored_fact(&self, id: &FactId) -> Answer<FactRow, R> {
        let bytes = self.rows.get(Table::Facts, &fact_group(id), id.as_bytes())?;
        decode(Table::Facts, &bytes.ok_or(IndexError::Damaged(Table::Facts))?)
    }

    /// The row of a fact that is here, to be changed.
    fn fact_mut(&mut self, id: &FactId) -> Answer<&mut FactRow, R> {
        self.fact(id)?;
        let cached = self.facts.get_mut(id).ok_or(IndexError::Damaged(Table::Facts))?;
        cached.dirty = true;
        cached.row.as_mut().ok_or(IndexError::Damaged(Table::Facts))
    }

    /// A device's chain, to be changed.
    fn chain_row(&mut self, device: &DeviceId) -> Answer<&mut ChainRow, R> {
        if !self.chains.contains_key(device) {
            let bytes = self.rows.get(Table::Chains, chain_group(device), CHAIN)?;
            let row = bytes.map(|bytes| decode(Table::Chains, &bytes)).transpose()?;
            self.chains.insert(*device, Cached { row, dirty: false });
        }
        let cached = self.chains.get_mut(device).ok_or(IndexError::Damaged(Table::Chains))?;
        cached.dirty = true;
        Ok(cached.row.get_or_insert_default())
    }

    /// Whether a fact is an end of its device's chain, to be changed.
    fn tip(&mut self, device: &DeviceId, id: &FactId) -> Answer<&mut bool, R> {
        let name = (*device, *id);
        if !self.tips.contains_key(&name) {
            let before = self.rows.get(Table::Chains, chain_group(device), &tip_key(id))?.is_some();
            self.tips.insert(name, Mark { before, now: before });
        }
        self.tips.get_mut(&name).map(|mark| &mut mark.now).ok_or(IndexError::Damaged(Table::Chains))
    }

    /// The facts that wait for this one.
    fn waiting(&mut self, id: &FactId) -> Answer<&mut BTreeSet<FactId>, R> {
        if !self.waiting.contains_key(id) {
            let mut before = BTreeSet::new();
            for (key, _) in self.rows.group(Table::Waiting, id.as_bytes())? {
                let key: [u8; 32] = key.try_into().map_err(|_| IndexError::Damaged(Table::Waiting))?;
                before.insert(FactId::from_bytes(key));
            }
            self.waiting.insert(*id, CachedWaiting { now: before.clone(), before });
        }
        self.waiting.get_mut(id).map(|cached| &mut cached.now).ok_or(IndexError::Damaged(Table::Waiting))
    }

    fn open_field(&mut self, key: &FieldKey) -> Answer<(), R> {
        if !self.fields.contains_key(key) {
            let mut field = OpenField::read(self.rows, key)?;
            let (links, review) = (self.links(key, &field)?, self.review(key, &field)?);
            let agreed = if field.keeps_agreements() { Some(Agreed::read(self.rows, key)?) } else { None };
            let adds = self.adds(key, &mut field, agreed.as_ref())?;
            self.fields.insert(key.clone(), CachedField { field, links, agreed, review, adds });
        }
        Ok(())
    }

    fn item(&mut self, kind: &str, item: &ItemId) -> Answer<&mut Cached<ItemRow>, R> {
        let key = (kind.to_owned(), *item);
        if !self.items.contains_key(&key) {
            let bytes = self.rows.get(Table::Items, kind.as_bytes(), item.as_bytes())?;
            let row = bytes.map(|bytes| decode(Table::Items, &bytes)).transpose()?;
            self.items.insert(key.clone(), Cached { row, dirty: false });
        }
        self.items.get_mut(&key).ok_or(IndexError::Damaged(Table::Items))
    }

    /// The items that the live facts of a link field name.
    fn links(&mut self, key: &FieldKey, field: &OpenField) -> Answer<BTreeSet<ItemId>, R> {
        let mut links = BTreeSet::new();
        let Some(known) = schema::field(&key.kind, &key.field).filter(|field| field.shape.is_link()) else {
            return Ok(links);
        };
        for id in field.standing().live().map(|entry| entry.id) {
            links.extend(self.value(&id)?.and_then(|value| known.shape.link(&value)));
        }
        Ok(links)
    }

    /// The first day that the live facts of a review name.
    fn review(&mut self, key: &FieldKey, field: &OpenField) -> Answer<Option<Date>, R> {
        let mut first: Option<Date> = None;
        if key.field == REVIEW && schema::field(&key.kind, &key.field).is_some() {
            for id in field.standing().live().map(|entry| entry.id) {
                let day = self.value(&id)?.and_then(|value| value.as_str()?.parse().ok());
                first = first.into_iter().chain(day).min();
            }
        }
        Ok(first)
    }

    /// What a field adds to what is counted for pictures. `agreed` are the agreements that are kept beside it, if they are.
    fn adds(&mut self, key: &FieldKey, field: &mut OpenField, agreed: Option<&Agreed>) -> Answer<Adds, R> {
        let Some(role) = Role::of(key) else { return Ok(Adds::new()) };
        let mut standing = Standing::default();
        if role.asks_for_founding() {
            standing.founding = self.item(&key.kind, &key.item)?.row.as_ref().and_then(|row| row.founding);
            if standing.founding.is_none() {
                return Ok(Adds::new());
            }
        }
        for entry in field.standing().live() {
            standing.words.push(self.word(role, entry)?);
        }
        if role == Role::GoalState {
            let mut pairs = match agreed {
                Some(agreed) => {
                    let mut pairs = Vec::new();
                    for [one, other] in agreed.standing() {
                        pairs.push([self.entry(&one)?, self.entry(&other)?]);
                    }
                    pairs
                }
                None => {
                    let facts = FieldFacts::new(field.all(&*self.rows)?);
                    facts.agreements().iter().map(|agreed| [agreed.one.clone(), agreed.other.clone()]).collect()
                }
            };
            pairs.sort_by_key(|[one, other]| (one.weight().max(other.weight()), one.id, other.id));
            for [one, other] in pairs {
                standing.agreed.push([self.word(role, &one)?, self.word(role, &other)?]);
            }
        }
        Ok(role.adds(key, &standing))
    }

    fn word(&mut self, role: Role, entry: &Entry) -> Answer<Word, R> {
        let row = self.fact(&entry.id)?.ok_or(IndexError::Damaged(Table::Facts))?;
        let (date, household, says) = (row.header.date, row.header.household, row.content.is_some() && !entry.null);
        let value = if role.reads_values() { self.value(&entry.id)? } else { None };
        Ok(Word { partner: entry.partner, household, date, hash: entry.value, says, value })
    }

    /// A known fact's value, unless it was erased.
    fn value(&mut self, id: &FactId) -> Answer<Option<Value>, R> {
        let text = self.fact(id)?.and_then(|row| row.content.as_ref()).map(|(_, text)| text);
        Ok(text.and_then(|text| serde_json::from_str(text).ok()))
    }

    /// Gives facts that came without their values these.
    pub(super) fn fill(&mut self, filled: &BTreeMap<FactId, SignedFact>) -> Answer<(), R> {
        let mut fields: BTreeMap<FieldKey, BTreeMap<FactId, Entry>> = BTreeMap::new();
        for (id, signed) in filled {
            // The field first, which remembers what its facts linked to without the value.
            let key = self.fact_mut(id)?.field(id);
            self.open_field(&key)?;
            let row = self.fact_mut(id)?;
            row.content = FactRow::new(signed, row.void).content;
            let entry = row.entry(id);
            fields.entry(key).or_default().insert(*id, entry);
        }
        for (key, filled) in fields {
            let cached = self.fields.get_mut(&key).ok_or(IndexError::Damaged(Table::Fields))?;
            cached.agreed = None;
            cached.field.refold(&*self.rows, &filled)?;
        }
        Ok(())
    }

    /// Of a fact whose value a chapter in force leaves out, the least of those that said the same.
    pub(super) fn erased(&self, id: &FactId) -> Answer<Option<FactId>, R> {
        let least = self.rows.get(Table::Derived, ERASED, id.as_bytes())?;
        let least = least.map(|bytes| bytes.try_into().map(FactId::from_bytes));
        least.transpose().map_err(|_| IndexError::Damaged(Table::Derived))
    }

    /// Takes the values of those of these facts that are here.
    pub(super) fn erase(&mut self, ids: &[FactId]) -> Answer<(), R> {
        let mut fields: BTreeMap<FieldKey, BTreeMap<FactId, Entry>> = BTreeMap::new();
        for id in ids {
            // What chapters say stays: it is what says that a value is erased.
            if self.fact(id)?.is_none_or(|row| row.header.kind == chapter::KIND) {
                continue;
            }
            // The field first, which remembers what its facts linked to.
            let key = self.fact_mut(id)?.field(id);
            self.open_field(&key)?;
            self.fact_mut(id)?.content = None;
            let entry = self.entry(id)?;
            fields.entry(key).or_default().insert(*id, entry);
        }
        for (key, erased) in fields {
            let cached = self.fields.get_mut(&key).ok_or(IndexError::Damaged(Table::Fields))?;
            cached.agreed = None;
            cached.field.refold(&*self.rows, &erased)?;
        }
        Ok(())
    }

    /// A fact's entry in its field. Facts whose values were erased together are still known to have said the same.
    fn entry(&mut self, id: &FactId) -> Answer<Entry, R> {
        let row = self.fact(id)?.ok_or(IndexError::Damaged(Table::Facts))?;
        let (mut entry, erased) = (row.entry(id), row.content.is_none());
        if let Some(least) = self.erased(id)?.filter(|_| erased) {
            entry.value = ValueHash::of(&least, None);
        }
        Ok(entry)
    }

    /// First step: keeps a fact as waiting, and enters it into its device's chain. Answers whether the chain turned out to
    /// fork where facts have their places already. That it forks after this fact may be known beforehand.
    pub(super) fn chain(&mut self, id: &FactId, row: FactRow, forks: &mut BTreeSet<DeviceId>) -> Answer<bool, R> {
        let (void, forked) = (row.void, row.forked);
        let (device, previous) = (row.header.device, row.header.previous);
        let mut unmet: Vec<FactId> = Vec::new();
        for past in row.past().copied().collect::<Vec<_>>() {
            if !self.fact(&past)?.is_some_and(FactRow::complete) {
                insert_sorted(&mut unmet, past);
            }
        }
        for past in &unmet {
            self.waiting(past)?.insert(*id);
        }
        self.counts.enter(row.header.date.year(), void);
        let row = FactRow { placing: Placing::Waiting(unmet), ..row };
        self.facts.insert(*id, Cached { row: Some(row), dirty: true });
        if void {
            self.void.insert(device);
            return Ok(false);
        }
        // Those who name this fact came before it, so they wait for it.
        let mut children = 0;
        for dependent in self.waiting(id)?.clone() {
            children += usize::from(self.continues(&dependent, id, &device)?);
        }
        if forked || children > 1 {
            self.fact_mut(id)?.forked = true;
            self.chain_row(&device)?.forks += 1;
            forks.insert(device);
        }
        if children == 0 {
            *self.tip(&device, id)? = true;
        }
        let Some(previous) = previous else {
            let chain = self.chain_row(&device)?;
            chain.firsts += 1;
            if chain.firsts > 1 {
                forks.insert(device);
            }
            return Ok(false);
        };
        let extends = self.fact(&previous)?.is_some_and(|row| !row.void && row.header.device == device);
        if !extends || std::mem::take(self.tip(&device, &previous)?) {
            return Ok(false);
        }
        forks.insert(device);
        let row = self.fact_mut(&previous)?;
        let first_fork = !std::mem::replace(&mut row.forked, true);
        let placed = row.complete();
        self.chain_row(&device)?.forks += u32::from(first_fork);
        Ok(first_fork && placed)
    }

    /// Whether a fact that counts continues `previous` in the same device's chain.
    fn continues(&mut self, id: &FactId, previous: &FactId, device: &DeviceId) -> Answer<bool, R> {
        let row = self.fact(id)?.ok_or(IndexError::Damaged(Table::Waiting))?;
        Ok(!row.void && row.header.device == *device && row.header.previous == Some(*previous))
    }

    /// Between the steps, once all that come are entered: where a missing past is taken for granted, none of these waits for it.
    pub(super) fn assume_past<'i>(&mut self, ids: impl Iterator<Item = &'i FactId>) -> Answer<(), R> {
        if self.past == Past::Awaited {
            return Ok(());
        }
        for id in ids {
            let Placing::Waiting(unmet) = &self.fact_mut(id)?.placing else { continue };
            for past in unmet.clone() {
                if self.fact(&past)?.is_none() {
                    self.waiting(&past)?.remove(id);
                    if let Placing::Waiting(unmet) = &mut self.fact_mut(id)?.placing {
                        remove_sorted(unmet, &past);
                    }
                }
            }
        }
        Ok(())
    }

    /// Second step: enters a fact into its field and finds its place, and the places of those that waited for it. Answers
    /// all that found theirs.
    pub(super) fn place(&mut self, id: &FactId) -> Answer<Vec<FactId>, R> {
        let mut placed = Vec::new();
        let mut ready = vec![*id];
        if self.fact(id)?.is_some_and(FactRow::complete) {
            // The cascade of another fact was faster.
            return Ok(placed);
        }
        if !self.ready(id)? {
            self.enter_field(id)?;
            self.enter_item(id)?;
            return Ok(placed);
        }
        while let Some(id) = ready.pop() {
            self.find_place(&id)?;
            self.enter_field(&id)?;
            self.enter_item(&id)?;
            placed.push(id);
            for dependent in std::mem::take(self.waiting(&id)?) {
                if let Placing::Waiting(unmet) = &mut self.fact_mut(&dependent)?.placing {
                    remove_sorted(unmet, &id);
                }
                if self.ready(&dependent)? {
                    ready.push(dependent);
                }
            }
        }
        Ok(placed)
    }

    fn ready(&mut self, id: &FactId) -> Answer<bool, R> {
        let row = self.fact(id)?.ok_or(IndexError::Damaged(Table::Waiting))?;
        Ok(matches!(&row.placing, Placing::Waiting(unmet) if unmet.is_empty()))
    }

    /// Joins the clocks of a fact's past, all of which is here, and counts the fact itself.
    fn find_place(&mut self, id: &FactId) -> Answer<(), R> {
        let row = self.fact(id)?.ok_or(IndexError::Damaged(Table::Facts))?;
        let (void, device, previous) = (row.void, row.header.device, row.header.previous);
        let past: Vec<FactId> = row.past().copied().collect();
        let mut clock = Clock::default();
        let (mut branch, mut sequence) = (*id, 1);
        for past in past {
            let assumed = self.past == Past::Assumed;
            let Some(row) = self.fact(&past)? else {
                if assumed {
                    continue;
                }
                return Err(IndexError::Damaged(Table::Facts));
            };
            clock.join(row.clock().ok_or(IndexError::Damaged(Table::Facts))?);
            if Some(past) == previous
                && row.header.device == device
                && !row.forked
                && let Placing::Placed { branch: continued, sequence: last, .. } = &row.placing
            {
                (branch, sequence) = (*continued, last.saturating_add(1));
            }
        }
        self.counts.complete(void);
        self.fact_mut(id)?.placing = if void {
            Placing::Void(clock)
        } else {
            clock.raise(&branch, sequence);
            Placing::Placed { branch, sequence, clock }
        };
        Ok(())
    }

    fn enter_field(&mut self, id: &FactId) -> Answer<(), R> {
        let row = self.fact(id)?.ok_or(IndexError::Damaged(Table::Facts))?;
        let key = row.field(id);
        let entry = self.entry(id)?;
        let named = self.named(&key, &entry)?;
        let naming = self.naming(&key, id)?;
        self.open_field(&key)?;
        let cached = self.fields.get_mut(&key).ok_or(IndexError::Damaged(Table::Fields))?;
        let agreed = cached.agreed.take().filter(|_| naming.is_empty());
        cached.agreed = agreed.and_then(|agreed| agreed.with(&cached.field, &entry, &named));
        cached.field.enter(&*self.rows, entry, &named, &naming)
    }

    /// The facts of a field that a fact names, as far as they are here, with what void ones name in their place.
    fn named(&mut self, key: &FieldKey, entry: &Entry) -> Answer<Vec<Entry>, R> {
        let mut named = Vec::new();
        let mut done = BTreeSet::new();
        let mut open = entry.seen.clone();
        while let Some(id) = open.pop() {
            if !done.insert(id) {
                continue;
            }
            let Some(row) = self.fact(&id)?.filter(|row| row.is_of(key, &id)) else { continue };
            if row.void {
                open.extend(&row.header.seen);
            } else {
                named.push(self.entry(&id)?);
            }
        }
        Ok(named)
    }

    /// The facts of a field that were here before this one and name it, themselves or through void ones, with their
    /// partners. They wait for it.
    fn naming(&mut self, key: &FieldKey, id: &FactId) -> Answer<Vec<(FactId, PartnerId)>, R> {
        let mut naming = Vec::new();
        let mut done = BTreeSet::new();
        let mut open = vec![*id];
        while let Some(named) = open.pop() {
            for later in self.waiting(&named)?.clone() {
                let Some(row) = self.fact(&later)?.filter(|row| row.is_of(key, &later)) else { continue };
                if !row.header.seen.contains(&named) || !done.insert(later) {
                    continue;
                }
                if row.void {
                    open.push(later);
                } else {
                    naming.push((later, row.header.partner));
                }
            }
        }
        Ok(naming)
    }

    fn enter_item(&mut self, id: &FactId) -> Answer<(), R> {
        let row = self.fact(id)?.ok_or(IndexError::Damaged(Table::Facts))?;
        if row.void {
            return Ok(());
        }
        let key = row.field(id);
        let (date, founding) = (row.header.date, (row.header.partner, row.header.date));
        let founds = row.header.item.is_none();
        if founds {
            for field in Role::waiting_for_founding(&key.kind) {
                // What it adds without its item's beginning, before that is known.
                self.open_field(&FieldKey { field: field.to_owned(), ..key.clone() })?;
            }
        }
        let cached = self.item(&key.kind, &key.item)?;
        let before = cached.row.clone();
        let row = cached.row.get_or_insert(ItemRow { founding: None, earliest: (date, *id) });
        row.earliest = row.earliest.min((date, *id));
        if founds {
            row.founding = Some(founding);
        }
        cached.dirty |= cached.row != before;
        Ok(())
    }

    /// Writes everything. Answers the fields that changed.
    pub(super) fn flush(mut self) -> Answer<Vec<FieldKey>, R> {
        let mut changed = Vec::new();
        for (key, mut cached) in std::mem::take(&mut self.fields) {
            if cached.field.changed {
                cached.field.write(self.rows)?;
                if cached.field.keeps_agreements() {
                    let agreed = match cached.agreed.take() {
                        Some(agreed) => agreed,
                        None => Agreed::of(&FieldFacts::new(cached.field.all(&*self.rows)?)),
                    };
                    agreed.write(self.rows, &key)?;
                    cached.agreed = Some(agreed);
                }
            }
            // Also of a field that only waited for its item's beginning.
            let agreed = cached.agreed.take().filter(|_| cached.field.keeps_agreements());
            let adds = self.adds(&key, &mut cached.field, agreed.as_ref())?;
            self.statistics.put(&cached.adds, &adds);
            if !cached.field.changed {
                continue;
            }
            let links = self.links(&key, &cached.field)?;
            for gone in cached.links.difference(&links) {
                self.rows.remove(Table::Derived, &links_group(gone), &long_name(&key))?;
            }
            for new in links.difference(&cached.links) {
                self.rows.put(Table::Derived, &links_group(new), &long_name(&key), &[])?;
            }
            match self.review(&key, &cached.field)? {
                now if now == cached.review => {}
                Some(day) => self.rows.put(Table::Derived, REVIEWS, &long_name(&key), &encode(&day))?,
                None => self.rows.remove(Table::Derived, REVIEWS, &long_name(&key))?,
            }
            let before = cached.field.to_settle_before;
            match (before, cached.field.to_settle()) {
                (false, true) => self.rows.put(Table::Derived, SETTLE, &long_name(&key), &[])?,
                (true, false) => self.rows.remove(Table::Derived, SETTLE, &long_name(&key))?,
                _ => {}
            }
            changed.push(key);
        }
        for (id, cached) in &self.facts {
            if let Cached { row: Some(row), dirty: true } = cached {
                self.rows.put(Table::Facts, &fact_group(id), id.as_bytes(), &encode(row))?;
            }
        }
        for (device, cached) in &self.chains {
            if let Cached { row: Some(row), dirty: true } = cached {
                self.rows.put(Table::Chains, chain_group(device), CHAIN, &encode(row))?;
            }
        }
        for ((device, id), mark) in &self.tips {
            match (mark.before, mark.now) {
                (false, true) => self.rows.put(Table::Chains, chain_group(device), &tip_key(id), &[])?,
                (true, false) => self.rows.remove(Table::Chains, chain_group(device), &tip_key(id))?,
                _ => {}
            }
        }
        for device in &self.void {
            self.rows.put(Table::Derived, VOID, device.as_bytes(), &[])?;
        }
        let mut listing = listing::Changes::default();
        for ((kind, item), cached) in &self.items {
            if let Cached { row: Some(row), dirty: true } = cached {
                listing.put(self.rows, kind, item, row)?;
                self.rows.put(Table::Items, kind.as_bytes(), item.as_bytes(), &encode(row))?;
            }
        }
        for (id, cached) in &self.waiting {
            for done in cached.before.difference(&cached.now) {
                self.rows.remove(Table::Waiting, id.as_bytes(), done.as_bytes())?;
            }
            for new in cached.now.difference(&cached.before) {
                self.rows.put(Table::Waiting, id.as_bytes(), new.as_bytes(), &[])?;
            }
        }
        listing.write(self.rows)?;
        self.counts.write(self.rows)?;
        self.statistics.write(self.rows)?;
        Ok(changed)
    }
}
