//! What differing versions replaced: the base of their merge, and what a field was before it differed.

use std::collections::BTreeSet;

use crate::ids::FactId;
use crate::schema::FieldKind;

use super::{Entry, FieldFacts};

impl FieldFacts {
    /// The facts that all of `versions` transitively replaced (never merely saw), less those that others of these replaced:
    /// usually one. Several have a base of their own.
    pub fn bases(&self, kind: Option<FieldKind>, versions: &[FactId]) -> Vec<&Entry> {
        let mut shared: Option<BTreeSet<FactId>> = None;
        for version in versions {
            let replaced = self.all_replaced(kind, version);
            shared = Some(match shared {
                None => replaced,
                Some(shared) => shared.intersection(&replaced).copied().collect(),
            });
        }
        let shared = shared.unwrap_or_default();
        let mut superseded = BTreeSet::new();
        for id in &shared {
            if !superseded.contains(id) {
                superseded.extend(self.all_replaced(kind, id));
            }
        }
        shared.difference(&superseded).filter_map(|id| self.entry(id)).collect()
    }

    fn all_replaced(&self, kind: Option<FieldKind>, id: &FactId) -> BTreeSet<FactId> {
        let mut all = BTreeSet::new();
        let mut open = vec![*id];
        while let Some(later) = open.pop().and_then(|id| self.entry(&id)) {
            for earlier in self.replaced_by(kind, later) {
                if all.insert(earlier.id) {
                    open.push(earlier.id);
                }
            }
        }
        all
    }
}

/// Whether a field may be one to settle: its live facts differ, or a word waits. Fields whose owner alone counts may be
/// listed for nothing, for who owns them is not known here.
pub(crate) fn to_settle(kind: Option<FieldKind>, facts: &FieldFacts) -> bool {
    let live: Vec<&Entry> = facts.live().collect();
    let differ = |left: &&Entry, right: &&Entry| left.value != right.value;
    let pairs =
        || live.iter().enumerate().flat_map(|(place, one)| live[place + 1..].iter().map(move |other| (one, other)));
    match kind {
        None | Some(FieldKind::Light) => false,
        Some(FieldKind::Shared) => pairs().any(|(one, other)| differ(one, other)),
        Some(FieldKind::Owned(_)) => pairs().any(|(one, other)| one.partner == other.partner && differ(one, other)),
        Some(FieldKind::Consent) => pairs().any(|(one, other)| differ(one, other)) || !facts.waiting().is_empty(),
    }
}
