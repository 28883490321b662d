//! Updates between versions: what a real older build wrote (`tests/fixtures`) is opened by this one, in whatever way the update is
//! interrupted, and nothing of it is lost.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use betwixt_api::{Client, Collection, RestoreRequest, SOCKET_NAME, Secret, UnlockRequest};
use betwixt_tests::home::{Home, PASSPHRASE, in_step, introduce, shared};
use betwixt_tests::people::{PATIENCE, journal, share_the_same, until};
use serde_json::json;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

/// The home of one of the two, as the older build left it.
fn home_of(person: &str) -> Home {
    let home = Home::on_loopback().unwrap();
    std::fs::create_dir_all(home.path()).unwrap();
    let unpacked = Command::new("tar")
        .args(["--extract", "--gzip", "--strip-components=1", "--no-same-owner", "--file"])
        .arg(fixture("homes-of-d70f5cd.tar.gz"))
        .arg("--directory")
        .arg(home.path())
        .arg(person)
        .status()
        .unwrap();
    assert!(unpacked.success());
    home
}

/// What Robin's home holds, and what the older build showed of it.
async fn holds_what_robin_wrote(home: &Home) {
    assert_eq!(journal(home).await, ["What only Robin may read"]);
    let said = shared(home).await.unwrap().to_string();
    for text in
        ["Cycle along the river", "To be outside together", "You made tea", "Sunday talk", "We keep the evenings free."]
    {
        assert!(said.contains(text), "{text} in {said}");
    }
    let vision = home.client().vision(None).await.unwrap();
    let wording = vision.fields["wording"].held().unwrap().as_str().unwrap().to_owned();
    assert!(wording.contains("We say what we need."), "{wording}");
    let report = home.client().verify().await.unwrap();
    assert_eq!((report.damaged.len(), report.private_locked), (0, false));
}

#[tokio::test]
async fn homes_of_an_older_build_hold_everything_and_merge_what_was_said_apart() {
    let (mut robin, mut kim) = (home_of("robin"), home_of("kim"));
    robin.up_and_unlock().await.unwrap();
    kim.up_and_unlock().await.unwrap();
    holds_what_robin_wrote(&robin).await;
    assert_eq!(journal(&kim).await, ["What Kim alone may read"]);
    introduce(&robin, &kim).await.unwrap();
    introduce(&kim, &robin).await.unwrap();
    // Both homes are copies, so each begins a new epoch, and the first sessions may end over it: on a busy machine that takes a while.
    in_step(&robin, &kim, 3 * PATIENCE).await.unwrap();
    until("the same on both", async || share_the_same(&robin, &kim).await).await;
    // Both changed the title with the older build, and neither wins by the update.
    for home in [&robin, &kim] {
        let goals = home.client().items(Collection::Goals, None).await.unwrap();
        assert!(goals[0].fields["title"].held().is_none(), "{:?}", goals[0].fields["title"]);
        assert_eq!(home.client().to_settle().await.unwrap().threads.len(), 2);
    }
    // What the older build did not know is made up for: everybody sees what devices are called.
    let devices = kim.client().devices().await.unwrap();
    let mut names: Vec<&str> = devices.iter().map(|device| device.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["Kim's laptop", "Robin's laptop"]);
    robin.create(Collection::Thanks, "new", "what", json!("the first thing after the update")).await.unwrap();
    until("the same on both", async || share_the_same(&robin, &kim).await).await;
}

#[tokio::test]
async fn an_update_that_is_killed_again_and_again_loses_nothing() {
    let mut robin = home_of("robin");
    // Opening builds the index anew and tells the roster what is missing there. It is killed later and later, from before it has
    // read the keys to after it is done.
    let (mut after, mut interrupted) = (Duration::ZERO, 0);
    loop {
        robin.up().await.unwrap();
        let unlock = UnlockRequest { passphrase: Secret::from(PASSPHRASE.to_owned()) };
        let client = Client::new(robin.path().join(SOCKET_NAME));
        let unlocking = tokio::spawn(async move { client.unlock(&unlock).await.is_ok() });
        tokio::time::sleep(after).await;
        robin.kill().unwrap();
        if unlocking.await.unwrap() {
            break;
        }
        interrupted += 1;
        after += Duration::from_millis(25);
        assert!(after < PATIENCE, "it never opens");
    }
    assert!(interrupted > 3, "it was done before it could be interrupted");
    robin.up_and_unlock().await.unwrap();
    holds_what_robin_wrote(&robin).await;
}

#[tokio::test]
async fn a_backup_of_an_older_build_is_restored() {
    let mut home = Home::on_loopback().unwrap();
    home.up().await.unwrap();
    let path = fixture("backup-of-d70f5cd.betwixt").to_str().unwrap().to_owned();
    let request = RestoreRequest::Path(path);
    home.client().restore(&request).await.unwrap();
    home.client().unlock(&UnlockRequest { passphrase: Secret::from(PASSPHRASE.to_owned()) }).await.unwrap();
    holds_what_robin_wrote(&home).await;
}
