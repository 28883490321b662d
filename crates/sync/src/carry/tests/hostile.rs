//! Files that are for others, damaged, or written by somebody who breaks the rules.

use super::*;
use crate::wire::codec::write_unsigned;
use crate::wire::{Malformed, caps};

fn small() -> (Vec<u8>, DeviceKeys, DeviceKeys) {
    let [mut home, _] = crate::session::test_homes::couple();
    home.say(2026, "We walk to the sea");
    let (a, b) = (device(1), device(2));
    (written(&home, &pair(&a, &b), &[(2026, Vec::new())], 7), a, b)
}

#[test]
fn a_file_for_somebody_else_is_told_from_one_that_was_written_here_and_from_no_such_file() {
    let (file, a, b) = small();
    let stranger = device(3);
    assert_eq!(read(&file, &[&pair(&stranger, &a), &pair(&stranger, &b)]), Err(CarryError::ForAnother));
    assert_eq!(read(&file, &[]), Err(CarryError::ForAnother));
    assert_eq!(read(&file, &[&pair(&a, &stranger), &pair(&a, &b)]), Err(CarryError::Own(b.device())));
    // Of two devices with the same keys in another household it is not, either.
    let elsewhere = PairKey::derive(&b, &HouseholdId::from_bytes([4; 32]), &a.device(), &a.agreement()).unwrap();
    assert_eq!(read(&file, &[&elsewhere]), Err(CarryError::ForAnother));
    let key = pair(&b, &a);
    assert_eq!(read(b"{\"format\": \"betwixt-export\"}", &[&key]), Err(CarryError::Foreign));
    assert_eq!(read(b"", &[&key]), Err(CarryError::CutShort));
    let mut newer = file.clone();
    newer[MAGIC.len()] = VERSION + 1;
    assert_eq!(read(&newer, &[&key]), Err(CarryError::Newer(VERSION + 1)));
    newer[MAGIC.len()] = 0;
    assert_eq!(read(&newer, &[&key]), Err(CarryError::Foreign));
    assert!(read(&file, &[&pair(&b, &stranger), &key]).is_ok());
}

#[test]
fn hostile_input_is_an_error_a_file_that_is_cut_short_anywhere_or_goes_on() {
    let [mut home, _] = crate::session::test_homes::couple();
    // Several pieces, of what does not compress.
    for number in 0..60_u32 {
        let words = (0..60_u32).map(|word| blake3::hash(&(number * 60 + word).to_le_bytes()).to_string());
        home.say(2026, &words.collect::<String>());
    }
    let (a, b) = (device(1), device(2));
    let file = written(&home, &pair(&a, &b), &[(2026, Vec::new())], 7);
    assert!(file.len() > HEADER + 2 * SEALED_CHUNK, "{}", file.len());
    let key = pair(&b, &a);
    for length in [1, MAGIC.len(), MAGIC.len() + 1, HEADER - 1, HEADER, HEADER + 1, file.len() - 1] {
        assert_eq!(read(&file[..length], &[&key]), Err(CarryError::CutShort), "{length}");
    }
    // At the end of a piece, which is then not the last that was sealed.
    for pieces in 1..(file.len() - HEADER) / SEALED_CHUNK {
        assert_eq!(read(&file[..HEADER + pieces * SEALED_CHUNK], &[&key]), Err(CarryError::Altered));
    }
    let mut longer = file.clone();
    longer.push(0);
    assert_eq!(read(&longer, &[&key]), Err(CarryError::Altered));
    // Two pieces that changed places, and one that is there twice.
    let mut swapped = file.clone();
    let (one, two) = swapped[HEADER..].split_at_mut(SEALED_CHUNK);
    one.swap_with_slice(&mut two[..SEALED_CHUNK]);
    assert_eq!(read(&swapped, &[&key]), Err(CarryError::Altered));
    let mut repeated = file[..HEADER + SEALED_CHUNK].to_vec();
    repeated.extend_from_slice(&file[HEADER..]);
    assert_eq!(read(&repeated, &[&key]), Err(CarryError::Altered));
}

#[test]
fn hostile_input_is_an_error_a_flipped_bit_anywhere_in_a_file() {
    let (file, a, b) = small();
    let key = pair(&b, &a);
    for at in (0..HEADER + 64).chain((HEADER + 64..file.len()).step_by(997)).chain([file.len() - 1]) {
        let mut altered = file.clone();
        altered[at] ^= 0x10;
        let outcome = read(&altered, &[&key]);
        let expected = match at {
            0..8 => CarryError::Foreign,
            8 => CarryError::Newer(VERSION ^ 0x10),
            _ if at < HEADER => CarryError::ForAnother,
            _ => CarryError::Altered,
        };
        assert_eq!(outcome, Err(expected), "at {at}");
    }
}

/// What a member writes who knows the format, and not the rules.
fn by_hand(records: &[Vec<u8>]) -> Result<Vec<Record>, CarryError> {
    let (a, b) = (device(1), device(2));
    let mut inside = Vec::new();
    for record in records {
        write_unsigned(&mut inside, record.len() as u64);
        inside.extend_from_slice(record);
    }
    read(&sealed(&pair(&a, &b), &inside, &mut rng(1)), &[&pair(&b, &a)])
}

#[test]
fn hostile_input_is_an_error_records_that_are_out_of_order_or_too_many() {
    let between = || record::between(&device(1).device(), &device(2).device());
    let roster = || record::roster(std::iter::empty());
    let document = |year| record::document(shared(year), &[]);
    let out_of_order = |records: &[Vec<u8>]| assert!(matches!(by_hand(records), Err(CarryError::OutOfOrder(_))));
    assert_eq!(by_hand(&[between(), roster(), record::end()]).unwrap().len(), 1);
    out_of_order(&[roster(), record::end()]);
    out_of_order(&[record::end()]);
    out_of_order(&[between(), record::end()]);
    out_of_order(&[between(), document(2026), record::end()]);
    out_of_order(&[between(), roster(), roster(), record::end()]);
    out_of_order(&[between(), between(), roster(), record::end()]);
    // In another's name, or for another.
    out_of_order(&[record::between(&device(3).device(), &device(2).device()), roster(), record::end()]);
    out_of_order(&[record::between(&device(2).device(), &device(1).device()), roster(), record::end()]);
    let private = || record::private(&HouseholdId::from_bytes([8; 32]));
    out_of_order(&[between(), roster(), private(), private(), record::end()]);
    out_of_order(&[between(), roster(), record::changes([&[0_u8; 9][..]; 0].into_iter()), record::end()]);
    let empty = record::changes(std::iter::empty());
    out_of_order(&[between(), roster(), document(2026), empty, record::end()]);
    let unsorted = Err(CarryError::Malformed(Malformed::Unsorted("documents")));
    assert_eq!(by_hand(&[between(), roster(), document(2027), document(2026), record::end()]), unsorted);
    assert_eq!(by_hand(&[between(), roster(), document(2026), document(2026), record::end()]), unsorted);
    // Nothing ends it; and something comes after its end.
    assert_eq!(by_hand(&[between(), roster()]), Err(Malformed::Short.into()));
    assert_eq!(by_hand(&[between(), roster(), record::end(), vec![9]]), Err(Malformed::LeftOver.into()));
    assert_eq!(by_hand(&[between(), roster(), vec![77]]), Err(Malformed::Value("kind of record").into()));
    assert_eq!(by_hand(&[between(), roster(), vec![0; 3]]), Err(Malformed::Value("kind of record").into()));
    let mut longer = roster();
    longer.push(0);
    assert_eq!(by_hand(&[between(), longer]), Err(Malformed::LeftOver.into()));
}

#[test]
fn caps_lengths_that_a_record_claims_take_no_memory() {
    let (a, b) = (device(1), device(2));
    let claims = |length: u64| {
        let mut inside = Vec::new();
        write_unsigned(&mut inside, length);
        read(&sealed(&pair(&a, &b), &inside, &mut rng(1)), &[&pair(&b, &a)])
    };
    assert_eq!(claims(caps::MESSAGE as u64 + 1), Err(Malformed::Cap("bytes of a record").into()));
    assert_eq!(claims(u64::MAX), Err(Malformed::Cap("bytes of a record").into()));
    assert_eq!(claims(caps::MESSAGE as u64), Err(CarryError::CutShort));
    let mut many = vec![5];
    write_unsigned(&mut many, caps::CHANGES as u64 + 1);
    let between = record::between(&a.device(), &b.device());
    let roster = record::roster(std::iter::empty());
    let document = record::document(shared(2026), &[]);
    assert_eq!(by_hand(&[between, roster, document, many]), Err(Malformed::Cap("changes").into()));
}

#[test]
fn hostile_input_is_an_error_a_change_that_is_none() {
    let between = record::between(&device(1).device(), &device(2).device());
    let roster = record::roster(std::iter::empty());
    let change = record::changes([&b"no change at all"[..]].into_iter());
    let outcome = by_hand(&[between, roster, record::document(shared(2026), &[]), change, record::end()]);
    assert!(matches!(outcome, Err(CarryError::Change(_))), "{outcome:?}");
}
