//! kill -9 in the middle of everything.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test fails by panicking, and tells its seed")]

use std::sync::Mutex;
use std::time::Duration;

use betwixt_api::{Collection, NewItem};
use betwixt_tests::home::{Home, couple_on_loopback, in_step, shared};
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};
use serde_json::json;

const PATIENCE: Duration = Duration::from_secs(30);

/// What the kernel calls writing and syncing files on x86-64 and on 64-bit ARM.
const WRITING: [i64; 3] = if cfg!(target_arch = "x86_64") { [18, 74, 75] } else { [68, 82, 83] };

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

/// Whether a thread of the process is in the middle of writing or syncing a file.
fn is_committing(process: u32) -> bool {
    let threads = std::fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("syscall")).ok()).any(|call| {
        let number = call.split_whitespace().next().and_then(|number| number.parse().ok());
        number.is_some_and(|number: i64| WRITING.contains(&number))
    })
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
    let told = [Mutex::new(Told::default()), Mutex::new(Told::default())];
    let mut inside = 0;
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
            let hit = is_committing(process);
            // The process itself, not through its handle, which the writers' homes hold.
            let process = rustix::process::Pid::from_raw(i32::try_from(process).unwrap()).unwrap();
            rustix::process::kill_process(process, rustix::process::Signal::KILL).unwrap();
            hit
        };
        // The survivor's writer goes on until the victim is gone, and a little longer.
        tokio::select! {
            () = writing => unreachable!("one of the daemons lives"),
            hit = async { let hit = hit.await; tokio::time::sleep(Duration::from_millis(20)).await; hit } => {
                inside += u32::from(hit);
            }
        }
        homes[victim].kill().unwrap();
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
    for (id, _) in counts.iter().flat_map(|told| &told.facts) {
        assert!(all.iter().any(|item| item.id == *id), "seed {seed}: {id} did not reach the other device");
    }
    let unanswered: usize = counts.iter().map(|told| told.unanswered).sum();
    eprintln!(
        "{kills} kills, {inside} of them while a thread was writing or syncing a file; \
         {acknowledged} writes acknowledged, {unanswered} cut off, {} kept",
        all.len()
    );
}
