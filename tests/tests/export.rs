//! Exports: everything that one can read, for other programs; and backups, which open on another machine.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::Read;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use betwixt_api::{Collection, Export, ExportedItem, FieldState, Scope, SealAnswer};
use betwixt_tests::home::{Home, PASSPHRASE, couple_on_loopback, in_step, introduce};
use betwixt_tests::typed::said;
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(30);
const OWN: &str = "a word of its own";

fn typed(command: Command, lines: &[&str]) -> (bool, String) {
    said(command, lines).unwrap()
}

fn decrypted(path: &Path, passphrase: &str) -> Result<Vec<u8>, age::DecryptError> {
    let file = std::fs::File::open(path).unwrap();
    let identity = age::scrypt::Identity::new(passphrase.to_owned().into());
    let decryptor = age::Decryptor::new(file)?;
    let mut bytes = Vec::new();
    let identity: &dyn age::Identity = &identity;
    decryptor.decrypt(std::iter::once(identity))?.read_to_end(&mut bytes).unwrap();
    Ok(bytes)
}

fn of(export: &Export, collection: Collection) -> Vec<&ExportedItem> {
    export.items.iter().filter(|exported| exported.item.collection == collection).collect()
}

#[tokio::test]
async fn an_export_has_everything_with_who_said_it_and_is_encrypted_unless_said_otherwise() {
    let (first, second) = couple_on_loopback().await.unwrap();
    let goal = first.create(Collection::Goals, "goal-1", "title", json!("Cycle along the coast")).await.unwrap();
    first.create(Collection::Journal, "entry-1", "text", json!("I am not sure")).await.unwrap();
    in_step(&first, &second, PATIENCE).await.unwrap();
    second.say(Collection::Goals, &goal.id, "title", json!("Walk along the coast")).await.unwrap();
    second.create(Collection::Journal, "entry-2", "text", json!("Nobody reads this")).await.unwrap();
    in_step(&first, &second, PATIENCE).await.unwrap();
    // A question to which only one has answered yet.
    let asked =
        first.create(Collection::Sealed, "seal-1", "prompt", json!({ "text": "What do you wish for?" })).await.unwrap();
    let answer = SealAnswer { answer: "A garden".into(), seen: None };
    first.client().seal_answer(&asked.id, &answer).await.unwrap();
    in_step(&first, &second, PATIENCE).await.unwrap();

    let directory = tempfile::tempdir().unwrap();
    let (encrypted, plain) = (directory.path().join("us.json.age"), directory.path().join("us.json"));
    let (done, said) = typed(first.command(&["export", encrypted.to_str().unwrap()]), &[OWN]);
    assert!(done && said.contains("age --decrypt"), "{said}");
    let (done, said) = typed(first.command(&["export", plain.to_str().unwrap(), "--plain"]), &[]);
    assert!(done && said.contains("not encrypted"), "{said}");
    for path in [&encrypted, &plain] {
        let (done, said) = typed(first.command(&["export", path.to_str().unwrap(), "--plain"]), &[]);
        assert!(!done && said.contains("is there already"), "{said}");
    }
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 2, "nothing is left beside them");
    assert!(decrypted(&encrypted, PASSPHRASE).is_err());
    let bytes = decrypted(&encrypted, OWN).unwrap();
    assert_eq!(bytes, std::fs::read(&plain).unwrap(), "the same day, the same content");

    let export: Export = serde_json::from_slice(&bytes).unwrap();
    assert_eq!((export.format.as_str(), export.version, export.private), ("betwixt-export", 1, true));
    assert_eq!(export.count, export.items.len() as u64);
    assert_eq!(export.partner.as_ref().unwrap().name, "Kim");
    let goals = of(&export, Collection::Goals);
    assert_eq!((goals.len(), goals[0].who.as_deref(), goals[0].item.scope), (1, Some("Robin"), Scope::Ours));
    let said: Vec<(&str, &Value)> =
        goals[0].said.iter().map(|said| (said.who.as_str(), said.event.value.as_ref().unwrap())).collect();
    assert_eq!(said, [("Robin", &json!("Cycle along the coast")), ("Kim", &json!("Walk along the coast"))]);
    assert!(
        matches!(&goals[0].item.fields["title"].state, FieldState::Held { value, .. } if value == "Walk along the coast")
    );
    let journal = of(&export, Collection::Journal);
    assert_eq!((journal.len(), journal[0].item.scope), (1, Scope::Mine), "one's own alone");
    let sealed = of(&export, Collection::Sealed)[0].sealed.as_ref().unwrap();
    assert_eq!(sealed.yours.as_deref(), Some("A garden"));
    assert!(!String::from_utf8_lossy(&bytes).contains("Nobody reads this"));

    let theirs = directory.path().join("theirs.json");
    assert!(typed(second.command(&["export", theirs.to_str().unwrap(), "--plain"]), &[]).0);
    let theirs = std::fs::read_to_string(&theirs).unwrap();
    assert!(theirs.contains("Nobody reads this") && !theirs.contains("A garden") && !theirs.contains("I am not sure"));
}

#[tokio::test]
async fn whoever_leaves_takes_an_export_along() {
    let mut home = Home::on_loopback().unwrap();
    home.found("Robin").await.unwrap();
    home.create(Collection::Journal, "entry-1", "text", json!("I am not sure")).await.unwrap();
    home.down().await.unwrap();
    home.up().await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("mine.json.age");
    let command = home.command(&["leave", "--export", path.to_str().unwrap()]);
    let (done, said) = typed(command, &[PASSPHRASE, OWN, "leave"]);
    assert!(done, "{said}");
    assert!(!home.path().exists());
    let export: Export = serde_json::from_slice(&decrypted(&path, OWN).unwrap()).unwrap();
    assert!(export.private && of(&export, Collection::Journal).len() == 1);
}

/// Runs `betwixt` where the machine's id is another one.
fn elsewhere(home: &Home, arguments: &[&str], machine: &Path) -> Command {
    let plain = home.command(arguments);
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", "mount --bind \"$0\" /etc/machine-id && exec \"$@\""]);
    command.arg(machine).arg(plain.get_program()).args(plain.get_args());
    for (name, value) in plain.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
}

#[tokio::test]
async fn a_backup_is_restored_on_another_machine_and_goes_on_there_with_the_partner() {
    if !betwixt_testkit::needs::met(&[betwixt_testkit::needs::Need::Mounts]) || !Path::new("/etc/machine-id").exists() {
        return;
    }
    let (mut first, second) = couple_on_loopback().await.unwrap();
    first.create(Collection::Goals, "goal-1", "title", json!("Cycle along the coast")).await.unwrap();
    first.create(Collection::Journal, "entry-1", "text", json!("I am not sure")).await.unwrap();
    in_step(&first, &second, PATIENCE).await.unwrap();
    let stick = tempfile::tempdir().unwrap();
    let backup = stick.path().join("backup.betwixt");
    first.json(&["backup", backup.to_str().unwrap()]).unwrap();
    first.down().await.unwrap();

    let machine = stick.path().join("machine-id");
    std::fs::write(&machine, "0123456789abcdef0123456789abcdef\n").unwrap();
    // Nothing of the first machine is there but the backup.
    let new = Home::on_loopback().unwrap();
    std::fs::create_dir(new.path()).unwrap();
    let listen = format!("127.0.0.1:{}", new.port().unwrap());
    let mut daemon = elsewhere(&new, &["up", "--listen", &listen, "--no-discovery"], &machine).spawn().unwrap();
    let begun = std::time::Instant::now();
    while new.client().status().await.is_err() {
        assert!(begun.elapsed() < PATIENCE, "the daemon does not answer");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(typed(new.command(&["restore", backup.to_str().unwrap()]), &[]).0);
    let (done, said) = typed(new.command(&["unlock"]), &["not the passphrase"]);
    assert!(!done && said.contains("That does not open the home"), "{said}");
    assert!(typed(new.command(&["unlock"]), &[PASSPHRASE]).0);
    let status = new.client().status().await.unwrap();
    assert_eq!(status.me.unwrap().name, "Robin");
    assert!(status.troubles.iter().any(|trouble| trouble.contains("restored")), "{:?}", status.troubles);
    let journal = new.json(&["journal", "--list"]).unwrap().to_string();
    assert!(journal.contains("I am not sure"), "{journal}");
    introduce(&new, &second).await.unwrap();
    introduce(&second, &new).await.unwrap();
    new.create(Collection::Goals, "goal-2", "title", json!("Sleep in a tent")).await.unwrap();
    in_step(&new, &second, PATIENCE).await.unwrap();
    let goals = second.json(&["goal", "list"]).unwrap().to_string();
    assert!(goals.contains("Cycle along the coast") && goals.contains("Sleep in a tent"), "{goals}");
    new.client().down().await.unwrap();
    daemon.wait().unwrap();
}
