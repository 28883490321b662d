//! What somebody wants to say on a device, honestly or not.

use betwixt_daemon::replica::{ActError, Replica, SealedAnswer, Stage};
use betwixt_model::document::Scope;
use betwixt_model::fact::{Draft, Fact, Nonce};
use betwixt_model::ids::{FactId, ItemId};
use betwixt_model::index;
use betwixt_model::say::Saying;
use jiff::civil::Date;
use rand_chacha::ChaCha20Rng;
use rand_core::RngCore;
use serde_json::Value;

use super::chapters::{ChapterWish, say_of_a_chapter};
use super::device::Word;
use crate::oracle::Place;

/// What is to be written on a device.
pub(super) enum Wish {
    /// Somebody wants to say something, as a function of the device's state at the moment when they say it.
    Say(Thought),
    /// Sealed answers may be due to be opened, in these sessions or in any: the device's own doing.
    OpenAnswers(Option<Vec<ItemId>>),
    /// A copy of this home may run somewhere: it goes on under a new epoch.
    NewEpoch,
}

/// What somebody wants to say when the time has come, if anything.
pub(super) type Thought = Box<dyn FnOnce(&Replica, &mut ChaCha20Rng) -> Option<Said> + Send>;

/// Something to be said.
#[derive(Debug)]
pub(super) enum Said {
    /// Through the program as it is.
    Honestly { scope: Scope, saying: Saying },
    /// Through a patched one, in the shared scope: the fact is well signed and names in `seen` what it likes.
    Dishonestly { place: Place, value: Value, seen: Vec<FactId> },
    /// Something about a new chapter.
    OfAChapter(ChapterWish),
    /// An answer that nobody reads before both have answered.
    Sealed(SealedAnswer),
}

impl Said {
    /// In the shared scope.
    pub(super) fn ours(saying: Saying) -> Self {
        Self::Honestly { scope: Scope::Ours, saying }
    }
}

/// Says it. Answers what was said, and where.
pub(super) fn say(
    replica: &mut Replica,
    stage: &mut Stage,
    date: Date,
    rng: &mut ChaCha20Rng,
    said: Said,
) -> Result<Vec<Word>, ActError> {
    let (partner, device) = (replica.identity().partner(), replica.identity().device());
    let (scope, signed) = match said {
        Said::Honestly { scope, saying } => (scope, replica.act(stage, scope, date, rng, |act| act.say(saying))?),
        Said::OfAChapter(wish) => {
            (Scope::Ours, replica.act(stage, Scope::Ours, date, rng, |act| say_of_a_chapter(act, &wish))?)
        }
        // Signed by the same key.
        Said::Dishonestly { place: Place { item, kind, field }, value, seen } => {
            let (item, mut nonce) = (Some(item), [0; 16]);
            rng.fill_bytes(&mut nonce);
            let nonce = Nonce::from_bytes(nonce);
            let signed = replica.act(stage, Scope::Ours, date, rng, |act| {
                let (household, previous) = (act.household(), act.tip()?);
                let draft = Draft { household, item, kind, field, seen, previous, partner, device, date, nonce, value };
                act.add(Fact::write(draft).expect("a few short words keep to the format"))
            })?;
            (Scope::Ours, signed)
        }
        Said::Sealed(answer) => {
            let session = answer.session;
            let [kept, committed] = replica.seal_answer(stage, date, rng, answer)?;
            let mut words = vec![word(stage, Scope::Mine, kept), word(stage, Scope::Ours, committed)];
            let opened = replica.open_answers(stage, date, rng, &[session])?;
            words.extend(opened.into_iter().map(|fact| word(stage, Scope::Ours, fact)));
            return Ok(words);
        }
    };
    Ok(vec![(scope, Box::new(signed.fact().clone()))])
}

/// A fact that was staged.
pub(super) fn word(stage: &mut Stage, scope: Scope, fact: FactId) -> Word {
    let signed = index::fact(&stage.batch().reader().rows(scope), &fact).expect("the index can be read");
    (scope, Box::new(signed.expect("it was said just now").fact().clone()))
}
