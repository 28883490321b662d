//! Check-ins: a question that both answer, sealed until both have.

use std::collections::BTreeMap;

use betwixt_model::ids::{FactId, PartnerId};
use betwixt_model::seal::{self, Salt, Sealed};
use rand_core::RngCore;
use serde_json::json;

use super::living::Living;

impl Living {
    /// One asks, both answer, and both answers open. Only where they meet in between.
    pub(super) fn check_in(&mut self, who: usize) {
        let prompt = json!({ "text": self.title() });
        let (asked, session) = self.say_fact(who, None, "sealed", "prompt", prompt);
        let deck = asked.to_string();
        self.meet();
        let mut sealed: Vec<(usize, Sealed)> = Vec::new();
        let mut commitments: BTreeMap<PartnerId, FactId> = BTreeMap::new();
        for who in [who, 1 - who] {
            let bytes = 80 + (self.rng.next_u32() % 200) as usize;
            let answer = self.vocabulary.prose_of(&mut self.rng, bytes);
            let mut salt = [0; 32];
            self.rng.fill_bytes(&mut salt);
            let (salt, partner) = (Salt::from_bytes(salt), self.people.partners[who]);
            let commitment = seal::commitment(&self.household(), &session, &partner, &deck, &salt, &answer);
            let text = Sealed { commitment, salt, answer };
            let kept = seal::text_item(&self.pages[who].space(), &session, &commitment);
            let value = seal::text_value(&session, &text);
            self.say_privately(who, Some(kept), seal::TEXT_KIND, "text", value, Vec::new());
            let value = seal::commitment_value(&commitment, &deck);
            let (fact, _) = self.say_fact(who, Some(session), "sealed", "commitment", value);
            commitments.insert(partner, fact);
            sealed.push((who, text));
        }
        self.meet();
        for (who, text) in sealed {
            let value = seal::opening_value(&commitments, &text);
            self.say(who, Some(session), "sealed", "opening", value);
        }
        self.meet();
    }
}
