//! The read half of a connection: the input buffer, heads and bodies taken from it.

mod lent;

use crate::alarm::Alarm;
use crate::fault::{Fault, FaultKind};
use crate::line::Line;
use crate::socket::ReadHalf;
use bytes::{Bytes, BytesMut};
use http1::{BodyDecoder, Framing, HeadReader, Piece, Refusal, RequestHead};
use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::ReadBuf;
use tokio::time::Instant;
use wire::message_socket::{self, Message, MessageError, MessageReader};

pub use lent::{Lent, Poured};

/// One read for a head or a small body. Shared by all connections of a thread, so that an idle
/// connection holds no buffer at all.
const SCRATCH_BYTES: usize = 16 << 10;
/// One read for a body that is still coming.
const BODY_READ_BYTES: usize = 64 << 10;

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; SCRATCH_BYTES].into_boxed_slice());
}

#[derive(Debug)]
pub(crate) struct Reader {
    half: ReadHalf,
    line: Arc<Line>,
    input: BytesMut,
    heads: HeadReader,
    messages: MessageReader,
    body: BodyDecoder,
    /// Somebody else reads the body; only he knows how far it has come.
    is_lent: bool,
    pub(crate) alarm: Alarm,
    progress: Option<Instant>,
    eof: bool,
}

/// The content of a request, read as the target asks for it.
#[derive(Debug)]
pub struct RequestBody<'r> {
    reader: &'r mut Reader,
    deadline: Duration,
}

impl Reader {
    pub(crate) fn new(half: ReadHalf, line: Arc<Line>) -> Self {
        Self {
            half,
            line,
            input: BytesMut::new(),
            heads: HeadReader::default(),
            messages: MessageReader::default(),
            body: BodyDecoder::new(Framing::None, &http1::Limits::default()),
            is_lent: false,
            alarm: Alarm::default(),
            progress: None,
            eof: false,
        }
    }

    /// Takes the next head, if all of it is here.
    pub(crate) fn next_head(
        &mut self,
        limits: &http1::Limits,
    ) -> Result<Option<RequestHead>, Refusal> {
        let head = self.heads.read(&mut self.input, limits)?;
        if let Some(head) = &head {
            self.body = BodyDecoder::new(head.framing(), limits);
            self.progress = None;
        }
        Ok(head)
    }

    /// Whether the next bytes are a message and not HTTP; the first of them tells.
    pub(crate) fn is_at_message(&self) -> bool {
        self.input.first().is_some_and(|&first| message_socket::begins(first))
    }

    /// Takes the next message, if all of it is here.
    pub(crate) fn next_message(
        &mut self,
        bytes_max: usize,
    ) -> Result<Option<Message>, MessageError> {
        self.messages.next(&mut self.input, bytes_max)
    }

    pub(crate) fn buffered(&self) -> &[u8] {
        &self.input
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.eof
    }

    pub(crate) fn body_is_done(&self) -> bool {
        self.body.is_done()
    }

    /// Whether the rest of the body can't be read any more.
    pub(crate) fn body_is_lost(&self) -> bool {
        self.is_lent
    }

    /// Gives the buffer back while nothing is in it.
    pub(crate) fn release(&mut self) {
        if self.input.is_empty() {
            self.input = BytesMut::new();
        }
    }

    /// Reads what has arrived; 0 bytes is the end of the client's stream.
    pub(crate) fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.eof {
            return Poll::Ready(Ok(0));
        }
        let count = if self.body.is_done() {
            let Self { half, input, .. } = self;
            SCRATCH.with_borrow_mut(|scratch| {
                let mut buf = ReadBuf::new(scratch);
                ready!(half.poll_read(cx, &mut buf))?;
                input.extend_from_slice(buf.filled());
                Poll::Ready(io::Result::Ok(buf.filled().len()))
            })
        } else {
            if self.input.capacity() - self.input.len() < BODY_READ_BYTES / 4 {
                self.input.reserve(BODY_READ_BYTES);
            }
            let half = std::pin::Pin::new(&mut self.half);
            tokio_util::io::poll_read_buf(half, cx, &mut self.input)
        };
        let count = ready!(count)?;
        self.line.vitals().read(count);
        self.eof = count == 0;
        Poll::Ready(Ok(count))
    }

    /// Reads ahead while a target is at work, at most `limit_bytes`; ready once the client has
    /// closed its side, or the connection is killed.
    pub(crate) fn poll_closed(&mut self, cx: &mut Context<'_>, limit_bytes: usize) -> Poll<()> {
        if self.line.poll_cut(cx).is_ready() {
            return Poll::Ready(());
        }
        while !self.is_lent && self.input.len() < limit_bytes {
            match ready!(self.poll_fill(cx)) {
                Ok(0) | Err(_) => return Poll::Ready(()),
                Ok(_) => {}
            }
        }
        // The buffer is full of pipelined requests: TCP holds the rest back.
        Poll::Pending
    }

    /// Reads ahead while a target is at work, at most `limit_bytes`; ready once the connection is
    /// lost or killed. A client that has only closed its side still waits for its answer.
    fn poll_lost(&mut self, cx: &mut Context<'_>, limit_bytes: usize) -> Poll<()> {
        if self.line.poll_cut(cx).is_ready() {
            return Poll::Ready(());
        }
        while !self.eof && self.input.len() < limit_bytes {
            if ready!(self.poll_fill(cx)).is_err() {
                return Poll::Ready(());
            }
        }
        Poll::Pending
    }

    /// Forgets the body that is not going to be read.
    pub(crate) fn skip_body(&mut self) {
        self.body = BodyDecoder::new(Framing::None, &http1::Limits::default());
        self.is_lent = false;
    }

    pub(crate) fn discard(&mut self) {
        self.input.clear();
    }

    pub(crate) fn request_body(&mut self, deadline: Duration) -> RequestBody<'_> {
        RequestBody { reader: self, deadline }
    }

    fn poll_piece(
        &mut self,
        cx: &mut Context<'_>,
        deadline: Duration,
    ) -> Poll<Result<Option<Bytes>, Fault>> {
        if self.is_lent {
            return Poll::Ready(Err(FaultKind::Internal.into()));
        }
        loop {
            match self.body.decode(&mut self.input)? {
                Piece::Data(data) => {
                    self.progress = None;
                    return Poll::Ready(Ok(Some(data)));
                }
                Piece::Done => return Poll::Ready(Ok(None)),
                Piece::NeedMore => {}
            }
            match self.poll_fill(cx) {
                Poll::Ready(Ok(0) | Err(_)) => {
                    return Poll::Ready(Err(FaultKind::ClientGone.into()));
                }
                Poll::Ready(Ok(_)) => self.progress = None,
                Poll::Pending => {
                    if let Poll::Ready(reason) = self.line.poll_cut(cx) {
                        return Poll::Ready(Err(FaultKind::Killed(reason).into()));
                    }
                    let since = *self.progress.get_or_insert_with(Instant::now);
                    ready!(self.alarm.poll_expired(cx, since + deadline));
                    return Poll::Ready(Err(FaultKind::BodyTimeout.into()));
                }
            }
        }
    }
}

impl RequestBody<'_> {
    /// The next piece; `None` once the body is whole.
    pub fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Fault>> {
        self.reader.poll_piece(cx, self.deadline)
    }

    pub async fn piece(&mut self) -> Result<Option<Bytes>, Fault> {
        poll_fn(|cx| self.poll_piece(cx)).await
    }

    /// A piece that is here already.
    pub fn arrived(&mut self) -> Result<Option<Bytes>, Fault> {
        match self.reader.body.decode(&mut self.reader.input)? {
            Piece::Data(data) => Ok(Some(data)),
            Piece::Done | Piece::NeedMore => Ok(None),
        }
    }

    pub fn is_done(&self) -> bool {
        self.reader.body_is_done()
    }

    /// The whole body, refused once it is longer than `limit_bytes`.
    pub async fn collect(&mut self, limit_bytes: u64) -> Result<Bytes, Fault> {
        let Some(first) = self.piece().await? else { return Ok(Bytes::new()) };
        let mut length = first.len() as u64;
        let mut whole = Gathered::One(first);
        while length <= limit_bytes {
            let Some(piece) = self.piece().await? else { return Ok(whole.freeze()) };
            length += piece.len() as u64;
            whole = whole.push(&piece);
        }
        Err(FaultKind::BodyTooLarge.into())
    }

    /// Reads ahead while the caller is at work, at most `limit_bytes`; ready once the client has
    /// closed its side, or the connection is killed.
    pub fn poll_closed(&mut self, cx: &mut Context<'_>, limit_bytes: usize) -> Poll<()> {
        self.reader.poll_closed(cx, limit_bytes)
    }

    /// Reads ahead while the caller is at work, at most `limit_bytes`; ready once the connection is
    /// lost or killed. A client that has only closed its side still waits for its answer.
    pub fn poll_lost(&mut self, cx: &mut Context<'_>, limit_bytes: usize) -> Poll<()> {
        self.reader.poll_lost(cx, limit_bytes)
    }

    /// What has arrived behind the request, whatever it is; `None` once the client has closed its
    /// side.
    pub(crate) fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if self.reader.input.is_empty() && !matches!(ready!(self.reader.poll_fill(cx)), Ok(1..)) {
            return Poll::Ready(None);
        }
        Poll::Ready(Some(std::mem::take(&mut self.reader.input).freeze()))
    }

    /// Whether nothing is read from the client because as much as may be has been read ahead of
    /// the target.
    pub(crate) fn holds_client_back(&self, limit_bytes: usize) -> bool {
        !self.is_done() || self.reader.buffered().len() >= limit_bytes
    }

    pub(crate) fn poll_expired(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        self.reader.alarm.poll_expired(cx, deadline)
    }

    /// No byte of the body has come yet, so the client may be waiting for a word from us.
    pub(crate) fn awaits_invitation(&self) -> bool {
        !self.is_done() && self.reader.buffered().is_empty()
    }
}

/// A body that is copied only if it came in more than one piece.
enum Gathered {
    One(Bytes),
    Many(BytesMut),
}

impl Gathered {
    fn push(self, piece: &[u8]) -> Self {
        let mut all = match self {
            Self::One(first) => BytesMut::from(first),
            Self::Many(all) => all,
        };
        all.extend_from_slice(piece);
        Self::Many(all)
    }

    fn freeze(self) -> Bytes {
        match self {
            Self::One(bytes) => bytes,
            Self::Many(bytes) => bytes.freeze(),
        }
    }
}
