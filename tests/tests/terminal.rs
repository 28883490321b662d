//! A person at a terminal: what is asked, what is typed unseen, and one's own editor.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use betwixt_api::{Pairing, Phase, Scope, StartPairing};
use betwixt_tests::home::{Home, PASSPHRASE, contains};
use betwixt_tests::terminal::Terminal;
use serde_json::json;

#[tokio::test]
async fn a_home_is_made_and_opened_at_a_terminal_and_the_passphrase_is_never_shown() {
    let mut home = Home::on_loopback().unwrap();
    home.up().await.unwrap();

    // A slip of the hand makes nothing.
    let mut terminal = Terminal::start(&home.command(&["init"])).unwrap();
    terminal.wait_for("What name do you go by?").unwrap();
    terminal.type_line("Robin").unwrap();
    terminal.wait_for("What is this device called?").unwrap();
    terminal.type_line("").unwrap();
    terminal.wait_for("Choose a passphrase").unwrap();
    terminal.type_secret(PASSPHRASE).unwrap();
    terminal.wait_for("The same once more").unwrap();
    terminal.type_secret("a lantern in the door").unwrap();
    let (status, shown) = terminal.end().unwrap();
    assert!(!status.success() && shown.contains("Nothing was made"), "{shown}");
    assert!(!shown.contains("lantern"), "{shown}");
    assert_eq!(home.client().status().await.unwrap().phase, Phase::New);

    let mut terminal = Terminal::start(&home.command(&["init"])).unwrap();
    terminal.wait_for("What name do you go by?").unwrap();
    terminal.type_line("Robin").unwrap();
    terminal.wait_for("What is this device called?").unwrap();
    terminal.type_line("the old laptop").unwrap();
    for question in ["Choose a passphrase", "The same once more"] {
        terminal.wait_for(question).unwrap();
        terminal.type_secret(PASSPHRASE).unwrap();
    }
    let (status, shown) = terminal.end().unwrap();
    assert!(status.success() && shown.contains("Recovery code: "), "{shown}");
    assert!(shown.contains("Robin") && !shown.contains("lantern"), "{shown}");
    let status = home.client().status().await.unwrap();
    assert_eq!((status.phase, status.me.unwrap().name.as_str()), (Phase::Open, "Robin"));

    home.client().lock().await.unwrap();
    for (typed, opens) in [("a lantern in the door", false), (PASSPHRASE, true)] {
        let mut terminal = Terminal::start(&home.command(&["unlock"])).unwrap();
        terminal.wait_for("Passphrase:").unwrap();
        terminal.type_secret(typed).unwrap();
        let (status, shown) = terminal.end().unwrap();
        assert_eq!(status.success(), opens, "{shown}");
        assert!(!shown.contains("lantern"), "{shown}");
        assert_eq!(home.client().status().await.unwrap().private_locked, !opens);
    }
}

/// Command lines and environments of all processes.
fn process_list() -> Vec<Vec<u8>> {
    let processes = std::fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    processes.flat_map(|path| ["cmdline", "environ"].map(|name| std::fs::read(path.join(name)))).flatten().collect()
}

#[tokio::test]
async fn a_pairing_code_that_is_typed_is_in_no_process_list() {
    let (mut first, mut second) = (Home::on_loopback().unwrap(), Home::on_loopback().unwrap());
    first.found("Robin").await.unwrap();
    second.found("Kim").await.unwrap();
    let offer = first.client().pairing_start(&StartPairing::default()).await.unwrap();
    let Pairing::Offering { code, addresses, .. } = offer else { panic!("no code shows") };
    let mut terminal = Terminal::start(&second.command(&["pair", "--enter", "--at", addresses[0].as_str()])).unwrap();
    terminal.wait_for("The code that the other device shows:").unwrap();
    terminal.type_line(code.reveal()).unwrap();
    // It was taken and is being used when the question comes.
    terminal.wait_for("your partner").unwrap();
    let bare = code.reveal().replace('-', "");
    let list = process_list();
    assert!(list.iter().any(|words| contains(words, b"--enter")), "the command is in the list");
    for words in list {
        assert!(!contains(&words, code.reveal().as_bytes()) && !contains(&words, bare.as_bytes()), "the code is, too");
    }
}

#[tokio::test]
async fn what_is_written_in_ones_own_editor_at_a_terminal_is_said_and_left_nowhere_else() {
    let mut home = Home::on_loopback().unwrap();
    home.found("Robin").await.unwrap();
    let outside = tempfile::tempdir().unwrap();
    let editor = outside.path().join("editor");
    // It asks on the terminal, as editors do, and fails where there is none.
    let script = "[ -t 0 ] && [ -t 1 ] || exit 9\necho 'editing:'\nread line\nprintf '%s' \"$line\" > \"$1\"\n";
    std::fs::write(&editor, script).unwrap();
    home.set_environment("EDITOR", &format!("sh {}", editor.display()));
    home.set_environment("VISUAL", "");
    let mut terminal = Terminal::start(&home.command(&["vision", "edit"])).unwrap();
    terminal.wait_for("editing:").unwrap();
    terminal.type_line("A calm, open home.").unwrap();
    let (status, shown) = terminal.end().unwrap();
    assert!(status.success(), "{shown}");
    let vision = home.client().vision(Some(Scope::Mine)).await.unwrap();
    assert_eq!(vision.fields["draft"].held(), Some(&json!("A calm, open home.")));
    assert_eq!(home.files_with(b"A calm, open home").unwrap(), Vec::<std::path::PathBuf>::new());
    let left = std::fs::read_dir(home.path()).unwrap().flatten();
    assert!(left.into_iter().all(|entry| !contains(entry.file_name().as_encoded_bytes(), b"editing")));

    // Without a terminal the editor fails, and nothing is said.
    let output = home.run(&["vision", "edit"]).unwrap();
    assert!(!output.status.success());
    let vision = home.client().vision(Some(Scope::Mine)).await.unwrap();
    assert_eq!(vision.fields["draft"].held(), Some(&json!("A calm, open home.")));
}
