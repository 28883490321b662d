//! `GET /v1`: what this daemon speaks and knows. Nothing of the home is in it, so the loop is not asked.

use axum::http::StatusCode;
use axum::response::Response;
use betwixt_api::{
    About, Collection, CollectionAbout, DEFAULT_PAGE, FieldAbout, FieldKind, Limits, MAX_IDEMPOTENCY_KEY, MAX_PAGE,
    MAX_REQUEST,
};
use betwixt_model::ritual::MAX_WINDOW;
use betwixt_model::schema::{self, Kind, Naming, Owner};

/// The most characters of a line, such as a title.
pub(super) const MAX_LINE: usize = schema::shape::MAX_LINE;

use super::routes::json;
use super::{MAX_CONNECTIONS, MAX_WAITING_NOTICES, shown, values};

/// What a frontend may ask for. A name stays what it means; new ones come with new versions.
const CAPABILITIES: &[&str] = &[
    "attachments",
    "backups",
    "bring",
    "calendar",
    "carry",
    "chapters",
    "doctor",
    "documents",
    "events",
    "export",
    "frontends",
    "history",
    "items",
    "pairing",
    "seals",
    "search",
    "settle",
    "since",
    "statistics",
    "undo",
    "ways",
];

pub(super) async fn about() -> Response {
    json(StatusCode::OK, &described())
}

fn described() -> About {
    About {
        api: 1,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        capabilities: CAPABILITIES.iter().map(|name| (*name).to_owned()).collect(),
        collections: Collection::ALL.into_iter().filter_map(collection).collect(),
        limits: Limits {
            request_bytes: MAX_REQUEST as u64,
            idempotency_key_bytes: MAX_IDEMPOTENCY_KEY as u64,
            page: MAX_PAGE,
            page_by_default: DEFAULT_PAGE,
            connections: MAX_CONNECTIONS as u64,
            waiting_notices: MAX_WAITING_NOTICES as u64,
            calendar_days: u32::try_from(MAX_WINDOW).unwrap_or(u32::MAX),
        },
    }
}

fn collection(name: Collection) -> Option<CollectionAbout> {
    let kind = Kind::named(shown::kind_of(name))?;
    let field = |field: &schema::Field| FieldAbout {
        name: field.name.to_owned(),
        kind: match field.kind {
            schema::FieldKind::Owned(_) => FieldKind::Owned,
            schema::FieldKind::Shared => FieldKind::Shared,
            schema::FieldKind::Consent => FieldKind::Consent,
            schema::FieldKind::Light => FieldKind::Light,
        },
        each: field.kind == schema::FieldKind::Owned(Owner::EachPartner),
        prose: field.shape == schema::Shape::Prose,
        value: values::schema(field.shape),
    };
    Some(CollectionAbout {
        name,
        kind: kind.name.to_owned(),
        begins_with: match kind.naming {
            Naming::Founded { first } => Some(first.to_owned()),
            Naming::One | Naming::OnePerPartner | Naming::Keyed { .. } | Naming::Internal => None,
        },
        fields: kind.fields.iter().map(field).collect(),
    })
}
