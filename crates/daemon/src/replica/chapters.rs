//! New chapters: once both partners have agreed to one, the documents begin anew without what it erases.

use std::collections::BTreeSet;

use betwixt_model::carry::{Entries, Entry};
use betwixt_model::chapter::{self, Chapter};
use betwixt_model::document::{DocumentId, Scope};
use betwixt_model::ids::FactId;
use betwixt_model::index;

use super::carrying::{self, GENERATIONS};
use super::health::CarriedOn;
use super::{Replica, Stage, StageError};

/// The name of the setting that says how many chapters the documents have gone through here.
const CHAPTERS: &str = "chapters";

impl Replica {
    /// Begins the documents anew when a chapter is in force that they have not gone through, and all that it keeps is here.
    ///
    /// Every year of what is kept is written again, the same bytes on every device, with a generation that follows from how
    /// many chapters are in force; what is known besides follows in changes of its own. The older documents, which hold the
    /// erased values, are removed from this device at once: what of them counts stands in the new ones.
    pub(super) fn begin_chapters(&mut self, stage: &mut Stage) -> Result<(), StageError> {
        let Some(household) = self.space(Scope::Ours) else { return Ok(()) };
        let reader = stage.batch.reader();
        let rows = reader.rows(Scope::Ours);
        let chapters = chapter::in_force(&rows, &household)?;
        let number = u32::try_from(chapters.len()).unwrap_or(u32::MAX);
        if number == 0 || reader.setting::<u32>(Scope::Ours, CHAPTERS)? == Some(number) {
            return Ok(());
        }
        let Some(base) = number.checked_mul(GENERATIONS) else { return Ok(()) };
        let mut kept = BTreeSet::new();
        for chapter in &chapters {
            match chapter::whole(&rows, &household, chapter)? {
                Some(whole) => kept.extend(whole),
                // It begins when the rest is here.
                None => return Ok(()),
            }
        }
        let erased = index::erased(&rows)?;
        for (year, ids) in chapter::by_year(&rows, &kept)? {
            let new = DocumentId { scope: Scope::Ours, year, generation: base };
            self.begin_year(stage, new, &ids, &erased)?;
        }
        // Its words go with the values: the search index is built anew of what is left.
        stage.batch.forget_search(Scope::Ours)?;
        stage.batch.put_setting(Scope::Ours, CHAPTERS, &number)?;
        Ok(())
    }

    fn begin_year(
        &mut self,
        stage: &mut Stage,
        new: DocumentId,
        kept: &BTreeSet<FactId>,
        erased: &BTreeSet<FactId>,
    ) -> Result<(), StageError> {
        let older = self.older(stage, new)?;
        let mut entries = self.known_before(stage, new)?;
        for id in erased {
            if let Some(entry) = entries.get_mut(id) {
                *entry = entry.without_value(new, id);
            }
        }
        let mut first = Entries::new();
        for id in kept {
            let entry = match entries.remove(id) {
                Some(entry) => Some(entry),
                None => index::fact(&stage.batch.reader().rows(new.scope), id)?.as_ref().map(Entry::of),
            };
            first.extend(entry.map(|entry| (*id, entry)));
        }
        let newest = carrying::newest(&stage.batch.reader(), new.scope, new.year)?.filter(|newest| *newest > new);
        match newest {
            // Another device has begun it, and something has happened to it since.
            Some(newest) => {
                first.extend(entries);
                self.carry_into(stage, newest, first)?;
            }
            None => {
                self.carry_all(stage, new, &first)?;
                self.carry_into(stage, new, entries)?;
            }
        }
        for old in older {
            tracing::info!(%old, %new, why = ?CarriedOn::Chapter, "a document begins anew");
            self.remove_document(stage, old)?;
        }
        Ok(())
    }

    /// The chapters that are in force.
    ///
    /// # Errors
    /// [`StageError`].
    pub fn chapters(&self) -> Result<Vec<Chapter>, StageError> {
        let Some(household) = self.space(Scope::Ours) else { return Ok(Vec::new()) };
        let view = self.store.read()?;
        Ok(chapter::in_force(&view.reader().rows(Scope::Ours), &household)?)
    }
}
