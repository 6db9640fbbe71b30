//! What can go wrong with a request, whose fault it is, and the one table that makes an answer of it.

use http1::{CloseReason, Refusal};
use std::borrow::Cow;

/// A request that can't be served as asked, as data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub kind: FaultKind,
    /// What was wrong in this case; the table's text where empty.
    pub detail: Cow<'static, str>,
    /// The connection ends even where the table would keep it.
    ends: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    Client,
    Upstream,
    Handler,
    Ours,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// The bytes are not a request that we take (RFC 9112).
    Refused(Refusal),
    /// The bytes are not a message that we take.
    BadMessage,
    /// WebSocket, but not in version 13 (RFC 6455 section 4.4).
    WebSocketVersion,
    /// The head stopped coming.
    HeadTimeout,
    NotFound,
    /// An `https` URI over a connection that is not secured (RFC 9110 section 7.4).
    Misdirected,
    /// A method that this server has no use for (RFC 9110 section 9.1).
    MethodUnknown,
    /// Only these methods are served here, as an Allow field lists them.
    MethodNotAllowed(&'static str),
    PreconditionFailed,
    /// No range of the request lies within this many bytes.
    RangeNotSatisfiable {
        length: u64,
    },
    BodyTooLarge,
    /// The body stopped coming.
    BodyTimeout,
    /// The client left before its request was whole.
    ClientGone,
    /// The connection is being closed, for this reason; nothing is said.
    Killed(CloseReason),
    UpstreamUnreachable,
    UpstreamBroken,
    UpstreamTimeout,
    /// No handler took the request in time; Retry-After, in seconds.
    NoHandler {
        retry_after: u32,
    },
    HandlerGone,
    /// The first that a handler said can't begin an answer.
    HandlerBroken,
    HandlerTimeout,
    /// A handler's reply was not read because of its size.
    ReplyTooLarge,
    Internal,
    StoreFull,
    /// The server is going down, and no handler has answered within `timeout.drain`.
    Draining,
    /// More connections than `limits.connections`.
    Overloaded {
        retry_after: u32,
    },
}

/// One row of the table: what a fault is to the client.
#[derive(Clone, Copy, Debug)]
pub struct Verdict {
    pub whose: Whose,
    pub status: u16,
    pub text: &'static str,
    /// Whether the next request on this connection can still be read.
    pub keep: bool,
}

impl FaultKind {
    /// The table.
    pub fn verdict(self) -> Verdict {
        use Whose::{Client, Handler, Ours, Upstream};
        let (whose, status, keep, text) = match self {
            Self::Refused(refusal) => (Client, refusal.status(), false, "The request was refused."),
            Self::HeadTimeout => (Client, 408, false, "The request head stopped coming."),
            Self::BadMessage => (Client, 400, false, "The message was refused."),
            Self::WebSocketVersion => {
                (Client, 426, true, "Version 13 of WebSocket is spoken here.")
            }
            Self::NotFound => (Client, 404, true, "There is nothing here under this name."),
            Self::Misdirected => {
                (Client, 421, true, "An https URI can't be served over a connection without TLS.")
            }
            Self::MethodUnknown => (Client, 501, true, "This method is not known here."),
            Self::MethodNotAllowed(_) => (Client, 405, true, "This method is not served here."),
            Self::PreconditionFailed => (Client, 412, true, "A condition of the request failed."),
            Self::RangeNotSatisfiable { .. } => {
                (Client, 416, true, "The range lies outside the file.")
            }
            Self::BodyTooLarge => (Client, 413, false, "The body is larger than is taken here."),
            Self::BodyTimeout => (Client, 408, false, "The body stopped coming."),
            Self::ClientGone => (Client, 400, false, "The request ended early."),
            Self::Killed(_) => (Ours, 503, false, "The connection was closed."),
            Self::UpstreamUnreachable => (Upstream, 502, true, "The back end can't be reached."),
            Self::UpstreamBroken => (Upstream, 502, true, "The back end's answer is not HTTP."),
            Self::UpstreamTimeout => (Upstream, 504, true, "The back end did not answer in time."),
            Self::NoHandler { .. } => (Handler, 503, true, "No handler is there to answer."),
            // A handler that is late after all would answer the next request: replies name a
            // connection, not a request.
            Self::HandlerGone => (Handler, 502, false, "The handler left without an answer."),
            Self::HandlerBroken => (Handler, 502, false, "The handler's answer is not HTTP."),
            Self::HandlerTimeout => (Handler, 504, false, "The handler did not answer in time."),
            Self::ReplyTooLarge => (
                Handler,
                502,
                false,
                "The handler's reply is larger than handler.message_max allows.",
            ),
            Self::Internal => (Ours, 500, true, "The server could not do this."),
            Self::StoreFull => (Ours, 507, false, "There is no room for the body."),
            Self::Draining => (Ours, 503, false, "The server is going down."),
            Self::Overloaded { .. } => (Ours, 503, false, "Too many connections are open."),
        };
        Verdict { whose, status, text, keep }
    }
}

impl Fault {
    pub fn new(kind: FaultKind, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, detail: detail.into(), ends: false }
    }

    /// The same, ending its connection: an answer from elsewhere may still come, and would be read
    /// as that to the next request.
    #[must_use]
    pub fn ending(self) -> Self {
        Self { ends: true, ..self }
    }

    /// Whether the next request on this connection can still be served.
    pub fn keeps(&self) -> bool {
        !self.ends && self.kind.verdict().keep
    }

    /// What the client is told.
    pub fn text(&self) -> &str {
        if self.detail.is_empty() { self.kind.verdict().text } else { &self.detail }
    }
}

impl From<FaultKind> for Fault {
    fn from(kind: FaultKind) -> Self {
        Self::new(kind, "")
    }
}

impl Fault {
    /// A handler's reply has more than `max` bytes.
    pub(crate) fn reply_too_large(max: usize) -> Self {
        let detail =
            format!("The handler's reply is larger than handler.message_max, {max} bytes.");
        Self::new(FaultKind::ReplyTooLarge, detail)
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        Self::new(FaultKind::Refused(refusal), refusal.to_string())
    }
}
