//! The typed client of a daemon's Unix socket.

mod attachments;
mod carry;
mod events;
mod export;
mod frontends;
mod pages;
mod past;
mod query;
mod rituals;
mod seals;
mod search;
mod statistics;
mod ways;

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{ACCEPT, CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;
use tokio::sync::Mutex;

pub use self::events::Events;
pub use self::export::Download;
use self::query::{Query, escaped};
use crate::*;

/// How long connecting to a socket may take. A daemon that lives accepts at once.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Why there is no answer, or none of the kind that was asked for.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens on the socket.
    #[error("no daemon answers at {path}")]
    NotRunning {
        /// The socket.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The connection broke before the answer was there. Whether the request was carried out is not known; one with an
    /// idempotency key may be repeated.
    #[error("the daemon went away before it answered")]
    Disconnected(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The daemon's answer is a problem.
    #[error(transparent)]
    Problem(#[from] Problem),
    /// The answer is not what this version expects; daemon and client may be of different versions.
    #[error("the daemon's answer was not understood (is it of another version?)")]
    NotUnderstood(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// A client of one daemon. Requests go one after the other over one connection, which is made when first needed and made
/// anew when it was closed; clone-free sharing by reference is fine.
#[derive(Debug)]
pub struct Client {
    socket: PathBuf,
    connection: Mutex<Option<SendRequest<Full<Bytes>>>>,
}

impl Client {
    /// A client of the daemon that listens on this socket. Connects to nothing yet.
    pub fn new(socket: impl Into<PathBuf>) -> Self {
        Self { socket: socket.into(), connection: Mutex::new(None) }
    }

    /// The socket's path.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// What the daemon speaks and knows.
    pub async fn about(&self) -> Result<About, ClientError> {
        self.get("/v1").await
    }

    /// How the home is.
    pub async fn status(&self) -> Result<Status, ClientError> {
        self.get("/v1/status").await
    }

    /// Founds the home.
    pub async fn init(&self, request: &InitRequest) -> Result<Initialised, ClientError> {
        self.post("/v1/home", request).await
    }

    /// Opens the home.
    pub async fn unlock(&self, request: &UnlockRequest) -> Result<Status, ClientError> {
        self.post("/v1/unlock", request).await
    }

    /// Locks what is private: its key is forgotten. What is shared goes on.
    pub async fn lock(&self) -> Result<Status, ClientError> {
        self.post("/v1/lock", &Empty {}).await
    }

    /// Chooses when what is private locks by itself.
    pub async fn lock_after(&self, choice: LockAfter) -> Result<Status, ClientError> {
        self.put("/v1/lock", &choice).await
    }

    /// Ends the daemon. Answered before it goes.
    pub async fn down(&self) -> Result<(), ClientError> {
        self.post::<_, Empty>("/v1/down", &Empty {}).await.map(drop)
    }

    /// Pauses: closes every connection and makes none, which looks like being offline.
    pub async fn pause(&self) -> Result<Status, ClientError> {
        self.post("/v1/pause", &Empty {}).await
    }

    /// Ends a pause.
    pub async fn resume(&self) -> Result<Status, ClientError> {
        self.post("/v1/resume", &Empty {}).await
    }

    /// Shows a code.
    pub async fn pairing_start(&self, request: &StartPairing) -> Result<Pairing, ClientError> {
        self.post("/v1/pairing", request).await
    }

    /// Enters the other device's code.
    pub async fn pairing_enter(&self, request: &EnterCode) -> Result<Pairing, ClientError> {
        self.post("/v1/pairing/code", request).await
    }

    /// How far pairing is.
    pub async fn pairing(&self) -> Result<Pairing, ClientError> {
        self.get("/v1/pairing").await
    }

    /// Answers the question that pairing asks.
    pub async fn pairing_confirm(&self, request: &ConfirmPairing) -> Result<Pairing, ClientError> {
        self.post("/v1/pairing/confirm", request).await
    }

    /// Ends pairing without a result.
    pub async fn pairing_cancel(&self) -> Result<Pairing, ClientError> {
        self.request(Method::DELETE, "/v1/pairing", None, Bytes::new()).await
    }

    /// Every device of the household.
    pub async fn devices(&self) -> Result<Vec<Device>, ClientError> {
        self.list("/v1/devices").await
    }

    /// Every address that is known.
    pub async fn addresses(&self) -> Result<Vec<Address>, ClientError> {
        self.list("/v1/addresses").await
    }

    /// Says what a device of one's own is called; answers all devices.
    pub async fn device_rename(&self, device: &str, name: &str) -> Result<Vec<Device>, ClientError> {
        let request = RenameDevice { name: name.to_owned() };
        Ok(self.put::<_, Page<Device>>(&format!("/v1/devices/{}/name", escaped(device)), &request).await?.items)
    }

    /// Removes a device of one's own; answers all devices.
    pub async fn device_remove(&self, device: &str) -> Result<Vec<Device>, ClientError> {
        let path = format!("/v1/devices/{}", escaped(device));
        Ok(self.request::<Page<Device>>(Method::DELETE, &path, None, Bytes::new()).await?.items)
    }

    /// Adds an address by hand.
    pub async fn address_add(&self, request: &AddressRequest) -> Result<Vec<Address>, ClientError> {
        Ok(self.post::<_, Page<Address>>("/v1/addresses", request).await?.items)
    }

    /// Forgets an address.
    pub async fn address_remove(&self, request: &AddressRequest) -> Result<Vec<Address>, ClientError> {
        let path = format!("/v1/addresses/{}", escaped(&request.address));
        Ok(self.request::<Page<Address>>(Method::DELETE, &path, None, Bytes::new()).await?.items)
    }

    /// Takes this network for a home for a while.
    pub async fn here(&self) -> Result<Here, ClientError> {
        self.post("/v1/here", &Empty {}).await
    }

    /// Tries to meet everybody now.
    pub async fn sync(&self) -> Result<SyncReport, ClientError> {
        self.post("/v1/sync", &Empty {}).await
    }

    /// Looks for what keeps things from working.
    pub async fn doctor(&self) -> Result<Vec<Finding>, ClientError> {
        self.list("/v1/doctor").await
    }

    /// The vision: the shared one once there is one, the private one before, unless told.
    pub async fn vision(&self, scope: Option<Scope>) -> Result<Item, ClientError> {
        self.get(&format!("/v1/vision{}", scoped(scope))).await
    }

    /// One item, by its id or the unique beginning of one.
    pub async fn item(&self, collection: Collection, id: &str) -> Result<Item, ClientError> {
        self.get(&format!("/v1/{}/{}", collection.name(), segment(id)?)).await
    }

    /// Says "we see this differently" of a field that waits. The item is named by its id, or `vision`.
    pub async fn say_differently(&self, item: &str, field: &str, say: &SayDifferently) -> Result<Saying, ClientError> {
        self.put(&format!("/v1/settle/{}/{}/differently", segment(item)?, segment(field)?), say).await
    }

    /// Leaves a field that waits alone for a while. The item is named by its id, or `vision`.
    pub async fn park(&self, item: &str, field: &str, park: &Park) -> Result<Saying, ClientError> {
        self.put(&format!("/v1/settle/{}/{}/parked", segment(item)?, segment(field)?), park).await
    }

    /// Founds an item. The same key gives the same item, however often it is asked for.
    pub async fn create(&self, collection: Collection, key: &str, item: &NewItem) -> Result<Item, ClientError> {
        self.post_once(&format!("/v1/{}", collection.name()), key, item).await
    }

    /// Says something about a field of an item.
    pub async fn say(&self, collection: Collection, id: &str, field: &str, say: &Say) -> Result<Saying, ClientError> {
        self.put(&format!("/v1/{}/{}/{}", collection.name(), segment(id)?, segment(field)?), say).await
    }

    /// Says something about a field of the vision; the scope as in [`Self::vision`].
    pub async fn say_vision(&self, scope: Option<Scope>, field: &str, say: &Say) -> Result<Saying, ClientError> {
        self.put(&format!("/v1/vision/{}{}", segment(field)?, scoped(scope)), say).await
    }

    /// Adds to a milestone. The same key adds once.
    pub async fn progress(&self, milestone: &str, key: &str, entry: &ProgressEntry) -> Result<Item, ClientError> {
        self.post_once(&format!("/v1/milestones/{}/progress", segment(milestone)?), key, entry).await
    }

    /// Brings private items to the household.
    pub async fn bring(&self, request: &Bring) -> Result<BringReport, ClientError> {
        self.post("/v1/bring", request).await
    }

    /// How it stands with chapters, and what a new one would keep.
    pub async fn chapters(&self) -> Result<Chapters, ClientError> {
        self.get("/v1/chapter").await
    }

    /// Proposes a new chapter.
    pub async fn chapter_propose(&self, request: &ChapterRequest) -> Result<Chapters, ClientError> {
        self.post("/v1/chapter", request).await
    }

    /// Agrees to the chapter that the other partner proposes. That cannot be taken back.
    pub async fn chapter_agree(&self) -> Result<Chapters, ClientError> {
        self.post("/v1/chapter/agree", &Empty {}).await
    }

    /// Takes back what one proposed, if the other has not agreed.
    pub async fn chapter_withdraw(&self) -> Result<Chapters, ClientError> {
        self.post("/v1/chapter/withdraw", &Empty {}).await
    }

    /// Reads and checks everything on disk.
    pub async fn verify(&self) -> Result<VerifyReport, ClientError> {
        self.post("/v1/verify", &Empty {}).await
    }

    /// The backups in the home, newest first.
    pub async fn backups(&self) -> Result<Vec<Backup>, ClientError> {
        self.list("/v1/backups").await
    }

    /// Writes a backup. The same key makes one.
    pub async fn backup(&self, key: &str, request: &BackupRequest) -> Result<Backup, ClientError> {
        self.post_once("/v1/backups", key, request).await
    }

    /// Puts a backup in the place of what the home holds.
    pub async fn restore(&self, request: &RestoreRequest) -> Result<Restored, ClientError> {
        self.post("/v1/restore", request).await
    }

    /// Follows what changes, from after this notice on, over a connection of its own. With `snapshot` it begins with
    /// everything that is there.
    pub async fn events(&self, after: Option<&str>, snapshot: bool) -> Result<Events, ClientError> {
        let path = if snapshot { "/v1/events?snapshot=true" } else { "/v1/events" };
        let mut sender = self.connect().await?;
        let mut request = build(Method::GET, path, None, Bytes::new())?;
        if let Some(after) = after {
            let after = HeaderValue::from_str(after).map_err(|error| ClientError::NotUnderstood(error.into()))?;
            request.headers_mut().insert("last-event-id", after);
        }
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
        let response = sender.send_request(request).await.map_err(disconnected)?;
        if !response.status().is_success() {
            return Err(problem(response).await);
        }
        Ok(Events::new(response.into_body(), sender))
    }

    async fn get<A: DeserializeOwned>(&self, path: &str) -> Result<A, ClientError> {
        self.request(Method::GET, path, None, Bytes::new()).await
    }

    /// A list that is on one page.
    async fn list<T: DeserializeOwned>(&self, path: &str) -> Result<Vec<T>, ClientError> {
        Ok(self.get::<Page<T>>(path).await?.items)
    }

    async fn post<B: Serialize, A: DeserializeOwned>(&self, path: &str, body: &B) -> Result<A, ClientError> {
        self.request(Method::POST, path, None, json(body)?).await
    }

    async fn post_once<B: Serialize, A: DeserializeOwned>(
        &self,
        path: &str,
        key: &str,
        body: &B,
    ) -> Result<A, ClientError> {
        self.request(Method::POST, path, Some(key), json(body)?).await
    }

    async fn put<B: Serialize, A: DeserializeOwned>(&self, path: &str, body: &B) -> Result<A, ClientError> {
        self.request(Method::PUT, path, None, json(body)?).await
    }

    async fn request<A: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        key: Option<&str>,
        body: Bytes,
    ) -> Result<A, ClientError> {
        let mut slot = self.connection.lock().await;
        let mut reused = slot.take();
        // Lets the connection's task see that a daemon has gone since: otherwise the request is lost half written.
        tokio::task::yield_now().await;
        if let Some(sender) = &mut reused
            && sender.ready().await.is_err()
        {
            reused = None;
        }
        let request = build(method, path, key, body)?;
        let (mut sender, request) = match reused {
            // A daemon that went down since closes the connection; what it never got may go to its successor.
            Some(mut sender) => match sender.try_send_request(request).await {
                Ok(response) => return self.finish(&mut slot, sender, response).await,
                Err(mut error) => match error.take_message() {
                    Some(request) => (self.connect().await?, request),
                    None => return Err(disconnected(error.into_error())),
                },
            },
            None => (self.connect().await?, request),
        };
        let response = sender.send_request(request).await.map_err(disconnected)?;
        self.finish(&mut slot, sender, response).await
    }

    async fn finish<A: DeserializeOwned>(
        &self,
        slot: &mut Option<SendRequest<Full<Bytes>>>,
        sender: SendRequest<Full<Bytes>>,
        response: Response<Incoming>,
    ) -> Result<A, ClientError> {
        if !response.status().is_success() {
            let error = problem(response).await;
            *slot = Some(sender);
            return Err(error);
        }
        let body = collect(response).await?;
        *slot = Some(sender);
        serde_json::from_slice(&body).map_err(|error| ClientError::NotUnderstood(error.into()))
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, ClientError> {
        self.connect_for().await
    }

    /// A connection for requests with bodies of this kind.
    async fn connect_for<B>(&self) -> Result<SendRequest<B>, ClientError>
    where
        B: hyper::body::Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let not_running = |source| ClientError::NotRunning { path: self.socket.clone(), source };
        let stream = tokio::time::timeout(CONNECT_TIMEOUT, UnixStream::connect(&self.socket))
            .await
            .map_err(|_| not_running(std::io::ErrorKind::TimedOut.into()))?
            .map_err(not_running)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(disconnected)?;
        // Ends when the sender is dropped or the daemon closes; its error is seen by whoever waits for an answer.
        tokio::spawn(async move {
            let _ = connection.await;
        });
        Ok(sender)
    }
}

#[derive(Serialize, serde::Deserialize)]
struct Empty {}

fn disconnected(error: impl std::error::Error + Send + Sync + 'static) -> ClientError {
    ClientError::Disconnected(Box::new(error))
}

fn json(body: &impl Serialize) -> Result<Bytes, ClientError> {
    let bytes = serde_json::to_vec(body).map_err(|error| ClientError::NotUnderstood(error.into()))?;
    // The daemon would close the connection in the middle of it, and its answer be lost.
    if bytes.len() > MAX_REQUEST {
        return Err(Problem::new(ProblemKind::TooLarge, "One thing said may have up to 1 MiB.").into());
    }
    Ok(bytes.into())
}

/// Ids and names come from the command line: nothing of them may become another path.
fn segment(text: &str) -> Result<&str, ClientError> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    if plain {
        Ok(text)
    } else {
        Err(Problem::new(ProblemKind::NotFound, "That is no id and no name of a field: both are letters and digits.")
            .into())
    }
}

fn scoped(scope: Option<Scope>) -> Query {
    Query::default().with("scope", scope.map(Scope::name))
}

fn build(method: Method, path: &str, key: Option<&str>, body: Bytes) -> Result<Request<Full<Bytes>>, ClientError> {
    let mut request = Request::builder().method(method).uri(path).header(HOST, "localhost");
    if !body.is_empty() {
        request = request.header(CONTENT_TYPE, "application/json");
    }
    if let Some(key) = key {
        request = request.header(IDEMPOTENCY_KEY, key);
    }
    request.body(Full::new(body)).map_err(|error| ClientError::NotUnderstood(error.into()))
}

async fn collect(response: Response<Incoming>) -> Result<Bytes, ClientError> {
    let body = Limited::new(response.into_body(), MAX_RESPONSE);
    Ok(body.collect().await.map_err(ClientError::Disconnected)?.to_bytes())
}

async fn problem(response: Response<Incoming>) -> ClientError {
    match collect(response).await {
        Err(error) => error,
        Ok(body) => match serde_json::from_slice::<Problem>(&body) {
            Ok(problem) => ClientError::Problem(problem),
            Err(error) => ClientError::NotUnderstood(error.into()),
        },
    }
}
