//! A response as data: what a target decides and the writer sends.

use crate::fault::Fault;
use bytes::Bytes;
use std::fmt;
use std::fs::File;
use std::sync::Arc;
use std::task::{Context, Poll};

/// A response whose framing, Date, Server and Connection fields are the writer's business.
#[derive(Debug)]
pub struct Response<'r> {
    pub status: u16,
    /// In place of the usual phrase for `status`; without control characters.
    pub reason: Option<Box<[u8]>>,
    pub fields: Fields,
    /// A Date is among the fields: the writer adds none (RFC 9110 section 6.6.1).
    pub is_dated: bool,
    pub body: Body<'r>,
    /// Close the connection after this response.
    pub close: bool,
}

/// Field lines as they will stand on the wire, each ending in CRLF.
#[derive(Clone, Debug, Default)]
pub struct Fields {
    shared: Bytes,
    own: Vec<u8>,
}

/// The content. Its length, where known, becomes Content-Length; a HEAD request gets the length
/// and no content.
pub enum Body<'r> {
    /// No content and, for 1xx, 204 and 304, no Content-Length either.
    Empty,
    Bytes(Bytes),
    File(FileSlice),
    Stream {
        source: Box<dyn BodySource + 'r>,
        length: Option<u64>,
    },
    /// No content, but the length that a GET would have had.
    Absent {
        length: Option<u64>,
    },
}

/// Part of an open file; the writer reads it at its own offset, so the file can be shared.
#[derive(Clone, Debug)]
pub struct FileSlice {
    pub file: Arc<File>,
    pub offset: u64,
    pub length: u64,
}

/// Content that comes in pieces. `None` is the end; a fault ends the connection.
pub trait BodySource: Send {
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Fault>>>;

    /// Moves on the request that may still flow the other way, while the client does not take the
    /// last piece: it may have to send everything before it reads.
    fn poll_upload(&mut self, _cx: &mut Context<'_>) -> Result<(), Fault> {
        Ok(())
    }
}

impl<'r> Response<'r> {
    pub fn new(status: u16) -> Self {
        let fields = Fields::default();
        Self { status, reason: None, fields, is_dated: false, body: Body::Empty, close: false }
    }

    /// Itself, freed from the request it answers, unless its content is still being made.
    pub(crate) fn into_whole(self) -> Result<Response<'static>, Self> {
        let Self { status, reason, fields, is_dated, body, close } = self;
        let body = match body {
            Body::Stream { .. } => {
                return Err(Self { status, reason, fields, is_dated, body, close });
            }
            Body::Empty => Body::Empty,
            Body::Bytes(bytes) => Body::Bytes(bytes),
            Body::File(slice) => Body::File(slice),
            Body::Absent { length } => Body::Absent { length },
        };
        Ok(Response { status, reason, fields, is_dated, body, close })
    }
}

impl Fields {
    /// Starts from lines made earlier, shared by many responses.
    pub fn shared(lines: Bytes) -> Self {
        debug_assert!(lines.is_empty() || lines.ends_with(b"\r\n"));
        Self { shared: lines, own: Vec::new() }
    }

    /// Adds a line. A CR, LF or NUL in `value` would start a line of its own: such bytes become
    /// spaces (RFC 9110 section 5.5).
    pub fn add(&mut self, name: &str, value: impl AsRef<[u8]>) -> &mut Self {
        self.own.extend_from_slice(name.as_bytes());
        self.own.extend_from_slice(b": ");
        self.own.extend(value.as_ref().iter().map(|&byte| match byte {
            b'\r' | b'\n' | 0 => b' ',
            byte => byte,
        }));
        self.own.extend_from_slice(b"\r\n");
        self
    }

    pub(crate) fn lines(&self) -> [&[u8]; 2] {
        [&self.shared, &self.own]
    }
}

impl From<Vec<u8>> for Fields {
    /// Lines for one response, each ending in CRLF.
    fn from(lines: Vec<u8>) -> Self {
        debug_assert!(lines.is_empty() || lines.ends_with(b"\r\n"));
        Self { shared: Bytes::new(), own: lines }
    }
}

impl Body<'_> {
    pub(crate) fn length(&self) -> Option<u64> {
        match self {
            Body::Empty => Some(0),
            Body::Bytes(bytes) => Some(bytes.len() as u64),
            Body::File(slice) => Some(slice.length),
            Body::Stream { length, .. } | Body::Absent { length } => *length,
        }
    }
}

impl fmt::Debug for Body<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Body::Empty => f.write_str("Empty"),
            Body::Bytes(bytes) => write!(f, "Bytes({})", bytes.len()),
            Body::File(slice) => write!(f, "File({})", slice.length),
            Body::Stream { length, .. } => write!(f, "Stream({length:?})"),
            Body::Absent { length } => write!(f, "Absent({length:?})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_cannot_start_a_line_of_its_own() {
        let mut fields = Fields::shared(Bytes::from_static(b"A: b\r\n"));
        fields.add("Location", "/x\r\nSet-Cookie: y");
        let text: Vec<u8> = fields.lines().concat();
        assert_eq!(text, b"A: b\r\nLocation: /x  Set-Cookie: y\r\n");
    }
}
