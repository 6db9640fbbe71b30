//! What comes back from handlers: replies for clients, and requests that got none.

use super::contested::Contested;
use super::sendfile::{SendfileFault, file_reply};
use super::{HandlerLink, wire_protocol};
use arc_swap::ArcSwap;
use bus::{LinkEvents, News, Notice, Publisher, Retiring, Tag, Undelivered};
use bytes::{Bytes, BytesMut};
use edge::{AudienceId, ConnId, DOWNLOAD_CREDITS, Delivered, Delivery, Failure, Registry};
use http1::Limit;
use site::{Limits, Options};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use wire::reply::{Drain, Extended, Reply, ReplyBody};
use wire::request::{encode_credits, encode_disconnect};

/// How much of a malformed reply stands in the log.
const SHOWN_BYTES: usize = 80;

/// Malformed replies of a link that stand in the log one by one.
const TOLD_MAX: u64 = 100;

/// Counts replies that could not be read.
#[derive(Debug, Default)]
pub struct Malformed(AtomicU64);

impl Malformed {
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// By which replies are read: a link may outlive the site it was bound for.
#[derive(Clone, Debug)]
pub(super) struct ReplyTerms {
    targets_max: usize,
    queue_bytes_max: usize,
    sendfile_base: Option<Arc<str>>,
    /// `download.flow_control`.
    are_metered: bool,
}

#[derive(Debug)]
pub(super) struct Replies {
    pub(super) id: AudienceId,
    pub(super) handler: Arc<site::Handler>,
    pub(super) registry: Arc<Registry>,
    pub(super) terms: Arc<ArcSwap<ReplyTerms>>,
    pub(super) link: Arc<OnceLock<Weak<HandlerLink>>>,
    pub(super) malformed: Arc<Malformed>,
    pub(super) contested: Arc<Contested>,
}

impl ReplyTerms {
    pub(super) fn of(limits: &Limits, options: &Options) -> Self {
        Self {
            targets_max: limits.handler_targets,
            queue_bytes_max: limits.connection_queue_bytes,
            are_metered: options.download_flow_control,
            sendfile_base: options.sendfile_base.as_deref().map(Arc::from),
        }
    }
}

impl LinkEvents for Replies {
    fn message(&self, from: Publisher, message: Bytes) {
        let terms = self.terms.load();
        let reply = match Reply::parse(&message, terms.targets_max) {
            Ok(reply) => reply,
            Err(error) => return self.dropped(&error, &message),
        };
        let delivery = match reply.body {
            ReplyBody::Data(bytes) if terms.are_metered => Delivery::Metered { bytes, by: self.id },
            ReplyBody::Data(bytes) => Delivery::Data(bytes),
            ReplyBody::Close => Delivery::Close { by: self.id },
            ReplyBody::Extended(Extended::Ctl(ctl)) => {
                for &conn in &reply.targets {
                    self.control(ConnId(conn), from, ctl, &terms);
                }
                return;
            }
            ReplyBody::Extended(Extended::Drain(drain)) => {
                return self.retire(&reply.sender, &reply.targets, &drain);
            }
            ReplyBody::Extended(extended) => match filter(&extended, &terms) {
                Ok(delivery) => delivery,
                Err(fault) => {
                    self.dropped(&fault, &message);
                    return self.tell_of_the_gone(&reply.targets);
                }
            },
        };
        for &conn in &reply.targets {
            if self.contested.admits(ConnId(conn), from) {
                self.deliver(ConnId(conn), delivery.clone(), &terms);
            }
        }
    }

    /// Whoever it was for gets no other.
    fn oversized(&self, from: Publisher, begins: &Bytes, max: usize) {
        let terms = self.terms.load();
        for conn in Reply::addressees(begins).into_iter().map(ConnId) {
            if self.contested.admits(conn, from) {
                self.deliver(conn, Delivery::Oversized { max }, &terms);
            }
        }
    }

    fn repeated(&self, tag: Tag) {
        self.contested.insert(tag, |conn| self.registry.find(conn).is_some());
    }

    fn fell_silent(&self, publisher: Publisher) {
        for tag in self.contested.begun_by(publisher) {
            self.fail(tag, Failure::HandlerGone);
        }
    }

    fn notice(&self, notice: Notice) -> Bytes {
        let (sender, protocol) = (&self.handler.send_ident, wire_protocol(self.handler.protocol));
        let mut message = BytesMut::with_capacity(sender.len() + 96);
        match notice.news {
            News::Left => encode_disconnect(sender, notice.conn, protocol, &mut message),
            News::Written(bytes) => {
                encode_credits(sender, notice.conn, bytes, protocol, &mut message);
            }
        }
        message.freeze()
    }

    fn undelivered(&self, tag: Tag, why: Undelivered) {
        let why = match why {
            Undelivered::NoHandler | Undelivered::Closed => Failure::NoHandler,
            Undelivered::Busy => Failure::HandlersBusy,
            Undelivered::Stranded => Failure::NoOtherHandler,
            Undelivered::PeerLost => Failure::HandlerGone,
        };
        self.fail(tag, why);
    }
}

impl Replies {
    /// A reply was not obeyed. A handler that sends nothing else must not fill the log: the first
    /// hundred are told, and then each time their number has doubled.
    fn dropped(&self, error: &dyn std::error::Error, message: &Bytes) {
        let count = self.malformed.0.fetch_add(1, Ordering::Relaxed) + 1;
        if count <= TOLD_MAX || count.is_power_of_two() {
            let begins = message.slice(..message.len().min(SHOWN_BYTES));
            tracing::warn!(%error, begins = %begins.escape_ascii(), count, "dropped a reply");
        }
    }

    /// Whoever writes to a connection that is gone is told, whatever it says.
    fn tell_of_the_gone(&self, targets: &[u64]) {
        let Some(link) = self.link.get().and_then(Weak::upgrade) else { return };
        for &conn in targets {
            if self.registry.find(ConnId(conn)).is_none() {
                link.miss(ConnId(conn));
            }
        }
    }

    fn fail(&self, tag: Tag, why: Failure) {
        let failed = Delivery::Failed { exchange: tag.exchange, why };
        // A client that has left meanwhile needs no answer.
        let _gone = self.registry.deliver(ConnId(tag.conn), failed, usize::MAX);
    }

    fn retire(&self, handler: &[u8], conns: &[u64], drain: &Drain) {
        let Some(link) = self.link.get().and_then(Weak::upgrade) else { return };
        let retired = match drain {
            Drain::Named(identity) => link.retire(Retiring::Named(identity)),
            Drain::Holder => {
                conns.iter().try_for_each(|&conn| link.retire(Retiring::Holding(conn)))
            }
        };
        let handler = handler.escape_ascii();
        match retired {
            Ok(()) => tracing::info!(%handler, "a handler drains"),
            Err(why) => tracing::warn!(%handler, %why, "a handler that wants to drain goes on"),
        }
    }

    fn control(&self, conn: ConnId, from: Publisher, ctl: wire::reply::Ctl, terms: &ReplyTerms) {
        if ctl.keep_alive {
            self.deliver(conn, Delivery::KeepAlive, terms);
        }
        if let Some(credits) = ctl.credits {
            self.deliver(conn, Delivery::Credits(credits), terms);
        }
        if ctl.cancel && self.contested.hears(conn, from) {
            // A cancel of a connection that is gone has got what it wanted: no notice.
            let cancel = Delivery::Cancel { by: self.id };
            let _gone = self.registry.deliver(conn, cancel, terms.queue_bytes_max);
        }
    }

    fn deliver(&self, conn: ConnId, delivery: Delivery, terms: &ReplyTerms) {
        match self.registry.deliver(conn, delivery, terms.queue_bytes_max) {
            Delivered::Queued | Delivered::Closing => {}
            Delivered::Gone => {
                if let Some(link) = self.link.get().and_then(Weak::upgrade) {
                    link.miss(conn);
                }
            }
            Delivered::Overflow(Limit::Credits) => {
                tracing::warn!(%conn, limit = DOWNLOAD_CREDITS, "the handler sent more than its download credits, closing");
            }
            Delivered::Overflow(_) => {
                tracing::warn!(%conn, limit = terms.queue_bytes_max, "limits.connection_queue reached, the client reads too slowly");
            }
        }
    }
}

/// What an extended reply other than `ctl` asks for; one that can't be obeyed closes nothing.
fn filter(extended: &Extended, terms: &ReplyTerms) -> Result<Delivery, FilterFault> {
    let Extended::Filter { name, .. } = extended else { return Err(FilterFault::Unknown) };
    if **name != *b"sendfile" {
        return Err(FilterFault::Unknown);
    }
    let reply = file_reply(terms.sendfile_base.as_ref(), &extended.args())?;
    Ok(Delivery::File(Arc::new(reply)))
}

/// Why an extended reply is not obeyed.
#[derive(Debug, thiserror::Error)]
enum FilterFault {
    #[error("a reply names an unknown filter; known: ctl, sendfile")]
    Unknown,
    #[error(transparent)]
    Sendfile(#[from] SendfileFault),
}
