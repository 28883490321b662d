//! Private pages: said on a device, on all devices of the same partner, and never anywhere else (PrivateStaysHome).

use aho_corasick::AhoCorasick;
use betwixt_daemon::replica::Replica;
use betwixt_model::attachment::Attached;
use betwixt_model::document::{Document, GENESIS, Scope};
use betwixt_model::fact::Fact;
use betwixt_model::ids::{ItemId, encode_base32};
use betwixt_model::index;
use betwixt_model::say::Saying;
use betwixt_sync::wire::{Frame, Lane, decode_packed_message, decode_present, decode_sync_message};
use rand_core::RngCore;
use serde_json::json;

use super::device::Input;
use super::said::Said;
use super::{DeviceName, Network};

/// Stands in everything that is said in private.
const MARK: &[u8] = b"for nobody else to read";

/// What was said in private, and what betrays it in a frame: every frame of years is looked through for all of it at once.
pub(super) struct Private {
    /// On which device, and what.
    said: Vec<(usize, Fact)>,
    /// Finds the mark, and every private fact's id as bytes and as text.
    needles: AhoCorasick,
}

impl Default for Private {
    fn default() -> Self {
        Self::of(Vec::new())
    }
}

impl Private {
    pub(super) fn of(said: Vec<(usize, Fact)>) -> Self {
        let ids = said.iter().map(|(_, fact)| fact.id());
        // And what files are called.
        let files = said.iter().filter_map(|(_, fact)| Attached::of(fact.value()?)).map(|file| *file.id().as_bytes());
        let ids = ids.map(|id| *id.as_bytes()).chain(files);
        let ids = ids.flat_map(|id| [id.to_vec(), encode_base32(&id).into_bytes()]);
        let needles =
            AhoCorasick::new(std::iter::once(MARK.to_vec()).chain(ids)).expect("ids are short, and not too many");
        Self { said, needles }
    }

    pub(super) fn said(&self) -> &[(usize, Fact)] {
        &self.said
    }

    pub(super) fn remember(&mut self, at: usize, fact: Fact) {
        let mut said = std::mem::take(&mut self.said);
        said.push((at, fact));
        *self = Self::of(said);
    }
}

impl Network {
    /// Somebody writes into their own pages.
    pub fn say_privately(&mut self, device: DeviceName) {
        let text = format!("{} {:016x}", String::from_utf8_lossy(MARK), self.rng.next_u64());
        let (item, kind, field) = (None::<ItemId>, "journal".to_owned(), "text".to_owned());
        let saying = Saying { item, kind, field, value: json!(text), seen: None };
        let said = Said::Honestly { scope: Scope::Mine, saying };
        self.give(device.0, Input::Say(Box::new(move |_, _| Some(said))));
    }

    /// Locks a device's private part, or unlocks it. Nothing happens while something is on its way to its disk.
    pub fn lock(&mut self, device: DeviceName, locked: bool) {
        self.give(device.0, Input::Lock(locked));
    }

    /// No frame to a device of the other partner's holds a private text, or the id of a private fact as bytes or text, nor
    /// is it one that only devices of one partner send each other.
    pub(super) fn assert_nothing_private(&self, from: usize, to: usize, lane: Lane, frame: &[u8]) {
        if self.devices[from].partner == self.devices[to].partner {
            return;
        }
        assert_eq!(lane, Lane::Shared, "seed {}: device {from} speaks of private documents", self.seed);
        let unpacked = unpacked(frame);
        let found = std::iter::once(frame).chain(unpacked.iter().map(Vec::as_slice));
        let found =
            found.filter_map(|bytes| self.private.needles.find(bytes)).next().map(|found| found.pattern().as_usize());
        assert!(found.is_none(), "seed {}: device {from} sent something private, or its id: {found:?}", self.seed);
    }

    /// PrivateStaysHome: what was said in private is on the devices of whoever said it, which have come into step, and on no
    /// other, neither in an index nor in what any document's changes hold when they are unpacked. That no frame to others
    /// held it was seen when it was sent.
    ///
    /// # Panics
    /// When something private is missing or elsewhere, with the seed.
    pub fn assert_private_stays_home(&self) {
        for (at, device) in self.devices.iter().enumerate() {
            let Some(replica) = device.replica() else { continue };
            let view = replica.read().expect("the store is open");
            for (home, fact) in self.private.said() {
                for scope in [Scope::Ours, Scope::Mine] {
                    let here = index::holds(&view.reader().rows(scope), &fact.id()).expect("the index can be read");
                    let expected = device.partner == self.devices[*home].partner && scope == Scope::Mine;
                    assert_eq!(here, expected, "seed {}: a private fact of device {home}, on device {at}", self.seed);
                }
            }
            let shared = shared_changes_hold(replica, &self.private.needles);
            assert!(!shared, "seed {}: something private is shared on device {at}", self.seed);
        }
    }

    /// How much was said in private and kept.
    pub fn private_facts(&self) -> usize {
        self.private.said().len()
    }
}

/// What a frame's changes and facts hold, where they are compressed in it.
fn unpacked(frame: &[u8]) -> Vec<Vec<u8>> {
    let changes = match Frame::decode(frame) {
        Ok(Frame::Packed { last: true, bytes }) => decode_packed_message(&bytes).map(|(_, changes)| changes),
        Ok(Frame::Sync { last: true, bytes }) => decode_sync_message(&bytes).map(|(_, changes)| changes),
        Ok(Frame::Present { last: true, bytes }) => {
            let facts = decode_present(&bytes).unwrap_or_default();
            return facts.into_iter().map(|fact| fact.text.into_bytes()).collect();
        }
        // What is in several parts is not private for being long: documents are looked into at the end of a run.
        _ => return Vec::new(),
    };
    changes.into_iter().flatten().map(|change| change.raw_bytes().to_vec()).collect()
}

fn shared_changes_hold(replica: &Replica, needles: &AhoCorasick) -> bool {
    let view = replica.read().expect("the store is open");
    let documents = view.reader().documents(Scope::Ours).expect("documents can be read");
    documents.into_keys().any(|id| {
        let stored = view.reader().document(id).expect("a document can be read").expect("it is listed");
        let document = Document::load(id, &stored.bytes(GENESIS)).expect("what is stored is a document");
        document.changes_since(&[]).iter().any(|change| needles.is_match(change.raw_bytes()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::Network;

    #[test]
    fn what_is_private_is_found_in_a_frame_however_it_stands_there() {
        let mut network = Network::seeded(1);
        let (first, _) = network.couple();
        network.run_until_idle();
        network.say_privately(first);
        network.run_until_idle();
        let [(_, fact)] = network.private.said() else { panic!("one thing was said in private") };
        let id = fact.id();
        for needle in [MARK.to_vec(), id.as_bytes().to_vec(), encode_base32(id.as_bytes()).into_bytes()] {
            let frame = [&[7; 100], needle.as_slice(), &[7; 100]].concat();
            assert!(network.private.needles.is_match(&frame), "{needle:?}");
            assert!(!network.private.needles.is_match(&frame[..100 + needle.len() - 1]));
        }
    }
}
