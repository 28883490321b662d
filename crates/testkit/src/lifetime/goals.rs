//! Goals, what they are measured by, and how far they are.

use jiff::ToSpan;
use serde_json::{Value, json};

use super::living::Living;
use crate::vocabulary::below;

impl Living {
    pub(super) fn new_goal(&mut self, who: usize) {
        let title = self.title();
        let goal = self.say(who, None, "goal", "title", title);
        let why = self.prose(60, 200);
        self.say(who, Some(goal), "goal", "why", why);
        let from = json!(self.today.to_string());
        self.say(who, Some(goal), "goal", "from", from);
        let until = self.later();
        self.say(who, Some(goal), "goal", "until", until);
        self.goals.add(goal);
        self.meet();
        for _ in 0..2 + below(&mut self.rng, 3) {
            let milestone = self.say(who, None, "milestone", "goal", json!(goal));
            let (title, target) = (self.title(), 10 + below(&mut self.rng, 90));
            self.say(who, Some(milestone), "milestone", "title", title);
            let measure = json!({ "type": "count", "target": target, "unit": "times" });
            self.say(who, Some(milestone), "milestone", "measure", measure);
            self.milestones.add(milestone);
        }
        self.meet();
    }

    pub(super) fn progress(&mut self, who: usize) {
        let Some(milestone) = self.milestones.recent(&mut self.rng) else { return self.new_goal(who) };
        let entry = self.say(who, None, "progress", "milestone", json!(milestone));
        let amount = 1 + below(&mut self.rng, 5);
        self.say(who, Some(entry), "progress", "amount", json!(amount));
        if self.chance(33) {
            let note = self.prose(30, 90);
            self.say(who, Some(entry), "progress", "note", note);
        }
    }

    /// What was said of a goal, said anew, often what was said anew before.
    pub(super) fn edit_goal(&mut self, who: usize) {
        let Some(goal) = self.goals.recent(&mut self.rng) else { return self.new_goal(who) };
        let (field, value) = match below(&mut self.rng, 4) {
            0 => ("title", self.title()),
            1 => ("until", self.later()),
            2 => ("area", self.title()),
            _ => ("why", self.prose(60, 250)),
        };
        self.say(who, Some(goal), "goal", field, value);
    }

    pub(super) fn rank_goal(&mut self, who: usize) {
        let Some(goal) = self.goals.recent(&mut self.rng) else { return self.new_goal(who) };
        let rank: String = (0..6).map(|_| char::from(b'a' + below(&mut self.rng, 26) as u8)).collect();
        self.say(who, Some(goal), "goal", "rank", json!(rank));
    }

    pub(super) fn milestone_done(&mut self, who: usize) {
        let Some(milestone) = self.milestones.recent(&mut self.rng) else { return self.new_goal(who) };
        self.say(who, Some(milestone), "milestone", "done", json!(true));
    }

    /// Both come to agree how far a goal is, or one proposes it while they are apart.
    pub(super) fn goal_state(&mut self, who: usize) {
        let Some(goal) = self.goals.recent(&mut self.rng) else { return self.new_goal(who) };
        let state = json!(["exploring", "agreed", "paused", "released", "reached"][below(&mut self.rng, 5)]);
        self.meet();
        self.say(who, Some(goal), "goal", "state", state.clone());
        if self.away {
            return;
        }
        self.meet();
        if below(&mut self.rng, 400) > 0 {
            self.say(1 - who, Some(goal), "goal", "state", state);
        }
    }

    pub(super) fn later(&mut self) -> Value {
        json!(self.today.saturating_add((30 + below(&mut self.rng, 700) as i64).days()).to_string())
    }

    /// Most of what differs of the latest goals since they were apart, they come to say alike.
    pub(super) fn settle_goals(&mut self) {
        let latest: Vec<_> = self.goals.known().iter().rev().take(12).copied().collect();
        for goal in latest {
            for field in ["title", "until", "area"] {
                if self.differs(&goal, field) && below(&mut self.rng, 50) > 0 {
                    let value = match field {
                        "until" => self.later(),
                        _ => self.title(),
                    };
                    self.both_say(goal, "goal", field, &value);
                }
            }
        }
    }
}
