//! Disks that damage what lies on them, and that fill up in the middle of a merge. Whatever was whole stays; what was damaged is
//! named together with what to do; and the partner's device or a copy brings it back.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test fails by panicking, and tells its seed")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use betwixt_api::{ClientError, Phase, Secret, UnlockRequest};
use betwixt_testkit::needs::{Need, met};
use betwixt_testkit::survived::{Ground, Survived, record};
use betwixt_tests::faults::{Told, seed};
use betwixt_tests::home::{Home, PASSPHRASE, couple_on_loopback, in_step, introduce, pair};
use betwixt_tests::mounts::Mount;
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};

/// A cap, and no measure of speed.
const PATIENCE: Duration = Duration::from_secs(120);

/// Every file of a home, but what a running daemon makes for itself.
fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let (path, kind) = entry.and_then(|entry| Ok((entry.path(), entry.file_type()?))).unwrap();
        if kind.is_dir() {
            found.extend(files(&path));
        } else if kind.is_file() && path.metadata().unwrap().len() > 0 {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// What a daemon made of a home with damaged bytes in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    /// It opened, and everything is there: the bytes were no longer, or not yet, in use, or are written anew.
    Whole,
    /// It opened with everything there, and `verify` names what is damaged and what to do.
    Named,
    /// It did not open, and said what is damaged and what to do.
    Refused,
}

/// Starts it, unlocks it and looks at everything.
async fn try_out(home: &mut Home, told: &Told) -> Outcome {
    let unlock = UnlockRequest { passphrase: Secret::from(PASSPHRASE.to_owned()) };
    let refused = match home.up().await {
        Err(error) => Some(error.to_string()),
        Ok(status) if status.phase == Phase::Open => None,
        Ok(_) => home.client().unlock(&unlock).await.err().map(|error| error.to_string()),
    };
    assert!(!home.printed().contains("panicked"), "{}", home.printed());
    if let Some(words) = refused {
        // It names what is damaged, and the way back.
        assert!(words.contains("damage") || words.contains("keys"), "{words}");
        assert!(words.contains("restore") || words.contains("backup") || words.contains("copy"), "{words}");
        return Outcome::Refused;
    }
    let report = home.client().verify().await.unwrap();
    for damage in &report.damaged {
        assert!(!damage.what.is_empty() && !damage.advice.is_empty(), "{damage:?}");
    }
    if report.damaged.is_empty() {
        assert_eq!(told.missing(home).await, 0, "it says to be whole, and something is gone");
        return Outcome::Whole;
    }
    Outcome::Named
}

/// Random bytes of every file of a home are damaged, a file at a time, while nothing runs. The daemon opens what is whole, or names
/// what is damaged and how to restore it; it never shows less than everything without saying so, and never makes it worse: with the
/// file's bytes back in their place, everything is there.
#[tokio::test]
async fn random_damaged_bytes_in_any_file_of_a_home_are_named_and_never_make_it_worse() {
    let seed = seed();
    let rounds = std::env::var("BETWIXT_DAMAGES").map_or(3, |text| text.parse().unwrap());
    eprintln!("seed {seed}; to repeat: BETWIXT_SEED={seed}");
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let mut home = Home::on_loopback().unwrap();
    home.found("Robin").await.unwrap();
    let mut told = Told::default();
    told.thank_often(&home, "What was said", 20, 700).await.unwrap();
    // Opening takes the day's snapshot.
    home.down().await.unwrap();
    home.up_and_unlock().await.unwrap();
    let begun = Instant::now();
    while home.client().backups().await.unwrap().is_empty() {
        assert!(begun.elapsed() < PATIENCE, "no snapshot was taken");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    home.down().await.unwrap();
    let all = files(home.path());
    let whole: BTreeMap<&PathBuf, Vec<u8>> = all.iter().map(|path| (path, std::fs::read(path).unwrap())).collect();
    let names: Vec<_> = all.iter().map(|path| path.strip_prefix(home.path()).unwrap()).collect();
    assert!(names.contains(&Path::new("betwixt.redb")) && names.len() >= 3, "{names:?}");
    let mut outcomes: BTreeMap<(String, Outcome), u64> = BTreeMap::new();
    let mut damaged = 0;
    for (path, name) in all.iter().zip(&names) {
        for round in 0..rounds {
            let mut bytes = whole[path].clone();
            for _ in 0..[1, 40, 400][round % 3] {
                let at = usize::try_from(rng.next_u64() % bytes.len() as u64).unwrap();
                bytes[at] ^= 1 << (rng.next_u32() % 8);
            }
            std::fs::write(path, &bytes).unwrap();
            damaged += 1;
            let outcome = try_out(&mut home, &told).await;
            *outcomes.entry((name.display().to_string(), outcome)).or_default() += 1;
            if home.process().is_some() {
                home.kill().unwrap();
            }
            // As it was, with whatever the daemon has made of the rest.
            for (path, bytes) in &whole {
                std::fs::write(path, bytes).unwrap();
            }
        }
    }
    eprintln!("{outcomes:#?}");
    home.up_and_unlock().await.unwrap();
    let missing = told.missing(&home).await;
    let checked = told.len() as u64 * (damaged + 1);
    let survived = Survived { lost: missing as u64, ..Survived::one(told.len() as u64, checked) };
    record(Ground::Processes, &survived.with("file damaged at random bytes", damaged));
    assert_eq!(missing, 0);
    let database = |outcome| outcomes.get(&("betwixt.redb".to_owned(), outcome)).copied().unwrap_or(0);
    assert!(database(Outcome::Named) + database(Outcome::Refused) > 0, "no damage to the database was ever noticed");
}

/// Kim's disk fills up in the middle of a merge. Robin goes on; Kim's daemon lives and says what is wrong; and when there is room
/// again the two come into step by themselves.
#[tokio::test]
async fn a_disk_that_is_full_in_the_middle_of_a_merge_and_freed_loses_nothing() {
    if !met(&[Need::Mounts]) {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let disk = directory.path().join("disk");
    let mount = Mount::small(&disk, 24 << 20).unwrap();
    let (mut first, mut second) = (Home::on_loopback().unwrap(), Home::on_loopback().unwrap());
    second.move_to(disk.join("home"));
    first.found("Robin").await.unwrap();
    second.found("Kim").await.unwrap();
    pair(&first, &second, true).await.unwrap();
    introduce(&first, &second).await.unwrap();
    introduce(&second, &first).await.unwrap();
    let mut told = Told::default();
    told.thank_often(&second, "Before", 5, 200).await.unwrap();
    in_step(&first, &second, PATIENCE).await.unwrap();
    second.client().pause().await.unwrap();
    told.thank_often(&first, "Of the whole year", 120, 4_000).await.unwrap();
    let ballast = disk.join("ballast");
    fill(&ballast, 1 << 20);
    second.client().resume().await.unwrap();
    let begun = Instant::now();
    // While the store is closed, whoever asks is told why; somebody who asks in the very moment in which it closes may hear no more
    // than that it is. It is open again a moment later, for small things, and then status goes on saying it. (It did not: CI saw two
    // minutes of merges that failed and no word of it.)
    loop {
        match second.client().status().await {
            Err(ClientError::Problem(problem)) if problem.detail.contains("the disk is full") => break,
            Err(ClientError::Problem(problem)) => assert!(problem.detail.contains("tries again"), "{problem:?}"),
            Err(error) => panic!("the daemon does not live: {error}"),
            Ok(status) if status.troubles.iter().any(|words| words.contains("the disk is full")) => break,
            Ok(status) => assert!(!status.peers[0].in_step, "the merge fitted, so nothing was tried"),
        }
        assert!(begun.elapsed() < PATIENCE, "nobody says that the disk is full");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    told.thank_often(&first, "While Kim's disk was full", 5, 200).await.unwrap();
    assert_eq!(told.missing(&first).await, 0);
    // Whoever hangs up because the disk is full is not taken for somebody who breaks the rules.
    let troubles = first.client().status().await.unwrap().troubles;
    assert!(!troubles.iter().any(|words| words.contains("no message of Betwixt's")), "{troubles:?}");
    std::fs::remove_file(&ballast).unwrap();
    told.survived(&first, &second, PATIENCE, &[("disk full in a merge", 1)]).await;
    let troubles = second.client().status().await.unwrap().troubles;
    assert!(!troubles.iter().any(|words| words.contains("the disk is full")), "{troubles:?}");
    second.kill().unwrap();
    second.up_and_unlock().await.unwrap();
    assert_eq!(told.missing(&second).await, 0, "after kill -9, too");
    drop(second);
    drop(mount);
}

/// Takes all the room but so many bytes.
fn fill(path: &Path, leave: u64) {
    use std::io::Write;
    let mut file = std::fs::File::create(path).unwrap();
    let mut size = 1 << 20;
    while size > 0 {
        if file.write_all(&vec![0; size]).is_err() {
            size /= 2;
        }
    }
    let length = file.metadata().unwrap().len();
    file.set_len(length.saturating_sub(leave)).unwrap();
}

/// Half of Kim's database is gone. That is told, with the way back, and Robin goes on.
#[tokio::test]
async fn a_home_whose_database_is_gone_is_told_and_the_partners_goes_on() {
    let (first, mut second) = couple_on_loopback().await.unwrap();
    let mut told = Told::default();
    told.thank_often(&second, "Before", 5, 200).await.unwrap();
    in_step(&first, &second, PATIENCE).await.unwrap();
    second.down().await.unwrap();
    let database = second.path().join("betwixt.redb");
    let bytes = std::fs::read(&database).unwrap();
    std::fs::write(&database, &bytes[..bytes.len() / 2]).unwrap();
    told.thank_often(&first, "Meanwhile", 5, 200).await.unwrap();
    assert_eq!(try_out(&mut second, &told).await, Outcome::Refused);
    assert_eq!(told.missing(&first).await, 0);
    if second.process().is_some() {
        second.kill().unwrap();
    }
    std::fs::write(&database, &bytes).unwrap();
    second.up_and_unlock().await.unwrap();
    told.survived(&first, &second, PATIENCE, &[("database cut short", 1)]).await;
}
