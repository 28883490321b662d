//! The kept first inputs are what the real encoders write today.

use std::fs;

use betwixt_fuzz::{TARGETS, kept, seeds};

/// Written anew by `cargo xtask fuzz-seeds`.
const RENEW: &str = "BETWIXT_RENEW";

/// What is sealed is another each time, because nonces are drawn. That it is still what is read shows where the bodies come to.
const SEALED: [&str; 2] = ["archives", "keys_files"];

/// Bytes of one kept input, and how many of them a target may have.
const LONGEST: usize = 8 * 1024;
const MOST: usize = 90;

#[test]
fn every_target_has_first_inputs_and_they_are_what_the_encoders_write() {
    let renew = std::env::var_os(RENEW).is_some();
    for target in TARGETS {
        let [directory, _] = kept::directories(target.name);
        let seeds = seeds::of(target.name);
        assert!(!seeds.is_empty(), "{} begins with nothing", target.name);
        if renew {
            fs::create_dir_all(&directory).expect("the corpus can be written");
        }
        for (name, bytes) in seeds {
            let path = directory.join(format!("seed-{name}"));
            assert!(bytes.len() <= LONGEST, "{} is long: {} bytes", path.display(), bytes.len());
            if renew {
                fs::write(&path, &bytes).expect("the corpus can be written");
            }
            let kept = fs::read(&path).unwrap_or_default();
            let same = if SEALED.contains(&target.name) { !kept.is_empty() } else { kept == bytes };
            assert!(same, "{} is not what is written today: `cargo xtask fuzz-seeds`", path.display());
        }
    }
}

#[test]
fn what_is_kept_is_small_and_belongs_to_a_target() {
    for directory in kept::roots() {
        for entry in fs::read_dir(&directory).expect("is kept").flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            assert!(betwixt_fuzz::target(&name).is_some(), "{name} is no target");
            let all: Vec<_> = fs::read_dir(entry.path()).expect("is kept").flatten().collect();
            assert!(all.len() <= MOST, "{name} has {} inputs: `cargo fuzz cmin`", all.len());
            let longest = all.iter().filter_map(|file| file.metadata().ok()).map(|about| about.len()).max();
            assert!(longest.unwrap_or(0) <= LONGEST as u64, "{name} has an input of {longest:?} bytes");
        }
    }
}
