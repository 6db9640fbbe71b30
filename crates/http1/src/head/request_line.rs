//! Request lines: method, one space, target, one space, version (RFC 9112 section 3).

use super::target::{Target, is_authority};
use super::{Method, Span, Version};
use crate::grammar::is_token_char;
use crate::limits::{Limits, METHOD_BYTES_MAX};
use crate::refusal::Refusal;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RequestLine {
    pub(super) method: Span,
    pub(super) known_method: Method,
    pub(super) target: Target,
    pub(super) version: Version,
}

/// What is known of a request line that is still coming, so that each byte of it is looked at once.
#[derive(Debug, Default)]
pub(super) struct Prefix {
    method_len: Option<usize>,
    target_fits: bool,
}

impl Prefix {
    /// Refuses a method or a target that is wrong or too long before the line is complete.
    /// `line` is the line so far and holds no control byte but tab.
    pub(super) fn check(&mut self, line: &[u8], limits: &Limits) -> Result<(), Refusal> {
        let method_len = match self.method_len {
            Some(len) => len,
            None => match method_len(line)? {
                Some(len) => len,
                None => return Ok(()),
            },
        };
        self.method_len = Some(method_len);
        let target = line.get(method_len + 1..).unwrap_or_default();
        if self.target_fits || target.len() <= limits.target_bytes_max {
            return Ok(());
        }
        let head = target.get(..=limits.target_bytes_max).unwrap_or_default();
        self.target_fits = memchr::memchr(b' ', head).is_some();
        if self.target_fits { Ok(()) } else { Err(Refusal::TargetTooLong) }
    }
}

/// Bytes before the first space; `None` while there is none.
fn method_len(line: &[u8]) -> Result<Option<usize>, Refusal> {
    for (at, byte) in line.iter().enumerate() {
        match byte {
            b' ' if at > 0 => return Ok(Some(at)),
            _ if at >= METHOD_BYTES_MAX => return Err(Refusal::MethodTooLong),
            byte if is_token_char(*byte) => {}
            _ => return Err(Refusal::Method),
        }
    }
    Ok(None)
}

impl RequestLine {
    /// Where the first field line begins: behind the version and its CRLF.
    pub(super) fn end(&self) -> usize {
        self.target.whole.end as usize + " HTTP/1.1\r\n".len()
    }

    /// Reads a whole line, which begins the head; [`Prefix::check`] has passed it.
    pub(super) fn parse(line: &[u8], limits: &Limits) -> Result<Self, Refusal> {
        let mut spaces = memchr::memchr_iter(b' ', line);
        let Some(first) = spaces.next() else { return Err(Refusal::RequestLine) };
        let Some(second) = spaces.next() else {
            // Two words are a simple request of HTTP/0.9, which has neither fields nor a status to answer with.
            return Err(Refusal::Http09);
        };
        if spaces.next().is_some() || second == first + 1 {
            return Err(Refusal::RequestLine);
        }
        let method = Span::new(0, first);
        let known_method = Method::of(method.of(line));
        let version = version(line.get(second + 1..).unwrap_or_default())?;
        let whole = Span::new(first + 1, second);
        if method.of(line) == b"CONNECT" {
            return Err(connect(whole.of(line)));
        }
        let target = Target::parse(line, whole, known_method, limits.relaxed_uri)?;
        Ok(Self { method, known_method, target, version })
    }
}

/// CONNECT takes an authority with a port and nothing else (RFC 9112 section 3.2.3).
fn connect(target: &[u8]) -> Refusal {
    let has_port = target.last().is_some_and(u8::is_ascii_digit) && target.contains(&b':');
    if has_port && is_authority(target) { Refusal::Connect } else { Refusal::TargetForm }
}

fn version(text: &[u8]) -> Result<Version, Refusal> {
    match text {
        b"HTTP/1.1" => Ok(Version::Http11),
        b"HTTP/1.0" => Ok(Version::Http10),
        [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9'] => match text.get(5) {
            Some(b'0') => Err(Refusal::Http09),
            Some(b'1') => Ok(Version::Http11),
            _ => Err(Refusal::VersionUnsupported),
        },
        _ => Err(Refusal::VersionSyntax),
    }
}
