//! Of every year only the newest generation is spoken of.

use betwixt_model::carry;

use super::*;

fn generation(year: i16, generation: u32) -> DocumentName {
    DocumentName::of(DocumentId { scope: Scope::Ours, year, generation })
}

impl Home {
    /// Carries everything on that it has of the year, as a replica does when it learns of a generation.
    pub(super) fn carry_on(&mut self, to: DocumentName) {
        let mut entries = carry::Entries::new();
        for (id, document) in self.documents.iter().filter(|(id, _)| id.year() == to.year()) {
            if *id != to {
                entries.extend(document.entries().unwrap());
            }
        }
        let document = self.documents.entry(to).or_insert_with(|| Document::genesis(to.within(Scope::Ours)));
        let known = document.entries().unwrap();
        entries.retain(|id, _| !known.contains_key(id));
        document.carry(carry::changes(to.within(Scope::Ours), &entries).unwrap()).unwrap();
    }

    pub(super) fn knows(&self, id: DocumentName) -> usize {
        self.documents.get(&id).map_or(0, |document| document.entries().unwrap().len())
    }
}

/// One side has carried its document on while they were apart; the other learns of it, carries on what it has itself, and
/// neither says a word about the old one.
#[test]
fn a_side_with_an_older_generation_gets_the_newer_one_and_adds_to_it() {
    for seed in 0..12 {
        let mut homes = couple();
        homes[0].say(2026, "a calm home");
        homes[0].say(2025, "older");
        meet(&mut homes, seed);
        homes[0].say(2026, "said here");
        homes[1].say(2026, "said there");
        let dialled = seed % 2 == 0;
        let carrier = usize::from(dialled);
        homes[carrier].carry_on(generation(2026, 1));
        let heads = homes.each_ref().map(|home| home.documents[&shared(2026)].heads());

        let mut connection = Connection::new(&mut homes, seed);
        connection.run(&mut homes);
        assert!(homes[1 - carrier].documents.contains_key(&generation(2026, 1)), "seed {seed}");
        homes[1 - carrier].carry_on(generation(2026, 1));
        connection.ends[1 - carrier].session.handle_local_change(connection.now, generation(2026, 1));
        connection.settle(&mut homes);
        connection.run(&mut homes);
        for (end, home) in connection.ends.iter().zip(&homes) {
            assert!(end.closed.is_none() && end.session.is_in_step(), "seed {seed}");
            assert_eq!(end.session.poll_timeout(), None);
            assert_eq!(home.knows(generation(2026, 1)), 3, "seed {seed}");
        }
        let newest = homes.each_ref().map(|home| home.documents[&generation(2026, 1)].heads());
        assert_eq!(newest[0], newest[1]);
        // What was old stayed as it was on both sides.
        assert_eq!(homes.each_ref().map(|home| home.documents[&shared(2026)].heads()), heads);

        // The next meeting is one round trip.
        let mut connection = Connection::new(&mut homes, seed);
        connection.run(&mut homes);
        assert!(connection.trace.contains(&"InStep") && !connection.trace.contains(&"Documents"), "seed {seed}");
    }
}

/// The next generation is begun in the middle of a session in which the old one is still under way.
#[test]
fn a_generation_begun_in_the_middle_of_a_session_takes_the_place_of_the_older_one() {
    for seed in 0..40 {
        let mut homes = couple();
        for index in 0..20 {
            homes[index % 2].say(2026, &format!("apart {index}"));
        }
        let mut connection = Connection::new(&mut homes, seed);
        for _ in 0..seed % 9 {
            connection.step(&mut homes);
        }
        let mut told = [false; 2];
        homes[0].carry_on(generation(2026, 1));
        connection.ends[0].session.handle_local_change(connection.now, generation(2026, 1));
        told[0] = true;
        connection.settle(&mut homes);
        for _ in 0..10_000 {
            let stepped = connection.step(&mut homes);
            // Each side carries on what it has when it first sees the generation.
            for side in 0..2 {
                if !told[side] && homes[side].documents.contains_key(&generation(2026, 1)) {
                    told[side] = true;
                    homes[side].carry_on(generation(2026, 1));
                    connection.ends[side].session.handle_local_change(connection.now, generation(2026, 1));
                    connection.settle(&mut homes);
                }
            }
            if !stepped && !connection.ends.iter().any(|end| !end.streams_with_frames().is_empty()) {
                break;
            }
        }
        for end in &connection.ends {
            assert!(end.closed.is_none() && end.session.is_in_step(), "seed {seed}: {:?}", end.closed);
        }
        assert_eq!(homes.each_ref().map(|home| home.knows(generation(2026, 1))), [20, 20], "seed {seed}");
    }
}

/// Both begin the same generation apart, one of them a later one as well.
#[test]
fn generations_begun_by_both_meet_in_the_latest() {
    for seed in 0..12 {
        let mut homes = couple();
        homes[0].say(2026, "both have it");
        meet(&mut homes, seed);
        homes[0].say(2026, "first");
        homes[1].say(2026, "second");
        homes[0].carry_on(generation(2026, 1));
        homes[1].carry_on(generation(2026, 1));
        homes[1].carry_on(generation(2026, 2));
        let mut connection = Connection::new(&mut homes, seed);
        connection.run(&mut homes);
        homes[0].carry_on(generation(2026, 2));
        connection.ends[0].session.handle_local_change(connection.now, generation(2026, 2));
        connection.settle(&mut homes);
        connection.run(&mut homes);
        let newest = homes.each_ref().map(|home| home.documents[&generation(2026, 2)].heads());
        assert_eq!(newest[0], newest[1], "seed {seed}");
        assert_eq!(homes[0].knows(generation(2026, 2)), 3);
        assert!(connection.ends.iter().all(|end| end.session.is_in_step()), "seed {seed}");
    }
}

/// What the caller could not take because a newer generation is there ends nothing.
#[test]
fn changes_of_a_superseded_document_that_were_being_stored_end_no_session() {
    let mut homes = couple();
    homes[0].say(2026, "a calm home");
    meet(&mut homes, 1);
    let mut connection = Connection::new(&mut homes, 2);
    connection.run(&mut homes);
    homes[1].say(2026, "more");
    connection.ends[1].session.handle_local_change(connection.now, shared(2026));
    let [first, second] = &mut connection.ends;
    second.settle(connection.now, &mut homes[1]);
    let frames: Vec<Vec<u8>> = second.sent.values_mut().flat_map(|frames| frames.drain(..)).collect();
    let number = 1_000 + 2026 * 10_000;
    for frame in frames {
        first.session.handle_frame(connection.now, IncomingStream(number), &frame).unwrap();
    }
    let mut persisted = false;
    while let Some(output) = first.session.poll_output() {
        if let Output::Persist { id, document, .. } = output {
            assert_eq!(document, shared(2026));
            first.session.handle_superseded(connection.now, id);
            first.session.handle_superseded(connection.now, id);
            assert!(!first.session.is_in_step(), "nothing is in step until the newer one was told");
            persisted = true;
        }
    }
    assert!(persisted);
    homes[0].carry_on(generation(2026, 1));
    first.session.handle_local_change(connection.now, generation(2026, 1));
    connection.settle(&mut homes);
    connection.run(&mut homes);
    homes[1].carry_on(generation(2026, 1));
    connection.ends[1].session.handle_local_change(connection.now, generation(2026, 1));
    connection.settle(&mut homes);
    connection.run(&mut homes);
    assert!(connection.ends.iter().all(|end| end.closed.is_none() && end.session.is_in_step()));
    assert_eq!(homes.each_ref().map(|home| home.knows(generation(2026, 1))), [2, 2]);
}
