//! Reading a file: twice, so that nothing is taken in of one that is not whole.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::Path;

use automerge::ChangeHash;
use betwixt_api as api;
use betwixt_api::{Problem, ProblemKind};
use betwixt_model::document::{DocumentId, Scope};
use betwixt_model::ids::{DeviceId, HouseholdId, PartnerId};
use betwixt_sync::carry::{CarryError, HEADER, Reader, Record};
use betwixt_sync::keys::PairKey;

use super::take::{Carried, Outcome, Took};
use crate::answer::problem::file_problem;
use crate::replica::Replica;

/// How many bytes of a file are read at once.
const STEP: usize = 256 * 1024;

/// A device whose files this one can read.
#[derive(Debug)]
pub(crate) struct Writer {
    /// The key that both have.
    pub(crate) pair: PairKey,
    /// What it is called.
    pub(crate) name: String,
    /// Whether it belongs to the household still.
    pub(crate) member: bool,
    /// Whether it is one of the own partner's.
    pub(crate) own: bool,
}

/// What a file is judged by.
#[derive(Debug)]
pub(crate) struct Known {
    /// Whose files can be read, removed ones included, so that it can be said why theirs is refused.
    pub(crate) writers: Vec<Writer>,
    /// Where the own private pages are; `None` while they are locked.
    pub(crate) space: Option<HouseholdId>,
    /// Whose device this is.
    pub(crate) partner: PartnerId,
}

impl Known {
    /// What a replica knows now. `name` says what a device is called.
    pub(crate) fn of(replica: &Replica, name: impl Fn(&DeviceId) -> String) -> Self {
        let roster = replica.roster();
        let others = roster.devices().map(|(device, _)| device).filter(|id| **id != replica.identity().device());
        let writer = |device: &DeviceId| {
            Some(Writer {
                pair: replica.pair_key(device)?,
                name: name(device),
                member: roster.may_connect(device),
                own: roster.own_device(device).is_some(),
            })
        };
        Self {
            writers: others.filter_map(writer).collect(),
            space: replica.space(Scope::Mine),
            partner: replica.identity().partner(),
        }
    }
}

/// Takes in a file: first it is read to its end, and nothing of it acted on; then each piece is handed to `take`, which
/// answers once that is on the disk. `progress` is told how many bytes were read, of how many.
///
/// # Errors
/// What is wrong with the file: nothing of it was taken in then. What keeps a piece from being taken in: what came before it
/// is here, and importing the file again is harmless.
pub(crate) fn import(
    path: &str,
    known: &Known,
    progress: impl Fn(u64, u64),
    take: impl FnMut(Carried) -> Result<Took, Problem>,
) -> Result<api::CarryReport, Problem> {
    if !Path::new(path).is_absolute() {
        return Err(refused("Give the file's absolute path, beginning with `/`."));
    }
    let not_read = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => Problem::new(ProblemKind::NotFound, "There is no such file.").about("path"),
        _ => file_problem(&error),
    };
    // Before it is opened: a pipe would make that wait.
    let about = std::fs::metadata(path).map_err(not_read)?;
    if !about.is_file() {
        return Err(refused("That is no file."));
    }
    let length = about.len();
    let mut file = File::open(path).map_err(not_read)?;
    let writer = read(&mut file, known, |done| progress(done, 2 * length), |_| Ok(()))?;
    file.rewind().map_err(|error| file_problem(&error))?;
    let mut bringing = Bringing::new(known, writer, take);
    let again = read(&mut file, known, |done| progress(length + done, 2 * length), |record| bringing.bring(record))?;
    if again.pair.peer() != writer.pair.peer() {
        return Err(refused("The file was exchanged while it was read."));
    }
    bringing.end()
}

fn refused(words: impl Into<String>) -> Problem {
    Problem::new(ProblemKind::Invalid, words).about("path")
}

fn broken(error: &CarryError) -> Problem {
    let more = match error {
        CarryError::CutShort | CarryError::Altered => " Nothing of it was taken in: copy it once more.",
        CarryError::Own(_) => " Import it there.",
        _ => " Nothing of it was taken in.",
    };
    refused(format!("The file cannot be taken in: {error}.{more}"))
}

/// Reads a file to its end, and answers who wrote it.
fn read<'k>(
    file: &mut File,
    known: &'k Known,
    progress: impl Fn(u64),
    mut each: impl FnMut(Record) -> Result<(), Problem>,
) -> Result<&'k Writer, Problem> {
    let broken = |error: CarryError| broken(&error);
    let mut header = Vec::with_capacity(HEADER);
    let disk = |error: io::Error| file_problem(&error);
    file.by_ref().take(HEADER as u64).read_to_end(&mut header).map_err(disk)?;
    let mut reader = Reader::open(&header, known.writers.iter().map(|writer| &writer.pair)).map_err(broken)?;
    let writer = known.writers.iter().find(|writer| writer.pair.peer() == reader.from());
    let writer = writer.ok_or_else(|| broken(CarryError::ForAnother))?;
    if !writer.member {
        return Err(refused(format!(
            "The file was written on {}, which was removed: what it brings counts for nothing.",
            named(writer)
        )));
    }
    let mut records = |reader: &mut Reader| -> Result<(), Problem> {
        while let Some(record) = reader.next_record().map_err(broken)? {
            if let Record::Private(space) = &record {
                may_be_private(known, writer, space)?;
            }
            each(record)?;
        }
        Ok(())
    };
    let mut step = vec![0; STEP];
    let mut done = header.len() as u64;
    loop {
        match file.read(&mut step).map_err(disk)? {
            0 => break,
            some => {
                reader.push(&step[..some]).map_err(broken)?;
                done += some as u64;
            }
        }
        records(&mut reader)?;
        progress(done);
    }
    reader.push_end().map_err(broken)?;
    records(&mut reader)?;
    reader.end().map_err(broken)?;
    Ok(writer)
}

fn named(writer: &Writer) -> String {
    if writer.name.is_empty() { "a device".into() } else { writer.name.clone() }
}

/// Private pages come from devices of the own partner's alone, and belong to where the own ones are (PrivateStaysHome).
fn may_be_private(known: &Known, writer: &Writer, space: &HouseholdId) -> Result<(), Problem> {
    if !writer.own {
        return Err(broken(&CarryError::ForeignPrivatePages));
    }
    match &known.space {
        Some(own) if own == space => Ok(()),
        Some(_) => Err(broken(&CarryError::ForeignPrivatePages)),
        None => {
            let words = "The file brings private pages, and yours are locked. Nothing of it was taken in: run `betwixt unlock`, then \
                         import it again.";
            Err(Problem::new(ProblemKind::Locked, words))
        }
    }
}

/// What has been brought of a file so far.
struct Bringing<'k, T> {
    known: &'k Known,
    writer: &'k Writer,
    take: T,
    /// The document whose changes come.
    at: Option<(DocumentId, Vec<ChangeHash>)>,
    /// What its writer has of the documents that came whole, and were not all here.
    brought: BTreeMap<DocumentId, BTreeSet<ChangeHash>>,
    came: BTreeMap<PartnerId, (u64, u64)>,
    missing: BTreeSet<DocumentId>,
    superseded: BTreeSet<DocumentId>,
    devices_changed: bool,
    meaningless: u64,
}

impl<'k, T: FnMut(Carried) -> Result<Took, Problem>> Bringing<'k, T> {
    fn new(known: &'k Known, writer: &'k Writer, take: T) -> Self {
        Self {
            known,
            writer,
            take,
            at: None,
            brought: BTreeMap::new(),
            came: BTreeMap::new(),
            missing: BTreeSet::new(),
            superseded: BTreeSet::new(),
            devices_changed: false,
            meaningless: 0,
        }
    }

    fn bring(&mut self, record: Record) -> Result<(), Problem> {
        let from = self.writer.pair.peer();
        match record {
            Record::Private(_) => self.at = None,
            Record::Document { id, base } => self.at = Some((id, base)),
            Record::Roster(statements) => {
                self.devices_changed |= (self.take)(Carried::Roster { from, statements })?.devices_changed;
            }
            Record::Changes(changes) => {
                // The reader lets no change come before a document.
                let Some((id, base)) = &self.at else { return Ok(()) };
                let (id, base) = (*id, base.clone());
                if self.missing.contains(&id) || self.superseded.contains(&id) {
                    return Ok(());
                }
                let heads = self.brought.entry(id).or_insert_with(|| base.iter().copied().collect());
                for change in &changes {
                    for dependency in change.deps() {
                        heads.remove(dependency);
                    }
                    heads.insert(change.hash());
                }
                let took = (self.take)(Carried::Changes { from, id, base, changes })?;
                match took.outcome {
                    Outcome::Here => {}
                    Outcome::Missing => drop(self.missing.insert(id)),
                    Outcome::Superseded => drop(self.superseded.insert(id)),
                }
                for (partner, (things, private)) in took.came {
                    let came = self.came.entry(partner).or_default();
                    *came = (came.0 + things, came.1 + private);
                }
                self.meaningless += took.meaningless;
            }
        }
        Ok(())
    }

    fn end(mut self) -> Result<api::CarryReport, Problem> {
        let from = self.writer.pair.peer();
        let (missing, superseded) = (&self.missing, &self.superseded);
        self.brought.retain(|id, _| !missing.contains(id) && !superseded.contains(id));
        let brought = self.brought.into_iter().map(|(id, heads)| (id, heads.into_iter().collect())).collect();
        (self.take)(Carried::End { from, brought })?;
        let own = self.known.partner;
        let came = self.came.into_iter().filter(|(_, (things, _))| *things > 0);
        let came =
            came.map(|(by, (things, private))| api::CarriedBy { by: by.to_string(), own: by == own, things, private });
        let names = |ids: BTreeSet<DocumentId>| ids.into_iter().map(|id| id.to_string()).collect();
        Ok(api::CarryReport {
            device: from.to_string(),
            name: self.writer.name.clone(),
            came: came.collect(),
            devices_changed: self.devices_changed,
            missing: names(self.missing),
            superseded: names(self.superseded),
            meaningless: self.meaningless,
        })
    }
}
