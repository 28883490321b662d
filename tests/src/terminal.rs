//! A person at a terminal: a program that runs on a pseudo-terminal of its own.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, tcgetattr};

const PATIENCE: Duration = Duration::from_secs(60);

/// A program on a terminal.
#[derive(Debug)]
pub struct Terminal {
    child: Child,
    keyboard: File,
    screen: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
    /// Up to where of the screen something was waited for.
    read: usize,
}

impl Terminal {
    /// Starts a program whose input, output and controlling terminal is a new pseudo-terminal. Needs `setsid` of
    /// util-linux, which every Linux has.
    ///
    /// # Errors
    /// When there is no pseudo-terminal, or the program does not start.
    pub fn start(command: &Command) -> anyhow::Result<Self> {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        grantpt(&master)?;
        unlockpt(&master)?;
        let name = ptsname(&master, Vec::new())?;
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let slave = File::from(rustix::fs::open(name.as_c_str(), flags, Mode::empty())?);
        let mut on_terminal = Command::new("setsid");
        on_terminal.args(["--ctty", "--wait"]).arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => on_terminal.env(name, value),
                None => on_terminal.env_remove(name),
            };
        }
        on_terminal.env("TERM", "dumb").stdin(slave.try_clone()?).stdout(slave.try_clone()?).stderr(slave);
        let child = on_terminal.spawn().context("`setsid` does not start")?;
        drop(on_terminal);
        let keyboard = File::from(master);
        let mut output = keyboard.try_clone()?;
        let screen = Arc::new(Mutex::new(Vec::new()));
        let shown = Arc::clone(&screen);
        let reader = std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            // An error is the end: nobody has the other side open any more.
            while let Ok(count @ 1..) = output.read(&mut bytes) {
                if let Ok(mut shown) = shown.lock() {
                    shown.extend_from_slice(&bytes[..count]);
                }
            }
        });
        Ok(Self { child, keyboard, screen, reader: Some(reader), read: 0 })
    }

    /// Everything that was shown.
    pub fn shown(&self) -> String {
        self.screen.lock().map(|screen| String::from_utf8_lossy(&screen).into_owned()).unwrap_or_default()
    }

    /// Waits until this is shown, after what was waited for before.
    ///
    /// # Errors
    /// With what is shown, when it does not come.
    pub fn wait_for(&mut self, text: &str) -> anyhow::Result<()> {
        let begun = Instant::now();
        loop {
            let shown = self.shown();
            if let Some(at) = shown.get(self.read..).and_then(|rest| rest.find(text)) {
                self.read += at + text.len();
                return Ok(());
            }
            ensure!(begun.elapsed() < PATIENCE, "{text:?} is not shown, but:\n{shown}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Types a line, which is shown.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn type_line(&mut self, line: &str) -> anyhow::Result<()> {
        Ok(self.keyboard.write_all(format!("{line}\n").as_bytes())?)
    }

    /// Types a line once the program has switched off that what is typed is shown.
    ///
    /// # Errors
    /// When it does not.
    pub fn type_secret(&mut self, line: &str) -> anyhow::Result<()> {
        let begun = Instant::now();
        while tcgetattr(&self.keyboard)?.local_modes.contains(LocalModes::ECHO) {
            ensure!(begun.elapsed() < PATIENCE, "what is typed would be shown:\n{}", self.shown());
            std::thread::sleep(Duration::from_millis(10));
        }
        self.type_line(line)
    }

    /// Waits until the program has ended, and answers how, and everything that was shown.
    ///
    /// # Errors
    /// When it does not end.
    pub fn end(mut self) -> anyhow::Result<(ExitStatus, String)> {
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait()? {
                break status;
            }
            ensure!(begun.elapsed() < PATIENCE, "it does not end:\n{}", self.shown());
            std::thread::sleep(Duration::from_millis(10));
        };
        // A daemon that it started may have the terminal open still, so the reader is not waited for for long.
        let begun = Instant::now();
        while self.reader.as_ref().is_some_and(|reader| !reader.is_finished()) && begun.elapsed().as_secs() < 1 {
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok((status, self.shown()))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It has ended, unless the test failed or wants no more of it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
