//! What others may say to a connection: replies from handlers, and orders to drain or to die.

use crate::file_reply::FileReply;
use crate::peer::ConnId;
use crate::vitals::Vitals;
use bytes::Bytes;
use http1::CloseReason;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// The shared end of a connection. The connection's task is the only one that receives.
#[derive(Debug)]
pub struct Line {
    conn: ConnId,
    vitals: Vitals,
    state: Mutex<State>,
}

/// One thing said to a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// Bytes for the client, as the handler sent them.
    Data(Bytes),
    /// The same, and `by` is to be told when they are written (`download.flow_control`).
    Metered { bytes: Bytes, by: AudienceId },
    /// A file for the client.
    File(Arc<FileReply>),
    /// The empty reply: close once everything before it is written.
    Close { by: AudienceId },
    /// `ctl cancel`: close at once.
    Cancel { by: AudienceId },
    /// `ctl keep-alive`: the handler says that this connection is alive.
    KeepAlive,
    /// `ctl credits`: the handler takes this many more upload bytes.
    Credits(i64),
    /// The request that a handler should have answered will not be.
    Failed { exchange: u64, why: Failure },
}

/// Identifies one handler link to the connections that used it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AudienceId(pub usize);

/// Why a request that was given to a handler will stay unanswered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No handler took it within `handler.queue_timeout`.
    NoHandler,
    /// The handler that had it is gone.
    HandlerGone,
}

/// What became of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivered {
    Queued,
    /// The connection is gone, or has never spoken to a handler.
    Gone,
    /// The client reads too slowly: with this delivery its queue is full, and it will be closed.
    Overflow,
    /// It is being closed for an earlier overflow.
    Closing,
}

/// What the connection's task hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    Delivery(Delivery),
    /// More than `limits.connection_queue` bytes were waiting.
    Overflow,
    Killed(CloseReason),
}

#[derive(Debug, Default)]
struct State {
    phase: Phase,
    queue: VecDeque<Delivery>,
    queued_bytes: usize,
    /// Metered bytes that have not been written.
    metered_bytes: u64,
    draining: bool,
    killed: Option<CloseReason>,
    waker: Option<Waker>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    /// No handler has seen this connection; none may write to it.
    #[default]
    Private,
    Open,
    /// A handler has asked for the close: to whoever writes after that, it is gone.
    Closing,
    Overflow,
    Closed,
}

/// Metered bytes that may be on their way to one client: Mongrel2's number, which handlers hear.
pub const DOWNLOAD_CREDITS: u64 = 102_400;

/// Deliveries without content that may wait.
const DELIVERIES_MAX: usize = 4096;

/// What a queued delivery weighs beside its bytes, so that empty ones can't pile up for free.
const DELIVERY_BYTES: usize = size_of::<Delivery>();

impl Line {
    #[cfg(test)]
    pub(crate) fn new(conn: ConnId) -> Self {
        Self::accepted(conn, Vitals::new(std::time::Duration::ZERO))
    }

    pub(crate) fn accepted(conn: ConnId, vitals: Vitals) -> Self {
        Self { conn, vitals, state: Mutex::default() }
    }

    pub(crate) fn vitals(&self) -> &Vitals {
        &self.vitals
    }

    pub fn conn(&self) -> ConnId {
        self.conn
    }

    /// Queues `delivery` unless more than `limit_bytes` would then be waiting.
    pub fn deliver(&self, delivery: Delivery, limit_bytes: usize) -> Delivered {
        let mut state = self.state();
        match state.phase {
            Phase::Private | Phase::Closing | Phase::Closed => return Delivered::Gone,
            Phase::Overflow => return Delivered::Closing,
            Phase::Open => {}
        }
        if delivery == Delivery::KeepAlive {
            self.vitals.ping();
            return Delivered::Queued;
        }
        let size = weight(&delivery);
        let metered = match &delivery {
            Delivery::Metered { bytes, .. } => bytes.len() as u64,
            _ => 0,
        };
        // A single reply may be larger than the limit: it is in memory already. What has no content
        // is bounded by number, so that the word that closes a connection is never one too many.
        let is_full = if is_content(&delivery) {
            !state.queue.is_empty() && state.queued_bytes + size > limit_bytes
        } else {
            state.queue.len() >= DELIVERIES_MAX
        };
        let waker = state.waker.take();
        let delivered =
            if is_full || metered > 0 && state.metered_bytes + metered > DOWNLOAD_CREDITS {
                state.phase = Phase::Overflow;
                state.queue.clear();
                Delivered::Overflow
            } else {
                if matches!(delivery, Delivery::Close { .. } | Delivery::Cancel { .. }) {
                    state.phase = Phase::Closing;
                }
                state.queued_bytes += size;
                state.metered_bytes += metered;
                state.queue.push_back(delivery);
                Delivered::Queued
            };
        // Whoever wakes takes the lock next.
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
        delivered
    }

    /// So many metered bytes have been written.
    pub(crate) fn wrote(&self, bytes: u64) {
        self.state().metered_bytes -= bytes;
    }

    /// Asks the connection to close when it is idle next.
    pub(crate) fn drain(&self) {
        let mut state = self.state();
        state.draining = true;
        state.wake();
    }

    /// Closes the connection at once, without a word to the client.
    pub fn kill(&self) {
        self.kill_for(CloseReason::Killed);
    }

    pub(crate) fn kill_for(&self, reason: CloseReason) {
        let mut state = self.state();
        state.killed.get_or_insert(reason);
        state.wake();
    }

    /// From now on handlers may write to this connection.
    pub(crate) fn open(&self) {
        let mut state = self.state();
        if state.phase == Phase::Private {
            state.phase = Phase::Open;
        }
    }

    pub(crate) fn close(&self) {
        let mut state = self.state();
        state.phase = Phase::Closed;
        state.queue = VecDeque::new();
        state.waker = None;
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.state().draining
    }

    pub(crate) fn poll_heard(&self, cx: &Context<'_>) -> Poll<Heard> {
        let mut state = self.state();
        if let Some(reason) = state.killed {
            return Poll::Ready(Heard::Killed(reason));
        }
        if state.phase == Phase::Overflow {
            return Poll::Ready(Heard::Overflow);
        }
        if let Some(delivery) = state.queue.pop_front() {
            state.queued_bytes -= weight(&delivery);
            return Poll::Ready(Heard::Delivery(delivery));
        }
        state.listen(cx);
        Poll::Pending
    }

    /// Ready once the connection is killed; deliveries stay queued.
    pub(crate) fn poll_killed(&self, cx: &Context<'_>) -> Poll<CloseReason> {
        let mut state = self.state();
        if let Some(reason) = state.killed {
            return Poll::Ready(reason);
        }
        state.listen(cx);
        Poll::Pending
    }

    /// Why it is being killed, if it is.
    pub(crate) fn killed(&self) -> Option<CloseReason> {
        self.state().killed
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in here can panic half way, so a poisoned lock still guards a whole state.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn listen(&mut self, cx: &Context<'_>) {
        match &mut self.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
    }

    fn wake(&self) {
        if let Some(waker) = &self.waker {
            waker.wake_by_ref();
        }
    }
}

fn is_content(delivery: &Delivery) -> bool {
    match delivery {
        Delivery::Data(_) | Delivery::Metered { .. } | Delivery::File(_) => true,
        Delivery::Close { .. }
        | Delivery::Cancel { .. }
        | Delivery::KeepAlive
        | Delivery::Credits(_)
        | Delivery::Failed { .. } => false,
    }
}

fn weight(delivery: &Delivery) -> usize {
    DELIVERY_BYTES
        + match delivery {
            Delivery::Data(bytes) | Delivery::Metered { bytes, .. } => bytes.len(),
            Delivery::File(reply) => reply.queued_bytes(),
            Delivery::Close { .. }
            | Delivery::Cancel { .. }
            | Delivery::KeepAlive
            | Delivery::Credits(_)
            | Delivery::Failed { .. } => 0,
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(bytes: &'static [u8]) -> Delivery {
        Delivery::Data(Bytes::from_static(bytes))
    }

    fn hear(line: &Line) -> Option<Heard> {
        match line.poll_heard(&Context::from_waker(Waker::noop())) {
            Poll::Ready(heard) => Some(heard),
            Poll::Pending => None,
        }
    }

    #[test]
    fn a_connection_no_handler_has_seen_takes_nothing() {
        let line = Line::new(ConnId(1));
        assert_eq!(line.deliver(data(b"x"), 1000), Delivered::Gone);
        line.open();
        assert_eq!(line.deliver(data(b"x"), 1000), Delivered::Queued);
        assert_eq!(hear(&line), Some(Heard::Delivery(data(b"x"))));
        line.close();
        assert_eq!(line.deliver(data(b"x"), 1000), Delivered::Gone);
        assert_eq!(hear(&line), None);
    }

    #[test]
    fn what_follows_a_close_has_come_too_late() {
        let line = Line::new(ConnId(1));
        line.open();
        let close = Delivery::Close { by: AudienceId(1) };
        assert_eq!(line.deliver(data(b"x"), 1000), Delivered::Queued);
        assert_eq!(line.deliver(close.clone(), 1000), Delivered::Queued);
        assert_eq!(line.deliver(data(b"y"), 1000), Delivered::Gone);
        assert_eq!(hear(&line), Some(Heard::Delivery(data(b"x"))));
        assert_eq!(hear(&line), Some(Heard::Delivery(close)));
        assert_eq!(hear(&line), None);
    }

    #[test]
    fn a_full_queue_is_an_overflow_for_good() {
        let line = Line::new(ConnId(1));
        line.open();
        let limit = 2 * DELIVERY_BYTES + 8;
        assert_eq!(line.deliver(data(b"1234"), limit), Delivered::Queued);
        assert_eq!(line.deliver(data(b"5678"), limit), Delivered::Queued);
        assert_eq!(line.deliver(data(b"9"), limit), Delivered::Overflow);
        assert_eq!(line.deliver(data(b"9"), limit), Delivered::Closing);
        assert_eq!(hear(&line), Some(Heard::Overflow));
    }

    #[test]
    fn one_delivery_larger_than_the_limit_is_taken() {
        let line = Line::new(ConnId(1));
        line.open();
        assert_eq!(line.deliver(data(&[0; 100]), 1), Delivered::Queued);
        let close = Delivery::Close { by: AudienceId(1) };
        assert_eq!(line.deliver(close, 1), Delivered::Queued, "the closing word needs no room");
        let line = Line::new(ConnId(2));
        line.open();
        assert_eq!(line.deliver(data(&[0; 100]), 1), Delivered::Queued);
        assert_eq!(line.deliver(data(b"x"), 1), Delivered::Overflow);
    }

    #[test]
    fn a_kill_goes_before_everything() {
        let line = Line::new(ConnId(1));
        line.open();
        line.deliver(data(b"x"), 1000);
        line.kill();
        assert_eq!(hear(&line), Some(Heard::Killed(CloseReason::Killed)));
    }
}
