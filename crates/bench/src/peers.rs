//! Another engine over Automerge, measured in the same run.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use automerge::transaction::Transactable;
use automerge::{Automerge, AutomergeError, ROOT, ReadDoc};
use futures_util::StreamExt;
use samod::transport::channel::ChannelDialer;
use samod::{BackoffConfig, Repo};

use crate::median;

/// samod with its storage in memory and a channel for a network: from a change here to its being read there.
pub(crate) async fn samod(edits: usize, runs: usize) -> anyhow::Result<Duration> {
    let (here, there) = (Repo::build_tokio().load().await, Repo::build_tokio().load().await);
    let acceptor = there.make_acceptor(url::Url::parse("channel://bench")?)?;
    let dialer = here.dial(BackoffConfig::default(), Arc::new(ChannelDialer::new(acceptor)))?;
    dialer.established().await.map_err(|error| anyhow::anyhow!("samod does not connect: {error}"))?;
    let written = here.create(Automerge::new()).await?;
    let found = there.find(written.document_id().clone()).await?;
    let read = found.context("samod does not find the document")?;
    let mut changes = read.changes();
    let mut medians = Vec::with_capacity(runs);
    for run in 0..runs {
        let mut taken = Vec::with_capacity(edits);
        for number in 0..edits {
            let value = format!("Title {run} {number}");
            let begun = Instant::now();
            written.with_document(|document| {
                let outcome =
                    document.transact::<_, _, AutomergeError>(|change| change.put(ROOT, "title", value.as_str()));
                outcome.map(|_| ()).map_err(|failure| failure.error)
            })?;
            loop {
                let arrived = read.with_document(|document| {
                    let title = document.get(ROOT, "title")?;
                    Ok::<_, AutomergeError>(title.is_some_and(|(title, _)| title.as_str() == Some(value.as_str())))
                })?;
                if arrived {
                    break;
                }
                changes.next().await.context("samod's stream of changes ended")?;
            }
            taken.push(begun.elapsed());
        }
        medians.push(median(taken)?);
    }
    median(medians)
}
