//! The connection is lost at every frame there is; nothing is lost with it.

use super::*;

/// Two homes that differ in every way: news on both sides, a document that one lacks, one that is the same.
fn apart() -> [Home; 2] {
    let mut homes = couple();
    homes[0].say(2026, "the beginning");
    homes[0].say(2025, "the same on both");
    meet(&mut homes, 1);
    for index in 0..3 {
        homes[0].say(2026, &format!("first {index}"));
        homes[1].say(2026, &format!("second {index}"));
    }
    homes[0].say(2024, "only the first has this");
    homes[1].say(2023, "only the second has this");
    homes[0].roster = RosterOffer { heads: vec![[8; 32]], statements: vec![b"founding".to_vec(), b"added".to_vec()] };
    homes
}

/// Says a few things while frames go to and fro, and loses the connection after `cut` of them. Answers how many there
/// were.
fn talk(homes: &mut [Home; 2], seed: u64, cut: usize) -> usize {
    let mut connection = Connection::new(homes, seed);
    let mut edits = 0;
    while connection.delivered < cut {
        if connection.delivered >= 6 && edits < 4 && connection.rng.next_u32().is_multiple_of(3) {
            edits += 1;
            connection.say(homes, edits % 2, 2026 + (edits % 3) as i16, &format!("while connected {seed} {edits}"));
        } else if !connection.step(homes) {
            break;
        }
    }
    for end in &connection.ends {
        assert_eq!(end.closed, None);
    }
    connection.delivered
}

#[test]
fn a_connection_lost_at_any_frame_loses_nothing() {
    for seed in 0..3 {
        for keeps_states in [true, false] {
            let whole = talk(&mut apart(), seed, usize::MAX);
            assert!(whole > 20);
            for cut in 0..whole {
                let mut homes = apart();
                homes[1].keeps_states = keeps_states;
                talk(&mut homes, seed, cut);
                let said = homes.iter().map(|home| home.said).sum::<u64>() as usize;
                meet(&mut homes, seed);
                let changes: usize =
                    homes[0].documents.values().map(|document| document.changes_since(&[]).len() - 1).sum();
                assert_eq!(changes, said, "seed {seed}, cut after {cut} frames");
            }
        }
    }
}

#[test]
fn connections_lost_again_and_again_come_to_an_end() {
    let mut homes = apart();
    for seed in 0..40 {
        talk(&mut homes, seed, 3 + seed as usize % 17);
    }
    meet(&mut homes, 99);
}

/// DurableBeforeTold, from the other side: what was received is told as shared only after it was stored.
#[test]
fn durable_before_told_nothing_is_acknowledged_before_it_is_stored() {
    let mut homes = couple();
    homes[0].say(2026, "a");
    meet(&mut homes, 1);
    let mut connection = meet(&mut homes, 2);
    connection.say(&mut homes, 0, 2026, "b");
    let key = StreamKey::Document(shared(2026));
    let frames: Vec<_> = connection.ends[0].sent.get_mut(&key).unwrap().drain(..).collect();
    let end = &mut connection.ends[1];
    for frame in &frames {
        end.session.handle_frame(connection.now, IncomingStream(900), frame).unwrap();
    }
    let mut persist = None;
    while let Some(output) = end.session.poll_output() {
        match output {
            Output::Persist { id, changes, .. } => persist = Some((id, changes)),
            other => panic!("{other:?} before anything is stored"),
        }
    }
    let (id, changes) = persist.unwrap();
    assert_eq!(changes.len(), 1);
    // The disk refuses: nothing is acknowledged, and nothing of it is remembered as shared.
    end.session.handle_persist_failed(connection.now, id);
    end.settle(connection.now, &mut homes[1]);
    assert_eq!(end.closed, Some(CloseReason::StorageFailed));
    meet(&mut homes, 3);
}
