//! The ways to open the home.

use betwixt_api::{NewKeyFile, PassphraseChanged, RecoveryCodeTested, Secret, Way, WayKind};

use super::{Look, SHORT_ID, rows};
use crate::terminal::{Style, printable};

/// A recovery code, the one time that it is shown.
pub(crate) fn recovery_code(style: Style, code: &Secret) -> String {
    format!(
        "Recovery code: {}\nWrite it down and keep it somewhere safe: it opens the home when the passphrase is lost.\n\
         It is shown only now. A code from before opens nothing any more.",
        style.bold(code.reveal())
    )
}

/// A passphrase that was changed.
pub(crate) fn changed(style: Style, changed: &PassphraseChanged, leaked: bool) -> String {
    let mut text = "The passphrase is changed.".to_owned();
    if leaked {
        text.push_str(" Everything is encrypted anew, and key files of before open nothing any more.");
        match &changed.recovery_code {
            Some(code) => text.push_str(&format!("\n\n{}", recovery_code(style, code))),
            None => text.push_str("\n\nThere is no recovery code now: make one with `betwixt recovery new`."),
        }
    }
    if !changed.as_before.is_empty() {
        text.push_str("\n\nThese open with the passphrase of their day; remove those that should not:");
        for path in &changed.as_before {
            text.push_str(&format!("\n  {}", printable(path)));
        }
    }
    text.push_str("\n\nBackups that lie elsewhere open with the passphrase of their day, too.");
    text
}

/// Whether a code opens the home.
pub(crate) fn tested(tested: &RecoveryCodeTested) -> String {
    match (&tested.slip, tested.opens) {
        (_, true) => "That is the recovery code of this home: it opens everything. Nothing was changed.".into(),
        (Some(slip), false) => printable(slip),
        (None, false) => {
            "That is a recovery code, and not the one of this home: an earlier one perhaps. `betwixt recovery new` makes \
             another."
                .into()
        }
    }
}

/// The ways that there are.
pub(crate) fn list(look: &Look, ways: &[Way]) -> String {
    let mut table = look.table(["ID", "WAY", "OPENS"]);
    for way in ways {
        let kind = match way.kind {
            WayKind::Passphrase => "passphrase",
            WayKind::KeyFile => "key file",
            WayKind::RecoveryCode => "recovery code",
            WayKind::Keyring => "the system's keyring",
        };
        let opens = if way.opens_private { "everything" } else { "what you share" };
        table.add_row([way.id.get(..SHORT_ID).unwrap_or(&way.id).to_owned(), kind.into(), opens.into()]);
    }
    rows(&table)
}

/// A key file that was made.
pub(crate) fn key_file(new: &NewKeyFile) -> String {
    let opens = if new.shared_only { "what you share" } else { "everything" };
    let path = printable(&new.path);
    format!(
        "Wrote {path}. Whoever can read it can open {opens} on this device: keep it apart from the device.\n\
         Open the home with it: betwixt unlock --passphrase-file {path}"
    )
}

#[cfg(test)]
mod tests {
    use super::super::samples::look;
    use super::*;

    #[test]
    fn ways_are_listed_with_what_they_open() {
        let way = |id: &str, kind, opens_private| Way { id: id.into(), kind, opens_private };
        let all = [
            way("abcdefghijklmnopqrstuvwxyz", WayKind::Passphrase, true),
            way("bcdefghijklmnopqrstuvwxyza", WayKind::KeyFile, false),
        ];
        insta::assert_snapshot!(list(&look(), &all), @r"
        ID        WAY         OPENS
        abcdefgh  passphrase  everything
        bcdefghi  key file    what you share
        ");
    }

    #[test]
    fn what_still_opens_as_before_is_said_after_a_leak() {
        let code = Some(Secret::from("AAAA-BBBB".to_owned()));
        let after = PassphraseChanged { recovery_code: code, as_before: vec!["/home/robin/b.betwixt".into()] };
        insta::assert_snapshot!(changed(look().style, &after, true), @r"
        The passphrase is changed. Everything is encrypted anew, and key files of before open nothing any more.

        Recovery code: AAAA-BBBB
        Write it down and keep it somewhere safe: it opens the home when the passphrase is lost.
        It is shown only now. A code from before opens nothing any more.

        These open with the passphrase of their day; remove those that should not:
          /home/robin/b.betwixt

        Backups that lie elsewhere open with the passphrase of their day, too.
        ");
        let plain = changed(look().style, &PassphraseChanged::default(), false);
        assert!(!plain.contains("Recovery") && !plain.contains("remove"), "{plain}");
    }

    #[test]
    fn a_tested_code_is_answered_in_words() {
        let opens = RecoveryCodeTested { opens: true, slip: None };
        let other = RecoveryCodeTested { opens: false, slip: None };
        let slip = RecoveryCodeTested { opens: false, slip: Some("A slip.".into()) };
        assert!(tested(&opens).contains("opens everything"));
        assert!(tested(&other).contains("not the one"));
        assert_eq!(tested(&slip), "A slip.");
    }
}
