//! Leaving: nothing of the home is left, and the other side sees no more than a device that is down.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::time::{Duration, Instant};

use betwixt_api::{BackupRequest, Collection, NoticeKind, Phase, Proof, Secret, Status};
use betwixt_tests::home::{Home, PASSPHRASE, contains, couple_on_loopback, in_step};
#[cfg(target_os = "linux")]
use betwixt_tests::terminal::Terminal;
use betwixt_tests::typed::said;
use serde_json::json;

const PATIENCE: Duration = Duration::from_secs(30);
const SHARED: &str = "Cycle along the coast";
const PRIVATE: &str = "I am not sure of anything";

fn leave(home: &Home, lines: &[&str]) -> (bool, String) {
    said(home.command(&["leave"]), lines).unwrap()
}

/// The salts and sealed keys of a keys file.
fn wraps(home: &Home) -> Vec<String> {
    let keys: serde_json::Value = serde_json::from_slice(&std::fs::read(home.path().join("keys")).unwrap()).unwrap();
    let parts =
        |wrap: &serde_json::Value| ["salt", "shared", "mine"].map(|part| wrap[part].as_str().unwrap().to_owned());
    keys["wraps"].as_array().unwrap().iter().flat_map(parts).collect()
}

fn nothing_holds(directory: &Path, needles: &[String]) {
    for entry in std::fs::read_dir(directory).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            nothing_holds(&path, needles);
        } else if let Ok(bytes) = std::fs::read(&path) {
            for needle in needles {
                assert!(!contains(&bytes, needle.as_bytes()), "{} holds {needle}", path.display());
            }
        }
    }
}

/// What a device sees of the household when the other one is gone.
async fn sees(home: &Home) -> Status {
    let begun = Instant::now();
    loop {
        let status = home.client().status().await.unwrap();
        if status.peers.iter().all(|peer| !peer.connected) {
            return Status { documents: Vec::new(), ..status };
        }
        assert!(begun.elapsed() < PATIENCE, "the other one does not go: {status:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// What a device's events tell until the other one has parted.
async fn told_until_parted(events: &mut betwixt_api::Events) -> Vec<NoticeKind> {
    let mut kinds = Vec::new();
    loop {
        let notice = tokio::time::timeout(PATIENCE, events.next()).await.unwrap().unwrap().unwrap();
        // What was still on its way to be in step.
        if !matches!(notice.kind, NoticeKind::Synced | NoticeKind::InStep) {
            kinds.push(notice.kind);
        }
        if notice.kind == NoticeKind::Parted {
            return kinds;
        }
    }
}

#[tokio::test]
async fn nothing_is_left_and_the_partner_goes_on_as_if_the_device_were_down() {
    let (mut first, second) = couple_on_loopback().await.unwrap();
    first.create(Collection::Goals, "goal-1", "title", json!(SHARED)).await.unwrap();
    first.create(Collection::Journal, "entry-1", "text", json!(PRIVATE)).await.unwrap();
    first.client().backup("k", &BackupRequest::default()).await.unwrap();
    in_step(&first, &second, PATIENCE).await.unwrap();
    // As the other sees it when this one goes down.
    let mut events = second.client().events(None, false).await.unwrap();
    first.down().await.unwrap();
    let (down, told_of_down) = (sees(&second).await, told_until_parted(&mut events).await);
    first.up_and_unlock().await.unwrap();
    in_step(&first, &second, PATIENCE).await.unwrap();
    let mut events = second.client().events(None, false).await.unwrap();

    let mut needles = wraps(&first);
    needles.extend([SHARED.to_owned(), PRIVATE.to_owned(), PASSPHRASE.to_owned()]);
    let (done, said) = leave(&first, &["not the passphrase", "leave"]);
    assert!(!done && said.contains("That does not open the home"), "{said}");
    let (done, said) = leave(&first, &[PASSPHRASE, "no"]);
    assert!(!done && said.contains("nothing was changed"), "{said}");
    assert_eq!(first.client().status().await.unwrap().phase, Phase::Open);
    let (done, said) = leave(&first, &[PASSPHRASE, "leave"]);
    assert!(done && said.contains("You have left") && !said.contains("could not be removed"), "{said}");

    // What the test itself keeps beside the home is what the daemon printed.
    nothing_holds(first.path().parent().unwrap(), &needles);
    assert!(!first.path().exists(), "{:?}", std::fs::read_dir(first.path()).map(Iterator::count));
    let status = first.run(&["status"]).unwrap();
    assert_eq!(status.status.code(), Some(9));
    assert!(String::from_utf8_lossy(&status.stderr).contains("there is no home"));

    let (left, told_of_leaving) = (sees(&second).await, told_until_parted(&mut events).await);
    assert_eq!(left, down);
    assert_eq!(told_of_leaving, told_of_down);
    let goals = second.json(&["goal", "list"]).unwrap().to_string();
    assert!(goals.contains(SHARED), "{goals}");
    second.create(Collection::Goals, "goal-2", "title", json!("Sleep in a tent")).await.unwrap();
    assert_eq!(second.client().verify().await.unwrap().damaged, Vec::new());
    let looked = second.json(&["doctor"]).unwrap().to_string() + &second.printed();
    assert!(!looked.to_lowercase().contains("left the") && !looked.contains("leave"), "{looked}");
}

#[tokio::test]
async fn a_locked_home_is_left_with_the_recovery_code_and_no_network() {
    let mut home = Home::on_loopback().unwrap();
    home.found("Robin").await.unwrap();
    let code =
        home.client().new_recovery_code(&Proof { passphrase: Secret::from(PASSPHRASE.to_owned()) }).await.unwrap();
    home.down().await.unwrap();
    home.up().await.unwrap();
    assert_eq!(home.client().status().await.unwrap().phase, Phase::Locked);
    let (done, said) = leave(&home, &["not the passphrase", "leave"]);
    assert!(!done, "{said}");
    assert_eq!(home.client().status().await.unwrap().phase, Phase::Locked);
    let (done, said) = leave(&home, &[code.recovery_code.reveal(), "leave"]);
    assert!(done, "{said}");
    assert!(!home.path().exists());
}

#[tokio::test]
async fn a_pause_lasts_over_a_restart_until_it_is_ended() {
    let (mut first, second) = couple_on_loopback().await.unwrap();
    in_step(&first, &second, PATIENCE).await.unwrap();
    first.json(&["pause"]).unwrap();
    first.kill().unwrap();
    assert!(first.up_and_unlock().await.unwrap().paused);
    second.create(Collection::Goals, "goal-1", "title", json!(SHARED)).await.unwrap();
    // Neither dials nor answers.
    for home in [&first, &second] {
        home.client().sync().await.unwrap();
    }
    assert!(sees(&second).await.peers.iter().all(|peer| !peer.in_step && !peer.connected));
    assert!(!first.json(&["goal", "list"]).unwrap().to_string().contains(SHARED));
    first.json(&["resume"]).unwrap();
    in_step(&first, &second, PATIENCE).await.unwrap();
    first.down().await.unwrap();
    assert!(!first.up_and_unlock().await.unwrap().paused);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn at_a_terminal_it_says_what_leaving_cannot_do_before_it_asks() {
    let mut home = Home::on_loopback().unwrap();
    home.found("Robin").await.unwrap();
    let mut terminal = Terminal::start(&home.command(&["leave"])).unwrap();
    terminal.wait_for("What your partner's device holds of what you share stays there").unwrap();
    terminal.wait_for("betwixt pause").unwrap();
    terminal.wait_for("Your passphrase:").unwrap();
    terminal.type_secret(PASSPHRASE).unwrap();
    terminal.wait_for("Type leave to leave").unwrap();
    terminal.type_line("leave").unwrap();
    let (status, shown) = terminal.end().unwrap();
    assert!(status.success() && !shown.contains(PASSPHRASE), "{shown}");
    assert!(!home.path().exists());
}

#[tokio::test]
async fn a_daemon_that_is_killed_while_leaving_leaves_a_home_that_opens_or_no_keys() {
    let (mut opened, mut gone) = (0, 0);
    for round in 0..4 {
        let mut home = Home::on_loopback().unwrap();
        home.found("Robin").await.unwrap();
        home.create(Collection::Journal, "entry-1", "text", json!(PRIVATE)).await.unwrap();
        let needles = wraps(&home);
        let socket = home.client().socket().to_owned();
        let proof = Proof { passphrase: Secret::from(PASSPHRASE.to_owned()) };
        let asked = tokio::spawn(async move { betwixt_api::Client::new(socket).leave(&proof).await });
        // From the trying of the passphrase over the mark and the keys to the end.
        let come = |home: &Home| match round {
            0 => true,
            1 => home.path().join("leaving").exists(),
            2 => !home.path().join("keys").exists(),
            _ => !home.path().join("betwixt.redb").exists(),
        };
        let begun = Instant::now();
        // The mark stands for a moment only: it may be over before it is seen.
        while !come(&home) && !asked.is_finished() {
            assert!(begun.elapsed() < PATIENCE, "it does not come so far");
            tokio::task::yield_now().await;
        }
        home.kill().unwrap();
        let told = asked.await.unwrap().is_ok();
        home.up().await.unwrap();
        match home.client().status().await.unwrap().phase {
            Phase::Locked => {
                assert!(!told, "who was told has left");
                home.up_again_and_read().await;
                opened += 1;
            }
            Phase::New => {
                nothing_holds(home.path(), &needles);
                assert!(!home.path().join("leaving").exists() && !home.path().join("betwixt.redb").exists());
                gone += 1;
            }
            Phase::Open => panic!("nobody opened it"),
        }
    }
    assert!(opened > 0 && gone > 0, "{opened} opened, {gone} gone");
}

trait Read {
    async fn up_again_and_read(&self);
}

impl Read for Home {
    async fn up_again_and_read(&self) {
        let request = betwixt_api::UnlockRequest { passphrase: Secret::from(PASSPHRASE.to_owned()) };
        self.client().unlock(&request).await.unwrap();
        let report = self.client().verify().await.unwrap();
        assert_eq!((report.facts, report.damaged), (1, Vec::new()));
    }
}
