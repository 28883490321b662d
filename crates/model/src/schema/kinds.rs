//! The kinds of items that this version knows.

use super::{Field, FieldKind, Kind, Naming, Owner, Shape};

const OWN: FieldKind = FieldKind::Owned(Owner::Founder);
const EACH: FieldKind = FieldKind::Owned(Owner::EachPartner);
const SHARED: FieldKind = FieldKind::Shared;
const CONSENT: FieldKind = FieldKind::Consent;
const LIGHT: FieldKind = FieldKind::Light;

const fn field(name: &'static str, kind: FieldKind, shape: Shape) -> Field {
    Field { name, kind, shape }
}

/// The name of the field that says when to look at a statement again; both answer for that date, and either sets the next.
pub(crate) const REVIEW: &str = "review";
const REVIEW_FIELD: Field = field(REVIEW, SHARED, Shape::Date);
/// What a partner answered when the statement was looked at again.
const REVIEWED: Field = field("reviewed", EACH, Shape::Reviewed);
/// An answer to a wording that the other proposed.
const NOT_YET: Field = field("not_yet", EACH, Shape::NotYet);

/// Every kind that this version knows.
pub const KINDS: &[Kind] = &[
    Kind {
        name: "member",
        naming: Naming::OnePerPartner,
        fields: &[
            field("name", OWN, Shape::Line),
            field("pronouns", OWN, Shape::Line),
            field("terms", OWN, Shape::Terms),
        ],
    },
    Kind {
        name: "vision",
        naming: Naming::One,
        fields: &[
            field("draft", SHARED, Shape::Prose),
            field("wording", CONSENT, Shape::Prose),
            NOT_YET,
            REVIEW_FIELD,
            REVIEWED,
        ],
    },
    Kind {
        name: "value",
        naming: Naming::Founded { first: "title" },
        fields: &[
            field("title", SHARED, Shape::Line),
            field("draft", SHARED, Shape::Prose),
            field("wording", CONSENT, Shape::Prose),
            NOT_YET,
            REVIEW_FIELD,
            REVIEWED,
            field("rank", LIGHT, Shape::Rank),
        ],
    },
    Kind {
        name: "agreement",
        naming: Naming::Founded { first: "title" },
        fields: &[
            field("title", SHARED, Shape::Line),
            field("draft", SHARED, Shape::Prose),
            field("wording", CONSENT, Shape::Prose),
            NOT_YET,
            REVIEW_FIELD,
            REVIEWED,
            field("rank", LIGHT, Shape::Rank),
        ],
    },
    Kind {
        name: "goal",
        naming: Naming::Founded { first: "title" },
        fields: &[
            field("title", SHARED, Shape::Line),
            field("why", EACH, Shape::Prose),
            field("area", SHARED, Shape::Line),
            field("state", CONSENT, Shape::OneOf(&["exploring", "agreed", "paused", "released", "reached"])),
            field("from", SHARED, Shape::Date),
            field("until", SHARED, Shape::Date),
            field("draft", SHARED, Shape::Prose),
            field("wording", CONSENT, Shape::Prose),
            NOT_YET,
            REVIEW_FIELD,
            REVIEWED,
            field("rank", LIGHT, Shape::Rank),
        ],
    },
    Kind {
        name: "milestone",
        naming: Naming::Founded { first: "goal" },
        fields: &[
            field("goal", SHARED, Shape::Link("goal")),
            field("title", SHARED, Shape::Line),
            field("measure", SHARED, Shape::Measure),
            field("done", EACH, Shape::Flag),
            field("rank", LIGHT, Shape::Rank),
        ],
    },
    Kind {
        name: "progress",
        naming: Naming::Founded { first: "milestone" },
        fields: &[
            field("milestone", OWN, Shape::Link("milestone")),
            field("amount", OWN, Shape::Amount),
            field("note", OWN, Shape::Prose),
        ],
    },
    Kind {
        name: "reflection",
        naming: Naming::Founded { first: "text" },
        fields: &[field("text", OWN, Shape::Prose), field("prompt", OWN, Shape::Prompt)],
    },
    Kind {
        name: "journal",
        naming: Naming::Founded { first: "text" },
        fields: &[field("text", OWN, Shape::Prose), field("title", OWN, Shape::Line)],
    },
    Kind {
        name: "thanks",
        naming: Naming::Founded { first: "what" },
        fields: &[
            field("what", OWN, Shape::Prose),
            field("showed", OWN, Shape::Prose),
            field("value", OWN, Shape::Link("value")),
            field("to", OWN, Shape::Partner),
        ],
    },
    Kind {
        name: "ritual",
        naming: Naming::Founded { first: "title" },
        fields: &[
            field("title", SHARED, Shape::Line),
            field("meaning", SHARED, Shape::Prose),
            field("cadence", CONSENT, Shape::Schedule),
            field("paused", SHARED, Shape::Pause),
            field("turns", SHARED, Shape::Turns),
            field("rank", LIGHT, Shape::Rank),
        ],
    },
    Kind {
        name: "occurrence",
        naming: Naming::Keyed { key: &["/ritual", "/date"] },
        fields: &[
            field("mark", EACH, Shape::Mark),
            field("skip", SHARED, Shape::Skip),
            field("moved", SHARED, Shape::Moved),
        ],
    },
    // A file that lies beside the documents; see `crate::attachment`.
    Kind {
        name: "attachment",
        naming: Naming::Founded { first: "file" },
        fields: &[
            field("file", OWN, Shape::File),
            field("title", SHARED, Shape::Line),
            field("of", SHARED, Shape::Item),
        ],
    },
    // What both say about a difference itself; `crate::settle` reads it.
    Kind {
        name: "settlement",
        naming: Naming::Keyed { key: &["/of/item", "/of/kind", "/of/field"] },
        fields: &[field("differently", CONSENT, Shape::Differently), field("parked", EACH, Shape::Parked)],
    },
    Kind {
        name: "saying_back",
        naming: Naming::Founded { first: "of" },
        fields: &[
            field("of", OWN, Shape::SaidBack),
            field("text", OWN, Shape::Prose),
            field("heard", EACH, Shape::Flag),
        ],
    },
    Kind {
        name: "sealed",
        naming: Naming::Founded { first: "prompt" },
        fields: &[
            field("prompt", OWN, Shape::Prompt),
            field("commitment", EACH, Shape::Commitment),
            field("opening", EACH, Shape::Opening),
        ],
    },
    // Kept in `mine` until both have answered; see `crate::seal`.
    Kind { name: "sealed_text", naming: Naming::Internal, fields: &[field("text", OWN, Shape::SealedText)] },
    // What both say of a new chapter: said by `crate::chapter` alone.
    Kind { name: "chapter", naming: Naming::Internal, fields: &[field("made", CONSENT, Shape::Chapter)] },
    // Kept in `mine` by `crate::bring`, so that bringing twice is harmless.
    Kind { name: "brought", naming: Naming::Internal, fields: &[field("as", OWN, Shape::Brought)] },
];
