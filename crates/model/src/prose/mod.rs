//! Prose: texts that were changed apart are merged on reading, sentence by sentence, all versions at once.
//!
//! Changes to different sentences merge. Changes to the same or to touching sentences, insertions at the same place, and
//! rewriting what another removed *differ*: the passage is shown in every version, with what it was before. Characters of
//! two versions are never interleaved, and nothing that anybody wrote is left out. `docs/design/prose.md` has the rule
//! with examples.
//!
//! Merging is for reading: it decides nothing about which fact replaces which. Its outcome depends on the texts alone,
//! not on the order in which they are given, so every device reads the same (SameFactsSameView). Segmentation, alignment
//! and the rule itself belong to the format of facts ([`crate::fact::FORMAT`]): they change only with it.

mod align;
mod apart;
mod merge;
mod segment;
mod words;

pub use apart::Apart;
pub use merge::{Base, Merged, Passage, Version, merge, merge_onto};
pub use segment::{Sentence, UNICODE_VERSION, sentences};
pub use words::{Piece, word_differences};
