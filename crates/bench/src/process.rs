//! What the kernel says of a process.

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
    let text = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()).context("the kernel does not tell VmRSS")?;
    Ok(kilobytes.parse::<u64>()? * 1024)
}

/// How much CPU time it has used.
pub(crate) fn cpu(process: u32) -> anyhow::Result<Duration> {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The name, in brackets, may hold anything.
    let (_, fields) = text.rsplit_once(')').context("/proc/PID/stat has another form")?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok());
    let ticks = ticks(11).zip(ticks(12)).map(|(user, system)| user + system);
    // Linux counts these in hundredths of a second on every platform (USER_HZ).
    Ok(Duration::from_millis(10 * ticks.context("/proc/PID/stat has another form")?))
}
