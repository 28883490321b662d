//! Every body, and what it may take.

mod adverts;
mod api;
mod bridge;
mod carry;
mod chunks;
mod facts;
mod pairing;
mod prose;
mod rituals;
mod roster;
mod session;
mod store;
mod wire;

pub(crate) use adverts::their_pair;
pub(crate) use bridge::{SYNC, cbor, wrapped};
pub(crate) use carry::inside;
pub(crate) use chunks::fixture;
pub(crate) use pairing::local;
pub(crate) use roster::chains;
pub(crate) use store::{key_file, keys};

const MIB: usize = 1024 * 1024;

/// A body, its name, and the caps under which it has to stay.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Names it, its corpus and its libFuzzer target.
    pub name: &'static str,
    /// The body: panics when something is wrong.
    pub run: fn(&[u8]),
    /// The longest input that is drawn, in bytes.
    pub longest: usize,
    /// Bytes that may be allocated at once beyond what was before the input: a good deal more than any kept input takes, what
    /// the caps allow for an input of that length to inflate to, and nothing that an input merely claims.
    pub memory: usize,
    /// How many altered inputs the tests try by default.
    pub tries: u64,
    /// Where the kept inputs have to come ([`crate::reached`]).
    pub reaches: &'static [&'static str],
}

const fn target(
    name: &'static str,
    run: fn(&[u8]),
    (longest, memory, tries): (usize, usize, u64),
    reaches: &'static [&'static str],
) -> Target {
    Target { name, run, longest, memory, tries, reaches }
}

/// Every target.
pub const TARGETS: &[Target] = &[
    target("adverts", adverts::heard, (1024, MIB, 2_000), &["a peer", "digits", "an address"]),
    target("api_requests", api::requests, (4096, 2 * MIB, 2_000), &["done", "refused"]),
    target("archives", store::archives, (8192, 4 * MIB, 200), &["restored", "refused"]),
    target("bridge", bridge::messages, (4096, 64 * MIB, 300), &["answered"]),
    target("carry", carry::files, (4096, 64 * MIB, 200), &["whole", "refused", "changes", "private"]),
    target("changes", chunks::changes, (4096, 64 * MIB, 1_000), &["applied"]),
    target("datagrams", adverts::datagrams, (4096, MIB, 2_000), &["kept", "dropped"]),
    target("documents", chunks::documents, (8192, 128 * MIB, 500), &["loaded"]),
    target("fact_lives", facts::lives, (2048, 4 * MIB, 200), &["several facts", "shown"]),
    target("facts", facts::texts, (4096, MIB, 2_000), &["a fact", "signed"]),
    target("gate", chunks::gate, (1024, 8 * MIB, 200), &["admitted", "refused"]),
    target("keys_files", store::keys_files, (4096, MIB, 1_000), &["read", "opened", "a recovery code"]),
    target("pairing", pairing::operations, (1024, MIB, 200), &["both paired", "declined"]),
    target("pairing_frames", pairing::frames, (2048, MIB, 2_000), &["a frame", "a message", "a code", "a ticket"]),
    target("pairing_proven", pairing::proven, (4096, MIB, 500), &["asked"]),
    target("presents", wire::presents, (4096, 16 * MIB, 1_000), &["a present", "signed"]),
    target("prose", prose::merged, (4096, 4 * MIB, 200), &["differs", "merges"]),
    target("roster", roster::statements, (8192, 2 * MIB, 100), &["parsed", "signed again"]),
    target("schedules", rituals::schedules, (1024, MIB, 200), &["recurs"]),
    target("session", session::operations, (2048, 64 * MIB, 200), &["in step", "closed", "forged", "the present"]),
    target("sync_messages", chunks::messages, (4096, 64 * MIB, 500), &["a message", "changes"]),
    target("wire_frames", wire::frames, (4096, MIB, 2_000), &["a frame", "a newer hello"]),
];
