//! What the kernel says of a process and of a file system.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;

/// How many bytes the process has handed to the file systems since it began.
pub(crate) fn written(process: u32) -> anyhow::Result<u64> {
    let text = std::fs::read_to_string(format!("/proc/{process}/io"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("write_bytes: "));
    Ok(line.context("the kernel does not count written bytes")?.trim().parse()?)
}

/// How much memory it has resident, in bytes.
pub(crate) fn resident(process: u32) -> anyhow::Result<u64> {
    status(process, "VmRSS:")
}

/// How much CPU time each of its threads has used, to the nanosecond.
pub(crate) fn cpu(process: u32) -> anyhow::Result<BTreeMap<OsString, Duration>> {
    let mut threads = BTreeMap::new();
    for task in std::fs::read_dir(format!("/proc/{process}/task"))? {
        let task = task?;
        // A thread may end while this reads.
        let Ok(text) = std::fs::read_to_string(task.path().join("schedstat")) else { continue };
        let running = text.split_whitespace().next().context("the kernel does not tell the CPU time of threads")?;
        threads.insert(task.file_name(), Duration::from_nanos(running.parse()?));
    }
    Ok(threads)
}

/// How much its threads have used since `before`. What one that has ended since used is not in it.
pub(crate) fn cpu_since(process: u32, before: &BTreeMap<OsString, Duration>) -> anyhow::Result<Duration> {
    let now = cpu(process)?;
    Ok(now.iter().map(|(thread, used)| used.saturating_sub(before.get(thread).copied().unwrap_or_default())).sum())
}

/// How much CPU time it has used in all, threads that have ended among them, to a hundredth of a second.
pub(crate) fn whole_cpu(process: u32) -> anyhow::Result<Duration> {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    // What comes before may hold spaces: the program's name, in brackets.
    let (_, rest) = text.rsplit_once(')').context("the kernel does not tell of the process")?;
    // Fields 14 and 15 of proc_pid_stat(5), of which the third comes first here; in hundredths, as Linux tells programs.
    let ticks = rest.split_whitespace().skip(11).take(2).map(str::parse::<u64>);
    Ok(Duration::from_millis(ticks.sum::<Result<u64, _>>()? * 10))
}

/// Forgets how much memory it had resident at most until now.
pub(crate) fn forget_peak(process: u32) -> anyhow::Result<()> {
    // proc_pid_clear_refs(5): 5 is the peak.
    Ok(std::fs::write(format!("/proc/{process}/clear_refs"), "5")?)
}

/// How much memory it had resident at most, in bytes.
pub(crate) fn peak(process: u32) -> anyhow::Result<u64> {
    status(process, "VmHWM:")
}

fn status(process: u32, name: &str) -> anyhow::Result<u64> {
    let text = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let kilobytes = line.and_then(|line| line.split_whitespace().next());
    Ok(kilobytes.with_context(|| format!("the kernel does not tell {name}"))?.parse::<u64>()? * 1024)
}

/// The machine in a line: kernel, processors, and the file system that holds `directory`.
pub(crate) fn machine(directory: &Path) -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let kernel = read("/proc/sys/kernel/osrelease").trim().to_owned();
    let processors = read("/proc/cpuinfo");
    let mut models = processors.lines().filter_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let (count, model) = (models.clone().count(), models.next().map_or("unknown", |(_, model)| model).to_owned());
    let load = read("/proc/loadavg").split(' ').next().unwrap_or_default().to_owned();
    let system = file_system(directory).unwrap_or_else(|| "an unknown file system".into());
    format!("Linux {kernel}, {count} x {model}, load {load}; homes on {system}")
}

/// The type and source of the file system that holds a path.
pub(crate) fn file_system(path: &Path) -> Option<String> {
    let path = path.canonicalize().ok()?;
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
    let mut best: Option<(usize, String)> = None;
    for line in mounts.lines() {
        let (before, after) = line.split_once(" - ")?;
        let at = Path::new(before.split(' ').nth(4)?);
        let depth = at.components().count();
        if path.starts_with(at) && best.as_ref().is_none_or(|(deepest, _)| depth >= *deepest) {
            let mut words = after.split(' ');
            best = Some((depth, format!("{} ({})", words.next()?, words.next()?)));
        }
    }
    best.map(|(_, name)| name)
}
