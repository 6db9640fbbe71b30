//! The content of a response on its way to the client, and the request body that may still flow the other way.

use super::failure::{Stop, chain};
use super::passage::Passage;
use bytes::Bytes;
use edge::{BodySource, Fault};
use hyper::body::{Body as _, Incoming};
use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

/// At most one piece waits in hyper and two here: a client that reads slowly stops the back end.
#[derive(Debug)]
pub(super) struct Relay<'r> {
    /// `None` once the content has ended or failed.
    passage: Option<Passage<'r>>,
    incoming: Incoming,
    /// Read before the head was sent.
    ahead: VecDeque<Bytes>,
}

/// What is here when the head is.
#[derive(Debug)]
pub(super) enum Start {
    /// All of the content.
    Whole(Bytes),
    Streaming,
}

impl<'r> Relay<'r> {
    pub(super) fn new(passage: Passage<'r>, incoming: Incoming) -> Self {
        Self { passage: Some(passage), incoming, ahead: VecDeque::new() }
    }

    /// Takes what has come together with the head: a small response is then whole, and leaves in
    /// one system call.
    pub(super) fn start(&mut self, cx: &mut Context<'_>) -> Result<Start, Stop> {
        let first = match self.poll_next(cx)? {
            Poll::Ready(Some(first)) => first,
            Poll::Ready(None) => return Ok(Start::Whole(Bytes::new())),
            Poll::Pending => return Ok(Start::Streaming),
        };
        match self.poll_next(cx)? {
            Poll::Ready(Some(second)) => self.ahead.extend([first, second]),
            Poll::Ready(None) => return Ok(Start::Whole(first)),
            Poll::Pending => self.ahead.push_back(first),
        }
        Ok(Start::Streaming)
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Result<Poll<Option<Bytes>>, Stop> {
        self.try_poll_next(cx).inspect_err(|_| self.break_off())
    }

    /// On both sides.
    fn break_off(&mut self) {
        self.passage = None;
    }

    fn try_poll_next(&mut self, cx: &mut Context<'_>) -> Result<Poll<Option<Bytes>>, Stop> {
        let Some(passage) = &mut self.passage else { return Ok(Poll::Ready(None)) };
        loop {
            let incoming = &mut self.incoming;
            let frame = passage.poll_moving(cx, |cx| Pin::new(&mut *incoming).poll_frame(cx));
            let Poll::Ready(frame) = frame else { return Ok(Poll::Pending) };
            match frame? {
                Some(Ok(frame)) => {
                    passage.heard();
                    // Trailers are not passed on.
                    if let Ok(piece) = frame.into_data() {
                        return Ok(Poll::Ready(Some(piece)));
                    }
                }
                Some(Err(error)) => {
                    return Err(passage.broken(chain("it broke off", &error)).into());
                }
                None => {
                    if let Some(passage) = self.passage.take() {
                        passage.finish();
                    }
                    return Ok(Poll::Ready(None));
                }
            }
        }
    }
}

impl BodySource for Relay<'_> {
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Fault>>> {
        if let Some(piece) = self.ahead.pop_front() {
            return Poll::Ready(Some(Ok(piece)));
        }
        match self.poll_next(cx) {
            Ok(next) => next.map(|piece| piece.map(Ok)),
            Err(stop) => Poll::Ready(Some(Err(stop.into()))),
        }
    }

    fn poll_upload(&mut self, cx: &mut Context<'_>) -> Result<(), Fault> {
        let Some(passage) = &mut self.passage else { return Ok(()) };
        let moved = passage.poll_upload(cx);
        Ok(moved.inspect_err(|_| self.break_off())?)
    }
}
