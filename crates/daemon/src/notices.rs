//! The event stream: what changed, by id and kind, told only after it is durable.

use std::collections::VecDeque;

use betwixt_api::{Notice, NoticeKind};
use tokio::sync::mpsc;

use crate::http::MAX_WAITING_NOTICES;

/// How many notices are kept for readers that come back.
const KEPT: usize = 256;

/// Readers of the event stream, and the last notices.
#[derive(Debug, Default)]
pub(crate) struct Notices {
    last: u64,
    kept: VecDeque<Notice>,
    readers: Vec<mpsc::Sender<Notice>>,
}

impl Notices {
    /// Tells every reader. One whose queue is full is dropped: it comes back, and sees the gap.
    pub(crate) fn tell(&mut self, kind: NoticeKind, item: Option<String>, field: Option<String>) {
        self.last += 1;
        let notice = Notice { id: self.last, kind, item, field };
        self.readers.retain(|reader| reader.try_send(notice.clone()).is_ok());
        self.kept.push_back(notice);
        if self.kept.len() > KEPT {
            self.kept.pop_front();
        }
    }

    /// A new reader, who knows everything up to `after`.
    pub(crate) fn subscribe(&mut self, after: Option<u64>) -> mpsc::Receiver<Notice> {
        let (sender, receiver) = mpsc::channel(MAX_WAITING_NOTICES);
        if let Some(after) = after.filter(|after| *after != self.last) {
            let first = self.kept.front().map_or(self.last + 1, |notice| notice.id);
            // An id of the future belongs to an earlier run of the daemon.
            let known = after <= self.last && after + 1 >= first;
            let resync = Notice { id: self.last, kind: NoticeKind::Resync, item: None, field: None };
            let missed = self.kept.iter().filter(|notice| notice.id > after).cloned();
            let missed: Vec<Notice> = if known { missed.collect() } else { vec![resync] };
            for notice in missed {
                // There is room for all: no more are kept than may wait.
                let _ = sender.try_send(notice);
            }
        }
        self.readers.push(sender);
        receiver
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(receiver: &mut mpsc::Receiver<Notice>) -> Vec<(u64, NoticeKind)> {
        std::iter::from_fn(|| receiver.try_recv().ok()).map(|notice| (notice.id, notice.kind)).collect()
    }

    #[test]
    fn a_reader_that_comes_back_gets_what_it_missed_or_is_told_to_resync() {
        let mut notices = Notices::default();
        for _ in 0..3 {
            notices.tell(NoticeKind::Peer, None, None);
        }
        assert_eq!(kinds(&mut notices.subscribe(Some(1))), [(2, NoticeKind::Peer), (3, NoticeKind::Peer)]);
        assert_eq!(kinds(&mut notices.subscribe(Some(3))), []);
        assert_eq!(kinds(&mut notices.subscribe(None)), []);
        assert_eq!(kinds(&mut notices.subscribe(Some(99))), [(3, NoticeKind::Resync)]);
        for _ in 0..KEPT {
            notices.tell(NoticeKind::Item, None, None);
        }
        assert_eq!(kinds(&mut notices.subscribe(Some(1))), [(259, NoticeKind::Resync)]);
    }

    #[test]
    fn a_stuck_reader_is_dropped_and_holds_nobody_up() {
        let mut notices = Notices::default();
        let stuck = notices.subscribe(None);
        for _ in 0..=MAX_WAITING_NOTICES {
            notices.tell(NoticeKind::Item, None, None);
        }
        assert!(notices.readers.is_empty());
        drop(stuck);
    }
}
