//! Which of a connection's sessions a frame belongs to.
//!
//! Every connection has one session over what is shared. Between devices of one partner there is a second one beside it,
//! over their private documents, whose frames begin with a byte that no other frame begins with, and a number. It begins
//! when the private part is open, and anew whenever it was locked meanwhile, with the next number and streams of its own: so what
//! is still on its way of an earlier one is told apart.

use super::StreamKey;
use super::codec::{Malformed, Reader, write_unsigned};

/// The first byte of a frame of a session over private documents. No frame's own tag.
const PRIVATE: u8 = 0x40;

/// Which of a connection's sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// The one over what is shared.
    Shared,
    /// The one over private documents that has this number. Numbers grow.
    Private(u32),
}

impl Lane {
    /// A session's frame as it is sent.
    pub fn mark(self, frame: Vec<u8>) -> Vec<u8> {
        match self {
            Self::Shared => frame,
            Self::Private(number) => {
                let mut marked = Vec::with_capacity(frame.len() + 6);
                marked.push(PRIVATE);
                write_unsigned(&mut marked, u64::from(number));
                marked.extend_from_slice(&frame);
                marked
            }
        }
    }

    /// Whose a frame is that came, and the frame.
    ///
    /// # Errors
    /// [`Malformed`] when it is marked, and not as it should be. A frame without the mark is the shared session's to judge.
    pub fn of(frame: &[u8]) -> Result<(Self, &[u8]), Malformed> {
        let Some((&PRIVATE, rest)) = frame.split_first() else { return Ok((Self::Shared, frame)) };
        let mut reader = Reader::new(rest);
        let number = u32::try_from(reader.unsigned()?).map_err(|_| Malformed::Value("number of a session"))?;
        Ok((Self::Private(number), reader.rest()))
    }
}

/// One of this side's outgoing streams of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OutgoingStream {
    /// Whose.
    pub lane: Lane,
    /// Which of the session's.
    pub key: StreamKey,
}

impl OutgoingStream {
    /// How urgent it is beside the others; see [`StreamKey::priority`].
    pub fn priority(self) -> i32 {
        self.key.priority()
    }

    /// Whether `earlier` is a stream of a private session that is over, because a later one has this stream.
    pub fn supersedes(self, earlier: &Self) -> bool {
        matches!((earlier.lane, self.lane), (Lane::Private(earlier), Lane::Private(later)) if earlier < later)
    }
}

impl From<StreamKey> for OutgoingStream {
    /// A stream of the session over what is shared.
    fn from(key: StreamKey) -> Self {
        Self { lane: Lane::Shared, key }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Frame, GoodbyeReason};

    #[test]
    fn a_private_frame_is_told_from_a_shared_one_and_from_one_of_another_number() {
        let frame = Frame::Goodbye(GoodbyeReason::Down).encode();
        for lane in [Lane::Shared, Lane::Private(1), Lane::Private(300), Lane::Private(u32::MAX)] {
            assert_eq!(Lane::of(&lane.mark(frame.clone())), Ok((lane, frame.as_slice())));
        }
    }

    #[test]
    fn private_stays_home_the_shared_session_reads_no_private_frame() {
        let marked = Lane::Private(1).mark(Frame::InStep.encode());
        assert_eq!(Frame::decode(&marked), Err(Malformed::UnknownFrame(PRIVATE)));
    }

    #[test]
    fn hostile_input_is_an_error_a_mark_that_is_cut_short_or_too_great() {
        for marked in [&[PRIVATE][..], &[PRIVATE, 0x80], &[PRIVATE, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]] {
            assert!(Lane::of(marked).is_err(), "{marked:?}");
        }
    }
}
