//! The floor of the API's figures: the same HTTP stack in a process of its own, which answers constants of the same length
//! and tells every reader of a stream the same event.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use axum::Router;
use axum::body::Body;
use axum::extract::{Path as InPath, State};
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use bytes::Bytes;
use futures_util::stream;
use tokio::net::UnixListener;
use tokio::sync::broadcast;

/// An event as long as one of the daemon's.
const EVENT: &str = concat!(
    "id: 7jq3mz5kd2xw4ylc-000000000000\nevent: item\n",
    "data: {\"id\":\"7jq3mz5kd2xw4ylc-000000000000\",\"kind\":\"item\",\"scope\":\"ours\",\"collection\":\"goals\",",
    "\"item\":\"3nv5sm7zmbq2nhxnxuwjrnzqqv5zcuhxzkvpknlpxojq2e6b3jhq\"}\n\n"
);

/// A process that serves constants; it ends with this value.
#[derive(Debug)]
pub(super) struct Stack {
    socket: PathBuf,
    process: Child,
}

impl Stack {
    /// Starts it and waits until it listens.
    pub(super) fn start(directory: &Path) -> anyhow::Result<Self> {
        let socket = directory.join("floor.sock");
        let process = Command::new(std::env::current_exe()?)
            .arg("--serve-constants")
            .arg(&socket)
            .stdin(Stdio::piped())
            .spawn()?;
        let stack = Self { socket, process };
        let begun = Instant::now();
        while !stack.socket.exists() {
            ensure!(begun.elapsed() < Duration::from_secs(10), "the floor's server does not start");
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(stack)
    }

    pub(super) fn process(&self) -> u32 {
        self.process.id()
    }

    pub(super) fn socket(&self) -> &Path {
        &self.socket
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Where a constant of so many bytes is.
pub(super) fn constant(bytes: usize) -> String {
    format!("/constant/{bytes}")
}

/// Serves until its standard input ends, with whoever started it: what [`Stack`] starts.
///
/// # Errors
/// When the socket cannot be made.
pub(crate) fn serve(socket: &Path) -> anyhow::Result<()> {
    std::thread::spawn(|| {
        // Nothing is ever written to it.
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        std::process::exit(0)
    });
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let (told, _) = broadcast::channel::<Bytes>(1024);
        let router = Router::new()
            .route("/constant/{bytes}", get(answer))
            .route("/events", get(events))
            .route("/tell", get(tell))
            .with_state(told);
        let listener = UnixListener::bind(socket).context("the floor's socket cannot be made")?;
        Ok(axum::serve(listener, router).await?)
    })
}

async fn answer(InPath(bytes): InPath<usize>) -> ([(axum::http::HeaderName, &'static str); 1], Vec<u8>) {
    ([(CONTENT_TYPE, "application/json")], vec![b'0'; bytes])
}

async fn events(State(told): State<broadcast::Sender<Bytes>>) -> Body {
    Body::from_stream(stream::unfold(told.subscribe(), |mut coming| async {
        loop {
            match coming.recv().await {
                Ok(event) => return Some((Ok::<_, Infallible>(event), coming)),
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }))
}

async fn tell(State(told): State<broadcast::Sender<Bytes>>) -> &'static str {
    // Nobody may be reading.
    let _ = told.send(Bytes::from_static(EVENT.as_bytes()));
    "{}"
}
