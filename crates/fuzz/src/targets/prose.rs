//! Texts that are merged, and compared by words.

use betwixt_model::prose::{Base, Passage, Piece, Version, merge, merge_onto, sentences, word_differences};

use crate::frames;
use crate::reached::here;

/// The longest text, in bytes: the same work as with longer ones, in less time.
const LONGEST: usize = 2_000;

/// Marked texts are bases, the others versions.
pub(super) fn merged(bytes: &[u8]) {
    let parts = frames::split(bytes);
    let text = |bytes: &[u8]| String::from_utf8_lossy(&bytes[..bytes.len().min(LONGEST)]).into_owned();
    let texts = |base: bool| -> Vec<String> {
        parts.iter().filter(|(mark, _)| *mark == base).take(4).map(|(_, bytes)| text(bytes)).collect()
    };
    let (bases, versions) = (texts(true), texts(false));
    let bases: Vec<&str> = bases.iter().map(String::as_str).collect();
    let named = |order: &[usize]| -> Vec<Version<'_, usize>> {
        order.iter().map(|key| Version { key: *key, text: &versions[*key] }).collect()
    };
    let order: Vec<usize> = (0..versions.len()).collect();
    let one = merge(&bases, &named(&order));
    let backwards: Vec<usize> = order.iter().rev().copied().collect();
    assert_eq!(one, merge(&bases, &named(&backwards)), "SameFactsSameView");
    for passage in &one.passages {
        match passage {
            Passage::Held { text } => assert!(!text.is_empty()),
            Passage::Differing { versions, .. } => assert!(versions.len() >= 2),
        }
    }
    here(if one.differs() { "differs" } else { "merges" });
    assert_eq!(one.text().is_none(), one.differs());
    if let [only] = &versions[..] {
        assert_eq!(one.text().as_ref(), Some(only), "a text alone is itself");
    }
    // What was merged is the base of what comes next.
    let _ = merge_onto(&Base::from(&one), &named(&order));
    for text in &versions {
        let whole: String = sentences(text).iter().flat_map(|sentence| [sentence.body, sentence.space]).collect();
        assert_eq!(whole, *text, "nothing is left out");
    }
    if let [before, after, ..] = &versions[..] {
        let (mut left, mut right) = (String::new(), String::new());
        for piece in word_differences(before, after) {
            match piece {
                Piece::Same(text) => [&mut left, &mut right].map(|side| side.push_str(text)).into_iter().collect(),
                Piece::Removed(text) => left.push_str(text),
                Piece::Added(text) => right.push_str(text),
            }
        }
        assert_eq!((&left, &right), (before, after));
    }
}
