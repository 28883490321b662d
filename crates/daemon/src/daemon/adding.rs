//! Adding files: taken in beside the loop, and said once they are on the disk.

use std::time::Instant;

use betwixt_api::{Location, Problem, ProblemKind};
use betwixt_store::attachments::{Adding, AttachmentError, Attachments};
use jiff::Timestamp;
use tokio::sync::oneshot;

use super::{Daemon, State};
use crate::answer::attachments::{self, Belongs, StoredFile, attachment_problem};
use crate::event::{Finished, TakenIn};
use crate::http::{Answer, NewFile, Response, Sees, Upload, pieces};
use crate::location::{self, Cleared, HEAD, Kind};
use crate::open::Open;
use crate::porter::has_room;
use crate::writes::Write;

/// A file to be added.
#[derive(Debug)]
pub(super) struct ToAdd {
    pub(super) sees: Sees,
    pub(super) key: Option<String>,
    pub(super) file: NewFile,
    pub(super) upload: Upload,
}

impl Daemon {
    /// Takes a file in, and then says that it is attached.
    pub(super) fn add_file(&mut self, to_add: ToAdd, answer: oneshot::Sender<Answer>, now: Instant) {
        let State::Open(open) = &mut self.state else { return drop(answer.send(Err(self.not_open()))) };
        let ToAdd { sees, key, file, mut upload } = to_add;
        if sees == Sees::Everything {
            open.idle.used(now, Timestamp::now());
        }
        let belongs = match attachments::belongs(&open.house.replica, sees, &file) {
            Ok(belongs) => belongs,
            Err(problem) => return drop(answer.send(Err(problem))),
        };
        let Ok(turn) = open.adding.clone().try_acquire_owned() else {
            let detail = "Other files are being added; try again when they are done.";
            return drop(answer.send(Err(Problem::new(ProblemKind::Busy, detail))));
        };
        if !has_room(open.house.home.path(), file.announced.unwrap_or(0).saturating_mul(2)) {
            let detail = "The disk is almost full: free some space, then try again. Nothing was added.";
            return drop(answer.send(Err(Problem::new(ProblemKind::StorageFull, detail))));
        }
        let attached = open.attachments.clone();
        self.beside(move || {
            let _turn = turn;
            let stored = take_in(&attached, belongs, &file, &mut upload);
            Some(Finished::TakenIn(TakenIn { sees, key, stored }, answer))
        });
    }

    /// A file is on the disk, or is not: now it is said.
    pub(super) fn taken_in(&mut self, taken: TakenIn, answer: oneshot::Sender<Answer>, now: Instant) {
        let State::Open(open) = &mut self.state else { return drop(answer.send(Err(self.not_open()))) };
        let stored = match taken.stored {
            Ok(stored) => stored,
            Err(problem) => return drop(answer.send(Err(problem))),
        };
        if open.engine.is_recovering() {
            open.engine.recover(&mut open.house.replica, now);
        }
        open.engine.attachment_stored(stored.belongs.scope, stored.file.id());
        open.engine.write(Write::File(taken.sees, taken.key, Box::new(stored), answer));
    }
}

impl Open {
    /// Hands out what is in a file.
    pub(super) fn attachment_content(&self, sees: Sees, target: &crate::http::Target, answer: oneshot::Sender<Answer>) {
        let found = match attachments::find(&self.house.replica, sees, target) {
            Ok(found) => found,
            Err(problem) => return drop(answer.send(Err(problem))),
        };
        if !self.engine.holds_attachment(found.scope, &found.file.id()) {
            return drop(answer.send(Err(attachment_problem(&AttachmentError::NotHere))));
        }
        let attached = self.attachments.clone();
        tokio::task::spawn_blocking(move || hand_out(&attached, found, answer));
    }
}

fn hand_out(attached: &Attachments, found: attachments::FoundFile, answer: oneshot::Sender<Answer>) {
    use std::io::Write as _;
    let (mut writer, pieces) = pieces();
    let (bytes, media) = (found.file.bytes, found.file.media.clone());
    let content = crate::http::Content { pieces, bytes, media, title: found.title };
    let mut telling = Some((answer, content));
    let tell = |telling: &mut Option<(oneshot::Sender<Answer>, crate::http::Content)>| {
        if let Some((answer, content)) = telling.take() {
            // Whoever asked may be gone.
            let _ = answer.send(Ok(Response::Attachment(crate::http::AttachmentResponse::Content(content))));
        }
    };
    let read = attached.read(found.scope, &found.file, |piece| {
        tell(&mut telling);
        writer.write_all(&piece).map_err(|source| AttachmentError::File { path: "the answer".into(), source })
    });
    match (read, telling) {
        (Ok(()), _) => {
            // The reader may have had enough.
            let _ = writer.end();
        }
        // Nothing was told yet.
        (Err(error), Some((answer, _))) => drop(answer.send(Err(attachment_problem(&error)))),
        (Err(error), None) => {
            tracing::warn!(%error, "a file was not handed out to its end");
            writer.break_off();
        }
    }
}

/// Reads a file to its end, leaves out where it was taken, and puts it into its place. Blocks.
fn take_in(
    attached: &Attachments,
    belongs: Belongs,
    file: &NewFile,
    upload: &mut Upload,
) -> Result<StoredFile, Problem> {
    let failed = |error: AttachmentError| attachment_problem(&error);
    let mut adding = attached.begin(belongs.scope, &belongs.space).map_err(failed)?;
    let mut head = Vec::new();
    while let Some(piece) = upload.next() {
        let piece = piece.map_err(|error| match error.kind() {
            std::io::ErrorKind::TimedOut => {
                Problem::new(ProblemKind::TooSlow, "Nothing of the file came for 20 seconds. Nothing was added.")
            }
            _ => Problem::new(ProblemKind::NotUnderstood, "The file ended early. Nothing was added."),
        })?;
        if head.len() < HEAD {
            head.extend_from_slice(&piece[..piece.len().min(HEAD - head.len())]);
        }
        adding.write(&piece).map_err(failed)?;
    }
    let location = leave_place_out(&mut adding, &head, file.keep_location)?;
    let stored = adding.finish(&file.media).map_err(failed)?;
    Ok(StoredFile { belongs, title: file.title.clone(), file: stored, location })
}

fn leave_place_out(adding: &mut Adding, head: &[u8], keep: bool) -> Result<Location, Problem> {
    let failed = |error: AttachmentError| attachment_problem(&error);
    let refused = |what: &str| {
        let detail = format!(
            "{what}, so it may say where it was taken. Nothing was added. Add a copy as JPEG, PNG or WebP, or add it as it is, \
             with its place (`--keep-location`)."
        );
        Problem::new(ProblemKind::Invalid, detail).about("location")
    };
    match location::kind(head) {
        _ if keep => Ok(Location::Kept),
        Kind::Other => Ok(Location::NotLookedFor),
        Kind::Closed => Err(refused("Betwixt cannot take this kind of image or video apart")),
        Kind::Image(image) => {
            let content = adding.content().map_err(failed)?;
            let cleared = location::clear(image, content);
            let Cleared { content, named_place } = cleared.map_err(|_| refused("Betwixt cannot read this image"))?;
            if let Some(content) = content {
                adding.replace(&content).map_err(failed)?;
            }
            Ok(if named_place { Location::LeftOut } else { Location::None })
        }
    }
}
