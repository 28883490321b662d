//! The ways to open a home: listing, adding, replacing, trying and removing them; new keys after a leak. All of it blocks.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use betwixt_api as api;
use betwixt_api::{Problem, ProblemKind};
use betwixt_store::keys::{Cost, DataKeys, KeysError, ParseRecoveryCodeError, RecoveryCode, Secret, Way, WrapInfo};
use betwixt_store::{Home, RekeyError};
use ed25519_dalek::SigningKey;
use rand_core::OsRng;

use crate::answer::backups::backup_files;
use crate::answer::problem::{
    archive_problem, file_problem, home_problem, invalid_path, keys_problem, opening_problem, sentence, storage_problem,
};
use crate::house::{self, Handle, House, Opened, accepted_passphrase};
use crate::http::{Answer, Response, WayRequest, WayResponse};
use crate::replica::Progress;

/// Answers a request about the ways to open an open home. Whoever changes them proves that they may: see
/// [`betwixt_api::ways`].
///
/// # Errors
/// [`ProblemKind::WrongPassphrase`], [`ProblemKind::Invalid`] naming the field, or what the disk says; then all is as it was.
pub(crate) fn answer(handle: &Handle, request: &WayRequest) -> Answer {
    let failed = |error: KeysError| keys_problem(&error);
    let answered = match request {
        WayRequest::List => WayResponse::List(list(&handle.home)),
        WayRequest::NewRecoveryCode(proof) => {
            let keys = handle.everything(&proof.passphrase)?;
            let code = handle.home.renew_recovery_code(&keys, &mut OsRng).map_err(failed)?;
            WayResponse::RecoveryCode(api::RecoveryCode { recovery_code: told(&code) })
        }
        WayRequest::TestRecoveryCode(code) => WayResponse::Tested(test(&handle.home, &code.recovery_code)?),
        WayRequest::AddKeyFile(new) => WayResponse::Added(add_key_file(handle, new)?),
        WayRequest::Remove(request) => {
            handle.everything(&request.passphrase)?;
            let way = named(&handle.home, &request.way)?;
            handle.home.remove_way(&way.id).map_err(|error| keys_problem(&error).about("way"))?;
            WayResponse::List(list(&handle.home))
        }
        WayRequest::Passphrase(change) => {
            let new = accepted_passphrase("new", &change.new)?;
            let keys = handle.everything(&change.present)?;
            let secret = Secret::Passphrase(new, Cost::default());
            handle.home.replace_way(&keys, &secret, &mut OsRng).map_err(failed)?;
            let as_before = as_before(handle.home.path()).map_err(|error| file_problem(&error))?;
            WayResponse::Changed(api::PassphraseChanged { recovery_code: None, as_before })
        }
        WayRequest::Leave(_) => {
            return Err(Problem::new(ProblemKind::Internal, "That is not asked of an open home alone."));
        }
    };
    Ok(Response::Ways(answered))
}

/// The key of a recovery code that opens the home, as was just found out, or that was just made.
pub(crate) fn recovery_key(request: Option<&WayRequest>, answer: &Answer) -> Option<SigningKey> {
    let Ok(Response::Ways(response)) = answer else { return None };
    let code = match (request, response) {
        (Some(WayRequest::TestRecoveryCode(typed)), WayResponse::Tested(tested)) if tested.opens => {
            &typed.recovery_code
        }
        (_, WayResponse::RecoveryCode(made)) => &made.recovery_code,
        (_, WayResponse::Changed(changed)) => changed.recovery_code.as_ref()?,
        _ => return None,
    };
    let code = RecoveryCode::parse(code.reveal()).ok()?;
    Some(SigningKey::from_bytes(&code.signing_seed()))
}

/// New data keys for a house, under a new passphrase: everything is encrypted anew, snapshots included. The house is closed
/// meanwhile, and answered open again, by its new keys or, when this fails, by those of before.
pub(crate) fn renew(
    house: House,
    keys: &DataKeys,
    new: &api::Secret,
    cost: Cost,
    progress: Progress,
) -> (Result<Opened, Problem>, Result<api::PassphraseChanged, Problem>) {
    let (home, held) = house.release();
    let renewed = renew_keys(&home, keys, new, cost);
    let (keys, outcome) = match renewed {
        Ok((keys, changed)) => (keys, Ok(changed)),
        Err(problem) => (keys.clone(), Err(problem)),
    };
    // A private part that was locked stays locked.
    let keys = DataKeys { mine: keys.mine.filter(|_| held.mine.is_some()), ..keys };
    (house::open_again(home, keys, progress), outcome)
}

fn renew_keys(
    home: &Arc<Home>,
    keys: &DataKeys,
    new: &api::Secret,
    cost: Cost,
) -> Result<(DataKeys, api::PassphraseChanged), Problem> {
    let secret = Secret::Passphrase(accepted_passphrase("new", new)?, cost);
    let keys = home.rekey(keys, &secret, &mut OsRng).map_err(|error| rekey_problem(&error))?;
    // From here on it is changed. Without a code the person can still make one.
    let code = home.add_recovery_code(&keys, &mut OsRng);
    if let Err(error) = &code {
        tracing::warn!(%error, "no recovery code could be made");
    }
    let recovery_code = code.ok().map(|code| told(&code));
    Ok((keys, api::PassphraseChanged { recovery_code, as_before: as_before(home.path()).unwrap_or_default() }))
}

fn told(code: &RecoveryCode) -> api::Secret {
    api::Secret::from(code.reveal().to_string())
}

fn list(home: &Home) -> Vec<api::Way> {
    home.ways().into_iter().map(shown).collect()
}

fn shown(way: WrapInfo) -> api::Way {
    let kind = match way.way {
        Way::Passphrase => api::WayKind::Passphrase,
        Way::KeyFile => api::WayKind::KeyFile,
        Way::RecoveryCode => api::WayKind::RecoveryCode,
        Way::Keyring => api::WayKind::Keyring,
    };
    api::Way { id: way.id, kind, opens_private: way.opens_mine }
}

/// The way whose id begins so.
fn named(home: &Home, beginning: &str) -> Result<WrapInfo, Problem> {
    let mut fits = home.ways().into_iter().filter(|way| !beginning.is_empty() && way.id.starts_with(beginning));
    match (fits.next(), fits.next()) {
        (Some(way), None) => Ok(way),
        (None, _) => {
            let detail = "No way to open this home has that id: `betwixt ways list` shows them.";
            Err(Problem::new(ProblemKind::NotFound, detail).about("way"))
        }
        (Some(_), Some(_)) => {
            let detail = "More than one way to open this home begins like that; give more of the id.";
            Err(Problem::new(ProblemKind::Ambiguous, detail).about("way"))
        }
    }
}

fn test(home: &Home, typed: &api::Secret) -> Result<api::RecoveryCodeTested, Problem> {
    let slip =
        |slip: Option<ParseRecoveryCodeError>| api::RecoveryCodeTested { opens: false, slip: slip.map(sentence) };
    let code = match RecoveryCode::parse(typed.reveal()) {
        Ok(code) => code,
        Err(error) => return Ok(slip(Some(error))),
    };
    match home.unlock(&Secret::Recovery(&code), true) {
        Ok(_) => Ok(api::RecoveryCodeTested { opens: true, slip: None }),
        Err(KeysError::Wrong(_) | KeysError::NoSuchWay(_)) => Ok(slip(None)),
        Err(error) => Err(keys_problem(&error)),
    }
}

fn add_key_file(handle: &Handle, new: &api::NewKeyFile) -> Result<api::Way, Problem> {
    let path = PathBuf::from(&new.path);
    if !path.is_absolute() {
        return Err(invalid_path("Give the file's absolute path, beginning with `/`."));
    }
    if is_inside(&path, handle.home.path()) {
        let detail = "A key beside what it opens protects nothing: put it elsewhere, on a stick for instance.";
        return Err(invalid_path(detail));
    }
    let keys = handle.everything(&new.passphrase)?;
    let keys = if new.shared_only { DataKeys { mine: None, ..keys } } else { keys };
    let added = handle.home.add_key_file(&keys, &path, &mut OsRng).map_err(|error| match &error {
        KeysError::File { source, .. } if source.kind() == io::ErrorKind::AlreadyExists => {
            invalid_path("There is a file of that name already: choose another name.")
        }
        KeysError::File { source, .. }
            if matches!(source.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
        {
            invalid_path("There is no such directory.")
        }
        _ => keys_problem(&error),
    })?;
    let opens_private = !new.shared_only;
    Ok(api::Way { id: added, kind: api::WayKind::KeyFile, opens_private })
}

/// Whether a file would lie in a directory. One whose directory is not there lies nowhere.
fn is_inside(path: &Path, directory: &Path) -> bool {
    let parent = path.parent().and_then(|parent| parent.canonicalize().ok());
    parent.is_some_and(|parent| directory.canonicalize().is_ok_and(|directory| parent.starts_with(directory)))
}

/// What in a home opens with the passphrase of its day: backups, and keys that a restored backup took the place of.
fn as_before(home: &Path) -> io::Result<Vec<String>> {
    let home = std::path::absolute(home)?;
    let mut paths = backup_files(&home)?;
    match std::fs::read_dir(home.join("aside")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
        Ok(entries) => {
            for entry in entries {
                let entry = entry?;
                if entry.file_name().to_string_lossy().starts_with("keys-") {
                    paths.push(entry.path());
                }
            }
        }
    }
    Ok(paths.into_iter().map(|path| path.display().to_string()).collect())
}

fn rekey_problem(error: &RekeyError) -> Problem {
    match error {
        RekeyError::InUse => {
            let detail = "Something else still uses this home, a check or a backup perhaps: try again when it is done.";
            Problem::new(ProblemKind::Busy, detail)
        }
        RekeyError::Store(error) => storage_problem(error),
        RekeyError::Open(error) => opening_problem(error),
        RekeyError::Archive(error) => archive_problem(error),
        RekeyError::Keys(error) => keys_problem(error),
        RekeyError::Home(error) => home_problem(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::house::tests::{PASSPHRASE, founded, secret};
    use crate::house::unlock;

    const NEW: &str = "two lanterns in the window";

    fn ways(answer: Answer) -> WayResponse {
        match answer.expect("is answered") {
            Response::Ways(response) => response,
            other => panic!("{other:?}"),
        }
    }

    fn opens(path: &Path, text: &str) -> bool {
        unlock(path, &secret(text), Progress::default()).is_ok()
    }

    fn change(present: &str, new: &str) -> WayRequest {
        WayRequest::Passphrase(api::ChangePassphrase { present: secret(present), new: secret(new), leaked: false })
    }

    #[test]
    fn the_passphrase_is_changed_by_whoever_knows_it_or_has_the_recovery_code() {
        let (_directory, path, house, code) = founded();
        let handle = house.handle();
        let wrong = answer(&handle, &change("something else", NEW)).expect_err("is refused");
        assert_eq!(wrong.kind, ProblemKind::WrongPassphrase);
        let short = answer(&handle, &change(PASSPHRASE, "short")).expect_err("is refused");
        assert_eq!((short.kind, short.field.as_deref()), (ProblemKind::Invalid, Some("new")));
        ways(answer(&handle, &change(PASSPHRASE, NEW)));
        ways(answer(&handle, &change(code.reveal(), "three lanterns")));
        drop(handle);
        house.close().expect("closes");
        assert!(!opens(&path, PASSPHRASE) && !opens(&path, NEW));
        assert!(opens(&path, "three lanterns") && opens(&path, code.reveal()));
    }

    #[test]
    fn a_new_recovery_code_takes_the_place_of_the_one_before_and_a_test_changes_nothing() {
        let (_directory, _path, house, code) = founded();
        let handle = house.handle();
        let tested = |code: &api::Secret| match ways(answer(
            &handle,
            &WayRequest::TestRecoveryCode(api::RecoveryCode { recovery_code: code.clone() }),
        )) {
            WayResponse::Tested(tested) => tested,
            other => panic!("{other:?}"),
        };
        assert!(tested(&code).opens);
        let proof = |text| WayRequest::NewRecoveryCode(api::Proof { passphrase: secret(text) });
        assert_eq!(answer(&handle, &proof("wrong one")).expect_err("is refused").kind, ProblemKind::WrongPassphrase);
        assert!(tested(&code).opens);
        let WayResponse::RecoveryCode(renewed) = ways(answer(&handle, &proof(PASSPHRASE))) else { panic!("no code") };
        assert_eq!(tested(&code), api::RecoveryCodeTested { opens: false, slip: None });
        let before = handle.home.ways();
        assert!(tested(&renewed.recovery_code).opens);
        let slipped = tested(&secret(&renewed.recovery_code.reveal()[1..]));
        assert!(!slipped.opens && slipped.slip.is_some_and(|slip| slip.contains("28")));
        assert_eq!(handle.home.ways(), before);
    }

    #[test]
    fn a_key_file_opens_what_it_was_made_for_and_the_last_way_stays() {
        let (directory, path, house, code) = founded();
        let handle = house.handle();
        let new = |name: &str, shared_only| api::NewKeyFile {
            passphrase: secret(PASSPHRASE),
            path: directory.path().join(name).display().to_string(),
            shared_only,
        };
        for (wrong, about) in [
            (api::NewKeyFile { path: "stick".into(), ..new("stick", false) }, "absolute"),
            (new("home/stick", false), "beside"),
            (new("nowhere/stick", false), "directory"),
        ] {
            let problem = answer(&handle, &WayRequest::AddKeyFile(wrong)).expect_err("is refused");
            assert_eq!((problem.kind.clone(), problem.field.as_deref()), (ProblemKind::Invalid, Some("path")));
            assert!(problem.detail.contains(about), "{problem}");
        }
        for (name, shared_only) in [("stick", false), ("shared", true)] {
            let WayResponse::Added(way) = ways(answer(&handle, &WayRequest::AddKeyFile(new(name, shared_only)))) else {
                panic!("none was added")
            };
            assert_eq!((way.kind, way.opens_private), (api::WayKind::KeyFile, !shared_only));
            let again = answer(&handle, &WayRequest::AddKeyFile(new(name, shared_only))).expect_err("is there");
            assert_eq!(again.field.as_deref(), Some("path"));
        }
        let text = |name: &str| std::fs::read_to_string(directory.path().join(name)).expect("reads");
        let refused = handle.everything(&secret(&text("shared"))).expect_err("opens no private part");
        assert_eq!(refused.kind, ProblemKind::Locked);
        drop(handle);
        house.close().expect("closes");
        for (name, private) in [("stick", true), ("shared", false)] {
            let opened = unlock(&path, &secret(&text(name)), Progress::default()).expect("opens");
            assert_eq!(opened.house.store.mine_is_open(), private, "{name}");
            opened.house.close().expect("closes");
        }
        let house = unlock(&path, &secret(PASSPHRASE), Progress::default()).expect("opens").house;
        let handle = house.handle();
        let all = handle.home.ways();
        assert_eq!(all.len(), 4);
        let remove = |by: &str, way: &str| {
            answer(&handle, &WayRequest::Remove(api::RemoveWay { passphrase: secret(by), way: way.into() }))
        };
        assert_eq!(remove("wrong one", &all[0].id).expect_err("is refused").kind, ProblemKind::WrongPassphrase);
        assert_eq!(remove(PASSPHRASE, "").expect_err("is refused").kind, ProblemKind::NotFound);
        // But for the recovery code and the file for what is shared alone.
        let removed = all.iter().filter(|way| way.opens_mine && way.way != Way::RecoveryCode);
        for way in removed {
            remove(code.reveal(), &way.id[..20]).expect("is removed");
        }
        let last = all.iter().find(|way| way.way == Way::RecoveryCode).expect("there is one");
        let problem = remove(code.reveal(), &last.id).expect_err("is the last one that opens everything");
        assert_eq!((problem.kind, problem.field.as_deref()), (ProblemKind::Invalid, Some("way")));
    }

    #[test]
    fn after_a_leak_only_the_new_passphrase_and_a_new_code_open_the_home_and_a_locked_part_stays_locked() {
        let (_directory, path, mut house, code) = founded();
        let keys = house.handle().everything(&secret(PASSPHRASE)).expect("opens");
        let in_use = house.handle();
        let (opened, refused) = renew(house, &keys, &secret(NEW), Cost::FLOOR, Progress::default());
        assert_eq!(refused.expect_err("is in use").kind, ProblemKind::Busy);
        drop(in_use);
        house = opened.expect("is open as before").house;
        house.lock_mine().expect("locks");
        let (opened, changed) = renew(house, &keys, &secret(NEW), Cost::FLOOR, Progress::default());
        let renewed = changed.expect("is changed").recovery_code.expect("there is a new one");
        let Opened { house, troubles } = opened.expect("is open again");
        assert!(!house.store.mine_is_open() && troubles.is_empty());
        house.close().expect("closes");
        assert!(!opens(&path, PASSPHRASE) && !opens(&path, code.reveal()));
        assert!(opens(&path, NEW) && opens(&path, renewed.reveal()));
    }
}
