//! The values of fields as JSON Schema (2020-12), for frontends that check what is typed before they send it. What counts is
//! what the model accepts; a schema here accepts all of that.

use betwixt_model::schema::shape::{MAX_AMOUNT, MAX_LINE, MAX_PROSE, MAX_TERMS};
use betwixt_model::schema::{MAX_MINUTES, MAX_RULE, OUTCOMES, Shape};
use serde_json::{Value, json};

/// The schema of a shape's values other than `null`.
pub(super) fn schema(shape: Shape) -> Value {
    match shape {
        Shape::Line => line(MAX_LINE),
        Shape::Prose => json!({ "type": "string", "maxLength": MAX_PROSE }),
        Shape::Item => json!({
            "type": "object",
            "description": "An item of any collection: its whole id, and its kind.",
            "required": ["item", "kind"],
            "properties": { "item": { "type": "string" }, "kind": { "type": "string" } },
        }),
        Shape::File => json!({
            "type": "object",
            "description": "A file, as `POST /v1/files` names it.",
            "required": ["content", "key", "bytes", "type"],
            "properties": {
                "content": { "type": "string" },
                "key": { "type": "string" },
                "bytes": { "type": "integer", "minimum": 0 },
                "type": { "type": "string" },
            },
        }),
        Shape::Link(kind) => json!({ "type": "string", "description": format!("The whole id of a {kind}.") }),
        Shape::Partner => json!({ "type": "string", "description": "The id of a partner." }),
        Shape::OneOf(words) => json!({ "enum": words }),
        Shape::Date => date(),
        Shape::Flag => json!({ "type": "boolean" }),
        Shape::Amount => json!({ "type": "integer", "minimum": -MAX_AMOUNT, "maximum": MAX_AMOUNT }),
        Shape::Measure => json!({ "oneOf": [
            object(json!({ "type": { "const": "yes_no" } }), &["type"]),
            object(json!({ "type": { "const": "count" }, "target": target(), "unit": line(24) }), &["type", "target"]),
            object(
                json!({
                    "type": { "const": "amount" }, "target": target(), "unit": line(24),
                    "decimals": { "type": "integer", "minimum": 0, "maximum": 9 },
                }),
                &["type", "target", "unit", "decimals"],
            ),
        ] }),
        Shape::Terms => json!({
            "type": "object", "maxProperties": MAX_TERMS, "propertyNames": line(MAX_LINE), "additionalProperties": line(MAX_LINE),
        }),
        Shape::Prompt => {
            let mut prompt = object(json!({ "id": line(1000), "text": line(1000) }), &[]);
            prompt["minProperties"] = 1.into();
            prompt
        }
        Shape::Rank => json!({ "type": "string", "pattern": "^[0-9a-z]{1,64}$" }),
        Shape::Schedule => object(
            json!({
                "start": day_or_time(), "zone": line(64), "rule": line(MAX_RULE),
                "minutes": { "type": "integer", "minimum": 1, "maximum": MAX_MINUTES },
            }),
            &["start", "zone", "rule"],
        ),
        Shape::Pause => object(json!({ "from": date(), "until": date() }), &["from"]),
        Shape::Turns => object(json!({ "first": text(), "from": date() }), &["first"]),
        Shape::Mark => occurrence("is", json!({ "enum": ["done", "missed"] }), json!({ "note": line(1000) })),
        Shape::Skip => occurrence("is", json!({ "type": "boolean" }), json!({})),
        Shape::Moved => occurrence("to", day_or_time(), json!({})),
        Shape::Reviewed => object(json!({ "for": date(), "outcome": { "enum": OUTCOMES } }), &["for", "outcome"]),
        Shape::NotYet => object(json!({ "to": text(), "note": line(MAX_LINE) }), &["to"]),
        Shape::Differently => object(
            json!({ "of": named(), "versions": { "type": "array", "items": text(), "minItems": 2 }, "again": date() }),
            &["of", "versions", "again"],
        ),
        Shape::Parked => object(json!({ "of": named(), "until": date() }), &["of", "until"]),
        Shape::SaidBack => object(
            json!({ "item": text(), "kind": text(), "field": text(), "fact": text() }),
            &["item", "kind", "field", "fact"],
        ),
        // Said by the daemon alone.
        Shape::Commitment | Shape::Opening | Shape::SealedText | Shape::Chapter | Shape::Brought => {
            json!({ "type": "object" })
        }
    }
}

fn text() -> Value {
    json!({ "type": "string" })
}

fn line(most: usize) -> Value {
    json!({ "type": "string", "minLength": 1, "maxLength": most, "pattern": "\\S" })
}

fn date() -> Value {
    json!({ "type": "string", "format": "date" })
}

fn day_or_time() -> Value {
    json!({ "type": "string", "pattern": "^\\d{4}-\\d{2}-\\d{2}(T\\d{2}:\\d{2})?$" })
}

fn target() -> Value {
    json!({ "type": "integer", "minimum": 1, "maximum": MAX_AMOUNT })
}

fn named() -> Value {
    object(json!({ "item": text(), "kind": text(), "field": text() }), &["item", "kind", "field"])
}

fn object(properties: Value, required: &[&str]) -> Value {
    json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
}

/// What is said of an occurrence, which every value names.
fn occurrence(name: &str, value: Value, more: Value) -> Value {
    let mut properties = json!({ "ritual": text(), "date": date(), name: value });
    if let (Some(properties), Value::Object(more)) = (properties.as_object_mut(), more) {
        properties.extend(more);
    }
    object(properties, &["ritual", "date", name])
}
