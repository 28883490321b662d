//! Telling of many versions that they differ, from a few of them.

use std::collections::BTreeSet;

use super::segment::{sentences, split_white_end};

/// Looks at versions one after the other, until they are found to differ whatever they replaced and whatever else stands
/// beside them.
///
/// A merge holds fast to the sentences that all versions have. Where there is none, the whole text is one passage, and
/// three texts there are two at least that are not what it was before. Of fewer, and of those that have a sentence in
/// common, only merging tells.
///
/// ```
/// use betwixt_model::prose::Apart;
/// let mut apart = Apart::default();
/// assert!(!apart.add("A house. By the sea."));
/// assert!(!apart.add("A house. In the hills."));
/// assert!(apart.add("A flat. In town."));
/// ```
#[derive(Debug, Clone, Default)]
pub struct Apart {
    /// The sentences that all versions so far have.
    common: Option<BTreeSet<String>>,
    /// The versions' texts, as many as it takes.
    texts: BTreeSet<String>,
}

/// So many texts are two at least, beside what there was before.
const ENOUGH: usize = 3;

impl Apart {
    /// Looks at one more; answers whether they are known to differ. A false answer says nothing.
    pub fn add(&mut self, text: &str) -> bool {
        // White space at the end differs from nothing.
        if self.texts.len() < ENOUGH {
            self.texts.insert(split_white_end(text).0.to_owned());
        }
        match &mut self.common {
            None => self.common = Some(sentences(text).iter().map(|sentence| sentence.body.to_owned()).collect()),
            Some(common) if !common.is_empty() => {
                let bodies: BTreeSet<&str> = sentences(text).iter().map(|sentence| sentence.body).collect();
                common.retain(|body| bodies.contains(body.as_str()));
            }
            Some(_) => {}
        }
        self.texts.len() >= ENOUGH && self.common.as_ref().is_some_and(BTreeSet::is_empty)
    }
}
