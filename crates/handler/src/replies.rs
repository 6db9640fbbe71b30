//! Everything a handler can send.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::{Bytes, BytesMut};
use tokio::sync::{mpsc, oneshot};
use wire::reply::{self, Ctl, Drain, TARGETS_MAX};
use wire::tnetstring::Value;

use crate::event::{self, Event};
use crate::link::Outgoing;
use crate::request::Request;
use crate::response::Response;

/// The sending half of a handler; clones send through the same link, in the order of their calls.
///
/// A method returns when the reply is queued, not when the client has it; [`Self::flush`] waits
/// until it is written to the server. May be called for any connection at any time, also for those
/// another handler was asked about.
#[derive(Debug, Clone)]
pub struct Replies {
    sender: Arc<str>,
    queue: mpsc::Sender<Outgoing>,
    restarts: Arc<AtomicU64>,
}

/// Why a reply was not queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The task that writes has ended; this happens when the runtime shuts down.
    #[error("handler's link to the server has ended")]
    LinkEnded,
    /// An empty body asks to close.
    #[error("reply has no body, which would close the connection; close() does that")]
    Empty,
}

impl Replies {
    pub(crate) fn new(
        sender: &str,
        queue: mpsc::Sender<Outgoing>,
        restarts: Arc<AtomicU64>,
    ) -> Self {
        Self { sender: sender.into(), queue, restarts }
    }

    pub(crate) fn restarts(&self) -> &AtomicU64 {
        &self.restarts
    }

    /// The link broke after this request came. Its client is gone, and its connection id may mean
    /// another one now, so replies to it are dropped.
    #[must_use]
    pub fn is_stale(&self, request: &Request) -> bool {
        request.generation() != self.restarts.load(Ordering::Acquire)
    }

    /// Sends bytes to the client as they are: for HTTP, status line and all.
    ///
    /// # Errors
    ///
    /// [`SendError::Empty`], [`SendError::LinkEnded`].
    pub async fn reply(
        &self,
        request: &Request,
        body: impl AsRef<[u8]> + Send,
    ) -> Result<(), SendError> {
        self.reply_many(self.fresh(request), body).await
    }

    /// Sends a whole HTTP response; without its body if the request's method is HEAD.
    ///
    /// # Errors
    ///
    /// [`SendError::LinkEnded`].
    pub async fn reply_http(
        &self,
        request: &Request,
        response: &Response,
    ) -> Result<(), SendError> {
        self.reply(request, response.encode(request.method() == "HEAD")).await
    }

    /// Sends the same bytes to many connections, [`TARGETS_MAX`] per message.
    ///
    /// # Errors
    ///
    /// [`SendError::Empty`], [`SendError::LinkEnded`].
    pub async fn reply_many(
        &self,
        conns: &[u64],
        body: impl AsRef<[u8]> + Send,
    ) -> Result<(), SendError> {
        let body = body.as_ref();
        if body.is_empty() {
            return Err(SendError::Empty);
        }
        self.send(conns, |sender, conns, out| reply::encode(sender, conns, body, out)).await
    }

    /// Closes the connection after what was sent before has reached the client.
    ///
    /// # Errors
    ///
    /// [`SendError::LinkEnded`].
    pub async fn close(&self, request: &Request) -> Result<(), SendError> {
        self.close_many(self.fresh(request)).await
    }

    /// Closes many connections.
    ///
    /// # Errors
    ///
    /// [`SendError::LinkEnded`].
    pub async fn close_many(&self, conns: &[u64]) -> Result<(), SendError> {
        self.send(conns, |sender, conns, out| reply::encode(sender, conns, b"", out)).await
    }

    /// Begins a stream of server-sent events; [`Self::send_event`] continues it. `false` for a
    /// client of HTTP/1.0, which has no chunks: it gets an answer that says so.
    ///
    /// # Errors
    ///
    /// [`SendError::LinkEnded`].
    pub async fn start_events(&self, request: &Request) -> Result<bool, SendError> {
        let has_chunks = request.version() != "HTTP/1.0";
        if has_chunks {
            self.reply(request, event::HEAD).await?;
        } else {
            let answer = Response::text(505, "A stream of events needs HTTP/1.1.\n");
            self.reply_http(request, &answer).await?;
        }
        Ok(has_chunks)
    }

    /// Sends an event to all streams that [`Self::start_events`] began on these connections.
    ///
    /// # Errors
    ///
    /// [`SendError::LinkEnded`].
    pub async fn send_event(&self, conns: &[u64], event: &Event) -> Result<(), SendError> {
        self.reply_many(conns, event.encode_chunk()).await
    }

    /// Ends streams of events; the connections stay open.
    ///
    /// # Errors
    ///
    /// [`SendError::LinkEnded`].
    pub async fn end_events(&self, conns: &[u64]) -> Result<(), SendError> {
        self.reply_many(conns, event::END).await
    }

    /// Restarts the ping clock of connections, so that idle ones stay open.
    ///
    /// # Errors
    ///
    /// [`SendError::LinkEnded`].
    pub async fn keep_alive(&self, conns: &[u64]) -> Result<(), SendError> {
        self.ctl(conns, Ctl { keep_alive: true, ..Ctl::default() }).await
    }

    /// Grants `bytes` more of a streamed upload.
    ///
    /// # Errors
    ///
    /// [`SendError::LinkEnded`].
    pub async fn credits(&self, conns: &[u64], bytes: u32) -> Result<(), SendError> {
        self.ctl(conns, Ctl { credits: Some(bytes.into()), ..Ctl::default() }).await
    }

    /// Closes connections at once, whatever is queued for them.
    ///
    /// # Errors
    ///
    /// [`SendError::LinkEnded`].
    pub async fn cancel(&self, conns: &[u64]) -> Result<(), SendError> {
        self.ctl(conns, Ctl { cancel: true, ..Ctl::default() }).await
    }

    /// Sends any `ctl` reply.
    ///
    /// # Errors
    ///
    /// [`SendError::LinkEnded`].
    pub async fn ctl(&self, conns: &[u64], ctl: Ctl) -> Result<(), SendError> {
        self.send(conns, |sender, conns, out| reply::encode_ctl(sender, conns, ctl, out)).await
    }

    pub(crate) async fn drain(&self, identity: &str) -> Result<(), SendError> {
        let drain = Drain::Named(Bytes::copy_from_slice(identity.as_bytes()));
        // It concerns no connection.
        self.send(&[0], |sender, conns, out| reply::encode_drain(sender, conns, &drain, out)).await
    }

    /// Sends an extended reply for the server's filter `name`.
    ///
    /// # Errors
    ///
    /// [`SendError::LinkEnded`].
    pub async fn filter(
        &self,
        conns: &[u64],
        name: &str,
        args: &Value<'_>,
    ) -> Result<(), SendError> {
        self.send(conns, |sender, conns, out| reply::encode_filter(sender, conns, name, args, out))
            .await
    }

    /// Waits until everything queued so far is written to the server's connection.
    ///
    /// # Errors
    ///
    /// [`SendError::LinkEnded`].
    pub async fn flush(&self) -> Result<(), SendError> {
        let (done, written) = oneshot::channel();
        self.enqueue(Outgoing::Flush(done)).await?;
        written.await.map_err(|_| SendError::LinkEnded)
    }

    /// The connection to reply to, if it still means the client that sent the request.
    fn fresh<'r>(&self, request: &'r Request) -> &'r [u64] {
        if self.is_stale(request) {
            tracing::debug!(conn = request.conn(), "reply dropped, its client is gone");
            return &[];
        }
        std::slice::from_ref(request.conn_ref())
    }

    async fn send(
        &self,
        conns: &[u64],
        encode: impl Fn(&str, &[u64], &mut BytesMut),
    ) -> Result<(), SendError> {
        for conns in conns.chunks(TARGETS_MAX) {
            let mut message = BytesMut::new();
            encode(&self.sender, conns, &mut message);
            self.enqueue(Outgoing::Message(Bytes::from(message))).await?;
        }
        Ok(())
    }

    async fn enqueue(&self, outgoing: Outgoing) -> Result<(), SendError> {
        self.queue.send(outgoing).await.map_err(|_| SendError::LinkEnded)
    }
}
