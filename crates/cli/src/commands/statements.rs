//! The vision, values and agreements: what both word together.

use betwixt_api::{Collection, NewItem, Scope};

use super::what::What;
use super::{create, given, past, wording};
use crate::arguments::{Agreement, History, Statement, Value, Vision};
use crate::error::CommandError;
use crate::home::Opened;
use crate::render::item;

pub(super) async fn vision(opened: &Opened, vision: Vision) -> Result<(), CommandError> {
    let whose = |mine: bool| What::Vision(mine.then_some(Scope::Mine));
    let shared = What::Vision(None);
    match vision {
        Vision::Show { whose: which } => show(opened, &whose(which.mine)).await,
        Vision::Edit { text, whose: which } => wording::write(opened, &whose(which.mine), "draft", text).await,
        Vision::Propose => wording::propose(opened, &shared).await,
        Vision::Agree => wording::agree(opened, &shared).await,
        Vision::NotYet(answer) => wording::not_yet(opened, &shared, answer).await,
        Vision::Withdraw => wording::withdraw(opened, &shared).await,
        Vision::Review(review) => wording::review(opened, &shared, review).await,
        Vision::Diff => past::diff(opened, &shared).await,
        Vision::History => past::history(opened, &History::of("vision")).await,
    }
}

pub(super) async fn value(opened: &Opened, value: Value) -> Result<(), CommandError> {
    let collection = Collection::Values;
    match value {
        Value::Add { title, mine } => add(opened, collection, title, mine).await,
        Value::List => list(opened, collection).await,
        Value::Show { id } => show(opened, &What::Item(collection, id)).await,
        Value::Set { id, field, text } => wording::write(opened, &What::Item(collection, id), &field, text).await,
        Value::Statement(said) => statement(opened, collection, said).await,
    }
}

pub(super) async fn agreement(opened: &Opened, agreement: Agreement) -> Result<(), CommandError> {
    let collection = Collection::Agreements;
    match agreement {
        Agreement::Add { title, mine } => add(opened, collection, title, mine).await,
        Agreement::List => list(opened, collection).await,
        Agreement::Show { id } => show(opened, &What::Item(collection, id)).await,
        Agreement::Set { id, field, text } => wording::write(opened, &What::Item(collection, id), &field, text).await,
        Agreement::Statement(said) => statement(opened, collection, said).await,
    }
}

/// What can be done with the wording of any item that has one.
pub(super) async fn statement(
    opened: &Opened,
    collection: Collection,
    statement: Statement,
) -> Result<(), CommandError> {
    let which = |id| What::Item(collection, id);
    match statement {
        Statement::Draft { id, text } => wording::write(opened, &which(id), "draft", text).await,
        Statement::Propose { id } => wording::propose(opened, &which(id)).await,
        Statement::Agree { id } => wording::agree(opened, &which(id)).await,
        Statement::NotYet { id, answer } => wording::not_yet(opened, &which(id), answer).await,
        Statement::Withdraw { id } => wording::withdraw(opened, &which(id)).await,
        Statement::Review { id, review } => wording::review(opened, &which(id), review).await,
        Statement::Diff { id } => past::diff(opened, &which(id)).await,
        Statement::History { id } => past::history(opened, &History::of(&id)).await,
    }
}

async fn add(opened: &Opened, collection: Collection, title: String, mine: bool) -> Result<(), CommandError> {
    let fields = given([("title", Some(title.into()))]);
    found(opened, collection, &NewItem { scope: mine.then_some(Scope::Mine), fields }).await
}

pub(super) async fn found(opened: &Opened, collection: Collection, new: &NewItem) -> Result<(), CommandError> {
    let item = create(&opened.client, collection, new).await?;
    opened.terminal.result(&item, || item::full(&opened.look(), &item))
}

pub(super) async fn list(opened: &Opened, collection: Collection) -> Result<(), CommandError> {
    let items = opened.client.items(collection, None).await?;
    opened.terminal.result(&items, || item::list(&opened.look(), collection, &items))
}

pub(super) async fn show(opened: &Opened, what: &What) -> Result<(), CommandError> {
    let item = what.read(opened).await?;
    opened.terminal.result(&item, || item::full(&opened.look(), &item))
}
