//! What Automerge 0.12 does that its own registers, objects and text cannot be used for what people say to each other.
//!
//! Each test pins one such behaviour down, as it is, and names what Betwixt does instead. A test that fails here means
//! that the library changed: look whether the reason in `docs/design/facts-not-registers.md` still holds.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use automerge::sync::{State, SyncDoc};
use automerge::transaction::{CommitOptions, Transactable};
use automerge::{ActorId, AutoCommit, Automerge, AutomergeError, ChangeHash, ObjType, PatchLog, ROOT, ReadDoc};

/// A document that two partners have apart, with what they had in common.
fn apart(common: impl FnOnce(&mut AutoCommit)) -> (AutoCommit, AutoCommit) {
    let mut ours = AutoCommit::new().with_actor(ActorId::from([1]));
    common(&mut ours);
    ours.commit();
    let theirs = ours.fork().with_actor(ActorId::from([2]));
    (ours, theirs)
}

fn meet(ours: &mut AutoCommit, theirs: &mut AutoCommit) {
    ours.merge(theirs).unwrap();
    theirs.merge(ours).unwrap();
}

fn all(document: &AutoCommit, key: &str) -> Vec<String> {
    let mut texts: Vec<String> =
        document.get_all(ROOT, key).unwrap().into_iter().map(|(value, _)| value.into_string().unwrap()).collect();
    texts.sort();
    texts
}

#[test]
fn text_changed_apart_is_interleaved_by_characters() {
    let mut note = None;
    let (mut ours, mut theirs) = apart(|document| {
        let text = document.put_object(ROOT, "note", ObjType::Text).unwrap();
        document.update_text(&text, "dog").unwrap();
        note = Some(text);
    });
    let note = note.unwrap();
    ours.update_text(&note, "bird").unwrap();
    theirs.update_text(&note, "cat").unwrap();
    meet(&mut ours, &mut theirs);
    // A word that nobody wrote, on both sides, and nothing says that it was contradicted.
    assert_eq!(ours.text(&note).unwrap(), "catbir");
    assert_eq!(theirs.text(&note).unwrap(), "catbir");
    assert_eq!(ours.get_all(ROOT, "note").unwrap().len(), 1);
}

#[test]
fn an_object_let_go_takes_the_others_edit_with_it() {
    let mut goal = None;
    let (mut ours, mut theirs) = apart(|document| {
        let map = document.put_object(ROOT, "goal", ObjType::Map).unwrap();
        document.put(&map, "title", "Learn to sail").unwrap();
        goal = Some(map);
    });
    let goal = goal.unwrap();
    ours.delete(ROOT, "goal").unwrap();
    theirs.put(&goal, "title", "Learn to sail together").unwrap();
    meet(&mut ours, &mut theirs);
    assert!(theirs.get_all(ROOT, "goal").unwrap().is_empty(), "gone for the one who edited it, too");
    // It is there only for whoever still knows the old object's id.
    let (title, _) = theirs.get(&goal, "title").unwrap().unwrap();
    assert_eq!(title.into_string().unwrap(), "Learn to sail together");
}

#[test]
fn what_was_removed_comes_back_without_a_sign_when_the_other_changed_it() {
    let (mut ours, mut theirs) = apart(|document| document.put(ROOT, "date", "May").unwrap());
    ours.delete(ROOT, "date").unwrap();
    theirs.put(ROOT, "date", "June").unwrap();
    meet(&mut ours, &mut theirs);
    assert_eq!(all(&ours, "date"), ["June"], "one value, so no conflict that could be shown");
}

#[test]
fn two_equal_sets_look_like_a_conflict() {
    let (mut ours, mut theirs) = apart(|_| {});
    ours.put(ROOT, "title", "Sail").unwrap();
    theirs.put(ROOT, "title", "Sail").unwrap();
    meet(&mut ours, &mut theirs);
    assert_eq!(all(&ours, "title"), ["Sail", "Sail"]);
}

#[test]
fn two_objects_made_apart_under_one_key_hide_one_of_them() {
    let (mut ours, mut theirs) = apart(|_| {});
    for (document, text) in [(&mut ours, "ours"), (&mut theirs, "theirs")] {
        let values = document.put_object(ROOT, "values", ObjType::Map).unwrap();
        document.put(&values, text, "said").unwrap();
    }
    meet(&mut ours, &mut theirs);
    let (_, shown) = ours.get(ROOT, "values").unwrap().unwrap();
    assert_eq!(ours.keys(&shown).count(), 1, "the other's map is hidden with everything in it");
    assert_eq!(ours.get_all(ROOT, "values").unwrap().len(), 2);
}

#[test]
fn a_put_after_receiving_clears_a_conflict_that_nobody_has_seen() {
    let (mut ours, mut theirs) = apart(|document| document.put(ROOT, "title", "Sail").unwrap());
    ours.put(ROOT, "title", "Sail the Baltic").unwrap();
    theirs.put(ROOT, "title", "Sail the fjords").unwrap();
    ours.merge(&mut theirs).unwrap();
    assert_eq!(all(&ours, "title").len(), 2);
    // A page that was open all the time saves its text once more: its writer never saw the other's.
    ours.put(ROOT, "title", "Sail the Baltic Sea").unwrap();
    theirs.merge(&mut ours).unwrap();
    assert_eq!(all(&theirs, "title"), ["Sail the Baltic Sea"], "the other's word is gone on both sides");
}

#[test]
fn unknown_heads_are_dropped_in_silence() {
    let mut document = Automerge::new();
    let put = |document: &mut Automerge, value: &str| {
        document.transact::<_, _, AutomergeError>(|transaction| transaction.put(ROOT, "title", value)).unwrap().hash
    };
    put(&mut document, "Sail");
    let unknown = ChangeHash([7; 32]);
    let mut transaction = document.transaction_at(PatchLog::inactive(), &[unknown]).unwrap();
    transaction.put(ROOT, "title", "Row").unwrap();
    let hash = transaction.commit().0.unwrap();
    let change = document.get_change_by_hash(&hash).unwrap();
    assert!(change.deps().is_empty(), "said in the light of something, recorded as said in the light of nothing");
}

#[test]
fn writing_at_earlier_heads_makes_another_actor() {
    let mut document = AutoCommit::new().with_actor(ActorId::from([1]));
    document.put(ROOT, "title", "Sail").unwrap();
    let early = document.get_heads();
    document.put(ROOT, "title", "Row").unwrap();
    document.commit();
    document.isolate(&early);
    document.put(ROOT, "title", "Swim").unwrap();
    document.integrate();
    let actors: std::collections::BTreeSet<ActorId> =
        document.get_changes(&[]).iter().map(|change| change.actor_id().clone()).collect();
    assert_eq!(actors.len(), 2, "so who said something cannot be read from the actor");
}

/// Two changes of one actor with one sequence number, as a restored copy of a home would make them.
fn twins() -> (Automerge, Automerge) {
    let make = |value: &str| {
        let mut document = Automerge::new().with_actor(ActorId::from([1]));
        let put = |transaction: &mut automerge::transaction::Transaction<'_>| transaction.put(ROOT, "title", value);
        document.transact_with::<_, _, AutomergeError, _>(|()| CommitOptions::default().with_time(0), put).unwrap();
        document
    };
    (make("before the backup was restored"), make("after it"))
}

#[test]
fn a_duplicate_sequence_number_divides_two_devices_for_ever() {
    let (mut one, mut other) = twins();
    let refused = |outcome: Result<_, AutomergeError>| {
        assert!(matches!(outcome, Err(AutomergeError::DuplicateSeqNumber(1, _))), "{outcome:?}");
    };
    refused(one.apply_changes(other.get_changes(&[])));
    refused(other.apply_changes(one.get_changes(&[])));
    // What comes after it, by the same actor, is blocked with it.
    other.transact::<_, _, AutomergeError>(|transaction| transaction.put(ROOT, "later", 1)).unwrap();
    refused(one.apply_changes(other.get_changes(&[])));
    assert_eq!(one.get_heads().len(), 1);
}

#[test]
fn a_change_whose_dependency_never_comes_is_kept_without_a_sign() {
    let mut theirs = Automerge::new().with_actor(ActorId::from([2]));
    for value in ["one", "two"] {
        theirs.transact::<_, _, AutomergeError>(|transaction| transaction.put(ROOT, "title", value)).unwrap();
    }
    let [first, second] = theirs.get_changes(&[]).try_into().unwrap();
    let mut ours = Automerge::new();
    ours.apply_changes([second.clone()]).unwrap();
    assert!(ours.get_heads().is_empty() && ours.get_change_by_hash(&second.hash()).is_none());
    assert_eq!(ours.get_missing_deps(&[]), [first.hash()]);
    // It is carried through saving and loading, so that it takes up its place for good.
    let loaded = Automerge::load(&ours.save()).unwrap();
    assert_eq!(loaded.get_missing_deps(&[]), [first.hash()]);
}

#[test]
fn a_lost_sync_message_stops_the_exchange_for_ever() {
    let (mut ours, _) = twins();
    let mut theirs = Automerge::new();
    let (mut our_state, mut their_state) = (State::new(), State::new());
    let asked = theirs.generate_sync_message(&mut their_state).unwrap();
    ours.receive_sync_message(&mut our_state, asked).unwrap();
    let lost = ours.generate_sync_message(&mut our_state);
    assert!(lost.is_some());
    // Both wait for the other: the change will never arrive while these states live.
    for _ in 0..3 {
        assert!(ours.generate_sync_message(&mut our_state).is_none());
        assert!(theirs.generate_sync_message(&mut their_state).is_none());
    }
    // A new connection begins with what is persisted of the states, which forgets what was under way.
    our_state = State::decode(&our_state.encode()).unwrap();
    their_state = State::decode(&their_state.encode()).unwrap();
    for _ in 0..4 {
        if let Some(message) = ours.generate_sync_message(&mut our_state) {
            theirs.receive_sync_message(&mut their_state, message).unwrap();
        }
        if let Some(message) = theirs.generate_sync_message(&mut their_state) {
            ours.receive_sync_message(&mut our_state, message).unwrap();
        }
    }
    assert_eq!(theirs.get_heads(), ours.get_heads());
}

#[test]
fn scalars_put_apart_leave_a_winner_and_no_sign_in_the_value() {
    let (mut ours, mut theirs) = apart(|_| {});
    ours.put(ROOT, "date", "May").unwrap();
    theirs.put(ROOT, "date", "June").unwrap();
    meet(&mut ours, &mut theirs);
    // Whoever has the greater actor id wins, which nobody chose.
    assert_eq!(ours.get(ROOT, "date").unwrap().unwrap().0.into_string().unwrap(), "June");
}

#[test]
fn a_sync_message_of_ten_bytes_panics() {
    // Version 1, no heads, no needs, one "have": no last sync, a Bloom filter of one entry with no bits; no changes.
    let hostile = [0x42, 0, 0, 1, 0, 3, 1, 0, 1, 0];
    let message = automerge::sync::Message::decode(&hostile).unwrap();
    let (mut ours, _) = twins();
    let mut state = State::new();
    ours.receive_sync_message(&mut state, message).unwrap();
    // The gate looks at the filter's parameters before Automerge sees it, and whatever is left is caught.
    let answer = std::panic::AssertUnwindSafe(|| ours.generate_sync_message(&mut state).is_some());
    assert!(std::panic::catch_unwind(answer).is_err());
}
