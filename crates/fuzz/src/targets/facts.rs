//! What people say: the texts of facts; and facts that are well signed by a member who says whatever it likes.

use arbitrary::Unstructured;
use betwixt_model::fact::{Draft, Fact, Nonce, SignedFact};
use betwixt_model::ids::{FactId, ItemId, PartnerId};
use betwixt_model::index::rows::MemoryRows;
use betwixt_model::index::{self};
use betwixt_model::membership::{Accepted, Membership, Standing};
use betwixt_model::ritual::{Window, calendar};
use betwixt_model::schema::{self, KINDS};
use betwixt_model::view::{self, Reader};
use betwixt_model::{past, seal};
use jiff::civil::date;
use serde_json::Value;

use crate::household::{HOUSEHOLD, Home, couple};
use crate::reached::here;

/// The most facts of one life.
const FACTS: usize = 24;

/// The text of a fact, followed by its signature's 64 bytes.
pub(super) fn texts(bytes: &[u8]) {
    let (text, signature) = bytes.split_at(bytes.len().saturating_sub(64));
    for text in [text, bytes] {
        let Ok(text) = std::str::from_utf8(text) else { continue };
        let Ok(fact) = Fact::parse(text) else { continue };
        assert_eq!(fact.text(), text, "one spelling");
        here("a fact");
        let erased = fact.erased();
        assert_eq!((erased.id(), erased.value()), (fact.id(), None));
        if let Some(value) = fact.value() {
            let header = fact.header();
            let _ = schema::check_value(&header.kind, &header.field, value);
        }
        if SignedFact::verify(fact, signature).is_ok() {
            here("signed");
        }
    }
}

/// Facts of two members, read into the index in two orders, and shown in every way.
pub(super) fn lives(bytes: &[u8]) {
    let mut input = Unstructured::new(bytes);
    let homes = couple();
    let mut membership = Membership::default();
    for home in &homes {
        let partner = PartnerId::founded_by(&home.device());
        membership.set(home.device(), Standing { partner, accepted: Accepted::Everything });
    }
    let mut facts: Vec<SignedFact> = Vec::new();
    while !input.is_empty() && facts.len() < FACTS {
        match said(&mut input, &homes, &facts) {
            Ok(Some(fact)) => facts.push(fact),
            Ok(None) => {}
            Err(_) => break,
        }
    }
    if facts.len() > 2 {
        here("several facts");
    }
    let mut rows = MemoryRows::default();
    index::ingest(&mut rows, &HOUSEHOLD, &membership, facts.clone()).expect("rows in memory are read");
    let mut one_by_one = MemoryRows::default();
    index::ingest(&mut one_by_one, &HOUSEHOLD, &membership, Vec::new()).expect("rows in memory are read");
    for fact in facts.iter().rev() {
        index::ingest(&mut one_by_one, &HOUSEHOLD, &membership, vec![fact.clone()]).expect("rows in memory are read");
    }
    assert!(rows == one_by_one, "SameFactsSameView");
    for home in &homes {
        shown(&rows, &Reader { household: HOUSEHOLD, partner: PartnerId::founded_by(&home.device()) }, &homes);
    }
}

fn said(
    input: &mut Unstructured<'_>,
    homes: &[Home; 2],
    before: &[SignedFact],
) -> arbitrary::Result<Option<SignedFact>> {
    let home = &homes[usize::from(input.arbitrary::<bool>()?)];
    let kind = &KINDS[usize::from(input.arbitrary::<u8>()?) % KINDS.len()];
    let field = &kind.fields[usize::from(input.arbitrary::<u8>()?) % kind.fields.len()];
    let earlier = |choice: u8| before.get(usize::from(choice)).map(|signed| signed.fact());
    let about: u8 = input.arbitrary()?;
    let value = match input.arbitrary::<u8>()? {
        // What somebody said before, there or elsewhere.
        again @ 0xc0.. => earlier(again & 0x3f).and_then(Fact::value).cloned().unwrap_or_default(),
        length => {
            let length = usize::from(length).min(input.len());
            let text = String::from_utf8_lossy(input.bytes(length)?).into_owned();
            serde_json::from_str(&text).unwrap_or(Value::String(text))
        }
    };
    let item = match about {
        0xff => None,
        0xfe => kind.natural_item(&HOUSEHOLD, &PartnerId::founded_by(&home.device())),
        0xfd => kind.keyed_item(&HOUSEHOLD, &value),
        number @ 0xf0..=0xfc => Some(ItemId::from_bytes([number; 32])),
        number => earlier(number).map(Fact::item),
    };
    let mut seen: Vec<FactId> = Vec::new();
    for _ in 0..input.arbitrary::<u8>()? % 4 {
        seen.extend(earlier(input.arbitrary()?).map(Fact::id));
    }
    seen.sort_unstable();
    seen.dedup();
    let mut nonce = [0; 16];
    nonce[0] = before.len() as u8;
    let draft = Draft {
        household: HOUSEHOLD,
        item,
        kind: kind.name.into(),
        field: field.name.into(),
        seen,
        previous: earlier(input.arbitrary()?).map(Fact::id),
        partner: PartnerId::founded_by(&home.device()),
        device: home.device(),
        date: date(2026, 1, 1 + (input.arbitrary::<u8>()? % 28) as i8),
        nonce: Nonce::from_bytes(nonce),
        value,
    };
    Ok(Fact::write(draft).ok().map(|fact| fact.sign(home.keys.signing())))
}

/// Reads everything that a frontend may ask for. Rows in memory cannot fail to be read: an error would be one of what was said.
fn shown(rows: &MemoryRows, reader: &Reader, homes: &[Home; 2]) {
    let partners = homes.each_ref().map(|home| PartnerId::founded_by(&home.device()));
    for kind in KINDS {
        for item in view::items(rows, reader, kind.name).expect("is read") {
            here("shown");
            serde_json::to_vec(&item.fields).expect("is written");
            let window = Window { from: date(2026, 1, 1), to: date(2026, 12, 31), zone: None, today: date(2026, 6, 1) };
            let _ = calendar(rows, reader, &partners, &item, &window).expect("is read");
            let _ = view::linked(rows, reader, &item.id).expect("is read");
            let _ = past::timeline(rows, kind.name, &item.id).expect("is read");
        }
    }
    let _ = view::all_to_settle(rows, reader).expect("is read");
    let _ = view::differences(rows, reader).expect("is read");
    let _ = seal::sessions(rows, reader, &partners).expect("is read");
}
