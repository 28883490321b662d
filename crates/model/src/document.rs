//! The documents that carry facts: one Automerge document a scope and year, each begun by the same genesis change.
//!
//! At a document's root stands one map a practice, fact id to the fact's text, and `signatures`, fact id to 64 bytes.
//! Facts are read out of *changes* as they arrive, never out of a document's present state: removing or altering a key
//! therefore has no meaning.
//!
//! A document does not know who may write to it ([`crate::gate`] does), and holds no opinion on what its facts mean.

mod load;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use automerge::legacy::{Key, ObjectId, OpType};
use automerge::transaction::{CommitOptions, Transactable, Transaction};
use automerge::{ActorId, Automerge, AutomergeError, Change, ChangeHash, ObjId, ROOT, ReadDoc, ScalarValue};
use serde::{Deserialize, Serialize};

use crate::fact::{Fact, FactError, SignedFact, WrongSignature};
use crate::ids::{DeviceId, EpochId, FactId};

/// The genesis change that every document begins with: the same bytes on every device, for ever.
pub const GENESIS: &[u8] = include_bytes!("genesis.automerge");

/// The root's map of signatures.
pub const SIGNATURES: &str = "signatures";

/// The root's maps of facts. A kind without a practice of its own goes into the last.
pub const PRACTICES: [&str; 12] = [
    "members",
    "vision",
    "values",
    "agreements",
    "goals",
    "rituals",
    "checkins",
    "reflections",
    "projects",
    "thanks",
    "settling",
    "others",
];

/// The years that a fact may be dated in, and so a document exist for.
pub const YEARS: std::ops::RangeInclusive<i16> = 1970..=9998;

/// Who may see a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Shared by both partners.
    Ours,
    /// One partner's own: never offered to the other's devices (PrivateStaysHome).
    Mine,
}

impl Scope {
    /// Its name: `ours` or `mine`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Mine => "mine",
        }
    }
}

/// A document's name: `ours/2026`, or `ours/2026.1` for the generation after the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DocumentId {
    /// Who may see it.
    pub scope: Scope,
    /// The year of the local dates of its facts, within [`YEARS`].
    pub year: i16,
    /// Which carrier of that year's facts; what counts is the union over all.
    pub generation: u32,
}

/// A text that names no document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no document: expected `ours/YEAR` or `mine/YEAR`")]
pub struct ParseDocumentIdError(String);

impl fmt::Display for DocumentId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.scope.name(), self.year)?;
        if self.generation > 0 {
            write!(formatter, ".{}", self.generation)?;
        }
        Ok(())
    }
}

impl FromStr for DocumentId {
    type Err = ParseDocumentIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = || {
            let (scope, rest) = text.split_once('/')?;
            let scope = [Scope::Ours, Scope::Mine].into_iter().find(|known| known.name() == scope)?;
            let (year, generation) = rest.split_once('.').unwrap_or((rest, "0"));
            let id = Self { scope, year: year.parse().ok()?, generation: generation.parse().ok()? };
            (YEARS.contains(&id.year) && id.to_string() == text).then_some(id)
        };
        parse().ok_or_else(|| ParseDocumentIdError(text.to_owned()))
    }
}

/// The actor of a device in a document during one epoch of its store: every member can compute everyone's.
pub fn actor_id(device: &DeviceId, document: &DocumentId, epoch: &EpochId) -> ActorId {
    let mut hasher = blake3::Hasher::new_derive_key("betwixt 1 automerge actor");
    hasher.update(device.as_bytes());
    hasher.update(epoch.as_bytes());
    hasher.update(document.to_string().as_bytes());
    ActorId::from(&hasher.finalize().as_bytes()[..16])
}

/// The practice whose map carries facts of this kind.
pub fn practice(kind: &str) -> &'static str {
    let name = match kind {
        "member" => "members",
        "vision" => "vision",
        "value" => "values",
        "agreement" => "agreements",
        "goal" | "milestone" | "progress" => "goals",
        "ritual" | "occurrence" => "rituals",
        "reflection" | "journal" => "reflections",
        "project" => "projects",
        "thanks" => "thanks",
        "settlement" | "saying_back" | "chapter" => "settling",
        "sealed" | "sealed_text" => "checkins",
        _ => "others",
    };
    debug_assert!(PRACTICES.contains(&name));
    name
}

/// A document that cannot be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// Automerge refuses the bytes or the changes.
    #[error("document {document}: {source}")]
    Automerge {
        /// Which document.
        document: DocumentId,
        /// What Automerge says.
        #[source]
        source: Box<AutomergeError>,
    },
    /// A document that does not begin with [`GENESIS`].
    #[error("document {0} does not begin with the genesis of Betwixt's documents")]
    ForeignGenesis(DocumentId),
    /// Automerge panicked, which hostile input makes it do. The document must be dropped and loaded again.
    #[error("document {0} could not be changed: Automerge panicked; it has to be loaded again")]
    Panicked(DocumentId),
}

/// What one key of a change turned out to hold.
#[derive(Debug)]
pub enum Arrival {
    /// A fact, its signature verified against the device that it names.
    Fact(Box<SignedFact>),
    /// A fact of a newer format: kept in the document, carried on, shown as "made by a newer version".
    Newer {
        /// The fact's id.
        id: FactId,
        /// Its format.
        format: u32,
    },
    /// What is no fact, or not where it belongs: it has no meaning and is reported.
    Refused {
        /// The key under which it stands.
        key: String,
        /// Why.
        reason: Refusal,
    },
}

/// Why a key of a document has no meaning.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// Not a fact's text.
    #[error(transparent)]
    Fact(#[from] FactError),
    /// The signature is wrong.
    #[error(transparent)]
    Signature(#[from] WrongSignature),
    /// The signature is missing in the change that brings the fact.
    #[error("the fact comes without its signature")]
    Unsigned,
    /// The key is not the fact's id.
    #[error("the fact stands under a key that is not its id")]
    WrongKey,
    /// The fact is dated in another year than its document's.
    #[error("the fact is dated in another year than its document's")]
    WrongYear,
    /// Something was written or removed in a place where facts do not stand.
    #[error("a change outside the maps of facts, or one that is no fact's text")]
    NoFact,
}

/// An Automerge document under its name.
#[derive(Debug, Clone)]
pub struct Document {
    id: DocumentId,
    automerge: Automerge,
    /// The last sequence number of every actor, which Automerge knows but does not tell.
    sequences: BTreeMap<ActorId, u64>,
}

impl Document {
    /// The document before anything was said in it.
    pub fn genesis(id: DocumentId) -> Self {
        let automerge = Automerge::load(GENESIS).expect("the genesis is a golden file that the tests load");
        Self::with(id, automerge)
    }

    /// Reads a document that [`Document::save`] wrote, with changes appended since.
    ///
    /// # Errors
    /// [`DocumentError`] when the bytes are damaged or begin otherwise. A panic inside Automerge is such an error, too.
    pub fn load(id: DocumentId, saved: &[u8]) -> Result<Self, DocumentError> {
        let automerge = caught(id, || load::load(saved))?;
        let genesis = genesis_hash();
        if automerge.get_change_by_hash(&genesis).is_none() {
            return Err(DocumentError::ForeignGenesis(id));
        }
        Ok(Self::with(id, automerge))
    }

    fn with(id: DocumentId, automerge: Automerge) -> Self {
        let mut sequences = BTreeMap::new();
        for change in automerge.get_changes_meta(&[]) {
            let last = sequences.entry(change.actor.into_owned()).or_insert(0);
            *last = change.seq.max(*last);
        }
        Self { id, automerge, sequences }
    }

    /// The document's name.
    pub fn id(&self) -> DocumentId {
        self.id
    }

    /// The hashes of the changes that no other builds on.
    pub fn heads(&self) -> Vec<ChangeHash> {
        self.automerge.get_heads()
    }

    /// The whole document, compressed.
    pub fn save(&self) -> Vec<u8> {
        self.automerge.save()
    }

    /// Every change that is not among `have` and their ancestors, in causal order.
    pub fn changes_since(&self, have: &[ChangeHash]) -> Vec<Change> {
        self.automerge.get_changes(have)
    }

    /// Whether the document holds a change.
    pub fn holds(&self, hash: &ChangeHash) -> bool {
        // Not the change itself, which Automerge would put together from the whole document.
        self.automerge.get_change_meta_by_hash(hash).is_some()
    }

    /// The last sequence number of an actor; 0 when it wrote nothing here.
    pub fn sequence(&self, actor: &ActorId) -> u64 {
        self.sequences.get(actor).copied().unwrap_or(0)
    }

    /// Automerge's own document, for its sync protocol and for reading.
    pub fn automerge(&self) -> &Automerge {
        &self.automerge
    }

    /// For Automerge's sync protocol. The changes of a message must have been applied by [`Document::apply`] before, so
    /// that receiving it changes the sync state alone.
    pub fn automerge_mut(&mut self) -> &mut Automerge {
        &mut self.automerge
    }

    /// Carries facts in one change: what belongs to one act is one change. Answers the change.
    ///
    /// # Errors
    /// [`DocumentError::Automerge`]; nothing was changed then. After [`DocumentError::Panicked`] the document must be
    /// dropped and loaded again.
    pub fn append(&mut self, actor: &ActorId, facts: &[SignedFact]) -> Result<Change, DocumentError> {
        let appended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.write(actor, facts)));
        appended.unwrap_or(Err(DocumentError::Panicked(self.id)))
    }

    fn write(&mut self, actor: &ActorId, facts: &[SignedFact]) -> Result<Change, DocumentError> {
        // By the objects' own ids: somebody may have removed the root's keys, which has no meaning.
        let map = |name| genesis().objects.get(name).ok_or(AutomergeError::Fail);
        self.transact(actor, |transaction| {
            let signatures = map(SIGNATURES)?;
            for signed in facts {
                let fact = signed.fact();
                let key = fact.id().to_string();
                let map = map(practice(&fact.header().kind))?;
                transaction.put(map, key.as_str(), fact.text())?;
                transaction.put(signatures, key.as_str(), signed.signature().to_vec())?;
            }
            Ok(())
        })
    }

    /// Writes one change, at time 0. Automerge may panic where hostile changes were applied before.
    pub(crate) fn transact(
        &mut self,
        actor: &ActorId,
        write: impl FnOnce(&mut Transaction<'_>) -> Result<(), AutomergeError>,
    ) -> Result<Change, DocumentError> {
        let document = self.id;
        self.automerge.set_actor(actor.clone());
        let options = CommitOptions::default().with_time(0);
        let outcome = self.automerge.transact_with::<_, _, AutomergeError, _>(|_| options, write);
        let automerge = |source| DocumentError::Automerge { document, source: Box::new(source) };
        let hash = outcome.map_err(|failure| automerge(failure.error))?.hash;
        let change = hash.and_then(|hash| self.automerge.get_change_by_hash(&hash));
        let change = change.ok_or_else(|| automerge(AutomergeError::Fail))?;
        self.count(&change);
        Ok(change)
    }

    /// Applies changes that the gate has admitted, and reads the facts out of them.
    ///
    /// # Errors
    /// [`DocumentError`]. After [`DocumentError::Panicked`] the document must be dropped and loaded again.
    pub fn apply(&mut self, changes: &[Change]) -> Result<Vec<Arrival>, DocumentError> {
        let id = self.id;
        self.apply_and(changes, |changes| changes.iter().flat_map(|change| arrivals(id, change)).collect())
    }

    /// [`Document::apply`] for whoever reads the facts apart from that, by [`arrivals_of_each`].
    ///
    /// # Errors
    /// [`DocumentError`]. After [`DocumentError::Panicked`], also from reading, the document must be dropped and loaded again.
    pub fn apply_unread(&mut self, changes: &[Change]) -> Result<(), DocumentError> {
        self.apply_and(changes, |_| ())
    }

    /// Applies changes that the gate has admitted, and takes from them what `read` reads.
    pub(crate) fn apply_and<T>(
        &mut self,
        changes: &[Change],
        read: impl FnOnce(&[Change]) -> T,
    ) -> Result<T, DocumentError> {
        let id = self.id;
        let before = self.sequences.values().sum();
        let automerge = &mut self.automerge;
        let answer = caught(id, || {
            automerge.apply_changes(changes.iter().cloned())?;
            load::applied(automerge, changes.len(), before)?;
            Ok(read(changes))
        })?;
        changes.iter().for_each(|change| self.count(change));
        Ok(answer)
    }

    fn count(&mut self, change: &Change) {
        let last = self.sequences.entry(change.actor_id().clone()).or_insert(0);
        *last = change.seq().max(*last);
    }
}

/// The hash of the genesis change.
pub fn genesis_hash() -> ChangeHash {
    genesis().hash
}

struct Genesis {
    hash: ChangeHash,
    actor: ActorId,
    maps: BTreeMap<String, &'static str>,
    objects: BTreeMap<&'static str, ObjId>,
}

/// Which object of the genesis is which map, by the object's operation id.
fn genesis() -> &'static Genesis {
    static CELL: std::sync::OnceLock<Genesis> = std::sync::OnceLock::new();
    CELL.get_or_init(|| {
        let document = Automerge::load(GENESIS).expect("the genesis is a golden file that the tests load");
        let changes = document.get_changes(&[]);
        let [change] = changes.as_slice() else { unreachable!("the genesis is one change, which the tests check") };
        let names = PRACTICES.into_iter().chain([SIGNATURES]);
        let objects: BTreeMap<&'static str, ObjId> = names
            .map(|name| {
                let found = document.get(ROOT, name).ok().flatten();
                let (_, object) = found.expect("the genesis has a map for every practice, which the tests check");
                (name, object)
            })
            .collect();
        let maps = objects.iter().map(|(name, object)| (object.to_string(), *name)).collect();
        Genesis { hash: change.hash(), actor: change.actor_id().clone(), maps, objects }
    })
}

/// The map of the genesis that an object is, by the object's operation id.
pub(crate) fn map_named(object: &str) -> Option<&'static str> {
    genesis().maps.get(object).copied()
}

/// The object that is the map of this name in every document.
pub(crate) fn map_object(name: &str) -> Option<&'static ObjId> {
    genesis().objects.get(name)
}

/// The actor of the genesis change, which nobody else may use.
pub fn genesis_actor() -> ActorId {
    genesis().actor.clone()
}

/// The facts that a change brings, each with the signature that the same change brings.
///
/// Automerge may panic on a change that was made by hand: call it under `catch_unwind`, as [`Document::apply`] does.
pub fn arrivals(document: DocumentId, change: &Change) -> Vec<Arrival> {
    let Puts { texts, signatures, others } = puts(change);
    let others = others.into_iter().map(|key| Arrival::Refused { key, reason: Refusal::NoFact });
    let mut arrivals: Vec<Arrival> = others.collect();
    for (key, (map, text)) in texts {
        let signature = signatures.get(&key).map(Vec::as_slice);
        arrivals.push(match read(document, map, &key, &text, signature) {
            Ok(fact) => Arrival::Fact(Box::new(fact)),
            Err(Refusal::Fact(FactError::NewerFormat { id, format })) => Arrival::Newer { id, format },
            Err(reason) => Arrival::Refused { key, reason },
        });
    }
    arrivals
}

/// [`arrivals`] of changes that are in no document, with a panic of Automerge's as an error.
///
/// # Errors
/// [`DocumentError::Panicked`].
pub fn read_changes(document: DocumentId, changes: &[Change]) -> Result<Vec<Arrival>, DocumentError> {
    Ok(arrivals_of_each(document, changes)?.into_iter().flatten().collect())
}

/// [`arrivals`] of each of these changes, with a panic of Automerge's as an error.
///
/// # Errors
/// [`DocumentError::Panicked`].
pub fn arrivals_of_each(document: DocumentId, changes: &[Change]) -> Result<Vec<Vec<Arrival>>, DocumentError> {
    caught(document, || Ok(changes.iter().map(|change| arrivals(document, change)).collect()))
}

/// What a change writes, not judged.
pub(crate) struct Puts {
    /// Key to map and text.
    pub(crate) texts: BTreeMap<String, (&'static str, String)>,
    /// Key to signature.
    pub(crate) signatures: BTreeMap<String, Vec<u8>>,
    /// The keys of what is neither.
    pub(crate) others: Vec<String>,
}

/// What a change writes. Automerge may panic on a change that was made by hand.
pub(crate) fn puts(change: &Change) -> Puts {
    let mut puts = Puts { texts: BTreeMap::new(), signatures: BTreeMap::new(), others: Vec::new() };
    if change.hash() == genesis_hash() {
        return puts;
    }
    for operation in change.decode().operations {
        let map = match &operation.obj {
            ObjectId::Id(id) => genesis().maps.get(&id.to_string()).copied(),
            ObjectId::Root => None,
        };
        match (map, operation.key, operation.action) {
            (Some(SIGNATURES), Key::Map(key), OpType::Put(ScalarValue::Bytes(bytes))) => {
                puts.signatures.insert(key.to_string(), bytes);
            }
            (Some(map), Key::Map(key), OpType::Put(ScalarValue::Str(text))) => {
                puts.texts.insert(key.to_string(), (map, text.to_string()));
            }
            (_, Key::Map(key), _) => puts.others.push(key.to_string()),
            (_, Key::Seq(_), _) => puts.others.push(String::new()),
        }
    }
    puts
}

pub(crate) fn read(
    document: DocumentId,
    map: &str,
    key: &str,
    text: &str,
    signature: Option<&[u8]>,
) -> Result<SignedFact, Refusal> {
    let fact = Fact::parse(text)?;
    if fact.id().to_string() != key {
        return Err(Refusal::WrongKey);
    }
    if fact.header().date.year() != document.year {
        return Err(Refusal::WrongYear);
    }
    if map == SIGNATURES {
        return Err(Refusal::NoFact);
    }
    Ok(SignedFact::verify(fact, signature.ok_or(Refusal::Unsigned)?)?)
}

/// Runs what hostile input can make panic (known: mutated changes and documents with a repaired checksum).
pub(crate) fn caught<T>(
    document: DocumentId,
    run: impl FnOnce() -> Result<T, AutomergeError>,
) -> Result<T, DocumentError> {
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(source)) => Err(DocumentError::Automerge { document, source: Box::new(source) }),
        Err(_) => Err(DocumentError::Panicked(document)),
    }
}
