//! kill -9 in the middle of everything, and mostly in the middle of a commit.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test fails by panicking, and tells its seed")]

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use betwixt_api::{Collection, NewItem};
use betwixt_testkit::survived::{Ground, Survived, record};
use betwixt_tests::home::{Home, couple_on_loopback, in_step, shared};
use betwixt_tests::slow_disk::{Moment, SlowDisk};
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};
use serde_json::json;

const PATIENCE: Duration = Duration::from_secs(60);

/// How slow the disk is: a commit of some pages takes about as long as on an old hard disk.
const WRITE: Duration = Duration::from_micros(500);
const SYNC: Duration = Duration::from_millis(10);

/// What one writer was told is said, and how many requests had no answer when the daemon went.
#[derive(Debug, Default)]
struct Told {
    facts: Vec<(String, String)>,
    unanswered: usize,
}

/// Says one thing after the other until the daemon is gone.
async fn write_until_gone(home: &Home, told: &Mutex<Told>, rng: &mut ChaCha20Rng) {
    for number in 0.. {
        let key = format!("key-{}-{number}", rng.next_u64());
        let text = format!("Thanks for {number}");
        let fields = [("what".to_owned(), json!(text))].into();
        let item = NewItem { scope: None, fields };
        match home.client().create(Collection::Thanks, &key, &item).await {
            Ok(item) => told.lock().unwrap().facts.push((item.id, text)),
            Err(_) => {
                told.lock().unwrap().unanswered += 1;
                return;
            }
        }
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap())
}

#[tokio::test]
async fn durable_before_told_every_acknowledged_write_survives_kill_9_and_both_converge() {
    let seed = number("BETWIXT_SEED").unwrap_or(1);
    let kills = number("BETWIXT_KILLS").unwrap_or(24);
    eprintln!("seed {seed}; to repeat: BETWIXT_SEED={seed}");
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let (first, second) = couple_on_loopback().await.unwrap();
    in_step(&first, &second, PATIENCE).await.unwrap();
    let mut homes = [first, second];
    let disk = SlowDisk::compile(WRITE, SYNC).unwrap();
    let mut marks = Vec::new();
    for (home, name) in homes.iter_mut().zip(["first", "second"]) {
        home.down().await.unwrap();
        marks.push(disk.carry(home, name));
        home.up_and_unlock().await.unwrap();
    }
    let told = [Mutex::new(Told::default()), Mutex::new(Told::default())];
    let mut moments = BTreeMap::new();
    for _ in 0..kills {
        let victim = usize::try_from(rng.next_u32() % 2).unwrap();
        let wait = Duration::from_micros(u64::from(rng.next_u32() % 300_000));
        let mut writers = [0, 1].map(|_| ChaCha20Rng::seed_from_u64(rng.next_u64()));
        let process = homes[victim].process().unwrap();
        let [first, second] = &homes;
        let [left, right] = &mut writers;
        let writing = async {
            tokio::join!(write_until_gone(first, &told[0], left), write_until_gone(second, &told[1], right));
        };
        let hit = async {
            tokio::time::sleep(wait).await;
            // The process itself, not through its handle, which the writers' homes hold.
            let process = rustix::process::Pid::from_raw(i32::try_from(process).unwrap()).unwrap();
            rustix::process::kill_process(process, rustix::process::Signal::KILL).unwrap();
        };
        // The survivor's writer goes on until the victim is gone, and a little longer.
        tokio::select! {
            () = writing => unreachable!("one of the daemons lives"),
            () = async { hit.await; tokio::time::sleep(Duration::from_millis(20)).await } => {}
        }
        homes[victim].kill().unwrap();
        *moments.entry(marks[victim].take().unwrap()).or_insert(0_u64) += 1;
        homes[victim].up_and_unlock().await.unwrap();
        let kept = homes[victim].client().items(Collection::Thanks, None).await.unwrap();
        for (id, text) in &told[victim].lock().unwrap().facts {
            let item = kept.iter().find(|item| item.id == *id);
            let held = item.and_then(|item| item.fields["what"].held());
            assert_eq!(held, Some(&json!(text)), "seed {seed}: {id} was acknowledged and is gone");
        }
    }
    let [first, second] = &homes;
    first.client().sync().await.unwrap();
    in_step(first, second, PATIENCE).await.unwrap();
    let merged = shared(first).await.unwrap();
    assert_eq!(merged, shared(second).await.unwrap());
    let all = first.client().items(Collection::Thanks, None).await.unwrap();
    let counts = told.map(|told| told.into_inner().unwrap());
    let acknowledged: usize = counts.iter().map(|told| told.facts.len()).sum();
    let arrived = |id: &String| all.iter().any(|item| item.id == *id);
    let missing = counts.iter().flat_map(|told| &told.facts).filter(|(id, _)| !arrived(id)).count();
    let unanswered: usize = counts.iter().map(|told| told.unanswered).sum();
    let mut survived = Survived::one((acknowledged + unanswered) as u64, acknowledged as u64).with("kill -9", kills);
    survived.lost = missing as u64;
    record(Ground::Processes, &survived);
    assert_eq!(missing, 0, "seed {seed}: of {acknowledged} acknowledged writes did not reach the other device");
    let count = |moment: Moment| moments.get(&moment).copied().unwrap_or(0);
    let (among, sync) = (count(Moment::AmongWrites), count(Moment::InSync));
    let inside = among + sync;
    eprintln!(
        "{kills} kills, {inside} of them inside a commit ({among} among its writes, {sync} in its sync); \
         {acknowledged} writes acknowledged, {unanswered} cut off, {} kept",
        all.len()
    );
    // Otherwise nothing was tried that this test is there for.
    assert!(inside * 8 >= kills, "seed {seed}: only {inside} of {kills} kills fell inside a commit");
}
