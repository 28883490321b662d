//! Letting frontends in, and where they reach the daemon.

use serde_json::json;

use super::Operation;
use crate::openapi::examples::{FRONTEND_CODE, FRONTEND_SECRET, LOGIN_CODE};
use crate::*;

pub(super) fn frontends() -> Vec<Operation> {
    vec![
        Operation::get("frontends", "/v1/frontends", "Every frontend that is let in.").owner().lists::<Frontend>(),
        Operation::post("addFrontend", "/v1/frontends", "Lets a frontend in, and tells its token.")
            .more(
                "No other request tells it. The same one, with the same key, is told the same token for ten minutes, unless the \
                 token was used or revoked.",
            )
            .owner()
            .once("c2f1f6c4-6f43-4d0b-8a3e-7d8f2a90e1b5")
            .body::<NewFrontend>(
                json!({ "name": "dashboard", "permissions": ["read"], "origins": ["http://localhost:5173"] }),
            )
            .founds()
            .answers::<AddedFrontend>(),
        Operation::delete(
            "revokeFrontend",
            "/v1/frontends/{name}",
            "Lets a frontend in no more. What it has open ends.",
        )
        .owner()
        .at("name", "dashboard"),
        Operation::put(
            "bridge",
            "/v1/frontends/{name}/bridge",
            "Makes the URL of a frontend's bridge. It is told this once.",
        )
        .more("Automerge's own clients open documents there, see docs/bridge.md. An earlier one is no longer good.")
        .owner()
        .at("name", "dashboard")
        .answers::<FrontendBridge>(),
        Operation::delete(
            "endBridge",
            "/v1/frontends/{name}/bridge",
            "Ends a frontend's bridge. What it has open ends.",
        )
        .owner()
        .at("name", "dashboard"),
        Operation::post(
            "askToBeLetIn",
            "/v1/frontends/requests",
            "Asks to be let in: answers a code for the person to type.",
        )
        .anyone()
        .body::<NewFrontend>(json!({ "name": "tablet", "permissions": ["read", "write"] }))
        .founds()
        .answers::<FrontendRequest>(),
        Operation::post("approveFrontend", "/v1/frontends/requests/approve", "Approves what shows this code.")
            .owner()
            .body::<ApproveFrontend>(json!({ "code": FRONTEND_CODE, "permissions": ["read"] }))
            .answers::<NewFrontend>(),
        Operation::post("claimToken", "/v1/frontends/requests/token", "Asks whether a request was approved.")
            .anyone()
            .body::<ClaimToken>(json!({ "secret": FRONTEND_SECRET }))
            .answers::<Claimed>(),
        Operation::put("listen", "/v1/listen", "Says where frontends reach the daemon over TCP.")
            .owner()
            .body::<Listen>(json!({ "address": "127.0.0.1:0" }))
            .answers::<Listen>(),
        Operation::post("login", "/v1/login", "Makes a file that leads a browser to the daemon's page.")
            .owner()
            .answers::<Login>(),
        Operation::post("loginToken", "/v1/login/token", "Exchanges the code of a page's address for a token.")
            .anyone()
            .body::<LoginCode>(json!({ "code": LOGIN_CODE }))
            .answers::<AddedFrontend>(),
    ]
}
