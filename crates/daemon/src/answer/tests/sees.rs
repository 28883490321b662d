//! What a frontend without the permission `private` is shown: what it would be shown if nothing private were there.

use betwixt_api::Scope::{Mine, Ours};

use super::*;
use crate::http::{HistoryList, MeetingsList, Named, Paging, PastRequest};

fn history(item: Named) -> Request {
    Request::Past(PastRequest::History { item, list: HistoryList::default() })
}

/// Everything that can be read without naming an item.
fn all(home: &Home, sees: Sees) -> String {
    let mut asked: Vec<Request> = Collection::ALL
        .into_iter()
        .filter(|collection| *collection != Collection::Vision)
        .map(|collection| Request::Items { collection, list: ItemsList::default() })
        .collect();
    let calendar = api::CalendarRequest { from: None, until: None, zone: Some("UTC".into()) };
    asked.extend([
        Request::Item(Target::Vision(None)),
        Request::ToSettle(SettleList::default()),
        Request::Seals(Paging::default()),
        Request::Calendar { ritual: None, asked: calendar },
        history(Named::Vision),
        Request::Past(PastRequest::Since(MeetingsList::default())),
        Request::Past(PastRequest::LastAct),
    ]);
    asked.iter().map(|request| format!("{request:?}: {:?}\n", home.read_as(sees, request))).collect()
}

#[test]
fn private_stays_home_to_a_frontend_without_the_permission_nothing_private_is_there() {
    let [mut home, _] = Home::paired();
    home.create(Collection::Goals, Some(Ours), json!({"title": "A garden"})).expect("is said");
    let before = all(&home, Sees::Shared);
    let private = home.create(Collection::Goals, Some(Mine), json!({"title": "To leave"})).expect("is said");
    home.create(Collection::Journal, None, json!({"text": "tired"})).expect("is said");
    home.say(Target::Vision(Some(Mine)), "draft", json!("Alone."), None).expect("is said");
    assert_eq!(all(&home, Sees::Shared), before);
    assert!(all(&home, Sees::Everything).contains("To leave"), "what is compared shows it to those who see it");

    // By its id it is not there either, in the very words in which nothing else is.
    let one = |target: Target| {
        let say = api::Say { value: "mine now".into(), seen: Some(private.fields["title"].seen.clone()) };
        let item = Named::Item(match &target {
            Target::Item(_, id) => id.clone(),
            Target::Vision(_) => "vision".into(),
        });
        let reads = [
            Request::Item(target.clone()),
            history(item.clone()),
            Request::Past(PastRequest::Provenance(item.clone())),
            Request::Past(PastRequest::Words(item)),
        ];
        (reads, Request::Say { target, field: "title".into(), say })
    };
    let nobody = "a".repeat(52);
    let (here, say_here) = one(of_goal(&private));
    let (nowhere, say_nowhere) = one(Target::Item(Collection::Goals, nobody.clone()));
    for (here, nowhere) in here.iter().zip(&nowhere) {
        let (here, nowhere) = (home.read_as(Sees::Shared, here), home.read_as(Sees::Shared, nowhere));
        assert_eq!(here.expect_err("is not there"), nowhere.expect_err("is not there"));
    }
    let refused = home.write_as(Sees::Shared, say_here).expect_err("is not there");
    assert_eq!(refused, home.write_as(Sees::Shared, say_nowhere).expect_err("is not there"));
    // What is linked to it is refused like a link to nothing.
    let milestone = |goal: &str| Request::Create {
        collection: Collection::Milestones,
        key: None,
        item: api::NewItem { scope: None, fields: [("goal".into(), goal.into()), ("title".into(), "x".into())].into() },
    };
    let refused = home.write_as(Sees::Shared, milestone(&private.id)).expect_err("is not there");
    assert_eq!(refused, home.write_as(Sees::Shared, milestone(&nobody)).expect_err("is not there"));
}

#[test]
fn private_stays_home_asking_for_it_without_the_permission_is_refused() {
    let mut home = Home::new(1);
    let kind = |answer: Answer| answer.expect_err("is refused").kind;
    // Before pairing all there is is private.
    let goals = Request::Items { collection: Collection::Goals, list: ItemsList::default() };
    assert_eq!(kind(home.read_as(Sees::Shared, &goals)), ProblemKind::NotPaired);
    let journal = || Request::Create {
        collection: Collection::Journal,
        key: None,
        item: api::NewItem { scope: None, fields: [("text".to_owned(), "tired".into())].into() },
    };
    assert_eq!(kind(home.write_as(Sees::Shared, journal())), ProblemKind::NotPermitted);
    home.write_as(Sees::Everything, journal()).expect("is said");
    let mine = Request::Items {
        collection: Collection::Journal,
        list: ItemsList { scope: Some(Mine), ..ItemsList::default() },
    };
    assert_eq!(kind(home.read_as(Sees::Shared, &mine)), ProblemKind::NotPermitted);
    // One's own last act is private, and is not taken back by whoever does not see it.
    assert_eq!(kind(home.write_as(Sees::Shared, Request::Undo)), ProblemKind::NotFound);
}
