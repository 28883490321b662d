//! How many bytes and round trips a meeting takes.

use super::*;

fn household_of(documents: u32) -> [Home; 2] {
    let mut homes = couple();
    for number in 0..documents {
        // Of a year only the newest generation is spoken of, so each has a year of its own.
        let id = DocumentId { scope: Scope::Ours, year: 2026 + number as i16, generation: 0 };
        let id = DocumentName::of(id);
        homes[0].say_in(id, "something");
        let document = homes[0].documents[&id].clone();
        homes[1].documents.insert(id, document);
    }
    homes
}

#[test]
fn nothing_changed_takes_one_round_trip_after_the_hellos_and_under_600_bytes() {
    for documents in [0, 1, 400] {
        let mut homes = household_of(documents);
        let mut connection = Connection::new(&mut homes, 1);
        assert!(connection.flight(&mut homes), "the Hellos cross");
        assert!(connection.flight(&mut homes), "the digest");
        assert!(connection.flight(&mut homes), "the answer");
        connection.assert_in_step(&homes);
        assert!(!connection.flight(&mut homes));
        let bytes: usize = connection.ends.iter().map(|end| end.sent_bytes).sum();
        assert!(bytes < 600, "{bytes} bytes with {documents} documents");
        assert_eq!(connection.trace, ["Hello", "Hello", "Digest", "InStep"]);
    }
}

#[test]
fn one_change_among_400_documents_takes_no_document_but_its_own() {
    let mut homes = household_of(400);
    homes[1].say(2026, "new");
    let mut connection = Connection::new(&mut homes, 1);
    connection.run(&mut homes);
    connection.assert_in_step(&homes);
    let streams: Vec<_> = connection.ends.iter().map(|end| end.sent.len()).collect();
    assert_eq!(streams, [2, 2], "control and one document each");
}

#[test]
fn a_persisted_state_keeps_what_is_said_about_a_long_history_short() {
    let mut homes = couple();
    for index in 0..500 {
        homes[0].say(2026, &format!("{index}"));
    }
    meet(&mut homes, 1);
    homes[0].say(2026, "new here");
    homes[1].say(2026, "new there");
    let kept = homes.clone();
    let bytes = |connection: &Connection| connection.ends.iter().map(|end| end.sent_bytes).sum::<usize>();
    let with_states = bytes(&meet(&mut homes, 2));
    let mut homes = kept;
    homes.iter_mut().for_each(|home| home.states.clear());
    let without = bytes(&meet(&mut homes, 2));
    assert!(with_states < 4_000, "{with_states} bytes");
    assert!(without > with_states + 500, "{without} bytes without states, {with_states} with them");
}
