//! A field as it is shown: what it holds, or every version that differs, and the token to say something about it.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// What a reader had before them: the ids of the field's live facts, joined by commas; empty where nothing was said.
/// Opaque to frontends, which hand it back with what they say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct Seen(pub String);

/// Whose word counts in a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum FieldKind {
    /// Only its owner's.
    Owned,
    /// What nobody contradicts holds.
    Shared,
    /// Agreed when both say the same.
    Consent,
    /// The latest, in silence.
    Light,
}

/// Who differs with whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Between {
    /// The two partners: theirs to settle together.
    Both,
    /// The reader, who said it on two devices apart: theirs to settle alone.
    Yourself,
    /// The other partner, who said it on two devices apart: nothing to be settled by the reader.
    Other,
}

/// One field of an item.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Field {
    /// Whose word counts.
    pub kind: FieldKind,
    /// What it holds.
    #[serde(flatten)]
    pub state: FieldState,
    /// To be handed back with what is said about it.
    #[serde(default)]
    pub seen: Seen,
    /// Whether what it holds is what both said (in a field of consent).
    #[serde(default)]
    pub agreed: bool,
    /// What stands agreed, whatever is proposed beside it, with who said it last; two where agreements were reached apart.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub agreement: Vec<Version>,
    /// Words that wait for the other partner to say the same (in a field of consent).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waiting: Vec<Version>,
    /// Where it differs: who differs with whom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub between: Option<Between>,
    /// For prose with several live versions: their merge, in reading order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub passages: Vec<Passage>,
    /// For a draft whose wording was agreed: it has changed since.
    #[serde(default, skip_serializing_if = "is_false")]
    pub changed_since_agreed: bool,
    /// What was changed of the one wording that stands agreed, by words: on a draft by the draft, on a wording by each of
    /// those that wait, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub since_agreed: Vec<Vec<crate::past::Change>>,
    /// Each took the other's offer and left their own: they said the other's, and differ again.
    #[serde(default, skip_serializing_if = "is_false")]
    pub crossed: bool,
    /// What somebody other than the owner said in an owned field, which does not count: changed outside Betwixt.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outside: Vec<Version>,
    /// What it builds on has not all arrived; it takes no writes until then.
    #[serde(default, skip_serializing_if = "is_false")]
    pub arriving: bool,
}

fn is_false(value: &bool) -> bool {
    !value
}

impl Field {
    /// The one value that the field holds.
    pub fn held(&self) -> Option<&Value> {
        match &self.state {
            FieldState::Held { value, .. } => Some(value),
            _ => None,
        }
    }

    /// Whether several versions stand beside each other.
    pub fn differs(&self) -> bool {
        matches!(self.state, FieldState::Differing { .. })
    }

    /// A field of this kind about which nothing was said.
    pub fn empty(kind: FieldKind) -> Self {
        Self {
            kind,
            state: FieldState::Empty,
            seen: Seen::default(),
            agreed: false,
            agreement: Vec::new(),
            waiting: Vec::new(),
            between: None,
            passages: Vec::new(),
            changed_since_agreed: false,
            since_agreed: Vec::new(),
            crossed: false,
            outside: Vec::new(),
            arriving: false,
        }
    }

    /// Every version that is live, own first.
    pub fn versions(&self) -> &[Version] {
        match &self.state {
            FieldState::Empty => &[],
            FieldState::Held { versions, .. } => versions,
            FieldState::Differing { versions, .. } | FieldState::Each { versions } => versions,
        }
    }
}

/// What a field holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum FieldState {
    /// Nothing was said.
    Empty,
    /// One value: live facts all say the same, or they are prose that merges without a difference.
    Held {
        /// The value.
        value: Value,
        /// Who said it, and when.
        #[serde(default)]
        said: Vec<Said>,
        /// For merged prose: the versions that it was merged from.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        versions: Vec<Version>,
    },
    /// Several, of which none is preferred.
    Differing {
        /// Every version, own first.
        versions: Vec<Version>,
        /// What held before they differed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        was: Option<Value>,
    },
    /// Each partner's own word, side by side (in fields such as each one's why).
    Each {
        /// Own first.
        versions: Vec<Version>,
    },
}

/// Who said something, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Said {
    /// The partner's id.
    pub by: String,
    /// Whether that is the reader.
    #[serde(default)]
    pub own: bool,
    /// The local date, `YYYY-MM-DD`.
    pub on: String,
    /// The fact's id.
    pub fact: String,
}

/// A value that somebody said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Version {
    /// What was said.
    pub value: Value,
    /// Who said it, and when.
    #[serde(flatten)]
    pub said: Said,
}

/// A stretch of merged prose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum Passage {
    /// Everybody's text, or one's that the others left alone.
    Held {
        /// The text.
        text: String,
    },
    /// Several texts for the same place.
    Differing {
        /// What stood there before; several where that differed itself, none where nothing is known of it.
        #[serde(default)]
        was: Vec<String>,
        /// Each version of the place, own first.
        versions: Vec<PassageState>,
    },
}

/// One version of a differing passage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PassageState {
    /// The text; empty where it was removed.
    pub text: String,
    /// Whose versions read so, own first.
    pub said: Vec<Said>,
    /// What it changed of what stood there before, by words; empty where that is not one text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub words: Vec<crate::past::Change>,
}

/// The answer to something said: durable by the time it is given (DurableBeforeTold).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Saying {
    /// The item that it is about.
    pub item: String,
    /// The field that it is about.
    pub field: String,
    /// The new fact's id.
    pub fact: String,
    /// The writer's own token: what they had seen and what they have now said.
    pub seen: Seen,
    /// The field as it is now, which may hold more than the writer has seen.
    pub now: Field,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reads_and_writes_alike(text: &str) -> Field {
        let field: Field = serde_json::from_str(text).expect("reads");
        let written = serde_json::to_value(&field).expect("writes");
        assert_eq!(serde_json::from_value::<Field>(written).expect("reads again"), field);
        field
    }

    #[test]
    fn a_held_field() {
        let field = reads_and_writes_alike(
            r#"{"kind":"consent","state":"held","value":"A calm, open home","seen":"f7Qk",
                "said":[{"by":"p1","on":"2027-03-02","fact":"f7Qk"}],"agreed":false}"#,
        );
        assert_eq!(field.held().and_then(Value::as_str), Some("A calm, open home"));
    }

    #[test]
    fn a_differing_field_keeps_its_order() {
        let field = reads_and_writes_alike(
            r#"{"kind":"shared","state":"differing","seen":"b91x,c04m","was":"2027-05-01","versions":[
                {"value":"2027-06-01","by":"p1","own":true,"on":"2027-03-02","fact":"b91x"},
                {"value":"2027-09-01","by":"p2","own":false,"on":"2027-03-02","fact":"c04m"}]}"#,
        );
        assert!(field.differs());
        assert!(field.versions()[0].said.own && !field.versions()[1].said.own);
    }
}
