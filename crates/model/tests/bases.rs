//! What versions replaced, in fields whose facts are in many rows.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use betwixt_model::ids::{FactId, ItemId};
use betwixt_model::index::rows::MemoryRows;
use betwixt_model::index::{self, FieldKey};
use betwixt_model::membership::{Accepted, Membership, Standing};
use serde_json::json;
use support::{Device, ingest, members};

/// A goal's title on one device, which has heard of everything.
struct Title {
    rows: MemoryRows,
    membership: Membership,
    item: ItemId,
    last: FactId,
    count: u32,
}

impl Title {
    /// Said so many times by one, each word in the place of the one before.
    fn with_past(by: &mut Device, membership: Membership, count: usize) -> Self {
        let mut rows = MemoryRows::default();
        let first = by.says(None, "goal", "title", json!(0), &[]);
        ingest(&mut rows, &membership, std::slice::from_ref(&first));
        let (item, last) = (first.fact().item(), first.fact().id());
        let mut title = Self { rows, membership, item, last, count: 0 };
        for _ in 1..count {
            title.last = title.say(by, &[title.last]);
        }
        title
    }

    fn say(&mut self, by: &mut Device, seen: &[FactId]) -> FactId {
        self.count += 1;
        let fact = by.says(Some(self.item), "goal", "title", json!(self.count), seen);
        ingest(&mut self.rows, &self.membership, std::slice::from_ref(&fact));
        fact.fact().id()
    }

    fn bases(&self, versions: &[FactId]) -> Vec<FactId> {
        let key = FieldKey { item: self.item, kind: "goal".into(), field: "title".into() };
        index::bases(&self.rows, &key, versions).unwrap().iter().map(|base| base.id).collect()
    }
}

/// A removed device's word counts for nothing; who named it, named what it named, however long ago the field began.
#[test]
fn a_base_is_found_behind_a_void_fact() {
    for count in [2, 40] {
        let [mut laptop, mut removed, mut other] = [1, 2, 101].map(Device::new);
        let mut membership = members(&[laptop.clone(), removed.clone(), other.clone()]);
        membership.set(removed.id, Standing { partner: removed.partner, accepted: Accepted::Nothing });
        let mut title = Title::with_past(&mut laptop, membership, count);
        let base = title.last;
        let void = title.say(&mut removed, &[base]);
        let one = title.say(&mut laptop, &[void]);
        let theirs = title.say(&mut other, &[base]);
        assert_eq!(title.bases(&[one, theirs]), [base], "after {count}");
    }
}

/// The walk back ends once all that is left is below a base. Many ways lead to the same facts below it, and each is counted
/// once only.
#[test]
fn a_base_is_found_above_many_facts_that_many_replaced() {
    let [mut laptop, mut phone, mut tablet, mut desk, mut other] = [1, 2, 3, 4, 101].map(Device::new);
    let all = [&laptop, &phone, &tablet, &desk, &other].map(Clone::clone);
    let mut title = Title::with_past(&mut laptop, members(&all), 30);
    let begun = title.last;
    let below: Vec<FactId> =
        [&mut laptop, &mut phone, &mut tablet, &mut desk].map(|device| title.say(device, &[begun])).to_vec();
    let above = [&mut phone, &mut tablet, &mut desk].map(|device| title.say(device, &below));
    let base = title.say(&mut laptop, &above);
    let (one, theirs) = (title.say(&mut laptop, &[base]), title.say(&mut other, &[base]));
    assert_eq!(title.bases(&[one, theirs]), [base]);
}
