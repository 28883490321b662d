//! Sealed answers: the commitment's bytes, and how sessions stand whatever is said in them.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::collections::BTreeMap;

use betwixt_model::fact::{Draft, Fact};
use betwixt_model::ids::{FactId, HouseholdId, ItemId, PartnerId};
use betwixt_model::index;
use betwixt_model::schema;
use betwixt_model::seal::{self, AnswerState, Salt, Sealed, Session};
use serde_json::{Value, json};
use support::replica::Replica;
use support::{HOUSEHOLD, TODAY, partner};

const PRIVATE: HouseholdId = HouseholdId::from_bytes([5; 32]);

/// One partner's device with both scopes.
struct Side {
    ours: Replica,
    mine: Replica,
    salts: u8,
}

fn couple() -> (Side, Side, ItemId) {
    let (one, other) = Replica::couple();
    let side = |ours: Replica, salts| Side {
        mine: Replica::new(ours.device.clone(), PRIVATE, ours.membership.clone()),
        ours,
        salts,
    };
    let (mut one, mut other) = (side(one, 0), side(other, 100));
    let session = one.ours.say(None, "sealed", "prompt", json!({ "text": "What do you wish for?" }));
    one.ours.meet(&mut other.ours);
    (one, other, session)
}

fn partners() -> [PartnerId; 2] {
    let mut both = [partner(false), partner(true)];
    both.sort_unstable();
    both
}

impl Side {
    /// Seals an answer as the daemon does; answers the commitment's fact.
    fn answers(&mut self, session: &ItemId, answer: &str) -> FactId {
        let deck = self.session(session).prompt.seen.to_string();
        let sealed = self.sealed(session, &deck, answer);
        let seen = self.session(session).seen;
        let value = seal::commitment_value(&sealed.commitment, &deck);
        let fact = self.ours.try_say(Some(*session), "sealed", "commitment", value, Some(seen)).unwrap();
        let id = fact.id();
        self.ours.take_in(fact);
        let kept = Fact::write(Draft {
            household: PRIVATE,
            item: Some(seal::text_item(&PRIVATE, session, &sealed.commitment)),
            kind: seal::TEXT_KIND.into(),
            field: "text".into(),
            seen: vec![],
            previous: index::tip(&self.mine.rows, &self.mine.device.id).unwrap(),
            partner: self.mine.device.partner,
            device: self.mine.device.id,
            date: TODAY,
            nonce: self.mine.device.nonce(),
            value: seal::text_value(session, &sealed),
        });
        self.mine.take_in(kept.unwrap());
        id
    }

    fn sealed(&mut self, session: &ItemId, deck: &str, answer: &str) -> Sealed {
        self.salts += 1;
        let salt = Salt::from_bytes([self.salts; 32]);
        let commitment = seal::commitment(&HOUSEHOLD, session, &self.ours.device.partner, deck, &salt, answer);
        Sealed { commitment, salt, answer: answer.into() }
    }

    fn session(&self, id: &ItemId) -> Session {
        seal::session(&self.ours.rows, &self.ours.reader(), &partners(), id).unwrap().unwrap()
    }

    fn due(&self, id: &ItemId) -> Option<seal::Due> {
        seal::due(&self.ours.rows, &self.mine.rows, &self.ours.reader(), &PRIVATE, &partners(), id).unwrap()
    }

    /// Opens what is due, as the daemon does; answers whether anything was.
    fn opens(&mut self, id: &ItemId) -> bool {
        let Some(due) = self.due(id) else { return false };
        let fact = self.ours.try_say(Some(due.session), "sealed", "opening", due.value, Some(due.seen)).unwrap();
        self.ours.take_in(fact);
        true
    }

    fn meet(&mut self, other: &mut Self) {
        self.ours.meet(&mut other.ours);
    }

    /// Whether a text is anywhere in what is shared.
    fn shared_holds(&self, text: &str) -> bool {
        self.ours.rows.iter().any(|(_, row)| row.windows(text.len()).any(|bytes| bytes == text.as_bytes()))
    }

    fn states(&self, id: &ItemId) -> Vec<(AnswerState, Option<String>)> {
        self.session(id).answers.into_iter().map(|answer| (answer.state, answer.answer)).collect()
    }

    /// Says an opening by hand.
    fn says_opening(&mut self, id: &ItemId, commitments: &BTreeMap<PartnerId, FactId>, sealed: &Sealed) {
        let seen = self.ours.view(id).unwrap().fields["opening"].seen.clone();
        let value = seal::opening_value(commitments, sealed);
        let fact = self.ours.try_say(Some(*id), "sealed", "opening", value, Some(seen)).unwrap();
        self.ours.take_in(fact);
    }
}

/// The bytes are part of the format: what was sealed years ago has to open.
#[test]
fn the_commitment_is_golden() {
    let session = ItemId::from_bytes([2; 32]);
    let other = PartnerId::from_bytes([3; 32]);
    let hash = |session: &ItemId, deck: &str, salt: u8, answer: &str| {
        seal::commitment(&HOUSEHOLD, session, &other, deck, &Salt::from_bytes([salt; 32]), answer).to_string()
    };
    assert_eq!(
        hash(&session, "deck 1", 4, "A summer at the sea"),
        "u76clayozeoqdjqtpeltj3bkveyissdue3wrojn3jyttzfckebva"
    );
    let all = [
        hash(&session, "deck 1", 4, "A summer at the sea"),
        hash(&session, "deck 1A", 4, " summer at the sea"),
        hash(&session, "deck 1", 5, "A summer at the sea"),
        hash(&ItemId::from_bytes([9; 32]), "deck 1", 4, "A summer at the sea"),
        hash(&session, "deck 1", 4, "A summer at the sea "),
    ];
    let distinct: std::collections::BTreeSet<&String> = all.iter().collect();
    assert_eq!(distinct.len(), all.len(), "every part counts, and none runs into the next");
}

#[test]
fn private_stays_home_until_both_have_answered_and_opens_by_itself() {
    let (mut one, mut other, id) = couple();
    one.answers(&id, "A summer at the sea");
    assert_eq!(one.due(&id), None, "only one has answered");
    one.meet(&mut other);
    assert!(!one.shared_holds("summer") && !other.shared_holds("summer"));
    assert_eq!(other.states(&id), [(AnswerState::Waiting, None), (AnswerState::Sealed, None)]);
    other.answers(&id, "A dog");
    assert!(other.opens(&id), "the other's commitment is here: both have answered");
    assert!(!other.opens(&id), "once");
    assert_eq!(other.states(&id)[1], (AnswerState::Missing, None));
    one.meet(&mut other);
    assert!(!other.shared_holds("summer"));
    assert!(one.opens(&id));
    one.meet(&mut other);
    let open = |text: &str| (AnswerState::Opened, Some(text.to_owned()));
    assert_eq!(one.states(&id), [open("A summer at the sea"), open("A dog")]);
    assert_eq!(other.states(&id), [open("A dog"), open("A summer at the sea")]);
    assert!(!one.opens(&id) && !other.opens(&id));
    assert!(one.session(&id).answers.iter().all(|answer| answer.doubled == 0 && !answer.other_question));
    assert!(!format!("{:?}", one.due(&id)).contains("sea"));
}

/// An answer may be thought over until it is open; what was replaced before that is not doubled.
#[test]
fn an_answer_is_changed_before_the_other_has_answered() {
    let (mut one, mut other, id) = couple();
    one.answers(&id, "A car");
    one.answers(&id, "A summer at the sea");
    one.meet(&mut other);
    other.answers(&id, "A dog");
    other.opens(&id);
    one.meet(&mut other);
    one.opens(&id);
    one.meet(&mut other);
    let answers = other.session(&id).answers;
    assert_eq!((answers[1].answer.as_deref(), answers[1].doubled), (Some("A summer at the sea"), 0));
    assert!(!other.shared_holds("A car"), "what was replaced stays at home");
}

/// Whoever reads the other's answer first and then seals another one gains nothing by it.
#[test]
fn an_answer_sealed_after_reading_is_doubled_and_never_the_answer() {
    let (mut one, mut other, id) = couple();
    let honest = one.answers(&id, "A summer at the sea");
    let first = other.answers(&id, "A dog");
    one.meet(&mut other);
    one.opens(&id);
    one.meet(&mut other);
    // The other has read it, and now seals the same and opens that.
    let deck = other.session(&id).prompt.seen.to_string();
    let late = other.sealed(&id, &deck, "A summer at the sea, of course");
    let seen = other.session(&id).seen;
    let value = seal::commitment_value(&late.commitment, &deck);
    let fact = other.ours.try_say(Some(id), "sealed", "commitment", value, Some(seen)).unwrap();
    let second = fact.id();
    other.ours.take_in(fact);
    other.says_opening(&id, &BTreeMap::from([(partner(false), honest), (partner(true), second)]), &late);
    one.meet(&mut other);
    for side in [&one, &other] {
        let theirs = side.session(&id).answers.into_iter().find(|answer| answer.by == partner(true)).unwrap();
        assert_eq!((theirs.state, theirs.answer, theirs.doubled), (AnswerState::Missing, None, 1));
        assert_eq!(theirs.commitment, Some(first));
    }
    // Only the one that was opened against opens.
    let sealed = seal::own_text(&other.ours.rows, &other.mine.rows, &other.ours.reader(), &PRIVATE, &partners(), &id);
    let sealed = sealed.unwrap().unwrap();
    assert_eq!(sealed.answer, "A dog");
    other.says_opening(&id, &BTreeMap::from([(partner(false), honest), (partner(true), first)]), &sealed);
    one.meet(&mut other);
    let theirs = &one.session(&id).answers[1];
    assert_eq!((theirs.state, theirs.answer.as_deref(), theirs.doubled), (AnswerState::Opened, Some("A dog"), 1));
}

/// Sealed anew on one side while the other opened against what stood before: that is what opens.
#[test]
fn sealed_anew_while_the_other_opened() {
    let (mut one, mut other, id) = couple();
    one.answers(&id, "A car");
    one.meet(&mut other);
    one.answers(&id, "A summer at the sea");
    other.answers(&id, "A dog");
    other.opens(&id);
    one.meet(&mut other);
    assert!(one.opens(&id));
    assert!(!one.opens(&id), "never a second one");
    one.meet(&mut other);
    for side in [&one, &other] {
        let answer = side.session(&id).answers.into_iter().find(|answer| answer.by == partner(false)).unwrap();
        assert_eq!((answer.state, answer.answer.as_deref(), answer.doubled), (AnswerState::Opened, Some("A car"), 1));
    }
    assert!(!other.shared_holds("summer"));
}

#[test]
fn a_wrong_opening_is_said_plainly_and_taken_back_answers_open_nothing() {
    let (mut one, mut other, id) = couple();
    let (mine, theirs) = (one.answers(&id, "A summer at the sea"), other.answers(&id, "A dog"));
    one.meet(&mut other);
    let wrong = other.sealed(&id, "", "A cat");
    other.says_opening(&id, &BTreeMap::from([(partner(false), mine), (partner(true), theirs)]), &wrong);
    one.meet(&mut other);
    assert_eq!(one.states(&id)[1], (AnswerState::Wrong, None));
    assert_eq!(other.states(&id)[0], (AnswerState::Wrong, None));
    assert!(other.opens(&id), "the right one still opens");
    one.meet(&mut other);
    assert_eq!(one.states(&id)[1], (AnswerState::Opened, Some("A dog".into())));

    // Taken back before the other has answered: nothing opens, on either side.
    let (mut one, mut other, id) = couple();
    one.answers(&id, "A summer at the sea");
    one.ours.say(Some(id), "sealed", "commitment", Value::Null);
    one.meet(&mut other);
    other.answers(&id, "A dog");
    assert_eq!((one.due(&id), other.due(&id)), (None, None));
    one.meet(&mut other);
    assert_eq!((one.due(&id), other.due(&id)), (None, None));
    assert_eq!(one.states(&id), [(AnswerState::Waiting, None), (AnswerState::Sealed, None)]);
}

/// Nobody opens for the other, and another household's or session's commitment fits nothing.
#[test]
fn openings_that_name_what_is_not_their_own_open_nothing() {
    let (mut one, mut other, id) = couple();
    let (mine, theirs) = (one.answers(&id, "A summer at the sea"), other.answers(&id, "A dog"));
    let another = one.ours.say(None, "sealed", "prompt", json!({ "text": "And what else?" }));
    one.meet(&mut other);
    let sealed = seal::own_text(&one.ours.rows, &one.mine.rows, &one.ours.reader(), &PRIVATE, &partners(), &id);
    let sealed = sealed.unwrap().unwrap();
    let crossed = BTreeMap::from([(partner(false), theirs), (partner(true), mine)]);
    one.says_opening(&id, &crossed, &sealed);
    one.says_opening(&another, &BTreeMap::from([(partner(false), mine), (partner(true), theirs)]), &sealed);
    other.says_opening(&id, &BTreeMap::from([(partner(false), mine), (partner(true), theirs)]), &sealed);
    one.meet(&mut other);
    assert!(one.states(&id).iter().all(|(_, answer)| answer.is_none()));
    assert!(one.states(&another).iter().all(|(state, _)| *state == AnswerState::Waiting));
    assert!(one.opens(&id) && other.opens(&id));
}

#[test]
fn hostile_input_is_an_error_values_of_other_shapes() {
    let hash =
        seal::commitment(&HOUSEHOLD, &ItemId::from_bytes([1; 32]), &partner(true), "", &Salt::from_bytes([1; 32]), "");
    let fact = FactId::from_bytes([1; 32]);
    let both = json!({ partner(false).to_string(): fact, partner(true).to_string(): fact });
    let refused = |field: &str, value: Value| assert!(schema::check_value("sealed", field, &value).is_err(), "{value}");
    for value in [
        json!({}),
        json!("x"),
        json!({ "hash": hash }),
        json!({ "hash": "x", "deck": "" }),
        json!({ "hash": hash, "deck": 1 }),
        json!({ "hash": hash, "deck": "x".repeat(101) }),
        json!({ "hash": hash, "deck": "", "more": 1 }),
    ] {
        refused("commitment", value);
    }
    let salt = Salt::from_bytes([1; 32]);
    for value in [
        json!({}),
        json!({ "commitments": {}, "salt": salt, "answer": "" }),
        json!({ "commitments": both, "salt": "x", "answer": "" }),
        json!({ "commitments": both, "salt": salt, "answer": 1 }),
        json!({ "commitments": both, "salt": salt, "answer": "x".repeat(seal::MAX_ANSWER + 1) }),
        json!({ "commitments": { "x": fact, "y": fact }, "salt": salt, "answer": "" }),
    ] {
        refused("opening", value);
    }
    assert!(schema::check_value("sealed", "commitment", &json!({ "hash": hash, "deck": "" })).is_ok());
    assert!(
        schema::check_value("sealed", "opening", &json!({ "commitments": both, "salt": salt, "answer": "" })).is_ok()
    );
}
