//! The Unix socket: made where nobody else can reach it, and never in the place of one that lives.

use std::fs::{self, File, Permissions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::UnixStream as BlockingStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::serve::Listener;
use tokio::net::{UnixListener, UnixStream};

/// The longest path that a socket can have on the systems that we know (`sun_path`, with its final zero).
const MAX_PATH: usize = 103;

/// How long to rest when the system refuses a connection, for want of file descriptors, say.
const REFUSED_REST: Duration = Duration::from_millis(100);

/// Why the socket could not be made.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another daemon listens there.
    #[error("a daemon runs for this home already; `betwixt status` shows it, `betwixt down` ends it")]
    Running {
        /// The socket.
        path: PathBuf,
    },
    /// Something else than a socket lies there.
    #[error("{path} is in the way: it is no socket. Move it elsewhere")]
    InTheWay {
        /// What lies there.
        path: PathBuf,
    },
    /// The home's path is too long for a socket.
    #[error(
        "the path {path} is too long for a socket: it may have {MAX_PATH} bytes. Set BETWIXT_HOME to a shorter one"
    )]
    TooLong {
        /// The socket that was wanted.
        path: PathBuf,
    },
    /// The system listens for us, elsewhere.
    #[error("the service's socket is not {path}: install it anew with `betwixt service install`")]
    Elsewhere {
        /// The socket that was wanted.
        path: PathBuf,
    },
    /// The home's directory belongs to somebody else.
    #[error("the directory {path} belongs to another user")]
    Foreign {
        /// The directory.
        path: PathBuf,
    },
    /// The system refused.
    #[error("cannot make the socket {path}: {source}")]
    System {
        /// The socket that was wanted.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// Says, as long as it or a clone of it is kept, that the daemon of a home lives. The socket goes first when a daemon
/// ends; whoever keeps this until the store is closed makes the next daemon, and `betwixt down`, wait for that.
#[derive(Debug, Clone)]
pub struct Alive {
    /// Let go by the system with the process, however that ends.
    _lock: Arc<File>,
}

/// A listening socket, removed when dropped.
///
/// A locked file beside it (`api.sock.lock`) says that it lives: of two daemons that start at once one is refused, and a socket
/// whose lock is free is known to be dead.
#[derive(Debug)]
pub struct Socket {
    listener: UnixListener,
    alive: Alive,
    path: PathBuf,
    /// Whether it goes with this: what the system listens at for us stays.
    bound: bool,
    owner: u32,
}

impl Socket {
    /// Takes the socket that the system listens at for this process (socket activation: sd_listen_fds(3)), or else makes
    /// one; see [`Socket::bind`].
    ///
    /// # Errors
    /// [`BindError`]; [`BindError::Elsewhere`] if the system's is at another path.
    pub fn inherit_or_bind(path: impl Into<PathBuf>) -> Result<Self, BindError> {
        let path = path.into();
        let Ok(Some(listener)) = listenfd::ListenFd::from_env().take_unix_listener(0) else {
            return Self::bind(path);
        };
        let system = |source| BindError::System { path: path.clone(), source };
        let address = listener.local_addr().map_err(system)?;
        if address.as_pathname() != Some(path.as_path()) {
            return Err(BindError::Elsewhere { path });
        }
        let owner = rustix::process::geteuid().as_raw();
        if let Some(directory) = path.parent() {
            make_private(directory, owner)?;
        }
        let lock = lock(&path)?;
        listener.set_nonblocking(true).map_err(system)?;
        fs::set_permissions(&path, Permissions::from_mode(0o600)).map_err(system)?;
        let listener = UnixListener::from_std(listener).map_err(system)?;
        Ok(Self { listener, alive: Alive { _lock: Arc::new(lock) }, path, bound: false, owner })
    }

    /// Listens at `path`, inside a directory that is made, or made private (0700), first. The socket of a dead daemon is
    /// replaced, a living one is left alone.
    ///
    /// # Errors
    /// [`BindError`], whose text says what to do.
    pub fn bind(path: impl Into<PathBuf>) -> Result<Self, BindError> {
        let path = path.into();
        if path.as_os_str().len() > MAX_PATH {
            return Err(BindError::TooLong { path });
        }
        let owner = rustix::process::geteuid().as_raw();
        if let Some(directory) = path.parent() {
            make_private(directory, owner)?;
        }
        let system = |source| BindError::System { path: path.clone(), source };
        let lock = lock(&path)?;
        match fs::symlink_metadata(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(system(error)),
            Ok(metadata) if !metadata.file_type().is_socket() => return Err(BindError::InTheWay { path }),
            Ok(_) => match BlockingStream::connect(&path) {
                Ok(_) => return Err(BindError::Running { path }),
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                    fs::remove_file(&path).map_err(system)?;
                }
                Err(error) => return Err(system(error)),
            },
        }
        let listener = UnixListener::bind(&path).map_err(system)?;
        // Between these two lines the directory's mode is what keeps others out.
        fs::set_permissions(&path, Permissions::from_mode(0o600)).map_err(system)?;
        Ok(Self { listener, alive: Alive { _lock: Arc::new(lock) }, path, bound: true, owner })
    }

    /// To be kept until the daemon has closed everything.
    pub fn alive(&self) -> Alive {
        self.alive.clone()
    }

    /// The socket's path.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // A socket that stays is found to be dead, and replaced, by the next daemon.
        if self.bound {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn lock(path: &Path) -> Result<File, BindError> {
    let system = |source| BindError::System { path: path.to_owned(), source };
    let mut name = path.as_os_str().to_owned();
    name.push(betwixt_api::LOCK_SUFFIX);
    let lock = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(PathBuf::from(name))
        .map_err(system)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(BindError::Running { path: path.to_owned() }),
        Err(TryLockError::Error(source)) => Err(system(source)),
    }
}

fn make_private(directory: &Path, owner: u32) -> Result<(), BindError> {
    use std::os::unix::fs::MetadataExt;
    let system = |source| BindError::System { path: directory.to_owned(), source };
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(system)?;
    let metadata = fs::metadata(directory).map_err(system)?;
    if metadata.uid() != owner {
        return Err(BindError::Foreign { path: directory.to_owned() });
    }
    if metadata.permissions().mode() & 0o077 != 0 {
        fs::set_permissions(directory, Permissions::from_mode(0o700)).map_err(system)?;
    }
    Ok(())
}

impl Listener for Socket {
    type Io = UnixStream;
    type Addr = ();

    async fn accept(&mut self) -> (UnixStream, ()) {
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => match stream.peer_cred() {
                    Ok(peer) if peer.uid() == self.owner => return (stream, ()),
                    Ok(_) => tracing::warn!("a connection of another user was refused"),
                    Err(error) => tracing::warn!(%error, "a connection whose user is not known was refused"),
                },
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be taken");
                    tokio::time::sleep(REFUSED_REST).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<()> {
        Ok(())
    }
}
