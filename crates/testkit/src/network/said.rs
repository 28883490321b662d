//! What somebody wants to say on a device, honestly or not.

use betwixt_daemon::replica::{Act, ActError, Replica};
use betwixt_model::document::Scope;
use betwixt_model::fact::{Draft, Fact, Nonce, SignedFact};
use betwixt_model::ids::{DeviceId, FactId, PartnerId};
use betwixt_model::say::Saying;
use jiff::civil::Date;
use rand_chacha::ChaCha20Rng;
use serde_json::Value;

use super::chapters::{ChapterWish, say_of_a_chapter};
use crate::oracle::Place;

/// What somebody wants to say, as a function of the device's state at the moment when they say it.
pub(super) type Wish = Box<dyn FnOnce(&Replica, &mut ChaCha20Rng) -> Option<Said> + Send>;

/// Something to be said.
#[derive(Debug)]
pub(super) enum Said {
    /// Through the program as it is.
    Honestly { scope: Scope, saying: Saying },
    /// Through a patched one, in the shared scope: the fact is well signed and names in `seen` what it likes.
    Dishonestly { place: Place, value: Value, seen: Vec<FactId> },
    /// Something about a new chapter.
    OfAChapter(ChapterWish),
}

impl Said {
    /// In the shared scope.
    pub(super) fn ours(saying: Saying) -> Self {
        Self::Honestly { scope: Scope::Ours, saying }
    }

    pub(super) fn scope(&self) -> Scope {
        match self {
            Self::Honestly { scope, .. } => *scope,
            Self::Dishonestly { .. } | Self::OfAChapter(_) => Scope::Ours,
        }
    }
}

/// Says it in an act. A dishonest one is signed by the same key.
pub(super) fn perform(
    act: &mut Act<'_>,
    said: Said,
    by: (PartnerId, DeviceId),
    date: Date,
    nonce: Nonce,
) -> Result<SignedFact, ActError> {
    match said {
        Said::Honestly { saying, .. } => act.say(saying),
        Said::OfAChapter(wish) => say_of_a_chapter(act, &wish),
        Said::Dishonestly { place: Place { item, kind, field }, value, seen } => {
            let (household, previous) = (act.household(), act.tip()?);
            let (item, (partner, device)) = (Some(item), by);
            let draft = Draft { household, item, kind, field, seen, previous, partner, device, date, nonce, value };
            act.add(Fact::write(draft).expect("a few short words keep to the format"))
        }
    }
}
