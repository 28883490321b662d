//! A person with several devices: each holds everything of theirs, the private pages included, and the partner's holds what is
//! shared and nothing else.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use betwixt_api::{
    Collection, ConfirmPairing, Device, EnterCode, Pairing, ProblemKind, Purpose, Secret, StartPairing, UnlockRequest,
};
use betwixt_tests::home::{Home, PASSPHRASE, add_device, couple_on_loopback, in_step, introduce, pair, shared};
use betwixt_tests::people::{PATIENCE, journal, new_home, refused, share_the_same, until, write};
use serde_json::json;

#[tokio::test]
async fn private_stays_home_a_new_device_of_ones_own_gets_everything_and_the_partners_nothing_private() {
    let (laptop, kim) = couple_on_loopback().await.unwrap();
    let phone = new_home("Robin, new").await;
    write(&laptop, "what only I may read").await;
    laptop.create(Collection::Goals, "goal", "title", json!("Cycle along the coast")).await.unwrap();
    in_step(&laptop, &kim, PATIENCE).await.unwrap();

    add_device(&laptop, &phone).await.unwrap();
    introduce(&laptop, &phone).await.unwrap();
    introduce(&phone, &laptop).await.unwrap();
    until("everything on the phone", async || journal(&phone).await == ["what only I may read"]).await;
    until("the same on both", async || share_the_same(&phone, &laptop).await).await;
    let status = phone.client().status().await.unwrap();
    assert_eq!(status.me.unwrap().name, "Robin");
    assert_eq!(status.partner.unwrap().name, "Kim");

    // What is said on the phone comes to the laptop, and what is shared of it to the partner, by way of the laptop.
    write(&phone, "from the train").await;
    phone.create(Collection::Thanks, "thanks", "what", json!("the tea")).await.unwrap();
    until("the page on the laptop", async || journal(&laptop).await.len() == 2).await;
    until("the thanks at the partner's", async || share_the_same(&kim, &phone).await).await;

    // And with the laptop off, directly: devices that never met recognise each other.
    introduce(&phone, &kim).await.unwrap();
    introduce(&kim, &phone).await.unwrap();
    let mut laptop = laptop;
    laptop.down().await.unwrap();
    kim.create(Collection::Thanks, "back", "what", json!("the walk")).await.unwrap();
    until("the partner's word on the phone", async || share_the_same(&kim, &phone).await).await;

    // Everybody sees every device that holds their data.
    let devices = kim.client().devices().await.unwrap();
    assert_eq!(devices.len(), 3);
    assert_eq!(devices.iter().filter(|device| device.own).count(), 1);
    assert_eq!(journal(&kim).await, Vec::<String>::new());
    let mut kim = kim;
    kim.down().await.unwrap();
    for text in ["what only I may read", "from the train"] {
        assert_eq!(kim.files_with(text.as_bytes()).unwrap(), Vec::<std::path::PathBuf>::new());
    }
}

#[tokio::test]
async fn while_private_pages_are_locked_on_one_device_what_is_shared_goes_on_and_they_follow_when_unlocked() {
    let (laptop, kim) = couple_on_loopback().await.unwrap();
    let phone = new_home("Robin, new").await;
    add_device(&laptop, &phone).await.unwrap();
    introduce(&phone, &laptop).await.unwrap();
    in_step(&phone, &laptop, PATIENCE).await.unwrap();

    for round in 1..=3 {
        phone.client().lock().await.unwrap();
        write(&laptop, &format!("page {round}")).await;
        let key = format!("thanks {round}");
        kim.create(Collection::Thanks, &key, "what", json!(key)).await.unwrap();
        until("what is shared, on the locked phone", async || share_the_same(&phone, &kim).await).await;
        // Meanwhile in step means what is shared.
        in_step(&phone, &laptop, PATIENCE).await.unwrap();
        unlock(&phone).await;
        until("the page on the phone", async || journal(&phone).await.len() == 2 * round - 1).await;
        write(&phone, &format!("reply {round}")).await;
        until("the reply on the laptop", async || journal(&laptop).await.len() == 2 * round).await;
        in_step(&phone, &laptop, PATIENCE).await.unwrap();
    }
}

#[tokio::test]
async fn a_person_alone_has_several_devices_and_pairs_with_a_partner_later() {
    let laptop = new_home("Robin").await;
    let phone = new_home("Robin, new").await;
    write(&laptop, "before anybody").await;
    add_device(&laptop, &phone).await.unwrap();
    introduce(&phone, &laptop).await.unwrap();
    until("the page on the phone", async || journal(&phone).await == ["before anybody"]).await;
    in_step(&laptop, &phone, PATIENCE).await.unwrap();

    let kim = new_home("Kim").await;
    pair(&phone, &kim, true).await.unwrap();
    until("the household on the laptop", async || laptop.client().status().await.unwrap().paired).await;
    introduce(&laptop, &kim).await.unwrap();
    kim.create(Collection::Thanks, "tea", "what", json!("the tea")).await.unwrap();
    until("the partner's word on the laptop", async || share_the_same(&laptop, &kim).await).await;
    assert_eq!(laptop.client().devices().await.unwrap().len(), 3);
}

#[tokio::test]
async fn a_device_is_added_with_the_passphrase_and_while_nothing_was_written_on_it() {
    let laptop = new_home("Robin").await;
    let phone = new_home("Robin, new").await;
    let start = StartPairing { purpose: Purpose::OwnDevice };
    let Pairing::Offering { code, addresses, .. } = laptop.client().pairing_start(&start).await.unwrap() else {
        panic!("no code")
    };
    let enter = EnterCode { code, purpose: Purpose::OwnDevice, addresses, recovery_code: None };
    phone.client().pairing_enter(&enter).await.unwrap();
    let asks = async |home: &Home| matches!(home.client().pairing().await.unwrap(), Pairing::Asking { .. });
    until("the question", async || asks(&laptop).await && asks(&phone).await).await;
    // Without the passphrase, and with a wrong one, nothing is granted and the question stays.
    for passphrase in [None, Some(Secret::from("somebody at my desk".to_owned()))] {
        let answer = laptop.client().pairing_confirm(&ConfirmPairing { yes: true, passphrase }).await;
        assert_eq!(refused(answer).0, ProblemKind::WrongPassphrase);
        assert!(asks(&laptop).await);
    }
    phone.client().pairing_confirm(&ConfirmPairing { yes: true, passphrase: None }).await.unwrap();
    laptop.client().pairing_cancel().await.unwrap();
    until("the end", async || matches!(phone.client().pairing().await.unwrap(), Pairing::Failed { .. })).await;
    assert_eq!(laptop.client().devices().await.unwrap().len(), 1);
    // Whoever answers the question after that is told why there is none any more.
    let late = phone.client().pairing_confirm(&ConfirmPairing { yes: true, passphrase: None }).await;
    let (kind, words) = refused(late);
    assert_eq!(kind, ProblemKind::Pairing);
    let Pairing::Failed { reason } = phone.client().pairing().await.unwrap() else { panic!("it was tried again") };
    assert!(words.contains(&reason), "{words}");

    // What was written on a device is its writer's: it becomes nobody else's.
    write(&phone, "mine").await;
    let (kind, words) = refused(phone.client().pairing_enter(&enter).await);
    assert_eq!(kind, ProblemKind::Pairing);
    assert!(words.contains("written on this device already"), "{words}");
    assert_eq!(journal(&phone).await, ["mine"]);
}

#[tokio::test]
async fn a_removed_device_is_answered_by_nobody_and_what_it_says_then_counts_nowhere() {
    let (laptop, kim) = couple_on_loopback().await.unwrap();
    let phone = new_home("Robin, new").await;
    add_device(&laptop, &phone).await.unwrap();
    for (one, other) in [(&phone, &laptop), (&laptop, &phone), (&phone, &kim), (&kim, &phone)] {
        introduce(one, other).await.unwrap();
    }
    in_step(&laptop, &kim, PATIENCE).await.unwrap();
    until("the phone at the partner's", async || devices(&kim).await.len() == 3).await;
    phone.create(Collection::Thanks, "before", "what", json!("said before")).await.unwrap();
    write(&phone, "written before").await;
    until("it everywhere", async || share_the_same(&phone, &kim).await && journal(&laptop).await.len() == 1).await;
    until("the phone in step", async || connected(&kim, &phone).await && connected(&laptop, &phone).await).await;

    // Renamed by its owner, for everybody; each decides about their own devices only.
    laptop.client().device_rename(&id_of(&phone).await, "Robin's phone").await.unwrap();
    until("its name", async || devices(&kim).await.iter().any(|device| device.name == "Robin's phone")).await;
    let (_, words) = refused(kim.client().device_remove("Robin's phone").await);
    assert!(words.contains("your partner's"), "{words}");
    let (_, words) = refused(laptop.client().device_remove(&id_of(&laptop).await).await);
    assert!(words.contains("in your hands"), "{words}");
    assert_eq!(refused(laptop.client().device_remove("nothing").await).0, ProblemKind::NotFound);

    // What was written on it goes on to count, so its last page has to be known.
    laptop.client().lock().await.unwrap();
    let (_, words) = refused(laptop.client().device_remove("Robin's phone").await);
    assert!(words.contains("Unlock"), "{words}");
    unlock(&laptop).await;
    laptop.client().device_remove("Robin's phone").await.unwrap();
    until("the end of its connections", async || !connected(&kim, &phone).await && !connected(&laptop, &phone).await)
        .await;
    for home in [&laptop, &kim] {
        assert!(devices(home).await.iter().any(|device| device.name == "Robin's phone" && device.removed));
    }
    phone.create(Collection::Thanks, "after", "what", json!("said after")).await.unwrap();
    write(&phone, "written after").await;
    phone.client().sync().await.unwrap();
    in_step(&laptop, &kim, PATIENCE).await.unwrap();
    for home in [&laptop, &kim] {
        let said = shared(home).await.unwrap().to_string();
        assert!(said.contains("said before") && !said.contains("said after"));
        assert!(!connected(home, &phone).await);
    }
    assert_eq!(journal(&laptop).await, ["written before"]);
    // What it holds remains there.
    assert_eq!(journal(&phone).await, ["written after", "written before"]);
}

async fn devices(home: &Home) -> Vec<Device> {
    home.client().devices().await.unwrap()
}

async fn id_of(home: &Home) -> String {
    devices(home).await.into_iter().find(|device| device.this).unwrap().id
}

async fn connected(home: &Home, with: &Home) -> bool {
    let id = id_of(with).await;
    devices(home).await.iter().any(|device| device.id == id && device.connected)
}

async fn unlock(home: &Home) {
    let passphrase = Secret::from(PASSPHRASE.to_owned());
    home.client().unlock(&UnlockRequest { passphrase }).await.unwrap();
}
