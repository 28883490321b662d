//! The bridge's copy of a document: what programs that bring their own Automerge see, and write to.
//!
//! Such a program has a random actor a load, and whatever enters a shared document stays in its history for ever, on the
//! partner's devices too. So the household's documents never take its changes. It is given a copy, which holds the
//! document's changes, those of the programs that have it open (*guests*), and those of the copy itself, which bring back
//! what the document says wherever a guest wrote something else. Nothing of a copy is kept.
//!
//! What a guest wants to say it writes under a key `new:NAME` of a practice's map. The copy hands that out; when it was said,
//! or refused, the answer takes its place, under `answer:NAME`. Everything else that a guest writes has no meaning.
//!
//! The copy goes by the keys that changes touch: a key's state is changed by operations on it alone, so what was whole before
//! and is looked at wherever it was touched, is whole again.

use std::collections::{BTreeMap, BTreeSet};

use automerge::legacy::{Key, ObjectId};
use automerge::transaction::Transactable;
use automerge::{ActorId, AutomergeError, Change, ChangeHash, ObjId, ObjType, ROOT, ReadDoc, ScalarValue, Value};

use crate::document::{Document, DocumentError, DocumentId, PRACTICES, SIGNATURES, caught, map_named, map_object};
use crate::fact::MAX_TEXT;
use crate::gate::{self, Actors, GateError};

/// What a key begins with under which a guest writes what is to be said.
pub const NEW: &str = "new:";

/// What the key begins with under which the answer stands.
pub const ANSWER: &str = "answer:";

/// The longest name after [`NEW`]: room for a UUID and what somebody may put before it.
pub const MAX_NAME: usize = 64;

/// The most changes of guests in one copy.
pub const MAX_CHANGES: usize = 32_768;

/// The most bytes of guests' changes in one copy, not compressed.
pub const MAX_BYTES: usize = 32 * 1024 * 1024;

/// The most actors of guests in one copy: every one slows Automerge down.
pub const MAX_ACTORS: usize = 1_024;

/// The most things that wait to be said in one copy.
pub const MAX_WAITING: usize = 256;

/// Why a guest's changes are not taken.
#[derive(Debug, thiserror::Error)]
pub enum BridgeError {
    /// The gate refuses them.
    #[error(transparent)]
    Gate(#[from] GateError),
    /// A map of the document's was removed or replaced, which nothing brings back.
    #[error("change {0} removes or replaces one of the document's maps")]
    RemovesMap(ChangeHash),
    /// The copy is full: it has to be dropped.
    #[error("the copy has too many {0} of guests")]
    Full(&'static str),
    /// Automerge refuses, or panicked: the copy has to be dropped.
    #[error(transparent)]
    Document(#[from] DocumentError),
}

/// Something that a guest wants said.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unsaid {
    /// The practice in whose map it stands.
    pub map: &'static str,
    /// What the guest calls it: 1 to [`MAX_NAME`] letters, digits and `-`.
    pub name: String,
    /// What it says; `None` for what is no text, or one that is longer than a fact's.
    pub text: Option<String>,
}

/// What came of a guest's changes.
#[derive(Debug, Default)]
pub struct Received {
    /// What is to be said, and answered with [`BridgeCopy::answer`].
    pub unsaid: Vec<Unsaid>,
    /// Changes that build on others which did not come: to be offered again with those.
    pub parked: Vec<Change>,
    /// Whether anything was new.
    pub changed: bool,
}

/// A key, in a map of the genesis or at the root.
type Place = (Option<&'static str>, String);

/// A document's copy for guests.
#[derive(Debug)]
pub struct BridgeCopy {
    copy: Document,
    /// The heads of the document itself, as far as the copy has followed it.
    followed: Vec<ChangeHash>,
    actor: ActorId,
    answers: BTreeMap<Place, String>,
    waiting: BTreeSet<Place>,
    guests: BTreeSet<ActorId>,
    changes: usize,
    bytes: usize,
}

impl BridgeCopy {
    /// A copy of a document, which writes under an actor that nobody has used.
    pub fn new(document: &Document, actor: ActorId) -> Self {
        Self {
            copy: document.clone(),
            followed: document.heads(),
            actor,
            answers: BTreeMap::new(),
            waiting: BTreeSet::new(),
            guests: BTreeSet::new(),
            changes: 0,
            bytes: 0,
        }
    }

    /// The document that it is a copy of.
    pub fn id(&self) -> DocumentId {
        self.copy.id()
    }

    /// For Automerge's sync protocol, as [`Document::automerge_mut`] says.
    pub fn document_mut(&mut self) -> &mut Document {
        &mut self.copy
    }

    /// What guests see.
    pub fn document(&self) -> &Document {
        &self.copy
    }

    /// Whether something waits to be said. Until it is answered nobody is to be told of the copy: so guests get what
    /// another wanted to say together with what came of it.
    pub fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Takes over what is new in the document itself. Answers whether anything was.
    ///
    /// # Errors
    /// [`BridgeError`]: the copy has to be dropped.
    pub fn follow(&mut self, document: &Document) -> Result<bool, BridgeError> {
        let new: Vec<Change> = document.changes_since(&self.followed);
        let new: Vec<Change> = new.into_iter().filter(|change| !self.copy.holds(&change.hash())).collect();
        self.followed = document.heads();
        if new.is_empty() {
            return Ok(false);
        }
        let places = self.copy.apply_and(&new, |changes| changes.iter().flat_map(touched).collect())?;
        self.heal(places)?;
        Ok(true)
    }

    /// Takes in a guest's changes, and brings back what they altered. `members` are those in whose names no guest may write.
    ///
    /// # Errors
    /// [`BridgeError`]. After [`BridgeError::Gate`] and [`BridgeError::RemovesMap`] the copy is as it was, otherwise it has
    /// to be dropped.
    pub fn receive(&mut self, changes: Vec<Change>, members: &Actors) -> Result<Received, BridgeError> {
        let admitted = gate::admit_guests(&self.copy, changes, members)?;
        let (new, parked) = (admitted.changes, admitted.parked);
        if new.is_empty() {
            return Ok(Received { parked, ..Received::default() });
        }
        self.check(&new)?;
        let places: BTreeSet<Place> =
            self.copy.apply_and(&new, |changes| changes.iter().flat_map(touched).collect())?;
        let unsaid = self.take_unsaid(&places)?;
        self.heal(places)?;
        Ok(Received { unsaid, parked, changed: true })
    }

    /// What was to be said is said, or refused: the answer takes its place.
    ///
    /// # Errors
    /// [`BridgeError`]: the copy has to be dropped.
    pub fn answer(&mut self, map: &'static str, name: &str, answer: String) -> Result<(), BridgeError> {
        let new: Place = (Some(map), format!("{NEW}{name}"));
        let told: Place = (Some(map), format!("{ANSWER}{name}"));
        self.waiting.remove(&new);
        self.answers.insert(told.clone(), answer);
        self.heal([new, told].into())
    }

    /// Counts what guests bring, and looks for what cannot be undone.
    fn check(&mut self, changes: &[Change]) -> Result<(), BridgeError> {
        let id = self.id();
        for change in changes {
            if caught(id, || Ok(removes_map(change)))? {
                return Err(BridgeError::RemovesMap(change.hash()));
            }
        }
        self.changes += changes.len();
        self.bytes += changes.iter().map(|change| change.raw_bytes().len()).sum::<usize>();
        self.guests.extend(changes.iter().map(|change| change.actor_id().clone()));
        let full = [
            (self.changes > MAX_CHANGES, "changes"),
            (self.bytes > MAX_BYTES, "bytes"),
            (self.guests.len() > MAX_ACTORS, "actors"),
        ];
        full.iter().find(|(full, _)| *full).map_or(Ok(()), |(_, what)| Err(BridgeError::Full(what)))
    }

    /// What stands under the keys for it and was not taken before.
    fn take_unsaid(&mut self, places: &BTreeSet<Place>) -> Result<Vec<Unsaid>, BridgeError> {
        let mut unsaid = Vec::new();
        for place in places {
            let (Some(map), key) = place else { continue };
            let Some(name) = key.strip_prefix(NEW).filter(|name| *map != SIGNATURES && is_name(name)) else { continue };
            let answered = self.answers.contains_key(&(Some(*map), format!("{ANSWER}{name}")));
            if answered || self.waiting.contains(place) {
                continue;
            }
            let text = caught(self.id(), || self.text(map, key))?;
            let Some(text) = text else { continue };
            if self.waiting.len() >= MAX_WAITING {
                return Err(BridgeError::Full("unsaid facts"));
            }
            self.waiting.insert(place.clone());
            unsaid.push(Unsaid { map, name: name.to_owned(), text });
        }
        Ok(unsaid)
    }

    /// The text under a key, as a scalar or as a text object; `Some(None)` for something else, or what is too long.
    fn text(&self, map: &str, key: &str) -> Result<Option<Option<String>>, AutomergeError> {
        let automerge = self.copy.automerge();
        let Some(map) = map_object(map) else { return Ok(None) };
        Ok(match automerge.get(map, key)? {
            None => None,
            Some((Value::Object(ObjType::Text), object)) => {
                let fits = automerge.length(&object) <= MAX_TEXT;
                Some(if fits { Some(automerge.text(&object)?) } else { None })
            }
            Some((value, _)) => Some(value.as_str().map(str::to_owned)),
        })
    }

    /// Makes these keys what the document says of them, or the answer that stands there.
    fn heal(&mut self, places: BTreeSet<Place>) -> Result<(), BridgeError> {
        let id = self.id();
        let writes = caught(id, || self.writes(places))?;
        if writes.is_empty() {
            return Ok(());
        }
        let actor = self.actor.clone();
        let copy = &mut self.copy;
        let written = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            copy.transact(&actor, |transaction| {
                for ((map, key), value) in writes {
                    let object = object(map).ok_or(AutomergeError::Fail)?;
                    match value {
                        Some(value) => transaction.put(object, key, value)?,
                        None => transaction.delete(object, key)?,
                    }
                }
                Ok(())
            })
        }));
        written.unwrap_or(Err(DocumentError::Panicked(id)))?;
        Ok(())
    }

    /// What has to be written for these keys to be as they should.
    fn writes(&self, places: BTreeSet<Place>) -> Result<Vec<(Place, Option<ScalarValue>)>, AutomergeError> {
        let automerge = self.copy.automerge();
        let mut writes = Vec::new();
        for place in places {
            let (map, key) = &place;
            // The document's own maps are never touched here: `removes_map` refuses that.
            if self.waiting.contains(&place) || (map.is_none() && is_map(key)) {
                continue;
            }
            let Some(object) = object(*map) else { continue };
            let there = automerge.get_all(object, key.as_str())?;
            if let Some(answer) = self.answers.get(&place) {
                if there.is_empty() || there.iter().any(|(value, _)| value.as_str() != Some(answer.as_str())) {
                    writes.push((place.clone(), Some(ScalarValue::from(answer.as_str()))));
                }
                continue;
            }
            let wanted = automerge.get_all_at(object, key.as_str(), &self.followed)?;
            let Some((winner, _)) = automerge.get_at(object, key.as_str(), &self.followed)? else {
                if !there.is_empty() {
                    writes.push((place, None));
                }
                continue;
            };
            let same = |one: &(Value<'_>, ObjId), other: &(Value<'_>, ObjId)| match (&one.0, &other.0) {
                (Value::Object(_), Value::Object(_)) => one.1 == other.1,
                (one, other) => one == other,
            };
            let equal = wanted.iter().all(|one| there.iter().any(|other| same(one, other)))
                && there.iter().all(|one| wanted.iter().any(|other| same(one, other)));
            let won = !there.is_empty() && there.iter().all(|(value, _)| *value == winner);
            // An object in the place of a scalar is rubbish of another device's, which the document itself is healed of.
            if let Some(scalar) = winner.as_scalar().filter(|_| !equal && !won) {
                writes.push((place, Some(scalar.clone())));
            }
        }
        Ok(writes)
    }
}

fn object(map: Option<&str>) -> Option<&'static ObjId> {
    const AT_ROOT: &ObjId = &ROOT;
    map.map_or(Some(AT_ROOT), map_object)
}

fn is_map(key: &str) -> bool {
    key == SIGNATURES || PRACTICES.contains(&key)
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= MAX_NAME && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// The keys that a change touches, at the root and in the maps of the genesis. Automerge may panic on a change that was made
/// by hand.
fn touched(change: &Change) -> BTreeSet<Place> {
    let mut places = BTreeSet::new();
    for operation in change.decode().operations {
        let map = match &operation.obj {
            ObjectId::Root => None,
            ObjectId::Id(id) => match map_named(&id.to_string()) {
                Some(map) => Some(map),
                // Inside of something that a guest made, under a key that was touched when it was made.
                None => continue,
            },
        };
        if let Key::Map(key) = operation.key {
            places.insert((map, key.to_string()));
        }
    }
    places
}

/// Whether a change touches a key of the root under which a map of the genesis is. What is in that map would be out of
/// everybody's sight, and no operation puts an object back.
fn removes_map(change: &Change) -> bool {
    touched(change).iter().any(|(map, key)| map.is_none() && is_map(key))
}
