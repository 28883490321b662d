//! Homes that were copied, restored or put back to an earlier state: noticed, and nothing is lost.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use betwixt_api::{BackupRequest, Collection, RestoreRequest, Secret, UnlockRequest};
use betwixt_tests::files::copy_directory;
use betwixt_tests::home::{Home, PASSPHRASE, couple_on_loopback, in_step, introduce, shared};
use serde_json::json;

const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_copied_home_is_noticed_and_nothing_is_lost() {
    let (mut first, second) = couple_on_loopback().await.unwrap();
    in_step(&first, &second, PATIENCE).await.unwrap();
    first.create(Collection::Goals, "goal-1", "title", json!("Before the copy")).await.unwrap();
    in_step(&first, &second, PATIENCE).await.unwrap();
    first.down().await.unwrap();
    let mut copy = Home::on_loopback().unwrap();
    copy_directory(first.path(), copy.path());
    // Both go on from the same past, and say different things.
    first.up_and_unlock().await.unwrap();
    first.create(Collection::Goals, "goal-2", "title", json!("On the original")).await.unwrap();
    in_step(&first, &second, PATIENCE).await.unwrap();
    first.down().await.unwrap();
    copy.up_and_unlock().await.unwrap();
    copy.create(Collection::Goals, "goal-3", "title", json!("On the copy")).await.unwrap();
    introduce(&copy, &second).await.unwrap();
    introduce(&second, &copy).await.unwrap();
    in_step(&copy, &second, PATIENCE).await.unwrap();
    assert_eq!(shared(&copy).await.unwrap(), shared(&second).await.unwrap());
    let titles = shared(&second).await.unwrap().to_string();
    for title in ["Before the copy", "On the original", "On the copy"] {
        assert!(titles.contains(title), "{title:?} is gone");
    }
}

/// Makes and ends connections, so that both sides' counters go on.
async fn meet_again(first: &Home, second: &Home, times: usize) {
    for _ in 0..times {
        second.client().pause().await.unwrap();
        second.client().resume().await.unwrap();
        first.client().sync().await.unwrap();
        in_step(first, second, PATIENCE).await.unwrap();
    }
}

#[tokio::test]
async fn a_restored_home_meets_its_partner_at_once_and_gets_back_what_it_had_lost() {
    let (first, second) = couple_on_loopback().await.unwrap();
    in_step(&first, &second, PATIENCE).await.unwrap();
    first.create(Collection::Goals, "goal-1", "title", json!("Before the backup")).await.unwrap();
    in_step(&first, &second, PATIENCE).await.unwrap();
    let backup = first.client().backup("k", &BackupRequest::default()).await.unwrap();
    meet_again(&first, &second, 12).await;
    first.create(Collection::Goals, "goal-2", "title", json!("Lost with the disk")).await.unwrap();
    in_step(&first, &second, PATIENCE).await.unwrap();
    first.client().restore(&RestoreRequest::Path(backup.path)).await.unwrap();
    first.client().unlock(&UnlockRequest { passphrase: Secret::from(PASSPHRASE.to_owned()) }).await.unwrap();
    first.create(Collection::Goals, "goal-3", "title", json!("Said before meeting")).await.unwrap();
    in_step(&first, &second, PATIENCE).await.unwrap();
    let titles = shared(&first).await.unwrap();
    assert_eq!(titles, shared(&second).await.unwrap());
    for title in ["Before the backup", "Lost with the disk", "Said before meeting"] {
        assert!(titles.to_string().contains(title), "{title:?} is gone");
    }
    let troubles = second.client().status().await.unwrap().troubles;
    assert_eq!(troubles, Vec::<String>::new(), "the partner has nothing to worry about");
}

#[tokio::test]
async fn a_home_that_was_put_back_unnoticed_is_told_by_its_partner_and_goes_on_under_a_new_epoch() {
    let (mut first, second) = couple_on_loopback().await.unwrap();
    in_step(&first, &second, PATIENCE).await.unwrap();
    first.down().await.unwrap();
    let outside = tempfile::tempdir().unwrap();
    let kept = outside.path().join("kept");
    copy_directory(first.path(), &kept);
    first.up_and_unlock().await.unwrap();
    in_step(&first, &second, PATIENCE).await.unwrap();
    meet_again(&first, &second, 12).await;
    first.create(Collection::Goals, "goal-1", "title", json!("Lost with the snapshot")).await.unwrap();
    in_step(&first, &second, PATIENCE).await.unwrap();
    first.down().await.unwrap();
    // A virtual machine's snapshot: the same directory, all of it as it was.
    for entry in std::fs::read_dir(first.path()).unwrap().flatten() {
        if entry.file_type().unwrap().is_file() {
            std::fs::remove_file(entry.path()).unwrap();
        }
    }
    copy_directory(&kept, first.path());
    let status = first.up_and_unlock().await.unwrap();
    assert_eq!(status.troubles, Vec::<String>::new(), "nothing on this disk shows it");
    in_step(&first, &second, PATIENCE).await.unwrap();
    let titles = shared(&first).await.unwrap();
    assert_eq!(titles, shared(&second).await.unwrap());
    assert!(titles.to_string().contains("Lost with the snapshot"), "{titles}");
    let troubles = first.client().status().await.unwrap().troubles;
    assert!(troubles.iter().any(|trouble| trouble.contains("copied or restored")), "{troubles:?}");
    first.create(Collection::Goals, "goal-2", "title", json!("And on")).await.unwrap();
    in_step(&first, &second, PATIENCE).await.unwrap();
    assert_eq!(shared(&first).await.unwrap(), shared(&second).await.unwrap());
}
