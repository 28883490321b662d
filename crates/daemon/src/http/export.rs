//! An answer that is written as it is read: nobody holds all of it.

use std::io::{self, Write};

use axum::body::{Body, Bytes};
use futures_util::stream;
use tokio::sync::mpsc;

/// How large its pieces are, in bytes.
const PIECE: usize = 64 * 1024;

/// How many pieces may wait to be sent.
const WAITING: usize = 4;

/// An answer's pieces, as they come. One that is an error breaks the answer off, so that it is not taken for a whole one.
#[derive(Debug)]
pub struct Pieces(mpsc::Receiver<io::Result<Bytes>>);

/// Where they are written. Blocks while the reader is slow, and fails when it is gone.
#[derive(Debug)]
pub(crate) struct PieceWriter {
    waiting: Vec<u8>,
    sender: mpsc::Sender<io::Result<Bytes>>,
}

/// Both ends.
pub(crate) fn pieces() -> (PieceWriter, Pieces) {
    let (sender, receiver) = mpsc::channel(WAITING);
    (PieceWriter { waiting: Vec::new(), sender }, Pieces(receiver))
}

impl Pieces {
    /// As an answer's body.
    pub(super) fn into_body(self) -> Body {
        Body::from_stream(stream::unfold(self.0, |mut pieces| async {
            let next = pieces.recv().await?;
            Some((next, pieces))
        }))
    }
}

impl PieceWriter {
    /// It is whole.
    pub(crate) fn end(mut self) -> io::Result<()> {
        self.send()
    }

    /// It is not, and never will be.
    pub(crate) fn break_off(self) {
        // The reader may be the reason.
        let _ = self.sender.blocking_send(Err(io::ErrorKind::UnexpectedEof.into()));
    }

    fn send(&mut self) -> io::Result<()> {
        let piece = std::mem::take(&mut self.waiting);
        self.sender.blocking_send(Ok(piece.into())).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

impl Write for PieceWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.waiting.extend_from_slice(bytes);
        if self.waiting.len() >= PIECE {
            self.send()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
