//! How far documents have come.

use super::present::old_and_new;
use super::*;
use crate::session::{Phase, Progress};
use crate::wire::GoodbyeReason;

#[test]
fn progress_is_known_when_both_know_what_differs_and_rises_to_the_end() {
    for (new, seed) in [(0, 1), (1, 2), (0, 3)] {
        let mut homes = old_and_new(new);
        homes[new].say(2030, "only the new one has this");
        // One year is the same on both.
        let same = homes[1 - new].documents[&shared(2024)].clone();
        homes[new].documents.insert(shared(2024), same);
        let mut connection = Connection::new(&mut homes, seed);
        let mut seen = [vec![], vec![]];
        loop {
            for (end, seen) in connection.ends.iter().zip(&mut seen) {
                seen.extend(end.session.progress());
                assert_eq!(end.session.progress().is_some(), matches!(end.session.phase, Phase::Exchanging { .. }));
            }
            if !connection.step(&mut homes) {
                break;
            }
        }
        connection.assert_in_step(&homes);
        for seen in &seen {
            assert!(seen.iter().all(|progress| progress.of == 8), "{seen:?}");
            assert!(seen.is_sorted_by_key(|progress| progress.in_step), "{seen:?}");
            let ends = seen.first().zip(seen.last()).unwrap();
            assert_eq!((ends.0.in_step, ends.1.in_step), (1, 8));
            assert!(seen.iter().any(|progress| (3..7).contains(&progress.in_step)), "it does not come all at once");
        }
        // Something new is not there yet, and then it is.
        connection.say(&mut homes, 0, 2031, "later");
        assert_eq!(connection.ends[0].session.progress(), Some(Progress { in_step: 8, of: 9 }));
        connection.run(&mut homes);
        assert_eq!(connection.ends[1].session.progress(), Some(Progress { in_step: 9, of: 9 }));
        connection.ends[0].session.close(connection.now, GoodbyeReason::Down);
        assert_eq!(connection.ends[0].session.progress(), None);
    }
}
