//! A frontend in Rust, with the client of `betwixt-api`: lists goals, adds one, changes its title, sees it change.
//!
//!     cargo run -p betwixt-api --example frontend -- ~/.local/share/betwixt/api.sock

#![allow(clippy::print_stdout, missing_docs, reason = "a program for a terminal")]

use betwixt_api::{Client, ClientError, Collection, FieldState, ItemsRequest, NewItem, Order, Paging, Say};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let socket = std::env::args().nth(1).ok_or("say where the socket is")?;
    for line in frontend(&Client::new(socket)).await? {
        println!("{line}");
    }
    Ok(())
}

pub async fn frontend(client: &Client) -> Result<Vec<String>, ClientError> {
    let mut lines = Vec::new();
    let mut notices = client.events(None, false).await?;

    // A key makes it harmless to send the request again.
    let key = format!("{:?}", std::time::SystemTime::now()).replace(' ', "");
    let new = NewItem { scope: None, fields: [("title".to_owned(), "Plant a tree".into())].into() };
    let goal = client.create(Collection::Goals, &key[..key.len().min(64)], &new).await?;
    let say = Say { value: "Plant two trees".into(), seen: Some(goal.fields["title"].seen.clone()) };
    client.say(Collection::Goals, &goal.id, "title", &say).await?;

    let paging = Paging { limit: Some(5), after: None };
    let request = ItemsRequest { order: Order::Latest, paging, ..ItemsRequest::default() };
    for goal in client.items_page(Collection::Goals, &request).await?.items {
        match &goal.fields["title"].state {
            FieldState::Held { value, .. } => lines.push(format!("goal: {}", value.as_str().unwrap_or_default())),
            _ => lines.push("goal: to settle".to_owned()),
        }
    }

    let kind = notices.next().await?.map(|notice| format!("{:?}", notice.kind).to_lowercase());
    lines.push(format!("changed: {}", kind.unwrap_or_default()));
    Ok(lines)
}
