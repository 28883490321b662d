//! Writes the homes of two people who have used Betwixt for years, to try things on: `alex` and `kim` in a directory.
//!
//! `cargo run --release -p betwixt-bench --bin betwixt-bench-homes -- --years 30 --into DIR`. Both open with the passphrase
//! `correct horse battery`.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "its output is what it is for")]

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::anyhow;
use betwixt_model::document::Scope;
use betwixt_store::keys::{Cost, Secret};
use betwixt_store::{Home, StoreOptions};
use betwixt_testkit::lifetime::{Lifetime, Plan};
use clap::Parser;
use comfy_table::Table;

/// What opens the homes.
const PASSPHRASE: &str = "correct horse battery";

/// Writes the homes of two people who have used Betwixt for years.
#[derive(Parser)]
#[command(name = "betwixt-bench-homes")]
struct Arguments {
    /// How many years.
    #[arg(long, default_value_t = 30)]
    years: usize,
    /// How many facts both say in a year.
    #[arg(long, default_value_t = 6_000)]
    facts_a_year: usize,
    /// The year in which they begin.
    #[arg(long, default_value_t = 1997)]
    begin: i16,
    /// Tells of homes that are there, and writes none.
    #[arg(long)]
    tell: bool,
    /// The directory, which must not have homes yet.
    #[arg(long)]
    into: PathBuf,
}

/// What a home's database is made of, and of that the index of what is shared.
fn sizes(path: &Path) -> anyhow::Result<String> {
    let home = Home::open(path)?;
    let keys = home.unlock(&Secret::Passphrase(PASSPHRASE, Cost::FLOOR), true)?;
    let (store, _) = home.open_store(&keys, StoreOptions::default())?;
    let mut table = Table::new();
    table.set_header(["table", "rows", "stored", "tree", "unused"]);
    for size in store.sizes()?.into_iter().filter(|size| size.rows > 0) {
        let numbers = [size.rows, size.stored, size.tree, size.unused].map(|number| number.to_string());
        table.add_row([size.table.to_owned()].into_iter().chain(numbers));
    }
    let mut index = Table::new();
    index.set_header(["of the index", "rows", "held", "stored"]);
    for size in store.index_sizes(Scope::Ours)? {
        let numbers = [size.rows, size.held, size.stored].map(|number| number.to_string());
        index.add_row([format!("{:?}", size.table)].into_iter().chain(numbers));
    }
    let file = std::fs::metadata(path.join("betwixt.redb"))?.len();
    Ok(format!("{table}\n{index}\nthe file is {file} bytes long"))
}

fn main() -> anyhow::Result<()> {
    let Arguments { years, facts_a_year, begin, tell, into } = Arguments::parse();
    if tell {
        println!("{}", sizes(&into.join("alex"))?);
        return Ok(());
    }
    let started = Instant::now();
    let life = Lifetime::of(&Plan { years, facts_a_year, begin, ..Plan::default() });
    println!("lived {years} years, {} facts, in {:?}", life.facts.len(), started.elapsed());
    for (who, name) in ["alex", "kim"].into_iter().enumerate() {
        let started = Instant::now();
        life.write_home(who, &into.join(name), PASSPHRASE).map_err(|error| anyhow!(error))?;
        println!("{name} written in {:?}", started.elapsed());
        println!("{}", sizes(&into.join(name))?);
    }
    Ok(())
}
