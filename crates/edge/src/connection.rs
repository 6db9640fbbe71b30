//! One connection from its first byte to its close: the task that owns the socket.

mod messages;

use crate::audience::Audiences;
use crate::backlog::Backlog;
use crate::conversation::{Conversation, ConversationParts};
use crate::exchange::{AccessRecord, Answer, Exchange, Rules, Service};
use crate::fault::{Fault, FaultKind};
use crate::framing::{Asked, Delimiting};
use crate::life::Life;
use crate::line::{AudienceId, Delivery, Heard, Line};
use crate::listener::Edge;
use crate::message_socket::{NO_EXCHANGE, Replies};
use crate::peer::Peer;
use crate::reader::Reader;
use crate::registry::Entry;
use crate::response::Response;
use crate::socket::{ReadHalf, WriteHalf};
use crate::writer::Writer;
use crate::{answer, sender};
use bytes::Bytes;
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
        !self.is_recorded && !matches!(self.reason, CloseReason::PeerClosed | CloseReason::Draining)
    }
}

impl Ended {
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
            if let Err(ended) = Box::pin(self.exchange(head, &rules)).await {
                break ended;
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
        self.entry.line().close();
        self.audiences.leave(self.peer.conn, ended.by);
        let last = self.life.end(ended.reason);
        if self.writer.is_cut_short {
            let Self { writer, .. } = *self;
            writer.reset();
        } else if last == Action::Linger {
            Box::pin(self.linger()).await;
        }
    }

    /// Waits for a request. It is served under the rules that are in force when it begins.
    async fn next_head(&mut self, rules: &mut Arc<Rules>) -> Result<RequestHead, Ended> {
        let mut idle_since = Instant::now();
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
                Wake::Expired => return Err(CloseReason::Deadline(Deadline::Idle).into()),
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

    /// A handler may write to a connection that has no request open.
    async fn hear(&mut self, heard: Heard, rules: &Rules) -> Result<(), Ended> {
        let delivery = match heard {
            Heard::Killed(reason) => return Err(reason.into()),
            Heard::Overflow(limit) => return Err(CloseReason::Limit(limit).into()),
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
            Delivery::KeepAlive | Delivery::Credits(_) | Delivery::Failed { .. } => Ok(()),
        }
    }

    async fn exchange(&mut self, head: RequestHead, rules: &Rules) -> Result<(), Ended> {
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
                limits: &rules.limits,
            }),
        };
        let service = self.edge.service();
        let (answer, trace) = service.serve(exchange).await;
        let answer = unless_killed(answer, self.entry.line());
        // In two steps, because only a streaming answer still reads from the client.
        let settled = match settle(answer, asked, |status| service.error_page(&trace, status)) {
            Ok(settled) => settled,
            Err(streaming) => {
                let (status, keep) = (streaming.status, !streaming.close);
                let way = Way::out(&mut self.writer, &mut self.life, self.entry.line());
                let ended = way.respond(streaming, (asked, keep), rules).await;
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
        ended.map_or(Ok(()), |ended| Err(Ended { is_recorded: true, ..ended }))
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
        let drained = tokio::time::timeout(rules.limits.body_deadline, self.drain_body(rules));
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

/// An answer that needs nothing more from the client.
enum Settled {
    Sent {
        status: u16,
        content_bytes: Option<u64>,
        ended: Option<Ended>,
    },
    /// To be sent, and why the connection then ends, if a fault says so.
    Response(Response<'static>, Option<CloseReason>),
}

/// Who waits for a client sees no more of a kill than that the client is gone.
fn unless_killed<'r>(answer: Answer<'r>, line: &Line) -> Answer<'r> {
    let is_gone = matches!(&answer, Answer::Fault(fault) if fault.kind == FaultKind::ClientGone);
    match is_gone.then(|| line.killed()).flatten() {
        Some(reason) => Answer::Fault(FaultKind::Killed(reason).into()),
        None => answer,
    }
}

/// An answer whose content is still read from the client's own connection is given back.
fn settle(
    answer: Answer<'_>,
    asked: Asked,
    page: impl FnOnce(u16) -> Option<Bytes>,
) -> Result<Settled, Response<'_>> {
    match answer {
        Answer::Relayed(relayed) => {
            // A handler may leave the close to us where the client has asked for it (RFC 9112
            // section 9.6).
            let ended = match relayed.close {
                Some(reason) => Some(Ended::by(reason, relayed.by)),
                None if asked.persistent => None,
                None => Some(CloseReason::PeerAskedClose.into()),
            };
            Ok(Settled::Sent {
                status: relayed.status.unwrap_or(0),
                content_bytes: Some(relayed.content_bytes),
                ended,
            })
        }
        Answer::Fault(Fault { kind: FaultKind::Killed(reason), .. }) => {
            Ok(Settled::Sent { status: 0, content_bytes: None, ended: Some(reason.into()) })
        }
        Answer::Fault(fault) => {
            let page = page(fault.kind.verdict().status);
            Ok(Settled::Response(answer::answer(&fault, asked.wants, page), closes(&fault)))
        }
        Answer::Response(response) => {
            response.into_whole().map(|response| Settled::Response(response, None))
        }
    }
}

/// The way out to the client, while the way in may be another's.
#[derive(Debug)]
struct Way<'c> {
    writer: &'c mut Writer,
    life: &'c mut Life,
    line: &'c Line,
}

impl<'c> Way<'c> {
    fn out(writer: &'c mut Writer, life: &'c mut Life, line: &'c Line) -> Self {
        Self { writer, life, line }
    }

    /// Sends a response; `Some` if the connection ends with it.
    async fn respond(
        self,
        response: Response<'_>,
        (asked, keep): (Asked, bool),
        rules: &Rules,
    ) -> Option<CloseReason> {
        let status = response.status;
        let draining = self.line.is_draining();
        if draining {
            self.life.step(Event::Drain);
        }
        self.life.step(Event::Responding);
        let keep = keep
            && asked.persistent
            && !draining
            && asked.delimiting(&response) != Delimiting::Close;
        match sender::send(self.writer, response, asked, keep, rules.limits.write_deadline).await {
            Ok(()) if keep => None,
            Ok(()) if draining => Some(CloseReason::Draining),
            Ok(()) if !asked.persistent => Some(CloseReason::PeerAskedClose),
            Ok(()) if status >= 400 => Some(CloseReason::Answered(status)),
            Ok(()) => Some(CloseReason::ResponseEnded),
            Err(reason) => Some(reason),
        }
    }
}

/// The close reason of a fault after which nothing more can be read.
pub(crate) fn closes(fault: &Fault) -> Option<CloseReason> {
    match fault.kind {
        FaultKind::Refused(refusal) => Some(CloseReason::BadRequest(refusal)),
        FaultKind::BodyTooLarge => Some(CloseReason::Limit(Limit::BodyBytes)),
        FaultKind::HeadTimeout => Some(CloseReason::Deadline(Deadline::Head)),
        FaultKind::BodyTimeout => Some(CloseReason::Deadline(Deadline::Body)),
        FaultKind::ClientGone => Some(CloseReason::PeerCutShort),
        FaultKind::Killed(reason) => Some(reason),
        FaultKind::HandlerBroken => Some(CloseReason::HandlerBrokeFraming),
        _ => None,
    }
}
