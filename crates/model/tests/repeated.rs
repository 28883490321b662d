//! What a store compresses the index by: what rows have in common, and nothing that anybody said.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use betwixt_model::index;
use serde_json::json;
use support::HOUSEHOLD;
use support::replica::Replica;

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[test]
fn what_repeats_is_who_belongs_to_the_household_and_nothing_that_was_said() {
    let (mut one, _) = Replica::couple();
    let before = index::repeated(&one.rows, &HOUSEHOLD, &one.membership).unwrap();
    let said = "By the sea, in the small house with the blue door";
    let goals: Vec<_> = (0..20).map(|_| one.say(None, "goal", "title", json!(said))).collect();
    let repeated = index::repeated(&one.rows, &HOUSEHOLD, &one.membership).unwrap();
    assert!(holds(&repeated, HOUSEHOLD.as_bytes()) && holds(&repeated, b"goal/title"));
    for (device, standing) in one.membership.devices() {
        assert!(holds(&repeated, device.as_bytes()) && holds(&repeated, standing.partner.as_bytes()));
    }
    // The first fact names its device's branch, which stands in every fact that follows.
    let founding = goals[0].as_bytes();
    assert!(holds(&repeated, founding) && !holds(&before, founding));
    assert!(goals[1..].iter().all(|goal| !holds(&repeated, goal.as_bytes())));
    assert!(said.as_bytes().windows(8).all(|part| !holds(&repeated, part)));
    assert!(repeated.len() < 10 << 10, "{}", repeated.len());
    assert_eq!(index::repeated(&one.rows, &HOUSEHOLD, &one.membership).unwrap(), repeated);
}
