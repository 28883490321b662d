//! A new device in a household with years behind it: it shows how things stand before the years have come.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use betwixt_api::{Collection, Item, ItemsRequest};
use betwixt_testkit::lifetime::{Lifetime, Plan};
use betwixt_tests::home::{Home, PASSPHRASE, add_device, in_step, introduce};
use betwixt_tests::people::{PATIENCE, new_home};

/// The first page of a collection, by id.
async fn page(home: &Home, collection: Collection) -> BTreeMap<String, Item> {
    let page = home.client().items_page(collection, &ItemsRequest::default()).await.unwrap();
    page.items.into_iter().map(|item| (item.id.clone(), item)).collect()
}

/// The years come from the earliest on, so that the first goals that were there were those of three years ago, and of the present
/// there was nothing.
#[tokio::test]
async fn a_new_device_shows_how_things_stand_before_the_years_have_come() {
    let mut laptop = Home::on_loopback().unwrap();
    let plan = Plan { years: 3, facts_a_year: 900, words: 500, ..Plan::default() };
    Lifetime::of(&plan).write_home(0, laptop.path(), PASSPHRASE).unwrap();
    laptop.up_and_unlock().await.unwrap();
    let goals = page(&laptop, Collection::Goals).await;
    assert!(goals.len() >= 3, "one a year: {}", goals.len());
    let differences = laptop.client().status().await.unwrap().differences;

    let phone = new_home("Alex, new").await;
    add_device(&laptop, &phone).await.unwrap();
    introduce(&phone, &laptop).await.unwrap();
    let begun = Instant::now();
    let (shown, status) = loop {
        let shown = page(&phone, Collection::Goals).await;
        if !shown.is_empty() {
            break (shown, phone.client().status().await.unwrap());
        }
        assert!(begun.elapsed() < PATIENCE, "nothing came");
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    // What would stand otherwise without facts that are not told is left out: nothing of it is shown in another way.
    for (id, item) in &shown {
        assert_eq!(Some(item), goals.get(id), "what is shown first is how things stand");
    }
    assert!(shown.len() * 2 > goals.len(), "{} of {}", shown.len(), goals.len());
    if let Some(receiving) = status.receiving {
        assert!(receiving.done < receiving.of, "{receiving:?}");
        // Fewer where something is left out, and never one that is none.
        assert!(status.differences <= differences, "{} of {differences}", status.differences);
    }
    // What is said meanwhile is there at once, and after.
    let own = phone.create(Collection::Thanks, "k", "what", "the new phone".into()).await.unwrap();
    assert_eq!(phone.client().item(Collection::Thanks, &own.id).await.unwrap().id, own.id);

    in_step(&phone, &laptop, Duration::from_secs(120)).await.unwrap();
    assert_eq!(page(&phone, Collection::Goals).await, goals);
    let status = phone.client().status().await.unwrap();
    assert_eq!((status.receiving, status.differences), (None, differences));
    assert!(laptop.client().item(Collection::Thanks, &own.id).await.is_ok());
}
