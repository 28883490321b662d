//! What a day is made of: what is done every day, what falls on this one, and whatever else comes up.

use betwixt_model::ids::ItemId;
use betwixt_model::schema::Kind;
use jiff::civil::Weekday;
use serde_json::json;

use super::living::Living;
use super::{FULL_YEAR, Plan};
use crate::vocabulary::below;

/// Something that is done.
#[derive(Debug, Clone, Copy)]
enum Act {
    Journal(usize),
    EditJournal(usize),
    /// The ritual with this number is held, or not.
    Ritual(usize),
    Thanks(usize),
    Reflection(usize),
    CheckIn(usize),
    Photo(usize),
    Goal(usize),
    Wording(usize),
}

impl Living {
    pub(super) fn found_rituals(&mut self) {
        for (who, time) in [(0, "07:30"), (1, "21:30")] {
            let title = self.title();
            let ritual = self.say(who, None, "ritual", "title", title);
            let meaning = self.prose(100, 100);
            self.say(who, Some(ritual), "ritual", "meaning", meaning);
            let start = format!("{}T{time}", self.today);
            let cadence = json!({ "start": start, "zone": "Europe/Berlin", "rule": "FREQ=DAILY", "minutes": 20 });
            self.both_say(ritual, "ritual", "cadence", &cadence);
            let turns = json!({ "first": self.people.partners[who], "from": self.today.to_string() });
            self.say(who, Some(ritual), "ritual", "turns", turns);
            self.rituals.push(ritual);
        }
        self.meet();
    }

    /// Lives today, until so much was said in all.
    pub(super) fn day(&mut self, plan: &Plan, until: usize) {
        let mut acts = self.planned(plan);
        // In no order that every day has.
        for at in (1..acts.len()).rev() {
            let other = below(&mut self.rng, at + 1);
            acts.swap(at, other);
        }
        for act in acts {
            if self.said() < until {
                self.act(act);
            }
        }
        while self.said() < until {
            let who = below(&mut self.rng, 2);
            self.whatever_comes_up(who);
        }
    }

    /// What belongs to today; of a life that is not full, a part.
    fn planned(&mut self, plan: &Plan) -> Vec<Act> {
        let mut acts = vec![Act::Ritual(0), Act::Ritual(1)];
        for who in 0..2 {
            acts.push(Act::Journal(who));
            if self.chance(8) {
                acts.push(Act::EditJournal(who));
            }
            if self.chance(60) {
                acts.push(Act::Thanks(who));
            }
            if self.today.weekday() == Weekday::Sunday {
                acts.push(Act::Reflection(who));
            }
        }
        let either = below(&mut self.rng, 2);
        if self.today.weekday() == Weekday::Wednesday && !self.away {
            acts.push(Act::CheckIn(either));
        }
        if [5, 15, 25].contains(&self.today.day()) {
            acts.push(Act::Photo(either));
        }
        if self.today.day() == 20 && !self.away {
            acts.push(Act::Wording(either));
        }
        acts.retain(|_| below(&mut self.rng, FULL_YEAR) < plan.facts_a_year);
        // Eight goals a year whatever else is done, but no more of them than there is to say.
        let goals = (8 * plan.facts_a_year / FULL_YEAR).clamp(1, 8);
        let spread = 365 / goals;
        if self.today.day_of_year() as usize % spread == spread / 2 {
            acts.push(Act::Goal(either));
        }
        acts
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Journal(who) => self.journal(who),
            Act::EditJournal(who) => self.edit_journal(who),
            Act::Ritual(number) => self.ritual(number),
            Act::Thanks(who) => self.thanks(who),
            Act::Reflection(who) => self.reflection(who),
            Act::CheckIn(who) => self.check_in(who),
            Act::Photo(who) => self.photo(who),
            Act::Goal(who) => self.new_goal(who),
            Act::Wording(who) => self.wording(who),
        }
    }

    fn whatever_comes_up(&mut self, who: usize) {
        match below(&mut self.rng, 100) {
            0..42 => self.progress(who),
            42..58 => self.edit_goal(who),
            58..63 => self.rank_goal(who),
            63..68 => self.milestone_done(who),
            68..73 => self.goal_state(who),
            73..87 => self.redraft_vision(who),
            _ => self.redraft_value(who),
        }
    }

    /// Mostly somebody says that it took place, sometimes both do.
    fn ritual(&mut self, number: usize) {
        let (ritual, date) = (self.rituals[number], self.today.to_string());
        let about = |what: &str, value: serde_json::Value| json!({ "ritual": ritual, "date": date, what: value });
        let first = below(&mut self.rng, 2);
        let (field, value) = match below(&mut self.rng, 100) {
            0..3 => ("skip", about("is", json!(true))),
            3..6 => ("moved", about("to", json!(format!("{date}T12:00")))),
            6..14 => ("mark", about("is", json!("missed"))),
            14..24 => {
                let note = self.title();
                ("mark", json!({ "ritual": ritual, "date": date, "is": "done", "note": note }))
            }
            _ => ("mark", about("is", json!("done"))),
        };
        let kind = Kind::named("occurrence").expect("the schema has occurrences");
        let item: Option<ItemId> = kind.keyed_item(&self.household(), &value);
        self.say(first, item, "occurrence", field, value.clone());
        if field == "mark" && self.chance(45) {
            self.meet();
            self.say(1 - first, item, "occurrence", field, about("is", value["is"].clone()));
        }
    }

    fn thanks(&mut self, who: usize) {
        let what = self.prose(60, 80);
        let thanks = self.say(who, None, "thanks", "what", what);
        if self.chance(33) {
            let showed = self.prose(60, 80);
            self.say(who, Some(thanks), "thanks", "showed", showed);
        }
    }

    fn reflection(&mut self, who: usize) {
        let text = self.prose(300, 600);
        let item = self.say(who, None, "reflection", "text", text);
        if self.chance(40) {
            let prompt = json!({ "text": self.title() });
            self.say(who, Some(item), "reflection", "prompt", prompt);
        }
    }
}
