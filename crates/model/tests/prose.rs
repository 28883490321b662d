//! Merging of prose: the cases that people meet, each with its story.

use betwixt_model::prose::{Base, Merged, Passage, Piece, Version, merge, merge_onto, sentences, word_differences};

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

#[test]
fn one_whole_sentence_between_two_changes_is_enough() {
    let base = "We eat. We sleep. We walk. We read. We sing.";
    let versions =
        [base.replace("eat", "eat late"), base.replace("walk", "walk far"), base.replace("sing", "sing aloud")];
    let merged = merged(base, &versions.each_ref().map(String::as_str));
    assert_eq!(merged.text().as_deref(), Some("We eat late. We sleep. We walk far. We read. We sing aloud."));
}

#[test]
fn insertions_at_the_same_place_differ_and_elsewhere_merge() {
    let base = "We met in Lisbon. We married in Oslo.";
    let ours = "We met in Lisbon. It rained. We married in Oslo.";
    let theirs = "We met in Lisbon. You wore red. We married in Oslo.";
    let inserted = differing("", &[(&[1], "It rained. "), (&[2], "You wore red. ")]);
    let expected = [held("We met in Lisbon. "), inserted, held("We married in Oslo.")];
    assert_eq!(merged(base, &[ours, theirs]).passages, expected);

    let first = "Once upon a time. We met in Lisbon. We married in Oslo.";
    let last = "We met in Lisbon. We married in Oslo. We moved to Turku.";
    let whole = "Once upon a time. We met in Lisbon. It rained. We married in Oslo. We moved to Turku.";
    assert_eq!(merged(base, &[ours, first, last]).text().as_deref(), Some(whole));
}

#[test]
fn insertions_at_the_end_differ_whatever_space_is_before_them() {
    let passage = differing("", &[(&[1], " We dance."), (&[2], "\n\nWe sing.")]);
    assert_eq!(
        merged("We cook.", &["We cook. We dance.", "We cook.\n\nWe sing."]).passages,
        [held("We cook."), passage]
    );
}

#[test]
fn rewriting_what_the_other_removed_differs() {
    let base = "We share chores. I cook. We rest on Sunday.";
    let removed = "We share chores. We rest on Sunday.";
    let rewritten = "We share chores. I cook on weekdays. We rest on Sunday.";
    let passage = differing("I cook. ", &[(&[1], ""), (&[2], "I cook on weekdays. ")]);
    let expected = [held("We share chores. "), passage, held("We rest on Sunday.")];
    assert_eq!(merged(base, &[removed, rewritten]).passages, expected);
    // What nobody rewrote stays removed.
    assert_eq!(merged(base, &[removed, base]).text().as_deref(), Some(removed));
}

#[test]
fn removing_everything_differs_from_changing_anything() {
    let passage = differing("We write. We read.", &[(&[1], ""), (&[2], "We write. We read aloud.")]);
    assert_eq!(merged("We write. We read.", &["", "We write. We read aloud."]).passages, [passage]);
    assert_eq!(merged("We write. We read.", &["", "", "We write. We read."]).text().as_deref(), Some(""));
}

#[test]
fn equal_changes_by_several_are_one() {
    let base = "Breakfast at eight. Walk at nine.";
    let seven = "Breakfast at seven. Walk at nine.";
    assert_eq!(merged(base, &[seven, seven]).text().as_deref(), Some(seven));
    // Three devices, two texts: who says the same is named together.
    let six = "Breakfast at six. Walk at nine.";
    let passage = differing("Breakfast at eight. ", &[(&[1, 3], "Breakfast at seven. "), (&[2], "Breakfast at six. ")]);
    assert_eq!(merged(base, &[seven, six, seven]).passages, [passage, held("Walk at nine.")]);
}

#[test]
fn a_paragraph_moved_by_one_and_changed_by_the_other_loses_nothing() {
    let base = "# Home\n\nWe paint the hall.\n\n# Garden\n\nWe plant a tree.\n";
    let moved = "# Home\n\n# Garden\n\nWe plant a tree.\n\nWe paint the hall.\n";
    let changed = "# Home\n\nWe paint the hall green.\n\n# Garden\n\nWe plant a tree.\n";
    let passage = differing("We paint the hall.\n\n", &[(&[1], ""), (&[2], "We paint the hall green.\n\n")]);
    let expected = [held("# Home\n\n"), passage, held("# Garden\n\nWe plant a tree.\n\nWe paint the hall.\n")];
    assert_eq!(merged(base, &[moved, changed]).passages, expected);
    // What the other changed away from where it was and where it went merges.
    let titled = base.replace("# Home", "# Our home").replace("\n\nWe paint", "\n\nFirst.\n\nWe paint");
    let moved = titled.replace("We paint the hall.\n\n", "") + "\nWe paint the hall.\n";
    let other = titled.replace("# Our home", "# Our little home");
    let both = "# Our little home\n\nFirst.\n\n# Garden\n\nWe plant a tree.\n\nWe paint the hall.\n";
    assert_eq!(merged(&titled, &[&moved, &other]).text().as_deref(), Some(both));
}

#[test]
fn three_versions_merge_at_once() {
    let base = "Mind. Body. Home. Money. Friends. Work. Play.";
    let mind = base.replace("Mind.", "A clear mind.");
    let home = base.replace("Home.", "A calm home.");
    let friends = base.replace("Friends.", "Old friends.");
    let all = "A clear mind. Body. A calm home. Money. Old friends. Work. Play.";
    assert_eq!(merged(base, &[&mind, &home, &friends]).text().as_deref(), Some(all));

    // Two of three contradict each other in one place; the third's change elsewhere holds.
    let open = base.replace("Home.", "An open home.");
    let passage = differing("Home. ", &[(&[1], "A calm home. "), (&[2], "An open home. ")]);
    let expected = [held("Mind. Body. "), passage, held("Money. Old friends. Work. Play.")];
    assert_eq!(merged(base, &[&home, &open, &friends]).passages, expected);
}

#[test]
fn a_chain_of_touching_changes_is_one_passage() {
    // 1 touches 2 and 2 touches 3, though 1 and 3 do not touch.
    let passage = differing("A. B. C. ", &[(&[1], "A1. B. C. "), (&[2], "A. B2. C. "), (&[3], "A. B. C3. ")]);
    let outcome = merged("A. B. C. D.", &["A1. B. C. D.", "A. B2. C. D.", "A. B. C3. D."]);
    assert_eq!(outcome.passages, [passage, held("D.")]);
}

#[test]
fn four_versions_by_two_partners_on_two_devices_each() {
    let base = "Trust. Rest. Curiosity. Rest again. Courage.";
    let versions = [
        "Deep trust. Rest. Curiosity. Rest again. Courage.",
        "Trust. Rest. Curiosity. Rest again. Quiet courage.",
        "Trust. Rest. Wild curiosity. Rest again. Courage.",
        "Trust. Rest. Curiosity. Rest again. Loud courage.",
    ];
    let courage = differing("Courage.", &[(&[2], "Quiet courage."), (&[4], "Loud courage.")]);
    let expected = [held("Deep trust. Rest. Wild curiosity. Rest again. "), courage];
    assert_eq!(merged(base, &versions).passages, expected);
}

#[test]
fn list_items_are_sentences() {
    let base = "Groceries:\n- milk\n- eggs\n- bread\n";
    let oat = "Groceries:\n- oat milk\n- eggs\n- bread\n";
    let rye = "Groceries:\n- milk\n- eggs\n- rye bread\n";
    assert_eq!(merged(base, &[oat, rye]).text().as_deref(), Some("Groceries:\n- oat milk\n- eggs\n- rye bread\n"));
    // Both add to the end of the list. Nobody can know in which order; both see both.
    let tea = "Groceries:\n- milk\n- eggs\n- bread\n- tea\n";
    let jam = "Groceries:\n- milk\n- eggs\n- bread\n- jam\n";
    assert_eq!(merged(base, &[tea, jam]).passages, [held(base), differing("", &[(&[1], "- tea"), (&[2], "- jam")])]);
}

#[test]
fn numbers_belong_to_their_items() {
    let base = "1. Listen first.\n2. Ask second.\n3. Speak last.\n";
    let ours = "1. Listen well first.\n2. Ask second.\n3. Speak last.\n";
    let theirs = "1. Listen first.\n2. Ask second.\n3. Speak softly last.\n";
    let both = "1. Listen well first.\n2. Ask second.\n3. Speak softly last.\n";
    assert_eq!(merged(base, &[ours, theirs]).text().as_deref(), Some(both));
}

#[test]
fn japanese_merges_by_its_full_stops() {
    let base = "海の近くに住んでいます。庭があります。年に二回旅行します。";
    let lake = "湖の近くに住んでいます。庭があります。年に二回旅行します。";
    let summer = "海の近くに住んでいます。庭があります。毎年夏に旅行します。";
    let both = "湖の近くに住んでいます。庭があります。毎年夏に旅行します。";
    assert_eq!(merged(base, &[lake, summer]).text().as_deref(), Some(both));
    let mountain = base.replace("海", "山");
    let passage = differing(
        "海の近くに住んでいます。",
        &[(&[1], "湖の近くに住んでいます。"), (&[2], "山の近くに住んでいます。")],
    );
    let expected = [passage, held("庭があります。年に二回旅行します。")];
    assert_eq!(merged(base, &[lake, &mountain]).passages, expected);
}

#[test]
fn text_written_from_right_to_left_merges() {
    let base = "אנחנו גרים ליד הים. יש לנו גינה. אנחנו מטיילים הרבה.";
    let ours = "אנחנו גרים ליד האגם. יש לנו גינה. אנחנו מטיילים הרבה.";
    let theirs = "אנחנו גרים ליד הים. יש לנו גינה. אנחנו מטיילים בקיץ.";
    let both = "אנחנו גרים ליד האגם. יש לנו גינה. אנחנו מטיילים בקיץ.";
    assert_eq!(merged(base, &[ours, theirs]).text().as_deref(), Some(both));
    let arabic = "هل نسافر؟ نعم. لا نعرف متى.";
    let asked = "هل نسافر غدا؟ نعم. لا نعرف متى.";
    let known = "هل نسافر؟ نعم. نعرف متى.";
    assert_eq!(merged(arabic, &[asked, known]).text().as_deref(), Some("هل نسافر غدا؟ نعم. نعرف متى."));
}

#[test]
fn joined_emoji_are_never_taken_apart() {
    // Families that differ in one joined member: a merge by characters would make a third family.
    let (base, ours, theirs) = ("👨‍👩‍👧", "👨‍👩‍👦", "👩‍👩‍👧");
    assert_eq!(merged(base, &[ours, theirs]).passages, [differing(base, &[(&[1], ours), (&[2], theirs)])]);
    assert_eq!(word_differences(base, ours), [Piece::Removed(base), Piece::Added(ours)]);
    // The same letter, composed and decomposed: other bytes, and so another text.
    assert!(merged("cafe", &["caf\u{e9}", "cafe\u{301}"]).differs());
}

#[test]
fn white_space_merges_like_the_sentences_it_follows() {
    let base = "We walk. We talk. We sit. We sleep.";
    let paragraphs = "We walk.\n\nWe talk. We sit. We sleep.";
    let reworded = "We walk. We talk. We sit down. We sleep.";
    let both = "We walk.\n\nWe talk. We sit down. We sleep.";
    assert_eq!(merged(base, &[paragraphs, reworded]).text().as_deref(), Some(both));
    // Where only white space differs, the sentence before it is shown with it: space alone cannot be seen.
    let lines = "We walk.\nWe talk. We sit. We sleep.";
    let passage = differing("We walk. ", &[(&[1], "We walk.\n\n"), (&[2], "We walk.\n")]);
    assert_eq!(merged(base, &[paragraphs, lines]).passages, [passage, held("We talk. We sit. We sleep.")]);
}

#[test]
fn a_line_break_that_an_editor_adds_at_the_end_contradicts_nobody() {
    let ours = "We cook more. We clean. We rest.\n";
    let theirs = "We cook. We clean. We rest well.";
    assert_eq!(
        merged("We cook. We clean. We rest.", &[ours, theirs]).text().as_deref(),
        Some("We cook more. We clean. We rest well.\n")
    );
}

#[test]
fn without_a_base_what_is_shared_holds_and_the_rest_differs() {
    let outcome = merge(&[], &named(&["Our vision.\n\nA calm home.", "Our vision.\n\nAn open home."]));
    let versions = vec![(vec![1], "A calm home.".to_owned()), (vec![2], "An open home.".to_owned())];
    assert_eq!(outcome.passages, [held("Our vision.\n\n"), Passage::Differing { was: vec![], versions }]);
    assert_eq!(merge(&[], &named(&["Same.", "Same."])).text().as_deref(), Some("Same."));
}

#[test]
fn several_bases_are_merged_first() {
    // Both partners had changed the vision apart; then both, having seen both changes, said something new apart.
    let root = "We live by the sea. We have a garden. We travel. We host. We rest.";
    let lake = root.replace("sea", "lake");
    let host = root.replace("We host", "We host often");
    let bases = merged(root, &[&lake, &host]);
    assert_eq!(
        bases.text().as_deref(),
        Some("We live by the lake. We have a garden. We travel. We host often. We rest.")
    );
    let ours = bases.text().unwrap().replace("We travel", "We travel far");
    let theirs = bases.text().unwrap().replace("We rest", "We rest on Sundays");
    let both = "We live by the lake. We have a garden. We travel far. We host often. We rest on Sundays.";
    assert_eq!(merge_onto(&Base::from(&bases), &named(&[&ours, &theirs])).text().as_deref(), Some(both));
}

#[test]
fn where_the_bases_differ_nobody_counts_as_having_changed_nothing() {
    // They had said "lake" and "hill" apart. Each then took one: both chose, and they chose differently.
    let (lake, hill) = ("We live by the lake. We rest. We host.", "We live on a hill. We rest. We host.");
    let outcome = merge(&[lake, hill], &named(&[lake, hill]));
    let versions = vec![(vec![1], "We live by the lake. ".to_owned()), (vec![2], "We live on a hill. ".to_owned())];
    let was = vec!["We live by the lake. ".to_owned(), "We live on a hill. ".to_owned()];
    assert_eq!(outcome.passages, [Passage::Differing { was, versions }, held("We rest. We host.")]);
    // Both took the same one: settled, and what one of them changed elsewhere merges.
    let hosting = lake.replace("We host", "We host often");
    assert_eq!(merge(&[lake, hill], &named(&[lake, &hosting])).text().as_deref(), Some(hosting.as_str()));
}

#[test]
fn word_differences_are_whole_words() {
    use Piece::{Added, Removed, Same};
    let pieces = word_differences("We want a dog soon.", "We want a small cat soon.");
    assert_eq!(pieces, [Same("We want a "), Removed("dog"), Added("small cat"), Same(" soon.")]);
    // White space between two changed words does not break the change up.
    let pieces = word_differences("one two three", "eins zwei three");
    assert_eq!(pieces, [Removed("one two"), Added("eins zwei"), Same(" three")]);
    assert_eq!(word_differences("same", "same"), [Same("same")]);
    assert_eq!(word_differences("", "new"), [Added("new")]);
    assert!(word_differences("", "").is_empty());
}

#[test]
fn sentences_keep_the_white_space_after_them() {
    let bodies = |text| sentences(text).into_iter().map(|sentence| sentence.body).collect::<Vec<_>>();
    assert_eq!(bodies("  One. Two!\n\n\n  Three?  "), ["  One.", "Two!", "  Three?"]);
    assert_eq!(bodies("# Title\r\nText.\u{2029}More"), ["# Title", "Text.", "More"]);
    assert_eq!(bodies("\n\nFirst."), ["\n\nFirst."]);
    assert_eq!(bodies(" \n "), [" \n "]);
    assert_eq!(bodies(""), [""; 0]);
    assert_eq!(bodies("1. One\n10) Ten\nb. Bee\n2026. A year."), ["1. One", "10) Ten", "b. Bee", "2026. A year."]);
    assert_eq!(bodies("It costs 3.50 e.g. here. Yes."), ["It costs 3.50 e.g. here.", "Yes."]);
    assert_eq!(bodies("「はい。」と言った。そう？"), ["「はい。」", "と言った。", "そう？"]);
    assert_eq!(bodies("Kako si? Dobro... a ti?"), ["Kako si?", "Dobro... a ti?"]);
}

#[test]
fn a_full_stop_before_endless_space_does_not_hold_anybody_up() {
    // The library alone takes quadratic time here: half an hour for a text as long as a fact may be.
    let text = format!("End.{}x. Next.", " ".repeat(400_000));
    let found = sentences(&text);
    assert_eq!(found.len(), 3);
    assert_eq!(found.iter().map(|sentence| sentence.body.len() + sentence.space.len()).sum::<usize>(), text.len());
}

/// Found by fuzzing: it was a passage that differed between nobody.
#[test]
fn of_no_versions_at_all_there_is_an_empty_text() {
    for bases in [&[][..], &["One."], &["One.", "Two."]] {
        let merged = merge::<usize>(bases, &[]);
        assert_eq!(merged.text().as_deref(), Some(""), "{bases:?}");
        assert!(!merged.differs());
    }
}
