//! The home itself, keeping it well, its devices.

use serde_json::json;

use super::Operation;
use crate::*;

pub(super) fn daemon() -> Vec<Operation> {
    vec![
        Operation::get(
            "about",
            "/v1",
            "What this daemon speaks and knows: versions, capabilities, collections, limits.",
        )
        .more("Answered in every phase, and the same for as long as the daemon runs.")
        .answers::<About>(),
        Operation::get("status", "/v1/status", "How the home is.")
            .more("Answered in every phase; what is not known while locked is empty.")
            .answers::<Status>(),
        Operation::post("init", "/v1/home", "Founds a home.")
            .owner()
            .body::<InitRequest>(
                json!({ "name": "Robin", "device": "laptop", "passphrase": "a lantern in the window" }),
            )
            .founds()
            .answers::<Initialised>(),
        Operation::post("unlock", "/v1/unlock", "Opens the home, with the passphrase or the recovery code.")
            .more(
                "With a token it opens what is private. A home that is wholly locked knows no tokens: its owner opens it, over \
                 the Unix socket. One try at a time; others are `busy`.",
            )
            .opens()
            .body::<UnlockRequest>(json!({ "passphrase": "a lantern in the window" }))
            .answers::<Status>(),
        Operation::post("lock", "/v1/lock", "Locks what is private.")
            .more("What is shared stays open, so that devices merge while nobody is there.")
            .opens()
            .answers::<Status>(),
        Operation::put("lockAfter", "/v1/lock", "Chooses when what is private locks by itself.")
            .more(
                "Reading and saying anything by somebody who sees what is private is use of it: a page that reads again by \
                 itself, without anybody there, keeps it open. Asking for the status and listening for events is none.",
            )
            .owner()
            .body::<LockAfter>(json!({ "seconds": 900 }))
            .answers::<Status>(),
        Operation::post("pause", "/v1/pause", "Pauses: closes every connection and makes none.")
            .more("From outside it looks like being offline.")
            .pair()
            .answers::<Status>(),
        Operation::post("resume", "/v1/resume", "Ends a pause.").pair().answers::<Status>(),
        Operation::post("down", "/v1/down", "Ends the daemon. Answered before it goes.").owner(),
    ]
}

pub(super) fn upkeep() -> Vec<Operation> {
    vec![
        Operation::get("doctor", "/v1/doctor", "Looks for what keeps things from working.").lists::<Finding>(),
        Operation::post("verify", "/v1/verify", "Reads and checks everything on disk.")
            .owner()
            .answers::<VerifyReport>(),
        Operation::get("export", "/v1/export", "Everything that can be read, with who said what and when.")
            .more(
                "Streamed, so that years of it take no memory; it breaks off where something cannot be read. With the \
                 permission `private` what is private is in it, too, while that is open.",
            )
            .export()
            .answers::<Export>(),
        Operation::get("backups", "/v1/backups", "The backups in the home, newest first.").export().lists::<Backup>(),
        Operation::post("backup", "/v1/backups", "Writes a backup, encrypted as the home is.")
            .more("The same key makes one backup, as long as the home stays open.")
            .owner()
            .once("5b0d6a0e-9f0f-4c55-9a9e-0f6a3f1c2d77")
            .body::<BackupRequest>(json!({}))
            .founds()
            .answers::<Backup>(),
        Operation::post(
            "restore",
            "/v1/restore",
            "Puts a backup in the place of what the home holds, which is kept aside.",
        )
        .owner()
        .body::<RestoreRequest>(json!({ "path": "/home/robin/backups/2027-01-31.betwixt" }))
        .answers::<Restored>(),
    ]
}

pub(super) fn carry() -> Vec<Operation> {
    vec![
        Operation::get("carryExport", "/v1/carry/{device}", "What a device lacks, as one encrypted file for it.")
            .more(
                "Since it was last met, as far as this device knows; writing it changes nothing. Streamed, and broken off where \
                 something cannot be read. A device of one's own gets private pages, too, while they are unlocked.",
            )
            .owner()
            .at("device", "phone")
            .query("everything", Some("true"))
            .query("shared_only", Some("true"))
            .gives(CARRIED),
        Operation::post("carryImport", "/v1/carry", "Takes in a file that another device wrote for this one.")
            .more(
                "The whole file is checked before anything of it is taken in. Files that are repeated, missing or out of order do no \
                 harm.",
            )
            .owner()
            .body::<CarryImport>(json!({ "path": "/media/stick/for-phone.betwixt" }))
            .answers::<CarryReport>(),
    ]
}

pub(super) fn devices() -> Vec<Operation> {
    vec![
        Operation::get("devices", "/v1/devices", "Every device of the household.").lists::<Device>(),
        Operation::put("renameDevice", "/v1/devices/{device}/name", "Says what a device of one's own is called.")
            .pair()
            .at("device", "phone")
            .body::<RenameDevice>(json!({ "name": "old phone" }))
            .lists::<Device>(),
        Operation::delete("removeDevice", "/v1/devices/{device}", "Removes a device of one's own.")
            .more("It keeps what it holds, gets nothing more, and never returns. Nobody removes the other's devices.")
            .owner()
            .at("device", "phone")
            .lists::<Device>(),
        Operation::get("addresses", "/v1/addresses", "Every address that devices of the household may be at.")
            .lists::<Address>(),
        Operation::post("addAddress", "/v1/addresses", "Adds an address by hand. Adding it twice changes nothing.")
            .pair()
            .body::<AddressRequest>(json!({ "address": "192.168.1.20:4711" }))
            .lists::<Address>(),
        Operation::delete("removeAddress", "/v1/addresses/{address}", "Forgets an address.")
            .pair()
            .at("address", "192.168.1.20:4711")
            .lists::<Address>(),
        Operation::post("here", "/v1/here", "Takes the present network for a home for ten minutes.")
            .pair()
            .answers::<Here>(),
        Operation::post("sync", "/v1/sync", "Tries to meet everybody now.")
            .more("Answered once all are in step, or after ten seconds.")
            .answers::<SyncReport>(),
    ]
}

pub(super) fn pairing() -> Vec<Operation> {
    vec![
        Operation::get("pairing", "/v1/pairing", "How far pairing is; to be asked a few times a second.")
            .pair()
            .answers::<Pairing>(),
        Operation::post("startPairing", "/v1/pairing", "Shows a code.")
            .pair()
            .body::<StartPairing>(json!({ "purpose": "partner" }))
            .answers::<Pairing>(),
        Operation::post("enterCode", "/v1/pairing/code", "Enters the code that the other device shows.")
            .pair()
            .body::<EnterCode>(json!({ "code": "42-abcdef-x", "addresses": ["192.168.1.20:4711"] }))
            .answers::<Pairing>(),
        Operation::post("confirmPairing", "/v1/pairing/confirm", "Answers the question that pairing asks.")
            .pair()
            .body::<ConfirmPairing>(json!({ "yes": true }))
            .answers::<Pairing>(),
        Operation::delete("cancelPairing", "/v1/pairing", "Ends pairing without a result.").pair().answers::<Pairing>(),
    ]
}
