//! The past of an item: what was said and in which words that can be told, how it stood at an earlier time, who said which
//! part of a text, where a wording comes from, and how one's own last act is taken back.
//!
//! All of it is read from the index; nothing is kept beside it. An *earlier time* is never a clock's: it is a set of
//! facts that is closed under "what was seen" (CausalityNotClocks). `docs/design/history.md` says which sets there are.

mod authors;
mod compare;
mod provenance;
mod then;
mod timeline;
mod undo;

pub use authors::{MAX_VERSIONS, Part, authors, authors_of_reading};
pub use compare::{Change, changes};
pub use provenance::{How, Step, provenance};
pub use then::{item_after, item_with};
pub use timeline::{Act, Earlier, Event, each_event, event_of, timeline};
pub use undo::{UndoError, undo};
