//! Every body over the inputs that are kept, and over seeded alterations of them: as many as `BETWIXT_INPUTS` says, beginning
//! with `BETWIXT_SEED`.

mod watch;

use std::process::Command;
use std::time::Duration;

use betwixt_fuzz::{Target, kept, mutate, reached};
use betwixt_testkit::seeds;
use watch::{PATIENCE, Watch};

/// The variable with the number of altered inputs for each target.
const INPUTS: &str = "BETWIXT_INPUTS";

fn body(name: &str) {
    let target = *betwixt_fuzz::target(name).expect("a target");
    let kept = kept::all(name).expect("the corpus is read");
    assert!(kept.len() >= 3, "{name} begins with nothing");
    let watch = Watch::new(target, PATIENCE);
    kept.first().into_iter().for_each(|first| watch.warm_up(&first.bytes));
    for input in &kept {
        watch.run(&input.bytes, &input.path.display().to_string());
    }
    let reached = reached::take();
    if let Some(place) = target.reaches.iter().find(|place| !reached.contains(*place)) {
        watch.fail(&format!("no kept input comes to \"{place}\", only to {reached:?}"));
    }
    let inputs: Vec<Vec<u8>> = kept.into_iter().map(|input| input.bytes).collect();
    seeds::each_by(INPUTS, target.tries, |seed| {
        watch.run(&mutate::altered(&inputs, seed, target.longest), &format!("seed {seed}"));
    });
}

#[test]
fn hostile_input_is_an_error_adverts() {
    body("adverts");
}

#[test]
fn hostile_input_is_an_error_requests_to_the_api() {
    body("api_requests");
}

#[test]
fn hostile_input_is_an_error_archives() {
    body("archives");
}

#[test]
fn hostile_input_is_an_error_messages_on_the_bridge() {
    body("bridge");
}

#[test]
fn hostile_input_is_an_error_changes_with_right_checksums() {
    body("changes");
}

#[test]
fn hostile_input_is_an_error_datagrams() {
    body("datagrams");
}

#[test]
fn hostile_input_is_an_error_documents_with_right_checksums() {
    body("documents");
}

#[test]
fn hostile_input_is_an_error_facts_of_hostile_members() {
    body("fact_lives");
}

#[test]
fn hostile_input_is_an_error_texts_of_facts() {
    body("facts");
}

#[test]
fn hostile_input_is_an_error_forged_changes() {
    body("gate");
}

#[test]
fn hostile_input_is_an_error_keys_files() {
    body("keys_files");
}

#[test]
fn hostile_input_is_an_error_between_two_who_pair() {
    body("pairing");
}

#[test]
fn hostile_input_is_an_error_frames_of_pairing() {
    body("pairing_frames");
}

#[test]
fn hostile_input_is_an_error_a_peer_that_knows_the_code() {
    body("pairing_proven");
}

#[test]
fn hostile_input_is_an_error_presents() {
    body("presents");
}

#[test]
fn hostile_input_is_an_error_texts_that_are_merged() {
    body("prose");
}

#[test]
fn hostile_input_is_an_error_files_that_are_carried() {
    body("carry");
}

#[test]
fn hostile_input_is_an_error_statements_of_hostile_members() {
    body("roster");
}

#[test]
fn hostile_input_is_an_error_schedules() {
    body("schedules");
}

#[test]
fn hostile_input_is_an_error_between_two_sessions() {
    body("session");
}

#[test]
fn hostile_input_is_an_error_sync_messages_with_right_checksums() {
    body("sync_messages");
}

#[test]
fn hostile_input_is_an_error_frames_of_sessions() {
    body("wire_frames");
}

#[test]
fn every_target_is_tested_here_and_has_its_libfuzzer_target() {
    let own = include_str!("bodies.rs");
    let manifest = include_str!("../libfuzzer/Cargo.toml");
    for name in betwixt_fuzz::TARGETS.iter().map(|target| target.name) {
        assert!(own.contains(&format!("    body(\"{name}\");")), "{name} is not tested");
        let path = format!("{}/libfuzzer/fuzz_targets/{name}.rs", env!("CARGO_MANIFEST_DIR"));
        let source = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(source.contains(&format!("\"{name}\"")), "{path} does not run {name}");
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name} is not in libFuzzer's package");
    }
}

const GREEDY: Target = Target {
    name: "greedy",
    run: |bytes| drop(vec![1_u8; bytes.len() << 20]),
    longest: 9,
    memory: 4 << 20,
    tries: 0,
    reaches: &[],
};

#[test]
fn a_body_that_takes_more_memory_than_it_may_fails() {
    let watch = Watch::new(GREEDY, PATIENCE);
    watch.run(&[0; 3], "three");
    let failed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| watch.run(&[0; 9], "nine")));
    let words = failed.expect_err("it takes nine").downcast::<String>().expect("it says what");
    assert!(words.contains("greedy, nine: allocates 9"), "{words}");
    assert_eq!(std::fs::read(watch::present(&GREEDY)).expect("the input is kept"), [0; 9]);
}

#[test]
fn a_body_that_panics_fails_and_one_that_catches_does_not() {
    let target = |run: fn(&[u8])| Target { name: "panics", run, longest: 9, memory: 1 << 20, tries: 0, reaches: &[] };
    Watch::new(target(|_| drop(std::panic::catch_unwind(|| panic!("inside")))), PATIENCE).run(b"x", "caught");
    let watch = Watch::new(target(|_| panic!("all the way")), PATIENCE);
    let failed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| watch.run(b"x", "uncaught")));
    let words = failed.expect_err("it panics").downcast::<String>().expect("it says what");
    assert!(words.contains("all the way"), "{words}");
}

/// Ends its process, so another test runs it in one of its own.
#[test]
#[ignore = "hangs on purpose: run by the test below"]
fn hangs() {
    let endless = |_: &[u8]| loop {
        std::thread::sleep(Duration::from_secs(1));
    };
    let target = Target { name: "endless", run: endless, longest: 9, memory: 1 << 20, tries: 0, reaches: &[] };
    Watch::new(target, Duration::from_millis(200)).run(b"x", "for ever");
}

#[test]
fn a_body_that_hangs_fails_and_leaves_its_input() {
    let own = std::env::current_exe().expect("a test has a program");
    let output = Command::new(own).args(["--exact", "--ignored", "--nocapture", "hangs"]).output().expect("starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("endless: hangs."), "{said}");
}
