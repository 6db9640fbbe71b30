//! Request bodies: a framing decided by the head, and the decoder that follows it.

use bytes::{Buf, Bytes, BytesMut};

use crate::chunk::{Chunks, Span};
use crate::limits::Limits;
use crate::refusal::Refusal;

/// How the end of a request body is found (RFC 9112 section 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// No body.
    None,
    /// So many bytes; may be 0.
    Length(u64),
    /// Chunked.
    Chunked,
}

/// What a look at the input gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Body bytes, split off the input without a copy; never empty.
    Data(Bytes),
    /// The input holds nothing more of the body yet.
    NeedMore,
    /// The body is over; what is left in the input belongs to the next request.
    Done,
}

/// Takes one request's body out of the input.
#[derive(Debug)]
pub struct BodyDecoder {
    state: Remaining,
}

#[derive(Debug)]
enum Remaining {
    Bytes(u64),
    Chunks(Chunks),
}

impl BodyDecoder {
    /// A decoder for one body. Of the limits, those on chunk lines and trailers matter here; how large a body may be
    /// is the caller's to say, who counts the data.
    pub fn new(framing: Framing, limits: &Limits) -> Self {
        let state = match framing {
            Framing::None => Remaining::Bytes(0),
            Framing::Length(length) => Remaining::Bytes(length),
            Framing::Chunked => Remaining::Chunks(Chunks::new(limits)),
        };
        Self { state }
    }

    /// Takes the next piece. Never copies; a refusal is final.
    pub fn decode(&mut self, input: &mut BytesMut) -> Result<Piece, Refusal> {
        match self.locate(input)? {
            Span::Data { skip, len } => {
                input.advance(skip);
                Ok(Piece::Data(input.split_to(len).freeze()))
            }
            Span::More => {
                input.clear();
                Ok(Piece::NeedMore)
            }
            Span::Done { skip } => {
                input.advance(skip);
                Ok(Piece::Done)
            }
        }
    }

    /// Says where the next data lies in `input`, which follows what was located before. A refusal is final.
    pub fn locate(&mut self, input: &[u8]) -> Result<Span, Refusal> {
        match &mut self.state {
            Remaining::Bytes(0) => Ok(Span::Done { skip: 0 }),
            Remaining::Bytes(_) if input.is_empty() => Ok(Span::More),
            Remaining::Bytes(remaining) => {
                let len = input.len().min(usize::try_from(*remaining).unwrap_or(usize::MAX));
                *remaining -= len as u64;
                Ok(Span::Data { skip: 0, len })
            }
            Remaining::Chunks(chunks) => chunks.step(input),
        }
    }

    /// Whether the body is over.
    pub fn is_done(&self) -> bool {
        match &self.state {
            Remaining::Bytes(remaining) => *remaining == 0,
            Remaining::Chunks(chunks) => chunks.is_done(),
        }
    }

    /// Bytes still to come, where that is known: all of a Content-Length, or the rest of the present chunk.
    pub fn remaining_hint(&self) -> u64 {
        match &self.state {
            Remaining::Bytes(remaining) => *remaining,
            Remaining::Chunks(chunks) => chunks.chunk_remaining(),
        }
    }
}

#[cfg(test)]
mod tests;
