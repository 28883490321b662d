//! The bridge with the published npm packages of Automerge, unmodified, and two daemons.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use automerge::{AutoCommit, ReadDoc};
use betwixt_api::{About, Collection, Listen, Permission, Scope, Secret, UnlockRequest};
use betwixt_testkit::lives::Life;
use betwixt_testkit::needs::{Need, met};
use betwixt_tests::bridge::{PATIENCE, Program, bridge, documents};
use betwixt_tests::home::{Home, PASSPHRASE, couple_on_loopback, in_step};
use betwixt_tests::http::{Request, let_in, listen};
use betwixt_tests::socket::ask;
use betwixt_tests::web::built;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

const WRITE: &[Permission] = &[Permission::Read, Permission::Write];

async fn package() -> PathBuf {
    tokio::task::spawn_blocking(|| built(Path::new(env!("CARGO_TARGET_TMPDIR")))).await.unwrap()
}

/// The newest of the shared documents: this year's.
async fn ours(home: &Home) -> String {
    let documents = documents(home).await.unwrap();
    documents.iter().rfind(|document| document.scope == Scope::Ours).unwrap().url.clone()
}

async fn about(home: &Home) -> Value {
    let about: About =
        serde_json::from_value(ask(home.client().socket(), "GET", "/v1", &[], None).await.unwrap().json().unwrap())
            .unwrap();
    serde_json::to_value(about).unwrap()
}

/// Every field of every shared goal, as the API shows it, reduced to what the fold of a document tells.
async fn folded_by_the_daemon(home: &Home) -> Value {
    let mut all = serde_json::Map::new();
    for collection in [Collection::Goals, Collection::Thanks] {
        for item in home.client().items(collection, Some(Scope::Ours)).await.unwrap() {
            let fields = item.fields.iter().filter(|(_, field)| !field.seen.0.is_empty());
            let fields: serde_json::Map<String, Value> =
                fields.map(|(name, field)| (name.clone(), reduced(&serde_json::to_value(field).unwrap()))).collect();
            all.insert(item.id.clone(), fields.into());
        }
    }
    all.into()
}

async fn folded_by_the_client(program: &mut Program, about: &Value, reader: &str) -> Value {
    let items = program.tell(json!({ "do": "items", "about": about, "reader": reader })).await.unwrap();
    let shown =
        items.as_object().unwrap().iter().filter(|(_, item)| item["kind"] == "goal" || item["kind"] == "thanks");
    let fields = |item: &Value| -> serde_json::Map<String, Value> {
        item["fields"].as_object().unwrap().iter().map(|(name, field)| (name.clone(), reduced(field))).collect()
    };
    shown.map(|(id, item)| (id.clone(), Value::from(fields(item)))).collect::<serde_json::Map<String, Value>>().into()
}

fn reduced(field: &Value) -> Value {
    let live: BTreeSet<&str> = field["seen"].as_str().unwrap().split(',').collect();
    let values = |versions: &Value| -> BTreeSet<String> {
        versions.as_array().into_iter().flatten().map(|version| version["value"].to_string()).collect()
    };
    // Where the daemon reads several texts as one, the client shows them all.
    let merged = field["state"] == "held" && values(&field["versions"]).len() > 1;
    let state = if merged { &json!("differing") } else { &field["state"] };
    let shown = match state.as_str().unwrap() {
        "held" => [field["value"].to_string()].into(),
        _ => values(&field["versions"]),
    };
    json!({
        "state": state, "live": live, "shown": shown, "agreed": field["agreed"],
        "arriving": field.get("arriving").cloned().unwrap_or(false.into()),
    })
}

#[tokio::test]
async fn two_clients_of_the_published_packages_and_a_peer_converge() {
    if !met(&[Need::Node]) {
        return;
    }
    let package = package().await;
    let (first, second) = couple_on_loopback().await.unwrap();
    in_step(&first, &second, PATIENCE).await.unwrap();
    listen(&first).await.unwrap();
    let document = ours(&first).await;
    assert_eq!(document, ours(&second).await, "the same on every device");
    let goal = first.create(Collection::Goals, "goal-1", "title", json!("Cycle along the coast")).await.unwrap();

    let mut clients = Vec::new();
    for name in ["one", "two"] {
        let url = bridge(&first, name, WRITE, &[]).await.unwrap();
        clients.push(Program::open(&package, &url, &document).await.unwrap());
    }
    let [one, two] = &mut clients[..] else { unreachable!() };
    for client in [&mut *one, &mut *two] {
        client.document(|document| document["goals"].get(&goal.id).is_some()).await.unwrap();
    }
    // What is said over HTTP, and by the partner, appears.
    let thanks = second.create(Collection::Thanks, "thanks-1", "what", json!("For the soup")).await.unwrap();
    let said = first.say(Collection::Goals, &goal.id, "area", json!("outside")).await.unwrap();
    for client in [&mut *one, &mut *two] {
        let there = |document: &Value| {
            document["thanks"].get(&thanks.id).is_some() && document["goals"].get(&said.fact).is_some()
        };
        client.document(there).await.unwrap();
    }
    // What a client says is in the API, with the partner, and said once.
    let founding = json!({ "kind": "goal", "field": "title", "value": "Plant two trees" });
    let founded = one.say("trees", founding).await.unwrap();
    let id = founded["item"].as_str().unwrap().to_owned();
    assert_eq!(founded["fact"], json!(id));
    let until = json!({ "item": id, "kind": "goal", "field": "until", "value": "2027-05-01" });
    let until = two.say("until", until).await.unwrap();
    let blind = json!({ "item": id, "kind": "goal", "field": "until", "value": "2027-06-01" });
    let refused = one.say("blind", blind).await.unwrap();
    assert_eq!(refused["refused"]["type"], "urn:betwixt:problem:seen-missing");
    in_step(&first, &second, PATIENCE).await.unwrap();
    for home in [&first, &second] {
        let shown = home.client().item(Collection::Goals, &id).await.unwrap();
        assert_eq!(shown.fields["title"].held(), Some(&json!("Plant two trees")));
        assert_eq!(shown.fields["until"].held(), Some(&json!("2027-05-01")));
    }

    // What both agree to, what each says for themselves, and texts that merge on reading.
    for home in [&first, &second] {
        home.say(Collection::Goals, &id, "wording", json!("We plant two trees.")).await.unwrap();
        home.say(Collection::Goals, &id, "why", json!("For the shade")).await.unwrap();
        in_step(&first, &second, PATIENCE).await.unwrap();
    }
    first.say(Collection::Goals, &id, "draft", json!("We dig. We plant.")).await.unwrap();
    in_step(&first, &second, PATIENCE).await.unwrap();

    // Apart, both say something else.
    first.client().pause().await.unwrap();
    let theirs = second.say(Collection::Goals, &id, "until", json!("2027-09-01")).await.unwrap();
    second.say(Collection::Goals, &id, "draft", json!("We dig deep. We plant.")).await.unwrap();
    first.say(Collection::Goals, &id, "draft", json!("We dig. We plant. We water.")).await.unwrap();
    second.say(Collection::Goals, &id, "state", json!("exploring")).await.unwrap();
    first.say(Collection::Goals, &id, "state", json!("agreed")).await.unwrap();
    let seen = until["fact"].clone();
    let saying = json!({ "item": id, "kind": "goal", "field": "until", "value": "2027-07-01", "seen": seen });
    let own = one.say("differently", saying).await.unwrap();
    first.client().resume().await.unwrap();
    first.client().sync().await.unwrap();
    in_step(&first, &second, PATIENCE).await.unwrap();
    for client in [&mut *one, &mut *two] {
        client.document(|document| document["goals"].get(&theirs.fact).is_some()).await.unwrap();
    }
    let about = about(&first).await;
    let reader = first.client().item(Collection::Goals, &id).await.unwrap().by.unwrap();
    let daemons = folded_by_the_daemon(&first).await;
    let differing = &daemons[&id]["until"];
    assert_eq!(differing["state"], "differing");
    let states = ["wording", "why", "draft", "state"].map(|field| daemons[&id][field]["state"].clone());
    assert_eq!(states, ["held", "each", "differing", "differing"], "{daemons:#}");
    assert_eq!(daemons[&id]["wording"]["agreed"], true);
    let versions: BTreeSet<&str> = [own["fact"].as_str().unwrap(), &theirs.fact].into();
    assert_eq!(differing["live"], json!(versions));
    for client in [&mut *one, &mut *two] {
        assert_eq!(folded_by_the_client(client, &about, &reader).await, daemons);
    }
    converged(one, two).await;

    // Rubbish, a fact altered, a fact removed, a signature removed: nothing of it stays, anywhere.
    let whole = one.document(|_| true).await.unwrap();
    let puts = [
        json!({ "do": "put", "key": "rubbish", "value": { "nested": [1, 2] } }),
        json!({ "do": "put", "map": "goals", "key": "rubbish", "value": "text" }),
        json!({ "do": "put", "map": "goals", "key": id, "value": "altered" }),
        json!({ "do": "delete", "map": "goals", "key": goal.id }),
        json!({ "do": "delete", "map": "signatures", "key": goal.id }),
        json!({ "do": "put", "map": "goals", "key": "new:no JSON", "value": "{}" }),
    ];
    for put in puts {
        two.tell(put).await.unwrap();
    }
    for client in [&mut *one, &mut *two] {
        client.document(|document| *document == whole).await.unwrap();
    }
    converged(one, two).await;
    assert_eq!(folded_by_the_daemon(&first).await, daemons);
    assert!(second.client().status().await.unwrap().troubles.is_empty());
    in_step(&first, &second, PATIENCE).await.unwrap();
}

/// Until both clients have the same heads.
async fn converged(one: &mut Program, two: &mut Program) {
    let begun = Instant::now();
    loop {
        let heads =
            [one.tell(json!({ "do": "heads" })).await.unwrap(), two.tell(json!({ "do": "heads" })).await.unwrap()];
        if heads[0] == heads[1] {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "{heads:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn clients_see_and_say_what_their_frontend_may_and_go_on_over_a_restart() {
    if !met(&[Need::Node]) {
        return;
    }
    let package = package().await;
    let mut home = Home::on_loopback().unwrap();
    home.found("Robin").await.unwrap();
    let address = listen(&home).await.unwrap();
    // The same port after a restart.
    home.client().listen(&Listen { address: Some(address.to_string()) }).await.unwrap();
    let private = documents(&home).await.unwrap().pop().unwrap();
    assert_eq!(private.scope, Scope::Mine);
    let goal = home.create(Collection::Goals, "goal-1", "title", json!("Learn to sail")).await.unwrap();
    let all = [Permission::Read, Permission::Write, Permission::Private];
    let writing = bridge(&home, "writes", &all, &[]).await.unwrap();
    let reading = bridge(&home, "reads", &[Permission::Read, Permission::Private], &[]).await.unwrap();
    let shared = bridge(&home, "shared", WRITE, &[]).await.unwrap();

    // Without `private` it is not there.
    let mut stranger = Program::start(&package).unwrap();
    stranger.tell(json!({ "do": "connect", "url": shared })).await.unwrap();
    let none = stranger.tell(json!({ "do": "find", "id": private.url })).await.unwrap_err();
    assert!(none.to_string().contains("unavailable"), "{none}");

    // Without `write` nothing is said, and what was written is undone.
    let mut reader = Program::open(&package, &reading, &private.url).await.unwrap();
    let saying = json!({ "kind": "goal", "field": "title", "value": "Not to be said" });
    let refused = reader.say("one", saying).await.unwrap();
    assert_eq!(refused["refused"]["type"], "urn:betwixt:problem:not-permitted");
    let document = reader.document(|document| document["goals"].get("new:one").is_none()).await.unwrap();
    assert!(document["goals"].get(&goal.id).is_some());

    // A text object serves as well as a scalar, and the same name is said once, also by a daemon that began anew.
    let mut writer = Program::open(&package, &writing, &private.url).await.unwrap();
    let saying = json!({ "kind": "goal", "field": "title", "value": "Learn to row" });
    let told = json!({ "do": "say", "name": "row", "saying": saying, "text": true });
    let said = writer.tell(told.clone()).await.unwrap();
    reader.document(|document| document["goals"].get(said["fact"].as_str().unwrap()).is_some()).await.unwrap();
    home.kill().unwrap();
    home.up_and_unlock().await.unwrap();
    let mut other = Program::open(&package, &writing, &private.url).await.unwrap();
    assert_eq!(other.tell(told).await.unwrap(), said);
    let goals = home.client().items(Collection::Goals, None).await.unwrap();
    assert_eq!(goals.len(), 2);
    // The clients that were there come back by themselves, with all that they had.
    let again = json!({ "kind": "goal", "field": "title", "value": "Learn to fly" });
    let said = writer.say("fly", again).await.unwrap();
    reader.document(|document| document["goals"].get(said["fact"].as_str().unwrap()).is_some()).await.unwrap();
    converged(&mut writer, &mut other).await;

    // Locked, the private document goes; unlocked, it comes back.
    home.client().lock().await.unwrap();
    let mut late = Program::start(&package).unwrap();
    late.tell(json!({ "do": "connect", "url": reading })).await.unwrap();
    assert!(late.tell(json!({ "do": "find", "id": private.url })).await.is_err());
    home.client().unlock(&UnlockRequest { passphrase: Secret::from(PASSPHRASE.to_owned()) }).await.unwrap();
    let goal = home.create(Collection::Goals, "goal-2", "title", json!("Learn to swim")).await.unwrap();
    reader.document(|document| document["goals"].get(&goal.id).is_some()).await.unwrap();

    // Revoked in the middle, nothing comes any more.
    home.client().frontend_end_bridge("writes").await.unwrap();
    home.client().frontend_revoke("reads").await.unwrap();
    let goal = home.create(Collection::Goals, "goal-3", "title", json!("Learn to dive")).await.unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    for program in [&mut reader, &mut writer] {
        let document = program.document(|_| true).await.unwrap();
        assert!(document["goals"].get(&goal.id).is_none());
    }
    let log = home.printed();
    for secret in [&writing, &reading, &shared] {
        let secret = secret.rsplit('/').next().unwrap();
        assert!(!log.contains(secret), "a secret is in the log of the daemon at {address}");
    }
}

/// The fold of the TypeScript module and the model's, over lives with stale and dishonest `seen`, forks, removed devices and
/// pasts that never come: what stands, and what is agreed, is the same.
#[tokio::test]
async fn no_silent_winner_the_module_folds_lives_as_the_model_does() {
    if !met(&[Need::Node]) {
        return;
    }
    let package = package().await;
    let mut home = Home::on_loopback().unwrap();
    home.up().await.unwrap();
    let about = about(&home).await;
    let lives = tokio::task::spawn_blocking(|| {
        let lives = (0..200).map(|seed| {
            let mut life = Life::seeded(seed);
            life.live(36);
            life.end();
            life.folded().to_string()
        });
        lives.collect::<Vec<String>>().join("\n")
    });
    let mut node = tokio::process::Command::new("node");
    node.current_dir(&package).arg("dist/bridge/lives.js").stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut node = node.kill_on_drop(true).spawn().unwrap();
    let mut told = node.stdin.take().unwrap();
    let text = format!("{about}\n{}\n", lives.await.unwrap());
    let telling = tokio::spawn(async move { told.write_all(text.as_bytes()).await });
    let output = tokio::time::timeout(4 * PATIENCE, node.wait_with_output()).await.unwrap().unwrap();
    telling.await.unwrap().unwrap();
    let folded: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(folded["wrongs"], 0, "{folded:#}");
    assert_eq!(folded["lives"], 200);
    for kind in ["fields", "differing", "agreed", "void"] {
        assert!(folded[kind].as_u64().unwrap() > 20, "{kind}: {folded:#}");
    }
}

#[tokio::test]
async fn a_document_is_answered_as_automerge_saves_it() {
    let (first, _second) = couple_on_loopback().await.unwrap();
    let goal = first.create(Collection::Goals, "goal-1", "title", json!("Cycle along the coast")).await.unwrap();
    let address = listen(&first).await.unwrap();
    let token = let_in(&first, "reads", &[Permission::Read], &[]).await.unwrap();
    let get =
        async |path: &str| Request::new(address, &format!("GET {path}")).token(&token).send(address).await.unwrap();
    let newest = async |scope| {
        let documents = documents(&first).await.unwrap();
        documents.into_iter().rfind(|document| document.scope == scope).unwrap()
    };
    // The partner's device may still say something, right after pairing: then list and document are not of one moment.
    let mut ours = newest(Scope::Ours).await;
    let answer = loop {
        let answer = get(&format!("/v1/documents/ours/{}", ours.year)).await;
        let before = std::mem::replace(&mut ours, newest(Scope::Ours).await);
        if before.heads == ours.heads {
            break answer;
        }
    };
    let mine = newest(Scope::Mine).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/vnd.automerge")));
    let mut document = AutoCommit::load(&answer.body).unwrap();
    let (_, goals) = document.get(automerge::ROOT, "goals").unwrap().unwrap();
    assert!(document.get(goals, goal.id.as_str()).unwrap().is_some());
    let heads: Vec<String> = document.get_heads().iter().map(ToString::to_string).collect();
    assert_eq!(heads, ours.heads);
    // What is private needs `private`; what nobody said is not there.
    assert_eq!(get(&format!("/v1/documents/mine/{}", mine.year)).await.status, 403);
    for nothing in ["/v1/documents/ours/1999", "/v1/documents/theirs/2026", "/v1/documents/ours/26"] {
        assert_eq!(get(nothing).await.status, 404, "{nothing}");
    }
    let listed = get("/v1/documents").await.json().unwrap();
    let scopes: Vec<&Value> = listed["items"].as_array().unwrap().iter().map(|document| &document["scope"]).collect();
    assert_eq!(scopes, ["ours"], "what is private is not listed");
}
