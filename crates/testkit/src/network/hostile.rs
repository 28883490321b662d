//! Devices that somebody else has in their hands: frames are altered and mixed with rubbish, and well-signed facts name
//! what their writer never saw.

use betwixt_model::ids::FactId;
use betwixt_model::{chapter, seal};
use betwixt_sync::dialer::ConnectionId;
use betwixt_sync::wire::Frame;
use rand_core::RngCore;
use serde_json::json;

use super::device::Input;
use super::said::Said;
use super::{DeviceName, Network, draw};

/// One frame in this many of a hostile device is altered.
const ALTERED: u32 = 6;

impl Network {
    /// From now on some of what this device sends is altered on its way, and rubbish goes along. From now on sessions may be
    /// refused.
    pub fn make_hostile(&mut self, device: DeviceName) {
        self.hostile.insert(device.0);
        self.trust_nobody();
    }

    /// What this device sends arrives as it was sent again.
    pub fn make_honest(&mut self, device: DeviceName) {
        self.hostile.remove(&device.0);
    }

    /// A patched program on this device says something in a field that is known, and names in `seen` whatever it likes: facts
    /// that have not arrived there, facts of other fields, or nothing.
    pub fn say_dishonestly(&mut self, device: DeviceName) {
        // What breaks a seal is judged where it is said, and what makes a chapter is no one field's matter.
        let honest = [seal::KIND, chapter::KIND];
        let places: Vec<_> =
            self.oracle.places().into_iter().filter(|place| !honest.contains(&place.kind.as_str())).collect();
        if places.is_empty() {
            return;
        }
        let place = places[draw(&mut self.rng, u32::try_from(places.len()).unwrap_or(0)) as usize].clone();
        let mut seen: Vec<FactId> = Vec::new();
        let known: Vec<FactId> = self.oracle.facts().into_iter().collect();
        for _ in 0..draw(&mut self.rng, 4) {
            seen.push(known[draw(&mut self.rng, u32::try_from(known.len()).unwrap_or(0)) as usize]);
        }
        let value = match place.field.as_str() {
            "state" => json!("paused"),
            "until" => json!("2027-09-09"),
            "rank" => json!("z"),
            // In shapes of their own: what somebody said there, again.
            "mark" | "skip" | "moved" | "cadence" | "paused" | "turns" | "measure" | "done" | "amount" | "goal"
            | "milestone" | "value" => {
                let said = self.oracle.said_in(&place);
                let one = said[draw(&mut self.rng, u32::try_from(said.len()).unwrap_or(0)) as usize];
                self.oracle.value(&one).cloned().unwrap_or_default()
            }
            _ => json!(["We rest.", "A calm home"][draw(&mut self.rng, 2) as usize]),
        };
        self.survived.fault("dishonest word");
        let wish = move |_: &_, _: &mut _| Some(Said::Dishonestly { place, value, seen });
        self.give(device.0, Input::Say(Box::new(wish)));
    }

    /// The frame as it arrives. A Hello always arrives as it was sent: with another counter in it a device would shut out
    /// its own later sessions, which is nobody's loss but its own.
    pub(super) fn altered(&mut self, from: usize, mut bytes: Vec<u8>) -> Vec<u8> {
        let hello = matches!(Frame::decode(&bytes), Ok(Frame::Hello(_)));
        if hello || !self.hostile.contains(&from) || draw(&mut self.rng, ALTERED) > 0 {
            return bytes;
        }
        self.survived.fault("frame altered");
        match draw(&mut self.rng, 4) {
            // Rubbish in its place.
            0 => {
                bytes = vec![0; draw(&mut self.rng, 600) as usize];
                self.rng.fill_bytes(&mut bytes);
            }
            // Cut short.
            1 => bytes.truncate(draw(&mut self.rng, u32::try_from(bytes.len()).unwrap_or(0)) as usize),
            // Some bytes altered, the first too, which says what kind of a frame it is.
            _ => {
                for _ in 0..=draw(&mut self.rng, 4) {
                    let at = draw(&mut self.rng, u32::try_from(bytes.len()).unwrap_or(0)) as usize;
                    if let Some(byte) = bytes.get_mut(at) {
                        *byte ^= 1 << draw(&mut self.rng, 8);
                    }
                }
            }
        }
        bytes
    }

    /// A device that is not even a member's speaks on a connection: rubbish on a stream of its own.
    pub fn rubbish(&mut self, to: DeviceName) {
        self.trust_nobody();
        let connections: Vec<ConnectionId> = self.wires.of(to.0);
        for connection in connections {
            self.survived.fault("rubbish");
            let mut bytes = vec![0; draw(&mut self.rng, 300) as usize];
            self.rng.fill_bytes(&mut bytes);
            let stream = betwixt_sync::wire::IncomingStream(1_000_000 + u64::from(draw(&mut self.rng, 1000)));
            self.give(to.0, Input::Frame { connection, stream, bytes });
        }
    }
}
