//! A partner's device with a patched Betwixt: it was paired as it should be, has the right keys, and says what it likes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use automerge::transaction::{CommitOptions, Transaction};
use automerge::{ActorId, Change, ReadDoc as _};
use betwixt_daemon::replica::Replica;
use betwixt_model::document::{Document, DocumentId, Scope, actor_id};
use betwixt_model::fact::SignedFact;
use betwixt_model::ids::{DeviceId, HouseholdId};
use betwixt_net::{Bind, CloseCode, Config, Net, NetEvent};
use betwixt_store::keys::{Cost, DataKeys, Secret};
use betwixt_store::{Store, StoreOptions};
use betwixt_sync::dialer::{AttemptId, ConnectionId};
use betwixt_sync::keys::{DeviceKeys, PairKey};
use betwixt_sync::wire::caps::PART;
use betwixt_sync::wire::{DocumentName, Frame, GoodbyeReason, Hello, StreamKey, VERSIONS};
use tokio::sync::mpsc::Receiver;
use tokio::time::timeout;

use crate::home::{Home, PASSPHRASE};

/// How long the other side may take for anything.
const PATIENCE: Duration = Duration::from_secs(60);

/// The device. It holds its home as a daemon does, so the daemon has to be down meanwhile.
#[derive(Debug)]
pub struct Patched {
    keys: Arc<DeviceKeys>,
    replica: Replica,
    store: Store,
    data: DataKeys,
    home: betwixt_store::Home,
    net: Net,
    events: Receiver<NetEvent>,
    other: DeviceId,
    at: SocketAddr,
    attempts: u64,
}

/// One connection of the patched device's.
#[derive(Debug, Clone, Copy)]
pub struct Line(ConnectionId);

impl Patched {
    /// Takes over the home of a device that is down; the other one's daemon runs, on loopback.
    ///
    /// # Errors
    /// When the home is not free or they are not paired.
    pub fn take_over(home: &Home, other: &Home) -> anyhow::Result<Self> {
        let at = SocketAddr::from(([127, 0, 0, 1], other.port().context("only homes on loopback have a port")?));
        let home = betwixt_store::Home::open(home.path())?;
        let data = home.unlock(&Secret::Passphrase(PASSPHRASE, Cost::default()), true)?;
        let (store, _) = home.open_store(&data, StoreOptions::default())?;
        let replica = Replica::open(store.clone())?;
        let keys = Arc::new(DeviceKeys::from_bytes(&replica.identity().keys().to_bytes()));
        let household = replica.roster().household().context("they are paired")?;
        let mut devices = replica.roster().devices();
        let (other, entry) = devices.find(|(device, _)| **device != keys.device()).context("they are paired")?;
        let pair = PairKey::derive(&keys, &household, other, &entry.agreement)?;
        let other = *other;
        drop(devices);
        let config = Config {
            keys: keys.clone(),
            ports: Default::default(),
            knocks: Vec::new(),
            fixed_port: None,
            bind: Bind::Loopback,
            discover_on_loopback: false,
        };
        let (net, events) = Net::start(config)?;
        net.set_peers(vec![pair]);
        Ok(Self { keys, replica, store, data, home, net, events, other, at, attempts: 0 })
    }

    /// Leaves the home as a daemon that goes down does.
    ///
    /// # Errors
    /// When the home cannot be written.
    pub async fn leave(self) -> anyhow::Result<()> {
        self.net.shut_down().await;
        drop(self.replica);
        self.home.settle(&self.data, &self.store)?;
        drop(self.store);
        drop(self.home);
        Ok(())
    }

    /// The device's keys.
    pub fn keys(&self) -> &DeviceKeys {
        &self.keys
    }

    /// The other device.
    pub fn other(&self) -> DeviceId {
        self.other
    }

    /// Its replica, to say and read things.
    pub fn replica(&mut self) -> &mut Replica {
        &mut self.replica
    }

    /// The household of both.
    pub fn household(&self) -> HouseholdId {
        self.replica.roster().household().expect("they are paired")
    }

    /// The shared document with the latest facts.
    ///
    /// # Errors
    /// When there is none.
    pub fn latest(&self) -> anyhow::Result<DocumentId> {
        let heads = self.replica.newest_heads(Scope::Ours)?;
        heads.into_iter().map(|(id, _)| id).max().context("something was shared")
    }

    /// A document of this device's as it stands, to be changed at will: its home does not notice.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn document(&mut self, id: DocumentId) -> anyhow::Result<Document> {
        let document = self.replica.durable_document(id)?.context("nothing is on its way to the disk")?;
        Ok(Document::load(id, &document.save())?)
    }

    /// Puts facts into a change that is sound as a change, whatever they are, and into its own home, so that the device
    /// can go on honestly with what it sent.
    ///
    /// # Errors
    /// When the home cannot be written.
    pub fn carry(&mut self, id: DocumentId, facts: &[SignedFact]) -> anyhow::Result<Change> {
        let mut document = self.document(id)?;
        let change = document.append(&self.actor(id), facts)?;
        self.keep(&document, &change)?;
        Ok(change)
    }

    /// This device's own actor in a document.
    pub fn actor(&self, id: DocumentId) -> ActorId {
        actor_id(&self.keys.device(), &id, &self.replica.epoch())
    }

    /// The actor under which the other device writes into a document now.
    ///
    /// # Errors
    /// When the roster names none.
    pub fn other_actor(&self, id: DocumentId) -> anyhow::Result<ActorId> {
        let entry = self.replica.roster().device(&self.other).context("they are paired")?;
        Ok(actor_id(&self.other, &id, entry.epochs.last().context("it has begun")?))
    }

    /// Another program writes a change of its own into a document of this device's home.
    ///
    /// # Errors
    /// When the home cannot be written, or nothing was written.
    pub fn tamper(&mut self, id: DocumentId, write: impl FnOnce(&mut Transaction<'_>)) -> anyhow::Result<()> {
        let mut document = self.document(id)?;
        let actor = self.actor(id);
        let automerge = document.automerge_mut();
        automerge.set_actor(actor);
        let mut transaction = automerge.transaction();
        write(&mut transaction);
        let hash = transaction.commit_with(CommitOptions::default().with_time(0)).0.context("nothing was written")?;
        let change = document.automerge().get_change_by_hash(&hash).context("it was made just now")?;
        self.keep(&document, &change)
    }

    fn keep(&mut self, document: &Document, change: &Change) -> anyhow::Result<()> {
        let mut batch = self.store.begin()?;
        batch.append_change(document.id(), change.raw_bytes())?;
        batch.put_heads(document.id(), &document.heads())?;
        batch.commit()?;
        Ok(self.replica.abandon()?)
    }

    /// Dials until the handshake is done.
    ///
    /// # Errors
    /// When nobody answers.
    pub async fn dial(&mut self) -> anyhow::Result<Line> {
        self.attempts += 1;
        self.net.dial(AttemptId(self.attempts), self.other, self.at);
        loop {
            match self.event().await? {
                NetEvent::Connected { connection, .. } => return Ok(Line(connection)),
                NetEvent::DialFailed { error, .. } => bail!("the dial failed: {error}"),
                _ => {}
            }
        }
    }

    async fn event(&mut self) -> anyhow::Result<NetEvent> {
        timeout(PATIENCE, self.events.recv()).await.context("nothing happens")?.context("the network ended")
    }

    /// Sends bytes as a frame.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn send_bytes(&self, line: Line, stream: StreamKey, bytes: Vec<u8>) -> anyhow::Result<()> {
        Ok(self.net.send(line.0, stream, bytes)?)
    }

    /// Sends a frame on the control stream.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn send(&self, line: Line, frame: &Frame) -> anyhow::Result<()> {
        self.send_bytes(line, StreamKey::Control, frame.encode())
    }

    /// The Hello that an honest device would say now.
    ///
    /// # Errors
    /// When the counter cannot be stored.
    pub fn hello(&mut self) -> anyhow::Result<Hello> {
        let mut batch = self.store.begin()?;
        let counter = batch.next_counter(&self.other)?;
        batch.commit()?;
        let roster = self.replica.roster().offer(&self.other).context("a member")?;
        let mut roster_heads = roster.heads;
        roster_heads.sort_unstable();
        Ok(Hello { versions: VERSIONS, household: self.household(), counter, roster_heads })
    }

    /// Dials, and talks as an honest device does until documents may be spoken of.
    ///
    /// # Errors
    /// When the other side does not take part.
    pub async fn meet(&mut self) -> anyhow::Result<Line> {
        let hello = Frame::Hello(self.hello()?);
        let line = self.dial().await?;
        self.send(line, &hello)?;
        ensure!(matches!(self.frame(line).await?, Frame::Hello(_)), "a Hello comes first");
        // None that it has: so it lists its documents.
        self.send(line, &Frame::Digest([9; 32]))?;
        ensure!(matches!(self.frame(line).await?, Frame::Documents(_)), "the digests differ");
        // Nothing differs, says this side.
        self.send(line, &Frame::Documents(Vec::new()))?;
        Ok(line)
    }

    /// Says something about a document: a sync message, or a saved document.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn say(&self, line: Line, id: DocumentId, message: Vec<u8>, whole: bool) -> anyhow::Result<()> {
        let id = DocumentName::of(id);
        let stream = StreamKey::Document(id);
        self.send_bytes(line, stream, Frame::Open(id).encode())?;
        let count = message.chunks(PART).count();
        for (index, part) in message.chunks(PART).enumerate() {
            let (last, bytes) = (index + 1 == count, part.to_vec());
            let frame = if whole { Frame::Whole { last, bytes } } else { Frame::Sync { last, bytes } };
            self.send_bytes(line, stream, frame.encode())?;
        }
        Ok(())
    }

    /// The next frame of the other side's, on whatever stream.
    ///
    /// # Errors
    /// When none comes.
    pub async fn frame(&mut self, line: Line) -> anyhow::Result<Frame> {
        loop {
            match self.event().await? {
                NetEvent::Frame { connection, frame, .. } if connection == line.0 => return Ok(Frame::decode(&frame)?),
                NetEvent::Lost { connection, reason } if connection == line.0 => bail!("hung up on: {reason}"),
                _ => {}
            }
        }
    }

    /// Waits until the other side hangs up; what it said last.
    ///
    /// # Errors
    /// When it does not, or says no reason.
    pub async fn hung_up(&mut self, line: Line) -> anyhow::Result<GoodbyeReason> {
        let mut said = None;
        loop {
            match self.event().await? {
                NetEvent::Frame { connection, frame, .. } if connection == line.0 => {
                    if let Frame::Goodbye(reason) = Frame::decode(&frame)? {
                        said = Some(reason);
                    }
                }
                NetEvent::Lost { connection, .. } if connection == line.0 => {
                    return said.context("hung up on without a word");
                }
                _ => {}
            }
        }
    }

    /// Hangs up, as a device that loses its network.
    pub fn hang_up(&self, line: Line) {
        self.net.close(line.0, CloseCode::Done);
    }
}
