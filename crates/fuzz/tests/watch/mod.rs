//! Watches a body: what it allocates, how long it takes, whether it panics.
#![allow(clippy::print_stderr, reason = "a process that is about to end says why")]

use std::cell::Cell;
use std::fs;
use std::path::PathBuf;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use betwixt_fuzz::{Target, panics};
use peak_alloc::PeakAlloc;

/// What is allocated is counted, and not what the system has given the process for it: that is the same on every machine.
#[global_allocator]
static COUNTED: PeakAlloc = PeakAlloc;

/// What is counted is the whole process's, so one body runs at a time.
static ONE: Mutex<()> = Mutex::new(());

/// How long one input may take. Nothing here takes a second, not even unoptimised on a busy machine: what takes so long hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// One target, watched.
pub(crate) struct Watch {
    target: Target,
    /// Hears of the beginning and the end of every input.
    clock: Sender<()>,
    /// The most that an input has taken.
    most: Cell<usize>,
    _one: MutexGuard<'static, ()>,
}

impl Watch {
    /// Begins to watch. Panics that are caught where they belong are no longer printed.
    pub(crate) fn new(target: Target, patience: Duration) -> Self {
        let one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        panics::note_only();
        let (clock, ticks) = channel();
        let present = present(&target);
        thread::spawn(move || {
            while ticks.recv().is_ok() {
                match ticks.recv_timeout(patience) {
                    Ok(()) => {}
                    Err(RecvTimeoutError::Disconnected) => return,
                    Err(RecvTimeoutError::Timeout) => {
                        // A thread cannot be ended from outside; the process can.
                        eprintln!("{}: hangs. The input is {}", target.name, present.display());
                        std::process::exit(101);
                    }
                }
            }
        });
        Self { target, clock, most: Cell::new(0), _one: one }
    }

    /// What is there only once is made, and not counted.
    pub(crate) fn warm_up(&self, bytes: &[u8]) {
        let _ = panics::caught(|| (self.target.run)(bytes));
    }

    /// Runs the body.
    ///
    /// # Panics
    /// When the body does, or takes more memory than it may. The input is in a file then, which the message names; it is
    /// there, too, when the process was ended by something that cannot be caught.
    pub(crate) fn run(&self, bytes: &[u8], what: &str) {
        let present = present(&self.target);
        fs::write(&present, bytes).expect("an input can be written");
        self.clock.send(()).expect("the clock outlives the inputs");
        COUNTED.reset_peak_usage();
        let before = COUNTED.current_usage();
        let outcome = panics::caught(|| (self.target.run)(bytes));
        let taken = COUNTED.peak_usage().saturating_sub(before);
        self.clock.send(()).expect("the clock outlives the inputs");
        self.most.set(self.most.get().max(taken));
        let outcome = outcome.and_then(|()| {
            let within = taken <= self.target.memory;
            within.then_some(()).ok_or_else(|| format!("allocates {taken} bytes, of {} allowed", self.target.memory))
        });
        if let Err(why) = outcome {
            self.fail(&format!("{what}: {why}. The input is {}", present.display()));
        }
    }

    /// Fails, and says why: panics are not printed while this watches.
    pub(crate) fn fail(&self, why: &str) -> ! {
        drop(std::panic::take_hook());
        panic!("{}, {why}", self.target.name);
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if !thread::panicking() {
            drop(std::panic::take_hook());
            // For whoever sets the cap.
            eprintln!("{}: {} bytes at most, of {}", self.target.name, self.most.get(), self.target.memory);
            let _ = fs::remove_file(present(&self.target));
        }
    }
}

/// Where the present input lies.
pub(crate) fn present(target: &Target) -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{}.input", target.name))
}
