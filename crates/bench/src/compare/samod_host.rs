//! samod with its file storage and TCP, as a process of its own that is asked like the others: a document a year, an entry a
//! change. What it is asked stands in `peers/compare/host.mjs`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use automerge::transaction::Transactable;
use automerge::{Automerge, AutomergeError, ObjId, ROOT, ReadDoc};
use futures_util::StreamExt;
use samod::storage::TokioFilesystemStorage;
use samod::tokio_io::TcpDialer;
use samod::{BackoffConfig, DialerHandle, DocHandle, DocumentId, Repo, Transport};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

const EDITED: &str = "edited/title";

type Dialled = DialerHandle<std::convert::Infallible>;

struct Peer {
    home: PathBuf,
    repo: Repo,
    documents: BTreeMap<String, String>,
    found: BTreeMap<String, DocHandle>,
    dialled: Option<Dialled>,
    told: tokio::sync::mpsc::UnboundedSender<Value>,
}

/// Answers on standard output what it is asked on standard input, until that ends.
///
/// # Errors
/// When either cannot be read or written, or what is asked is nonsense.
pub(super) async fn serve(home: &Path) -> anyhow::Result<()> {
    let (told, mut telling) = tokio::sync::mpsc::unbounded_channel::<Value>();
    let writing = tokio::spawn(async move {
        let mut output = tokio::io::stdout();
        while let Some(line) = telling.recv().await {
            output.write_all(format!("{line}\n").as_bytes()).await?;
            output.flush().await?;
        }
        anyhow::Ok(())
    });
    let repo = Repo::build_tokio().with_storage(TokioFilesystemStorage::new(home.join("storage"))).load().await;
    let documents = std::fs::read(home.join("documents.json")).ok();
    let documents = documents.map_or(Ok(BTreeMap::new()), |bytes| serde_json::from_slice(&bytes))?;
    let mut peer = Peer { home: home.to_owned(), repo, documents, found: BTreeMap::new(), dialled: None, told };
    peer.told.send(json!({ "ready": true }))?;
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        let line: Value = serde_json::from_str(&line)?;
        let asked = line["asked"].as_str().unwrap_or_default();
        let answer = match peer.answer(asked, &line).await {
            Ok(answer) => json!({ "number": line["number"], "answer": answer }),
            Err(error) => json!({ "number": line["number"], "error": format!("{error:#}") }),
        };
        peer.told.send(answer)?;
    }
    drop(peer);
    writing.abort();
    Ok(())
}

impl Peer {
    async fn answer(&mut self, asked: &str, given: &Value) -> anyhow::Result<Value> {
        match asked {
            "load" => self.load(given).await?,
            "listen" => return self.listen().await,
            "state" => return Ok(serde_json::to_value(&self.documents)?),
            "connect" => self.connect(given).await?,
            "disconnect" => {
                if let Some(dialled) = self.dialled.take() {
                    dialled.close();
                }
            }
            "wait" => self.wait(&given["entries"]).await?,
            "edit" => self.edit(given["text"].as_str().unwrap_or_default()).await?,
            "read" => return self.read().await,
            "search" => return self.search(given["word"].as_str().unwrap_or_default()).await,
            "stop" => self.repo.stop().await,
            other => bail!("it does not know how to {other}"),
        }
        Ok(json!({}))
    }

    fn remember(&self) -> anyhow::Result<()> {
        Ok(std::fs::write(self.home.join("documents.json"), serde_json::to_vec(&self.documents)?)?)
    }

    async fn load(&mut self, given: &Value) -> anyhow::Result<()> {
        if let Some(documents) = given["documents"].as_object() {
            for (year, path) in documents {
                let bytes = std::fs::read(path.as_str().context("a path is text")?)?;
                let handle = self.repo.create(Automerge::load(&bytes)?).await?;
                self.documents.insert(year.clone(), handle.document_id().to_string());
                self.watch(&handle)?;
                self.found.insert(year.clone(), handle);
            }
            return self.remember();
        }
        let lines = std::fs::read_to_string(given["file"].as_str().context("a path is text")?)?;
        for line in lines.lines() {
            let line: Value = serde_json::from_str(line)?;
            let text = |name: &str| line[name].as_str().unwrap_or_default();
            let year = text("day").get(..4).unwrap_or_default().to_owned();
            put(&self.find(&year).await?, text("key"), text("text"))?;
        }
        Ok(())
    }

    async fn listen(&mut self) -> anyhow::Result<Value> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let acceptor = self.repo.make_acceptor(url::Url::parse(&format!("tcp://127.0.0.1:{port}"))?)?;
        tokio::spawn(async move {
            while let Ok((io, _)) = listener.accept().await {
                let _ = io.set_nodelay(true);
                if acceptor.accept(Transport::from_tokio_io(io)).is_err() {
                    break;
                }
            }
        });
        Ok(json!({ "port": port }))
    }

    async fn connect(&mut self, given: &Value) -> anyhow::Result<()> {
        self.documents = serde_json::from_value(given["state"].clone())?;
        self.remember()?;
        let url = url::Url::parse(&format!("tcp://127.0.0.1:{}", given["port"]))?;
        let dialer = TcpDialer::new(url).map_err(|error| anyhow::anyhow!("{error}"))?;
        let dialled = self.repo.dial(BackoffConfig::default(), Arc::new(dialer))?;
        dialled.established().await.map_err(|error| anyhow::anyhow!("samod does not connect: {error}"))?;
        self.dialled = Some(dialled);
        Ok(())
    }

    async fn find(&mut self, year: &str) -> anyhow::Result<DocHandle> {
        if let Some(handle) = self.found.get(year) {
            return Ok(handle.clone());
        }
        let id = self.documents.get(year).with_context(|| format!("there is no {year}"))?;
        let id: DocumentId = id.parse().map_err(|_| anyhow::anyhow!("{id} is no document's id"))?;
        let handle = self.repo.find(id).await?.with_context(|| format!("{year} is not found"))?;
        self.watch(&handle)?;
        self.found.insert(year.to_owned(), handle.clone());
        Ok(handle)
    }

    /// Tells when the edited text has come. That something is on disk samod does not tell.
    fn watch(&self, handle: &DocHandle) -> anyhow::Result<()> {
        let (handle, told) = (handle.clone(), self.told.clone());
        let mut before = text_of(&handle, EDITED)?;
        tokio::spawn(async move {
            let mut changes = Box::pin(handle.changes());
            while changes.next().await.is_some() {
                let Ok(now) = text_of(&handle, EDITED) else { break };
                if now != before {
                    let _ = told.send(json!({ "seen": now }));
                    before = now;
                }
            }
        });
        Ok(())
    }

    async fn wait(&mut self, wanted: &Value) -> anyhow::Result<()> {
        // The present first.
        for (year, wanted) in wanted.as_object().context("entries by year")?.iter().rev() {
            let wanted = wanted.as_u64().unwrap_or_default();
            let handle = self.find(year).await?;
            while count(&handle)? < wanted {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        }
        Ok(())
    }

    async fn last(&mut self) -> anyhow::Result<DocHandle> {
        let year = self.documents.keys().next_back().context("nothing is here")?.clone();
        self.find(&year).await
    }

    async fn edit(&mut self, text: &str) -> anyhow::Result<()> {
        put(&self.last().await?, EDITED, text)
    }

    async fn read(&mut self) -> anyhow::Result<Value> {
        let handle = self.last().await?;
        let text = handle.with_document(|document| {
            let entries = entries(document)?;
            let last = document.keys(&entries).last().context("the year has entries")?;
            anyhow::Ok(document.get(&entries, last)?.and_then(|(value, _)| value.into_string().ok()))
        })?;
        Ok(json!({ "text": text }))
    }

    async fn search(&mut self, word: &str) -> anyhow::Result<Value> {
        let mut found = 0;
        for year in self.documents.keys().cloned().collect::<Vec<_>>() {
            let handle = self.find(&year).await?;
            found += handle.with_document(|document| {
                let entries = entries(document)?;
                let range = document.map_range(&entries, ..);
                let texts = range.filter_map(|item| item.value.into_value().into_string().ok());
                anyhow::Ok(texts.filter(|text| text.contains(word)).count())
            })?;
        }
        Ok(json!({ "found": found }))
    }
}

fn entries(document: &Automerge) -> anyhow::Result<ObjId> {
    Ok(document.get(ROOT, "entries")?.context("the document has entries")?.1)
}

fn text_of(handle: &DocHandle, key: &str) -> anyhow::Result<Option<String>> {
    handle.with_document(|document| {
        let found = document.get(entries(document)?, key)?;
        Ok(found.and_then(|(value, _)| value.into_string().ok()))
    })
}

fn count(handle: &DocHandle) -> anyhow::Result<u64> {
    handle.with_document(|document| {
        let entries = entries(document)?;
        let edited = document.get(&entries, EDITED)?.is_some();
        Ok(document.length(&entries) as u64 - u64::from(edited))
    })
}

fn put(handle: &DocHandle, key: &str, text: &str) -> anyhow::Result<()> {
    handle.with_document(|document| {
        let entries = entries(document)?;
        let done = document.transact::<_, _, AutomergeError>(|change| change.put(&entries, key, text));
        Ok(done.map(|_| ()).map_err(|failure| failure.error)?)
    })
}
