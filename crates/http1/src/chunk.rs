//! Chunked framing, both ways: the state machine that follows it and the few bytes that make it.

use crate::grammar::{hex_digit, is_token_char};
use crate::limits::{CHUNK_EXTENSION_BYTES_MAX, Limits};
use crate::refusal::Refusal;

/// The interim response that asks for the body (RFC 9110 section 15.2.1).
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
/// Ends a chunk's data.
pub const CRLF: &[u8] = b"\r\n";
/// Ends a chunked body that has no trailers.
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// The size line of one chunk, built without allocating.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkHeader {
    bytes: [u8; 18],
    start: u8,
}

/// The size line for a chunk of `len` bytes. `len` must not be 0: that would end the body.
pub fn encode_chunk_header(len: u64) -> ChunkHeader {
    debug_assert!(len > 0, "a chunk of 0 bytes ends the body; write LAST_CHUNK instead");
    let mut bytes = *b"0000000000000000\r\n";
    let mut left = len;
    let mut start = 16;
    for (at, slot) in bytes.iter_mut().enumerate().take(16).rev() {
        let digit = (left & 0xf) as u8;
        *slot = if digit < 10 { b'0' | digit } else { b'a'.wrapping_add(digit.wrapping_sub(10)) };
        left >>= 4;
        start = at as u8;
        if left == 0 {
            break;
        }
    }
    ChunkHeader { bytes, start }
}

impl AsRef<[u8]> for ChunkHeader {
    fn as_ref(&self) -> &[u8] {
        self.bytes.get(usize::from(self.start)..).unwrap_or_default()
    }
}

/// Follows a chunked body (RFC 9112 section 7.1). It keeps no bytes: extensions and trailers are checked and dropped.
#[derive(Debug, Clone)]
pub(crate) struct Chunks {
    at: At,
    /// The size being read, then the data bytes still to come.
    size: u64,
    size_digits: u32,
    line_bytes: usize,
    extension_bytes: usize,
    trailer_bytes: usize,
    trailer_fields: usize,
    line_max: usize,
    trailer_max: usize,
    fields_max: usize,
}

/// What the next byte belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Size,
    AfterSize,
    BeforeName,
    Name,
    AfterName,
    BeforeValue,
    Value,
    Quoted,
    Escaped,
    AfterValue,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    TrailerStart,
    TrailerName,
    TrailerValue,
    TrailerLf,
    EndLf,
    Done,
}

/// What bytes of input hold after `skip` bytes of framing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Span {
    /// So many bytes of data; never none.
    Data {
        /// Bytes of framing before them.
        skip: usize,
        /// Bytes of data.
        len: usize,
    },
    /// All of them were framing.
    More,
    /// The end of the body; what follows belongs to the next request.
    Done {
        /// Bytes of framing before that.
        skip: usize,
    },
}

impl Chunks {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            at: At::Size,
            size: 0,
            size_digits: 0,
            line_bytes: 0,
            extension_bytes: 0,
            trailer_bytes: 0,
            trailer_fields: 0,
            line_max: limits.chunk_line_max,
            trailer_max: limits.trailer_bytes_max,
            fields_max: limits.fields_max,
        }
    }

    pub(crate) fn is_done(&self) -> bool {
        self.at == At::Done
    }

    /// Data bytes of the present chunk still to come.
    pub(crate) fn chunk_remaining(&self) -> u64 {
        if self.at == At::Data { self.size } else { 0 }
    }

    /// Follows `bytes` to the end of the first data in them.
    pub(crate) fn step(&mut self, bytes: &[u8]) -> Result<Span, Refusal> {
        for (skip, byte) in bytes.iter().enumerate() {
            match self.at {
                At::Done => return Ok(Span::Done { skip }),
                At::Data => {
                    let size = usize::try_from(self.size).unwrap_or(usize::MAX);
                    let len = size.min(bytes.len() - skip);
                    self.size -= len as u64;
                    if self.size == 0 {
                        self.at = At::DataCr;
                    }
                    return Ok(Span::Data { skip, len });
                }
                _ => self.at = self.framing(*byte)?,
            }
        }
        if self.at == At::Done { Ok(Span::Done { skip: bytes.len() }) } else { Ok(Span::More) }
    }

    fn framing(&mut self, byte: u8) -> Result<At, Refusal> {
        match self.at {
            At::Size => self.size(byte),
            At::SizeLf if byte == b'\n' => Ok(self.begin_chunk()),
            At::DataCr if byte == b'\r' => Ok(At::DataLf),
            At::DataLf if byte == b'\n' => Ok(self.begin_size()),
            At::DataCr | At::DataLf => Err(Refusal::ChunkEnd),
            At::SizeLf | At::TrailerLf | At::EndLf if byte != b'\n' => Err(Refusal::BareCr),
            At::TrailerStart | At::TrailerName | At::TrailerValue | At::TrailerLf | At::EndLf => {
                self.trailer(byte)
            }
            _ => self.extension(byte),
        }
    }

    fn begin_size(&mut self) -> At {
        self.size = 0;
        self.size_digits = 0;
        self.line_bytes = 0;
        At::Size
    }

    fn begin_chunk(&self) -> At {
        if self.size == 0 { At::TrailerStart } else { At::Data }
    }

    fn size(&mut self, byte: u8) -> Result<At, Refusal> {
        if let Some(digit) = hex_digit(byte) {
            self.size_digits += 1;
            if self.size_digits > u64::BITS / 4 {
                return Err(Refusal::ChunkSize);
            }
            self.size = self.size << 4 | u64::from(digit);
            self.line_bytes += 1;
            return Ok(At::Size);
        }
        match byte {
            _ if self.size_digits == 0 => Err(Refusal::ChunkSize),
            b'\r' => Ok(At::SizeLf),
            b'\n' => Err(Refusal::BareLf),
            b';' | b' ' | b'\t' => self.extension(byte),
            _ => Err(Refusal::ChunkSize),
        }
    }

    /// `*( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] )` (RFC 9112 section 7.1.1).
    fn extension(&mut self, byte: u8) -> Result<At, Refusal> {
        let may_end = matches!(self.at, At::Name | At::Value | At::AfterValue);
        match byte {
            b'\r' if may_end => return Ok(At::SizeLf),
            b'\n' => return Err(Refusal::BareLf),
            _ => {}
        }
        self.line_bytes += 1;
        self.extension_bytes += 1;
        if self.line_bytes > self.line_max || self.extension_bytes > CHUNK_EXTENSION_BYTES_MAX {
            return Err(Refusal::ChunkLineTooLong);
        }
        match (self.at, byte) {
            (At::Quoted, b'"') => Ok(At::AfterValue),
            (At::Quoted, b'\\') => Ok(At::Escaped),
            (At::Quoted | At::Escaped, b'\t' | b' '..=b'~' | 0x80..) => Ok(At::Quoted),
            (At::Size | At::AfterSize | At::Name | At::AfterName, b';')
            | (At::Value | At::AfterValue, b';') => Ok(At::BeforeName),
            (At::Size | At::AfterSize, b' ' | b'\t') => Ok(At::AfterSize),
            (At::BeforeName, b' ' | b'\t') => Ok(At::BeforeName),
            (At::Name | At::AfterName, b' ' | b'\t') => Ok(At::AfterName),
            (At::Name | At::AfterName, b'=') => Ok(At::BeforeValue),
            (At::BeforeValue, b' ' | b'\t') => Ok(At::BeforeValue),
            (At::BeforeValue, b'"') => Ok(At::Quoted),
            (At::Value | At::AfterValue, b' ' | b'\t') => Ok(At::AfterSize),
            (At::BeforeName | At::Name, byte) if is_token_char(byte) => Ok(At::Name),
            (At::BeforeValue | At::Value, byte) if is_token_char(byte) => Ok(At::Value),
            _ => Err(Refusal::ChunkExtension),
        }
    }

    /// The same rules as for the fields of a head.
    fn trailer(&mut self, byte: u8) -> Result<At, Refusal> {
        self.trailer_bytes += 1;
        if self.trailer_bytes > self.trailer_max {
            return Err(Refusal::TrailersTooLarge);
        }
        match (self.at, byte) {
            (At::EndLf, _) => Ok(At::Done),
            (At::TrailerLf, _) => {
                self.trailer_fields += 1;
                let fits = self.trailer_fields <= self.fields_max;
                if fits { Ok(At::TrailerStart) } else { Err(Refusal::TooManyFields) }
            }
            (At::TrailerStart, b'\r') => Ok(At::EndLf),
            (At::TrailerStart, b' ' | b'\t') => Err(Refusal::ObsFold),
            (At::TrailerStart, b':') => Err(Refusal::FieldNameEmpty),
            (_, b'\n') => Err(Refusal::BareLf),
            (_, 0) => Err(Refusal::Nul),
            (At::TrailerValue, b'\r') => Ok(At::TrailerLf),
            (At::TrailerValue, b'\t' | b' '..=b'~' | 0x80..) => Ok(At::TrailerValue),
            (At::TrailerValue, _) => Err(Refusal::ControlByte),
            (_, b'\r') => Err(Refusal::FieldNoColon),
            (_, b':') => Ok(At::TrailerValue),
            (_, b' ' | b'\t') => Err(Refusal::SpaceBeforeColon),
            (_, byte) if is_token_char(byte) => Ok(At::TrailerName),
            _ => Err(Refusal::FieldName),
        }
    }
}

#[cfg(test)]
mod tests;
