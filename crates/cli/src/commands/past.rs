//! What was: histories, earlier states, differences between versions, meetings, and taking back.

use betwixt_api::{Collection, Event, Item, Paging, SinceRequest};

use super::what::{What, told};
use crate::arguments::History;
use crate::error::CommandError;
use crate::home::Opened;
use crate::render::past::{self, SinceAgreed};

/// `betwixt history ITEM`.
pub(super) async fn history(opened: &Opened, history: &History) -> Result<(), CommandError> {
    let client = &opened.client;
    let item = &history.item;
    match history {
        History { at: Some(when), .. } => {
            let then = client.then(item, when).await?;
            opened.terminal.result(&then, || past::then(&opened.look(), &then))
        }
        History { between: Some(facts), .. } => {
            let [from, to] = facts.as_slice() else {
                return Err(CommandError::Value { what: "two versions are compared: --between FACT FACT".into() });
            };
            let compared = client.compare(item, from, to).await?;
            opened.terminal.result(&compared, || past::comparison(&opened.look(), &compared))
        }
        History { words: true, .. } => {
            let words = client.words(item).await?;
            opened.terminal.result(&words, || past::whose_words(&opened.look(), &words))
        }
        History { restore: Some(fact), .. } => restore(opened, item, fact).await,
        _ => {
            let timeline = client.timeline(item).await?;
            opened.terminal.result(&timeline, || past::timeline(&opened.look(), &timeline))
        }
    }
}

/// Says what was said once, again.
async fn restore(opened: &Opened, item: &str, fact: &str) -> Result<(), CommandError> {
    let timeline = opened.client.timeline(item).await?;
    let fits: Vec<&Event> = timeline.events.iter().filter(|event| event.said.fact.starts_with(fact)).collect();
    let event = match fits.as_slice() {
        [one] => one,
        [] => return Err(CommandError::NotFound { what: format!("nothing that was said there begins with `{fact}`") }),
        _ => {
            return Err(CommandError::NotFound {
                what: format!("more than one id begins with `{fact}`; give more of it"),
            });
        }
    };
    let value = event.value.clone().ok_or_else(|| CommandError::NotFound { what: "that was erased by both".into() })?;
    let what = match timeline.item.collection {
        Collection::Vision => What::Vision(Some(timeline.item.scope)),
        collection => What::Item(collection, timeline.item.id.clone()),
    };
    let now = what.read(opened).await?;
    let field = super::what::field(&now, &event.field)?;
    let saying = what.say(opened, &event.field, value, &field.seen).await?;
    told(opened, &saying)
}

/// `betwixt since`.
pub(super) async fn since(opened: &Opened, meetings: u32) -> Result<(), CommandError> {
    let paging = Paging { limit: Some(meetings), after: None };
    let request = SinceRequest { paging, ..SinceRequest::default() };
    let since = opened.client.since(&request).await?;
    opened.terminal.result(&since, || past::since(&opened.look(), &since))
}

/// `betwixt undo`.
pub(super) async fn undo(opened: &Opened, show: bool) -> Result<(), CommandError> {
    if show {
        let last = opened.client.last_act().await?;
        return opened.terminal.result(&last, || past::last_act(&opened.look(), &last));
    }
    let undone = opened.client.undo().await?;
    opened.terminal.result(&undone, || past::undone(&opened.look(), &undone))
}

/// What a statement's draft, and the wordings that wait, changed of the wording that stands agreed.
pub(super) async fn diff(opened: &Opened, what: &What) -> Result<(), CommandError> {
    let item = what.read(opened).await?;
    let compared = since_agreed(&item);
    opened.terminal.result(&compared, || past::since_agreed(&opened.look(), &compared))
}

fn since_agreed(item: &Item) -> Vec<SinceAgreed> {
    let mut all = Vec::new();
    let field = |name: &str| item.fields.get(name);
    for words in field("draft").into_iter().flat_map(|draft| &draft.since_agreed) {
        all.push(SinceAgreed { text: "draft", said: None, words: words.clone() });
    }
    if let Some(wording) = field("wording") {
        for (version, words) in wording.waiting.iter().zip(&wording.since_agreed) {
            all.push(SinceAgreed { text: "wording", said: Some(version.said.clone()), words: words.clone() });
        }
    }
    all
}
