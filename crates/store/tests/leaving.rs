//! Leaving a home: what is gone, what stays, and what a crash in the midst of it leaves.

#![allow(clippy::unwrap_used, reason = "a failing test panics, in its helpers too")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use betwixt_model::document::Scope;
use betwixt_store::keys::KeysError;
use betwixt_store::{Home, HomeError, StoreOptions, finish_leaving, search_path};
use common::{PASSPHRASE, copy, files, fill_and_commit, home, secret};
use jiff::civil::date;
use rand_core::OsRng;

/// A home with everything that one can have, and its backup.
fn lived_in(path: &Path) -> PathBuf {
    let (home, keys) = home(path);
    let (store, _) = home.open_store(&keys, StoreOptions::default()).unwrap();
    fill_and_commit(&store);
    store.keep_frame(b"frame").unwrap();
    for scope in [Scope::Ours, Scope::Mine] {
        fs::create_dir_all(search_path(path, scope)).unwrap();
        fs::write(search_path(path, scope).join("index"), "sealed").unwrap();
    }
    home.take_snapshot(&store, &keys, date(2026, 3, 1)).unwrap();
    home.add_recovery_code(&keys, &mut OsRng).unwrap();
    fs::create_dir(path.join("backups")).unwrap();
    let backup = path.join("backups/2026-03-01.betwixt");
    home.backup(&store, &keys, &backup).unwrap();
    // As a backup that was restored over another home leaves it.
    fs::copy(path.join("keys"), path.join("aside/keys-former")).unwrap();
    fs::write(path.join("letter.txt"), "not of Betwixt").unwrap();
    drop(store);
    home.closed(&keys).unwrap();
    assert!(path.join("closed").exists());
    backup
}

/// What wraps of the keys stand in: their salts and sealed keys.
fn wraps(path: &Path) -> Vec<String> {
    let keys: serde_json::Value = serde_json::from_slice(&fs::read(path.join("keys")).unwrap()).unwrap();
    let wraps = keys["wraps"].as_array().unwrap();
    wraps
        .iter()
        .flat_map(|wrap| ["salt", "shared", "mine"].map(|part| wrap[part].as_str().unwrap().to_owned()))
        .collect()
}

fn hold(path: &Path, needles: &[String]) -> Vec<PathBuf> {
    let holds =
        |bytes: &[u8]| needles.iter().any(|needle| bytes.windows(needle.len()).any(|at| at == needle.as_bytes()));
    files(path).into_iter().filter(|file| holds(&fs::read(file).unwrap())).collect()
}

#[test]
fn nothing_is_left_of_a_home_that_was_left_but_what_is_not_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("home");
    let backup = lived_in(&path);
    let needles = wraps(&path);
    assert_eq!(hold(&path, &needles).len(), 3, "the keys, the backup, and the keys of before");
    // Another name of the same file shows that it was overwritten, and not unlinked alone.
    let beneath = directory.path().join("beneath");
    fs::hard_link(path.join("keys"), &beneath).unwrap();
    let home = Home::open(&path).unwrap();
    assert_eq!(home.leave(std::slice::from_ref(&backup)).unwrap(), Vec::<PathBuf>::new());
    assert!(home.unlock(&secret(PASSPHRASE), true).is_ok(), "what is in memory goes with the process");
    drop(home);
    assert_eq!(hold(directory.path(), &needles), Vec::<PathBuf>::new());
    assert!(matches!(Home::open(&path), Err(HomeError::NotThere(_))));
    assert_eq!(finish_leaving(&path, &[]).unwrap(), Some(Vec::new()));
    assert_eq!(files(&path), [path.join("letter.txt")]);
    assert_eq!(fs::read_dir(&path).unwrap().count(), 1);
    assert_eq!(finish_leaving(&path, &[]).unwrap(), None);
}

#[test]
fn a_leaving_that_was_interrupted_left_a_home_that_opens_or_none() {
    let directory = tempfile::tempdir().unwrap();
    let whole = directory.path().join("home");
    let backup = lived_in(&whole);
    let name = backup.strip_prefix(&whole).unwrap().to_owned();
    // Before the keys are touched.
    let marked = directory.path().join("marked");
    copy(&whole, &marked);
    fs::write(marked.join("leaving"), "").unwrap();
    assert_eq!(finish_leaving(&marked, &[marked.join(&name)]).unwrap(), None);
    assert!(Home::open(&marked).unwrap().unlock(&secret(PASSPHRASE), true).is_ok());
    assert!(!marked.join("leaving").exists() && marked.join(&name).exists());
    // While they are overwritten, and after they are gone.
    for torn in [true, false] {
        let left = directory.path().join(format!("torn {torn}"));
        copy(&whole, &left);
        fs::write(left.join("leaving"), "").unwrap();
        if torn {
            let mut keys = fs::read(left.join("keys")).unwrap();
            keys[..100].fill(7);
            fs::write(left.join("keys"), keys).unwrap();
        } else {
            fs::remove_file(left.join("keys")).unwrap();
        }
        assert_eq!(finish_leaving(&left, &[left.join(&name)]).unwrap(), Some(Vec::new()));
        assert_eq!(files(&left), [left.join("letter.txt")]);
    }
}

#[test]
fn a_home_whose_keys_are_damaged_is_never_cleared_away() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("home");
    let backup = lived_in(&path);
    fs::write(path.join("keys"), "damaged").unwrap();
    let before = files(&path);
    assert_eq!(finish_leaving(&path, &[backup]).unwrap(), None);
    assert!(matches!(Home::open(&path), Err(HomeError::Keys(KeysError::Damaged(_)))));
    assert_eq!(files(&path), before);
}
