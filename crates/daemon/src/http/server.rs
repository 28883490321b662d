//! Serving connections, whichever way they come, within limits.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::serve::Listener;
use hyper::Request;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

/// How long a client may take for a request's header, and be idle between two requests.
const HEADER_TIME: Duration = Duration::from_secs(30);

/// How long a client may take nothing of what is written to it.
const STALL_TIME: Duration = Duration::from_secs(30);

/// The most bytes that a request's header may have, and that wait to be written.
const MAX_BUFFER: usize = 32 * 1024;

/// The most lines that a request's header may have.
const MAX_HEADERS: usize = 64;

/// Serves until `shutdown` is done; then answers what was asked already, and returns. At most so many connections are open:
/// beyond that the one that has been idle longest makes room, and where none is idle the new one is closed.
pub(super) async fn serve<L: Listener>(
    mut listener: L,
    router: Router,
    most: usize,
    shutdown: impl Future<Output = ()>,
) {
    let (places, tasks, ending) = (Places::new(most), TaskTracker::new(), CancellationToken::new());
    let mut shutdown = pin!(shutdown);
    loop {
        let stream = tokio::select! {
            () = &mut shutdown => break,
            (stream, _) = listener.accept() => stream,
        };
        if let Some(place) = places.take() {
            tasks.spawn(connection(stream, router.clone(), place, ending.clone()));
        }
    }
    drop(listener);
    ending.cancel();
    tasks.close();
    tasks.wait().await;
}

async fn connection(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    router: Router,
    place: Place,
    ending: CancellationToken,
) {
    let (state, evicted) = (Arc::clone(&place.state), place.state.evicted.clone());
    let service = service_fn(move |request: Request<Incoming>| {
        let busy = Busy::new(&state);
        let answered = router.clone().oneshot(request.map(Body::new));
        async move {
            let response = answered.await.unwrap_or_else(|never: Infallible| match never {});
            Ok::<_, Infallible>(response.map(|body| Held { body, _busy: busy }))
        }
    });
    let mut served = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_TIME)
            .max_buf_size(MAX_BUFFER)
            .max_headers(MAX_HEADERS)
            .serve_connection(TokioIo::new(Stalling::new(stream, STALL_TIME)), service)
            .with_upgrades()
    );
    let mut going_down = false;
    loop {
        tokio::select! {
            ended = served.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "a connection broke off");
                }
                break;
            }
            () = ending.cancelled(), if !going_down => {
                going_down = true;
                served.as_mut().graceful_shutdown();
            }
            () = evicted.cancelled() => break,
        }
    }
    drop(place);
}

/// The connections that are open.
#[derive(Debug, Clone)]
struct Places {
    most: usize,
    open: Arc<Mutex<BTreeMap<u64, Arc<State>>>>,
    counter: Arc<AtomicU64>,
}

/// What is known of a connection.
#[derive(Debug)]
struct State {
    /// How many requests are being answered.
    busy: AtomicUsize,
    /// When it last began or ended one: a number that counts up over all connections.
    touched: AtomicU64,
    counter: Arc<AtomicU64>,
    evicted: CancellationToken,
}

/// A connection's place among those that are open, until it is dropped.
#[derive(Debug)]
struct Place {
    number: u64,
    state: Arc<State>,
    places: Places,
}

impl Places {
    fn new(most: usize) -> Self {
        Self { most, open: Arc::default(), counter: Arc::default() }
    }

    /// A place, if need be that of the connection that has been idle longest.
    fn take(&self) -> Option<Place> {
        let number = self.counter.fetch_add(1, Ordering::Relaxed);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.len() >= self.most {
            let idle = open.iter().filter(|(_, state)| state.busy.load(Ordering::Relaxed) == 0);
            let oldest =
                idle.min_by_key(|(_, state)| state.touched.load(Ordering::Relaxed)).map(|(number, _)| *number)?;
            if let Some(state) = open.remove(&oldest) {
                state.evicted.cancel();
            }
        }
        let state = Arc::new(State {
            busy: AtomicUsize::new(0),
            touched: AtomicU64::new(number),
            counter: Arc::clone(&self.counter),
            evicted: CancellationToken::new(),
        });
        open.insert(number, Arc::clone(&state));
        Some(Place { number, state, places: self.clone() })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.open.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.number);
    }
}

/// That a request is being answered.
#[derive(Debug)]
struct Busy(Arc<State>);

impl Busy {
    fn new(state: &Arc<State>) -> Self {
        state.busy.fetch_add(1, Ordering::Relaxed);
        state.touch();
        Self(Arc::clone(state))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.touch();
        self.0.busy.fetch_sub(1, Ordering::Relaxed);
    }
}

impl State {
    fn touch(&self) {
        self.touched.store(self.counter.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
    }
}

/// An answer's body, which keeps its connection busy until it is written.
struct Held {
    body: Body,
    _busy: Busy,
}

impl HttpBody for Held {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A stream whose other end has to take what is written.
struct Stalling<S> {
    stream: S,
    time: Duration,
    /// When it is given up, while it takes nothing.
    until: Option<Pin<Box<Sleep>>>,
}

impl<S> Stalling<S> {
    /// For at most this long it may take nothing.
    fn new(stream: S, time: Duration) -> Self {
        Self { stream, time, until: None }
    }

    /// Gives up on a write that has been pending for too long.
    fn watch<T>(&mut self, context: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.until = None;
            return written;
        }
        let until = self.until.get_or_insert_with(|| Box::pin(tokio::time::sleep(self.time)));
        ready!(until.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Stalling<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Stalling<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.watch(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.watch(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.watch(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_connection_that_has_been_idle_longest_makes_room_and_a_busy_one_never() {
        let places = Places::new(3);
        let held: Vec<Place> = (0..3).map(|_| places.take().expect("there is room")).collect();
        let busy = Busy::new(&held[0].state);
        drop(Busy::new(&held[1].state));
        let fourth = places.take().expect("one is idle");
        let evicted: Vec<bool> = held.iter().map(|place| place.state.evicted.is_cancelled()).collect();
        assert_eq!(evicted, [false, false, true]);
        let others = [Busy::new(&held[1].state), Busy::new(&fourth.state)];
        assert!(places.take().is_none(), "all are busy");
        drop((busy, others));
        drop(held);
        assert_eq!(places.open.lock().expect("is not poisoned").len(), 1);
    }

    #[tokio::test]
    async fn who_takes_nothing_is_given_up_and_who_is_slow_is_not() {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let (ours, mut theirs) = tokio::io::duplex(16);
        let time = Duration::from_millis(100);
        let reading = tokio::spawn(async move {
            for _ in 0..4 {
                tokio::time::sleep(time / 2).await;
                theirs.read_exact(&mut [0; 16]).await.expect("reads");
            }
            theirs
        });
        let mut stream = Stalling::new(ours, time);
        stream.write_all(&[0; 80]).await.expect("all but what fits is taken in time");
        let _open = reading.await.expect("reads");
        let error = stream.write_all(&[0; 16]).await.expect_err("is given up");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
