//! What the fields of a head mean for the connection: host, framing, persistence, expectations, upgrades.

use super::target::{is_authority, same_authority};
use super::{Field, RequestLine, Span, Version};
use crate::body::Framing;
use crate::grammar::{decimal, is_token, list, trim};
use crate::refusal::Refusal;

/// What the fields say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) host: Option<Span>,
    pub(super) framing: Framing,
    pub(super) persistent: bool,
    pub(super) expects_continue: bool,
    pub(super) upgrade: Option<Span>,
}

/// A field that may stand once.
#[derive(Debug, Default)]
enum Once {
    #[default]
    Absent,
    Present(Span),
    Repeated,
}

impl Once {
    fn add(&mut self, value: Span) {
        *self = if matches!(self, Self::Absent) { Self::Present(value) } else { Self::Repeated };
    }
}

#[derive(Debug, Default)]
struct Tally {
    host: Once,
    length: Once,
    codings: Codings,
    connection: Options,
    expects_continue: bool,
    expects_other: bool,
    upgrade: Option<Span>,
}

/// The options of Connection fields that change what we do (RFC 9110 section 7.6.1).
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Options {
    pub(crate) close: bool,
    pub(crate) keep_alive: bool,
    pub(crate) upgrade: bool,
}

impl Options {
    pub(crate) fn add(&mut self, value: &[u8]) {
        for option in list(value) {
            self.close |= option.eq_ignore_ascii_case(b"close");
            self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
            self.upgrade |= option.eq_ignore_ascii_case(b"upgrade");
        }
    }

    /// RFC 9112 section 9.3.
    pub(crate) fn persistent(self, version: Version) -> bool {
        !self.close && (version >= Version::Http11 || self.keep_alive)
    }
}

/// The transfer codings of a message, over all its Transfer-Encoding fields (RFC 9112 section 6.1).
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Codings {
    pub(crate) present: bool,
    count: usize,
    chunked: usize,
    chunked_is_last: bool,
    malformed: bool,
}

impl Codings {
    pub(crate) fn add(&mut self, value: &[u8]) {
        self.present = true;
        for coding in list(value) {
            let name = coding.split(|byte| *byte == b';').next().map_or(coding, trim);
            let chunked = name.eq_ignore_ascii_case(b"chunked");
            // chunked has no parameters (RFC 9112 section 7.1).
            self.malformed |= !is_token(name) || (chunked && name.len() != coding.len());
            self.count += 1;
            self.chunked += usize::from(chunked);
            self.chunked_is_last = chunked;
        }
    }

    /// Whether chunked ends the list and stands in it once: then, and only then, the end of the body can be found.
    pub(crate) fn ends_chunked(self) -> bool {
        !self.malformed && self.chunked == 1 && self.chunked_is_last
    }

    fn check(self) -> Result<(), Refusal> {
        if self.malformed {
            Err(Refusal::EncodingList)
        } else if self.chunked == 0 || (self.ends_chunked() && self.count > 1) {
            Err(Refusal::EncodingUnknown)
        } else if self.ends_chunked() {
            Ok(())
        } else {
            Err(Refusal::EncodingList)
        }
    }
}

/// Draws the facts out of the fields of a complete head.
pub(super) fn facts(head: &[u8], line: &RequestLine, fields: &[Field]) -> Result<Facts, Refusal> {
    let mut tally = Tally::default();
    for field in fields {
        tally.add(head, field);
    }
    let host = host(head, line, &tally.host)?;
    let framing = framing(head, line.version, &tally)?;
    if tally.expects_other {
        return Err(Refusal::Expectation);
    }
    let has_body = !matches!(framing, Framing::None | Framing::Length(0));
    let http11 = line.version >= Version::Http11;
    Ok(Facts {
        host,
        framing,
        persistent: tally.connection.persistent(line.version),
        expects_continue: tally.expects_continue && has_body && http11,
        upgrade: tally.upgrade.filter(|_| tally.connection.upgrade && http11),
    })
}

impl Tally {
    fn add(&mut self, head: &[u8], field: &Field) {
        let name = field.name.of(head);
        let is = |known: &[u8]| name.eq_ignore_ascii_case(known);
        match name.len() {
            4 if is(b"host") => self.host.add(field.value),
            6 if is(b"expect") => self.expect(field.value.of(head)),
            7 if is(b"upgrade") => self.upgrade = self.upgrade.or(Some(field.value)),
            10 if is(b"connection") => self.connection.add(field.value.of(head)),
            14 if is(b"content-length") => self.length.add(field.value),
            17 if is(b"transfer-encoding") => self.codings.add(field.value.of(head)),
            _ => {}
        }
    }

    fn expect(&mut self, value: &[u8]) {
        for expectation in list(value).filter(|expectation| !expectation.is_empty()) {
            let known = expectation.eq_ignore_ascii_case(b"100-continue");
            self.expects_continue |= known;
            self.expects_other |= !known;
        }
    }
}

fn host(head: &[u8], line: &RequestLine, host: &Once) -> Result<Option<Span>, Refusal> {
    let host = match host {
        Once::Present(span) if is_authority(span.of(head)) => Some(*span),
        Once::Present(_) => return Err(Refusal::HostSyntax),
        Once::Repeated => return Err(Refusal::HostRepeated),
        Once::Absent if line.version >= Version::Http11 => return Err(Refusal::HostMissing),
        Once::Absent => None,
    };
    match (line.target.authority, host) {
        (Some((authority, port)), Some(host))
            if !same_authority(authority.of(head), host.of(head), port) =>
        {
            Err(Refusal::AuthorityDiffers)
        }
        (Some((authority, _)), _) => Ok(Some(authority)),
        (None, host) => Ok(host),
    }
}

fn framing(head: &[u8], version: Version, tally: &Tally) -> Result<Framing, Refusal> {
    if tally.codings.present {
        if !matches!(tally.length, Once::Absent) {
            return Err(Refusal::LengthAndEncoding);
        }
        if version < Version::Http11 {
            return Err(Refusal::EncodingOnHttp10);
        }
        return tally.codings.check().map(|()| Framing::Chunked);
    }
    match tally.length {
        Once::Absent => Ok(Framing::None),
        Once::Repeated => Err(Refusal::ContentLengthRepeated),
        Once::Present(value) => {
            decimal(value.of(head)).map(Framing::Length).ok_or(Refusal::ContentLength)
        }
    }
}
