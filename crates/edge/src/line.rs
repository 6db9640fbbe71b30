//! What others may say to a connection: replies from handlers, and orders to drain or to die.

use crate::file_reply::FileReply;
use crate::peer::ConnId;
use crate::vitals::Vitals;
use bytes::Bytes;
use http1::{CloseReason, Limit};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// The shared end of a connection. The connection's task is the only one that receives.
#[derive(Debug)]
pub struct Line {
    conn: ConnId,
    /// The socket's descriptor, for people; -1 without one.
    fd: i32,
    speaks: AtomicU8,
    vitals: Vitals,
    state: Mutex<State>,
}

/// What a client speaks on its connection; the numbers are Mongrel2's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Speaks {
    Http = 1,
    /// JSON or XML messages without HTTP.
    Messages = 2,
    WebSocket = 3,
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
    /// A handler's reply that was not read, because it has more than `max` bytes.
    Oversized { max: usize },
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
    /// Those that are there had no room for it within `handler.queue_timeout`.
    HandlersBusy,
    /// The handler that had it is gone, and no other took it within `handler.queue_timeout`.
    NoOtherHandler,
    /// The handler that had it is gone.
    HandlerGone,
}

/// What became of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivered {
    Queued,
    /// The connection is gone, or has never spoken to a handler.
    Gone,
    /// The client reads too slowly: this delivery goes beyond that limit, and it will be closed.
    Overflow(Limit),
    /// It is being closed for an earlier overflow.
    Closing,
}

/// What the connection's task hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    Delivery(Delivery),
    /// More was waiting than this limit allows.
    Overflow(Limit),
    /// No handler has answered in the time there was before the server goes down; said once.
    DrainOver,
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
    drain_over: bool,
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
    /// A handler has asked for the close at once, whatever is waiting.
    Cancelled(AudienceId),
    Overflow(Limit),
    Closed,
}

/// Metered bytes that may be on their way to one client: Mongrel2's number, which handlers hear.
pub const DOWNLOAD_CREDITS: u64 = 102_400;

/// What a queued delivery weighs beside its bytes, so that empty ones can't pile up for free.
const DELIVERY_BYTES: usize = size_of::<Delivery>();

impl Line {
    #[cfg(test)]
    pub(crate) fn new(conn: ConnId) -> Self {
        Self::accepted(conn, -1, Vitals::new(std::time::Duration::ZERO))
    }

    pub(crate) fn accepted(conn: ConnId, fd: i32, vitals: Vitals) -> Self {
        let speaks = AtomicU8::new(Speaks::Http as u8);
        Self { conn, fd, speaks, vitals, state: Mutex::default() }
    }

    pub fn fd(&self) -> i32 {
        self.fd
    }

    pub fn speaks(&self) -> Speaks {
        match self.speaks.load(Ordering::Relaxed) {
            2 => Speaks::Messages,
            3 => Speaks::WebSocket,
            _ => Speaks::Http,
        }
    }

    pub(crate) fn now_speaks(&self, what: Speaks) {
        self.speaks.store(what as u8, Ordering::Relaxed);
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
            Phase::Private | Phase::Closing | Phase::Cancelled(_) | Phase::Closed => {
                return Delivered::Gone;
            }
            Phase::Overflow(_) => return Delivered::Closing,
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
        let exceeded = state.exceeded_by(&delivery, size, metered, limit_bytes);
        let waker = state.waker.take();
        let delivered = if let Some(limit) = exceeded {
            state.phase = Phase::Overflow(limit);
            state.queue = VecDeque::new();
            Delivered::Overflow(limit)
        } else if let Delivery::Cancel { by } = delivery {
            state.phase = Phase::Cancelled(by);
            state.queue = VecDeque::new();
            Delivered::Queued
        } else {
            if matches!(delivery, Delivery::Close { .. }) {
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

    /// Has a request that waits for its handler end without that, and a connection that no handler
    /// knows end at once.
    pub(crate) fn end_drain(&self) {
        let mut state = self.state();
        if state.phase == Phase::Private {
            state.killed.get_or_insert(CloseReason::Killed);
        } else {
            state.drain_over = true;
        }
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
        if let Some(heard) = state.take() {
            return Poll::Ready(heard);
        }
        state.listen(cx);
        Poll::Pending
    }

    /// What is waiting already.
    pub(crate) fn heard(&self) -> Option<Heard> {
        self.state().take()
    }

    /// Ready once the connection is to end at once, whatever is waiting; deliveries stay queued.
    pub(crate) fn poll_cut(&self, cx: &Context<'_>) -> Poll<CloseReason> {
        let mut state = self.state();
        match (state.killed, state.phase) {
            (Some(reason), _) => Poll::Ready(reason),
            (None, Phase::Overflow(limit)) => Poll::Ready(CloseReason::Limit(limit)),
            (None, Phase::Cancelled(_)) => Poll::Ready(CloseReason::HandlerClosed),
            (None, _) => {
                state.listen(cx);
                Poll::Pending
            }
        }
    }

    /// The handler that has cancelled the connection, if one has.
    pub(crate) fn cancelled_by(&self) -> Option<AudienceId> {
        match self.state().phase {
            Phase::Cancelled(by) => Some(by),
            _ => None,
        }
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
    /// The limit that one more delivery would break.
    fn exceeded_by(
        &self,
        delivery: &Delivery,
        size: usize,
        metered: u64,
        limit_bytes: usize,
    ) -> Option<Limit> {
        match delivery {
            // What ends an exchange comes once, and is never one too many.
            Delivery::Close { .. }
            | Delivery::Cancel { .. }
            | Delivery::Oversized { .. }
            | Delivery::Failed { .. } => None,
            Delivery::Metered { .. } if self.metered_bytes + metered > DOWNLOAD_CREDITS => {
                Some(Limit::Credits)
            }
            // A single reply may be larger than the limit: it is in memory already.
            _ => (!self.queue.is_empty() && self.queued_bytes + size > limit_bytes)
                .then_some(Limit::ReplyQueue),
        }
    }

    fn take(&mut self) -> Option<Heard> {
        if let Some(reason) = self.killed {
            return Some(Heard::Killed(reason));
        }
        match self.phase {
            Phase::Overflow(limit) => return Some(Heard::Overflow(limit)),
            Phase::Cancelled(by) => return Some(Heard::Delivery(Delivery::Cancel { by })),
            Phase::Private | Phase::Open | Phase::Closing | Phase::Closed => {}
        }
        let Some(delivery) = self.queue.pop_front() else {
            // An idle connection keeps no memory of how much has once been waiting.
            self.queue = VecDeque::new();
            return std::mem::take(&mut self.drain_over).then_some(Heard::DrainOver);
        };
        self.queued_bytes -= weight(&delivery);
        Some(Heard::Delivery(delivery))
    }

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

fn weight(delivery: &Delivery) -> usize {
    DELIVERY_BYTES
        + match delivery {
            Delivery::Data(bytes) | Delivery::Metered { bytes, .. } => bytes.len(),
            Delivery::File(reply) => reply.queued_bytes(),
            Delivery::Close { .. }
            | Delivery::Cancel { .. }
            | Delivery::KeepAlive
            | Delivery::Credits(_)
            | Delivery::Oversized { .. }
            | Delivery::Failed { .. } => 0,
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(bytes: &'static [u8]) -> Delivery {
        Delivery::Data(Bytes::from_static(bytes))
    }

    #[test]
    fn a_connection_no_handler_has_seen_takes_nothing() {
        let line = Line::new(ConnId(1));
        assert_eq!(line.deliver(data(b"x"), 1000), Delivered::Gone);
        line.open();
        assert_eq!(line.deliver(data(b"x"), 1000), Delivered::Queued);
        assert_eq!(line.heard(), Some(Heard::Delivery(data(b"x"))));
        line.close();
        assert_eq!(line.deliver(data(b"x"), 1000), Delivered::Gone);
        assert_eq!(line.heard(), None);
    }

    #[test]
    fn what_follows_a_close_has_come_too_late() {
        let line = Line::new(ConnId(1));
        line.open();
        let close = Delivery::Close { by: AudienceId(1) };
        assert_eq!(line.deliver(data(b"x"), 1000), Delivered::Queued);
        assert_eq!(line.deliver(close.clone(), 1000), Delivered::Queued);
        assert_eq!(line.deliver(data(b"y"), 1000), Delivered::Gone);
        assert_eq!(line.heard(), Some(Heard::Delivery(data(b"x"))));
        assert_eq!(line.heard(), Some(Heard::Delivery(close)));
        assert_eq!(line.heard(), None);
    }

    #[test]
    fn a_full_queue_is_an_overflow_for_good() {
        let line = Line::new(ConnId(1));
        line.open();
        let limit = 2 * DELIVERY_BYTES + 8;
        assert_eq!(line.deliver(data(b"1234"), limit), Delivered::Queued);
        assert_eq!(line.deliver(data(b"5678"), limit), Delivered::Queued);
        assert_eq!(line.deliver(data(b"9"), limit), Delivered::Overflow(Limit::ReplyQueue));
        assert_eq!(line.deliver(data(b"9"), limit), Delivered::Closing);
        assert_eq!(line.heard(), Some(Heard::Overflow(Limit::ReplyQueue)));
    }

    #[test]
    fn the_closing_word_is_never_one_too_many() {
        let line = Line::new(ConnId(1));
        line.open();
        for _ in 0..10_000 {
            assert_eq!(line.deliver(data(b"x"), 8 << 20), Delivered::Queued);
        }
        let close = Delivery::Close { by: AudienceId(1) };
        assert_eq!(line.deliver(close.clone(), 1), Delivered::Queued);
        assert_eq!(line.deliver(data(b"x"), 8 << 20), Delivered::Gone);
        let heard: Vec<_> = std::iter::from_fn(|| line.heard()).collect();
        assert_eq!(heard.len(), 10_001);
        assert_eq!(heard.last(), Some(&Heard::Delivery(close)));
    }

    #[test]
    fn a_cancel_goes_before_what_is_waiting() {
        let line = Line::new(ConnId(1));
        line.open();
        let cut = |line: &Line| line.poll_cut(&Context::from_waker(Waker::noop()));
        assert_eq!(line.deliver(data(b"x"), 1000), Delivered::Queued);
        assert!(cut(&line).is_pending());
        let cancel = Delivery::Cancel { by: AudienceId(7) };
        assert_eq!(line.deliver(cancel.clone(), 1), Delivered::Queued);
        assert_eq!(line.deliver(data(b"y"), 1000), Delivered::Gone);
        assert_eq!(cut(&line), Poll::Ready(CloseReason::HandlerClosed));
        assert_eq!(line.cancelled_by(), Some(AudienceId(7)));
        assert_eq!(line.heard(), Some(Heard::Delivery(cancel)));
    }

    #[test]
    fn metered_bytes_have_a_limit_of_their_own() {
        let line = Line::new(ConnId(1));
        line.open();
        let all = Bytes::from(vec![0; DOWNLOAD_CREDITS as usize]);
        let metered = |bytes| Delivery::Metered { bytes, by: AudienceId(1) };
        assert_eq!(line.deliver(metered(all.clone()), 1 << 20), Delivered::Queued);
        line.wrote(DOWNLOAD_CREDITS);
        assert_eq!(line.deliver(metered(all), 1 << 20), Delivered::Queued);
        let one = Bytes::from_static(b"x");
        assert_eq!(line.deliver(metered(one), 1 << 20), Delivered::Overflow(Limit::Credits));
        assert_eq!(line.heard(), Some(Heard::Overflow(Limit::Credits)));
    }

    #[test]
    fn an_idle_line_holds_no_queue() {
        let line = Line::new(ConnId(1));
        line.open();
        for _ in 0..1000 {
            line.deliver(data(b"x"), 1 << 20);
        }
        while line.heard().is_some() {}
        assert_eq!(line.state().queue.capacity(), 0);
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
        assert_eq!(line.deliver(data(b"x"), 1), Delivered::Overflow(Limit::ReplyQueue));
    }

    #[test]
    fn the_end_of_the_drain_comes_after_all_that_handlers_have_said() {
        let line = Line::new(ConnId(1));
        line.open();
        line.deliver(data(b"x"), 1000);
        line.end_drain();
        assert_eq!(line.heard(), Some(Heard::Delivery(data(b"x"))));
        assert_eq!(line.heard(), Some(Heard::DrainOver));
        assert_eq!(line.heard(), None);
        let private = Line::new(ConnId(2));
        private.end_drain();
        assert_eq!(private.heard(), Some(Heard::Killed(CloseReason::Killed)));
    }

    #[test]
    fn a_kill_goes_before_everything() {
        let line = Line::new(ConnId(1));
        line.open();
        line.deliver(data(b"x"), 1000);
        line.kill();
        assert_eq!(line.heard(), Some(Heard::Killed(CloseReason::Killed)));
    }
}
