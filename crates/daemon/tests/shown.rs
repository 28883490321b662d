//! What the API shows of facts that were really said: shapes and order, from both partners' sides.

use betwixt_api as api;
use betwixt_api::{FieldState, Passage, Scope};
use betwixt_daemon::http::shown;
use betwixt_model::fact::{Draft, Fact, Nonce};
use betwixt_model::ids::{DeviceId, FactId, HouseholdId, ItemId, PartnerId};
use betwixt_model::index::{self, rows::MemoryRows};
use betwixt_model::membership::{Accepted, Membership, Standing};
use betwixt_model::view::{self, Reader};
use ed25519_dalek::SigningKey;
use serde_json::{Value, json};

const HOUSEHOLD: HouseholdId = HouseholdId::from_bytes([7; 32]);

struct Person {
    key: SigningKey,
    device: DeviceId,
    partner: PartnerId,
    last: Option<FactId>,
}

/// Two partners whose facts are in one index.
struct Couple {
    people: [Person; 2],
    membership: Membership,
    rows: MemoryRows,
    nonces: u128,
}

impl Couple {
    fn new() -> Self {
        let people = [1, 2].map(|number| {
            let key = SigningKey::from_bytes(&[number; 32]);
            let device = DeviceId::from_bytes(key.verifying_key().to_bytes());
            Person { key, device, partner: PartnerId::founded_by(&device), last: None }
        });
        let mut membership = Membership::default();
        for person in &people {
            membership.set(person.device, Standing { partner: person.partner, accepted: Accepted::Everything });
        }
        Self { people, membership, rows: MemoryRows::default(), nonces: 0 }
    }

    fn says(
        &mut self,
        who: usize,
        item: Option<ItemId>,
        kind: &str,
        field: &str,
        value: Value,
        seen: &[FactId],
    ) -> FactId {
        self.nonces += 1;
        let person = &mut self.people[who];
        let draft = Draft {
            household: HOUSEHOLD,
            item,
            kind: kind.into(),
            field: field.into(),
            seen: seen.to_vec(),
            previous: person.last,
            partner: person.partner,
            device: person.device,
            date: jiff::civil::date(2027, 3, 2),
            nonce: Nonce::from_bytes(self.nonces.to_le_bytes()),
            value,
        };
        let signed = Fact::write(draft).expect("within limits").sign(&person.key);
        let id = signed.fact().id();
        person.last = Some(id);
        let effect = index::ingest(&mut self.rows, &HOUSEHOLD, &self.membership, vec![signed]).expect("ingests");
        assert!(effect.refused.is_empty(), "{:?}", effect.refused);
        id
    }

    fn reader(&self, who: usize) -> Reader {
        Reader { household: HOUSEHOLD, partner: self.people[who].partner }
    }

    fn item(&self, who: usize, id: ItemId) -> api::Item {
        let reader = self.reader(who);
        let view = view::item(&self.rows, &reader, &id).expect("reads").expect("is there");
        shown::item(&self.rows, &reader, Scope::Ours, &view).expect("reads").expect("is shown")
    }
}

fn values(field: &api::Field) -> Vec<(Value, bool)> {
    field.versions().iter().map(|version| (version.value.clone(), version.said.own)).collect()
}

#[test]
fn what_differs_is_shown_own_first_on_both_sides() {
    let mut couple = Couple::new();
    let founding = couple.says(0, None, "goal", "title", json!("Cycle"), &[]);
    let goal = ItemId::founded_by(&founding);
    let first = couple.says(0, Some(goal), "goal", "until", json!("2027-06-01"), &[]);
    let second = couple.says(1, Some(goal), "goal", "until", json!("2027-09-01"), &[]);
    couple.says(0, Some(goal), "goal", "why", json!("outside"), &[]);
    couple.says(1, Some(goal), "goal", "why", json!("the sea"), &[]);
    for (who, own, other) in [(0, "2027-06-01", "2027-09-01"), (1, "2027-09-01", "2027-06-01")] {
        let item = couple.item(who, goal);
        assert_eq!((item.own, item.collection), (who == 0, api::Collection::Goals));
        let until = &item.fields["until"];
        assert!(until.differs() && until.kind == api::FieldKind::Shared);
        assert_eq!(values(until), [(json!(own), true), (json!(other), false)]);
        let mut seen: Vec<String> = until.seen.0.split(',').map(str::to_owned).collect();
        seen.sort_unstable();
        let mut expected = [first.to_string(), second.to_string()];
        expected.sort_unstable();
        assert_eq!(seen, expected);
        assert!(matches!(item.fields["why"].state, FieldState::Each { .. }));
        assert!(values(&item.fields["why"])[0].1);
        assert!(matches!(item.fields["area"].state, FieldState::Empty));

        let waiting = view::differences(&couple.rows, &couple.reader(who)).expect("reads");
        assert_eq!(waiting.len(), 1);
        let named = shown::reference(Scope::Ours, &waiting[0]).expect("is shown");
        assert_eq!((named.id, named.collection), (goal.to_string(), api::Collection::Goals));
        assert_eq!(waiting[0].fields.keys().collect::<Vec<_>>(), ["until"]);
    }
    // Taking the other's version settles it: both say the same.
    couple.says(0, Some(goal), "goal", "until", json!("2027-09-01"), &[first, second]);
    assert_eq!(couple.item(1, goal).fields["until"].held(), Some(&json!("2027-09-01")));
}

#[test]
fn a_milestone_is_shown_with_its_goal_and_its_sum() {
    let mut couple = Couple::new();
    let founding = couple.says(0, None, "goal", "title", json!("Cycle"), &[]);
    let goal = ItemId::founded_by(&founding);
    let founding = couple.says(0, None, "milestone", "goal", json!(goal.to_string()), &[]);
    let milestone = ItemId::founded_by(&founding);
    let measure = json!({ "type": "count", "target": 12, "unit": "rides" });
    couple.says(0, Some(milestone), "milestone", "measure", measure, &[]);
    for (who, amount) in [(0, 20), (1, 30)] {
        let founding = couple.says(who, None, "progress", "milestone", json!(milestone.to_string()), &[]);
        couple.says(who, Some(ItemId::founded_by(&founding)), "progress", "amount", json!(amount), &[]);
    }
    let shown = couple.item(1, goal);
    let expected = api::Tally { sum: 50, target: Some(12), unit: Some("rides".into()), entries: 2, open: 0 };
    assert_eq!(shown.parts["milestones"][0].tally, Some(expected));
    assert_eq!(couple.item(0, milestone).parts["progress"].len(), 2);
}

#[test]
fn prose_is_shown_merged_and_where_it_differs_by_passage() {
    let mut couple = Couple::new();
    let vision = ItemId::natural(&HOUSEHOLD, "vision", "");
    let base = couple.says(0, Some(vision), "vision", "draft", json!("We cook. We rest. We travel."), &[]);
    couple.says(0, Some(vision), "vision", "draft", json!("We cook together. We rest. We travel."), &[base]);
    let other = couple.says(1, Some(vision), "vision", "draft", json!("We cook. We rest. We travel far."), &[base]);
    let item = couple.item(0, vision);
    assert_eq!(item.fields["draft"].held(), Some(&json!("We cook together. We rest. We travel far.")));
    assert_eq!(item.fields["draft"].versions().len(), 2);

    couple.says(1, Some(vision), "vision", "draft", json!("We rarely cook. We rest. We travel far."), &[other]);
    let item = couple.item(0, vision);
    let draft = &item.fields["draft"];
    assert!(draft.differs());
    let differing = draft.passages.iter().find_map(|passage| match passage {
        Passage::Differing { was, versions } => Some((was, versions)),
        Passage::Held { .. } => None,
    });
    let (was, versions) = differing.expect("one passage differs");
    assert!(was.iter().any(|text| text.contains("We cook.")), "{was:?}");
    assert!(versions[0].text.contains("together") && versions[0].said[0].own);
    assert!(versions[1].text.contains("rarely") && !versions[1].said[0].own);
    let reference = view::item(&couple.rows, &couple.reader(0), &vision).expect("reads").expect("is there");
    assert_eq!(shown::reference(Scope::Ours, &reference).expect("shown").collection, api::Collection::Vision);
}

#[test]
fn a_wording_waits_until_both_say_it() {
    let mut couple = Couple::new();
    let vision = ItemId::natural(&HOUSEHOLD, "vision", "");
    couple.says(0, Some(vision), "vision", "draft", json!("A calm home."), &[]);
    let proposed = couple.says(0, Some(vision), "vision", "wording", json!("A calm home."), &[]);
    for who in [0, 1] {
        let wording = &couple.item(who, vision).fields["wording"];
        assert!(!wording.agreed && wording.agreement.is_empty());
        assert_eq!(wording.waiting.iter().map(|version| version.said.own).collect::<Vec<_>>(), [who == 0]);
    }
    couple.says(1, Some(vision), "vision", "wording", json!("A calm home."), &[proposed]);
    let item = couple.item(0, vision);
    assert!(item.fields["wording"].agreed && item.fields["wording"].waiting.is_empty());
    assert_eq!(item.fields["wording"].agreement[0].value, json!("A calm home."));
    assert!(!item.fields["draft"].changed_since_agreed);
    couple.says(1, Some(vision), "vision", "draft", json!("A calm, open home."), &[]);
    assert!(couple.item(0, vision).fields["draft"].changed_since_agreed);
}

#[test]
fn every_collection_is_a_kind_of_the_schema() {
    for collection in api::Collection::ALL {
        let kind = shown::kind_of(collection);
        assert!(betwixt_model::schema::Kind::named(kind).is_some(), "{kind}");
        assert_eq!(shown::collection_of(kind), Some(collection));
    }
    assert_eq!(shown::collection_of("brought"), None);
}
