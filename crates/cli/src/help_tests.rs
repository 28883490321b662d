//! The help of every verb, as a newcomer reads it.

use clap::CommandFactory;

use crate::arguments::Arguments;

/// The help of a command and of every verb beneath it.
fn help(command: &mut clap::Command, texts: &mut Vec<String>) {
    let text = command.render_long_help().to_string();
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    texts.push(lines.join("\n"));
    for verb in command.get_subcommands_mut() {
        help(verb, texts);
    }
}

/// One file a verb, beneath `snapshots`; `INSTA_UPDATE=always cargo test -p betwixt-cli help` writes them anew.
#[test]
fn every_verb_explains_itself() {
    let mut command = Arguments::command().term_width(100);
    command.build();
    let overview = command.render_long_help().to_string();
    let lines: Vec<&str> = overview.lines().map(str::trim_end).collect();
    insta::assert_snapshot!("help", lines.join("\n"));
    let mut files = vec!["help".to_owned()];
    for verb in command.get_subcommands_mut().filter(|verb| verb.get_name() != "help") {
        let mut texts = Vec::new();
        help(verb, &mut texts);
        let name = format!("help_{}", verb.get_name());
        insta::assert_snapshot!(name.as_str(), texts.join("\n\n---\n\n"));
        files.push(name);
    }
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/snapshots");
    let stale = std::fs::read_dir(directory).expect("the snapshots").filter_map(|entry| {
        let name = entry.expect("an entry").file_name().to_string_lossy().into_owned();
        let verb = name.strip_prefix("betwixt__help_tests__")?.strip_suffix(".snap")?;
        (!files.iter().any(|file| file == verb)).then_some(name.clone())
    });
    assert_eq!(stale.collect::<Vec<_>>(), Vec::<String>::new(), "the help of verbs that went");
}

#[test]
fn no_office_language_and_nothing_that_shames() {
    fn all(command: &mut clap::Command, texts: &mut Vec<String>) {
        texts.push(command.render_long_help().to_string().to_lowercase());
        for verb in command.get_subcommands_mut() {
            all(verb, texts);
        }
    }
    let mut texts = Vec::new();
    all(&mut Arguments::command(), &mut texts);
    for word in ["overdue", "failed", "conflict", "score", "streak", "stakeholder", "deliverable", "task", "missed"] {
        assert!(!texts.iter().any(|text| text.contains(word)), "the help says {word:?}");
    }
}
