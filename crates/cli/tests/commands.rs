//! The binary as a process, against a daemon that answers from a script: what it prints, what it asks for, and the code
//! that it ends with. Hermetic: no environment but its own, no home but a temporary one.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};

use betwixt_api as api;
use betwixt_api::{Collection, FieldKind, FieldState, Phase, Problem, ProblemKind, Scope, Seen};
use betwixt_daemon::http::{self, Answer, Call, Request, Response, Socket, Target};
use tokio::sync::mpsc;

/// A home with a daemon in this process, which keeps what it was asked.
struct Home {
    directory: tempfile::TempDir,
    asked: Arc<Mutex<Vec<String>>>,
    _runtime: Option<tokio::runtime::Runtime>,
}

impl Home {
    fn empty() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        Self { directory, asked: Arc::default(), _runtime: None }
    }

    fn answering(mut answer: impl FnMut(&Request) -> Answer + Send + 'static) -> Self {
        let mut home = Self::empty();
        let asked = Arc::clone(&home.asked);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("runs");
        let path = home.path().join(api::SOCKET_NAME);
        runtime.block_on(async move {
            let socket = Socket::bind(path).expect("binds");
            let (calls, mut waiting) = mpsc::channel::<Call>(http::MAX_WAITING_CALLS);
            tokio::spawn(http::serve(socket, calls, std::future::pending()));
            tokio::spawn(async move {
                while let Some(call) = waiting.recv().await {
                    if !matches!(call.request, Request::Status) {
                        asked.lock().expect("not poisoned").push(describe(&call.request));
                    }
                    let answered = answer(&call.request);
                    let _ = call.answer.send(answered);
                }
            });
        });
        home._runtime = Some(runtime);
        home
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("home")
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("not poisoned").clone()
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        self.run_with(arguments, "")
    }

    fn run_with(&self, arguments: &[&str], input: &str) -> Ran {
        let mut child = Command::new(env!("CARGO_BIN_EXE_betwixt"))
            .args(arguments)
            .env_clear()
            .env("BETWIXT_HOME", self.path())
            .current_dir(self.directory.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("starts");
        // A command that reads nothing may have ended already.
        let _ = child.stdin.take().expect("piped").write_all(input.as_bytes());
        Ran(child.wait_with_output().expect("ends"))
    }
}

struct Ran(Output);

impl Ran {
    fn code(&self) -> i32 {
        self.0.status.code().expect("was not killed")
    }

    fn out(&self) -> String {
        String::from_utf8(self.0.stdout.clone()).expect("UTF-8")
    }

    fn error(&self) -> String {
        String::from_utf8(self.0.stderr.clone()).expect("UTF-8")
    }

    fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out()).expect("one JSON value")
    }
}

/// What was asked, with the secrets that a test looks for.
fn describe(request: &Request) -> String {
    match request {
        Request::Unlock(unlock) => format!("unlock {}", unlock.passphrase.reveal()),
        Request::Init(init) => format!("init {} | {} | {}", init.name, init.device, init.passphrase.reveal()),
        Request::PairingEnter(enter) => format!("enter {} {:?}", enter.code.reveal(), enter.addresses),
        Request::PairingConfirm(confirm) => format!("confirm {}", confirm.yes),
        Request::Say { target, field, say } => format!("say {target:?} {field} {} {:?}", say.value, say.seen),
        Request::Create { collection, item, key } => {
            assert!(key.is_some(), "what is founded can be repeated");
            format!("create {collection:?} {:?} {}", item.scope, serde_json::to_string(&item.fields).expect("writes"))
        }
        other => format!("{other:?}"),
    }
}

fn status(phase: Phase) -> api::Status {
    let partner = |id: &str, name: &str| Some(api::Partner { id: id.into(), name: name.into() });
    api::Status {
        version: "0.1.0".into(),
        process: 1,
        home: "/home/robin/betwixt".into(),
        phase,
        private_locked: phase != Phase::Open,
        private_locks_after: None,
        me: partner("p1", "Robin"),
        partner: partner("p2", "Sam"),
        paired: true,
        paused: false,
        peers: vec![],
        port: None,
        http: None,
        addresses: vec![],
        documents: vec![],
        rebuilding: None,
        indexing: None,
        receiving: None,
        carrying: None,
        differences: 0,
        arriving: 0,
        protocol: vec![1],
        format: 1,
        troubles: vec![],
    }
}

fn said(own: bool) -> api::Said {
    api::Said { by: if own { "p1" } else { "p2" }.into(), own, on: "2027-03-03".into(), fact: "f".into() }
}

fn field(kind: FieldKind, state: FieldState, seen: &str) -> api::Field {
    api::Field { state, seen: Seen(seen.into()), ..api::Field::empty(kind) }
}

fn held(text: &str) -> FieldState {
    FieldState::Held { value: text.into(), said: vec![said(true)], versions: vec![] }
}

fn differing(own: &str, other: &str) -> api::Field {
    let version = |value: &str, own| api::Version { value: value.into(), said: said(own) };
    let state = FieldState::Differing { versions: vec![version(own, true), version(other, false)], was: None };
    field(FieldKind::Shared, state, "b91x,c04m")
}

fn item(collection: Collection, fields: &[(&str, api::Field)]) -> api::Item {
    api::Item {
        id: "k3j4k3j4".into(),
        collection,
        scope: Scope::Ours,
        by: None,
        own: true,
        on: Some("2027-03-03".into()),
        fields: fields.iter().map(|(name, field)| ((*name).to_owned(), field.clone())).collect(),
        parts: Default::default(),
        tally: None,
        review: None,
        newer: false,
    }
}

fn saying(name: &str, now: api::Field) -> Answer {
    let saying =
        api::Saying { item: "k3j4k3j4".into(), field: name.into(), fact: "n".into(), seen: Seen("n".into()), now };
    Ok(Response::Saying(Box::new(saying)))
}

fn to_settle() -> api::Page<api::SettleThread> {
    let item = api::ItemReference {
        id: "k3j4k3j4".into(),
        collection: Collection::Goals,
        scope: Scope::Ours,
        title: "Cycle along the coast".into(),
    };
    let fields = [("until".to_owned(), waiting(differing("2027-06-01", "2027-09-01")))].into();
    let thread = api::SettleThread { item, kind: "goal".into(), waits: true, fields, review: None, said_back: vec![] };
    api::Page::whole(vec![thread])
}

fn waiting(field: api::Field) -> api::WaitingField {
    api::WaitingField {
        field,
        differently: vec![],
        parked: None,
        rests_until: None,
        differently_seen: Seen::default(),
        parked_seen: Seen::default(),
    }
}

/// An open home that answers these beside its status.
fn open(mut answer: impl FnMut(&Request) -> Answer + Send + 'static) -> Home {
    Home::answering(move |request| match request {
        Request::Status => Ok(Response::Status(status(Phase::Open))),
        other => answer(other),
    })
}

fn refusing(kind: ProblemKind) -> Home {
    open(move |_| Err(Problem::new(kind.clone(), "So it is.")))
}

#[test]
fn without_a_home_nothing_is_made_and_the_way_is_told() {
    let home = Home::empty();
    let ran = home.run(&["goal", "list"]);
    assert_eq!(ran.code(), 9);
    assert!(ran.error().contains("there is no home") && ran.error().contains("betwixt init"), "{}", ran.error());
    assert!(!home.path().exists());
}

#[test]
fn every_problem_has_its_exit_code() {
    for (kind, code) in [
        (ProblemKind::Locked, 3),
        (ProblemKind::NotFound, 4),
        (ProblemKind::UnknownSeen, 5),
        (ProblemKind::Invalid, 6),
        (ProblemKind::StorageFull, 7),
        (ProblemKind::GoingDown, 8),
        (ProblemKind::NotPaired, 9),
        (ProblemKind::Internal, 1),
    ] {
        let ran = refusing(kind.clone()).run(&["goal", "list"]);
        assert_eq!(ran.code(), code, "{kind}");
        assert!(ran.out().is_empty() && ran.error().contains("So it is."), "{kind}: {}", ran.error());
    }
    assert_eq!(Home::empty().run(&["gaol"]).code(), 2);
}

#[test]
fn programs_get_json_on_success_and_as_an_error() {
    let home = open(|_| Ok(Response::ToSettle(to_settle())));
    let ran = home.run(&["--json", "differences"]);
    assert_eq!(ran.code(), 0);
    assert_eq!(ran.json()["threads"][0]["fields"]["until"]["state"], "differing");
    let ran = refusing(ProblemKind::Locked).run(&["differences", "--json"]);
    let error: serde_json::Value = serde_json::from_str(&ran.error()).expect("JSON");
    assert_eq!(error["error"]["type"], "urn:betwixt:problem:locked");
}

#[test]
fn settling_by_taking_says_the_others_version_having_seen_both() {
    let home = open(|request| match request {
        Request::ToSettle(_) => Ok(Response::ToSettle(to_settle())),
        _ => saying("until", field(FieldKind::Shared, held("2027-09-01"), "n")),
    });
    let ran = home.run(&["settle", "take", "k3", "until"]);
    assert_eq!(ran.code(), 0, "{}", ran.error());
    assert_eq!(ran.out(), "Until\n  1 September 2027\n  you, 3 March 2027\n");
    let target = Target::Item(Collection::Goals, "k3j4k3j4".into());
    assert_eq!(home.asked()[1], format!("say {target:?} until \"2027-09-01\" {:?}", Some(Seen("b91x,c04m".into()))));
    assert_eq!(home.run(&["settle", "say", "k3", "until", "soon"]).code(), 6);
    assert_eq!(home.run(&["settle", "take", "zz", "until"]).code(), 4);
    assert_eq!(home.run(&["settle", "take", "k3", "until", "3"]).code(), 4);
    assert_eq!(home.run(&["settle", "take", "k3"]).code(), 2);
}

#[test]
fn a_draft_from_standard_input_is_said_with_what_was_seen() {
    let home = open(|request| match request {
        Request::Item(Target::Vision(None)) => {
            let draft = field(FieldKind::Shared, held("A calm home."), "f7qk");
            Ok(Response::Item(Box::new(item(Collection::Vision, &[("draft", draft)]))))
        }
        _ => saying("draft", field(FieldKind::Shared, held("A calm, open home."), "n")),
    });
    let ran = home.run_with(&["vision", "edit", "-"], "A calm, open home.\n");
    assert_eq!(ran.code(), 0, "{}", ran.error());
    assert_eq!(
        home.asked()[1],
        format!("say Vision(None) draft \"A calm, open home.\" {:?}", Some(Seen("f7qk".into())))
    );
    assert_eq!(home.run_with(&["vision", "edit", "-"], "  \n").code(), 6);
}

#[test]
fn proposing_says_the_draft_and_agreeing_says_the_same() {
    let wording = |waiting: bool| {
        let mut wording = field(FieldKind::Consent, FieldState::Empty, if waiting { "w1" } else { "" });
        if waiting {
            wording.waiting = vec![api::Version { value: "A calm home.".into(), said: said(false) }];
        }
        wording
    };
    let answering = move |waiting: bool| {
        open(move |request| match request {
            Request::Item(_) => {
                let draft = field(FieldKind::Shared, held("A draft."), "d");
                let fields = [("draft", draft), ("wording", wording(waiting))];
                Ok(Response::Item(Box::new(item(Collection::Vision, &fields))))
            }
            _ => saying("wording", wording(waiting)),
        })
    };
    let home = answering(false);
    assert_eq!(home.run(&["vision", "propose"]).code(), 0);
    // An empty token: nothing stood there when it was read.
    assert_eq!(home.asked()[1], format!("say Vision(None) wording \"A draft.\" {:?}", Some(Seen(String::new()))));
    assert_eq!(home.run(&["vision", "agree"]).code(), 4, "nothing waits");
    let home = answering(true);
    assert_eq!(home.run(&["vision", "agree"]).code(), 0);
    assert_eq!(home.asked()[1], format!("say Vision(None) wording \"A calm home.\" {:?}", Some(Seen("w1".into()))));
}

#[test]
fn a_goal_is_founded_with_what_was_given() {
    let title = || field(FieldKind::Shared, held("Cycle"), "f");
    let home = open(move |_| Ok(Response::Item(Box::new(item(Collection::Goals, &[("title", title())])))));
    let ran = home.run(&["goal", "add", "Cycle", "--until", "2027-09-01", "--why", "the sea"]);
    assert_eq!(ran.code(), 0, "{}", ran.error());
    assert_eq!(ran.out(), "Goal k3j4k3j4 (shared)\nTitle\n  Cycle\n  you, 3 March 2027\n");
    assert_eq!(home.asked(), [r#"create Goals None {"title":"Cycle","until":"2027-09-01","why":"the sea"}"#]);
    assert_eq!(home.run(&["goal", "add", "Cycle", "--until", "soon"]).code(), 6);
    home.run(&["journal", "alone"]);
    assert_eq!(home.asked()[1], r#"create Journal Some(Mine) {"text":"alone"}"#);
}

#[test]
fn the_passphrase_comes_from_a_file_or_standard_input_and_never_from_the_command_line() {
    let locked = || {
        Home::answering(|request| match request {
            Request::Unlock(_) => Ok(Response::Status(status(Phase::Open))),
            _ => Ok(Response::Status(status(Phase::Locked))),
        })
    };
    let home = locked();
    assert_eq!(home.run_with(&["unlock"], "correct horse\n").code(), 0);
    let file = home.directory.path().join("passphrase");
    std::fs::write(&file, "battery staple\nnot this\n").expect("writes");
    assert_eq!(home.run(&["unlock", "--passphrase-file", file.to_str().expect("UTF-8")]).code(), 0);
    assert_eq!(home.asked(), ["unlock correct horse", "unlock battery staple"]);
    assert_eq!(home.run(&["unlock", "correct horse"]).code(), 2);
    assert_eq!(locked().run(&["unlock"]).code(), 1, "there was none");
}

#[test]
fn a_home_is_made_and_its_recovery_code_shown() {
    let home = Home::answering(|request| match request {
        Request::Init(_) => Ok(Response::Initialised(api::Initialised {
            status: status(Phase::Open),
            recovery_code: Some(api::Secret::from("ABCD-EFGH".to_owned())),
        })),
        _ => Ok(Response::Status(status(Phase::New))),
    });
    let ran = home.run_with(&["init", "--name", "Robin", "--device", "laptop"], "correct horse\n");
    assert_eq!(ran.code(), 0, "{}", ran.error());
    assert!(ran.out().contains("Recovery code: ABCD-EFGH"), "{}", ran.out());
    assert_eq!(home.asked(), ["init Robin | laptop | correct horse"]);
    let existing = open(|_| Err(Problem::new(ProblemKind::Internal, "not asked")));
    assert_eq!(existing.run_with(&["init", "--name", "Robin"], "x\n").code(), 9);
}

#[test]
fn pairing_reads_the_code_from_the_input_and_asks_before_it_says_yes() {
    let pairing = |answers: &'static str| {
        let asking = api::Pairing::Asking {
            name: "Sam".into(),
            device: "Sam's laptop".into(),
            purpose: api::Purpose::Partner,
            question: "Is this your partner's laptop?".into(),
        };
        let paired = api::Pairing::Paired {
            partner: api::Partner { id: "p2".into(), name: "Sam".into() },
            device: "d2".into(),
            device_name: "Sam's laptop".into(),
        };
        let home = open(move |request| match request {
            Request::PairingEnter(_) => Ok(Response::Pairing(asking.clone())),
            Request::PairingConfirm(confirm) if !confirm.yes => Ok(Response::Pairing(api::Pairing::Idle)),
            _ => Ok(Response::Pairing(paired.clone())),
        });
        let ran = home.run_with(&["pair", "--enter", "--at", "127.0.0.1:4711"], answers);
        (ran.code(), home.asked())
    };
    let enter = r#"enter 42-abcdef-x ["127.0.0.1:4711"]"#;
    assert_eq!(pairing("42-abcdef-x\nyes\n"), (0, vec![enter.to_owned(), "confirm true".to_owned()]));
    assert_eq!(pairing("42-abcdef-x\nno\n"), (10, vec![enter.to_owned(), "confirm false".to_owned()]));
    let home = Home::empty();
    assert_eq!(home.run(&["pair", "--enter", "42-abcdef-x"]).code(), 2, "a code is no argument");
}

#[test]
fn a_second_daemon_for_a_home_is_refused_in_words() {
    let home = open(|_| Ok(Response::Done));
    let ran = home.run(&["up"]);
    assert_eq!(ran.code(), 8);
    assert!(ran.error().contains("runs for this home already"), "{}", ran.error());
    assert_eq!(home.run(&["status"]).code(), 0, "the first still answers");
}

#[test]
fn down_waits_until_everything_is_closed() {
    let home = open(|_| Ok(Response::Done));
    let lock = std::fs::File::open(home.path().join(format!("{}{}", api::SOCKET_NAME, api::LOCK_SUFFIX)));
    assert!(lock.expect("there").try_lock().is_err(), "the daemon holds it");
    let moment = std::time::Duration::from_millis(100);
    std::thread::scope(|scope| {
        let down = scope.spawn(|| home.run(&["down"]));
        while home.asked().is_empty() {
            std::thread::sleep(moment / 10);
        }
        std::thread::sleep(moment);
        assert!(!down.is_finished(), "it waits");
        // As when the process ends: nobody holds a lock of that name.
        std::fs::remove_file(home.path().join(format!("{}{}", api::SOCKET_NAME, api::LOCK_SUFFIX))).expect("there");
        assert_eq!(down.join().expect("runs").code(), 0);
    });
    assert_eq!(Home::empty().run(&["down"]).code(), 0, "nothing runs: nothing to do");
}

#[test]
fn a_check_that_finds_something_ends_with_a_code_of_its_own() {
    let home = open(|request| match request {
        Request::Doctor => Ok(Response::Doctor(vec![api::Finding {
            level: api::Level::Trouble,
            about: "discovery".into(),
            what: "no multicast".into(),
            fix: None,
        }])),
        _ => Ok(Response::Verified(api::VerifyReport {
            private_locked: false,
            documents: 1,
            facts: 2,
            records: 3,
            attachments: 0,
            attachments_missing: 0,
            damaged: vec![],
        })),
    });
    assert_eq!(home.run(&["doctor"]).code(), 11);
    assert_eq!(home.run(&["verify"]).code(), 0);
}
