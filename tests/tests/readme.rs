//! What the README promises a newcomer: from nothing to the list of goals, with the commands that stand there.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::{Command, Stdio};

use betwixt_testkit::needs::{Need, met};
use betwixt_tests::binary::betwixt;
use betwixt_tests::home::{Home, PASSPHRASE};
use betwixt_tests::terminal::Terminal;

/// The commands of the README's block that ends with a request over the socket.
fn commands() -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let text = std::fs::read_to_string(path).unwrap();
    let mut blocks =
        text.split("\n\n").map(|block| block.lines().map(str::trim).map(str::to_owned).collect::<Vec<_>>());
    blocks.find(|block| block.last().is_some_and(|line| line.starts_with("curl --unix-socket"))).unwrap()
}

#[tokio::test]
async fn three_commands_of_the_readme_lead_from_nothing_to_the_list_of_goals() {
    if !met(&[Need::Curl]) {
        return;
    }
    let commands = commands();
    assert_eq!(commands.len(), 3, "{commands:?}");
    // What it installs is built already; that it is called so is for the path to show.
    assert_eq!(commands[0], "cargo install --locked --path crates/cli");
    let person = tempfile::tempdir().unwrap();
    let programs = person.path().join("bin");
    std::fs::create_dir(&programs).unwrap();
    std::os::unix::fs::symlink(betwixt(), programs.join("betwixt")).unwrap();
    // A daemon that listens on loopback alone, where the newcomer's would be, so that theirs is not started.
    let mut home = Home::on_loopback().unwrap();
    let data = person.path().join(".local/share");
    std::fs::create_dir_all(&data).unwrap();
    home.move_to(data.join("betwixt"));
    home.up().await.unwrap();
    let typed = |line: &str| {
        let mut command = Command::new("sh");
        command.args(["-c", line]).current_dir(person.path()).env("HOME", person.path());
        command.env_remove("BETWIXT_HOME").env_remove("XDG_DATA_HOME");
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{}:{path}", programs.display()));
        command
    };
    let mut terminal = Terminal::start(&typed(&commands[1])).unwrap();
    terminal.wait_for("What name do you go by?").unwrap();
    terminal.type_line("Robin").unwrap();
    terminal.wait_for("What is this device called?").unwrap();
    terminal.type_line("").unwrap();
    for question in ["Choose a passphrase", "The same once more"] {
        terminal.wait_for(question).unwrap();
        terminal.type_secret(PASSPHRASE).unwrap();
    }
    let (status, shown) = terminal.end().unwrap();
    assert!(status.success() && shown.contains("Recovery code: "), "{shown}");
    let goals = || {
        let output = typed(&commands[2]).stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(goals(), r#"{"items":[]}"#);
    assert!(typed("betwixt goal add 'Cycle along the coast'").stdin(Stdio::null()).status().unwrap().success());
    assert!(goals().contains("Cycle along the coast"));
}
