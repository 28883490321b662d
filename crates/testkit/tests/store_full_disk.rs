//! A home on a real file system that fills up, is freed again, and is read-only.

#![allow(clippy::unwrap_used, reason = "a failing test panics, in its helpers too")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use betwixt_model::document::{DocumentId, Scope};
use betwixt_store::keys::{Cost, Secret};
use betwixt_store::{Home, HomeError, Recovery, Store, StoreError, StoreOptions};
use betwixt_testkit::needs::{Need, met};
use rand_core::OsRng;

const DOCUMENT: DocumentId = DocumentId { scope: Scope::Ours, year: 2026, generation: 0 };

/// A small file system of its own, unmounted when dropped.
struct Mounted {
    path: PathBuf,
    _directory: tempfile::TempDir,
}

impl Mounted {
    fn new(size: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("small");
        fs::create_dir(&path).unwrap();
        mount(&["-t", "tmpfs", "-o", &format!("size={size}"), "betwixt-test"], &path);
        Self { path, _directory: directory }
    }

    fn remount(&self, option: &str) {
        mount(&["-o", &format!("remount,{option}")], &self.path);
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.path).status();
    }
}

fn mount(arguments: &[&str], path: &Path) {
    assert!(Command::new("mount").args(arguments).arg(path).status().unwrap().success());
}

fn say(store: &Store, number: u64) -> Result<(), StoreError> {
    let mut batch = store.begin()?;
    batch.append_change(DOCUMENT, &[number as u8; 20_000])?;
    batch.put_setting(Scope::Ours, "last", &number)?;
    batch.commit()
}

fn last(store: &Store) -> u64 {
    store.read().unwrap().reader().setting(Scope::Ours, "last").unwrap().unwrap()
}

#[test]
fn a_full_disk_is_an_answer_and_the_next_write_works_once_it_is_freed() {
    if !met(&[Need::Mounts]) {
        return;
    }
    let disk = Mounted::new("6m");
    let path = disk.path.join("home");
    let secret = Secret::Passphrase("passphrase", Cost::FLOOR);
    let (home, keys) = Home::init(&path, &secret, &mut OsRng).unwrap();
    let (store, _) = home.open_store(&keys, StoreOptions::default()).unwrap();
    let ballast = disk.path.join("ballast");
    for round in 0..4 {
        say(&store, round * 1000).unwrap();
        // Somebody else fills the disk.
        let room = 3_000_000usize.saturating_sub(round as usize * 500_000);
        fs::write(&ballast, vec![1; room]).unwrap();
        let mut number = round * 1000;
        let error = loop {
            number += 1;
            assert!(number < round * 1000 + 900, "the disk does not fill up");
            if let Err(error) = say(&store, number) {
                break error;
            }
        };
        assert!(matches!(error, StoreError::DiskFull(_)), "{error:?}");
        // A snapshot does not fit either, says so, and leaves nothing half made.
        store.recover(Instant::now());
        if store.is_open() {
            assert!(home.take_snapshot(&store, &keys, "2026-03-01".parse().unwrap()).is_err());
            assert!(home.snapshots().unwrap().is_empty());
        }
        fs::remove_file(&ballast).unwrap();
        while let Recovery::Wait { until, .. } = store.recover(Instant::now()) {
            std::thread::sleep(until.saturating_duration_since(Instant::now()));
        }
        let found = last(&store);
        assert!(found == number - 1 || found == number, "{found} of {number}");
        say(&store, 5).unwrap();
        assert_eq!(last(&store), 5);
        assert!(store.verify(&mut |_, _| Ok(())).unwrap().is_whole());
        // Room for the next round.
        let heads = store.read().unwrap().reader().heads(DOCUMENT).unwrap().unwrap();
        store.compact(DOCUMENT, b"all of it", |_| Ok(heads)).unwrap();
    }
    // Changing the keys on a full disk leaves the old ones.
    let left = fs::File::create(&ballast).map(|mut file| {
        let chunk = [1; 4096];
        while std::io::Write::write_all(&mut file, &chunk).is_ok() {}
    });
    assert!(left.is_ok());
    assert!(home.replace_way(&keys, &Secret::Passphrase("other", Cost::FLOOR), &mut OsRng).is_err());
    assert!(home.unlock(&secret, true).is_ok());
    fs::remove_file(&ballast).unwrap();
    home.replace_way(&keys, &Secret::Passphrase("other", Cost::FLOOR), &mut OsRng).unwrap();
    assert!(home.unlock(&Secret::Passphrase("other", Cost::FLOOR), true).is_ok());
}

#[test]
fn a_read_only_home_says_so_and_works_again_when_it_is_writable() {
    if !met(&[Need::Mounts]) {
        return;
    }
    let disk = Mounted::new("16m");
    let path = disk.path.join("home");
    let secret = Secret::Passphrase("passphrase", Cost::FLOOR);
    let (home, keys) = Home::init(&path, &secret, &mut OsRng).unwrap();
    drop(home);
    disk.remount("ro");
    let opened = Home::open(&path);
    assert!(matches!(opened, Err(HomeError::ReadOnly(_))), "{opened:?}");
    let made = Home::init(&disk.path.join("other"), &secret, &mut OsRng);
    assert!(matches!(made, Err(HomeError::ReadOnly(_))), "{made:?}");
    disk.remount("rw");
    let home = Home::open(&path).unwrap();
    let (store, _) = home.open_store(&keys, StoreOptions::default()).unwrap();
    say(&store, 1).unwrap();
    assert_eq!(last(&store), 1);
}
