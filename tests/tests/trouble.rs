//! What can be wrong with a home, a disk or a clock: each ends in a clear answer, and nothing is lost.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::Output;
use std::time::{Duration, Instant};

use betwixt_api::{ClientError, Collection, NewItem, ProblemKind, Scope, Secret, UnlockRequest};
use betwixt_testkit::needs::{Need, libfaketime, met};
use betwixt_tests::home::{Home, PASSPHRASE, in_step, introduce, pair, shared};
use betwixt_tests::mounts::Mount;
#[cfg(target_os = "linux")]
use betwixt_tests::slow_disk::SlowDisk;
use serde_json::json;

const PATIENCE: Duration = Duration::from_secs(20);

async fn one_home() -> Home {
    let mut home = Home::on_loopback().unwrap();
    home.found("Robin").await.unwrap();
    home
}

async fn write(home: &Home, number: usize, text: &str) -> Result<(), ClientError> {
    let fields = [("text".to_owned(), json!(text))].into();
    let item = NewItem { scope: Some(Scope::Mine), fields };
    home.client().create(Collection::Journal, &format!("entry-{number}"), &item).await.map(|_| ())
}

async fn entries(home: &Home) -> usize {
    home.client().items(Collection::Journal, Some(Scope::Mine)).await.unwrap().len()
}

fn kind(error: &ClientError) -> Option<&ProblemKind> {
    match error {
        ClientError::Problem(problem) => Some(&problem.kind),
        _ => None,
    }
}

/// What it said, when it ended with this code.
fn said(output: &Output, code: i32) -> String {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert!(!said.trim().is_empty(), "an error says what it is");
    assert!(!said.contains("panicked"), "{said}");
    said
}

#[tokio::test]
async fn a_second_daemon_on_a_home_is_refused_and_the_first_goes_on() {
    let home = one_home().await;
    write(&home, 1, "before").await.unwrap();
    let second = home.run(&["up", "--listen", "127.0.0.1:0", "--no-discovery"]).unwrap();
    let said = String::from_utf8_lossy(&second.stderr);
    assert!(!second.status.success(), "two daemons on one home");
    assert!(said.contains("already") || said.contains("another"), "{said}");
    write(&home, 2, "after").await.unwrap();
    assert_eq!(entries(&home).await, 2);
}

#[tokio::test]
async fn a_socket_that_a_dead_daemon_left_is_no_hindrance() {
    let mut home = one_home().await;
    write(&home, 1, "before").await.unwrap();
    home.kill().unwrap();
    assert!(home.client().socket().exists(), "kill -9 leaves the socket behind");
    home.up_and_unlock().await.unwrap();
    assert_eq!(entries(&home).await, 1);
}

#[tokio::test]
async fn a_wrong_passphrase_opens_nothing_and_the_right_one_still_does() {
    let mut home = one_home().await;
    write(&home, 1, "before").await.unwrap();
    home.kill().unwrap();
    home.up().await.unwrap();
    let wrong = UnlockRequest { passphrase: Secret::from("a lantern in the door".to_owned()) };
    let error = home.client().unlock(&wrong).await.unwrap_err();
    assert_eq!(kind(&error), Some(&ProblemKind::WrongPassphrase), "{error}");
    let locked = home.client().items(Collection::Journal, Some(Scope::Mine)).await.unwrap_err();
    assert_eq!(kind(&locked), Some(&ProblemKind::Locked), "{locked}");
    let right = UnlockRequest { passphrase: Secret::from(PASSPHRASE.to_owned()) };
    home.client().unlock(&right).await.unwrap();
    assert_eq!(entries(&home).await, 1);
}

#[tokio::test]
async fn a_full_disk_is_an_answer_and_the_next_write_works_once_there_is_room() {
    if !met(&[Need::Mounts]) {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let mount = Mount::small(&directory.path().join("disk"), 48 << 20).unwrap();
    let mut home = Home::on_loopback().unwrap();
    home.move_to(directory.path().join("disk/home"));
    home.found("Robin").await.unwrap();
    write(&home, 0, "before").await.unwrap();
    fill(&directory.path().join("disk/filler"));
    let text = "A long entry. ".repeat(4_000);
    let mut written = 1;
    let error = loop {
        match write(&home, written, &text).await {
            Ok(()) => written += 1,
            Err(error) => break error,
        }
        assert!(written < 2_000, "the disk never fills up");
    };
    let full = [ProblemKind::StorageFull, ProblemKind::Storage];
    assert!(kind(&error).is_some_and(|kind| full.contains(kind)), "{error}");
    home.client().status().await.expect("the daemon lives");
    std::fs::remove_file(directory.path().join("disk/filler")).unwrap();
    let begun = Instant::now();
    while let Err(error) = write(&home, written, "after").await {
        assert!(begun.elapsed() < Duration::from_secs(40), "still refused: {error}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(entries(&home).await, written + 1, "everything acknowledged is there");
    home.kill().unwrap();
    home.up_and_unlock().await.unwrap();
    assert_eq!(entries(&home).await, written + 1, "after a restart, too");
    drop(home);
    drop(mount);
}

/// Takes all the room that is left.
fn fill(path: &Path) {
    use std::io::Write;
    let mut file = std::fs::File::create(path).unwrap();
    let mut size = 1 << 20;
    while size > 0 {
        if file.write_all(&vec![0; size]).is_err() {
            size /= 2;
        }
    }
}

#[tokio::test]
async fn a_home_that_cannot_be_written_is_told_in_words_and_left_as_it_is() {
    if !met(&[Need::Mounts]) {
        return;
    }
    let mut home = one_home().await;
    write(&home, 1, "before").await.unwrap();
    home.down().await.unwrap();
    let mount = Mount::read_only(home.path()).unwrap();
    let refused = home.run(&["up", "--listen", "127.0.0.1:0", "--no-discovery"]).unwrap();
    let said = String::from_utf8_lossy(&refused.stderr).to_lowercase();
    assert!(!refused.status.success(), "a daemon on a home that cannot be written");
    assert!(said.contains("read-only") || said.contains("read only") || said.contains("permission"), "{said}");
    assert!(!said.contains("panicked"), "{said}");
    drop(mount);
    home.up_and_unlock().await.unwrap();
    assert_eq!(entries(&home).await, 1);
}

#[tokio::test]
async fn a_damaged_database_is_never_taken_for_whole_and_a_backup_brings_it_back() {
    let mut home = one_home().await;
    for number in 0..20 {
        write(&home, number, &format!("entry {number}")).await.unwrap();
    }
    let outside = tempfile::tempdir().unwrap();
    let backup = outside.path().join("backup");
    let done = home.run(&["backup", backup.to_str().unwrap()]).unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    home.down().await.unwrap();
    // A byte in every block of the database.
    let database = home.path().join("betwixt.redb");
    let mut bytes = std::fs::read(&database).unwrap();
    for at in (0..bytes.len()).step_by(1024) {
        bytes[at] ^= 0x5a;
    }
    std::fs::write(&database, &bytes).unwrap();
    let refused = match home.up_and_unlock().await {
        Err(error) => error.to_string(),
        Ok(_) => match home.client().items(Collection::Journal, Some(Scope::Mine)).await {
            Err(error) => error.to_string(),
            Ok(items) => panic!("a damaged database opened with {} entries", items.len()),
        },
    };
    assert!(refused.contains("damage"), "{refused}");
    assert!(!home.printed().contains("panicked"), "{}", home.printed());
    if home.process().is_some() {
        home.kill().unwrap();
    }
    home.spawn().unwrap();
    let passphrase = outside.path().join("passphrase");
    std::fs::write(&passphrase, format!("{PASSPHRASE}\n")).unwrap();
    let restored = home.run(&["restore", backup.to_str().unwrap()]).unwrap();
    said_well(&restored);
    let right = UnlockRequest { passphrase: Secret::from(PASSPHRASE.to_owned()) };
    home.client().unlock(&right).await.unwrap();
    assert_eq!(entries(&home).await, 20);
}

#[tokio::test]
async fn a_damaged_database_is_restored_by_the_command_that_the_error_names() {
    let mut home = one_home().await;
    for number in 0..5 {
        write(&home, number, &format!("entry {number}")).await.unwrap();
    }
    home.down().await.unwrap();
    // Opening takes the day's snapshot, of what was there before.
    home.up_and_unlock().await.unwrap();
    let begun = Instant::now();
    let name = loop {
        let listed = home.client().backups().await.unwrap();
        if let Some(name) = listed.into_iter().find_map(|backup| backup.snapshot) {
            break name;
        }
        assert!(begun.elapsed() < PATIENCE, "no snapshot was taken");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    write(&home, 5, "since the snapshot").await.unwrap();
    home.down().await.unwrap();
    let database = home.path().join("betwixt.redb");
    let mut bytes = std::fs::read(&database).unwrap();
    bytes.iter_mut().step_by(512).for_each(|byte| *byte ^= 0x5a);
    std::fs::write(&database, &bytes).unwrap();

    home.up().await.unwrap();
    let outside = tempfile::tempdir().unwrap();
    let passphrase = outside.path().join("passphrase");
    std::fs::write(&passphrase, format!("{PASSPHRASE}\n")).unwrap();
    let unlock = ["unlock", "--passphrase-file", passphrase.to_str().unwrap()];
    let refused = home.run(&unlock).unwrap();
    let words = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success(), "a damaged database opened");
    let list = home.run(&["restore", "--list"]).unwrap();
    let list = String::from_utf8_lossy(&list.stdout).into_owned();
    assert!(list.contains(&format!("betwixt restore --snapshot {name}")), "{list}");
    let unknown = home.run(&["restore", "--snapshot", "2001-01-01"]).unwrap();
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("restore --list"), "it says where to look");
    // What a person would do: type what stands there.
    let command = words.split('`').find_map(|part| part.strip_prefix("betwixt restore ")).expect("it names a command");
    let arguments: Vec<&str> = ["restore"].into_iter().chain(command.split_whitespace()).collect();
    said_well(&home.run(&arguments).unwrap());
    said_well(&home.run(&unlock).unwrap());
    assert_eq!(entries(&home).await, 5, "as the snapshot was");
    let verified = home.run(&["verify"]).unwrap();
    said_well(&verified);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn locking_while_something_is_being_written_waits_for_it_and_loses_nothing() {
    let disk = SlowDisk::compile(Duration::from_millis(2), Duration::from_millis(50)).unwrap();
    let mut home = Home::on_loopback().unwrap();
    let _marks = disk.carry(&mut home, "marks");
    home.found("Robin").await.unwrap();
    let right = UnlockRequest { passphrase: Secret::from(PASSPHRASE.to_owned()) };
    for round in 0..3 {
        let writes = async {
            let (one, other) = tokio::join!(write(&home, 2 * round, "one"), write(&home, 2 * round + 1, "other"));
            one.and(other)
        };
        let lock = async {
            // The first is on its way to the disk by now, and the other waits.
            tokio::time::sleep(Duration::from_millis(30)).await;
            home.client().lock().await
        };
        let (written, locked) = tokio::join!(writes, lock);
        written.expect("what was asked before locking is written");
        assert!(locked.expect("locking waits instead of refusing").private_locked);
        let refused = write(&home, 99, "after").await.unwrap_err();
        assert_eq!(kind(&refused), Some(&ProblemKind::Locked), "{refused}");
        let verified = home.run(&["verify"]).unwrap();
        let words = String::from_utf8_lossy(&verified.stdout).into_owned();
        assert!(words.contains("private pages are locked and were not read"), "{words}");
        home.client().unlock(&right).await.unwrap();
    }
    assert_eq!(entries(&home).await, 6);
    let documents = home.client().status().await.unwrap().documents;
    assert_eq!(documents.iter().map(|document| document.facts).sum::<u64>(), 6, "{documents:?}");
}

fn said_well(output: &Output) {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
async fn causality_not_clocks_a_clock_a_year_ahead_changes_no_outcome() {
    if !met(&[Need::Faketime]) {
        return;
    }
    let (mut first, mut second) = (Home::on_loopback().unwrap(), Home::on_loopback().unwrap());
    let library = libfaketime().unwrap();
    second.set_environment("LD_PRELOAD", library.to_str().unwrap());
    second.set_environment("FAKETIME", "+370d");
    second.set_environment("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    second.set_environment("DONT_FAKE_MONOTONIC", "1");
    first.found("Robin").await.unwrap();
    second.found("Kim").await.unwrap();
    pair(&first, &second, true).await.unwrap();
    introduce(&first, &second).await.unwrap();
    introduce(&second, &first).await.unwrap();
    in_step(&first, &second, PATIENCE).await.unwrap();
    let goal = second.create(Collection::Goals, "goal-1", "title", json!("From the future")).await.unwrap();
    in_step(&first, &second, PATIENCE).await.unwrap();
    // The later word is said on the earlier date, by somebody who has seen the other: it holds.
    first.say(Collection::Goals, &goal.id, "title", json!("From the present")).await.unwrap();
    in_step(&first, &second, PATIENCE).await.unwrap();
    assert_eq!(shared(&first).await.unwrap(), shared(&second).await.unwrap());
    for home in [&first, &second] {
        let shown = home.client().item(Collection::Goals, &goal.id).await.unwrap();
        assert_eq!(shown.fields["title"].held(), Some(&json!("From the present")));
        let documents = home.client().status().await.unwrap().documents;
        let shared = documents.iter().filter(|document| document.id.starts_with("ours/")).count();
        assert_eq!(shared, 2, "each fact is in the document of its writer's year: {documents:?}");
    }
}

#[tokio::test]
async fn commands_without_a_home_say_so_with_a_stable_exit_code() {
    let home = Home::on_loopback().unwrap();
    let output = home.run(&["status"]).unwrap();
    let words = said(&output, 9);
    assert!(words.contains("init"), "it says what to do: {words}");
}
