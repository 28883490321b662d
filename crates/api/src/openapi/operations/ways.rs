//! The ways to open a home.

use serde_json::json;

use super::Operation;
use crate::openapi::examples::{PASSPHRASE, RECOVERY_CODE, WAY};
use crate::*;

pub(super) fn ways() -> Vec<Operation> {
    vec![
        Operation::get("ways", "/v1/ways", "The ways to open the home.").owner().lists::<Way>(),
        Operation::post(
            "newRecoveryCode",
            "/v1/ways/recovery-code",
            "Makes a new recovery code; the one before opens nothing any more.",
        )
        .owner()
        .body::<Proof>(json!({ "passphrase": PASSPHRASE }))
        .founds()
        .answers::<RecoveryCode>(),
        Operation::post(
            "testRecoveryCode",
            "/v1/ways/recovery-code/test",
            "Says whether a recovery code opens the home. Changes nothing.",
        )
        .owner()
        .body::<RecoveryCode>(json!({ "recovery_code": RECOVERY_CODE }))
        .answers::<RecoveryCodeTested>(),
        Operation::post("addKeyFile", "/v1/ways/key-files", "Makes a file that opens the home.")
            .more("What stands in it is taken where a passphrase is (`POST /v1/unlock`).")
            .owner()
            .body::<NewKeyFile>(json!({ "passphrase": PASSPHRASE, "path": "/media/stick/betwixt-key" }))
            .founds()
            .answers::<Way>(),
        Operation::post("removeWay", "/v1/ways/remove", "Removes a way to open the home, and answers those that are left.")
            .more("Never the last one that opens everything.")
            .owner()
            .body::<RemoveWay>(json!({ "passphrase": PASSPHRASE, "way": WAY }))
            .lists::<Way>(),
        Operation::put("changePassphrase", "/v1/passphrase", "Changes the passphrase.")
            .more(
                "The recovery code does where the passphrase is lost. After a leak everything is encrypted anew, which takes \
                 a while: other devices are not met meanwhile, and the home is `locked` or `busy` to other requests.",
            )
            .owner()
            .body::<ChangePassphrase>(
                json!({ "present": PASSPHRASE, "new": "two lanterns in the window", "leaked": true }),
            )
            .answers::<PassphraseChanged>(),
        Operation::post("leave", "/v1/leave", "Destroys the keys of the home, and takes it away. It cannot be undone.")
            .more(
                "Open or locked, with the network or without. Answered when the keys are gone; then the daemon ends. Other \
                 devices hear what they hear when a device goes offline, and nothing else. What they hold stays with them.",
            )
            .owner()
            .body::<Proof>(json!({ "passphrase": PASSPHRASE }))
            .answers::<Left>(),
    ]
}
