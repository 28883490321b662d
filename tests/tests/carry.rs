//! Files that are carried by hand, between daemons that do not meet.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use betwixt_api::{CarryReport, Collection, Scope, Secret, UnlockRequest};
use betwixt_tests::home::{Home, PASSPHRASE, add_device, couple_on_loopback, in_step, introduce, shared};
use serde_json::json;

const PATIENCE: Duration = Duration::from_secs(20);

/// Writes a file for a device, and answers where it is.
fn export(home: &Home, device: &str, directory: &Path, name: &str, more: &[&str]) -> PathBuf {
    let path = directory.join(name);
    let arguments = [&["carry", "export", "--for", device, path.to_str().unwrap()], more].concat();
    home.json(&arguments).unwrap();
    path
}

fn import(home: &Home, path: &Path) -> CarryReport {
    serde_json::from_value(home.json(&["carry", "import", path.to_str().unwrap()]).unwrap()).unwrap()
}

/// How many things came: of one's own, and of the other's.
fn came(report: &CarryReport) -> (u64, u64) {
    let of = |own| report.came.iter().filter(|came| came.own == own).map(|came| came.things).sum();
    (of(true), of(false))
}

/// What the command says, and the code that it ends with, where it is refused.
fn refused(home: &Home, arguments: &[&str]) -> (String, i32) {
    let output = home.run(arguments).unwrap();
    assert!(!output.status.success(), "{arguments:?} was not refused");
    (String::from_utf8(output.stderr).unwrap(), output.status.code().unwrap())
}

fn refused_import(home: &Home, path: &Path) -> (String, i32) {
    refused(home, &["carry", "import", path.to_str().unwrap()])
}

async fn part(homes: &[&Home]) {
    for home in homes {
        home.client().pause().await.unwrap();
    }
}

async fn journal(home: &Home) -> Vec<String> {
    let entries = home.client().items(Collection::Journal, Some(Scope::Mine)).await.unwrap();
    let texts = entries.iter().filter_map(|entry| entry.fields.get("text")?.held()?.as_str().map(str::to_owned));
    let mut texts: Vec<String> = texts.collect();
    texts.sort();
    texts
}

fn holds(path: &Path, text: &str) -> bool {
    let bytes = std::fs::read(path).unwrap();
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[tokio::test]
async fn two_who_do_not_meet_carry_files_both_ways_and_have_the_same() {
    let (first, second) = couple_on_loopback().await.unwrap();
    let goal = first.create(Collection::Goals, "goal", "title", json!("Cycle along the coast")).await.unwrap();
    in_step(&first, &second, PATIENCE).await.unwrap();
    part(&[&first, &second]).await;
    first.say(Collection::Goals, &goal.id, "title", json!("Cycle along the river")).await.unwrap();
    second.say(Collection::Goals, &goal.id, "title", json!("Walk along the coast")).await.unwrap();
    second.create(Collection::Thanks, "thanks", "what", json!("the tea")).await.unwrap();
    first.create(Collection::Journal, "entry", "text", json!("what only I may read")).await.unwrap();

    let stick = tempfile::tempdir().unwrap();
    let path = export(&first, "Kim's laptop", stick.path(), "for-kim", &[]);
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    for text in ["Cycle along", "what only I may read", "Kim", "Robin", "goal"] {
        assert!(!holds(&path, text), "{text} is readable");
    }
    // Nothing is overwritten unless it is said, and nothing else lies beside it.
    let again = ["carry", "export", "--for", "Kim's laptop", path.to_str().unwrap()];
    let (said, code) = refused(&first, &again);
    assert!(said.contains("is there already") && code == 6, "{said}");
    first.json(&[&again[..], &["--overwrite"]].concat()).unwrap();
    assert_eq!(std::fs::read_dir(stick.path()).unwrap().count(), 1);

    let output = second.run(&["carry", "import", path.to_str().unwrap()]).unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && said.contains("From Robin: 1 thing"), "{said}");
    assert!(said.contains("To settle: 1 thing"), "{said}");
    let output = second.run(&["carry", "import", path.to_str().unwrap()]).unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.starts_with("Nothing new: everything in it is here."), "{said}");

    let back = export(&second, "Robin's laptop", stick.path(), "for-robin", &[]);
    assert_eq!(came(&import(&first, &back)), (0, 2));
    assert_eq!(shared(&first).await.unwrap(), shared(&second).await.unwrap());
    // What came tells what its writer has: the next file is without it, and one that was forgotten in between does no harm.
    first.create(Collection::Thanks, "more", "what", json!("the walk")).await.unwrap();
    let lost = export(&first, "Kim's laptop", stick.path(), "lost", &[]);
    first.create(Collection::Thanks, "most", "what", json!("the song")).await.unwrap();
    let later = export(&first, "Kim's laptop", stick.path(), "later", &[]);
    assert_eq!(came(&import(&second, &later)), (0, 2));
    assert_eq!(came(&import(&second, &lost)), (0, 0));
    assert_eq!(came(&import(&second, &path)), (0, 0));
    assert_eq!(shared(&first).await.unwrap(), shared(&second).await.unwrap());
    assert_eq!(journal(&second).await, Vec::<String>::new());

    // Nothing was advanced by it: they meet as ever.
    second.create(Collection::Thanks, "last", "what", json!("the bread")).await.unwrap();
    for home in [&first, &second] {
        home.client().resume().await.unwrap();
    }
    in_step(&first, &second, PATIENCE).await.unwrap();
    assert_eq!(shared(&first).await.unwrap(), shared(&second).await.unwrap());
    let mut second = second;
    second.down().await.unwrap();
    assert_eq!(second.files_with(b"what only I may read").unwrap(), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn private_stays_home_private_pages_are_carried_to_a_device_of_ones_own_while_they_are_open_on_both() {
    let (laptop, kim) = couple_on_loopback().await.unwrap();
    let mut phone = Home::on_loopback().unwrap();
    phone.found("Robin, new").await.unwrap();
    add_device(&laptop, &phone).await.unwrap();
    introduce(&phone, &laptop).await.unwrap();
    in_step(&phone, &laptop, PATIENCE).await.unwrap();
    in_step(&laptop, &kim, PATIENCE).await.unwrap();
    part(&[&laptop, &phone, &kim]).await;
    laptop.create(Collection::Journal, "entry", "text", json!("what only I may read")).await.unwrap();
    laptop.create(Collection::Thanks, "thanks", "what", json!("the tea")).await.unwrap();
    let devices = laptop.client().devices().await.unwrap();
    let id = &devices.iter().find(|device| device.own && !device.this).unwrap().id;
    let stick = tempfile::tempdir().unwrap();

    let whole = export(&laptop, id, stick.path(), "whole", &[]);
    assert!(!holds(&whole, "what only I may read"));
    laptop.client().lock().await.unwrap();
    let path = stick.path().join("locked");
    let (said, code) = refused(&laptop, &["carry", "export", "--for", id, path.to_str().unwrap()]);
    assert!(said.contains("--shared-only") && code == 3 && !path.exists(), "{said}");
    let partly = export(&laptop, id, stick.path(), "partly", &["--shared-only"]);
    let for_kim = export(&laptop, "Kim's laptop", stick.path(), "for-kim", &[]);

    // Locked, it takes what is shared, and nothing of a file that brings more.
    phone.client().lock().await.unwrap();
    let (said, code) = refused_import(&phone, &whole);
    assert!(said.contains("betwixt unlock") && code == 3, "{said}");
    assert_eq!(came(&import(&phone, &partly)), (1, 0));
    phone.client().unlock(&UnlockRequest { passphrase: Secret::from(PASSPHRASE.to_owned()) }).await.unwrap();
    assert_eq!(journal(&phone).await, Vec::<String>::new());
    let report = import(&phone, &whole);
    assert_eq!((came(&report), report.came[0].private), ((1, 0), 1));
    assert_eq!(journal(&phone).await, ["what only I may read"]);

    // And what Kim gets is none of it.
    assert_eq!(came(&import(&kim, &for_kim)), (0, 1));
    assert_eq!(journal(&kim).await, Vec::<String>::new());
    let everything = kim.json(&["export", stick.path().join("kim.json").to_str().unwrap(), "--plain"]);
    everything.unwrap();
    assert!(!holds(&stick.path().join("kim.json"), "what only I may read"));
}

#[tokio::test]
async fn hostile_input_is_an_error_files_that_are_damaged_foreign_or_of_a_removed_device() {
    let (laptop, kim) = couple_on_loopback().await.unwrap();
    let mut phone = Home::on_loopback().unwrap();
    phone.found("Robin, new").await.unwrap();
    add_device(&laptop, &phone).await.unwrap();
    introduce(&phone, &laptop).await.unwrap();
    in_step(&phone, &laptop, PATIENCE).await.unwrap();
    in_step(&laptop, &kim, PATIENCE).await.unwrap();
    part(&[&laptop, &phone, &kim]).await;
    laptop.create(Collection::Thanks, "thanks", "what", json!("the tea")).await.unwrap();
    phone.create(Collection::Thanks, "of the phone", "what", json!("the walk")).await.unwrap();
    let stick = tempfile::tempdir().unwrap();
    let for_kim = export(&laptop, "Kim's laptop", stick.path(), "for-kim", &[]);
    let of_the_phone = export(&phone, "Robin's laptop", stick.path(), "of-the-phone", &[]);

    let (said, code) = refused_import(&phone, &for_kim);
    assert!(said.contains("not for this device") && code == 6, "{said}");
    let (said, _) = refused_import(&laptop, &for_kim);
    assert!(said.contains("was written on this device, for another one"), "{said}");
    let whole = std::fs::read(&for_kim).unwrap();
    let altered = |name: &str, alter: &dyn Fn(&mut Vec<u8>)| {
        let (path, mut bytes) = (stick.path().join(name), whole.clone());
        alter(&mut bytes);
        std::fs::write(&path, bytes).unwrap();
        refused_import(&kim, &path).0
    };
    assert!(altered("short", &|bytes| bytes.truncate(bytes.len() - 1)).contains("cut short"));
    assert!(altered("flipped", &|bytes| *bytes.last_mut().unwrap() ^= 1).contains("damaged"));
    assert!(altered("newer", &|bytes| bytes[8] = 2).contains("newer version"));
    assert!(altered("else", &|bytes| *bytes = b"{}".to_vec()).contains("is no file that `betwixt carry export` wrote"));
    assert_eq!(kim.client().items(Collection::Thanks, None).await.unwrap().len(), 0, "nothing of them was taken in");
    let (said, code) = refused_import(&kim, &stick.path().join("nothing"));
    assert!(said.contains("no such file") && code == 4, "{said}");
    let (said, _) = refused_import(&kim, stick.path());
    assert!(said.contains("That is no file"), "{said}");

    laptop.json(&["devices", "remove", "Robin, new's laptop", "--yes"]).unwrap();
    let (said, code) = refused_import(&laptop, &of_the_phone);
    assert!(said.contains("was removed") && code == 6, "{said}");
    let path = stick.path().join("never");
    let (said, _) = refused(&laptop, &["carry", "export", "--for", "Robin, new's laptop", path.to_str().unwrap()]);
    assert!(said.contains("it gets nothing more") && !path.exists(), "{said}");
    // Whoever has not heard of it yet does with the next file, and takes nothing of the phone's after that.
    let for_kim_too = export(&phone, "Kim's laptop", stick.path(), "for-kim-too", &[]);
    let news = export(&laptop, "Kim's laptop", stick.path(), "news", &[]);
    assert!(import(&kim, &news).devices_changed);
    let (said, _) = refused_import(&kim, &for_kim_too);
    assert!(said.contains("was removed"), "{said}");
    assert_eq!(shared(&kim).await.unwrap(), shared(&laptop).await.unwrap());
}
