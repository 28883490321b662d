//! Carrying facts on: what a document's next generation begins with.
//!
//! Facts are the truth and a document is their carrier. One that cannot be read, that Automerge refuses, or that two
//! devices can no longer bring together, is carried on by the next generation: [`GENESIS`] and
//! on top of it nothing but changes that carry the facts, at time 0 and sorted by id, each by an actor that is a hash of
//! what it carries. So devices that carry on the same facts write the same bytes, and those that carry on different ones
//! only add to each other: there is nothing in such a change that could contradict another.
//!
//! Nobody in particular writes such a change, so the gate cannot ask whose it is; it writes the change again from what it
//! carries and compares ([`is_carried`]).

use std::collections::BTreeMap;

use automerge::transaction::{CommitOptions, Transactable};
use automerge::{ActorId, Automerge, AutomergeError, Change, ReadDoc, Value};

use crate::document::{
    Document, DocumentError, DocumentId, GENESIS, PRACTICES, Puts, Refusal, SIGNATURES, caught, genesis_hash,
    map_object, practice, puts, read,
};
use crate::fact::{FactError, SignedFact};
use crate::ids::FactId;

/// The most bytes of texts that one change carries. More facts take several changes, by the beginning of their ids, so
/// that sets which differ in little have most of their changes in common.
pub const MAX_CARRIED_BYTES: usize = 1024 * 1024;

/// The most facts that one change carries.
pub const MAX_CARRIED_FACTS: usize = 8_192;

/// A fact as a document carries it: one of a format that this version cannot read is carried on as it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    map: &'static str,
    text: String,
    signature: Vec<u8>,
}

/// What a document carries, by id.
pub type Entries = BTreeMap<FactId, Entry>;

impl Entry {
    /// A fact, in the map that this version puts it in.
    pub fn of(signed: &SignedFact) -> Self {
        let fact = signed.fact();
        Self {
            map: practice(&fact.header().kind),
            text: fact.text().to_owned(),
            signature: signed.signature().to_vec(),
        }
    }

    /// The fact; `None` for one of a newer format.
    pub fn fact(&self, document: DocumentId, id: &FactId) -> Option<SignedFact> {
        read(document, self.map, &id.to_string(), &self.text, Some(&self.signature)).ok()
    }

    /// The same without the fact's value; one of a newer format stays as it is.
    #[must_use]
    pub fn without_value(&self, document: DocumentId, id: &FactId) -> Self {
        match self.fact(document, id) {
            Some(signed) => Self { text: signed.fact().erased().text().to_owned(), ..self.clone() },
            None => self.clone(),
        }
    }

    /// The fact's text.
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// Adds an entry. Of a fact that is there twice, with its value and without, the value stays.
pub fn add(entries: &mut Entries, id: FactId, entry: Entry) {
    match entries.get_mut(&id) {
        Some(known) if (known.text.len(), &*known) >= (entry.text.len(), &entry) => {}
        Some(known) => *known = entry,
        None => drop(entries.insert(id, entry)),
    }
}

/// What a change carries, and whether that is all that it does.
///
/// Automerge may panic on a change that was made by hand.
fn carried_by(document: DocumentId, change: &Change) -> (Entries, bool) {
    let mut entries = Entries::new();
    let Puts { texts, mut signatures, others } = puts(change);
    let mut pure = others.is_empty();
    for (key, (map, text)) in texts {
        let signature = signatures.remove(&key);
        let id = match read(document, map, &key, &text, signature.as_deref()) {
            Ok(signed) => Some(signed.fact().id()),
            Err(Refusal::Fact(FactError::NewerFormat { id, .. })) if map != SIGNATURES => Some(id),
            Err(_) => None,
        };
        match id.filter(|id| id.to_string() == key) {
            Some(id) => add(&mut entries, id, Entry { map, text, signature: signature.unwrap_or_default() }),
            None => pure = false,
        }
    }
    (entries, pure && signatures.is_empty())
}

/// What changes carry that are in no document, or in one of which not everything can be read.
///
/// # Errors
/// [`DocumentError::Panicked`].
pub fn entries_of<'a>(
    document: DocumentId,
    changes: impl IntoIterator<Item = &'a Change>,
) -> Result<Entries, DocumentError> {
    caught(document, || {
        let mut entries = Entries::new();
        for change in changes {
            for (id, entry) in carried_by(document, change).0 {
                add(&mut entries, id, entry);
            }
        }
        Ok(entries)
    })
}

/// The changes that carry these facts: the same for the same facts, on every device.
///
/// # Errors
/// [`DocumentError::Automerge`].
pub fn changes(document: DocumentId, entries: &Entries) -> Result<Vec<Change>, DocumentError> {
    let sorted: Vec<(&FactId, &Entry)> = entries.iter().collect();
    let mut changes = Vec::new();
    if !sorted.is_empty() {
        write_parts(document, &sorted, 0, &mut changes)?;
    }
    Ok(changes)
}

fn write_parts(
    document: DocumentId,
    sorted: &[(&FactId, &Entry)],
    bit: usize,
    changes: &mut Vec<Change>,
) -> Result<(), DocumentError> {
    let bytes: usize = sorted.iter().map(|(_, entry)| entry.text.len()).sum();
    if sorted.len() <= 1 || bit == 256 || (sorted.len() <= MAX_CARRIED_FACTS && bytes <= MAX_CARRIED_BYTES) {
        changes.push(write(document, sorted)?);
        return Ok(());
    }
    let is_set = |id: &FactId| id.as_bytes()[bit / 8] >> (7 - bit % 8) & 1 == 1;
    let (clear, set) = sorted.split_at(sorted.partition_point(|(id, _)| !is_set(id)));
    for part in [clear, set] {
        if !part.is_empty() {
            write_parts(document, part, bit + 1, changes)?;
        }
    }
    Ok(())
}

/// One change on top of the genesis.
fn write(document: DocumentId, sorted: &[(&FactId, &Entry)]) -> Result<Change, DocumentError> {
    let automerge = |source| DocumentError::Automerge { document, source: Box::new(source) };
    let mut carrier = Automerge::load(GENESIS).expect("the genesis is a golden file that the tests load");
    carrier.set_actor(actor(document, sorted));
    let outcome = carrier.transact_with::<_, _, AutomergeError, _>(
        |_| CommitOptions::default().with_time(0),
        |transaction| {
            let map = |name| map_object(name).ok_or(AutomergeError::Fail);
            let signatures = map(SIGNATURES)?;
            for (id, entry) in sorted {
                let key = id.to_string();
                transaction.put(map(entry.map)?, key.as_str(), entry.text.as_str())?;
                if !entry.signature.is_empty() {
                    transaction.put(signatures, key.as_str(), entry.signature.clone())?;
                }
            }
            Ok(())
        },
    );
    let hash = outcome.map_err(|failure| automerge(failure.error))?.hash;
    let change = hash.and_then(|hash| carrier.get_change_by_hash(&hash));
    change.ok_or_else(|| automerge(AutomergeError::Fail))
}

fn actor(document: DocumentId, sorted: &[(&FactId, &Entry)]) -> ActorId {
    let mut hasher = blake3::Hasher::new_derive_key("betwixt 1 carried facts");
    hasher.update(document.to_string().as_bytes());
    for (id, entry) in sorted {
        hasher.update(id.as_bytes());
        for part in [entry.map.as_bytes(), entry.text.as_bytes(), &entry.signature] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
    }
    ActorId::from(&hasher.finalize().as_bytes()[..16])
}

/// Whether a change does nothing but carry facts on, and is, to the byte, what [`changes`] writes for them. Only a
/// generation after the first has such.
pub fn is_carried(document: DocumentId, change: &Change) -> bool {
    if document.generation == 0 || change.seq() != 1 || change.deps() != [genesis_hash()] {
        return false;
    }
    let again = caught(document, || {
        let (entries, pure) = carried_by(document, change);
        let sorted: Vec<(&FactId, &Entry)> = entries.iter().collect();
        let written = if pure && !sorted.is_empty() { write(document, &sorted).ok() } else { None };
        Ok(written.map(|written| written.hash()))
    });
    again.is_ok_and(|hash| hash == Some(change.hash()))
}

impl Document {
    /// Everything that the document's changes carry, whatever has become of its keys since.
    ///
    /// # Errors
    /// [`DocumentError::Panicked`].
    pub fn entries(&self) -> Result<Entries, DocumentError> {
        entries_of(self.id(), &self.changes_since(&[]))
    }

    /// Whether a fact stands under its key, with its signature and nothing else beside it. It has its meaning all the
    /// same where it does not: another program removed or altered a key, which says nothing.
    pub fn is_whole(&self, id: &FactId, entry: &Entry) -> bool {
        let key = id.to_string();
        let all = |map: &str| -> Vec<Value<'_>> {
            let found = map_object(map).and_then(|map| self.automerge().get_all(map, key.as_str()).ok());
            found.unwrap_or_default().into_iter().map(|(value, _)| value).collect()
        };
        let is_text = |value: &Value<'_>| value.as_str() == Some(entry.text.as_str());
        let is_signature = |value: &Value<'_>| value.as_bytes() == Some(entry.signature.as_slice());
        let (texts, signatures) = (all(entry.map), all(SIGNATURES));
        let signed = signatures.iter().all(is_signature) && signatures.is_empty() == entry.signature.is_empty();
        !texts.is_empty() && texts.iter().all(is_text) && signed
    }

    /// The facts that do not stand under their keys as they were said.
    ///
    /// # Errors
    /// [`DocumentError::Panicked`].
    pub fn altered(&self) -> Result<Vec<FactId>, DocumentError> {
        let entries = self.entries()?;
        Ok(entries.iter().filter(|(id, entry)| !self.is_whole(id, entry)).map(|(id, _)| *id).collect())
    }

    /// Whether every map of the genesis is where it was. One that another program took out of the root cannot be put back;
    /// facts go into it all the same, and only the next generation shows it to others again.
    pub fn has_its_maps(&self) -> bool {
        PRACTICES.into_iter().chain([SIGNATURES]).all(|name| {
            let there = self.automerge().get_all(automerge::ROOT, name).unwrap_or_default();
            matches!(there.as_slice(), [(Value::Object(_), object)] if Some(object) == map_object(name))
        })
    }

    /// Applies changes that [`changes`] wrote here, those that it does not hold. Answers these.
    ///
    /// # Errors
    /// [`DocumentError`]. After [`DocumentError::Panicked`] the document must be dropped and loaded again.
    pub fn carry(&mut self, changes: Vec<Change>) -> Result<Vec<Change>, DocumentError> {
        let new: Vec<Change> = changes.into_iter().filter(|change| !self.holds(&change.hash())).collect();
        self.apply(&new)?;
        Ok(new)
    }
}
