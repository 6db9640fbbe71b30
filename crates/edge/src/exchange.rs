//! One request and everything needed to answer it.

use crate::conversation::Conversation;
use crate::fault::{Fault, FaultKind};
use crate::message_socket::{Replies, SocketMessage};
use crate::peer::Peer;
use crate::reader::RequestBody;
use crate::response::Response;
use crate::{ConnId, Relayed};
use bytes::Bytes;
use http1::{CloseReason, RequestHead};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

/// What the program does with requests; the connection's task calls it.
pub trait Service: Send + Sync + 'static {
    /// What `serve` found out for the access log.
    type Trace: Send;

    /// The rules for the next request.
    fn rules(&self) -> Arc<Rules>;

    fn serve<'r>(
        &self,
        exchange: Exchange<'r, '_>,
    ) -> impl Future<Output = (Answer<'r>, Self::Trace)> + Send;

    /// Passes on a message that came without HTTP, and says how replies are written from now on. A
    /// fault is answered, and ends the connection. Must not block.
    fn message(&self, message: SocketMessage<'_>) -> Result<Replies, Fault> {
        let _nobody_takes_messages = message;
        Err(FaultKind::NotFound.into())
    }

    /// The operator's own page, in HTML, for an error of this status; for a client that takes it.
    fn error_page(&self, trace: &Self::Trace, status: u16) -> Option<Bytes> {
        let _none_for = (trace, status);
        None
    }

    /// An exchange, or a connection that never got as far, has ended. Must not block.
    fn record(&self, record: AccessRecord<'_, Self::Trace>);
}

/// The limits and deadlines that are in force, in the shapes their users need.
#[derive(Debug)]
pub struct Rules {
    pub limits: site::Limits,
    pub http: http1::Limits,
    pub tcp_keepalive: bool,
}

/// A request whose head has been read.
#[derive(Debug)]
pub struct Exchange<'r, 'w> {
    pub peer: &'r Peer,
    pub head: &'r RequestHead,
    pub body: RequestBody<'r>,
    pub client: Conversation<'w>,
}

/// What a target made of an exchange.
#[derive(Debug)]
pub enum Answer<'r> {
    /// Still to be sent.
    Response(Response<'r>),
    /// Still to be sent, in the words of the fault table.
    Fault(Fault),
    /// Sent by handlers, through [`Exchange::client`].
    Relayed(Relayed),
}

/// One line of the access log.
#[derive(Debug)]
pub struct AccessRecord<'a, T> {
    pub peer: &'a Peer,
    /// `None` when the request was refused before it had a head.
    pub head: Option<&'a RequestHead>,
    pub trace: Option<T>,
    /// 0 when nothing was answered, or what was answered is not HTTP.
    pub status: u16,
    /// Content bytes sent to the client.
    pub sent: u64,
    pub took: Duration,
    /// Why the connection ended, if it ended with this exchange.
    pub close: Option<CloseReason>,
}

impl Exchange<'_, '_> {
    pub fn conn(&self) -> ConnId {
        self.peer.conn
    }

    /// Tells a client that waits for it to send its body (RFC 9110 section 10.1.1).
    pub async fn invite(&mut self) -> Result<(), CloseReason> {
        if !self.head.expects_continue() || !self.body.awaits_invitation() {
            return Ok(());
        }
        self.client.inform(b"HTTP/1.1 100 Continue\r\n\r\n").await
    }
}
