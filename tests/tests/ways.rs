//! The ways to open a home: a changed passphrase, a leaked one, recovery codes, key files.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::Command;
use std::time::{Duration, Instant};

use betwixt_api::{BackupRequest, ChangePassphrase, ClientError, Collection, ProblemKind, Secret, UnlockRequest};
use betwixt_tests::home::{Home, PASSPHRASE, couple_on_loopback, in_step};
#[cfg(target_os = "linux")]
use betwixt_tests::terminal::Terminal;
use serde_json::{Value, json};

const NEW: &str = "two lanterns in the window";
const PATIENCE: Duration = Duration::from_secs(30);

fn secret(text: &str) -> Secret {
    Secret::from(text.to_owned())
}

/// Runs a command that reads lines from standard input; whether it succeeded, and what it printed as JSON.
fn typed(mut command: Command, lines: &[&str]) -> (bool, Value) {
    command.arg("--json");
    let output = betwixt_tests::typed::typed(command, lines).unwrap();
    let said = if output.stdout.is_empty() { &output.stderr } else { &output.stdout };
    (output.status.success(), serde_json::from_slice(said).unwrap())
}

async fn opens(home: &mut Home, text: &str) -> bool {
    home.up().await.unwrap();
    let opened = is_right(home, text).await;
    home.down().await.unwrap();
    opened
}

/// Whether a running daemon opens its home with this.
async fn is_right(home: &Home, text: &str) -> bool {
    let unlocked = home.client().unlock(&UnlockRequest { passphrase: secret(text) }).await;
    match unlocked {
        Ok(_) => true,
        Err(ClientError::Problem(problem)) if problem.kind == ProblemKind::WrongPassphrase => false,
        Err(error) => panic!("{error:?}"),
    }
}

#[tokio::test]
async fn a_changed_passphrase_opens_the_home_and_the_one_before_does_not() {
    let mut home = Home::on_loopback().unwrap();
    home.found("Robin").await.unwrap();
    let change = || home.command(&["passphrase", "change"]);
    let (done, problem) = typed(change(), &["not the passphrase", NEW]);
    assert!(!done && problem["error"]["type"] == "urn:betwixt:problem:wrong-passphrase", "{problem}");
    assert!(typed(change(), &[PASSPHRASE, NEW]).0);
    assert!(home.client().status().await.unwrap().me.is_some(), "it stays open");
    home.down().await.unwrap();
    assert!(!opens(&mut home, PASSPHRASE).await);
    assert!(opens(&mut home, NEW).await);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_passphrase_is_changed_at_a_terminal_and_never_shown() {
    let mut home = Home::on_loopback().unwrap();
    home.found("Robin").await.unwrap();
    for again in ["two lanterns in the door", NEW] {
        let mut terminal = Terminal::start(&home.command(&["passphrase", "change"])).unwrap();
        for (question, answer) in [("as it is now", PASSPHRASE), ("Choose a passphrase", NEW), ("once more", again)] {
            terminal.wait_for(question).unwrap();
            terminal.type_secret(answer).unwrap();
        }
        let (status, shown) = terminal.end().unwrap();
        assert_eq!(status.success(), again == NEW, "{shown}");
        assert!(!shown.contains("lantern"), "{shown}");
    }
    home.down().await.unwrap();
    assert!(opens(&mut home, NEW).await);
}

#[tokio::test]
async fn after_a_leak_everything_is_encrypted_anew_and_the_partner_is_met_again() {
    let (mut first, second) = couple_on_loopback().await.unwrap();
    first.create(Collection::Goals, "goal-1", "title", json!("Cycle along the coast")).await.unwrap();
    in_step(&first, &second, PATIENCE).await.unwrap();
    let backup = first.client().backup("k", &BackupRequest::default()).await.unwrap();
    let (done, problem) = typed(first.command(&["passphrase", "change", "--leaked"]), &["not the passphrase", NEW]);
    assert!(!done && problem["error"]["type"] == "urn:betwixt:problem:wrong-passphrase", "{problem}");
    let (done, changed) = typed(first.command(&["passphrase", "change", "--leaked"]), &[PASSPHRASE, NEW]);
    assert!(done, "{changed}");
    assert_eq!(changed["as_before"], json!([backup.path]));
    let code = changed["recovery_code"].as_str().unwrap().to_owned();
    // It went on by itself.
    first.create(Collection::Goals, "goal-2", "title", json!("Sleep in a tent")).await.unwrap();
    in_step(&first, &second, PATIENCE).await.unwrap();
    assert_eq!(first.client().verify().await.unwrap().damaged.len(), 1, "but for the backup of before");
    first.down().await.unwrap();
    assert!(!opens(&mut first, PASSPHRASE).await);
    assert!(opens(&mut first, &code).await);
    assert!(opens(&mut first, NEW).await);
    for left in std::fs::read_dir(first.path()).unwrap().flatten() {
        assert!(!left.file_name().to_string_lossy().contains("rekey"), "{left:?}");
    }
}

/// When a daemon is killed that makes new keys.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// It has written down that it begins.
    Begun,
    /// It seals everything anew.
    Sealing,
    /// The keys file is replaced.
    Decided,
    /// It has answered.
    Told,
}

impl Moment {
    fn has_come(self, home: &Home, keys_before: &[u8], answered: bool) -> bool {
        match self {
            Self::Begun => home.path().join("rekey").exists(),
            Self::Sealing => home.path().join("betwixt.redb.rekey").exists(),
            Self::Decided => std::fs::read(home.path().join("keys")).is_ok_and(|keys| keys != keys_before),
            Self::Told => answered,
        }
    }
}

#[tokio::test]
async fn a_home_whose_keys_were_being_made_anew_when_it_was_killed_opens_with_the_old_or_the_new_passphrase() {
    let mut home = Home::on_loopback().unwrap();
    home.found("Robin").await.unwrap();
    for number in 0..10 {
        home.create(Collection::Journal, &format!("entry-{number}"), "text", json!("Rain. ".repeat(400)))
            .await
            .unwrap();
    }
    let mut present = PASSPHRASE.to_owned();
    let (mut before, mut after) = (0, 0);
    for moment in [Moment::Begun, Moment::Sealing, Moment::Decided, Moment::Told] {
        let new = format!("{NEW}, {moment:?}");
        let keys = std::fs::read(home.path().join("keys")).unwrap();
        let socket = home.client().socket().to_owned();
        let request = ChangePassphrase { present: secret(&present), new: secret(&new), leaked: true };
        let asked = tokio::spawn(async move { betwixt_api::Client::new(socket).change_passphrase(&request).await });
        let begun = Instant::now();
        while !moment.has_come(&home, &keys, asked.is_finished()) {
            assert!(begun.elapsed() < PATIENCE, "{moment:?} does not come");
            tokio::task::yield_now().await;
        }
        home.kill().unwrap();
        let told = asked.await.unwrap().is_ok();
        home.up().await.unwrap();
        let changed = is_right(&home, &new).await;
        assert!(changed || !told, "what was told is on disk");
        assert_ne!(is_right(&home, &present).await, changed, "one of the two opens it");
        if changed {
            present = new;
            after += 1;
        } else {
            before += 1;
        }
        let report = home.client().verify().await.unwrap();
        assert_eq!((report.facts, report.damaged), (10, Vec::new()));
    }
    assert!(before > 0 && after > 0, "{before} before and {after} after the deciding step");
}

#[tokio::test]
async fn a_recovery_code_is_tested_and_made_anew() {
    let mut home = Home::on_loopback().unwrap();
    home.found("Robin").await.unwrap();
    let (done, made) = typed(home.command(&["recovery", "new"]), &[PASSPHRASE]);
    assert!(done);
    let code = made["recovery_code"].as_str().unwrap().to_owned();
    let test = |code: &str| typed(home.command(&["recovery", "test"]), &[code]);
    let keys = std::fs::read(home.path().join("keys")).unwrap();
    assert_eq!(test(&code), (true, json!({ "opens": true })));
    assert_eq!(test(&code.to_lowercase().replace('-', " ")).1, json!({ "opens": true }));
    let (opens, slipped) = test(&code[1..]);
    assert!(!opens && slipped["slip"].as_str().unwrap().contains("28 letters"), "{slipped}");
    assert_eq!(std::fs::read(home.path().join("keys")).unwrap(), keys, "a test changes nothing");
    let (done, renewed) = typed(home.command(&["recovery", "new"]), &[&code]);
    assert!(done, "the code proves as much as the passphrase");
    assert_eq!(test(&code), (false, json!({ "opens": false })));
    assert!(test(renewed["recovery_code"].as_str().unwrap()).0);
}

#[tokio::test]
async fn a_key_file_opens_what_is_shared_until_it_is_removed() {
    let (mut first, second) = couple_on_loopback().await.unwrap();
    first.create(Collection::Goals, "goal-1", "title", json!("Cycle along the coast")).await.unwrap();
    in_step(&first, &second, PATIENCE).await.unwrap();
    let stick = tempfile::tempdir().unwrap();
    let path = stick.path().join("key");
    let add = first.command(&["ways", "add-key-file", path.to_str().unwrap(), "--shared-only"]);
    let (done, way) = typed(add, &[PASSPHRASE]);
    assert!(done && way["opens_private"] == false, "{way}");
    first.down().await.unwrap();
    first.up().await.unwrap();
    let unlocked = first.json(&["unlock", "--passphrase-file", path.to_str().unwrap()]).unwrap();
    assert_eq!((&unlocked["phase"], &unlocked["private_locked"]), (&json!("open"), &json!(true)));
    // Devices merge while nobody is there.
    second.create(Collection::Goals, "goal-2", "title", json!("Sleep in a tent")).await.unwrap();
    in_step(&first, &second, PATIENCE).await.unwrap();
    assert_eq!(first.json(&["goal", "list"]).unwrap().to_string().matches("\"goals\"").count(), 2);
    let key = std::fs::read_to_string(&path).unwrap();
    let (done, problem) = typed(first.command(&["recovery", "new"]), &[key.trim()]);
    assert!(!done && problem["error"]["type"] == "urn:betwixt:problem:locked", "{problem}");

    let id = &way["id"].as_str().unwrap()[..8];
    let (done, left) = typed(first.command(&["ways", "remove", id]), &[PASSPHRASE]);
    assert!(done, "{left}");
    let kinds: Vec<&Value> = left.as_array().unwrap().iter().map(|way| &way["kind"]).collect();
    assert_eq!(kinds, [&json!("passphrase"), &json!("recovery-code")]);
    first.down().await.unwrap();
    assert!(!opens(&mut first, key.trim()).await);
}
