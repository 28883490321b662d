//! What one writes down for oneself or for the other: reflections, thanks, the journal.

use betwixt_api::{Collection, NewItem, Scope};
use serde_json::{Value, json};

use super::{create, given};
use crate::arguments::{Journal, Reflect, Thanks};
use crate::error::CommandError;
use crate::home::Opened;
use crate::render::item;

pub(super) async fn reflect(opened: &Opened, reflect: Reflect) -> Result<(), CommandError> {
    if reflect.list {
        return list(opened, Collection::Reflections, "text").await;
    }
    let text = opened.text(reflect.text, "").await?;
    let fields =
        given([("text", Some(text.into())), ("prompt", reflect.prompt.map(|prompt| json!({ "text": prompt })))]);
    write(opened, Collection::Reflections, NewItem { scope: reflect.mine.then_some(Scope::Mine), fields }, "text").await
}

pub(super) async fn thanks(opened: &Opened, thanks: Thanks) -> Result<(), CommandError> {
    if thanks.list {
        return list(opened, Collection::Thanks, "what").await;
    }
    let text = opened.text(thanks.text, "").await?;
    let value = match thanks.value {
        Some(id) => Some(Value::from(opened.client.item(Collection::Values, &id).await?.id)),
        None => None,
    };
    let fields = given([("what", Some(text.into())), ("showed", thanks.showed.map(Value::from)), ("value", value)]);
    write(opened, Collection::Thanks, NewItem { scope: None, fields }, "what").await
}

pub(super) async fn journal(opened: &Opened, journal: Journal) -> Result<(), CommandError> {
    if journal.list {
        return list(opened, Collection::Journal, "text").await;
    }
    let text = opened.text(journal.text, "").await?;
    let fields = given([("text", Some(text.into())), ("title", journal.title.map(Value::from))]);
    write(opened, Collection::Journal, NewItem { scope: Some(Scope::Mine), fields }, "text").await
}

async fn list(opened: &Opened, collection: Collection, text: &str) -> Result<(), CommandError> {
    let items = opened.client.items(collection, None).await?;
    opened.terminal.result(&items, || item::entries(&opened.look(), &items, text))
}

async fn write(opened: &Opened, collection: Collection, new: NewItem, text: &str) -> Result<(), CommandError> {
    let item = create(&opened.client, collection, &new).await?;
    opened.terminal.result(&item, || {
        let whose = if item.scope == Scope::Mine { "Kept, for you alone." } else { "Said." };
        format!("{whose}\n{}", item::entries(&opened.look(), std::slice::from_ref(&item), text))
    })
}
