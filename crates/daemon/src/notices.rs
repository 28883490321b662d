//! The event stream: what changed, by id and kind, told only after it is durable.

use std::collections::VecDeque;

use betwixt_api::{Notice, NoticeKind};
use betwixt_model::document::Scope;
use data_encoding::BASE32_NOPAD;
use rand_core::{CryptoRng, RngCore};
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;

use crate::http::{EventStream, MAX_WAITING_NOTICES, Sees, Told};

/// How many notices are kept for readers that come back. No more than a reader may be behind.
const KEPT: usize = MAX_WAITING_NOTICES;

/// Readers of the event stream, and the last notices.
///
/// Those who see everything and those who see what is shared have a ledger each, with numbers of its own: a number that is
/// left out would tell that something private happened (PrivateStaysHome).
#[derive(Debug)]
pub(crate) struct Notices {
    everything: Ledger,
    shared: Ledger,
}

/// The notices of one audience.
#[derive(Debug)]
struct Ledger {
    /// Which run of numbers this is: one that goes on over a restart, or a new one.
    run: String,
    last: u64,
    kept: VecDeque<Told>,
    readers: broadcast::Sender<Told>,
}

/// What of a ledger outlives a daemon that ends as it should.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct KeptLedger {
    run: String,
    last: u64,
    /// The numbers' texts on the stream, oldest first.
    kept: Vec<(u64, Vec<u8>)>,
}

/// The name of the setting that holds a [`KeptLedger`], in the scope of its audience.
pub(crate) const SETTING: &str = "notices";

impl Notices {
    /// What was kept goes on; what was not begins anew.
    pub(crate) fn new(
        everything: Option<KeptLedger>,
        shared: Option<KeptLedger>,
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Self {
        let mut ledger = |kept| Ledger::new(kept, rng);
        Self { everything: ledger(everything), shared: ledger(shared) }
    }

    /// Tells every reader who sees this scope. Nobody is waited for.
    pub(crate) fn tell(&mut self, scope: Scope, notice: Notice) {
        self.everything.tell(notice.clone());
        if scope == Scope::Ours {
            self.shared.tell(notice);
        }
    }

    /// Tells every reader something that is about no item.
    pub(crate) fn tell_all(&mut self, kind: NoticeKind) {
        self.tell(Scope::Ours, Notice::new(kind));
    }

    /// A new reader, who knows everything up to `after`.
    pub(crate) fn subscribe(&mut self, sees: Sees, after: Option<&str>) -> EventStream {
        match sees {
            Sees::Everything => self.everything.subscribe(after),
            Sees::Shared => self.shared.subscribe(after),
        }
    }

    /// What is to be kept for the next daemon: by scope of who may see it.
    pub(crate) fn kept(&self) -> [(Scope, KeptLedger); 2] {
        [(Scope::Mine, self.everything.keep()), (Scope::Ours, self.shared.keep())]
    }
}

impl Ledger {
    fn new(kept: Option<KeptLedger>, rng: &mut (impl RngCore + CryptoRng)) -> Self {
        let (readers, _) = broadcast::channel(MAX_WAITING_NOTICES);
        match kept {
            Some(KeptLedger { run, last, kept }) => {
                let told = |(number, text): (u64, Vec<u8>)| Told { id: id(&run, number), number, text: text.into() };
                Self { last, kept: kept.into_iter().map(told).collect(), run, readers }
            }
            None => {
                let mut run = [0; 5];
                rng.fill_bytes(&mut run);
                Self { run: BASE32_NOPAD.encode(&run).to_lowercase(), last: 0, kept: VecDeque::new(), readers }
            }
        }
    }

    fn tell(&mut self, notice: Notice) {
        self.last += 1;
        let told = Told::new(id(&self.run, self.last), self.last, notice);
        // An error says that nobody reads.
        let _ = self.readers.send(told.clone());
        self.kept.push_back(told);
        if self.kept.len() > KEPT {
            self.kept.pop_front();
        }
    }

    fn subscribe(&self, after: Option<&str>) -> EventStream {
        let coming = self.readers.subscribe();
        let last = id(&self.run, self.last);
        let missed = match after {
            None => Vec::new(),
            Some(after) => match self.missed(after) {
                Some(missed) => missed,
                None => vec![Told::new(last.clone(), self.last, Notice::new(NoticeKind::Resync))],
            },
        };
        EventStream::new(last, missed, coming)
    }

    /// What came after an id; `None` when that is not known any more, or never was.
    fn missed(&self, after: &str) -> Option<Vec<Told>> {
        let (run, number) = after.split_once('-')?;
        let number: u64 = number.parse().ok()?;
        let first = self.kept.front().map_or(self.last + 1, |told| told.number);
        let known = run == self.run && number <= self.last && number + 1 >= first;
        known.then(|| self.kept.iter().filter(|told| told.number > number).cloned().collect())
    }

    fn keep(&self) -> KeptLedger {
        let kept = self.kept.iter().map(|told| (told.number, told.text.to_vec())).collect();
        KeptLedger { run: self.run.clone(), last: self.last, kept }
    }
}

fn id(run: &str, number: u64) -> String {
    format!("{run}-{number}")
}

#[cfg(test)]
mod tests {
    use rand_core::OsRng;

    use super::*;

    fn notices() -> Notices {
        Notices::new(None, None, &mut OsRng)
    }

    /// What waits for a reader: numbers and kinds.
    async fn waiting(stream: &mut EventStream) -> Vec<(String, String)> {
        let mut all = Vec::new();
        while let Some(text) = stream.waiting().await {
            let text = String::from_utf8(text.to_vec()).expect("is text");
            let line = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).expect("has it").to_owned();
            all.push((line("id: ").split_once('-').expect("has a number").1.to_owned(), line("event: ")));
        }
        all
    }

    fn all(of: &[(u64, &str)]) -> Vec<(String, String)> {
        of.iter().map(|(number, kind)| (number.to_string(), (*kind).to_owned())).collect()
    }

    #[tokio::test]
    async fn a_reader_that_comes_back_gets_what_it_missed_or_is_told_to_resync() {
        let mut notices = notices();
        for _ in 0..3 {
            notices.tell_all(NoticeKind::Met);
        }
        let run = notices.everything.run.clone();
        let after =
            |notices: &mut Notices, number: u64| notices.subscribe(Sees::Everything, Some(&format!("{run}-{number}")));
        assert_eq!(waiting(&mut after(&mut notices, 1)).await, all(&[(2, "met"), (3, "met")]));
        assert_eq!(waiting(&mut after(&mut notices, 3)).await, all(&[]));
        assert_eq!(waiting(&mut notices.subscribe(Sees::Everything, None)).await, all(&[]));
        // Of the future, of another run, and nonsense.
        assert_eq!(waiting(&mut after(&mut notices, 99)).await, all(&[(3, "resync")]));
        for foreign in ["other-1", "1", "", "-", "x-y-z"] {
            assert_eq!(waiting(&mut notices.subscribe(Sees::Everything, Some(foreign))).await, all(&[(3, "resync")]));
        }
        for _ in 0..KEPT {
            notices.tell_all(NoticeKind::Parted);
        }
        assert_eq!(waiting(&mut after(&mut notices, 1)).await, all(&[(259, "resync")]));
        assert_eq!(waiting(&mut after(&mut notices, 3)).await.len(), KEPT);
    }

    #[tokio::test]
    async fn a_stuck_reader_holds_nobody_up_and_is_told_to_resync() {
        let mut notices = notices();
        let mut stuck = notices.subscribe(Sees::Everything, None);
        for _ in 0..MAX_WAITING_NOTICES * 3 {
            notices.tell_all(NoticeKind::Met);
        }
        let mut fresh = notices.subscribe(Sees::Everything, None);
        notices.tell_all(NoticeKind::Parted);
        assert_eq!(waiting(&mut fresh).await, all(&[(769, "parted")]));
        let seen = waiting(&mut stuck).await;
        assert_eq!(seen[0].1, "resync");
        assert_eq!(seen.last().expect("goes on"), &("769".to_owned(), "parted".to_owned()));
        assert!(seen.len() <= MAX_WAITING_NOTICES);
    }

    #[tokio::test]
    async fn private_stays_home_not_even_a_missing_number_tells_of_what_is_private() {
        let mut notices = notices();
        let mut shared = notices.subscribe(Sees::Shared, None);
        let mut everything = notices.subscribe(Sees::Everything, None);
        notices.tell_all(NoticeKind::Met);
        notices.tell(Scope::Mine, Notice::new(NoticeKind::Item));
        notices.tell_all(NoticeKind::Parted);
        assert_eq!(waiting(&mut shared).await, all(&[(1, "met"), (2, "parted")]));
        assert_eq!(waiting(&mut everything).await, all(&[(1, "met"), (2, "item"), (3, "parted")]));
        // Nor does the id of the one audience tell the other anything.
        let foreign = format!("{}-1", notices.everything.run);
        assert_eq!(waiting(&mut notices.subscribe(Sees::Shared, Some(&foreign))).await, all(&[(2, "resync")]));
    }

    #[tokio::test]
    async fn what_was_kept_goes_on_where_it_was() {
        let mut before = notices();
        before.tell_all(NoticeKind::Met);
        before.tell_all(NoticeKind::Parted);
        let run = before.shared.run.clone();
        let [_, (_, shared)] = before.kept();
        let mut after = Notices::new(None, Some(shared), &mut OsRng);
        let mut reader = after.subscribe(Sees::Shared, Some(&format!("{run}-1")));
        after.tell_all(NoticeKind::Met);
        assert_eq!(waiting(&mut reader).await, all(&[(2, "parted"), (3, "met")]));
    }
}
