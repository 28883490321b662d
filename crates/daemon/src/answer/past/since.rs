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
use crate::http::lists::names;
use crate::http::{MeetingPlace, MeetingsList, cursor, shown};
use crate::open::{PeerNames, names_setting};

/// How much of what came or went is told of each meeting; the rest is counted.
const MOST: usize = 200;

impl Past<'_> {
    pub(super) fn since(&self, list: &MeetingsList) -> Result<api::Since, ReadError> {
        let ours = self.open.one(Scope::Ours)?;
        let reader = self.view.reader();
        let roster = self.replica.roster();
        let (own, me) = (self.replica.identity().partner(), self.replica.identity().device());
        let mut met: Vec<(Meeting, Option<FactId>, bool)> = Vec::new();
        // How far the partner's devices have got, by the number of facts in the past of where they are.
        let mut furthest: Option<(u64, FactId)> = None;
        let most = list.paging.limit;
        for (device, entry) in roster.devices().filter(|(device, _)| **device != me) {
            // One more than the page has, and one more with something told, to know where the oldest of these began.
            let (mut told, mut listed) = (0_usize, 0_usize);
            let meetings = reader.meetings(Scope::Ours, device, |meeting| {
                let enough = told > most && listed > most;
                if is_listed(list, meeting) {
                    listed += 1;
                    told += usize::from(meeting.told.is_some());
                }
                !enough
            });
            let meetings = meetings.map_err(IndexError::Rows)?;
            if entry.partner != own
                && let Some(told) = meetings.iter().find_map(|meeting| meeting.told)
                && let Some(past) = index::past(&ours.rows, &told)?
            {
                furthest = furthest.max(Some((past.weight(), told)));
            }
            for (at, meeting) in meetings.iter().enumerate().filter(|(_, meeting)| is_listed(list, meeting)) {
                let before = meetings[at + 1..].iter().find_map(|earlier| earlier.told);
                met.push((meeting.clone(), before, entry.partner == own));
            }
        }
        met.sort_by_key(|(meeting, ..)| std::cmp::Reverse(place(meeting)));
        let next = (met.len() > most).then(|| place(&met[most - 1].0));
        met.truncate(most);
        let items: Result<Vec<api::Meeting>, ReadError> =
            met.into_iter().map(|(meeting, before, own)| self.meeting(ours, &meeting, before, own)).collect();
        let tip = index::tip(&ours.rows, &me)?;
        let (waiting, waiting_more) = self.said(ours, furthest.map(|(_, fact)| fact), tip)?;
        let next = next.map(|place| cursor::write(names::SINCE, &place)).transpose()?;
        Ok(api::Since { items: items?, next, waiting, waiting_more })
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

fn place(meeting: &Meeting) -> MeetingPlace {
    (meeting.last, meeting.peer)
}

/// Whether a meeting belongs to what is asked for.
fn is_listed(list: &MeetingsList, meeting: &Meeting) -> bool {
    list.paging.after.is_none_or(|after| place(meeting) < after)
        && list.from.is_none_or(|from| local_date(meeting.last).is_some_and(|last| last >= from))
        && list.until.is_none_or(|until| local_date(meeting.began).is_some_and(|began| began <= until))
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
