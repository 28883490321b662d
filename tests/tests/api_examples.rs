//! Every example of the committed OpenAPI document, performed against running daemons; every answer is of the schema that
//! the document promises.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

use betwixt_api::openapi::examples;
use betwixt_api::{Collection, Item, NewItem, Scope};
use betwixt_tests::home::{Home, PASSPHRASE, add_device, in_step, introduce};
use betwixt_tests::socket::{Answer, ask};
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(30);

/// Performs examples, with ids that are there in the place of those that the document uses.
struct Performer {
    document: Value,
    known: BTreeMap<String, String>,
    performed: BTreeSet<String>,
}

impl Performer {
    fn new() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/openapi.json");
        let document = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        Self { document, known: BTreeMap::new(), performed: BTreeSet::new() }
    }

    fn know(&mut self, example: &str, real: &str) {
        self.known.insert(example.to_owned(), real.to_owned());
    }

    fn operation(&self, id: &str) -> (String, String, Value) {
        for (path, methods) in self.document["paths"].as_object().unwrap() {
            for (method, operation) in methods.as_object().unwrap() {
                if operation["operationId"] == id {
                    return (method.to_uppercase(), path.clone(), operation.clone());
                }
            }
        }
        panic!("the document has no operation {id}");
    }

    fn real(&self, text: &str) -> String {
        self.known.get(text).cloned().unwrap_or_else(|| text.to_owned())
    }

    fn real_in(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => self.real(text).into(),
            Value::Array(items) => items.iter().map(|item| self.real_in(item)).collect(),
            Value::Object(entries) => entries.iter().map(|(name, value)| (name.clone(), self.real_in(value))).collect(),
            other => other.clone(),
        }
    }

    /// Performs an operation's example, and answers what was answered.
    async fn perform(&mut self, home: &Home, id: &str) -> Value {
        let (method, mut path, operation) = self.operation(id);
        let (mut query, mut headers) = (Vec::new(), Vec::new());
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let name = parameter["name"].as_str().unwrap();
            let example = parameter["example"].as_str().map(|example| self.real(example));
            match (parameter["in"].as_str().unwrap(), example) {
                ("path", example) => {
                    let example = example.unwrap_or_else(|| panic!("{id} has no example for {name}"));
                    path = path.replace(&format!("{{{name}}}"), &escaped(&example));
                }
                ("query", Some(example)) => query.push(format!("{name}={}", escaped(&example))),
                ("header", Some(example)) => headers.push((name.to_owned(), example)),
                (_, None) => {}
                (place, _) => panic!("a parameter in {place}"),
            }
        }
        if !query.is_empty() {
            path = format!("{path}?{}", query.join("&"));
        }
        let body = &operation["requestBody"]["content"]["application/json"];
        let example = (!body.is_null()).then(|| self.real_in(&body["example"]));
        if let Some(example) = &example {
            self.check(&body["schema"], example, id);
        }
        let answer = ask(home.client().socket(), &method, &path, &headers, example.as_ref()).await.unwrap();
        let promised = operation["responses"].as_object().unwrap().keys().find(|status| *status != "default").unwrap();
        assert_eq!(answer.status.to_string(), *promised, "{method} {path} {example:?}: {answer:?}");
        self.performed.insert(id.to_owned());
        let content = &operation["responses"][promised]["content"];
        assert!(content.get(&answer.media).is_some(), "{id} answers {}", answer.media);
        if answer.media != "application/json" {
            return answer.body.into();
        }
        let answered = answer.json().unwrap();
        self.check(&content["application/json"]["schema"], &answered, id);
        answered
    }

    fn check(&self, schema: &Value, value: &Value, what: &str) {
        let mut whole = schema.clone();
        whole["components"] = self.document["components"].clone();
        let validator = jsonschema::draft202012::new(&whole).unwrap_or_else(|error| panic!("{what}: {error}"));
        let problems: Vec<String> =
            validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect();
        assert!(problems.is_empty(), "{what}: {problems:#?}\n{value:#}");
    }

    fn check_problem(&self, answer: &Answer, status: u16) {
        assert_eq!((answer.status, answer.media.as_str()), (status, "application/problem+json"), "{answer:?}");
        self.check(&json!({ "$ref": "#/components/schemas/Problem" }), &answer.json().unwrap(), "a problem");
    }
}

fn escaped(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(byte).collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}

/// A home by itself: from its beginning to its end.
async fn alone(performer: &mut Performer) {
    let mut home = Home::on_loopback().unwrap();
    home.up().await.unwrap();
    for id in ["about", "status", "init", "doctor", "lockAfter", "lock", "unlock", "pause", "resume", "verify"] {
        performer.perform(&home, id).await;
    }
    ways(performer, &home).await;
    frontends(performer, &home).await;
    let backup = performer.perform(&home, "backup").await;
    performer.know("/home/robin/backups/2027-01-31.betwixt", text(&backup["path"]));
    performer.perform(&home, "export").await;
    performer.perform(&home, "backups").await;
    performer.perform(&home, "restore").await;
    performer.perform(&home, "down").await;
    leave(performer).await;
}

async fn leave(performer: &mut Performer) {
    let mut home = Home::on_loopback().unwrap();
    home.found("Robin").await.unwrap();
    performer.perform(&home, "leave").await;
}

async fn ways(performer: &mut Performer, home: &Home) {
    performer.perform(home, "ways").await;
    let code = performer.perform(home, "newRecoveryCode").await;
    performer.know(examples::RECOVERY_CODE, text(&code["recovery_code"]));
    assert_eq!(performer.perform(home, "testRecoveryCode").await["opens"], true);
    let stick = tempfile::tempdir().unwrap();
    performer.know("/media/stick/betwixt-key", stick.path().join("key").to_str().unwrap());
    let way = performer.perform(home, "addKeyFile").await;
    performer.know(examples::WAY, text(&way["id"]));
    performer.perform(home, "removeWay").await;
    assert!(performer.perform(home, "changePassphrase").await["recovery_code"].is_string());
}

async fn frontends(performer: &mut Performer, home: &Home) {
    for id in ["listen", "addFrontend", "bridge", "frontends", "endBridge"] {
        performer.perform(home, id).await;
    }
    let asked = performer.perform(home, "askToBeLetIn").await;
    performer.know(examples::FRONTEND_CODE, text(&asked["code"]));
    performer.know(examples::FRONTEND_SECRET, text(&asked["secret"]));
    assert_eq!(performer.perform(home, "claimToken").await["state"], "waiting");
    performer.perform(home, "approveFrontend").await;
    assert_eq!(performer.perform(home, "claimToken").await["state"], "approved");
    let login = performer.perform(home, "login").await;
    let page = std::fs::read_to_string(text(&login["file"])).unwrap();
    let (_, code) = page.split_once(&format!("{}#", text(&login["page"]))).unwrap();
    performer.know(examples::LOGIN_CODE, code.split('"').next().unwrap());
    performer.perform(home, "loginToken").await;
    performer.perform(home, "revokeFrontend").await;
}

async fn pair(performer: &mut Performer, first: &Home, second: &Home) {
    let offer = performer.perform(first, "startPairing").await;
    performer.know("42-abcdef-x", text(&offer["code"]));
    performer.know("192.168.1.20:4711", text(&offer["addresses"][0]));
    performer.perform(second, "enterCode").await;
    let begun = Instant::now();
    let mut paired = 0;
    while paired < 2 {
        paired = 0;
        for home in [first, second] {
            match text(&performer.perform(home, "pairing").await["state"]) {
                "asking" => drop(performer.perform(home, "confirmPairing").await),
                "paired" | "idle" => paired += 1,
                "failed" => panic!("pairing failed"),
                _ => {}
            }
        }
        assert!(begun.elapsed() < PATIENCE, "pairing did not come about");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    performer.perform(second, "cancelPairing").await;
}

/// A file for the second's device; the command puts where it is to be what is streamed.
async fn carry(performer: &mut Performer, first: &Home, second: &Home) {
    let devices = first.client().devices().await.unwrap();
    performer.know("phone", &devices.iter().find(|device| !device.own).unwrap().id);
    performer.perform(first, "carryExport").await;
    let stick = tempfile::tempdir().unwrap();
    let path = stick.path().join("for-phone.betwixt");
    first.json(&["carry", "export", "--for", "Sam's laptop", path.to_str().unwrap()]).unwrap();
    performer.know("/media/stick/for-phone.betwixt", path.to_str().unwrap());
    performer.perform(second, "carryImport").await;
}

async fn create(home: &Home, collection: Collection, scope: Scope, fields: Value) -> Item {
    let fields: BTreeMap<String, Value> = serde_json::from_value(fields).unwrap();
    let key = format!("{}-{scope:?}", collection.name());
    home.client().create(collection, &key, &NewItem { scope: Some(scope), fields }).await.unwrap()
}

/// Two versions of the goal's `until`, said apart.
async fn differ(performer: &mut Performer, first: &Home, second: &Home, goal: &str) {
    in_step(first, second, PATIENCE).await.unwrap();
    first.client().pause().await.unwrap();
    first.say(Collection::Goals, goal, "until", json!("2027-06-01")).await.unwrap();
    second.say(Collection::Goals, goal, "until", json!("2027-09-01")).await.unwrap();
    first.client().resume().await.unwrap();
    in_step(first, second, PATIENCE).await.unwrap();
    let shown = first.client().item(Collection::Goals, goal).await.unwrap();
    let versions = shown.fields["until"].versions();
    assert_eq!(versions.len(), 2);
    performer.know(examples::OWN_VERSION, &versions[0].said.fact);
    performer.know(examples::OTHER_VERSION, &versions[1].said.fact);
}

#[tokio::test]
async fn every_example_of_the_document_works_and_answers_what_it_promises() {
    let mut performer = Performer::new();
    assert_eq!(PASSPHRASE, "a lantern in the window", "as in the examples");
    alone(&mut performer).await;

    let (mut first, mut second) = (Home::on_loopback().unwrap(), Home::on_loopback().unwrap());
    first.found("Robin").await.unwrap();
    second.found("Sam").await.unwrap();
    pair(&mut performer, &first, &second).await;
    introduce(&first, &second).await.unwrap();
    introduce(&second, &first).await.unwrap();
    in_step(&first, &second, PATIENCE).await.unwrap();
    // Nobody is there; the one that was introduced stays.
    performer.know("192.168.1.20:4711", "127.0.0.1:9");
    for id in ["devices", "here", "sync", "addAddress", "addresses", "removeAddress"] {
        performer.perform(&first, id).await;
    }
    let mut phone = Home::on_loopback().unwrap();
    phone.found("Robin").await.unwrap();
    add_device(&first, &phone).await.unwrap();
    carry(&mut performer, &first, &second).await;
    let devices = phone.client().devices().await.unwrap();
    performer.know("phone", &devices.iter().find(|device| device.this).unwrap().id);
    for id in ["renameDevice", "removeDevice"] {
        performer.perform(&first, id).await;
    }
    drop(phone);

    let goal = performer.perform(&first, "createItem").await;
    let goal_id = text(&goal["id"]).to_owned();
    assert_eq!(performer.perform(&first, "createItem").await["id"], goal["id"], "the same key, the same item");
    performer.know(examples::GOAL, &goal_id);
    performer.know(examples::FACT, text(&goal["fields"]["title"]["seen"]));
    let said = performer.perform(&first, "say").await;
    performer.know(examples::LATER_FACT, text(&said["fact"]));
    let milestone = json!({ "goal": goal_id, "measure": { "type": "count", "target": 12, "unit": "rides" } });
    performer.know(examples::MILESTONE, &create(&first, Collection::Milestones, Scope::Ours, milestone).await.id);
    let ritual = json!({
        "title": "Sunday talk",
        "cadence": { "start": "2027-01-03T19:00", "zone": "Europe/Berlin", "rule": "FREQ=WEEKLY;BYDAY=SU" },
    });
    performer.know(examples::RITUAL, &create(&first, Collection::Rituals, Scope::Ours, ritual).await.id);
    let question = json!({ "prompt": { "text": "What do you wish for?" } });
    performer.know(examples::QUESTION, &create(&first, Collection::Sealed, Scope::Ours, question).await.id);
    let photo = performer.perform(&first, "addFile").await;
    performer.know(examples::PHOTO, text(&photo["attachment"]["id"]));
    for id in ["attachmentContent", "attachmentCopies"] {
        performer.perform(&first, id).await;
    }
    let private = create(&first, Collection::Goals, Scope::Mine, json!({ "title": "Learn to sail" })).await;
    performer.know(examples::PRIVATE_GOAL, &private.id);
    for id in [
        "items",
        "item",
        "vision",
        "sayVision",
        "lastAct",
        "undo",
        "addProgress",
        "calendar",
        "ritualCalendar",
        "sayOccurrence",
        "seals",
        "sealAnswer",
        "seal",
        "bringChoices",
        "bring",
        "history",
        "provenance",
        "words",
        "then",
        "compare",
        "since",
        "search",
        "statistics",
        "events",
    ] {
        performer.perform(&first, id).await;
    }
    let documents = performer.perform(&first, "documents").await;
    performer.know(examples::YEAR, &documents["items"][0]["year"].to_string());
    performer.perform(&first, "document").await;
    differ(&mut performer, &first, &second, &goal_id).await;
    for id in ["item", "history", "sayDifferently", "park", "settle", "since"] {
        performer.perform(&first, id).await;
    }
    for id in ["chapters", "proposeChapter", "withdrawChapter", "proposeChapter"] {
        performer.perform(&first, id).await;
    }
    in_step(&first, &second, PATIENCE).await.unwrap();
    performer.perform(&second, "agreeToChapter").await;

    let nothing = ask(first.client().socket(), "GET", "/v1/goals/zzzz", &[], None).await.unwrap();
    performer.check_problem(&nothing, 404);
    let unnamed = json!({ "fields": { "why": "No title" } });
    let unnamed = ask(first.client().socket(), "POST", "/v1/goals", &[], Some(&unnamed)).await.unwrap();
    performer.check_problem(&unnamed, 422);
    assert_eq!(unnamed.json().unwrap()["field"], "title");

    let all: BTreeSet<String> = performer.document["paths"]
        .as_object()
        .unwrap()
        .values()
        .flat_map(|methods| methods.as_object().unwrap().values())
        .map(|operation| text(&operation["operationId"]).to_owned())
        .collect();
    assert_eq!(performer.performed, all, "every example is performed");
}
