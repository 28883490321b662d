//! Everything that can happen to the daemon. The loop takes one at a time; nothing else changes its state.

use std::collections::BTreeSet;

use betwixt_api as api;
use betwixt_api::Problem;
use betwixt_model::document::DocumentId;
use betwixt_net::NetEvent;
use betwixt_store::StoreError;
use betwixt_store::keys::{DataKey, DataKeys};
use ed25519_dalek::SigningKey;
use tokio::sync::oneshot;

use crate::answer::attachments::StoredFile;
use crate::answer::carry::{Carried, Took};
use crate::house::{House, Opened};
use crate::http::{Answer, BridgeEvent, Call, Sees};
use crate::porter::Moved;
use crate::replica::Committed;
use crate::searching::{Change, Slice};

/// What the loop is woken by.
#[derive(Debug)]
pub(crate) enum Event {
    /// A frontend asks something.
    Call(Call),
    /// Something happened on the network.
    Net(NetEvent),
    /// Something happened on a connection of the bridge.
    Bridge(BridgeEvent),
    /// Work that blocks, done beside the loop, has ended.
    Finished(Box<Finished>),
    /// A time that some state machine named has come.
    Timeout,
    /// The process was asked to end.
    Terminate,
}

/// Work that blocks, and what came of it.
#[derive(Debug)]
pub(crate) enum Finished {
    /// The stage that was on its way to the disk is there, or is lost.
    Committed(Result<Committed, StoreError>),
    /// A home was founded.
    Founded(Result<(House, api::Secret), Problem>, oneshot::Sender<Answer>),
    /// A home was unlocked.
    Unlocked(Result<Opened, Problem>, oneshot::Sender<Answer>),
    /// The private key of an open home was unwrapped.
    PrivateKey(Result<DataKey, Problem>, oneshot::Sender<Answer>),
    /// The passphrase was tried with which a device of one's own is let in.
    PairingAllowed(Result<(), Problem>, oneshot::Sender<Answer>),
    /// A passphrase was tried, and what it was said for is done; with the key of a recovery code that was found to open the home.
    Tried(Answer, Option<SigningKey>, oneshot::Sender<Answer>),
    /// A passphrase was tried; when it is right, new data keys are made under this new one.
    MayRenew(Result<DataKeys, Problem>, api::Secret, oneshot::Sender<Answer>),
    /// A passphrase was tried; when it is right, the home is left.
    MayLeave(Result<(), Problem>, oneshot::Sender<Answer>),
    /// A home was given new data keys.
    Renewed(Box<Renewed>, oneshot::Sender<Answer>),
    /// A file was taken in, or was not.
    TakenIn(TakenIn, oneshot::Sender<Answer>),
    /// A chunk of an attached file was read or written.
    Moved(Moved),
    /// Everything on the disk was read, and these documents were damaged.
    FoundDamaged(BTreeSet<DocumentId>),
    /// A piece of a file that was carried here, to be taken in, and who is told what came of it.
    Carried(Box<Carried>, oneshot::Sender<Result<Took, Problem>>),
    /// A slice of the search indexes has ended.
    Searched(Slice),
    /// Search indexes were found damaged.
    SearchDamaged(Vec<Change>),
    /// A home was closed and a backup put in its place.
    Restored(Answer, oneshot::Sender<Answer>),
}

/// A file that was to be added.
#[derive(Debug)]
pub(crate) struct TakenIn {
    /// What whoever adds it sees.
    pub(crate) sees: Sees,
    /// The key of its request.
    pub(crate) key: Option<String>,
    /// What is to be said now that it is on the disk, or why it is not.
    pub(crate) stored: Result<StoredFile, Problem>,
}

/// A home that was closed for new data keys.
#[derive(Debug)]
pub(crate) struct Renewed {
    /// It, open again: by its new keys, or by those of before.
    pub(crate) opened: Result<Opened, Problem>,
    /// Whether it has new ones.
    pub(crate) outcome: Result<api::PassphraseChanged, Problem>,
    /// What its owner was to know before.
    pub(crate) troubles: Vec<String>,
}
