//! Sealed answers: asking, answering, and reading what is open.

use betwixt_api::{Collection, NewItem, Scope, SealAnswer};
use serde_json::json;

use super::{create, given};
use crate::arguments::seal::Seal;
use crate::error::CommandError;
use crate::home::Opened;
use crate::render::seal as shown;

pub(super) async fn seal(opened: &Opened, seal: Seal) -> Result<(), CommandError> {
    match seal {
        Seal::Ask { question } => {
            let fields = given([("prompt", Some(json!({ "text": question })))]);
            let new = NewItem { scope: Some(Scope::Ours), fields };
            let item = create(&opened.client, Collection::Sealed, &new).await?;
            show(opened, &item.id).await
        }
        Seal::Answer { id, text } => {
            let session = opened.client.seal(&id).await?;
            let before = session.yours.clone().unwrap_or_default();
            let answer = opened.text(text, &before).await?;
            let request = SealAnswer { answer, seen: Some(session.seen) };
            let session = opened.client.seal_answer(&session.id, &request).await?;
            opened.terminal.result(&session, || shown::full(&opened.look(), &session))
        }
        Seal::Show { id } => show(opened, &id).await,
        Seal::List => {
            let sessions = opened.client.seals().await?;
            opened.terminal.result(&sessions, || shown::list(&opened.look(), &sessions))
        }
    }
}

async fn show(opened: &Opened, id: &str) -> Result<(), CommandError> {
    let session = opened.client.seal(id).await?;
    opened.terminal.result(&session, || shown::full(&opened.look(), &session))
}
