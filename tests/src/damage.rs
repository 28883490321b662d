//! What a disk does to a home while no daemon runs.

use anyhow::Context as _;
use betwixt_model::document::{DocumentId, Scope};
use betwixt_store::keys::{Cost, Secret};
use betwixt_store::{Home as StoredHome, StoreOptions};

use crate::home::{Home, PASSPHRASE};

/// Ruins the newest shared document of a year in a home whose daemon is down: it does not load any more. What is known of it (its
/// heads, the index of its facts) stays as it was.
///
/// # Errors
/// When the home does not open, or has no such document.
pub fn ruin_year(home: &Home, year: i16) -> anyhow::Result<DocumentId> {
    let stored = StoredHome::open(home.path())?;
    let keys = stored.unlock(&Secret::Passphrase(PASSPHRASE, Cost::default()), true)?;
    let (store, _) = stored.open_store(&keys, StoreOptions::default())?;
    let view = store.read()?;
    let of_the_year = view.reader().documents(Scope::Ours)?.into_keys().filter(|id| id.year == year);
    let newest = of_the_year.max().context("nothing was shared in that year")?;
    drop(view);
    let mut batch = store.begin()?;
    batch.append_change(newest, b"what a disk leaves")?;
    batch.commit()?;
    Ok(newest)
}

/// The years in which a home whose daemon is down has shared documents.
///
/// # Errors
/// When the home does not open.
pub fn years(home: &Home) -> anyhow::Result<Vec<i16>> {
    let stored = StoredHome::open(home.path())?;
    let keys = stored.unlock(&Secret::Passphrase(PASSPHRASE, Cost::default()), true)?;
    let (store, _) = stored.open_store(&keys, StoreOptions::default())?;
    let view = store.read()?;
    let mut years: Vec<i16> = view.reader().documents(Scope::Ours)?.into_keys().map(|id| id.year).collect();
    years.dedup();
    Ok(years)
}
