//! Sealed answers on the command line.

use clap::Subcommand;

use super::Text;

#[derive(Debug, Subcommand)]
pub(crate) enum Seal {
    /// Ask a question that you both answer before either reads the other's answer.
    #[command(after_help = "Example:\n  betwixt seal ask \"What do you wish for in the coming year?\"")]
    Ask {
        /// The question.
        question: String,
    },
    /// Answer a question. Your answer stays on your own devices until your partner has answered, too.
    ///
    /// Until then you may answer anew. When you have both answered, the answers open by themselves, at the latest when you
    /// next meet; what was sealed cannot be changed any more.
    #[command(
        after_help = "Examples:\n  betwixt seal answer k3j4                 write in your editor\n  betwixt seal answer k3j4 \"A summer at the sea\""
    )]
    Answer {
        /// The beginning of the question's id.
        id: String,
        #[command(flatten)]
        text: Text,
    },
    /// Show a question, and the answers once they are open.
    Show {
        /// The beginning of its id.
        id: String,
    },
    /// List the questions, and what waits for an answer.
    List,
}
