//! What nobody thought of: Schemathesis makes requests from the committed document, and looks at what is answered.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use betwixt_api::openapi::examples::{FACT, GOAL, LATER_FACT, MILESTONE, OTHER_VERSION, OWN_VERSION, QUESTION, RITUAL};
use betwixt_api::{Collection, Phase};
use betwixt_testkit::needs::{Need, met};
use betwixt_tests::home::{couple_on_loopback, in_step};
use serde_json::json;
use tokio::net::{TcpListener, UnixStream};

/// These end or close what is tried; the examples perform them.
const LEFT_OUT: [&str; 9] =
    ["down", "init", "leave", "lock", "lockAfter", "unlock", "restore", "listen", "agreeToChapter"];

/// How many requests are made of each operation.
const EXAMPLES: &str = "25";

/// Joins a port to the daemon's socket, where everything is the owner's: Schemathesis speaks TCP only.
async fn joined(socket: &Path) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
    let address = listener.local_addr().expect("a bound listener has an address");
    let socket = socket.to_owned();
    tokio::spawn(async move {
        loop {
            let Ok((mut stream, _)) = listener.accept().await else { return };
            let socket = socket.clone();
            tokio::spawn(async move {
                if let Ok(mut daemon) = UnixStream::connect(socket).await {
                    // Either end may go first.
                    let _ = tokio::io::copy_bidirectional(&mut stream, &mut daemon).await;
                }
            });
        }
    });
    address
}

#[tokio::test]
async fn hostile_input_is_an_error_no_request_of_schemathesis_gets_a_5xx_or_what_the_document_does_not_promise() {
    if !met(&[Need::Schemathesis]) {
        return;
    }
    let (first, second) = couple_on_loopback().await.unwrap();
    let goal = first.create(Collection::Goals, "g", "title", json!("Cycle along the coast")).await.unwrap();
    let milestone = first.create(Collection::Milestones, "m", "goal", json!(goal.id)).await.unwrap();
    let ritual = first.create(Collection::Rituals, "r", "title", json!("Sunday talk")).await.unwrap();
    let question =
        first.create(Collection::Sealed, "s", "prompt", json!({ "text": "What do you wish for?" })).await.unwrap();
    in_step(&first, &second, Duration::from_secs(20)).await.unwrap();
    let address = joined(first.client().socket()).await;
    // With ids that are there, so that its examples get beyond "there is no such thing".
    let document = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/openapi.json")).unwrap();
    let said = goal.fields["title"].seen.0.as_str();
    let known = [(GOAL, goal.id.as_str()), (MILESTONE, &milestone.id), (RITUAL, &ritual.id), (QUESTION, &question.id)];
    let known = known.into_iter().chain([FACT, LATER_FACT, OWN_VERSION, OTHER_VERSION].map(|fact| (fact, said)));
    let document = known.fold(document, |document, (example, real)| document.replace(example, real));
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("openapi-with-known-ids.json");
    std::fs::write(&path, document).unwrap();
    let mut command = Command::new("schemathesis");
    command.args(["run", "--url", &format!("http://{address}"), "--phases", "examples,coverage,fuzzing"]);
    command.args([
        "--checks",
        "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance",
    ]);
    command.args([
        "--max-examples",
        EXAMPLES,
        "--seed",
        "1",
        "--no-color",
        "--request-timeout",
        "20",
        "--generation-database",
        "none",
    ]);
    for id in LEFT_OUT {
        command.args(["--exclude-operation-id", id]);
    }
    // A stream of events does not end by itself.
    command.args(["--exclude-operation-id", "events"]).arg(&path);
    command.current_dir(env!("CARGO_TARGET_TMPDIR")).stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let (out, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}{errors}");
    // The daemon goes on, and what was there before still is.
    assert_eq!(first.client().status().await.unwrap().phase, Phase::Open);
    first.client().item(Collection::Goals, &goal.id).await.unwrap();
}
