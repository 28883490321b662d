//! Founding, opening, copying and locking a home.

use std::path::PathBuf;

use betwixt_model::document::Scope;
use betwixt_model::index::rows::{Table, WriteRows};

use super::*;

pub(crate) const PASSPHRASE: &str = "correct horse battery";

pub(crate) fn request() -> api::InitRequest {
    api::InitRequest {
        name: "Ada".into(),
        device: "laptop".into(),
        passphrase: api::Secret::from(PASSPHRASE.to_owned()),
    }
}

pub(crate) fn secret(text: &str) -> api::Secret {
    api::Secret::from(text.to_owned())
}

pub(crate) fn founded() -> (tempfile::TempDir, PathBuf, House, api::Secret) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("home");
    let (house, code) = found_at(&path, &request(), Cost::FLOOR).expect("founds");
    (directory, path, house, code)
}

#[test]
fn a_home_opens_with_its_passphrase_and_with_its_recovery_code_and_nothing_else() {
    let (_directory, path, house, code) = founded();
    let (device, epoch) = (house.replica.identity().device(), house.replica.epoch());
    house.close().expect("closes");
    for right in [secret(PASSPHRASE), code.clone(), secret(&code.reveal().to_lowercase().replace('-', " "))] {
        let Opened { house, troubles } = unlock(&path, &right, Progress::default()).expect("opens");
        assert_eq!(troubles, Vec::<String>::new());
        assert_eq!((house.replica.identity().device(), house.replica.epoch()), (device, epoch));
        assert_eq!(house.replica.identity().name(), "Ada");
        assert!(house.replica.space(Scope::Mine).is_some());
    }
    let other_code = RecoveryCode::random(&mut OsRng).reveal().to_string();
    for wrong in ["wrong horse battery", "", &other_code] {
        let problem = unlock(&path, &secret(wrong), Progress::default()).expect_err("is refused");
        assert_eq!(problem.kind, ProblemKind::WrongPassphrase, "{problem}");
    }
}

#[test]
fn a_slip_in_the_recovery_code_is_told() {
    let (_directory, path, house, code) = founded();
    drop(house);
    let mut slipped = code.reveal().to_owned();
    let last = slipped.pop().expect("is not empty");
    slipped.push(if last == '0' { '2' } else { '0' });
    let problem = unlock(&path, &secret(&slipped), Progress::default()).expect_err("is refused");
    assert_eq!(problem.kind, ProblemKind::WrongPassphrase);
    assert!(problem.detail.contains("slip"), "{problem}");
}

#[test]
fn a_home_is_founded_once_and_unlocked_only_where_there_is_one() {
    let (directory, path, house, _) = founded();
    let while_open = found_at(&path, &request(), Cost::FLOOR).expect_err("is in use");
    assert_eq!(while_open.kind, ProblemKind::Busy);
    let device = house.replica.identity().device();
    drop(house);
    let same = found_at(&path, &request(), Cost::FLOOR).expect_err("is there");
    assert_eq!(same.kind, ProblemKind::AlreadySetUp);
    let other = api::InitRequest { passphrase: secret("another passphrase"), ..request() };
    assert_eq!(found_at(&path, &other, Cost::FLOOR).expect_err("is there").kind, ProblemKind::AlreadySetUp);
    let opened = unlock(&path, &secret(PASSPHRASE), Progress::default()).expect("opens as before");
    assert_eq!(opened.house.replica.identity().device(), device);
    let nowhere =
        unlock(&directory.path().join("nowhere"), &secret(PASSPHRASE), Progress::default()).expect_err("is not there");
    assert_eq!(nowhere.kind, ProblemKind::NotSetUp);
}

#[test]
fn what_is_asked_for_is_checked_by_field_before_anything_is_written() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("home");
    let refused = [
        ("passphrase", api::InitRequest { passphrase: secret("short"), ..request() }),
        ("passphrase", api::InitRequest { passphrase: secret("          "), ..request() }),
        ("name", api::InitRequest { name: "  ".into(), ..request() }),
        ("name", api::InitRequest { name: "a".repeat(65), ..request() }),
        ("device", api::InitRequest { device: "two\nlines".into(), ..request() }),
    ];
    for (field, request) in refused {
        let problem = found(&path, &request).expect_err("is refused");
        assert_eq!((problem.kind, problem.field.as_deref()), (ProblemKind::Invalid, Some(field)));
        assert!(!path.exists());
    }
}

#[test]
fn a_founding_that_was_interrupted_is_completed_with_the_same_passphrase() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("home");
    let cost = Secret::Passphrase(PASSPHRASE, Cost::FLOOR);
    let (home, keys) = Home::init(&path, &cost, &mut OsRng).expect("makes the keys");
    let unseen = home.add_recovery_code(&keys, &mut OsRng).expect("adds one").reveal().to_string();
    drop(home);
    assert_eq!(
        unlock(&path, &secret(PASSPHRASE), Progress::default()).expect_err("is not founded").kind,
        ProblemKind::NotSetUp
    );
    let (house, code) = found_at(&path, &request(), Cost::FLOOR).expect("completes it");
    house.close().expect("closes");
    assert_eq!(
        unlock(&path, &secret(&unseen), Progress::default()).expect_err("opens nothing").kind,
        ProblemKind::WrongPassphrase
    );
    unlock(&path, &code, Progress::default()).expect("opens");
}

#[test]
fn a_failed_founding_leaves_nothing_that_blocks_the_next() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("home");
    // A directory where a file is looked for: the keys can be made, the store is not opened after it.
    let in_the_way = path.join("rekey");
    std::fs::create_dir_all(&in_the_way).expect("is made");
    found_at(&path, &request(), Cost::FLOOR).expect_err("fails half-way");
    assert!(!Home::exists(&path));
    std::fs::remove_dir(&in_the_way).expect("is taken away");
    let other = api::InitRequest { passphrase: secret("quite another one"), ..request() };
    let (house, _) = found_at(&path, &other, Cost::FLOOR).expect("founds");
    house.close().expect("closes");
    unlock(&path, &secret("quite another one"), Progress::default()).expect("opens");
}

#[test]
fn a_copied_home_goes_on_under_a_new_epoch_and_says_so_once() {
    let (directory, path, house, _) = founded();
    let epoch = house.replica.epoch();
    let let_in = |house: &House| {
        let view = house.store.read().expect("reads");
        access::Stored::read(&view.reader()).expect("reads")
    };
    let mut stored = access::Stored::default();
    stored.bridges.insert("notes".into(), access::TokenHash::of("a secret"));
    let mut batch = house.store.begin().expect("begins");
    stored.write(&mut batch).expect("puts");
    batch.commit().expect("commits");
    house.close().expect("closes");
    let copy = directory.path().join("copy");
    let copied = std::process::Command::new("cp").arg("-r").arg(&path).arg(&copy).status();
    assert!(copied.expect("copies").success());
    let Opened { house, troubles } = unlock(&copy, &secret(PASSPHRASE), Progress::default()).expect("opens");
    assert_eq!(troubles.len(), 1);
    assert_eq!(let_in(&house), access::Stored::default(), "a copy lets in nobody whom the home let in");
    let renewed = house.replica.epoch();
    assert_ne!(renewed, epoch);
    house.close().expect("closes");
    let Opened { house, troubles } = unlock(&copy, &secret(PASSPHRASE), Progress::default()).expect("opens again");
    assert!(troubles.is_empty());
    assert_eq!(house.replica.epoch(), renewed);
    let Opened { house, .. } = unlock(&path, &secret(PASSPHRASE), Progress::default()).expect("opens");
    assert_eq!(house.replica.epoch(), epoch);
    assert_eq!(let_in(&house), stored);
}

#[test]
fn the_private_part_is_locked_and_unlocked_by_itself() {
    let (_directory, _path, mut house, code) = founded();
    let space = house.replica.space(Scope::Mine);
    house.lock_mine().expect("locks");
    assert!(house.replica.space(Scope::Mine).is_none() && !house.store.mine_is_open());
    assert!(house.handle().keys.mine.is_none());
    let wrong = house.handle().private_key(&secret("something else")).expect_err("is wrong");
    assert_eq!(wrong.kind, ProblemKind::WrongPassphrase);
    for right in [secret(PASSPHRASE), code] {
        let key = house.handle().private_key(&right).expect("opens");
        house.unlock_mine(key).expect("unlocks");
        assert_eq!(house.replica.space(Scope::Mine), space);
        house.lock_mine().expect("locks again");
    }
}

#[test]
fn a_home_whose_file_is_mostly_empty_is_closed_in_a_small_one_and_opens_as_what_it_was() {
    let (_directory, path, house, _code) = founded();
    let file = path.join("betwixt.redb");
    let (device, epoch) = (house.replica.identity().device(), house.replica.epoch());
    // What an index leaves that was dropped.
    for is_there in [true, false] {
        let mut batch = house.store.begin().expect("begins");
        let mut rows = batch.rows(Scope::Ours).expect("is open");
        for number in 0..40_000_u32 {
            let key = number.to_le_bytes();
            let written = if is_there {
                rows.put(Table::Waiting, b"nobody", &key, &[7; 600])
            } else {
                rows.remove(Table::Waiting, b"nobody", &key)
            };
            written.expect("is written");
        }
        drop(rows);
        batch.commit().expect("is durable");
    }
    let keys = house.keys.clone();
    house.home.take_snapshot(&house.store, &keys, jiff::civil::date(2026, 3, 1)).expect("is taken");
    let before = std::fs::metadata(&file).expect("is there").len();
    house.close().expect("closes");
    let after = std::fs::metadata(&file).expect("is there").len();
    assert!(before > 16 << 20 && after < 1 << 20, "{before}, {after}");
    let Opened { house, troubles } = unlock(&path, &secret(PASSPHRASE), Progress::default()).expect("opens");
    assert_eq!(troubles, Vec::<String>::new());
    assert_eq!((house.replica.identity().device(), house.replica.epoch()), (device, epoch));
    house.close().expect("closes");
}
