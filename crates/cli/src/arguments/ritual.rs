//! Rituals on the command line.

use clap::{Args, Subcommand};

use super::Text;

#[derive(Debug, Subcommand)]
pub(crate) enum Ritual {
    /// Name a ritual, and say when it is, if you like. When it is counts once you both agree.
    #[command(
        after_help = "Examples:\n  betwixt ritual add \"Sunday talk\" --every week --on sunday --start \"2027-01-03 19:00\"\n  betwixt ritual add \"Breakfast in bed\" --every \"2 weeks\" --on saturday\n  betwixt ritual add \"Morning pages\" --every day --mine"
    )]
    Add {
        /// Its title.
        title: String,
        /// What it means to you.
        #[arg(long)]
        meaning: Option<String>,
        #[command(flatten)]
        when: When,
        /// Keep it private for now.
        #[arg(long)]
        mine: bool,
    },
    /// List the rituals, and when each is next.
    List,
    /// Show a ritual, and how its occurrences stand.
    Show {
        /// The beginning of its id.
        id: String,
        /// The first day, YYYY-MM-DD; two weeks ago by default.
        #[arg(long, value_name = "DATE")]
        from: Option<String>,
        /// How many days.
        #[arg(long, default_value_t = 43, value_parser = clap::value_parser!(i32).range(1..=400))]
        days: i32,
    },
    /// Change its title or its meaning.
    Set {
        /// The beginning of its id.
        id: String,
        /// The field: title or meaning.
        field: String,
        #[command(flatten)]
        text: Text,
    },
    /// Propose when it is. What you agreed before stands until you both agree to this.
    #[command(
        after_help = "Examples:\n  betwixt ritual propose k3j4 --every month --on \"1 friday\" --start \"2027-02-05 20:00\" --minutes 120\n  betwixt ritual propose k3j4 --rule \"FREQ=YEARLY\" --start 2027-06-12"
    )]
    Propose {
        /// The beginning of its id.
        id: String,
        #[command(flatten)]
        when: When,
    },
    /// Agree to when your partner proposed it to be.
    Agree {
        /// The beginning of its id.
        id: String,
    },
    /// Say that it took place. Your partner says so for themselves; nobody has to.
    #[command(
        after_help = "Examples:\n  betwixt ritual mark k3j4                     the last one\n  betwixt ritual mark k3j4 --date 2027-01-03 --note \"by the sea\"\n  betwixt ritual mark k3j4 --not-held"
    )]
    Mark {
        /// The beginning of its id.
        id: String,
        #[command(flatten)]
        which: Which,
        /// It did not take place.
        #[arg(long)]
        not_held: bool,
        /// A word about it.
        #[arg(long)]
        note: Option<String>,
        /// Take back what you said of it.
        #[arg(long, conflicts_with_all = ["not_held", "note"])]
        undo: bool,
    },
    /// Skip one. It takes nobody's turn.
    Skip {
        /// The beginning of its id.
        id: String,
        #[command(flatten)]
        which: Which,
        /// Not after all.
        #[arg(long)]
        undo: bool,
    },
    /// Move one to another day, or another day and time.
    #[command(
        after_help = "Examples:\n  betwixt ritual move k3j4 2027-01-05                       the next one, at its usual time\n  betwixt ritual move k3j4 \"2027-01-05 20:30\" --date 2027-01-03\n  betwixt ritual move k3j4 --undo --date 2027-01-03"
    )]
    Move {
        /// The beginning of its id.
        id: String,
        /// Where to, in the ritual's time zone: 2027-01-05 or "2027-01-05 20:30".
        #[arg(required_unless_present = "undo")]
        to: Option<String>,
        #[command(flatten)]
        which: Which,
        /// Back to its own date.
        #[arg(long, conflicts_with = "to")]
        undo: bool,
    },
    /// Let it rest for a while.
    Pause {
        /// The beginning of its id.
        id: String,
        /// The first day, YYYY-MM-DD; today by default.
        #[arg(long, value_name = "DATE")]
        from: Option<String>,
        /// The last day, YYYY-MM-DD; without one, until you take it up again.
        #[arg(long, value_name = "DATE")]
        until: Option<String>,
    },
    /// Take it up again.
    Resume {
        /// The beginning of its id.
        id: String,
    },
    /// Take turns in leading it: whose turn is next follows from what you both marked.
    #[command(
        after_help = "Examples:\n  betwixt ritual turns k3j4 me         you lead the next one, then it alternates\n  betwixt ritual turns k3j4 partner\n  betwixt ritual turns k3j4 nobody     no turns"
    )]
    Turns {
        /// The beginning of its id.
        id: String,
        /// Who leads first: me, partner or nobody.
        #[arg(value_parser = ["me", "partner", "nobody"])]
        first: String,
        /// From which day on, YYYY-MM-DD; today by default.
        #[arg(long, value_name = "DATE")]
        from: Option<String>,
    },
}

/// When a ritual is.
#[derive(Debug, Default, Args)]
pub(crate) struct When {
    /// How often: day, week, month or year, or "2 weeks".
    #[arg(long, value_name = "HOW OFTEN", conflicts_with = "rule")]
    pub(crate) every: Option<String>,
    /// On which days: sunday, or "tuesday, friday"; of a month "1 friday" or "last sunday".
    #[arg(long, value_name = "DAYS", requires = "every")]
    pub(crate) on: Option<String>,
    /// Anything else, as an RFC 5545 rule.
    #[arg(long, value_name = "RULE")]
    pub(crate) rule: Option<String>,
    /// From when on: 2027-01-03 or "2027-01-03 19:00"; today by default.
    #[arg(long, value_name = "WHEN")]
    pub(crate) start: Option<String>,
    /// In which time zone, such as Europe/Berlin; this device's by default.
    #[arg(long)]
    pub(crate) zone: Option<String>,
    /// How long it takes, in minutes.
    #[arg(long)]
    pub(crate) minutes: Option<u64>,
}

/// Which occurrence.
#[derive(Debug, Default, Args)]
pub(crate) struct Which {
    /// Its date as it was planned, YYYY-MM-DD. Without one: the last, or the next that is open.
    #[arg(long, value_name = "DATE")]
    pub(crate) date: Option<String>,
}
