//! What came and went at each meeting with a peer, kept so that it costs one small row a transaction.

use betwixt_model::document::Scope;
use betwixt_model::ids::{DeviceId, FactId};
use serde::{Deserialize, Serialize};

use crate::batch::Batch;
use crate::error::StoreError;
use crate::reader::Reader;
use crate::records::ArrivalRecord;
use crate::source::Transaction;
use crate::tables::{Area, Span, decode, encode, group, numbered, pack};

/// A meeting with a peer: a connection on which both greeted each other, and something came or went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meeting {
    /// The peer.
    pub peer: DeviceId,
    /// The counter that was sent to it then, which names the meeting.
    pub counter: u64,
    /// When something came or went first, by the wall clock, in milliseconds since 1970-01-01 UTC: for display only.
    pub began: i64,
    /// And last.
    pub last: i64,
    /// The end of this device's own chain that the peer had at last: it has everything before it, too. `None` while they
    /// were not in step, or this device had said nothing.
    pub told: Option<FactId>,
    /// How many rows there are of what came.
    parts: u64,
}

fn parts_group(meeting: &Meeting) -> Vec<u8> {
    [meeting.peer.as_bytes().as_slice(), &meeting.counter.to_be_bytes()].concat()
}

impl Batch {
    /// Writes down that these facts came from a peer at the present meeting: that of the last counter that was sent to it.
    /// The first arrival of a fact counts; those that arrived before change nothing.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn record_arrivals(
        &mut self,
        scope: Scope,
        from: &DeviceId,
        at: i64,
        facts: &[FactId],
    ) -> Result<(), StoreError> {
        let mut new = Vec::new();
        for fact in facts {
            if self.record_arrival(scope, fact, &ArrivalRecord { from: *from, at })? {
                new.push(*fact);
            }
        }
        if new.is_empty() {
            return Ok(());
        }
        let mut meeting = self.present_meeting(scope, from, at)?;
        let parts = parts_group(&meeting);
        let row = numbered(self.keys().of(scope)?, Area::Came, &parts, meeting.parts);
        self.put_sealed(scope, Area::Came, &row, &pack(&parts, &[], &encode(&new)?))?;
        meeting.parts += 1;
        self.put_meeting(scope, &meeting)
    }

    /// Writes down that a peer has everything that is here, up to this end of this device's own chain. A meeting in which
    /// nothing came or went is not kept.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn record_in_step(
        &mut self,
        scope: Scope,
        peer: &DeviceId,
        at: i64,
        told: Option<FactId>,
    ) -> Result<(), StoreError> {
        let known = self.reader().last_meeting(scope, peer)?;
        if known.is_some_and(|meeting| meeting.told == told) || told.is_none() {
            return Ok(());
        }
        let meeting = Meeting { told, ..self.present_meeting(scope, peer, at)? };
        self.put_meeting(scope, &meeting)
    }

    fn present_meeting(&self, scope: Scope, peer: &DeviceId, at: i64) -> Result<Meeting, StoreError> {
        let counter = self.reader().peer(peer)?.unwrap_or_default().sent;
        Ok(match self.reader().last_meeting(scope, peer)? {
            Some(meeting) if meeting.counter == counter => Meeting { last: at, ..meeting },
            _ => Meeting { peer: *peer, counter, began: at, last: at, told: None, parts: 0 },
        })
    }

    fn put_meeting(&mut self, scope: Scope, meeting: &Meeting) -> Result<(), StoreError> {
        let of = meeting.peer.as_bytes();
        let row = numbered(self.keys().of(scope)?, Area::Meetings, of, meeting.counter);
        self.put_sealed(scope, Area::Meetings, &row, &pack(of, &[], &encode(meeting)?))
    }
}

impl Reader<'_> {
    /// The meetings with a peer, latest first, as long as `wanted` says so.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn meetings(
        &self,
        scope: Scope,
        peer: &DeviceId,
        mut wanted: impl FnMut(&Meeting) -> bool,
    ) -> Result<Vec<Meeting>, StoreError> {
        let prefix = group(self.key(scope)?, Area::Meetings, peer.as_bytes());
        let span = Span { backwards: true, ..Span::of(&prefix) };
        let mut meetings = Vec::new();
        self.each(scope, Area::Meetings, span, &mut |row| {
            let meeting: Meeting = decode(Area::Meetings.table(scope), &row.value)?;
            let wanted = wanted(&meeting);
            if wanted {
                meetings.push(meeting);
            }
            Ok(wanted)
        })?;
        Ok(meetings)
    }

    fn last_meeting(&self, scope: Scope, peer: &DeviceId) -> Result<Option<Meeting>, StoreError> {
        let mut first = true;
        Ok(self.meetings(scope, peer, |_| std::mem::take(&mut first))?.pop())
    }

    /// The facts that came at a meeting, in the order in which they came.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn came(&self, scope: Scope, meeting: &Meeting) -> Result<Vec<FactId>, StoreError> {
        let table = Area::Came.table(scope);
        let prefix = group(self.key(scope)?, Area::Came, &parts_group(meeting));
        let mut came = Vec::new();
        for row in self.all(scope, Area::Came, Span::of(&prefix))? {
            came.extend(decode::<Vec<FactId>>(table, &row.value)?);
        }
        Ok(came)
    }
}
