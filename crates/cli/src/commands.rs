//! The verbs.

mod attachments;
mod carry;
mod chapter;
mod entries;
mod export;
mod frontend;
mod goals;
mod home;
mod leave;
mod network;
mod new_file;
mod pairing;
mod past;
mod rituals;
mod seals;
mod search;
mod service;
mod settle;
mod settling;
mod statements;
mod statistics;
mod upkeep;
mod ways;
mod what;
mod wording;

use betwixt_api::{Client, ClientError, Collection, Item, NewItem};
use serde_json::Value;

use crate::arguments::{Arguments, Command, PassphraseVerb, Text};
use crate::editor;
use crate::error::CommandError;
use crate::home::Opened;
use crate::render::Look;
use crate::terminal::Terminal;

pub(crate) use attachments::Listed;

/// Does what the command line asks.
pub(crate) async fn run(arguments: Arguments, terminal: Terminal) -> Result<(), CommandError> {
    match arguments.command {
        Command::Init(init) => home::init(terminal, init).await,
        Command::Up(up) => home::up(terminal, up).await,
        Command::Down => home::down(terminal).await,
        Command::Status => home::status(terminal).await,
        Command::Unlock(passphrase) => home::unlock(terminal, passphrase).await,
        Command::Lock(lock) => home::lock(terminal, &lock).await,
        Command::Pause => home::pause(terminal, true).await,
        Command::Resume => home::pause(terminal, false).await,
        Command::Service(command) => service::service(terminal, command).await,
        Command::Logs(logs) => service::logs(terminal, logs).await,
        Command::Completions(completions) => service::completions(&completions),
        Command::Manual(manual) => service::manual(terminal, &manual),
        Command::Demo { exit } => crate::demo::run(terminal, exit).await,
        Command::Leave(leave) => leave::leave(terminal, leave).await,
        Command::Doctor => network::doctor(&Opened::in_any_phase(terminal).await?).await,
        Command::Restore(restore) => upkeep::restore(&Opened::in_any_phase(terminal).await?, restore).await,
        needs_home => opened(Opened::get(terminal).await?, needs_home).await,
    }
}

async fn opened(opened: Opened, command: Command) -> Result<(), CommandError> {
    match command {
        Command::Pair(pair) => pairing::pair(&opened, pair).await,
        Command::Devices { change } => network::devices(&opened, change).await,
        Command::Peer(peer) => network::peer(&opened, peer).await,
        Command::Carry(command) => carry::carry(&opened, command).await,
        Command::Here => network::here(&opened).await,
        Command::Sync => network::sync(&opened).await,
        Command::Vision(vision) => statements::vision(&opened, vision).await,
        Command::Value(value) => statements::value(&opened, value).await,
        Command::Agreement(agreement) => statements::agreement(&opened, agreement).await,
        Command::Goal(goal) => goals::goal(&opened, goal).await,
        Command::Ritual(ritual) => rituals::ritual(&opened, ritual).await,
        Command::Seal(seal) => seals::seal(&opened, seal).await,
        Command::Today { days } => rituals::today_and_after(&opened, days).await,
        Command::Reflect(reflect) => entries::reflect(&opened, reflect).await,
        Command::Thanks(thanks) => entries::thanks(&opened, thanks).await,
        Command::Journal(journal) => entries::journal(&opened, journal).await,
        Command::Attach(attach) => attachments::attach(&opened, attach).await,
        Command::Attachments { command } => attachments::attachments(&opened, command).await,
        Command::Bring(bring) => settling::bring(&opened, bring).await,
        Command::Search(arguments) => search::search(&opened, arguments).await,
        Command::Statistics { year } => statistics::statistics(&opened, year).await,
        Command::Differences => settling::differences(&opened).await,
        Command::Settle(settle) => settle::settle(&opened, settle).await,
        Command::History(history) => past::history(&opened, &history).await,
        Command::Since { meetings } => past::since(&opened, meetings).await,
        Command::Undo { show } => past::undo(&opened, show).await,
        Command::Chapter(command) => chapter::run(&opened, command).await,
        Command::Frontend(command) => frontend::frontend(&opened, command).await,
        Command::Open(arguments) => frontend::open(&opened, arguments).await,
        Command::Passphrase(PassphraseVerb::Change(change)) => ways::change_passphrase(&opened, change).await,
        Command::Recovery(recovery) => ways::recovery(&opened, recovery).await,
        Command::Ways(command) => ways::ways(&opened, command).await,
        Command::Export(arguments) => export::export(&opened, arguments).await,
        Command::Verify => upkeep::verify(&opened).await,
        Command::Backup { list: true, .. } => upkeep::backups(&opened).await,
        Command::Backup { path, .. } => upkeep::backup(&opened, path).await,
        Command::Init(_)
        | Command::Up(_)
        | Command::Down
        | Command::Status
        | Command::Unlock(_)
        | Command::Lock(_)
        | Command::Pause
        | Command::Resume
        | Command::Leave(_)
        | Command::Doctor
        | Command::Restore(_)
        | Command::Service(_)
        | Command::Logs(_)
        | Command::Completions(_)
        | Command::Manual(_)
        | Command::Demo { .. } => Err(CommandError::Value { what: "that needs no home".into() }),
    }
}

impl Opened {
    /// How to render what this home holds.
    fn look(&self) -> Look {
        Look::new(&self.status, self.terminal.style(), self.terminal.width())
    }

    /// The text that is meant: given, read from standard input, or written in the editor, which begins with `before`.
    async fn text(&self, text: Text, before: &str) -> Result<String, CommandError> {
        let written = match text.text.as_deref() {
            Some("-") => self.terminal.read_text()?,
            Some(given) => given.to_owned(),
            None if self.terminal.asks() => editor::edit(&self.home, before).await?,
            None => self.terminal.read_text()?,
        };
        let written = written.trim_end();
        if written.trim().is_empty() {
            return Err(CommandError::Value { what: "there was no text; nothing was said".into() });
        }
        Ok(written.to_owned())
    }
}

/// Founds an item, once, however often the connection breaks.
async fn create(client: &Client, collection: Collection, item: &NewItem) -> Result<Item, CommandError> {
    let key = key();
    once(async || client.create(collection, &key, item).await).await
}

/// A new idempotency key.
fn key() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// Sends what carries an idempotency key again when the connection broke before the answer came.
async fn once<T>(send: impl AsyncFn() -> Result<T, ClientError>) -> Result<T, CommandError> {
    match send().await {
        Err(ClientError::Disconnected(_)) => Ok(send().await?),
        answer => Ok(answer?),
    }
}

/// Fields that were given, for a new item.
fn given<const FIELDS: usize>(fields: [(&str, Option<Value>); FIELDS]) -> std::collections::BTreeMap<String, Value> {
    fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}
