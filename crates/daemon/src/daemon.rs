//! The loop: one event at a time, over everything that the daemon owns.

mod adding;
mod carrying;
mod listening;
mod opening;
mod requests;
mod ways;

use std::time::{Duration, Instant};

use betwixt_api::{self as api, Phase, Problem, ProblemKind};
use betwixt_net::NetEvent;
use jiff::Zoned;
use tokio::sync::{mpsc, oneshot, watch};

use crate::answer::{backups, doctor, leave, problem, status};
use crate::event::{Event, Finished};
use crate::frontends::forget_login_file;
use crate::http::{self, Answer, BridgeEvent, Call, Caller, Doors, Listening, Registry, Request, Response, Sees};
use crate::open::{Open, Waiter};
use crate::options::Options;
use crate::replica::{Built, Progress};

use adding::ToAdd;
use listening::listen;

/// How long the other devices are given to hear that this one goes down.
const FAREWELL: Duration = Duration::from_secs(1);

/// How long a home that is opened anew waits for the port that the one before it had.
const RELEASE: Duration = Duration::from_secs(10);

/// How far the home is.
enum State {
    New,
    Locked,
    /// Blocking work has the home: founding, unlocking, restoring.
    Busy,
    Open(Box<Open>),
}

/// The daemon. Nothing but its loop changes it.
pub(crate) struct Daemon {
    options: Options,
    /// To be given to whatever takes requests.
    doors: Doors,
    registry: Registry,
    listening: Option<Listening>,
    state: State,
    /// How far the index is that has to be built before the home is open.
    rebuilding: watch::Sender<Option<Built>>,
    /// How far a file is that is being taken in.
    carrying: watch::Sender<Option<api::Carrying>>,
    net: Option<mpsc::Receiver<NetEvent>>,
    finished: mpsc::UnboundedSender<Finished>,
    /// The day on which the home was last looked after.
    looked_after: Option<jiff::civil::Date>,
    going_down: bool,
    /// Who is to be told that the home is left, when it is.
    leaving: Option<oneshot::Sender<Answer>>,
}

impl Daemon {
    /// Runs until it is asked to end.
    pub(crate) async fn run(options: Options) -> anyhow::Result<()> {
        let socket = http::Socket::inherit_or_bind(options.home.join(api::SOCKET_NAME))?;
        let alive = socket.alive();
        let (sender, mut calls) = mpsc::channel::<Call>(http::MAX_WAITING_CALLS);
        let (bridge, mut bridged) = mpsc::channel::<BridgeEvent>(http::MAX_WAITING_FRAMES);
        let doors = Doors { calls: sender.clone(), bridge };
        let (stop, stopped) = oneshot::channel::<()>();
        let registry = Registry::default();
        forget_login_file(&options.home);
        // What a leaving left that was interrupted.
        leave::finish(&options.home)?;
        let listening = match options.http {
            Some(address) => Some(listen(address, &doors, &registry).map_err(anyhow::Error::new)?),
            None => None,
        };
        let serving = tokio::spawn(http::serve(socket, sender, async move {
            // A dropped sender means the same.
            let _ = stopped.await;
        }));
        let (finished, mut done) = mpsc::unbounded_channel();
        let state = if betwixt_store::Home::exists(&options.home) { State::Locked } else { State::New };
        let mut daemon = Self {
            options,
            doors,
            registry,
            listening,
            state,
            rebuilding: watch::Sender::new(None),
            carrying: watch::Sender::new(None),
            net: None,
            finished,
            looked_after: None,
            going_down: false,
            leaving: None,
        };
        let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        let mut interrupt = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt())?;
        while !daemon.going_down {
            let deadline = daemon.deadline();
            // In no fixed order: of two that always have something the second would never have its turn, and behind a frontend that asks
            // without end nothing that waits for a time.
            let come = async {
                tokio::select! {
                    _ = terminate.recv() => Event::Terminate,
                    _ = interrupt.recv() => Event::Terminate,
                    Some(event) = next(&mut daemon.net) => Event::Net(event),
                    Some(event) = bridged.recv() => Event::Bridge(event),
                    Some(call) = calls.recv() => Event::Call(call),
                    () = tokio::time::sleep_until(deadline.into()) => Event::Timeout,
                }
            };
            // What was begun beside the loop comes first: it is no more than was begun, and some of it comes again until the disk is free,
            // which it never would be if more to write were taken meanwhile.
            let event = tokio::select! {
                biased;
                Some(finished) = done.recv() => Event::Finished(Box::new(finished)),
                event = come => event,
            };
            daemon.handle(event);
        }
        daemon.shut_down(&mut done).await;
        forget_login_file(&daemon.options.home);
        let listening = daemon.listening.take();
        let home = daemon.options.home.clone();
        drop(daemon);
        let _ = stop.send(());
        // A frontend that never ends its request does not keep the home from closing.
        let ending = async {
            if let Some(listening) = listening {
                listening.end().await;
            }
            // It ends in no other way.
            let _ = serving.await;
        };
        let _ = tokio::time::timeout(FAREWELL, ending).await;
        // What something beside the loop, a backup perhaps, has written meanwhile.
        leave::finish(&home)?;
        drop(alive);
        Ok(())
    }

    fn deadline(&self) -> Instant {
        let far = Instant::now() + Duration::from_secs(3600);
        match &self.state {
            State::Open(open) => open.deadline().unwrap_or(far),
            State::New | State::Locked | State::Busy => far,
        }
    }

    fn handle(&mut self, event: Event) {
        let now = Instant::now();
        // Before anything is answered: the machine may have slept.
        if let State::Open(open) = &mut self.state {
            open.lock_if_idle(now);
        }
        match event {
            Event::Call(call) => self.answer(call, now),
            Event::Net(event) => {
                if let State::Open(open) = &mut self.state {
                    open.handle_net(event, now);
                }
            }
            Event::Bridge(event) => {
                // Dropped, the connection is told that there is nobody.
                if let State::Open(open) = &mut self.state {
                    open.handle_bridge(event, now);
                }
            }
            Event::Finished(finished) => self.handle_finished(*finished, now),
            Event::Timeout => {
                self.look_after();
                if let State::Open(open) = &mut self.state {
                    open.handle_timeout(now);
                }
            }
            Event::Terminate => self.going_down = true,
        }
        self.go_on(now);
    }

    /// Once a day: compacts documents to which much was appended, and takes a rolling snapshot beside the loop.
    fn look_after(&mut self) {
        let State::Open(open) = &mut self.state else { return };
        let today = Zoned::now().date();
        if self.looked_after == Some(today) || open.engine.is_committing() {
            return;
        }
        self.looked_after = Some(today);
        if let Err(error) = open.house.replica.compact() {
            tracing::warn!(%error, "a document could not be compacted");
        }
        let handle = open.house.handle();
        self.beside(move || {
            if let Err(problem) = backups::snapshot_if_due(&handle, today) {
                tracing::warn!(%problem, "no rolling snapshot could be taken");
            }
            None
        });
    }

    /// Carries out what the state machines want, and sends what waits to the disk.
    fn go_on(&mut self, now: Instant) {
        let State::Open(open) = &mut self.state else { return };
        open.search_if_due(now);
        loop {
            loop {
                open.engine.progress(&mut open.house.replica, now);
                if !(open.carry_out(now) | open.bridge_progress()) {
                    break;
                }
            }
            let stage = open.stage(now);
            let staged = stage.is_some();
            if let Some(stage) = stage {
                let finished = self.finished.clone();
                tokio::task::spawn_blocking(move || {
                    // The loop is gone only when the process ends.
                    let _ = finished.send(Finished::Committed(stage.commit()));
                });
            }
            // What is carried out may ask for more, and what was staged may have told sessions something.
            if !open.carry_out(now) && !staged {
                break;
            }
        }
        if !open.waiters.is_empty() {
            let all = open.engine.is_idle() && open.peers().iter().all(|peer| open.engine.is_in_step_with(peer));
            let (due, waiting) =
                std::mem::take(&mut open.waiters).into_iter().partition(|waiter| all || waiter.until <= now);
            open.waiters = waiting;
            let due: Vec<Waiter> = due;
            for waiter in due {
                let report = open.sync_report().map(Response::Sync).map_err(|error| problem::storage_problem(&error));
                // Whoever asked may be gone.
                let _ = waiter.answer.send(report);
            }
        }
    }

    fn answer(&mut self, call: Call, now: Instant) {
        let Call { caller, request, answer } = call;
        if let (Caller::Frontend(frontend), State::Open(open)) = (&caller, &mut self.state) {
            if frontend.revoked().is_cancelled() {
                return drop(answer.send(Err(Problem::new(ProblemKind::NoToken, "The token was revoked."))));
            }
            open.frontend_used(frontend.name());
        }
        let outcome = match request {
            Request::Status => self.status(caller.sees()).map(Response::Status),
            Request::Down => {
                self.going_down = true;
                Ok(Response::Done)
            }
            Request::Init(request) => return self.init(request, answer),
            Request::Unlock(request) => return self.unlock(request, answer),
            Request::Backups => backups::list(&self.options.home).map(Response::Backups),
            Request::Restore(request) => return self.restore(request, answer),
            Request::Doctor => return self.doctor(answer),
            Request::AddFile { key, file, upload } => {
                return self.add_file(ToAdd { sees: caller.sees(), key, file, upload }, answer, now);
            }
            Request::Ways(request) => return self.way(request, answer),
            Request::CarryImport(request) => return self.carry_import(request, answer),
            Request::Frontend(request) => return self.frontend(request, answer, now),
            Request::PairingConfirm(request) if request.yes && self.pairing_takes_passphrase() => {
                return self.allow_pairing(request, answer);
            }
            request => match &mut self.state {
                State::Open(open) => match open.request(caller.sees(), request, answer, now, &self.options) {
                    Some((answer, outcome)) => return drop(answer.send(outcome)),
                    None => return,
                },
                State::New | State::Locked | State::Busy => Err(self.not_open()),
            },
        };
        // Whoever asked may be gone.
        let _ = answer.send(outcome);
    }

    /// Why nothing can be asked of the home now.
    fn not_open(&self) -> Problem {
        match &self.state {
            State::New => Problem::new(ProblemKind::NotSetUp, "There is no home here yet: run `betwixt init`."),
            State::Locked => Problem::new(ProblemKind::Locked, "The home is locked: run `betwixt unlock`."),
            State::Busy | State::Open(_) => busy(),
        }
    }

    fn status(&self, sees: Sees) -> Result<api::Status, Problem> {
        let mut status = match &self.state {
            State::New => status::closed(&self.options.home, Phase::New),
            State::Locked | State::Busy => status::closed(&self.options.home, Phase::Locked),
            State::Open(open) => open.status(&self.options.home, sees)?,
        };
        let rebuilding = |Built { done, of }| api::Rebuilding { done: done as u64, of: of as u64 };
        status.rebuilding = self.rebuilding.borrow().map(rebuilding);
        status.carrying = *self.carrying.borrow();
        status.http = self.listening.as_ref().map(|listening| listening.address().to_string());
        Ok(status)
    }

    fn doctor(&self, answer: oneshot::Sender<Answer>) {
        let known = match &self.state {
            State::Open(open) => Some(doctor::Known::of(open)),
            State::New | State::Locked | State::Busy => None,
        };
        let (home, discovery): (std::path::PathBuf, bool) = (self.options.home.clone(), self.options.discovery);
        self.beside(move || {
            let found = doctor::findings(&home, known, discovery, &Zoned::now());
            // Whoever asked may be gone.
            let _ = answer.send(Ok(Response::Doctor(found)));
            None
        });
    }

    /// Where building an index tells how far it is.
    fn progress(&self) -> Progress {
        let rebuilding = self.rebuilding.clone();
        Progress::told_to(move |built| {
            rebuilding.send_replace(built);
        })
    }

    /// Runs what blocks beside the loop.
    fn beside(&self, work: impl FnOnce() -> Option<Finished> + Send + 'static) {
        let finished = self.finished.clone();
        tokio::task::spawn_blocking(move || {
            if let Some(done) = work() {
                // The loop is gone only when the process ends.
                let _ = finished.send(done);
            }
        });
    }
}

fn busy() -> Problem {
    Problem::new(ProblemKind::Busy, "The home is being opened or closed: try again in a moment.")
}

async fn next(events: &mut Option<mpsc::Receiver<NetEvent>>) -> Option<NetEvent> {
    match events {
        Some(receiver) => receiver.recv().await,
        None => std::future::pending().await,
    }
}
