//! Photos and files: added on one device, and by and by on the others; private ones on one's own alone.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use betwixt_api::{
    AddedAttachment, ChapterRequest, ClientError, Collection, Copies, CopyState, Location, NewAttachment, ProblemKind,
    Say, Scope,
};
use betwixt_testkit::needs::{Need, met};
use betwixt_tests::home::{Home, add_device, couple_on_loopback, in_step, introduce, pair};
use betwixt_tests::mounts::Mount;
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};
use serde_json::{Value, json};
use tokio::sync::mpsc;

const PATIENCE: Duration = Duration::from_secs(30);

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < PATIENCE, "{what} did not come about");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Bytes that are nothing in particular.
fn content(seed: u64, bytes: usize) -> Vec<u8> {
    let mut content = vec![0; bytes];
    ChaCha20Rng::seed_from_u64(seed).fill_bytes(&mut content);
    content
}

async fn attach(
    home: &Home,
    key: &str,
    new: &NewAttachment,
    media: &str,
    content: &[u8],
) -> Result<AddedAttachment, ClientError> {
    let (sender, pieces) = mpsc::channel(4);
    let send = async {
        for piece in content.chunks(50_000) {
            if sender.send(piece.to_vec().into()).await.is_err() {
                return;
            }
        }
        drop(sender);
    };
    let (added, ()) = tokio::join!(home.client().attach(key, new, media, content.len() as u64, pieces), send);
    added
}

async fn read(home: &Home, id: &str) -> Result<Vec<u8>, ClientError> {
    let mut download = home.client().attachment_content(id).await?;
    let mut content = Vec::new();
    while let Some(piece) = download.next().await? {
        content.extend_from_slice(&piece);
    }
    Ok(content)
}

/// Whether a home has an attachment, and what is in it.
async fn has(home: &Home, id: &str, content: &[u8]) -> bool {
    read(home, id).await.is_ok_and(|read| read == content)
}

async fn copies(home: &Home, id: &str) -> Copies {
    home.client().attachment_copies(id).await.unwrap()
}

fn refused<T: std::fmt::Debug>(outcome: Result<T, ClientError>) -> (ProblemKind, String) {
    match outcome {
        Err(ClientError::Problem(problem)) => (problem.kind, problem.detail),
        other => panic!("{other:?}"),
    }
}

/// The files beneath `attachments` of a home.
fn stored(home: &Home, scope: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(home.path().join("attachments").join(scope)).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    files.sort();
    files
}

fn of_type(path: &Path, ending: &str) -> bool {
    path.extension().is_some_and(|found| found == ending)
}

#[tokio::test]
async fn a_file_comes_to_the_other_device_is_read_there_and_both_know_who_has_it() {
    let (robin, kim) = couple_on_loopback().await.unwrap();
    let goal = robin.create(Collection::Goals, "goal", "title", json!("Cycle along the coast")).await.unwrap();
    let plan = content(1, 700_000);
    let new = NewAttachment { title: Some("plan".into()), of: Some(goal.id[..12].into()), ..NewAttachment::default() };
    let added = attach(&robin, "plan", &new, "application/x-plan", &plan).await.unwrap();
    let id = added.attachment.id.clone();
    assert_eq!(added.location, Location::NotLookedFor);
    assert_eq!(added.attachment.scope, Scope::Ours);
    assert_eq!(read(&robin, &id).await.unwrap(), plan);
    until("the file at the partner's", async || has(&kim, &id, &plan).await).await;

    // The item shows what belongs to it, on both.
    for home in [&robin, &kim] {
        let goal = home.client().item(Collection::Goals, &goal.id).await.unwrap();
        let parts: Vec<&str> = goal.parts["attachments"].iter().map(|part| part.id.as_str()).collect();
        assert_eq!(parts, [id.as_str()]);
    }
    for home in [&robin, &kim] {
        until("both know of both", async || {
            let copies = copies(home, &id).await;
            assert_eq!((copies.bytes, copies.devices.len()), (700_000, 2));
            copies.devices.iter().all(|device| device.state == CopyState::Whole)
        })
        .await;
    }
    // The same once more is one file and, with the same key, one attachment.
    let again = attach(&robin, "plan", &new, "application/x-plan", &plan).await.unwrap();
    assert_eq!(again.attachment.id, id);
    attach(&robin, "another", &new, "application/x-plan", &plan).await.unwrap();
    assert_eq!(stored(&robin, "ours").len(), 1);

    // What it is and is called goes into the answer, and no page may run it.
    let answer = robin.run(&["attachments", "get", &id[..10], "-o", "/dev/null"]).unwrap();
    assert!(!answer.status.success(), "what is there already is not written over");
    let out = tempfile::tempdir().unwrap();
    let path = out.path().join("plan");
    let answer = kim.run(&["attachments", "get", &id[..10], "-o", path.to_str().unwrap()]).unwrap();
    assert!(answer.status.success(), "{answer:?}");
    assert_eq!(std::fs::read(&path).unwrap(), plan);

    // Let go, it is gone from lists and kept in the history; it can be said again.
    let item = robin.client().item(Collection::Attachments, &id).await.unwrap();
    let value: Value = item.fields["file"].held().unwrap().clone();
    let theirs = Say { value: Value::Null, seen: Some(item.fields["file"].seen.clone()) };
    let (kind, _) = refused(kim.client().say(Collection::Attachments, &id, "file", &theirs).await);
    assert_eq!(kind, ProblemKind::NotYours, "each lets go of their own");
    let answer = robin.run(&["attachments", "let-go", &id[..10]]).unwrap();
    assert!(answer.status.success(), "{answer:?}");
    assert_eq!(refused(read(&robin, &id).await).0, ProblemKind::NotFound);
    let item = robin.client().item(Collection::Attachments, &id).await.unwrap();
    let back = Say { value, seen: Some(item.fields["file"].seen.clone()) };
    robin.client().say(Collection::Attachments, &id, "file", &back).await.unwrap();
    assert!(has(&robin, &id, &plan).await);
}

#[tokio::test]
async fn private_stays_home_a_private_file_comes_to_ones_own_device_and_not_one_byte_of_it_to_the_partners() {
    let (laptop, kim) = couple_on_loopback().await.unwrap();
    let mut phone = Home::on_loopback().unwrap();
    phone.found("Robin, new").await.unwrap();
    let diary = content(2, 300_000);
    let new = NewAttachment { scope: Some(Scope::Mine), title: Some("diary".into()), ..NewAttachment::default() };
    let private = attach(&laptop, "diary", &new, "text/plain", &diary).await.unwrap().attachment;
    let photo = content(3, 200_000);
    let shared = attach(&laptop, "shared", &NewAttachment::default(), "text/plain", &photo).await.unwrap().attachment;
    until("what is shared at the partner's", async || has(&kim, &shared.id, &photo).await).await;
    // A file belongs where its item is seen.
    let goal = laptop.create(Collection::Goals, "g", "title", json!("Sail")).await.unwrap();
    let mixed = NewAttachment { scope: Some(Scope::Mine), of: Some(goal.id), ..NewAttachment::default() };
    assert_eq!(refused(attach(&laptop, "m", &mixed, "text/plain", b"x").await).0, ProblemKind::Invalid);

    add_device(&laptop, &phone).await.unwrap();
    introduce(&laptop, &phone).await.unwrap();
    introduce(&phone, &laptop).await.unwrap();
    until("both on the own device", async || {
        has(&phone, &private.id, &diary).await && has(&phone, &shared.id, &photo).await
    })
    .await;
    let devices = copies(&laptop, &private.id).await.devices;
    assert_eq!(devices.len(), 2, "the partner's device is not concerned: {devices:?}");

    in_step(&laptop, &kim, PATIENCE).await.unwrap();
    assert_eq!(refused(kim.client().attachment_copies(&private.id).await).0, ProblemKind::NotFound);
    let sealed = std::fs::read(&stored(&laptop, "mine")[0]).unwrap();
    let name = stored(&laptop, "mine")[0].file_name().unwrap().to_str().unwrap().to_owned();
    let mut kim = kim;
    kim.down().await.unwrap();
    assert!(stored(&kim, "mine").is_empty());
    for bytes in [&diary[1000..1032], &sealed[1000..1032], name.as_bytes()] {
        assert_eq!(kim.files_with(bytes).unwrap(), Vec::<PathBuf>::new());
    }
    // On the disk nothing is in the clear, and locked it is not read.
    let mut laptop = laptop;
    laptop.client().lock().await.unwrap();
    assert!(read(&laptop, &private.id).await.is_err());
    laptop.down().await.unwrap();
    for bytes in [&diary[1000..1032], &photo[1000..1032]] {
        assert_eq!(laptop.files_with(bytes).unwrap(), Vec::<PathBuf>::new());
    }
}

#[tokio::test]
async fn durable_before_told_a_transfer_that_kill_9_breaks_off_goes_on_where_it_was() {
    let (robin, kim) = couple_on_loopback().await.unwrap();
    let mut homes = [robin, kim];
    let film = content(4, 10 << 20);
    let new = NewAttachment { title: Some("film".into()), ..NewAttachment::default() };
    let id = attach(&homes[0], "film", &new, "application/octet-stream", &film).await.unwrap().attachment.id;
    let part = |homes: &[Home; 2]| {
        let part = stored(&homes[1], "ours").into_iter().find(|path| of_type(path, "part"));
        part.and_then(|part| part.metadata().ok()).map_or(0, |part| part.len())
    };
    let (mut kills, mut before) = (0, 0);
    // Whoever sends is killed as often as whoever receives.
    for victim in [1, 0, 1, 0] {
        until("more of it", async || part(&homes) > before || has(&homes[1], &id, &film).await).await;
        if has(&homes[1], &id, &film).await {
            break;
        }
        homes[victim].kill().unwrap();
        kills += 1;
        let kept = part(&homes);
        assert!(kept >= before, "what had come is kept: {kept} after {before}");
        before = kept;
        homes[victim].up_and_unlock().await.unwrap();
    }
    assert!(kills >= 2, "it came before anybody was killed");
    until("the whole of it", async || has(&homes[1], &id, &film).await).await;
    assert_eq!(part(&homes), 0);
    let names: Vec<_> =
        [0, 1].map(|side: usize| stored(&homes[side], "ours")[0].file_name().unwrap().to_owned()).into();
    assert_eq!(names[0], names[1]);
}

/// Which files a life names is read after the home was opened, 64 attachments in a turn of the loop: whoever unlocked waited for it, 0.3 s
/// after a hundred years. What is here can be read at once all the same, and what is named is told once all of it was read.
#[tokio::test]
async fn hundreds_of_files_are_here_when_the_home_is_opened_and_all_come_to_the_other_device() {
    let (mut robin, mut kim) = couple_on_loopback().await.unwrap();
    robin.client().pause().await.unwrap();
    kim.down().await.unwrap();
    let mut added = Vec::new();
    for number in 0..150_u64 {
        let (new, photo) = (NewAttachment::default(), content(number, 200));
        let file = attach(&robin, &format!("photo {number}"), &new, "image/x-photo", &photo).await.unwrap();
        added.push((file.attachment.id, photo));
    }
    robin.down().await.unwrap();
    robin.up_and_unlock().await.unwrap();
    for (id, photo) in [&added[0], &added[149]] {
        assert!(has(&robin, id, photo).await, "a file is here, and was not read yet");
    }
    kim.up_and_unlock().await.unwrap();
    robin.client().resume().await.unwrap();
    introduce(&robin, &kim).await.unwrap();
    for (id, photo) in &added {
        until("a photo at the partner's", async || has(&kim, id, photo).await).await;
    }
}

#[tokio::test]
async fn a_photo_loses_its_place_unless_that_is_kept_and_what_cannot_lose_it_is_not_added_unseen() {
    let home = Home::on_loopback();
    let mut home = home.unwrap();
    home.found("Robin").await.unwrap();
    let place = b"exif:GPSLatitude='48,51.5N'";
    let segment = |marker: u8, contents: &[u8]| {
        let length = u16::try_from(contents.len() + 2).unwrap().to_be_bytes();
        [&[0xff, marker], &length[..], contents].concat()
    };
    let xmp = [&b"http://ns.adobe.com/xap/1.0/\0<x "[..], place, b"/>"].concat();
    let scan = [&segment(0xda, &[0])[..], b"\x01\x02\x03", b"\xff\xd9"].concat();
    let photo = [&b"\xff\xd8"[..], &segment(0xe1, &xmp), &segment(0xdb, &[1; 65]), &scan].concat();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("lake.jpg");
    std::fs::write(&path, &photo).unwrap();
    let path = path.to_str().unwrap();

    let added = home.json(&["attach", path]).unwrap();
    assert_eq!(added["location"], "left_out");
    let kept = read(&home, added["attachment"]["id"].as_str().unwrap()).await.unwrap();
    assert!(!kept.windows(place.len()).any(|window| window == place) && kept.ends_with(&scan));
    assert_eq!(added["attachment"]["fields"]["title"]["value"], "lake.jpg");
    assert_eq!(std::fs::read(path).unwrap(), photo, "the person's own file is as it was");
    let said = String::from_utf8(home.run(&["attach", path]).unwrap().stdout).unwrap();
    assert!(said.contains("left out") && said.contains("--keep-location"), "{said}");

    let added = home.json(&["attach", path, "--keep-location"]).unwrap();
    assert_eq!(added["location"], "kept");
    assert_eq!(read(&home, added["attachment"]["id"].as_str().unwrap()).await.unwrap(), photo);

    let heic = [&b"\0\0\0\x18ftypheic"[..], place].concat();
    let (kind, words) = refused(attach(&home, "heic", &NewAttachment::default(), "image/heic", &heic).await);
    assert_eq!(kind, ProblemKind::Invalid);
    assert!(words.contains("where it was taken") && words.contains("--keep-location"), "{words}");
    let keep = NewAttachment { keep_location: true, ..NewAttachment::default() };
    assert_eq!(attach(&home, "kept", &keep, "image/heic", &heic).await.unwrap().location, Location::Kept);
}

#[tokio::test]
async fn what_is_no_file_or_too_large_is_refused_in_words_and_leaves_nothing() {
    let mut home = Home::on_loopback().unwrap();
    home.found("Robin").await.unwrap();
    let none = NewAttachment::default();
    let (kind, words) = refused(attach(&home, "m", &none, "no type", b"x").await);
    assert!(kind == ProblemKind::Invalid && words.contains("Content-Type"), "{words}");
    let of = NewAttachment { of: Some("abcdefg".into()), ..NewAttachment::default() };
    assert_eq!(refused(attach(&home, "of", &of, "text/plain", b"x").await).0, ProblemKind::NotFound);
    let title = NewAttachment { title: Some("two\nlines".into()), ..NewAttachment::default() };
    assert_eq!(refused(attach(&home, "t", &title, "text/plain", b"x").await).0, ProblemKind::Invalid);
    let fields = [("file".to_owned(), json!("x"))].into();
    let new = betwixt_api::NewItem { scope: None, fields };
    let (_, words) = refused(home.client().create(Collection::Attachments, "k", &new).await);
    assert!(words.contains("POST /v1/files"), "{words}");

    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("film");
    std::fs::File::create(&path).unwrap().set_len((100 << 20) + 1).unwrap();
    let output = home.run(&["attach", path.to_str().unwrap()]).unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("100 MiB"), "{said}");
    assert!(stored(&home, "mine").is_empty());
    // One whose end does not come.
    let (sender, pieces) = mpsc::channel(4);
    sender.send(vec![1; 10].into()).await.unwrap();
    drop(sender);
    let broken = home.client().attach("b", &none, "text/plain", 1_000, pieces).await;
    assert!(broken.is_err());
    until("nothing is left of it", async || stored(&home, "mine").is_empty()).await;
    assert!(home.client().items(Collection::Attachments, None).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_damaged_file_is_found_and_comes_again() {
    let (robin, kim) = couple_on_loopback().await.unwrap();
    let photo = content(6, 400_000);
    let new = NewAttachment::default();
    let id = attach(&robin, "photo", &new, "application/octet-stream", &photo).await.unwrap().attachment.id;
    until("the file at the partner's", async || has(&kim, &id, &photo).await).await;
    let path = stored(&kim, "ours").remove(0);
    let mut damaged = std::fs::read(&path).unwrap();
    damaged[150_000] ^= 1;
    std::fs::write(&path, &damaged).unwrap();
    let report = kim.client().verify().await.unwrap();
    assert_eq!(report.damaged.len(), 1, "{report:?}");
    assert!(report.damaged[0].what.contains("file"), "{report:?}");
    until("the file once more", async || has(&kim, &id, &photo).await).await;
    assert_eq!(kim.client().verify().await.unwrap().damaged, vec![]);
}

#[tokio::test]
async fn a_disk_without_room_holds_up_the_file_and_nothing_else_and_it_comes_once_there_is() {
    if !met(&[Need::Mounts]) {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let mount = Mount::small(&directory.path().join("disk"), 64 << 20).unwrap();
    let mut robin = Home::on_loopback().unwrap();
    robin.found("Robin").await.unwrap();
    let mut kim = Home::on_loopback().unwrap();
    kim.move_to(directory.path().join("disk/home"));
    kim.found("Kim").await.unwrap();
    pair(&robin, &kim, true).await.unwrap();
    introduce(&robin, &kim).await.unwrap();
    introduce(&kim, &robin).await.unwrap();
    in_step(&robin, &kim, PATIENCE).await.unwrap();
    // Room for what is said, and not for this file.
    let filler = directory.path().join("disk/filler");
    let disk = rustix::fs::statvfs(directory.path().join("disk").as_path()).unwrap();
    let free = usize::try_from(disk.f_bavail * disk.f_frsize).unwrap();
    std::fs::write(&filler, vec![1; free - (10 << 20)]).unwrap();
    let film = content(7, 8 << 20);
    let new = NewAttachment::default();
    let id = attach(&robin, "film", &new, "application/octet-stream", &film).await.unwrap().attachment.id;
    until("a word about the room", async || {
        let troubles = kim.client().status().await.unwrap().troubles;
        troubles.iter().any(|trouble| trouble.contains("too little room"))
    })
    .await;
    assert_eq!(refused(read(&kim, &id).await).0, ProblemKind::NotFound);
    robin.create(Collection::Thanks, "tea", "what", json!("the tea")).await.unwrap();
    in_step(&robin, &kim, PATIENCE).await.unwrap();
    assert_eq!(kim.client().items(Collection::Thanks, None).await.unwrap().len(), 1, "what is said goes on");
    std::fs::remove_file(&filler).unwrap();
    let begun = Instant::now();
    while !has(&kim, &id, &film).await {
        assert!(begun.elapsed() < 3 * PATIENCE, "it does not come though there is room");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert!(!kim.client().status().await.unwrap().troubles.iter().any(|trouble| trouble.contains("too little room")));
    drop(kim);
    drop(mount);
}

#[tokio::test]
async fn nothing_deleted_unless_both_say_so_and_then_the_file_goes_from_both() {
    let (robin, kim) = couple_on_loopback().await.unwrap();
    let photo = content(8, 100_000);
    let kept = content(9, 100_000);
    let new = NewAttachment::default();
    let one = attach(&robin, "one", &new, "application/octet-stream", &photo).await.unwrap().attachment;
    let other = attach(&robin, "other", &new, "application/octet-stream", &kept).await.unwrap().attachment;
    until("both at the partner's", async || has(&kim, &one.id, &photo).await && has(&kim, &other.id, &kept).await)
        .await;
    // Let go it stays: that can be unsaid.
    assert!(robin.run(&["attachments", "let-go", &one.id[..12]]).unwrap().status.success());
    in_step(&robin, &kim, PATIENCE).await.unwrap();
    for home in [&robin, &kim] {
        assert_eq!(stored(home, "ours").len(), 2);
    }
    let fact = one.fields["file"].seen.0.clone();
    robin.client().chapter_propose(&ChapterRequest { erase: vec![fact] }).await.unwrap();
    in_step(&robin, &kim, PATIENCE).await.unwrap();
    kim.client().chapter_agree().await.unwrap();
    for home in [&robin, &kim] {
        until("the file gone", async || stored(home, "ours").len() == 1).await;
        assert!(has(home, &other.id, &kept).await);
    }
}

/// Which file it was that is erased knows only a device that has read what named it before. That is read a second after a home is opened, so
/// as not to be in the way of whoever opens it; and whoever is met within that second brought the erasure first, and the file stayed.
#[tokio::test]
async fn a_file_that_is_erased_while_a_device_is_down_goes_from_it_when_it_is_opened_and_meets_at_once() {
    let (mut robin, kim) = couple_on_loopback().await.unwrap();
    let photo = content(8, 100_000);
    let one = attach(&robin, "one", &NewAttachment::default(), "application/octet-stream", &photo).await.unwrap();
    let one = one.attachment;
    until("at the partner's", async || has(&kim, &one.id, &photo).await).await;
    robin.client().chapter_propose(&ChapterRequest { erase: vec![one.fields["file"].seen.0.clone()] }).await.unwrap();
    in_step(&robin, &kim, PATIENCE).await.unwrap();
    robin.down().await.unwrap();
    kim.client().chapter_agree().await.unwrap();
    until("gone at the partner's", async || stored(&kim, "ours").is_empty()).await;
    assert_eq!(stored(&robin, "ours").len(), 1);
    robin.up_and_unlock().await.unwrap();
    until("gone here", async || stored(&robin, "ours").is_empty()).await;
}
