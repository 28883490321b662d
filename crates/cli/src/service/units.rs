//! What the units say: systemd's of systemd.unit(5), systemd.service(5) and systemd.socket(5), launchd's of
//! launchd.plist(5).

use std::path::Path;

use plist::{Dictionary, Value};

use super::ServiceError;
use crate::home::{Home, VARIABLE};

/// What both kinds of unit are made of.
pub(super) struct Unit<'a> {
    program: &'a str,
    home: &'a str,
    socket: String,
    log: String,
}

impl<'a> Unit<'a> {
    /// # Errors
    /// [`ServiceError::Path`] for paths that are no text or have characters that end a line.
    pub(super) fn new(program: &'a Path, home: &'a Home) -> Result<Self, ServiceError> {
        Ok(Self {
            program: text(program)?,
            home: text(home.path())?,
            socket: text(&home.socket())?.to_owned(),
            log: text(&home.log())?.to_owned(),
        })
    }

    /// `betwixt.service`. It may write where its owner may, because a backup goes wherever they want it. The colon keeps
    /// variables from being looked for in the command.
    pub(super) fn systemd_service(&self) -> String {
        let program = quoted(self.program);
        let variable = quoted(&format!("{VARIABLE}={}", self.home));
        let log = specifiers(&self.log);
        format!(
            "[Unit]\n\
             Description=Betwixt, what two people build together\n\
             Documentation=man:betwixt(1)\n\
             \n\
             [Service]\n\
             ExecStart=:{program} up\n\
             Environment={variable}\n\
             StandardOutput=append:{log}\n\
             StandardError=append:{log}\n\
             Restart=on-failure\n\
             RestartSec=5\n\
             UMask=0077\n\
             LimitCORE=0\n\
             NoNewPrivileges=yes\n\
             RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK\n\
             RestrictRealtime=yes\n\
             LockPersonality=yes\n\
             MemoryDenyWriteExecute=yes\n\
             SystemCallArchitectures=native\n\
             \n\
             [Install]\n\
             WantedBy=default.target\n"
        )
    }

    /// `betwixt.socket`, for the owner alone.
    pub(super) fn systemd_socket(&self) -> String {
        format!(
            "[Unit]\n\
             Description=The socket of Betwixt's API\n\
             \n\
             [Socket]\n\
             ListenStream={}\n\
             SocketMode=0600\n\
             DirectoryMode=0700\n\
             RemoveOnStop=yes\n\
             \n\
             [Install]\n\
             WantedBy=sockets.target\n",
            specifiers(&self.socket)
        )
    }

    /// The agent's property list.
    pub(super) fn launchd(&self, label: &str) -> String {
        let text = |text: &str| Value::String(text.to_owned());
        let mut environment = Dictionary::new();
        environment.insert(VARIABLE.to_owned(), text(self.home));
        let mut keep_alive = Dictionary::new();
        keep_alive.insert("SuccessfulExit".to_owned(), Value::Boolean(false));
        let mut limits = Dictionary::new();
        limits.insert("Core".to_owned(), Value::Integer(0.into()));
        let mut agent = Dictionary::new();
        agent.insert("Label".to_owned(), text(label));
        agent.insert("ProgramArguments".to_owned(), Value::Array(vec![text(self.program), text("up")]));
        agent.insert("EnvironmentVariables".to_owned(), Value::Dictionary(environment));
        agent.insert("RunAtLoad".to_owned(), Value::Boolean(true));
        agent.insert("KeepAlive".to_owned(), Value::Dictionary(keep_alive));
        agent.insert("ProcessType".to_owned(), text("Background"));
        agent.insert("Umask".to_owned(), Value::Integer(0o077.into()));
        agent.insert("HardResourceLimits".to_owned(), Value::Dictionary(limits));
        agent.insert("StandardOutPath".to_owned(), text(&self.log));
        agent.insert("StandardErrorPath".to_owned(), text(&self.log));
        let mut written = Vec::new();
        Value::Dictionary(agent)
            .to_writer_xml(&mut written)
            .expect("a list of texts and flags can be written to memory");
        String::from_utf8(written).expect("what was written is XML of texts")
    }
}

/// A path that a unit can hold.
fn text(path: &Path) -> Result<&str, ServiceError> {
    let text = path.to_str().filter(|text| !text.chars().any(char::is_control));
    text.ok_or_else(|| ServiceError::Path { path: path.to_owned() })
}

/// One word of a systemd line: quoted, without specifiers.
fn quoted(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{}\"", specifiers(&escaped))
}

/// A path that is the rest of a systemd line, where nothing is quoted.
fn specifiers(text: &str) -> String {
    text.replace('%', "%%")
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use betwixt_testkit::needs::{Need, met};

    use super::*;

    fn with_unit(directory: &Path, look: impl Fn(Unit<'_>)) {
        let home = Home::at(directory.to_owned());
        look(Unit::new(Path::new("/opt/two words/bin/betwixt"), &home).expect("plain paths"));
    }

    #[test]
    fn the_agent_of_launchd() {
        with_unit(Path::new("/Users/robin/Library/Application Support/betwixt"), |unit| {
            insta::assert_snapshot!("launchd_agent", unit.launchd("org.betwixt.betwixt"));
        });
    }

    #[test]
    fn the_units_of_systemd() {
        with_unit(Path::new("/home/robin/100% \"ours\" & $mine"), |unit| {
            insta::assert_snapshot!("systemd_service", unit.systemd_service());
            insta::assert_snapshot!("systemd_socket", unit.systemd_socket());
        });
    }

    #[test]
    fn systemd_accepts_the_units() {
        if !met(&[Need::Systemd]) {
            return;
        }
        let directory = tempfile::tempdir().expect("a directory");
        let home = Home::at(directory.path().join("a home"));
        // It has to be there, or systemd says so.
        let program = std::env::current_exe().expect("this program");
        let unit = Unit::new(&program, &home).expect("plain paths");
        let [service, socket] = ["betwixt.service", "betwixt.socket"].map(|name| directory.path().join(name));
        std::fs::write(&service, unit.systemd_service().replace("Documentation=man:betwixt(1)\n", "")).expect("writes");
        std::fs::write(&socket, unit.systemd_socket()).expect("writes");
        let mut command = Command::new("systemd-analyze");
        command.args(["verify", "--user", "--man=no"]).args([&service, &socket]);
        let output = command.env("XDG_RUNTIME_DIR", directory.path()).output().expect("runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && !said.contains("betwixt"), "{said}");
    }

    #[test]
    fn a_path_that_would_end_a_line_is_refused() {
        let home = Home::at("/home/robin/a\nExecStart=elsewhere".into());
        assert!(matches!(Unit::new(Path::new("/bin/betwixt"), &home), Err(ServiceError::Path { .. })));
    }
}
