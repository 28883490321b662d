//! What holds of merged prose whatever the texts. `PROPTEST_CASES` sets how many are tried.

use betwixt_model::prose::{
    Apart, Base, Merged, Passage, Piece, UNICODE_VERSION, Version, merge, merge_onto, sentences, word_differences,
};
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// Short texts of few sentences, so that versions often touch, agree and repeat each other.
fn text() -> impl Strategy<Value = String> {
    let sentence = select(vec![
        "Yes. ",
        "No. ",
        "We rest. ",
        "Rest! ",
        "- milk\n",
        "- eggs\n",
        "# Home\n\n",
        "海。",
        "نعم؟ ",
        "👩‍👩‍👧 ",
        "1. One\n",
        " ",
        "\n",
        "e.g. ",
        "so",
        "A",
    ]);
    proptest::collection::vec(sentence, 0..9).prop_map(|parts| parts.concat())
}

/// Anything that Unicode has, with much of what segmentation looks at.
fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![text(), any::<String>(), "[.!?。 \\n\\r()\"'a-cA-C0-9\u{301}\u{200d}🇩🎉א\u{600}]{0,200}"]
}

fn named(texts: &[String]) -> Vec<Version<'_, usize>> {
    texts.iter().enumerate().map(|(key, text)| Version { key, text }).collect()
}

fn references(texts: &[String]) -> Vec<&str> {
    texts.iter().map(String::as_str).collect()
}

/// Everything that a merge shows of what versions say, in one text.
fn shown(merged: &Merged<usize>) -> String {
    let show = |passage: &Passage<usize>| match passage {
        Passage::Held { text } => text.clone(),
        Passage::Differing { versions, .. } => versions.iter().map(|(_, text)| text.as_str()).collect(),
    };
    merged.passages.iter().map(show).collect()
}

/// A base of distinct sentences and versions that each rewrite, remove or add to some of them.
fn edited() -> impl Strategy<Value = (String, Vec<String>)> {
    let edit = (any::<Index>(), 0..4u8);
    let version = proptest::collection::vec(edit, 0..4);
    (1..12usize, proptest::collection::vec(version, 1..5)).prop_map(|(length, versions)| {
        let base: Vec<String> = (0..length).map(|number| format!("Sentence {number} stands. ")).collect();
        let edit = |(who, edits): (usize, Vec<(Index, u8)>)| {
            let mut text = base.clone();
            for (place, kind) in edits {
                let place = place.index(length);
                match kind {
                    0 => text[place] = format!("Sentence {place} is mine, says {who}. "),
                    1 => text[place] = String::new(),
                    2 => text[place].push_str(&format!("An addition by {who} after {place}. ")),
                    // What several may do alike.
                    _ => text[place] = format!("Sentence {place} is ours. "),
                }
            }
            text.concat()
        };
        (base.concat(), versions.into_iter().enumerate().map(edit).collect())
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn sentences_are_lossless(text in any_text()) {
        let found = sentences(&text);
        let whole: String = found.iter().flat_map(|sentence| [sentence.body, sentence.space]).collect();
        prop_assert_eq!(&whole, &text);
        prop_assert!(found.iter().all(|sentence| !sentence.body.is_empty()));
        prop_assert!(found.iter().all(|sentence| sentence.space.chars().all(char::is_whitespace)));
    }

    /// Whatever they replaced, and whatever else stands beside them.
    #[test]
    fn what_is_told_apart_from_a_few_versions_differs(
        bases in proptest::collection::vec(any_text(), 0..3),
        versions in proptest::collection::vec(any_text(), 2..5),
        more in proptest::collection::vec(any_text(), 0..3),
    ) {
        let mut apart = Apart::default();
        if versions.iter().any(|text| apart.add(text)) {
            let all: Vec<String> = versions.into_iter().chain(more).collect();
            prop_assert!(merge(&references(&bases), &named(&all)).differs());
            let below = merge(&[], &named(&bases));
            prop_assert!(merge_onto(&Base::from(&below), &named(&all)).differs());
        }
    }

    #[test]
    fn word_differences_are_lossless_both_ways(before in any_text(), after in any_text()) {
        let pieces = word_differences(&before, &after);
        let (mut left, mut right) = (String::new(), String::new());
        for piece in &pieces {
            match piece {
                Piece::Same(text) => {
                    left.push_str(text);
                    right.push_str(text);
                }
                Piece::Removed(text) => left.push_str(text),
                Piece::Added(text) => right.push_str(text),
            }
        }
        prop_assert_eq!(&left, &before);
        prop_assert_eq!(&right, &after);
        let alike = |pair: &[Piece<'_>]| std::mem::discriminant(&pair[0]) == std::mem::discriminant(&pair[1]);
        prop_assert!(!pieces.windows(2).any(alike));
    }

    #[test]
    fn same_facts_same_view_the_order_of_versions_and_bases_does_not_matter(
        bases in proptest::collection::vec(text(), 0..4),
        versions in proptest::collection::vec(text(), 0..5),
        rotation in any::<Index>(),
    ) {
        let expected = merge(&references(&bases), &named(&versions));
        let mut other_bases = references(&bases);
        other_bases.reverse();
        let mut other = named(&versions);
        if !other.is_empty() {
            let by = rotation.index(other.len());
            other.rotate_left(by);
        }
        prop_assert_eq!(&merge(&other_bases, &other), &expected);
        other.reverse();
        prop_assert_eq!(&merge(&other_bases, &other), &expected);
    }

    #[test]
    fn one_text_merges_into_itself(base in any_text(), version in any_text(), copies in 1..4usize) {
        let versions = vec![version.clone(); copies];
        prop_assert_eq!(merge(&[&base], &named(&versions)).text(), Some(version.clone()));
        prop_assert_eq!(merge(&[], &named(&versions)).text(), Some(version));
    }

    #[test]
    fn what_one_changed_and_nobody_else_holds(base in any_text(), version in any_text()) {
        let versions = [base.clone(), version.clone(), base.clone()];
        prop_assert_eq!(merge(&[&base], &named(&versions)).text(), Some(version));
    }

    #[test]
    fn no_silent_winner_every_sentence_that_a_version_changed_is_shown(
        bases in proptest::collection::vec(text(), 0..3),
        versions in proptest::collection::vec(any_text(), 1..5),
    ) {
        let merged = merge(&references(&bases), &named(&versions));
        let shown = shown(&merged);
        let mut old: Vec<&str> = bases.iter().flat_map(|base| sentences(base)).map(|sentence| sentence.body).collect();
        old.sort_unstable();
        for version in &versions {
            for sentence in sentences(version) {
                if !sentence.body.trim().is_empty() && old.binary_search(&sentence.body).is_err() {
                    prop_assert!(shown.contains(sentence.body), "{:?} is not in {:?}", sentence.body, merged);
                }
            }
        }
    }

    #[test]
    fn no_silent_winner_with_one_base_whoever_changed_a_passage_is_named_in_it((base, versions) in edited()) {
        // Put together from its own passages where it is named, from what it was where it is not, and from what holds,
        // every version's sentences are there in its own order.
        let merged = merge(&[&base], &named(&versions));
        for (key, version) in versions.iter().enumerate() {
            let mut rest: String = String::new();
            for passage in &merged.passages {
                match passage {
                    Passage::Held { text } => rest.push_str(text),
                    Passage::Differing { was, versions } => {
                        prop_assert_eq!(was.len(), 1);
                        let own = versions.iter().find(|(keys, _)| keys.contains(&key));
                        rest.push_str(own.map_or(was[0].as_str(), |(_, text)| text));
                    }
                }
            }
            let mut rest = rest.as_str();
            for sentence in sentences(version) {
                if base.contains(sentence.body) {
                    continue;
                }
                let at = rest.find(sentence.body);
                prop_assert!(at.is_some(), "{:?} of {:?} is not in its place in {:?}", sentence.body, version, merged);
                rest = &rest[at.unwrap_or_default() + sentence.body.len()..];
            }
        }
    }

    #[test]
    fn passages_are_what_they_say(
        bases in proptest::collection::vec(text(), 0..3),
        versions in proptest::collection::vec(text(), 1..5),
    ) {
        let merged = merge(&references(&bases), &named(&versions));
        let held = |passage: &Passage<usize>| matches!(passage, Passage::Held { .. });
        prop_assert!(!merged.passages.windows(2).any(|pair| pair.iter().all(held)));
        for passage in &merged.passages {
            match passage {
                Passage::Held { text } => prop_assert!(!text.is_empty()),
                Passage::Differing { was, versions: texts } => {
                    prop_assert!(texts.len() >= 2);
                    let mut keys: Vec<usize> = texts.iter().flat_map(|(keys, _)| keys.clone()).collect();
                    let count = keys.len();
                    keys.sort_unstable();
                    keys.dedup();
                    prop_assert_eq!(keys.len(), count, "nobody says two things");
                    let mut distinct: Vec<&String> = texts.iter().map(|(_, text)| text).collect();
                    distinct.sort_unstable();
                    distinct.dedup();
                    prop_assert_eq!(distinct.len(), texts.len());
                    prop_assert_eq!(was.is_empty(), bases.is_empty());
                    if let [was] = was.as_slice() {
                        prop_assert!(texts.iter().all(|(_, text)| text != was));
                    } else {
                        prop_assert_eq!(count, versions.len(), "nobody left unchanged what was not one text");
                    }
                }
            }
        }
        prop_assert_eq!(merged.text().is_none(), merged.differs());
    }

    #[test]
    fn versions_that_agree_wholly_can_be_merged_in_any_grouping((base, versions) in edited()) {
        // What merges at once merges in steps, too. (Not the other way round: a step may remove what was touching.)
        let at_once = merge(&[&base], &named(&versions));
        if let Some(expected) = at_once.text() {
            let mut so_far = versions[0].clone();
            for version in &versions[1..] {
                let step = merge(&[&base], &named(&[so_far, version.clone()]));
                prop_assert!(!step.differs(), "{:?}", step);
                so_far = step.text().unwrap_or_default();
            }
            prop_assert_eq!(so_far, expected);
        }
    }

    #[test]
    fn settling_ends_it_both_say_the_same_whatever_it_was(
        base in text(),
        versions in proptest::collection::vec(text(), 2..5),
        settled in any_text(),
    ) {
        let differing = merge(&[&base], &named(&versions));
        let said = vec![settled.clone(), settled.clone()];
        prop_assert_eq!(merge_onto(&Base::from(&differing), &named(&said)).text(), Some(settled));
    }

    #[test]
    fn hostile_input_is_an_error_no_text_panics(
        bases in proptest::collection::vec(any::<String>(), 0..3),
        versions in proptest::collection::vec(any::<String>(), 0..4),
    ) {
        let merged = merge(&references(&bases), &named(&versions));
        let again = merge_onto(&Base::from(&merged), &named(&versions));
        prop_assert_eq!(again, merge_onto(&Base::from(&merged), &named(&versions)));
    }
}

#[test]
fn the_unicode_data_of_sentences_belongs_to_the_format() {
    // Another version of the library must come with a new format of facts: old ones are to be read as before.
    assert_eq!(unicode_segmentation::UNICODE_VERSION, UNICODE_VERSION);
    assert_eq!(betwixt_model::fact::FORMAT, 1);
}

#[test]
fn the_rule_of_merging_belongs_to_the_format() {
    // A golden hash over many merges: if it changes, two versions of Betwixt read the same facts differently, so that
    // the format of facts has to change, too.
    let parts = ["Yes. ", "No. ", "We rest. ", "- milk\n", "- eggs\n", "# Home\n\n", "海。", "نعم؟ ", "1. One\n", "so"];
    let mut state = 1u64;
    let mut draw = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let mut hasher = blake3::Hasher::new();
    let mut differing = 0;
    for _ in 0..400 {
        let base: String = (0..draw(30)).map(|_| parts[draw(10) as usize]).collect();
        let mut version = || {
            let (old, new, times) = (draw(10) as usize, draw(10) as usize, draw(3) as usize);
            base.replacen(parts[old], parts[new], times)
        };
        let versions = [version(), version(), version()];
        let merged = merge(&[&base], &named(&versions));
        differing += usize::from(merged.differs());
        for passage in merged.passages {
            match passage {
                Passage::Held { text } => hasher.update(format!("held {text}\0").as_bytes()),
                Passage::Differing { was, versions } => {
                    hasher.update(format!("was {}\0", was.join("\0")).as_bytes());
                    let versions = versions.iter().map(|(keys, text)| format!("{keys:?} {text}\0"));
                    hasher.update(versions.collect::<String>().as_bytes())
                }
            };
        }
    }
    assert!((50..350).contains(&differing), "{differing} of 400 differ");
    assert_eq!(hasher.finalize().to_hex().as_str(), "b68b5c266ee05425fed5578e8d81739a0032674ddc3b8785a675e402421f332c");
}
