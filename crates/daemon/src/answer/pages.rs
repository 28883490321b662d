//! Lists of items, page by page: first what is shared, then what is private.

use betwixt_api as api;
use betwixt_api::{Problem, ProblemKind};
use betwixt_model::document::Scope;
use betwixt_model::index::Window;
use betwixt_model::schema::{KINDS, Kind, Naming};
use betwixt_model::view::{self, ItemView};

use super::items::{Open, OpenScope, ReadError, brought_to, may_be_brought, shown_scope};
use crate::http::lists::names;
use crate::http::{BringPlace, ItemPlace, ItemsList, Paging, cursor, shown};

/// Some views, and the place of the last one if there are more.
pub(super) struct Views<'o, 'a> {
    /// In the order of the list, each with its scope.
    pub(super) views: Vec<(&'o OpenScope<'a>, ItemView)>,
    /// Where the next page begins.
    pub(super) next: Option<ItemPlace>,
}

impl<'a> Open<'a> {
    /// A page of a collection.
    pub(super) fn items(
        &self,
        collection: api::Collection,
        list: &ItemsList,
    ) -> Result<api::Page<api::Item>, ReadError> {
        let kind = shown::kind_of(collection);
        let Views { views, next } = self.views(kind, list)?;
        let mut items = Vec::new();
        for (open, view) in &views {
            // Its progress grows with the years, and is a list of its own.
            let alone = collection == api::Collection::Milestones;
            let shown =
                if alone { shown::alone(&open.reader, shown_scope(open.scope), view) } else { open.show(view)? };
            items.extend(shown);
        }
        Ok(api::Page { items, next: next.map(|next| cursor::write(names::ITEMS, &next)).transpose()? })
    }

    /// The views of a page.
    pub(super) fn views(&self, kind: &str, list: &ItemsList) -> Result<Views<'_, 'a>, ReadError> {
        let scopes = self.wanted(list.scope)?;
        if Kind::named(kind).is_some_and(|kind| matches!(kind.naming, Naming::One | Naming::OnePerPartner)) {
            return self.natural(kind, list, &scopes);
        }
        let mut found = Views { views: Vec::new(), next: None };
        for open in scopes {
            let scope = shown_scope(open.scope);
            let after = match list.paging.after {
                Some(place) if scope < place.scope => continue,
                Some(place) if scope == place.scope => Some((place.date, place.item)),
                _ => None,
            };
            let latest_first = list.order == api::Order::Latest;
            let window = Window { from: list.from, until: list.until, after, latest_first };
            let room = list.paging.limit - found.views.len();
            // A full page still has to know whether anything follows.
            let most = room.max(1);
            let page = match &list.of {
                Some(target) => view::page_linked(&open.rows, &open.reader, kind, target, &window, most)?,
                None => view::page(&open.rows, &open.reader, kind, &window, most)?,
            };
            if room == 0 {
                if !page.items.is_empty() {
                    found.next = found.views.last().map(|(open, view)| place(open, view)).transpose()?;
                    return Ok(found);
                }
                continue;
            }
            found.views.extend(page.items.into_iter().map(|view| (open, view)));
            if let Some((date, item)) = page.next {
                found.next = Some(ItemPlace { scope, date, item });
                return Ok(found);
            }
        }
        Ok(found)
    }

    /// A page of the private items that could be brought over: kind by kind, in the order in which links allow it.
    pub(super) fn bring_choices(&self, paging: &Paging<BringPlace>) -> Result<api::Page<api::BringChoice>, ReadError> {
        let mine = self.one(Scope::Mine)?;
        let (mut choices, mut last) = (Vec::new(), None);
        let of = |kind: &&Kind| paging.after.as_ref().is_none_or(|(of, ..)| of == kind.name);
        let kinds = KINDS.iter().filter(|kind| may_be_brought(kind)).skip_while(|kind| !of(kind));
        for (number, kind) in kinds.enumerate() {
            let after = paging.after.as_ref().filter(|_| number == 0).map(|(_, date, item)| (*date, *item));
            let room = paging.limit - choices.len();
            let window = Window { after, ..Window::default() };
            // A full page still has to know whether anything follows.
            let page = view::page(&mine.rows, &mine.reader, kind.name, &window, room.max(1))?;
            if room == 0 && !page.items.is_empty() {
                return bring_page(choices, last);
            }
            for view in &page.items {
                let ItemPlace { date, item, .. } = place(mine, view)?;
                last = Some((kind.name.to_owned(), date, item));
                let Some(item) = shown::reference(api::Scope::Mine, view) else { continue };
                let brought_to = brought_to(mine, &view.id)?.map(|to| to.to_string());
                choices.push(api::BringChoice { item, brought_to });
            }
            if page.next.is_some() {
                return bring_page(choices, last);
            }
        }
        bring_page(choices, None)
    }

    /// What is there by itself, of which there are a few: one page, whatever is asked for.
    fn natural<'o>(
        &'o self,
        kind: &str,
        list: &ItemsList,
        scopes: &[&'o OpenScope<'a>],
    ) -> Result<Views<'o, 'a>, ReadError> {
        let mut views = Vec::new();
        for open in scopes {
            let own = list.scope.is_some() || self.is_default(open);
            views.extend(open.items(kind, own)?.into_iter().map(|view| (*open, view)));
        }
        if list.order == api::Order::Latest {
            views.reverse();
        }
        Ok(Views { views, next: None })
    }
}

/// A page that ends at this place, if it is not the last.
fn bring_page(
    items: Vec<api::BringChoice>,
    last: Option<BringPlace>,
) -> Result<api::Page<api::BringChoice>, ReadError> {
    Ok(api::Page { items, next: last.map(|last| cursor::write(names::BRING, &last)).transpose()? })
}

/// Where an item stands in lists.
fn place(open: &OpenScope<'_>, view: &ItemView) -> Result<ItemPlace, ReadError> {
    let entry = betwixt_model::index::entry(&open.rows, &view.kind, &view.id)?;
    let gone = || Problem::new(ProblemKind::Internal, "An item is not where it is listed.");
    let (date, item) = entry.ok_or_else(gone)?.position();
    Ok(ItemPlace { scope: shown_scope(open.scope), date, item })
}
