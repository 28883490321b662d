//! Small file systems of a test's own.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};

/// A mounted file system, unmounted when the value is dropped. Drop homes on it first.
#[derive(Debug)]
pub struct Mount {
    path: PathBuf,
}

impl Mount {
    /// A file system in memory that holds so many bytes.
    ///
    /// # Errors
    /// When it cannot be mounted; needs [`betwixt_testkit::needs::Need::Mounts`].
    pub fn small(path: &Path, bytes: u64) -> anyhow::Result<Self> {
        std::fs::create_dir_all(path)?;
        mount(&["-t", "tmpfs", "-o", &format!("size={bytes},mode=700"), "betwixt-test"], path)?;
        Ok(Self { path: path.to_owned() })
    }

    /// The same directory, so that nothing in it can be written.
    ///
    /// # Errors
    /// As [`Mount::small`].
    pub fn read_only(path: &Path) -> anyhow::Result<Self> {
        let text = path.to_string_lossy().into_owned();
        mount(&["--bind", &text], path)?;
        let mounted = Self { path: path.to_owned() };
        mount(&["-o", "remount,bind,ro"], path)?;
        Ok(mounted)
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").args(["--lazy"]).arg(&self.path).stderr(Stdio::null()).status();
    }
}

fn mount(arguments: &[&str], path: &Path) -> anyhow::Result<()> {
    let output = Command::new("mount").args(arguments).arg(path).output().context("`mount` does not start")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "`mount {} {}` says: {}", arguments.join(" "), path.display(), said.trim());
    Ok(())
}
