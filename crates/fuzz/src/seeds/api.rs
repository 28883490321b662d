//! A request for every route of the API, with the body that the OpenAPI document gives as an example.

use serde_json::Value;

use super::{Seed, named};

const DOCUMENT: &str = include_str!("../../../../docs/openapi.json");

pub(super) fn requests() -> Vec<Seed> {
    let document: Value = serde_json::from_str(DOCUMENT).expect("the document is JSON");
    let mut seeds = Vec::new();
    let mut reads = String::new();
    for (path, methods) in document["paths"].as_object().into_iter().flatten() {
        for (method, operation) in methods.as_object().into_iter().flatten() {
            let parameters: Vec<&Value> = operation["parameters"].as_array().into_iter().flatten().collect();
            let target = filled(path, &parameters);
            let body = &operation["requestBody"]["content"]["application/json"]["example"];
            if body.is_null() {
                reads.push_str(&format!("{} {target}\n", method.to_uppercase()));
                continue;
            }
            let name = format!("{method}{}", path.replace(['/', '{', '}'], "-"));
            let head = format!(
                "{} {target}\ncontent-type: application/json\nidempotency-key: once\n\n",
                method.to_uppercase()
            );
            seeds.push(named(&name, format!("{head}{body}")));
        }
    }
    // Those without a body are short, and there are many.
    for (number, read) in reads.lines().enumerate().filter(|(number, _)| number % 4 == 0) {
        seeds.push(named(&format!("read-{number}"), read));
    }
    seeds.push(named("unknown", "GET /v2/nothing?after=!&limit=-1\nlast-event-id: x\n\n"));
    seeds
}

/// A path with something for every parameter, and a query with all that are known.
fn filled(path: &str, parameters: &[&Value]) -> String {
    let mut target = path.to_owned();
    let mut query = Vec::new();
    for parameter in parameters {
        let name = parameter["name"].as_str().unwrap_or_default();
        let example = parameter.get("example").or(parameter["schema"].get("example")).cloned();
        let value = example.map_or_else(
            || "goals".to_owned(),
            |example| match example {
                Value::String(text) => text,
                other => other.to_string(),
            },
        );
        match parameter["in"].as_str() {
            Some("path") => target = target.replace(&format!("{{{name}}}"), &value),
            Some("query") => query.push(format!("{name}={value}")),
            _ => {}
        }
    }
    if query.is_empty() { target } else { format!("{target}?{}", query.join("&")) }
}
