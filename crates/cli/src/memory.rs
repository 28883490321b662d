//! Keeping what is in memory there: keys, passphrases, and what somebody writes.

/// No core dumps of this process, and none of what it starts (one's editor). Best effort: where the system refuses, the
/// process goes on.
pub(crate) fn keep_to_itself() {
    use rustix::process::{Resource, Rlimit, setrlimit};

    if let Err(error) = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) }) {
        tracing::warn!(%error, "core dumps cannot be switched off");
    }
    // The limit does not count where the system hands dumps to a program (a `core_pattern` that begins with `|`). This
    // does, and it keeps other processes of the same user from looking into the memory, too.
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable) {
        tracing::warn!(%error, "other processes cannot be kept from this one's memory");
    }
}
