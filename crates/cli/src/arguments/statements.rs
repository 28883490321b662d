//! The vision, values, agreements and goals.

use clap::{Args, Subcommand};

use super::Text;

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
