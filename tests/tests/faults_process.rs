//! What may happen to a daemon as a process: it is stopped for longer than its partner waits, its clock is wrong by years, and its
//! memory does not suffice. Nothing that was acknowledged is lost, and both have the same in the end.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test fails by panicking, and tells what it found")]

use std::time::Duration;

use betwixt_api::{Collection, InitRequest, Secret};
use betwixt_testkit::needs::{Need, libfaketime, met};
use betwixt_tests::faults::Told;
use betwixt_tests::home::{Home, PASSPHRASE, couple_on_loopback, in_step, introduce, pair};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

/// A cap, and no measure of speed.
const PATIENCE: Duration = Duration::from_secs(120);

/// Longer than a connection may be idle (15 s), so that whoever goes on takes the other for gone.
const STOPPED: Duration = Duration::from_secs(18);

fn signal(home: &Home, signal: Signal) {
    let process = Pid::from_raw(i32::try_from(home.process().unwrap()).unwrap()).unwrap();
    kill_process(process, signal).unwrap();
}

/// A laptop's lid is closed and opened; then those of both. Who asked a daemon something while it was stopped is answered when it
/// goes on.
#[tokio::test]
async fn daemons_that_are_stopped_for_longer_than_the_other_waits_go_on_where_they_were() {
    let (first, second) = couple_on_loopback().await.unwrap();
    in_step(&first, &second, PATIENCE).await.unwrap();
    let (mut told, mut asleep) = (Told::default(), Told::default());
    told.thank_often(&first, "Before", 3, 200).await.unwrap();
    signal(&first, Signal::STOP);
    let asking = asleep.thank(&first, "Asked while it was stopped");
    let meanwhile = async {
        told.thank_often(&second, "While the other was stopped", 10, 200).await.unwrap();
        tokio::time::sleep(STOPPED).await;
        let status = second.client().status().await.unwrap();
        assert!(!status.peers[0].connected, "who says nothing for long is taken for gone");
        signal(&first, Signal::CONT);
    };
    let (asked, ()) = tokio::join!(asking, meanwhile);
    asked.unwrap();
    in_step(&first, &second, PATIENCE).await.unwrap();

    let (one, other) = (&first, &second);
    let both = async {
        told.thank(one, "Just before both were stopped").await.unwrap();
        [one, other].into_iter().for_each(|home| signal(home, Signal::STOP));
        tokio::time::sleep(STOPPED).await;
        [one, other].into_iter().for_each(|home| signal(home, Signal::CONT));
        told.thank(other, "Just after both went on").await.unwrap();
    };
    both.await;
    told.merge(asleep);
    told.survived(&first, &second, PATIENCE, &[("process stopped beyond the idle time-out", 3)]).await;
}

/// One's clock says that it is decades from now and the other's that it is decades ago; and then it is the other way round.
/// What holds follows from what was seen (CausalityNotClocks).
#[tokio::test]
async fn causality_not_clocks_clocks_that_are_wrong_by_decades_and_jump_change_no_outcome() {
    if !met(&[Need::Faketime]) {
        return;
    }
    let library = libfaketime().unwrap();
    let set = |home: &mut Home, offset: &str| {
        home.set_environment("LD_PRELOAD", library.to_str().unwrap());
        home.set_environment("FAKETIME", offset);
        home.set_environment("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        home.set_environment("DONT_FAKE_MONOTONIC", "1");
    };
    let (mut first, mut second) = (Home::on_loopback().unwrap(), Home::on_loopback().unwrap());
    set(&mut first, "+9131d");
    set(&mut second, "-9131d");
    first.found("Robin").await.unwrap();
    second.found("Kim").await.unwrap();
    pair(&first, &second, true).await.unwrap();
    introduce(&first, &second).await.unwrap();
    introduce(&second, &first).await.unwrap();
    in_step(&first, &second, PATIENCE).await.unwrap();
    let mut told = Told::default();
    told.thank_often(&first, "From decades ahead", 3, 100).await.unwrap();
    told.thank_often(&second, "From decades ago", 3, 100).await.unwrap();
    let goal = first.create(Collection::Goals, "goal", "title", json!("Said first")).await.unwrap();
    in_step(&first, &second, PATIENCE).await.unwrap();
    // Half a century "earlier", and having seen the other: it holds.
    second.say(Collection::Goals, &goal.id, "title", json!("Said after it")).await.unwrap();
    in_step(&first, &second, PATIENCE).await.unwrap();
    for home in [&mut first, &mut second] {
        home.down().await.unwrap();
    }
    set(&mut first, "-9131d");
    set(&mut second, "+9131d");
    for home in [&mut first, &mut second] {
        home.up_and_unlock().await.unwrap();
    }
    told.thank_often(&first, "From decades ago, later", 3, 100).await.unwrap();
    first.say(Collection::Goals, &goal.id, "title", json!("Said last")).await.unwrap();
    in_step(&first, &second, PATIENCE).await.unwrap();
    told.thank_often(&second, "From decades ahead, later", 3, 100).await.unwrap();
    told.survived(&first, &second, PATIENCE, &[("clock wrong by decades", 2), ("clock jumped by decades", 2)]).await;
    for home in [&first, &second] {
        let shown = home.client().item(Collection::Goals, &goal.id).await.unwrap();
        assert_eq!(shown.fields["title"].held(), Some(&json!("Said last")));
    }
}

/// A year comes to a device that has hardly any memory to give: it takes it in, or its process ends; and once it has memory again,
/// it goes on with everything that it had acknowledged.
#[tokio::test]
async fn a_large_year_that_comes_to_a_device_with_too_little_memory_harms_nothing() {
    let (first, mut second) = couple_on_loopback().await.unwrap();
    let mut told = Told::default();
    told.thank_often(&second, "Before", 5, 200).await.unwrap();
    in_step(&first, &second, PATIENCE).await.unwrap();
    second.down().await.unwrap();
    told.thank_often(&first, "Of the whole year", 900, 3_500).await.unwrap();
    let (mut ended, mut arrived) = (0, 0);
    for megabytes in [48, 66, 68, 70, 72, 76, 96] {
        second.limit_memory(megabytes << 20);
        // Unlocking alone takes what a passphrase is made to cost.
        if second.up_and_unlock().await.is_err() {
            eprintln!("{megabytes} MiB are too little to open");
            ended += 1;
            let _ = second.kill();
            continue;
        }
        match in_step(&first, &second, Duration::from_secs(40)).await {
            Ok(_) => arrived += 1,
            Err(_) => ended += 1,
        }
        eprintln!("{megabytes} MiB: {ended} ended, {arrived} arrived");
        second.kill().unwrap();
    }
    assert!(ended > 0, "no limit was too little, so nothing was tried");
    second.limit_memory(8 << 30);
    second.up_and_unlock().await.unwrap();
    told.survived(&first, &second, PATIENCE, &[("memory too little", ended)]).await;
}

/// A frontend that asks without end, on several connections and without waiting for an answer, keeps nobody else waiting. The loop took
/// calls before its timers, so that as long as one waited there was no day's snapshot, and nobody was dialled.
#[tokio::test]
async fn a_frontend_that_asks_without_end_leaves_time_for_everything_else() {
    let mut home = Home::on_loopback().unwrap();
    home.up().await.unwrap();
    let (socket, snapshots) = (home.path().join("api.sock"), home.path().join("snapshots"));
    let ask = || {
        let socket = socket.clone();
        std::thread::spawn(move || ask_without_end(&socket))
    };
    let asking: Vec<_> = (0..16).map(|_| ask()).collect();
    let (name, device) = ("Robin".to_owned(), "laptop".to_owned());
    let request = InitRequest { name, device, passphrase: Secret::from(PASSPHRASE.to_owned()) };
    home.client().init(&request).await.unwrap();
    // So that the loop takes longer for an answer than everybody else for asking.
    for number in 0..50 {
        home.create(Collection::Goals, &number.to_string(), "title", json!("Learn to sail")).await.unwrap();
    }
    let begun = std::time::Instant::now();
    while !snapshots.exists() {
        assert!(begun.elapsed() < PATIENCE, "the first snapshot of the day is not taken");
        home.client().status().await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(asking.iter().any(|thread| !thread.is_finished()), "it was asked all the time");
    drop(home);
    asking.into_iter().for_each(|thread| thread.join().unwrap());
}

/// Until the daemon ends.
fn ask_without_end(socket: &std::path::Path) {
    use std::io::{Read, Write};
    let mut asked = std::os::unix::net::UnixStream::connect(socket).unwrap();
    let mut answered = asked.try_clone().unwrap();
    let reading = std::thread::spawn(move || {
        let mut bytes = vec![0; 1 << 20];
        while answered.read(&mut bytes).is_ok_and(|read| read > 0) {}
    });
    let many = "GET /v1/goals?limit=50 HTTP/1.1\r\nhost: localhost\r\n\r\n".repeat(50);
    while asked.write_all(many.as_bytes()).is_ok() {}
    reading.join().unwrap();
}
