//! An index that has to be built anew tells how far it is.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::{Arc, Mutex};

use betwixt_daemon::replica::{Built, Progress, Replica};
use betwixt_model::document::Scope;
use betwixt_model::index;
use betwixt_model::index::rows::{Table, WriteRows as _};
use betwixt_model::say::Saying;
use betwixt_store::Store;
use betwixt_store::keys::DataKeys;
use jiff::civil::date;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;
use serde_json::json;

#[test]
fn building_an_index_anew_tells_after_every_document_how_far_it_is() {
    let mut rng = ChaCha20Rng::from_seed([4; 32]);
    let store = Store::in_memory(&DataKeys::random(&mut rng)).unwrap();
    let mut replica = Replica::found(store.clone(), "Robin", "a device", &mut rng).unwrap();
    for year in 2025..2028 {
        let mut stage = replica.begin().unwrap();
        let saying = Saying {
            item: None,
            kind: "journal".into(),
            field: "text".into(),
            value: json!("A quiet day."),
            seen: None,
        };
        replica.act(&mut stage, Scope::Mine, date(year, 5, 1), &mut rng, |act| act.say(saying)).unwrap();
        stage.commit().unwrap();
        replica.committed().unwrap();
    }
    drop(replica);
    let held = |store: &Store| {
        let view = store.read().unwrap();
        index::counts(&view.reader().rows(Scope::Mine)).unwrap().facts.values().sum::<u64>()
    };
    assert_eq!(held(&store), 3);

    let told = Arc::new(Mutex::new(Vec::new()));
    let progress = Progress::told_to({
        let told = Arc::clone(&told);
        move |built| told.lock().unwrap().push(built)
    });
    Replica::open_showing(store.clone(), progress.clone()).unwrap();
    assert_eq!(*told.lock().unwrap(), [], "there was nothing to build");

    let mut batch = store.begin().unwrap();
    // As an earlier version of the program left it.
    batch.rows(Scope::Mine).unwrap().put(Table::Derived, b"about", b"version", &[1]).unwrap();
    batch.commit().unwrap();
    Replica::open_showing(store.clone(), progress).unwrap();
    let expected: Vec<Option<Built>> = (0..3).map(|done| Some(Built { done, of: 3 })).chain([None]).collect();
    assert_eq!(*told.lock().unwrap(), expected);
    assert_eq!(held(&store), 3);
}
