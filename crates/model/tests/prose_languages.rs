//! Prose in real languages: the cases that people meet, each with its story, and what holds for any mixture of scripts.

use betwixt_model::prose::{Merged, Passage, Piece, Version, merge, sentences, word_differences};
use proptest::prelude::*;
use unicode_segmentation::UnicodeSegmentation;

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

fn bodies(text: &str) -> Vec<&str> {
    sentences(text).iter().map(|sentence| sentence.body).collect()
}

#[test]
fn japanese_sentences_end_without_spaces() {
    // They write about their summers; he changes where they go, she how long they stay.
    let base = "夏は海へ行く。二人で泳ぐ。一週間休む！";
    let place = "夏は山へ行く。二人で泳ぐ。一週間休む！";
    let time = "夏は海へ行く。二人で泳ぐ。二週間休む！";
    assert_eq!(merged(base, &[place, time]).text().as_deref(), Some("夏は山へ行く。二人で泳ぐ。二週間休む！"));
    // What is in quotation marks ends with its mark.
    assert_eq!(
        bodies("「また来よう。」と言った。本当？うん。"),
        ["「また来よう。」", "と言った。", "本当？", "うん。"]
    );
}

#[test]
fn chinese_sentences_differ_as_wholes_and_never_by_characters() {
    // Both change what they save for: no third thing comes of it.
    let base = "我们想买房子。每月存钱。";
    let outcome = merged(base, &["我们想买船。每月存钱。", "我们想买汽车。每月存钱。"]);
    let saved = differing("我们想买房子。", &[(&[1], "我们想买船。"), (&[2], "我们想买汽车。")]);
    assert_eq!(outcome.passages, [saved, held("每月存钱。")]);
}

#[test]
fn thai_has_no_full_stops_so_a_line_is_what_differs() {
    // Thai parts phrases by spaces and sentences by nothing. Two who change one line differ in that line, and only there.
    let base = "เราจะไปทะเลด้วยกัน พักสามวัน\nเก็บเงินทุกเดือน\nกลับบ้านวันอาทิตย์";
    let three = base.replace("ทะเล", "ภูเขา");
    let seven = base.replace("สามวัน", "เจ็ดวัน");
    let outcome = merged(base, &[&three, &seven]);
    let was = base.split_inclusive('\n').next().unwrap_or_default();
    assert!(matches!(&outcome.passages[0], Passage::Differing { was: before, .. } if before[0] == was), "{outcome:?}");
    let last = base.replace("วันอาทิตย์", "วันจันทร์");
    assert_eq!(merged(base, &[&three, &last]).text(), Some(three.replace("วันอาทิตย์", "วันจันทร์")));
}

#[test]
fn right_to_left_text_merges_by_its_own_full_stops() {
    // Arabic has its own question mark, Hebrew borrows the full stop; directional marks stay with what they mark.
    let base = "نعيش قرب البحر؟ لدينا حديقة. نسافر كل صيف.";
    let sea = "نعيش قرب الجبل؟ لدينا حديقة. نسافر كل صيف.";
    let summer = "نعيش قرب البحر؟ لدينا حديقة. نسافر كل شتاء.";
    assert_eq!(merged(base, &[sea, summer]).text().as_deref(), Some("نعيش قرب الجبل؟ لدينا حديقة. نسافر كل شتاء."));
    assert_eq!(
        bodies("\u{200f}אנחנו גרים ליד הים.\u{200f} יש לנו גינה."),
        ["\u{200f}אנחנו גרים ליד הים.\u{200f}", "יש לנו גינה."]
    );
}

#[test]
fn emoji_are_kept_whole() {
    // A family, a flag, a skin tone: each is one character to whoever reads it, and many to a computer.
    let base = "We are 👩‍👩‍👧. We live in 🇩🇪. Good night 👋🏽.";
    let child = "We are 👩‍👩‍👧‍👦. We live in 🇩🇪. Good night 👋🏽.";
    let night = "We are 👩‍👩‍👧. We live in 🇩🇪. Good night 👋🏿.";
    let both = merged(base, &[child, night]);
    assert_eq!(both.text().as_deref(), Some("We are 👩‍👩‍👧‍👦. We live in 🇩🇪. Good night 👋🏿."));
    let pieces = word_differences("in 🇩🇪🇫🇷", "in 🇩🇪🇪🇸");
    assert_eq!(pieces, [Piece::Same("in 🇩🇪"), Piece::Removed("🇫🇷"), Piece::Added("🇪🇸")]);
    let pieces = word_differences("👋🏽 you", "👋🏿 you");
    assert_eq!(pieces, [Piece::Removed("👋🏽"), Piece::Added("👋🏿"), Piece::Same(" you")]);
}

#[test]
fn an_accent_is_never_parted_from_its_letter() {
    // "e" and a combining accent look like "é"; changing the one into the other changes the word.
    let pieces = word_differences("un cafe\u{301} noir", "un cafe noir");
    assert_eq!(pieces, [Piece::Same("un "), Piece::Removed("cafe\u{301}"), Piece::Added("cafe"), Piece::Same(" noir")]);
    // A sign that takes in what follows it is not cut off from that at the end of a sentence.
    let odd = "It is. \u{600}12 of them.";
    assert!(graphemes_of(odd).is_superset(&boundaries(odd)), "{:?}", sentences(odd));
}

#[test]
fn an_item_of_a_list_is_a_unit() {
    // Shopping: both change the same item, at its two ends. One item is one thing.
    let base = "- Milk. Two bottles.\n- Bread.\n- Eggs. A dozen.\n";
    let oat = base.replace("Milk", "Oat milk");
    let three = base.replace("Two", "Three");
    let outcome = merged(base, &[&oat, &three]);
    let milk = [(&[1][..], "- Oat milk. Two bottles.\n"), (&[2][..], "- Milk. Three bottles.\n")];
    assert_eq!(outcome.passages[0], differing("- Milk. Two bottles.\n", &milk));
    // Different items, with one between them that both kept, merge.
    let ten = base.replace("A dozen", "Ten");
    assert_eq!(merged(base, &[&oat, &ten]).text(), Some(oat.replace("A dozen", "Ten")));
    assert_eq!(bodies(base).len(), 3);
}

#[test]
fn items_have_many_markers_and_go_on_where_lines_are_indented() {
    let list =
        "1. One. Two.\n2) Three. Four.\nb) Five. Six.\n* Seven. Eight.\n  Still seven. And on.\n- [ ] Nine. Ten.\n";
    assert_eq!(bodies(list).len(), 5, "{:?}", bodies(list));
    assert_eq!(bodies("・一つ。二つ。\n1、三つ。四つ。\n").len(), 2);
    // What only looks like one: a dash within a line, a number that is a year, a word with a star before it.
    assert_eq!(bodies("-1 is less. So it is.").len(), 2);
    assert_eq!(bodies("2027 was good. We moved.").len(), 2);
    assert_eq!(bodies("*Never* mind. Go on.").len(), 2);
    // A paragraph that is merely indented is no item.
    assert_eq!(bodies("  One. Two.\n  Three. Four.").len(), 4);
}

#[test]
fn a_heading_is_a_unit() {
    let base = "# Dr. Hart. Our house\n\nWe rest. We dance.\n";
    assert_eq!(bodies(base), ["# Dr. Hart. Our house", "We rest.", "We dance."]);
    let garden = base.replace("house", "garden");
    let sing = base.replace("dance", "sing");
    assert_eq!(merged(base, &[&garden, &sing]).text(), Some(garden.replace("dance", "sing")));
    assert_eq!(bodies("#nothing. But a tag.").len(), 2);
}

#[test]
fn very_long_lines_merge_where_they_were_changed() {
    let line = |who: &str, at: usize| {
        let sentence = |number| {
            if number == at { format!("Sentence {number} is {who}. ") } else { format!("Sentence {number}. ") }
        };
        (0..8_000).map(sentence).collect::<String>()
    };
    let base = line("nobody's", usize::MAX);
    let versions = [line("one's", 10), line("another's", 4_000), line("a third's", 7_000), line("a fourth's", 7_990)];
    let outcome = merge(&[&base], &named(&versions.each_ref().map(String::as_str)));
    let text = outcome.text().unwrap_or_default();
    for who in ["10 is one's", "4000 is another's", "7000 is a third's", "7990 is a fourth's"] {
        assert!(text.contains(who), "{who}");
    }
}

#[test]
fn three_and_four_versions_in_as_many_scripts() {
    // Four devices, four languages, one letter: each changed another sentence.
    let base = "We rest. 海へ行く。 Мы поём! نحن هنا؟ ";
    let kept = |from: &str, to: &str| base.replace(from, to);
    let versions = [kept("We rest.", "We rest well."), kept("Мы поём!", "Мы танцуем!")];
    let both = merged(base, &[&versions[0], &versions[1], base]);
    assert_eq!(both.text().as_deref(), Some("We rest well. 海へ行く。 Мы танцуем! نحن هنا؟ "));
    // Neighbouring sentences that four changed are one passage with all four in it.
    let four = [kept("We rest.", "We sleep."), kept("海", "山"), kept("поём", "пьём"), kept("هنا", "هناك")];
    let outcome = merged(base, &four.each_ref().map(String::as_str));
    let Some(Passage::Differing { versions, .. }) = outcome.passages.first() else { panic!("{outcome:?}") };
    assert_eq!(versions.len(), 4);
    assert_eq!(outcome.text(), None);
}

#[test]
fn differences_in_scripts_without_spaces_are_phrases_and_not_confetti() {
    let pieces = word_differences("私は猫が好きです。", "私は犬が好きです。");
    assert_eq!(pieces, [Piece::Same("私は"), Piece::Removed("猫"), Piece::Added("犬"), Piece::Same("が好きです。")]);
    // A rewritten phrase that happens to share one character with the old one is one change.
    let pieces = word_differences("春の花", "夏の海");
    assert_eq!(pieces, [Piece::Removed("春の花"), Piece::Added("夏の海")]);
    let pieces = word_differences("ฉันรักแมวมาก", "ฉันรักหมามาก");
    assert_eq!(pieces.first(), Some(&Piece::Same("ฉันรัก")), "{pieces:?}");
    assert_eq!(pieces.iter().filter(|piece| matches!(piece, Piece::Removed(_))).count(), 1, "{pieces:?}");
}

fn graphemes_of(text: &str) -> std::collections::BTreeSet<usize> {
    text.grapheme_indices(true).map(|(at, _)| at).chain([text.len()]).collect()
}

/// Where sentences, their bodies and their spaces begin and end.
fn boundaries(text: &str) -> std::collections::BTreeSet<usize> {
    let mut at = 0;
    let mut all = std::collections::BTreeSet::new();
    for sentence in sentences(text) {
        for part in [sentence.body, sentence.space] {
            at += part.len();
            all.insert(at);
        }
    }
    all
}

/// Sentences, items and pieces of many scripts, and the signs that join and take in.
fn any_script() -> impl Strategy<Value = String> {
    let part = proptest::sample::select(vec![
        "We rest. ",
        "海へ行く。",
        "「はい。」",
        "行こう！",
        "我们想买船。",
        "เราจะไป ",
        "ทะเล",
        "نعيش هنا؟ ",
        "יש לנו. ",
        "\u{200f}",
        "👩‍👩‍👧",
        "🇩🇪",
        "🇫",
        "👋🏽",
        "e\u{301}",
        "\u{301}",
        "\u{200d}",
        "\u{600}",
        "\u{6dd}",
        "\u{d4e}",
        "क्षि",
        "각",
        "\u{1100}",
        "- item. More.\n",
        "1. One. Two.\n",
        "# Head. Line\n",
        "  indented. On.\n",
        "\n",
        "\r\n",
        "\r",
        " ",
        "\u{3000}",
        "\t",
        ".",
        "。",
        "so",
    ]);
    proptest::collection::vec(part, 0..16).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_sentence_begins_or_ends_inside_a_grapheme(text in prop_oneof![any_script(), any::<String>()]) {
        let (found, allowed) = (boundaries(&text), graphemes_of(&text));
        prop_assert!(found.is_subset(&allowed), "{:?} of {:?}", found.difference(&allowed).collect::<Vec<_>>(), text);
    }

    #[test]
    fn no_difference_begins_or_ends_inside_a_grapheme(before in any_script(), after in any_script()) {
        let (left, right) = (graphemes_of(&before), graphemes_of(&after));
        let (mut here, mut there) = (0, 0);
        for piece in word_differences(&before, &after) {
            match piece {
                Piece::Same(text) => (here, there) = (here + text.len(), there + text.len()),
                Piece::Removed(text) => here += text.len(),
                Piece::Added(text) => there += text.len(),
            }
            prop_assert!(left.contains(&here) && right.contains(&there), "{:?} to {:?}", before, after);
        }
        prop_assert_eq!((here, there), (before.len(), after.len()));
    }

    #[test]
    fn no_silent_winner_in_any_script(
        base in any_script(),
        versions in proptest::collection::vec(any_script(), 2..5),
        turn in any::<prop::sample::Index>(),
    ) {
        let texts: Vec<&str> = versions.iter().map(String::as_str).collect();
        let outcome = merged(&base, &texts);
        let shown: String = outcome.passages.iter().map(|passage| match passage {
            Passage::Held { text } => text.clone(),
            Passage::Differing { versions, .. } => versions.iter().map(|(_, text)| text.as_str()).collect(),
        }).collect();
        let old = bodies(&base);
        for version in &versions {
            for body in bodies(version).into_iter().filter(|body| !old.contains(body) && !body.trim().is_empty()) {
                prop_assert!(shown.contains(body), "{:?} is not in {:?}", body, outcome);
            }
        }
        // The same whoever is asked first.
        let mut other = named(&texts);
        let by = turn.index(other.len());
        other.rotate_left(by);
        prop_assert_eq!(merge(&[base.as_str()], &other), outcome);
    }
}
