//! One connection to a back end: hyper's two ends of it, driven by the task whose request it carries.

use super::alarm::Alarm;
use super::failure::Failure;
use super::interim::{Interim, Stream, Wanted};
use super::upload::Content;
use super::waking::Waking;
use hyper::body::Incoming;
use hyper::client::conn::http1::{Builder, Connection, SendRequest};
use hyper::header::HeaderMap;
use hyper::http::Extensions;
use hyper::{Request, Response};
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout};

/// What hyper may hold of one message in each direction, heads included. A backlog of this size
/// keeps the pipe full; more would only be memory.
const BUFFER_BYTES_MAX: usize = 64 << 10;
/// Fields of a head for which hyper needs no allocation.
const FIELDS_INLINE: usize = 100;
/// Fields for which an idle connection keeps room.
const FIELDS_KEPT: usize = 48;

/// No task of its own: whoever holds it polls it. Dropping it closes the connection, and a request
/// that is not complete is thereby broken off.
#[derive(Debug)]
pub(super) struct Link {
    sender: SendRequest<Content>,
    connection: Connection<Stream, Content>,
    has_ended: bool,
    pub(super) interim: Arc<Interim>,
    /// They bring interim responses to `interim`.
    extensions: Extensions,
    /// Room for the fields of the next request.
    spare: HeaderMap,
    pub(super) waking: Waking,
    alarm: Alarm,
}

/// hyper's settings for a back end under `limits`.
pub(super) fn settings(limits: &site::Limits) -> Builder {
    let mut builder = Builder::new();
    builder
        .title_case_headers(true)
        .max_buf_size(BUFFER_BYTES_MAX.max(limits.head_bytes_max))
        .max_header_size(limits.head_bytes_max);
    if limits.fields_max > FIELDS_INLINE {
        builder.max_headers(limits.fields_max);
    }
    builder
}

/// Connects to the first address of `host` that answers, all of them within `deadline`.
pub(super) async fn dial(host: &str, port: u16, deadline: Duration) -> io::Result<TcpStream> {
    let end = Instant::now() + deadline;
    let addresses: Vec<SocketAddr> = match host.parse() {
        Ok(ip) => vec![SocketAddr::new(ip, port)],
        Err(_) => timeout(deadline, lookup_host((host, port))).await??.collect(),
    };
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for (tried, address) in addresses.iter().enumerate() {
        // An address that swallows packets must leave time for the others.
        let left = end.saturating_duration_since(Instant::now());
        let share = left / u32::try_from(addresses.len() - tried).unwrap_or(u32::MAX);
        match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Ok(Err(error)) => last = error,
            Err(elapsed) => last = elapsed.into(),
        }
    }
    Err(last)
}

impl Link {
    pub(super) async fn over(stream: TcpStream, settings: &Builder) -> hyper::Result<Box<Self>> {
        let interim: Arc<Interim> = Arc::default();
        let stream = Stream::new(stream, Arc::clone(&interim));
        let (sender, connection) = settings.handshake(stream).await?;
        let extensions = interim.extensions();
        let (waking, alarm) = (Waking::default(), Alarm::default());
        Ok(Box::new(Self {
            sender,
            connection,
            has_ended: false,
            interim,
            extensions,
            spare: HeaderMap::new(),
            waking,
            alarm,
        }))
    }

    /// Does what can be done now for the exchange it carries. Who is to be woken for more is
    /// `waking`'s business.
    pub(super) fn drive(&mut self) {
        let mut cx = Context::from_waker(self.waking.waker());
        // An error is told to the response's future or body; between two requests, nobody asks.
        self.has_ended = self.has_ended || Pin::new(&mut self.connection).poll(&mut cx).is_ready();
    }

    /// Whether it can carry another request at once.
    pub(super) fn is_ready(&self) -> bool {
        !self.has_ended && self.sender.is_ready()
    }

    /// Ready once `deadline` has passed.
    pub(super) fn poll_expired(&mut self, deadline: Instant) -> Poll<()> {
        let mut cx = Context::from_waker(self.waking.waker());
        self.alarm.poll_expired(&mut cx, deadline)
    }

    /// A map without fields, which may have room for some.
    pub(super) fn take_room(&mut self) -> HeaderMap {
        std::mem::take(&mut self.spare)
    }

    /// hyper made the fields of a response in the room of those of the request: it goes round.
    pub(super) fn give_room(&mut self, mut fields: HeaderMap) {
        if fields.capacity() <= FIELDS_KEPT {
            fields.clear();
            self.spare = fields;
        }
    }

    /// Hands a request over. Nothing is sent before [`Self::drive`] is called.
    pub(super) fn send(
        &mut self,
        mut request: Request<Content>,
        wanted: Wanted,
    ) -> impl Future<Output = Result<Response<Incoming>, Failure>> + Send + use<> {
        self.interim.begin(wanted);
        *request.extensions_mut() = self.extensions.clone();
        let response = self.sender.try_send_request(request);
        async move { response.await.map_err(Failure::of_sending) }
    }
}
