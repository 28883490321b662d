//! samod with its storage in memory, within one process.

use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use automerge::transaction::Transactable;
use automerge::{Automerge, AutomergeError, ROOT, ReadDoc};
use futures_util::StreamExt;
use samod::transport::channel::ChannelDialer;
use samod::{BackoffConfig, Repo};

use crate::samples::Samples;

/// From a change here to its being read there, over a channel for a network.
pub(super) async fn measure(edits: usize) -> anyhow::Result<Samples> {
    let (here, there) = (Repo::build_tokio().load().await, Repo::build_tokio().load().await);
    let acceptor = there.make_acceptor(url::Url::parse("channel://bench")?)?;
    let dialer = here.dial(BackoffConfig::default(), Arc::new(ChannelDialer::new(acceptor)))?;
    dialer.established().await.map_err(|error| anyhow::anyhow!("samod does not connect: {error}"))?;
    let written = here.create(Automerge::new()).await?;
    let found = there.find(written.document_id().clone()).await?;
    let read = found.context("samod does not find the document")?;
    let mut changes = read.changes();
    let mut taken = Samples::default();
    for number in 0..edits {
        let value = format!("Title {number}");
        let begun = Instant::now();
        written.with_document(|document| {
            let outcome = document.transact::<_, _, AutomergeError>(|change| change.put(ROOT, "title", value.as_str()));
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
    Ok(taken)
}
