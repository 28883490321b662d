//! What is asked of an open home.

use std::time::{Duration, Instant};

use betwixt_api as api;
use betwixt_api::{NoticeKind, Problem, ProblemKind};
use jiff::{Timestamp, Zoned};
use tokio::sync::oneshot;

use crate::answer::once::Begun;
use crate::answer::{
    attachments, backups, chapter, documents, export, items, past, problem, search, settle, statistics, verify,
};
use crate::event::Finished;
use crate::http::{Answer, AttachmentResponse, Request, Response, Sees, pieces};
use crate::idle;
use crate::open::{HERE, Open, Waiter};
use crate::options::Options;
use crate::telling;
use crate::writes::Write;

/// How long `sync` waits until everybody is in step.
const SYNC_TIME: Duration = Duration::from_secs(10);

impl Open {
    /// Answers a request to an open home; `None` when the answer comes later.
    pub(super) fn request(
        &mut self,
        sees: Sees,
        request: Request,
        answer: oneshot::Sender<Answer>,
        now: Instant,
        options: &Options,
    ) -> Option<(oneshot::Sender<Answer>, Answer)> {
        if sees == Sees::Everything && idle::is_use(&request) {
            self.idle.used(now, Timestamp::now());
        }
        let replica = &self.house.replica;
        let read = items::read(replica, sees, &request).or_else(|| past::read(replica, sees, &request));
        if let Some(read) = read.or_else(|| chapter::read(replica, &request)) {
            return Some((answer, read));
        }
        if let Request::ToSettle(list) = &request {
            return Some((answer, settle::read(replica, sees, list, Zoned::now().date())));
        }
        if let Request::Statistics(asked) = &request {
            return Some((answer, statistics::read(replica, sees, asked)));
        }
        let outcome = match request {
            Request::Lock => {
                self.lock_soon(answer);
                return None;
            }
            Request::LockAfter(choice) => {
                self.engine.write(Write::IdleLimit(choice.seconds, answer));
                return None;
            }
            // At once, and then for the next start.
            Request::Pause => {
                self.paused = true;
                self.notices.tell_all(NoticeKind::Paused);
                self.engine.dialer().set_enabled(false, now);
                self.engine.end_all(now);
                self.set_discovery(now);
                let status = self.status(&options.home, sees).map(Response::Status);
                self.engine.write(Write::Paused(true, answer, Box::new(status)));
                return None;
            }
            Request::Resume => {
                self.paused = false;
                self.notices.tell_all(NoticeKind::Resumed);
                self.engine.dialer().set_enabled(true, now);
                self.engine.dialer().handle_network_changed(now);
                self.set_discovery(now);
                let status = self.status(&options.home, sees).map(Response::Status);
                self.engine.write(Write::Paused(false, answer, Box::new(status)));
                return None;
            }
            Request::Pairing => Ok(Response::Pairing(self.pairing_shown(now))),
            Request::PairingStart(request) => self.pairing_start(&request, now).map(Response::Pairing),
            Request::PairingEnter(request) => self.pairing_enter(&request, now).map(Response::Pairing),
            Request::PairingConfirm(request) => self.pairing_confirm(request.yes, now).map(Response::Pairing),
            Request::PairingCancel => Ok(Response::Pairing(self.pairing_cancel(now))),
            Request::Devices => self.devices().map(Response::Devices).map_err(|error| problem::storage_problem(&error)),
            Request::Device(change) => {
                self.engine.write(Write::Device(change, answer));
                return None;
            }
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
            Request::Export => {
                let status = match self.status(&options.home, sees) {
                    Ok(status) => status,
                    Err(problem) => return Some((answer, Err(problem))),
                };
                let taken = export::Taken {
                    readers: telling::readers(replica, sees),
                    partners: replica.partners(),
                    me: status.me,
                    partner: status.partner,
                    made_on: Zoned::now().date().to_string(),
                };
                let store = self.house.store.clone();
                tokio::task::spawn_blocking(move || {
                    let (writer, pieces) = pieces();
                    let mut answer = Some(answer);
                    let mut tell = |told: Answer| {
                        if let Some(answer) = answer.take() {
                            // Whoever asked may be gone.
                            let _ = answer.send(told);
                        }
                    };
                    let written = export::write(&store, &taken, writer, || tell(Ok(Response::Export(pieces))));
                    if let Err(error) = written {
                        tell(Err(problem::storage_problem(&error)));
                    }
                });
                return None;
            }
            Request::Search(asked) => {
                let (home, store) = (self.house.home.path().to_owned(), self.house.store.clone());
                let readers = match items::readers(replica, sees, asked.scope) {
                    Ok(readers) => readers,
                    Err(problem) => return Some((answer, Err(problem))),
                };
                let finished = self.finished.clone();
                tokio::task::spawn_blocking(move || {
                    let found = search::search(&home, &store, &readers, &asked);
                    drop(store);
                    let found = found.map(|found| {
                        if !found.damaged.is_empty() {
                            // The loop is gone only when the process ends.
                            let _ = finished.send(Finished::SearchDamaged(found.damaged));
                        }
                        Response::Search(found.page)
                    });
                    // Whoever asked may be gone.
                    let _ = answer.send(found);
                });
                return None;
            }
            Request::CarryExport { device, request } => return self.carry_export(&device, request, answer),
            Request::Verify => {
                let (handle, spaces, porter) = (self.house.handle(), self.house.spaces(), self.porter.clone());
                let finished = self.finished.clone();
                tokio::task::spawn_blocking(move || {
                    let verified = verify::verify(&handle, &spaces);
                    if let Ok(verified) = &verified {
                        porter.tell_damaged(verified);
                        if !verified.damaged_search.is_empty() {
                            // The loop is gone only when the process ends.
                            let _ = finished.send(Finished::SearchDamaged(verified.damaged_search.clone()));
                        }
                    }
                    // Whoever asked may be gone.
                    let _ = answer.send(verified.map(|verified| Response::Verified(verified.report)));
                });
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
            Request::AttachmentContent(target) => {
                self.attachment_content(sees, &target, answer);
                return None;
            }
            Request::AttachmentCopies(target) => attachments::find(replica, sees, &target)
                .and_then(|found| self.copies(&found))
                .map(|copies| AttachmentResponse::Copies(copies).into()),
            Request::Documents => documents::list(replica, sees, Zoned::now().year()).map(Response::Documents),
            Request::Document(scope, year) => match documents::find(replica, sees, scope, year, Zoned::now().year()) {
                Ok(document) => {
                    let store = self.house.store.clone();
                    tokio::task::spawn_blocking(move || {
                        // Whoever asked may be gone.
                        let _ = answer.send(documents::saved(&store, document).map(Response::Document));
                    });
                    return None;
                }
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
