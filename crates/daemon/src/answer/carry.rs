//! Files that are carried by hand: written for a device, and taken in piece by piece. Both block, and run beside the loop.

mod import;
mod take;

use std::io::Write;

use automerge::ChangeHash;
use betwixt_api as api;
use betwixt_api::{Problem, ProblemKind};
use betwixt_model::document::{DocumentId, Scope};
use betwixt_model::ids::{DeviceId, HouseholdId};
use betwixt_store::{Reader, Store};
use betwixt_sync::carry;
use betwixt_sync::keys::PairKey;
use betwixt_sync::roster::OwnDevice;
use betwixt_sync::wire::DocumentName;
use rand_core::OsRng;

use super::problem::{stage_problem, storage_problem};
use crate::http::PieceWriter;
use crate::replica::{Replica, beyond, lacking};

pub(crate) use import::{Known, import};
pub(crate) use take::{Carried, Took, take_in};

/// What a file for a device is written from, apart from what the store holds.
#[derive(Debug)]
pub(crate) struct Parcel {
    pair: PairKey,
    /// What the device may see of the roster.
    roster: Vec<Vec<u8>>,
    /// Only for a device of the own partner's (PrivateStaysHome).
    private: Option<(OwnDevice, HouseholdId)>,
    everything: bool,
}

impl Parcel {
    /// What goes to this device.
    ///
    /// # Errors
    /// [`ProblemKind::Invalid`] when it gets nothing; [`ProblemKind::NotPaired`]; [`ProblemKind::Locked`] when private pages
    /// would be left out that were not meant to be.
    pub(crate) fn for_device(replica: &Replica, device: DeviceId, request: api::CarryRequest) -> Result<Self, Problem> {
        let refused = |words: &str| Problem::new(ProblemKind::Invalid, words).about("device");
        if device == replica.identity().device() {
            return Err(refused("This is the device in your hands. The file is for another one: `betwixt devices`."));
        }
        let roster = replica.roster().offer(&device);
        let roster = roster.ok_or_else(|| refused("This device was removed: it gets nothing more."))?.statements;
        let pair = replica.pair_key(&device).ok_or_else(|| {
            Problem::new(
                ProblemKind::NotPaired,
                "There is nothing yet that you share with this device: run `betwixt pair`.",
            )
        })?;
        let own = replica.roster().own_device(&device).filter(|_| !request.shared_only);
        let private = match (own, replica.space(Scope::Mine)) {
            (None, _) => None,
            (Some(own), Some(space)) => Some((own, space)),
            (Some(_), None) => {
                let words = "Your private pages are locked and would not be in it. Run `betwixt unlock`, or leave them out with \
                             `--shared-only`.";
                return Err(Problem::new(ProblemKind::Locked, words));
            }
        };
        Ok(Self { pair, roster, private, everything: request.everything })
    }
}

/// Writes a file as everything is at this moment. Changes nothing. Blocks, also while the reader is slow.
///
/// # Errors
/// What keeps it from being begun. What goes wrong later breaks the answer off.
pub(crate) fn export(
    store: &Store,
    parcel: &Parcel,
    mut out: PieceWriter,
    begun: impl FnOnce(),
) -> Result<(), Problem> {
    match write(store, parcel, &mut out, begun)? {
        Ok(()) => {
            // The reader went away: there is nobody to be told.
            let _ = out.end();
        }
        Err(Break::Gone) => {}
        Err(Break::Failed(why)) => {
            tracing::warn!(why, "a file for another device broke off");
            out.break_off();
        }
    }
    Ok(())
}

/// The same into anything. The inner error is that of a file that was begun.
///
/// # Errors
/// What keeps it from being begun.
pub(crate) fn write(
    store: &Store,
    parcel: &Parcel,
    out: &mut impl Write,
    begun: impl FnOnce(),
) -> Result<Result<(), Break>, Problem> {
    let view = store.read().map_err(|error| storage_problem(&error))?;
    let reader = view.reader();
    let lacks = |scope| {
        let lacks = lacking(&reader, &parcel.pair.peer(), scope, parcel.everything);
        lacks.map_err(|error| storage_problem(&error))
    };
    let shared = lacks(Scope::Ours)?;
    let private = match parcel.private {
        Some((own, space)) => Some((own, space, lacks(Scope::Mine)?)),
        None => None,
    };
    let mut writer = carry::Writer::begin(&parcel.pair, &parcel.roster, &mut OsRng)
        .map_err(|error| Problem::new(ProblemKind::TooLarge, format!("There is too much for a file: {error}.")))?;
    begun();
    let documents = |writer: &mut carry::Writer, out: &mut _, documents| -> Result<(), Break> {
        for (id, has) in documents {
            document(&reader, writer, id, has)?;
            Write::write_all(out, &writer.take())?;
        }
        Ok(())
    };
    let pour = || {
        documents(&mut writer, out, shared)?;
        if let Some((own, space, private)) = private {
            writer.begin_private(own, &space)?;
            documents(&mut writer, out, private)?;
        }
        Ok(())
    };
    let poured = pour();
    Ok(poured.and_then(|()| Ok(out.write_all(&writer.end())?)))
}

fn document(
    reader: &Reader<'_>,
    writer: &mut carry::Writer,
    id: DocumentId,
    has: Vec<ChangeHash>,
) -> Result<(), Break> {
    let (base, changes) = beyond(reader, id, has).map_err(|error| Break::Failed(stage_problem(&error).detail))?;
    // The device may have all of it under other heads: those that were noted need not be all.
    if !changes.is_empty() {
        writer.document(DocumentName::of(id), &base)?;
        writer.changes(changes)?;
    }
    Ok(())
}

/// Why a file that was begun is not written to its end.
#[derive(Debug)]
pub(crate) enum Break {
    /// Nobody reads it any more.
    Gone,
    /// Something went wrong here.
    Failed(String),
}

impl From<std::io::Error> for Break {
    fn from(_: std::io::Error) -> Self {
        Self::Gone
    }
}

impl From<carry::WriteError> for Break {
    fn from(error: carry::WriteError) -> Self {
        Self::Failed(error.to_string())
    }
}
