//! Why a connection ended: a closed list, one entry per connection, printed in the access log.

use std::fmt;
use std::io;

use crate::refusal::Refusal;

/// Why a connection ended. Nothing closes without one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CloseReason {
    /// The peer closed between two requests: the ordinary end.
    PeerClosed,
    /// The peer closed in the middle of a head or a body.
    PeerCutShort,
    /// The request said `Connection: close`, or was HTTP/1.0 without `keep-alive`.
    PeerAskedClose,
    /// A handler sent the empty reply, or a `cancel`.
    HandlerClosed,
    /// A handler's reply could not be followed to its end.
    HandlerBrokeFraming,
    /// A handler went away with a request of this connection.
    HandlerLost,
    /// A response that only the close ends, or that says `Connection: close`, is complete.
    ResponseEnded,
    /// An upstream failed after its response had begun.
    UpstreamFailed,
    /// A tunnel (101, WebSocket, message socket) reached its end.
    TunnelEnded,
    /// We closed a WebSocket with this code (RFC 6455 section 7.4).
    WebSocket(u16),
    /// A wait lasted too long.
    Deadline(Deadline),
    /// A bound was passed.
    Limit(Limit),
    /// The peer broke a rule.
    BadRequest(Refusal),
    /// An answer of ours that ends the connection, by its status (404 without a route, 413, 503).
    Answered(u16),
    /// The server is going down or handing over.
    Draining,
    /// An operator killed it through the control port.
    Killed,
    /// The socket failed.
    Io(io::ErrorKind),
    /// TLS failed.
    Tls,
    /// An event came that the lifecycle does not allow: a bug of ours.
    OutOfStep,
}

/// The wait that lasted too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Deadline {
    /// First byte or TLS handshake.
    Opening,
    /// A whole request head.
    Head,
    /// Progress of a request body.
    Body,
    /// Progress of what we write.
    Write,
    /// Between two requests.
    Idle,
    /// A handler's reply, or a place in its queue.
    Handler,
    /// An upstream.
    Upstream,
    /// Mongrel2's `limits.min_ping`.
    Ping,
    /// The drain of the whole server.
    Drain,
}

/// The bound that was passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Limit {
    /// Connections at once.
    Connections,
    /// Requests on one connection.
    Requests,
    /// Bytes of a request body.
    BodyBytes,
    /// Bytes of an unread body that would have been skipped.
    SkipBytes,
    /// Replies waiting for a slow client.
    ReplyQueue,
    /// Bytes of one reply of a handler.
    ReplyBytes,
    /// Bytes of one message on a message socket or WebSocket.
    MessageBytes,
    /// Mongrel2's `limits.min_read_rate`.
    ReadRate,
    /// Mongrel2's `limits.min_write_rate`.
    WriteRate,
    /// Flow-control credits.
    Credits,
}

impl CloseReason {
    /// A short name for logs and metrics; it never changes, and there are few.
    pub fn name(self) -> &'static str {
        match self {
            Self::PeerClosed => "peer_closed",
            Self::PeerCutShort => "peer_cut_short",
            Self::PeerAskedClose => "peer_asked_close",
            Self::HandlerClosed => "handler_closed",
            Self::HandlerBrokeFraming => "handler_broke_framing",
            Self::HandlerLost => "handler_lost",
            Self::ResponseEnded => "response_ended",
            Self::UpstreamFailed => "upstream_failed",
            Self::TunnelEnded => "tunnel_ended",
            Self::WebSocket(_) => "websocket",
            Self::Deadline(deadline) => deadline.name(),
            Self::Limit(limit) => limit.name(),
            Self::BadRequest(_) => "bad_request",
            Self::Answered(_) => "answered",
            Self::Draining => "draining",
            Self::Killed => "killed",
            Self::Io(_) => "io",
            Self::Tls => "tls",
            Self::OutOfStep => "out_of_step",
        }
    }

    /// The answer owed before the close, where one is: a status, or nothing.
    pub fn status(self) -> Option<u16> {
        match self {
            Self::BadRequest(refusal) => Some(refusal.status()),
            Self::Answered(status) => Some(status),
            Self::Deadline(Deadline::Head | Deadline::Body) => Some(408),
            Self::Deadline(Deadline::Handler) => Some(503),
            Self::Deadline(Deadline::Upstream) => Some(504),
            Self::Limit(Limit::Connections) => Some(503),
            Self::Limit(Limit::BodyBytes) => Some(413),
            _ => None,
        }
    }
}

impl Deadline {
    fn name(self) -> &'static str {
        match self {
            Self::Opening => "deadline_opening",
            Self::Head => "deadline_head",
            Self::Body => "deadline_body",
            Self::Write => "deadline_write",
            Self::Idle => "deadline_idle",
            Self::Handler => "deadline_handler",
            Self::Upstream => "deadline_upstream",
            Self::Ping => "deadline_ping",
            Self::Drain => "deadline_drain",
        }
    }
}

impl Limit {
    fn name(self) -> &'static str {
        match self {
            Self::Connections => "limit_connections",
            Self::Requests => "limit_requests",
            Self::BodyBytes => "limit_body_bytes",
            Self::SkipBytes => "limit_skip_bytes",
            Self::ReplyQueue => "limit_reply_queue",
            Self::ReplyBytes => "limit_reply_bytes",
            Self::MessageBytes => "limit_message_bytes",
            Self::ReadRate => "limit_read_rate",
            Self::WriteRate => "limit_write_rate",
            Self::Credits => "limit_credits",
        }
    }
}

/// The name, with what a log reader needs beside it: `bad_request:bare_lf`, `answered:404`, `io:broken pipe`.
impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        match self {
            Self::BadRequest(refusal) => write!(f, ":{}", refusal.name()),
            Self::Answered(status) => write!(f, ":{status}"),
            Self::WebSocket(code) => write!(f, ":{code}"),
            Self::Io(kind) => write!(f, ":{kind}"),
            _ => Ok(()),
        }
    }
}
