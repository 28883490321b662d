//! What the two do together: settling, bringing over, chapters.

use serde_json::json;

use super::Operation;
use crate::openapi::examples::{GOAL, OTHER_VERSION, OWN_VERSION, PRIVATE_GOAL};
use crate::*;

pub(super) fn settle() -> Vec<Operation> {
    vec![
        Operation::get(
            "settle",
            "/v1/settle",
            "A page of what differs and of what waits for an answer; what rests comes last.",
        )
        .query("scope", None)
        .query("collection", Some("goals"))
        .query("item", Some("vision"))
        .paged()
        .lists::<SettleThread>(),
        Operation::put(
            "sayDifferently",
            "/v1/settle/{item}/{field}/differently",
            "Says \"we see this differently, look again on that day\".",
        )
        .at("item", GOAL)
        .at("field", "until")
        .body::<SayDifferently>(json!({ "again": "2027-06-01", "versions": [OWN_VERSION, OTHER_VERSION] }))
        .answers::<Saying>(),
        Operation::put(
            "park",
            "/v1/settle/{item}/{field}/parked",
            "Leaves a field alone until a day; the other's list is theirs.",
        )
        .at("item", GOAL)
        .at("field", "until")
        .body::<Park>(json!({ "until": "2027-06-01" }))
        .answers::<Saying>(),
    ]
}

pub(super) fn bring() -> Vec<Operation> {
    vec![
        Operation::get("bringChoices", "/v1/bring", "A page of what is private and could be brought over.")
            .private()
            .paged()
            .lists::<BringChoice>(),
        Operation::post(
            "bring",
            "/v1/bring",
            "Brings private items, or fields of them, to the household as new facts.",
        )
        .more("Bringing twice is harmless. Nothing that was only private enters what is shared.")
        .private()
        .body::<Bring>(json!({ "what": "items", "items": [{ "id": PRIVATE_GOAL, "fields": ["title"] }] }))
        .answers::<BringReport>(),
    ]
}

pub(super) fn chapter() -> Vec<Operation> {
    vec![
        Operation::get("chapters", "/v1/chapter", "How it stands with chapters, and what a new one would keep.")
            .answers::<Chapters>(),
        Operation::post(
            "proposeChapter",
            "/v1/chapter",
            "Proposes a new chapter, in the place of what was proposed before.",
        )
        .body::<ChapterRequest>(json!({ "erase": [] }))
        .answers::<Chapters>(),
        Operation::post(
            "withdrawChapter",
            "/v1/chapter/withdraw",
            "Takes back what one proposed, if the other has not agreed.",
        )
        .answers::<Chapters>(),
        Operation::post(
            "agreeToChapter",
            "/v1/chapter/agree",
            "Agrees to the chapter that the other proposes. That cannot be taken back.",
        )
        .answers::<Chapters>(),
    ]
}
