//! Somebody loses all devices: the partner's gives back what is shared, with the recovery code and a yes on both. Private pages
//! come from a backup or not at all.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use betwixt_api::{
    BackupRequest, Collection, Pairing, Proof, Purpose, RecoveryCode, RestoreRequest, Secret, StartPairing,
    UnlockRequest,
};
use betwixt_tests::home::{Home, PASSPHRASE, add_device, couple_on_loopback, give_back, in_step, introduce};
use betwixt_tests::people::{PATIENCE, journal, new_home, share_the_same, until, write};
use serde_json::json;

async fn new_code(home: &Home) -> Secret {
    let proof = Proof { passphrase: Secret::from(PASSPHRASE.to_owned()) };
    home.client().new_recovery_code(&proof).await.unwrap().recovery_code
}

/// Whether the doctor has something to say about being brought back.
async fn warned(home: &Home) -> bool {
    home.client().doctor().await.unwrap().iter().any(|finding| finding.about == "recovery")
}

#[tokio::test]
async fn who_lost_all_devices_gets_back_what_is_shared_and_nothing_private() {
    let (mut robin, kim) = couple_on_loopback().await.unwrap();
    assert!(!warned(&robin).await, "the code of the founding is known");
    write(&robin, "what only I may read").await;
    write(&kim, "what Kim alone may read").await;
    robin.create(Collection::Goals, "goal", "title", json!("Cycle along the coast")).await.unwrap();
    let code = new_code(&robin).await;
    in_step(&robin, &kim, PATIENCE).await.unwrap();
    let lost = robin.client().devices().await.unwrap().iter().find(|device| device.this).unwrap().id.clone();
    robin.kill().unwrap();
    std::fs::remove_dir_all(robin.path()).unwrap();

    let new = new_home("Robin").await;
    give_back(&kim, &new, &code).await.unwrap();
    introduce(&new, &kim).await.unwrap();
    introduce(&kim, &new).await.unwrap();
    until("what is shared, on the new device", async || share_the_same(&new, &kim).await).await;
    let status = new.client().status().await.unwrap();
    assert_eq!((status.me.unwrap().name.as_str(), status.partner.unwrap().name.as_str()), ("Robin", "Kim"));
    assert_eq!(journal(&new).await, Vec::<String>::new());

    // What Robin had said is Robin's own again: a change of it contradicts nobody.
    let goals = new.client().items(Collection::Goals, None).await.unwrap();
    new.say(Collection::Goals, &goals[0].id, "title", json!("Cycle along the river")).await.unwrap();
    until("the change at Kim's", async || share_the_same(&new, &kim).await).await;
    assert_eq!(kim.client().status().await.unwrap().differences, 0);

    // The lost device is Robin's to remove, and Kim's device hears of it.
    new.client().device_remove(&lost).await.unwrap();
    until("the removal at Kim's", async || {
        let devices = kim.client().devices().await.unwrap();
        devices.iter().any(|device| device.id == lost && device.removed)
    })
    .await;
    write(&new, "a new beginning").await;
    assert_eq!(journal(&new).await, ["a new beginning"]);
    let mut kim = kim;
    kim.down().await.unwrap();
    for text in ["what only I may read", "a new beginning"] {
        assert_eq!(kim.files_with(text.as_bytes()).unwrap(), Vec::<std::path::PathBuf>::new());
    }
}

/// A device that came back has private pages of a new beginning. One that is restored from a backup has those of before; both are the
/// same person's, and what is shared goes on between all.
#[tokio::test]
async fn a_backup_that_turns_up_after_a_return_keeps_its_private_pages_apart_and_shares_what_is_shared() {
    let (mut robin, kim) = couple_on_loopback().await.unwrap();
    write(&robin, "from before").await;
    robin.create(Collection::Goals, "goal", "title", json!("Cycle along the coast")).await.unwrap();
    let code = new_code(&robin).await;
    in_step(&robin, &kim, PATIENCE).await.unwrap();
    let backup = robin.client().backup("k", &BackupRequest::default()).await.unwrap();
    robin.down().await.unwrap();
    let new = new_home("Robin").await;
    give_back(&kim, &new, &code).await.unwrap();
    introduce(&new, &kim).await.unwrap();
    write(&new, "from after").await;
    until("what is shared, on the new device", async || share_the_same(&new, &kim).await).await;

    let mut restored = Home::on_loopback().unwrap();
    restored.up().await.unwrap();
    restored.client().restore(&RestoreRequest::Path(backup.path)).await.unwrap();
    let unlock = UnlockRequest { passphrase: Secret::from(PASSPHRASE.to_owned()) };
    restored.client().unlock(&unlock).await.unwrap();
    introduce(&restored, &kim).await.unwrap();
    until("the new device, on the restored one", async || restored.client().devices().await.unwrap().len() == 3).await;
    introduce(&restored, &new).await.unwrap();
    new.create(Collection::Thanks, "tea", "what", json!("the tea")).await.unwrap();
    until("what is shared, on the restored one", async || share_the_same(&restored, &new).await).await;
    in_step(&restored, &new, PATIENCE).await.unwrap();
    assert_eq!(
        (journal(&new).await, journal(&restored).await),
        (vec!["from after".into()], vec!["from before".into()])
    );
    for home in [&new, &restored] {
        // Private pages have a session of their own, which may come to that later than the shared one to being in step.
        until("that private pages began apart", async || {
            let troubles = home.client().status().await.unwrap().troubles;
            troubles.iter().any(|trouble| trouble.contains("began apart"))
        })
        .await;
    }
    // The connection stands: they do not hang up on each other over it again and again.
    let log = |home: &Home| home.printed().matches("a connection ended").count();
    let before = (log(&new), log(&restored));
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    assert_eq!((log(&new), log(&restored)), before);
    in_step(&restored, &new, PATIENCE).await.unwrap();
}

#[tokio::test]
async fn a_code_that_a_newer_one_took_the_place_of_brings_nobody_back() {
    let (robin, kim) = couple_on_loopback().await.unwrap();
    let (before, after) = (new_code(&robin).await, new_code(&robin).await);
    in_step(&robin, &kim, PATIENCE).await.unwrap();
    let new = new_home("Robin").await;
    let refused = give_back(&kim, &new, &before).await.unwrap_err().to_string();
    assert!(refused.contains("brings nobody back"), "{refused}");
    assert_eq!(kim.client().devices().await.unwrap().len(), 2);
    // Kim's own code makes nobody Robin, either.
    let kims = new_code(&kim).await;
    let refused = give_back(&kim, &new, &kims).await.unwrap_err().to_string();
    assert!(refused.contains("brings nobody back"), "{refused}");
    give_back(&kim, &new, &after).await.unwrap();
    assert_eq!(kim.client().devices().await.unwrap().len(), 3);
}

#[tokio::test]
async fn the_code_of_a_second_device_counts_once_it_was_tested_there() {
    let (robin, kim) = couple_on_loopback().await.unwrap();
    let mut phone = Home::on_loopback().unwrap();
    phone.up().await.unwrap();
    let init = betwixt_api::InitRequest {
        name: "Robin".into(),
        device: "phone".into(),
        passphrase: Secret::from(PASSPHRASE.to_owned()),
    };
    let code = phone.client().init(&init).await.unwrap().recovery_code.unwrap();
    add_device(&robin, &phone).await.unwrap();
    introduce(&phone, &kim).await.unwrap();
    introduce(&kim, &phone).await.unwrap();
    until("the phone at Kim's", async || kim.client().devices().await.unwrap().len() == 3).await;
    let new = new_home("Robin").await;
    assert!(give_back(&kim, &new, &code).await.is_err());
    let tested = phone.client().test_recovery_code(&RecoveryCode { recovery_code: code.clone() }).await.unwrap();
    assert!(tested.opens);
    until("Robin's return", async || give_back(&kim, &new, &code).await.is_ok()).await;
}

#[tokio::test]
async fn whoever_shares_nothing_gives_nothing_back_and_what_is_in_the_way_is_said() {
    let alone = new_home("Kim").await;
    let start = StartPairing { purpose: Purpose::GiveBack };
    let refused = alone.client().pairing_start(&start).await.unwrap_err().to_string();
    assert!(refused.contains("nothing is shared on this device"), "{refused}");
    let (robin, kim) = couple_on_loopback().await.unwrap();
    let code = new_code(&robin).await;
    let new = new_home("Robin").await;
    // A slip of the pen is told before anybody is asked.
    let slip = Secret::from(format!("{}0", &code.reveal()[..code.reveal().len() - 1]));
    let Pairing::Offering { .. } = kim.client().pairing_start(&start).await.unwrap() else { panic!("no code shows") };
    let refused = give_back(&kim, &new, &slip).await.unwrap_err().to_string();
    assert!(refused.contains("slip somewhere") || slip == code, "{refused}");
    write(&new, "mine").await;
    let refused = give_back(&kim, &new, &code).await.unwrap_err().to_string();
    assert!(refused.contains("written on this device already"), "{refused}");
}
