//! Photos and files: adding them, who has them, and taking them out.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use betwixt_api::{
    AddedAttachment, ClientError, Collection, Copies, FieldState, Item, MAX_ATTACHMENT, NewAttachment, Problem,
    ProblemKind, Say, Scope,
};
use bytes::Bytes;
use serde::Serialize;
use serde_json::Value;
use tokio::sync::mpsc;

use super::key;
use super::new_file::{NewFile, failed};
use crate::arguments::{Attach, Attachments};
use crate::error::CommandError;
use crate::home::Opened;
use crate::render::attachment;

/// How much of a file is read at a time, in bytes.
const PIECE: usize = 64 * 1024;

/// How many pieces may wait to be sent.
const WAITING: usize = 4;

pub(super) async fn attach(opened: &Opened, attach: Attach) -> Result<(), CommandError> {
    let name = attach.file.file_name().map(|name| name.to_string_lossy().into_owned());
    let title = attach.title.or(name.map(one_line)).filter(|title| !title.is_empty());
    let new = NewAttachment {
        scope: attach.private.then_some(Scope::Mine),
        title,
        of: attach.to,
        keep_location: attach.keep_location,
    };
    let key = key();
    // With the same key a file whose answer was lost is not added twice.
    let added = match send(opened, &attach.file, &key, &new).await {
        Err(Sent::Client(ClientError::Disconnected(_))) => send(opened, &attach.file, &key, &new).await,
        other => other,
    };
    let added = added.map_err(CommandError::from)?;
    opened.terminal.result(&added, || attachment::added(&opened.look(), &added))
}

/// Why a file was not added.
enum Sent {
    Client(ClientError),
    Here(CommandError),
}

impl From<Sent> for CommandError {
    fn from(error: Sent) -> Self {
        match error {
            Sent::Client(error) => error.into(),
            Sent::Here(error) => error,
        }
    }
}

async fn send(opened: &Opened, path: &Path, key: &str, new: &NewAttachment) -> Result<AddedAttachment, Sent> {
    let failed = || CommandError::io(format!("reading {}", path.display()));
    let open = || -> Result<(File, u64), CommandError> {
        let file = File::open(path).map_err(failed())?;
        let about = file.metadata().map_err(failed())?;
        if !about.is_file() {
            return Err(CommandError::Value { what: format!("{} is not a file", path.display()) });
        }
        if about.len() > MAX_ATTACHMENT {
            let detail = format!("{} is too large: a file may have up to 100 MiB. Nothing was added.", path.display());
            return Err(Problem::new(ProblemKind::TooLarge, detail).into());
        }
        Ok((file, about.len()))
    };
    let (file, bytes) = open().map_err(Sent::Here)?;
    let bar = opened.terminal.measured("Adding", bytes);
    let (sender, pieces) = mpsc::channel(WAITING);
    let reading = tokio::task::spawn_blocking({
        let bar = bar.clone();
        move || read(file.take(bytes), &sender, &bar)
    });
    // By the end of its name. It is only told; the daemon looks into the file itself.
    let media = mime_guess::from_path(path).first_or_octet_stream();
    let added = opened.client.attach(key, new, media.essence_str(), bytes, pieces).await;
    bar.finish_and_clear();
    // Dropped by now is what it reads for, if the request came to an end before.
    match (added, reading.await) {
        (_, Ok(Err(error))) => Err(Sent::Here(failed()(error))),
        (added, _) => added.map_err(Sent::Client),
    }
}

fn read(mut file: impl Read, sender: &mpsc::Sender<Bytes>, bar: &indicatif::ProgressBar) -> io::Result<()> {
    loop {
        let mut piece = Vec::with_capacity(PIECE);
        if file.by_ref().take(PIECE as u64).read_to_end(&mut piece)? == 0 {
            return Ok(());
        }
        bar.inc(piece.len() as u64);
        // Whoever takes it may have refused the rest.
        if sender.blocking_send(piece.into()).is_err() {
            return Ok(());
        }
    }
}

fn one_line(name: String) -> String {
    name.chars().filter(|character| !character.is_control()).take(200).collect()
}

/// An attachment with who has it.
#[derive(Debug, Serialize)]
pub(crate) struct Listed {
    pub(crate) attachment: Item,
    pub(crate) copies: Copies,
}

pub(super) async fn attachments(opened: &Opened, command: Option<Attachments>) -> Result<(), CommandError> {
    match command {
        None | Some(Attachments::List) => list(opened).await,
        Some(Attachments::Get { id, output }) => get(opened, &id, &output).await,
        Some(Attachments::LetGo { id }) => let_go(opened, &id).await,
    }
}

async fn list(opened: &Opened) -> Result<(), CommandError> {
    let mut listed = Vec::new();
    for attachment in opened.client.items(Collection::Attachments, None).await? {
        match opened.client.attachment_copies(&attachment.id).await {
            Ok(copies) => listed.push(Listed { attachment, copies }),
            // It was let go.
            Err(ClientError::Problem(problem)) if problem.kind == ProblemKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
    }
    opened.terminal.result(&listed, || attachment::list(&opened.look(), &listed))
}

/// A file that was written.
#[derive(Debug, Serialize)]
struct Written {
    path: String,
    bytes: u64,
}

async fn get(opened: &Opened, id: &str, output: &Path) -> Result<(), CommandError> {
    let new = NewFile::begin(output, false)?;
    let expected = opened.client.attachment_copies(id).await?.bytes;
    let bar = opened.terminal.measured("Writing", expected);
    let mut file = new.file()?;
    let pour = async {
        let mut content = opened.client.attachment_content(id).await?;
        let mut bytes = 0;
        while let Some(piece) = content.next().await? {
            file.write_all(&piece).map_err(failed(output))?;
            bytes += piece.len() as u64;
            bar.inc(piece.len() as u64);
        }
        if bytes != expected {
            return Err(ClientError::Disconnected("the file ended early".into()).into());
        }
        file.sync_all().map_err(failed(output))
    };
    // Otherwise a part of it would stay behind.
    let poured = tokio::select! {
        poured = pour => poured,
        _ = tokio::signal::ctrl_c() => Err(CommandError::Stopped),
    };
    bar.finish_and_clear();
    poured?;
    let written = Written { path: output.display().to_string(), bytes: new.keep()? };
    opened.terminal.result(&written, || format!("Wrote {} ({} bytes).", output.display(), written.bytes))
}

async fn let_go(opened: &Opened, id: &str) -> Result<(), CommandError> {
    let item = opened.client.item(Collection::Attachments, id).await?;
    let file = item.fields.get("file");
    if file.is_none_or(|file| matches!(file.state, FieldState::Empty)) || file.and_then(|file| file.held()).is_none() {
        return Err(CommandError::NotFound { what: "that file was let go already".into() });
    }
    let say = Say { value: Value::Null, seen: file.map(|file| file.seen.clone()) };
    let saying = opened.client.say(Collection::Attachments, &item.id, "file", &say).await?;
    opened.terminal.result(&saying, || "Let go. It stays in the history, and can be said again from there.".to_owned())
}
