//! The document, put together from the operations and the schemas of their types.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::operation::{Answer, Needs, Operation, Parameter, Shape, shape};
use super::operations::operations;
use crate::item::{Collection, Scope};
use crate::page::{DEFAULT_PAGE, MAX_PAGE, Order};
use crate::permission::Permission;
use crate::problem::Problem;
use crate::{AUTOMERGE, MAX_IDEMPOTENCY_KEY, MAX_REQUEST};

const DESCRIPTION: &str = "The local API of a Betwixt home. Over the home's Unix socket everything is the owner's; over \
loopback TCP a frontend sends its token. Everything is JSON. What is read carries a `seen` token a field, and what is said \
about a field that was said before carries one back. Whatever goes wrong is a problem document (RFC 9457).";

/// The whole API as an OpenAPI 3.1 document.
pub fn document() -> Value {
    let mut schemas = Schemas::default();
    for shape in [shape::<Problem>(), shape::<Scope>(), shape::<Order>()] {
        schemas.add(&shape);
    }
    let (mut paths, mut tags): (Map<String, Value>, Vec<Value>) = (Map::new(), Vec::new());
    for (subject, operations) in operations() {
        tags.push(json!({ "name": subject }));
        for operation in operations {
            let path = paths.entry(operation.path).or_insert_with(|| json!({}));
            path[operation.method] = written(subject, &operation, &mut schemas);
        }
    }
    let mut document = json!({
        "openapi": "3.1.0",
        "info": { "title": "Betwixt", "version": "1", "description": DESCRIPTION, "license": { "name": "MIT OR Apache-2.0" } },
        "servers": [{ "url": "http://localhost", "description": "The Unix socket `api.sock` of the home." }],
        "tags": tags,
        "paths": paths,
        "components": {
            "schemas": schemas.0,
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A frontend's token. The names beside it in `security` are the permissions that are needed.",
                },
            },
        },
    });
    tidy(&mut document);
    document
}

#[derive(Default)]
struct Schemas(BTreeMap<String, Value>);

impl Schemas {
    /// Adds a type with those that it refers to, and answers the reference to it.
    fn add(&mut self, shape: &Shape) -> Value {
        self.0.extend(shape.schemas.iter().cloned());
        reference(&shape.name)
    }

    fn list_of(&mut self, shape: &Shape) -> Value {
        let items = self.add(shape);
        let name = format!("PageOf{}", shape.name);
        let page = json!({
            "type": "object",
            "description": "Part of a list. Lists that do not grow with the years come on one page.",
            "required": ["items"],
            "properties": {
                "items": { "type": "array", "items": items, "description": "The entries, in the order of the list." },
                "next": {
                    "type": "string",
                    "description": "To be handed back as `after` for the next page; absent on the last one. Opaque.",
                },
            },
        });
        self.0.insert(name.clone(), page);
        reference(&name)
    }
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

fn written(subject: &str, operation: &Operation, schemas: &mut Schemas) -> Value {
    let mut shown = json!({
        "operationId": operation.id,
        "tags": [subject],
        "summary": operation.summary,
        "security": security(operation.needs),
    });
    let more = match operation.needs {
        Needs::Owner => format!("{} Only over the Unix socket: no token is enough.", operation.more),
        Needs::All(_) | Needs::Nothing => operation.more.to_owned(),
    };
    if !more.is_empty() {
        shown["description"] = more.trim().into();
    }
    if !operation.parameters.is_empty() {
        shown["parameters"] = operation.parameters.iter().map(|parameter| parameter_of(operation, parameter)).collect();
    }
    if let Some((shape, example)) = &operation.body {
        let schema = schemas.add(shape);
        shown["requestBody"] =
            json!({ "required": true, "content": { "application/json": { "schema": schema, "example": example } } });
    }
    if operation.takes_bytes {
        shown["requestBody"] = json!({ "required": true, "content": { BYTES: { "schema": file() } } });
    }
    let (media, schema) = match &operation.answer {
        Answer::Done => ("application/json", json!({ "type": "object" })),
        Answer::One(shape) => ("application/json", schemas.add(shape)),
        Answer::List(shape) => ("application/json", schemas.list_of(shape)),
        Answer::Bytes(media) => {
            (*media, json!({ "type": "string", "format": "binary", "description": bytes_of(media) }))
        }
        Answer::File => (BYTES, file()),
        Answer::Events(shape) => {
            schemas.add(shape);
            let data = format!("Server-sent events; the data of each is a `{}`.", shape.name);
            ("text/event-stream", json!({ "type": "string", "description": data }))
        }
    };
    let (status, words) = if operation.founds { ("201", "It was made.") } else { ("200", "Done.") };
    let mut done = json!({ "description": words });
    done["content"][media] = json!({ "schema": schema });
    shown["responses"][status] = done;
    shown["responses"]["default"] = json!({
        "description": "What went wrong.",
        "content": { "application/problem+json": { "schema": reference("Problem") } },
    });
    shown
}

fn bytes_of(media: &str) -> &'static str {
    match media {
        AUTOMERGE => "The bytes that Automerge saves and loads.",
        _ => "A file that one device alone can read.",
    }
}

const BYTES: &str = "application/octet-stream";

fn file() -> Value {
    json!({ "type": "string", "format": "binary", "description": "The file's bytes; its `Content-Type` is whatever it is of." })
}

/// What is needed over TCP. Over the Unix socket nothing is, which the empty requirement says.
fn security(needs: Needs) -> Value {
    match needs {
        Needs::Nothing => json!([{}]),
        Needs::All(permissions) => {
            let names: Vec<&str> = permissions.iter().copied().map(Permission::name).collect();
            json!([{}, { "token": names }])
        }
        Needs::Owner => json!([]),
    }
}

fn parameter_of(operation: &Operation, parameter: &Parameter) -> Value {
    let (schema, description) = described(operation, parameter);
    let mut shown = json!({
        "name": parameter.name, "in": parameter.place, "required": parameter.place == "path",
        "schema": schema, "description": description,
    });
    if let Some(example) = &parameter.example {
        shown["example"] = example.clone();
    }
    shown
}

const ID: &str = "^[a-z2-7]{1,52}$";

fn described(operation: &Operation, parameter: &Parameter) -> (Value, &'static str) {
    let id = || json!({ "type": "string", "pattern": ID });
    let date = || json!({ "type": "string", "format": "date" });
    let collections = |vision: bool| {
        let all = Collection::ALL.into_iter().filter(|collection| vision || *collection != Collection::Vision);
        json!({ "type": "string", "enum": all.map(Collection::name).collect::<Vec<_>>() })
    };
    match (parameter.place, parameter.name) {
        ("path", "collection") => (collections(false), "The collection. The vision has a path of its own."),
        ("query", "collection") => (collections(true), "Only items of this collection."),
        ("path", "item") => (id(), "`vision`, or the item's id, or the unique beginning of it."),
        ("query", "item") => (id(), "Only the items whose ids begin so, or `vision`."),
        ("path", "id") => (id(), "The item's id, or the unique beginning of it."),
        ("path", "from" | "to") => (id(), "The fact of a version, or the unique beginning of its id."),
        ("path", "when") => (
            json!({ "type": "string", "pattern": "^([a-z2-7]{1,52}|[0-9]{4}-[0-9]{2}-[0-9]{2})$" }),
            "A fact, or the unique beginning of its id; or a date, for the end of that day as far as this device knew it then.",
        ),
        ("path", "device") => {
            (json!({ "type": "string" }), "The device's id, the beginning of it, or what it is called.")
        }
        ("query", "everything") => {
            (json!({ "type": "boolean" }), "Whether it brings everything, whatever the device is known to have.")
        }
        ("query", "shared_only") => {
            (json!({ "type": "boolean" }), "Whether it leaves private pages out, even for a device of one's own.")
        }
        ("path", "name") => (json!({ "type": "string" }), "What the frontend is called."),
        ("path", "date") => (date(), "The date that the ritual's rule gave."),
        ("path", "address") => {
            (json!({ "type": "string" }), "IP address and port: `192.168.1.20:4711` or `[fd00::20]:4711`.")
        }
        (_, "field") => (json!({ "type": "string", "pattern": "^[a-z_]{1,32}$" }), "The field, see `GET /v1`."),
        ("path", "scope") => (reference("Scope"), "Who may see it."),
        ("path", "year") => (json!({ "type": "string", "pattern": "^[0-9]{4}$" }), "The year."),
        (_, "scope") => (reference("Scope"), "Who may see it; both when not given."),
        (_, "order") => (reference("Order"), "Which comes first; `oldest` when not given."),
        ("query", "of") if operation.id == "addFile" => {
            (id(), "The item that it belongs to: its id, or the unique beginning of it, or `vision`.")
        }
        (_, "title") => (json!({ "type": "string", "minLength": 1, "maxLength": 200 }), "What it is called: one line."),
        (_, "location") => (
            json!({ "type": "string", "enum": ["keep"] }),
            "`keep` adds a photo as it is. Otherwise the place at which it was taken is left out.",
        ),
        (_, "of") => (
            json!({ "type": "string", "pattern": "^[a-z2-7]{52}$" }),
            "Only those that link to this item, by its whole id: a goal's milestones, the thanks for a value.",
        ),
        (_, "by") => (json!({ "type": "string" }), "Only what this partner said, by id."),
        (_, "from") => (date(), "The first day."),
        (_, "until") => (date(), "The last day, included."),
        (_, "zone") => {
            (json!({ "type": "string" }), "The time zone whose days are meant; each ritual's own when not given.")
        }
        (_, "limit") => (
            json!({ "type": "integer", "minimum": 1, "maximum": MAX_PAGE, "default": DEFAULT_PAGE }),
            "How many entries the page has at most.",
        ),
        (_, "after") if operation.id == "events" => (
            json!({ "type": "string" }),
            "The id of the last notice that the reader knows; the header `Last-Event-ID` says the same.",
        ),
        (_, "snapshot") => (json!({ "type": "boolean" }), "Whether everything that is there is told first."),
        (_, "after") => (json!({ "type": "string" }), "`next` of the page before."),
        (_, "Idempotency-Key") => (
            json!({ "type": "string", "pattern": format!("^[!-~]{{1,{MAX_IDEMPOTENCY_KEY}}}$") }),
            "Makes a repeated request harmless: with the same key it is carried out once, and answered alike.",
        ),
        _ => (json!({ "type": "string" }), ""),
    }
}

/// Makes links of the source into words, and paragraphs of its lines.
fn tidy(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(tidy),
        Value::Object(entries) => {
            for (name, value) in entries {
                match value {
                    Value::String(text) if name == "description" => *text = plain(text),
                    other => tidy(other),
                }
            }
        }
        _ => {}
    }
}

fn plain(text: &str) -> String {
    let mut words = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, link)) = rest.split_once("[`") {
        words.push_str(before);
        let Some((name, after)) = link.split_once("`]") else {
            rest = link;
            continue;
        };
        // Of a path the last part, of a method none of the parentheses' content.
        words.push('`');
        words.push_str(name.rsplit("::").next().unwrap_or(name));
        words.push('`');
        rest = match after.strip_prefix('(').and_then(|target| target.split_once(')')) {
            Some((_, after)) => after,
            None => after,
        };
    }
    words.push_str(rest);
    let paragraphs: Vec<String> = words.split("\n\n").map(|paragraph| paragraph.replace('\n', " ")).collect();
    paragraphs.join("\n\n")
}

/// The most bytes of a body, for the reference.
pub(super) const MOST_BYTES: usize = MAX_REQUEST;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_of_the_source_become_words() {
        assert_eq!(plain("As in [`Status::phase`], or\n[`Client`](crate::Client)."), "As in `phase`, or `Client`.");
    }

    #[test]
    fn every_reference_leads_somewhere_and_every_operation_has_its_own_name() {
        let document = document();
        let text = document.to_string();
        let references: Vec<&str> =
            text.split("\"#/components/schemas/").skip(1).map(|rest| &rest[..rest.find('"').unwrap_or(0)]).collect();
        assert!(references.len() > 100);
        for name in references {
            assert!(document["components"]["schemas"].get(name).is_some(), "{name}");
        }
        let mut ids: Vec<&str> = operations().iter().flat_map(|(_, all)| all).map(Operation::id).collect();
        let count = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), count);
        assert!(!text.contains("[`"), "a link is left");
    }
}
