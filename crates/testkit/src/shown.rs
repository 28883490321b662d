//! Comparing what is shown: two partners are shown the same, apart from mine and yours.

use serde_json::Value;

/// Takes out of a view's JSON what depends on who reads: the marks of what is one's own, and that one's own come first.
/// What is left is the same for both partners (SameFactsSameView).
pub fn without_sides(shown: &mut Value) {
    match shown {
        Value::Object(fields) => {
            fields.remove("own");
            fields.values_mut().for_each(without_sides);
        }
        Value::Array(values) => {
            values.iter_mut().for_each(without_sides);
            // Lists of versions, sayings and slots name who says it; others keep their order.
            if values.iter().all(|value| value.get("by").is_some()) {
                values.sort_by_key(Value::to_string);
            }
        }
        _ => {}
    }
}
