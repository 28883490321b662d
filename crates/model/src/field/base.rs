//! What differing versions replaced: the base of their merge, and what a field was before it differed.

use super::{Entry, FieldFacts};
use crate::ids::FactId;

impl FieldFacts {
    /// The facts that all of `versions` transitively replaced (never merely saw), less those that others of these replaced:
    /// usually one. Several have a base of their own. Linear in the field's facts for each version.
    pub fn bases(&self, versions: &[FactId]) -> Vec<&Entry> {
        let mut replaced = vec![0; self.entries().len()];
        for version in versions {
            for place in self.all_replaced(version) {
                replaced[place] += 1;
            }
        }
        // What one of the shared replaced, all versions replaced, too; so one step down finds all that are below others.
        let shared: Vec<usize> =
            (0..replaced.len()).filter(|place| !versions.is_empty() && replaced[*place] == versions.len()).collect();
        let mut superseded = vec![false; replaced.len()];
        for place in &shared {
            for earlier in self.replaced(&self.entries()[*place]) {
                superseded[earlier] = true;
            }
        }
        shared.into_iter().filter(|place| !superseded[*place]).map(|place| &self.entries()[place]).collect()
    }

    fn all_replaced(&self, id: &FactId) -> Vec<usize> {
        let mut known = vec![false; self.entries().len()];
        let mut all = Vec::new();
        let mut open: Vec<usize> = self.position(id).into_iter().collect();
        while let Some(later) = open.pop() {
            for earlier in self.replaced(&self.entries()[later]) {
                if !std::mem::replace(&mut known[earlier], true) {
                    all.push(earlier);
                    open.push(earlier);
                }
            }
        }
        all
    }
}
