//! Any files of several exports, in any order, lost and repeated, and then whole ones: both have the same.

use std::collections::BTreeMap;

use automerge::sync::State;
use betwixt_model::document::Document;
use betwixt_model::gate::admit;
use proptest::prelude::*;

use super::*;
use crate::session::shared_heads;
use crate::session::test_homes::couple;

const YEARS: [i16; 2] = [2026, 2027];

/// What the two do.
#[derive(Debug, Clone)]
enum Step {
    /// One of them says something.
    Say { by: usize, year: usize },
    /// One of them writes a file for the other: all of it, or what it takes the other to lack.
    Export { by: usize, everything: bool },
    /// One of the files so far is brought to whom it is for, once more perhaps.
    Import { file: usize },
    /// The two meet over a year's document: both have the same of it, and know that of each other.
    Meet { year: usize },
    /// The disk of one of them was restored: it has what it had once, and knows of no meeting.
    Restore { of: usize, to: usize },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..2_usize, 0..2_usize).prop_map(|(by, year)| Step::Say { by, year }),
        3 => (0..2_usize, any::<bool>()).prop_map(|(by, everything)| Step::Export { by, everything }),
        4 => (0..64_usize).prop_map(|file| Step::Import { file }),
        1 => (0..2_usize).prop_map(|year| Step::Meet { year }),
        1 => (0..2_usize, 0..8_usize).prop_map(|(of, to)| Step::Restore { of, to }),
    ];
    prop::collection::vec(step, 1..40)
}

/// What a device knows the other to have, as the store keeps it.
type Known = BTreeMap<i16, Vec<u8>>;

struct Device {
    home: Home,
    known: Known,
    /// What it had before.
    copies: Vec<Home>,
}

impl Device {
    fn export(&self, pair: &PairKey, everything: bool, seed: u64) -> Vec<u8> {
        let documents = YEARS.into_iter().filter_map(|year| {
            let document = self.home.documents.get(&shared(year))?;
            let mut base = match self.known.get(&year) {
                Some(known) if !everything => shared_heads(known),
                _ => Vec::new(),
            };
            base.retain(|head| document.holds(head));
            (base != document.heads()).then_some((year, base))
        });
        written(&self.home, pair, &documents.collect::<Vec<_>>(), seed)
    }

    /// Takes a file in as the daemon does; answers how many documents build on something that is not here.
    fn import(&mut self, file: &[u8], pair: &PairKey) -> usize {
        let (mut missing, mut at) = (0, None);
        for record in read(file, &[pair]).unwrap() {
            match record {
                Record::Roster(_) => {}
                Record::Private(_) => panic!("there is nothing private"),
                Record::Document { id, base } => {
                    let name = DocumentName::of(id);
                    let document = self.home.documents.entry(name).or_insert_with(|| Document::genesis(id));
                    let whole = base.iter().all(|head| document.holds(head));
                    missing += usize::from(!whole);
                    at = whole.then_some(name);
                }
                Record::Changes(changes) => {
                    let Some(name) = at else { continue };
                    let actors = self.home.actors(name);
                    let document = self.home.documents.get_mut(&name).unwrap();
                    let admitted = admit(document, changes, &actors).unwrap();
                    assert!(admitted.parked.is_empty(), "what is there builds on what is there");
                    document.apply(&admitted.changes).unwrap();
                }
            }
        }
        missing
    }

    fn heads(&self) -> Vec<Option<Vec<ChangeHash>>> {
        YEARS.iter().map(|year| self.home.documents.get(&shared(*year)).map(Document::heads)).collect()
    }
}

/// What a session comes to.
fn meet(devices: &mut [Device; 2], year: i16) {
    let id = shared(year);
    for by in [0, 1] {
        let Some(document) = devices[by].home.documents.get(&id) else { continue };
        let changes = document.changes_since(&[]);
        let other = &mut devices[1 - by].home;
        let actors = other.actors(id);
        let document = other.documents.entry(id).or_insert_with(|| Document::genesis(id.within(Scope::Ours)));
        let admitted = admit(document, changes, &actors).unwrap();
        document.apply(&admitted.changes).unwrap();
    }
    for device in devices {
        let Some(document) = device.home.documents.get(&id) else { continue };
        let state = State { shared_heads: document.heads(), ..State::default() };
        device.known.insert(year, state.encode());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn files_that_are_lost_repeated_and_out_of_order_do_no_harm_and_whole_ones_bring_both_into_step(steps in steps()) {
        let keys = [device(1), device(2)];
        let pairs = [pair(&keys[0], &keys[1]), pair(&keys[1], &keys[0])];
        let mut devices = couple().map(|home| Device { home, known: Known::new(), copies: Vec::new() });
        let mut files: Vec<(usize, Vec<u8>)> = Vec::new();
        let (mut said, mut restored) = (0_u8, false);
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                Step::Say { by, year } => {
                    said += 1;
                    let copy = devices[by].home.clone();
                    devices[by].copies.push(copy);
                    devices[by].home.say(YEARS[year], &format!("{by} says {said}"));
                }
                Step::Export { by, everything } => {
                    let before = devices[by].heads();
                    files.push((1 - by, devices[by].export(&pairs[by], everything, number as u64)));
                    prop_assert_eq!(devices[by].heads(), before, "exporting changes nothing");
                }
                Step::Import { file } => {
                    if !files.is_empty() {
                        let (to, file) = &files[file % files.len()];
                        let missing = devices[*to].import(file, &pairs[*to]);
                        prop_assert!(missing == 0 || restored, "only who forgot something lacks what a file builds on");
                    }
                }
                Step::Meet { year } => meet(&mut devices, YEARS[year]),
                Step::Restore { of, to } => {
                    let Some(copy) = devices[of].copies.get(to).cloned() else { continue };
                    restored = true;
                    let allowed = devices[of].home.allowed.clone();
                    devices[of] = Device { home: Home { allowed, ..copy }, known: Known::new(), copies: Vec::new() };
                    // It goes on under a new epoch, which it tells.
                    let epoch = EpochId::from_bytes([100 + number as u8; 32]);
                    devices[of].home.epoch = epoch;
                    let writer = devices[of].home.device();
                    devices.iter_mut().for_each(|device| device.home.allowed.push((writer, epoch)));
                }
            }
        }
        for by in [0, 1] {
            let file = devices[by].export(&pairs[by], true, 1_000 + by as u64);
            prop_assert_eq!(devices[1 - by].import(&file, &pairs[1 - by]), 0);
            // Once more is nothing new.
            let heads = devices[1 - by].heads();
            prop_assert_eq!(devices[1 - by].import(&file, &pairs[1 - by]), 0);
            prop_assert_eq!(devices[1 - by].heads(), heads);
        }
        prop_assert_eq!(devices[0].heads(), devices[1].heads());
    }
}
