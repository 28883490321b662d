//! Writing long text in one's own editor, without leaving it anywhere else.
//!
//! The text lies in a directory of its own inside the home (0700), so that the editor's swap and backup files lie there,
//! too, and all of it is removed afterwards: also when the editor fails, and on signals. What a crash leaves behind is
//! removed at the next use.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use tokio::process::Command;
use tokio::signal::unix::{SignalKind, signal};

use crate::error::CommandError;
use crate::home::Home;

const PREFIX: &str = "editing-";
const LOCK_NAME: &str = "lock";

/// The text as it is after somebody edited it.
pub(crate) async fn edit(home: &Home, text: &str) -> Result<String, CommandError> {
    let editor =
        ["VISUAL", "EDITOR"].into_iter().find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
    edit_with(home.path(), &editor.unwrap_or_else(|| "vi".into()), text).await
}

async fn edit_with(home: &Path, editor: &str, text: &str) -> Result<String, CommandError> {
    sweep(home);
    let io = || CommandError::io("keeping the text for the editor");
    let directory = tempfile::Builder::new().prefix(PREFIX).tempdir_in(home).map_err(io())?;
    // Held until the end, so that nobody sweeps it away.
    let lock = File::create(directory.path().join(LOCK_NAME)).map_err(io())?;
    lock.lock().map_err(io())?;
    let path = directory.path().join("text.md");
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map_err(io())?;
    file.write_all(text.as_bytes()).map_err(io())?;
    drop(file);

    run(editor, &path).await?;
    // The editor may have put another file in the place of ours: read by name.
    let edited = fs::read_to_string(&path).map_err(CommandError::io("reading what the editor left"))?;
    directory.close().map_err(CommandError::io("removing what the editor left"))?;
    Ok(edited)
}

async fn run(editor: &str, path: &Path) -> Result<(), CommandError> {
    let failed = |reason: String| CommandError::Editor { editor: editor.to_owned(), reason };
    let signals = || CommandError::io("listening for signals");
    // Ctrl-C is the editor's while it runs; these would end us before the text is removed.
    let mut interrupt = signal(SignalKind::interrupt()).map_err(signals())?;
    let mut terminate = signal(SignalKind::terminate()).map_err(signals())?;
    let mut hangup = signal(SignalKind::hangup()).map_err(signals())?;
    // Through the shell, as git does it, so that `code --wait` works.
    let mut child = Command::new("sh")
        .arg("-c")
        .arg(format!("{editor} \"$1\""))
        .arg("sh")
        .arg(path)
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| failed(error.to_string()))?;
    loop {
        tokio::select! {
            exit = child.wait() => {
                let exit = exit.map_err(|error| failed(error.to_string()))?;
                return if exit.success() { Ok(()) } else { Err(failed(exit.to_string())) };
            }
            _ = interrupt.recv() => {}
            _ = terminate.recv() => return Err(CommandError::Stopped),
            _ = hangup.recv() => return Err(CommandError::Stopped),
        }
    }
}

/// Removes what a killed process left. Failing to is no reason not to write.
pub(crate) fn sweep(home: &Path) {
    let Ok(entries) = fs::read_dir(home) else { return };
    for entry in entries.flatten() {
        if !entry.file_name().to_string_lossy().starts_with(PREFIX) {
            continue;
        }
        let abandoned = match File::open(entry.path().join(LOCK_NAME)) {
            Ok(lock) => lock.try_lock().is_ok(),
            // Being made at this moment, or of no use to anybody: the next sweep sees.
            Err(_) => false,
        };
        if abandoned {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(home: &Path) -> usize {
        fs::read_dir(home).expect("there").count()
    }

    #[tokio::test]
    async fn what_was_edited_is_read_and_nothing_stays() {
        let home = tempfile::tempdir().expect("a directory");
        // Replaces the file by renaming, as many editors do, and leaves a backup beside it.
        let editor = r#"e() { cp "$1" "$1~"; (cat "$1"; echo more) > "$1.new"; mv "$1.new" "$1"; }; e"#;
        assert_eq!(edit_with(home.path(), editor, "some\n").await.expect("edits"), "some\nmore\n");
        assert_eq!(left(home.path()), 0);
    }

    #[tokio::test]
    async fn an_editor_that_fails_leaves_nothing_either() {
        let home = tempfile::tempdir().expect("a directory");
        let failed = edit_with(home.path(), "false", "secret").await.expect_err("fails");
        assert!(matches!(failed, CommandError::Editor { .. }));
        assert_eq!(left(home.path()), 0);
    }

    #[tokio::test]
    async fn what_a_killed_process_left_is_swept_and_what_is_in_use_is_not() {
        let home = tempfile::tempdir().expect("a directory");
        let dead = home.path().join("editing-dead");
        let alive = home.path().join("editing-alive");
        for directory in [&dead, &alive] {
            fs::create_dir(directory).expect("makes");
            fs::write(directory.join("text.md"), "secret").expect("writes");
        }
        File::create(dead.join(LOCK_NAME)).expect("makes");
        let lock = File::create(alive.join(LOCK_NAME)).expect("makes");
        lock.lock().expect("locks");
        sweep(home.path());
        assert!(!dead.exists() && alive.exists());
    }
}
