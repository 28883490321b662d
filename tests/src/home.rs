//! A home with a real daemon: a process of `betwixt` of its own, spoken to through its socket.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use betwixt_api::{
    AddressRequest, Client, Collection, ConfirmPairing, EnterCode, InitRequest, Item, NewItem, Pairing, Phase, Purpose,
    SOCKET_NAME, Say, Saying, Scope, Secret, StartPairing, Status, UnlockRequest,
};
use serde_json::Value;
use tempfile::TempDir;

use crate::binary::betwixt;
use crate::namespaces::{Cable, Lan, Side};
use crate::ports::ReservedPort;

/// The passphrase of every home here.
pub const PASSPHRASE: &str = "a lantern in the window";

/// How long a daemon may take until its socket answers.
const START: Duration = Duration::from_secs(30);

/// Where a daemon runs.
#[derive(Debug, Clone)]
enum Place {
    /// This machine; reached at 127.0.0.1 and this port only, and not discovered.
    Loopback(u16),
    /// A network namespace.
    Namespace(String),
}

/// A home directory and, while it runs, its daemon.
#[derive(Debug)]
pub struct Home {
    directory: PathBuf,
    place: Place,
    environment: Vec<(String, String)>,
    /// The most bytes of data that its processes may have.
    memory: Option<u64>,
    client: Client,
    daemon: Option<Child>,
    /// Everything that the daemon prints goes into a file in here.
    outside: TempDir,
    /// Its port on loopback is its own for as long as it lives.
    reserved: Option<ReservedPort>,
}

impl Home {
    /// A home that is not there yet, whose daemon will listen on loopback.
    ///
    /// # Errors
    /// When directories cannot be made.
    pub fn on_loopback() -> anyhow::Result<Self> {
        let port = ReservedPort::reserve()?;
        let mut home = Self::in_place(Place::Loopback(port.number()))?;
        home.reserved = Some(port);
        Ok(home)
    }

    /// A home that is not there yet, whose daemon will run on one of the two machines.
    ///
    /// # Errors
    /// When directories cannot be made.
    pub fn on_machine(cable: &Cable, side: Side) -> anyhow::Result<Self> {
        Self::in_place(Place::Namespace(cable.name(side).to_owned()))
    }

    /// A home that is not there yet, whose daemon will run on a machine of a network.
    ///
    /// # Errors
    /// When directories cannot be made.
    pub fn on_lan(lan: &Lan, machine: usize) -> anyhow::Result<Self> {
        Self::in_place(Place::Namespace(lan.name(machine).to_owned()))
    }

    fn in_place(place: Place) -> anyhow::Result<Self> {
        let outside = TempDir::with_prefix("betwixt-test-")?;
        let directory = outside.path().join("home");
        let client = Client::new(directory.join(SOCKET_NAME));
        Ok(Self {
            directory,
            place,
            environment: Vec::new(),
            memory: None,
            client,
            daemon: None,
            outside,
            reserved: None,
        })
    }

    /// Moves the home that is not there yet to another directory, such as one on a file system of its own.
    pub fn move_to(&mut self, directory: PathBuf) {
        self.client = Client::new(directory.join(SOCKET_NAME));
        self.directory = directory;
    }

    /// Takes the device to another network: from now on its daemon runs there.
    pub fn carry_to(&mut self, cable: &Cable, side: Side) {
        self.place = Place::Namespace(cable.name(side).to_owned());
    }

    /// Sets a variable for every process that is started from now on.
    pub fn set_environment(&mut self, name: &str, value: &str) {
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// Limits what every process that is started from now on may have of data (`RLIMIT_DATA`: its heap and other private
    /// memory that it may write to; not the address space that an allocator merely reserves).
    pub fn limit_memory(&mut self, bytes: u64) {
        self.memory = Some(bytes);
    }

    /// The port at which it is reached on loopback.
    pub fn port(&self) -> Option<u16> {
        match self.place {
            Place::Loopback(port) => Some(port),
            Place::Namespace(_) => None,
        }
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.directory
    }

    /// The client of its daemon.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The daemon's process, while it runs.
    pub fn process(&self) -> Option<u32> {
        self.daemon.as_ref().map(Child::id)
    }

    /// What the daemon has printed, in all its lives.
    pub fn printed(&self) -> String {
        std::fs::read_to_string(self.outside.path().join("printed")).unwrap_or_default()
    }

    /// `betwixt` with arguments, where this home is, not started yet.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = match &self.place {
            Place::Loopback(_) => match self.memory {
                Some(bytes) => {
                    let mut command = Command::new("prlimit");
                    command.arg(format!("--data={bytes}")).arg(betwixt());
                    command
                }
                None => Command::new(betwixt()),
            },
            Place::Namespace(name) => {
                let mut command = Command::new("ip");
                command.args(["netns", "exec", name]).arg(betwixt());
                command
            }
        };
        command.args(arguments).env("BETWIXT_HOME", &self.directory).env_remove("RUST_LOG").stdin(Stdio::null());
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs `betwixt` to its end.
    ///
    /// # Errors
    /// When it does not start.
    pub fn run(&self, arguments: &[&str]) -> anyhow::Result<Output> {
        self.command(arguments).output().context("`betwixt` does not start")
    }

    /// Runs a command with `--json` to its end, and answers what it printed.
    ///
    /// # Errors
    /// When it does not start, does not succeed, or prints no JSON.
    pub fn json(&self, arguments: &[&str]) -> anyhow::Result<Value> {
        let with_json: Vec<&str> = arguments.iter().chain(&["--json"]).copied().collect();
        let output = self.run(&with_json)?;
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{arguments:?}: {errors}");
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    fn up_arguments(&self) -> Vec<String> {
        let mut arguments = vec!["up".to_owned()];
        if let Place::Loopback(port) = self.place {
            arguments.extend(["--listen".to_owned(), format!("127.0.0.1:{port}"), "--no-discovery".to_owned()]);
        }
        arguments
    }

    /// Starts the daemon without waiting for it.
    ///
    /// # Errors
    /// When it runs already or does not start.
    pub fn spawn(&mut self) -> anyhow::Result<()> {
        ensure!(self.daemon.is_none(), "the daemon of {} runs already", self.directory.display());
        let printed = File::options().create(true).append(true).open(self.outside.path().join("printed"))?;
        let arguments = self.up_arguments();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let mut command = self.command(&arguments);
        command.stdout(printed.try_clone()?).stderr(printed);
        self.daemon = Some(command.spawn().context("`betwixt up` does not start")?);
        Ok(())
    }

    /// Starts the daemon and waits until its socket answers.
    ///
    /// # Errors
    /// When it ends before, or takes too long; with what it printed.
    pub async fn up(&mut self) -> anyhow::Result<Status> {
        self.spawn()?;
        let begun = Instant::now();
        loop {
            if let Ok(status) = self.client.status().await {
                return Ok(status);
            }
            let ended = self.daemon.as_mut().map(Child::try_wait).transpose()?.flatten();
            if let Some(ended) = ended {
                self.daemon = None;
                bail!("the daemon ended ({ended}):\n{}", self.printed());
            }
            ensure!(begun.elapsed() < START, "the daemon does not answer:\n{}", self.printed());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Starts the daemon and founds the home.
    ///
    /// # Errors
    /// When either fails.
    pub async fn found(&mut self, name: &str) -> anyhow::Result<Status> {
        self.up().await?;
        let request = InitRequest {
            name: name.to_owned(),
            device: format!("{name}'s laptop"),
            passphrase: Secret::from(PASSPHRASE.to_owned()),
        };
        Ok(self.client.init(&request).await?.status)
    }

    /// Starts the daemon again and unlocks the home.
    ///
    /// # Errors
    /// When either fails.
    pub async fn up_and_unlock(&mut self) -> anyhow::Result<Status> {
        let status = self.up().await?;
        if status.phase == Phase::Open && !status.private_locked {
            return Ok(status);
        }
        let request = UnlockRequest { passphrase: Secret::from(PASSPHRASE.to_owned()) };
        Ok(self.client.unlock(&request).await?)
    }

    /// kill -9, and waits until the process is gone.
    ///
    /// # Errors
    /// When there is none.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        let mut daemon = self.daemon.take().context("no daemon runs")?;
        daemon.kill()?;
        daemon.wait()?;
        Ok(())
    }

    /// Asks the daemon to end, and waits until it has.
    ///
    /// # Errors
    /// When it does not within ten seconds.
    pub async fn down(&mut self) -> anyhow::Result<ExitStatus> {
        self.down_within(Duration::from_secs(10)).await
    }

    /// The same, for a daemon that has much to write down or a machine that is busy.
    ///
    /// # Errors
    /// When it does not end within `patience`; it is killed then.
    pub async fn down_within(&mut self, patience: Duration) -> anyhow::Result<ExitStatus> {
        self.client.down().await?;
        let mut daemon = self.daemon.take().context("no daemon runs")?;
        let begun = Instant::now();
        loop {
            if let Some(status) = daemon.try_wait()? {
                return Ok(status);
            }
            if begun.elapsed() > patience {
                daemon.kill()?;
                daemon.wait()?;
                bail!("the daemon did not end when asked to");
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Founds a shared (once paired) item with one field. The key makes it safe to repeat.
    ///
    /// # Errors
    /// As the client's.
    pub async fn create(&self, collection: Collection, key: &str, field: &str, value: Value) -> anyhow::Result<Item> {
        let item = NewItem { scope: None, fields: [(field.to_owned(), value)].into() };
        Ok(self.client.create(collection, key, &item).await?)
    }

    /// Says something about a field, having read it just before.
    ///
    /// # Errors
    /// As the client's.
    pub async fn say(&self, collection: Collection, id: &str, field: &str, value: Value) -> anyhow::Result<Saying> {
        let item = self.client.item(collection, id).await?;
        let seen = item.fields.get(field).map(|field| field.seen.clone());
        Ok(self.client.say(collection, id, field, &Say { value, seen }).await?)
    }

    /// Works on the shared vision's draft, having read it just before.
    ///
    /// # Errors
    /// As the client's.
    pub async fn draft_vision(&self, text: &str) -> anyhow::Result<Saying> {
        let vision = self.client.vision(Some(Scope::Ours)).await?;
        let seen = vision.fields.get("draft").map(|field| field.seen.clone());
        let say = Say { value: text.into(), seen };
        Ok(self.client.say_vision(Some(Scope::Ours), "draft", &say).await?)
    }

    /// Every file of the home in which these bytes stand, by a search of the bytes. A file that goes while it is looked for has none: what
    /// a search index no longer needs is removed at any time.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn files_with(&self, needle: &[u8]) -> anyhow::Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        let mut waiting = vec![self.directory.clone()];
        while let Some(directory) = waiting.pop() {
            for entry in std::fs::read_dir(&directory)? {
                let (path, kind) = entry.and_then(|entry| Ok((entry.path(), entry.file_type()?)))?;
                if kind.is_dir() {
                    waiting.push(path);
                } else if kind.is_file() {
                    match std::fs::read(&path) {
                        Ok(bytes) if contains(&bytes, needle) => found.push(path),
                        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
                        _ => {}
                    }
                }
            }
        }
        Ok(found)
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
        if std::thread::panicking() {
            // The test's own output is all that is left of a directory that goes with it.
            let printed = self.printed();
            let tail: Vec<&str> = printed.lines().rev().take(30).collect();
            #[allow(clippy::print_stderr)]
            for line in tail.into_iter().rev() {
                eprintln!("{}: {line}", self.directory.display());
            }
        }
    }
}

/// Whether bytes stand in others.
pub fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

/// Pairs two homes by code, both saying yes: `first` shows it, `second` enters it. With `addresses` the second is told
/// where the first is; without, it has to find it.
///
/// # Errors
/// When it does not come about within thirty seconds.
pub async fn pair(first: &Home, second: &Home, addresses: bool) -> anyhow::Result<()> {
    pair_for(Purpose::Partner, first, second, addresses, None).await
}

/// Makes `new`, in which nothing was said, another device of the person whose `old` is. As [`pair`].
///
/// # Errors
/// When it does not come about within thirty seconds.
pub async fn add_device(old: &Home, new: &Home) -> anyhow::Result<()> {
    pair_for(Purpose::OwnDevice, old, new, true, None).await
}

/// Makes `new`, in which nothing was said, a device of the partner of the person whose `stays` is: who has lost all of theirs and
/// has this recovery code. As [`pair`].
///
/// # Errors
/// When it does not come about within thirty seconds.
pub async fn give_back(stays: &Home, new: &Home, recovery_code: &Secret) -> anyhow::Result<()> {
    pair_for(Purpose::GiveBack, stays, new, true, Some(recovery_code.clone())).await
}

async fn pair_for(
    purpose: Purpose,
    first: &Home,
    second: &Home,
    addresses: bool,
    recovery_code: Option<Secret>,
) -> anyhow::Result<()> {
    let offer = first.client().pairing_start(&StartPairing { purpose }).await?;
    let Pairing::Offering { code, addresses: at, .. } = offer else { bail!("no code shows: {offer:?}") };
    let addresses = if addresses { at } else { Vec::new() };
    second.client().pairing_enter(&EnterCode { code, purpose, addresses, recovery_code }).await?;
    say_yes(first, second, purpose).await
}

/// Says yes on both sides of a pairing that goes on, and waits until it has come about.
///
/// # Errors
/// When it fails, or does not come about within thirty seconds.
pub async fn say_yes(first: &Home, second: &Home, purpose: Purpose) -> anyhow::Result<()> {
    let begun = Instant::now();
    let mut paired = [false, false];
    while paired != [true, true] {
        for (home, paired) in [first, second].into_iter().zip(&mut paired) {
            match home.client().pairing().await? {
                Pairing::Asking { .. } => {
                    let passphrase = (purpose == Purpose::OwnDevice).then(|| Secret::from(PASSPHRASE.to_owned()));
                    home.client().pairing_confirm(&ConfirmPairing { yes: true, passphrase }).await?;
                }
                Pairing::Paired { .. } => *paired = true,
                Pairing::Failed { reason } => bail!("pairing failed: {reason}"),
                Pairing::Idle if home.client().status().await?.paired => *paired = true,
                _ => {}
            }
        }
        ensure!(begun.elapsed() < Duration::from_secs(30), "pairing did not come about");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

/// Two founded homes on loopback, paired, each knowing the other's address by hand.
///
/// # Errors
/// When a step fails.
pub async fn couple_on_loopback() -> anyhow::Result<(Home, Home)> {
    let (mut first, mut second) = (Home::on_loopback()?, Home::on_loopback()?);
    first.found("Robin").await?;
    second.found("Kim").await?;
    pair(&first, &second, true).await?;
    introduce(&first, &second).await?;
    introduce(&second, &first).await?;
    Ok((first, second))
}

/// Sets the address of `other` by hand in `home`.
///
/// # Errors
/// When the home does not take it, or `other` listens nowhere.
pub async fn introduce(home: &Home, other: &Home) -> anyhow::Result<()> {
    let Place::Loopback(port) = other.place else { bail!("only homes on loopback have one address") };
    home.client().address_add(&AddressRequest { address: format!("127.0.0.1:{port}") }).await?;
    Ok(())
}

/// Waits until both say that they have the same, and answers how long that took.
///
/// # Errors
/// When it takes longer than `patience`; with what both say of each other.
pub async fn in_step(first: &Home, second: &Home, patience: Duration) -> anyhow::Result<Duration> {
    let begun = Instant::now();
    // The two are asked one after the other, so one answer may be from before what the other knows already: both have to
    // say so twice.
    let mut before = false;
    loop {
        let statuses = [first.client().status().await?, second.client().status().await?];
        let together = |status: &Status| status.peers.iter().any(|peer| peer.connected && peer.in_step);
        let now = statuses.iter().all(together);
        if now && before {
            return Ok(begun.elapsed());
        }
        before = now;
        if begun.elapsed() > patience {
            let peers: Vec<_> = statuses.iter().map(|status| &status.peers).collect();
            bail!("not in step after {patience:?}: {peers:#?}");
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Everything shared that a home shows, without what depends on who asks: for comparing two homes.
///
/// # Errors
/// As the client's.
pub async fn shared(home: &Home) -> anyhow::Result<Value> {
    let mut all = serde_json::Map::new();
    for collection in Collection::ALL {
        if collection == Collection::Journal {
            continue;
        }
        let items = if collection == Collection::Vision {
            vec![home.client().vision(Some(Scope::Ours)).await?]
        } else {
            home.client().items(collection, Some(Scope::Ours)).await?
        };
        all.insert(collection.name().to_owned(), serde_json::to_value(items)?);
    }
    let mut value = Value::Object(all);
    impartial(&mut value);
    Ok(value)
}

/// Takes mine and yours out of a view: the marks, and the order of versions.
fn impartial(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.remove("own");
            fields.values_mut().for_each(impartial);
        }
        Value::Array(values) => {
            values.iter_mut().for_each(impartial);
            let said = values.iter().all(|value| value.get("by").is_some() || value.get("said").is_some());
            if said {
                values.sort_by_key(Value::to_string);
            }
        }
        _ => {}
    }
}
