//! Attached files on a disk: what was added reads back, what came in pieces is whole or not there, what was altered is found.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::SystemTime;

use betwixt_model::attachment::{Attached, CHUNK, MAX_BYTES, TAG};
use betwixt_model::document::Scope;
use betwixt_model::ids::HouseholdId;
use betwixt_store::attachments::{AttachmentError, Attachments, UNNAMED_STAYS};
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};

const SPACE: HouseholdId = HouseholdId::from_bytes([3; 32]);

fn content(bytes: usize) -> Vec<u8> {
    let mut content = vec![0; bytes];
    ChaCha20Rng::seed_from_u64(bytes as u64).fill_bytes(&mut content);
    content
}

fn add(attachments: &Attachments, content: &[u8]) -> Attached {
    let mut adding = attachments.begin(Scope::Ours, &SPACE).unwrap();
    content.chunks(10_007).for_each(|piece| adding.write(piece).unwrap());
    adding.finish("image/png").unwrap()
}

fn read(attachments: &Attachments, file: &Attached) -> Result<Vec<u8>, AttachmentError> {
    let mut content = Vec::new();
    attachments.read(Scope::Ours, file, |piece| {
        content.extend(piece);
        Ok::<_, AttachmentError>(())
    })?;
    Ok(content)
}

fn names(home: &Path) -> Vec<String> {
    let entries = fs::read_dir(home.join("attachments/ours")).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.map(|entry| entry.file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn what_was_added_reads_back_is_not_in_the_clear_and_the_same_is_stored_once() {
    let home = tempfile::tempdir().unwrap();
    let attachments = Attachments::of(home.path());
    for bytes in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 3 * CHUNK + 17] {
        let content = content(bytes);
        let file = add(&attachments, &content);
        assert_eq!(read(&attachments, &file).unwrap(), content, "{bytes}");
        attachments.check(Scope::Ours, &SPACE, &file).unwrap();
        let before = names(home.path());
        assert_eq!(add(&attachments, &content), file);
        assert_eq!(names(home.path()), before);
        let on_disk = fs::read(attachments.path(Scope::Ours, &file.id())).unwrap();
        assert_eq!(on_disk.len(), bytes + file.chunks() as usize * TAG);
        assert!(bytes < 64 || !on_disk.windows(64).any(|window| window == &content[..64]));
    }
    let whole = attachments.stock(Scope::Ours).unwrap().whole;
    assert_eq!(whole.len(), 7);
    assert!(attachments.stock(Scope::Mine).unwrap().whole.is_empty());
}

#[test]
fn what_is_dropped_or_too_large_leaves_nothing() {
    let home = tempfile::tempdir().unwrap();
    let attachments = Attachments::of(home.path());
    let mut adding = attachments.begin(Scope::Ours, &SPACE).unwrap();
    let piece = vec![0; 1 << 20];
    for _ in 0..MAX_BYTES >> 20 {
        adding.write(&piece).unwrap();
    }
    assert!(matches!(adding.write(&[1]), Err(AttachmentError::TooLarge)));
    drop(adding);
    assert_eq!(names(home.path()), Vec::<String>::new());
}

#[test]
fn other_bytes_take_the_place_of_what_was_looked_into() {
    let home = tempfile::tempdir().unwrap();
    let attachments = Attachments::of(home.path());
    let mut adding = attachments.begin(Scope::Ours, &SPACE).unwrap();
    let before = content(2 * CHUNK + 3);
    adding.write(&before).unwrap();
    assert_eq!(adding.content().unwrap(), before);
    adding.replace(&before[5..]).unwrap();
    let file = adding.finish("image/jpeg").unwrap();
    assert_eq!(read(&attachments, &file).unwrap(), &before[5..]);
    assert_eq!(names(home.path()), [file.id().to_string()]);
}

/// A file in one home, and another that lacks it.
fn apart(bytes: usize) -> ([tempfile::TempDir; 2], [Attachments; 2], Attached, Vec<u8>) {
    let homes = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let both = [0, 1].map(|side: usize| Attachments::of(homes[side].path()));
    let content = content(bytes);
    let file = add(&both[0], &content);
    (homes, both, file, content)
}

#[test]
fn chunks_that_come_one_after_the_other_make_the_file_and_a_crash_between_them_costs_what_was_torn() {
    let (homes, [from, to], file, content) = apart(5 * CHUNK + 9);
    let part = homes[1].path().join(format!("attachments/ours/{}.part", file.id()));
    let mut chunk = to.resume(Scope::Ours, &file).unwrap();
    assert_eq!(chunk, 0);
    let mut crashed = false;
    while chunk < file.chunks() {
        let sealed = from.sealed_chunk(Scope::Ours, &file, chunk).unwrap();
        let whole = to.append(Scope::Ours, &SPACE, &file, chunk, &sealed).unwrap();
        assert_eq!(whole, chunk + 1 == file.chunks());
        chunk += 1;
        if chunk == 3 && !std::mem::replace(&mut crashed, true) {
            // A write that did not come to its end, and one of which only the length did.
            let mut torn = fs::read(&part).unwrap();
            let end = torn.len();
            torn[end - 100..].fill(0);
            torn.extend([9; 1_000]);
            fs::write(&part, torn).unwrap();
            chunk = to.resume(Scope::Ours, &file).unwrap();
            assert_eq!(chunk, 2, "the torn one is fetched again");
        }
    }
    assert_eq!(read(&to, &file).unwrap(), content);
    assert_eq!(names(homes[1].path()), [file.id().to_string()]);
}

#[test]
fn hostile_input_is_an_error_a_chunk_that_is_wrong_or_out_of_turn_changes_nothing() {
    let (homes, [from, to], file, _) = apart(3 * CHUNK);
    let first = from.sealed_chunk(Scope::Ours, &file, 0).unwrap();
    let second = from.sealed_chunk(Scope::Ours, &file, 1).unwrap();
    let append = |chunk, sealed: &[u8]| to.append(Scope::Ours, &SPACE, &file, chunk, sealed);
    let mut altered = first.clone();
    altered[70] ^= 1;
    for (chunk, sealed) in [(0, &altered[..]), (0, &second), (1, &first), (3, &first), (0, &first[1..]), (0, &[])] {
        assert!(matches!(append(chunk, sealed), Err(AttachmentError::Damaged)));
    }
    assert_eq!(names(homes[1].path()), Vec::<String>::new());
    assert!(matches!(append(1, &second), Err(AttachmentError::OutOfTurn)));
    assert!(!append(0, &first).unwrap());
    assert_eq!(to.resume(Scope::Ours, &file).unwrap(), 1);
}

#[test]
fn hostile_input_is_an_error_a_fact_that_lies_about_the_content_makes_no_file() {
    let (homes, [from, to], file, _) = apart(2 * CHUNK);
    let lie = Attached { content: [7; 32], ..file.clone() };
    let append = |chunk| {
        let sealed = from.sealed_chunk(Scope::Ours, &file, chunk).unwrap();
        to.append(Scope::Ours, &SPACE, &lie, chunk, &sealed)
    };
    assert!(!append(0).unwrap());
    assert!(matches!(append(1), Err(AttachmentError::Damaged)));
    assert_eq!(names(homes[1].path()), Vec::<String>::new());
}

#[test]
fn damage_is_found_and_not_handed_on() {
    let (homes, [from, _], file, _) = apart(2 * CHUNK);
    let path = from.path(Scope::Ours, &file.id());
    let whole = fs::read(&path).unwrap();
    let mut altered = whole.clone();
    altered[CHUNK + TAG + 5] ^= 1;
    for damaged in [&altered[..], &whole[..CHUNK + TAG], &[&whole[..], &[0]].concat()] {
        fs::write(&path, damaged).unwrap();
        assert!(matches!(from.check(Scope::Ours, &SPACE, &file), Err(AttachmentError::Damaged)));
        assert!(matches!(read(&from, &file), Err(AttachmentError::Damaged)));
    }
    fs::write(&path, &altered).unwrap();
    assert!(from.sealed_chunk(Scope::Ours, &file, 0).is_ok());
    assert!(matches!(from.sealed_chunk(Scope::Ours, &file, 1), Err(AttachmentError::Damaged)));
    from.remove(Scope::Ours, &file.id()).unwrap();
    assert!(matches!(read(&from, &file), Err(AttachmentError::NotHere)));
    drop(homes);
}

#[test]
fn what_nothing_names_goes_when_it_is_old_and_never_what_a_fact_names() {
    let home = tempfile::tempdir().unwrap();
    let attachments = Attachments::of(home.path());
    let (kept, orphan) = (add(&attachments, b"kept"), add(&attachments, b"orphan"));
    let directory = home.path().join("attachments/ours");
    fs::write(directory.join("a.new"), b"left").unwrap();
    fs::write(directory.join("somebody's own"), b"left alone").unwrap();
    let named = BTreeSet::from([kept.id()]);
    let now = SystemTime::now();
    assert_eq!(attachments.sweep(Scope::Ours, &named, now).unwrap(), 0, "all of it is young");
    let later = now + UNNAMED_STAYS + std::time::Duration::from_secs(60);
    assert_eq!(attachments.sweep(Scope::Ours, &named, later).unwrap(), 2);
    let mut left = vec![kept.id().to_string(), "somebody's own".to_owned()];
    left.sort();
    assert_eq!(names(home.path()), left);
    assert!(matches!(read(&attachments, &orphan), Err(AttachmentError::NotHere)));
}
