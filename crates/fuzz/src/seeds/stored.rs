//! What lies on disks: backups, and the file with the wrapped keys.

use betwixt_model::document::Scope;
use betwixt_store::fuzz;
use betwixt_store::keys::RecoveryCode;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use super::{Seed, named};
use crate::targets::{key_file, keys};

fn keys_file() -> Vec<u8> {
    let rng = &mut ChaCha20Rng::seed_from_u64(7);
    let code = RecoveryCode::random(rng);
    fuzz::write_keys_file(&keys(), &[key_file(), betwixt_store::keys::Secret::Recovery(&code)], rng)
        .expect("random secrets wrap at no cost")
}

pub(super) fn archives() -> Vec<Seed> {
    let file = keys_file();
    let rows: Vec<(Scope, &[u8], &[u8])> =
        vec![(Scope::Ours, b"a key", b"sealed"), (Scope::Mine, b"another", &[7; 40])];
    vec![
        named("empty", fuzz::write_archive(&keys(), &file, &[])),
        named("rows", fuzz::write_archive(&keys(), &file, &rows)),
        named("snapshot-without-keys", fuzz::write_archive(&keys(), &[], &rows)),
    ]
}

pub(super) fn keys_files() -> Vec<Seed> {
    let code = RecoveryCode::random(&mut ChaCha20Rng::seed_from_u64(8));
    let file = keys_file();
    let text = String::from_utf8(file.clone()).expect("it is JSON");
    vec![
        named("two-ways", file),
        // Its checksum is repaired where it is read.
        named("newer", text.replace("\"format\": 1", "\"format\": 2")),
        named("recovery-code", code.reveal().as_bytes()),
    ]
}
