//! The write half of a connection: the only place that sends bytes to a client.

use crate::alarm::Alarm;
use crate::line::Line;
use crate::socket::WriteHalf;
use bytes::{Buf, Bytes};
use http1::{CloseReason, Deadline};
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::Instant;

/// A client that drains its socket as fast as we fill it lets others have a turn after this much.
const FILE_TURN_BYTES: u64 = 4 << 20;

#[derive(Debug)]
pub(crate) struct Writer {
    half: WriteHalf,
    line: Arc<Line>,
    alarm: Alarm,
    /// Content bytes that the client's side has taken: what was given as `head` does not count.
    pub(crate) sent: u64,
    /// What was sent would look whole if the stream just ended.
    pub(crate) is_cut_short: bool,
}

impl Writer {
    pub(crate) fn new(half: WriteHalf, line: Arc<Line>) -> Self {
        Self { half, line, alarm: Alarm::default(), sent: 0, is_cut_short: false }
    }

    /// Sends `head` and then `body`, in one system call where the socket takes them.
    ///
    /// `head` may live in a buffer that is not ours to keep: what the socket does not take at
    /// once is copied.
    pub(crate) fn start(&mut self, head: &[u8], mut body: Bytes) -> Result<Unsent, CloseReason> {
        let written = match (head, &*body) {
            ([], one) | (one, []) => self.half.try_write(&[IoSlice::new(one)]),
            (head, body) => self.half.try_write(&[IoSlice::new(head), IoSlice::new(body)]),
        };
        let taken = match written {
            Ok(taken) => taken,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(_) => return Err(CloseReason::PeerClosed),
        };
        self.line.vitals().wrote(taken);
        let of_body = taken.saturating_sub(head.len());
        self.sent += of_body as u64;
        let head_left = head.get(taken..).unwrap_or_default();
        body.advance(of_body);
        Ok(Unsent { head: Bytes::copy_from_slice(head_left), body })
    }

    /// Sends what is left, as long as the client makes progress within `deadline`.
    pub(crate) async fn finish(
        &mut self,
        mut unsent: Unsent,
        deadline: Duration,
    ) -> Result<(), CloseReason> {
        if unsent.is_empty() {
            return Ok(());
        }
        let mut since = Instant::now();
        poll_fn(|cx| {
            while !unsent.is_empty() {
                let bufs = [IoSlice::new(&unsent.head), IoSlice::new(&unsent.body)];
                let Poll::Ready(taken) = self.half.poll_write(cx, &bufs) else {
                    return self.poll_stalled(cx, since + deadline);
                };
                let taken = taken.map_err(|_| CloseReason::PeerClosed)?;
                if taken == 0 {
                    return Poll::Ready(Err(CloseReason::PeerClosed));
                }
                self.line.vitals().wrote(taken);
                self.sent += unsent.advance(taken) as u64;
                since = Instant::now();
            }
            Poll::Ready(Ok(()))
        })
        .await
    }

    pub(crate) async fn send(
        &mut self,
        bytes: Bytes,
        deadline: Duration,
    ) -> Result<(), CloseReason> {
        let unsent = self.start(&[], bytes)?;
        self.finish(unsent, deadline).await
    }

    /// Sends part of a file without a copy through our memory.
    pub(crate) async fn send_file(
        &mut self,
        slice: &crate::response::FileSlice,
        deadline: Duration,
    ) -> Result<(), CloseReason> {
        let mut offset = slice.offset;
        let end = slice.offset + slice.length;
        let mut since = Instant::now();
        poll_fn(|cx| {
            let turn_end = end.min(offset + FILE_TURN_BYTES);
            while offset < turn_end {
                match self.half.try_sendfile(&slice.file, offset, end - offset) {
                    // The file was cut while we sent it: the promised length can't be kept.
                    Ok(0) => {
                        return Poll::Ready(Err(CloseReason::Io(io::ErrorKind::UnexpectedEof)));
                    }
                    Ok(taken) => {
                        self.line.vitals().wrote(taken);
                        offset += taken as u64;
                        self.sent += taken as u64;
                        since = Instant::now();
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        match self.half.poll_writable(cx) {
                            Poll::Ready(Ok(())) => {}
                            Poll::Ready(Err(_)) => {
                                return Poll::Ready(Err(CloseReason::PeerClosed));
                            }
                            Poll::Pending => return self.poll_stalled(cx, since + deadline),
                        }
                    }
                    Err(error) if is_of_the_client(&error) => {
                        return Poll::Ready(Err(CloseReason::PeerClosed));
                    }
                    // The disk's fault, not the client's.
                    Err(error) => return Poll::Ready(Err(CloseReason::Io(error.kind()))),
                }
            }
            if offset < end {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Poll::Ready(Ok(()))
        })
        .await
    }

    /// Returns once the client has closed its side, read or not.
    pub(crate) async fn peer_closed(&self) {
        self.half.peer_closed().await;
    }

    /// Ends our side of the stream; the client may still be sending.
    pub(crate) async fn shutdown(&mut self) -> io::Result<()> {
        poll_fn(|cx| self.half.poll_shutdown(cx)).await
    }

    /// Closes the connection with a reset, once the read half is gone too.
    pub(crate) fn reset(self) {
        self.half.reset();
    }

    pub(crate) fn poll_cut(&self, cx: &Context<'_>) -> Poll<CloseReason> {
        self.line.poll_cut(cx)
    }

    fn poll_stalled(
        &mut self,
        cx: &mut Context<'_>,
        deadline: Instant,
    ) -> Poll<Result<(), CloseReason>> {
        if let Poll::Ready(reason) = self.poll_cut(cx) {
            return Poll::Ready(Err(reason));
        }
        ready!(self.alarm.poll_expired(cx, deadline));
        Poll::Ready(Err(CloseReason::Deadline(Deadline::Write)))
    }
}

fn is_of_the_client(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset | io::ErrorKind::TimedOut
    )
}

/// What the socket has not taken yet.
#[derive(Debug)]
pub(crate) struct Unsent {
    head: Bytes,
    body: Bytes,
}

impl Unsent {
    pub(crate) fn is_empty(&self) -> bool {
        self.head.is_empty() && self.body.is_empty()
    }

    /// How much of `taken` was content.
    fn advance(&mut self, taken: usize) -> usize {
        let of_head = taken.min(self.head.len());
        self.head.advance(of_head);
        self.body.advance(taken - of_head);
        taken - of_head
    }
}
