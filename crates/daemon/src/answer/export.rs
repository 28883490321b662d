//! Everything that somebody can read, written as it is read: nothing grows with the years but the list of ids.

use std::cell::Cell;

use betwixt_api as api;
use betwixt_api::Collection;
use betwixt_model::document::Scope;
use betwixt_model::ids::PartnerId;
use betwixt_model::view::Reader;
use betwixt_model::{index, past, seal, view};
use betwixt_store::{Store, StoreError};
use serde::ser::{Error, SerializeSeq, SerializeStruct};
use serde::{Serialize, Serializer};

use super::items::{OpenScope, shown_scope};
use super::past::timeline;
use super::seals;
use crate::http::{PieceWriter, shown};
use crate::replica::ShownRows;

/// What is taken out, apart from what the store holds.
#[derive(Debug)]
pub(crate) struct Taken {
    /// Whose scopes, as they are read.
    pub(crate) readers: Vec<(Scope, Reader)>,
    /// Both partners, once there are two.
    pub(crate) partners: Vec<PartnerId>,
    /// Who takes it out.
    pub(crate) me: Option<api::Partner>,
    /// The other one.
    pub(crate) partner: Option<api::Partner>,
    /// Today.
    pub(crate) made_on: String,
}

/// Writes everything as it is at this moment. Blocks, also while the reader is slow.
///
/// # Errors
/// When the store cannot be read at all. What goes wrong later breaks the answer off.
pub(crate) fn write(store: &Store, taken: &Taken, writer: PieceWriter, begun: impl FnOnce()) -> Result<(), StoreError> {
    let view = store.read()?;
    let reader = view.reader();
    let scopes: Vec<OpenScope<'_>> = taken
        .readers
        .iter()
        .map(|(scope, of)| OpenScope { scope: *scope, reader: *of, rows: ShownRows::Stored(reader.rows(*scope)) })
        .collect();
    begun();
    let mut writer = writer;
    let written = serde_json::to_writer_pretty(&mut writer, &Whole { taken, scopes: &scopes, count: Cell::new(0) });
    match written {
        Ok(()) => {
            // The reader went away: there is nobody to be told.
            let _ = writer.end();
        }
        Err(error) => {
            tracing::warn!(kind = ?error.classify(), "an export broke off");
            writer.break_off();
        }
    }
    Ok(())
}

/// [`api::Export`], without having all of it.
struct Whole<'a> {
    taken: &'a Taken,
    scopes: &'a [OpenScope<'a>],
    count: Cell<u64>,
}

impl Serialize for Whole<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut export = serializer.serialize_struct("Export", 8)?;
        export.serialize_field("format", api::EXPORT_FORMAT)?;
        export.serialize_field("version", &api::EXPORT_VERSION)?;
        export.serialize_field("made_on", &self.taken.made_on)?;
        export.serialize_field("me", &self.taken.me)?;
        export.serialize_field("partner", &self.taken.partner)?;
        export.serialize_field("private", &self.scopes.iter().any(|open| open.scope == Scope::Mine))?;
        export.serialize_field("items", &Items(self))?;
        export.serialize_field("count", &self.count.get())?;
        export.end()
    }
}

struct Items<'a>(&'a Whole<'a>);

impl Serialize for Items<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut items = serializer.serialize_seq(None)?;
        for open in self.0.scopes {
            for collection in Collection::ALL {
                for entry in index::items(&open.rows, shown::kind_of(collection)).map_err(S::Error::custom)? {
                    let item = view::item(&open.rows, &open.reader, &entry.item).map_err(S::Error::custom)?;
                    let item = item.filter(|view| view.kind == shown::kind_of(collection));
                    let Some(item) = item else { continue };
                    let item = self.0.item(open, &item).map_err(S::Error::custom)?;
                    if let Some(item) = item {
                        self.0.count.set(self.0.count.get() + 1);
                        items.serialize_element(&item)?;
                    }
                }
            }
        }
        items.end()
    }
}

impl Whole<'_> {
    fn item(
        &self,
        open: &OpenScope<'_>,
        view: &view::ItemView,
    ) -> Result<Option<api::ExportedItem>, index::IndexError<StoreError>> {
        let Some(mut item) = shown::alone(&open.reader, shown_scope(open.scope), view) else { return Ok(None) };
        item.fields.retain(|_, field| *field != api::Field::empty(field.kind));
        let sealed = if view.kind == seal::KIND && open.scope == Scope::Ours {
            let mine = self.scopes.iter().find(|open| open.scope == Scope::Mine);
            seals::session_of(open, mine, &self.taken.partners, &view.id)?
        } else {
            None
        };
        let events = past::timeline(&open.rows, &view.kind, &view.id)?;
        let said = events.into_iter().map(|event| {
            let event = timeline::event(&open.reader, event);
            // Both stand in what comes before.
            let event = api::Event { before: Vec::new(), words: Vec::new(), ..event };
            api::ExportedSaid { who: self.who(&event.said.by), event }
        });
        let who = item.by.as_deref().map(|by| self.who(by));
        Ok(Some(api::ExportedItem { who, item, sealed, said: said.collect() }))
    }

    /// The name of a partner; the id of one whose name is not known.
    fn who(&self, id: &str) -> String {
        let people = self.taken.me.iter().chain(&self.taken.partner);
        people.into_iter().find(|partner| partner.id == id).map_or(id, |partner| &partner.name).to_owned()
    }
}
