//! Homes: made, unlocked, held by one, copied, restored, given new keys.

#![allow(clippy::unwrap_used, reason = "a failing test panics, in its helpers too")]

mod common;

use std::collections::BTreeSet;
use std::fs;

use automerge::ChangeHash;
use betwixt_model::document::{DocumentId, Scope};
use betwixt_model::ids::EpochId;
use betwixt_store::keys::{DataKeys, KeysError, Secret, Way};
use betwixt_store::{
    Break, Continuity, Home, HomeError, OpenError, RekeyError, RestoreError, SnapshotError, StoreOptions,
    verify_archive,
};
use common::{PASSPHRASE, WRITTEN, content_of, copy, files, fill_and_commit, home, secret, without_index};
use jiff::civil::date;
use rand_core::OsRng;

fn options() -> StoreOptions {
    StoreOptions::default()
}

#[test]
fn only_the_passphrase_opens_a_home() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("home");
    let (made, keys) = home(&path);
    let again = Home::init(&path, &secret(PASSPHRASE), &mut OsRng);
    assert!(matches!(again, Err(HomeError::InUse { .. })), "{again:?}");
    drop(made);
    let again = Home::init(&path, &secret(PASSPHRASE), &mut OsRng);
    assert!(matches!(again, Err(HomeError::Exists(_))), "{again:?}");
    let opened = Home::open(&path).unwrap();
    for wrong in ["", "correct horse battery", "Correct horse battery staple"] {
        assert!(matches!(opened.unlock(&secret(wrong), false), Err(KeysError::Wrong(Way::Passphrase))));
    }
    let shared = opened.unlock(&secret(PASSPHRASE), false).unwrap();
    assert!(shared.mine.is_none());
    assert_eq!(shared.shared.id(), keys.shared.id());
    let both = opened.unlock(&secret(PASSPHRASE), true).unwrap();
    assert!(opened.open_store(&both, options()).unwrap().0.mine_is_open());
    let nowhere = Home::open(&directory.path().join("nowhere"));
    assert!(matches!(nowhere, Err(HomeError::NotThere(_))));
}

#[test]
fn every_way_opens_what_it_was_given() {
    let directory = tempfile::tempdir().unwrap();
    let (home, keys) = home(&directory.path().join("home"));
    let code = home.add_recovery_code(&keys, &mut OsRng).unwrap();
    let shared_only = DataKeys { mine: None, ..keys.clone() };
    let key_file = directory.path().join("stick");
    let stick = home.add_key_file(&shared_only, &key_file, &mut OsRng).unwrap();
    assert!(matches!(home.add_key_file(&keys, &key_file, &mut OsRng), Err(KeysError::File { .. })));

    let typed = betwixt_store::keys::RecoveryCode::parse(&code.reveal().to_lowercase()).unwrap();
    assert!(home.unlock(&Secret::Recovery(&typed), true).unwrap().mine.is_some());
    let other = betwixt_store::keys::RecoveryCode::random(&mut OsRng);
    let wrong = home.unlock(&Secret::Recovery(&other), true);
    assert!(matches!(wrong, Err(KeysError::Wrong(Way::RecoveryCode))));
    assert_eq!(home.unlock_with_key_file(&key_file, false).unwrap().shared.id(), keys.shared.id());
    assert!(matches!(home.unlock_with_key_file(&key_file, true), Err(KeysError::SharedOnly(Way::KeyFile))));
    let rubbish = directory.path().join("rubbish");
    fs::write(&rubbish, "rubbish").unwrap();
    assert!(matches!(home.unlock_with_key_file(&rubbish, false), Err(KeysError::Wrong(Way::KeyFile))));

    // What is changed is changed on disk.
    let not_all = home.replace_way(&shared_only, &secret("another passphrase"), &mut OsRng);
    assert!(matches!(not_all, Err(KeysError::MineNeeded)));
    home.replace_way(&keys, &secret("another passphrase"), &mut OsRng).unwrap();
    let renewed = home.renew_recovery_code(&keys, &mut OsRng).unwrap();
    let before = home.unlock(&Secret::Recovery(&code), true);
    assert!(matches!(before, Err(KeysError::Wrong(Way::RecoveryCode))));
    assert!(home.unlock(&Secret::Recovery(&renewed), true).unwrap().mine.is_some());
    home.remove_way(&stick).unwrap();
    let path = home.path().to_owned();
    drop(home);
    let home = Home::open(&path).unwrap();
    assert!(matches!(home.unlock(&secret(PASSPHRASE), false), Err(KeysError::Wrong(_))));
    assert!(matches!(home.unlock_with_key_file(&key_file, false), Err(KeysError::NoSuchWay(Way::KeyFile))));
    assert_eq!(home.unlock(&secret("another passphrase"), true).unwrap().shared.id(), keys.shared.id());

    // Nobody can lock themselves out.
    let ways = home.ways();
    assert_eq!(ways.len(), 2);
    home.remove_way(&ways[0].id).unwrap();
    assert!(matches!(home.remove_way(&ways[1].id), Err(KeysError::LastWrap)));
    assert!(matches!(home.remove_way("nothing"), Err(KeysError::UnknownWrap(_))));
}

#[test]
fn hostile_input_is_an_error_an_altered_keys_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("home");
    drop(home(&path));
    let keys = path.join("keys");
    let whole = fs::read(&keys).unwrap();
    // Any flipped bit, without a passphrase being tried.
    for position in 0..whole.len() {
        let mut altered = whole.clone();
        altered[position] ^= 1 << (position % 8);
        fs::write(&keys, &altered).unwrap();
        let opened = Home::open(&path);
        assert!(matches!(opened, Err(HomeError::Keys(KeysError::Damaged(_) | KeysError::Newer(_)))), "byte {position}");
    }
    // Cut short, empty, huge.
    for bytes in [&whole[..whole.len() / 2], b"", &vec![b' '; 1 << 20]] {
        fs::write(&keys, bytes).unwrap();
        assert!(matches!(Home::open(&path), Err(HomeError::Keys(KeysError::Damaged(_)))));
    }
    fs::write(&keys, &whole).unwrap();
    assert!(Home::open(&path).unwrap().unlock(&secret(PASSPHRASE), true).is_ok());
}

#[test]
fn one_process_holds_a_home_and_a_stale_lock_means_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("home");
    let (held, _) = home(&path);
    assert_eq!(Home::holder(&path).unwrap(), Some(std::process::id()));
    match Home::open(&path) {
        Err(error @ HomeError::InUse { pid: Some(pid), .. }) => {
            assert_eq!(pid, std::process::id());
            assert!(error.to_string().contains(&pid.to_string()));
        }
        other => panic!("{other:?}"),
    }
    drop(held);
    assert_eq!(Home::holder(&path).unwrap(), None);
    // What a process that died leaves.
    fs::write(path.join("lock"), "999999\n").unwrap();
    assert_eq!(Home::holder(&path).unwrap(), None);
    drop(Home::open(&path).unwrap());
}

#[cfg(unix)]
#[test]
fn files_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;

    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("home");
    let (home, keys) = home(&path);
    let (store, _) = home.open_store(&keys, options()).unwrap();
    fill_and_commit(&store);
    store.keep_frame(b"frame").unwrap();
    home.take_snapshot(&store, &keys, date(2026, 3, 1)).unwrap();
    home.backup(&store, &keys, &directory.path().join("backup")).unwrap();
    home.add_key_file(&keys, &directory.path().join("stick"), &mut OsRng).unwrap();
    let all = files(directory.path());
    assert!(all.len() >= 7, "{all:?}");
    for file in all {
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600, "{}", file.display());
    }
    for inside in ["", "snapshots", "aside"] {
        assert_eq!(fs::metadata(path.join(inside)).unwrap().permissions().mode() & 0o777, 0o700, "{inside}");
    }
}

#[test]
fn private_stays_home_no_file_contains_what_was_written() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("home");
    let (home, keys) = home(&path);
    let (store, _) = home.open_store(&keys, options()).unwrap();
    fill_and_commit(&store);
    store.keep_frame(WRITTEN[0].as_bytes()).unwrap();
    home.take_snapshot(&store, &keys, date(2026, 3, 1)).unwrap();
    home.backup(&store, &keys, &path.join("backup")).unwrap();
    let code = home.add_recovery_code(&keys, &mut OsRng).unwrap();
    home.settle(&keys, &store).unwrap();
    drop(store);
    let mut searched = 0;
    let names: [&[u8]; 6] = [b"ours/2026", b"mine/2026", b"the group", b"betwixt.epoch", &[7; 32], &[9; 32]];
    let code = code.reveal();
    let secrets = [PASSPHRASE.as_bytes(), code.as_bytes()];
    for file in files(&path) {
        let bytes = fs::read(&file).unwrap();
        searched += bytes.len();
        for needle in WRITTEN.iter().map(|text| text.as_bytes()).chain(names).chain(secrets) {
            let found = bytes.windows(needle.len()).any(|window| window == needle);
            assert!(!found, "{} contains {:?}", file.display(), String::from_utf8_lossy(needle));
        }
    }
    assert!(searched > 10_000);
}

#[test]
fn a_copied_home_and_an_older_one_are_noticed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("home");
    let (first, keys) = home(&path);
    let (store, continuity) = first.open_store(&keys, options()).unwrap();
    assert_eq!(continuity, Continuity::Unbroken);
    drop(store);
    let older = fs::read(path.join("betwixt.redb")).unwrap();
    let (store, continuity) = first.open_store(&keys, options()).unwrap();
    assert_eq!(continuity, Continuity::Unbroken);
    fill_and_commit(&store);
    first.settle(&keys, &store).unwrap();
    drop((store, first));

    // A copy.
    let copied = directory.path().join("copy");
    copy(&path, &copied);
    let other = Home::open(&copied).unwrap();
    #[cfg(unix)]
    {
        let (store, continuity) = other.open_store(&keys, options()).unwrap();
        assert_eq!(continuity, Continuity::Broken(Break::OtherDirectory));
        drop(store);
        // It says so until it is settled.
        let (store, continuity) = other.open_store(&keys, options()).unwrap();
        assert_eq!(continuity, Continuity::Broken(Break::OtherDirectory));
        let mut batch = store.begin().unwrap();
        batch.begin_epoch(&EpochId::from_bytes([1; 32])).unwrap();
        batch.commit().unwrap();
        other.settle(&keys, &store).unwrap();
        drop(store);
        assert_eq!(other.open_store(&keys, options()).unwrap().1, Continuity::Unbroken);
    }
    drop(other);
    // A home that is moved is no copy.
    let moved = directory.path().join("moved");
    fs::rename(&path, &moved).unwrap();
    let home = Home::open(&moved).unwrap();
    assert_eq!(home.open_store(&keys, options()).unwrap().1, Continuity::Unbroken);
    // An older file put back.
    fs::write(moved.join("betwixt.redb"), older).unwrap();
    assert_eq!(home.open_store(&keys, options()).unwrap().1, Continuity::Broken(Break::Older));
    // What says where it was, altered or gone.
    let place = fs::read(moved.join("place")).unwrap();
    for position in 0..place.len() {
        let mut altered = place.clone();
        altered[position] ^= 0x10;
        fs::write(moved.join("place"), altered).unwrap();
        if position % 16 == 0 {
            assert_eq!(home.open_store(&keys, options()).unwrap().1, Continuity::Broken(Break::Unreadable));
        }
    }
    fs::remove_file(moved.join("place")).unwrap();
    assert_eq!(home.open_store(&keys, options()).unwrap().1, Continuity::Broken(Break::Restored));
}

#[test]
fn a_snapshot_is_restored_and_what_was_there_is_kept() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("home");
    let (home, keys) = home(&path);
    let (store, _) = home.open_store(&keys, options()).unwrap();
    fill_and_commit(&store);
    let before = content_of(&store);
    let taken = home.take_snapshot(&store, &keys, date(2026, 3, 1)).unwrap();
    assert_eq!(home.snapshots().unwrap(), [taken]);
    fill_and_commit(&store);
    assert_ne!(content_of(&store), before);
    assert!(matches!(home.restore_snapshot("2026-03-01"), Err(RestoreError::InUse)));
    drop(store);
    assert!(matches!(home.restore_snapshot("2026-03-02"), Err(RestoreError::Unknown(_))));
    home.restore_snapshot("2026-03-01").unwrap();
    let (store, continuity) = home.open_store(&keys, options()).unwrap();
    assert_eq!(without_index(&content_of(&store)), without_index(&before));
    assert!(content_of(&store).contains("rows: []"), "the index is to be built from the rest");
    assert_eq!(continuity, Continuity::Broken(Break::Restored));
    assert!(store.verify(&mut |_, _| Ok(())).unwrap().is_whole());
    let aside: Vec<_> = files(&path.join("aside"));
    assert_eq!(aside.len(), 1);
}

#[test]
fn rolling_snapshots_roll() {
    let directory = tempfile::tempdir().unwrap();
    let (home, keys) = home(&directory.path().join("home"));
    let (store, _) = home.open_store(&keys, options()).unwrap();
    for day in 1..=20 {
        home.take_snapshot(&store, &keys, date(2026, 3, day)).unwrap();
        // Twice a day is once.
        home.take_snapshot(&store, &keys, date(2026, 3, day)).unwrap();
    }
    let names: Vec<_> = home.snapshots().unwrap().into_iter().map(|snapshot| snapshot.name).collect();
    assert_eq!(names, ["2026-03-01", "2026-03-08", "2026-03-15", "2026-03-18", "2026-03-19", "2026-03-20"]);
}

/// A snapshot of a long life takes seconds. Stopped in the midst of one, the store stayed open, and the next start read the whole
/// database, as after a crash.
#[test]
fn a_home_that_is_about_to_be_closed_gives_up_its_snapshot_and_keeps_those_of_before() {
    let directory = tempfile::tempdir().unwrap();
    let (home, keys) = home(&directory.path().join("home"));
    let (store, _) = home.open_store(&keys, options()).unwrap();
    fill_and_commit(&store);
    home.take_snapshot(&store, &keys, date(2026, 3, 1)).unwrap();
    home.closing();
    assert!(matches!(home.take_snapshot(&store, &keys, date(2026, 3, 2)), Err(SnapshotError::Closing)));
    let names: Vec<_> = home.snapshots().unwrap().into_iter().map(|snapshot| snapshot.name).collect();
    assert_eq!(names, ["2026-03-01"]);
}

#[test]
fn a_backup_makes_a_home_anywhere() {
    let directory = tempfile::tempdir().unwrap();
    let (home, keys) = home(&directory.path().join("home"));
    let (store, _) = home.open_store(&keys, options()).unwrap();
    fill_and_commit(&store);
    let before = without_index(&content_of(&store));
    let backup = directory.path().join("backup");
    home.backup(&store, &keys, &backup).unwrap();
    assert!(matches!(home.backup(&store, &keys, &backup), Err(SnapshotError::Exists(_))));
    // One made while `mine` is locked is as complete.
    store.lock_mine();
    let locked = DataKeys { mine: None, ..keys.clone() };
    let other = directory.path().join("other backup");
    home.backup(&store, &locked, &other).unwrap();
    home.take_snapshot(&store, &locked, date(2026, 3, 1)).unwrap();
    assert!(verify_archive(&other, &locked).unwrap().skipped > 0);
    assert_eq!(verify_archive(&other, &keys).unwrap().skipped, 0);

    for backup in [&backup, &other] {
        let path = tempfile::tempdir_in(directory.path()).unwrap().keep().join("new home");
        Home::restore(backup, &path, false).unwrap();
        let restored = Home::open(&path).unwrap();
        let keys = restored.unlock(&secret(PASSPHRASE), true).unwrap();
        let (store, continuity) = restored.open_store(&keys, options()).unwrap();
        assert_eq!(without_index(&content_of(&store)), before);
        assert_eq!(continuity, Continuity::Broken(Break::Restored));
    }
    // A home is replaced only when that is said, and only when nobody holds it.
    let path = home.path().to_owned();
    let snapshot = home.snapshot_path("2026-03-01");
    assert!(matches!(Home::restore(&backup, &path, false), Err(RestoreError::HomeThere(_))));
    assert!(matches!(Home::restore(&backup, &path, true), Err(RestoreError::Home(HomeError::InUse { .. }))));
    drop((store, home));
    assert!(matches!(Home::restore(&snapshot, &path, true), Err(RestoreError::OtherKeys(_))));
    Home::restore(&backup, &path, true).unwrap();
    let (store, _) = Home::open(&path).unwrap().open_store(&keys, options()).unwrap();
    assert_eq!(without_index(&content_of(&store)), before);
    assert_eq!(files(&path.join("aside")).len(), 1, "the database that was replaced");
}

#[test]
fn new_keys_seal_everything_anew() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("home");
    let (first, old) = home(&path);
    let (store, _) = first.open_store(&old, options()).unwrap();
    fill_and_commit(&store);
    let before = content_of(&store);
    first.take_snapshot(&store, &old, date(2026, 3, 1)).unwrap();
    let stolen = directory.path().join("stolen");
    copy(&path, &stolen);
    let new = secret("a passphrase that nobody saw");
    assert!(matches!(first.rekey(&old, &new, &mut OsRng), Err(RekeyError::InUse)));
    drop(store);
    let shared_only = DataKeys { mine: None, ..old.clone() };
    assert!(matches!(first.rekey(&shared_only, &new, &mut OsRng), Err(RekeyError::Keys(KeysError::MineNeeded))));
    let other = DataKeys::random(&mut OsRng);
    assert!(matches!(first.rekey(&other, &new, &mut OsRng), Err(RekeyError::Open(OpenError::OtherKeys(_)))));
    assert!(first.unlock(&secret(PASSPHRASE), true).is_ok());
    let keys = first.rekey(&old, &new, &mut OsRng).unwrap();
    assert!(matches!(first.unlock(&secret(PASSPHRASE), true), Err(KeysError::Wrong(_))));
    assert!(matches!(first.open_store(&old, options()), Err(OpenError::OtherKeys(_))));
    let (store, continuity) = first.open_store(&keys, options()).unwrap();
    assert_eq!(content_of(&store), before);
    assert_eq!(continuity, Continuity::Unbroken);
    let report = verify_archive(&first.snapshot_path("2026-03-01"), &keys).unwrap();
    assert_eq!((report.damaged, report.skipped), (0, 0));
    assert!(verify_archive(&first.snapshot_path("2026-03-01"), &old).unwrap().damaged > 0);
    drop(store);
    first.restore_snapshot("2026-03-01").unwrap();
    let restored = content_of(&first.open_store(&keys, options()).unwrap().0);
    assert_eq!(without_index(&restored), without_index(&before));
    let left = files(&path).into_iter().filter(|file| file.to_string_lossy().contains("rekey")).count();
    assert_eq!(left, 0);

    // A crash before the keys file is replaced leaves the old home, one after it the new.
    let chunks = files(&stolen.join("snapshots/chunks")).len();
    let crashed = directory.path().join("crashed");
    copy(&stolen, &crashed);
    let other = Home::open(&stolen).unwrap();
    other.rekey(&old, &new, &mut OsRng).unwrap();
    let ids = other.unlock(&new, true).unwrap();
    drop(other);
    for name in ["betwixt.redb", "snapshots/2026-03-01.snapshot"] {
        fs::copy(stolen.join(name), crashed.join(format!("{name}.rekey"))).unwrap();
    }
    copy(&stolen.join("snapshots/chunks"), &crashed.join("snapshots/chunks"));
    let pending = [*ids.shared.id().as_bytes(), *ids.mine.as_ref().unwrap().id().as_bytes()].concat();
    fs::write(crashed.join("rekey"), &pending).unwrap();
    let before_keys = directory.path().join("before keys");
    copy(&crashed, &before_keys);
    fs::copy(stolen.join("keys"), crashed.join("keys")).unwrap();
    for (path, passphrase) in [(&before_keys, secret(PASSPHRASE)), (&crashed, new)] {
        let home = Home::open(path).unwrap();
        let keys = home.unlock(&passphrase, true).unwrap();
        let (store, _) = home.open_store(&keys, options()).unwrap();
        assert_eq!(content_of(&store), before);
        assert_eq!(verify_archive(&home.snapshot_path("2026-03-01"), &keys).unwrap().damaged, 0);
        assert!(!path.join("rekey").exists() && !path.join("betwixt.redb.rekey").exists());
        // What was sealed under the keys that are not the home's is gone.
        assert_eq!(files(&path.join("snapshots/chunks")).len(), chunks);
    }
}

/// What a day's snapshot writes is what the day brought, whatever the home holds.
#[test]
fn a_snapshot_writes_what_is_new_and_mends_what_is_damaged() {
    let directory = tempfile::tempdir().unwrap();
    let (home, keys) = home(&directory.path().join("home"));
    let (store, _) = home.open_store(&keys, options()).unwrap();
    let document = DocumentId { scope: Scope::Ours, year: 2026, generation: 0 };
    let mut batch = store.begin().unwrap();
    for number in 0..500_u32 {
        batch.append_change(document, &[number.to_le_bytes().as_slice(), &[9; 4_000]].concat()).unwrap();
    }
    batch.put_heads(document, &[ChangeHash([3; 32])]).unwrap();
    batch.commit().unwrap();
    let written = |date| {
        let before: BTreeSet<_> = files(&home.path().join("snapshots/chunks")).into_iter().collect();
        home.take_snapshot(&store, &keys, date).unwrap();
        let now = files(&home.path().join("snapshots/chunks"));
        let new = now.into_iter().filter(|path| !before.contains(path));
        new.map(|path| fs::metadata(path).unwrap().len()).sum::<u64>()
    };
    fs::create_dir_all(home.path().join("snapshots/chunks")).unwrap();
    let first = written(date(2026, 3, 1));
    assert!(first > 2_000_000, "{first}");
    assert_eq!(written(date(2026, 3, 2)), 0, "nothing is new");
    let mut batch = store.begin().unwrap();
    batch.append_change(document, &[8; 4_000]).unwrap();
    batch.put_heads(document, &[ChangeHash([4; 32])]).unwrap();
    batch.commit().unwrap();
    let second = written(date(2026, 3, 3));
    assert!(second < first / 4, "{second} bytes of {first}");

    // A part that the disk has damaged, and that three snapshots have in common, is whole again after the next.
    let largest = files(&home.path().join("snapshots/chunks"));
    let largest = largest.iter().max_by_key(|path| fs::metadata(path).unwrap().len()).unwrap();
    fs::write(largest, b"damaged").unwrap();
    assert!(verify_archive(&home.snapshot_path("2026-03-01"), &keys).is_err());
    home.take_snapshot(&store, &keys, date(2026, 3, 4)).unwrap();
    for snapshot in home.snapshots().unwrap() {
        assert_eq!(verify_archive(&home.snapshot_path(&snapshot.name), &keys).unwrap().damaged, 0);
        assert!(snapshot.bytes > 2_000_000);
    }
    // What no snapshot names any more goes.
    for snapshot in home.snapshots().unwrap() {
        fs::remove_file(home.snapshot_path(&snapshot.name)).unwrap();
    }
    home.take_snapshot(&store, &keys, date(2026, 3, 5)).unwrap();
    let bytes: u64 =
        files(&home.path().join("snapshots/chunks")).iter().map(|path| fs::metadata(path).unwrap().len()).sum();
    assert!(bytes < first + first / 4, "{bytes} bytes of {first}");
}

#[test]
fn an_interrupted_init_can_be_repeated() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("home");
    drop(home(&path));
    fs::remove_file(path.join("keys")).unwrap();
    assert!(matches!(Home::open(&path), Err(HomeError::NotThere(_))));
    let (home, keys) = home(&path);
    assert_eq!(home.open_store(&keys, options()).unwrap().1, Continuity::Unbroken);
    assert_eq!(files(&path.join("aside")).len(), 1);
}
