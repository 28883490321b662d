//! What was, and what happens now.

use serde_json::json;

use super::Operation;
use crate::openapi::examples::{FACT, GOAL, LATER_FACT, YEAR};
use crate::*;

pub(super) fn documents() -> Vec<Operation> {
    vec![
        Operation::get("documents", "/v1/documents", "Every year's document, for those who bring Automerge.")
            .more("See docs/bridge.md. This year's is among them before anything was said in it.")
            .lists::<YearDocument>(),
        Operation::get("document", "/v1/documents/{scope}/{year}", "A year's document, as it is on disk.")
            .more("`mine` needs the permission `private`, too. The newest generation is answered.")
            .at("scope", "ours")
            .at("year", YEAR)
            .gives(AUTOMERGE),
    ]
}

pub(super) fn search() -> Vec<Operation> {
    vec![
        Operation::post("search", "/v1/search", "Looks for words in everything that was said.")
            .more(
                "The words stand in the body, because addresses are kept in logs. Private texts are searched while they are \
                 unlocked, for who has the permission `private`.",
            )
            .reads()
            .body::<SearchRequest>(json!({ "words": "cycle coast", "collection": "goals", "order": "latest", "limit": 20 }))
            .answers::<SearchPage>(),
    ]
}

pub(super) fn statistics() -> Vec<Operation> {
    vec![
        Operation::get("statistics", "/v1/statistics", "How much there is, by the month: what pictures are drawn from.")
            .more(
                "Kept as things are said, so that asking reads a row a year. Nothing is counted by partner. What is private is \
                 counted apart, for who has the permission `private`. `from` and `until` are days in the first and the last month.",
            )
            .query("scope", None)
            .query("from", Some("2020-01-01"))
            .query("until", None)
            .answers::<Statistics>(),
    ]
}

pub(super) fn past() -> Vec<Operation> {
    vec![
        Operation::get("history", "/v1/history/{item}", "A page of what was said about an item.")
            .at("item", GOAL)
            .query("field", Some("title"))
            .query("by", None)
            .query("from", Some("2020-01-01"))
            .query("until", None)
            .query("order", Some("oldest"))
            .paged()
            .answers::<History>(),
        Operation::get(
            "provenance",
            "/v1/history/{item}/provenance",
            "Where the wordings come from that stand agreed or wait.",
        )
        .at("item", "vision")
        .lists::<Provenance>(),
        Operation::get("words", "/v1/history/{item}/words", "Who said which words of an item's texts first.")
            .at("item", "vision")
            .answers::<Words>(),
        Operation::get(
            "then",
            "/v1/history/{item}/at/{when}",
            "How an item stood after a fact, or at the end of a day.",
        )
        .at("item", GOAL)
        .at("when", FACT)
        .answers::<Then>(),
        Operation::get(
            "compare",
            "/v1/history/{item}/from/{from}/to/{to}",
            "What changed between two versions of a field.",
        )
        .at("item", GOAL)
        .at("from", FACT)
        .at("to", LATER_FACT)
        .answers::<Comparison>(),
        Operation::get("lastAct", "/v1/undo", "One's own last act on this device, and whether it can be taken back.")
            .answers::<LastAct>(),
        Operation::post("undo", "/v1/undo", "Takes one's own last act back, by saying what was said before.")
            .answers::<Undone>(),
        Operation::get(
            "since",
            "/v1/since",
            "A page of meetings, latest first, with what came and went; and what waits for the next one.",
        )
        .query("from", Some("2020-01-01"))
        .query("until", None)
        .paged()
        .answers::<Since>(),
    ]
}

pub(super) fn events() -> Vec<Operation> {
    vec![
        Operation::get(
            "events",
            "/v1/events",
            "Follows what changes: server-sent events with ids and kinds, and no content.",
        )
        .query("after", None)
        .query("snapshot", Some("true"))
        .streams::<Notice>(),
    ]
}
