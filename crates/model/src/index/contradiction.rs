//! What contradicts what in a shared field (NoSilentWinner): the part of the fold that says whether a fact replaces one of
//! the other partner's that it names.
//!
//! Two facts are *apart* when neither names the other, directly or through what it names. It does not matter what the
//! devices had: a page that showed something old is the same case as a device that was away. A fact does not replace one of
//! the other partner's that it names
//! - if something else was said apart from that, which is in its own past;
//! - if its own partner said something else apart from that, or left it standing, on a device that did not have the
//!   replacing fact;
//! - if that left a word of its partner's standing, and says something else: then the two differed when it was said, and it
//!   goes only by its own speaker. Not in prose, where what stands is merged on reading, and a merged text would differ for
//!   ever.
//!
//! The first and the third follow from a fact's past and never change. The second may come late: whoever arrives undoes the
//! replacing that it contradicts or had left undone, by its speaker's other devices.
//!
//! Nearly every fact names all of its field that is in its past, so that [`Entry::names`] asks its clock. Of those that do
//! not, every branch keeps where the last one is, and what is scanned of a branch ends at the first fact that names what is
//! asked about, unless such a one follows.

use std::collections::{BTreeMap, BTreeSet};

use super::IndexError;
use super::clock::Clock;
use super::fold::{Answer, Branch, OpenField, sequence};
use super::rows::{ReadRows, Table};
use super::stored_field::CHUNK;
use crate::fact::MAX_SEEN;
use crate::field::{Entry, MAX_EXCEPTIONS, Names, Place, Placed, Said};
use crate::ids::{FactId, PartnerId};
use crate::schema::Shape;

/// Which facts of a branch a search is about.
#[derive(Debug, Clone, Copy)]
struct Stretch {
    branch: FactId,
    /// After this number.
    after: u32,
    /// Up to this one.
    until: u32,
}

impl OpenField {
    /// Finds how a fact with its place was said to the others: what it names, and what of the other partner's it left
    /// standing. `named` are the facts that it names, which were entered.
    pub(super) fn find_said<R: ReadRows>(&mut self, rows: &R, entry: &mut Entry, named: &[Entry]) -> Answer<(), R> {
        let Place::Placed { clock, .. } = &entry.place else { return Ok(()) };
        let mut entered = Vec::new();
        for fact in named.iter().filter_map(Entry::as_placed) {
            entered.extend(self.entered(rows, &fact.branch, fact.sequence)?.cloned());
        }
        let names = self.find_names(rows, clock, &entered)?;
        let mut left: Vec<Placed> = Vec::new();
        let mut contested = false;
        for earlier in entered.iter().filter(|earlier| earlier.partner != entry.partner) {
            if earlier.said.contested || self.contradicted(rows, earlier, |branch, _| clock.get(branch))? {
                left.extend(earlier.as_placed());
                contested |= earlier.value != entry.value;
            }
        }
        // What its own partner's word left standing, and nobody that it names has answered since.
        let own = entered.iter().filter(|earlier| earlier.partner == entry.partner);
        let inherited: BTreeSet<Placed> = own.flat_map(|earlier| &earlier.said.left).copied().collect();
        let room = MAX_SEEN.saturating_sub(left.len());
        let answered = |standing: &Placed| {
            let answers = |later: &Entry| later.partner != entry.partner && later.names_placed(standing);
            entered.iter().any(|later| later.id == standing.id || answers(later))
        };
        for standing in inherited.iter().filter(|standing| !answered(standing)).take(room) {
            left.push(*standing);
            let stood = self.entered(rows, &standing.branch, standing.sequence)?;
            contested |= stood.is_some_and(|stood| stood.value != entry.value);
        }
        let prose = self.schema.is_some_and(|field| field.shape == Shape::Prose);
        left.sort_unstable();
        entry.said = Said { names, left, contested: contested && !prose };
        Ok(())
    }

    /// What a fact names, if that is not all of its past. `named` are the facts that it names directly, as entered.
    fn find_names<R: ReadRows>(&mut self, rows: &R, past: &Clock, named: &[Entry]) -> Answer<Option<Names>, R> {
        let mut clock = Clock::default();
        let mut open: BTreeSet<(FactId, u32)> = BTreeSet::new();
        for earlier in named {
            match (&earlier.said.names, &earlier.place) {
                (Some(names), _) => {
                    clock.join(&names.clock);
                    open.extend(&names.except);
                }
                (None, Place::Placed { clock: past, .. }) => clock.join(past),
                (None, Place::Arriving | Place::Void) => {}
            }
        }
        // What of a branch lies between what is named of it and one that is named by itself.
        let mut tops: BTreeMap<FactId, u32> = BTreeMap::new();
        for fact in named.iter().filter_map(Entry::as_placed).filter(|fact| clock.get(&fact.branch) < fact.sequence) {
            let top = tops.entry(fact.branch).or_default();
            *top = fact.sequence.max(*top);
        }
        for (branch, top) in tops {
            let between = Stretch { branch, after: clock.get(&branch), until: top };
            self.find(rows, between, |entry| {
                open.insert((branch, sequence(entry)));
                open.len() > MAX_EXCEPTIONS + named.len()
            })?;
            clock.raise(&branch, top);
        }
        let is_named = |(branch, sequence): &(FactId, u32)| {
            let this = |fact: &Entry| {
                fact.as_placed().is_some_and(|fact| fact.branch == *branch && fact.sequence == *sequence)
            };
            named.iter().any(|earlier| this(earlier) || earlier.names_at(branch, *sequence))
        };
        let except: Vec<(FactId, u32)> = open.into_iter().filter(|place| !is_named(place)).collect();
        if except.len() > MAX_EXCEPTIONS {
            return Ok(Some(Names::default()));
        }
        if !except.is_empty() {
            return Ok(Some(Names { clock, except }));
        }
        // The fact itself has not been entered.
        let branches: Vec<FactId> = self.head.branches.keys().copied().collect();
        for branch in branches {
            let rest = Stretch { branch, after: clock.get(&branch), until: past.get(&branch) };
            if self.find(rows, rest, |_| true)? {
                return Ok(Some(Names { clock, except }));
            }
        }
        Ok(None)
    }

    /// Whether a fact of `partner` with this past would replace what that partner contradicted, or left standing, on another
    /// device.
    pub(super) fn contradicted_beside<R: ReadRows>(
        &mut self,
        rows: &R,
        earlier: &Entry,
        partner: PartnerId,
        past: &Clock,
    ) -> Answer<bool, R> {
        let Some(place) = earlier.as_placed() else { return Ok(false) };
        let Some(earlier) = self.entered(rows, &place.branch, place.sequence)?.cloned() else { return Ok(false) };
        // Whoever left it standing is here already, and so does not have in its past what arrives only now. If it is in the
        // past of that, then so is why it left this standing.
        if earlier.replacers.left_standing {
            return Ok(true);
        }
        let beside = |branch: &FactId, of: &Branch| {
            if of.partner == partner && of.last > past.get(branch) { of.last } else { 0 }
        };
        self.contradicted(rows, &earlier, beside)
    }

    /// Whether something else was said apart from a fact, by the facts of each branch up to `until`.
    fn contradicted<R: ReadRows>(
        &mut self,
        rows: &R,
        fact: &Entry,
        until: impl Fn(&FactId, &Branch) -> u32,
    ) -> Answer<bool, R> {
        let stretch = |(branch, of): (&FactId, &Branch)| {
            let until = until(branch, of);
            (until > 0).then_some((Stretch { branch: *branch, after: fact.named_until(branch), until }, of.stale))
        };
        let stretches: Vec<(Stretch, u32)> = self.head.branches.iter().filter_map(stretch).collect();
        for (stretch, stale) in stretches {
            let mut contradicts = false;
            self.find(rows, stretch, |other| {
                if other.names(fact) {
                    return sequence(other) >= stale;
                }
                contradicts = other.value != fact.value && other.apart(fact);
                contradicts
            })?;
            if contradicts {
                return Ok(true);
            }
            let except = fact.said.names.iter().flat_map(|names| &names.except);
            for (_, at) in except.filter(|(branch, at)| *branch == stretch.branch && *at <= stretch.until) {
                let other = self.entered(rows, &stretch.branch, *at)?;
                if other.is_some_and(|other| other.value != fact.value && other.apart(fact)) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Looks at the facts of a stretch, in order, until one is the one sought.
    fn find<R: ReadRows>(
        &mut self,
        rows: &R,
        Stretch { branch, after, until }: Stretch,
        mut is_sought: impl FnMut(&Entry) -> bool,
    ) -> Answer<bool, R> {
        let Some((last, count)) = self.head.branches.get(&branch).map(|of| (of.last, of.count)) else {
            return Ok(false);
        };
        if after >= until.min(last) {
            return Ok(false);
        }
        let (first, mut at) = self.beyond(rows, &branch, after)?;
        for number in first..count.div_ceil(CHUNK) {
            for entry in self.chunk(rows, &branch, number)?.entries.iter().skip(at) {
                if sequence(entry) > until {
                    return Ok(false);
                }
                if is_sought(entry) {
                    return Ok(true);
                }
            }
            at = 0;
        }
        Ok(false)
    }

    /// Marks what a fact, of which that is the past, left standing; and undoes the replacing of it by facts of the same
    /// speaker's other devices, unless this fact knew of that.
    pub(super) fn leave_standing<R: ReadRows>(&mut self, rows: &R, new: &Entry, past: &Clock) -> Answer<(), R> {
        for left in &new.said.left {
            let (number, at) = self.beyond(rows, &left.branch, left.sequence.saturating_sub(1))?;
            let chunk = self.chunk(rows, &left.branch, number)?;
            let damaged = || IndexError::Damaged(Table::Entries);
            let entry = chunk.entries.get_mut(at).filter(|entry| entry.id == left.id).ok_or_else(damaged)?;
            let before = entry.replacers.clone();
            entry.replacers.left_standing = true;
            entry.replacers.other.retain(|by| past.get(&by.branch) >= by.sequence);
            if entry.replacers == before {
                continue;
            }
            let entry = entry.clone();
            chunk.dirty = true;
            let crossed = chunk.entries.iter().any(|entry| !entry.replacers.other.is_empty());
            if let Some(of) = self.head.branches.get_mut(&left.branch) {
                of.set_crossed(number, crossed);
            }
            if entry.is_live() {
                self.head.standing.live.insert(entry.id, entry);
            }
        }
        Ok(())
    }

    /// Undoes the replacings of facts which this one, of which that is the past, contradicts apart from them: those by its
    /// own speaker's facts that it does not have in its past.
    pub(super) fn undo_contradicted<R: ReadRows>(&mut self, rows: &R, new: &Entry, past: &Clock) -> Answer<(), R> {
        let branches = &self.head.branches;
        let beside = |(branch, of): (&FactId, &Branch)| of.partner == new.partner && of.last > past.get(branch);
        if !branches.iter().any(beside) {
            return Ok(());
        }
        let own: BTreeMap<FactId, u32> = branches
            .iter()
            .filter(|(_, of)| of.partner == new.partner)
            .map(|(branch, _)| (*branch, past.get(branch)))
            .collect();
        let crossed = |(branch, of): (&FactId, &Branch)| {
            (of.partner != new.partner && !of.crossed.is_empty()).then_some((*branch, of.count, of.last))
        };
        let others: Vec<(FactId, u32, u32)> = branches.iter().filter_map(crossed).collect();
        for (branch, count, last) in others {
            let mut numbers = BTreeSet::new();
            let named = new.named_until(&branch);
            if last > named {
                numbers.extend(self.beyond(rows, &branch, named)?.0..count.div_ceil(CHUNK));
            }
            for (_, at) in new.said.names.iter().flat_map(|names| &names.except).filter(|(of, _)| *of == branch) {
                numbers.insert(self.beyond(rows, &branch, at.saturating_sub(1))?.0);
            }
            for number in numbers {
                if self.head.branches.get(&branch).is_some_and(|of| of.is_crossed(number)) {
                    self.revive(rows, &branch, number, new, &own)?;
                }
            }
        }
        Ok(())
    }

    /// Undoes, in one chunk of the other partner's facts, the replacings that `new` contradicts: by facts of its own speaker
    /// beyond these numbers of their branches.
    fn revive<R: ReadRows>(
        &mut self,
        rows: &R,
        branch: &FactId,
        number: u32,
        new: &Entry,
        own: &BTreeMap<FactId, u32>,
    ) -> Answer<(), R> {
        let chunk = self.chunk(rows, branch, number)?;
        let mut revived = Vec::new();
        for entry in &mut chunk.entries {
            if entry.value == new.value || entry.replacers.other.is_empty() || !new.apart(entry) {
                continue;
            }
            let before = entry.replacers.other.len();
            entry.replacers.other.retain(|by| own.get(&by.branch).is_none_or(|known| by.sequence <= *known));
            if entry.replacers.other.len() < before {
                chunk.dirty = true;
                if entry.is_live() {
                    revived.push(entry.clone());
                }
            }
        }
        let crossed = chunk.entries.iter().any(|entry| !entry.replacers.other.is_empty());
        self.head.standing.live.extend(revived.into_iter().map(|entry| (entry.id, entry)));
        self.head.branches.get_mut(branch).ok_or(IndexError::Damaged(Table::Fields))?.set_crossed(number, crossed);
        Ok(())
    }
}
