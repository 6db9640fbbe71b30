//! What goes over a link and what a link tells its owner.

use std::time::Duration;

use bytes::Bytes;

/// Names a peer that replies come from; never used twice by one link.
pub type Publisher = zmtp::PeerId;

/// Names one exchange of one client connection, for tracking its request.
///
/// Several messages may carry the same tag (upload start and done); `answered` forgets them all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tag {
    /// The client connection.
    pub conn: u64,
    /// Which exchange of that connection.
    pub exchange: u64,
}

/// A message for one handler of the link.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// The frame, ready for the wire.
    pub message: Bytes,
    /// What becomes of it when there is no peer, or its peer goes away.
    pub delivery: Delivery,
}

/// How much the link cares for a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// Awaits an answer: known until `Link::answered(tag)` or `LinkEvents::undelivered(tag)`.
    Request {
        /// The exchange it belongs to.
        tag: Tag,
        /// Whether it may be sent a second time when the peer that had it is lost.
        replayable: bool,
    },
    /// Waits for a peer like a request but is forgotten once written (a WebSocket frame, an
    /// upload's start): no answer ends it.
    Message {
        /// The exchange it belongs to.
        tag: Tag,
    },
    /// More of a request that some peer has (a part of its body): goes to that peer alone, in
    /// order, whether it has room or not, so the sender bounds how much of it is on its way; see
    /// `Link::given`. Forgotten once written, dropped when that peer has left.
    Part {
        /// The exchange it belongs to.
        tag: Tag,
    },
}

impl Delivery {
    pub(super) fn tag(self) -> Tag {
        match self {
            Self::Request { tag, .. } | Self::Message { tag } | Self::Part { tag } => tag,
        }
    }
}

/// News of a connection for one handler of the link; its bytes are made when a peer is given it, so
/// that many may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Notice {
    /// The client connection.
    pub conn: u64,
    /// What happened to it.
    pub news: News,
}

/// What happened to a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// It has ended.
    Left,
    /// So many bytes of the handler's replies have been written to it.
    Written(u64),
}

/// Who may still answer an exchange that is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Holders {
    /// No peer has been given its request, as far as is known.
    Nobody,
    /// One has.
    One,
    /// A second one was given it when the first was lost: then another answer may come, and must
    /// not be read as the next one.
    Several,
}

/// How far a message has come. Of several with one tag, the one that is furthest behind counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// No peer has room for it, or there is none.
    Waiting,
    /// It has a peer, which has not begun to read it.
    Queued,
    /// A peer has it, or is being written it.
    Given,
}

/// What becomes of a request whose answer is late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overdue {
    /// No peer has had it for that long yet; another look is due after this time.
    Wait(Duration),
    /// Another peer is asked. The first may still answer, too: when either has, the other's answer
    /// must not be read as the next one.
    Repeated,
    /// It can't be sent again.
    GiveUp,
}

/// Why a message was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Undelivered {
    /// No handler was connected for `queue_timeout`.
    NoHandler,
    /// Handlers were connected, but none had room for `queue_timeout`.
    Busy,
    /// The handler that had the request went away, and it can't be sent again.
    PeerLost,
    /// The handler that had the request went away, and none had room for it for `queue_timeout`
    /// more. The one that went may answer yet.
    Stranded,
    /// The link was closed before a handler had it.
    Closed,
}

/// Why a message was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotSent {
    /// No peer has room and `queue_max` messages, or `notices_max` notices, wait already.
    #[error("the handler's waiting queue is full")]
    QueueFull,
    /// A part of a request that no peer has.
    #[error("no handler has the request")]
    NoPeer,
    /// `Link::close` was called.
    #[error("the handler link is closed")]
    Closed,
}

/// Who is to be given no more requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retiring<'a> {
    /// The peers whose PULL socket announced this identity.
    Named(&'a [u8]),
    /// The peer that was given an unanswered request of this connection.
    Holding(u64),
}

/// Why nobody was retired.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotRetired {
    /// No such peer is connected.
    #[error("no connected handler has that identity or an unanswered request of that connection")]
    Unknown,
    /// Two peers were given requests of the connection.
    #[error("two handlers have unanswered requests of that connection")]
    Ambiguous,
}

/// What happens on a link, called from the link's own tasks; must not block.
pub trait LinkEvents: Send + Sync + 'static {
    /// One reply frame from any handler.
    fn message(&self, from: Publisher, message: Bytes);

    /// A reply of more than `LinkLimits::message_bytes_max`, which is `max`, was not read; of its
    /// first bytes there are enough to name hundreds of connections.
    fn oversized(&self, _from: Publisher, _begins: &Bytes, _max: usize) {}

    /// A request is on its way to a second peer; the first may still answer it. Called while the
    /// link is locked: must not call the link.
    fn repeated(&self, _tag: Tag) {}

    /// No reply comes from there any more.
    fn fell_silent(&self, _publisher: Publisher) {}

    /// The message that tells a handler of `notice`. Called while the link is locked: must not call
    /// the link.
    fn notice(&self, notice: Notice) -> Bytes;

    /// A request or message was given up; called at most once for each, and never after `answered`
    /// returned. May be called from within `Link::send` or `Link::answered` of another request.
    fn undelivered(&self, tag: Tag, why: Undelivered);
}
