//! The OpenAPI document and the router know the same operations.

use std::collections::BTreeMap;

use betwixt_api::Permission;
use betwixt_api::openapi::{self, operations};
use betwixt_daemon::http::{self, Needs};

#[derive(Debug, PartialEq)]
enum Needed {
    Nothing,
    All(Vec<Permission>),
    Owner,
}

#[test]
fn every_route_is_in_the_document_and_the_other_way_round_with_what_it_needs() {
    let mut routes = BTreeMap::new();
    for route in http::declared() {
        let needed = match route.needs {
            Needs::All(permissions) => Needed::All(permissions.to_vec()),
            Needs::Owner => Needed::Owner,
            Needs::Nothing => Needed::Nothing,
        };
        let named = (route.path.to_owned(), route.method.to_string());
        assert!(routes.insert(named.clone(), needed).is_none(), "{named:?} is declared twice");
    }
    let mut documented = BTreeMap::new();
    for operation in operations().into_iter().flat_map(|(_, operations)| operations) {
        let needed = match operation.needs() {
            openapi::Needs::Nothing => Needed::Nothing,
            openapi::Needs::All(permissions) => Needed::All(permissions.to_vec()),
            openapi::Needs::Owner => Needed::Owner,
        };
        documented.insert((operation.path().to_owned(), operation.method()), needed);
    }
    for (named, needed) in &routes {
        assert_eq!(documented.get(named), Some(needed), "{named:?} as the document has it");
    }
    for named in documented.keys() {
        assert!(routes.contains_key(named), "{named:?} is in the document and not in the router");
    }
}
