//! The real store on disks that crash, fail and fill up.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a failing test panics, in its helpers too"
)]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use automerge::ChangeHash;
use betwixt_model::document::{DocumentId, Scope};
use betwixt_model::ids::DeviceId;
use betwixt_model::index::rows::{ReadRows, Table, WriteRows};
use betwixt_store::disk::{Disk, MemoryDisk};
use betwixt_store::keys::DataKeys;
use betwixt_store::{Batch, OpenError, Recovery, Store, StoreError, StoreOptions};
use betwixt_testkit::disk::{CrashDisk, FailingDisk, Failure};
use betwixt_testkit::survived::{Ground, Survived, record};
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};

/// How many seeds a test runs: `BETWIXT_RUNS`, or a few.
fn runs(few: u64) -> u64 {
    std::env::var("BETWIXT_RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(few)
}

fn document(year: i16) -> DocumentId {
    DocumentId { scope: if year % 2 == 0 { Scope::Ours } else { Scope::Mine }, year, generation: 0 }
}

fn keys() -> DataKeys {
    DataKeys::random(&mut ChaCha20Rng::seed_from_u64(7))
}

/// One batch of everything, numbered, of which each part can be recognised.
fn stage(batch: &mut Batch, number: u64, rng: &mut ChaCha20Rng) -> Result<(), StoreError> {
    let document = document(2020 + (number % 4) as i16);
    let mut change = vec![0; 1 + (rng.next_u32() % 6000) as usize];
    rng.fill_bytes(&mut change);
    change.extend_from_slice(&number.to_le_bytes());
    batch.append_change(document, &change)?;
    batch.put_heads(document, &[head(number)])?;
    batch.rows(document.scope)?.put(Table::Facts, b"group", &number.to_le_bytes(), b"row")?;
    batch.put_sync_state(&DeviceId::from_bytes([1; 32]), document, &number.to_le_bytes())?;
    batch.put_setting(Scope::Ours, "last", &number)?;
    Ok(())
}

fn head(number: u64) -> ChangeHash {
    let mut head = [0; 32];
    head[..8].copy_from_slice(&number.to_le_bytes());
    ChangeHash(head)
}

/// That the store holds batches 0 to `count` - 1, each whole, and nothing else.
fn assert_holds(store: &Store, count: u64) {
    let view = store.read().unwrap();
    let reader = view.reader();
    assert_eq!(reader.setting::<u64>(Scope::Ours, "last").unwrap(), count.checked_sub(1));
    let mut expected: BTreeMap<DocumentId, Vec<u64>> = BTreeMap::new();
    for number in 0..count {
        expected.entry(document(2020 + (number % 4) as i16)).or_default().push(number);
    }
    for scope in [Scope::Ours, Scope::Mine] {
        let documents = reader.documents(scope).unwrap();
        let here: Vec<_> = expected.keys().filter(|document| document.scope == scope).collect();
        assert_eq!(documents.keys().collect::<Vec<_>>(), here);
        let rows = reader.rows(scope).group(Table::Facts, b"group").unwrap();
        assert_eq!(rows.len(), here.iter().map(|document| expected[document].len()).sum::<usize>());
    }
    for (document, numbers) in expected {
        let stored = reader.document(document).unwrap().unwrap();
        assert_eq!(stored.damaged, []);
        let found: Vec<u64> = stored
            .changes
            .iter()
            .map(|change| u64::from_le_bytes(change[change.len() - 8..].try_into().unwrap()))
            .collect();
        assert_eq!(found, numbers);
        assert_eq!(stored.heads, [head(*numbers.last().unwrap())]);
    }
}

fn open(disk: impl Disk) -> Store {
    Store::open(disk, &keys(), StoreOptions::default()).unwrap()
}

#[test]
fn durable_before_told_no_crash_loses_an_acknowledged_batch_or_keeps_half_of_one() {
    let mut in_commit = 0;
    for seed in 0..runs(60) {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let disk = CrashDisk::new();
        // The disk fails at an arbitrary operation, so that the crash falls anywhere, inside of commits above all.
        let failing = FailingDisk::new(disk.clone());
        let mut store = Store::create(failing.clone(), &keys(), StoreOptions::default()).unwrap();
        let mut acknowledged = 0;
        for _ in 0..3 {
            failing.fail_after(u64::from(rng.next_u32() % 150), Failure::Broken);
            let mut attempted = acknowledged;
            let failed = loop {
                let mut commit = || -> Result<(), StoreError> {
                    let mut batch = store.begin()?;
                    stage(&mut batch, attempted, &mut rng)?;
                    batch.commit()
                };
                match commit() {
                    Ok(()) => attempted += 1,
                    Err(error) => break error,
                }
            };
            assert!(failed.closes(), "seed {seed}: {failed}");
            acknowledged = attempted;
            let crash = disk.crash(rng.next_u64());
            in_commit += u64::from(crash.unsynced > 0);
            failing.heal();
            drop(store);
            store = open(failing.clone());
            // The batch that was in the making may have come through, whole.
            let last = store.read().unwrap().reader().setting::<u64>(Scope::Ours, "last").unwrap();
            let found = last.map_or(0, |last| last + 1);
            assert!(found == acknowledged || found == acknowledged + 1, "seed {seed}: {found}, {acknowledged}");
            acknowledged = found;
            assert_holds(&store, acknowledged);
            assert!(store.verify(&mut |_, _| Ok(())).unwrap().is_whole());
            let kind = if crash.unsynced > 0 { "power failed inside a commit" } else { "power failed between commits" };
            record(Ground::Disks, &Survived::one(acknowledged, acknowledged).with(kind, 1));
        }
    }
    assert!(in_commit > 0, "no crash fell where something was unsynced");
}

#[test]
fn a_crash_while_compacting_leaves_the_document_whole() {
    for seed in 0..runs(60) {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let disk = CrashDisk::new();
        let failing = FailingDisk::new(disk.clone());
        let store = Store::create(failing.clone(), &keys(), StoreOptions::default()).unwrap();
        let pieces: Vec<Vec<u8>> = (0..20).map(|piece: u8| vec![piece; 500]).collect();
        let mut batch = store.begin().unwrap();
        for piece in &pieces {
            batch.append_change(document(2026), piece).unwrap();
        }
        batch.put_heads(document(2026), &[head(1)]).unwrap();
        batch.commit().unwrap();
        failing.fail_after(u64::from(rng.next_u32() % 40), Failure::Broken);
        let outcome = store.compact(document(2026), &pieces.concat(), |bytes| {
            assert_eq!(bytes, pieces.concat());
            Ok(vec![head(1)])
        });
        disk.crash(rng.next_u64());
        failing.heal();
        drop(store);
        let store = open(failing.clone());
        let stored = store.read().unwrap().reader().document(document(2026)).unwrap().unwrap();
        assert_eq!(stored.damaged, []);
        assert_eq!(stored.bytes(b""), pieces.concat(), "seed {seed}, {outcome:?}");
        assert!(outcome.is_err() || stored.changes.is_empty());
        // And compacting works afterwards, whatever the crash left.
        store.compact(document(2026), &pieces.concat(), |_| Ok(vec![head(1)])).unwrap();
        assert!(store.verify(&mut |_, _| Ok(())).unwrap().is_whole());
    }
}

/// A disk that answers that things are durable when they are not, and then the power fails. What was acknowledged since is lost
/// with it, and no program could help that; but the store is whole as it was at some earlier commit, or names what is damaged,
/// and never shows half of a batch as if it were all.
#[test]
fn a_disk_that_lies_about_being_durable_is_never_taken_for_whole_where_it_is_not() {
    let mut seen = BTreeMap::new();
    for seed in 0..runs(60) {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let disk = CrashDisk::new();
        let store = Store::create(disk.clone(), &keys(), StoreOptions::default()).unwrap();
        let write = |store: &Store, number: u64, rng: &mut ChaCha20Rng| {
            let mut batch = store.begin().unwrap();
            stage(&mut batch, number, rng).unwrap();
            batch.commit().unwrap();
        };
        let honest = 1 + u64::from(rng.next_u32() % 8);
        (0..honest).for_each(|number| write(&store, number, &mut rng));
        disk.set_lying(true);
        let lied = honest + 1 + u64::from(rng.next_u32() % 8);
        (honest..lied).for_each(|number| write(&store, number, &mut rng));
        let crash = disk.crash(rng.next_u64());
        disk.set_lying(false);
        drop(store);
        let outcome = match Store::open(disk.clone(), &keys(), StoreOptions::default()) {
            Err(OpenError::Damaged { .. } | OpenError::Missing(_)) => "refused",
            Err(error) => panic!("seed {seed}: {error:?} does not say that the disk is damaged"),
            Ok(store) => match store.verify(&mut |_, _| Ok(())) {
                Ok(report) if report.is_whole() => {
                    let last = store.read().unwrap().reader().setting::<u64>(Scope::Ours, "last").unwrap();
                    let found = last.map_or(0, |last| last + 1);
                    assert!(found <= lied, "seed {seed}");
                    assert_holds(&store, found);
                    write(&store, found, &mut rng);
                    assert_holds(&store, found + 1);
                    if found < honest { "older" } else { "whole" }
                }
                Ok(_) | Err(_) => "named",
            },
        };
        *seen.entry(outcome).or_insert(0_u64) += 1;
        let survived =
            Survived::one(lied, lied).with("disk that lied about being durable", u64::from(crash.unsynced > 0));
        record(Ground::Disks, &survived);
    }
    println!("{seen:?}");
    assert!(seen.contains_key("whole"), "{seen:?}");
}

#[test]
fn a_storage_failure_is_an_answer_and_the_next_write_works_once_the_cause_is_gone() {
    for failure in [Failure::Broken, Failure::Full, Failure::ReadOnly, Failure::Short, Failure::NotSynced] {
        for after in 0..runs(60) {
            let mut rng = ChaCha20Rng::seed_from_u64(after);
            let failing = FailingDisk::new(MemoryDisk::new());
            let store = Store::create(failing.clone(), &keys(), StoreOptions::default()).unwrap();
            let mut count = 0;
            let mut write = |count: u64| -> Result<(), StoreError> {
                let mut batch = store.begin()?;
                stage(&mut batch, count, &mut rng)?;
                batch.commit()
            };
            write(count).unwrap();
            count += 1;
            let older = store.read().unwrap();
            failing.fail_after(after, failure);
            let error = loop {
                match write(count) {
                    Ok(()) => count += 1,
                    Err(error) => break error,
                }
            };
            match failure {
                Failure::Broken | Failure::NotSynced => assert!(matches!(error, StoreError::Disk(_)), "{error:?}"),
                Failure::Full | Failure::Short => assert!(matches!(error, StoreError::DiskFull(_)), "{error:?}"),
                Failure::ReadOnly => assert!(matches!(error, StoreError::ReadOnly(_)), "{error:?}"),
            }
            assert!(!store.is_open());
            assert!(matches!(store.read(), Err(StoreError::Closed { .. })));
            // While the cause lasts, recovering waits longer and longer.
            let mut now = Instant::now();
            let mut last = Duration::ZERO;
            if failure == Failure::Broken {
                for _ in 0..12 {
                    let Recovery::Wait { until, .. } = store.recover(now) else { panic!("reopened on a broken disk") };
                    assert!(matches!(store.recover(now), Recovery::Wait { until: again, .. } if again == until));
                    assert!(until - now >= last && until - now <= Duration::from_secs(30));
                    last = until - now;
                    now = until;
                }
            }
            failing.heal();
            let before = older.reader().setting::<u64>(Scope::Ours, "first");
            assert_eq!(store.recover(now + Duration::from_secs(30)), Recovery::Reopened);
            // What was begun before the failure ends with it, and does not close the store anew.
            drop((before, older.reader().documents(Scope::Ours), older.reader().documents(Scope::Mine)));
            assert_eq!(store.recover(now), Recovery::Open);
            // The batch whose commit failed is there whole, or not at all.
            let last = store.read().unwrap().reader().setting::<u64>(Scope::Ours, "last").unwrap().unwrap();
            assert!(last + 1 == count || last == count);
            assert_holds(&store, last + 1);
            write(last + 1).unwrap();
            assert_holds(&store, last + 2);
            record(Ground::Disks, &Survived::one(last + 2, last + 2).with("disk failed", 1));
        }
    }
}

#[test]
fn a_commit_waits_for_the_disk_once() {
    let disk = CrashDisk::new();
    let store = Store::create(disk.clone(), &keys(), StoreOptions::default()).unwrap();
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    for number in 0..20 {
        let before = disk.syncs();
        let mut batch = store.begin().unwrap();
        stage(&mut batch, number, &mut rng).unwrap();
        assert_eq!(disk.syncs(), before);
        batch.commit().unwrap();
        assert_eq!(disk.syncs(), before + 1);
    }
}

#[test]
fn a_copy_that_a_failing_disk_interrupts_is_an_error_and_one_that_is_answered_survives_a_crash() {
    let (mut interrupted, mut whole) = (0, 0);
    for seed in 0..runs(60) {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let from = FailingDisk::new(MemoryDisk::new());
        let store = Store::create(from.clone(), &keys(), StoreOptions::default()).unwrap();
        for number in 0..8 {
            let mut batch = store.begin().unwrap();
            stage(&mut batch, number, &mut rng).unwrap();
            batch.commit().unwrap();
        }
        let (commits, to) = (store.commits().unwrap(), CrashDisk::new());
        let failing = FailingDisk::new(to.clone());
        // Either of the two disks fails, at any operation, or neither does.
        match seed % 3 {
            0 => failing.fail_after(u64::from(rng.next_u32() % 120), Failure::Broken),
            1 => from.fail_after(u64::from(rng.next_u32() % 120), Failure::Full),
            _ => {}
        }
        let copied = store.copy_to(failing.clone(), &keys());
        failing.heal();
        from.heal();
        to.crash(rng.next_u64());
        match copied {
            Ok(()) => {
                whole += 1;
                let copy = open(to);
                assert_holds(&copy, 8);
                assert_eq!(copy.commits().unwrap(), commits);
                assert!(copy.verify(&mut |_, _| Ok(())).unwrap().is_whole());
            }
            Err(error) => {
                interrupted += 1;
                assert!(seed % 3 != 2, "seed {seed}: {error}");
            }
        }
        // What it was copied from is as it was; a disk that failed there closed it.
        let mut now = Instant::now();
        while let Recovery::Wait { until, .. } = store.recover(now) {
            now = until;
        }
        assert_holds(&store, 8);
    }
    assert!(interrupted > 0 && whole > 0, "{interrupted}, {whole}");
    record(
        Ground::Disks,
        &Survived::one(whole, whole).with("disk that failed while the file was written anew", interrupted),
    );
}
