//! Photos: facts that name small files, and the files.

use betwixt_model::attachment::{Attached, Digest};
use betwixt_model::ids::ItemId;
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};
use serde_json::json;

use super::living::Living;
use crate::vocabulary::below;

/// How a JPEG begins and ends; what lies between is of no use to anybody.
const BEGINS: [u8; 4] = [0xff, 0xd8, 0xff, 0xe0];
const ENDS: [u8; 2] = [0xff, 0xd9];

/// A photo of a life. Three a month, so that a century stays within the files that a scope takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Photo {
    /// The attachment that names it.
    pub item: ItemId,
    /// Who added it: 0 or 1.
    pub by: usize,
    /// What the fact says of it.
    pub attached: Attached,
    seed: u64,
}

impl Photo {
    /// What is in it, made anew: 4 to 12 KB which, like a photo's, do not compress.
    pub fn bytes(&self) -> Vec<u8> {
        bytes(self.seed)
    }
}

fn bytes(seed: u64) -> Vec<u8> {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let mut bytes = vec![0; 4_096 + below(&mut rng, 8_192)];
    rng.fill_bytes(&mut bytes);
    let end = bytes.len() - ENDS.len();
    bytes[..BEGINS.len()].copy_from_slice(&BEGINS);
    bytes[end..].copy_from_slice(&ENDS);
    bytes
}

impl Living {
    /// A photo of something that they work towards.
    pub(super) fn photo(&mut self, who: usize) {
        let seed = self.rng.next_u64();
        let mut digest = Digest::new(&self.household());
        digest.update(&bytes(seed));
        let attached = digest.finish("image/jpeg");
        let item = self.say(who, None, "attachment", "file", attached.value());
        let title = self.title();
        self.say(who, Some(item), "attachment", "title", title);
        if let Some(goal) = self.goals.recent(&mut self.rng) {
            self.say(who, Some(item), "attachment", "of", json!({ "item": goal, "kind": "goal" }));
        }
        self.photos.push(Photo { item, by: who, attached, seed });
    }
}
