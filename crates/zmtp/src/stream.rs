//! A connection, TCP or Unix, as one type.

use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

#[derive(Debug)]
pub(crate) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    /// Waits until there is something to read before it takes a buffer, so that idle peers hold
    /// none; 0 is the end of the stream.
    pub(crate) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut BytesMut,
        room: usize,
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Tcp(stream) => {
                ready!(stream.poll_read_ready(cx))?;
                buffer.reserve(room);
                pin!(stream.read_buf(buffer)).poll(cx)
            }
            Self::Unix(stream) => {
                ready!(stream.poll_read_ready(cx))?;
                buffer.reserve(room);
                pin!(stream.read_buf(buffer)).poll(cx)
            }
        }
    }

    pub(crate) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match (self, slices) {
            // For one buffer the kernel has a shorter way.
            (Self::Tcp(stream), [one]) => Pin::new(stream).poll_write(cx, one),
            (Self::Tcp(stream), _) => Pin::new(stream).poll_write_vectored(cx, slices),
            (Self::Unix(stream), _) => Pin::new(stream).poll_write_vectored(cx, slices),
        }
    }

    /// Latency before bandwidth, and a dead host is noticed even by peers without heartbeats.
    pub(crate) fn tune(&self) -> io::Result<()> {
        let Self::Tcp(stream) = self else { return Ok(()) };
        stream.set_nodelay(true)?;
        let keepalive = socket2::TcpKeepalive::new()
            .with_time(KEEPALIVE_IDLE)
            .with_interval(KEEPALIVE_INTERVAL);
        socket2::SockRef::from(stream).set_tcp_keepalive(&keepalive)
    }

    pub(crate) fn peer(&self) -> String {
        match self {
            Self::Tcp(stream) => {
                stream.peer_addr().map_or_else(|_| "tcp".to_owned(), |a| format!("tcp://{a}"))
            }
            // A connecting Unix socket has no name, but the kernel knows whose it is.
            Self::Unix(stream) => match stream.peer_cred().ok().and_then(|cred| cred.pid()) {
                Some(pid) => format!("ipc://pid-{pid}"),
                None => "ipc://".to_owned(),
            },
        }
    }
}

const KEEPALIVE_IDLE: std::time::Duration = std::time::Duration::from_secs(60);
const KEEPALIVE_INTERVAL: std::time::Duration = std::time::Duration::from_secs(10);
