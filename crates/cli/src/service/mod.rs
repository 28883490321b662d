//! Betwixt as a service of the system's: started when its owner logs in, started again when it fails.
//!
//! A systemd user unit on Linux and a launchd agent on macOS, both the owner's alone: nothing needs root, nothing runs for
//! others. Where systemd has sockets, the API's socket is systemd's, so that the first command starts the daemon
//! (socket activation). The `service-manager` library finds out which of them there is and talks to it; what the units say
//! is in [`units`]. It does not touch the home: what is in it stays when the service goes.

mod units;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use service_manager::{
    RestartPolicy, ServiceInstallCtx, ServiceLabel, ServiceLevel, ServiceManager, ServiceManagerKind, ServiceStartCtx,
    ServiceStatus, ServiceStatusCtx, ServiceStopCtx, ServiceUninstallCtx,
};

use crate::home::Home;
use units::Unit;

/// What the service is called: `betwixt.service`, or `org.betwixt.betwixt` on macOS.
const APPLICATION: &str = "betwixt";

/// Why the service could not be installed, removed or looked at.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServiceError {
    /// Neither systemd nor launchd.
    #[error(
        "there is no service manager here that Betwixt knows (systemd or launchd); `betwixt up --detach` starts it without one"
    )]
    NoManager,
    /// There is systemd, but none that runs for this user.
    #[error(
        "systemd does not run services for you here ({said}). Log in on the machine itself, or run `loginctl enable-linger`; `betwixt up --detach` starts Betwixt without a service"
    )]
    NoSession {
        /// What systemctl said.
        said: String,
    },
    /// A path that no unit can hold.
    #[error("the path {path} has characters that a service cannot be given; move it elsewhere or set BETWIXT_HOME")]
    Path {
        /// The path.
        path: PathBuf,
    },
    /// The manager or the file system refused.
    #[error("{doing}: {source}")]
    System {
        /// What was being done.
        doing: &'static str,
        /// What was answered.
        source: std::io::Error,
    },
}

/// How the service is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    /// There is none.
    NotInstalled,
    /// Installed, and not running now; with socket activation, the next command starts it.
    Stopped,
    /// Running.
    Running,
}

/// The owner's service manager.
pub(crate) struct Service {
    manager: Box<dyn ServiceManager>,
    kind: ServiceManagerKind,
    label: ServiceLabel,
}

impl Service {
    /// The one of this system.
    ///
    /// # Errors
    /// [`ServiceError::NoManager`].
    pub(crate) fn find() -> Result<Self, ServiceError> {
        let kind = ServiceManagerKind::native().map_err(|_| ServiceError::NoManager)?;
        if !matches!(kind, ServiceManagerKind::Systemd | ServiceManagerKind::Launchd) {
            return Err(ServiceError::NoManager);
        }
        let mut manager = <dyn ServiceManager>::target(kind);
        if !manager.available().unwrap_or(false) {
            return Err(ServiceError::NoManager);
        }
        if kind == ServiceManagerKind::Systemd {
            systemctl(&["show-environment"]).map_err(|error| ServiceError::NoSession { said: error.to_string() })?;
        }
        manager.set_level(ServiceLevel::User).map_err(system("choosing the owner's services"))?;
        let (qualifier, organization) = match kind {
            ServiceManagerKind::Launchd => (Some("org".to_owned()), Some(APPLICATION.to_owned())),
            _ => (None, None),
        };
        let label = ServiceLabel { qualifier, organization, application: APPLICATION.to_owned() };
        Ok(Self { manager, kind, label })
    }

    /// Installs it for a home and starts it. A daemon that runs already has to end first. Installing again renews it.
    ///
    /// # Errors
    /// [`ServiceError`]; what was written until then stays, and `uninstall` removes it.
    pub(crate) fn install(&self, home: &Home) -> Result<(), ServiceError> {
        let program = std::env::current_exe().map_err(system("finding this program"))?;
        let unit = Unit::new(&program, home)?;
        let contents = match self.kind {
            ServiceManagerKind::Systemd => unit.systemd_service(),
            _ => unit.launchd(&self.label.to_qualified_name()),
        };
        let context = ServiceInstallCtx {
            label: self.label.clone(),
            program: program.clone(),
            args: vec![OsString::from("up")],
            contents: Some(contents),
            username: None,
            working_directory: None,
            environment: None,
            autostart: true,
            restart_policy: RestartPolicy::default(),
        };
        if self.kind == ServiceManagerKind::Systemd {
            let socket = socket_path()?;
            let directory = socket.parent().unwrap_or(Path::new("/"));
            std::fs::create_dir_all(directory).map_err(system("making the directory of units"))?;
            std::fs::write(&socket, unit.systemd_socket()).map_err(system("writing betwixt.socket"))?;
            self.manager.install(context).map_err(system("installing the service"))?;
            systemctl(&["daemon-reload"])?;
            systemctl(&["enable", "--now", "betwixt.socket"])?;
        } else {
            self.manager.install(context).map_err(system("installing the service"))?;
        }
        self.manager.start(ServiceStartCtx { label: self.label.clone() }).map_err(system("starting the service"))
    }

    /// Stops and removes it. The home stays as it is.
    ///
    /// # Errors
    /// [`ServiceError`].
    pub(crate) fn uninstall(&self) -> Result<(), ServiceError> {
        if self.kind == ServiceManagerKind::Systemd {
            let socket = socket_path()?;
            if socket.exists() {
                systemctl(&["disable", "--now", "betwixt.socket"])?;
                std::fs::remove_file(&socket).map_err(system("removing betwixt.socket"))?;
            }
        }
        if self.state()? == State::Running {
            self.manager.stop(ServiceStopCtx { label: self.label.clone() }).map_err(system("stopping the service"))?;
        }
        let label = self.label.clone();
        self.manager.uninstall(ServiceUninstallCtx { label }).map_err(system("removing the service"))?;
        if self.kind == ServiceManagerKind::Systemd {
            systemctl(&["daemon-reload"])?;
        }
        Ok(())
    }

    /// How it is.
    ///
    /// # Errors
    /// [`ServiceError`].
    pub(crate) fn state(&self) -> Result<State, ServiceError> {
        let status = self.manager.status(ServiceStatusCtx { label: self.label.clone() });
        Ok(match status.map_err(system("asking for the service"))? {
            ServiceStatus::NotInstalled => State::NotInstalled,
            ServiceStatus::Stopped(_) => State::Stopped,
            ServiceStatus::Running => State::Running,
        })
    }
}

fn socket_path() -> Result<PathBuf, ServiceError> {
    let directory = service_manager::systemd_user_dir_path().map_err(system("finding the directory of units"))?;
    Ok(directory.join("betwixt.socket"))
}

/// What the library has no word for: sockets, and reading units anew.
fn systemctl(arguments: &[&str]) -> Result<(), ServiceError> {
    let doing = "asking systemctl";
    let mut command = Command::new("systemctl");
    let output = command.arg("--user").args(arguments).stdin(Stdio::null()).output().map_err(system(doing))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(ServiceError::System { doing, source: std::io::Error::other(said) })
}

fn system(doing: &'static str) -> impl Fn(std::io::Error) -> ServiceError {
    move |source| ServiceError::System { doing, source }
}
