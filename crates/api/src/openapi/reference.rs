//! The document as a page to read.

use std::fmt::Write;

use serde_json::Value;

use super::document::MOST_BYTES;
use crate::problem::ProblemKind;

/// A page of Markdown, rendered from the document.
pub fn reference(document: &Value) -> String {
    let mut page = String::new();
    // Writing to a text cannot fail.
    let _ = write(&mut page, document);
    page
}

fn write(page: &mut String, document: &Value) -> std::fmt::Result {
    writeln!(page, "# The API: reference\n")?;
    writeln!(
        page,
        "Rendered from [openapi.json](openapi.json) by `cargo xtask openapi`; [api.md](api.md) tells how it is meant.\n"
    )?;
    for tag in document["tags"].as_array().into_iter().flatten() {
        let subject = text(&tag["name"]);
        writeln!(page, "## {subject}\n")?;
        for (path, methods) in entries(&document["paths"]) {
            for (method, operation) in entries(methods) {
                if operation["tags"][0] == tag["name"] {
                    self::operation(page, path, method, operation)?;
                }
            }
        }
    }
    problems(page)?;
    writeln!(page, "## Types\n")?;
    for (name, schema) in entries(&document["components"]["schemas"]).filter(|(name, _)| !name.starts_with("PageOf")) {
        writeln!(page, "### {name}\n")?;
        if let Some(description) = schema["description"].as_str() {
            writeln!(page, "{description}\n")?;
        }
        shape(page, schema)?;
    }
    Ok(())
}

fn operation(page: &mut String, path: &str, method: &str, operation: &Value) -> std::fmt::Result {
    writeln!(page, "### `{} {path}`\n", method.to_uppercase())?;
    let more = operation["description"].as_str().map(|more| format!(" {more}")).unwrap_or_default();
    writeln!(page, "{}{more}\n", text(&operation["summary"]))?;
    let needs = operation["security"].as_array().and_then(|ways| ways.iter().find_map(|way| way["token"].as_array()));
    if let Some(needs) = needs {
        let names: Vec<&str> = needs.iter().map(text).collect();
        writeln!(page, "Permissions: {}.\n", names.join(", "))?;
    }
    let parameters: Vec<&Value> = operation["parameters"].as_array().into_iter().flatten().collect();
    if !parameters.is_empty() {
        writeln!(page, "| parameter | in | | example |\n|---|---|---|---|")?;
        for parameter in parameters {
            let example = parameter["example"].as_str().map(|example| format!("`{example}`")).unwrap_or_default();
            let (name, place) = (text(&parameter["name"]), text(&parameter["in"]));
            writeln!(page, "| `{name}` | {place} | {} | {example} |", text(&parameter["description"]))?;
        }
        writeln!(page)?;
    }
    let body = &operation["requestBody"]["content"]["application/json"];
    if !body.is_null() {
        writeln!(page, "Takes {}:\n\n    {}\n", link(&body["schema"]), body["example"])?;
    }
    if !operation["requestBody"]["content"]["application/octet-stream"].is_null() {
        writeln!(page, "Takes the file's bytes, of whatever `Content-Type`.\n")?;
    }
    for (status, answer) in entries(&operation["responses"]).filter(|(status, _)| *status != "default") {
        for (media, content) in entries(&answer["content"]) {
            let what = match media {
                "application/json" => link(&content["schema"]),
                _ => text(&content["schema"]["description"]).to_owned(),
            };
            writeln!(page, "Answers {status}: {what}\n")?;
        }
    }
    Ok(())
}

fn problems(page: &mut String) -> std::fmt::Result {
    writeln!(page, "## Problems\n")?;
    writeln!(
        page,
        "Whatever goes wrong is answered as `application/problem+json`, see [Problem](#problem). `type` is \
         `urn:betwixt:problem:` and one of these; `field` names what it is about. A body may have {MOST_BYTES} bytes.\n"
    )?;
    writeln!(page, "| | status | |\n|---|---|---|")?;
    for kind in ProblemKind::ALL {
        writeln!(page, "| `{}` | {} | {} |", kind.slug(), kind.status(), kind.title())?;
    }
    writeln!(page)
}

/// What a schema holds: its properties, its variants, or its words.
fn shape(page: &mut String, schema: &Value) -> std::fmt::Result {
    for part in schema["allOf"].as_array().into_iter().flatten() {
        match part["$ref"].is_null() {
            true => shape(page, part)?,
            false => writeln!(page, "All of {}, and:\n", link(part))?,
        }
    }
    for variant in schema["oneOf"].as_array().into_iter().flatten() {
        let description = variant["description"].as_str().unwrap_or_default();
        match variant["properties"].is_null() && variant["allOf"].is_null() {
            true => writeln!(page, "- {} {description}\n", link(variant))?,
            false => {
                writeln!(page, "One of: {description}\n")?;
                shape(page, variant)?;
            }
        }
    }
    if let Some(words) = schema["enum"].as_array() {
        let words: Vec<String> = words.iter().map(|word| format!("`{}`", text(word))).collect();
        writeln!(page, "{}\n", words.join(", "))?;
    }
    let required: Vec<&str> = schema["required"].as_array().into_iter().flatten().map(text).collect();
    if entries(&schema["properties"]).next().is_some() {
        writeln!(page, "| | | |\n|---|---|---|")?;
        for (name, property) in entries(&schema["properties"]) {
            let optional = if required.contains(&name) { "" } else { ", optional" };
            let description = property["description"].as_str().unwrap_or_default().replace('\n', " ");
            writeln!(page, "| `{name}` | {}{optional} | {} |", link(property), description.replace('|', "\\|"))?;
        }
        writeln!(page)?;
    }
    Ok(())
}

/// A schema in a few words, with links to types.
fn link(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
        return match name.strip_prefix("PageOf") {
            Some(item) => format!("a page of [{item}](#{})", item.to_lowercase()),
            None => format!("[{name}](#{})", name.to_lowercase()),
        };
    }
    if let Some(several) = schema["oneOf"].as_array().or(schema["allOf"].as_array()) {
        let known: Vec<String> = several.iter().filter(|one| one["type"] != "null").map(link).collect();
        return known.join(" or ");
    }
    if let Some(words) = schema["enum"].as_array() {
        return words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(" or ");
    }
    let kind = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().map(text).find(|kind| *kind != "null").unwrap_or_default(),
        kind => text(kind),
    };
    match kind {
        "array" => format!("list of {}", link(&schema["items"])),
        "object" if schema["additionalProperties"].is_object() => {
            format!("by name, {}", link(&schema["additionalProperties"]))
        }
        "" => "any JSON".to_owned(),
        other => other.to_owned(),
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn entries(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_object().into_iter().flatten().map(|(name, value)| (name.as_str(), value))
}
