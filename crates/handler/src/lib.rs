//! SDK for handlers: requests by PULL, replies by PUB, twenty lines to an answer.
//!
//! A handler is a program of its own. The server binds two ZeroMQ sockets for it, `send_spec` for
//! requests and `recv_spec` for replies; any number of handlers connect to them, come and go.
//!
//! ```no_run
//! use handler::{Handler, HandlerOptions, Response};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let options = HandlerOptions::new("tcp://127.0.0.1:9997", "tcp://127.0.0.1:9996");
//! let mut handler = Handler::connect(options).await?;
//! loop {
//!     let request = handler.next().await?;
//!     if !request.is_notice() {
//!         handler.reply_http(&request, &Response::text(200, "hello\n")).await?;
//!     }
//! }
//! # }
//! ```
//!
//! # When replies get lost
//!
//! ZeroMQ's PUB and SUB drop what is sent before the subscription has arrived. Therefore
//! [`Handler::connect`] returns only when the server has subscribed. When the link breaks (the
//! server restarts), the SDK connects again by itself. A new server process counts its connection
//! ids from the start, so a late reply could reach a stranger. Therefore replies to requests from
//! before that are dropped ([`Replies::is_stale`]), and so are all replies while the link is down.
//! Who keeps connection ids forgets them when [`Handler::restarts`] grows.

mod event;
mod link;
mod options;
mod replies;
mod request;
mod response;
mod websocket;

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::mpsc;
use tokio::time::timeout;

use link::{Progress, Publisher, Puller, Requests};

pub use event::Event;
pub use options::{ConnectError, HandlerOptions};
pub use replies::{Replies, SendError};
pub use request::{Notice, Request, Upload, UploadStream};
pub use response::Response;
pub use websocket::WebSocket;
pub use wire::reply::Ctl;
pub use wire::tnetstring::Value;

/// Requests taken from the server before [`Handler::next`] asks for them. Few: what is here is
/// lost when this program ends, while the server can give the rest to another handler.
const REQUESTS_AHEAD_MAX: usize = 16;

/// Replies waiting to be written; more make the senders wait.
const REPLIES_QUEUED_MAX: usize = 1024;

/// A connected handler. Everything that can be sent is a method of [`Replies`], which this
/// dereferences to.
#[derive(Debug)]
pub struct Handler {
    requests: Requests,
    replies: Replies,
    malformed: u64,
}

/// The tasks behind this handler have ended; this happens when the runtime shuts down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("handler's link to the server has ended")]
pub struct LinkEnded;

impl Handler {
    /// Connects to a server; it may start later than this program.
    ///
    /// Returns when replies can reach the server: its SUB socket has subscribed to what we send.
    ///
    /// # Errors
    ///
    /// A [`ConnectError`] that says what the server did not do within
    /// [`HandlerOptions::connect_timeout`].
    pub async fn connect(options: HandlerOptions) -> Result<Self, ConnectError> {
        options.check()?;
        let progress = Progress::default();
        let (publisher, puller) = timeout(options.connect_timeout, async {
            let publisher =
                Publisher::connect(&options.recv_spec, &options.sender_id, &progress).await;
            // Requests come only when they can be answered.
            let puller = Puller::connect(&options.send_spec, &progress).await;
            (publisher, puller)
        })
        .await
        .map_err(|_| progress.timed_out(&options))?;

        let restarts = Arc::new(AtomicU64::new(0));
        let (request_sender, requests) = mpsc::channel(REQUESTS_AHEAD_MAX);
        let (reply_sender, reply_receiver) = mpsc::channel(REPLIES_QUEUED_MAX);
        tokio::spawn(puller.run(request_sender, Arc::clone(&restarts)));
        tokio::spawn(publisher.run(reply_receiver));
        let replies = Replies::new(&options.sender_id, reply_sender, restarts);
        Ok(Self { requests, replies, malformed: 0 })
    }

    /// Waits for the next message of the server: a request, or a notice about a connection
    /// ([`Request::notice`]). May be cancelled; nothing is lost.
    ///
    /// A message that cannot be read is skipped and counted: Mongrel2 lets clients break the JSON
    /// of their own requests, and that must not end a handler.
    ///
    /// # Errors
    ///
    /// [`LinkEnded`].
    pub async fn next(&mut self) -> Result<Request, LinkEnded> {
        loop {
            let (message, generation) = self.requests.recv().await.ok_or(LinkEnded)?;
            match Request::parse(message, generation) {
                Ok(request) => return Ok(request),
                Err(error) => {
                    self.malformed = self.malformed.saturating_add(1);
                    tracing::warn!(error = &error as &dyn std::error::Error, "request skipped");
                }
            }
        }
    }

    /// Messages that [`Self::next`] has skipped.
    #[must_use]
    pub fn malformed(&self) -> u64 {
        self.malformed
    }

    /// The sending half, to clone into other tasks.
    #[must_use]
    pub fn replies(&self) -> &Replies {
        &self.replies
    }

    /// How often the link for requests broke and was connected again.
    #[must_use]
    pub fn restarts(&self) -> u64 {
        self.replies.restarts().load(Ordering::Acquire)
    }

    /// Writes the replies that are queued, then disconnects.
    ///
    /// # Errors
    ///
    /// [`SendError::LinkEnded`].
    pub async fn shutdown(self) -> Result<(), SendError> {
        self.replies.flush().await
    }
}

impl Deref for Handler {
    type Target = Replies;

    fn deref(&self) -> &Replies {
        &self.replies
    }
}
