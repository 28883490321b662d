//! Part of a list of items, for readers who take a long one page by page.

use super::{ItemView, Reader, item, names};
use crate::ids::ItemId;
use crate::index::rows::ReadRows;
use crate::index::{self, IndexError, ItemEntry, Position, Window};

/// Some items of a kind, in the direction of reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The items.
    pub items: Vec<ItemView>,
    /// Where the last of them stands, if there are more: what the next [`Window`] comes after.
    pub next: Option<Position>,
}

/// The first items of a kind that a window holds, at most so many. Natural ones only where something was said. Costs what is
/// shown, and the names of one year's items.
///
/// # Errors
/// [`IndexError`].
pub fn page<R: ReadRows>(
    rows: &R,
    reader: &Reader,
    kind: &str,
    window: &Window,
    most: usize,
) -> Result<Page, IndexError<R::Error>> {
    let mut filling = Filling::of(most);
    index::each_item(rows, kind, window, |entry| {
        let view = item(rows, reader, &entry.item)?.filter(|view| view.kind == kind);
        Ok(filling.take(&entry, view))
    })?;
    Ok(filling.page)
}

/// As [`page`], of those alone that link to an item: a goal's milestones, the thanks for a value. Costs what is shown, and a
/// row for every item that links there.
///
/// # Errors
/// [`IndexError`].
pub fn page_linked<R: ReadRows>(
    rows: &R,
    reader: &Reader,
    kind: &str,
    target: &ItemId,
    window: &Window,
    most: usize,
) -> Result<Page, IndexError<R::Error>> {
    let mut linking: Vec<(ItemEntry, Vec<String>)> = Vec::new();
    for key in index::links_to(rows, target)?.into_iter().filter(|key| key.kind == kind) {
        match linking.iter_mut().find(|(entry, _)| entry.item == key.item) {
            Some((_, fields)) => fields.push(key.field),
            None => linking.extend(index::entry(rows, kind, &key.item)?.map(|entry| (entry, vec![key.field]))),
        }
    }
    linking.retain(|(entry, _)| window.holds(&entry.position()));
    linking.sort_by_key(|(entry, _)| entry.position());
    if window.latest_first {
        linking.reverse();
    }
    let mut filling = Filling::of(most);
    for (entry, fields) in linking {
        let links = |view: &ItemView| view.kind == kind && fields.iter().any(|field| names(view, field, target));
        let view = item(rows, reader, &entry.item)?.filter(links);
        if !filling.take(&entry, view) {
            break;
        }
    }
    Ok(filling.page)
}

struct Filling {
    page: Page,
    most: usize,
    last: Option<Position>,
}

impl Filling {
    fn of(most: usize) -> Self {
        Self { page: Page { items: Vec::new(), next: None }, most, last: None }
    }

    /// Takes what comes next, and answers whether to go on.
    fn take(&mut self, entry: &ItemEntry, view: Option<ItemView>) -> bool {
        let Some(view) = view else { return true };
        if self.page.items.len() == self.most {
            self.page.next = self.last;
            return false;
        }
        self.last = Some(entry.position());
        self.page.items.push(view);
        true
    }
}
