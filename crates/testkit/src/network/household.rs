//! Who is in a network: couples, their other devices, and copies of homes.

use std::time::Duration;

use betwixt_model::document::Scope;
use betwixt_model::ids::FactId;
use betwixt_model::index;
use betwixt_sync::roster::{FoundingSide, Roster};
use betwixt_sync::wire::{Frame, PACKED_SINCE, PRESENT_SINCE, VERSIONS, VersionRange};
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};

use super::device::Device;
use super::private::Private;
use super::{DeviceName, Network, draw};

impl Network {
    /// Two partners with one device each, paired.
    pub fn couple(&mut self) -> (DeviceName, DeviceName) {
        let (first, second) = (self.new_device(), self.new_device());
        self.found_household(first, second);
        (first, second)
    }

    /// What pairing does at its end, without its messages: both roster chains are exchanged, and both sign the founding.
    fn found_household(&mut self, first: DeviceName, second: DeviceName) {
        let mut chains = Vec::new();
        let mut sides = Vec::new();
        for name in [first, second] {
            let device = &self.devices[name.0];
            let replica = device.replica().expect("a new device runs");
            chains.extend(replica.roster().statements().cloned());
            let mut nonce = [0; 16];
            self.rng.fill_bytes(&mut nonce);
            sides.push(FoundingSide { partner: device.partner, device: device.id, nonce });
        }
        let both = Roster::from_statements(sides[0].partner, None, chains.iter().cloned());
        let draft = both.draft_founding(sides[0], sides[1]).expect("the devices are of two partners");
        let mut signatures: Vec<_> = [first, second]
            .map(|name| {
                let device = &self.devices[name.0];
                let keys = device.replica().expect("a new device runs").identity().keys().signing();
                (device.partner, draft.sign(keys))
            })
            .into();
        // Signed in the order of the partners.
        signatures.sort_unstable_by_key(|(partner, _)| *partner);
        let signatures: Vec<[u8; 64]> = signatures.into_iter().map(|(_, signature)| signature).collect();
        chains.push(draft.complete(&signatures).expect("both have signed"));
        for name in [first, second] {
            let now = self.now(name.0);
            self.devices[name.0].adopt(now, chains.clone());
            self.work(name.0);
        }
    }

    /// A couple in step, and more devices of the first (0) or the second (1) of the two, one after the other.
    pub fn household(&mut self, others: &[usize]) -> Vec<DeviceName> {
        let (first, second) = self.couple();
        self.run_until_idle();
        let mut devices = vec![first, second];
        for of in others {
            let other = self.another_device(devices[*of]);
            devices.push(other);
            self.run_until_idle();
        }
        devices
    }

    /// Another device of the partner that `of` speaks for, which has to run: what pairing with an own device does at its
    /// end, by roster statements alone. The other devices learn of it when they meet one that knows it.
    pub fn another_device(&mut self, of: DeviceName) -> DeviceName {
        // There is one writer to a store at a time, and this one would wait for ever.
        while self.devices[of.0].is_committing() {
            self.run_for(Duration::from_millis(1));
        }
        let rng = ChaCha20Rng::seed_from_u64(self.rng.next_u64());
        let other = self.devices[of.0].replica().expect("who adds a device runs");
        let (device, added) = Device::join(self.next_number(), self.queue.now(), rng, other);
        let name = self.add(device);
        let now = [name.0, of.0].map(|at| self.now(at));
        self.devices[name.0].meet(now[0]);
        self.devices[of.0].adopt(now[1], vec![added]);
        for at in [of.0, name.0] {
            self.work(at);
        }
        name
    }

    /// Somebody copies a device's home to another machine and runs both: two devices with one key and one epoch. From now
    /// on sessions may be refused.
    pub fn copy(&mut self, of: DeviceName) -> DeviceName {
        let rng = ChaCha20Rng::seed_from_u64(self.rng.next_u64());
        let copy = self.devices[of.0].copy(self.next_number(), self.queue.now(), rng);
        let name = self.add(copy);
        self.trust_nobody();
        self.rolled_back = true;
        self.survived.fault("home copied, both running");
        let now = self.now(name.0);
        self.devices[name.0].meet(now);
        self.work(name.0);
        for other in 0..self.devices.len() {
            self.advertise(other);
        }
        name
    }

    /// A device that runs is given a program that speaks the protocol up to this version alone, and started anew: an older build, or the
    /// present one.
    pub fn install(&mut self, device: DeviceName, newest: u32) {
        if !self.devices[device.0].is_running() {
            return;
        }
        let versions = VersionRange { newest, ..VERSIONS };
        self.devices[device.0].install(versions);
        if versions != VERSIONS {
            self.survived.fault("older version of the protocol");
        }
        self.crash(device);
        self.restart(device);
    }

    /// Nobody is sent what their version of the protocol does not have.
    pub(super) fn assert_is_understood(&mut self, from: usize, to: usize, frame: &[u8]) {
        let since = match Frame::decode(frame) {
            Ok(Frame::Packed { .. }) => PACKED_SINCE,
            Ok(Frame::AskPresent | Frame::Present { .. }) => PRESENT_SINCE,
            _ => return,
        };
        let speaks = [from, to].iter().all(|end| self.devices[*end].versions().newest >= since);
        assert!(speaks, "seed {}: device {from} sent {to} what one of them does not know", self.seed);
        self.survived.packed += u64::from(since == PACKED_SINCE);
    }

    /// How many packed messages were sent, which the first version of the protocol does not have.
    pub fn packed_frames(&self) -> u64 {
        self.survived.packed
    }

    /// A device keeps a copy of its home.
    pub fn back_up(&mut self, device: DeviceName) {
        if self.devices[device.0].is_running() {
            self.devices[device.0].back_up();
        }
    }

    /// A device's home is put back to the copy that it kept, if it kept one and every device runs. What it said since and
    /// nobody else has is lost with its disk, and forgotten here; everything else has to come back. From now on sessions
    /// may be refused, for its counters come again.
    pub fn restore(&mut self, device: DeviceName) {
        if !self.go_down_for_an_older_home(device) {
            return;
        }
        let now = self.now(device.0);
        self.devices[device.0].restore(now);
        self.forget_what_is_lost();
        self.devices[device.0].counts.restored += 1;
        self.work(device.0);
    }

    /// A device goes down that will come back with an older home, if it kept a copy and every device runs; answers whether it did.
    fn go_down_for_an_older_home(&mut self, device: DeviceName) -> bool {
        if !self.devices[device.0].has_backup() || !self.devices.iter().all(Device::is_running) {
            return false;
        }
        self.trust_nobody();
        self.rolled_back = true;
        for connection in self.wires.of(device.0) {
            self.lose(connection);
        }
        // What others were about to write down, they write down.
        self.run_for(Duration::from_millis(200));
        self.crash(device);
        true
    }

    /// From now on the disk of a device says that it has made things durable and has not, until it is told to be honest.
    pub fn set_lying(&mut self, device: DeviceName, lies: bool) {
        self.devices[device.0].power.set_lying(lies);
    }

    /// The power fails on a device whose disk has lied, if it kept a copy of its home and every device runs; and it is started again: where
    /// the home that is there is whole, as that, however old it is, and nobody is told; otherwise from the copy. What it said since that
    /// time and nobody else has is lost with its disk, and forgotten here; everything else has to come back. Answers whether the home was
    /// whole; `None` where nothing was done. From now on sessions may be refused.
    pub fn lose_power_after_lies(&mut self, device: DeviceName) -> Option<bool> {
        if !self.go_down_for_an_older_home(device) {
            return None;
        }
        let now = self.now(device.0);
        let whole = self.devices[device.0].start_after_lies(now);
        self.survived.fault(if whole { "disk that lied: older home" } else { "disk that lied: damaged home" });
        self.forget_what_is_lost();
        self.work(device.0);
        Some(whole)
    }

    /// A device is never started again, and what only it had is lost with it, and forgotten here; every other device has to
    /// run.
    ///
    /// # Panics
    /// When one does not.
    pub fn retire(&mut self, device: DeviceName) {
        self.crash(device);
        let others = self.devices.iter().enumerate().filter(|(at, _)| *at != device.0);
        assert!(others.map(|(_, other)| other).all(Device::is_running), "what a device has that is down is not lost");
        self.forget_what_is_lost();
    }

    /// What is on no running device is lost.
    fn forget_what_is_lost(&mut self) {
        let anywhere = |scope, fact: &FactId| {
            self.devices.iter().filter_map(Device::replica).any(|replica| {
                let view = replica.read().expect("the store is open");
                index::holds(&view.reader().rows(scope), fact).expect("the index can be read")
            })
        };
        let lost: Vec<FactId> = self.oracle.facts().into_iter().filter(|fact| !anywhere(Scope::Ours, fact)).collect();
        let private = self.private.said().iter();
        let kept: Vec<_> = private.filter(|(_, fact)| anywhere(Scope::Mine, &fact.id())).cloned().collect();
        self.private = Private::of(kept);
        lost.iter().for_each(|fact| self.oracle.forget(fact));
    }

    /// From now on it is no fault of anybody's that a session is refused.
    pub(super) fn trust_nobody(&mut self) {
        self.devices.iter_mut().for_each(|device| device.trusting = false);
    }

    fn new_device(&mut self) -> DeviceName {
        let rng = ChaCha20Rng::seed_from_u64(self.rng.next_u64());
        let device = Device::found(self.next_number(), self.queue.now(), rng);
        self.add(device)
    }

    fn next_number(&self) -> u16 {
        u16::try_from(self.devices.len()).expect("a few devices")
    }

    fn add(&mut self, mut device: Device) -> DeviceName {
        let number = self.devices.len();
        // Somebody's calendar is off by up to a week and a half, so that they write into another year at its end.
        device.skew = i32::try_from(draw(&mut self.rng, 21)).unwrap_or(0) - 10;
        device.trusting = self.devices.iter().all(|device| device.trusting);
        self.devices.push(device);
        self.timers.push(None);
        DeviceName(number)
    }
}
