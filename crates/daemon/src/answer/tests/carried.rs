//! Files that are carried between replicas that do not meet.

use std::collections::BTreeSet;

use automerge::ChangeHash;
use betwixt_model::document::DocumentId;
use betwixt_model::ids::DeviceId;
use betwixt_sync::carry::{HEADER, Reader, Record};
use betwixt_sync::keys::DeviceKeys;
use betwixt_sync::session::state_of;

use super::*;
use crate::answer::carry::{self, Known, Parcel};
use crate::replica::Belonging;

const OURS: DocumentId = DocumentId { scope: Scope::Ours, year: 2027, generation: 0 };

/// Another device of whoever `home` is of.
pub(super) fn phone_of(home: &mut Home, seed: u64) -> Home {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let keys = DeviceKeys::generate(&mut rng);
    let (by, roster) = (home.replica.identity(), home.replica.roster());
    let draft = roster.draft_add_device(by.device(), keys.device(), keys.agreement());
    let signatures = [by.keys().signing(), keys.signing()].map(|key| draft.sign(key));
    let added = draft.complete(&signatures).expect("both have signed");
    let belonging = Belonging {
        partner: by.partner(),
        name: by.name().to_owned(),
        household: roster.household(),
        space: home.replica.space(Scope::Mine).expect("is open"),
        statements: roster.statements().cloned().chain([added]).collect(),
    };
    let store = Store::in_memory(&DataKeys::random(&mut rng)).expect("memory takes a store");
    let replica = Replica::join(store, &keys, &belonging, "phone").expect("a new store takes a home");
    // What the phone says of itself, its name and epoch, is in it, too.
    home.adopt(replica.roster().statements().cloned().collect());
    Home { replica, rng }
}

impl Home {
    fn device(&self) -> DeviceId {
        self.replica.identity().device()
    }

    fn export(&self, to: DeviceId, everything: bool) -> Vec<u8> {
        let request = api::CarryRequest { everything, shared_only: false };
        let parcel = Parcel::for_device(&self.replica, to, request).expect("it is a member");
        let mut file = Vec::new();
        let written = carry::write(self.replica.store(), &parcel, &mut file, || {}).expect("is begun");
        written.expect("is written");
        file
    }

    fn import(&mut self, file: &[u8]) -> Result<api::CarryReport, Problem> {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("file");
        std::fs::write(&path, file).expect("is written");
        let known = Known::of(&self.replica, |_| "the other".into());
        carry::import(
            path.to_str().expect("is text"),
            &known,
            |_, _| {},
            |carried| {
                let mut stage = self.replica.begin().expect("begins");
                let took = carry::take_in(&mut self.replica, &mut stage, 0, carried).expect("the stage holds");
                self.commit(stage);
                took
            },
        )
    }

    fn heads(&self) -> Vec<(DocumentId, Vec<ChangeHash>)> {
        self.replica.newest_heads(Scope::Ours).expect("reads")
    }

    fn shared_goals(&self) -> BTreeSet<String> {
        self.items(Collection::Goals, Some(api::Scope::Ours)).into_iter().map(|item| item.id).collect()
    }

    /// Ruins the year's shared document on the disk, so that it is carried on.
    fn ruin(&mut self) {
        let mut stage = self.replica.begin().expect("begins");
        stage.batch().append_change(OURS, b"rubbish").expect("is staged");
        self.commit(stage);
        let mut stage = self.replica.begin().expect("begins");
        self.replica.carry_on_damaged(&mut stage, OURS).expect("is carried on");
        self.commit(stage);
    }
}

fn came(report: &api::CarryReport) -> u64 {
    report.came.iter().map(|came| came.things).sum()
}

/// What a file says inside, to the device that it is for.
fn inside(of: &Home, file: &[u8]) -> Vec<Record> {
    let pairs: Vec<_> = of
        .replica
        .roster()
        .devices()
        .filter(|(device, _)| **device != of.device())
        .filter_map(|(device, _)| of.replica.pair_key(device))
        .collect();
    let mut reader = Reader::open(&file[..HEADER], &pairs).expect("is for it");
    reader.push(&file[HEADER..]).expect("is whole");
    reader.push_end().expect("is whole");
    std::iter::from_fn(|| reader.next_record().expect("reads")).collect()
}

#[test]
fn private_stays_home_a_file_for_the_partner_has_nothing_private_inside_and_one_for_an_own_device_has() {
    let [mut robin, mut kim] = Home::paired();
    let mut phone = phone_of(&mut robin, 7);
    goal(&mut robin, "Cycle along the coast");
    robin.create(Collection::Journal, None, json!({ "text": "what only I may read" })).expect("is said");
    robin.adopt(robin.replica.roster().remove_device(
        robin.replica.identity().keys().signing(),
        // Nobody's, which nobody minds: what counts is that a private statement is there.
        DeviceId::from_bytes([9; 32]),
        None,
        None,
    ));
    let for_kim = inside(&kim, &robin.export(kim.device(), true));
    let for_phone = inside(&phone, &robin.export(phone.device(), true));
    let says = |records: &[Record], text: &str| {
        let bytes = records.iter().flat_map(|record| match record {
            Record::Changes(changes) => changes.iter().flat_map(|change| change.raw_bytes().to_vec()).collect(),
            Record::Roster(statements) => statements.concat(),
            Record::Private(_) | Record::Document { .. } => Vec::new(),
        });
        String::from_utf8_lossy(&bytes.collect::<Vec<u8>>()).contains(text)
    };
    let private = |records: &[Record]| records.iter().any(|record| matches!(record, Record::Private(_)));
    assert!(says(&for_kim, "Cycle along the coast") && says(&for_phone, "Cycle along the coast"));
    assert!(!says(&for_kim, "what only I may read") && !private(&for_kim));
    assert!(says(&for_phone, "what only I may read") && private(&for_phone));
    let statements = |records: &[Record]| match &records[0] {
        Record::Roster(statements) => statements.len(),
        other => panic!("{other:?}"),
    };
    assert_eq!(statements(&for_kim) + 1, statements(&for_phone), "what is accepted of private pages is nobody else's");

    assert_eq!(came(&kim.import(&robin.export(kim.device(), true)).expect("is taken")), 1);
    let report = phone.import(&robin.export(phone.device(), false)).expect("is taken");
    assert_eq!(report.came.iter().map(|came| came.private).sum::<u64>(), 1);
    assert_eq!(phone.items(Collection::Journal, None).len(), 1);
}

#[test]
fn what_builds_on_something_that_is_not_here_is_not_taken_and_a_file_with_everything_is() {
    let [mut robin, mut kim] = Home::paired();
    goal(&mut robin, "Cycle along the coast");
    // They met, as far as Robin's device knows; Kim's was restored since.
    let (id, heads) = robin.heads().remove(0);
    let mut stage = robin.replica.begin().expect("begins");
    stage.batch().put_sync_state(&kim.device(), id, &state_of(heads)).expect("is staged");
    robin.commit(stage);
    assert!(inside(&kim, &robin.export(kim.device(), false)).len() == 1, "the roster alone");
    goal(&mut robin, "Sleep in a tent");
    let before = kim.heads();
    let file = robin.export(kim.device(), false);
    assert_eq!(robin.export(kim.device(), false).len(), file.len(), "writing one advances nothing");
    let report = kim.import(&file).expect("the file is whole");
    assert_eq!((report.missing.as_slice(), came(&report)), (&[OURS.to_string()][..], 0));
    assert_eq!(kim.heads(), before);

    let report = kim.import(&robin.export(kim.device(), true)).expect("is taken");
    assert_eq!((report.missing.len(), came(&report)), (0, 2));
    assert_eq!(came(&kim.import(&file).expect("is whole")), 0);
    assert_eq!(kim.heads(), robin.heads());
    // What came tells what Robin's device has: nothing goes back.
    assert_eq!(inside(&robin, &kim.export(robin.device(), false)).len(), 1);
}

#[test]
fn a_file_older_than_what_is_known_of_its_writer_does_not_make_that_less() {
    let [mut robin, mut kim] = Home::paired();
    goal(&mut robin, "Cycle along the coast");
    let older = robin.export(kim.device(), true);
    goal(&mut robin, "Sleep in a tent");
    kim.import(&robin.export(kim.device(), true)).expect("is taken");
    kim.import(&older).expect("is whole");
    assert_eq!(inside(&robin, &kim.export(robin.device(), false)).len(), 1, "Robin's device has all of it");
}

#[test]
fn newest_has_all_a_document_that_was_begun_anew_elsewhere_is_given_what_is_here_and_nothing_is_lost() {
    let [mut robin, mut kim] = Home::paired();
    goal(&mut robin, "Cycle along the coast");
    kim.import(&robin.export(kim.device(), false)).expect("is taken");
    goal(&mut kim, "Sleep in a tent");
    let of_the_older = kim.export(robin.device(), false);
    robin.ruin();
    goal(&mut robin, "Swim in every lake");
    assert_eq!(robin.heads()[0].0.generation, 1);
    let report = robin.import(&of_the_older).expect("is whole");
    assert_eq!((report.superseded.as_slice(), came(&report)), (&[OURS.to_string()][..], 0));

    assert_eq!(came(&kim.import(&robin.export(kim.device(), false)).expect("is taken")), 1);
    assert_eq!(came(&robin.import(&kim.export(robin.device(), false)).expect("is taken")), 1);
    assert_eq!(robin.shared_goals().len(), 3);
    assert_eq!(robin.shared_goals(), kim.shared_goals());
    assert_eq!(robin.heads(), kim.heads());
}

#[test]
fn a_file_of_a_removed_device_is_refused_also_when_that_is_told_while_it_is_read() {
    let [mut robin, mut kim] = Home::paired();
    let mut phone = phone_of(&mut robin, 7);
    kim.adopt(robin.replica.roster().statements().cloned().collect());
    goal(&mut phone, "Cycle along the coast");
    let file = phone.export(kim.device(), true);
    let keys = robin.replica.identity().keys().signing().clone();
    let removal = robin.replica.roster().remove_device(&keys, phone.device(), None, None);
    let removal: Vec<_> = removal.into_iter().filter(|statement| !statement.is_private()).collect();

    // As the roster stood when the file was opened.
    let known = Known::of(&kim.replica, |_| "the phone".into());
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("file");
    std::fs::write(&path, &file).expect("is written");
    let mut removal = Some(removal);
    let outcome = carry::import(
        path.to_str().expect("is text"),
        &known,
        |_, _| {},
        |carried| {
            if let Some(removal) = removal.take() {
                kim.adopt(removal);
            }
            let mut stage = kim.replica.begin().expect("begins");
            let took = carry::take_in(&mut kim.replica, &mut stage, 0, carried).expect("the stage holds");
            kim.commit(stage);
            took
        },
    );
    assert_eq!(refused(outcome), (ProblemKind::Invalid, Some("path".into())));
    assert_eq!(refused(kim.import(&file)), (ProblemKind::Invalid, Some("path".into())));
    assert!(kim.shared_goals().is_empty());
    let request = api::CarryRequest::default();
    let nothing = Parcel::for_device(&kim.replica, phone.device(), request);
    assert_eq!(refused(nothing), (ProblemKind::Invalid, Some("device".into())));
}
