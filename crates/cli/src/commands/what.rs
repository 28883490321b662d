//! Which item a command is about, and saying something about its fields.

use betwixt_api::{Collection, Field, Item, Say, Saying, Scope, Seen};
use serde_json::Value;

use crate::error::CommandError;
use crate::home::Opened;
use crate::render::field;
use crate::values::parse_date;

/// An item, as the command line names it.
#[derive(Debug, Clone)]
pub(super) enum What {
    Vision(Option<Scope>),
    Item(Collection, String),
}

impl What {
    /// The item as it is now.
    pub(super) async fn read(&self, opened: &Opened) -> Result<Item, CommandError> {
        Ok(match self {
            Self::Vision(scope) => opened.client.vision(*scope).await?,
            Self::Item(collection, id) => opened.client.item(*collection, id).await?,
        })
    }

    /// Says something about a field, having seen what the token names.
    pub(super) async fn say(
        &self,
        opened: &Opened,
        name: &str,
        value: Value,
        seen: &Seen,
    ) -> Result<Saying, CommandError> {
        // An empty token says that nothing stood there: without one, something that came meanwhile would be refused.
        let say = Say { value, seen: Some(seen.clone()) };
        Ok(match self {
            Self::Vision(scope) => opened.client.say_vision(*scope, name, &say).await?,
            Self::Item(collection, id) => opened.client.say(*collection, id, name, &say).await?,
        })
    }
}

/// A field of an item; where the daemon knows none of that name, the fields that there are are named.
pub(super) fn field<'a>(item: &'a Item, name: &str) -> Result<&'a Field, CommandError> {
    item.fields.get(name).ok_or_else(|| {
        let known: Vec<&str> = item.fields.keys().map(String::as_str).collect();
        CommandError::NotFound { what: format!("there is no field `{name}` there; there are: {}", known.join(", ")) }
    })
}

/// A text as a value of the field of that name.
pub(super) fn value_of(name: &str, text: &str) -> Result<Value, CommandError> {
    match name {
        "from" | "until" | "review" => parse_date(text),
        "done" => match text.trim().to_lowercase().as_str() {
            "yes" | "true" => Ok(true.into()),
            "no" | "false" => Ok(false.into()),
            _ => Err(CommandError::Value { what: "that is answered with yes or no".into() }),
        },
        _ => Ok(text.trim_end().into()),
    }
}

/// Prints the field as it is after something was said.
pub(super) fn told(opened: &Opened, saying: &Saying) -> Result<(), CommandError> {
    opened.terminal.result(saying, || field::full(&opened.look(), &saying.field, &saying.now))
}
