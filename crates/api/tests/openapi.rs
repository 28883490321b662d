//! The committed document and the page that is rendered from it are what the types say.

use std::path::Path;

use betwixt_api::openapi;

/// Set to write the files anew instead of comparing them: `cargo xtask openapi` does.
const RENEW: &str = "BETWIXT_RENEW";

#[test]
fn the_committed_document_and_its_page_are_current() {
    let document = openapi::document();
    let mut text = serde_json::to_string_pretty(&document).expect("is JSON");
    text.push('\n');
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    for (name, current) in [("openapi.json", text), ("api-reference.md", openapi::reference(&document))] {
        let path = docs.join(name);
        if std::env::var_os(RENEW).is_some() {
            std::fs::write(&path, current).expect("is written");
            continue;
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(committed == current, "docs/{name} is not current: run `cargo xtask openapi`");
    }
}
