//! Searching, over real daemons: what is found, what is not, and what becomes of an index that is damaged, cut off or left.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::PathBuf;
use std::time::Duration;

use betwixt_api::{
    ChangePassphrase, Collection, Permission, ProblemKind, Scope, SearchOrder, SearchPage, SearchRequest, Secret,
    Standing, UnlockRequest,
};
use betwixt_tests::home::{Home, PASSPHRASE, couple_on_loopback, in_step};
use betwixt_tests::http::{Request, let_in, listen};
use betwixt_tests::people::{new_home, refused, until, write};
use betwixt_tests::typed::said;
use serde_json::json;

const PATIENCE: Duration = Duration::from_secs(20);

fn asked(words: &str) -> SearchRequest {
    SearchRequest { words: words.into(), ..SearchRequest::default() }
}

async fn search(home: &Home, words: &str) -> SearchPage {
    home.client().search(&asked(words)).await.unwrap()
}

/// The titles of what was found.
async fn titles(home: &Home, request: &SearchRequest) -> Vec<String> {
    let page = home.client().search(request).await.unwrap();
    page.items.into_iter().map(|found| found.item.title).collect()
}

/// The files of an index; two of them are there before anything was taken in.
fn index(home: &Home, scope: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(home.path().join("search").join(scope)).into_iter().flatten();
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// Waits until an index holds something.
async fn taken_in(home: &Home, scope: &str) {
    until("an index that holds something", async || {
        index(home, scope).len() > 4 && home.client().status().await.unwrap().indexing.is_none()
    })
    .await;
}

#[tokio::test]
async fn what_either_wrote_is_found_at_once_and_after_meeting_by_item_and_in_order() {
    let (first, second) = couple_on_loopback().await.unwrap();
    let goal = first.create(Collection::Goals, "g1", "title", json!("Cycle along the Río")).await.unwrap();
    second.create(Collection::Thanks, "t1", "what", json!("You carried my bike up from the río")).await.unwrap();
    in_step(&first, &second, PATIENCE).await.unwrap();
    for home in [&first, &second] {
        let found = search(home, "RIO").await;
        assert_eq!(found.items.len(), 2, "{found:?}");
        let text = found.items.iter().flat_map(|found| &found.texts).find(|text| text.field == "title").unwrap();
        let marked: Vec<&str> =
            text.snippet.iter().filter(|piece| piece.found).map(|piece| piece.text.as_str()).collect();
        assert_eq!((marked, text.standing), (vec!["Río"], Standing::Live));
    }
    taken_in(&first, "ours").await;
    // The same from the index, and what is said now beside it.
    first.say(Collection::Goals, &goal.id, "title", json!("Cycle along the coast")).await.unwrap();
    first.create(Collection::Goals, "g2", "title", json!("Sail down the coast")).await.unwrap();
    assert_eq!(titles(&first, &asked("rio")).await, ["You carried my bike up from the río"]);
    let earlier = SearchRequest { earlier: true, ..asked("rio cyc") };
    let found = first.client().search(&earlier).await.unwrap();
    assert_eq!(found.items[0].item.title, "Cycle along the coast", "as it is called now");
    assert_eq!(found.items[0].texts[0].standing, Standing::Replaced);
    let latest = SearchRequest { order: SearchOrder::Latest, ..asked("coast") };
    assert_eq!(titles(&first, &latest).await.len(), 2);
    assert_eq!(titles(&first, &asked("\"down the coast\"")).await, ["Sail down the coast"]);
    // Page by page.
    let one = SearchRequest { limit: Some(1), ..asked("coast") };
    let page = first.client().search(&one).await.unwrap();
    let next = first.client().search(&SearchRequest { after: page.next.clone(), ..one.clone() }).await.unwrap();
    assert_eq!((page.items.len(), next.items.len(), next.next), (1, 1, None));
    assert_ne!(page.items[0].item.id, next.items[0].item.id);
    // Filters.
    let me = first.client().status().await.unwrap().me.unwrap().id;
    assert_eq!(titles(&first, &SearchRequest { by: Some(me), ..asked("rio") }).await, Vec::<String>::new());
    let thanks = SearchRequest { collection: Some(Collection::Thanks), ..asked("b") };
    assert_eq!(titles(&first, &thanks).await.len(), 1);
    assert_eq!(titles(&first, &SearchRequest { until: Some("2001-12-31".into()), ..asked("coast") }).await.len(), 0);
    // The command line, as it stands and with what the shell took the quotes off.
    let shown = first.run(&["search", "down the coast"]).unwrap();
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("Sail [down] [the] [coast]"), "{shown}");
    assert_eq!(first.json(&["search", "rio", "--by", "partner"]).unwrap()["items"][0]["item"]["collection"], "thanks");
    assert!(!first.printed().to_lowercase().contains("coast"), "what was looked for is logged");
}

#[tokio::test]
async fn private_stays_home_locked_pages_are_not_found_and_no_word_of_them_is_in_a_file() {
    let (home, other) = couple_on_loopback().await.unwrap();
    write(&home, "Xylophone by the lake").await;
    home.create(Collection::Goals, "g1", "title", json!("A quokka by the lake")).await.unwrap();
    in_step(&home, &other, PATIENCE).await.unwrap();
    for scope in ["ours", "mine"] {
        taken_in(&home, scope).await;
    }
    let found = search(&home, "lake").await;
    assert_eq!((found.items.len(), found.complete), (2, true), "{found:?}");
    assert!(found.items.iter().any(|found| found.item.scope == Scope::Mine));
    // In whatever way a word may stand there.
    for word in ["Xylophone", "xylophone", "Quokka", "quokka"] {
        assert_eq!(home.files_with(word.as_bytes()).unwrap(), Vec::<PathBuf>::new(), "{word}");
    }
    let address = listen(&home).await.unwrap();
    let reader = let_in(&home, "reader", &[Permission::Read], &[]).await.unwrap();
    let ask = async |body: serde_json::Value| {
        Request::new(address, "POST /v1/search").token(&reader).json(&body).send(address).await.unwrap()
    };
    let shown = ask(json!({ "words": "lake" })).await;
    assert!(shown.text.contains("quokka") && !shown.text.to_lowercase().contains("xylophone"), "{}", shown.text);
    assert_eq!(ask(json!({ "words": "lake", "scope": "mine" })).await.status, 403);
    home.client().lock().await.unwrap();
    let found = search(&home, "lake").await;
    assert_eq!(found.items.iter().map(|found| found.item.scope).collect::<Vec<_>>(), [Scope::Ours]);
    let mine = SearchRequest { scope: Some(Scope::Mine), ..asked("lake") };
    assert_eq!(refused(home.client().search(&mine).await).0, ProblemKind::Locked);
    home.client().unlock(&UnlockRequest { passphrase: Secret::from(PASSPHRASE.to_owned()) }).await.unwrap();
    assert_eq!(search(&home, "xylophone").await.items.len(), 1);
    assert_eq!(search(&other, "xylophone").await.items.len(), 0);
}

#[tokio::test]
async fn after_kill_9_at_whatever_moment_everything_that_was_said_is_found() {
    let mut home = new_home("Robin").await;
    let mut said = 0;
    for round in 0_u64..5 {
        for _ in 0..8 {
            write(&home, &format!("Lantern number{said}")).await;
            said += 1;
        }
        // Before the index is written to, in the midst of it, and after.
        tokio::time::sleep(Duration::from_millis(2_900 + 150 * round)).await;
        home.kill().unwrap();
        home.up_and_unlock().await.unwrap();
        let all = SearchRequest { limit: Some(200), ..asked("lantern") };
        assert_eq!(titles(&home, &all).await.len(), said, "round {round}");
    }
    taken_in(&home, "mine").await;
    until("a search that is complete", async || search(&home, "lantern").await.complete).await;
    for number in 0..said {
        assert_eq!(titles(&home, &asked(&format!("\"number{number}\""))).await.len(), 1, "{number}");
    }
}

/// Alters a byte in the middle of every file.
fn damage(files: &[PathBuf]) {
    for file in files {
        // One may have been merged into another meanwhile.
        let Ok(mut bytes) = std::fs::read(file) else { continue };
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0x10;
        std::fs::write(file, bytes).unwrap();
    }
}

#[tokio::test]
async fn a_search_index_that_is_damaged_or_gone_is_told_and_built_anew_and_new_keys_begin_another() {
    let home = new_home("Robin").await;
    write(&home, "A lantern in the garden").await;
    taken_in(&home, "mine").await;
    assert_eq!(home.client().verify().await.unwrap().damaged, Vec::new());
    let files = index(&home, "mine");
    damage(&files);
    let verified = home.client().verify().await.unwrap();
    assert!(verified.damaged.iter().any(|damage| damage.what.contains("search index")), "{verified:?}");
    let whole = async || {
        index(&home, "mine").iter().all(|file| !files.contains(file))
            && search(&home, "lantern").await.complete
            && home.client().verify().await.unwrap().damaged.is_empty()
    };
    until("an index made anew", whole).await;
    taken_in(&home, "mine").await;
    assert_eq!(search(&home, "lantern").await.items.len(), 1);
    // A search notices it, too, and never shows less than there is without saying so.
    damage(&index(&home, "mine"));
    let found = search(&home, "lantern").await;
    assert!(!found.complete || found.items.len() == 1, "{found:?}");
    until("a search that is complete again", async || {
        let found = search(&home, "lantern").await;
        found.complete && found.items.len() == 1
    })
    .await;
    // Gone altogether.
    std::fs::remove_dir_all(home.path().join("search")).unwrap();
    assert!(!search(&home, "lantern").await.complete);
    until("an index in its place", async || search(&home, "lantern").await.complete).await;
    taken_in(&home, "mine").await;
    let before = index(&home, "mine");
    let change = ChangePassphrase {
        present: Secret::from(PASSPHRASE.to_owned()),
        new: Secret::from("another lantern by the door".to_owned()),
        leaked: true,
    };
    home.client().change_passphrase(&change).await.unwrap();
    assert!(before.iter().all(|file| !file.exists()), "what was sealed under the keys of before is gone");
    taken_in(&home, "mine").await;
    let found = search(&home, "lantern").await;
    assert_eq!((found.items.len(), found.complete), (1, true));
}

#[tokio::test]
async fn nothing_is_left_of_a_search_index_after_leaving() {
    let home = new_home("Robin").await;
    write(&home, "A lantern in the garden").await;
    taken_in(&home, "mine").await;
    assert!(home.path().join("search").exists());
    let (done, said) = said(home.command(&["leave"]), &[PASSPHRASE, "leave"]).unwrap();
    assert!(done && !said.contains("could not be removed"), "{said}");
    assert!(!home.path().exists());
}
