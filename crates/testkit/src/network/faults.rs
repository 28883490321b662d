//! Faults at a chosen place: a disk that fails at a write, the power that fails there, a connection that goes down with a frame. And
//! the record of everything that a run went through.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::time::Duration;

use super::{DeviceName, Happening, Network};
use crate::disk::Failure;
use crate::survived::{Ground, Survived, record};

/// How long a device that lost its power is off.
const OFF: Duration = Duration::from_millis(300);

/// What is to happen at a chosen place; nothing, by default.
#[derive(Debug, Default)]
pub(super) struct Planned {
    /// After so many more frames one takes its connection down.
    frames: Option<u64>,
    /// What follows when the disk of a device fails, and how many of its operations had failed when that was planned.
    disks: BTreeMap<usize, (Then, u64)>,
}

impl Planned {
    /// A machine that has lost its power starts with a disk that works.
    pub(super) fn forget(&mut self, device: usize) {
        self.disks.remove(&device);
    }
}

/// What follows when a disk fails.
#[derive(Debug, Clone, Copy)]
enum Then {
    /// It works again after this time.
    Heals(Duration),
    /// The power of the machine fails with it.
    Crash,
}

impl Network {
    /// After so many more writes to its disk (a sync and a change of the length are one each) the disk of a device fails like this, and
    /// works again after some time; the device runs on meanwhile. Nothing is planned while it is down, or its disk is in the way already.
    pub fn fail_at_write(&mut self, device: DeviceName, writes: u64, failure: Failure, time: Duration) {
        self.plan_failure(device, writes, failure, Then::Heals(time));
    }

    /// After so many more writes the power of a device fails, in the middle of whatever it writes. It is started again soon.
    pub fn crash_at_write(&mut self, device: DeviceName, writes: u64) {
        self.plan_failure(device, writes, Failure::Broken, Then::Crash);
    }

    fn plan_failure(&mut self, device: DeviceName, writes: u64, failure: Failure, then: Then) {
        if self.devices[device.0].replica().is_none() {
            return;
        }
        let power = &self.devices[device.0].power;
        power.break_after(writes, failure);
        self.planned.disks.insert(device.0, (then, power.failed()));
    }

    /// The frame after so many more takes its connection down with it.
    pub fn lose_at_frame(&mut self, frames: u64) {
        self.planned.frames = Some(frames);
    }

    /// Whether something that was planned at a place has yet to happen. Nothing of it happens from now on.
    pub fn cancel_planned(&mut self) -> bool {
        let Planned { frames, disks } = std::mem::take(&mut self.planned);
        for device in disks.keys() {
            self.devices[*device].power.heal();
        }
        frames.is_some() || !disks.is_empty()
    }

    /// Whether this frame is the one that was chosen.
    pub(super) fn is_planned_frame(&mut self) -> bool {
        match &mut self.planned.frames {
            Some(0) => self.planned.frames.take().is_some(),
            Some(frames) => {
                *frames -= 1;
                false
            }
            None => false,
        }
    }

    /// Looks whether the disk of a device has failed as it was planned, and lets happen what follows. Answers whether the
    /// device is down by it.
    pub(super) fn disk_failed(&mut self, at: usize) -> bool {
        let failed = self.devices[at].power.failed();
        let Some((then, _)) = self.planned.disks.get(&at).copied().filter(|(_, before)| failed > *before) else {
            return false;
        };
        self.planned.disks.remove(&at);
        match then {
            Then::Heals(time) => {
                self.survived.fault("disk failed");
                self.queue.plan_in(time, Happening::DiskHeals { at });
                false
            }
            Then::Crash => {
                self.crash(DeviceName(at));
                self.queue.plan_in(OFF, Happening::Starts { at });
                true
            }
        }
    }

    /// How much happened: events of the simulation.
    pub fn steps(&self) -> u64 {
        self.survived.steps
    }
}

/// What a run went through so far.
#[derive(Debug, Default)]
pub(super) struct Record {
    pub(super) steps: u64,
    /// How many files were attached.
    pub(super) attached: u64,
    /// How many frames were packed.
    pub(super) packed: u64,
    faults: BTreeMap<&'static str, u64>,
    checked: Cell<u64>,
    lost: Cell<u64>,
}

impl Record {
    pub(super) fn fault(&mut self, what: &'static str) {
        *self.faults.entry(what).or_default() += 1;
    }

    /// A device was asked for everything that was ever acknowledged.
    pub(super) fn judged(&self, values: usize, faults: usize) {
        self.checked.set(self.checked.get() + values as u64);
        self.lost.set(self.lost.get() + faults as u64);
    }
}

impl Drop for Network {
    /// Also when a test fails: what was lost then is to be in the figures.
    fn drop(&mut self) {
        if std::env::var_os(crate::survived::SURVIVED).is_none() {
            return;
        }
        let mut sum = super::Counts::default();
        self.devices.iter().for_each(|device| sum += device.counts);
        let Record { steps, attached, faults, checked, lost, packed: _ } = &self.survived;
        let mut survived = Survived::one(sum.said + sum.refused + sum.refused_by_disk + attached, checked.get());
        survived.lost = lost.get();
        let told = [
            ("power failed between commits", sum.crashes - sum.in_commit),
            ("power failed inside a commit", sum.in_commit),
            ("home put back to an earlier copy", sum.restored),
        ];
        for (fault, count) in faults.iter().map(|(fault, count)| (*fault, *count)).chain(told) {
            survived = survived.with(fault, count);
        }
        survived.steps = *steps;
        record(Ground::Networks, &survived);
    }
}
