//! Frames on a QUIC stream: a length of four bytes, little-endian, and that many bytes. The length includes nothing else.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use quinn::{ReadError, ReadExactError, RecvStream, SendStream, WriteError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::event::Frame;
use crate::limits;

/// Room for frames that wait to be taken.
#[derive(Debug)]
pub(crate) struct Budget {
    short: Arc<Semaphore>,
    long: Arc<Semaphore>,
}

impl Budget {
    pub(crate) fn new() -> Self {
        Self {
            short: Arc::new(Semaphore::new(limits::SHORT_FRAME_BUDGET)),
            long: Arc::new(Semaphore::new(limits::FRAME_BUDGET)),
        }
    }

    /// Who waits for room is told that none will come.
    pub(crate) fn close(&self) {
        self.short.close();
        self.long.close();
    }

    async fn room(&self, bytes: u32) -> Result<OwnedSemaphorePermit, FrameError> {
        let short = usize::try_from(bytes).is_ok_and(|bytes| bytes <= limits::SHORT_FRAME);
        let room = if short { &self.short } else { &self.long };
        room.clone().acquire_many_owned(bytes).await.map_err(|_| FrameError::Lost)
    }
}

/// A stream that cannot be read on.
#[derive(Debug)]
pub(crate) enum FrameError {
    /// A length above the cap, or an end within a frame.
    Violation,
    /// The peer gave up the stream.
    Reset,
    /// The connection is gone.
    Lost,
}

impl From<ReadError> for FrameError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Reset(_) => Self::Reset,
            _ => Self::Lost,
        }
    }
}

/// Reads the next frame; `None` at the stream's end between two.
///
/// Waits for as much room in `budget` as the frame says it takes, before reading it, and takes memory only as bytes come.
pub(crate) async fn read_frame(
    stream: &mut RecvStream,
    cap: usize,
    budget: Option<&Budget>,
) -> Result<Option<Frame>, FrameError> {
    let mut prefix = [0; 4];
    match stream.read_exact(&mut prefix).await {
        Ok(()) => {}
        Err(ReadExactError::FinishedEarly(0)) => return Ok(None),
        Err(ReadExactError::FinishedEarly(_)) => return Err(FrameError::Violation),
        Err(ReadExactError::ReadError(error)) => return Err(error.into()),
    }
    let announced = u32::from_le_bytes(prefix);
    let length = usize::try_from(announced).unwrap_or(usize::MAX);
    if length > cap {
        return Err(FrameError::Violation);
    }
    let held = match budget {
        Some(budget) => Some(budget.room(announced).await?),
        None => None,
    };
    let mut bytes = BytesMut::new();
    while bytes.len() < length {
        match stream.read_chunk(length - bytes.len(), true).await? {
            // Copied, because a chunk keeps the whole datagram batch that it came in.
            Some(chunk) => bytes.extend_from_slice(&chunk.bytes),
            None => return Err(FrameError::Violation),
        }
    }
    Ok(Some(Frame { bytes: bytes.freeze(), _held: held }))
}

/// Writes one frame.
pub(crate) async fn write_frame(stream: &mut SendStream, frame: Bytes) -> Result<(), WriteError> {
    let length = u32::try_from(frame.len()).expect("senders check the cap, which fits four bytes");
    stream.write_all_chunks(&mut [Bytes::copy_from_slice(&length.to_le_bytes()), frame]).await
}
