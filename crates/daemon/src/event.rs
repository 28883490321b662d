//! Everything that can happen to the daemon. The loop takes one at a time; nothing else changes its state.

use betwixt_api as api;
use betwixt_api::Problem;
use betwixt_net::NetEvent;
use betwixt_store::StoreError;
use betwixt_store::keys::DataKey;
use tokio::sync::oneshot;

use crate::house::{House, Opened};
use crate::http::{Answer, BridgeEvent, Call};
use crate::replica::Committed;

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
    /// A home was closed and a backup put in its place.
    Restored(Answer, oneshot::Sender<Answer>),
}
