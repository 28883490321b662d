//! What came and went at each meeting.

use betwixt_api as api;
use betwixt_model::document::Scope;
use betwixt_model::ids::{DeviceId, FactId};
use betwixt_model::index::{self, IndexError};
use betwixt_model::past;
use betwixt_store::{Meeting, StoreError};

use super::then::local_date;
use super::{Past, timeline};
use crate::answer::items::{OpenScope, ReadError, shown_scope};
use crate::http::shown;
use crate::open::{PeerNames, names_setting};

/// How much of what came or went is told of each meeting; the rest is counted.
const MOST: usize = 200;

impl Past<'_> {
    pub(super) fn since(&self, most: u32) -> Result<api::Since, ReadError> {
        let ours = self.open.one(Scope::Ours)?;
        let reader = self.view.reader();
        let roster = self.replica.roster();
        let (own, me) = (self.replica.identity().partner(), self.replica.identity().device());
        let mut met: Vec<(Meeting, Option<FactId>, bool)> = Vec::new();
        // How far the partner's devices have got, by the number of facts in the past of where they are.
        let mut furthest: Option<(u64, FactId)> = None;
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        for (device, entry) in roster.devices().filter(|(device, _)| **device != me) {
            // One more with something told, to know where the oldest of these began.
            let mut told = 0_usize;
            let meetings = reader.meetings(Scope::Ours, device, |meeting| {
                let wanted = told <= most;
                told += usize::from(meeting.told.is_some());
                wanted
            });
            let meetings = meetings.map_err(IndexError::Rows)?;
            if entry.partner != own
                && let Some(told) = meetings.iter().find_map(|meeting| meeting.told)
                && let Some(past) = index::past(&ours.rows, &told)?
            {
                furthest = furthest.max(Some((past.weight(), told)));
            }
            for (place, meeting) in meetings.iter().enumerate() {
                let before = meetings[place + 1..].iter().find_map(|earlier| earlier.told);
                met.push((meeting.clone(), before, entry.partner == own));
            }
        }
        met.sort_by_key(|(meeting, ..)| std::cmp::Reverse((meeting.last, meeting.peer)));
        met.truncate(most);
        let meetings: Result<Vec<api::Meeting>, ReadError> =
            met.into_iter().map(|(meeting, before, own)| self.meeting(ours, &meeting, before, own)).collect();
        let tip = index::tip(&ours.rows, &me)?;
        let (waiting, waiting_more) = self.said(ours, furthest.map(|(_, fact)| fact), tip)?;
        Ok(api::Since { meetings: meetings?, waiting, waiting_more })
    }

    fn meeting(
        &self,
        ours: &OpenScope<'_>,
        meeting: &Meeting,
        before: Option<FactId>,
        own: bool,
    ) -> Result<api::Meeting, ReadError> {
        let came = self.view.reader().came(Scope::Ours, meeting).map_err(IndexError::Rows)?;
        let came_more = came.len().saturating_sub(MOST) as u64;
        let (went, went_more) = match meeting.told {
            Some(told) => self.said(ours, before, Some(told))?,
            None => (Vec::new(), 0),
        };
        let day = |at| local_date(at).map(|date| date.to_string()).unwrap_or_default();
        Ok(api::Meeting {
            device: meeting.peer.to_string(),
            name: self.name(&meeting.peer).map_err(IndexError::Rows)?,
            own,
            on: day(meeting.began),
            until: day(meeting.last),
            came: told(ours, came.iter().take(MOST))?,
            came_more,
            went,
            went_more,
        })
    }

    /// What this device said after one fact, up to another, first said first.
    fn said(
        &self,
        ours: &OpenScope<'_>,
        from: Option<FactId>,
        to: Option<FactId>,
    ) -> Result<(Vec<api::Told>, u64), ReadError> {
        let (mut facts, more) = self.replica.said_between(&ours.rows, from, to, MOST)?;
        facts.reverse();
        Ok((told(ours, facts.iter())?, more))
    }

    fn name(&self, device: &DeviceId) -> Result<String, StoreError> {
        let names: Option<PeerNames> = self.view.reader().setting(Scope::Ours, &names_setting(device))?;
        Ok(names.map_or_else(|| "a device".to_owned(), |names| names.device))
    }
}

/// Facts with their items, in the order in which they are given. What the API does not show is left out.
pub(super) fn told<'f>(
    open: &OpenScope<'_>,
    facts: impl Iterator<Item = &'f FactId>,
) -> Result<Vec<api::Told>, ReadError> {
    let mut all = Vec::new();
    for fact in facts {
        let Some((key, event)) = past::event_of(&open.rows, fact)? else { continue };
        let Some(view) = open.view(&key.kind, &key.item)? else { continue };
        if let Some(item) = shown::reference(shown_scope(open.scope), &view) {
            all.push(api::Told { item, event: timeline::event(&open.reader, event) });
        }
    }
    Ok(all)
}
