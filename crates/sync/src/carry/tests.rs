//! Files between two devices, with real documents and the real gate.

mod converge;
mod hostile;

use automerge::ChangeHash;
use betwixt_model::document::Scope;
use betwixt_model::ids::{DeviceId, EpochId, HouseholdId, PartnerId};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use super::*;
use crate::keys::{DeviceKeys, PairKey};
use crate::roster::{OwnDevice, Roster};
use crate::session::test_homes::{Home, shared};
use crate::wire::DocumentName;

pub(super) fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

pub(super) fn household() -> HouseholdId {
    HouseholdId::from_bytes([3; 32])
}

pub(super) fn device(seed: u64) -> DeviceKeys {
    DeviceKeys::generate(&mut rng(seed))
}

pub(super) fn pair(own: &DeviceKeys, other: &DeviceKeys) -> PairKey {
    PairKey::derive(own, &household(), &other.device(), &other.agreement()).unwrap()
}

/// The proof that `other` is a device of the same partner as `own`.
pub(super) fn own_device(own: &DeviceKeys, other: &DeviceKeys) -> OwnDevice {
    let partner = PartnerId::founded_by(&own.device());
    let roster = Roster::from_statements(partner, None, Roster::begin(own, EpochId::from_bytes([1; 32])));
    let draft = roster.draft_add_device(own.device(), other.device(), other.agreement());
    let signatures = [draft.sign(own.signing()), draft.sign(other.signing())];
    let roster = roster.merge([draft.complete(&signatures).unwrap()]).roster;
    roster.own_device(&other.device()).unwrap()
}

/// Everything of a file that is for `pair.own()`.
pub(super) fn read(file: &[u8], known: &[&PairKey]) -> Result<Vec<Record>, CarryError> {
    read_in(file, known, 10_000)
}

/// The same, where its bytes come so many at a time.
pub(super) fn read_in(file: &[u8], known: &[&PairKey], step: usize) -> Result<Vec<Record>, CarryError> {
    let (header, rest) = file.split_at(file.len().min(HEADER));
    let mut reader = Reader::open(header, known.iter().copied())?;
    let mut records = Vec::new();
    for piece in rest.chunks(step) {
        reader.push(piece)?;
        while let Some(record) = reader.next_record()? {
            records.push(record);
        }
    }
    reader.push_end()?;
    while let Some(record) = reader.next_record()? {
        records.push(record);
    }
    reader.end()?;
    Ok(records)
}

/// What `home` writes for a device that has `base` of the year's document.
pub(super) fn written(home: &Home, pair: &PairKey, years: &[(i16, Vec<ChangeHash>)], seed: u64) -> Vec<u8> {
    let mut writer = Writer::begin(pair, &home.roster.statements, &mut rng(seed)).unwrap();
    let mut file = writer.take();
    for (year, base) in years {
        let document = &home.documents[&shared(*year)];
        writer.document(shared(*year), base).unwrap();
        writer.changes(document.changes_since(base)).unwrap();
        file.extend(writer.take());
    }
    file.extend(writer.end());
    file
}

#[test]
fn a_file_brings_the_roster_and_changes_to_the_device_that_it_is_for_in_pieces_of_any_length() {
    let [mut home, _] = crate::session::test_homes::couple();
    for number in 0..400 {
        home.say(2026, &format!("We walk to the sea {number}"));
    }
    home.say(2027, "A garden");
    let (a, b) = (device(1), device(2));
    let years = [(2026, Vec::new()), (2027, Vec::new())];
    let file = written(&home, &pair(&a, &b), &years, 7);
    let theirs = pair(&b, &a);
    let records = read(&file, &[&theirs]).unwrap();
    assert!(matches!(&records[0], Record::Roster(statements) if *statements == home.roster.statements));
    let documents = records.iter().filter(|record| matches!(record, Record::Document { .. })).count();
    assert_eq!(documents, 2);
    let changes: usize =
        records.iter().map(|record| if let Record::Changes(all) = record { all.len() } else { 0 }).sum();
    assert_eq!(changes, 401 + 2, "each with its genesis");
    for step in [1_000, SEALED_CHUNK - 1, SEALED_CHUNK, SEALED_CHUNK + 1, file.len()] {
        assert_eq!(read_in(&file, &[&theirs], step).unwrap(), records);
    }
}

#[test]
fn what_is_outside_tells_neither_who_nor_what_and_the_length_has_steps() {
    let [mut home, _] = crate::session::test_homes::couple();
    home.say(2026, "We walk to the sea");
    let (a, b) = (device(1), device(2));
    let key = pair(&a, &b);
    let one = written(&home, &key, &[(2026, Vec::new())], 7);
    assert_eq!(one.len(), HEADER + SEALED_CHUNK);
    let holds = |file: &[u8], needle: &[u8]| file.windows(needle.len()).any(|window| window == needle);
    for needle in [a.device().as_bytes().as_slice(), b.device().as_bytes(), household().as_bytes(), b"founding", b"sea"]
    {
        assert!(!holds(&one, needle));
    }
    // Nothing recurs from one file to the next but the beginning that says what it is.
    let again = written(&home, &key, &[(2026, Vec::new())], 8);
    assert_eq!(one[..MAGIC.len() + 1], again[..MAGIC.len() + 1]);
    let same = one.iter().zip(&again).skip(MAGIC.len() + 1).filter(|(one, other)| one == other).count();
    assert!(same < one.len() / 64, "{same} bytes are the same");
    home.say(2026, "And back");
    assert_eq!(written(&home, &key, &[(2026, Vec::new())], 9).len(), one.len());
}

#[test]
fn golden_every_byte_of_version_1() {
    let (a, b) = (device(1), device(2));
    // What is around: the header, pieces, and the length of the last.
    let file = sealed(&pair(&a, &b), &[7; 70_000], &mut rng(9));
    assert_eq!(file.len(), HEADER + 2 * SEALED_CHUNK);
    let around = [&file[..HEADER], blake3::hash(&file).as_bytes()].map(betwixt_model::ids::encode_base32);
    insta::assert_snapshot!(around.join("\n"), @r"
    mj4ggylsoj4quai33wkwm5sgaqbjo5wi2ir3qkihtakqkp7g53nhdncavtaz5a66t6iqhjc7c7jxm2gkdyo6kbw66s7lik7dr6hionaxzsyuz4ftlzryooaeku2xhzuhz6go3hnlk32emiq
    ifrjfgo42hk4f3tqaaduuedcllknbitruygcuwtraezqa5da5gfa
    ");
    // And what is inside.
    let statements: [&[u8]; 2] = [b"one", b"two"];
    let records = [
        record::between(&DeviceId::from_bytes([1; 32]), &DeviceId::from_bytes([2; 32])),
        record::roster(statements.into_iter()),
        record::private(&HouseholdId::from_bytes([3; 32])),
        record::document(shared(2026), &[ChangeHash([4; 32])]),
        record::changes([&b"a chunk"[..]].into_iter()),
        record::end(),
    ];
    let lines = records.map(|record| betwixt_model::ids::encode_base32(&record));
    insta::assert_snapshot!(lines.join("\n"), @r"
    aeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqc
    aibag33omubxi53p
    ambqgaydambqgaydambqgaydambqgaydambqgaydambqgaydambqg
    atva6aabaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqca
    auaqoyjamnuhk3tl
    ay
    ");
}

#[test]
fn private_stays_home_private_pages_go_into_a_file_for_an_own_device_alone() {
    let [mut home, _] = crate::session::test_homes::couple();
    home.say(2026, "What only I may read");
    let (laptop, phone, partner) = (device(1), device(2), device(3));
    let proof = own_device(&laptop, &phone);
    let space = HouseholdId::from_bytes([8; 32]);
    // For the partner's device there is no way to begin, whatever proof one has.
    let mut writer = Writer::begin(&pair(&laptop, &partner), &[], &mut rng(1)).unwrap();
    assert_eq!(writer.begin_private(proof, &space), Err(WriteError::ForAnother));

    let mut writer = Writer::begin(&pair(&laptop, &phone), &[], &mut rng(1)).unwrap();
    writer.begin_private(proof, &space).unwrap();
    writer.document(shared(2026), &[]).unwrap();
    writer.changes(home.documents[&shared(2026)].changes_since(&[])).unwrap();
    let mut file = writer.take();
    file.extend(writer.end());
    let records = read(&file, &[&pair(&phone, &laptop)]).unwrap();
    assert_eq!(records[1], Record::Private(space));
    let Record::Document { id, .. } = &records[2] else { panic!("{:?}", records[2]) };
    assert_eq!((id.scope, DocumentName::of(*id)), (Scope::Mine, shared(2026)));
}
