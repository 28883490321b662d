//! Sealed answers in the simulated network: nobody reads an answer before both have given theirs, and once both have, each
//! reads what the other sealed.

use betwixt_daemon::replica::{Replica, SealedAnswer};
use betwixt_model::document::Scope;
use betwixt_model::fact::Fact;
use betwixt_model::ids::{FactId, PartnerId};
use betwixt_model::seal;
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};
use serde_json::{Value, json};

use super::device::Input;
use super::said::Said;
use super::sayings::{fill, pick};
use super::{DeviceName, Network, draw};

impl Network {
    /// Somebody seals an answer to one of the questions that are there, or answers one anew; or takes an answer back; or,
    /// where there is none, asks.
    pub fn seal_something(&mut self, device: DeviceName) {
        let seed = self.rng.next_u64();
        let thought = move |replica: &Replica, _: &mut ChaCha20Rng| something(replica, seed);
        self.give(device.0, Input::Say(Box::new(thought)));
    }

    /// Judges every question that a running device shows: what is open is what was sealed, and whatever both answered, once
    /// and without taking it back, is open where both texts are still there to be opened.
    ///
    /// # Panics
    /// When it is not so, with the seed.
    pub fn assert_seals_are_kept(&self) {
        for (at, device) in self.devices.iter().enumerate() {
            let Some(replica) = device.replica() else { continue };
            let (view, partners) = (replica.read().expect("the store is open"), replica.partners());
            let Some(reader) = replica.reader(Scope::Ours) else { continue };
            let rows = view.reader().rows(Scope::Ours);
            for session in seal::sessions(&rows, &reader, &partners).expect("the index can be read") {
                let seed = self.seed;
                for answer in &session.answers {
                    let committed = answer.commitment.and_then(|fact| self.sealed_text(&fact));
                    let (Some(shown), Some(sealed)) = (&answer.answer, committed) else { continue };
                    assert_eq!(shown, &sealed, "seed {seed}, device {at}: another answer than was sealed is shown");
                }
                let both = partners.iter().all(|partner| self.is_to_be_opened(&session, partner));
                let open = session.answers.iter().all(|answer| answer.state == seal::AnswerState::Opened);
                assert!(open || !both, "seed {seed}, device {at}: not opened: {session:?}");
            }
        }
    }

    /// How many answers are open, on a running device.
    pub fn opened(&self, device: DeviceName) -> usize {
        let Some(replica) = self.devices[device.0].replica() else { return 0 };
        let (view, partners) = (replica.read().expect("the store is open"), replica.partners());
        let Some(reader) = replica.reader(Scope::Ours) else { return 0 };
        let rows = view.reader().rows(Scope::Ours);
        let sessions = seal::sessions(&rows, &reader, &partners).expect("the index can be read");
        let answers = sessions.iter().flat_map(|session| &session.answers);
        answers.filter(|answer| answer.state == seal::AnswerState::Opened).count()
    }

    /// The text that was sealed by a commitment, if the device that keeps it runs and has it.
    fn sealed_text(&self, commitment: &FactId) -> Option<String> {
        let hash = self.oracle.value(commitment)?.get("hash")?;
        let kept = |(at, fact): &&(usize, Fact)| {
            self.devices[*at].is_running() && fact.value().and_then(|value| value.get("commitment")) == Some(hash)
        };
        let (_, text) = self.private.said().iter().find(kept)?;
        text.value()?.get("answer")?.as_str().map(str::to_owned)
    }

    /// Whether a partner answered once, did not take that back, and still has the text.
    fn is_to_be_opened(&self, session: &seal::Session, partner: &PartnerId) -> bool {
        let said = self.oracle.said_by(partner, &session.id, "commitment");
        matches!(said.as_slice(), [only] if self.sealed_text(only).is_some())
    }
}

fn something(replica: &Replica, seed: u64) -> Option<Said> {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let reader = replica.reader(Scope::Ours)?;
    let view = replica.read().expect("the store is open");
    let rows = view.reader().rows(Scope::Ours);
    let sessions = seal::sessions(&rows, &reader, &replica.partners()).expect("the index can be read");
    let Some(session) = pick(&mut rng, &sessions).filter(|_| sessions.len() > 2 || draw(&mut rng, 3) > 0) else {
        let value = json!({ "text": "What do you wish for?" });
        return Some(Said::ours(fill(replica, None, seal::KIND, "prompt", value)));
    };
    if draw(&mut rng, 12) == 0 {
        return Some(Said::ours(fill(replica, Some(session.id), seal::KIND, "commitment", Value::Null)));
    }
    // The program refuses to seal an answer anew once one is open.
    if session.answers.iter().any(|answer| answer.state == seal::AnswerState::Opened) {
        return None;
    }
    let deck = session.prompt.seen.facts().first()?.to_string();
    let answer = format!("a sealed answer {:016x}", rng.next_u64());
    Some(Said::Sealed(SealedAnswer { session: session.id, deck, answer, seen: Some(session.seen.clone()) }))
}
