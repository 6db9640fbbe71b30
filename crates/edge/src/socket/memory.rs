//! A connection in memory, for tests under a paused clock: two bounded pipes that can end or break.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, IoSlice};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use tokio::io::ReadBuf;

/// One direction of a connection.
#[derive(Clone, Debug)]
pub(crate) struct Pipe(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    bytes: VecDeque<u8>,
    capacity: usize,
    ended: bool,
    broken: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Pipe {
    pub(crate) fn new(capacity: usize) -> Self {
        Self(Arc::new(Mutex::new(State {
            bytes: VecDeque::new(),
            capacity,
            ended: false,
            broken: false,
            reader: None,
            writer: None,
        })))
    }

    /// Reads what there is, at most what `buf` takes; nothing once the pipe has ended.
    pub(crate) fn poll_read(
        &self,
        cx: &Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut state = self.0.lock().unwrap();
        if state.broken {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        if state.bytes.is_empty() && !state.ended {
            state.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let count = state.bytes.len().min(buf.remaining());
        for byte in state.bytes.drain(..count) {
            buf.put_slice(&[byte]);
        }
        if let Some(writer) = state.writer.take() {
            writer.wake();
        }
        Poll::Ready(Ok(()))
    }

    pub(super) fn try_write(&self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        match self.poll_write_vectored(&Context::from_waker(Waker::noop()), bufs) {
            Poll::Ready(written) => written,
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    pub(super) fn poll_write_vectored(
        &self,
        cx: &Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let all: Vec<u8> = bufs.iter().flat_map(|buf| buf.iter().copied()).collect();
        self.poll_write(cx, &all)
    }

    pub(super) fn try_sendfile(&self, file: &File, offset: u64, count: usize) -> io::Result<usize> {
        let mut bytes = vec![0; count];
        let count = std::os::unix::fs::FileExt::read_at(file, &mut bytes, offset)?;
        self.try_write(&[IoSlice::new(&bytes[..count])])
    }

    pub(super) fn poll_writable(&self, cx: &Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.0.lock().unwrap();
        if state.bytes.len() < state.capacity || state.broken || state.ended {
            return Poll::Ready(Ok(()));
        }
        state.writer = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Writes what fits.
    pub(crate) fn poll_write(&self, cx: &Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut state = self.0.lock().unwrap();
        if state.broken || state.ended {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let count = bytes.len().min(state.capacity - state.bytes.len());
        if count == 0 && !bytes.is_empty() {
            state.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        state.bytes.extend(&bytes[..count]);
        if let Some(reader) = state.reader.take() {
            reader.wake();
        }
        Poll::Ready(Ok(count))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.lock().unwrap().bytes.is_empty()
    }

    /// No more bytes will be written; what is in it can be read.
    pub(crate) fn end(&self) {
        let mut state = self.0.lock().unwrap();
        state.ended = true;
        state.wake();
    }

    /// As a reset: what is in it is lost.
    pub(crate) fn break_off(&self) {
        let mut state = self.0.lock().unwrap();
        state.broken = true;
        state.wake();
    }
}

impl State {
    fn wake(&mut self) {
        self.reader.take().into_iter().chain(self.writer.take()).for_each(Waker::wake);
    }
}
