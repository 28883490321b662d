//! Sample API values for tests of rendering.

use betwixt_api::{
    Change, Collection, Field, FieldKind, FieldState, Item, Partner, Passage, PassageState, PeerStatus, Phase, Said,
    Scope, Seen, Status, Version,
};
use serde_json::Value;

use super::Look;
use crate::terminal::Style;

pub(crate) fn look() -> Look {
    Look { partner: Some("Sam".into()), style: Style::PLAIN, width: None }
}

pub(crate) fn said(own: bool, on: &str) -> Said {
    Said { by: if own { "p1" } else { "p2" }.into(), own, on: on.into(), fact: "f7qk".into() }
}

pub(crate) fn version(value: impl Into<Value>, own: bool) -> Version {
    Version { value: value.into(), said: said(own, "2027-03-03") }
}

pub(crate) fn field(state: FieldState) -> Field {
    Field { state, seen: Seen("f7qk".into()), ..Field::empty(FieldKind::Shared) }
}

pub(crate) fn held(value: impl Into<Value>, own: bool) -> Field {
    field(FieldState::Held { value: value.into(), said: vec![said(own, "2027-03-02")], versions: vec![] })
}

pub(crate) fn differing(own: &str, other: &str, was: Option<&str>) -> Field {
    field(FieldState::Differing {
        versions: vec![version(own, true), version(other, false)],
        was: was.map(Value::from),
    })
}

pub(crate) fn prose() -> Field {
    let passage =
        |own: bool, text: &str, words| PassageState { text: text.into(), said: vec![said(own, "2027-03-03")], words };
    let added = vec![Change::Same("We travel".into()), Change::Added(" every year".into()), Change::Same(".".into())];
    let rewritten = vec![
        Change::Same("We ".into()),
        Change::Removed("travel".into()),
        Change::Added("stay near the sea".into()),
        Change::Same(".".into()),
    ];
    Field {
        passages: vec![
            Passage::Held { text: "A calm, open home.".into() },
            Passage::Differing {
                was: vec!["We travel.".into()],
                versions: vec![
                    passage(true, "We travel every year.", added),
                    passage(false, "We stay near the sea.", rewritten),
                ],
            },
        ],
        ..differing("A calm, open home. We travel every year.", "A calm, open home. We stay near the sea.", None)
    }
}

pub(crate) fn proposed() -> Field {
    Field {
        kind: FieldKind::Consent,
        agreement: vec![version("A calm home.", true)],
        waiting: vec![version("A calm, open home.", false)],
        ..field(FieldState::Empty)
    }
}

pub(crate) fn goal() -> Item {
    let milestone = Item {
        id: "m7d2m7d2m7d2".into(),
        collection: Collection::Milestones,
        fields: [
            ("title".to_owned(), held("Travel money", false)),
            (
                "measure".to_owned(),
                held(serde_json::json!({"type": "amount", "target": 80000, "unit": "EUR", "decimals": 2}), false),
            ),
        ]
        .into(),
        parts: Default::default(),
        tally: Some(betwixt_api::Tally {
            sum: 5050,
            target: Some(80000),
            unit: Some("EUR".into()),
            entries: 2,
            open: 0,
        }),
        ..empty_goal()
    };
    Item {
        fields: [
            ("title".to_owned(), held("Cycle along the coast", true)),
            ("until".to_owned(), differing("2027-06-01", "2027-09-01", None)),
            (
                "why".to_owned(),
                field(FieldState::Each {
                    versions: vec![version("To be outside together", true), version("For the sea", false)],
                }),
            ),
        ]
        .into(),
        parts: [("milestones".to_owned(), vec![milestone])].into(),
        ..empty_goal()
    }
}

fn empty_goal() -> Item {
    Item {
        id: "k3j4k3j4k3j4".into(),
        collection: Collection::Goals,
        scope: Scope::Ours,
        by: Some("p1".into()),
        own: true,
        on: Some("2027-03-02".into()),
        fields: Default::default(),
        parts: Default::default(),
        tally: None,
        review: None,
        newer: false,
    }
}

pub(crate) fn status() -> Status {
    Status {
        version: "0.1.0".into(),
        process: 4242,
        home: "/home/robin/.local/share/betwixt".into(),
        phase: Phase::Open,
        private_locked: false,
        private_locks_after: Some(900),
        me: Some(Partner { id: "p1".into(), name: "Robin".into() }),
        partner: Some(Partner { id: "p2".into(), name: "Sam".into() }),
        paired: true,
        paused: false,
        peers: vec![PeerStatus {
            device: "d2d2d2d2d2d2".into(),
            name: "Sam's laptop".into(),
            own: false,
            connected: false,
            in_step: false,
            last_met_days: Some(2),
        }],
        port: Some(4711),
        http: None,
        addresses: vec!["192.168.1.20:4711".into()],
        documents: vec![],
        rebuilding: None,
        indexing: None,
        receiving: None,
        carrying: None,
        differences: 2,
        arriving: 0,
        protocol: vec![1],
        format: 1,
        troubles: vec![],
    }
}
