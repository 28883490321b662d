//! Who said which words.

use std::collections::BTreeMap;

use betwixt_api as api;
use betwixt_model::ids::FactId;
use betwixt_model::index::{self, FieldKey};
use betwixt_model::past::{self, Part};
use betwixt_model::schema;
use betwixt_model::view::{Reading, State};

use super::Past;
use crate::answer::items::{Found, OpenScope, ReadError, shown_scope};
use crate::http::{Named, shown};

impl Past<'_> {
    pub(super) fn words(&self, named: &Named) -> Result<api::Words, ReadError> {
        let Found { open, view } = self.find(named)?;
        let item = shown::reference(shown_scope(open.scope), &view).ok_or_else(|| self.open.nothing(&view.kind))?;
        let mut fields: BTreeMap<String, Vec<Vec<api::Part>>> = BTreeMap::new();
        for (name, field) in &view.fields {
            if !schema::field(&view.kind, name).is_some_and(|field| field.shape.is_prose()) {
                continue;
            }
            let key = FieldKey { item: view.id, kind: view.kind.clone(), field: name.clone() };
            let readings = std::iter::once(&field.reading).chain(field.slots.iter().map(|slot| &slot.reading));
            let mut texts = Vec::new();
            for reading in readings {
                for parts in of_reading(open, &key, reading)? {
                    texts.push(shown_parts(open, parts)?);
                }
            }
            if !texts.is_empty() {
                fields.insert(name.clone(), texts);
            }
        }
        Ok(api::Words { item, fields })
    }
}

/// The parts of what is held, or of every version.
fn of_reading(open: &OpenScope<'_>, key: &FieldKey, reading: &Reading) -> Result<Vec<Vec<Part>>, ReadError> {
    let versions: Vec<FactId> = reading.versions.iter().map(|version| version.fact).collect();
    let text = reading.value.as_ref().and_then(serde_json::Value::as_str);
    Ok(match (reading.state, text) {
        (State::Held, Some(text)) if reading.merged => {
            past::authors_of_reading(&open.rows, key, &versions, text)?.into_iter().collect()
        }
        (State::Held, Some(_)) => match reading.said.first() {
            Some(said) => past::authors(&open.rows, key, &said.fact)?.into_iter().collect(),
            None => Vec::new(),
        },
        _ => {
            let mut all = Vec::new();
            for version in &versions {
                all.extend(past::authors(&open.rows, key, version)?);
            }
            all
        }
    })
}

fn shown_parts(open: &OpenScope<'_>, parts: Vec<Part>) -> Result<Vec<api::Part>, ReadError> {
    let shown = |part: Part| {
        let signed = index::fact(&open.rows, &part.fact)?;
        let on = signed.map(|signed| signed.fact().header().date.to_string()).unwrap_or_default();
        let own = part.by == open.reader.partner;
        Ok(api::Part {
            text: part.text,
            said: api::Said { by: part.by.to_string(), own, on, fact: part.fact.to_string() },
        })
    };
    parts.into_iter().map(shown).collect()
}
