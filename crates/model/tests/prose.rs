//! Merging of prose: the cases that people meet, each with its story.

use betwixt_model::prose::{Merged, Passage, Version, merge};

/// Merges `versions`, named 1, 2, 3, ... in order.
fn merged(base: &str, versions: &[&str]) -> Merged<u32> {
    merge(&[base], &named(versions))
}

fn named<'a>(versions: &[&'a str]) -> Vec<Version<'a, u32>> {
    (1..).zip(versions).map(|(key, text)| Version { key, text }).collect()
}

fn held(text: &str) -> Passage<u32> {
    Passage::Held { text: text.to_owned() }
}

fn differing(was: &str, versions: &[(&[u32], &str)]) -> Passage<u32> {
    let versions = versions.iter().map(|(keys, text)| (keys.to_vec(), (*text).to_owned())).collect();
    Passage::Differing { was: vec![was.to_owned()], versions }
}

#[test]
fn catbir_no_character_of_two_words_is_ever_interleaved() {
    // Automerge's own text made "catbir" of this.
    assert_eq!(merged("dog", &["cat", "bird"]).passages, [differing("dog", &[(&[1], "cat"), (&[2], "bird")])]);
    let outcome = merged("We want a dog. Soon.", &["We want a cat. Soon.", "We want a bird. Soon."]);
    let dog = differing("We want a dog. ", &[(&[1], "We want a cat. "), (&[2], "We want a bird. ")]);
    assert_eq!(outcome.passages, [dog, held("Soon.")]);
    assert_eq!(outcome.text(), None);
}

#[test]
fn changes_to_different_sentences_merge() {
    let base = "We live by the sea. We have a garden. We travel twice a year.";
    let ours = "We live by the lake. We have a garden. We travel twice a year.";
    let theirs = "We live by the sea. We have a garden. We travel every summer.";
    let both = "We live by the lake. We have a garden. We travel every summer.";
    assert_eq!(merged(base, &[ours, theirs]).text().as_deref(), Some(both));
}

#[test]
fn changes_to_touching_sentences_differ_as_one_passage() {
    // "They" means whoever the sentence before names: neither change was made with the other in view.
    let base = "My parents visit in May. They stay a week. We cook.";
    let ours = "Your parents visit in May. They stay a week. We cook.";
    let theirs = "My parents visit in May. They stay two weeks. We cook.";
    let passage = differing(
        "My parents visit in May. They stay a week. ",
        &[
            (&[1], "Your parents visit in May. They stay a week. "),
            (&[2], "My parents visit in May. They stay two weeks. "),
        ],
    );
    assert_eq!(merged(base, &[ours, theirs]).passages, [passage, held("We cook.")]);
}
