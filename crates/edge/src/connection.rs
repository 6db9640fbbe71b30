//! One connection from its first byte to its close: the task that owns the socket.

mod messages;
mod respond;

use crate::answer;
use crate::audience::Audiences;
use crate::backlog::Backlog;
use crate::conversation::{Conversation, ConversationParts};
use crate::exchange::{AccessRecord, Answer, Exchange, Rules, Service};
use crate::fault::{Fault, FaultKind};
use crate::framing::Asked;
use crate::life::Life;
use crate::line::{AudienceId, Delivery, Heard, Line};
use crate::listener::Edge;
use crate::message_socket::{NO_EXCHANGE, Replies};
use crate::peer::Peer;
use crate::reader::Reader;
use crate::registry::Entry;
use crate::socket::{ReadHalf, WriteHalf};
use crate::writer::Writer;
use http1::{Action, CloseReason, Deadline, Event, Framing, Limit, RequestHead, ResponseTracker};
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Instant;

/// An unread rest of a body up to this size is read and thrown away, so that the connection can be
/// kept; a larger one is cheaper to end with the connection.
const DRAIN_BYTES_MAX: u64 = 256 << 10;
/// Requests that lie in the buffer are served this many in a row before other connections have a
/// turn.
const REQUESTS_PER_TURN: u64 = 16;
/// How long we wait for a client to close after our last word, so that unread input does not
/// turn that word into a reset (RFC 9112 section 9.6).
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES_MAX: usize = 1 << 20;
/// How long a handler may take to close for a client that has asked for it.
const LAST_WORDS: Duration = Duration::from_secs(1);

pub(crate) use respond::closes;
use respond::{Settled, Way, settle, unless_killed};

#[derive(Debug)]
pub(crate) struct Connection<S> {
    edge: Arc<Edge<S>>,
    peer: Peer,
    entry: Entry,
    reader: Reader,
    writer: Writer,
    life: Life,
    audiences: Audiences,
    exchanges: u64,
    replies: Replies,
    /// A handler has answered in whole HTTP responses so far.
    speaks_http: bool,
    backlog: Option<Backlog>,
}

/// Why a connection ended, and which handler ended it, if one did.
#[derive(Clone, Copy, Debug)]
struct Ended {
    reason: CloseReason,
    by: Option<AudienceId>,
    /// Whether a request's line in the access log says so.
    is_recorded: bool,
}

/// How a connection goes on after an exchange.
enum Connected {
    Persistent,
    /// The client has asked for the close.
    ForLastWords,
}

/// What wakes a connection between two requests.
enum Wake {
    Input,
    InputEnd,
    Heard(Heard),
    Drain,
    Expired,
}

impl From<CloseReason> for Ended {
    fn from(reason: CloseReason) -> Self {
        Self { reason, by: None, is_recorded: false }
    }
}

impl Ended {
    fn by(reason: CloseReason, by: Option<AudienceId>) -> Self {
        Self { reason, by, is_recorded: false }
    }

    /// An end between two requests gets a line of its own, unless it is what every connection
    /// comes to: the client, or the server, is done.
    fn wants_a_line(&self) -> bool {
        use CloseReason::{Draining, PeerAskedClose, PeerClosed};
        !self.is_recorded && !matches!(self.reason, PeerClosed | PeerAskedClose | Draining)
    }

    /// To whoever reads or waits, a kill looks as if the client had left.
    fn or_killed(self, line: &Line) -> Self {
        let is_gone = matches!(self.reason, CloseReason::PeerClosed | CloseReason::PeerCutShort);
        is_gone.then(|| line.killed()).flatten().map_or(self, Self::from)
    }
}

impl<S: Service> Connection<S> {
    pub(crate) fn new(
        edge: Arc<Edge<S>>,
        peer: Peer,
        entry: Entry,
        (read, write): (ReadHalf, WriteHalf),
    ) -> Self {
        let writer = Writer::new(write, Arc::clone(entry.line()));
        let (reader, audiences) =
            (Reader::new(read, Arc::clone(entry.line())), Audiences::default());
        let (life, replies) = (Life::default(), Replies::default());
        Self {
            edge,
            peer,
            entry,
            reader,
            writer,
            life,
            audiences,
            exchanges: 0,
            replies,
            speaks_http: false,
            backlog: None,
        }
    }

    /// Boxed, because a future keeps what it is given twice. What is boxed below is large, and an
    /// idle connection does not need it.
    pub(crate) async fn run(mut self: Box<Self>) {
        let ended = loop {
            let mut rules = self.edge.service().rules();
            let head = match self.next_head(&mut rules).await {
                Ok(head) => head,
                Err(ended) => break ended,
            };
            match Box::pin(self.exchange(head, &rules)).await {
                Ok(Connected::Persistent) => {}
                Ok(Connected::ForLastWords) => break Box::pin(self.last_words(&rules)).await,
                Err(ended) => break ended,
            }
            self.reader.release();
            if !self.reader.buffered().is_empty()
                && self.exchanges.is_multiple_of(REQUESTS_PER_TURN)
            {
                tokio::task::yield_now().await;
            }
        };
        tracing::debug!(conn = %self.peer.conn, remote = %self.peer.remote, reason = %ended.reason, "closed");
        if ended.wants_a_line() {
            self.record_without_request(0, 0, ended.reason);
        }
        let by = ended.by.or_else(|| self.entry.line().cancelled_by());
        self.entry.line().close();
        self.audiences.leave(self.peer.conn, by);
        let last = self.life.end(ended.reason);
        if self.writer.is_cut_short {
            self.reset();
        } else if last == Action::Linger {
            Box::pin(self.linger()).await;
        }
    }

    /// Waits for a request. It is served under the rules that are in force when it begins.
    async fn next_head(&mut self, rules: &mut Arc<Rules>) -> Result<RequestHead, Ended> {
        let mut idle_since = Instant::now();
        let mut pings = self.entry.line().vitals().pings();
        let mut head_since = None;
        let mut has_begun = false;
        loop {
            // What handlers sent before this request is no part of its answer.
            while !self.reader.buffered().is_empty()
                && let Some(heard) = self.entry.line().heard()
            {
                Box::pin(self.hear(heard, rules)).await?;
            }
            if !has_begun && !self.reader.buffered().is_empty() {
                has_begun = true;
                self.life.step(Event::Bytes);
            }
            if self.reader.is_at_message() {
                if Box::pin(self.next_message(rules)).await? {
                    self.life.step(Event::Message);
                    (idle_since, head_since, has_begun) = (Instant::now(), None, false);
                    continue;
                }
            } else {
                match self.reader.next_head(&rules.http) {
                    Ok(Some(head)) => {
                        self.life.step(Event::Head);
                        return Ok(head);
                    }
                    Ok(None) => {}
                    Err(refusal) => {
                        return Err(Box::pin(self.refuse(refusal.into(), rules)).await);
                    }
                }
            }
            if !self.reader.buffered().is_empty() {
                head_since.get_or_insert_with(Instant::now);
            }
            let deadline = match head_since {
                Some(since) => since + rules.limits.head_deadline,
                None => idle_since + rules.limits.idle_deadline,
            };
            match poll_fn(|cx| self.poll_wake(cx, deadline)).await {
                Wake::Input if has_begun => {}
                Wake::Input => *rules = self.edge.service().rules(),
                Wake::InputEnd if has_begun => return Err(CloseReason::PeerCutShort.into()),
                Wake::InputEnd => return Err(CloseReason::PeerClosed.into()),
                Wake::Drain => return Err(CloseReason::Draining.into()),
                Wake::Heard(heard) => {
                    Box::pin(self.hear(heard, rules)).await?;
                    idle_since = Instant::now();
                }
                Wake::Expired if head_since.is_some() => {
                    let fault = FaultKind::HeadTimeout.into();
                    return Err(Box::pin(self.refuse(fault, rules)).await);
                }
                Wake::Expired => {
                    let vitals = self.entry.line().vitals();
                    // A client that speaks in messages listens for as long as it likes:
                    // `limits.min_ping` is the rule for those.
                    let listens = self.backlog.is_some() && rules.limits.min_ping.is_some();
                    if !listens && pings == vitals.pings() {
                        return Err(CloseReason::Deadline(Deadline::Idle).into());
                    }
                    (idle_since, pings) = (Instant::now(), vitals.pings());
                }
            }
        }
    }

    fn poll_wake(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<Wake> {
        let line = self.entry.line();
        if let Poll::Ready(heard) = line.poll_heard(cx) {
            return Poll::Ready(Wake::Heard(heard));
        }
        match self.reader.poll_fill(cx) {
            Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(Wake::InputEnd),
            Poll::Ready(Ok(_)) => return Poll::Ready(Wake::Input),
            Poll::Pending => {}
        }
        if self.reader.buffered().is_empty() && line.is_draining() {
            return Poll::Ready(Wake::Drain);
        }
        self.reader.alarm.poll_expired(cx, deadline).map(|()| Wake::Expired)
    }

    /// A handler has answered a client that asked for the close: as in Mongrel2 the handler says
    /// when, but it has to say so soon, and nothing more is read as a request (RFC 9112 section 9.6).
    async fn last_words(&mut self, rules: &Rules) -> Ended {
        let deadline = Instant::now() + LAST_WORDS;
        loop {
            let wake = poll_fn(|cx| {
                let line = self.entry.line();
                if let Poll::Ready(heard) = line.poll_heard(cx) {
                    return Poll::Ready(Wake::Heard(heard));
                }
                if self.reader.poll_closed(cx, rules.limits.head_bytes_max).is_ready() {
                    return Poll::Ready(Wake::InputEnd);
                }
                if line.is_draining() {
                    return Poll::Ready(Wake::Drain);
                }
                self.reader.alarm.poll_expired(cx, deadline).map(|()| Wake::Expired)
            });
            match wake.await {
                Wake::Heard(heard) => {
                    if let Err(ended) = self.hear(heard, rules).await {
                        return ended;
                    }
                }
                Wake::InputEnd => return CloseReason::PeerClosed.into(),
                Wake::Input | Wake::Drain | Wake::Expired => {
                    return CloseReason::PeerAskedClose.into();
                }
            }
        }
    }

    /// A handler may write to a connection that has no request open.
    async fn hear(&mut self, heard: Heard, rules: &Rules) -> Result<(), Ended> {
        let delivery = match heard {
            Heard::Killed(reason) => return Err(reason.into()),
            Heard::Overflow(limit) => return Err(CloseReason::Limit(limit).into()),
            Heard::DrainOver => return Err(CloseReason::Draining.into()),
            Heard::Delivery(delivery) => delivery,
        };
        match delivery {
            Delivery::Data(bytes) => {
                let bytes = self.replies.encode(bytes);
                self.life.step(Event::Responding);
                self.writer.send(bytes, rules.limits.write_deadline).await?;
                self.life.step(Event::Answered);
                Ok(())
            }
            Delivery::Metered { bytes, by } => {
                let count = bytes.len() as u64;
                let bytes = self.replies.encode(bytes);
                self.writer.send(bytes, rules.limits.write_deadline).await?;
                self.audiences.written(by, self.entry.line(), count);
                Ok(())
            }
            Delivery::File(reply) => {
                self.life.step(Event::Responding);
                reply.send(&mut self.writer, rules.limits.write_deadline).await?;
                self.life.step(Event::Answered);
                Ok(())
            }
            Delivery::Failed { exchange: NO_EXCHANGE, why } => {
                Err(self.refuse(why.into(), rules).await)
            }
            Delivery::Close { by } | Delivery::Cancel { by } => {
                Err(Ended::by(CloseReason::HandlerClosed, Some(by)))
            }
            Delivery::Oversized { .. } => Err(CloseReason::Limit(Limit::ReplyBytes).into()),
            Delivery::KeepAlive | Delivery::Credits(_) | Delivery::Failed { .. } => Ok(()),
        }
    }

    async fn exchange(&mut self, head: RequestHead, rules: &Rules) -> Result<Connected, Ended> {
        let head = &head;
        let began = Instant::now();
        let sent_before = self.writer.sent;
        let asked = Asked::by(head);
        self.exchanges += 1;
        self.entry.line().vitals().ping();
        self.replies = Replies::Raw;
        let exchange = Exchange {
            peer: &self.peer,
            head,
            body: self.reader.request_body(rules.limits.body_deadline),
            client: Conversation::new(ConversationParts {
                writer: &mut self.writer,
                line: self.entry.line(),
                life: &mut self.life,
                audiences: &mut self.audiences,
                tracker: ResponseTracker::new(asked.head_only),
                exchange: self.exchanges,
                speaks_http: self.speaks_http,
                limits: &rules.limits,
            }),
        };
        let service = self.edge.service();
        let (answer, trace) = service.serve(exchange).await;
        let answer = unless_killed(answer, self.entry.line());
        self.speaks_http |= matches!(&answer, Answer::Relayed(whole) if whole.close.is_none());
        // In two steps, because only a streaming answer still reads from the client.
        let settled = match settle(answer, asked, |status| service.error_page(&trace, status)) {
            Ok(settled) => settled,
            Err(streaming) => {
                let (status, keep) = (streaming.status, !streaming.close);
                let way = Way::out(&mut self.writer, &mut self.life, self.entry.line());
                let ended = Box::pin(way.respond(streaming, (asked, keep), rules)).await;
                Settled::Sent { status, content_bytes: None, ended: ended.map(Ended::from) }
            }
        };
        let (status, content_bytes, ended) = match settled {
            Settled::Sent { status, content_bytes, ended } => (status, content_bytes, ended),
            Settled::Response(response, because) => {
                let (status, keep) = (response.status, !response.close && !self.stuck(head));
                let way = Way::out(&mut self.writer, &mut self.life, self.entry.line());
                let ended = way.respond(response, (asked, keep), rules).await;
                (status, None, ended.map(|reason| because.unwrap_or(reason).into()))
            }
        };
        let ended = match ended {
            None => self.rest_of_the_request(rules).await.err(),
            ended => ended,
        };
        let ended = ended.map(|ended| ended.or_killed(self.entry.line()));
        self.edge.service().record(AccessRecord {
            peer: &self.peer,
            head: Some(head),
            trace: Some(trace),
            status,
            sent: content_bytes.unwrap_or(self.writer.sent - sent_before),
            took: began.elapsed(),
            close: ended.map(|ended| ended.reason),
        });
        match ended {
            Some(ended) => Err(Ended { is_recorded: true, ..ended }),
            None if asked.persistent => Ok(Connected::Persistent),
            None => Ok(Connected::ForLastWords),
        }
    }

    /// Whether the rest of the request can't be read past: the client still waits for a word from
    /// us before it sends its body, or the body is too large to throw away.
    fn stuck(&self, head: &RequestHead) -> bool {
        if self.reader.body_is_done() {
            return false;
        }
        let large = match head.framing() {
            Framing::None => false,
            Framing::Length(length) => length > DRAIN_BYTES_MAX,
            Framing::Chunked => false,
        };
        large || head.expects_continue() || self.reader.body_is_lost()
    }

    /// The response is out and the connection stays: what is left of the request is thrown away.
    async fn rest_of_the_request(&mut self, rules: &Rules) -> Result<(), Ended> {
        if self.reader.body_is_done() {
            self.life.step(Event::Answered);
            return Ok(());
        }
        self.life.step(Event::AnsweredEarly);
        // Nobody waits for this body: it gets no second chance with each byte.
        let drained =
            Box::pin(tokio::time::timeout(rules.limits.body_deadline, self.drain_body(rules)));
        drained.await.unwrap_or_else(|_| Err(CloseReason::Deadline(Deadline::Body).into()))?;
        self.life.step(Event::BodySkipped);
        Ok(())
    }

    async fn drain_body(&mut self, rules: &Rules) -> Result<(), Ended> {
        let mut body = self.reader.request_body(rules.limits.body_deadline);
        let mut drained = 0;
        loop {
            match body.piece().await {
                Ok(None) => return Ok(()),
                Ok(Some(piece)) => drained += piece.len() as u64,
                Err(fault) => {
                    return Err(closes(&fault).unwrap_or(CloseReason::PeerCutShort).into());
                }
            }
            if drained > DRAIN_BYTES_MAX {
                return Err(CloseReason::Limit(Limit::SkipBytes).into());
            }
        }
    }

    /// Answers a request that could not be read, and ends the connection.
    async fn refuse(&mut self, fault: Fault, rules: &Rules) -> Ended {
        let sent_before = self.writer.sent;
        let reason =
            closes(&fault).unwrap_or_else(|| CloseReason::Answered(fault.kind.verdict().status));
        if let Some(count) = self.edge.refused.add() {
            tracing::info!(
                conn = %self.peer.conn, remote = %self.peer.remote, %reason, count,
                "refused a request"
            );
        }
        let asked = Asked::refused(self.reader.buffered());
        let response = answer::answer(&fault, asked.wants, None);
        let status = response.status;
        // Whether or not the client hears it, the connection ends for this reason.
        let way = Way::out(&mut self.writer, &mut self.life, self.entry.line());
        let _heard = way.respond(response, (asked, false), rules).await;
        self.record_without_request(status, self.writer.sent - sent_before, reason);
        Ended { is_recorded: true, ..reason.into() }
    }

    fn record_without_request(&self, status: u16, sent: u64, reason: CloseReason) {
        self.edge.service().record(AccessRecord {
            peer: &self.peer,
            head: None,
            trace: None,
            status,
            sent,
            took: Duration::ZERO,
            close: Some(reason),
        });
    }

    /// Not in `run`, whose future would have to hold the parts.
    fn reset(self: Box<Self>) {
        let Self { writer, .. } = *self;
        writer.reset();
    }

    async fn linger(mut self: Box<Self>) {
        if self.writer.shutdown().await.is_err() {
            return;
        }
        let sockets_max = self.edge.service().rules().limits.connections_max;
        let Self { entry, mut reader, writer, .. } = *self;
        let Some(_lingering) = entry.linger(sockets_max) else { return };
        reader.skip_body();
        let deadline = Instant::now() + LINGER;
        let mut taken = 0;
        while taken < LINGER_BYTES_MAX && !reader.has_ended() {
            let read = poll_fn(|cx| match reader.poll_fill(cx) {
                Poll::Ready(read) => Poll::Ready(read.unwrap_or(0)),
                Poll::Pending => reader.alarm.poll_expired(cx, deadline).map(|()| 0),
            });
            match read.await {
                0 => break,
                count => taken += count,
            }
            reader.discard();
        }
        drop(writer);
    }
}
