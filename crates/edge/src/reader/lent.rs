//! A request body in the hands of a thread that may block: it reads on by itself for as long as
//! there is something to read, so that a fast client costs neither buffers nor changes of thread.

use super::RequestBody;
use crate::fault::Fault;
use bytes::BytesMut;
use http1::{BodyDecoder, Framing, Span};
use rustix::net::{RecvFlags, recv};
use std::cell::RefCell;
use std::os::fd::OwnedFd;

/// One read: few system calls, and still in the processor's cache when it is written. Not more:
/// written at a page's begin, 128 KiB took ext4 five times as long as two times 64 KiB, because it
/// then asks for pages in large runs, which are cold.
const READ_BYTES: usize = 64 << 10;
/// Chunks below this are cheaper to copy than to write one by one.
const GATHER_BYTES: usize = 16 << 10;

thread_local! {
    static ROOM: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BYTES].into_boxed_slice());
}

/// The rest of a body, to be read elsewhere. Dropped, it ends the connection with the exchange.
#[derive(Debug)]
pub struct Lent {
    socket: OwnedFd,
    body: BodyDecoder,
    /// What came behind the body.
    behind: BytesMut,
    read: usize,
}

/// Why no more was poured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Poured {
    /// Nothing more has arrived, or the body is over, or its client has gone.
    Dry,
    /// It was enough for once.
    Enough,
}

impl RequestBody<'_> {
    /// Lends what is left of the body. `None` when it can't be: some of it has been read and is to
    /// be taken first, or it does not come as it is from a socket.
    pub fn lend(&mut self) -> Option<Lent> {
        let reader = &mut *self.reader;
        if reader.is_lent || reader.body.is_done() || !reader.input.is_empty() {
            return None;
        }
        let socket = reader.half.twin()?;
        let nothing = BodyDecoder::new(Framing::Length(u64::MAX), &http1::Limits::default());
        let body = std::mem::replace(&mut reader.body, nothing);
        reader.is_lent = true;
        Some(Lent { socket, body, behind: BytesMut::new(), read: 0 })
    }

    pub fn take_back(&mut self, lent: Lent) {
        let reader = &mut *self.reader;
        let Lent { body, behind, read, .. } = lent;
        reader.body = body;
        if !behind.is_empty() {
            reader.input = behind;
        }
        reader.is_lent = false;
        if read > 0 {
            reader.progress = None;
            reader.line.vitals().read(read);
        }
    }
}

impl Lent {
    /// Gives `take` the body as far as it has arrived, `bytes_max` and a little more at most.
    /// Blocks only as `take` does.
    pub fn pour(
        &mut self,
        bytes_max: usize,
        mut take: impl FnMut(&[u8]) -> Result<(), Fault>,
    ) -> Result<Poured, Fault> {
        let enough = self.read + bytes_max;
        ROOM.with_borrow_mut(|room| {
            while !self.body.is_done() {
                if self.read >= enough {
                    return Ok(Poured::Enough);
                }
                // An end or an error is for the connection's own task to find.
                let received = recv(&self.socket, &mut **room, RecvFlags::DONTWAIT);
                let Ok((count @ 1.., _)) = received else { break };
                self.read += count;
                self.split(&mut room[..count], &mut take)?;
            }
            Ok(Poured::Dry)
        })
    }

    /// Gives the data in `input` to `take`. Small chunks are moved together first, so that a client
    /// that sends many of them does not cost many writes.
    fn split(
        &mut self,
        input: &mut [u8],
        take: &mut impl FnMut(&[u8]) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let (mut at, mut gathered) = (0, 0);
        loop {
            match self.body.locate(&input[at..])? {
                Span::Data { skip, len } if len < GATHER_BYTES => {
                    let begin = at + skip;
                    at = begin + len;
                    input.copy_within(begin..at, gathered);
                    gathered += len;
                }
                Span::Data { skip, len } => {
                    take_some(&input[..std::mem::take(&mut gathered)], take)?;
                    let begin = at + skip;
                    at = begin + len;
                    take(&input[begin..at])?;
                }
                Span::More => return take_some(&input[..gathered], take),
                Span::Done { skip } => {
                    self.behind.extend_from_slice(&input[at + skip..]);
                    return take_some(&input[..gathered], take);
                }
            }
        }
    }
}

fn take_some(data: &[u8], take: &mut impl FnMut(&[u8]) -> Result<(), Fault>) -> Result<(), Fault> {
    if data.is_empty() { Ok(()) } else { take(data) }
}
