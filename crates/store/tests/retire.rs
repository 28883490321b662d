//! A document whose facts another one carries is removed.

#![allow(clippy::unwrap_used, reason = "a failing test panics, in its helpers too")]

mod common;

use betwixt_model::document::Scope;
use betwixt_store::StoreOptions;
use common::{MINE, OURS, fill_and_commit, home};

#[test]
fn a_document_is_removed_whole_and_what_could_not_be_read_of_it_is_kept_aside() {
    let directory = tempfile::tempdir().unwrap();
    let (home, keys) = home(&directory.path().join("home"));
    let (store, _) = home.open_store(&keys, StoreOptions::default()).unwrap();
    fill_and_commit(&store);
    let mut batch = store.begin().unwrap();
    assert!(batch.remove_document(OURS).unwrap());
    assert!(!batch.remove_document(OURS).unwrap());
    batch.commit().unwrap();
    let view = store.read().unwrap();
    assert!(view.reader().document(OURS).unwrap().is_none());
    assert!(view.reader().documents(Scope::Ours).unwrap().is_empty());
    assert!(view.reader().document(MINE).unwrap().is_some());
    // One of the same name begins from nothing.
    let mut batch = store.begin().unwrap();
    assert_eq!(batch.append_change(OURS, b"anew").unwrap(), 0);
    batch.commit().unwrap();
    let stored = store.read().unwrap().reader().document(OURS).unwrap().unwrap();
    assert_eq!((stored.changes, stored.damaged.len()), (vec![b"anew".to_vec()], 0));
}
