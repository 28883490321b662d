//! The command line: every verb, and the help that a newcomer reads.

mod attachments;
mod carry;
mod entries;
mod frontend;
mod home;
pub(crate) mod ritual;
pub(crate) mod seal;
mod search;
mod service;
mod settle;
mod statements;
mod ways;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub(crate) use attachments::{Attach, Attachments};
pub(crate) use carry::{Carry, CarryExport};
pub(crate) use entries::{Bring, Journal, Reflect, Thanks};
pub(crate) use frontend::{Frontend, Listen, Open};
pub(crate) use home::{Devices, Init, Lock, Pair, Passphrase, Peer, Up};
pub(crate) use search::{By, Search};
pub(crate) use service::{Completions, Logs, Manual, Service};
pub(crate) use settle::{Settle, Which};
pub(crate) use statements::{Agreement, AnswerNotYet, Goal, Review, Statement, Value, Vision};
pub(crate) use ways::{ChangePassphrase, Export, Leave, PassphraseVerb, Recovery, Ways};

const EXIT_CODES: &str = "\
Exit codes (stable):
  0  done                             6  a value was not accepted
  1  something else went wrong        7  the disk refused, or holds something damaged
  2  the command was not understood   8  the daemon cannot be reached or started
  3  locked, or another passphrase    9  no home or partner yet, or one already
  4  nothing, or not one, by that id  10 pairing did not happen
  5  it was changed meanwhile         11 a check found something

BETWIXT_HOME sets the directory in which everything is kept.";

/// Betwixt keeps what two people build together (a vision, values, goals, reflections) on both their devices.
///
/// Each device holds everything and works alone. When both are on the same network they find each other and merge; there
/// is no server and no account. What you each wrote apart stands side by side until you settle it together: nobody's
/// words win by themselves.
///
/// Begin with `betwixt init`, write something, and pair with your partner's device when you like. Or look at
/// `betwixt demo` first: it plays through all of it in a minute.
#[derive(Debug, Parser)]
#[command(name = "betwixt", version, after_help = EXIT_CODES, max_term_width = 100)]
pub(crate) struct Arguments {
    /// Print JSON for programs instead of text for people.
    #[arg(long, global = true)]
    pub(crate) json: bool,

    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a home on this device.
    ///
    /// Asks for your name and a passphrase. Everything is encrypted with it on this device; it is never sent anywhere.
    #[command(after_help = "Example:\n  betwixt init --name Robin")]
    Init(Init),
    /// Start Betwixt in this terminal, or in the background.
    ///
    /// Other commands start it by themselves when they need it.
    #[command(
        after_help = "Examples:\n  betwixt up            stay in this terminal until Ctrl-C\n  betwixt up --detach   go to the background"
    )]
    Up(Up),
    /// Stop Betwixt on this device. Nothing is lost; the other device sees you as offline.
    Down,
    /// Show how things are: whose home it is, which devices are connected, what waits.
    Status,
    /// Open the home with its passphrase, its recovery code, or a key file (`--passphrase-file`).
    Unlock(Passphrase),
    /// Lock your private pages: their key is forgotten until the next `betwixt unlock`. What is shared goes on.
    ///
    /// They lock by themselves, too, when nobody has used Betwixt on this device for 15 minutes, or as long as you choose.
    #[command(
        after_help = "Examples:\n  betwixt lock              now\n  betwixt lock --after 5    from now on after five minutes without use\n  betwixt lock --never      from now on only when you say so"
    )]
    Lock(Lock),
    /// Change the passphrase.
    #[command(subcommand)]
    Passphrase(PassphraseVerb),
    /// The recovery code, which opens the home when the passphrase is lost.
    #[command(subcommand)]
    Recovery(Recovery),
    /// The ways to open the home: passphrase, recovery code, key files.
    ///
    /// Whoever changes them says the passphrase once more, so that a home that was left open is not opened by somebody
    /// else for good.
    #[command(subcommand)]
    Ways(Ways),
    /// Go quiet: close all connections and make none, until `betwixt resume`. It looks like being offline.
    Pause,
    /// End a pause.
    Resume,
    /// Leave: destroy the keys of this home, and take it away from this device. It cannot be undone.
    ///
    /// You need nobody for it, and no network. Nobody is told: to your partner's device this one looks offline, as after
    /// `betwixt down`, until you say otherwise yourself. What it holds of what you share stays there, and so do backups that
    /// lie elsewhere, and other devices of your own. To look offline for a while instead, and keep everything:
    /// `betwixt pause`.
    Leave(Leave),
    /// Pair with your partner's device, or with another device of your own. Be in the same room.
    ///
    /// One of you runs `betwixt pair`, which shows a code. The other runs `betwixt pair --enter` and types it. Both are
    /// asked whether it is right. What you wrote before stays private until you bring it over.
    #[command(
        after_help = "Examples:\n  betwixt pair           show a code\n  betwixt pair --enter   type the code that the other device shows"
    )]
    Pair(Pair),
    /// List every device that holds what you share; rename and remove your own.
    Devices {
        /// What to do with one of them.
        #[command(subcommand)]
        change: Option<Devices>,
    },
    /// Say where the other device is, where it is not found by itself.
    #[command(subcommand)]
    Peer(Peer),
    /// Be found on this network for ten minutes, when away from home.
    Here,
    /// Meet the other devices now, and say what came of it.
    Sync,
    /// Carry what another device lacks to it by hand, where the two do not meet: as an encrypted file for it.
    ///
    /// The file can be read by that device alone. It does no harm to lose one, to import one twice, or to import them in
    /// another order. Attachments are not in it: they go when the devices meet.
    #[command(subcommand)]
    Carry(Carry),
    /// Look for what keeps things from working, and say how to mend it.
    Doctor,
    /// The vision that you share: a compass to come back to, not a contract.
    #[command(subcommand)]
    Vision(Vision),
    /// What matters to you both, and what it means.
    #[command(subcommand)]
    Value(Value),
    /// What you agree on, in words that you both stand by.
    #[command(subcommand)]
    Agreement(Agreement),
    /// Goals, why each of you wants them, and milestones on the way.
    #[command(subcommand)]
    Goal(Goal),
    /// Rituals: what you do together again and again, when, and whose turn it is.
    #[command(subcommand)]
    Ritual(ritual::Ritual),
    /// Questions that you both answer before either reads the other's answer.
    #[command(subcommand)]
    Seal(seal::Seal),
    /// Show which rituals are today.
    Today {
        /// For how many days from today on.
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(i32).range(1..=400))]
        days: i32,
    },
    /// Write a reflection.
    #[command(after_help = TEXT_EXAMPLES_REFLECT)]
    Reflect(Reflect),
    /// Say thanks for something.
    #[command(
        after_help = "Examples:\n  betwixt thanks \"You made tea when I came home late\"\n  betwixt thanks --list"
    )]
    Thanks(Thanks),
    /// Write in your journal. It is private: it never leaves your own devices.
    #[command(
        after_help = "Examples:\n  betwixt journal \"Slept badly, and yet a good day\"\n  betwixt journal --list"
    )]
    Journal(Journal),
    /// Add a photo or a file.
    ///
    /// It is kept encrypted, and the other devices fetch it by and by. The place where a photo was taken is left out of what is
    /// kept, with what else the camera wrote into it, unless you say otherwise; your own file stays as it is.
    #[command(
        after_help = "Examples:\n  betwixt attach lake.jpg\n  betwixt attach plan.pdf --to k3j4\n  betwixt attach me.jpg --private"
    )]
    Attach(Attach),
    /// The photos and files that there are, and which devices have them.
    #[command(
        after_help = "Examples:\n  betwixt attachments                        list them\n  betwixt attachments get k3j4 -o lake.jpg   write one into a file"
    )]
    Attachments {
        /// What to do with one of them.
        #[command(subcommand)]
        command: Option<Attachments>,
    },
    /// Bring what you wrote in private over to what you share.
    ///
    /// Without anything said, lists what could be brought. Bringing twice is harmless.
    #[command(
        after_help = "Examples:\n  betwixt bring            see what there is\n  betwixt bring k3j4 x9p2   bring these\n  betwixt bring --all      bring everything but the journal"
    )]
    Bring(Bring),
    /// Look for words in everything that you both wrote, and in your private pages while they are open.
    ///
    /// Neither capitals nor accents matter. Nothing leaves this device for it.
    #[command(
        after_help = "Examples:\n  betwixt search oak river               all words, in whatever order\n  betwixt search \"by the old mill\"        as it stands\n  betwixt search birth --kind journal    also birthday\n  betwixt search sea --year 2027 --latest\n  betwixt search sea --earlier           also what was replaced since"
    )]
    Search(Search),
    /// How much there is, by the year or by the month: entries, rituals that took place, milestones, and how goals stand.
    ///
    /// Both of you together, never one beside the other; what is private is counted apart, while it is open.
    #[command(
        after_help = "Examples:\n  betwixt statistics              by the year\n  betwixt statistics --year 2027  by the month"
    )]
    Statistics {
        /// Only this year, by the month.
        #[arg(long, value_name = "YEAR", value_parser = clap::value_parser!(i16).range(1900..=2300))]
        year: Option<i16>,
    },
    /// Show where you said different things, and what waits for an answer.
    Differences,
    /// What waits for you two, and ways to settle it.
    ///
    /// A difference is settled when you both say the same. Nothing that was said is lost: it stays in the item's history. And
    /// nothing presses: it can rest, and you can see it differently.
    #[command(subcommand)]
    Settle(Settle),
    /// Show everything that was ever said about something, how it once stood, and whose words it has.
    ///
    /// Everything that was said has an id of its own, whose beginning is shown beside it.
    #[command(after_help = HISTORY_EXAMPLES)]
    History(History),
    /// Show what came from each of you when you last met, and what waits to be passed on.
    #[command(after_help = "Examples:\n  betwixt since\n  betwixt since --meetings 5")]
    Since {
        /// How many meetings to look back.
        #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
        meetings: u32,
    },
    /// Take back what you did last on this device, by saying what stood there before.
    ///
    /// Nothing that your partner said goes by it, and the history shows both. It says so where it cannot be done: when your
    /// partner has changed it since, or when you both agree on it now. Run it again to take back what you did before that.
    #[command(after_help = "Examples:\n  betwixt undo --show   look at it first\n  betwixt undo")]
    Undo {
        /// Only show what would be taken back.
        #[arg(long)]
        show: bool,
    },
    /// Begin a new chapter together: keep what you said, and erase what you both want erased.
    ///
    /// One proposes, the other agrees. Until then nothing changes; afterwards what was erased does not come back.
    #[command(subcommand)]
    Chapter(Chapter),
    /// Read and check everything on disk.
    Verify,
    /// Write a backup. It is encrypted as the home is, and opens with its passphrase.
    Backup {
        /// A file that does not exist yet; without one the backup goes into the home.
        path: Option<PathBuf>,
        /// List the backups in the home instead.
        #[arg(long, conflicts_with = "path")]
        list: bool,
    },
    /// Write everything that you can read into a file that other programs read, with who said what and when.
    ///
    /// It is JSON, encrypted in the age format (age-encryption.org) with a passphrase that you choose for it: `age --decrypt
    /// FILE` opens it where Betwixt is not. An export cannot be restored; for that there is `betwixt backup`.
    #[command(
        after_help = "Examples:\n  betwixt export us.json.age\n  betwixt export us.json --plain   not encrypted: anybody who gets the file reads it"
    )]
    Export(Export),
    /// Put a backup in place of what the home holds now, which is kept aside.
    Restore(Restore),
    /// Let other programs and pages use what is kept here, each with a token of its own.
    #[command(subcommand)]
    Frontend(Frontend),
    /// Open Betwixt's page in the browser.
    Open(Open),
    /// Keep Betwixt running: start it with your session, and again when it fails.
    #[command(subcommand)]
    Service(Service),
    /// Show what the daemon in the background has logged: no text, names or keys are in it.
    #[command(
        after_help = "Examples:\n  betwixt logs            the last 50 lines\n  betwixt logs --follow   and what comes"
    )]
    Logs(Logs),
    /// Print a script that completes commands in your shell.
    #[command(after_help = "Example:\n  betwixt completions bash > ~/.local/share/bash-completion/completions/betwixt")]
    Completions(Completions),
    /// Write the manual pages into a directory.
    #[command(after_help = "Example:\n  betwixt manual ~/.local/share/man/man1")]
    Manual(Manual),
    /// Play through it: two homes, edits apart, meeting, and settling a difference.
    ///
    /// Runs two daemons on this machine with homes in a temporary directory, which stay usable until Ctrl-C.
    Demo {
        /// End at once, with an exit code that says whether all went as it should.
        #[arg(long)]
        exit: bool,
    },
}

const HISTORY_EXAMPLES: &str = "\
Examples:
  betwixt history vision                        what was said, by whom, and what it changed
  betwixt history k3j4 --at 2027-03-02          as this device knew it at the end of that day
  betwixt history k3j4 --at f7qk                as it stood once f7qk was said
  betwixt history k3j4 --between f7qk b91x      what changed from one to the other, by words
  betwixt history vision --words                who said which words
  betwixt history k3j4 --restore f7qk           say it again";

const TEXT_EXAMPLES_REFLECT: &str = "\
Examples:
  betwixt reflect                        write in your editor
  betwixt reflect \"A good week\"          say it here
  betwixt reflect --prompt \"What gave you energy this month?\"
  betwixt reflect --list                 read what there is";

#[derive(Debug, Subcommand)]
pub(crate) enum Chapter {
    /// Show what a new chapter would keep, and what was proposed.
    Show,
    /// Propose a new chapter, in the place of what you proposed before.
    Propose {
        /// Leave out what this fact says, and what others of its field say that is the same: a whole id, as `betwixt history ITEM
        /// --json` shows it. May be given several times.
        #[arg(long, value_name = "FACT")]
        erase: Vec<String>,
    },
    /// Agree to what the other proposes. That cannot be taken back.
    Agree {
        /// Do not ask once more.
        #[arg(long)]
        yes: bool,
    },
    /// Take back what you proposed, as long as the other has not agreed.
    Withdraw,
}

#[derive(Debug, Args)]
#[group(id = "restored", required = true, multiple = false)]
pub(crate) struct Restore {
    /// The backup.
    #[arg(group = "restored")]
    pub(crate) path: Option<PathBuf>,
    /// A snapshot of this home, as they are taken by themselves, once a day.
    #[arg(long, value_name = "NAME", group = "restored")]
    pub(crate) snapshot: Option<String>,
    /// List what can be restored instead.
    #[arg(long, group = "restored")]
    pub(crate) list: bool,
}

#[derive(Debug, Args)]
pub(crate) struct History {
    /// The beginning of its id, or `vision`.
    pub(crate) item: String,
    /// Show it as it stood: once something was said (the beginning of its id), or at the end of a day (YYYY-MM-DD).
    #[arg(long, value_name = "WHEN", group = "what")]
    pub(crate) at: Option<String>,
    /// Compare two versions of a field, each by the beginning of its id.
    #[arg(long, value_name = "FACT", num_args = 2, group = "what")]
    pub(crate) between: Option<Vec<String>>,
    /// Show who said which words of its texts.
    #[arg(long, group = "what")]
    pub(crate) words: bool,
    /// Say again what was said then. What stands there now stays in the history.
    #[arg(long, value_name = "FACT", group = "what")]
    pub(crate) restore: Option<String>,
}

impl History {
    /// Everything about this item.
    pub(crate) fn of(item: &str) -> Self {
        Self { item: item.to_owned(), at: None, between: None, words: false, restore: None }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Text {
    /// The text; `-` reads it from standard input; without it your editor opens.
    pub(crate) text: Option<String>,
}
