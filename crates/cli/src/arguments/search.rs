//! Searching.

use betwixt_api::Collection;
use clap::builder::PossibleValuesParser;
use clap::builder::TypedValueParser;
use clap::{Args, ValueEnum};

/// What is looked for, and where.
#[derive(Debug, Args)]
pub(crate) struct Search {
    /// The words. All must occur, and the last may be the beginning of one; several in quotes must stand so.
    #[arg(required = true, value_name = "WORDS")]
    pub(crate) words: Vec<String>,
    /// Only in these: goals, journal, ...
    #[arg(long, value_parser = collections(), hide_possible_values = true)]
    pub(crate) kind: Option<Collection>,
    /// Only in fields of this name: title, why, wording, ...
    #[arg(long, value_name = "NAME")]
    pub(crate) field: Option<String>,
    /// Only what one of you said.
    #[arg(long, value_enum)]
    pub(crate) by: Option<By>,
    /// Only what was said in this year.
    #[arg(long, value_name = "YEAR", value_parser = clap::value_parser!(i16).range(1..=9999))]
    pub(crate) year: Option<i16>,
    /// Look also in what was said earlier and is replaced by now.
    #[arg(long)]
    pub(crate) earlier: bool,
    /// What was said last comes first, instead of what fits best.
    #[arg(long)]
    pub(crate) latest: bool,
    /// How many items to show.
    #[arg(long, value_name = "NUMBER", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=200))]
    pub(crate) limit: u32,
    /// Go on where the last page ended: what `next` says there, with the same words.
    #[arg(long, value_name = "NEXT")]
    pub(crate) after: Option<String>,
}

/// Who said it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum By {
    /// You.
    Me,
    /// Your partner.
    Partner,
}

fn collections() -> impl TypedValueParser<Value = Collection> {
    let names = PossibleValuesParser::new(Collection::ALL.map(Collection::name));
    names.map(|name| Collection::from_name(&name).expect("the parser takes names of collections alone"))
}
