//! The command line: every verb, and the help that a newcomer reads.

pub(crate) mod ritual;
pub(crate) mod seal;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

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
    /// Open the home with its passphrase.
    Unlock(Passphrase),
    /// Close the home: its keys are forgotten until the next `betwixt unlock`.
    Lock,
    /// Go quiet: close all connections and make none, until `betwixt resume`. It looks like being offline.
    Pause,
    /// End a pause.
    Resume,
    /// Pair with your partner's device, or with another device of your own. Be in the same room.
    ///
    /// One of you runs `betwixt pair`, which shows a code. The other runs `betwixt pair --enter` and types it. Both are
    /// asked whether it is right. What you wrote before stays private until you bring it over.
    #[command(
        after_help = "Examples:\n  betwixt pair           show a code\n  betwixt pair --enter   type the code that the other device shows"
    )]
    Pair(Pair),
    /// List every device that holds what you share.
    Devices,
    /// Say where the other device is, where it is not found by itself.
    #[command(subcommand)]
    Peer(Peer),
    /// Be found on this network for ten minutes, when away from home.
    Here,
    /// Meet the other devices now, and say what came of it.
    Sync,
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
    /// Bring what you wrote in private over to what you share.
    ///
    /// Without anything said, lists what could be brought. Bringing twice is harmless.
    #[command(
        after_help = "Examples:\n  betwixt bring            see what there is\n  betwixt bring k3j4 x9p2   bring these\n  betwixt bring --all      bring everything but the journal"
    )]
    Bring(Bring),
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
    /// Put a backup in place of what the home holds now, which is kept aside.
    Restore(Restore),
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
pub(crate) struct Init {
    /// The name that you go by; your partner will see it.
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// What to call this device, such as "Robin's laptop".
    #[arg(long)]
    pub(crate) device: Option<String>,
    #[command(flatten)]
    pub(crate) passphrase: Passphrase,
}

#[derive(Debug, Default, Args)]
pub(crate) struct Passphrase {
    /// Read the passphrase from this file's first line instead of asking.
    #[arg(long, value_name = "PATH")]
    pub(crate) passphrase_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Up {
    /// Go to the background once it answers.
    #[arg(long)]
    pub(crate) detach: bool,
    /// Listen at this address and port only, such as 192.168.1.20:4711 (port 0: any free one).
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<SocketAddr>,
    /// Neither look for other devices on the network nor be found; addresses set by hand still work.
    #[arg(long)]
    pub(crate) no_discovery: bool,
    /// Started in the background by another command.
    #[arg(long, hide = true, conflicts_with = "detach")]
    pub(crate) background: bool,
    /// End when the process ends that started this one.
    #[arg(long, hide = true)]
    pub(crate) with_parent: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Pair {
    /// Type the code that the other device shows.
    #[arg(long)]
    pub(crate) enter: bool,
    /// The other device is your own: it will hold your private pages, too.
    #[arg(long)]
    pub(crate) own_device: bool,
    /// Where the other device is, where it is not found by itself.
    #[arg(long, value_name = "ADDRESS", requires = "enter")]
    pub(crate) at: Vec<SocketAddr>,
    #[command(flatten)]
    pub(crate) passphrase: Passphrase,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Peer {
    /// Add an address: numbers and a port, such as 192.168.1.20:4711.
    Add {
        /// As `betwixt status` on the other device shows it.
        address: SocketAddr,
    },
    /// List the addresses that are known.
    List,
    /// Forget an address.
    Remove {
        /// As listed.
        address: SocketAddr,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Text {
    /// The text; `-` reads it from standard input; without it your editor opens.
    pub(crate) text: Option<String>,
}

#[derive(Debug, Args, Clone, Copy)]
pub(crate) struct Whose {
    /// The private one, also when there is a shared one.
    #[arg(long)]
    pub(crate) mine: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Vision {
    /// Show the draft, and the wording that you each stand by.
    Show {
        #[command(flatten)]
        whose: Whose,
    },
    /// Work on the draft.
    #[command(visible_alias = "draft")]
    Edit {
        #[command(flatten)]
        text: Text,
        #[command(flatten)]
        whose: Whose,
    },
    /// Propose the draft, as it is now, as the wording to agree on.
    Propose,
    /// Agree to the wording that your partner proposed.
    Agree,
    /// Say that you are not there yet with what your partner proposed. It goes on waiting.
    NotYet(AnswerNotYet),
    /// Take back your proposal; without one, say that you no longer agree.
    Withdraw,
    /// Look at it again: say when, or what you found.
    Review(Review),
    /// Show what changed since you both agreed, by words.
    Diff,
    /// Show everything that was said about it, and where its wording comes from.
    History,
}

/// What can be done with the wording of a value, an agreement or a goal.
#[derive(Debug, Subcommand)]
pub(crate) enum Statement {
    /// Work on the draft.
    Draft {
        /// The beginning of its id.
        id: String,
        #[command(flatten)]
        text: Text,
    },
    /// Propose the draft, as it is now, as the wording to agree on.
    Propose {
        /// The beginning of its id.
        id: String,
    },
    /// Agree to the wording that your partner proposed.
    Agree {
        /// The beginning of its id.
        id: String,
    },
    /// Say that you are not there yet with what your partner proposed. It goes on waiting.
    NotYet {
        /// The beginning of its id.
        id: String,
        #[command(flatten)]
        answer: AnswerNotYet,
    },
    /// Take back your proposal; without one, say that you no longer agree.
    Withdraw {
        /// The beginning of its id.
        id: String,
    },
    /// Look at it again: say when, or what you found.
    Review {
        /// The beginning of its id.
        id: String,
        #[command(flatten)]
        review: Review,
    },
    /// Show what changed since you both agreed, by words.
    Diff {
        /// The beginning of its id.
        id: String,
    },
    /// Show everything that was said about it, and where its wording comes from.
    History {
        /// The beginning of its id.
        id: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct AnswerNotYet {
    /// A word about it.
    #[arg(long)]
    pub(crate) note: Option<String>,
}

#[derive(Debug, Args)]
#[group(id = "what", required = true, multiple = false)]
pub(crate) struct Review {
    /// When to look at it again, YYYY-MM-DD. From that day on it waits for both of you.
    #[arg(long, value_name = "DATE")]
    pub(crate) on: Option<String>,
    /// You looked at it, and it is still true.
    #[arg(long)]
    pub(crate) still_true: bool,
    /// You looked at it, and would word it anew.
    #[arg(long)]
    pub(crate) reword: bool,
    /// You looked at it, and it has had its time.
    #[arg(long)]
    pub(crate) retire: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Value {
    /// Name a value.
    Add {
        /// Its name, such as "Patience".
        title: String,
        /// Keep it private for now.
        #[arg(long)]
        mine: bool,
    },
    /// List the values.
    List,
    /// Show a value.
    Show {
        /// The beginning of its id.
        id: String,
    },
    /// Change a field of a value, such as its title.
    Set {
        /// The beginning of its id.
        id: String,
        /// The field.
        field: String,
        #[command(flatten)]
        text: Text,
    },
    #[command(flatten)]
    Statement(Statement),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Agreement {
    /// Name an agreement.
    Add {
        /// Its name, such as "Phones at dinner".
        title: String,
        /// Keep it private for now.
        #[arg(long)]
        mine: bool,
    },
    /// List the agreements.
    List,
    /// Show an agreement.
    Show {
        /// The beginning of its id.
        id: String,
    },
    /// Change a field of an agreement, such as its title.
    Set {
        /// The beginning of its id.
        id: String,
        /// The field.
        field: String,
        #[command(flatten)]
        text: Text,
    },
    #[command(flatten)]
    Statement(Statement),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Goal {
    /// Name a goal.
    #[command(
        after_help = "Example:\n  betwixt goal add \"Cycle along the coast\" --why \"To be outside together\" --until 2027-09-01"
    )]
    Add {
        /// Its title.
        title: String,
        /// Why you want it. Your partner has a why of their own.
        #[arg(long)]
        why: Option<String>,
        /// The part of life that it belongs to, such as "home".
        #[arg(long)]
        area: Option<String>,
        /// The first day of its time, YYYY-MM-DD. Leave it open if you like.
        #[arg(long, value_name = "DATE")]
        from: Option<String>,
        /// The last day of its time, YYYY-MM-DD.
        #[arg(long, value_name = "DATE")]
        until: Option<String>,
        /// Keep it private for now.
        #[arg(long)]
        mine: bool,
    },
    /// List the goals.
    List,
    /// Show a goal with its milestones.
    Show {
        /// The beginning of its id.
        id: String,
    },
    /// Change a field: title, why, area, state, from, until, draft.
    #[command(
        after_help = "Examples:\n  betwixt goal set k3j4 until 2027-09-01\n  betwixt goal set k3j4 state agreed\n  betwixt goal set k3j4 why        write it in your editor"
    )]
    Set {
        /// The beginning of its id.
        id: String,
        /// The field.
        field: String,
        #[command(flatten)]
        text: Text,
    },
    /// Add a milestone: something done, something counted, or a sum.
    #[command(
        after_help = "Examples:\n  betwixt goal milestone k3j4 \"Book the ferry\"\n  betwixt goal milestone k3j4 \"Train together\" --count 12 --unit rides\n  betwixt goal milestone k3j4 \"Travel money\" --amount 800.00 --unit EUR"
    )]
    Milestone {
        /// The beginning of the goal's id.
        goal: String,
        /// Its title.
        title: String,
        /// How many, for something counted.
        #[arg(long, value_name = "NUMBER")]
        count: Option<i64>,
        /// How much, for a sum, with as many decimals as are to be kept.
        #[arg(long, value_name = "AMOUNT", conflicts_with = "count", requires = "unit")]
        amount: Option<String>,
        /// What is counted, or the currency.
        #[arg(long)]
        unit: Option<String>,
    },
    /// Add to a milestone. What you each add apart is summed.
    #[command(
        after_help = "Examples:\n  betwixt goal log m7d2              it is done\n  betwixt goal log m7d2 2            two more\n  betwixt goal log m7d2 20.50 --note \"sold the old tent\""
    )]
    Log {
        /// The beginning of the milestone's id, as `betwixt goal show` lists it.
        milestone: String,
        /// How much; below zero takes back.
        #[arg(allow_hyphen_values = true)]
        amount: Option<String>,
        /// A word about it.
        #[arg(long)]
        note: Option<String>,
    },
    #[command(flatten)]
    Statement(Statement),
}

#[derive(Debug, Args)]
pub(crate) struct Reflect {
    #[command(flatten)]
    pub(crate) text: Text,
    /// The question that it answers.
    #[arg(long)]
    pub(crate) prompt: Option<String>,
    /// Keep it private for now.
    #[arg(long)]
    pub(crate) mine: bool,
    /// Read what there is instead.
    #[arg(long, conflicts_with_all = ["text", "prompt", "mine"])]
    pub(crate) list: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Thanks {
    #[command(flatten)]
    pub(crate) text: Text,
    /// What it showed.
    #[arg(long)]
    pub(crate) showed: Option<String>,
    /// The beginning of the id of the value that it lives.
    #[arg(long, value_name = "ID")]
    pub(crate) value: Option<String>,
    /// Read what there is instead.
    #[arg(long, conflicts_with_all = ["text", "showed", "value"])]
    pub(crate) list: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Journal {
    #[command(flatten)]
    pub(crate) text: Text,
    /// A title.
    #[arg(long)]
    pub(crate) title: Option<String>,
    /// Read what there is instead.
    #[arg(long, conflicts_with_all = ["text", "title"])]
    pub(crate) list: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Bring {
    /// What to bring: beginnings of ids.
    pub(crate) items: Vec<String>,
    /// Everything but the journal.
    #[arg(long, conflicts_with = "items")]
    pub(crate) all: bool,
}

/// Which field of which item.
#[derive(Debug, Args)]
pub(crate) struct Which {
    /// The beginning of the item's id, or `vision`.
    pub(crate) item: String,
    /// The field, as `betwixt settle list` names it.
    pub(crate) field: String,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Settle {
    /// List what waits for you two.
    List {
        /// What rests for now, too.
        #[arg(long)]
        all: bool,
    },
    /// Show one thread: every version, what was said back, and what you can do.
    Show {
        /// The beginning of the item's id, or `vision`.
        item: String,
    },
    /// Take the other's version: say the same.
    Take {
        #[command(flatten)]
        which: Which,
        /// Where there are several, its number in `betwixt settle show`.
        number: Option<usize>,
    },
    /// Say a version of your own.
    #[command(
        after_help = "Examples:\n  betwixt settle say k3j4 until 2027-07-01\n  betwixt settle say k3j4 title -   read it from standard input"
    )]
    Say {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        text: Text,
    },
    /// Say back what you read in the other's version, so that they can tell you whether that is it.
    #[command(after_help = "Example:\n  betwixt settle say-back k3j4 until \"You want the whole summer for it\"")]
    SayBack {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        text: Text,
        /// Where there are several, the version's number in `betwixt settle show`.
        #[arg(long, value_name = "NUMBER")]
        version: Option<usize>,
    },
    /// Say "yes, that is it" to what your partner said back about your version.
    Heard {
        /// The beginning of its id, as `betwixt settle show` lists it.
        id: String,
    },
    /// Say that you see this differently, and when to look at it again. It rests once you both say so.
    #[command(after_help = "Example:\n  betwixt settle differ k3j4 until --again 2027-03-01")]
    Differ {
        #[command(flatten)]
        which: Which,
        /// When to look at it again, YYYY-MM-DD. Left away, says the date that your partner said.
        #[arg(long, value_name = "DATE")]
        again: Option<String>,
        /// Take it back.
        #[arg(long, conflicts_with = "again")]
        back: bool,
    },
    /// Leave it alone until a date. It rests on your side; your partner's list is theirs.
    Park {
        #[command(flatten)]
        which: Which,
        /// Until when, YYYY-MM-DD.
        #[arg(long, value_name = "DATE", required_unless_present = "back")]
        until: Option<String>,
        /// Take it back.
        #[arg(long, conflicts_with = "until")]
        back: bool,
    },
}
