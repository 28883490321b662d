//! One field for a reader.

use std::collections::BTreeSet;

use jiff::civil::Date;
use serde_json::Value;

use super::prose::{merge, passages};
use super::{Agreement, FieldView, Reader, Reading, Said, Slot, State, Version};
use crate::fact::MAX_SEEN;
use crate::field::{Entry, LiveFacts, Seen, ValueHash};
use crate::ids::{FactId, PartnerId};
use crate::index::rows::{ReadRows, Table};
use crate::index::{self, FieldKey, FieldReader, IndexError};
use crate::schema::{Field, FieldKind, Kind, Naming, Owner};

type Answer<T, R> = Result<T, IndexError<<R as ReadRows>::Error>>;

/// A field that nothing was said about.
pub(crate) fn unsaid(kind: FieldKind) -> FieldView {
    let state = if kind == FieldKind::Owned(Owner::EachPartner) { State::Each } else { State::Unsaid };
    FieldView {
        reading: Reading { state, ..Reading::default() },
        agreed: (kind == FieldKind::Consent).then_some(false),
        ..FieldView::default()
    }
}

/// A field that facts name. `known` is what the schema knows of the item's kind; `owner` whose the item is.
pub(super) fn view<R: ReadRows>(
    rows: &R,
    reader: &Reader,
    known: Option<&Kind>,
    owner: Option<PartnerId>,
    key: &FieldKey,
    facts: &FieldReader<'_, R>,
) -> Answer<FieldView, R> {
    let field = known.and_then(|known| known.field(&key.field));
    let fold = Fold { rows, reader, field, key, facts };
    let facts = facts.live();
    let Some(kind) = field.map(|field| field.kind) else {
        let live: Vec<&Entry> = facts.live().collect();
        let reading = fold.reading(&live)?;
        return Ok(FieldView { reading, seen: fold.token(&live), newer: true, ..FieldView::default() });
    };
    let mut view = unsaid(kind);
    let (live, elsewhere) = fold.about(known, facts)?;
    view.outside = fold.versions(&elsewhere)?;
    match kind {
        FieldKind::Owned(Owner::Founder) => {
            let (own, others): (Vec<&Entry>, Vec<&Entry>) =
                live.into_iter().partition(|entry| owner.is_none_or(|owner| owner == entry.partner));
            view.arriving = owner.map_or_else(|| facts.arriving(), |owner| facts.arriving_from(&owner));
            view.reading = fold.reading(&own)?;
            view.seen = fold.token(&own);
            view.outside.extend(fold.versions(&others)?);
        }
        FieldKind::Owned(Owner::EachPartner) => {
            view.arriving = facts.arriving_from(&reader.partner);
            view.slots = fold.slots(&live)?;
            view.seen = fold.token(&live);
        }
        FieldKind::Light => {
            view.arriving = facts.arriving();
            view.seen = fold.token(&live);
            let greatest: Vec<&Entry> = live.last().copied().into_iter().collect();
            view.reading = fold.reading(&greatest)?;
        }
        FieldKind::Shared => {
            view.arriving = facts.arriving();
            view.seen = fold.token(&live);
            view.reading = fold.reading(&live)?;
            // Only two that do not say the same can have crossed.
            view.crossed = view.reading.versions.len() == 2 && fold.facts.crossed()?;
        }
        FieldKind::Consent => {
            view.arriving = facts.arriving();
            view.seen = fold.token(&live);
            view.reading = fold.reading(&live)?;
            let agreements = fold.facts.agreements()?;
            view.agreement = fold.agreement(&agreements)?;
            let agreed: BTreeSet<ValueHash> = agreements.iter().map(|[one, _]| one.value).collect();
            view.waiting = fold.versions(&facts.waiting(&agreed))?;
            if !elsewhere.is_empty() {
                let here = |fact: &FactId| !elsewhere.iter().any(|entry| entry.id == *fact);
                view.agreement.retain(|agreement| agreement.said.iter().all(|said| here(&said.fact)));
                view.waiting.retain(|version| here(&version.fact));
            }
            view.crossed = fold.facts.crossed()?;
            let held = view.reading.value.as_ref();
            view.agreed = Some(matches!(view.agreement.as_slice(), [one] if Some(&one.value) == held));
        }
    }
    Ok(view)
}

struct Fold<'a, R> {
    rows: &'a R,
    reader: &'a Reader,
    field: Option<&'a Field>,
    key: &'a FieldKey,
    facts: &'a FieldReader<'a, R>,
}

impl<R: ReadRows> Fold<'_, R> {
    /// The token that names these facts, the reader's own first if there are more than a fact may name.
    fn token(&self, live: &[&Entry]) -> Seen {
        let mut live = live.to_vec();
        live.sort_by_key(|entry| (entry.partner != self.reader.partner, entry.id));
        Seen::new(live.into_iter().take(MAX_SEEN).map(|entry| entry.id).collect())
    }

    /// The live facts that are about this item, and those that name another one: a kind's values may tell the item.
    fn about<'a>(&self, known: Option<&Kind>, facts: &'a LiveFacts) -> Answer<(Vec<&'a Entry>, Vec<&'a Entry>), R> {
        let live: Vec<&Entry> = facts.live().collect();
        let Some(known) = known.filter(|known| matches!(known.naming, Naming::Keyed { .. })) else {
            return Ok((live, Vec::new()));
        };
        let (mut here, mut elsewhere) = (Vec::new(), Vec::new());
        for entry in live {
            let value = value(self.rows, &entry.id)?.1.filter(|value| !value.is_null());
            match value.map(|value| known.keyed_item(&self.reader.household, &value)) {
                None => here.push(entry),
                Some(named) if named == Some(self.key.item) => here.push(entry),
                Some(_) => elsewhere.push(entry),
            }
        }
        Ok((here, elsewhere))
    }

    /// Own ones first, then by partner; nothing before its past.
    fn versions(&self, entries: &[&Entry]) -> Answer<Vec<Version>, R> {
        let mut entries = entries.to_vec();
        entries.sort_by_key(|entry| (entry.partner != self.reader.partner, entry.partner, entry.weight(), entry.id));
        entries.into_iter().map(|entry| self.version(entry)).collect()
    }

    fn version(&self, entry: &Entry) -> Answer<Version, R> {
        let (on, value) = value(self.rows, &entry.id)?;
        Ok(Version {
            erased: value.is_none(),
            value: value.unwrap_or_default(),
            by: entry.partner,
            own: entry.partner == self.reader.partner,
            on,
            fact: entry.id,
        })
    }

    fn reading(&self, live: &[&Entry]) -> Answer<Reading, R> {
        let versions = self.versions(live)?;
        let Some(first) = versions.first() else { return Ok(Reading::default()) };
        let said =
            || versions.iter().map(|version| Said { by: version.by, on: version.on, fact: version.fact }).collect();
        if live.iter().all(|entry| entry.value == live[0].value) {
            return Ok(Reading {
                state: State::Held,
                value: Some(first.value.clone()),
                erased: first.erased,
                said: said(),
                ..Reading::default()
            });
        }
        let kind = self.field.map(|field| field.kind);
        let was = self.was(&versions)?;
        let differing = Reading { state: State::Differing, was, ..Reading::default() };
        if self.field.is_none_or(|field| !field.shape.is_prose()) {
            return Ok(Reading { versions, ..differing });
        }
        let Some(merged) = merge(self.rows, self.facts, &versions)? else {
            return Ok(Reading { versions, ..differing });
        };
        Ok(match merged.text() {
            // To what they agree, both say themselves: wordings are compared and never merged into a third.
            Some(text) if kind != Some(FieldKind::Consent) => Reading {
                state: State::Held,
                value: Some(text.into()),
                merged: true,
                said: said(),
                versions,
                ..Reading::default()
            },
            _ => Reading { passages: passages(merged, &versions), versions, ..differing },
        })
    }

    /// What the versions all replaced, if it is one value.
    fn was(&self, versions: &[Version]) -> Answer<Option<Value>, R> {
        let ids: Vec<FactId> = versions.iter().map(|version| version.fact).collect();
        let bases = self.facts.bases(&ids)?;
        match bases.split_first() {
            Some((first, rest)) if rest.iter().all(|base| base.value == first.value) => {
                Ok(value(self.rows, &first.id)?.1)
            }
            _ => Ok(None),
        }
    }

    fn slots(&self, live: &[&Entry]) -> Answer<Vec<Slot>, R> {
        let mut partners: Vec<PartnerId> = live.iter().map(|entry| entry.partner).collect();
        partners.sort_unstable_by_key(|partner| (*partner != self.reader.partner, *partner));
        partners.dedup();
        let slot = |by: PartnerId| {
            let own: Vec<&Entry> = live.iter().copied().filter(|entry| entry.partner == by).collect();
            Ok(Slot { by, own: by == self.reader.partner, reading: self.reading(&own)? })
        };
        partners.into_iter().map(slot).collect()
    }

    /// What stands agreed, one for each value.
    fn agreement(&self, latest_last: &[[Entry; 2]]) -> Answer<Vec<Agreement>, R> {
        let mut agreements: Vec<Agreement> = Vec::new();
        // Latest first, so that of several pairs with one value the latest is told.
        for [one, other] in latest_last.iter().rev() {
            let versions = self.versions(&[one, other])?;
            let Some(value) = versions.first().map(|version| version.value.clone()) else { continue };
            if agreements.iter().all(|known| known.value != value) {
                agreements.push(Agreement {
                    value,
                    on: versions.iter().map(|version| version.on).max().unwrap_or_default(),
                    said: versions
                        .iter()
                        .map(|version| Said { by: version.by, on: version.on, fact: version.fact })
                        .collect(),
                });
            }
        }
        agreements.sort_by_key(|agreement| agreement.said.iter().map(|said| said.fact).min());
        Ok(agreements)
    }
}

/// A known fact's date and value.
pub(crate) fn value<R: ReadRows>(rows: &R, id: &FactId) -> Answer<(Date, Option<Value>), R> {
    index::said(rows, id)?.ok_or(IndexError::Damaged(Table::Fields))
}
