//! The vision and the values: drafts that both work on, wordings that they agree, and how what differs ends.

use betwixt_model::ids::ItemId;
use betwixt_model::prose;
use serde_json::{Value, json};

use super::living::Living;
use crate::vocabulary::below;

/// How many sentences a draft has at most.
const SENTENCES: usize = 60;

/// How many values they come to have.
const VALUES: usize = 12;

impl Living {
    pub(super) fn vision(&self) -> ItemId {
        ItemId::natural(&self.household(), "vision", "")
    }

    pub(super) fn redraft_vision(&mut self, who: usize) {
        let vision = self.vision();
        let draft = self.redraft(who, vision);
        self.say(who, Some(vision), "vision", "draft", draft);
    }

    pub(super) fn redraft_value(&mut self, who: usize) {
        let value = match self.values.recent(&mut self.rng) {
            Some(value) if self.values.known().len() >= VALUES || self.chance(67) => value,
            _ => {
                let title = self.title();
                let value = self.say(who, None, "value", "title", title);
                self.values.add(value);
                value
            }
        };
        let draft = self.redraft(who, value);
        self.say(who, Some(value), "value", "draft", draft);
    }

    /// One proposes the draft as it reads; mostly the other says the same, sometimes "not yet".
    pub(super) fn wording(&mut self, who: usize) {
        let (item, kind) = match self.values.recent(&mut self.rng) {
            Some(value) if self.chance(50) => (value, "value"),
            _ => (self.vision(), "vision"),
        };
        let text = self.draft_of(who, item).join(" ");
        if text.is_empty() {
            return;
        }
        self.meet();
        let (proposed, _) = self.say_fact(who, Some(item), kind, "wording", json!(text));
        self.meet();
        if self.chance(80) {
            self.say(1 - who, Some(item), kind, "wording", json!(text));
        } else {
            let note = self.title();
            self.say(1 - who, Some(item), kind, "not_yet", json!({ "to": proposed, "note": note }));
        }
        self.meet();
    }

    /// Most of what differs since they were apart, they come to say alike.
    pub(super) fn settle(&mut self) {
        self.settle_goals();
        if !self.reads() {
            return;
        }
        let vision = (self.vision(), "vision");
        let values: Vec<_> = self.values.known().iter().map(|value| (*value, "value")).collect();
        for (item, kind) in values.into_iter().chain([vision]) {
            if self.differs(&item, "draft") && below(&mut self.rng, 50) > 0 {
                let draft = self.redraft(0, item);
                self.both_say(item, kind, "draft", &draft);
            }
        }
    }

    /// The sentences of a draft as somebody has it before them. Where it differs, one's own version is what comes first.
    fn draft_of(&mut self, who: usize, item: ItemId) -> Vec<String> {
        if !self.reads() {
            return self.drafts.get(&item).cloned().unwrap_or_default();
        }
        let reading = self.reading(who, &item, "draft").map(|field| field.reading).unwrap_or_default();
        let version = reading.versions.first().map(|version| &version.value);
        let text = reading.value.as_ref().or(version).and_then(Value::as_str).unwrap_or_default();
        prose::sentences(text).iter().map(|sentence| sentence.body.to_owned()).collect()
    }

    /// The draft of a statement with one of its sentences written anew, or one more.
    fn redraft(&mut self, who: usize, item: ItemId) -> Value {
        let sentence = self.vocabulary.sentence(&mut self.rng);
        let mut draft = self.draft_of(who, item);
        let at = below(&mut self.rng, draft.len() + 1);
        if at == draft.len() && draft.len() < SENTENCES {
            draft.push(sentence);
        } else {
            let last = draft.len() - 1;
            draft[at.min(last)] = sentence;
        }
        let text = json!(draft.join(" "));
        self.drafts.insert(item, draft);
        text
    }
}
