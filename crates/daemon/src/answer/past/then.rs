//! How an item stood, and what changed between two versions.

use std::collections::BTreeSet;

use betwixt_api::{self as api, Problem, ProblemKind};
use betwixt_model::ids::FactId;
use betwixt_model::index;
use betwixt_model::past;
use betwixt_model::view::ItemView;
use jiff::civil::Date;

use super::{Past, changes};
use crate::answer::items::{Found, ReadError, shown_scope};
use crate::http::{Named, When, shown};

impl Past<'_> {
    pub(super) fn then(&self, named: &Named, when: &When) -> Result<api::Then, ReadError> {
        let found = self.find(named)?;
        let Found { open, view } = &found;
        let (then, after, day) = match when {
            When::After(prefix) => {
                let fact = self.fact(&found, prefix)?;
                let then = past::item_after(&open.rows, &open.reader, &view.id, &fact)?;
                (then, Some(fact.to_string()), None)
            }
            When::Day(date) => {
                let here = self.here_by(&found, *date)?;
                let within = |entry: &betwixt_model::field::Entry| here.contains(&entry.id);
                let then = past::item_with(&open.rows, &open.reader, &view.id, within)?;
                (then, None, Some(date.to_string()))
            }
        };
        let nothing = || Problem::new(ProblemKind::NotFound, "Nothing was said about it by then.");
        let then = then.filter(|then| then.kind == view.kind && anything_said(then)).ok_or_else(nothing)?;
        let item = shown::alone(&open.reader, shown_scope(open.scope), &then).ok_or_else(nothing)?;
        Ok(api::Then { after, day, item })
    }

    /// The facts of an item that were here at the end of a day: what was said here by its date, the others by their arrival.
    fn here_by(&self, found: &Found<'_, '_>, day: Date) -> Result<BTreeSet<FactId>, ReadError> {
        let mut here = BTreeSet::new();
        for entry in index::history(&found.open.rows, &found.view.id)? {
            let arrival = self.view.reader().arrival(found.open.scope, &entry.fact).map_err(index::IndexError::Rows)?;
            let came = match arrival {
                Some(arrival) => local_date(arrival.at),
                None => index::fact(&found.open.rows, &entry.fact)?.map(|signed| signed.fact().header().date),
            };
            if came.is_some_and(|came| came <= day) {
                here.insert(entry.fact);
            }
        }
        Ok(here)
    }

    pub(super) fn compare(&self, named: &Named, from: &str, to: &str) -> Result<api::Comparison, ReadError> {
        let found = self.find(named)?;
        let (rows, reader) = (&found.open.rows, &found.open.reader);
        let [from, to] = [self.fact(&found, from)?, self.fact(&found, to)?];
        let version = |id: &FactId| {
            let signed = index::fact(rows, id)?.ok_or(index::IndexError::Damaged(index::rows::Table::Facts))?;
            let header = signed.fact().header();
            let said = api::Said {
                by: header.partner.to_string(),
                own: header.partner == reader.partner,
                on: header.date.to_string(),
                fact: id.to_string(),
            };
            let value = signed.fact().value().cloned().unwrap_or_default();
            Ok::<_, ReadError>((header.field.clone(), api::Compared { value, said }))
        };
        let ((field, from), (other, to)) = (version(&from)?, version(&to)?);
        if field != other {
            let detail = format!("The one says its {field}, the other its {other}; compare two versions of one field.");
            return Err(Problem::new(ProblemKind::Invalid, detail).into());
        }
        let words = match (from.value.as_str(), to.value.as_str()) {
            (Some(before), Some(after)) => changes(past::changes(before, after)),
            _ => Vec::new(),
        };
        Ok(api::Comparison { field, from, to, words })
    }
}

fn anything_said(view: &ItemView) -> bool {
    view.fields
        .values()
        .any(|field| !field.seen.facts().is_empty() || !field.outside.is_empty() || !field.slots.is_empty())
}

/// The local date of a time that the wall clock told; `None` beyond the calendar.
pub(in crate::answer) fn local_date(at: i64) -> Option<Date> {
    let time = jiff::Timestamp::from_millisecond(at).ok()?;
    Some(time.to_zoned(jiff::tz::TimeZone::system()).date())
}
