//! Items and their fields, and the views of rituals and of sealed answers.

use serde_json::json;

use super::Operation;
use crate::openapi::examples::{FACT, GOAL, MILESTONE, OCCURRENCE, PHOTO, QUESTION, RITUAL};
use crate::*;

pub(super) fn items() -> Vec<Operation> {
    vec![
        Operation::get("items", "/v1/{collection}", "A page of a collection's items.")
            .more(
                "First what is shared, then what is private; within each by founding date. The few that are there by \
                 themselves, such as the members, come on one page.",
            )
            .at("collection", "goals")
            .query("scope", Some("ours"))
            .query("of", None)
            .query("from", Some("2027-01-01"))
            .query("until", None)
            .query("order", Some("latest"))
            .paged()
            .lists::<Item>(),
        Operation::post("createItem", "/v1/{collection}", "Founds an item.")
            .more("It begins with the collection's first field, see `GET /v1`. Other fields may come along.")
            .at("collection", "goals")
            .once("3f6c1a52-7c2e-4f0e-9f51-0a6e5c8f2b11")
            .body::<NewItem>(json!({ "fields": { "title": "Cycle along the coast", "why": "To be outside together" } }))
            .founds()
            .answers::<Item>(),
        Operation::get("item", "/v1/{collection}/{id}", "One item, with what belongs to it.")
            .at("collection", "goals")
            .at("id", GOAL)
            .answers::<Item>(),
        Operation::put("say", "/v1/{collection}/{id}/{field}", "Says something about a field.")
            .more(
                "`seen` is the token that the field was read with: 428 where it is missing and something stands there, 409 \
                 where it is not known. Saying the other's version settles a difference; `null` lets go of what one said.",
            )
            .at("collection", "goals")
            .at("id", GOAL)
            .at("field", "title")
            .body::<Say>(json!({ "value": "Cycle along the whole coast", "seen": FACT }))
            .answers::<Saying>(),
        Operation::get("vision", "/v1/vision", "The vision: the shared one once there is one, unless told.")
            .query("scope", Some("ours"))
            .answers::<Item>(),
        Operation::put("sayVision", "/v1/vision/{field}", "Says something about a field of the vision.")
            .at("field", "draft")
            .query("scope", Some("ours"))
            .body::<Say>(json!({ "value": "We take our time. We laugh.", "seen": "" }))
            .answers::<Saying>(),
        Operation::post("addProgress", "/v1/milestones/{id}/progress", "Adds to a milestone. What both add apart is summed.")
            .at("id", MILESTONE)
            .once("0b9d7b1e-55a3-4d0c-8f6a-1d2c3e4f5a6b")
            .body::<ProgressEntry>(json!({ "amount": 2, "note": "Along the river" }))
            .answers::<Item>(),
    ]
}

pub(super) fn attachments() -> Vec<Operation> {
    vec![
        Operation::post("addFile", "/v1/files", "Adds a photo or a file, and founds the attachment that names it.")
            .more(
                "The body is the file, up to 100 MiB. The place at which a photo was taken is left out of what is kept, unless \
                 asked otherwise. Where a kind of photo or video cannot be cleared of it, it is not added unless that is \
                 asked. The file is on the disk before this answers; other devices fetch it by and by.",
            )
            .query("scope", Some("ours"))
            .query("title", Some("By the lake"))
            .query("of", Some(GOAL))
            .query("location", None)
            .once("8d1f2e3c-4b5a-4c6d-9e7f-1a2b3c4d5e6f")
            .takes_file()
            .founds()
            .answers::<AddedAttachment>(),
        Operation::get("attachmentContent", "/v1/attachments/{id}/content", "What is in an attached file.")
            .more("404 while this device has not got all of it.")
            .at("id", PHOTO)
            .gives_file(),
        Operation::get("attachmentCopies", "/v1/attachments/{id}/copies", "Which devices have an attached file.")
            .at("id", PHOTO)
            .answers::<Copies>(),
    ]
}

pub(super) fn rituals() -> Vec<Operation> {
    vec![
        Operation::get("calendar", "/v1/calendar", "What takes place in a window of days, of all rituals.")
            .query("from", Some("2027-01-01"))
            .query("until", Some("2027-01-31"))
            .query("zone", Some("Europe/Berlin"))
            .answers::<Calendar>(),
        Operation::get("ritualCalendar", "/v1/rituals/{id}/calendar", "What takes place, of one ritual.")
            .at("id", RITUAL)
            .query("from", Some("2027-01-01"))
            .query("until", Some("2027-01-31"))
            .query("zone", None)
            .answers::<Calendar>(),
        Operation::put(
            "sayOccurrence",
            "/v1/rituals/{id}/occurrences/{date}/{field}",
            "Says something about an occurrence: its `mark`, `skip` or `moved`.",
        )
        .at("id", RITUAL)
        .at("date", OCCURRENCE)
        .at("field", "mark")
        .body::<Say>(json!({ "value": { "is": "done", "note": "By the lake" } }))
        .answers::<Saying>(),
    ]
}

pub(super) fn seals() -> Vec<Operation> {
    vec![
        Operation::get("seals", "/v1/seals", "A page of sealed questions with their answers, oldest first.")
            .more("A question is asked by founding an item of the collection `sealed`.")
            .paged()
            .lists::<SealedSession>(),
        Operation::get("seal", "/v1/seals/{id}", "One question with its answers.")
            .at("id", QUESTION)
            .answers::<SealedSession>(),
        Operation::put("sealAnswer", "/v1/seals/{id}/answer", "Seals an answer.")
            .more("It may be changed until the other's is open. Nothing of it leaves the own devices before both have answered.")
            .private()
            .at("id", QUESTION)
            .body::<SealAnswer>(json!({ "answer": "A long walk in the snow" }))
            .answers::<SealedSession>(),
    ]
}
