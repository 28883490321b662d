//! Saying and reading over real replicas.

use betwixt_api as api;
use betwixt_api::{Collection, Problem, ProblemKind};
use betwixt_model::document::Scope;
use betwixt_model::index;
use betwixt_store::Store;
use betwixt_store::keys::DataKeys;
use betwixt_sync::roster::{FoundingSide, Roster, SignedStatement};
use jiff::civil::{Date, date};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use serde_json::{Value, json};

use super::super::{items, past, settle};
use super::write;
use crate::http::{
    Answer, HistoryList, ItemsList, Named, Paging, PastRequest, PastResponse, Request, Response, Sees, SettleList,
    Target,
};
use crate::replica::{Replica, Stage};

#[path = "tests/carried.rs"]
mod carried;
#[path = "tests/present.rs"]
mod present;
#[path = "tests/sees.rs"]
mod sees;

const TODAY: Date = date(2027, 3, 2);

struct Home {
    replica: Replica,
    rng: ChaCha20Rng,
}

impl Home {
    fn new(seed: u64) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let store = Store::in_memory(&DataKeys::random(&mut rng)).expect("memory takes a store");
        let replica = Replica::found(store, "Robin", "laptop", &mut rng).expect("a new store takes a home");
        Self { replica, rng }
    }

    /// Two homes that are paired; what they say does not travel here.
    fn paired() -> [Self; 2] {
        let mut homes = [Self::new(1), Self::new(2)];
        let sides = [0, 1].map(|side: usize| FoundingSide {
            partner: homes[side].replica.identity().partner(),
            device: homes[side].replica.identity().device(),
            nonce: [u8::try_from(side).expect("small"); 16],
        });
        let mut chains: Vec<SignedStatement> =
            homes.iter().flat_map(|home| home.replica.roster().statements().cloned().collect::<Vec<_>>()).collect();
        let both = Roster::from_statements(sides[0].partner, None, chains.iter().cloned());
        let draft = both.draft_founding(sides[0], sides[1]).expect("two partners");
        let mut signatures: Vec<_> = homes
            .iter()
            .map(|home| (home.replica.identity().partner(), draft.sign(home.replica.identity().keys().signing())))
            .collect();
        signatures.sort_unstable_by_key(|(partner, _)| *partner);
        let signatures: Vec<[u8; 64]> = signatures.into_iter().map(|(_, signature)| signature).collect();
        chains.push(draft.complete(&signatures).expect("both have signed"));
        for home in &mut homes {
            home.adopt(chains.clone());
        }
        homes
    }

    fn adopt(&mut self, statements: Vec<SignedStatement>) {
        let mut stage = self.replica.begin().expect("begins");
        assert!(self.replica.adopt(&mut stage, statements).expect("adopts"));
        self.commit(stage);
    }

    fn commit(&mut self, stage: Stage) {
        stage.commit().expect("commits");
        self.replica.committed().expect("reads");
    }

    /// Carries out one request of the owner's, in a stage of its own.
    fn write(&mut self, request: Request) -> Answer {
        self.write_as(Sees::Everything, request)
    }

    fn write_as(&mut self, sees: Sees, request: Request) -> Answer {
        let mut stage = self.replica.begin().expect("begins");
        let answer = write(&mut self.replica, &mut stage, TODAY, &mut self.rng, sees, request);
        let answer = answer.expect("the stage holds");
        if answer.is_err() {
            assert!(stage.is_empty(), "what is refused leaves nothing in the stage");
        }
        self.commit(stage);
        answer
    }

    fn read(&self, request: &Request) -> Answer {
        self.read_as(Sees::Everything, request)
    }

    fn read_as(&self, sees: Sees, request: &Request) -> Answer {
        if let Request::ToSettle(list) = request {
            return settle::read(&self.replica, sees, list, TODAY);
        }
        let read = items::read(&self.replica, sees, request).or_else(|| past::read(&self.replica, sees, request));
        read.expect("a request that reads")
    }

    fn create(
        &mut self,
        collection: Collection,
        scope: Option<api::Scope>,
        fields: Value,
    ) -> Result<api::Item, Problem> {
        self.create_with_key(collection, scope, fields, None)
    }

    fn create_with_key(
        &mut self,
        collection: Collection,
        scope: Option<api::Scope>,
        fields: Value,
        key: Option<&str>,
    ) -> Result<api::Item, Problem> {
        let fields = serde_json::from_value(fields).expect("an object");
        let item = api::NewItem { scope, fields };
        self.write(Request::Create { collection, key: key.map(str::to_owned), item }).map(item_of)
    }

    fn say(&mut self, target: Target, field: &str, value: Value, seen: Option<&str>) -> Result<api::Saying, Problem> {
        let say = api::Say { value, seen: seen.map(|seen| api::Seen(seen.to_owned())) };
        match self.write(Request::Say { target, field: field.to_owned(), say })? {
            Response::Saying(saying) => Ok(*saying),
            other => panic!("not a saying: {other:?}"),
        }
    }

    fn item(&self, collection: Collection, id: &str) -> Result<api::Item, Problem> {
        self.read(&Request::Item(Target::Item(collection, id.to_owned()))).map(item_of)
    }

    fn items(&self, collection: Collection, scope: Option<api::Scope>) -> Vec<api::Item> {
        let list = ItemsList { scope, ..ItemsList::default() };
        match self.read(&Request::Items { collection, list }) {
            Ok(Response::Items(page)) => page.items,
            other => panic!("not items: {other:?}"),
        }
    }

    fn history(&self, item: &api::Item, list: HistoryList) -> api::History {
        let asked = Request::Past(PastRequest::History { item: Named::Item(item.id.clone()), list });
        match self.read(&asked) {
            Ok(Response::Past(PastResponse::History(history))) => history,
            other => panic!("not a history: {other:?}"),
        }
    }

    fn choices(&self) -> Vec<api::BringChoice> {
        match self.read(&Request::BringChoices(Paging::default())) {
            Ok(Response::BringChoices(page)) => page.items,
            other => panic!("not choices: {other:?}"),
        }
    }

    fn bring(&mut self, bring: api::Bring) -> Result<api::BringReport, Problem> {
        match self.write(Request::Bring(bring))? {
            Response::BringReport(report) => Ok(report),
            other => panic!("not a report: {other:?}"),
        }
    }
}

fn item_of(response: Response) -> api::Item {
    match response {
        Response::Item(item) => *item,
        other => panic!("not an item: {other:?}"),
    }
}

fn goal(home: &mut Home, title: &str) -> api::Item {
    home.create(Collection::Goals, None, json!({ "title": title })).expect("is said")
}

fn of_goal(item: &api::Item) -> Target {
    Target::Item(item.collection, item.id.clone())
}

fn refused<T: std::fmt::Debug>(answer: Result<T, Problem>) -> (ProblemKind, Option<String>) {
    let problem = answer.expect_err("refused");
    (problem.kind, problem.field)
}

#[test]
fn a_goal_begins_with_its_title_and_is_private_before_pairing() {
    let mut home = Home::new(1);
    let fields = json!({"area": "home", "title": "A garden", "why": "quiet"});
    let item = home.create(Collection::Goals, None, fields).expect("is said");
    assert_eq!((item.scope, item.own, item.on.as_deref()), (api::Scope::Mine, true, Some("2027-03-02")));
    assert_eq!(item.fields["title"].held(), Some(&json!("A garden")));
    assert_eq!(item.fields["area"].held(), Some(&json!("home")));
    assert_eq!(home.item(Collection::Goals, &item.id), Ok(item.clone()));
    assert_eq!(home.items(Collection::Goals, None), [item]);

    let answer = home.create(Collection::Goals, None, json!({"area": "home"}));
    assert_eq!(refused(answer), (ProblemKind::Invalid, Some("title".into())));
    let answer = home.create(Collection::Goals, None, json!({"title": "x", "until": "soon"}));
    assert_eq!(refused(answer), (ProblemKind::Invalid, Some("until".into())));
    let answer = home.create(Collection::Goals, None, json!({"title": "x", "colour": "red"}));
    assert_eq!(refused(answer), (ProblemKind::Invalid, Some("colour".into())));
    let answer = home.create(Collection::Goals, Some(api::Scope::Ours), json!({"title": "x"}));
    assert_eq!(refused(answer).0, ProblemKind::NotPaired);
    assert_eq!(home.items(Collection::Goals, None).len(), 1, "an act is said whole or not at all");
}

#[test]
fn once_paired_new_items_are_shared_and_the_journal_is_not() {
    let [mut home, _] = Home::paired();
    assert_eq!(goal(&mut home, "A garden").scope, api::Scope::Ours);
    let entry = home.create(Collection::Journal, None, json!({"text": "tired"})).expect("is said");
    assert_eq!(entry.scope, api::Scope::Mine);
    let answer = home.create(Collection::Journal, Some(api::Scope::Ours), json!({"text": "tired"}));
    assert_eq!(refused(answer), (ProblemKind::Invalid, Some("scope".into())));
}

#[test]
fn durable_before_told_what_is_staged_is_not_read() {
    let mut home = Home::new(1);
    let mut stage = home.replica.begin().expect("begins");
    let item = api::NewItem { scope: None, fields: [("title".to_owned(), json!("A garden"))].into() };
    let request = Request::Create { collection: Collection::Goals, key: None, item };
    let answer = write(&mut home.replica, &mut stage, TODAY, &mut home.rng, Sees::Everything, request).expect("holds");
    let item = item_of(answer.expect("is said"));
    assert_eq!(refused(home.item(Collection::Goals, &item.id)).0, ProblemKind::NotFound);
    home.commit(stage);
    assert_eq!(home.item(Collection::Goals, &item.id), Ok(item));
}

#[test]
fn saying_needs_the_token_once_something_was_said() {
    let mut home = Home::new(1);
    let item = goal(&mut home, "A garden");
    let answer = home.say(of_goal(&item), "title", json!("An orchard"), None);
    assert_eq!(refused(answer), (ProblemKind::SeenMissing, Some("title".into())));

    let first = home.say(of_goal(&item), "title", json!("An orchard"), Some(&item.fields["title"].seen.0));
    let first = first.expect("is said");
    assert_eq!(first.now.held(), Some(&json!("An orchard")));
    assert_eq!((&first.seen, &first.seen.0), (&first.now.seen, &first.fact));
    // The token that the writer gets back is one to go on with.
    let second = home.say(of_goal(&item), "title", json!("A meadow"), Some(&first.seen.0)).expect("is said");
    assert_eq!(second.now.held(), Some(&json!("A meadow")));
}

#[test]
fn an_unknown_token_is_refused_and_an_old_one_honoured() {
    let mut home = Home::new(1);
    let item = goal(&mut home, "A garden");
    let stranger = index_name(&goal(&mut home, "Another"));
    for token in [stranger.as_str(), "nonsense"] {
        let answer = home.say(of_goal(&item), "title", json!("x"), Some(token));
        assert_eq!(refused(answer), (ProblemKind::UnknownSeen, Some("title".into())), "{token}");
    }
    let old = item.fields["title"].seen.0.clone();
    home.say(of_goal(&item), "title", json!("An orchard"), Some(&old)).expect("is said");
    let late = home.say(of_goal(&item), "title", json!("A meadow"), Some(&old)).expect("is said");
    assert!(late.now.differs(), "what the writer had not seen stands beside it");
    assert_eq!(late.seen.0, late.fact, "and is not in the writer's own token");
    assert_ne!(late.seen, late.now.seen);
    let asked = Request::ToSettle(SettleList::default());
    let Ok(Response::ToSettle(to_settle)) = home.read(&asked) else { panic!("to settle") };
    assert_eq!(to_settle.items.len(), 1);
    assert_eq!(to_settle.items[0].item.id, item.id);
    let said: Vec<_> = home
        .history(&item, HistoryList::default())
        .items
        .into_iter()
        .map(|event| (event.value.expect("not erased"), event.standing == api::Standing::Live))
        .collect();
    assert_eq!(said[0], (json!("A garden"), false));
    assert!(said[1..].contains(&(json!("An orchard"), true)) && said[1..].contains(&(json!("A meadow"), true)));
}

fn index_name(item: &api::Item) -> String {
    item.fields["title"].seen.0.clone()
}

#[test]
fn the_vision_is_there_before_it_was_said() {
    let [mut home, _] = Home::paired();
    let vision = home.read(&Request::Item(Target::Vision(None))).map(item_of).expect("is there");
    assert_eq!(vision.scope, api::Scope::Ours);
    home.say(Target::Vision(None), "draft", json!("A calm home."), Some("")).expect("is said");
    home.say(Target::Vision(Some(api::Scope::Mine)), "draft", json!("Mine alone."), None).expect("is said");
    let vision = home.read(&Request::Item(Target::Vision(None))).map(item_of).expect("is there");
    assert_eq!(vision.fields["draft"].held(), Some(&json!("A calm home.")));
    assert_eq!(home.items(Collection::Vision, None).len(), 2);
}

#[test]
fn a_retried_key_makes_one_item() {
    let mut home = Home::new(1);
    let fields = || json!({"title": "A garden"});
    let first = home.create_with_key(Collection::Goals, None, fields(), Some("key")).expect("is said");
    let again = home.create_with_key(Collection::Goals, None, fields(), Some("key")).expect("is answered");
    assert_eq!(first, again);
    assert_eq!(home.items(Collection::Goals, None).len(), 1);
    let answer = home.create_with_key(Collection::Goals, None, json!({"title": "An orchard"}), Some("key"));
    assert_eq!(refused(answer), (ProblemKind::Invalid, Some(api::IDEMPOTENCY_KEY.into())));
    let other = home.create_with_key(Collection::Goals, None, fields(), Some("other")).expect("is said");
    assert_ne!(first.id, other.id);
}

#[test]
fn progress_is_tallied_and_added_once_a_key() {
    let mut home = Home::new(1);
    let goal = goal(&mut home, "Read");
    let measure = json!({"type": "count", "target": 12, "unit": "books"});
    let fields = json!({"goal": goal.id, "title": "Twelve books", "measure": measure});
    let milestone = home.create(Collection::Milestones, None, fields).expect("is said");
    let mut add = |amount, key: &str| {
        let target = Target::Item(Collection::Milestones, milestone.id[..8].to_owned());
        let entry = api::ProgressEntry { amount, note: Some("a good one".into()) };
        home.write(Request::Progress { target, key: Some(key.into()), entry }).map(item_of).expect("is said")
    };
    add(2, "a");
    add(2, "a");
    let shown = add(3, "b");
    let tally = shown.tally.as_ref().expect("counts");
    assert_eq!((tally.sum, tally.entries, tally.target), (5, 2, Some(12)));
    assert_eq!(shown.parts["progress"].len(), 2);
    let goal = home.item(Collection::Goals, &goal.id).expect("is there");
    assert_eq!(goal.parts["milestones"].len(), 1);
    assert_eq!(goal.parts["milestones"][0].tally, shown.tally);
}

#[test]
fn the_beginning_of_an_id_has_to_be_unique() {
    let mut home = Home::new(1);
    // Of more than 32 ids two begin alike.
    let ids: Vec<String> = (0..33).map(|number| goal(&mut home, &number.to_string()).id).collect();
    let twice = ids.iter().find(|id| ids.iter().filter(|other| other[..1] == id[..1]).count() > 1).expect("33 > 32");
    assert_eq!(refused(home.item(Collection::Goals, &twice[..1])).0, ProblemKind::Ambiguous);
    assert_eq!(home.item(Collection::Goals, &twice[..20]).expect("is one").id, *twice);
    assert_eq!(refused(home.item(Collection::Values, &twice[..20])).0, ProblemKind::NotFound);
}

/// What waits is named by the beginning of its id, or `vision`: of two the shared one, if it waits.
#[test]
fn what_waits_is_named_by_the_beginning_of_its_id_or_as_the_vision() {
    let [mut home, _] = Home::paired();
    let park = |item: &str, field: &str| Request::Park {
        item: item.to_owned(),
        field: field.to_owned(),
        park: api::Park { until: Some("2099-01-01".into()), seen: Some(api::Seen::default()) },
    };
    let waiting = |home: &Home, scope: Scope| {
        let view = home.replica.read().expect("reads");
        let reader = home.replica.reader(scope).expect("is open");
        settle::waiting(&view.reader().rows(scope), &reader, scope, TODAY).expect("reads")
    };
    let goal = goal(&mut home, "Cycle").id;
    assert_eq!(refused(home.write(park(&goal, "until"))).0, ProblemKind::NotFound, "nothing waits there");
    for day in ["2027-06-01", "2027-09-01"] {
        home.say(Target::Item(Collection::Goals, goal.clone()), "until", json!(day), Some("")).expect("is said");
    }
    assert_eq!(waiting(&home, Scope::Ours), 1);
    assert_eq!(refused(home.write(park(&goal, "horizon"))).0, ProblemKind::NotFound, "no field of that name");
    home.write(park(&goal[..20], "until")).expect("is parked");
    assert_eq!(waiting(&home, Scope::Ours), 0);
    for (shown, scope) in [(api::Scope::Mine, Scope::Mine), (api::Scope::Ours, Scope::Ours)] {
        for draft in ["A calm home.", "A loud home."] {
            home.say(Target::Vision(Some(shown)), "draft", json!(draft), Some("")).expect("is said");
        }
        assert_eq!(waiting(&home, scope), 1);
        home.write(park("vision", "draft")).expect("is parked");
        assert_eq!(waiting(&home, scope), 0);
    }
}

#[test]
fn private_stays_home_a_shared_item_links_to_nothing_private() {
    let [mut home, _] = Home::paired();
    let fields = json!({"title": "Alone"});
    let private = home.create(Collection::Goals, Some(api::Scope::Mine), fields).expect("is said");
    let shared = goal(&mut home, "Together");
    let fields = json!({"goal": private.id, "title": "First"});
    let answer = home.create(Collection::Milestones, Some(api::Scope::Ours), fields.clone());
    assert_eq!(refused(answer), (ProblemKind::Invalid, Some("goal".into())));
    let milestone = home.create(Collection::Milestones, None, fields).expect("goes where its goal is");
    assert_eq!(milestone.scope, api::Scope::Mine);
    let fields = json!({"goal": shared.id, "title": "First"});
    let milestone = home.create(Collection::Milestones, None, fields).expect("is said");
    let answer = home.say(of_goal(&milestone), "goal", json!(private.id), Some(&milestone.fields["goal"].seen.0));
    assert_eq!(refused(answer), (ProblemKind::Invalid, Some("goal".into())));
}

#[test]
fn nothing_is_brought_before_pairing() {
    let mut home = Home::new(1);
    goal(&mut home, "A garden");
    assert_eq!(refused(home.bring(api::Bring::All)).0, ProblemKind::NotPaired);
}

#[test]
fn everything_but_the_journal_is_brought_once() {
    let [mut home, _] = Home::paired();
    let mine = Some(api::Scope::Mine);
    let private = home.create(Collection::Goals, mine, json!({"title": "A garden"})).expect("is said");
    let measure = json!({"type": "count", "target": 12, "unit": "trees"});
    let fields = json!({"goal": private.id, "title": "Trees", "measure": measure});
    let milestone = home.create(Collection::Milestones, None, fields).expect("is said");
    let entry = api::ProgressEntry { amount: 4, note: None };
    home.write(Request::Progress { target: of_goal(&milestone), key: None, entry }).expect("is said");
    home.create(Collection::Journal, None, json!({"text": "tired"})).expect("is said");
    home.say(Target::Vision(mine), "draft", json!("A calm home."), None).expect("is said");
    // A title that was let go of: it cannot found anything, and holds nothing else up.
    let empty = home.create(Collection::Values, mine, json!({"title": "x", "draft": "y"})).expect("is said");
    home.say(of_goal(&empty), "title", Value::Null, Some(&empty.fields["title"].seen.0)).expect("is said");

    assert_eq!(home.choices().len(), 5);
    assert!(home.choices().iter().all(|choice| choice.brought_to.is_none()));
    let report = home.bring(api::Bring::All).expect("is brought");
    assert_eq!((report.brought.len(), report.already.len()), (4, 0));
    let goals = home.items(Collection::Goals, Some(api::Scope::Ours));
    assert_eq!(goals.len(), 1);
    assert_ne!(goals[0].id, private.id);
    assert_eq!(goals[0].parts["milestones"][0].tally.as_ref().expect("counts").sum, 4);
    assert_eq!(home.choices().iter().filter(|choice| choice.brought_to.is_some()).count(), 4);
    assert!(home.items(Collection::Journal, None).iter().all(|entry| entry.scope == api::Scope::Mine));

    let report = home.bring(api::Bring::All).expect("is harmless");
    assert_eq!((report.brought.len(), report.already.len()), (0, 4));
    assert_eq!(home.items(Collection::Goals, Some(api::Scope::Ours)), goals);

    let title = &private.fields["title"].seen.0;
    home.say(of_goal(&private), "title", json!("An orchard"), Some(title)).expect("is said");
    let report = home.bring(api::Bring::whole([private.id[..12].to_owned()])).expect("is brought");
    assert_eq!((report.brought.len(), report.already.len()), (1, 0));
    assert_eq!(report.brought[0].to.id, goals[0].id);
    assert_eq!(report.brought[0].to.title, "An orchard");
}

#[test]
fn what_cannot_be_brought_alone_is_refused_with_nothing_staged() {
    let [mut home, _] = Home::paired();
    let mine = Some(api::Scope::Mine);
    let goal = home.create(Collection::Goals, mine, json!({"title": "A garden"})).expect("is said");
    let fields = json!({"goal": goal.id, "title": "Trees"});
    let milestone = home.create(Collection::Milestones, None, fields).expect("is said");
    let answer = home.bring(api::Bring::whole([milestone.id]));
    assert_eq!(refused(answer), (ProblemKind::Invalid, Some("items".into())));
    let entry = home.create(Collection::Journal, None, json!({"text": "tired"})).expect("is said");
    assert_eq!(refused(home.bring(api::Bring::whole([entry.id]))).0, ProblemKind::NotFound);
    let view = home.replica.read().expect("reads");
    let device = home.replica.identity().device();
    assert_eq!(index::tip(&view.reader().rows(Scope::Ours), &device).expect("reads"), None);
}
