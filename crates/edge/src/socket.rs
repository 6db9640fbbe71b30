//! A client's byte stream in two halves, whatever carries it.

#[cfg(test)]
pub(crate) mod memory;

use std::fs::File;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, OwnedFd};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

/// The most one `sendfile` call may move, so that one fast client can't hold a worker.
const SENDFILE_BYTES_MAX: u64 = 2 << 20;

#[derive(Debug)]
pub(crate) enum ReadHalf {
    Tcp(OwnedReadHalf),
    #[cfg(test)]
    Memory(memory::Pipe),
}

#[derive(Debug)]
pub(crate) enum WriteHalf {
    Tcp(OwnedWriteHalf),
    #[cfg(test)]
    Memory(memory::Pipe),
}

pub(crate) fn split(stream: TcpStream) -> (ReadHalf, WriteHalf) {
    let (read, write) = stream.into_split();
    (ReadHalf::Tcp(read), WriteHalf::Tcp(write))
}

impl ReadHalf {
    pub(crate) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(half) => Pin::new(half).poll_read(cx, buf),
            #[cfg(test)]
            Self::Memory(pipe) => pipe.poll_read(cx, buf),
        }
    }
}

impl ReadHalf {
    /// The same stream for another reader; none if what it carries must pass through us.
    pub(crate) fn twin(&self) -> Option<OwnedFd> {
        match self {
            Self::Tcp(half) => {
                let stream: &TcpStream = half.as_ref();
                stream.as_fd().try_clone_to_owned().ok()
            }
            #[cfg(test)]
            Self::Memory(_) => None,
        }
    }
}

impl AsyncRead for ReadHalf {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Self::poll_read(&mut self, cx, buf)
    }
}

impl WriteHalf {
    /// Writes what the socket takes at once.
    pub(crate) fn try_write(&self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        match (self, bufs) {
            // For one buffer the kernel has a shorter way.
            (Self::Tcp(half), [one]) => half.try_write(one),
            (Self::Tcp(half), _) => half.try_write_vectored(bufs),
            #[cfg(test)]
            (Self::Memory(pipe), _) => pipe.try_write(bufs),
        }
    }

    pub(crate) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Tcp(half) => Pin::new(half).poll_write_vectored(cx, bufs),
            #[cfg(test)]
            Self::Memory(pipe) => pipe.poll_write_vectored(cx, bufs),
        }
    }

    /// Moves file bytes to the socket without a copy through our memory; `WouldBlock` when the
    /// socket is full, 0 when the file has ended early.
    pub(crate) fn try_sendfile(&self, file: &File, offset: u64, length: u64) -> io::Result<usize> {
        let count = length.min(SENDFILE_BYTES_MAX) as usize;
        match self {
            Self::Tcp(half) => {
                let stream: &TcpStream = half.as_ref();
                stream.try_io(Interest::WRITABLE, || {
                    let mut offset = offset;
                    Ok(rustix::fs::sendfile(stream, file, Some(&mut offset), count)?)
                })
            }
            #[cfg(test)]
            Self::Memory(pipe) => pipe.try_sendfile(file, offset, count),
        }
    }

    pub(crate) fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(half) => {
                let stream: &TcpStream = half.as_ref();
                stream.poll_write_ready(cx)
            }
            #[cfg(test)]
            Self::Memory(pipe) => pipe.poll_writable(cx),
        }
    }

    /// Returns once the peer has closed its side, even if bytes before that have not been read.
    pub(crate) async fn peer_closed(&self) {
        match self {
            // Urgent data is never asked for; this interest is the one that leaves out reading.
            Self::Tcp(half) => {
                let stream: &TcpStream = half.as_ref();
                let _closed = stream.ready(Interest::PRIORITY).await;
            }
            // Simulated clients send no uploads, which is all that waits for this.
            #[cfg(test)]
            Self::Memory(_) => std::future::pending().await,
        }
    }

    /// Lets a reset be the end, not a FIN.
    pub(crate) fn reset(self) {
        match self {
            Self::Tcp(half) => {
                let stream: &TcpStream = half.as_ref();
                // Where it can't be had, the connection ends as others do.
                if stream.set_zero_linger().is_ok() {
                    half.forget();
                }
            }
            #[cfg(test)]
            Self::Memory(_) => {}
        }
    }

    pub(crate) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(half) => Pin::new(half).poll_shutdown(cx),
            #[cfg(test)]
            Self::Memory(pipe) => {
                pipe.end();
                Poll::Ready(Ok(()))
            }
        }
    }
}
