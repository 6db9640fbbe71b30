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
//! # Coming and going
//!
//! [`Handler::serve`] is that loop with several requests at work at once, and it drains: when the
//! process gets SIGTERM it asks the server for no more requests, answers those it has, and returns.
//! Nothing that was given to this handler is lost. Whoever loops by hand calls [`Handler::drain`].
//!
//! # When replies get lost
//!
//! ZeroMQ's PUB and SUB drop what is sent before the subscription has arrived. Therefore
//! [`Handler::connect`] returns only when the server has subscribed. When a link breaks (the server
//! restarts), the SDK connects both again by itself, as a new handler, and the server gives what
//! was open to others. A new server process counts its connection ids from the start, so a late
//! reply could reach a stranger. Therefore replies to requests from before that are dropped
//! ([`Replies::is_stale`]), and so are all replies while the links are down.
//! Who keeps connection ids forgets them when [`Handler::restarts`] grows.

mod event;
mod link;
mod options;
mod replies;
mod request;
mod response;
mod serve;
mod websocket;

use std::hash::{BuildHasher, Hasher, RandomState};
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::mpsc;
use tokio::time::timeout;

use bytes::Bytes;
use link::{Links, Progress, Requests, Route};

pub use event::Event;
pub use options::{ConnectError, HandlerOptions};
pub use replies::{Replies, SendError};
pub use request::{Notice, Request, Upload, UploadStream};
pub use response::Response;
pub use serve::ServeError;
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
    /// What the server knows our PULL socket by.
    identity: Arc<str>,
    draining: Arc<AtomicBool>,
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
        let (restarts, draining) = (Arc::default(), Arc::default());
        let route = Route {
            send_spec: options.send_spec.clone(),
            recv_spec: options.recv_spec.clone(),
            prefix: format!("{} ", options.sender_id).into_bytes(),
            identity: identity(&options.sender_id),
            restarts: Arc::clone(&restarts),
            draining: Arc::clone(&draining),
        };
        let links = timeout(options.connect_timeout, Links::connect(&route, &progress))
            .await
            .map_err(|_| progress.timed_out(&options))?;

        let (request_sender, requests) = mpsc::channel(REQUESTS_AHEAD_MAX);
        let (reply_sender, reply_receiver) = mpsc::channel(REPLIES_QUEUED_MAX);
        let identity = Arc::clone(&route.identity);
        tokio::spawn(links.run(route, request_sender, reply_receiver));
        let replies = Replies::new(&options.sender_id, reply_sender, restarts);
        Ok(Self { requests, replies, malformed: 0, identity, draining })
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
            if let Some(request) = self.read(message, generation) {
                return Ok(request);
            }
        }
    }

    /// The next message, if it is here already.
    fn at_hand(&mut self) -> Option<Request> {
        while let Ok((message, generation)) = self.requests.try_recv() {
            if let Some(request) = self.read(message, generation) {
                return Some(request);
            }
        }
        None
    }

    fn read(&mut self, message: Bytes, generation: u64) -> Option<Request> {
        let request = Request::parse(message, generation);
        request
            .inspect_err(|error| {
                self.malformed = self.malformed.saturating_add(1);
                tracing::warn!(error = error as &dyn std::error::Error, "request skipped");
            })
            .ok()
    }

    /// Asks the server for no more requests. Those it has sent already still come, and must be
    /// answered; the last message is [`Notice::Drained`], after which this handler may end once its
    /// answers are written ([`Self::shutdown`]). [`Self::serve`] does all of it on SIGTERM.
    ///
    /// Mongrel2 does not know this and goes on.
    ///
    /// # Errors
    ///
    /// [`SendError::LinkEnded`].
    pub async fn drain(&self) -> Result<(), SendError> {
        self.draining.store(true, Ordering::Release);
        self.replies.drain(&self.identity).await
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

    /// How often the links to the server broke.
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

/// A name that no other handler has: its sender id, and a number by chance.
fn identity(sender_id: &str) -> Arc<str> {
    let number = RandomState::new().build_hasher().finish();
    let named: String = sender_id.chars().take(IDENTITY_SENDER_MAX).collect();
    format!("{named}-{number:016x}").into()
}

/// Of a sender id in an identity, which has at most 255 bytes.
const IDENTITY_SENDER_MAX: usize = 64;
