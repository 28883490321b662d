//! Attachments: what is asked about them, and what is said when one was added.

use std::collections::BTreeSet;

use betwixt_api as api;
use betwixt_api::{Problem, ProblemKind};
use betwixt_model::attachment::{Attached, FILE, KIND, MAX_FILES};
use betwixt_model::document::Scope;
use betwixt_model::ids::{AttachmentId, HouseholdId, ItemId};
use betwixt_model::index;
use betwixt_model::view::ItemView;
use betwixt_store::attachments::AttachmentError;
use serde_json::{Value, json};

use super::failure::Failure;
use super::items::{Open, ReadError, model_scope};
use super::problem::{file_problem, sentence, storage_problem};
use super::remembered::Key;
use super::says::Writing;
use crate::engine::attachments_setting;
use crate::http::{AttachmentResponse, NewFile, Response, Sees, Target, too_large};
use crate::open;
use crate::replica::Replica;

/// Where a new file belongs.
#[derive(Debug, Clone)]
pub(crate) struct Belongs {
    pub(crate) scope: Scope,
    pub(crate) space: HouseholdId,
    /// The item that it is of, as its field says it.
    of: Option<Value>,
}

/// A file that is on the disk and is now to be said.
#[derive(Debug)]
pub(crate) struct StoredFile {
    pub(crate) belongs: Belongs,
    pub(crate) title: String,
    pub(crate) file: Attached,
    pub(crate) location: api::Location,
}

/// Where a file would belong, before it is taken in.
///
/// # Errors
/// What keeps it from being said there.
pub(crate) fn belongs(replica: &Replica, sees: Sees, new: &NewFile) -> Result<Belongs, Problem> {
    let view = replica.read().map_err(|error| storage_problem(&error))?;
    let open = Open::new(replica, sees, &view.reader());
    let find = || -> Result<(Scope, Option<Value>), ReadError> {
        let asked = new.scope.map(model_scope);
        let Some(of) = &new.of else {
            return Ok((asked.map_or_else(|| open.default(), |scope| open.one(scope))?.scope, None));
        };
        let found = open.find_named(of)?;
        let scope = found.open.scope;
        if asked.is_some_and(|asked| asked != scope) {
            let detail = "A file and the item that it belongs to are seen by the same people.";
            return Err(Problem::new(ProblemKind::Invalid, detail).about("scope").into());
        }
        if found.view.kind == KIND {
            let detail = "A file belongs to what people say, not to another file.";
            return Err(Problem::new(ProblemKind::Invalid, detail).about("of").into());
        }
        Ok((scope, Some(json!({ "item": found.view.id.to_string(), "kind": found.view.kind }))))
    };
    let (scope, of) = find()?;
    let one = open.one(scope)?;
    let files = index::items(&one.rows, KIND).map_err(|error| Problem::from(ReadError::from(error)))?;
    if files.len() >= MAX_FILES {
        let detail = format!("There are {MAX_FILES} files already, which is as many as Betwixt keeps.");
        return Err(Problem::new(ProblemKind::Invalid, detail));
    }
    Ok(Belongs { scope, space: one.reader.household, of })
}

/// Why a file was not written or read.
pub(crate) fn attachment_problem(error: &AttachmentError) -> Problem {
    match error {
        AttachmentError::File { source, .. } => file_problem(source),
        AttachmentError::TooLarge => too_large(),
        AttachmentError::NotHere => Problem::new(ProblemKind::NotFound, NOT_HERE),
        AttachmentError::Damaged | AttachmentError::OutOfTurn => {
            let detail = "The file is damaged on this disk. It comes again when a device is met that has it.";
            Problem::new(ProblemKind::Damaged, format!("{} {detail}", sentence(error)))
        }
    }
}

const NOT_HERE: &str = "This device has not got all of the file yet; it comes when a device is met that has it.";

/// The file that an attachment holds. `None` where it was let go, or differs.
fn file_of(view: &ItemView) -> Option<Attached> {
    Attached::of(view.fields.get(FILE)?.reading.value.as_ref()?)
}

/// An attachment, found to be read.
pub(crate) struct FoundFile {
    pub(crate) scope: Scope,
    pub(crate) file: Attached,
    pub(crate) title: String,
}

/// The file of the attachment that a path names.
///
/// # Errors
/// [`ProblemKind::NotFound`], also for one that was let go.
pub(crate) fn find(replica: &Replica, sees: Sees, target: &Target) -> Result<FoundFile, Problem> {
    let view = replica.read().map_err(|error| storage_problem(&error))?;
    let open = Open::new(replica, sees, &view.reader());
    let found = open.find(target).map_err(Problem::from)?;
    let file = file_of(&found.view).ok_or_else(|| {
        let detail = "That file was let go. What was said of it is in its history.";
        Problem::new(ProblemKind::NotFound, detail)
    })?;
    let title = found.view.fields.get("title").and_then(|title| title.reading.value.as_ref()?.as_str());
    Ok(FoundFile { scope: found.open.scope, title: title.unwrap_or("file").to_owned(), file })
}

impl Writing<'_> {
    /// Says that a file is attached, which is on the disk.
    pub(super) fn attach(&mut self, key: Option<&str>, stored: StoredFile) -> Result<Response, Failure> {
        let StoredFile { belongs, title, file, location } = stored;
        let request = (file.value(), &title, &belongs.of, belongs.scope.name());
        let key = key.map(|key| Key::new(key, request)).transpose()?;
        let answered = match self.remembered(KIND, key.as_ref())? {
            Some(answer) => answer,
            None => {
                let mut fields = vec![(FILE.to_owned(), file.value()), ("title".to_owned(), title.into())];
                fields.extend(belongs.of.map(|of| ("of".to_owned(), of)));
                let item: ItemId = self.found(belongs.scope, KIND, fields)?;
                self.remember(belongs.scope, key, item)?;
                self.shown(belongs.scope, KIND, item)?
            }
        };
        match answered {
            Response::Item(attachment) => {
                let added = api::AddedAttachment { attachment: *attachment, location };
                Ok(AttachmentResponse::Added(Box::new(added)).into())
            }
            other => Ok(other),
        }
    }
}

impl open::Open {
    /// Which devices have a file, as far as this one knows.
    pub(crate) fn copies(&self, found: &FoundFile) -> Result<api::Copies, Problem> {
        let (scope, id) = (found.scope, found.file.id());
        let devices = self.devices().map_err(|error| storage_problem(&error))?;
        let view = self.house.store.read().map_err(|error| storage_problem(&error))?;
        let reader = view.reader();
        let mut shown = Vec::new();
        // What is private is on the own devices alone.
        let concerned = |device: &api::Device| !device.removed && (scope == Scope::Ours || device.own);
        for device in devices.into_iter().filter(concerned) {
            let coming = self.engine.attachment_coming(scope, &id);
            let (state, bytes) = if !device.this {
                let peer = self.peers().into_iter().find(|peer| peer.to_string() == device.id);
                let has = match peer {
                    Some(peer) => match self.engine.peer_attachments(&peer, scope) {
                        Some(has) => Some(has),
                        None => reader
                            .setting::<Vec<[u8; 32]>>(scope, &attachments_setting(&peer))
                            .map_err(|error| storage_problem(&error))?
                            .map(|has| has.into_iter().map(AttachmentId::from_bytes).collect::<BTreeSet<_>>()),
                    },
                    None => None,
                };
                let state = match has.map(|has| has.contains(&id)) {
                    Some(true) => api::CopyState::Whole,
                    Some(false) => api::CopyState::Missing,
                    None => api::CopyState::Unknown,
                };
                (state, None)
            } else if self.engine.holds_attachment(scope, &id) {
                (api::CopyState::Whole, None)
            } else if let Some(chunks) = coming {
                let here = u64::from(chunks) * betwixt_model::attachment::CHUNK as u64;
                (api::CopyState::Coming, Some(here.min(found.file.bytes)))
            } else {
                (api::CopyState::Missing, None)
            };
            let api::Device { id, name, this, own, .. } = device;
            shown.push(api::DeviceCopy { device: id, name, this, own, state, bytes });
        }
        shown.sort_by_key(|device| !device.this);
        Ok(api::Copies { bytes: found.file.bytes, media: found.file.media.clone(), devices: shown })
    }
}
