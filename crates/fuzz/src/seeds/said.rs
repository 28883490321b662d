//! What people say.

use betwixt_sync::pairing::Local;
use serde_json::json;

use super::{Seed, named, numbered};
use crate::frames::join;
use crate::household::couple;
use crate::targets::{chains, local};

/// Texts of facts, each with its signature after it.
pub(super) fn facts() -> Vec<Seed> {
    let [mut home, _] = couple();
    let with_signature =
        |signed: betwixt_model::fact::SignedFact| [signed.fact().text().as_bytes(), &signed.signature()].concat();
    let texts = ["We walk to the sea", "", "\u{1f6b2} \u{202e}reversed\u{0}", "A line\nand another. And a third."];
    let mut seeds = numbered("fact", texts.map(|text| with_signature(home.fact(2026, text))));
    let erased = home.fact(2026, "gone").without_value();
    seeds.push(named("erased", with_signature(erased)));
    seeds
}

/// One fact as `fact_lives` reads it: by whom, of which kind and field, about what, its value, and what its writer had seen.
fn fact(by: u8, kind: &str, field: &str, about: u8, value: &serde_json::Value, seen: &[u8], previous: u8) -> Vec<u8> {
    let kinds = betwixt_model::schema::KINDS;
    let number = kinds.iter().position(|one| one.name == kind).expect("a kind");
    let place = kinds[number].fields.iter().position(|one| one.name == field).expect("a field of it");
    let text = value.to_string();
    let mut bytes = vec![by, number as u8, place as u8, about, u8::try_from(text.len()).expect("seeds are short")];
    bytes.extend(text.as_bytes());
    bytes.push(seen.len() as u8);
    bytes.extend(seen);
    bytes.extend([previous, 3]);
    bytes
}

pub(super) fn lives() -> Vec<Seed> {
    const NEW: u8 = 0xff;
    const ITS_OWN: u8 = 0xfe;
    const BY_ITS_KEY: u8 = 0xfd;
    let title =
        |by, about, text: &str, seen: &[u8], previous| fact(by, "goal", "title", about, &json!(text), seen, previous);
    let apart = [title(0, NEW, "A", &[], NEW), title(1, 0, "B", &[0], NEW), title(0, 0, "C", &[0], 0)].concat();
    let settled = [&apart[..], &title(1, 0, "C", &[1, 2], 1), &title(0, 0, "D", &[2, 3], 2)].concat();
    let vision = |by, text: &str, seen: &[u8]| fact(by, "vision", "draft", ITS_OWN, &json!(text), seen, NEW);
    let prose =
        [vision(0, "One. Two. Three.", &[]), vision(1, "One. Two! Three.", &[0]), vision(0, "One. 2. Three.", &[0])];
    let cadence = json!({ "start": "2026-01-04", "zone": "Europe/Berlin", "rule": "FREQ=WEEKLY" });
    let ritual = [
        fact(0, "ritual", "title", NEW, &json!("Sunday talk"), &[], NEW),
        fact(0, "ritual", "cadence", 0, &cadence, &[], 0),
        fact(1, "ritual", "cadence", 0, &cadence, &[1], NEW),
    ];
    let mut seeds = vec![
        named("apart", apart),
        named("settled", settled),
        named("prose", prose.concat()),
        named("ritual", ritual.concat()),
    ];
    // One of every field there is, said as if it were the only one.
    for kind in betwixt_model::schema::KINDS {
        let all = kind.fields.iter().take(20).flat_map(|field| {
            fact(
                0,
                kind.name,
                field.name,
                if field.name == kind.fields[0].name { NEW } else { 0 },
                &json!("x"),
                &[],
                NEW,
            )
        });
        seeds.push(named(&format!("kind-{}", kind.name), all.collect::<Vec<_>>()));
    }
    let mark = json!({ "ritual": "aaaa", "date": "2026-01-04", "is": "done" });
    seeds.push(named("keyed", fact(1, "occurrence", "mark", BY_ITS_KEY, &mark, &[], NEW)));
    seeds
}

pub(super) fn prose() -> Vec<Seed> {
    let list = |bases: &[&str], versions: &[&str]| {
        let bases = bases.iter().map(|text| (true, text.as_bytes()));
        join(bases.chain(versions.iter().map(|text| (false, text.as_bytes()))))
    };
    let base = "We live by the sea. We have time. There is a garden.";
    vec![
        named(
            "apart",
            list(
                &[base],
                &["We live by the sea. We have much time. There is a garden.", &base.replace("garden", "wood")],
            ),
        ),
        named("same-sentence", list(&[base], &[&base.replace("time", "peace"), &base.replace("time", "rest"), base])),
        named("removed", list(&[base], &["We live by the sea. There is a garden.", &base.replace("have", "had")])),
        named("no-base", list(&[], &["One. Two.", "One. Three."])),
        named("two-bases", list(&["One.", "One. Two."], &["One. Three.", "Zero. One."])),
        named("lists", list(&["# A\n- one\n- two\n"], &["# A\n- one\n- 2\n", "# A\n- one\n- two\n  more\n"])),
        named(
            "scripts",
            list(
                &["\u{6211}\u{4eec}\u{3002}\u{5929}\u{3002}"],
                &["\u{6211}\u{3002}\u{5929}\u{3002}", "\u{0e40}\u{0e23}\u{0e32} \u{1f468}\u{200d}\u{1f469}."],
            ),
        ),
        named(
            "endless-space",
            list(&[&format!("A.{}b", " ".repeat(500))], &[&format!("A.{}c", "\u{300}".repeat(500)), "A."]),
        ),
    ]
}

pub(super) fn roster() -> Vec<Seed> {
    let statements: Vec<Vec<u8>> = chains().statements.iter().map(|statement| statement.to_bytes()).collect();
    let list = |again: bool, all: &[Vec<u8>]| join(all.iter().map(|one| (again, one.as_slice())));
    let Local { statements: other, .. } = local(2);
    let other: Vec<Vec<u8>> = other.iter().map(|statement| statement.to_bytes()).collect();
    let mut seeds = vec![
        named("all", list(false, &statements)),
        named("all-signed-again", list(true, &statements)),
        named("of-somebody", list(false, &other)),
    ];
    seeds.extend(numbered("alone", statements.iter().map(|one| list(true, std::slice::from_ref(one)))));
    seeds
}

pub(super) fn schedules() -> Vec<Seed> {
    let rules = [
        "FREQ=DAILY",
        "FREQ=WEEKLY;BYDAY=SU",
        "FREQ=WEEKLY;INTERVAL=2;WKST=MO;BYDAY=TU,TH",
        "FREQ=MONTHLY;BYDAY=-1FR",
        "FREQ=MONTHLY;BYMONTHDAY=31;COUNT=10000",
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29",
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=YEARLY;BYWEEKNO=53;BYDAY=MO",
        "FREQ=YEARLY;BYYEARDAY=-366,366;INTERVAL=1000",
        "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1",
        "FREQ=DAILY;UNTIL=20270131T180000Z",
        "FREQ=WEEKLY;UNTIL=20270131",
    ];
    let starts = ["2026-01-04", "2026-03-29T02:30", "1900-01-01", "2199-12-31T23:59"];
    let zones = ["Europe/Berlin", "America/St_Johns", "Pacific/Apia", "UTC"];
    let all = rules.iter().enumerate().map(|(number, rule)| {
        let parts = [starts[number % 4], zones[number % 4], rule];
        join(parts.map(|part| (false, part.as_bytes())))
    });
    let mut seeds = numbered("rule", all);
    let json = json!({ "start": "2026-01-04", "zone": "UTC", "rule": "FREQ=DAILY", "minutes": 30 });
    seeds.push(named("json", json.to_string()));
    seeds
}
