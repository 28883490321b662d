//! An open home: its directory, its store and its replica, together. Everything here blocks and belongs off the loop.

use std::path::Path;
use std::sync::Arc;

use betwixt_api as api;
use betwixt_api::{Problem, ProblemKind};
use betwixt_model::document::Scope;
use betwixt_model::ids::{EpochId, HouseholdId};
use betwixt_store::keys::{Cost, DataKey, DataKeys, KeysError, ParseRecoveryCodeError, RecoveryCode, Secret, Way};
use betwixt_store::{Break, Continuity, Home, HomeError, Store, StoreOptions};
use ed25519_dalek::SigningKey;
use rand_core::{OsRng, RngCore};

use crate::answer::problem::{home_problem, keys_problem, opening_problem, replica_problem, storage_problem};
use crate::http::access;
use crate::replica::{OpenError, Progress, Replica};

/// How many characters a passphrase has at least.
const SHORTEST_PASSPHRASE: usize = 8;
/// How many characters a name has at most.
const LONGEST_NAME: usize = 64;

/// An open home. Whoever works beside the loop takes a [`Handle`].
#[derive(Debug)]
pub(crate) struct House {
    pub(crate) home: Arc<Home>,
    pub(crate) store: Store,
    pub(crate) replica: Replica,
    keys: DataKeys,
}

/// What verifying, backing up and looking after a home need of it, while the loop goes on with its [`House`]. As long as
/// one lives the home stays held by this process: let go of all before restoring.
#[derive(Debug, Clone)]
pub(crate) struct Handle {
    pub(crate) home: Arc<Home>,
    pub(crate) store: Store,
    pub(crate) keys: DataKeys,
}

/// A home that was opened, and what its owner should know about it.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) house: House,
    pub(crate) troubles: Vec<String>,
}

/// Founds a home and answers its recovery code, which is shown once.
///
/// A failure leaves nothing that keeps a second attempt from working. What a crash in the midst of it leaves is completed
/// by the next attempt with the same passphrase.
///
/// # Errors
/// [`ProblemKind::Invalid`] naming the field, [`ProblemKind::AlreadySetUp`], or what the disk says.
pub(crate) fn found(path: &Path, request: &api::InitRequest) -> Result<(House, api::Secret), Problem> {
    found_at(path, request, Cost::default())
}

pub(crate) fn found_at(path: &Path, request: &api::InitRequest, cost: Cost) -> Result<(House, api::Secret), Problem> {
    let name = accepted_name("name", &request.name)?;
    let device = accepted_name("device", &request.device)?;
    let secret = Secret::Passphrase(accepted_passphrase("passphrase", &request.passphrase)?, cost);
    match Home::init(path, &secret, &mut OsRng) {
        Ok((home, keys)) => {
            let home = Arc::new(home);
            let completed = complete(Arc::clone(&home), keys, name, device);
            if completed.is_err() {
                // Nobody was told of these keys, and nothing was written under them. The home's lock is still held.
                if let Err(error) = std::fs::remove_file(path.join("keys")) {
                    tracing::warn!(%error, "a home that was not founded to its end could not be taken back");
                }
            }
            completed
        }
        Err(HomeError::Exists(_)) => {
            let home = Home::open(path).map_err(|error| home_problem(&error))?;
            let keys = home.unlock(&secret, true).map_err(|error| match error {
                KeysError::Wrong(_) | KeysError::NoSuchWay(_) | KeysError::SharedOnly(_) => already_founded(),
                error => keys_problem(&error),
            })?;
            complete(Arc::new(home), keys, name, device)
        }
        Err(error) => Err(home_problem(&error)),
    }
}

/// Founds what is to live in a home that has its keys.
fn complete(home: Arc<Home>, keys: DataKeys, name: &str, device: &str) -> Result<(House, api::Secret), Problem> {
    let opened = home.open_store(&keys, StoreOptions::default());
    let (store, _) = opened.map_err(|error| opening_problem(&error))?;
    match Replica::open(store.clone()) {
        Err(OpenError::NotFounded) => {}
        Ok(_) => return Err(already_founded()),
        Err(error) => return Err(replica_problem(&error)),
    }
    // An attempt that was interrupted may have made one that nobody saw.
    for way in home.ways().into_iter().filter(|way| way.way == Way::RecoveryCode) {
        home.remove_way(&way.id).map_err(|error| keys_problem(&error))?;
    }
    let code = home.add_recovery_code(&keys, &mut OsRng).map_err(|error| keys_problem(&error))?;
    // Last, since it is what makes a home founded.
    let mut replica =
        Replica::found(store.clone(), name, device, &mut OsRng).map_err(|error| replica_problem(&error))?;
    // Without it the home is founded all the same; `doctor` says so.
    if let Err(error) = tell_recovery_key(&mut replica, &code) {
        tracing::warn!(%error, "the recovery code could not be told to the roster");
    }
    let house = House { home, store, replica, keys };
    house.settle_or_warn();
    Ok((house, api::Secret::from(code.reveal().to_string())))
}

fn tell_recovery_key(replica: &mut Replica, code: &RecoveryCode) -> Result<(), OpenError> {
    let mut stage = replica.begin()?;
    replica.tell_recovery_key(&mut stage, &SigningKey::from_bytes(&code.signing_seed()))?;
    stage.commit()?;
    replica.committed()
}

fn already_founded() -> Problem {
    let detail = "There is a home in this directory. Open it with `betwixt unlock`, or found another one elsewhere.";
    Problem::new(ProblemKind::AlreadySetUp, detail)
}

/// A passphrase that may be chosen.
///
/// # Errors
/// [`ProblemKind::Invalid`] about the field that it stands in.
pub(crate) fn accepted_passphrase<'a>(field: &str, passphrase: &'a api::Secret) -> Result<&'a str, Problem> {
    let passphrase = passphrase.reveal();
    if passphrase.trim().is_empty() || passphrase.chars().count() < SHORTEST_PASSPHRASE {
        let detail = format!("A passphrase has {SHORTEST_PASSPHRASE} characters at least; several words are better.");
        return Err(Problem::new(ProblemKind::Invalid, detail).about(field));
    }
    Ok(passphrase)
}

fn accepted_name<'a>(field: &str, name: &'a str) -> Result<&'a str, Problem> {
    let name = name.trim();
    let refused = |detail: String| Err(Problem::new(ProblemKind::Invalid, detail).about(field));
    if name.is_empty() {
        refused("A name is needed.".into())
    } else if name.chars().count() > LONGEST_NAME {
        refused(format!("A name has {LONGEST_NAME} characters at most."))
    } else if name.chars().any(char::is_control) {
        refused("A name is one line of ordinary characters.".into())
    } else {
        Ok(name)
    }
}

/// Opens a home with its passphrase, its recovery code or what stands in a key file: its private part too, unless it is a
/// key file for what is shared alone. One that was copied or restored begins a new epoch, so that nothing is continued from
/// an older state.
///
/// # Errors
/// [`ProblemKind::NotSetUp`], [`ProblemKind::WrongPassphrase`], or what the disk says.
pub(crate) fn unlock(path: &Path, secret: &api::Secret, progress: Progress) -> Result<Opened, Problem> {
    let home = Home::open(path).map_err(|error| home_problem(&error))?;
    let keys = open_keys(&home, secret)?;
    open(Arc::new(home), keys, progress)
}

/// Opens a home with keys that are there already.
fn open(home: Arc<Home>, keys: DataKeys, progress: Progress) -> Result<Opened, Problem> {
    let opened = home.open_store(&keys, StoreOptions::default());
    let (store, continuity) = opened.map_err(|error| opening_problem(&error))?;
    let mut troubles = Vec::new();
    if let Continuity::Broken(why) = continuity {
        let mut epoch = [0; 32];
        OsRng.fill_bytes(&mut epoch);
        let begin = || {
            let mut batch = store.begin()?;
            // Forgets the sync states, too: partners' devices may be ahead of what they say.
            batch.begin_epoch(&EpochId::from_bytes(epoch))?;
            // Among those in an older copy may be some that were revoked since.
            access::Stored::remove(&mut batch)?;
            batch.commit()
        };
        begin().map_err(|error| storage_problem(&error))?;
        tracing::warn!(?why, "the home goes on under a new epoch");
        troubles.push(broken(why).to_owned());
    }
    open_in(home, store, keys, troubles, progress)
}

/// Opens a home after [`House::release`], also while something else still uses its database.
///
/// # Errors
/// What the disk says.
pub(crate) fn open_again(home: Arc<Home>, keys: DataKeys, progress: Progress) -> Result<Opened, Problem> {
    match home.opened() {
        Some(store) => open_in(home, store, keys, Vec::new(), progress),
        None => open(home, keys, progress),
    }
}

fn open_in(
    home: Arc<Home>,
    store: Store,
    keys: DataKeys,
    troubles: Vec<String>,
    progress: Progress,
) -> Result<Opened, Problem> {
    let replica = Replica::open_showing(store.clone(), progress).map_err(|error| replica_problem(&error))?;
    let house = House { home, store, replica, keys };
    house.settle_or_warn();
    Ok(Opened { house, troubles })
}

/// The keys that a secret opens: a passphrase, a recovery code, or what stands in a key file. All of them, unless it is a
/// key file for what is shared alone.
///
/// # Errors
/// [`ProblemKind::WrongPassphrase`], and what keeps the keys from being read.
pub(crate) fn open_keys(home: &Home, secret: &api::Secret) -> Result<DataKeys, Problem> {
    let text = secret.reveal();
    if let Some(key) = Secret::of_key_file(text) {
        match home.unlock(&key, true) {
            // A passphrase that happens to read as a key.
            Err(KeysError::Wrong(_) | KeysError::NoSuchWay(_)) => {}
            Err(KeysError::SharedOnly(_)) => return home.unlock(&key, false).map_err(|error| keys_problem(&error)),
            other => return other.map_err(|error| keys_problem(&error)),
        }
    }
    let code = RecoveryCode::parse(text);
    if let Ok(code) = &code {
        match home.unlock(&Secret::Recovery(code), true) {
            // A passphrase that happens to read as a code.
            Err(KeysError::Wrong(_) | KeysError::NoSuchWay(_)) => {}
            other => return other.map_err(|error| keys_problem(&error)),
        }
    }
    let passphrase = home.unlock(&Secret::Passphrase(text, Cost::default()), true);
    passphrase.map_err(|error| match (&error, code) {
        (KeysError::Wrong(_), Ok(_)) => keys_problem(&KeysError::Wrong(Way::RecoveryCode)),
        (KeysError::Wrong(_), Err(slip @ ParseRecoveryCodeError::Check)) => {
            let detail = format!("It is not the passphrase; and if it is your recovery code: {slip}.");
            Problem::new(ProblemKind::WrongPassphrase, detail)
        }
        _ => keys_problem(&error),
    })
}

fn broken(why: Break) -> &'static str {
    match why {
        Break::Restored => {
            "This home was restored, or copied in part. What was written since then comes back when your devices meet. \
             If another copy of it is still in use, stop using one of the two: they are one device to your partner."
        }
        Break::OtherMachine | Break::OtherDirectory => {
            "This home was copied or moved here from elsewhere. Do not go on using the other copy: both are one device to \
             your partner. To use two devices, pair the second one instead."
        }
        Break::Older => {
            "This home is older than it was: an earlier copy of its files was put back, or its last writes were lost. \
             What is missing comes back when your devices meet, if they had met since."
        }
        Break::Unreadable => {
            "What tells where this home was could not be read, so it is treated as a copy. Nothing is lost by it. If \
             another copy is in use, stop using one of the two."
        }
    }
}

impl House {
    /// What work beside the loop needs.
    pub(crate) fn handle(&self) -> Handle {
        Handle { home: Arc::clone(&self.home), store: self.store.clone(), keys: self.keys.clone() }
    }

    /// The spaces of the scopes that can be read now.
    pub(crate) fn spaces(&self) -> Vec<(Scope, HouseholdId)> {
        let scopes = [Scope::Ours, Scope::Mine].into_iter();
        scopes.filter_map(|scope| Some((scope, self.replica.space(scope)?))).collect()
    }

    /// Opens the private part with the key that [`Handle::private_key`] found. Quick, unless its index has to be rebuilt.
    ///
    /// # Errors
    /// What the store says; the private part is locked then.
    pub(crate) fn unlock_mine(&mut self, key: DataKey) -> Result<(), Problem> {
        self.store.unlock_mine(&key).map_err(|error| opening_problem(&error))?;
        self.keys.mine = Some(key);
        if let Err(error) = self.replica.lock_changed() {
            // The failure that counts is the first.
            let _ = self.lock_mine();
            return Err(replica_problem(&error));
        }
        Ok(())
    }

    /// Forgets the key of the private part, and what of it was in memory. Not while a stage is open.
    ///
    /// # Errors
    /// What the store says; the key is gone all the same.
    pub(crate) fn lock_mine(&mut self) -> Result<(), Problem> {
        self.keys.mine = None;
        self.store.lock_mine();
        self.replica.lock_changed().map_err(|error| replica_problem(&error))
    }

    /// Opens the replica anew, from what is on the disk. Not while a stage is open.
    ///
    /// # Errors
    /// What the store says; the replica is as it was.
    pub(crate) fn open_anew(&mut self) -> Result<(), Problem> {
        self.replica = Replica::open(self.store.clone()).map_err(|error| replica_problem(&error))?;
        Ok(())
    }

    /// Writes down where the home is and how far it has come. Without it the next opening compares with an earlier state,
    /// which is less strict and never wrong.
    pub(crate) fn settle_or_warn(&self) {
        if let Err(error) = self.home.settle(&self.keys, &self.store) {
            tracing::warn!(%error, "the home's place could not be written down");
        }
    }

    /// Lets go of everything but the home itself, which stays held, and of the keys: for what has to have the database to
    /// itself. What was not compacted stays so.
    pub(crate) fn release(self) -> (Arc<Home>, DataKeys) {
        let Self { home, store, mut replica, keys } = self;
        if let Err(error) = replica.compact() {
            tracing::warn!(%error, "a document could not be compacted");
        }
        if let Err(error) = home.settle(&keys, &store) {
            tracing::warn!(%error, "the home's place could not be written down");
        }
        drop(replica);
        drop(store);
        (home, keys)
    }

    /// Lets go of everything but the home itself, and writes nothing any more.
    pub(crate) fn release_at_once(self) -> Arc<Home> {
        let Self { home, store, replica, keys } = self;
        drop((replica, store, keys));
        home
    }

    /// Closes everything: compacts, settles, writes the database's file anew where most of it is empty, and lets go of the home unless a [`Handle`] is left. It is closed also when
    /// something of this fails; nothing that was said is lost by it.
    ///
    /// # Errors
    /// What kept the documents from being compacted.
    pub(crate) fn close(self) -> Result<(), Problem> {
        let Self { home, store, mut replica, keys } = self;
        let compacted = replica.compact();
        if let Err(error) = home.settle(&keys, &store) {
            tracing::warn!(%error, "the home's place could not be written down");
        }
        // The store before the home, whose lock says that nobody else has the database open.
        drop(replica);
        drop(store);
        match home.shrink(&keys) {
            Ok(Some(shrunk)) => {
                tracing::info!(before = shrunk.before, after = shrunk.after, "the database's file was written anew");
            }
            Ok(None) => {}
            // It is as it was; the next stop tries again.
            Err(error) => {
                tracing::warn!(%error, "the database's file could not be written anew, and is longer than it need be")
            }
        }
        if let Err(error) = home.closed(&keys) {
            tracing::warn!(%error, "the next start reads the whole database");
        }
        drop(home);
        compacted.map_err(|error| replica_problem(&error.into()))
    }
}

impl Handle {
    /// The key of the private part, for [`House::unlock_mine`]. Takes the time that deriving a key costs.
    ///
    /// # Errors
    /// [`ProblemKind::WrongPassphrase`].
    pub(crate) fn private_key(&self, secret: &api::Secret) -> Result<DataKey, Problem> {
        let keys = self.everything(secret)?;
        keys.mine.ok_or_else(|| keys_problem(&KeysError::MineNeeded))
    }

    /// Both keys. Takes the time that deriving a key costs.
    ///
    /// # Errors
    /// [`ProblemKind::WrongPassphrase`]; [`ProblemKind::Locked`] for a key file that opens what is shared alone.
    pub(crate) fn everything(&self, secret: &api::Secret) -> Result<DataKeys, Problem> {
        let keys = open_keys(&self.home, secret)?;
        match keys.mine {
            Some(_) => Ok(keys),
            None => Err(keys_problem(&KeysError::SharedOnly(Way::KeyFile))),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
