//! Changes to the devices of one's own: what they are called, and which of them still belong.

use betwixt_api::{Problem, ProblemKind};
use betwixt_model::document::Scope;
use betwixt_model::ids::DeviceId;
use betwixt_model::index;
use betwixt_sync::roster::SignedStatement;

use crate::http::DeviceChange;
use crate::replica::{Replica, Stage, StageError};

/// Stages a change. The inner error is the person's: nothing is staged then.
///
/// # Errors
/// [`StageError`]; the stage is to be dropped then.
pub(crate) fn change(
    replica: &mut Replica,
    stage: &mut Stage,
    change: &DeviceChange,
) -> Result<Result<(), Problem>, StageError> {
    let statements = match change {
        DeviceChange::Rename { device, name } => rename(replica, device, name),
        DeviceChange::Remove { device } => match find(replica, device) {
            Ok(device) => remove(replica, device)?,
            Err(problem) => Err(problem),
        },
    };
    match statements {
        Ok(statements) => replica.adopt(stage, statements).map(|_| Ok(())),
        Err(problem) => Ok(Err(problem)),
    }
}

fn rename(replica: &Replica, device: &str, name: &str) -> Result<Vec<SignedStatement>, Problem> {
    let device = find(replica, device)?;
    let name = name.trim();
    if !betwixt_sync::pairing::is_name(name) {
        let words = "A name has 1 to 64 ordinary characters.";
        return Err(Problem::new(ProblemKind::Invalid, words).about("name"));
    }
    // Called so already, it changes nothing.
    Ok(replica.roster().name_device(replica.identity().keys(), device, name).into_iter().collect())
}

/// What it said so far goes on to count, as far as it is here.
fn remove(replica: &Replica, device: DeviceId) -> Result<Result<Vec<SignedStatement>, Problem>, StageError> {
    let words = if device == replica.identity().device() {
        Some("This is the device in your hands. Remove it from another one of yours.")
    } else if replica.roster().device(&device).is_some_and(|known| known.removed) {
        return Ok(Ok(Vec::new()));
    } else if replica.space(Scope::Mine).is_none() {
        Some("Unlock your private pages first: what the device wrote into them goes on to count.")
    } else {
        None
    };
    if let Some(words) = words {
        return Ok(Err(Problem::new(ProblemKind::Invalid, words).about("device")));
    }
    let view = replica.read()?;
    let last = |scope| index::tip(&view.reader().rows(scope), &device);
    let (ours, mine) = (last(Scope::Ours)?, last(Scope::Mine)?);
    Ok(Ok(replica.roster().remove_device(replica.identity().keys().signing(), device, ours, mine)))
}

/// A device of one's own.
fn find(replica: &Replica, named: &str) -> Result<DeviceId, Problem> {
    let device = find_any(replica, named)?;
    let of = replica.roster().device(&device).map(|known| known.partner);
    if of == Some(replica.identity().partner()) {
        return Ok(device);
    }
    let words = "This device is your partner's. Each of you decides about their own devices only; to share no more, see \
                 `betwixt pause`.";
    Err(Problem::new(ProblemKind::Invalid, words).about("device"))
}

/// A device of either's, by its id, the beginning of it, or what it is called.
///
/// # Errors
/// [`ProblemKind::NotFound`]; [`ProblemKind::Invalid`] when several fit.
pub(crate) fn find_any(replica: &Replica, named: &str) -> Result<DeviceId, Problem> {
    let roster = replica.roster();
    let refused = |kind, words: &str| Err(Problem::new(kind, words).about("device"));
    let fits = |id: &DeviceId, name: Option<&str>| {
        let id = id.to_string();
        id == named || (named.len() >= 4 && id.starts_with(named)) || name == Some(named)
    };
    let mut found = roster.devices().filter(|(id, device)| fits(id, device.name.as_deref()));
    match (found.next(), found.next()) {
        (None, _) => {
            refused(ProblemKind::NotFound, "There is no device of that id or name: `betwixt devices` lists them.")
        }
        (Some(_), Some(_)) => refused(ProblemKind::Invalid, "Several devices fit; name it by its id."),
        (Some((id, _)), None) => Ok(*id),
    }
}
