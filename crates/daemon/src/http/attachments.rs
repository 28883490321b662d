//! Files: taken in as they come, and handed out as they are read. Nobody holds all of one.

use std::io;

use axum::body::{Body, Bytes};
use axum::extract::{Request as HttpRequest, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response as HttpResponse;
use betwixt_api::{self as api, MAX_ATTACHMENT, Problem, ProblemKind};
use http_body_util::BodyExt;
use tokio::sync::mpsc;

use super::BODY_TIME;
use super::access::{Caller, READ, Routes, WRITE};
use super::export::Pieces;
use super::lists::Query;
use super::past::{Named, named};
use super::request::{Request, Response};
use super::routes::{Asking, Calls, Segments, ask, json, refuse};
use super::{about::MAX_LINE, parse};

/// How many pieces of a file may wait to be written to the disk.
const WAITING: usize = 4;

pub(super) fn routes() -> Routes {
    Routes::default().post("/v1/files", WRITE, add).get("/v1/attachments/{id}/content", READ, content).get(
        "/v1/attachments/{id}/copies",
        READ,
        copies,
    )
}

/// A file that is to be added, as its request says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewFile {
    /// Who may see it; `None` for whoever sees what it belongs to.
    pub scope: Option<api::Scope>,
    /// What it is called.
    pub title: String,
    /// What it belongs to.
    pub of: Option<Named>,
    /// Whether it is added as it is.
    pub keep_location: bool,
    /// Its media type.
    pub media: String,
    /// How many bytes it announces, if it does.
    pub announced: Option<u64>,
}

/// A file as it comes. One whose end did not come ends with an error.
#[derive(Debug)]
pub struct Upload(mpsc::Receiver<io::Result<Bytes>>);

impl Upload {
    /// The next piece; `None` at the end. Blocks.
    pub(crate) fn next(&mut self) -> Option<io::Result<Bytes>> {
        self.0.blocking_recv()
    }

    fn of(mut body: Body) -> Self {
        let (sender, receiver) = mpsc::channel(WAITING);
        tokio::spawn(async move {
            loop {
                let piece = match tokio::time::timeout(BODY_TIME, body.frame()).await {
                    Err(_) => Err(io::ErrorKind::TimedOut.into()),
                    Ok(None) => return,
                    Ok(Some(Err(_))) => Err(io::ErrorKind::UnexpectedEof.into()),
                    Ok(Some(Ok(frame))) => match frame.into_data() {
                        Ok(data) => Ok(data),
                        Err(_) => continue,
                    },
                };
                let ends = piece.is_err();
                // Whoever takes it may have had enough.
                if sender.send(piece).await.is_err() || ends {
                    return;
                }
            }
        });
        Self(receiver)
    }
}

/// What is in a file, as it is read.
#[derive(Debug)]
pub struct Content {
    /// Its bytes.
    pub(crate) pieces: Pieces,
    /// How many.
    pub(crate) bytes: u64,
    /// Its media type.
    pub(crate) media: String,
    /// What it is called.
    pub(crate) title: String,
}

impl Content {
    pub(super) fn into_response(self) -> HttpResponse {
        let mut response = HttpResponse::new(self.pieces.into_body());
        let media = HeaderValue::from_str(&self.media);
        let name = format!("attachment; filename*=UTF-8''{}", percent(&self.title));
        let headers = [
            (header::CONTENT_TYPE, media.unwrap_or(HeaderValue::from_static("application/octet-stream"))),
            (header::CONTENT_LENGTH, self.bytes.into()),
            // Whatever it claims to be, no page of it runs beside the frontends of this machine.
            (
                header::CONTENT_DISPOSITION,
                HeaderValue::from_str(&name).unwrap_or(HeaderValue::from_static("attachment")),
            ),
            (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
            (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox; default-src 'none'")),
            (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        ];
        response.headers_mut().extend(headers);
        response
    }
}

/// As RFC 8187 writes a name into a header.
fn percent(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(byte).collect()
}

async fn add(State(calls): State<Calls>, request: HttpRequest) -> HttpResponse {
    let caller = request.extensions().get::<Caller>().cloned().unwrap_or(Caller::Anyone);
    let (parts, body) = request.into_parts();
    let read = || {
        let file = new_file(&parts)?;
        let key = parse::idempotency_key(&parts.headers)?;
        Ok((key, file))
    };
    match read() {
        Err(problem) => refuse(&problem),
        Ok((key, file)) => ask(&calls, caller, Request::AddFile { key, file, upload: Upload::of(body) }).await,
    }
}

fn new_file(parts: &axum::http::request::Parts) -> Result<NewFile, Problem> {
    let query = Query::read(&parts.uri, &["scope", "title", "of", "location"])?;
    let keep_location = match query.text("location") {
        None => false,
        Some("keep") => true,
        Some(_) => {
            let detail = "`location` is `keep`, or not given.";
            return Err(Problem::new(ProblemKind::Invalid, detail).about("location"));
        }
    };
    let media = parts.headers.get(header::CONTENT_TYPE).map(|media| media.to_str().unwrap_or_default());
    let media = media.unwrap_or("application/octet-stream").split(';').next().unwrap_or_default().trim();
    let media = media.to_ascii_lowercase();
    if !betwixt_model::attachment::is_media(&media) {
        let detail = "A Content-Type is of the form type/subtype, such as image/jpeg.";
        return Err(Problem::new(ProblemKind::Invalid, detail).about("content-type"));
    }
    let announced = parts.headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if announced.is_some_and(|announced: u64| announced > MAX_ATTACHMENT) {
        return Err(too_large());
    }
    let title = query.text("title").unwrap_or("A file");
    if title.is_empty() || title.chars().count() > MAX_LINE || title.chars().any(char::is_control) {
        let detail = format!("A title is one line of 1 to {MAX_LINE} characters.");
        return Err(Problem::new(ProblemKind::Invalid, detail).about("title"));
    }
    let of = query.text("of").map(|of| named(of.to_owned())).transpose()?;
    Ok(NewFile { scope: query.scope()?, title: title.to_owned(), of, keep_location, media, announced })
}

pub(crate) fn too_large() -> Problem {
    Problem::new(ProblemKind::TooLarge, "A file may have up to 100 MiB. Nothing was added.")
}

async fn content(Segments(id): Segments<String>, call: Asking) -> HttpResponse {
    call.with(|_| Ok(Request::AttachmentContent(parse::target("attachments", &id)?))).await
}

async fn copies(Segments(id): Segments<String>, call: Asking) -> HttpResponse {
    call.with(|_| Ok(Request::AttachmentCopies(parse::target("attachments", &id)?))).await
}

pub(super) fn write(status: StatusCode, response: AttachmentResponse) -> HttpResponse {
    match response {
        AttachmentResponse::Added(body) => json(status, &body),
        AttachmentResponse::Content(content) => content.into_response(),
        AttachmentResponse::Copies(body) => json(status, &body),
    }
}

/// What is answered about files.
#[derive(Debug)]
pub enum AttachmentResponse {
    /// One was added.
    Added(Box<api::AddedAttachment>),
    /// What is in one.
    Content(Content),
    /// Who has one.
    Copies(api::Copies),
}

impl From<AttachmentResponse> for Response {
    fn from(response: AttachmentResponse) -> Self {
        Self::Attachment(response)
    }
}
