//! What somebody may hand over as a backup, and what may stand in the place of the keys file.

use std::fs;
use std::path::{Path, PathBuf};

use betwixt_store::keys::{DataKeys, RecoveryCode, Secret, Way};
use betwixt_store::{Home, fuzz, verify_archive};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use tempfile::TempDir;

use crate::reached::here;

thread_local! {
    /// One directory a thread, for the reader takes files.
    static DIRECTORY: TempDir = TempDir::new().expect("a directory for what is read can be made");
}

fn with_file(bytes: &[u8], run: impl FnOnce(&Path)) {
    DIRECTORY.with(|directory| {
        let path = directory.path().join("handed over");
        fs::write(&path, bytes).expect("what is to be read can be written");
        run(&path);
    });
}

pub(crate) fn keys() -> DataKeys {
    DataKeys::random(&mut ChaCha20Rng::seed_from_u64(3))
}

/// What opens the keys file of the seeds.
pub(crate) fn key_file() -> Secret<'static> {
    Secret::Random(Way::KeyFile, [5; 32].into())
}

/// A backup as it came, and with the checksum that its bytes have. What is whole is restored, too.
pub(super) fn archives(bytes: &[u8]) {
    with_file(bytes, |path| drop(verify_archive(path, &keys())));
    with_file(&fuzz::repair_archive(bytes), |path| {
        let report = verify_archive(path, &keys());
        if let Err(error) = &report {
            assert!(!error.to_string().is_empty());
        }
        let home: PathBuf = path.with_file_name("a home");
        let restored = Home::restore(path, &home, false);
        here(if restored.is_ok() { "restored" } else { "refused" });
        assert!(report.is_ok() || restored.is_err(), "what is not whole is not restored");
        let _ = fs::remove_dir_all(&home);
    });
}

/// A keys file as it came, and under a checksum that is right; and a recovery code.
pub(super) fn keys_files(bytes: &[u8]) {
    let repaired = fuzz::repair_keys_file(bytes);
    for bytes in [Some(bytes), repaired.as_deref()].into_iter().flatten() {
        if let Ok(again) = fuzz::read_keys_file(bytes) {
            here("read");
            assert_eq!(again, bytes, "one spelling");
            // By what takes no costly derivation: its parameters are held against bounds, and within these take a second.
            if let Ok(opened) = fuzz::open_keys_file(bytes, &key_file()) {
                here("opened");
                assert_eq!(
                    opened.shared.id(),
                    keys().shared.id(),
                    "a file cannot put other keys in the place of these"
                );
            }
        }
    }
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Ok(code) = RecoveryCode::parse(text)
    {
        here("a recovery code");
        assert_eq!(RecoveryCode::parse(&code.reveal()), Ok(code));
    }
}
