//! A request body on its way to the back end: one piece at a time, from the client's connection into hyper's.

use bytes::Bytes;
use edge::{Fault, FaultKind, RequestBody};
use http1::Framing;
use hyper::body::{Body, Frame};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

/// The client's end. The task that reads from it also drives the connection to the back end, so
/// neither end ever has to wake the other.
#[derive(Debug)]
pub(super) struct Upload<'r> {
    body: RequestBody<'r>,
    /// `None`: the request has no body.
    slot: Option<Arc<Slot>>,
    begun: bool,
    taken_bytes: u64,
    bytes_max: Option<u64>,
}

/// hyper's end.
#[derive(Debug, Default)]
pub(super) struct Content {
    slot: Option<Arc<Slot>>,
}

/// Where one piece waits. A body that is broken off never reaches `Ended`: the connection to the
/// back end is dropped instead, which can't be taken for an end (RFC 9112 section 8).
#[derive(Debug, Default)]
struct Slot(Mutex<State>);

#[derive(Debug, Default)]
enum State {
    #[default]
    Empty,
    Piece(Bytes),
    LastPiece(Bytes),
    /// The end came after the last piece.
    End,
    /// hyper knows of the end.
    Ended,
}

/// What became of an attempt to move the body on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fed {
    /// There is something new for the back end.
    More,
    /// The client has sent nothing new.
    ClientWaits,
    /// The back end has not taken the last piece yet.
    UpstreamWaits,
    /// The back end's connection has taken the whole body.
    Whole,
}

impl<'r> Upload<'r> {
    pub(super) fn new(body: RequestBody<'r>, framing: Framing, bytes_max: Option<u64>) -> Self {
        let has_body = !matches!(framing, Framing::None | Framing::Length(0));
        Self { body, slot: has_body.then(Arc::default), begun: false, taken_bytes: 0, bytes_max }
    }

    /// hyper's end. Before the body has begun, there may be another one for a second attempt.
    pub(super) fn content(&mut self) -> Content {
        debug_assert!(!self.begun, "a body that has begun can't be sent again");
        if let Some(slot) = &mut self.slot {
            *slot = Arc::default();
        }
        Content { slot: self.slot.clone() }
    }

    /// Whether a piece has been taken from the client.
    pub(super) fn has_begun(&self) -> bool {
        self.begun
    }

    /// Whether the back end's connection has taken all that the client has given.
    pub(super) fn is_taken(&self) -> bool {
        let taken = |slot: &Arc<Slot>| matches!(*slot.state(), State::Empty | State::Ended);
        self.slot.as_ref().is_none_or(taken)
    }

    /// Takes the next piece from the client, if the last one is gone.
    pub(super) fn feed(&mut self, cx: &mut Context<'_>) -> Result<Fed, Fault> {
        let Some(slot) = &self.slot else { return Ok(Fed::Whole) };
        let mut state = slot.state();
        match &*state {
            State::Empty => {}
            State::Piece(_) | State::LastPiece(_) | State::End => return Ok(Fed::UpstreamWaits),
            State::Ended => return Ok(Fed::Whole),
        }
        let Poll::Ready(piece) = self.body.poll_piece(cx) else { return Ok(Fed::ClientWaits) };
        let piece = piece?;
        self.taken_bytes += piece.as_ref().map_or(0, Bytes::len) as u64;
        check_size(self.taken_bytes, self.bytes_max)?;
        *state = match piece {
            Some(piece) if self.body.is_done() => State::LastPiece(piece),
            Some(piece) => State::Piece(piece),
            None => State::End,
        };
        self.begun = true;
        Ok(Fed::More)
    }

    /// Ready if the connection to the client, all of whose body has been read, is lost.
    pub(super) fn poll_lost(&mut self, cx: &mut Context<'_>, limit_bytes: usize) -> Poll<()> {
        if self.body.is_done() { self.body.poll_lost(cx, limit_bytes) } else { Poll::Pending }
    }
}

/// Refuses a body that is announced to be larger than `bytes_max`.
pub(super) fn check(framing: Framing, bytes_max: Option<u64>) -> Result<(), Fault> {
    match framing {
        Framing::Length(length) => check_size(length, bytes_max),
        Framing::None | Framing::Chunked => Ok(()),
    }
}

fn check_size(bytes: u64, bytes_max: Option<u64>) -> Result<(), Fault> {
    match bytes_max.filter(|&max| bytes > max) {
        Some(max) => {
            let text = format!("The body is larger than the {max} bytes that are taken here.");
            Err(Fault::new(FaultKind::BodyTooLarge, text))
        }
        None => Ok(()),
    }
}

impl Slot {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Body for Content {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Some(slot) = &self.slot else { return Poll::Ready(None) };
        let mut state = slot.state();
        let (piece, next) = match std::mem::take(&mut *state) {
            State::Empty => return Poll::Pending,
            State::Piece(piece) => (Some(piece), State::Empty),
            State::LastPiece(piece) => (Some(piece), State::Ended),
            State::End | State::Ended => (None, State::Ended),
        };
        *state = next;
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.slot.as_ref().is_none_or(|slot| matches!(*slot.state(), State::Ended))
    }
}
