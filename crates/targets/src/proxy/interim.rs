//! Interim responses (RFC 9110 section 15.2): from hyper, which only shows them, to the client, and how many there may be.

use super::response;
use hyper::body::Incoming;
use hyper::ext::on_informational;
use hyper::http::Extensions;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use tokio::net::TcpStream;

/// Before one response. A back end that says once a second that it is still at work gets through;
/// hyper would read on for as long as they come.
const COUNT_MAX: usize = 100;
/// Those that have not been sent yet. A hint that finds no room is left out.
const WAITING_BYTES_MAX: usize = 16 << 10;

/// What the connection, hyper's callback and the exchange under way share.
#[derive(Debug, Default)]
pub(super) struct Interim {
    /// Since the request was sent.
    count: AtomicUsize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    wanted: Wanted,
    /// Heads for the client.
    waiting: Vec<u8>,
}

/// Which of them the client is to get.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wanted {
    /// 100, once: it waits to be invited.
    pub(super) invitation: bool,
    /// Any but 100: it speaks HTTP/1.1.
    pub(super) others: bool,
}

impl Interim {
    /// What a request must carry for its interim responses to come here.
    pub(super) fn extensions(self: &Arc<Self>) -> Extensions {
        let mut request = Request::new(());
        let interim = Arc::clone(self);
        on_informational(&mut request, move |response| {
            interim.came(response.status().as_u16(), |waiting| {
                response::write_fields(waiting, response.status().as_u16(), response.headers());
            });
        });
        std::mem::take(request.extensions_mut())
    }

    /// A request is going to be sent.
    pub(super) fn begin(&self, wanted: Wanted) {
        self.count.store(0, Ordering::Relaxed);
        let mut state = self.state();
        state.wanted = wanted;
        state.waiting.clear();
    }

    /// Heads that the client has not been sent yet, if there are any.
    pub(super) fn take(&self) -> Option<Vec<u8>> {
        if self.count.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let waiting = std::mem::take(&mut self.state().waiting);
        (!waiting.is_empty()).then_some(waiting)
    }

    fn came(&self, status: u16, write_fields: impl FnOnce(&mut Vec<u8>)) {
        self.count.fetch_add(1, Ordering::Relaxed);
        let State { wanted, waiting } = &mut *self.state();
        if status == 100 {
            if std::mem::take(&mut wanted.invitation) {
                waiting.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
            }
            return;
        }
        if !wanted.others {
            return;
        }
        let start = waiting.len();
        let line = format!("HTTP/1.1 {status} {}\r\n", edge::reason(status));
        waiting.extend_from_slice(line.as_bytes());
        write_fields(waiting);
        waiting.extend_from_slice(b"\r\n");
        if waiting.len() > WAITING_BYTES_MAX {
            waiting.truncate(start);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A back end's byte stream, which ends when too many interim responses have come.
#[derive(Debug)]
pub(super) struct Stream {
    io: TokioIo<TcpStream>,
    interim: Arc<Interim>,
}

impl Stream {
    pub(super) fn new(stream: TcpStream, interim: Arc<Interim>) -> Self {
        Self { io: TokioIo::new(stream), interim }
    }
}

impl Read for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if self.interim.count.load(Ordering::Relaxed) > COUNT_MAX {
            let text = format!("more than {COUNT_MAX} interim responses before one that is final");
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, text)));
        }
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl Write for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }
}

/// What came next from a back end.
#[derive(Debug)]
pub(super) enum Came {
    Interim(Vec<u8>),
    Response(Response<Incoming>),
}
