//! Everything a handler can send.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::{Bytes, BytesMut};
use tokio::sync::{mpsc, oneshot};
use wire::reply::{self, Ctl, TARGETS_MAX};
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
    /// The link broke after the request came, so its connection id may mean another client now.
    #[error("reply to connection {0} is from before the link to the server was lost")]
    Stale(u64),
    /// An empty body asks to close.
    #[error("reply has no body, which would close the connection; close() does that")]
    Empty,
    /// A stream of events needs chunks, and this client speaks HTTP/1.0.
    #[error("client of connection {0} speaks HTTP/1.0, which has no chunks")]
    NoChunks(u64),
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

    /// Sends bytes to the client as they are: for HTTP, status line and all.
    ///
    /// # Errors
    ///
    /// [`SendError::Stale`], [`SendError::Empty`], [`SendError::LinkEnded`].
    pub async fn reply(
        &self,
        request: &Request,
        body: impl AsRef<[u8]> + Send,
    ) -> Result<(), SendError> {
        self.check_fresh(request)?;
        self.reply_many(&[request.conn()], body).await
    }

    /// Sends a whole HTTP response; without its body if the request's method is HEAD.
    ///
    /// # Errors
    ///
    /// [`SendError::Stale`], [`SendError::LinkEnded`].
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
    /// [`SendError::Stale`], [`SendError::LinkEnded`].
    pub async fn close(&self, request: &Request) -> Result<(), SendError> {
        self.check_fresh(request)?;
        self.close_many(&[request.conn()]).await
    }

    /// Closes many connections.
    ///
    /// # Errors
    ///
    /// [`SendError::LinkEnded`].
    pub async fn close_many(&self, conns: &[u64]) -> Result<(), SendError> {
        self.send(conns, |sender, conns, out| reply::encode(sender, conns, b"", out)).await
    }

    /// Begins a stream of server-sent events; [`Self::send_event`] continues it.
    ///
    /// # Errors
    ///
    /// [`SendError::NoChunks`], [`SendError::Stale`], [`SendError::LinkEnded`].
    pub async fn start_events(&self, request: &Request) -> Result<(), SendError> {
        if request.version() == "HTTP/1.0" {
            return Err(SendError::NoChunks(request.conn()));
        }
        self.reply(request, event::HEAD).await
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

    fn check_fresh(&self, request: &Request) -> Result<(), SendError> {
        if request.generation() == self.restarts.load(Ordering::Acquire) {
            Ok(())
        } else {
            Err(SendError::Stale(request.conn()))
        }
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
