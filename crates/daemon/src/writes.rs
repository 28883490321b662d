//! What the daemon writes beside what its engine does: what frontends say, and who was paired with.

use std::net::SocketAddr;

use betwixt_api::Problem;
use betwixt_model::ids::ItemId;
use betwixt_sync::pairing::{Outcome, PeerIdentity};
use ed25519_dalek::SigningKey;
use tokio::sync::oneshot;

use crate::answer::attachments::StoredFile;
use crate::answer::carry::{Carried, Took};
use crate::bridge::{Place, SaidFact, Unsigned};
use crate::http::access;
use crate::http::{Answer, DeviceChange, Request, Sees};
use crate::searching::{Change, Then};

/// Something to be staged.
#[derive(Debug)]
pub(crate) enum Write {
    /// What a frontend says, who sees so much.
    Api(Sees, Request, oneshot::Sender<Answer>),
    /// A file that is on the disk is attached, by whom sees so much, with the key of the request.
    File(Sees, Option<String>, Box<StoredFile>, oneshot::Sender<Answer>),
    /// What came over the bridge to be said.
    Unsigned {
        /// Where it stands.
        place: Place,
        /// What its writer sees.
        sees: Sees,
        /// What is said.
        unsigned: Box<Unsigned>,
    },
    /// A change of the frontends that are let in, and who is answered what.
    Frontends(access::Change, Option<(oneshot::Sender<Answer>, Box<Answer>)>),
    /// Where frontends reach the daemon is to be remembered, and who is answered what.
    Listen(Option<SocketAddr>, oneshot::Sender<Answer>, Box<Answer>),
    /// Whether the home pauses is to be remembered, and who is answered what.
    Paused(bool, oneshot::Sender<Answer>, Box<Answer>),
    /// The key of this home's recovery code is to be told to the roster, and who is answered what, whether that works or not: the
    /// code is in it.
    RecoveryKey(SigningKey, oneshot::Sender<Answer>, Box<Answer>),
    /// The private part is to be locked, once what was asked before is done.
    Lock(oneshot::Sender<Answer>),
    /// After how many seconds without use the private part locks by itself; `None` for never.
    IdleLimit(Option<u32>, oneshot::Sender<Answer>),
    /// A peer says that this home's counter repeats: it goes on under a new epoch.
    NewEpoch,
    /// A pairing was confirmed on both sides, and came to this.
    Pair(Box<PeerIdentity>, Box<Outcome>),
    /// A device of one's own is called otherwise, or no longer belongs.
    Device(DeviceChange, oneshot::Sender<Answer>),
    /// A piece of a file that was carried here, and who is told what came of it.
    Carried(Box<Carried>, oneshot::Sender<Result<Took, Problem>>),
    /// Sealed answers may be due to be opened: in these sessions, or in any.
    OpenAnswers(Option<Vec<ItemId>>),
    /// How far a search index has come, and how it goes on; `None` where no slice has ended.
    Searched(Change, Option<Then>),
}

/// What follows once it is durable.
#[derive(Debug)]
pub(crate) enum After {
    /// A frontend gets its answer.
    Answer(oneshot::Sender<Answer>, Box<Answer>),
    /// What stands there is said, or was refused.
    Unsigned(Place, Box<Result<SaidFact, Problem>>),
    /// The private part is locked now.
    Lock(oneshot::Sender<Answer>),
    /// The choice when the private part locks by itself counts.
    IdleLimit(Option<u32>, oneshot::Sender<Answer>),
    /// A change of the frontends counts.
    Frontends(access::Change, Option<(oneshot::Sender<Answer>, Box<Answer>)>),
    /// The key of the recovery code is told, and who asked for the code is answered.
    RecoveryKey(oneshot::Sender<Answer>, Box<Answer>),
    /// The new epoch has begun.
    NewEpoch,
    /// A slice of a search index is written down, and it goes on like this.
    Searched(Option<Then>),
    /// Answers may be due in these sessions, too.
    OpenAnswers(Vec<ItemId>),
    /// Nothing.
    Nothing,
    /// The pairing is done.
    Paired(Box<PeerIdentity>),
    /// This device is another one of the peer's partner.
    Joined(Box<PeerIdentity>),
    /// The roster changed, and whoever asked for it gets the devices.
    Devices(oneshot::Sender<Answer>),
    /// Whoever reads a file that was carried here goes on with it.
    Carried(oneshot::Sender<Result<Took, Problem>>, Took),
    /// The addresses set by hand changed.
    Addresses {
        /// Who asked.
        answer: oneshot::Sender<Answer>,
        /// What is no longer to be dialled.
        removed: Option<SocketAddr>,
    },
}
