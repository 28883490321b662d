//! Settling: the list, one thread, and what can be said in it.

use betwixt_api::{
    Collection, DEFAULT_PAGE, Field, NewItem, Paging, Park, Say, SayDifferently, Scope, SettleRequest, SettleThread,
    ToSettle, Version, WaitingField,
};
use serde::Serialize;
use serde_json::{Value, json};

use super::create;
use super::what::{What, told, value_of};
use super::wording::the_others;
use crate::arguments::{Settle, Text, Which};
use crate::error::CommandError;
use crate::home::Opened;
use crate::render;
use crate::values::parse_date;

pub(super) async fn settle(opened: &Opened, settle: Settle) -> Result<(), CommandError> {
    match settle {
        Settle::List { all, limit } => list(opened, all, limit).await,
        Settle::Show { item } => show(opened, &item).await,
        Settle::Take { which, number } => take(opened, &which, number).await,
        Settle::Say { which, text } => say(opened, &which, text).await,
        Settle::SayBack { which, text, version } => say_back(opened, &which, text, version).await,
        Settle::Heard { id } => heard(opened, &id).await,
        Settle::Differ { which, again, back } => differ(opened, &which, again.as_deref(), back).await,
        Settle::Park { which, until, .. } => park(opened, &which, until.as_deref()).await,
    }
}

/// What is listed for programs. What rests comes last.
#[derive(Serialize)]
struct Listed {
    threads: Vec<SettleThread>,
    /// Whether the list goes on.
    more: bool,
}

/// Asks for a page at a time, and for none beyond what is shown: those that rest come last. People see every page as it comes.
async fn list(opened: &Opened, all: bool, limit: Option<u32>) -> Result<(), CommandError> {
    let (terminal, look) = (opened.terminal, opened.look());
    let mut listed = Listed { threads: Vec::new(), more: false };
    let (mut shown, mut rests) = (0, false);
    let mut after = None;
    loop {
        let left = limit.map_or(DEFAULT_PAGE, |limit| limit - shown);
        let paging = Paging { limit: Some(left.min(DEFAULT_PAGE)), after };
        let page = opened.client.settle_page(&SettleRequest { paging, ..SettleRequest::default() }).await?;
        let mut threads = page.items;
        let asked = threads.len();
        threads.retain(|thread| all || thread.waits);
        rests |= threads.len() < asked;
        shown += u32::try_from(threads.len()).unwrap_or(u32::MAX);
        if terminal.json() {
            listed.threads.extend(threads);
        } else if !threads.is_empty() {
            terminal.print(&render::settle::page(&look, &threads))?;
        }
        after = page.next.filter(|_| !rests);
        listed.more = after.is_some() && Some(shown) == limit;
        if after.is_none() || listed.more {
            break;
        }
    }
    if terminal.json() {
        return terminal.result(&listed, String::new);
    }
    let remarks = render::settle::remarks(&look, shown == 0, listed.more, rests);
    if remarks.is_empty() { Ok(()) } else { terminal.print(&remarks) }
}

/// What waits under a name; nothing else is read.
async fn waiting(opened: &Opened, item: &str) -> Result<ToSettle, CommandError> {
    // Two of one beginning are told to be ambiguous, however many more there are.
    let request = SettleRequest { item: Some(item.to_owned()), ..SettleRequest::default() };
    Ok(ToSettle { threads: opened.client.settle_page(&request).await?.items })
}

async fn show(opened: &Opened, item: &str) -> Result<(), CommandError> {
    let waiting = waiting(opened, item).await?;
    let thread = find(&waiting, item)?;
    opened.terminal.result(thread, || render::settle::thread(&opened.look(), thread))
}

async fn take(opened: &Opened, which: &Which, number: Option<usize>) -> Result<(), CommandError> {
    let waiting = waiting(opened, &which.item).await?;
    let (thread, waits) = named(&waiting, which)?;
    let value = version(&waits.field, number)?.value.clone();
    said(opened, thread, which, value, &waits.field).await
}

async fn say(opened: &Opened, which: &Which, text: Text) -> Result<(), CommandError> {
    let waiting = waiting(opened, &which.item).await?;
    let (thread, waits) = named(&waiting, which)?;
    let own = waits.field.versions().iter().find(|version| version.said.own);
    let text = opened.text(text, own.and_then(|version| version.value.as_str()).unwrap_or_default()).await?;
    said(opened, thread, which, value_of(&which.field, &text)?, &waits.field).await
}

async fn said(
    opened: &Opened,
    thread: &SettleThread,
    which: &Which,
    value: Value,
    field: &Field,
) -> Result<(), CommandError> {
    let what = match thread.item.collection {
        Collection::Vision => What::Vision(Some(thread.item.scope)),
        collection => What::Item(collection, thread.item.id.clone()),
    };
    let saying = what.say(opened, &which.field, value, &field.seen).await?;
    told(opened, &saying)
}

async fn say_back(opened: &Opened, which: &Which, text: Text, number: Option<usize>) -> Result<(), CommandError> {
    let waiting = waiting(opened, &which.item).await?;
    let (thread, waits) = named(&waiting, which)?;
    let fact = version(&waits.field, number)?.said.fact.clone();
    let text = opened.text(text, "").await?;
    let of = json!({ "item": thread.item.id, "kind": thread.kind, "field": which.field, "fact": fact });
    let fields = [("of".to_owned(), of), ("text".to_owned(), text.into())].into();
    create(&opened.client, Collection::SayingsBack, &NewItem { scope: Some(thread.item.scope), fields }).await?;
    show(opened, &thread.item.id).await
}

async fn heard(opened: &Opened, id: &str) -> Result<(), CommandError> {
    let waiting = opened.client.to_settle().await?;
    let back = waiting.threads.iter().flat_map(|thread| &thread.said_back).filter(|back| back.id.starts_with(id));
    let back = match back.collect::<Vec<_>>().as_slice() {
        [one] => *one,
        [] => return Err(CommandError::NotFound { what: format!("nothing was said back under `{id}`") }),
        _ => return Err(CommandError::NotFound { what: format!("more than one id begins with `{id}`") }),
    };
    if back.own {
        let what = "you said that back yourself; whether it is right is for your partner to say".into();
        return Err(CommandError::Value { what });
    }
    let say = Say { value: true.into(), seen: Some(back.heard_seen.clone()) };
    let saying = opened.client.say(Collection::SayingsBack, &back.id, "heard", &say).await?;
    told(opened, &saying)
}

async fn differ(opened: &Opened, which: &Which, again: Option<&str>, back: bool) -> Result<(), CommandError> {
    let waiting = waiting(opened, &which.item).await?;
    let (thread, waits) = named(&waiting, which)?;
    let again = match again {
        Some(date) => Some(date_of(date)?),
        None if back => None,
        None => {
            let theirs = waits.differently.iter().find(|differently| differently.said.iter().any(|said| !said.own));
            let nothing = || CommandError::Value { what: "say when to look at it again: --again DATE".into() };
            Some(theirs.ok_or_else(nothing)?.again.clone())
        }
    };
    let versions = versions(&waits.field).map(|version| version.said.fact.clone()).collect();
    let say = SayDifferently { again, versions, seen: Some(waits.differently_seen.clone()) };
    let saying = opened.client.say_differently(&thread.item.id, &which.field, &say).await?;
    after(opened, thread, &saying).await
}

async fn park(opened: &Opened, which: &Which, until: Option<&str>) -> Result<(), CommandError> {
    let waiting = waiting(opened, &which.item).await?;
    let (thread, waits) = named(&waiting, which)?;
    let until = until.map(date_of).transpose()?;
    let park = Park { until, seen: Some(waits.parked_seen.clone()) };
    let saying = opened.client.park(&thread.item.id, &which.field, &park).await?;
    after(opened, thread, &saying).await
}

/// Shows the thread as it is after something was said about the difference; for programs, what was said.
async fn after(opened: &Opened, thread: &SettleThread, saying: &betwixt_api::Saying) -> Result<(), CommandError> {
    let waiting = waiting(opened, &thread.item.id).await?;
    let now = find(&waiting, &thread.item.id)?;
    opened.terminal.result(saying, || render::settle::thread(&opened.look(), now))
}

fn date_of(text: &str) -> Result<String, CommandError> {
    Ok(parse_date(text)?.as_str().unwrap_or_default().to_owned())
}

/// The versions that stand in a field, numbered as they are shown.
pub(crate) fn versions(field: &Field) -> impl Iterator<Item = &Version> {
    let waiting = field.waiting.iter().filter(|version| !field.versions().contains(version));
    field.versions().iter().chain(waiting)
}

/// The version of this number, or the one that is the other's.
fn version(field: &Field, number: Option<usize>) -> Result<&Version, CommandError> {
    let found = match number {
        Some(number) => number.checked_sub(1).and_then(|place| versions(field).nth(place)),
        None => the_others(field)?,
    };
    found.ok_or_else(|| CommandError::NotFound {
        what: match number {
            Some(number) => format!("there is no version {number} there"),
            None => "the other said nothing else there".into(),
        },
    })
}

fn named<'a>(waiting: &'a ToSettle, which: &Which) -> Result<(&'a SettleThread, &'a WaitingField), CommandError> {
    let thread = find(waiting, &which.item)?;
    let field = thread.fields.get(&which.field).ok_or_else(|| {
        let names: Vec<&str> = thread.fields.keys().map(String::as_str).collect();
        CommandError::NotFound {
            what: format!("nothing waits in `{}`; what waits there is: {}", which.field, names.join(", ")),
        }
    })?;
    Ok((thread, field))
}

/// The thread of the vision (the shared one first), or of the one item whose id begins like that.
fn find<'a>(waiting: &'a ToSettle, item: &str) -> Result<&'a SettleThread, CommandError> {
    let matching: Vec<&SettleThread> = if item == "vision" {
        let of_vision = |thread: &&SettleThread| thread.item.collection == Collection::Vision;
        let mut visions: Vec<&SettleThread> = waiting.threads.iter().filter(of_vision).collect();
        visions.sort_by_key(|thread| thread.item.scope != Scope::Ours);
        visions.truncate(1);
        visions
    } else {
        waiting.threads.iter().filter(|thread| thread.item.id.starts_with(item)).collect()
    };
    match matching.as_slice() {
        [one] => Ok(one),
        [] => Err(CommandError::NotFound { what: format!("nothing waits to be settled in `{item}`") }),
        _ => Err(CommandError::NotFound { what: format!("more than one id begins with `{item}`; give more of it") }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use betwixt_api::ItemReference;

    fn thread(collection: Collection, scope: Scope, id: &str) -> SettleThread {
        let item = ItemReference { id: id.into(), collection, scope, title: "t".into() };
        SettleThread {
            item,
            kind: "goal".into(),
            waits: true,
            fields: Default::default(),
            review: None,
            said_back: vec![],
        }
    }

    #[test]
    fn an_item_is_found_by_the_beginning_of_its_id_and_only_if_that_is_unique() {
        let waiting = ToSettle {
            threads: vec![
                thread(Collection::Vision, Scope::Mine, "vvvv"),
                thread(Collection::Vision, Scope::Ours, "wwww"),
                thread(Collection::Goals, Scope::Ours, "k3j4"),
                thread(Collection::Goals, Scope::Ours, "k3x2"),
            ],
        };
        assert_eq!(find(&waiting, "k3j").expect("one").item.id, "k3j4");
        assert_eq!(find(&waiting, "vision").expect("one").item.id, "wwww");
        assert!(find(&waiting, "k3").is_err() && find(&waiting, "zz").is_err());
    }
}
