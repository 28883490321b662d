//! A slow disk under a daemon's database, which also tells whether the daemon was in the middle of a commit.
//!
//! On a fast disk a commit is over before a test could hit it. So a small C library (`slow_disk.c`, compiled here by the C
//! compiler that building Betwixt needs anyway) is loaded into the daemon before the C library. It makes every write and
//! sync of the database wait, and writes a mark before and after each into a file. The daemon itself knows nothing of it.
//! Linux with a dynamic C library only.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, ensure};
use tempfile::TempDir;

use crate::home::Home;

const SOURCE: &str = include_str!("slow_disk.c");

/// The compiled library.
#[derive(Debug)]
pub struct SlowDisk {
    directory: TempDir,
    write: Duration,
    sync: Duration,
}

/// Where a daemon was in its writing when it was killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Moment {
    /// Nothing of a commit was under way.
    Between,
    /// Some pages of a commit were written and others were not.
    AmongWrites,
    /// All pages were written, and the disk had not answered that it has them.
    InSync,
}

impl SlowDisk {
    /// Compiles the library. Each write and each sync waits for so long before it is carried out.
    ///
    /// # Errors
    /// When there is no C compiler, or it refuses.
    pub fn compile(write: Duration, sync: Duration) -> anyhow::Result<Self> {
        let directory = TempDir::with_prefix("betwixt-slow-disk-")?;
        let source = directory.path().join("slow_disk.c");
        std::fs::write(&source, SOURCE)?;
        let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
        let output = Command::new(compiler)
            .args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"])
            .arg(directory.path().join("slow_disk.so"))
            .arg(&source)
            .arg("-ldl")
            .stdin(Stdio::null())
            .output()
            .context("no C compiler starts")?;
        ensure!(output.status.success(), "the C compiler says: {}", String::from_utf8_lossy(&output.stderr));
        Ok(Self { directory, write, sync })
    }

    /// Puts a home on it: every daemon that is started for it from now on. Answers the file of its marks.
    pub fn carry(&self, home: &mut Home, name: &str) -> Marks {
        let marks = self.directory.path().join(name);
        let text = |path: &Path| path.to_string_lossy().into_owned();
        home.set_environment("LD_PRELOAD", &text(&self.directory.path().join("slow_disk.so")));
        home.set_environment("SLOW_DISK_MARKS", &text(&marks));
        home.set_environment("SLOW_DISK_WRITE", &self.write.as_micros().to_string());
        home.set_environment("SLOW_DISK_SYNC", &self.sync.as_micros().to_string());
        Marks(marks)
    }
}

/// What the library has written down about one home's daemons.
#[derive(Debug)]
pub struct Marks(PathBuf);

impl Marks {
    /// Where the daemon was when it ended. Ask once it is gone and before the next one begins; earlier marks are
    /// forgotten.
    ///
    /// # Errors
    /// When the library was not loaded: nothing was marked at all.
    pub fn take(&self) -> anyhow::Result<Moment> {
        let marks = std::fs::read(&self.0).context("the slow disk was not loaded into the daemon")?;
        std::fs::write(&self.0, [])?;
        match marks.last() {
            None | Some(b'e') => Ok(Moment::Between),
            Some(b'w') => Ok(Moment::AmongWrites),
            Some(b's') => Ok(Moment::InSync),
            Some(other) => anyhow::bail!("{other} is no mark"),
        }
    }
}
