//! Private pages: said on a device, on all devices of the same partner, and never anywhere else (PrivateStaysHome).

use betwixt_daemon::replica::Replica;
use betwixt_model::document::{Document, GENESIS, Scope};
use betwixt_model::ids::{ItemId, encode_base32};
use betwixt_model::index;
use betwixt_model::say::Saying;
use betwixt_sync::wire::Lane;
use rand_core::RngCore;
use serde_json::json;

use super::device::Input;
use super::said::Said;
use super::{DeviceName, Network};

/// Stands in everything that is said in private.
const MARK: &[u8] = b"for nobody else to read";

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
        assert!(!holds(frame, MARK), "seed {}: device {from} sent something private", self.seed);
        for (_, fact) in &self.private {
            let id = fact.id();
            let leaked = holds(frame, id.as_bytes()) || holds(frame, encode_base32(id.as_bytes()).as_bytes());
            assert!(!leaked, "seed {}: device {from} sent a private fact's id", self.seed);
        }
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
            for (home, fact) in &self.private {
                for scope in [Scope::Ours, Scope::Mine] {
                    let here = index::holds(&view.reader().rows(scope), &fact.id()).expect("the index can be read");
                    let expected = device.partner == self.devices[*home].partner && scope == Scope::Mine;
                    assert_eq!(here, expected, "seed {}: a private fact of device {home}, on device {at}", self.seed);
                }
            }
            assert!(!shared_changes_hold(replica, MARK), "seed {}: private text is shared on device {at}", self.seed);
        }
    }

    /// How much was said in private and kept.
    pub fn private_facts(&self) -> usize {
        self.private.len()
    }
}

fn shared_changes_hold(replica: &Replica, needle: &[u8]) -> bool {
    let view = replica.read().expect("the store is open");
    let documents = view.reader().documents(Scope::Ours).expect("documents can be read");
    documents.into_keys().any(|id| {
        let stored = view.reader().document(id).expect("a document can be read").expect("it is listed");
        let document = Document::load(id, &stored.bytes(GENESIS)).expect("what is stored is a document");
        document.changes_since(&[]).iter().any(|change| holds(change.raw_bytes(), needle))
    })
}

fn holds(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle)
}
