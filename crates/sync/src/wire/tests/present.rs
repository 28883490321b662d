//! The present: its bytes, its one order, and its caps.

use std::iter::repeat_n;

use betwixt_model::fact::MAX_TEXT;
use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};

use crate::wire::chunk::ChunkError;
use crate::wire::codec::{write_bytes, write_unsigned};
use crate::wire::packed::{deflate, inflate};
use crate::wire::{Malformed, PresentFact, caps, decode_present, encode_present};

fn fact(text: impl Into<String>, seed: u8) -> PresentFact {
    PresentFact { text: text.into(), signature: [seed; 64] }
}

fn plain(packed: &[u8]) -> Vec<u8> {
    inflate(packed, caps::PRESENT_UNPACKED).unwrap()
}

/// A present of these texts, in this order, as an encoder without checks would write it.
fn written(texts: &[&[u8]]) -> Vec<u8> {
    let mut plain = Vec::new();
    write_unsigned(&mut plain, texts.len() as u64);
    for text in texts {
        write_bytes(&mut plain, text);
        plain.extend([7; 64]);
    }
    deflate(&plain).unwrap()
}

#[test]
fn golden_a_present_has_these_bytes_before_they_are_deflated() {
    let packed = encode_present(&[fact("b", 2), fact("a€", 1)]).unwrap();
    let expected = [&[2, 4][..], "a€".as_bytes(), &[1; 64], &[1], b"b", &[2; 64]].concat();
    assert_eq!(plain(&packed), expected);
    assert_eq!(plain(&encode_present(&[]).unwrap()), [0]);
}

#[test]
fn a_present_has_one_order_and_every_text_once() {
    let facts = [fact("c", 3), fact("a", 1), fact("c", 3), fact("b", 2), fact("c", 9)];
    let read = decode_present(&encode_present(&facts).unwrap()).unwrap();
    assert_eq!(read, [fact("a", 1), fact("b", 2), fact("c", 3)]);
    assert_eq!(encode_present(&read), encode_present(&facts));
    assert_eq!(decode_present(&encode_present(&[]).unwrap()), Ok(Vec::new()));
    assert_eq!(
        format!("{read:?}"),
        "[PresentFact, PresentFact, PresentFact]",
        "nothing of what people wrote is logged"
    );
}

#[test]
fn what_facts_have_in_common_is_deflated() {
    let text = |number| format!("{{\"header\":{{\"format\":1,\"household\":\"the same for all\",\"item\":{number}}}}}");
    let facts: Vec<_> = (0..1_000).map(|number| fact(text(number), 0)).collect();
    let packed = encode_present(&facts).unwrap();
    assert!(packed.len() * 8 < plain(&packed).len(), "{} of {}", packed.len(), plain(&packed).len());
}

#[test]
fn caps_what_does_not_fit_is_not_encoded() {
    let many = |count: usize| (0..count).map(|number| fact(format!("{number:05}"), 0)).collect::<Vec<_>>();
    assert_eq!(decode_present(&encode_present(&many(caps::PRESENT_FACTS)).unwrap()), Ok(many(caps::PRESENT_FACTS)));
    assert_eq!(encode_present(&many(caps::PRESENT_FACTS + 1)), None);
    assert!(encode_present(&[fact("x".repeat(MAX_TEXT), 0)]).is_some());
    assert_eq!(encode_present(&[fact("x".repeat(MAX_TEXT + 1), 0)]), None);
    // It deflates to little, but unpacks to too much.
    let long = |number: u8| fact(repeat_n(char::from(b'0' + number), MAX_TEXT - 1_000).collect::<String>(), 0);
    let count = u8::try_from(caps::PRESENT_UNPACKED.div_ceil(MAX_TEXT - 1_000)).unwrap();
    assert!(encode_present(&(0..count - 1).map(long).collect::<Vec<_>>()).is_some());
    assert_eq!(encode_present(&(0..count).map(long).collect::<Vec<_>>()), None);
    // And the reverse: what does not deflate.
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let mut random = || {
        let mut bytes = vec![0; MAX_TEXT / 4 * 3];
        rng.fill_bytes(&mut bytes);
        fact(data_encoding::BASE64.encode(&bytes), 0)
    };
    let random: Vec<_> = (0..22).map(|_| random()).collect();
    assert!(encode_present(&random[..1]).is_some());
    assert_eq!(encode_present(&random), None);
}

#[test]
fn caps_a_present_that_is_too_long_or_unpacks_to_too_much() {
    let long = vec![0; caps::PRESENT + 1];
    assert_eq!(decode_present(&long), Err(Malformed::Cap("bytes of a present").into()));
    let zeroes = deflate(&vec![0; caps::PRESENT_UNPACKED + 1]).unwrap();
    assert_eq!(decode_present(&zeroes), Err(ChunkError::Bomb));
    let count = |count: usize| {
        let mut plain = Vec::new();
        write_unsigned(&mut plain, count as u64);
        deflate(&plain).unwrap()
    };
    assert_eq!(decode_present(&count(caps::PRESENT_FACTS)), Err(Malformed::Short.into()));
    assert_eq!(decode_present(&count(caps::PRESENT_FACTS + 1)), Err(Malformed::Cap("facts").into()));
    let text = written(&[&vec![b'x'; MAX_TEXT + 1]]);
    assert_eq!(decode_present(&text), Err(Malformed::Cap("bytes of a fact").into()));
}

#[test]
fn hostile_input_is_an_error_for_a_present_that_is_none() {
    assert_eq!(decode_present(b""), Err(ChunkError::Deflate));
    assert_eq!(decode_present(b"\xff not deflated"), Err(ChunkError::Deflate));
    let packed = written(&[b"a", b"b"]);
    assert_eq!(decode_present(&packed), Ok(vec![fact("a", 7), fact("b", 7)]));
    assert_eq!(decode_present(&[packed.as_slice(), &[0]].concat()), Err(Malformed::LeftOver.into()));
    let inside = deflate(&[plain(&packed).as_slice(), &[0]].concat()).unwrap();
    assert_eq!(decode_present(&inside), Err(Malformed::LeftOver.into()));
    let short = deflate(&plain(&packed)[..100]).unwrap();
    assert_eq!(decode_present(&short), Err(Malformed::Short.into()));
    assert_eq!(decode_present(&written(&[b"b", b"a"])), Err(Malformed::Unsorted("facts").into()));
    assert_eq!(decode_present(&written(&[b"a", b"a"])), Err(Malformed::Unsorted("facts").into()));
    assert_eq!(decode_present(&written(&[b"\xff"])), Err(Malformed::Value("text of a fact").into()));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_present_comes_back(texts in prop::collection::btree_set(".{0,40}", 0..40)) {
        let facts: Vec<_> = texts.into_iter().enumerate().map(|(seed, text)| fact(text, seed as u8)).collect();
        let reversed: Vec<_> = facts.iter().rev().cloned().collect();
        prop_assert_eq!(decode_present(&encode_present(&reversed).unwrap()), Ok(facts));
    }

    /// HostileInputIsAnError: altered after it was deflated, and before.
    #[test]
    fn hostile_input_is_an_error_for_altered_presents(place in any::<prop::sample::Index>(), bit in 0..8_u8, tail in any::<bool>()) {
        let whole = encode_present(&[fact("something that stands", 1), fact("another thing", 2)]).unwrap();
        let mut packed = whole.clone();
        let at = place.index(packed.len());
        packed[at] ^= 1_u8 << bit;
        if tail {
            packed.truncate(at);
        }
        let _ = decode_present(&packed);
        let mut plain = plain(&whole);
        let at = place.index(plain.len());
        plain[at] ^= 1_u8 << bit;
        // What is read all the same has one spelling inside.
        if let Ok(facts) = decode_present(&deflate(&plain).unwrap()) {
            prop_assert_eq!(inflate(&encode_present(&facts).unwrap(), caps::PRESENT_UNPACKED).unwrap(), plain);
        }
    }
}
