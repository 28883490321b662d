//! Syncthing over Markdown files: a file an entry, in a directory a year.
//!
//! A file a month would be fewer files, but whoever writes on both sides of an absence would find every month twice, as
//! "sync-conflict" copies to be merged by hand. With a file an entry only what both changed comes twice.
//!
//! It is told through its API that a file changed, as fast as can be: by itself it looks ten seconds after.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::handshake;
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

/// The key of its API, which listens on loopback while this measures.
const KEY: &str = "bench";

/// The file that is edited.
const EDITED: &str = "edited.title.md";

/// One of the two; its process ends with this value.
#[derive(Debug)]
pub(super) struct Syncthing {
    child: Child,
    home: PathBuf,
    ports: Ports,
}

/// Where it listens, and who the other is; kept beside its own files.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
struct Ports {
    api: u16,
    sync: u16,
    other: String,
}

/// Makes the two: each knows the other's name, and neither where it is.
pub(super) async fn prepare(homes: [&Path; 2]) -> anyhow::Result<()> {
    let mut names = Vec::new();
    for home in homes {
        std::fs::create_dir_all(home.join("files/.stfolder"))?;
        let settings = home.join("settings");
        let at = format!("--home={}", settings.display());
        let made = Command::new("syncthing").args(["generate", "--no-default-folder", &at]).output().await?;
        ensure!(made.status.success(), "syncthing makes no keys: {}", String::from_utf8_lossy(&made.stderr));
        let asked = Command::new("syncthing").args([at.as_str(), "--device-id"]).output().await?;
        names.push(String::from_utf8(asked.stdout)?.trim().to_owned());
    }
    for (own, home) in homes.into_iter().enumerate() {
        let (api, sync) = (free_port()?, free_port()?);
        let devices: String = names
            .iter()
            .map(|name| format!("<device id=\"{name}\"><address>tcp://127.0.0.1:1</address></device>"))
            .collect();
        let shared: String = names.iter().map(|name| format!("<device id=\"{name}\"></device>")).collect();
        let files = home.join("files");
        let settings = format!(
            "<configuration version=\"35\"><folder id=\"life\" path=\"{}\" type=\"sendreceive\" rescanIntervalS=\"0\" \
             fsWatcherEnabled=\"false\">{shared}</folder>{devices}<gui enabled=\"true\" tls=\"false\">\
             <address>127.0.0.1:{api}</address><apikey>{KEY}</apikey></gui><options>\
             <listenAddress>tcp://127.0.0.1:{sync}</listenAddress><globalAnnounceEnabled>false</globalAnnounceEnabled>\
             <localAnnounceEnabled>false</localAnnounceEnabled><relaysEnabled>false</relaysEnabled>\
             <natEnabled>false</natEnabled><crashReportingEnabled>false</crashReportingEnabled>\
             <autoUpgradeIntervalH>0</autoUpgradeIntervalH><urAccepted>-1</urAccepted>\
             <startBrowser>false</startBrowser><reconnectionIntervalS>1</reconnectionIntervalS></options>\
             </configuration>",
            files.display(),
        );
        std::fs::write(home.join("settings/config.xml"), settings)?;
        let ports = Ports { api, sync, other: names[1 - own].clone() };
        std::fs::write(home.join("ports.json"), serde_json::to_vec(&ports)?)?;
    }
    Ok(())
}

/// A port that nothing listens on now.
fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

impl Syncthing {
    /// Starts the one that was prepared here, and waits until its API answers.
    pub(super) async fn start(home: &Path) -> anyhow::Result<Self> {
        let ports: Ports = serde_json::from_slice(&std::fs::read(home.join("ports.json"))?)?;
        let log = std::fs::File::options().create(true).append(true).open(home.join("log.txt"))?;
        let child = Command::new("syncthing")
            .args(["serve", "--no-browser", "--no-restart", &format!("--home={}", home.join("settings").display())])
            // One process instead of one that watches another.
            .env("STMONITORED", "yes")
            .env("STNOUPGRADE", "1")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .context("syncthing does not start")?;
        let syncthing = Self { child, home: home.to_owned(), ports };
        let begun = Instant::now();
        while syncthing.call(Method::GET, "/rest/system/ping", None).await.is_err() {
            ensure!(begun.elapsed() < Duration::from_secs(60), "syncthing's API does not answer");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(syncthing)
    }

    pub(super) fn process(&self) -> anyhow::Result<u32> {
        self.child.id().context("syncthing has ended")
    }

    /// What the other peers are asked, answered for Syncthing.
    pub(super) async fn ask(&mut self, asked: &str, given: &Value, patience: Duration) -> anyhow::Result<Value> {
        let answering = async {
            match asked {
                "load" => self.load(Path::new(given["file"].as_str().context("a path is text")?)).await?,
                "listen" => return Ok(json!({ "port": self.ports.sync })),
                "state" => {}
                "connect" => self.connect(&given["port"]).await?,
                "disconnect" => self.pause(true).await?,
                "wait" => self.wait(&given["entries"]).await?,
                "edit" => {
                    std::fs::write(self.files().join(EDITED), given["text"].as_str().unwrap_or_default())?;
                    self.scan(&format!("&sub={EDITED}")).await?;
                }
                "read" => self.settled().await?,
                "search" => return self.search(given["word"].as_str().unwrap_or_default()),
                other => bail!("it does not know how to {other}"),
            }
            Ok(json!({}))
        };
        let minutes = patience.as_secs_f64() / 60.0;
        tokio::time::timeout(patience, answering)
            .await
            .with_context(|| format!("`{asked}` took more than {minutes:.0} min"))?
    }

    /// Waits until the edited file says this here. It has synced the file to the disk before it has its name.
    pub(super) async fn told(&self, text: &str, patience: Duration) -> anyhow::Result<()> {
        let begun = Instant::now();
        while std::fs::read_to_string(self.files().join(EDITED)).ok().as_deref() != Some(text) {
            ensure!(begun.elapsed() < patience, "what was edited does not come");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Ok(())
    }

    pub(super) async fn stop(mut self) -> anyhow::Result<()> {
        self.call(Method::POST, "/rest/system/shutdown", None).await?;
        tokio::time::timeout(Duration::from_secs(60), self.child.wait()).await.context("syncthing does not end")??;
        Ok(())
    }

    fn files(&self) -> PathBuf {
        self.home.join("files")
    }

    async fn load(&self, file: &Path) -> anyhow::Result<()> {
        let lines = std::fs::read_to_string(file)?;
        for line in lines.lines() {
            let line: BTreeMap<String, Value> = serde_json::from_str(line)?;
            let text = |name: &str| line.get(name).and_then(Value::as_str).unwrap_or_default();
            let directory = self.files().join(text("day").get(..4).unwrap_or_default());
            std::fs::create_dir_all(&directory)?;
            std::fs::write(directory.join(format!("{}.md", text("key").replace('/', "."))), text("text"))?;
        }
        self.scan("").await
    }

    async fn scan(&self, of: &str) -> anyhow::Result<()> {
        self.call(Method::POST, &format!("/rest/db/scan?folder=life{of}"), None).await.map(drop)
    }

    /// Waits until it has looked through its files since it started.
    async fn settled(&self) -> anyhow::Result<()> {
        loop {
            let status = self.call(Method::GET, "/rest/db/status?folder=life", None).await;
            if status.is_ok_and(|status| status["state"] == json!("idle")) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn connect(&self, port: &Value) -> anyhow::Result<()> {
        let change = json!({ "addresses": [format!("tcp://127.0.0.1:{port}")] });
        self.call(Method::PATCH, &format!("/rest/config/devices/{}", self.ports.other), Some(change)).await?;
        self.pause(false).await
    }

    async fn pause(&self, paused: bool) -> anyhow::Result<()> {
        let what = if paused { "pause" } else { "resume" };
        self.call(Method::POST, &format!("/rest/system/{what}?device={}", self.ports.other), None).await.map(drop)
    }

    async fn wait(&self, entries: &Value) -> anyhow::Result<()> {
        for (year, wanted) in entries.as_object().context("entries by year")?.iter().rev() {
            let wanted = wanted.as_u64().unwrap_or_default() as usize;
            let directory = self.files().join(year);
            // Where both changed a file apart, one of the two comes under another name.
            let whole = |entry: &std::fs::DirEntry| {
                let name = entry.file_name().to_string_lossy().into_owned();
                name.ends_with(".md") && !name.contains(".sync-conflict-")
            };
            let count = || std::fs::read_dir(&directory).map_or(0, |all| all.flatten().filter(whole).count());
            while count() < wanted {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        Ok(())
    }

    /// It has no search of its own: this reads every file, as `grep` does.
    fn search(&self, word: &str) -> anyhow::Result<Value> {
        let mut found = 0;
        for year in std::fs::read_dir(self.files())?.flatten().filter(|entry| entry.path().is_dir()) {
            for file in std::fs::read_dir(year.path())?.flatten().filter(|entry| entry.path().is_file()) {
                found += usize::from(std::fs::read_to_string(file.path()).is_ok_and(|text| text.contains(word)));
            }
        }
        Ok(json!({ "found": found }))
    }

    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> anyhow::Result<Value> {
        let stream = TcpStream::connect(("127.0.0.1", self.ports.api)).await?;
        let (mut sender, connection) = handshake(TokioIo::new(stream)).await?;
        let connection = tokio::spawn(connection);
        let body = body.map_or_else(Bytes::new, |body| body.to_string().into());
        let request = Request::builder().method(method).uri(path).header("host", "localhost").header("x-api-key", KEY);
        let request = request.header("content-type", "application/json").body(Full::new(body))?;
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        connection.abort();
        ensure!(status.is_success(), "{path}: {status} {}", String::from_utf8_lossy(&body));
        Ok(serde_json::from_slice(&body).unwrap_or(Value::Null))
    }
}
