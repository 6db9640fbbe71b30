//! A client and its handlers while a request is open: what arrives from either side, in turn.

mod file;
mod upgraded;

use crate::audience::{Audience, Audiences};
use crate::fault::{Fault, FaultKind};
use crate::life::Life;
use crate::line::{AudienceId, Delivery, Failure, Heard, Line, Speaks};
use crate::reader::RequestBody;
use crate::writer::Writer;
use bytes::Bytes;
use http1::{Broken, CloseReason, Deadline, Ending, Limit, Progress, ResponseTracker};
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Instant;

pub use upgraded::Spoken;

/// The client's side of a request that handlers answer.
///
/// Handlers send the client's bytes themselves. They pass through untouched while a tracker reads
/// along, so that we know when the answer is complete and the next request may be served.
#[derive(Debug)]
pub struct Conversation<'w> {
    pub(crate) writer: &'w mut Writer,
    pub(crate) line: &'w Arc<Line>,
    pub(crate) life: &'w mut Life,
    pub(crate) audiences: &'w mut Audiences,
    pub(crate) tracker: ResponseTracker,
    pub(crate) exchange: u64,
    pub(crate) write_deadline: Duration,
    pub(crate) read_ahead_bytes_max: usize,
    sent_before: u64,
    speaks_http: bool,
    is_new_to_handler: bool,
    answer: Answered,
    is_sent_whole: bool,
    /// What the handlers said when they were told that the answer is whole.
    has_rival: Option<bool>,
    answer_deadline: Option<Instant>,
    patience: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Answered {
    /// Whole interim responses at most: a final one may follow from anybody.
    Nothing,
    Partly,
    Complete,
}

/// What happened next.
#[derive(Debug)]
pub enum Turn {
    /// A piece of the request body.
    Piece(Bytes),
    /// The request body is whole.
    BodyEnd,
    /// A handler grants this many more bytes of the body.
    Credits(i64),
    /// The answer is a whole 101: from now on `spoken` is to be called.
    Upgraded,
    /// The client is going to get no answer from a handler, and has had no byte of a final one.
    Failed(Fault),
    /// The exchange has ended.
    Over(Relayed),
}

/// Whether `turn` takes body pieces from the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    Body,
    /// TCP holds the client back; its close is still noticed.
    Paused,
    /// The body is lent: whoever reads it says when the client has gone.
    Lent,
}

/// An exchange whose answer came from handlers.
#[derive(Clone, Copy, Debug)]
pub struct Relayed {
    /// The status that was read along; `None` if the bytes were not HTTP.
    pub status: Option<u16>,
    /// Content bytes, as far as they could be told from framing.
    pub content_bytes: u64,
    /// Why the connection can't go on, if it can't.
    pub close: Option<CloseReason>,
    /// The handler that closed it, if one did.
    pub by: Option<AudienceId>,
}

enum Event {
    Heard(Heard),
    Body(Result<Option<Bytes>, Fault>),
    ClientClosed,
    Expired,
}

impl<'w> Conversation<'w> {
    pub(crate) fn new(parts: ConversationParts<'w>) -> Self {
        let ConversationParts {
            writer,
            line,
            life,
            audiences,
            tracker,
            exchange,
            speaks_http,
            limits,
        } = parts;
        Self {
            sent_before: writer.sent,
            writer,
            line,
            life,
            audiences,
            tracker,
            exchange,
            speaks_http,
            write_deadline: limits.write_deadline,
            read_ahead_bytes_max: limits.head_bytes_max,
            is_new_to_handler: false,
            answer: Answered::Nothing,
            is_sent_whole: false,
            has_rival: None,
            answer_deadline: None,
            patience: None,
        }
    }

    /// Sends interim responses, whole heads (RFC 9110 section 15.2); only for HTTP/1.1 clients.
    pub async fn inform(&mut self, heads: &[u8]) -> Result<(), CloseReason> {
        let unsent = self.writer.start(heads, Bytes::new())?;
        self.writer.finish(unsent, self.write_deadline).await
    }

    /// Whether the client has the whole answer. Its request may still be coming.
    pub fn is_answered(&self) -> bool {
        self.answer == Answered::Complete
    }

    /// The handler gets all of the request at once. Then nothing of the exchange is left once its
    /// answer is whole, and handlers are told so before the client has taken it.
    pub fn send_whole(&mut self) {
        self.is_sent_whole = true;
    }

    /// Whether another answer may come behind the whole one; `None` if handlers were not told of
    /// that one ([`Self::send_whole`]).
    pub fn has_rival(&self) -> Option<bool> {
        self.has_rival
    }

    /// What is left to say about a fault: an answer of ours, `Err`, only if the client has had no
    /// byte of a handler's final one.
    pub fn fail(&self, fault: Fault) -> Result<Relayed, Fault> {
        if self.answer == Answered::Nothing {
            return Err(fault);
        }
        Ok(self.relayed(Some(match fault.kind {
            FaultKind::ClientGone => CloseReason::PeerCutShort,
            FaultKind::BodyTimeout => CloseReason::Deadline(Deadline::Body),
            FaultKind::BodyTooLarge => CloseReason::Limit(Limit::BodyBytes),
            FaultKind::ReplyTooLarge => CloseReason::Limit(Limit::ReplyBytes),
            FaultKind::Refused(refusal) => CloseReason::BadRequest(refusal),
            FaultKind::Killed(reason) => reason,
            FaultKind::Draining => CloseReason::Draining,
            _ => CloseReason::HandlerLost,
        })))
    }

    /// From now on `audience` may write to this connection, and hears of its end.
    pub fn open(&mut self, audience: &Arc<dyn Audience>) {
        self.is_new_to_handler = self.audiences.join(self.line.conn(), audience);
        self.line.open();
        self.life.hand_over();
    }

    /// Whether the handler it was opened to has not seen the connection before.
    pub fn is_new_to_handler(&self) -> bool {
        self.is_new_to_handler
    }

    /// The request's number on this connection, which a [`Delivery::Failed`] must name.
    pub fn exchange(&self) -> u64 {
        self.exchange
    }

    /// Without an answer after `deadline` from now, or from an interim response, the exchange fails.
    pub fn expect_answer(&mut self, deadline: Option<Duration>) {
        self.patience = self.patience.max(deadline);
        self.answer_deadline = deadline.map(|deadline| Instant::now() + deadline);
    }

    /// Passes on what handlers say until something happens that the caller must act on.
    pub async fn turn(&mut self, body: &mut RequestBody<'_>, reading: Reading) -> Turn {
        loop {
            let never = pin!(std::future::pending());
            if let Some(turn) = self.turn_or(body, reading, never).await {
                return turn;
            }
        }
    }

    /// The same, or `None` once `other` is ready. Whatever handlers have said by then is passed on
    /// to its end.
    pub async fn turn_or<F: Future<Output = ()>>(
        &mut self,
        body: &mut RequestBody<'_>,
        reading: Reading,
        mut other: Pin<&mut F>,
    ) -> Option<Turn> {
        loop {
            let ahead = self.read_ahead_bytes_max;
            // What comes next belongs to the connection, unless the body is still coming.
            if self.is_answered() && reading == Reading::Paused {
                return Some(Turn::Over(self.relayed(None)));
            }
            let event = {
                let mut client_left = None;
                poll_fn(|cx| {
                    if let Poll::Ready(event) = self.poll_event(cx, body, reading) {
                        return Poll::Ready(Some(event));
                    }
                    // Bytes that we do not read must not hide that the client has left behind them.
                    if reading == Reading::Paused
                        && body.holds_client_back(ahead)
                        && client_left
                            .get_or_insert_with(|| Box::pin(self.writer.peer_closed()))
                            .as_mut()
                            .poll(cx)
                            .is_ready()
                    {
                        return Poll::Ready(Some(Event::ClientClosed));
                    }
                    other.as_mut().poll(cx).map(|()| None)
                })
                .await
            };
            let turn = match event? {
                Event::Heard(heard) => self.hear(heard).await,
                Event::Body(Ok(Some(piece))) => Some(Turn::Piece(piece)),
                Event::Body(Ok(None)) => Some(Turn::BodyEnd),
                Event::Body(Err(fault)) => Some(self.failed(fault)),
                Event::ClientClosed => Some(self.end(CloseReason::PeerClosed)),
                Event::Expired => Some(self.failed(FaultKind::HandlerTimeout.into())),
            };
            if turn.is_some() {
                return turn;
            }
        }
    }

    /// Passes on what handlers say until the exchange has ended or failed.
    pub async fn relay(&mut self, body: &mut RequestBody<'_>) -> Result<Relayed, Fault> {
        loop {
            match self.turn(body, Reading::Paused).await {
                Turn::Over(relayed) => return Ok(relayed),
                Turn::Failed(fault) => return Err(fault),
                Turn::Piece(_) | Turn::BodyEnd | Turn::Credits(_) | Turn::Upgraded => {}
            }
        }
    }

    fn poll_event(
        &self,
        cx: &mut Context<'_>,
        body: &mut RequestBody<'_>,
        reading: Reading,
    ) -> Poll<Event> {
        if let Poll::Ready(heard) = self.line.poll_heard(cx) {
            return Poll::Ready(Event::Heard(heard));
        }
        match reading {
            Reading::Body => {
                if let Poll::Ready(piece) = body.poll_piece(cx) {
                    return Poll::Ready(Event::Body(piece));
                }
            }
            Reading::Paused => {
                if body.poll_closed(cx, self.read_ahead_bytes_max).is_ready() {
                    return Poll::Ready(Event::ClientClosed);
                }
            }
            Reading::Lent => {}
        }
        if self.answer == Answered::Nothing
            && let Some(deadline) = self.answer_deadline
            && body.poll_expired(cx, deadline).is_ready()
        {
            return Poll::Ready(Event::Expired);
        }
        Poll::Pending
    }

    async fn hear(&mut self, heard: Heard) -> Option<Turn> {
        let delivery = match heard {
            Heard::Killed(reason) => return Some(self.end(reason)),
            Heard::Overflow(limit) => return Some(self.end(CloseReason::Limit(limit))),
            Heard::DrainOver => return Some(self.failed(FaultKind::Draining.into())),
            Heard::Delivery(delivery) => delivery,
        };
        match delivery {
            Delivery::Data(bytes) => self.pass_on(bytes).await,
            Delivery::Metered { bytes, by } => {
                let count = bytes.len() as u64;
                let turn = self.pass_on(bytes).await;
                if !matches!(turn, Some(Turn::Over(_) | Turn::Failed(_))) {
                    self.audiences.written(by, self.line, count);
                }
                turn
            }
            Delivery::File(reply) => self.pass_on_file(reply).await,
            Delivery::Close { by } => {
                let reason = match self.tracker.finish() {
                    Ending::CutShort => CloseReason::HandlerBrokeFraming,
                    Ending::Nothing | Ending::Whole | Ending::Opaque => CloseReason::HandlerClosed,
                };
                Some(self.end_by(reason, by))
            }
            Delivery::Cancel { by } => Some(self.end_by(CloseReason::HandlerClosed, by)),
            Delivery::Credits(credits) => Some(Turn::Credits(credits)),
            Delivery::KeepAlive => None,
            Delivery::Oversized { max } => Some(self.failed(Fault::reply_too_large(max))),
            Delivery::Failed { exchange, why } if exchange == self.exchange => {
                Some(self.failed(why.into()))
            }
            Delivery::Failed { .. } => None,
        }
    }

    async fn pass_on(&mut self, bytes: Bytes) -> Option<Turn> {
        let was_upgraded = self.is_upgraded();
        let mut come = Answered::Partly;
        let (bytes, end) = match self.tracker.feed(&bytes) {
            // More than an earlier answer had room for, it seems.
            Ok(Progress::Opaque) if self.speaks_http && self.answer == Answered::Nothing => {
                let conn = self.line.conn();
                tracing::warn!(%conn, "a handler sent what is no response after one that was");
                return Some(self.end(CloseReason::HandlerBrokeFraming));
            }
            Ok(Progress::Pending | Progress::Opaque) => (bytes, None),
            Ok(Progress::Complete { .. }) => {
                come = Answered::Complete;
                (bytes, None)
            }
            // What follows the end would be read as the next response.
            Err(broken) => {
                tracing::warn!(conn = %self.line.conn(), %broken, "a handler broke HTTP framing");
                let end = if let Broken::Excess { end } = broken { end } else { 0 };
                if end == 0 && self.answer == Answered::Nothing {
                    return Some(Turn::Failed(FaultKind::HandlerBroken.into()));
                }
                (bytes.slice(..end), Some(CloseReason::HandlerBrokeFraming))
            }
        };
        let is_first = self.answer == Answered::Nothing;
        let has_rival = self.note(come);
        let bytes = if is_first && has_rival { announcing_close(bytes) } else { bytes };
        if let Err(reason) = self.writer.send(bytes, self.write_deadline).await {
            return Some(self.end(reason));
        }
        if self.is_upgraded() && !was_upgraded {
            self.life.step(http1::Event::Switched);
            self.line.now_speaks(Speaks::WebSocket);
            return Some(Turn::Upgraded);
        }
        end.map(|reason| self.end(reason))
    }

    /// The client is about to get that much of the answer. Handlers hear of it before: how fast
    /// the client takes it is not their affair. Whether another answer may come, as far as they
    /// were told now.
    fn note(&mut self, come: Answered) -> bool {
        let (conn, exchange) = (self.line.conn(), self.exchange);
        let before = self.answer;
        if before == Answered::Nothing && come == Answered::Partly && !self.tracker.has_begun() {
            // A whole interim response begins no answer.
            self.answer_deadline = self.patience.map(|patience| Instant::now() + patience);
            return false;
        }
        self.life.respond();
        self.answer = before.max(come);
        if come == Answered::Complete && before != come && self.is_sent_whole {
            let has_rival = self.audiences.answered(conn, exchange);
            self.has_rival = Some(has_rival);
            return has_rival;
        }
        before == Answered::Nothing && self.audiences.begun(conn, exchange)
    }

    fn failed(&self, fault: Fault) -> Turn {
        match self.fail(fault) {
            Ok(relayed) => Turn::Over(relayed),
            Err(fault) => Turn::Failed(fault),
        }
    }

    fn end(&self, reason: CloseReason) -> Turn {
        Turn::Over(self.relayed(Some(reason)))
    }

    fn end_by(&self, reason: CloseReason, by: AudienceId) -> Turn {
        Turn::Over(Relayed { by: Some(by), ..self.relayed(Some(reason)) })
    }

    fn relayed(&self, close: Option<CloseReason>) -> Relayed {
        // A complete answer never closes by itself, whatever its Connection field says: as in
        // Mongrel2, closing is the handler's business, and the idle deadline's.
        Relayed {
            status: self.tracker.status(),
            // The client may have left before it had all of it.
            content_bytes: self.tracker.body_bytes().min(self.writer.sent - self.sent_before),
            close,
            by: None,
        }
    }
}

/// What a conversation is made of.
#[derive(Debug)]
pub(crate) struct ConversationParts<'w> {
    pub(crate) writer: &'w mut Writer,
    pub(crate) line: &'w Arc<Line>,
    pub(crate) life: &'w mut Life,
    pub(crate) audiences: &'w mut Audiences,
    pub(crate) tracker: ResponseTracker,
    pub(crate) exchange: u64,
    /// Handlers have answered this client in HTTP before.
    pub(crate) speaks_http: bool,
    pub(crate) limits: &'w site::Limits,
}

/// The first of an answer behind which the connection closes, for a reason its handler does not
/// know: a client that was not told would send its next request in vain (RFC 9112 section 9.6).
fn announcing_close(bytes: Bytes) -> Bytes {
    let status_line_end = bytes.iter().position(|&byte| byte == b'\n');
    let is_final = bytes.starts_with(b"HTTP/1.") && bytes.get(9) != Some(&b'1');
    match status_line_end.filter(|_| is_final) {
        Some(end) => {
            let (line, rest) = bytes.split_at(end + 1);
            [line, b"Connection: close\r\n", rest].concat().into()
        }
        None => bytes,
    }
}

impl From<Failure> for Fault {
    fn from(why: Failure) -> Self {
        match why {
            Failure::NoHandler => FaultKind::NoHandler { retry_after: 1 }.into(),
            Failure::HandlersBusy => {
                Self::new(FaultKind::NoHandler { retry_after: 1 }, "All handlers are busy.")
            }
            Failure::NoOtherHandler => Self::new(
                FaultKind::NoHandler { retry_after: 1 },
                "The handler left without an answer, and no other was there to be asked.",
            )
            .ending(),
            Failure::HandlerGone => FaultKind::HandlerGone.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_head_of_a_final_response_is_added_to() {
        for (given, sent) in [
            (
                "HTTP/1.1 200 OK\r\nA: b\r\n\r\n",
                "HTTP/1.1 200 OK\r\nConnection: close\r\nA: b\r\n\r\n",
            ),
            ("HTTP/1.0 404 No\nA: b\n\nx", "HTTP/1.0 404 No\nConnection: close\r\nA: b\n\nx"),
            ("HTTP/1.1 103 Early Hints\r\n\r\n", "HTTP/1.1 103 Early Hints\r\n\r\n"),
            ("HTTP/1.1 200 O", "HTTP/1.1 200 O"),
            ("ICY 200 OK\r\n", "ICY 200 OK\r\n"),
        ] {
            assert_eq!(announcing_close(Bytes::from_static(given.as_bytes())), sent);
        }
    }
}
