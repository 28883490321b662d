//! The knocks that were answered, on disk: one that somebody recorded opens nothing after a restart either.
//!
//! They are written late (see [`super::writes::Lazy`]): a crash may forget those of the last half second. Pages, so that a
//! knock costs a row of about a kilobyte and not all of them.

use betwixt_model::document::Scope;
use betwixt_store::{Batch, Reader, StoreError};
use betwixt_sync::keys::{KNOCK, REMEMBERED_KNOCKS};

const PAGES: u64 = 64;
/// Knocks of a page.
const PAGE: usize = REMEMBERED_KNOCKS / 64;

type Knock = [u8; KNOCK];

fn setting(page: u64) -> String {
    format!("knocks {}", page % PAGES)
}

/// The page that is being filled. It is written whole whenever it grows.
#[derive(Debug, Default)]
pub struct Knocks {
    page: u64,
    knocks: Vec<Knock>,
}

impl Knocks {
    /// What is on disk, and the knocks in it, oldest first.
    ///
    /// # Errors
    /// [`StoreError`] when they cannot be read.
    pub fn load(reader: &Reader<'_>) -> Result<(Self, Vec<Knock>), StoreError> {
        let mut pages: Vec<(u64, Vec<Knock>)> = Vec::new();
        for page in 0..PAGES {
            pages.extend(reader.setting(Scope::Ours, &setting(page))?);
        }
        pages.sort_by_key(|(page, _)| *page);
        let all = pages.iter().flat_map(|(_, knocks)| knocks).copied().collect();
        let (page, knocks) = pages.pop().unwrap_or_default();
        Ok((Self { page, knocks }, all))
    }

    /// Writes those that were answered since. Should the transaction be lost, those of the present page come again with
    /// the next knock.
    pub(super) fn store(&mut self, batch: &mut Batch, answered: &[Knock]) -> Result<(), StoreError> {
        let mut answered = answered.iter().copied().peekable();
        while answered.peek().is_some() {
            if self.knocks.len() >= PAGE {
                self.knocks.clear();
                self.page += 1;
            }
            let room = PAGE - self.knocks.len();
            self.knocks.extend(answered.by_ref().take(room));
            batch.put_setting(Scope::Ours, &setting(self.page), &(self.page, &self.knocks))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use betwixt_store::Store;
    use betwixt_store::keys::DataKeys;
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng as _;

    use super::*;

    fn knock(number: usize) -> Knock {
        let mut knock = [0; KNOCK];
        knock[..8].copy_from_slice(&number.to_le_bytes());
        knock
    }

    #[test]
    fn the_last_knocks_come_back_in_order_and_there_is_an_end_to_them() {
        let mut rng = ChaCha20Rng::from_seed([7; 32]);
        let store = Store::in_memory(&DataKeys::random(&mut rng)).unwrap();
        let load = || Knocks::load(&store.read().unwrap().reader()).unwrap();
        let (mut book, none) = load();
        assert!(none.is_empty());
        let mut said = 0;
        // Within a page, over an edge, many pages at once, and more than there is room for, with restarts between.
        for count in [1, 2, PAGE - 3, PAGE + 1, 5 * PAGE, REMEMBERED_KNOCKS] {
            let answered: Vec<Knock> = (said..said + count).map(knock).collect();
            said += count;
            let mut batch = store.begin().unwrap();
            book.store(&mut batch, &answered).unwrap();
            batch.commit().unwrap();
            let (again, all) = load();
            assert!(all.len() >= said.min(REMEMBERED_KNOCKS - PAGE + 1) && all.len() <= REMEMBERED_KNOCKS);
            let expected: Vec<Knock> = (said - all.len()..said).map(knock).collect();
            assert!(all == expected, "{} of {said}", all.len());
            book = again;
        }
    }
}
