//! Lists of the API against a running daemon: pages put together are the list, filters, and what is refused.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use betwixt_api::{
    ClientError, Collection, HistoryRequest, Item, ItemsRequest, NewItem, Order, Paging, ProblemKind, Scope,
    SettleRequest,
};
use betwixt_tests::home::{Home, couple_on_loopback, in_step};
use serde_json::{Value, json};

async fn note(home: &Home, scope: Scope, collection: Collection, fields: Value) -> Item {
    let fields: std::collections::BTreeMap<String, Value> = serde_json::from_value(fields).unwrap();
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let key = format!("note-{}", COUNT.fetch_add(1, Ordering::Relaxed));
    home.client().create(collection, &key, &NewItem { scope: Some(scope), fields }).await.unwrap()
}

fn page(limit: u32, after: Option<String>) -> Paging {
    Paging { limit: Some(limit), after }
}

async fn walked(home: &Home, collection: Collection, limit: u32, request: ItemsRequest) -> Vec<String> {
    let (mut ids, mut after) = (Vec::new(), None);
    loop {
        let request = ItemsRequest { paging: page(limit, after), ..request.clone() };
        let found = home.client().items_page(collection, &request).await.unwrap();
        assert!(found.items.len() <= limit as usize && (found.next.is_none() || !found.items.is_empty()));
        ids.extend(found.items.into_iter().map(|item| item.id));
        after = found.next;
        if after.is_none() {
            return ids;
        }
    }
}

fn refused(error: ClientError) -> (ProblemKind, Option<String>) {
    match error {
        ClientError::Problem(problem) => (problem.kind, problem.field),
        other => panic!("not a problem: {other:?}"),
    }
}

#[tokio::test]
async fn pages_put_together_are_the_list() {
    let (first, second) = couple_on_loopback().await.unwrap();
    let mut expected = [Vec::new(), Vec::new()];
    for number in 0..5 {
        for (place, scope) in [Scope::Ours, Scope::Mine].into_iter().enumerate() {
            let fields = json!({ "text": format!("Reflection {number}") });
            expected[place].push(note(&first, scope, Collection::Reflections, fields).await.id);
        }
    }
    let whole = first.client().items(Collection::Reflections, None).await.unwrap();
    let whole: Vec<String> = whole.into_iter().map(|item| item.id).collect();
    let sorted = |mut ids: Vec<String>| {
        ids.sort();
        ids
    };
    assert_eq!(sorted(whole[..5].to_vec()), sorted(expected[0].clone()), "what is shared comes first");
    assert_eq!(sorted(whole[5..].to_vec()), sorted(expected[1].clone()));
    for limit in [1, 2, 5, 7, 10, 200] {
        assert_eq!(walked(&first, Collection::Reflections, limit, ItemsRequest::default()).await, whole, "{limit}");
        let mine = ItemsRequest { scope: Some(Scope::Mine), order: Order::Latest, ..ItemsRequest::default() };
        let mut latest = walked(&first, Collection::Reflections, limit, mine).await;
        latest.reverse();
        assert_eq!(latest, whole[5..], "{limit}");
    }
    let tomorrow = ItemsRequest { from: Some("9999-01-01".into()), ..ItemsRequest::default() };
    assert!(walked(&first, Collection::Reflections, 3, tomorrow).await.is_empty());

    // Those that link to an item, of a page's size at a time.
    let value = note(&first, Scope::Ours, Collection::Values, json!({ "title": "Kindness" })).await;
    let other = note(&first, Scope::Ours, Collection::Values, json!({ "title": "Rest" })).await;
    let mut thanks = Vec::new();
    for number in 0..3 {
        let fields = json!({ "what": format!("Tea {number}"), "value": value.id });
        thanks.push(note(&first, Scope::Ours, Collection::Thanks, fields).await.id);
    }
    note(&first, Scope::Ours, Collection::Thanks, json!({ "what": "Soup", "value": other.id })).await;
    let of_value = ItemsRequest { of: Some(value.id.clone()), ..ItemsRequest::default() };
    assert_eq!(sorted(walked(&first, Collection::Thanks, 2, of_value).await), sorted(thanks));

    // A history, and what is to settle.
    for number in 0..4 {
        first.say(Collection::Values, &value.id, "title", json!(format!("Kindness {number}"))).await.unwrap();
    }
    let whole = first.client().timeline(&value.id).await.unwrap().events;
    assert_eq!(whole.len(), 5);
    for order in [Order::Oldest, Order::Latest] {
        let (mut events, mut after) = (Vec::new(), None);
        loop {
            let request = HistoryRequest { order, paging: page(2, after), ..HistoryRequest::default() };
            let found = first.client().history(&value.id, &request).await.unwrap();
            events.extend(found.items);
            after = found.next;
            if after.is_none() {
                break;
            }
        }
        if order == Order::Latest {
            events.reverse();
        }
        assert_eq!(events, whole);
    }
    let drafts = HistoryRequest { field: Some("draft".into()), ..HistoryRequest::default() };
    assert!(first.client().history(&value.id, &drafts).await.unwrap().items.is_empty());

    // What could be brought over, of several kinds.
    note(&first, Scope::Mine, Collection::Goals, json!({ "title": "Learn to sail" })).await;
    let whole = first.client().bring_choices().await.unwrap();
    assert_eq!(whole.len(), 6);
    for limit in [1, 2, 5, 6, 7] {
        let (mut choices, mut after) = (Vec::new(), None);
        loop {
            let found = first.client().bring_page(&page(limit, after)).await.unwrap();
            assert!(found.items.len() <= limit as usize && !found.items.is_empty());
            choices.extend(found.items);
            after = found.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(choices, whole, "{limit}");
    }

    in_step(&first, &second, Duration::from_secs(20)).await.unwrap();
    first.client().pause().await.unwrap();
    for (home, word) in [(&first, "one"), (&second, "other")] {
        for item in [&value, &other] {
            home.say(Collection::Values, &item.id, "title", json!(format!("The {word}"))).await.unwrap();
        }
    }
    first.client().resume().await.unwrap();
    in_step(&first, &second, Duration::from_secs(20)).await.unwrap();
    let settle = |after| SettleRequest { paging: page(1, after), ..SettleRequest::default() };
    let one = first.client().settle_page(&settle(None)).await.unwrap();
    let two = first.client().settle_page(&settle(one.next.clone())).await.unwrap();
    assert!(one.next.is_some() && two.next.is_none());
    for beginning in [value.id.as_str(), &value.id[..20]] {
        let of_one = SettleRequest { item: Some(beginning.to_owned()), ..SettleRequest::default() };
        let found = first.client().settle_page(&of_one).await.unwrap().items;
        assert_eq!(found.iter().map(|thread| &thread.item.id).collect::<Vec<_>>(), [&value.id]);
    }
    assert_eq!(
        sorted(vec![one.items[0].item.id.clone(), two.items[0].item.id.clone()]),
        sorted(vec![value.id, other.id])
    );
    let goals = SettleRequest { collection: Some(Collection::Goals), ..SettleRequest::default() };
    assert!(first.client().settle_page(&goals).await.unwrap().items.is_empty());
}

#[tokio::test]
async fn what_is_no_page_is_refused_by_name() {
    let mut home = Home::on_loopback().unwrap();
    home.found("Ada").await.unwrap();
    let client = home.client();
    let goal = home.create(Collection::Goals, "g", "title", json!("A garden")).await.unwrap();
    for (field, request) in [
        ("limit", ItemsRequest { paging: page(0, None), ..ItemsRequest::default() }),
        ("limit", ItemsRequest { paging: page(201, None), ..ItemsRequest::default() }),
        ("after", ItemsRequest { paging: page(1, Some("nonsense".into())), ..ItemsRequest::default() }),
        ("from", ItemsRequest { from: Some("yesterday".into()), ..ItemsRequest::default() }),
        ("until", ItemsRequest { until: Some("2027-1-1".into()), ..ItemsRequest::default() }),
        ("of", ItemsRequest { of: Some(goal.id[..8].to_owned()), ..ItemsRequest::default() }),
    ] {
        let error = client.items_page(Collection::Goals, &request).await.unwrap_err();
        assert_eq!(refused(error), (ProblemKind::Invalid, Some(field.to_owned())));
    }
    // A place in one list is no place in another.
    home.create(Collection::Goals, "h", "title", json!("An orchard")).await.unwrap();
    let one = ItemsRequest { paging: page(1, None), ..ItemsRequest::default() };
    let next = client.items_page(Collection::Goals, &one).await.unwrap().next;
    let wrong = HistoryRequest { paging: page(1, next), ..HistoryRequest::default() };
    let error = client.history(&goal.id, &wrong).await.unwrap_err();
    assert_eq!(refused(error), (ProblemKind::Invalid, Some("after".to_owned())));
    let about = client.about().await.unwrap();
    let goals = about.collections.iter().find(|collection| collection.name == Collection::Goals).unwrap();
    assert_eq!(goals.begins_with.as_deref(), Some("title"));
    assert!(about.capabilities.contains(&"items".to_owned()) && about.limits.page == 200);
}
