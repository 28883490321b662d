//! The loop: one event at a time, over everything that the daemon owns.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use betwixt_api::{self as api, NoticeKind, Phase, Problem, ProblemKind};
use betwixt_model::document::Scope;
use betwixt_net::NetEvent;
use jiff::Zoned;
use tokio::sync::{mpsc, oneshot, watch};

use crate::answer::once::Begun;
use crate::answer::problem::sentence;
use crate::answer::{backups, chapter, doctor, items, past, problem, settle, status, verify};
use crate::event::{Event, Finished};
use crate::frontends::{self, forget_login_file};
use crate::house::{self, House};
use crate::http::{
    self, Answer, Call, Caller, FrontendRequest, FrontendResponse, Listening, Registry, Request, Response, Sees,
};
use crate::open::{HERE, LISTEN, Open, Waiter};
use crate::options::Options;
use crate::replica::{Built, Progress};
use crate::staging::moment;
use crate::telling;
use crate::writes::Write;

/// How long `sync` waits until everybody is in step.
const SYNC_TIME: Duration = Duration::from_secs(10);

/// How long a restore waits for the port that the home before it had.
const RELEASE: Duration = Duration::from_secs(3);

/// How long the other devices are given to hear that this one goes down.
const FAREWELL: Duration = Duration::from_secs(1);

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
    calls: mpsc::Sender<Call>,
    registry: Registry,
    listening: Option<Listening>,
    state: State,
    /// How far the index is that has to be built before the home is open.
    rebuilding: watch::Sender<Option<Built>>,
    net: Option<mpsc::Receiver<NetEvent>>,
    finished: mpsc::UnboundedSender<Finished>,
    /// The day on which the home was last looked after.
    looked_after: Option<jiff::civil::Date>,
    going_down: bool,
}

impl Daemon {
    /// Runs until it is asked to end.
    pub(crate) async fn run(options: Options) -> anyhow::Result<()> {
        let socket = http::Socket::inherit_or_bind(options.home.join(api::SOCKET_NAME))?;
        let alive = socket.alive();
        let (sender, mut calls) = mpsc::channel::<Call>(http::MAX_WAITING_CALLS);
        let (stop, stopped) = oneshot::channel::<()>();
        let registry = Registry::default();
        forget_login_file(&options.home);
        let listening = match options.http {
            Some(address) => Some(listen(address, sender.clone(), &registry).map_err(anyhow::Error::new)?),
            None => None,
        };
        let calls_sender = sender.clone();
        let serving = tokio::spawn(http::serve(socket, sender, async move {
            // A dropped sender means the same.
            let _ = stopped.await;
        }));
        let (finished, mut done) = mpsc::unbounded_channel();
        let state = if betwixt_store::Home::exists(&options.home) { State::Locked } else { State::New };
        let mut daemon = Self {
            options,
            calls: calls_sender,
            registry,
            listening,
            state,
            rebuilding: watch::Sender::new(None),
            net: None,
            finished,
            looked_after: None,
            going_down: false,
        };
        let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        let mut interrupt = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt())?;
        while !daemon.going_down {
            let deadline = daemon.deadline();
            let event = tokio::select! {
                biased;
                Some(finished) = done.recv() => Event::Finished(Box::new(finished)),
                _ = terminate.recv() => Event::Terminate,
                _ = interrupt.recv() => Event::Terminate,
                Some(event) = next(&mut daemon.net) => Event::Net(event),
                Some(call) = calls.recv() => Event::Call(call),
                () = tokio::time::sleep_until(deadline.into()) => Event::Timeout,
            };
            daemon.handle(event);
        }
        daemon.shut_down(&mut done).await;
        forget_login_file(&daemon.options.home);
        let listening = daemon.listening.take();
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
        match event {
            Event::Call(call) => self.answer(call, now),
            Event::Net(event) => {
                if let State::Open(open) = &mut self.state {
                    open.handle_net(event, now);
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
        loop {
            open.engine.progress(&mut open.house.replica, now);
            let told = open.carry_out(now);
            if let Some(stage) = open.stage(now) {
                let finished = self.finished.clone();
                tokio::task::spawn_blocking(move || {
                    // The loop is gone only when the process ends.
                    let _ = finished.send(Finished::Committed(stage.commit()));
                });
            }
            // What is carried out may ask for more.
            if !open.carry_out(now) && !told {
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
            Request::Frontend(request) => return self.frontend(request, answer, now),
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
        status.http = self.listening.as_ref().map(|listening| listening.address().to_string());
        Ok(status)
    }

    fn frontend(&mut self, request: FrontendRequest, answer: oneshot::Sender<Answer>, now: Instant) {
        if !matches!(self.state, State::Open(_)) {
            return drop(answer.send(Err(self.not_open())));
        }
        let outcome = match request {
            FrontendRequest::Listen(address) => match self.listen(address) {
                Ok(shown) => {
                    let State::Open(open) = &mut self.state else { return };
                    let told = Response::Frontend(FrontendResponse::Listening(shown));
                    return open.engine.write(Write::Listen(address, answer, Box::new(Ok(told))));
                }
                Err(problem) => Err(problem),
            },
            FrontendRequest::Login => self.begin_login(now),
            request => {
                let State::Open(open) = &mut self.state else { return };
                return open.frontend(request, answer, now);
            }
        };
        // Whoever asked may be gone.
        let _ = answer.send(outcome);
    }

    /// Listens at this address instead of the one before, or at none.
    fn listen(&mut self, address: Option<SocketAddr>) -> Result<api::Listen, Problem> {
        let present = self.listening.as_ref().map(Listening::address);
        if present != address || address.is_none() {
            let new = address.map(|address| listen(address, self.calls.clone(), &self.registry)).transpose();
            self.listening =
                new.map_err(|error| Problem::new(ProblemKind::Invalid, sentence(&error)).about("address"))?;
        }
        Ok(api::Listen { address: self.listening.as_ref().map(|listening| listening.address().to_string()) })
    }

    /// Listens where the home's setting says, unless the command line said where.
    fn listen_as_set(&mut self) {
        let State::Open(open) = &mut self.state else { return };
        if self.listening.is_some() {
            return;
        }
        let set = open.house.store.read().and_then(|view| view.reader().setting::<Option<String>>(Scope::Ours, LISTEN));
        let Ok(Some(Some(address))) = set else { return };
        let listening = address.parse().map(|address| listen(address, self.calls.clone(), &self.registry));
        match listening {
            Ok(Ok(listening)) => self.listening = Some(listening),
            Ok(Err(error)) => {
                open.trouble(&format!("{} Frontends reach Betwixt over its socket alone.", sentence(&error)))
            }
            Err(_) => tracing::warn!("the setting that says where to listen is no address"),
        }
    }

    fn begin_login(&mut self, now: Instant) -> Answer {
        if self.listening.is_none() {
            self.listen(Some(frontends::ANY_PORT))?;
        }
        let (Some(listening), State::Open(open)) = (&self.listening, &mut self.state) else {
            return Err(self.not_open());
        };
        open.begin_login(&self.options.home, listening.address(), now)
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

    fn init(&mut self, request: api::InitRequest, answer: oneshot::Sender<Answer>) {
        match self.state {
            State::New | State::Locked => {}
            State::Busy => return drop(answer.send(Err(busy()))),
            State::Open(_) => {
                let problem = Problem::new(ProblemKind::AlreadySetUp, "There is a home here already.");
                return drop(answer.send(Err(problem)));
            }
        }
        self.state = State::Busy;
        let home = self.options.home.clone();
        self.beside(move || Some(Finished::Founded(house::found(&home, &request), answer)));
    }

    fn unlock(&mut self, request: api::UnlockRequest, answer: oneshot::Sender<Answer>) {
        match &mut self.state {
            State::New => {
                let problem = Problem::new(ProblemKind::NotSetUp, "There is no home here yet: run `betwixt init`.");
                drop(answer.send(Err(problem)));
            }
            State::Busy => drop(answer.send(Err(busy()))),
            State::Locked => {
                self.state = State::Busy;
                let (home, rebuilding) = (self.options.home.clone(), self.rebuilding.clone());
                let progress = Progress::told_to(move |built| {
                    rebuilding.send_replace(built);
                });
                let unlock = move || house::unlock(&home, &request.passphrase, progress);
                self.beside(move || Some(Finished::Unlocked(unlock(), answer)));
            }
            State::Open(open) => {
                // Deriving a key takes memory and time by intention: whoever may try passphrases tries one after another.
                if std::mem::replace(&mut open.unlocking, true) {
                    return drop(answer.send(Err(busy())));
                }
                let handle = open.house.handle();
                self.beside(move || Some(Finished::PrivateKey(handle.private_key(&request.passphrase), answer)));
            }
        }
    }

    fn restore(&mut self, request: api::RestoreRequest, answer: oneshot::Sender<Answer>) {
        if matches!(self.state, State::Busy) {
            return drop(answer.send(Err(busy())));
        }
        let house = match std::mem::replace(&mut self.state, State::Busy) {
            State::Open(mut open) => {
                if open.engine.is_committing() {
                    self.state = State::Open(open);
                    return drop(answer.send(Err(busy())));
                }
                open.engine.end_all(Instant::now());
                open.carry_out(Instant::now());
                self.net = None;
                Some(open.house)
            }
            _ => None,
        };
        let home = self.options.home.clone();
        let (bind, port) = (self.options.bind(), self.options.fixed_port());
        self.beside(move || {
            if let Some(port) = port {
                betwixt_net::wait_until_free(bind, port, RELEASE);
            }
            let outcome = backups::restore(&home, house, &request).map(Response::Restored);
            Some(Finished::Restored(outcome, answer))
        });
    }

    fn doctor(&self, answer: oneshot::Sender<Answer>) {
        let handle = match &self.state {
            State::Open(open) => Some(open.house.handle()),
            State::New | State::Locked | State::Busy => None,
        };
        let (home, discovery): (PathBuf, bool) = (self.options.home.clone(), self.options.discovery);
        self.beside(move || {
            let found = doctor::findings(&home, handle.as_ref(), discovery, &Zoned::now());
            // Whoever asked may be gone.
            let _ = answer.send(Ok(Response::Doctor(found)));
            None
        });
    }

    fn handle_finished(&mut self, finished: Finished, now: Instant) {
        match finished {
            Finished::Committed(outcome) => {
                if let State::Open(open) = &mut self.state {
                    open.engine.handle_committed(&mut open.house.replica, outcome, now);
                }
            }
            Finished::Founded(outcome, answer) => {
                let outcome = outcome.and_then(|(house, code)| {
                    self.open(house, Vec::new(), now)?;
                    Ok(Response::Initialised(api::Initialised {
                        status: self.status(Sees::Everything)?,
                        recovery_code: Some(code),
                    }))
                });
                self.settle_state();
                let _ = answer.send(outcome);
            }
            Finished::Unlocked(outcome, answer) => {
                let outcome = outcome.and_then(|opened| {
                    self.open(opened.house, opened.troubles, now)?;
                    self.status(Sees::Everything).map(Response::Status)
                });
                self.settle_state();
                // Before anything is written today: what was there before is what a snapshot is for.
                self.look_after();
                let _ = answer.send(outcome);
            }
            Finished::PrivateKey(outcome, answer) => {
                let State::Open(open) = &mut self.state else { return };
                if open.engine.is_committing() {
                    // Once more, when the stage is down.
                    let _ = self.finished.send(Finished::PrivateKey(outcome, answer));
                    return;
                }
                open.unlocking = false;
                let outcome = outcome.and_then(|key| open.house.unlock_mine(key));
                if outcome.is_ok() {
                    open.private_opened();
                    open.tell_unlocked();
                }
                let _ = answer.send(outcome.and_then(|()| self.status(Sees::Everything).map(Response::Status)));
            }
            Finished::Restored(outcome, answer) => {
                self.settle_state();
                let _ = answer.send(outcome);
            }
        }
    }

    fn open(&mut self, house: House, troubles: Vec<String>, now: Instant) -> Result<(), Problem> {
        let opened = Open::new(house, troubles, &self.options, self.registry.clone(), now);
        let (mut open, events) = opened.map_err(|error| Problem::new(ProblemKind::Internal, error.to_string()))?;
        open.private_opened();
        self.state = State::Open(Box::new(open));
        self.net = Some(events);
        self.listen_as_set();
        Ok(())
    }

    /// What is there after work that had the home has failed.
    fn settle_state(&mut self) {
        if matches!(self.state, State::Busy) {
            let exists = betwixt_store::Home::exists(&self.options.home);
            self.state = if exists { State::Locked } else { State::New };
        }
    }

    /// Ends sessions, waits for what is on its way to the disk, and closes the home.
    async fn shut_down(&mut self, done: &mut mpsc::UnboundedReceiver<Finished>) {
        let State::Open(mut open) = std::mem::replace(&mut self.state, State::Busy) else { return };
        let now = Instant::now();
        while open.engine.is_committing() {
            match done.recv().await {
                Some(Finished::Committed(outcome)) => {
                    open.engine.handle_committed(&mut open.house.replica, outcome, now);
                    open.carry_out(now);
                }
                Some(_) => {}
                None => break,
            }
        }
        open.tell_farewell();
        open.engine.end_all(now);
        open.carry_out(now);
        if let Some(stage) = open.engine.stage_last(&mut open.house.replica, moment(now))
            && let Ok(Err(error)) = tokio::task::spawn_blocking(move || stage.commit()).await
        {
            tracing::warn!(%error, "what may be lost was lost");
        }
        let Open { net, house, notices, waiters, .. } = *open;
        let store = house.store.clone();
        let kept = tokio::task::spawn_blocking(move || telling::keep(&store, &notices)).await;
        if let Ok(Err(error)) = kept {
            tracing::warn!(%error, "readers of events will have to read everything again");
        }
        drop(waiters);
        if tokio::time::timeout(FAREWELL, net.shut_down()).await.is_err() {
            tracing::info!("the other devices were not waited for");
        }
        let closed = tokio::task::spawn_blocking(move || house.close()).await;
        if let Ok(Err(problem)) = closed {
            tracing::error!(%problem, "the home was not closed as it should be");
        }
    }
}

/// Why the daemon does not listen where it should.
#[derive(Debug, thiserror::Error)]
#[error("frontends cannot be let in at {address}: {source}")]
struct ListenError {
    address: SocketAddr,
    source: std::io::Error,
}

fn listen(address: SocketAddr, calls: mpsc::Sender<Call>, registry: &Registry) -> Result<Listening, ListenError> {
    Listening::begin(address, calls, registry.clone()).map_err(|source| ListenError { address, source })
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

impl Open {
    /// Answers a request to an open home; `None` when the answer comes later.
    fn request(
        &mut self,
        sees: Sees,
        request: Request,
        answer: oneshot::Sender<Answer>,
        now: Instant,
        options: &Options,
    ) -> Option<(oneshot::Sender<Answer>, Answer)> {
        let replica = &self.house.replica;
        let read = items::read(replica, sees, &request).or_else(|| past::read(replica, sees, &request));
        if let Some(read) = read.or_else(|| chapter::read(replica, &request)) {
            return Some((answer, read));
        }
        if let Request::ToSettle(list) = &request {
            return Some((answer, settle::read(replica, sees, list, Zoned::now().date())));
        }
        let outcome = match request {
            Request::Lock => {
                if self.engine.is_idle() || self.engine.is_recovering() {
                    self.lock(answer);
                } else {
                    self.engine.write(Write::Lock(answer));
                }
                return None;
            }
            Request::Pause => {
                self.paused = true;
                self.notices.tell_all(NoticeKind::Paused);
                self.engine.dialer().set_enabled(false, now);
                self.engine.end_all(now);
                self.set_discovery(now);
                self.status(&options.home, sees).map(Response::Status)
            }
            Request::Resume => {
                self.paused = false;
                self.notices.tell_all(NoticeKind::Resumed);
                self.engine.dialer().set_enabled(true, now);
                self.engine.dialer().handle_network_changed(now);
                self.set_discovery(now);
                self.status(&options.home, sees).map(Response::Status)
            }
            Request::Pairing => Ok(Response::Pairing(self.pairing_shown(now))),
            Request::PairingStart(request) => self.pairing_start(&request, now).map(Response::Pairing),
            Request::PairingEnter(request) => self.pairing_enter(&request, now).map(Response::Pairing),
            Request::PairingConfirm(request) => self.pairing_confirm(request.yes, now).map(Response::Pairing),
            Request::PairingCancel => Ok(Response::Pairing(self.pairing_cancel(now))),
            Request::Devices => self.devices().map(Response::Devices).map_err(|error| problem::storage_problem(&error)),
            Request::Addresses => self.addresses().map(Response::Addresses),
            Request::AddressAdd(_) | Request::AddressRemove(_) | Request::Sync if self.peers().is_empty() => {
                Err(Problem::new(ProblemKind::NotPaired, "There is no other device yet: run `betwixt pair`."))
            }
            Request::Here => {
                self.here_until = Some(now + HERE);
                self.set_discovery(now);
                Ok(Response::Here(api::Here { minutes: u32::try_from(HERE.as_secs() / 60).unwrap_or(u32::MAX) }))
            }
            Request::Sync => {
                self.engine.dialer().handle_network_changed(now);
                self.waiters.push(Waiter { until: now + SYNC_TIME, answer });
                return None;
            }
            Request::Verify => {
                let handle = self.house.handle();
                tokio::task::spawn_blocking(move || drop(answer.send(verify::verify(&handle).map(Response::Verified))));
                return None;
            }
            Request::Backup { key, request } => match self.backups.begin(key, &request) {
                Ok(Begun::Now(carrying)) => {
                    let (handle, today) = (self.house.handle(), Zoned::now().date());
                    tokio::task::spawn_blocking(move || {
                        let backup = backups::backup(&handle, &request, today);
                        // A failure is not remembered.
                        let backup = backup.inspect(|backup| carrying.end(backup));
                        drop(answer.send(backup.map(Response::Backup)));
                    });
                    return None;
                }
                Ok(Begun::Before(backup)) => Ok(Response::Backup(backup)),
                Err(problem) => Err(problem),
            },
            Request::Events { after, snapshot: false } => {
                Ok(Response::Events(self.notices.subscribe(sees, after.as_deref())))
            }
            Request::Events { after, snapshot: true } => {
                // What comes from now on follows what is read now or a little later: nothing falls between the two.
                let mut events = self.notices.subscribe(sees, after.as_deref());
                let (store, readers) = (self.house.store.clone(), telling::readers(replica, sees));
                tokio::task::spawn_blocking(move || {
                    let snapshot = telling::snapshot(&store, &readers).map_err(|error| problem::unreadable(&error));
                    // Whoever asked may be gone.
                    let _ = answer.send(snapshot.map(|snapshot| {
                        events.begin_with(snapshot);
                        Response::Events(events)
                    }));
                });
                return None;
            }
            request => {
                if self.engine.is_recovering() {
                    self.engine.recover(&mut self.house.replica, now);
                }
                if self.engine.is_recovering() {
                    let words = "The disk is in the way; nothing was changed. See `betwixt doctor`.";
                    return Some((answer, Err(Problem::new(ProblemKind::Storage, words))));
                }
                self.engine.write(Write::Api(sees, request, answer));
                return None;
            }
        };
        Some((answer, outcome))
    }
}
