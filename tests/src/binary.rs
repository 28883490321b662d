//! The program under test.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// The path of `betwixt`: what `BETWIXT_BIN` names, as `cargo xtask test` sets it, or else what cargo builds now, so that
/// a test started alone never runs an old one.
///
/// # Panics
/// When it does not build.
pub fn betwixt() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| {
        if let Some(path) = std::env::var_os("BETWIXT_BIN") {
            return path.into();
        }
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let arguments = ["build", "--quiet", "--workspace", "--bin", "betwixt"];
        let status = Command::new(cargo).args(arguments).stdin(Stdio::null()).status();
        assert!(status.is_ok_and(|status| status.success()), "`betwixt` does not build");
        // Test programs lie in `deps`, beside which cargo puts the programs.
        let own = std::env::current_exe().expect("a test program has a path");
        let path = own.ancestors().nth(2).map(|directory| directory.join("betwixt"));
        path.filter(|path| path.exists()).expect("cargo builds `betwixt` two directories above the test program")
    })
}
