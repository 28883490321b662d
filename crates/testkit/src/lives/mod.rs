//! Lives: two partners' devices with nothing but the model on them, so that thousands of random lives are lived in a minute.
//!
//! A device here is an index in memory. People say things on it, honestly or through a patched program; what was said is
//! kept when the device next writes it down and is lost when the power fails before; devices meet when nothing is in the
//! way, and then exchange everything, or a part in any order. A home may be put back to an earlier copy of itself, and a
//! device removed. What is judged, and by whom, is in [`Life::assert_well`]; the whole daemon is simulated in
//! [`crate::network`].

mod device;
mod folded;
mod say;
mod well;

use std::collections::{BTreeMap, BTreeSet};

use betwixt_model::fact::SignedFact;
use betwixt_model::ids::{FactId, HouseholdId};
use betwixt_model::membership::{Accepted, Membership, Standing};
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};

use crate::oracle::{Here, Oracle};
use device::Device;

/// The space of all lives.
const HOUSEHOLD: HouseholdId = HouseholdId::from_bytes([7; 32]);

/// The most devices of a life, copies with them.
const MOST_DEVICES: usize = 6;

/// What happened in some lives, to see that they are of the kind that is meant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Happened {
    /// Facts that were said and kept.
    pub said: u64,
    /// With a page that was read earlier.
    pub stale: u64,
    /// With a `seen` that no honest program writes.
    pub dishonest: u64,
    /// Sayings that the model refused.
    pub refused: u64,
    /// Meetings in which everything was exchanged.
    pub met: u64,
    /// Meetings that broke off half-way, or brought things in any order.
    pub partly: u64,
    /// Crashes that lost something.
    pub crashed: u64,
    /// Homes that were put back to an earlier copy.
    pub restored: u64,
    /// Homes that were copied, and went on on both machines.
    pub copied: u64,
    /// Lives at whose end a device was removed.
    pub removed: u64,
    /// Fields that differ at the end.
    pub differing: u64,
    /// Fields with an agreement at the end.
    pub agreed: u64,
    /// Facts that are not live at the end.
    pub replaced: u64,
    /// Facts that wait for others, at the end.
    pub waiting: u64,
}

impl std::ops::AddAssign for Happened {
    fn add_assign(&mut self, other: Self) {
        self.said += other.said;
        self.stale += other.stale;
        self.dishonest += other.dishonest;
        self.refused += other.refused;
        self.met += other.met;
        self.partly += other.partly;
        self.crashed += other.crashed;
        self.restored += other.restored;
        self.copied += other.copied;
        self.removed += other.removed;
        self.differing += other.differing;
        self.agreed += other.agreed;
        self.replaced += other.replaced;
        self.waiting += other.waiting;
    }
}

/// A life that goes on.
pub struct Life {
    seed: u64,
    rng: ChaCha20Rng,
    devices: Vec<Device>,
    /// Pairs of devices that cannot reach each other.
    cut: BTreeSet<(usize, usize)>,
    membership: Membership,
    /// Everything that was written down somewhere.
    kept: BTreeMap<FactId, SignedFact>,
    oracle: Oracle,
    happened: Happened,
}

impl Life {
    /// Two to four devices of two partners, who have said nothing yet.
    pub fn seeded(seed: u64) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let second = 1 + draw(&mut rng, 2) as u8;
        let first = 1 + draw(&mut rng, 2) as u8;
        let numbers = (1..=first).chain(100..100 + second);
        let devices: Vec<Device> = numbers.map(Device::new).collect();
        let mut membership = Membership::default();
        for device in &devices {
            membership.set(device.id, Standing { partner: device.partner, accepted: Accepted::Everything });
        }
        let (cut, kept, oracle) = (BTreeSet::new(), BTreeMap::new(), Oracle::default());
        Self { seed, rng, devices, cut, membership, kept, oracle, happened: Happened::default() }
    }

    /// Lives through some random events.
    pub fn live(&mut self, events: u32) {
        for _ in 0..events {
            let at = self.anybody();
            match draw(&mut self.rng, 100) {
                0..58 => self.say(at),
                58..64 => self.say_dishonestly(at),
                64..78 => {
                    let other = self.anybody();
                    self.meet(at, other);
                }
                78..84 => {
                    let other = self.anybody();
                    self.meet_partly(at, other);
                }
                84..88 => {
                    let other = self.anybody();
                    self.cut.insert((at.min(other), at.max(other)));
                }
                88..92 => self.cut.clear(),
                92..96 => self.happened.crashed += u64::from(self.devices[at].crash()),
                96 => self.keep(at),
                97 => self.copy(at),
                _ => {
                    self.keep(at);
                    self.happened.restored += u64::from(self.devices[at].restore());
                }
            }
        }
    }

    /// Somebody copies a home, and goes on on both.
    fn copy(&mut self, at: usize) {
        if self.devices.len() < MOST_DEVICES {
            self.keep(at);
            self.devices.push(self.devices[at].copy());
            self.happened.copied += 1;
        }
    }

    /// Everybody writes down what they said. Sometimes a device is removed, with some of what it said accepted. Then what
    /// was said reaches every device, on each in another order and other portions.
    pub fn end(&mut self) {
        for at in 0..self.devices.len() {
            self.keep(at);
        }
        if draw(&mut self.rng, 8) == 0 {
            self.remove_somebody();
        }
        for at in 0..self.devices.len() {
            let mut missing: Vec<SignedFact> =
                self.kept.values().filter(|fact| !self.devices[at].has.contains(&fact.fact().id())).cloned().collect();
            shuffle(&mut self.rng, &mut missing);
            while !missing.is_empty() {
                let portion = (1 + draw(&mut self.rng, 12) as usize).min(missing.len());
                let portion: Vec<SignedFact> = missing.drain(..portion).collect();
                self.devices[at].take(&self.membership, portion);
            }
        }
    }

    /// What happened.
    pub fn happened(&self) -> Happened {
        self.happened
    }

    fn anybody(&mut self) -> usize {
        draw(&mut self.rng, u32::try_from(self.devices.len()).unwrap_or(1)) as usize
    }

    /// A device writes down what was said on it: from now on it can be told, and has to be there for ever.
    fn keep(&mut self, at: usize) {
        for signed in self.devices[at].keep() {
            self.oracle.remember(signed.fact());
            self.kept.insert(signed.fact().id(), signed);
            self.happened.said += 1;
        }
    }

    fn may_meet(&mut self, one: usize, other: usize) -> bool {
        if one == other || self.cut.contains(&(one.min(other), one.max(other))) {
            return false;
        }
        self.keep(one);
        self.keep(other);
        true
    }

    /// Two devices exchange everything.
    fn meet(&mut self, one: usize, other: usize) {
        if self.may_meet(one, other) {
            self.happened.met += 1;
            for (from, to) in [(one, other), (other, one)] {
                let news = self.news(from, to);
                self.devices[to].take(&self.membership, news);
            }
        }
    }

    /// One device gets some of what another has, in any order: a document of another year first, a connection that breaks.
    fn meet_partly(&mut self, from: usize, to: usize) {
        if self.may_meet(from, to) {
            self.happened.partly += 1;
            let mut news = self.news(from, to);
            shuffle(&mut self.rng, &mut news);
            news.truncate(draw(&mut self.rng, 6) as usize);
            self.devices[to].take(&self.membership, news);
        }
    }

    fn news(&self, from: usize, to: usize) -> Vec<SignedFact> {
        let missing = self.devices[from].has.difference(&self.devices[to].has);
        missing.filter_map(|id| self.kept.get(id)).cloned().collect()
    }

    fn remove_somebody(&mut self) {
        let at = self.anybody();
        let device = self.devices[at].id;
        let own: Vec<FactId> = self
            .kept
            .values()
            .filter(|fact| fact.fact().header().device == device)
            .map(|fact| fact.fact().id())
            .collect();
        let last = own.get(draw(&mut self.rng, u32::try_from(own.len()).unwrap_or(0)) as usize).copied();
        let accepted = match last {
            Some(last) if draw(&mut self.rng, 4) > 0 => Accepted::UpTo(last),
            _ => Accepted::Nothing,
        };
        self.membership.set(device, Standing { partner: self.devices[at].partner, accepted });
        for device in &mut self.devices {
            device.membership_changed(&self.membership);
        }
        self.happened.removed += 1;
    }

    /// What a device has, and what of it counts, for the oracle.
    fn here(&self, at: usize) -> Here {
        let facts = &self.devices[at].has;
        let mut void = BTreeSet::new();
        for (device, standing) in self.membership.devices() {
            let own =
                facts.iter().filter(|id| self.kept.get(id).is_some_and(|fact| fact.fact().header().device == *device));
            let mut accepted = BTreeSet::new();
            match standing.accepted {
                Accepted::Everything => continue,
                Accepted::Nothing => {}
                Accepted::UpTo(last) => {
                    // What the last one builds on by `previous`, as far as that is here.
                    let mut next = facts.contains(&last).then_some(last);
                    while let Some(id) = next.filter(|id| facts.contains(id)) {
                        accepted.insert(id);
                        next = self.kept.get(&id).and_then(|fact| fact.fact().header().previous);
                    }
                }
            }
            void.extend(own.filter(|id| !accepted.contains(id)));
        }
        self.oracle.here(facts, void)
    }
}

/// A number below `bound`, from the seed; 0 when there is none.
fn draw(rng: &mut impl RngCore, bound: u32) -> u32 {
    rng.next_u32().checked_rem(bound).unwrap_or(0)
}

fn shuffle<T>(rng: &mut ChaCha20Rng, items: &mut [T]) {
    for place in (1..items.len()).rev() {
        items.swap(place, draw(rng, u32::try_from(place).unwrap_or(0) + 1) as usize);
    }
}
