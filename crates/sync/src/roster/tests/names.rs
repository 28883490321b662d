//! What devices are called.

use super::*;

fn named(roster: &Roster, device: &DeviceKeys) -> Option<String> {
    roster.device(&device.device()).unwrap().name.clone()
}

#[test]
fn what_was_said_last_of_a_device_is_its_name_for_everybody() {
    let (mut a, b, founding, [first, second, third]) = couple();
    for (by, name) in [(&first, "laptop"), (&second, "phone"), (&first, "old phone")] {
        let statement = a.roster().name_device(by, second.device(), name).unwrap();
        a.all.push(statement);
    }
    assert_eq!(named(&a.roster(), &second).as_deref(), Some("old phone"));
    assert_eq!(named(&a.roster(), &first), None);
    let known = a.all.iter().chain(&b.all).cloned().chain([founding]);
    let theirs = Roster::from_statements(b.partner, None, known);
    assert_eq!(named(&theirs, &second).as_deref(), Some("old phone"));
    // Called so already, and what cannot be shown, is not said.
    assert_eq!(a.roster().name_device(&first, second.device(), "old phone"), None);
    for name in ["", " phone", "two\nlines", "turned \u{202e} around", &"x".repeat(65)] {
        assert_eq!(a.roster().name_device(&first, second.device(), name), None, "{name:?}");
    }
    assert_eq!(theirs.name_device(&third, second.device(), "not yours"), None);
}

#[test]
fn names_said_apart_give_everybody_the_same_one() {
    let (a, .., [first, second, _]) = couple();
    let apart = ["left", "right"].map(|name| a.roster().name_device(&first, second.device(), name).unwrap());
    let [one, other] = [[0, 1], [1, 0]].map(|order| {
        let said = order.map(|at| apart[at].clone());
        Roster::from_statements(a.partner, None, a.all.iter().cloned().chain(said))
    });
    assert!(named(&one, &second).is_some());
    assert_eq!(named(&one, &second), named(&other, &second));
    // And the next one ends it.
    let next = one.name_device(&second, second.device(), "settled").unwrap();
    assert_eq!(named(&one.merge([next]).roster, &second).as_deref(), Some("settled"));
}

#[test]
fn hostile_input_is_an_error_nobody_names_the_others_devices_nor_after_their_removal() {
    let (mut a, b, founding, [first, second, third]) = couple();
    let name = |by: &DeviceKeys, after: Vec<StatementId>| {
        let statement = Statement::Name { device: first.device(), name: "mine now".into() };
        Draft::new(statement, after, vec![by.device()]).sign_all(&[by.signing()])
    };
    let all = || a.all.iter().chain(&b.all).cloned().chain([founding.clone()]);
    let roster = Roster::from_statements(a.partner, None, all());
    let by_partner = name(&third, roster.heads(&b.partner));
    let merged = roster.merge([by_partner]);
    assert_eq!(named(&merged.roster, &first), None);
    assert!(merged.added.is_empty() && merged.refused.len() == 1);

    a.remove(&first, &second, None);
    let by_removed = name(&second, a.roster().heads(&a.partner));
    assert_eq!(named(&a.roster().merge([by_removed]).roster, &first), None);
}
