//! Handlers over ZeroMQ: a request becomes a message, replies become bytes for clients.

mod contested;
mod message;
mod notified;
mod replies;
mod sendfile;
mod spool;
mod stream;
mod upload_file;
mod upload_store;
mod websocket;

use arc_swap::ArcSwap;
use bus::{
    Balance, Delivery, Holders, Link, LinkLimits, LinkSpec, News, NotRetired, NotSent, Notice,
    Outgoing, Overdue, Retiring, Security, Tag,
};
use bytes::{Bytes, BytesMut};
use edge::{
    Answer, Audience, AudienceId, ConnId, Exchange, Fault, FaultKind, NO_EXCHANGE, Registry,
    Relayed, SocketMessage,
};
use http1::{CloseReason, Framing};
use site::{HandlerProtocol, Limits, Options, Uploads};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use contested::Contested;
use message::Written;
use notified::Notified;
use replies::{Replies, ReplyTerms};

pub use replies::Malformed;
pub use upload_store::UploadStore;

/// How long a client that got no handler should wait before it tries again, in seconds.
const RETRY_AFTER: u32 = 1;

/// A handler row at work: its sockets are bound, requests go out, replies find their clients.
#[derive(Debug)]
pub struct HandlerLink {
    id: AudienceId,
    handler: Arc<site::Handler>,
    link: Link,
    notified: Notified,
    malformed: Arc<Malformed>,
    contested: Arc<Contested>,
    reply_terms: Arc<ArcSwap<ReplyTerms>>,
    notices_refused: AtomicU64,
    is_closed: AtomicBool,
}

/// What a request to a handler must know of its site.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    /// The route's path as configured.
    pub pattern: &'a str,
    pub limits: &'a Limits,
    pub options: &'a Options,
    pub uploads: &'a Uploads,
    /// Where uploads go; none without `upload.temp_store`.
    pub store: Option<&'a Arc<UploadStore>>,
}

impl HandlerLink {
    /// Binds both sockets. `id` must be unique among the links that are open.
    pub async fn bind(
        id: AudienceId,
        handler: Arc<site::Handler>,
        (limits, options, security): (&Limits, &Options, &Security),
        registry: Arc<Registry>,
    ) -> Result<Arc<Self>, bus::BindFault> {
        let own = Arc::new(OnceLock::<Weak<Self>>::new());
        let malformed = Arc::new(Malformed::default());
        let contested = Arc::new(Contested::default());
        let reply_terms = Arc::new(ArcSwap::from_pointee(ReplyTerms::of(limits, options)));
        let replies = Replies {
            id,
            handler: Arc::clone(&handler),
            registry,
            terms: Arc::clone(&reply_terms),
            link: Arc::clone(&own),
            malformed: Arc::clone(&malformed),
            contested: Arc::clone(&contested),
        };
        let spec = LinkSpec {
            send_spec: handler.send_spec.clone(),
            send_ident: handler.send_ident.clone(),
            recv_spec: handler.recv_spec.clone(),
            recv_ident: handler.recv_ident.clone(),
        };
        let security = security.clone();
        let limits = link_limits(limits, options);
        let link = Link::bind_secured(spec, limits, security, Arc::new(replies)).await?;
        let notified = Notified::default();
        let (is_closed, notices_refused) = (AtomicBool::new(false), AtomicU64::new(0));
        let this = Arc::new(Self {
            id,
            handler,
            link,
            notified,
            malformed,
            contested,
            reply_terms,
            notices_refused,
            is_closed,
        });
        own.set(Arc::downgrade(&this)).expect("only this function sets it");
        Ok(this)
    }

    pub fn handler(&self) -> &Arc<site::Handler> {
        &self.handler
    }

    pub fn link(&self) -> &Link {
        &self.link
    }

    /// Replies that could not be read, since the link was bound.
    pub fn malformed(&self) -> &Malformed {
        &self.malformed
    }

    /// From now on requests wait, replies are read and handlers are let in by the rules of another
    /// site.
    pub fn adopt(&self, limits: &Limits, options: &Options, security: &Security) {
        self.reply_terms.store(Arc::new(ReplyTerms::of(limits, options)));
        self.link.adopt(link_limits(limits, options));
        self.link.set_security(security);
    }

    /// Whether `handler` can go on using this link's sockets as they are.
    pub fn serves(&self, handler: &site::Handler) -> bool {
        let ours = &*self.handler;
        !self.is_closed()
            && ours.send_spec == handler.send_spec
            && ours.recv_spec == handler.recv_spec
            && ours.send_ident == handler.send_ident
            && ours.recv_ident == handler.recv_ident
            && ours.protocol == handler.protocol
    }

    pub fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Relaxed)
    }

    /// Gives up both addresses, for good.
    pub async fn close(&self) {
        self.is_closed.store(true, Ordering::Relaxed);
        self.link.close().await;
    }

    /// Sends the request and passes on what handlers answer.
    pub async fn serve<'r>(
        self: &Arc<Self>,
        exchange: &mut Exchange<'r, '_>,
        terms: Terms<'_>,
    ) -> Answer<'r> {
        let audience: Arc<dyn Audience> = Arc::clone(self) as _;
        let handshake = match websocket::accept_key(exchange.head) {
            Ok(accept) => accept,
            Err(fault) => return Answer::Fault(fault),
        };
        let is_upload = handshake.is_none() && is_upload(exchange.head.framing(), terms);
        let relayed = match &handshake {
            Some(accept) => Box::pin(self.websocket(exchange, &audience, terms, accept)).await,
            None if is_upload => {
                if terms.uploads.stream {
                    Box::pin(self.stream(exchange, &audience, terms)).await
                } else {
                    Box::pin(self.spool(exchange, &audience, terms)).await
                }
            }
            None => self.send_whole(exchange, &audience, terms).await,
        };
        let is_answered = matches!(&relayed, Ok(relayed) if relayed.status.is_some());
        let tag = tag(exchange);
        let holders = match is_answered {
            // What an upgraded client said last may still be on its way.
            _ if exchange.client.is_upgraded() => Holders::One,
            true => match exchange.client.has_rival() {
                Some(true) => Holders::Several,
                Some(false) => Holders::One,
                None => self.link.answered(tag),
            },
            false if !is_upload && handshake.is_none() && has_left(&relayed) => {
                self.link.abandon(tag);
                Holders::Nobody
            }
            false => self.link.forget(tag),
        };
        self.contested.remove(exchange.peer.conn);
        match relayed.or_else(|fault| exchange.client.fail(fault)) {
            Ok(mut relayed) => {
                // Another handler's answer may come, and would be read as the next one.
                if holders == Holders::Several && relayed.close.is_none() {
                    relayed.close = Some(CloseReason::HandlerLost);
                }
                Answer::Relayed(relayed)
            }
            // A handler that was sent any of it may answer in spite of this. Only a `sendfile` that
            // finds nothing is an answer itself.
            Err(fault) if is_upload || holders == Holders::Several => Answer::Fault(fault.ending()),
            Err(fault) if holders == Holders::One && fault.kind != FaultKind::NotFound => {
                Answer::Fault(fault.ending())
            }
            Err(fault) => Answer::Fault(fault),
        }
    }

    /// A request whose body fits into one message.
    async fn send_whole(
        &self,
        exchange: &mut Exchange<'_, '_>,
        audience: &Arc<dyn Audience>,
        terms: Terms<'_>,
    ) -> Result<Relayed, Fault> {
        exchange.invite().await.map_err(|_| FaultKind::ClientGone)?;
        let body = exchange.body.collect(terms.limits.content_length).await?;
        exchange.client.open(audience);
        exchange.client.send_whole();
        let message = self.request(exchange, terms, Written::Whole(&body));
        // It may have a read buffer of its own, and the answer may be long in coming.
        drop(body);
        self.send_request(exchange, message)?;
        self.await_answer(exchange, terms).await
    }

    /// A late answer is asked of another handler, if that may be.
    async fn await_answer(
        &self,
        exchange: &mut Exchange<'_, '_>,
        terms: Terms<'_>,
    ) -> Result<Relayed, Fault> {
        let patience = terms.limits.handler_timeout;
        exchange.client.expect_answer(patience);
        let mut is_repeated = false;
        loop {
            let fault = match exchange.client.relay(&mut exchange.body).await {
                Err(fault) => fault,
                relayed => return relayed,
            };
            let (FaultKind::HandlerTimeout, Some(patience)) = (fault.kind, patience) else {
                // The handler that is late may speak yet, and the connection must not go on.
                let may_go_on = is_repeated && fault.kind.verdict().keep;
                return Err(if may_go_on { FaultKind::HandlerTimeout.into() } else { fault });
            };
            let further = match self.link.overdue(tag(exchange), patience) {
                Overdue::Wait(further) => further,
                Overdue::Repeated => {
                    is_repeated = true;
                    patience
                }
                Overdue::GiveUp => return Err(fault),
            };
            exchange.client.expect_answer(Some(further));
        }
    }

    fn request(&self, exchange: &Exchange<'_, '_>, terms: Terms<'_>, what: Written<'_>) -> Bytes {
        message::encode(&self.handler, exchange, terms, what)
    }

    fn send_request(&self, exchange: &Exchange<'_, '_>, message: Bytes) -> Result<(), Fault> {
        let (tag, replayable) = (tag(exchange), is_idempotent(exchange.head.method()));
        self.send(Outgoing { message, delivery: Delivery::Request { tag, replayable } })
    }

    fn send(&self, outgoing: Outgoing) -> Result<(), Fault> {
        self.link.send(outgoing).map_err(|why| {
            let detail = match why {
                NotSent::QueueFull | NotSent::NoPeer => {
                    "No handler takes requests and the waiting queue is full."
                }
                NotSent::Closed => "The server no longer serves this handler.",
            };
            Fault::new(FaultKind::NoHandler { retry_after: RETRY_AFTER }, detail)
        })
    }

    /// Passes on a message that came without HTTP.
    pub fn message(
        self: &Arc<Self>,
        mut message: SocketMessage<'_>,
        terms: Terms<'_>,
    ) -> Result<(), Fault> {
        let audience: Arc<dyn Audience> = Arc::clone(self) as _;
        message.open(&audience);
        let tag = Tag { conn: message.peer.conn.0, exchange: NO_EXCHANGE };
        let encoded = message::encode_socket_message(&self.handler, &message, terms);
        let message = message.place.hold(encoded);
        self.send(Outgoing { message, delivery: Delivery::Message { tag } })
    }

    /// A handler wants no more requests: it gets none, and a last message that says so.
    fn retire(&self, who: Retiring<'_>) -> Result<(), NotRetired> {
        let mut last = BytesMut::with_capacity(self.handler.send_ident.len() + 64);
        let protocol = wire_protocol(self.handler.protocol);
        wire::request::encode_drained(&self.handler.send_ident, protocol, &mut last);
        self.link.retire(who, &last.freeze())
    }

    /// A reply names a connection that is gone.
    fn miss(&self, conn: ConnId) {
        if self.notified.is_due(conn) {
            self.notify(conn);
        }
    }

    fn notify(&self, conn: ConnId) {
        if let Err(why) = self.link.notify(Notice { conn: conn.0, news: News::Left }) {
            self.notified.forget(conn);
            self.refused(conn, why);
        }
    }

    /// A notice was not taken: with handlers there, somebody is told, but not once for each.
    fn refused(&self, conn: ConnId, why: NotSent) {
        let count = self.notices_refused.fetch_add(1, Ordering::Relaxed) + 1;
        if why == NotSent::QueueFull && count.is_power_of_two() {
            let handler = &self.handler.send_spec;
            tracing::warn!(handler, count, "handlers do not read, notices are lost");
        } else {
            tracing::debug!(%conn, %why, "a notice was not sent");
        }
    }
}

impl Drop for HandlerLink {
    /// The last connection that used a link of an earlier configuration has just left: its notice
    /// is still to be written.
    fn drop(&mut self) {
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let link = self.link.clone();
            runtime.spawn(async move { link.close().await });
        }
    }
}

impl Audience for HandlerLink {
    fn id(&self) -> AudienceId {
        self.id
    }

    fn joined(&self, conn: ConnId) {
        // A handler may have guessed the number.
        self.notified.forget(conn);
        self.link.introduce(conn.0);
    }

    fn left(&self, conn: ConnId) {
        if self.notified.ends(conn) {
            self.notify(conn);
        }
    }

    fn closed(&self, conn: ConnId) {
        self.link.dismiss(conn.0);
    }

    fn begun(&self, conn: ConnId, exchange: u64) -> bool {
        self.link.begun(Tag { conn: conn.0, exchange }) == Holders::Several
    }

    fn answered(&self, conn: ConnId, exchange: u64) -> bool {
        self.link.answered(Tag { conn: conn.0, exchange }) == Holders::Several
    }

    fn written(&self, conn: ConnId, bytes: u64) {
        if let Err(why) = self.link.notify(Notice { conn: conn.0, news: News::Written(bytes) }) {
            self.refused(conn, why);
        }
    }
}

/// Whether the client is gone, and not because the server ended the connection.
fn has_left(relayed: &Result<Relayed, Fault>) -> bool {
    match relayed {
        Ok(relayed) => relayed.close == Some(CloseReason::PeerClosed),
        Err(fault) => fault.kind == FaultKind::ClientGone,
    }
}

fn tag(exchange: &Exchange<'_, '_>) -> Tag {
    Tag { conn: exchange.peer.conn.0, exchange: exchange.client.exchange() }
}

/// Whether the body may be too large for one message.
fn is_upload(framing: Framing, terms: Terms<'_>) -> bool {
    match framing {
        Framing::None => false,
        Framing::Length(length) => length > terms.limits.content_length,
        Framing::Chunked => terms.uploads.stream || terms.store.is_some(),
    }
}

fn link_limits(limits: &Limits, options: &Options) -> LinkLimits {
    let heartbeat = limits.handler_heartbeat.unwrap_or_default();
    LinkLimits {
        heartbeat_interval: heartbeat,
        heartbeat_timeout: 2 * heartbeat,
        pending_max: limits.handler_pending_max.unwrap_or(usize::MAX),
        retries: limits.handler_retries,
        balance: match options.handler_balance {
            site::Balance::RoundRobin => Balance::RoundRobin,
            site::Balance::LeastPending => Balance::LeastPending,
        },
        queue_max: limits.handler_queue_max,
        queue_timeout: limits.handler_queue_timeout,
        message_bytes_max: limits.handler_message_bytes_max,
        peers_max: limits.handler_peers_max,
        ..LinkLimits::default()
    }
}

fn wire_protocol(protocol: HandlerProtocol) -> wire::request::Protocol {
    match protocol {
        HandlerProtocol::Json => wire::request::Protocol::Json,
        HandlerProtocol::Tnetstring => wire::request::Protocol::Tnetstring,
    }
}

/// Methods that may be sent twice (RFC 9110 section 9.2.2).
fn is_idempotent(method: &str) -> bool {
    matches!(method, "GET" | "HEAD" | "OPTIONS" | "TRACE" | "PUT" | "DELETE")
}
