//! The docs name the test of each claim. A name that no test has any more is a claim without proof.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this package is a directory of the workspace").to_owned()
}

/// All files below a directory with one of these endings, but for what is built.
fn files(directory: &Path, ending: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("the tree can be read").flatten() {
        let path = entry.path();
        let hidden = entry.file_name().to_string_lossy().starts_with('.') || entry.file_name() == "target";
        if path.is_dir() && !hidden {
            files(&path, ending, found);
        } else if path.extension().is_some_and(|extension| extension == ending) {
            found.push(path);
        }
    }
}

/// The names of all functions that carry a `test` attribute, or stand in `proptest!`, where they carry one, too.
fn tests() -> BTreeSet<String> {
    let mut sources = Vec::new();
    for directory in ["crates", "tests"] {
        files(&root().join(directory), "rs", &mut sources);
    }
    let mut names = BTreeSet::new();
    for source in sources {
        let text = fs::read_to_string(&source).expect("sources are text");
        let mut marked = false;
        for line in text.lines().map(str::trim) {
            marked |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
            let function = line.split_once("fn ").filter(|_| marked);
            if let Some((_, rest)) = function {
                names.insert(rest.split('(').next().unwrap_or_default().to_owned());
                marked = false;
            }
        }
    }
    names
}

/// What a document writes in backticks and looks like the name of a test: four words or more.
fn cited(text: &str) -> Vec<&str> {
    let looks = |word: &&str| {
        word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
            && word.matches('_').count() >= 3
    };
    text.split('`').skip(1).step_by(2).filter(looks).collect()
}

#[test]
fn every_test_that_the_docs_name_exists() {
    let tests = tests();
    let mut documents = Vec::new();
    files(&root().join("docs"), "md", &mut documents);
    let mut cited_at_all = 0;
    let mut missing = Vec::new();
    for document in documents {
        let text = fs::read_to_string(&document).expect("documents are text");
        // Code blocks have backticks of their own.
        let prose: String = text.split("```").step_by(2).collect();
        for name in cited(&prose) {
            cited_at_all += 1;
            if !tests.contains(name) {
                missing.push(format!("{}: {name}", document.display()));
            }
        }
    }
    assert!(cited_at_all > 50, "only {cited_at_all} names were found: this test no longer reads the docs");
    assert!(missing.is_empty(), "the docs name tests that do not exist:\n{}", missing.join("\n"));
}
