//! Whoever says that they are in step is right: nothing shared is on their disk that the other lacks on its own, and what
//! is written down as told to the other is there.

use std::collections::BTreeMap;

use betwixt_daemon::replica::Replica;
use betwixt_model::document::Scope;
use betwixt_model::ids::FactId;
use betwixt_model::index;

use super::{DeviceName, Network};

impl Network {
    /// Whether a device says that it is in step with another.
    pub fn is_in_step(&self, device: DeviceName, with: DeviceName) -> bool {
        self.devices[device.0].is_in_step_with(&self.devices[with.0].id)
    }

    /// Looks at whom a device says to be in step with, and judges what is new of it; everything, once its disk has changed.
    pub(super) fn judge_in_step(&mut self, at: usize, disk_changed: bool) {
        // The same for all others.
        let mut tips = BTreeMap::new();
        for other in (0..self.devices.len()).filter(|other| *other != at) {
            let says = self.devices[at].is_in_step_with(&self.devices[other].id);
            let said = if says { self.in_step.insert((at, other)) } else { self.in_step.remove(&(at, other)) };
            if says && (said || disk_changed) {
                self.assert_holds_all(at, other, &mut tips);
            }
            if disk_changed {
                self.assert_was_told(at, other);
            }
        }
    }

    /// The ends of every device's chain are enough: facts come with what they build on. What a device was found to hold is not
    /// looked for again before its power fails or its disk is changed: that nothing goes any other way is judged at the end of a run.
    fn assert_holds_all(&mut self, at: usize, other: usize, tips: &mut BTreeMap<Scope, Vec<FactId>>) {
        let Some((own, theirs)) = self.comparable(at, other) else { return };
        // While it is taken to be locked there, in step means what is shared.
        let private = self.devices[at].is_in_step_privately_with(&self.devices[other].id)
            && [own, theirs].iter().all(|replica| replica.space(Scope::Mine).is_some());
        let mut found = Vec::new();
        for scope in [Scope::Ours, Scope::Mine].into_iter().filter(|scope| private || *scope == Scope::Ours) {
            for tip in tips.entry(scope).or_insert_with(|| all_tips(own, scope)) {
                if self.held.contains(&(other, scope, *tip)) {
                    continue;
                }
                let (seed, held) = (self.seed, holds(theirs, scope, tip));
                assert!(held, "seed {seed}: {at} says it is in step with {other}, which lacks {tip:?} of {scope:?}");
                found.push((other, scope, *tip));
            }
        }
        self.held.extend(found);
    }

    /// What a device held has to be looked for again: its power failed, or its disk is another.
    pub(super) fn forget_held(&mut self, at: usize) {
        self.held.retain(|(device, _, _)| *device != at);
    }

    fn assert_was_told(&self, at: usize, other: usize) {
        let Some((own, theirs)) = self.comparable(at, other) else { return };
        let (view, mut first) = (own.read().expect("the store is open"), true);
        let peer = self.devices[other].id;
        let last = view.reader().meetings(Scope::Ours, &peer, |_| std::mem::take(&mut first));
        for told in last.expect("meetings can be read").into_iter().filter_map(|meeting| meeting.told) {
            let seed = self.seed;
            assert!(
                holds(theirs, Scope::Ours, &told),
                "seed {seed}: {at} wrote down that {other} was told {told:?}, which it lacks"
            );
        }
    }

    /// Two devices that run, none of which was put back to an earlier disk or copied: such ones lack what others rightly
    /// believe them to hold.
    fn comparable(&self, at: usize, other: usize) -> Option<(&Replica, &Replica)> {
        let own = self.devices[at].replica().filter(|_| !self.rolled_back)?;
        Some((own, self.devices[other].replica()?))
    }
}

/// The ends of every device's chain that a device knows.
fn all_tips(replica: &Replica, scope: Scope) -> Vec<FactId> {
    let view = replica.read().expect("the store is open");
    let rows = view.reader().rows(scope);
    let tips = |(device, _)| index::tips(&rows, device).expect("the index can be read");
    replica.roster().devices().flat_map(tips).collect()
}

fn holds(replica: &Replica, scope: Scope, fact: &FactId) -> bool {
    let view = replica.read().expect("the store is open");
    index::holds(&view.reader().rows(scope), fact).expect("the index can be read")
}
