//! How a fact stands in its row: without what follows from the rest of it.

use std::borrow::Cow;

use jiff::civil::Date;
use serde::{Deserialize, Serialize, Serializer};

use super::stored::{FactRow, Placing};
use crate::fact::{ContentHash, Header, Nonce, content_hash};
use crate::ids::{DeviceId, FactId, HouseholdId, ItemId, PartnerId};

/// A row of a fact, as it is written. The order is part of the stored format.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredFact<'a> {
    placing: Cow<'a, Placing>,
    void: bool,
    forked: bool,
    format: u32,
    household: HouseholdId,
    item: Option<ItemId>,
    kind: Cow<'a, str>,
    field: Cow<'a, str>,
    seen: Cow<'a, [FactId]>,
    previous: Option<FactId>,
    partner: PartnerId,
    device: DeviceId,
    /// Year, month, day.
    date: (i16, i8, i8),
    /// `None` where it is that of the content which is here, as it is of every fact that was not erased.
    hash: Option<ContentHash>,
    /// Nonce and the value's JSON text.
    content: Option<(Nonce, Cow<'a, str>)>,
    signature: Cow<'a, [u8]>,
}

impl Serialize for FactRow {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Header { format, household, item, kind, field, seen, previous, partner, device, date, hash } = &self.header;
        let content = self.content.as_ref();
        let follows = content.is_some_and(|(nonce, text)| content_hash(nonce, text) == *hash);
        let stored = StoredFact {
            placing: Cow::Borrowed(&self.placing),
            void: self.void,
            forked: self.forked,
            format: *format,
            household: *household,
            item: *item,
            kind: Cow::Borrowed(kind),
            field: Cow::Borrowed(field),
            seen: Cow::Borrowed(seen),
            previous: *previous,
            partner: *partner,
            device: *device,
            date: (date.year(), date.month(), date.day()),
            hash: (!follows).then_some(*hash),
            content: content.map(|(nonce, text)| (*nonce, Cow::Borrowed(text.as_str()))),
            signature: Cow::Borrowed(&self.signature),
        };
        stored.serialize(serializer)
    }
}

/// A row that no fact was written as.
#[derive(Debug, thiserror::Error)]
#[error("no fact was written like this")]
pub(super) struct NoFact;

impl TryFrom<StoredFact<'_>> for FactRow {
    type Error = NoFact;

    fn try_from(stored: StoredFact<'_>) -> Result<Self, NoFact> {
        let (year, month, day) = stored.date;
        let content = stored.content.map(|(nonce, text)| (nonce, text.into_owned()));
        let hash = stored.hash.or_else(|| content.as_ref().map(|(nonce, text)| content_hash(nonce, text)));
        let header = Header {
            format: stored.format,
            household: stored.household,
            item: stored.item,
            kind: stored.kind.into_owned(),
            field: stored.field.into_owned(),
            seen: stored.seen.into_owned(),
            previous: stored.previous,
            partner: stored.partner,
            device: stored.device,
            date: Date::new(year, month, day).map_err(|_| NoFact)?,
            hash: hash.ok_or(NoFact)?,
        };
        Ok(Self {
            placing: stored.placing.into_owned(),
            void: stored.void,
            forked: stored.forked,
            header,
            content,
            signature: stored.signature.into_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::index::Clock;
    use crate::index::stored::encode;

    fn row(content: Option<&str>, said: &str) -> FactRow {
        let nonce = Nonce::from_bytes([9; 16]);
        let header = Header {
            format: 1,
            household: HouseholdId::from_bytes([1; 32]),
            item: Some(ItemId::from_bytes([2; 32])),
            kind: "goal".into(),
            field: "title".into(),
            seen: vec![FactId::from_bytes([3; 32])],
            previous: None,
            partner: PartnerId::from_bytes([4; 32]),
            device: DeviceId::from_bytes([5; 32]),
            date: date(2026, 2, 28),
            hash: content_hash(&nonce, said),
        };
        let branch = FactId::from_bytes([6; 32]);
        let placing = Placing::Placed { branch, sequence: 3, clock: Clock::default() };
        let content = content.map(|text| (nonce, text.to_owned()));
        FactRow { placing, void: false, forked: true, header, content, signature: vec![7; 64] }
    }

    #[test]
    fn a_row_reads_as_it_was_and_leaves_out_the_hash_of_what_is_there() {
        // What was erased has only its hash; and one that is not that of the content, which no checked fact has, stays, too.
        for (content, said) in [(Some("\"sea\""), "\"sea\""), (None, "\"sea\""), (Some("\"sea\""), "\"mountains\"")] {
            let (row, bytes) = (row(content, said), encode(&row(content, said)));
            assert_eq!(postcard::from_bytes::<FactRow>(&bytes).expect("reads"), row);
            let is_there = bytes.windows(32).any(|window| window == row.header.hash.as_bytes());
            assert_eq!(is_there, content != Some(said));
        }
    }

    #[test]
    fn hostile_input_is_an_error_a_row_without_hash_and_content_and_a_day_that_is_none() {
        let bytes = encode(&row(None, "\"sea\""));
        for position in 0..bytes.len() {
            assert!(postcard::from_bytes::<FactRow>(&bytes[..position]).is_err());
        }
        let place = bytes.windows(2).position(|window| window == [2, 28]).expect("month and day stand there");
        let mut altered = bytes.clone();
        altered[place + 1] = 30;
        assert!(postcard::from_bytes::<FactRow>(&altered).is_err());
    }
}
