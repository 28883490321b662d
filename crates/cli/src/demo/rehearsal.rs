//! The demo's story, played against two daemons that hold the real model in memory and exchange facts by hand: that the
//! story is told when all goes as it should, and that the demo notices when it does not.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use betwixt_api as api;
use betwixt_api::{Collection, Problem, ProblemKind, Scope};
use betwixt_daemon::http::{
    self, Answer, Call, Named, PastRequest, PastResponse, Request, Response, Socket, Target, shown,
};
use betwixt_model::fact::{Nonce, SignedFact};
use betwixt_model::ids::{DeviceId, HouseholdId, ItemId, PartnerId};
use betwixt_model::index::{self, rows::MemoryRows};
use betwixt_model::membership::{Accepted, Membership, Standing};
use betwixt_model::say::{self, Saying, Writer};
use betwixt_model::schema::{Kind, Naming};
use betwixt_model::view::{self, Reader};
use ed25519_dalek::SigningKey;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::partner::Partner;
use super::story::{self, Teller};
use crate::error::CommandError;
use crate::terminal::Terminal;

const OURS: HouseholdId = HouseholdId::from_bytes([9; 32]);

/// What goes wrong in a rehearsal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    /// The last to say something wins: the date that Robin set while apart never reaches Sam, nor stays with Robin.
    LosesADate,
    /// What is private is shared at pairing.
    SharesEverything,
}

struct Side {
    name: &'static str,
    key: SigningKey,
    device: DeviceId,
    partner: PartnerId,
    mine: MemoryRows,
    ours: MemoryRows,
    facts: Vec<SignedFact>,
    paused: bool,
    yes: bool,
}

struct World {
    sides: [Side; 2],
    membership: Membership,
    entered: bool,
    nonces: u128,
    fault: Fault,
}

impl World {
    fn new(fault: Fault) -> Self {
        let mut membership = Membership::default();
        let sides = [("Robin", 1), ("Sam", 2)].map(|(name, number)| {
            let key = SigningKey::from_bytes(&[number; 32]);
            let device = DeviceId::from_bytes(key.verifying_key().to_bytes());
            let partner = PartnerId::founded_by(&device);
            membership.set(device, Standing { partner, accepted: Accepted::Everything });
            let (mine, ours) = (MemoryRows::default(), MemoryRows::default());
            Side { name, key, device, partner, mine, ours, facts: vec![], paused: false, yes: false }
        });
        Self { sides, membership, entered: false, nonces: 0, fault }
    }

    fn paired(&self) -> bool {
        self.sides.iter().all(|side| side.yes)
    }

    fn connected(&self) -> bool {
        self.paired() && self.sides.iter().all(|side| !side.paused)
    }

    /// Gives each what the other has said.
    fn exchange(&mut self) {
        if !self.connected() {
            return;
        }
        let [first, second] = [0, 1].map(|side: usize| self.sides[side].facts.clone());
        for (side, theirs) in [(0, second), (1, first)] {
            for signed in theirs {
                let header = signed.fact().header();
                let robins_date = header.field == "until" && header.partner == self.sides[0].partner;
                if self.fault == Fault::LosesADate && robins_date {
                    continue;
                }
                if !self.sides[side].facts.iter().any(|known| known.fact().id() == signed.fact().id()) {
                    self.enter(side, signed);
                }
            }
        }
    }

    fn enter(&mut self, side: usize, signed: SignedFact) {
        let side = &mut self.sides[side];
        let effect = index::ingest(&mut side.ours, &OURS, &self.membership, vec![signed.clone()]).expect("ingests");
        assert!(effect.refused.is_empty(), "{:?}", effect.refused);
        side.facts.push(signed);
    }

    fn household(&self, side: usize, scope: Scope) -> HouseholdId {
        match scope {
            Scope::Ours => OURS,
            Scope::Mine => HouseholdId::from_bytes([u8::try_from(side).expect("two"); 32]),
        }
    }

    fn rows(&self, side: usize, scope: Scope) -> &MemoryRows {
        match scope {
            Scope::Ours => &self.sides[side].ours,
            Scope::Mine => &self.sides[side].mine,
        }
    }

    fn reader(&self, side: usize, scope: Scope) -> Reader {
        Reader { household: self.household(side, scope), partner: self.sides[side].partner }
    }

    fn scope(&self, scope: Option<Scope>) -> Scope {
        scope.unwrap_or(if self.paired() { Scope::Ours } else { Scope::Mine })
    }

    fn say(&mut self, side: usize, scope: Scope, saying: Saying) -> Result<ItemId, Problem> {
        self.nonces += 1;
        let household = self.household(side, scope);
        let previous = index::tip(self.rows(side, scope), &self.sides[side].device).expect("reads");
        let writer = Writer {
            household,
            partner: self.sides[side].partner,
            device: self.sides[side].device,
            previous,
            date: jiff::civil::date(2027, 3, 2),
            nonce: Nonce::from_bytes(self.nonces.to_le_bytes()),
        };
        let fact = say::say(self.rows(side, scope), saying, &writer)
            .map_err(|error| Problem::new(ProblemKind::Invalid, error.to_string()))?;
        let item = fact.item();
        let signed = fact.sign(&self.sides[side].key);
        match scope {
            Scope::Ours => self.enter(side, signed),
            Scope::Mine => {
                index::ingest(&mut self.sides[side].mine, &household, &self.membership, vec![signed]).expect("ingests");
            }
        }
        Ok(item)
    }

    fn create(
        &mut self,
        side: usize,
        scope: Scope,
        kind: &str,
        mut fields: Vec<(String, Value)>,
    ) -> Result<ItemId, Problem> {
        let known = Kind::named(kind).expect("a kind");
        let mut item = known.natural_item(&self.household(side, scope), &self.sides[side].partner);
        if let Naming::Founded { first } = known.naming {
            fields.sort_by_key(|(name, _)| name != first);
        }
        for (field, value) in fields {
            let seen = None;
            item = Some(self.say(side, scope, Saying { item, kind: kind.into(), field, value, seen })?);
        }
        item.ok_or_else(|| Problem::new(ProblemKind::Invalid, "nothing was said"))
    }

    fn item(&self, side: usize, scope: Scope, id: ItemId) -> Answer {
        let rows = self.rows(side, scope);
        let reader = self.reader(side, scope);
        let missing = || Problem::new(ProblemKind::NotFound, "no such item");
        let view = view::item(rows, &reader, &id).expect("reads").ok_or_else(missing)?;
        let item = shown::item(rows, &reader, scope, &view).expect("reads").ok_or_else(missing)?;
        Ok(Response::Item(Box::new(item)))
    }

    fn find(&self, side: usize, target: &Target) -> (Scope, &'static str, ItemId) {
        let kind = shown::kind_of(target.collection());
        match target {
            Target::Vision(scope) => {
                let scope = self.scope(*scope);
                (scope, kind, ItemId::natural(&self.household(side, scope), "vision", ""))
            }
            Target::Item(_, id) => (Scope::Ours, kind, id.parse().expect("the story gives whole ids")),
        }
    }

    /// Brings over what these ids begin, or everything.
    fn bring(&mut self, side: usize, chosen: Option<&[String]>) {
        for kind in ["vision", "goal"] {
            let reader = self.reader(side, Scope::Mine);
            for view in view::items(&self.sides[side].mine, &reader, kind).expect("reads") {
                if chosen.is_none_or(|chosen| chosen.contains(&view.id.to_string())) {
                    let fields = view.fields.into_iter().filter_map(|(name, field)| Some((name, field.reading.value?)));
                    self.create(side, Scope::Ours, kind, fields.collect()).expect("is said");
                }
            }
        }
    }

    fn pairing(&self, side: usize) -> api::Pairing {
        let other = &self.sides[1 - side];
        if self.paired() {
            let partner = api::Partner { id: other.partner.to_string(), name: other.name.into() };
            return api::Pairing::Paired { partner, device: "d".into(), device_name: "laptop".into() };
        }
        match (self.entered, self.sides[side].yes) {
            (true, true) => api::Pairing::AwaitingOther,
            (true, false) => api::Pairing::Asking {
                name: other.name.into(),
                device: "laptop".into(),
                purpose: api::Purpose::Partner,
                question: "Is it so?".into(),
            },
            (false, _) => api::Pairing::Idle,
        }
    }

    fn status(&self, side: usize) -> api::Status {
        let connected = self.connected();
        let peer = api::PeerStatus {
            device: "d".into(),
            name: "laptop".into(),
            own: false,
            connected,
            in_step: connected,
            last_met_days: Some(0),
        };
        api::Status {
            paused: self.sides[side].paused,
            peers: if self.paired() { vec![peer] } else { vec![] },
            paired: self.paired(),
            ..crate::render::samples::status()
        }
    }

    fn answer(&mut self, side: usize, request: Request) -> Answer {
        let answer = self.carry_out(side, request);
        self.exchange();
        answer
    }

    fn carry_out(&mut self, side: usize, request: Request) -> Answer {
        match request {
            Request::Status => Ok(Response::Status(self.status(side))),
            Request::Pause | Request::Resume => {
                self.sides[side].paused = matches!(request, Request::Pause);
                Ok(Response::Status(self.status(side)))
            }
            Request::PairingStart(_) => Ok(Response::Pairing(api::Pairing::Offering {
                code: api::Secret::from("42-abcdef-x".to_owned()),
                qr: api::Secret::from("the code's long form".to_owned()),
                addresses: vec![],
                expires_in: 300,
                notice: None,
            })),
            Request::PairingEnter(enter) => {
                self.entered = enter.code.reveal() == "the code's long form";
                Ok(Response::Pairing(api::Pairing::Searching { notice: None }))
            }
            Request::Pairing => Ok(Response::Pairing(self.pairing(side))),
            Request::PairingConfirm(confirm) => {
                self.sides[side].yes = confirm.yes;
                if self.paired() && self.fault == Fault::SharesEverything {
                    self.bring(1, None);
                }
                Ok(Response::Pairing(self.pairing(side)))
            }
            Request::AddressAdd(_) => Ok(Response::Addresses(vec![])),
            Request::Items { collection, list } => {
                let scope = list.scope.expect("the story says which");
                let (rows, reader) = (self.rows(side, scope), self.reader(side, scope));
                let views = view::items(rows, &reader, shown::kind_of(collection)).expect("reads");
                let items = views.iter().filter_map(|view| shown::alone(&reader, scope, view)).collect();
                Ok(Response::Items(api::Page::whole(items)))
            }
            Request::Item(target) => {
                let (scope, _, id) = self.find(side, &target);
                self.item(side, scope, id)
            }
            Request::Create { collection, item, .. } => {
                let scope = self.scope(item.scope);
                let id = self.create(side, scope, shown::kind_of(collection), item.fields.into_iter().collect())?;
                self.item(side, scope, id)
            }
            Request::Say { target, field, say } => {
                let (scope, kind, id) = self.find(side, &target);
                let seen = say.seen.map(|seen| seen.0.parse().expect("a token"));
                let saying = Saying { item: Some(id), kind: kind.into(), field: field.clone(), value: say.value, seen };
                self.say(side, scope, saying)?;
                let Response::Item(item) = self.item(side, scope, id)? else { unreachable!("an item is answered") };
                let now = item.fields[&field].clone();
                let saying =
                    api::Saying { item: id.to_string(), field, fact: String::new(), seen: now.seen.clone(), now };
                Ok(Response::Saying(Box::new(saying)))
            }
            Request::Progress { target, entry, .. } => {
                let (scope, _, id) = self.find(side, &target);
                let fields =
                    vec![("milestone".to_owned(), json!(id.to_string())), ("amount".to_owned(), json!(entry.amount))];
                self.create(side, scope, "progress", fields)?;
                self.item(side, scope, id)
            }
            Request::ToSettle(_) => {
                let reader = self.reader(side, Scope::Ours);
                let views = view::differences(&self.sides[side].ours, &reader).expect("reads");
                let threads = views.iter().map(|view| thread(&reader, view));
                Ok(Response::ToSettle(api::Page::whole(threads.collect())))
            }
            Request::BringChoices(_) => {
                let reader = self.reader(side, Scope::Mine);
                let mut choices = Vec::new();
                for kind in ["vision", "goal"] {
                    let views = view::items(&self.sides[side].mine, &reader, kind).expect("reads");
                    choices.extend(views.iter().filter_map(|view| shown::reference(Scope::Mine, view)));
                }
                let choice = |item| api::BringChoice { item, brought_to: None };
                Ok(Response::BringChoices(api::Page::whole(choices.into_iter().map(choice).collect())))
            }
            Request::Bring(bring) => {
                match bring {
                    api::Bring::All => self.bring(side, None),
                    api::Bring::Items { items } => {
                        let ids: Vec<String> = items.into_iter().map(|item| item.id).collect();
                        self.bring(side, Some(&ids));
                    }
                }
                Ok(Response::BringReport(api::BringReport { brought: vec![], already: vec![] }))
            }
            Request::Past(PastRequest::History { item, .. }) => {
                let Named::Item(id) = item else { unreachable!("the story asks about its goal") };
                let (scope, _, id) = self.find(side, &Target::Item(Collection::Goals, id));
                let view = view::item(self.rows(side, scope), &self.reader(side, scope), &id).expect("reads");
                let of_item = self.sides[side].facts.iter().filter(|signed| signed.fact().item() == id);
                let event = |signed: &SignedFact| api::Event {
                    field: signed.fact().header().field.clone(),
                    act: api::Act::Said,
                    value: signed.fact().value().cloned(),
                    said: api::Said { by: String::new(), own: false, on: String::new(), fact: String::new() },
                    before: vec![],
                    words: vec![],
                    standing: api::Standing::Replaced,
                };
                Ok(Response::Past(PastResponse::History(api::History {
                    item: view.and_then(|view| shown::reference(scope, &view)).expect("is there"),
                    items: of_item.map(event).collect(),
                    next: None,
                })))
            }
            Request::Past(PastRequest::Provenance(_)) => Ok(Response::Past(PastResponse::Provenance(vec![]))),
            other => Err(Problem::new(ProblemKind::Internal, format!("not rehearsed: {other:?}"))),
        }
    }
}

fn thread(reader: &view::Reader, view: &view::ItemView) -> api::SettleThread {
    let waiting = |(name, shown): (&String, &view::FieldView)| {
        let field = api::WaitingField {
            field: shown::field(reader, &view.kind, name, shown),
            differently: vec![],
            parked: None,
            rests_until: None,
            differently_seen: api::Seen::default(),
            parked_seen: api::Seen::default(),
        };
        (name.clone(), field)
    };
    api::SettleThread {
        item: shown::reference(Scope::Ours, view).expect("is shown"),
        kind: view.kind.clone(),
        waits: true,
        fields: view.fields.iter().map(waiting).collect(),
        review: None,
        said_back: vec![],
    }
}

fn partner(world: &Arc<Mutex<World>>, side: usize, directory: &Path) -> Partner {
    let name = ["Robin", "Sam"][side];
    let path = directory.join(name);
    let socket = Socket::bind(path.join(api::SOCKET_NAME)).expect("binds");
    let (calls, mut waiting) = mpsc::channel::<Call>(http::MAX_WAITING_CALLS);
    tokio::spawn(http::serve(socket, calls, std::future::pending()));
    let world = Arc::clone(world);
    tokio::spawn(async move {
        while let Some(Call { request, answer, .. }) = waiting.recv().await {
            let answered = world.lock().expect("not poisoned").answer(side, request);
            let _ = answer.send(answered);
        }
    });
    Partner::rehearsing(name, path)
}

async fn rehearse(fault: Fault) -> Result<(), CommandError> {
    let directory = tempfile::tempdir().expect("a directory");
    let world = Arc::new(Mutex::new(World::new(fault)));
    let [robin, sam] = [0, 1].map(|side| partner(&world, side, directory.path()));
    let teller = Teller::new(Terminal::new(true)).hurried(Duration::from_secs(2));
    story::tell(&teller, &robin, &sam).await
}

#[tokio::test]
async fn the_story_is_told_to_its_end() {
    rehearse(Fault::None).await.expect("as it should be");
}

#[tokio::test]
async fn a_version_that_is_lost_is_noticed() {
    let error = rehearse(Fault::LosesADate).await.expect_err("noticed");
    assert!(error.to_string().contains("should have reached both"), "{error}");
    assert_eq!(error.exit_code(), api::ExitCode::Found);
}

#[tokio::test]
async fn something_private_that_is_shared_is_noticed() {
    let error = rehearse(Fault::SharesEverything).await.expect_err("noticed");
    assert!(error.to_string().contains("share nothing by itself"), "{error}");
}
