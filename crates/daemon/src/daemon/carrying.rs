//! Files that are carried by hand, as far as the loop has to do with them: they are written and read beside it.

use std::collections::BTreeMap;
use std::time::Instant;

use betwixt_api as api;
use betwixt_api::{Problem, ProblemKind};
use betwixt_store::StoreError;
use tokio::sync::oneshot;

use super::{Daemon, State};
use crate::answer::carry::{self, Carried, Known, Parcel, Took};
use crate::answer::{devices, problem};
use crate::event::Finished;
use crate::http::{Answer, Response, pieces};
use crate::open::Open;
use crate::writes::Write;

impl Daemon {
    /// Reads a file beside the loop, which is handed piece by piece what is in it.
    pub(super) fn carry_import(&mut self, request: api::CarryImport, answer: oneshot::Sender<Answer>) {
        let State::Open(open) = &self.state else { return drop(answer.send(Err(self.not_open()))) };
        let known = match open.known_writers() {
            Ok(known) => known,
            Err(error) => return drop(answer.send(Err(problem::storage_problem(&error)))),
        };
        let (finished, carrying) = (self.finished.clone(), self.carrying.clone());
        self.beside(move || {
            let progress = |done, of| {
                carrying.send_replace(Some(api::Carrying { done, of }));
            };
            let imported = carry::import(&request.path, &known, progress, |carried| {
                let (sender, receiver) = oneshot::channel();
                let going_down = || Problem::new(ProblemKind::GoingDown, "The daemon is going down; import it again.");
                finished.send(Finished::Carried(Box::new(carried), sender)).map_err(|_| going_down())?;
                receiver.blocking_recv().map_err(|_| going_down())?
            });
            carrying.send_replace(None);
            // Whoever asked may be gone.
            let _ = answer.send(imported.map(Response::Carried));
            None
        });
    }
}

impl Open {
    /// Writes a file for a device beside the loop, as it is read. `None`: the answer comes later.
    pub(super) fn carry_export(
        &self,
        device: &str,
        request: api::CarryRequest,
        answer: oneshot::Sender<Answer>,
    ) -> Option<(oneshot::Sender<Answer>, Answer)> {
        let replica = &self.house.replica;
        let found = devices::find_any(replica, device).and_then(|device| Parcel::for_device(replica, device, request));
        let parcel = match found {
            Ok(parcel) => parcel,
            Err(problem) => return Some((answer, Err(problem))),
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
            if let Err(problem) = carry::export(&store, &parcel, writer, || tell(Ok(Response::Carry(pieces)))) {
                tell(Err(problem));
            }
        });
        None
    }

    /// Whose files can be read here.
    fn known_writers(&self) -> Result<Known, StoreError> {
        let names: BTreeMap<String, String> =
            self.devices()?.into_iter().map(|device| (device.id, device.name)).collect();
        Ok(Known::of(&self.house.replica, |device| names.get(&device.to_string()).cloned().unwrap_or_default()))
    }

    /// Has a piece of a file taken in.
    pub(super) fn take_in(
        &mut self,
        carried: Box<Carried>,
        sender: oneshot::Sender<Result<Took, Problem>>,
        now: Instant,
    ) {
        if self.engine.is_recovering() {
            self.engine.recover(&mut self.house.replica, now);
        }
        if self.engine.is_recovering() {
            let words = "The disk is in the way; see `betwixt doctor`. Then import the file again.";
            // Whoever read the file may be gone.
            let _ = sender.send(Err(Problem::new(ProblemKind::Storage, words)));
            return;
        }
        self.engine.write(Write::Carried(carried, sender));
    }
}
