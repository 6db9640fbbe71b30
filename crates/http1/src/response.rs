//! Reads along a handler's raw response, never changing it, to know where it ends.
//!
//! Handlers are trusted to say what they like to the client, so lines may end in LF alone and unknown fields may be
//! odd. What decides the framing is read strictly: where the end is not certain, the connection must not be reused.

use crate::chunk::{Chunks, Span};
use crate::grammar::{decimal, trim};
use crate::head::{Codings, Options, Version};
use crate::limits::{Limits, RESPONSE_HEAD_BYTES_MAX};
use crate::refusal::Refusal;

/// What the bytes so far amount to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// More must come, or only the close can end it.
    Pending,
    /// The response ended with byte `consumed` of this feed, which is its last.
    Complete { consumed: usize },
    /// Not HTTP, or HTTP no longer (101): nothing more can be known; only a close ends it.
    Opaque,
}

/// How a response stands when the connection or the handler ends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Nothing of a final response had been sent.
    Nothing,
    /// Whole: it was complete before, or the close is what ends it.
    Whole,
    /// Cut short: the head, a Content-Length or the last chunk is missing bytes.
    CutShort,
    /// Bytes that are not HTTP; nobody can tell.
    Opaque,
}

/// What a handler's response did wrong. The client can't tell where it ends, so the connection can't be reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Broken {
    #[error("the response ended at byte {end} of this reply, but more bytes follow")]
    Excess {
        /// Bytes of this feed that still belong to the response.
        end: usize,
    },
    #[error("the status line is not HTTP/1.x, a space and three digits from 100 to 599")]
    StatusLine,
    #[error("the head is larger than 65536 bytes")]
    HeadTooLarge,
    #[error("Content-Length is not one decimal number below 2^64")]
    ContentLength,
    #[error("Content-Length and Transfer-Encoding stand in one response")]
    LengthAndEncoding,
    #[error("an HTTP/1.0 response has a Transfer-Encoding")]
    EncodingOnHttp10,
    #[error("a field that decides the framing is folded over two lines")]
    FoldedFraming,
    #[error("the chunked framing is broken")]
    Chunk(#[source] Refusal),
}

impl Broken {
    /// A short name for logs and metrics; it never changes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Excess { .. } => "excess",
            Self::StatusLine => "status_line",
            Self::HeadTooLarge => "head_too_large",
            Self::ContentLength => "content_length",
            Self::LengthAndEncoding => "length_and_encoding",
            Self::EncodingOnHttp10 => "encoding_on_http_1_0",
            Self::FoldedFraming => "folded_framing",
            Self::Chunk(refusal) => refusal.name(),
        }
    }
}

/// Follows one response to one request, interim responses included, split at any byte.
#[derive(Debug)]
pub struct ResponseTracker {
    phase: Phase,
    request_is_head: bool,
    head: Head,
    /// The part of a line that came in an earlier feed; empty in the usual case of a head in one piece.
    carry: Vec<u8>,
    body_bytes: u64,
}

#[derive(Debug)]
enum Phase {
    /// So many bytes of `HTTP/1.` have come.
    Prefix(usize),
    StatusLine,
    Fields,
    Length(u64),
    Chunked(Box<Chunks>),
    UntilClose,
    Complete,
    Opaque,
}

/// What a head has said so far.
#[derive(Debug, Default)]
struct Head {
    bytes: usize,
    status: Option<u16>,
    http10: bool,
    length: Option<u64>,
    codings: Codings,
    connection: Options,
    framing_field: bool,
    extensions: bool,
}

const PREFIX: &[u8] = b"HTTP/1.";

impl ResponseTracker {
    /// A tracker for the response to one request; a response to HEAD has no body.
    pub fn new(request_is_head: bool) -> Self {
        Self {
            phase: Phase::Prefix(0),
            request_is_head,
            head: Head::default(),
            carry: Vec::new(),
            body_bytes: 0,
        }
    }

    /// Reads along. An error is final; the bytes may be sent all the same, but the connection must close after them.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Progress, Broken> {
        let mut at = 0;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            at += match &mut self.phase {
                Phase::Prefix(_) => self.prefix(rest),
                Phase::StatusLine | Phase::Fields => self.line(rest)?,
                Phase::Length(remaining) => {
                    let len = rest.len().min(usize::try_from(*remaining).unwrap_or(usize::MAX));
                    *remaining -= len as u64;
                    if *remaining == 0 {
                        self.phase = Phase::Complete;
                    }
                    self.count(len)
                }
                Phase::Chunked(chunks) => match chunks.step(rest).map_err(Broken::Chunk)? {
                    Span::Data { skip, len } => skip + self.count(len),
                    Span::More => rest.len(),
                    Span::Done { skip } => {
                        self.phase = Phase::Complete;
                        skip
                    }
                },
                Phase::UntilClose | Phase::Opaque => self.count(rest.len()),
                Phase::Complete => return Err(Broken::Excess { end: at }),
            };
        }
        Ok(match self.phase {
            Phase::Complete => Progress::Complete { consumed: bytes.len() },
            Phase::Opaque => Progress::Opaque,
            _ => Progress::Pending,
        })
    }

    /// The handler closed, or the connection did; says whether the client has the whole response.
    pub fn finish(&mut self) -> Ending {
        match self.phase {
            _ if !self.has_begun() => Ending::Nothing,
            Phase::UntilClose | Phase::Complete => Ending::Whole,
            Phase::Opaque => Ending::Opaque,
            _ => Ending::CutShort,
        }
    }

    /// Whether anything has come but whole interim responses.
    pub fn has_begun(&self) -> bool {
        !(matches!(self.phase, Phase::Prefix(0)) && self.head.status.is_none())
    }

    /// The final status, once its head is complete; 101 counts as final.
    pub fn status(&self) -> Option<u16> {
        let in_head = matches!(self.phase, Phase::Prefix(_) | Phase::StatusLine | Phase::Fields);
        if in_head { None } else { self.head.status }
    }

    /// Reads on over `length` content bytes that are not looked at, such as those of a file.
    pub fn feed_unseen(&mut self, length: u64) -> Result<Progress, Broken> {
        match &mut self.phase {
            _ if length == 0 => {}
            Phase::Length(remaining) if *remaining > length => *remaining -= length,
            Phase::Length(remaining) if *remaining == length => self.phase = Phase::Complete,
            Phase::UntilClose | Phase::Opaque => {}
            _ => return Err(Broken::Excess { end: 0 }),
        }
        self.body_bytes = self.body_bytes.saturating_add(length);
        self.feed(&[])
    }

    /// Whether the head agrees upon an extension of WebSocket (RFC 6455 section 9.1).
    pub fn agrees_on_extensions(&self) -> bool {
        self.head.extensions
    }

    /// Content bytes so far, without chunk framing; all bytes of what is opaque.
    pub fn body_bytes(&self) -> u64 {
        self.body_bytes
    }

    /// Whether the connection can serve another request after this response: its end is known, it is reached, and the
    /// response does not announce the close (RFC 9112 section 9.3).
    pub fn persistent(&self) -> bool {
        let version = if self.head.http10 { Version::Http10 } else { Version::Http11 };
        matches!(self.phase, Phase::Complete) && self.head.connection.persistent(version)
    }

    /// Whether only the close can end the response: no length, not chunked, or not HTTP.
    pub fn ends_with_close(&self) -> bool {
        matches!(self.phase, Phase::UntilClose | Phase::Opaque)
    }

    fn count(&mut self, len: usize) -> usize {
        self.body_bytes = self.body_bytes.saturating_add(len as u64);
        len
    }

    fn prefix(&mut self, rest: &[u8]) -> usize {
        let Phase::Prefix(matched) = self.phase else { return 0 };
        let wanted = PREFIX.get(matched..).unwrap_or_default();
        let len = wanted.len().min(rest.len());
        if rest.get(..len) != wanted.get(..len) {
            self.phase = Phase::Opaque;
            self.count(matched);
            return 0;
        }
        self.head.bytes += len;
        self.phase =
            if len == wanted.len() { Phase::StatusLine } else { Phase::Prefix(matched + len) };
        len
    }

    /// Takes one line, or what there is of it.
    fn line(&mut self, rest: &[u8]) -> Result<usize, Broken> {
        let end = memchr::memchr(b'\n', rest);
        let len = end.map_or(rest.len(), |end| end + 1);
        self.head.bytes += len;
        if self.head.bytes > RESPONSE_HEAD_BYTES_MAX {
            return Err(Broken::HeadTooLarge);
        }
        let part = rest.get(..len).unwrap_or_default();
        if end.is_none() {
            self.carry.extend_from_slice(part);
            return Ok(len);
        }
        if self.carry.is_empty() {
            self.whole_line(part)?;
        } else {
            let mut line = std::mem::take(&mut self.carry);
            line.extend_from_slice(part);
            self.whole_line(&line)?;
        }
        Ok(len)
    }

    fn whole_line(&mut self, line: &[u8]) -> Result<(), Broken> {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if matches!(self.phase, Phase::StatusLine) {
            self.head.status_line(line)?;
            self.phase = Phase::Fields;
        } else if line.is_empty() {
            self.phase = self.after_head()?;
        } else {
            self.head.field(line)?;
        }
        Ok(())
    }

    /// RFC 9112 section 6.3, in its order.
    fn after_head(&mut self) -> Result<Phase, Broken> {
        let head = &self.head;
        let bodiless = self.request_is_head || matches!(head.status, Some(204 | 304));
        match head.status {
            Some(101) => return Ok(Phase::Opaque),
            Some(100..=199) => {
                self.head = Head::default();
                return Ok(Phase::Prefix(0));
            }
            _ => {}
        }
        if head.codings.present {
            if head.length.is_some() {
                return Err(Broken::LengthAndEncoding);
            }
            if head.http10 {
                return Err(Broken::EncodingOnHttp10);
            }
        }
        Ok(match head.length {
            _ if bodiless => Phase::Complete,
            Some(0) => Phase::Complete,
            Some(length) => Phase::Length(length),
            None if head.codings.ends_chunked() => {
                Phase::Chunked(Box::new(Chunks::new(&Limits::default())))
            }
            None => Phase::UntilClose,
        })
    }
}

impl Head {
    /// The status line behind `HTTP/1.`; the reason phrase is anyone's (RFC 9112 section 4).
    fn status_line(&mut self, line: &[u8]) -> Result<(), Broken> {
        let [minor @ b'0'..=b'9', b' ', code @ ..] = line else { return Err(Broken::StatusLine) };
        let code = match code {
            [a, b, c] | [a, b, c, b' ', ..] => decimal(&[*a, *b, *c]),
            _ => None,
        };
        let code = code.and_then(|code| u16::try_from(code).ok());
        self.status =
            Some(code.filter(|code| (100..600).contains(code)).ok_or(Broken::StatusLine)?);
        self.http10 = *minor == b'0';
        Ok(())
    }

    fn field(&mut self, line: &[u8]) -> Result<(), Broken> {
        if matches!(line.first(), Some(b' ' | b'\t')) {
            return if self.framing_field { Err(Broken::FoldedFraming) } else { Ok(()) };
        }
        let colon = memchr::memchr(b':', line).unwrap_or(line.len());
        let (name, value) = line.split_at_checked(colon).unwrap_or_default();
        let (name, value) = (trim(name), trim(value.get(1..).unwrap_or_default()));
        self.framing_field = true;
        if name.eq_ignore_ascii_case(b"content-length") {
            let length = decimal(value).ok_or(Broken::ContentLength)?;
            if self.length.is_some_and(|earlier| earlier != length) {
                return Err(Broken::ContentLength);
            }
            self.length = Some(length);
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            self.codings.add(value);
        } else if name.eq_ignore_ascii_case(b"connection") {
            self.connection.add(value);
        } else {
            self.framing_field = false;
            self.extensions |= name.eq_ignore_ascii_case(b"sec-websocket-extensions");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
